"""IAM's CloudFormation types, through stacks."""

from __future__ import annotations

import json

import pytest

SQS = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
LOGS = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def allow(*actions):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


@pytest.fixture
def stack(client, clock):
    """`stack({"Role": {...}}, outputs)` creates or updates the stack `s` and gives its outputs; `stack(None)` deletes it."""
    cloudformation = client("cloudformation")
    there = []

    def deploy(resources, outputs=None, tags=()):
        if resources is None:
            cloudformation.delete_stack(StackName=there[-1])
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=there.pop(), WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
            return None
        template = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()}}
        arguments = {
            "StackName": "s",
            "TemplateBody": json.dumps(template),
            "Capabilities": CAPABILITIES,
            "Tags": [{"Key": key, "Value": value} for key, value in tags],
        }
        if there:
            cloudformation.update_stack(**arguments)
            waiter = "stack_update_complete"
        else:
            there.append(cloudformation.create_stack(**arguments)["StackId"])
            waiter = "stack_create_complete"
        try:
            cloudformation.get_waiter(waiter).wait(StackName=there[-1], WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
        except Exception:
            events = cloudformation.describe_stack_events(StackName=there[-1])["StackEvents"]
            reasons = [event.get("ResourceStatusReason") for event in events if "FAILED" in event["ResourceStatus"]]
            raise AssertionError(reasons) from None
        found = cloudformation.describe_stacks(StackName=there[-1])["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    return deploy


def test_a_role_is_made_changed_and_deleted(stack, iam, account):
    properties = {
        "AssumeRolePolicyDocument": TRUST,
        "Path": "/app/",
        "Description": "one",
        "MaxSessionDuration": "7200",
        "ManagedPolicyArns": [SQS],
        "Policies": [{"PolicyName": "inline", "PolicyDocument": allow("s3:GetObject")}],
        "PermissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    outputs = {"Name": {"Ref": "Role"}, "Arn": {"Fn::GetAtt": ["Role", "Arn"]}, "Id": {"Fn::GetAtt": ["Role", "RoleId"]}}
    out = stack({"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}, outputs, tags=[("stage", "test")])
    assert out["Name"].startswith("s-Role-") and out["Arn"] == f"arn:aws:iam::{account}:role/app/{out['Name']}"
    role = iam.get_role(RoleName=out["Name"])["Role"]
    assert (role["Description"], role["MaxSessionDuration"], role["RoleId"]) == ("one", 7200, out["Id"])
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == {"a": "b", "stage": "test"}
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("PowerUserAccess")

    changed = {
        **properties,
        "Description": "two",
        "ManagedPolicyArns": [LOGS],
        "Policies": [{"PolicyName": "other", "PolicyDocument": allow("s3:PutObject")}],
        "Tags": [],
    }
    del changed["PermissionsBoundary"]
    again = stack({"Role": {"Type": "AWS::IAM::Role", "Properties": changed}}, outputs)
    assert again["Name"] == out["Name"]
    role = iam.get_role(RoleName=out["Name"])["Role"]
    assert role["Description"] == "two" and "PermissionsBoundary" not in role and "Tags" not in role
    assert [each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=out["Name"])["AttachedPolicies"]] == [LOGS]
    assert iam.list_role_policies(RoleName=out["Name"])["PolicyNames"] == ["other"]

    moved = stack({"Role": {"Type": "AWS::IAM::Role", "Properties": {**changed, "Path": "/"}}}, outputs)
    assert moved["Name"] != out["Name"]
    assert [each["RoleName"] for each in iam.list_roles()["Roles"]] == [moved["Name"]]
    stack(None)
    assert iam.list_roles()["Roles"] == []


def test_a_role_that_fails_half_way_leaves_nothing(stack, iam):
    properties = {"AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": [LOGS, "arn:aws:iam::aws:policy/NotThere"]}
    with pytest.raises(AssertionError, match="does not exist or is not attachable"):
        stack({"Role": {"Type": "AWS::IAM::Role", "Properties": properties}})
    assert iam.list_roles()["Roles"] == []


def test_policies_on_roles_users_and_groups(stack, iam):
    def resources(document, roles, name="p"):
        return {
            "A": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, "RoleName": "A"}},
            "B": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, "RoleName": "B"}},
            "G": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": "G", "ManagedPolicyArns": [SQS]}},
            "U": {
                "Type": "AWS::IAM::User",
                "Properties": {
                    "UserName": "U",
                    "Groups": [{"Ref": "G"}],
                    "Policies": [{"PolicyName": "own", "PolicyDocument": document}],
                    "LoginProfile": {"Password": "Sesame-open1"},
                },
            },
            "Inline": {
                "Type": "AWS::IAM::Policy",
                "Properties": {
                    "PolicyName": name,
                    "PolicyDocument": document,
                    "Roles": [{"Ref": role} for role in roles],
                    "Users": [{"Ref": "U"}],
                },
            },
            "Managed": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "PolicyDocument": document,
                    "Description": "d",
                    "Roles": [{"Ref": role} for role in roles],
                    "Groups": [{"Ref": "G"}],
                },
            },
            "RolePolicy": {
                "Type": "AWS::IAM::RolePolicy",
                "Properties": {"RoleName": {"Ref": "A"}, "PolicyName": "rp", "PolicyDocument": document},
            },
            "UserPolicy": {
                "Type": "AWS::IAM::UserPolicy",
                "Properties": {"UserName": {"Ref": "U"}, "PolicyName": "up", "PolicyDocument": document},
            },
            "GroupPolicy": {
                "Type": "AWS::IAM::GroupPolicy",
                "Properties": {"GroupName": {"Ref": "G"}, "PolicyName": "gp", "PolicyDocument": document},
            },
            "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": roles[0]}]}},
        }

    outputs = {"Managed": {"Ref": "Managed"}, "Profile": {"Fn::GetAtt": ["Profile", "Arn"]}, "Group": {"Fn::GetAtt": ["G", "Arn"]}}
    out = stack(resources(allow("s3:Get*"), ["A"]), outputs)
    assert iam.list_role_policies(RoleName="A")["PolicyNames"] == ["p", "rp"]
    assert iam.list_user_policies(UserName="U")["PolicyNames"] == ["own", "p", "up"]
    assert iam.list_group_policies(GroupName="G")["PolicyNames"] == ["gp"]
    assert iam.get_policy(PolicyArn=out["Managed"])["Policy"]["AttachmentCount"] == 2
    assert iam.get_login_profile(UserName="U")["LoginProfile"]["UserName"] == "U"
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="U")["Groups"]] == ["G"]
    assert len(iam.list_instance_profiles_for_role(RoleName="A")["InstanceProfiles"]) == 1

    again = stack(resources(allow("s3:Put*"), ["B"], name="q"), outputs)
    assert again["Managed"] == out["Managed"]
    assert iam.list_role_policies(RoleName="A")["PolicyNames"] == ["rp"]
    assert iam.list_role_policies(RoleName="B")["PolicyNames"] == ["q"]
    assert iam.list_user_policies(UserName="U")["PolicyNames"] == ["own", "q", "up"]
    assert iam.get_policy(PolicyArn=out["Managed"])["Policy"]["DefaultVersionId"] == "v2"
    assert iam.list_attached_role_policies(RoleName="A")["AttachedPolicies"] == []
    assert iam.get_role_policy(RoleName="A", PolicyName="rp")["PolicyDocument"] == allow("s3:Put*")
    assert len(iam.list_instance_profiles_for_role(RoleName="B")["InstanceProfiles"]) == 1
    stack(None)
    assert iam.list_roles()["Roles"] == iam.list_users()["Users"] == iam.list_groups()["Groups"] == []
    assert iam.list_policies(Scope="Local")["Policies"] == iam.list_instance_profiles()["InstanceProfiles"] == []


def test_a_managed_policy_has_room_for_a_sixth_document(stack, iam):
    out = {}
    for number in range(7):
        properties = {"PolicyDocument": allow(f"s3:Get{number}")}
        out = stack({"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}}, {"Arn": {"Ref": "P"}})
    versions = iam.list_policy_versions(PolicyArn=out["Arn"])["Versions"]
    assert [version["VersionId"] for version in versions] == ["v7", "v6", "v5", "v4", "v3"]


def test_an_access_key_s_secret_works(stack, iam, client, account):
    resources = {
        "U": {"Type": "AWS::IAM::User", "Properties": {}},
        "K": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "U"}}},
        "Add": {"Type": "AWS::IAM::UserToGroupAddition", "Properties": {"GroupName": {"Ref": "G"}, "Users": [{"Ref": "U"}]}},
        "G": {"Type": "AWS::IAM::Group", "Properties": {}},
    }
    outputs = {"Id": {"Ref": "K"}, "Secret": {"Fn::GetAtt": ["K", "SecretAccessKey"]}, "User": {"Ref": "U"}}
    out = stack(resources, outputs)
    own = client("sts", aws_access_key_id=out["Id"], aws_secret_access_key=out["Secret"])
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:user/{out['User']}"
    assert len(iam.list_groups_for_user(UserName=out["User"])["Groups"]) == 1
    resources["K"]["Properties"]["Status"] = "Inactive"
    assert stack(resources, outputs) == out
    assert iam.list_access_keys(UserName=out["User"])["AccessKeyMetadata"][0]["Status"] == "Inactive"
    stack(None)
    assert iam.list_users()["Users"] == []


def test_providers_and_service_linked_roles(stack, iam, account):
    saml = "<EntityDescriptor>" + " " * 1000 + "</EntityDescriptor>"
    resources = {
        "O": {
            "Type": "AWS::IAM::OIDCProvider",
            "Properties": {"Url": "https://token.example.com", "ClientIdList": ["a", "b"], "ThumbprintList": ["a" * 40]},
        },
        "S": {"Type": "AWS::IAM::SAMLProvider", "Properties": {"Name": "corp", "SamlMetadataDocument": saml}},
        "L": {"Type": "AWS::IAM::ServiceLinkedRole", "Properties": {"AWSServiceName": "ecs.amazonaws.com"}},
    }
    out = stack(resources, {"O": {"Fn::GetAtt": ["O", "Arn"]}, "S": {"Ref": "S"}, "L": {"Ref": "L"}})
    assert out["O"] == f"arn:aws:iam::{account}:oidc-provider/token.example.com"
    assert (out["S"], out["L"]) == (f"arn:aws:iam::{account}:saml-provider/corp", "AWSServiceRoleForECS")
    resources["O"]["Properties"]["ClientIdList"] = ["b", "c"]
    resources["L"]["Properties"]["Description"] = "changed"
    stack(resources)
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=out["O"])["ClientIDList"] == ["b", "c"]
    assert iam.get_role(RoleName=out["L"])["Role"]["Description"] == "changed"
    stack(None)
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == iam.list_saml_providers()["SAMLProviderList"] == []
    assert iam.list_roles()["Roles"] == []


@pytest.mark.parametrize(
    ("kind", "properties", "sentence"),
    [
        ("AWS::IAM::Role", {}, "required key \\[AssumeRolePolicyDocument\\] not found"),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}, "Colour": "red"}, "Colour"),
        ("AWS::IAM::Policy", {"PolicyName": "p", "PolicyDocument": {}}, "At least one of \\[Groups,Roles,Users\\] must be non-empty."),
    ],
)
def test_properties_are_checked(stack, kind, properties, sentence):
    with pytest.raises(AssertionError, match=sentence):
        stack({"R": {"Type": kind, "Properties": properties}})
