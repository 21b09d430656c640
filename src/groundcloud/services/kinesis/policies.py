"""Resource policies of streams and consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.store import Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

POLICIES = Table("kinesis/policies", str, key=1)
"""ARN -> policy document."""


def of_resource(call: Call, resource_arn: str) -> str | None:
    """The policy on a stream or a consumer; asked before every operation."""
    tx: Any = call.reading()
    if not resource_arn.startswith(f"arn:aws:kinesis:{tx.region}:{tx.account}:"):
        if not arns.is_arn(resource_arn):
            return None
        parsed = arns.parse(resource_arn)
        tx = tx.at(parsed.account, parsed.region)
    return POLICIES.get(tx, resource_arn)
