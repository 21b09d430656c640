from __future__ import annotations

import json

import pytest

SQS = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"


def test_a_policy_is_made_found_listed_and_deleted(iam, account, policy):
    made = iam.create_policy(PolicyName="P", Path="/x/", PolicyDocument=policy("s3:*"), Description="d", Tags=[{"Key": "a", "Value": "b"}])[
        "Policy"
    ]
    assert made["Arn"] == f"arn:aws:iam::{account}:policy/x/P"
    assert made["PolicyId"].startswith("ANPA")
    assert (made["DefaultVersionId"], made["AttachmentCount"], made["IsAttachable"]) == ("v1", 0, True)
    found = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert (found["Description"], found["Tags"]) == ("d", [{"Key": "a", "Value": "b"}])
    assert [each["PolicyName"] for each in iam.list_policies(Scope="Local")["Policies"]] == ["P"]
    iam.delete_policy(PolicyArn=made["Arn"])
    assert iam.list_policies(Scope="Local")["Policies"] == []


def test_sentences_of_missing_and_doubled_policies(iam, account, policy, fails):
    arn = f"arn:aws:iam::{account}:policy/None"
    with fails("NoSuchEntity", f"Policy {arn} was not found.", 404):
        iam.get_policy(PolicyArn=arn)
    with fails("InvalidInput", "ARN this-is-no-arn-at-all is not valid.", 400):
        iam.get_policy(PolicyArn="this-is-no-arn-at-all")
    iam.create_policy(PolicyName="P", PolicyDocument=policy("s3:*"))
    with fails("EntityAlreadyExists", "A policy called P already exists. Duplicate names are not allowed.", 409):
        iam.create_policy(PolicyName="P", Path="/elsewhere/", PolicyDocument=policy("s3:*"))
    iam.create_user(UserName="alice")
    with fails("NoSuchEntity", f"Policy {arn} does not exist or is not attachable."):
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    with fails("NoSuchEntity", f"Policy {SQS} was not found."):
        iam.detach_user_policy(UserName="alice", PolicyArn=SQS)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("nonsense", "This policy contains invalid Json"),
        ('{"Version":"2012-10-17","Statement":[]}', "Syntax errors in policy."),
        ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}', "Policy statement must contain actions."),
        ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*"}}', "Policy statement must contain resources."),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"read","Resource":"*"}}',
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}}',
            'Resource bucket must be in ARN format or "*".',
        ),
        (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}',
            "Policy document should not specify a principal.",
        ),
    ],
)
def test_a_malformed_policy_gets_aws_s_sentence(iam, fails, document, sentence):
    with fails("MalformedPolicyDocument", sentence, 400):
        iam.create_policy(PolicyName="P", PolicyDocument=document)
    iam.create_user(UserName="alice")
    with fails("MalformedPolicyDocument", sentence, 400):
        iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=document)


def test_sizes_do_not_count_white_space(iam, policy, fails, trust):
    long = policy(*[f"s3:Get{number:05}" for number in range(450)])
    assert len(long.replace(" ", "")) > 6144
    with fails("LimitExceeded", "Cannot exceed quota for PolicySize: 6144", 409):
        iam.create_policy(PolicyName="P", PolicyDocument=long)
    iam.create_policy(PolicyName="P", PolicyDocument=policy("s3:*") + " " * 7000)
    iam.create_user(UserName="alice")
    half = policy(*[f"s3:Get{number:05}" for number in range(70)])
    iam.put_user_policy(UserName="alice", PolicyName="a", PolicyDocument=half)
    iam.put_user_policy(UserName="alice", PolicyName="a", PolicyDocument=half)
    with fails("LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user alice", 409):
        iam.put_user_policy(UserName="alice", PolicyName="b", PolicyDocument=half)
    iam.create_group(GroupName="staff")
    with fails("LimitExceeded", "Maximum policy size of 5120 bytes exceeded for group staff", 409):
        iam.put_group_policy(GroupName="staff", PolicyName="b", PolicyDocument=long)
    iam.create_role(RoleName="App", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.put_role_policy(RoleName="App", PolicyName="a", PolicyDocument=long)
    with fails("LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role App", 409):
        iam.put_role_policy(RoleName="App", PolicyName="b", PolicyDocument=long)


def test_versions(iam, policy, fails):
    arn = iam.create_policy(PolicyName="P", PolicyDocument=policy("s3:Get1"))["Policy"]["Arn"]
    for number in range(2, 6):
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(f"s3:Get{number}"), SetAsDefault=number == 3)
        assert version["PolicyVersion"]["VersionId"] == f"v{number}"
    sentence = "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."
    with fails("LimitExceeded", sentence, 409):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("s3:*"))
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(each["VersionId"], each["IsDefaultVersion"]) for each in versions] == [
        ("v5", False),
        ("v4", False),
        ("v3", True),
        ("v2", False),
        ("v1", False),
    ]
    pages = list(iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 2}))
    assert [each["VersionId"] for page in pages for each in page["Versions"]] == ["v5", "v4", "v3", "v2", "v1"]
    with fails("DeleteConflict", "Cannot delete the default version of a policy.", 409):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v3")
    with fails("NoSuchEntity", f"Policy {arn} version v9 does not exist or is not attachable."):
        iam.get_policy_version(PolicyArn=arn, VersionId="v9")
    sentence = (
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
        "The default version is deleted with the policy."
    )
    with fails("DeleteConflict", sentence):
        iam.delete_policy(PolicyArn=arn)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v4")
    for number in (1, 2, 3, 5):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("s3:*"))["PolicyVersion"]["VersionId"] == "v6"
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v4")["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == ["s3:Get4"]


def test_attachments_are_counted_and_hold_the_policy(iam, policy, trust, fails):
    arn = iam.create_policy(PolicyName="P", PolicyDocument=policy("s3:*"))["Policy"]["Arn"]
    iam.create_user(UserName="alice", PermissionsBoundary=arn)
    iam.create_group(GroupName="staff")
    iam.create_role(RoleName="App", Path="/x/", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    iam.attach_group_policy(GroupName="staff", PolicyArn=arn)
    iam.attach_role_policy(RoleName="App", PolicyArn=arn)
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (3, 1)
    entities = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")
    assert [user["UserName"] for user in entities["PolicyUsers"]] == ["alice"]
    assert [group["GroupName"] for group in entities["PolicyGroups"]] == ["staff"]
    assert [role["RoleName"] for role in entities["PolicyRoles"]] == ["App"]
    assert iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role", PathPrefix="/y/")["PolicyRoles"] == []
    pages = list(iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 1}))
    assert len(pages) == 4
    with fails("DeleteConflict", "Cannot delete a policy attached to entities.", 409):
        iam.delete_policy(PolicyArn=arn)
    assert iam.list_attached_role_policies(RoleName="App")["AttachedPolicies"] == [{"PolicyName": "P", "PolicyArn": arn}]
    assert iam.list_attached_role_policies(RoleName="App", PathPrefix="/z/")["AttachedPolicies"] == []
    iam.detach_user_policy(UserName="alice", PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="alice")
    iam.detach_group_policy(GroupName="staff", PolicyArn=arn)
    iam.detach_role_policy(RoleName="App", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def test_an_identity_has_ten_managed_policies_at_most(iam, policy, fails):
    iam.create_user(UserName="alice")
    arns = [iam.create_policy(PolicyName=f"P{number}", PolicyDocument=policy("s3:*"))["Policy"]["Arn"] for number in range(11)]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    with fails("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10", 409):
        iam.attach_user_policy(UserName="alice", PolicyArn=arns[10])


def test_inline_policies(iam, policy, fails):
    iam.create_group(GroupName="staff")
    for name in ("b", "a", "c"):
        iam.put_group_policy(GroupName="staff", PolicyName=name, PolicyDocument=policy("s3:*"))
    assert iam.list_group_policies(GroupName="staff")["PolicyNames"] == ["a", "b", "c"]
    first = iam.list_group_policies(GroupName="staff", MaxItems=2)
    assert iam.list_group_policies(GroupName="staff", MaxItems=2, Marker=first["Marker"])["PolicyNames"] == ["c"]
    found = iam.get_group_policy(GroupName="staff", PolicyName="a")
    assert found["PolicyDocument"] == json.loads(policy("s3:*"))
    iam.delete_group_policy(GroupName="staff", PolicyName="a")
    for operation in (iam.get_group_policy, iam.delete_group_policy):
        with fails("NoSuchEntity", "The group policy with name a cannot be found.", 404):
            operation(GroupName="staff", PolicyName="a")
    iam.create_user(UserName="alice")
    with fails("NoSuchEntity", "The user policy with name a cannot be found."):
        iam.get_user_policy(UserName="alice", PolicyName="a")


def test_aws_s_policies_are_there_to_read_and_attach_and_not_to_change(iam, policy, fails):
    listed = {each["PolicyName"]: each for page in iam.get_paginator("list_policies").paginate(Scope="AWS") for each in page["Policies"]}
    for name in (
        "AdministratorAccess",
        "PowerUserAccess",
        "ReadOnlyAccess",
        "AWSLambdaBasicExecutionRole",
        "AWSLambdaSQSQueueExecutionRole",
        "AWSLambdaDynamoDBExecutionRole",
        "AWSLambdaKinesisExecutionRole",
        "AWSLambdaVPCAccessExecutionRole",
        "AWSXRayDaemonWriteAccess",
        "AWSXrayWriteOnlyAccess",
        "AmazonAPIGatewayPushToCloudWatchLogs",
        "IAMFullAccess",
        "AmazonS3FullAccess",
        "AmazonS3ReadOnlyAccess",
        "AmazonDynamoDBFullAccess",
        "AmazonDynamoDBReadOnlyAccess",
        "AmazonSQSReadOnlyAccess",
        "AmazonSNSFullAccess",
        "AWSLambda_FullAccess",
        "AWSLambda_ReadOnlyAccess",
        "CloudWatchFullAccess",
        "CloudWatchLogsFullAccess",
        "AWSCloudFormationFullAccess",
        "AmazonKinesisFullAccess",
        "AWSStepFunctionsFullAccess",
        "AmazonEventBridgeFullAccess",
        "AWSLambdaRole",
        "AmazonSSMReadOnlyAccess",
        "SecretsManagerReadWrite",
    ):
        version = iam.get_policy_version(PolicyArn=listed[name]["Arn"], VersionId=listed[name]["DefaultVersionId"])["PolicyVersion"]
        assert version["Document"]["Version"] == "2012-10-17"
    assert listed["AWSLambdaBasicExecutionRole"]["Arn"] == "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    with fails("AccessDenied", status=403):
        iam.create_policy_version(PolicyArn=SQS, PolicyDocument=policy("s3:*"))
    with fails("AccessDenied", status=403):
        iam.delete_policy(PolicyArn=SQS)
    iam.create_user(UserName="alice")
    iam.attach_user_policy(UserName="alice", PolicyArn=SQS)
    attached = iam.list_policies(OnlyAttached=True)["Policies"]
    assert [each["PolicyName"] for each in attached] == ["AmazonSQSFullAccess"]


def test_policies_are_listed_own_first_and_page_over_to_aws_s(iam, policy):
    for name in ("b", "a"):
        iam.create_policy(PolicyName=name, PolicyDocument=policy("s3:*"))
    pages = list(iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 30}))
    names = [each["PolicyName"] for page in pages for each in page["Policies"]]
    assert names[:2] == ["a", "b"]
    assert len(names) == len(set(names)) > 60
    assert iam.list_policies(PathPrefix="/service-role/", Scope="AWS")["Policies"][0]["Path"] == "/service-role/"


def test_policy_tags(iam, policy):
    arn = iam.create_policy(PolicyName="P", PolicyDocument=policy("s3:*"))["Policy"]["Arn"]
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_an_inline_policy_may_be_of_the_older_version_and_a_managed_one_may_not(iam, fails):
    iam.create_user(UserName="alice")
    with fails("MalformedPolicyDocument", "Policy document must be version 2012-10-17 or greater."):
        iam.create_policy(PolicyName="p", PolicyDocument='{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}')
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument='{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}')
    assert "Version" not in iam.get_user_policy(UserName="alice", PolicyName="p")["PolicyDocument"]
