"""The state machine of an execution's operations: what a checkpoint may do to each.

Transitions, by kind; the function's actions in capitals, the platform's in small letters (`executions.fell_due`, `executions.complete`):

    STEP            none -START-> STARTED;  none/STARTED/READY -SUCCEED-> SUCCEEDED, -FAIL-> FAILED, -RETRY-> PENDING (one attempt more);
                    PENDING -due-> READY -START-> STARTED
    WAIT            none -START-> STARTED -due-> SUCCEEDED;  STARTED -CANCEL-> CANCELLED
    CALLBACK        none -START-> STARTED -answered-> SUCCEEDED, FAILED;  -timeout, heartbeat missed-> TIMED_OUT
    CHAINED_INVOKE  none -START-> STARTED -the other function ends-> SUCCEEDED, FAILED, TIMED_OUT, STOPPED
    CONTEXT         none -START-> STARTED;  none/STARTED -SUCCEED-> SUCCEEDED, -FAIL-> FAILED
    EXECUTION       -SUCCEED-> the execution SUCCEEDED, -FAIL-> FAILED; the last update of its checkpoint

SUCCEEDED, FAILED, CANCELLED, TIMED_OUT and STOPPED are final. A checkpoint applies whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import errors, execution, names
from groundcloud.services.lambda_.durable import executions, identifiers, state
from groundcloud.services.lambda_.durable.journal import Journal, error_bytes
from groundcloud.services.lambda_.durable.state import Operation
from groundcloud.services.lambda_.names import FunctionName

PAYLOAD_BYTES_MAX = 1_048_576
SYNCHRONOUS_BYTES_MAX = 6_291_456
"""AWS: OperationUpdate, Payload: "6 MB for synchronous EXECUTION operations, and 1 MB for asynchronous EXECUTION, CHAINED_INVOKE, CONTEXT, ..."."""

ERROR_BYTES_MAX = 1_048_576
OPERATIONS_MAX = 3_000
STORED_BYTES_MAX = 100 * 1_048_576
"""AWS: Lambda quotas, durable executions: operations, and bytes of their data. Past them the execution fails."""


def apply(journal: Journal, updates: list[dict[str, Any]]) -> list[int]:
    """Applies a checkpoint's updates in order; the sequences of the operations that they touched. Raises InvalidParameterValueException."""
    _check_execution_last(updates)
    touched: list[int] = []
    for update in updates:
        kind, action = update["Type"], update["Action"]
        _check_sizes(journal, update)
        if kind == "EXECUTION":
            _end_execution(journal, update)
            break
        operation = journal.operation(update["Id"])
        if operation is not None and operation.kind != kind:
            raise errors.invalid_parameter(f"Operation {update['Id']} is of type {operation.kind}, not {kind}.")
        rule = _RULES.get((kind, action))
        if rule is None:
            raise errors.invalid_parameter(f"Invalid {kind} action: {action}.")
        from_, function = rule
        status = operation.status if operation is not None else ""
        if status not in from_:
            raise errors.invalid_parameter(_refusal(kind, action, update["Id"], status))
        if operation is None:
            _check_parent(journal, update)
        kept = function(journal, operation, update)
        if kept.sequence not in touched:
            touched.append(kept.sequence)
    return touched


def over_quota(journal: Journal) -> dict[str, Any] | None:
    """The error with which an execution that has grown too large ends; None while it has not."""
    kept = journal.execution
    if kept.operations > OPERATIONS_MAX:
        return {
            "ErrorType": "DurableExecutionLimitExceeded",
            "ErrorMessage": f"The durable execution exceeded the maximum number of operations ({OPERATIONS_MAX}).",
        }
    if kept.stored_bytes > STORED_BYTES_MAX:
        return {
            "ErrorType": "DurableExecutionLimitExceeded",
            "ErrorMessage": f"The durable execution exceeded the maximum size of its data ({STORED_BYTES_MAX} bytes).",
        }
    return None


def _check_execution_last(updates: list[dict[str, Any]]) -> None:
    places = [place for place, update in enumerate(updates) if update["Type"] == "EXECUTION"]
    if len(places) > 1:
        raise errors.invalid_parameter("Cannot checkpoint multiple EXECUTION updates.")
    if places and places[0] != len(updates) - 1:
        raise errors.invalid_parameter("EXECUTION checkpoint must be the last update.")


def _check_sizes(journal: Journal, update: dict[str, Any]) -> None:
    kind = update["Type"]
    payload, error = update.get("Payload"), update.get("Error")
    limit = SYNCHRONOUS_BYTES_MAX if kind == "EXECUTION" and journal.execution.synchronous else PAYLOAD_BYTES_MAX
    if payload is not None and len(payload) * 4 > limit and len(payload.encode("utf-8", "surrogatepass")) > limit:
        raise errors.invalid_parameter(f"{kind} output payload size must be less than or equal to {limit} bytes.")
    if error is not None:
        check_error(error)
    if update["Action"] == "SUCCEED" and error is not None:
        raise errors.invalid_parameter("Cannot provide an Error for SUCCEED action.")
    if update["Action"] == "FAIL" and payload is not None:
        raise errors.invalid_parameter("Cannot provide a Payload for FAIL action.")


def check_error(error: dict[str, Any]) -> None:
    """Raises InvalidParameterValueException for an ErrorObject that is too large."""
    if error_bytes(error) > ERROR_BYTES_MAX:
        raise errors.invalid_parameter(f"Error object size must be less than or equal to {ERROR_BYTES_MAX} bytes.")


def _check_parent(journal: Journal, update: dict[str, Any]) -> None:
    if not update.get("ParentId"):
        return
    parent = journal.operation(update["ParentId"])
    if parent is None or parent.kind != "CONTEXT":
        raise errors.invalid_parameter("Invalid parent operation id.")


def _refusal(kind: str, action: str, operation_id: str, status: str) -> str:
    if action == "START":
        return f"Cannot start a {kind} that already exists: {operation_id} is {status}."
    what = {"SUCCEED": "succeed", "FAIL": "fail", "RETRY": "retry", "CANCEL": "cancel"}[action]
    return f"Cannot {what} {kind} {operation_id}: it {f'is {status}' if status else 'does not exist'}."


def _members(update: dict[str, Any]) -> dict[str, Any]:
    """What a new operation takes from the update that makes it."""
    return {
        "parent_id": update.get("ParentId") or "",
        "name": update.get("Name") or "",
        "sub_type": update.get("SubType") or "",
    }


def _started(journal: Journal, operation: Operation | None, update: dict[str, Any]) -> Operation:
    """Of a step or a context."""
    kind = update["Type"]
    if operation is None:
        kept = journal.begin(update["Id"], kind, **_members(update))
    else:
        kept = operation.replace(status="STARTED", error=None)
    journal.keep(kept, before=operation)
    journal.happened("StepStarted" if kind == "STEP" else "ContextStarted", kept)
    return kept


def _ended(journal: Journal, operation: Operation | None, update: dict[str, Any]) -> Operation:
    """Of a step or a context, by the function itself."""
    kind = update["Type"]
    failed = update["Action"] == "FAIL"
    before = operation
    if operation is None:
        operation = journal.begin(update["Id"], kind, **_members(update))
    error = (update.get("Error") or {}) if failed else None
    kept = operation.replace(
        status="FAILED" if failed else "SUCCEEDED",
        ended_ms=journal.now_ms,
        result=None if failed else update.get("Payload"),
        error=error,
        replay_children=bool((update.get("ContextOptions") or {}).get("ReplayChildren")),
    )
    journal.keep(kept, before=before)
    details: dict[str, Any] = {"Error": {"Payload": error}} if failed else {"Result": {"Payload": kept.result}}
    if kind == "STEP":
        details["RetryDetails"] = {"CurrentAttempt": kept.attempt + 1}
    journal.happened(("Step" if kind == "STEP" else "Context") + ("Failed" if failed else "Succeeded"), kept, **details)
    journal.change(failures=0)
    return kept


def _retried(journal: Journal, operation: Operation | None, update: dict[str, Any]) -> Operation:
    delay_s = (update.get("StepOptions") or {}).get("NextAttemptDelaySeconds")
    if delay_s is None:
        raise errors.invalid_parameter("StepOptions with NextAttemptDelaySeconds is required for RETRY action.")
    before = operation
    if operation is None:
        operation = journal.begin(update["Id"], "STEP", **_members(update))
    due_ms = journal.now_ms + delay_s * 1000
    error = update.get("Error")
    kept = operation.replace(
        status="PENDING",
        attempt=operation.attempt + 1,
        due_ms=due_ms,
        # A condition that is waited for keeps its state between two looks at it.
        result=update.get("Payload") if error is None else operation.result,
        error=error,
    )
    journal.keep(kept, is_open=True, before=before)
    executions.schedule(journal, kept, due_ms, "due")
    retry = {"CurrentAttempt": kept.attempt, "NextAttemptDelaySeconds": delay_s}
    if error is not None:
        journal.happened("StepFailed", kept, Error={"Payload": error}, RetryDetails=retry)
    else:
        journal.happened("StepSucceeded", kept, Result={"Payload": kept.result}, RetryDetails=retry)
    journal.change(failures=0)
    return kept


def _wait(journal: Journal, _: Operation | None, update: dict[str, Any]) -> Operation:
    wait_s = (update.get("WaitOptions") or {}).get("WaitSeconds") or 1
    due_ms = journal.now_ms + wait_s * 1000
    kept = journal.begin(update["Id"], "WAIT", due_ms=due_ms, **_members(update))
    journal.keep(kept, is_open=True)
    executions.schedule(journal, kept, due_ms, "due")
    journal.happened("WaitStarted", kept, Duration=wait_s, ScheduledEndTimestamp=due_ms / 1000)
    return kept


def _cancelled(journal: Journal, operation: Operation | None, update: dict[str, Any]) -> Operation:
    assert operation is not None
    return executions.complete(journal, operation, "CANCELLED", error=update.get("Error"), tell=False)


def _callback(journal: Journal, _: Operation | None, update: dict[str, Any]) -> Operation:
    options = update.get("CallbackOptions") or {}
    timeout_s, heartbeat_s = options.get("TimeoutSeconds") or 0, options.get("HeartbeatTimeoutSeconds") or 0
    kept = journal.begin(update["Id"], "CALLBACK", heartbeat_s=heartbeat_s, **_members(update))
    kept = kept.replace(callback_id=identifiers.new_callback_id(journal.call, journal.arn, kept.sequence))
    journal.keep(kept, is_open=True)
    if timeout_s:
        executions.schedule(journal, kept, journal.now_ms + timeout_s * 1000, "due")
    if heartbeat_s:
        executions.schedule(journal, kept, journal.now_ms + heartbeat_s * 1000, "heartbeat")
    journal.happened("CallbackStarted", kept, CallbackId=kept.callback_id, Timeout=timeout_s or None, HeartbeatTimeout=heartbeat_s or None)
    return kept


def _chained(journal: Journal, _: Operation | None, update: dict[str, Any]) -> Operation:
    """Starts the other function: an execution of its own if it is durable, else one invocation. What keeps it from starting fails the operation."""
    options = update.get("ChainedInvokeOptions") or {}
    if not options.get("FunctionName"):
        raise errors.invalid_parameter("ChainedInvokeOptions with FunctionName is required for START action.")
    text = options["FunctionName"]
    payload = update.get("Payload") or "{}"
    trace = options.get("XAmznTraceId") or journal.execution.trace
    kept = journal.begin(update["Id"], "CHAINED_INVOKE", payload=payload, trace=trace, **_members(update))
    started: dict[str, Any] = {"FunctionName": text, "Input": {"Payload": payload}, "TenantId": options.get("TenantId")}
    try:
        target = _target(journal, text, options)
    except AwsError as refused:
        journal.keep(kept)
        journal.happened("ChainedInvokeStarted", kept, **started)
        error = {"ErrorType": refused.code, "ErrorMessage": refused.message}
        return executions.complete(journal, kept, "FAILED", error=error, tell=False)
    kept = kept.replace(function_name=f"{target.name.name}:{target.version.text}")
    journal.keep(kept, is_open=True)
    started["ExecutedVersion"] = target.version.text
    if executions.config_of(target.version) is not None:
        child = executions.start(journal.call, journal.tx, target.version, payload.encode(), trace=trace, parent=kept)
        started["DurableExecutionArn"] = identifiers.arn_of(journal.tx.account, journal.tx.region, child)
    else:
        journal.call.schedule(journal.now_ms, "lambda.durable.chain", [kept.execution_id, kept.sequence], tx=journal.tx)
    journal.happened("ChainedInvokeStarted", kept, **started)
    return kept


def _target(journal: Journal, text: str, options: dict[str, Any]) -> execution.Target:
    """Raises AwsError for what does not exist or may not be invoked."""
    if options.get("TenantId"):
        raise errors.invalid_parameter("Groundcloud does not implement tenant isolation (TenantId) yet.")
    call, tx = journal.call, journal.tx
    name: FunctionName = names.parse(text, "", tx.account, tx.region)
    if name.account != tx.account:
        raise errors.invalid_parameter("Cross-account chained invocations are not supported.")
    call.authorize("lambda:InvokeFunction", name.qualified_arn)
    target = execution.target(call, name)
    if executions.config_of(target.version) is not None and not name.qualifier:
        raise errors.unqualified_durable()
    return target


def _end_execution(journal: Journal, update: dict[str, Any]) -> None:
    if update["Action"] == "SUCCEED":
        executions.end(journal, state.SUCCEEDED, (update.get("Payload") or "").encode("utf-8", "surrogatepass"))
    elif update["Action"] == "FAIL":
        executions.end(journal, state.FAILED, error=update.get("Error") or {})
    else:
        raise errors.invalid_parameter(f"Invalid EXECUTION action: {update['Action']}.")


_Apply = Callable[[Journal, Operation | None, dict[str, Any]], Operation]
_NEW, _STEP_OPEN, _CONTEXT_OPEN = ("",), ("", "STARTED", "READY"), ("", "STARTED")
_RULES: dict[tuple[str, str], tuple[tuple[str, ...], _Apply]] = {
    ("STEP", "START"): (("", "READY"), _started),
    ("STEP", "SUCCEED"): (_STEP_OPEN, _ended),
    ("STEP", "FAIL"): (_STEP_OPEN, _ended),
    ("STEP", "RETRY"): (_STEP_OPEN, _retried),
    ("WAIT", "START"): (_NEW, _wait),
    ("WAIT", "CANCEL"): (("STARTED",), _cancelled),
    ("CALLBACK", "START"): (_NEW, _callback),
    ("CHAINED_INVOKE", "START"): (_NEW, _chained),
    ("CONTEXT", "START"): (_NEW, _started),
    ("CONTEXT", "SUCCEED"): (_CONTEXT_OPEN, _ended),
    ("CONTEXT", "FAIL"): (_CONTEXT_OPEN, _ended),
}
"""(kind, action) -> the statuses from which it is allowed ("" is none yet), and what does it."""
