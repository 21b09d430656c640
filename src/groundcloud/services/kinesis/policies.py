"""Resource policies of streams and consumers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.store import Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

LINKED = "kinesisreplication.dynamodb.amazonaws.com"
"""The service whose service-linked role lets it write to the account's streams: EnableKinesisStreamingDestination of DynamoDB asked the caller for the same."""
_OF_LINKED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": LINKED}, "Action": "kinesis:PutRecords", "Resource": "*"}],
    }
)

POLICIES = Table("kinesis/policies", str, key=1)
"""ARN -> policy document."""


def of_resource(call: Call, resource_arn: str) -> str | None:
    """The policy on a stream or a consumer; asked before every operation."""
    if call.principal.kind == "service" and call.principal.arn == LINKED:
        return _OF_LINKED
    tx: Any = call.reading()
    if not resource_arn.startswith(f"arn:aws:kinesis:{tx.region}:{tx.account}:"):
        if not arns.is_arn(resource_arn):
            return None
        parsed = arns.parse(resource_arn)
        tx = tx.at(parsed.account, parsed.region)
    return POLICIES.get(tx, resource_arn)
