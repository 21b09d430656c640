"""Amazon Resource Names: text to parts and back.

Source: AWS General Reference, "Amazon Resource Names (ARNs)".
"""

from __future__ import annotations

from typing import NamedTuple

PARTITION = "aws"


class Arn(NamedTuple):
    """`arn:partition:service:region:account:resource`; `resource` keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def resource_id(self) -> str:
        """What follows the resource type: `role/path/name` -> `path/name`, `function:f:1` -> `f:1`; the whole where there is no type."""
        for index, character in enumerate(self.resource):
            if character in "/:":
                return self.resource[index + 1 :]
        return self.resource


def parse(text: str) -> Arn:
    """Raises ValueError if `text` has not six colon-separated parts or does not begin with `arn:`."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise ValueError(f"not an ARN: {text!r}")
    return Arn(*parts[1:])


def is_arn(text: str) -> bool:
    return text.startswith("arn:") and text.count(":") >= 5
