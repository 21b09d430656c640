"""One transaction's view of an execution: its record as it changes, its operations, and the events of its history.

Whoever changes an execution opens a journal, writes through it, and saves it in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.services.lambda_.durable import identifiers
from groundcloud.services.lambda_.durable.state import EXECUTIONS, HISTORY, OPEN, OPERATIONS, PLACES, Execution, Happening, Operation, Place
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call


class Journal:
    __slots__ = ("call", "execution", "now_ms", "tx")

    def __init__(self, call: Call, tx: Transaction, execution: Execution) -> None:
        """`tx` sees the account and region of the function."""
        self.call = call
        self.tx = tx
        self.execution = execution
        self.now_ms: int = call.clock.now_ms()

    @classmethod
    def opened(cls, call: Call, tx: Transaction, execution_id: str) -> Journal | None:
        execution = EXECUTIONS.get(tx, execution_id)
        return cls(call, tx, execution) if execution is not None else None

    @property
    def arn(self) -> str:
        return identifiers.arn_of(self.tx.account, self.tx.region, self.execution)

    @property
    def function_arn(self) -> str:
        return f"arn:aws:lambda:{self.tx.region}:{self.tx.account}:function:{self.execution.function_name}"

    def change(self, **changes: Any) -> None:
        self.execution = self.execution.replace(**changes)

    def save(self) -> None:
        EXECUTIONS.put(self.tx, self.execution)

    def operation(self, operation_id: str) -> Operation | None:
        place = PLACES.get(self.tx, self.execution.execution_id, operation_id)
        return OPERATIONS.get(self.tx, self.execution.execution_id, place.sequence) if place is not None else None

    def begin(self, operation_id: str, kind: str, **members: Any) -> Operation:
        """A new operation, started now; `keep` it."""
        sequence = self.execution.operations + 1
        self.change(operations=sequence)
        PLACES.put(self.tx, Place(self.execution.execution_id, operation_id, sequence))
        return Operation(
            execution_id=self.execution.execution_id,
            sequence=sequence,
            operation_id=operation_id,
            kind=kind,
            started_ms=self.now_ms,
            **{"status": "STARTED", **members},
        )

    def keep(self, operation: Operation, *, is_open: bool = False, before: Operation | None = None) -> None:
        """`is_open`: something outside of the function will end it. `before` is what it was, for the sum of bytes."""
        OPERATIONS.put(self.tx, operation)
        if is_open:
            OPEN.put(self.tx, operation.execution_id, operation.sequence)
        else:
            OPEN.delete(self.tx, operation.execution_id, operation.sequence)
        grown = _size_bytes(operation) - (_size_bytes(before) if before is not None else 0)
        if grown:
            self.change(stored_bytes=self.execution.stored_bytes + grown)

    def happened(self, kind: str, operation: Operation | None = None, **details: Any) -> None:
        """Writes an event; `details` by AWS's names, those that are None left out."""
        event_id = self.execution.events + 1
        self.change(events=event_id)
        execution = self.execution
        shown = {member: value for member, value in details.items() if value is not None}
        if operation is None:
            happening = Happening(
                execution_id=execution.execution_id,
                event_id=event_id,
                kind=kind,
                at_ms=self.now_ms,
                operation_id=execution.execution_id if kind.startswith("Execution") else "",
                name=execution.execution_name if kind.startswith("Execution") else "",
                details=shown,
            )
        else:
            happening = Happening(
                execution_id=execution.execution_id,
                event_id=event_id,
                kind=kind,
                at_ms=self.now_ms,
                operation_id=operation.operation_id,
                name=operation.name,
                parent_id=operation.parent_id,
                sub_type=operation.sub_type,
                details=shown,
            )
        HISTORY.put(self.tx, happening)


def _size_bytes(operation: Operation) -> int:
    size = len(operation.result or "") + len(operation.payload)
    if operation.error is not None:
        size += error_bytes(operation.error)
    return size


def error_bytes(error: dict[str, Any]) -> int:
    """The combined size of an ErrorObject's fields."""
    return sum(len(line) for value in error.values() for line in (value if isinstance(value, list) else (value,)))
