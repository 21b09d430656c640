"""Resource policies as whole documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def arn(function: Callable[..., str], account: str) -> str:
    return f"arn:aws:lambda:us-east-1:{account}:function:" + function("def handler(e, c): return 1")


def policy(arn: str, *sids: str) -> str:
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": sid, **allow} if sid else allow for sid in sids]})


def code(function: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_document_replaces_the_policy_that_permissions_are_added_to(lambda_: Any, arn: str) -> None:
    lambda_.add_permission(FunctionName=arn, StatementId="old", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
    put = lambda_.put_resource_policy(ResourceArn=arn, Policy=policy(arn, "a", ""))
    assert json.loads(put["Policy"]) == json.loads(policy(arn, "a", ""))
    got = lambda_.get_resource_policy(ResourceArn=arn)
    assert (got["Policy"], got["RevisionId"]) == (put["Policy"], put["RevisionId"])
    lambda_.add_permission(FunctionName=arn, StatementId="more", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
    lambda_.remove_permission(FunctionName=arn, StatementId="a")
    statements = json.loads(lambda_.get_policy(FunctionName=arn)["Policy"])["Statement"]
    assert [statement.get("Sid") for statement in statements] == [None, "more"]


def test_a_policy_is_of_the_version_that_is_named_and_ends_with_its_deletion(lambda_: Any, arn: str) -> None:
    lambda_.publish_version(FunctionName=arn)
    lambda_.put_resource_policy(ResourceArn=f"{arn}:1", Policy=policy(f"{arn}:1", "a"))
    assert code(lambda_.get_resource_policy, ResourceArn=arn) == "ResourceNotFoundException"
    lambda_.delete_resource_policy(ResourceArn=f"{arn}:1")
    assert code(lambda_.get_resource_policy, ResourceArn=f"{arn}:1") == "ResourceNotFoundException"
    assert code(lambda_.delete_resource_policy, ResourceArn=f"{arn}:1") == "ResourceNotFoundException"


def test_a_policy_that_was_changed_meanwhile_is_left_alone(lambda_: Any, arn: str) -> None:
    first = lambda_.put_resource_policy(ResourceArn=arn, Policy=policy(arn, "a"))["RevisionId"]
    second = lambda_.put_resource_policy(ResourceArn=arn, Policy=policy(arn, "b"), RevisionId=first)["RevisionId"]
    assert code(lambda_.put_resource_policy, ResourceArn=arn, Policy=policy(arn, "c"), RevisionId=first) == "PreconditionFailedException"
    assert code(lambda_.delete_resource_policy, ResourceArn=arn, RevisionId=first) == "PreconditionFailedException"
    lambda_.delete_resource_policy(ResourceArn=arn, RevisionId=second)


@pytest.mark.parametrize("text", ["{", "[]", '{"Version": "2012-10-17"}', '{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}'])
def test_a_document_that_is_no_policy_is_refused(lambda_: Any, arn: str, text: str) -> None:
    assert code(lambda_.put_resource_policy, ResourceArn=arn, Policy=text) == "InvalidParameterValueException"


def test_a_function_that_is_not_there_has_no_policy(lambda_: Any, arn: str) -> None:
    assert code(lambda_.get_resource_policy, ResourceArn=arn + "-gone") == "ResourceNotFoundException"
    assert code(lambda_.put_resource_policy, ResourceArn=arn + ":$LATEST", Policy=policy(arn, "a")) == "InvalidParameterValueException"
