"""Tags of tables, by ARN."""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import errors
from groundcloud.services.dynamodb.state import TAGS

TAGS_MAX = 50
SYSTEM = "aws:"
"""What AWS's own tags begin with; they do not count."""


def add(tx: Any, arn: str, tags: list[dict[str, str]]) -> None:
    """Raises ValidationException where a key comes twice, is reserved, or the resource has too many."""
    added: dict[str, str] = {}
    for tag in tags:
        if tag["Key"] in added:
            raise errors.invalid_parameters(f"Duplicate Key {tag['Key']} found in the Tags")
        if tag["Key"].startswith(SYSTEM):
            raise errors.invalid_parameters("Tag keys starting with the prefix aws: are reserved for system use")
        added[tag["Key"]] = tag["Value"]
    found = {**of(tx, arn), **added}
    if sum(not key.startswith(SYSTEM) for key in found) > TAGS_MAX:
        raise errors.limit_exceeded(f"One or more parameter values were invalid: Too many tags: the limit is {TAGS_MAX}")
    TAGS.put(tx, arn, found)


def mark(tx: Any, arn: str, system: dict[str, str]) -> None:
    """Sets the tags that a stack gives (aws:cloudformation:*), in place of those that it gave before."""
    found = {key: value for key, value in of(tx, arn).items() if not key.startswith(SYSTEM)}
    TAGS.put(tx, arn, {**found, **{key: value for key, value in system.items() if key.startswith(SYSTEM)}})


def remove(tx: Any, arn: str, keys: list[str]) -> None:
    if any(key.startswith(SYSTEM) for key in keys):
        raise errors.invalid_parameters("Tag keys starting with the prefix aws: are reserved for system use")
    left = {key: value for key, value in of(tx, arn).items() if key not in keys}
    if left:
        TAGS.put(tx, arn, left)
    else:
        TAGS.delete(tx, arn)


def of(tx: Any, arn: str) -> dict[str, str]:
    return TAGS.get(tx, arn) or {}


def forget(tx: Any, arn: str) -> None:
    TAGS.delete(tx, arn)
