"""Provisioned throughput, enforced for tables whose tag `groundcloud:throttling` is `on`.

Each table and global index has a bucket for reads and one for writes, filled at its provisioned units a second (or its on-demand maximum)
and holding at most five minutes' worth. A request is let in while the bucket is not empty, and may overdraw it, as on AWS.
Source: Developer Guide, "Burst capacity".
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import errors
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.state import Index, TableDefinition, table_arn

TAG = "groundcloud:throttling"
BURST_S = 300
BUCKETS_MAX = 10_000

Bucket = tuple[str, str, str]


class Buckets:
    """Tokens by (table id, index name, "read" or "write"), in memory: after a restart every bucket is full."""

    def __init__(self) -> None:
        self._filled: dict[Bucket, tuple[float, int]] = {}

    def tokens(self, bucket: Bucket, per_s: float, now_ms: int) -> float:
        level, at_ms = self._filled.get(bucket, (per_s * BURST_S, now_ms))
        return min(level + per_s * (now_ms - at_ms) / 1000, per_s * BURST_S)

    def take(self, bucket: Bucket, per_s: float, now_ms: int, units: float) -> None:
        left = self.tokens(bucket, per_s, now_ms) - units
        if len(self._filled) >= BUCKETS_MAX:
            self._filled.clear()
        self._filled[bucket] = (left, now_ms)


def admit(call: Any, table: TableDefinition, kind: str, index: Index | None = None) -> None:
    """Raises `exceeded` where a bucket that the request needs is empty."""
    buckets = call.own("throttling", Buckets)
    if index is None or not index.is_global:
        per_s = _per_s(table, table, kind)
        if per_s is not None and buckets.tokens((table.table_id, "", kind), per_s, call.now_ms) <= 0:
            raise exceeded(call, table, kind)
    indexes = [index] if index is not None else table.indexes if kind == "write" else ()
    for needed in indexes:
        per_s = _per_s(table, needed, kind) if needed.is_global else None
        if per_s is not None and buckets.tokens((table.table_id, needed.index_name, kind), per_s, call.now_ms) <= 0:
            raise exceeded(call, table, kind, needed)


def charge(call: Any, table: TableDefinition, kind: str, usage: Usage, factor: float = 1.0) -> None:
    """Takes what a request used; local indexes share their table's bucket."""
    buckets = call.own("throttling", Buckets)
    units = usage.table
    for index in table.indexes:
        used = usage.indexes.get(index.index_name, 0.0)
        if not index.is_global:
            units += used
        elif used and (per_s := _per_s(table, index, kind)) is not None:
            buckets.take((table.table_id, index.index_name, kind), per_s, call.now_ms, used * factor)
    per_s = _per_s(table, table, kind)
    if per_s is not None:
        buckets.take((table.table_id, "", kind), per_s, call.now_ms, units * factor)


def exceeded(call: Any, table: TableDefinition, kind: str, index: Index | None = None) -> errors.AwsError:
    """The error of a request that is not let in: of provisioned throughput, or of an on-demand maximum."""
    arn = table_arn(call, table.table_name) + (f"/index/{index.index_name}" if index is not None else "")
    on_demand = table.billing_mode == "PAY_PER_REQUEST"
    limit = "MaxOnDemandThroughputExceeded" if on_demand else "ProvisionedThroughputExceeded"
    reason = {"reason": f"{'Table' if index is None else 'Index'}{kind.capitalize()}{limit}", "resource": arn}
    if on_demand:
        return errors.on_demand_maximum_exceeded(reason)
    return errors.throughput_exceeded(reason) if index is None else errors.index_throughput_exceeded(reason)


def is_on(tags: dict[str, str]) -> bool:
    return tags.get(TAG, "").lower() == "on"


def _per_s(table: TableDefinition, of: TableDefinition | Index, kind: str) -> float | None:
    """Units a second; None where there is no limit."""
    if table.billing_mode == "PROVISIONED":
        return of.read_units if kind == "read" else of.write_units
    return of.on_demand_limits.get("MaxReadRequestUnits" if kind == "read" else "MaxWriteRequestUnits")
