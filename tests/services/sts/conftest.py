"""Fixtures of the tests of STS: users with keys of their own, roles and their sessions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


def policy(*actions: str, resource: str | list[str] = "*", effect: str = "Allow", condition: dict[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {"Effect": effect, "Action": list(actions), "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(name="policy")
def policy_fixture() -> Callable[..., str]:
    """`policy("s3:GetObject", resource="*", effect="Allow", condition=None)` -> a document of one statement."""
    return policy


@pytest.fixture
def trust() -> Callable[..., str]:
    """`trust({"Service": "lambda.amazonaws.com"})` -> a trust policy."""

    def make(principal: dict[str, Any], *actions: str, condition: dict[str, Any] | None = None) -> str:
        statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": list(actions) or ["sts:AssumeRole"]}
        if condition:
            statement["Condition"] = condition
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    return make


@pytest.fixture
def iam(client: Callable[..., Any]) -> Any:
    return client("iam")


@pytest.fixture
def user(iam: Any, client: Callable[..., Any]) -> Callable[..., Any]:
    """`user("alice")("s3")`: a new user's own client."""

    def make(user_name: str = "alice", **options: Any) -> Callable[..., Any]:
        iam.create_user(UserName=user_name, **options)
        key = iam.create_access_key(UserName=user_name)["AccessKey"]

        def own(service: str, **more: Any) -> Any:
            return client(service, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], **more)

        return own

    return make


@pytest.fixture
def fails() -> Callable[..., Any]:
    """`with fails("NoSuchEntity", "The user with name x cannot be found."):`"""
    from contextlib import contextmanager

    from botocore.exceptions import ClientError

    @contextmanager
    def check(code: str, message: str | None = None, status: int | None = None) -> Any:
        with pytest.raises(ClientError) as caught:
            yield caught
        error = caught.value.response
        assert (error["Error"]["Code"], error["Error"]["Message"] if message is not None else None) == (code, message)
        if status is not None:
            assert error["ResponseMetadata"]["HTTPStatusCode"] == status

    return check


@pytest.fixture
def role(iam: Any, account: str, trust: Callable[..., str]) -> Callable[..., str]:
    """`role("App", principal={"AWS": account})` -> the ARN of a new role that this account trusts."""

    def make(role_name: str = "App", *actions: str, principal: dict[str, Any] | None = None, condition: Any = None, **options: Any) -> str:
        document = trust(principal or {"AWS": account}, *actions, condition=condition)
        return str(iam.create_role(RoleName=role_name, AssumeRolePolicyDocument=document, **options)["Role"]["Arn"])

    return make


@pytest.fixture
def session(client: Callable[..., Any]) -> Callable[..., Any]:
    """`session(answer["Credentials"])("iam")`: a client with temporary credentials."""

    def make(credentials: dict[str, Any]) -> Callable[..., Any]:
        def own(service: str, **options: Any) -> Any:
            return client(
                service,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                **options,
            )

        return own

    return make
