"""Read and write units, and the answer's ConsumedCapacity.

Source: Developer Guide, "DynamoDB read and write operations" and "DynamoDB item sizes and formats".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

READ_UNIT_BYTES = 4096
WRITE_UNIT_BYTES = 1024


def read_units(size_bytes: int, consistent: bool | None) -> float:
    """Units of one read: whole for a strongly consistent one, half for the others; reading nothing costs the least."""
    units = -(-size_bytes // READ_UNIT_BYTES) or 1
    return float(units) if consistent else units / 2


def write_units(size_bytes: int) -> float:
    return float(-(-size_bytes // WRITE_UNIT_BYTES) or 1)


READ, WRITE = "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"
"""CloudWatch's names, under which a call's record has what it consumed."""


class Usage:
    """What a request has used of one table and its indexes. `local` names the indexes that are local."""

    __slots__ = ("indexes", "local", "table", "table_name", "vectors")

    def __init__(self, table_name: str, table: float = 0.0) -> None:
        self.table_name = table_name
        self.table = table
        self.indexes: dict[str, float] = {}
        self.local: set[str] = set()
        self.vectors: dict[str, float] | None = None
        """Bytes written to vector indexes, which are no units."""

    def add_index(self, index_name: str, is_global: bool, units: float) -> None:
        self.indexes[index_name] = self.indexes.get(index_name, 0.0) + units
        if not is_global:
            self.local.add(index_name)

    def add_vectors(self, index_name: str, size_bytes: float) -> None:
        if self.vectors is None:
            self.vectors = {}
        self.vectors[index_name] = self.vectors.get(index_name, 0.0) + size_bytes

    def merge(self, other: Usage) -> None:
        self.table += other.table
        for name, units in other.indexes.items():
            self.add_index(name, name not in other.local, units)
        for name, size_bytes in (other.vectors or {}).items():
            self.add_vectors(name, size_bytes)

    @property
    def total(self) -> float:
        return self.table + sum(self.indexes.values())

    def consumed(self, mode: str | None, *, kind: str = "", factor: float = 1.0) -> dict[str, Any] | None:
        """The ConsumedCapacity for ReturnConsumedCapacity=`mode`; `kind` "Read" or "Write" adds that member, as transactions have it.

        `factor` is what a transaction pays for the table: its two phases. An index sees the second alone.
        """
        if mode not in ("TOTAL", "INDEXES"):
            return None
        answer: dict[str, Any] = {"TableName": self.table_name, **_units(self.total + self.table * (factor - 1), kind)}
        if mode == "INDEXES":
            answer["Table"] = _units(self.table * factor, kind)
            for member, is_local in (("GlobalSecondaryIndexes", False), ("LocalSecondaryIndexes", True)):
                found = {name: _units(units, kind) for name, units in self.indexes.items() if (name in self.local) is is_local}
                if found:
                    answer[member] = found
            if self.vectors:
                answer["VectorIndexes"] = {name: {"VectorWriteRequestBytes": size} for name, size in self.vectors.items()}
        return answer


def _units(units: float, kind: str) -> dict[str, float]:
    return {"CapacityUnits": units, f"{kind}CapacityUnits": units} if kind else {"CapacityUnits": units}


def record(call: Any, metric: str, usages: Iterable[Usage], factor: float = 1.0) -> None:
    """Notes in the call's record what was consumed; the metrics are made from it."""
    units = sum(usage.total + usage.table * (factor - 1) for usage in usages)
    call.units[metric] = call.units.get(metric, 0.0) + units
