"""What a user or a role may not do is refused in AWS's words, and what it may do from the next call on."""

from __future__ import annotations

import re

import pytest


def why(ground, message):
    request_id = re.search(r"\(ground why ([0-9a-f-]{36})\)", message)[1]
    return ground.admin("GET", f"/_ground/why/{request_id}")


def sentence(error):
    return error.value.response["Error"]["Message"].partition(" (ground why")[0]


def test_a_user_without_policies_is_denied_and_allowed_right_after_one_is_put(iam, user, account, policy, fails, ground):
    own = user("alice")("iam")
    with fails("AccessDenied", status=403) as error:
        own.list_users()
    assert sentence(error) == (
        f"User: arn:aws:iam::{account}:user/alice is not authorized to perform: iam:ListUsers on resource: "
        f"arn:aws:iam::{account}:user/ because no identity-based policy allows the iam:ListUsers action"
    )
    told = why(ground, error.value.response["Error"]["Message"])
    assert told["decisions"][0]["kind"] == "implicit deny"
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("iam:ListUsers"))
    assert [each["UserName"] for each in own.list_users()["Users"]] == ["alice"]
    iam.delete_user_policy(UserName="alice", PolicyName="p")
    with fails("AccessDenied", status=403):
        own.list_users()


@pytest.mark.parametrize(
    ("service", "call", "code", "status", "action"),
    [
        ("sqs", lambda own: own.create_queue(QueueName="q"), "AccessDenied", 403, "sqs:CreateQueue"),
        ("dynamodb", lambda own: own.list_tables(), "AccessDeniedException", 400, "dynamodb:ListTables"),
        ("s3", lambda own: own.list_buckets(), "AccessDenied", 403, "s3:ListAllMyBuckets"),
    ],
)
def test_each_protocol_denies_in_its_own_form(iam, user, service, call, code, status, action):
    own = user("alice")(service)
    with pytest.raises(own.exceptions.ClientError) as error:
        call(own)
    response = error.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert f"is not authorized to perform: {action} " in response["Error"]["Message"]
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    call(own)


def test_a_denial_wins_and_names_its_statement(iam, user, policy, fails, ground):
    own = user("alice")("iam")
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    own.list_users()
    deny = '{"Version":"2012-10-17","Statement":{"Sid":"NoUsers","Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}}'
    iam.put_user_policy(UserName="alice", PolicyName="deny", PolicyDocument=deny)
    with fails("AccessDenied") as error:
        own.list_users()
    assert sentence(error).endswith(" with an explicit deny in an identity-based policy")
    told = why(ground, error.value.response["Error"]["Message"])["decisions"][0]
    assert (told["policy"], told["sid"], told["kind"]) == ("deny", "NoUsers", "explicit deny")


def test_a_group_s_policies_hold_for_its_members_as_long_as_they_are_members(iam, user, policy, fails):
    own = user("alice")("iam")
    iam.create_group(GroupName="staff")
    iam.put_group_policy(GroupName="staff", PolicyName="p", PolicyDocument=policy("iam:ListUsers"))
    iam.attach_group_policy(GroupName="staff", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    own.list_users()
    iam.remove_user_from_group(GroupName="staff", UserName="alice")
    with fails("AccessDenied"):
        own.list_users()


def test_a_boundary_limits_and_a_new_version_of_it_counts_at_once(iam, user, policy, fails):
    own = user("alice")("iam")
    arn = iam.create_policy(PolicyName="Boundary", PolicyDocument=policy("sqs:*"))["Policy"]["Arn"]
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("*"))
    own.list_users()
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    with fails("AccessDenied") as error:
        own.list_users()
    assert sentence(error).endswith("because no permissions boundary allows the iam:ListUsers action")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("iam:*"), SetAsDefault=True)
    own.list_users()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    with fails("AccessDenied"):
        own.list_users()
    iam.delete_user_permissions_boundary(UserName="alice")
    own.list_users()


def test_iam_s_conditions_hold_back_delegated_administrators(iam, user, policy, trust, fails, account):
    """The pattern of delegation: who may make roles, but only under a boundary, and attach only what is listed."""
    own = user("admin")("iam")
    boundary = iam.create_policy(PolicyName="Boundary", PolicyDocument=policy("*"))["Policy"]["Arn"]
    iam.put_user_policy(
        UserName="admin",
        PolicyName="roles",
        PolicyDocument=policy("iam:CreateRole", "iam:PutRolePolicy", condition={"StringEquals": {"iam:PermissionsBoundary": boundary}}),
    )
    iam.put_user_policy(
        UserName="admin",
        PolicyName="attach",
        PolicyDocument=policy(
            "iam:AttachRolePolicy", condition={"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AWSLambda*"}}
        ),
    )
    document = trust({"Service": "lambda.amazonaws.com"})
    with fails("AccessDenied"):
        own.create_role(RoleName="Free", AssumeRolePolicyDocument=document)
    own.create_role(RoleName="Bound", AssumeRolePolicyDocument=document, PermissionsBoundary=boundary)
    own.put_role_policy(RoleName="Bound", PolicyName="p", PolicyDocument=policy("s3:*"))
    own.attach_role_policy(RoleName="Bound", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    with fails("AccessDenied"):
        own.attach_role_policy(RoleName="Bound", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


def test_paths_and_tags_of_resources_are_weighed(iam, user, policy, fails, account):
    own = user("admin")("iam")
    document = policy("iam:GetUser", resource=f"arn:aws:iam::{account}:user/team/*")
    iam.put_user_policy(UserName="admin", PolicyName="path", PolicyDocument=document)
    iam.create_user(UserName="a", Path="/team/")
    iam.create_user(UserName="b", Path="/other/")
    own.get_user(UserName="a")
    with fails("AccessDenied"):
        own.get_user(UserName="b")
    tagged = policy("iam:TagUser", "iam:DeleteUser", condition={"StringEquals": {"aws:ResourceTag/stage": "test"}})
    iam.put_user_policy(UserName="admin", PolicyName="tags", PolicyDocument=tagged)
    with fails("AccessDenied"):
        own.delete_user(UserName="b")
    iam.tag_user(UserName="b", Tags=[{"Key": "stage", "Value": "test"}])
    own.delete_user(UserName="b")


def test_a_role_is_passed_to_the_service_that_the_policy_names(iam, user, policy, trust, fails, account):
    own = user("admin")("iam")
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.create_instance_profile(InstanceProfileName="P")
    iam.put_user_policy(UserName="admin", PolicyName="add", PolicyDocument=policy("iam:AddRoleToInstanceProfile"))
    with fails("AccessDenied") as error:
        own.add_role_to_instance_profile(InstanceProfileName="P", RoleName="App")
    assert f"iam:PassRole on resource: arn:aws:iam::{account}:role/App" in sentence(error)
    passes = policy("iam:PassRole", condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}})
    iam.put_user_policy(UserName="admin", PolicyName="pass", PolicyDocument=passes)
    own.add_role_to_instance_profile(InstanceProfileName="P", RoleName="App")


def test_principal_tags_are_variables(iam, user, fails, account):
    own = user("alice", Tags=[{"Key": "team", "Value": "red"}])("iam")
    document = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser",'
        f'"Resource":"arn:aws:iam::{account}:user/${{aws:PrincipalTag/team}}/*"}}}}'
    )
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=document)
    iam.create_user(UserName="r", Path="/red/")
    iam.create_user(UserName="b", Path="/blue/")
    own.get_user(UserName="r")
    with fails("AccessDenied"):
        own.get_user(UserName="b")
    iam.tag_user(UserName="alice", Tags=[{"Key": "team", "Value": "blue"}])
    own.get_user(UserName="b")


def test_lists_of_policies_are_authorised_by_path(iam, user, policy, fails, account):
    own = user("alice")("iam")
    with fails("AccessDenied") as error:
        own.list_policies(PathPrefix="/x/")
    assert sentence(error).startswith(
        f"User: arn:aws:iam::{account}:user/alice is not authorized to perform: iam:ListPolicies on resource: policy path /x/ "
    )
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy("iam:ListPolicies"))
    own.list_policies()


def test_a_session_of_a_deleted_role_has_nothing_of_a_role_made_anew_under_its_name(iam, client, policy, trust, account, fails):
    def make():
        arn = iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"AWS": account}))["Role"]["Arn"]
        iam.put_role_policy(RoleName="App", PolicyName="p", PolicyDocument=policy("iam:ListUsers"))
        credentials = client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
        return client(
            "iam",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    old = make()
    old.list_users()
    iam.delete_role_policy(RoleName="App", PolicyName="p")
    iam.delete_role(RoleName="App")
    with fails("AccessDenied"):
        old.list_users()
    new = make()
    new.list_users()
    with fails("AccessDenied"):
        old.list_users()
    new.list_users()


def test_an_unknown_key_is_refused(client, fails):
    own = client("iam", aws_access_key_id="AKIAAAAAAAAAAAAAAAAA", aws_secret_access_key="x")
    with fails("InvalidClientTokenId", "The security token included in the request is invalid.", 403):
        own.list_users()
