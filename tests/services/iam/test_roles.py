from __future__ import annotations

import json

import pytest

LAMBDA = {"Service": "lambda.amazonaws.com"}


def test_a_role_is_made_found_listed_and_deleted(iam, account, trust):
    document = trust(LAMBDA)
    made = iam.create_role(
        RoleName="App", Path="/x/", AssumeRolePolicyDocument=document, Description="d", Tags=[{"Key": "a", "Value": "b"}]
    )
    role = made["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/x/App"
    assert role["RoleId"].startswith("AROA") and len(role["RoleId"]) == 21
    assert role["AssumeRolePolicyDocument"] == json.loads(document)
    found = iam.get_role(RoleName="App")["Role"]
    assert (found["MaxSessionDuration"], found["Description"], found["RoleLastUsed"]) == (3600, "d", {})
    listed = iam.list_roles(PathPrefix="/x/")["Roles"][0]
    assert "Tags" not in listed and listed["AssumeRolePolicyDocument"] == json.loads(document)
    iam.delete_role(RoleName="App")
    assert iam.list_roles()["Roles"] == []


def test_the_document_is_url_encoded_on_the_wire(iam, trust):
    seen = []
    iam.meta.events.register("before-parse.iam.CreateRole", lambda response_dict, **_: seen.append(response_dict["body"]))
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust(LAMBDA))
    assert b"<AssumeRolePolicyDocument>%7B%22Version%22%3A%20%222012-10-17%22" in seen[0]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "This policy contains invalid Json"),
        ('{"Version":"2012-10-17"}', "Syntax errors in policy."),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject"}}',
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"}}',
            "Has prohibited field Resource",
        ),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}',
            "Missing required field Principal",
        ),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"bob"},"Action":"sts:AssumeRole"}}',
            'Invalid principal in policy: "AWS":"bob"',
        ),
    ],
)
def test_a_malformed_trust_policy_gets_aws_s_sentence(iam, fails, document, sentence):
    with fails("MalformedPolicyDocument", sentence, 400):
        iam.create_role(RoleName="App", AssumeRolePolicyDocument=document)
    assert iam.list_roles()["Roles"] == []


def test_a_principal_of_the_account_must_exist(iam, fails, trust, account):
    arn = f"arn:aws:iam::{account}:user/alice"
    with fails("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{arn}"'):
        iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"AWS": arn}))
    iam.create_user(UserName="alice")
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"AWS": arn}))


def test_a_trust_policy_has_a_size(iam, fails, trust):
    with fails("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 4096", 409):
        iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"AWS": [f"arn:aws:iam::{n:012}:root" for n in range(200)]}))


def test_a_role_is_updated(iam, trust, fails):
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust(LAMBDA), MaxSessionDuration=7200)
    iam.update_role(RoleName="App", Description="new", MaxSessionDuration=43200)
    iam.update_assume_role_policy(RoleName="App", PolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    role = iam.get_role(RoleName="App")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 43200)
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert iam.update_role_description(RoleName="App", Description="newer")["Role"]["Description"] == "newer"
    with fails("MalformedPolicyDocument", "This policy contains invalid Json"):
        iam.update_assume_role_policy(RoleName="App", PolicyDocument="nonsense")
    with fails("NoSuchEntity", "The role with name None cannot be found."):
        iam.update_role(RoleName="None")
    with fails("EntityAlreadyExists", "Role with name app already exists."):
        iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(LAMBDA))


def test_a_role_with_policies_or_a_profile_is_not_deleted(iam, trust, policy, fails):
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust(LAMBDA))
    iam.create_instance_profile(InstanceProfileName="P")
    iam.add_role_to_instance_profile(InstanceProfileName="P", RoleName="App")
    iam.put_role_policy(RoleName="App", PolicyName="p", PolicyDocument=policy("s3:*"))
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="App", PolicyArn=arn)
    with fails("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."):
        iam.delete_role(RoleName="App")
    iam.remove_role_from_instance_profile(InstanceProfileName="P", RoleName="App")
    with fails("DeleteConflict", "Cannot delete entity, must detach all policies first."):
        iam.delete_role(RoleName="App")
    iam.detach_role_policy(RoleName="App", PolicyArn=arn)
    with fails("DeleteConflict", "Cannot delete entity, must delete policies first."):
        iam.delete_role(RoleName="App")
    iam.delete_role_policy(RoleName="App", PolicyName="p")
    iam.delete_role(RoleName="App")


def test_tags_come_in_pages(iam, trust):
    tags = [{"Key": f"k{number}", "Value": str(number)} for number in range(5)]
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust(LAMBDA), Tags=tags)
    first = iam.list_role_tags(RoleName="App", MaxItems=3)
    assert first["IsTruncated"] is True
    rest = iam.list_role_tags(RoleName="App", MaxItems=3, Marker=first["Marker"])
    assert first["Tags"] + rest["Tags"] == tags
    iam.untag_role(RoleName="App", TagKeys=["k0"])
    iam.tag_role(RoleName="App", Tags=[{"Key": "k1", "Value": "x"}])
    assert iam.get_role(RoleName="App")["Role"]["Tags"][0]["Key"] == "k2"


def test_a_role_s_boundary_is_put_shown_and_taken(iam, trust, fails):
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust(LAMBDA))
    iam.put_role_permissions_boundary(RoleName="App", PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")
    boundary = iam.get_role(RoleName="App")["Role"]["PermissionsBoundary"]
    assert boundary == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess"}
    iam.delete_role_permissions_boundary(RoleName="App")
    with fails("NoSuchEntity"):
        iam.delete_role_permissions_boundary(RoleName="App")


def test_instance_profiles(iam, account, trust, fails):
    made = iam.create_instance_profile(InstanceProfileName="P", Path="/x/", Tags=[{"Key": "a", "Value": "b"}])["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{account}:instance-profile/x/P"
    assert made["InstanceProfileId"].startswith("AIPA") and made["Roles"] == []
    with fails("EntityAlreadyExists", "Instance Profile P already exists."):
        iam.create_instance_profile(InstanceProfileName="P")
    for name in ("App", "Other"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(LAMBDA))
    iam.add_role_to_instance_profile(InstanceProfileName="P", RoleName="App")
    with fails("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"):
        iam.add_role_to_instance_profile(InstanceProfileName="P", RoleName="Other")
    assert [role["RoleName"] for role in iam.get_instance_profile(InstanceProfileName="P")["InstanceProfile"]["Roles"]] == ["App"]
    assert [p["InstanceProfileName"] for p in iam.list_instance_profiles_for_role(RoleName="App")["InstanceProfiles"]] == ["P"]
    assert [p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]] == ["P"]
    assert iam.list_instance_profile_tags(InstanceProfileName="P")["Tags"] == [{"Key": "a", "Value": "b"}]
    with fails("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."):
        iam.delete_instance_profile(InstanceProfileName="P")
    iam.remove_role_from_instance_profile(InstanceProfileName="P", RoleName="App")
    iam.delete_instance_profile(InstanceProfileName="P")
    with fails("NoSuchEntity", "Instance Profile P cannot be found."):
        iam.get_instance_profile(InstanceProfileName="P")


def test_service_linked_roles_are_only_aws_s_to_change(iam, account, policy, fails):
    role = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", Description="d")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    name = role["RoleName"]
    protected = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
    for change in (
        lambda: iam.delete_role(RoleName=name),
        lambda: iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy("s3:*")),
        lambda: iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess"),
        lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument="{}"),
    ):
        with fails("UnmodifiableEntity", protected, 400):
            change()
    with fails("InvalidInput", f"Service role name {name} has been taken in this account, please try a different suffix."):
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/ecs.amazonaws.com/{name}/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    with fails("InvalidInput"):
        iam.create_service_linked_role(AWSServiceName="nothing.amazonaws.com")
