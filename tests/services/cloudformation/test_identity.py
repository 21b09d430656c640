"""Under whose identity a stack is made: the deployer's, or the role's that it was given."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

QUEUE = "Resources: {Q: {Type: AWS::SQS::Queue}}"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role(iam: Any, name: str, actions: list[str], service: str = "cloudformation.amazonaws.com") -> str:
    trust = document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if actions:
        allowed = document({"Effect": "Allow", "Action": actions, "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allowed)
    return arn


@pytest.fixture
def deployer(ground: Any, client: Callable[..., Any]) -> Callable[..., Any]:
    """`deployer(["sqs:*"])` is a user's CloudFormation client."""

    def make(actions: list[str], *more: dict[str, Any]) -> Any:
        iam = client("iam")
        iam.create_user(UserName="dev")
        iam.put_user_policy(
            UserName="dev", PolicyName="p", PolicyDocument=document({"Effect": "Allow", "Action": actions, "Resource": "*"}, *more)
        )
        key = iam.create_access_key(UserName="dev")["AccessKey"]
        return client("cloudformation", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return make


def test_a_stack_can_only_make_what_its_deployer_may(cloud: Any, deployer: Callable[..., Any]) -> None:
    dev = deployer(["cloudformation:*"])
    dev.create_stack(StackName="denied", TemplateBody=QUEUE)
    assert cloud.status("denied") == "ROLLBACK_COMPLETE"
    reason = cloud.reasons("denied", "CREATE_FAILED")[0]
    assert "sqs:CreateQueue" in reason or "sqs:createqueue" in reason.lower()
    assert "HandlerErrorCode: AccessDenied" in reason


def test_a_deployer_who_may_makes_it(cloud: Any, deployer: Callable[..., Any]) -> None:
    dev = deployer(["cloudformation:*", "sqs:*"])
    dev.create_stack(StackName="allowed", TemplateBody=QUEUE)
    assert cloud.status("allowed") == "CREATE_COMPLETE"


def test_a_stack_acts_under_the_role_that_it_was_given(cloud: Any, client: Callable[..., Any]) -> None:
    iam = client("iam")
    weak, strong = role(iam, "weak", []), role(iam, "strong", ["sqs:*"])
    assert cloud.create("weak", QUEUE, RoleARN=weak) == "ROLLBACK_COMPLETE"
    assert cloud.create("strong", QUEUE, RoleARN=strong) == "CREATE_COMPLETE"
    assert cloud.stack("strong")["RoleARN"] == strong
    other = role(iam, "other", ["sqs:*"], service="lambda.amazonaws.com")
    assert cloud.create("untrusted", QUEUE, RoleARN=other) == "CREATE_FAILED"
    assert "cannot be assumed" in cloud.stack("untrusted")["StackStatusReason"]


def test_a_role_must_be_passed(cloud: Any, client: Callable[..., Any], deployer: Callable[..., Any]) -> None:
    strong = role(client("iam"), "strong", ["sqs:*"])
    dev = deployer(["cloudformation:*"])
    with pytest.raises(ClientError, match="iam:PassRole"):
        dev.create_stack(StackName="pass", TemplateBody=QUEUE, RoleARN=strong)


def test_a_policy_can_name_the_stack(cloud: Any, deployer: Callable[..., Any], account: str) -> None:
    mine = f"arn:aws:cloudformation:us-east-1:{account}:stack/mine/*"
    dev = deployer(["sqs:*"], {"Effect": "Allow", "Action": "cloudformation:*", "Resource": mine})
    dev.create_stack(StackName="mine", TemplateBody=QUEUE)
    assert cloud.status("mine") == "CREATE_COMPLETE"
    assert dev.describe_stacks(StackName="mine")["Stacks"]
    with pytest.raises(ClientError, match="not authorized to perform: cloudformation:CreateStack"):
        dev.create_stack(StackName="yours", TemplateBody=QUEUE)
