"""Durable executions as AWS shows them: to the function at an invocation, and to the callers of the API. Values in, values out but for reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from groundcloud.services.lambda_.durable import identifiers, state
from groundcloud.services.lambda_.durable.state import OPERATIONS, PAYLOADS, Execution, Happening, Operation
from groundcloud.store import Transaction

PAGE_BYTES_MAX = 3 * 1_048_576
"""Of operations, before they are encoded, in an invocation's payload or in an answer: with quotes escaped they stay under Lambda's 6 MB."""

ITEMS_MAX = 1000
_DETAILS = {
    "STEP": "StepDetails",
    "WAIT": "WaitDetails",
    "CALLBACK": "CallbackDetails",
    "CONTEXT": "ContextDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
}
Moment = Callable[[int], Any]


def seconds(at_ms: int) -> float:
    return at_ms / 1000


def milliseconds(at_ms: int) -> int:
    """As the functions of Python read them; those of JavaScript take them too."""
    return at_ms


def operation(kept: Operation, moment: Moment) -> dict[str, Any]:
    shown: dict[str, Any] = {"Id": kept.operation_id, "Type": kept.kind, "StartTimestamp": moment(kept.started_ms), "Status": kept.status}
    if kept.parent_id:
        shown["ParentId"] = kept.parent_id
    if kept.name:
        shown["Name"] = kept.name
    if kept.sub_type:
        shown["SubType"] = kept.sub_type
    if kept.ended_ms:
        shown["EndTimestamp"] = moment(kept.ended_ms)
    details: dict[str, Any] = {}
    if kept.result is not None:
        details["Result"] = kept.result
    if kept.error is not None:
        details["Error"] = kept.error
    if kept.kind == "STEP":
        details["Attempt"] = kept.attempt
        if kept.due_ms:
            details["NextAttemptTimestamp"] = moment(kept.due_ms)
    elif kept.kind == "WAIT":
        details = {"ScheduledEndTimestamp": moment(kept.due_ms or kept.ended_ms)}
    elif kept.kind == "CALLBACK":
        details["CallbackId"] = kept.callback_id
    elif kept.kind == "CONTEXT" and kept.replay_children:
        details["ReplayChildren"] = True
    if details:
        shown[_DETAILS[kept.kind]] = details
    return shown


def execution_operation(tx: Transaction, execution: Execution, moment: Moment) -> dict[str, Any]:
    """The operation that stands for the execution itself: its id is the execution's, its input is the function's event."""
    payload = PAYLOADS.get(tx, execution.execution_id, "input") or b""
    return {
        "Id": execution.execution_id,
        "Name": execution.execution_name,
        "Type": "EXECUTION",
        "StartTimestamp": moment(execution.started_ms),
        "Status": "STARTED",
        "ExecutionDetails": {"InputPayload": payload.decode("utf-8", "replace")},
    }


def page(
    tx: Transaction, execution: Execution, start: int, moment: Moment, *, items_max: int = ITEMS_MAX, may_be_empty: bool = False
) -> tuple[list[dict[str, Any]], str]:
    """Operations from the sequence `start` on (0 is the execution's own) that a replay needs, and where the next page begins ("" at the end)."""
    shown: list[dict[str, Any]] = []
    size = 0
    for sequence, kept in _visible(tx, execution):
        if sequence < start:
            continue
        size += _size_bytes(tx, execution, kept)
        if len(shown) >= items_max or (size > PAGE_BYTES_MAX and (shown or may_be_empty)):
            return shown, marker(sequence)
        shown.append(operation(kept, moment) if kept is not None else execution_operation(tx, execution, moment))
    return shown, ""


def changed(tx: Transaction, execution: Execution, sequences: Iterable[int], moment: Moment) -> tuple[list[dict[str, Any]], str]:
    """The operations of those sequences; where they are too much for one answer, what comes from the marker on holds the rest."""
    shown: list[dict[str, Any]] = []
    size = 0
    for sequence in sorted(set(sequences)):
        kept = OPERATIONS.get(tx, execution.execution_id, sequence)
        if kept is None:
            continue
        size += _size_bytes(tx, execution, kept)
        if shown and (len(shown) >= ITEMS_MAX or size > PAGE_BYTES_MAX):
            return shown, marker(sequence)
        shown.append(operation(kept, moment))
    return shown, ""


def marker(sequence: int) -> str:
    return f"from-{sequence}"


def sequence_of(text: str) -> int | None:
    """Where a marker points to; None for what is no marker."""
    number = text.removeprefix("from-")
    return int(number) if number != text and number.isdecimal() and len(number) < 10 else None


def _visible(tx: Transaction, execution: Execution) -> Iterator[tuple[int, Operation | None]]:
    """In order of start, the execution itself (None) first; without what lies below a context that is done and needs no replay of its children."""
    yield 0, None
    hidden: set[str] = set()
    for kept in OPERATIONS.scan(tx, execution.execution_id):
        below = kept.parent_id in hidden
        if kept.kind == "CONTEXT" and (below or (kept.ended_ms and not kept.replay_children)):
            hidden.add(kept.operation_id)
        if not below:
            yield kept.sequence, kept


def _size_bytes(tx: Transaction, execution: Execution, kept: Operation | None) -> int:
    if kept is None:
        return 300 + len(PAYLOADS.get(tx, execution.execution_id, "input") or b"")
    return 300 + len(kept.result or "") + (len(str(kept.error)) if kept.error else 0)


def invocation_event(tx: Transaction, execution: Execution, execution_arn: str, news: tuple[int, ...]) -> bytes:
    """The event with which the function is invoked."""
    operations, next_marker = page(tx, execution, 0, milliseconds, may_be_empty=True)
    updated = [kept.operation_id for sequence in news if (kept := OPERATIONS.get(tx, execution.execution_id, sequence)) is not None]
    return msgspec.json.encode(
        {
            "DurableExecutionArn": execution_arn,
            "CheckpointToken": execution.token,
            "InitialExecutionState": {"Operations": operations, "NextMarker": next_marker},
            "UpdatedOperationIds": updated,
        }
    )


def summary(account: str, region: str, execution: Execution) -> dict[str, Any]:
    """A member of ListDurableExecutionsByFunction's answer, and what GetDurableExecution's shares with it."""
    shown: dict[str, Any] = {
        "DurableExecutionArn": identifiers.arn_of(account, region, execution),
        "DurableExecutionName": execution.execution_name,
        "FunctionArn": f"arn:aws:lambda:{region}:{account}:function:{execution.function_name}:{execution.version}",
        "Status": execution.status,
        "StartTimestamp": seconds(execution.started_ms),
    }
    if execution.ended_ms:
        shown["EndTimestamp"] = seconds(execution.ended_ms)
    if execution.kms_key_arn:
        shown["KMSKeyArn"] = execution.kms_key_arn
    return shown


def detailed(tx: Transaction, execution: Execution, with_data: bool) -> dict[str, Any]:
    """GetDurableExecution's answer."""
    shown = summary(tx.account, tx.region, execution)
    key = shown.pop("KMSKeyArn", None)
    shown["Version"] = execution.version
    shown["ExecutionDataIncluded"] = with_data
    shown["DurableConfig"] = {"RetentionPeriodInDays": execution.retention_days, "ExecutionTimeout": execution.timeout_s}
    if key:
        shown["DurableConfig"]["KMSKeyArn"] = key
    if execution.trace:
        shown["TraceHeader"] = {"XAmznTraceId": execution.trace}
    if execution.status not in state.ENDED:
        shown["ExpectedExecutionTimeoutTimestamp"] = seconds(execution.timeout_ms)
    if execution.status in (state.PAUSING, state.PAUSED):
        shown["PauseDetails"] = {
            "PauseRequestTimestamp": seconds(execution.pause_ms),
            "ExecutionTimeoutPaused": execution.pause_timeout,
            "Reason": execution.pause_reason if with_data and execution.pause_reason else None,
        }
    if with_data:
        shown["InputPayload"] = _payload(tx, execution, "input")
        if execution.status == state.SUCCEEDED:
            shown["Result"] = _payload(tx, execution, "result")
        if execution.error is not None:
            shown["Error"] = execution.error
    return shown


def happening(tx: Transaction, execution: Execution, kept: Happening, with_data: bool) -> dict[str, Any]:
    """An event of GetDurableExecutionHistory's answer."""
    shown: dict[str, Any] = {"EventType": kept.kind, "EventId": kept.event_id, "EventTimestamp": seconds(kept.at_ms)}
    for member, value in (("Id", kept.operation_id), ("Name", kept.name), ("ParentId", kept.parent_id), ("SubType", kept.sub_type)):
        if value:
            shown[member] = value
    details = dict(kept.details)
    if kept.kind == "ExecutionStarted":
        details["Input"] = {"Payload": _payload(tx, execution, "input")}
    elif kept.kind == "ExecutionSucceeded":
        details["Result"] = {"Payload": _payload(tx, execution, "result")}
    for member in ("Input", "Result", "Error", "Reason"):
        if member in details:
            details[member] = {**details[member], "Truncated": False} if with_data else {"Truncated": True}
    shown[f"{kept.kind}Details"] = details
    return shown


def size_bytes(kept: Happening) -> int:
    """About what an event adds to an answer."""
    return 200 + len(str(kept.details))


def _payload(tx: Transaction, execution: Execution, which: str) -> str:
    return (PAYLOADS.get(tx, execution.execution_id, which) or b"").decode("utf-8", "replace")
