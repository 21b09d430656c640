"""Tags of keys, as KMS takes them: TagKey and TagValue. AWS: "Tags in AWS KMS"."""

from __future__ import annotations

from groundcloud.services.kms import errors
from groundcloud.services.kms.limits import TAGS_MAX


def of_list(tags: list[dict[str, str]]) -> dict[str, str]:
    """Raises TagException for a key given twice or one of AWS's own."""
    found: dict[str, str] = {}
    for tag in tags:
        name = tag["TagKey"]
        if name.lower().startswith("aws:"):
            raise errors.tag("aws: prefixed tag key names are not allowed for external use.")
        if name in found:
            raise errors.tag("Duplicate tag keys")
        found[name] = tag["TagValue"]
    if len(found) > TAGS_MAX:
        raise errors.tag("Too many tags")
    return found


def to_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]


def merged(tags: dict[str, str], more: dict[str, str]) -> dict[str, str]:
    """Raises LimitExceededException."""
    both = {**tags, **more}
    if len(both) > TAGS_MAX:
        raise errors.limit_exceeded(f"Tags per KMS key limit of {TAGS_MAX} exceeded")
    return both
