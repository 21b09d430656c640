"""Bulk operations: items from S3 put into a table that is there, in the background.

    IN_PROGRESS --> COMPLETED | COMPLETED_WITH_ERRORS | FAILED
        |  CancelBulkOperation
        v
    CANCELLING --> CANCELLED

How far an operation is, and what it has to report, is written in the transactions that write its items, so that it goes on after a kill
where it was. Differs: MaxWriteRequestUnits and PerformanceTier are kept and told, the pace is the machine's.
Source: Developer Guide, "Bulk put items"; API_StartBulkPutItems.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from groundcloud.services.dynamodb import binary_ion, ion, state
from groundcloud.services.dynamodb.transfers import unpacked
from groundcloud.store import Record, Table

TIMER = "dynamodb.bulk"
LISTED_MS = 90 * 86_400_000
ENDED = frozenset(("COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELLED"))


class Bulk(Record, frozen=True, kw_only=True):
    """`objects_done` objects are read, and `records_done` records of the next. `sizes` is what was written, by index ("" the table)."""

    operation_id: str
    table_name: str
    table_id: str
    request: dict[str, Any]
    started_ms: int
    status: str = "IN_PROGRESS"
    ended_ms: int = 0
    last_key: str = ""
    records_done: int = 0
    processed: int = 0
    failed: int = 0
    read_bytes: int = 0
    total_bytes: int | None = None
    sizes: dict[str, int] = {}
    reports: int = 0
    failure: tuple[str, str] = ("", "")


BULKS = Table("dynamodb/bulks", Bulk, key=("operation_id",))
REPORTS = Table("dynamodb/bulk-reports", bytes, key=3)
"""(operation id, ERROR or CONDITION_CHECK_FAILURE, number) -> a line of the report."""

_decode_line = msgspec.json.Decoder(dict[str, Any]).decode


def arn(place: Any, bulk: Bulk) -> str:
    return f"{state.table_arn(place, bulk.table_name)}/bulk-operation/{bulk.operation_id}"


def read_records(data: bytes, format_: str, compression: str) -> Iterator[dict[str, Any] | None]:
    """The records of an object, `{Item, ConditionExpression...}` as a request has them; None for what is none."""
    data = unpacked(data, compression)
    if format_ == "ION":
        try:
            for found in binary_ion.read_records(data):
                yield None if found is None else _as_request(found)
        except ion.NotIon:
            yield None
        return
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            yield _decode_line(line)
        except msgspec.MsgspecError:
            yield None


def _as_request(found: dict[str, Any]) -> dict[str, Any]:
    """Structs of Ion are maps of attribute values; of these, items and values stay so."""
    request: dict[str, Any] = {}
    for name, value in found.items():
        kind, content = next(iter(value.items()))
        request[name] = (
            {key: text.get("S") for key, text in content.items()} if name == "ExpressionAttributeNames" and kind == "M" else content
        )
    return request


def describe(place: Any, bulk: Bulk) -> dict[str, Any]:
    """A BulkOperationDescription."""
    answer: dict[str, Any] = {
        "BulkOperationArn": arn(place, bulk),
        "BulkOperationStatus": bulk.status,
        "TableDetails": [{"TableName": bulk.table_name, "TableId": bulk.table_id}],
        "StartTime": bulk.started_ms / 1000,
        "ProcessedItemCount": bulk.processed,
        "FailedItemCount": bulk.failed,
        "ProcessedInputBytes": bulk.read_bytes,
        "PerformanceTier": "STANDARD",
        **bulk.request,
    }
    if bulk.total_bytes is not None:
        answer["TotalInputBytes"] = bulk.total_bytes
    if bulk.ended_ms:
        answer["EndTime"] = bulk.ended_ms / 1000
    if bulk.sizes:
        answer["BulkOperationUsage"] = [_usage(place, bulk)]
    if bulk.failure[0]:
        answer["FailureCode"], answer["FailureMessage"] = bulk.failure
    return answer


def _usage(place: Any, bulk: Bulk) -> dict[str, Any]:
    """`sizes` has `local/`, `global/` or `vector/` before the name of an index."""
    answer: dict[str, Any] = {"TableName": bulk.table_name, "BulkPutBytes": 0, "Table": {"BulkPutBytes": bulk.sizes.get("", 0)}}
    for name, size in bulk.sizes.items():
        kind, _, index_name = name.partition("/")
        if kind == "vector":
            answer.setdefault("VectorIndexes", {})[index_name] = {"BulkPutVectorBytes": size}
            continue
        answer["BulkPutBytes"] += size
        if kind:
            member = "LocalSecondaryIndexes" if kind == "local" else "GlobalSecondaryIndexes"
            answer.setdefault(member, {})[index_name] = {"BulkPutBytes": size}
    return answer
