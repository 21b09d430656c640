"""The life of a durable execution, and the ends of its operations that come from outside of the function.

An execution is a record; the function runs only while there is something for it to do. States (status, phase) and transitions:

    start                                                  -> RUNNING, queued
    RUNNING, queued    --timer "lambda.durable"-->            RUNNING, invoking (a new checkpoint token; those before it are void)
    RUNNING, invoking  --answers PENDING, nothing new-->      RUNNING, suspended: no sandbox is held
    RUNNING, invoking  --answers PENDING, an operation ended meanwhile--> invoking again at once
    RUNNING, invoking  --crashes, times out, is throttled-->  RUNNING, queued for later; after FAILURES_MAX in a row without progress FAILED
    RUNNING, invoking  --the server dies-->                   invoking again at the next start: the timer's row says so
    RUNNING, suspended --a wait, retry, callback or chained invocation ends--> RUNNING, queued
    RUNNING, invoking  --answers SUCCEEDED/FAILED or checkpoints its end--> SUCCEEDED / FAILED
    RUNNING, any       --StopDurableExecution / execution timeout--> STOPPED / TIMED_OUT
    RUNNING, invoking  --Pause--> PAUSING --its next checkpoint or end--> PAUSED, queued;   RUNNING, other --Pause--> PAUSED, as it was
    PAUSED, suspended  --an operation ends--> PAUSED, queued;  PAUSED --Resume--> RUNNING (queued: invoked now);  PAUSING --Resume--> RUNNING
    ended              --retention passed--> gone, with its name

A step runs again only if its end was never checkpointed: each checkpoint is one transaction, on disk before its answer leaves.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.durable import bridge, state
from groundcloud.services.lambda_.durable.journal import Journal
from groundcloud.services.lambda_.durable.state import (
    EXECUTIONS,
    HISTORY,
    NAMES,
    OF_FUNCTION,
    OPEN,
    OPERATIONS,
    PAYLOADS,
    PLACES,
    Execution,
    Operation,
)
from groundcloud.services.lambda_.state import VERSIONS, Version
from groundcloud.store import Table, Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

DURATION_S_MAX = 366 * 86_400
"""AWS: PauseDurableExecution: "An execution with a paused timeout still times out 366 days after it started"."""

FORGOTTEN_AT_ONCE = 1000
"""Rows of an execution that one transaction deletes."""

_EVENTS = {
    "STEP": "Step",
    "WAIT": "Wait",
    "CALLBACK": "Callback",
    "CHAINED_INVOKE": "ChainedInvoke",
    "CONTEXT": "Context",
}
_ENDS = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "TIMED_OUT": "TimedOut", "STOPPED": "Stopped", "CANCELLED": "Cancelled"}


def config_of(version: Version) -> dict[str, Any] | None:
    """The version's DurableConfig; None where the function is not durable."""
    return version.kept.get("DurableConfig")


def start(
    call: Call,
    tx: Transaction,
    version: Version,
    payload: bytes,
    *,
    execution_name: str = "",
    synchronous: bool = False,
    trace: str = "",
    parent: Operation | None = None,
) -> Execution:
    """A new execution, queued; or the one of that name, if its input was the same. Raises DurableExecutionAlreadyStartedException.

    `tx` sees the function's account and region. The execution ends `parent`, a chained invocation, when it ends itself.
    """
    digest = hashlib.sha256(payload).hexdigest()
    if execution_name:
        known = NAMES.get(tx, version.function_name, execution_name)
        found = EXECUTIONS.get(tx, known) if known else None
        if found is not None:
            if found.input_digest != digest:
                raise errors.execution_already_started(execution_name)
            return found
    config = config_of(version)
    assert config is not None
    now_ms = call.clock.now_ms()
    execution_id = call.new_id()
    timeout_s = config["ExecutionTimeout"]
    execution = Execution(
        execution_id=execution_id,
        function_name=version.function_name,
        number=version.number,
        execution_name=execution_name or call.new_id(),
        status=state.RUNNING,
        started_ms=now_ms,
        timeout_s=timeout_s,
        timeout_ms=now_ms + timeout_s * 1000,
        retention_days=config["RetentionPeriodInDays"],
        synchronous=synchronous,
        input_digest=digest,
        trace=trace,
        parent_id=parent.execution_id if parent is not None else "",
        parent_sequence=parent.sequence if parent is not None else 0,
        kms_key_arn=config.get("KMSKeyArn") or "",
        dead_letter_arn="" if synchronous or parent is not None else version.dead_letter_arn,
    )
    PAYLOADS.put(tx, execution_id, "input", bytes(payload))
    NAMES.put(tx, version.function_name, execution.execution_name, execution_id)
    OF_FUNCTION.put(tx, version.function_name, now_ms, execution_id)
    journal = Journal(call, tx, execution)
    journal.happened("ExecutionStarted", ExecutionTimeout=timeout_s)
    journal.save()
    bridge.tell(call, tx, journal.execution)
    call.schedule(now_ms, "lambda.durable", execution_id, key=execution_id, tx=tx)
    call.schedule(execution.timeout_ms, "lambda.durable.timeout", execution_id, key=execution_id, tx=tx)
    return journal.execution


def wake(journal: Journal) -> None:
    """Something happened that the function has to hear of; an invocation that is under way hears of it at its next checkpoint or its end."""
    execution = journal.execution
    if execution.phase == state.SUSPENDED and execution.status in (state.RUNNING, state.PAUSED):
        journal.change(phase=state.QUEUED)
        if execution.status == state.RUNNING:
            invoke_at(journal, journal.now_ms)


def invoke_at(journal: Journal, due_ms: int) -> None:
    execution_id = journal.execution.execution_id
    journal.call.schedule(due_ms, "lambda.durable", execution_id, key=execution_id, tx=journal.tx)


def due_key(operation: Operation, what: str) -> str:
    return f"{operation.execution_id}/{operation.sequence}/{what}"


def schedule(journal: Journal, operation: Operation, due_ms: int, what: str) -> None:
    """`what`: "due" or "heartbeat"; the timer's handler is `fell_due`."""
    journal.call.schedule(
        due_ms, "lambda.durable.due", [operation.execution_id, operation.sequence, what], key=due_key(operation, what), tx=journal.tx
    )


def fell_due(journal: Journal, sequence: int, what: str) -> None:
    """A wait is over, a step may be tried again, a callback's time has passed."""
    operation = OPERATIONS.get(journal.tx, journal.execution.execution_id, sequence)
    if operation is None or journal.execution.status in state.ENDED:
        return
    if operation.kind == "WAIT" and operation.status == "STARTED":
        complete(journal, operation, "SUCCEEDED")
    elif operation.kind == "STEP" and operation.status == "PENDING":
        journal.keep(operation.replace(status="READY", due_ms=0))
        _tell(journal, operation)
    elif operation.kind == "CALLBACK" and operation.status == "STARTED":
        error = (
            {"ErrorMessage": "Callback timed out", "ErrorType": "Callback.Timeout"}
            if what == "due"
            else {"ErrorMessage": "Callback heartbeat timed out", "ErrorType": "Callback.Heartbeat"}
        )
        complete(journal, operation, "TIMED_OUT", error=error)
    journal.save()


def complete(
    journal: Journal,
    operation: Operation,
    status: str,
    result: str | None = None,
    error: dict[str, Any] | None = None,
    *,
    tell: bool = True,
) -> Operation:
    """Ends an operation that was open; `tell` the function unless it is the one that ends it. `save` the journal afterwards."""
    before = operation
    operation = operation.replace(status=status, ended_ms=journal.now_ms, result=result, error=error, due_ms=0)
    if before.kind in ("WAIT", "CALLBACK"):
        journal.call.unschedule("lambda.durable.due", due_key(before, "due"), tx=journal.tx)
        journal.call.unschedule("lambda.durable.due", due_key(before, "heartbeat"), tx=journal.tx)
    journal.keep(operation, before=before)
    details: dict[str, Any] = {}
    if operation.kind == "WAIT" and status == "SUCCEEDED":
        details["Duration"] = (operation.ended_ms - operation.started_ms) // 1000
    elif status == "SUCCEEDED":
        details["Result"] = {"Payload": result}
    elif error is not None:
        details["Error"] = {"Payload": error}
    journal.happened(f"{_EVENTS[operation.kind]}{_ENDS[status]}", operation, **details)
    if tell:
        _tell(journal, operation)
    return operation


def _tell(journal: Journal, operation: Operation) -> None:
    journal.change(news=(*journal.execution.news, operation.sequence))
    wake(journal)


def end(journal: Journal, status: str, result: bytes | None = None, error: dict[str, Any] | None = None) -> None:
    """Ends the execution and whatever of it is open, tells the one that chained it, and saves the journal."""
    call, tx, execution = journal.call, journal.tx, journal.execution
    if status == state.SUCCEEDED:
        journal.happened("ExecutionSucceeded")
    else:
        journal.happened(f"Execution{_ENDS[status]}", Error={"Payload": error} if error is not None else None)
    journal.change(status=status, ended_ms=journal.now_ms, error=error, news=())
    if execution.phase != state.INVOKING:
        journal.change(phase=state.SUSPENDED)
        call.unschedule("lambda.durable", execution.execution_id, tx=tx)
    if result is not None:
        PAYLOADS.put(tx, execution.execution_id, "result", result)
    call.unschedule("lambda.durable.timeout", execution.execution_id, tx=tx)
    for execution_id, sequence in list(OPEN.keys(tx, execution.execution_id)):
        operation = OPERATIONS.get(tx, execution_id, sequence)
        if operation is not None:
            for what in ("due", "heartbeat"):
                call.unschedule("lambda.durable.due", due_key(operation, what), tx=tx)
        OPEN.delete(tx, execution_id, sequence)
    journal.save()
    bridge.tell(call, tx, journal.execution)
    call.schedule(
        journal.now_ms + execution.retention_days * 86_400_000,
        "lambda.durable.forget",
        execution.execution_id,
        key=execution.execution_id,
        tx=tx,
    )
    if execution.parent_id:
        _tell_parent(journal, status, result, error)
    elif execution.dead_letter_arn and status in (state.FAILED, state.TIMED_OUT):
        _bury(journal, error)


def time_out(journal: Journal) -> None:
    if journal.execution.status not in state.ENDED:
        seconds = journal.execution.timeout_s
        end(
            journal,
            state.TIMED_OUT,
            error={"ErrorType": "Execution.Timeout", "ErrorMessage": f"Execution timed out after {seconds} seconds"},
        )


def _tell_parent(journal: Journal, status: str, result: bytes | None, error: dict[str, Any] | None) -> None:
    parent = Journal.opened(journal.call, journal.tx, journal.execution.parent_id)
    if parent is None or parent.execution.status in state.ENDED:
        return
    operation = OPERATIONS.get(journal.tx, parent.execution.execution_id, journal.execution.parent_sequence)
    if operation is not None and operation.status == "STARTED":
        text = result.decode("utf-8", "replace") if result is not None else None
        complete(parent, operation, status, text, error)
        parent.save()


def _bury(journal: Journal, error: dict[str, Any] | None) -> None:
    """AWS: "Durable functions: dead-letter queues": the input of an asynchronous execution that failed."""
    execution = journal.execution
    version = VERSIONS.get(journal.tx, execution.function_name, execution.number)
    if version is None:
        return
    message = str((error or {}).get("ErrorMessage") or "")[:1024]
    journal.call.deliver(
        execution.dead_letter_arn,
        PAYLOADS.get(journal.tx, execution.execution_id, "input") or b"",
        principal=version.role,
        source_arn=journal.function_arn,
        attributes={"RequestID": execution.execution_id, "ErrorCode": "200", "ErrorMessage": message or "null"},
        max_age_s=21_600,
        max_attempts=10,
        tx=journal.tx,
    )


def forget(call: Call, tx: Transaction, execution_id: str) -> None:
    """Deletes an execution that has ended, a part in each transaction; the record goes last."""
    execution = EXECUTIONS.get(tx, execution_id)
    if execution is None:
        return
    left = FORGOTTEN_AT_ONCE
    tables: tuple[Table[Any], ...] = (OPERATIONS, PLACES, HISTORY)
    for table in tables:
        for key in list(table.keys(tx, execution_id, limit=left)):
            table.delete(tx, *key)
            left -= 1
        if left <= 0:
            call.schedule(call.clock.now_ms(), "lambda.durable.forget", execution_id, key=execution_id, tx=tx)
            return
    for which in ("input", "result"):
        PAYLOADS.delete(tx, execution_id, which)
    if NAMES.get(tx, execution.function_name, execution.execution_name) == execution_id:
        NAMES.delete(tx, execution.function_name, execution.execution_name)
    OF_FUNCTION.delete(tx, execution.function_name, execution.started_ms, execution_id)
    EXECUTIONS.delete(tx, execution_id)
