"""Resource policies, and who may invoke."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ECHO = "def handler(event, context): return event"


def error(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    found = refused.value.response["Error"]
    return found["Code"], found["Message"]


def test_a_statement_is_shown_as_aws_writes_it(function: Callable[..., str], lambda_: Any, account: str) -> None:
    name = function(ECHO)
    arguments = {"FunctionName": name, "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    added = lambda_.add_permission(**arguments, SourceArn="arn:aws:s3:::photos", SourceAccount=account)
    statement = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"arn:aws:lambda:us-east-1:{account}:function:{name}",
        "Condition": {"StringEquals": {"AWS:SourceAccount": account}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"}},
    }
    assert json.loads(added["Statement"]) == statement
    policy = lambda_.get_policy(FunctionName=name)
    assert json.loads(policy["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    code, message = error(lambda_.add_permission, **arguments)
    assert code == "ResourceConflictException"
    assert message.startswith("The statement id (s3) provided already exists.")
    lambda_.remove_permission(FunctionName=name, StatementId="s3", RevisionId=policy["RevisionId"])
    assert error(lambda_.get_policy, FunctionName=name) == ("ResourceNotFoundException", "The resource you requested does not exist.")


@pytest.mark.parametrize(
    ("principal", "element"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:user/u", {"AWS": "arn:aws:iam::123456789012:user/u"}),
        ("sns.amazonaws.com", {"Service": "sns.amazonaws.com"}),
    ],
)
def test_principals_are_written_by_their_kind(function: Callable[..., str], lambda_: Any, principal: str, element: Any) -> None:
    added = lambda_.add_permission(FunctionName=function(ECHO), StatementId="s", Action="lambda:*", Principal=principal)
    assert json.loads(added["Statement"])["Principal"] == element


@pytest.mark.parametrize(
    "principal", ["nobody", "arn:aws:iam::{account}:role/nobody", "arn:aws:iam::{account}:role", "arn:aws:s3:::photos"]
)
def test_a_principal_that_is_none_or_a_role_that_is_not_there_is_refused(
    function: Callable[..., str], lambda_: Any, account: str, principal: str
) -> None:
    arguments = {"FunctionName": function(ECHO), "StatementId": "s", "Action": "lambda:InvokeFunction"}
    refused = error(lambda_.add_permission, **arguments, Principal=principal.format(account=account))
    assert refused == ("InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.")
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        lambda_.get_policy(FunctionName=arguments["FunctionName"])


def test_a_role_that_is_there_is_a_principal(function: Callable[..., str], lambda_: Any, role: str) -> None:
    added = lambda_.add_permission(FunctionName=function(ECHO), StatementId="s", Action="lambda:InvokeFunction", Principal=role)
    assert json.loads(added["Statement"])["Principal"] == {"AWS": role}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"Principal": "nobody"}, "InvalidParameterValueException"), ({"Action": "s3:GetObject"}, "ValidationException")],
)
def test_a_statement_that_cannot_be_is_refused(function: Callable[..., str], lambda_: Any, changes: dict[str, str], code: str) -> None:
    arguments = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*", **changes}
    assert error(lambda_.add_permission, FunctionName=function(ECHO), **arguments)[0] == code


def test_another_account_may_invoke_once_the_policy_says_so(
    function: Callable[..., str], lambda_: Any, client: Callable[..., Any], account: str
) -> None:
    name = function(ECHO)
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{name}"
    other = client("lambda", account="999999999999")
    code, message = error(other.invoke, FunctionName=arn)
    assert code == "AccessDeniedException"
    assert f"is not authorized to perform: lambda:InvokeFunction on resource: {arn}" in message
    lambda_.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="999999999999")
    assert other.invoke(FunctionName=arn, Payload=b"7")["Payload"].read() == b"7"
    assert error(other.invoke, FunctionName=f"{arn}:$LATEST")[0] == "AccessDeniedException"


def test_a_policy_on_an_alias_is_for_the_alias_alone(
    function: Callable[..., str], lambda_: Any, client: Callable[..., Any], account: str
) -> None:
    name = function(ECHO)
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    arguments = {"FunctionName": name, "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "999999999999"}
    added = lambda_.add_permission(**arguments, Qualifier="live")
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{name}"
    assert json.loads(added["Statement"])["Resource"] == f"{arn}:live"
    other = client("lambda", account="999999999999")
    assert other.invoke(FunctionName=f"{arn}:live")["StatusCode"] == 200
    assert error(other.invoke, FunctionName=arn)[0] == "AccessDeniedException"
    assert error(other.invoke, FunctionName=f"{arn}:1")[0] == "AccessDeniedException"


def test_a_user_needs_the_permission_to_invoke_that_function(
    function: Callable[..., str], client: Callable[..., Any], account: str
) -> None:
    first, second = function(ECHO), function(ECHO)
    iam = client("iam")
    iam.create_user(UserName="dev")
    allowed = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"arn:aws:lambda:us-east-1:{account}:function:{first}"}
    iam.put_user_policy(UserName="dev", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    dev = client("lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert dev.invoke(FunctionName=first)["StatusCode"] == 200
    assert error(dev.invoke, FunctionName=second)[0] == "AccessDeniedException"
    assert error(dev.invoke, FunctionName=first, Qualifier="$LATEST")[0] == "AccessDeniedException"
    assert error(dev.get_function, FunctionName=first)[0] == "AccessDeniedException"
