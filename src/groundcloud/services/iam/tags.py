"""Tags: checked and merged. Keys are unique without regard to case."""

from __future__ import annotations

from typing import Any

from groundcloud.services.iam import errors, pages
from groundcloud.services.iam.limits import TAGS_PER_RESOURCE


def of_request(request: dict[str, Any]) -> dict[str, str]:
    """Raises InvalidInput."""
    return merged({}, request.get("Tags") or [])


def merged(old: dict[str, str], given: list[dict[str, str]]) -> dict[str, str]:
    """`old` with `given` over it; a key in another case replaces. Raises InvalidInput, LimitExceeded."""
    seen: set[str] = set()
    tags = dict(old)
    cases = {key.lower(): key for key in old}
    for tag in given:
        key = tag["Key"]
        lower = key.lower()
        if lower in seen:
            raise errors.invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        if lower.startswith("aws:"):
            raise errors.invalid_input(f"Tag key {key} is invalid: the prefix aws: is reserved for AWS use.")
        seen.add(lower)
        tags.pop(cases.get(lower, key), None)
        tags[key] = tag["Value"]
    if len(tags) > TAGS_PER_RESOURCE:
        raise errors.limit_exceeded(f"The number of tags has reached the maximum limit of {TAGS_PER_RESOURCE}.")
    return tags


def without(old: dict[str, str], keys: list[str]) -> dict[str, str]:
    gone = {key.lower() for key in keys}
    return {key: value for key, value in old.items() if key.lower() not in gone}


def listed(request: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """A page of tags by key."""
    marker = pages.after(request)
    pairs = (pair for pair in sorted(tags.items()) if marker is None or pair[0] > marker)
    return pages.page(request, "Tags", pairs, lambda pair: pair[0], lambda pair: {"Key": pair[0], "Value": pair[1]})


def shown(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
