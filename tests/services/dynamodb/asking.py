"""What the tests of this room say often: an index of CreateTable, the error that a call ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def index(name: str, *key: str, projection: str = "ALL", include: list[str] | None = None) -> dict[str, Any]:
    """An index of CreateTable."""
    held: dict[str, Any] = {"ProjectionType": projection}
    if include is not None:
        held["NonKeyAttributes"] = include
    schema = [{"AttributeName": attribute, "KeyType": kind} for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)]
    return {"IndexName": name, "KeySchema": schema, "Projection": held}


def refusal(operation: Callable[..., Any], **request: Any) -> tuple[str, str]:
    """(code, sentence) of the error that a call ends with."""
    with pytest.raises(ClientError) as error:
        operation(**request)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]
