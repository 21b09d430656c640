"""Condition keys of Lambda: policies that ask about tags, layers, networks, and which function signs a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, make_function, make_role, zipped

SOURCE = "def handler(event, context): return 1"


@pytest.fixture
def user(client: Callable[..., Any]) -> Callable[..., Any]:
    """`user(statement, ...)`: a Lambda client of a user who has these statements alone."""
    iam = client("iam")

    def make(*statements: dict[str, Any]) -> Any:
        iam.create_user(UserName="somebody")
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="somebody", PolicyName="own", PolicyDocument=document)
        key = iam.create_access_key(UserName="somebody")["AccessKey"]
        return client("lambda", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return make


def allow(action: str | list[str], **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **({"Condition": condition} if condition else {})}


def deny(action: str | list[str], **condition: Any) -> dict[str, Any]:
    return {**allow(action, **condition), "Effect": "Deny"}


def denied(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return True
    return False


def test_who_may_invoke_what_has_a_tag(user: Callable[..., Any], function: Callable[..., str], lambda_: Any, account: str) -> None:
    mine, other = function(SOURCE, Tags={"team": "a"}), function(SOURCE, Tags={"team": "b"})
    own = user(allow(["lambda:InvokeFunction", "lambda:GetFunction*"], StringEquals={"aws:ResourceTag/team": "a"}))
    assert not denied(own.invoke, FunctionName=mine)
    assert not denied(own.get_function_configuration, FunctionName=mine)
    assert denied(own.invoke, FunctionName=other)
    assert denied(own.get_function, FunctionName=other)
    lambda_.tag_resource(Resource=f"arn:aws:lambda:us-east-1:{account}:function:{other}", Tags={"team": "a"})
    assert not denied(own.invoke, FunctionName=other)


def test_who_may_give_certain_tags_alone(user: Callable[..., Any], function: Callable[..., str], role: str, account: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{function(SOURCE)}"
    team = {"StringEquals": {"aws:RequestTag/team": "a"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    own = user(allow(["lambda:CreateFunction", "lambda:TagResource"], **team), allow("iam:PassRole"))
    made = {"Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(SOURCE)}}
    assert denied(own.create_function, FunctionName="f", **made)
    assert denied(own.create_function, FunctionName="f", Tags={"team": "a", "stage": "b"}, **made)
    assert not denied(own.create_function, FunctionName="f", Tags={"team": "a"}, **made)
    assert denied(own.tag_resource, Resource=arn, Tags={"team": "b"})
    assert not denied(own.tag_resource, Resource=arn, Tags={"team": "a"})


def test_giving_and_seeing_tags_are_permissions_of_their_own(
    user: Callable[..., Any], function: Callable[..., str], role: str, account: str
) -> None:
    name = function(SOURCE, Tags={"team": "a"})
    own = user(allow(["lambda:CreateFunction", "lambda:GetFunction", "iam:PassRole"]))
    made = {"Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(SOURCE)}}
    assert denied(own.create_function, FunctionName="tagged", Tags={"team": "a"}, **made)
    assert not denied(own.create_function, FunctionName="plain", **made)
    shown = own.get_function(FunctionName=name)
    assert ("Tags" in shown, shown["TagsError"]["ErrorCode"]) == (False, "AccessDeniedException")


@pytest.mark.parametrize(
    ("condition", "configuration"),
    [
        (
            {"ForAnyValue:StringNotLike": {"lambda:Layer": ["arn:aws:lambda:us-east-1:*:layer:ours:*"]}},
            {"Layers": ["arn:aws:lambda:us-east-1:888888888888:layer:theirs:1"]},
        ),
        (
            {"ForAnyValue:StringEquals": {"lambda:SubnetIds": ["subnet-1234abcd"]}},
            {"VpcConfig": {"SubnetIds": ["subnet-1234abcd"], "SecurityGroupIds": ["sg-1234abcd"]}},
        ),
        (
            {"ForAnyValue:StringEquals": {"lambda:SecurityGroupIds": ["sg-1234abcd"]}},
            {"VpcConfig": {"SubnetIds": ["subnet-1234abcd"], "SecurityGroupIds": ["sg-1234abcd"]}},
        ),
    ],
)
def test_layers_and_networks_may_be_denied(
    user: Callable[..., Any], function: Callable[..., str], condition: dict[str, Any], configuration: dict[str, Any]
) -> None:
    name = function(SOURCE)
    own = user(allow("lambda:*"), deny("lambda:UpdateFunctionConfiguration", **condition))
    assert not denied(own.update_function_configuration, FunctionName=name, Timeout=7)
    assert denied(own.update_function_configuration, FunctionName=name, **configuration)


def test_a_policy_may_ask_which_function_signs(lambda_: Any, client: Callable[..., Any], account: str) -> None:
    url = client("sqs").create_queue(QueueName="of-one")["QueueUrl"]
    arn = f"arn:aws:lambda:us-east-1:{account}:function:right"
    role = make_role(client("iam"), "sender", allow("sqs:SendMessage", ArnEquals={"lambda:SourceFunctionArn": arn}))
    source = f"import boto3\ndef handler(e, c): return bool(boto3.client('sqs').send_message(QueueUrl={url!r}, MessageBody='m'))"
    right, wrong = (make_function(lambda_, role, source, FunctionName=name) for name in ("right", "wrong"))
    assert lambda_.invoke(FunctionName=right)["Payload"].read() == b"true"
    assert b"AccessDenied" in lambda_.invoke(FunctionName=wrong)["Payload"].read()
