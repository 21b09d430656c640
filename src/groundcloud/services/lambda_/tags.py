"""What tags must keep to, on whatever resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.services.lambda_ import errors

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

TAGS_MAX = 50
"""AWS: Tag restrictions: "Maximum number of tags per resource: 50"."""


def of_new(call: Call, given: dict[str, str] | None, resource_arn: str) -> dict[str, str]:
    """The tags of what is to be made, which its maker must be allowed to give. Raises AwsError."""
    given = check(call, given)
    if any(not name.lower().startswith("aws:") for name in given):
        facts = {f"aws:RequestTag/{name}": value for name, value in given.items()}
        call.authorize("lambda:TagResource", resource_arn, {**facts, "aws:TagKeys": list(given)})
    return given


def check(call: Call, given: dict[str, str] | None, count: int = 0) -> dict[str, str]:
    """The tags that a request gives, of the `count` there will be. What starts with aws: is for AWS alone. Raises InvalidParameterValueException."""
    given = given or {}
    if max(count, len(given)) > TAGS_MAX:
        raise errors.invalid_parameter("Number of tags exceeds resource tag limit.")
    if call.http is not None and any(name.lower().startswith("aws:") for name in given):
        raise errors.invalid_parameter("Tag keys that start with aws: are reserved for AWS use.")
    return given
