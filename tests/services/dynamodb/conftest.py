"""A client and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

_TYPES = {"pk": "S", "sk": "S", "n": "N", "b": "B", "g": "S", "h": "N"}


@pytest.fixture
def dynamodb(client: Callable[..., Any]) -> Any:
    return client("dynamodb", parameter_validation=False)


@pytest.fixture
def make_table(dynamodb: Any) -> Callable[..., str]:
    """`make_table("name", "pk", "sk")`: an on-demand table with these key attributes; further arguments go to CreateTable."""

    def make(name: str, *key: str, **options: Any) -> str:
        used = set(key)
        for index in (*options.get("GlobalSecondaryIndexes", ()), *options.get("LocalSecondaryIndexes", ())):
            used |= {element["AttributeName"] for element in index["KeySchema"]}
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": attribute, "KeyType": kind} for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": _TYPES[attribute]} for attribute in sorted(used)],
            BillingMode="PAY_PER_REQUEST",
            **options,
        )
        return name

    return make
