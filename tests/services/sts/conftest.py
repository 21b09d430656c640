"""Fixtures of the tests of STS: IAM's, roles and their sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.services.iam.conftest import fails, iam, policy_fixture, trust, user

__all__ = ["fails", "iam", "policy_fixture", "trust", "user"]


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
