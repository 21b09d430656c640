"""Resource policies of tables and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.auth import documents
from groundcloud.base import arn as arns
from groundcloud.services.dynamodb import errors
from groundcloud.store import Record, Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

POLICY_BYTES_MAX = 20 * 1024


class ResourcePolicy(Record, frozen=True):
    resource_arn: str
    document: str
    revision_id: str


POLICIES = Table("dynamodb/policies", ResourcePolicy, key=("resource_arn",))


def of_resource(call: Call, resource_arn: str) -> str | None:
    """The policy on a table (its indexes share it) or a stream; asked before every operation."""
    table_arn = resource_arn.partition("/index/")[0]
    tx: Any = call.reading()
    if not table_arn.startswith(f"arn:aws:dynamodb:{tx.region}:{tx.account}:"):
        parsed = arns.parse(table_arn)
        tx = tx.at(parsed.account, parsed.region)
    found = POLICIES.get(tx, table_arn)
    return None if found is None else found.document


def put(call: Call, tx: Any, resource_arn: str, document: str, expected_revision: str | None = None) -> str:
    """The new revision. Raises ValidationException for a malformed document, PolicyNotFoundException for another revision than expected."""
    if len(document.encode()) > POLICY_BYTES_MAX:
        raise errors.validation("The resource-based policy is larger than the limit of 20 KB")
    try:
        documents.parse(document, "resource", resource_arn)
    except documents.MalformedPolicy as problem:
        raise errors.validation(f"The policy is malformed: {problem}") from None
    current = POLICIES.get(tx, resource_arn)
    if expected_revision is not None:
        revision = "NO_POLICY" if current is None else current.revision_id
        if revision != expected_revision:
            raise errors.policy_not_found(resource_arn)
    if current is not None and current.document == document:
        return current.revision_id
    revision_id = str(call.now_ms) if current is None else str(max(call.now_ms, int(current.revision_id) + 1))
    POLICIES.put(tx, ResourcePolicy(resource_arn, document, revision_id))
    return revision_id


def forget(tx: Any, resource_arn: str) -> None:
    POLICIES.delete(tx, resource_arn)
