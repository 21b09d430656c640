"""Tags of buses and rules: their checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.events import errors

TAGS_MAX = 50


def checked(call: Call, given: Iterable[dict[str, Any]], have: dict[str, str] | None = None) -> dict[str, str]:
    """The tags `have` with those given put over them; AWS's own are for its services (CloudFormation) to give. Raises ValidationException."""
    tags = dict(have or {})
    for tag in given:
        if call.http is not None and tag["Key"].lower().startswith("aws:"):
            raise errors.validation("aws: prefixed tag key names are not allowed for external use.")
        tags[tag["Key"]] = tag["Value"]
    if len(tags) > TAGS_MAX:
        raise errors.limit_exceeded("The maximum number of tags for a resource is 50.")
    return tags
