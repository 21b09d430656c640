"""Fixtures of the tests of KMS: IAM's, a client, a new key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.services.iam.conftest import fails, iam, policy_fixture, trust, user

__all__ = ["fails", "iam", "policy_fixture", "trust", "user"]


@pytest.fixture
def kms(client: Callable[..., Any]) -> Any:
    return client("kms")


@pytest.fixture
def key(kms: Any) -> Callable[..., str]:
    """`key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")` -> the ARN of a new key."""

    def make(**options: Any) -> str:
        return str(kms.create_key(**options)["KeyMetadata"]["Arn"])

    return make
