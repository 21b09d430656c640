"""Runs the function for its durable executions: one invocation after another, until it has nothing to do but wait; and the functions that they chain.

One execution is invoked once at a time. A timer's row ("lambda.durable") stands for the invocation, so that it is made again when the server dies in it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import execution
from groundcloud.services.lambda_.durable import documents, executions, identifiers, state
from groundcloud.services.lambda_.durable.journal import Journal, error_bytes
from groundcloud.services.lambda_.durable.state import EXECUTIONS, OPEN, OPERATIONS
from groundcloud.services.lambda_.durable.updates import ERROR_BYTES_MAX, PAYLOAD_BYTES_MAX
from groundcloud.services.lambda_.encryption import STATE_REASON_CODES
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.reclaiming import NOT_READY

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

FAILURES_MAX = 5
"""Invocations in a row that may break before the execution fails; AWS publishes no number."""

RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 300_000
_HOPELESS = {"ResourceNotFoundException", "InvalidParameterValueException"}
_PATIENT = {"TooManyRequestsException", "ServiceException", *NOT_READY, *STATE_REASON_CODES}


async def drive(call: Call, execution_id: str) -> None:
    """The timer's handler: invokes the function as long as something has happened that it has not been told."""
    running: set[str] = call.own("durable-invocations", set)
    key = f"{call.account}/{call.region}/{execution_id}"
    if key in running:
        return
    running.add(key)
    try:
        while await _invoke(call, execution_id):
            pass
    finally:
        running.discard(key)


async def _invoke(call: Call, execution_id: str) -> bool:
    """One invocation; whether another is to follow at once."""
    call.request_id = call.new_id()
    with call.transaction() as tx:
        journal = Journal.opened(call, tx, execution_id)
        if journal is None or not _may_begin(journal):
            return False
        kept = journal.execution
        news = kept.news
        journal.change(
            phase=state.INVOKING, token=identifiers.new_token(call), spent_token="", client_token="", answered=(), news=(), told=()
        )
        journal.save()
        event = documents.invocation_event(tx, journal.execution, journal.arn, news)
    name = FunctionName(call.account, call.region, kept.function_name, kept.version)
    began_ms, began_ns = call.clock.now_ms(), time.perf_counter_ns()
    target: execution.Target | None = None
    outcome: execution.Outcome | None = None
    refused: AwsError | None = None
    try:
        target = execution.target(call, name)
        outcome = await execution.run(call, target, event, call.request_id, trace=kept.trace)
    except AwsError as error:
        refused = error
    if target is not None:
        execution.record(call, target, began_ns, outcome, refused, "lambda.amazonaws.com")
    with call.transaction() as tx:
        journal = Journal.opened(call, tx, execution_id)
        if journal is None:
            return False
        return _ended(journal, outcome, refused, began_ms)


def _may_begin(journal: Journal) -> bool:
    """A timer may fire for an execution that has been suspended, paused or ended since: then there is nothing to do."""
    kept = journal.execution
    if kept.status == state.RUNNING:
        return kept.phase != state.SUSPENDED
    if kept.status == state.PAUSING:
        # The server died in the invocation that was to be its last before the pause.
        _pause(journal, state.QUEUED)
        journal.save()
    return False


def _ended(journal: Journal, outcome: execution.Outcome | None, refused: AwsError | None, began_ms: int) -> bool:
    """Takes in how an invocation ended. Saves the journal; True: invoke again."""
    error: dict[str, Any] | None = None
    if outcome is not None and outcome.failed:
        error = error_of(outcome.payload)
    elif refused is not None:
        error = {"ErrorType": refused.code, "ErrorMessage": refused.message}
    journal.happened(
        "InvocationCompleted",
        StartTimestamp=began_ms / 1000,
        EndTimestamp=journal.now_ms / 1000,
        RequestId=journal.call.request_id,
        Error={"Payload": error} if error is not None else None,
    )
    kept = journal.execution
    journal.change(token="", spent_token="", client_token="", answered=())
    if kept.status in state.ENDED:
        journal.change(phase=state.SUSPENDED)
    elif error is not None:
        _broken(journal, error, refused)
    else:
        assert outcome is not None
        return _answered(journal, outcome.payload)
    journal.save()
    return False


def _broken(journal: Journal, error: dict[str, Any], refused: AwsError | None) -> None:
    """An invocation without an answer: tried again later, or the end."""
    kept = journal.execution
    if kept.status == state.PAUSING:
        _pause(journal, state.QUEUED)
        return
    failures = kept.failures + 1
    patient = refused is not None and refused.code in _PATIENT
    if (refused is not None and refused.code in _HOPELESS) or (failures >= FAILURES_MAX and not patient):
        journal.change(phase=state.SUSPENDED)
        executions.end(journal, state.FAILED, error=error)
        return
    journal.change(phase=state.QUEUED, failures=failures)
    executions.invoke_at(journal, journal.now_ms + min(RETRY_FIRST_MS << min(failures - 1, 20), RETRY_MS_MAX))


def _answered(journal: Journal, payload: bytes) -> bool:
    """The function's own answer: SUCCEEDED, FAILED or PENDING."""
    kept = journal.execution
    journal.change(phase=state.SUSPENDED)
    answer = _decoded(payload)
    status = answer.get("Status") if isinstance(answer, dict) else None
    if status == "SUCCEEDED":
        result = answer.get("Result")
        if result is not None and not isinstance(result, str):
            executions.end(journal, state.FAILED, error=_invalid("Result in the invocation output is not a string."))
        else:
            encoded = (result or "").encode("utf-8", "surrogatepass")
            if not kept.synchronous and len(encoded) > PAYLOAD_BYTES_MAX:
                message = f"Result size must be less than or equal to {PAYLOAD_BYTES_MAX} bytes."
                executions.end(journal, state.FAILED, error=_invalid(message))
            else:
                executions.end(journal, state.SUCCEEDED, encoded)
    elif status == "FAILED":
        error = _error_object(answer.get("Error"))
        if error_bytes(error) > ERROR_BYTES_MAX:
            error = _invalid(f"Error object size must be less than or equal to {ERROR_BYTES_MAX} bytes.")
        executions.end(journal, state.FAILED, error=error)
    elif status != "PENDING":
        executions.end(journal, state.FAILED, error=_invalid("Invalid Status in invocation output."))
    elif kept.status == state.PAUSING:
        _pause(journal, state.QUEUED if kept.news or kept.told else state.SUSPENDED)
        journal.save()
    elif kept.status == state.PAUSED:
        # Its last checkpoint was answered without a token.
        journal.change(phase=state.QUEUED)
        journal.save()
    elif kept.news or kept.told:
        journal.change(phase=state.QUEUED, failures=0, news=(*kept.told, *kept.news))
        journal.save()
        return True
    elif next(OPEN.keys(journal.tx, kept.execution_id, limit=1), None) is None:
        executions.end(journal, state.FAILED, error=_invalid("Cannot return PENDING status with no pending operations."))
    else:
        journal.change(failures=0)
        journal.save()
    return False


def _pause(journal: Journal, phase: str) -> None:
    paused(journal)
    journal.change(phase=phase)


def paused(journal: Journal) -> None:
    """PAUSING or RUNNING -> PAUSED."""
    kept = journal.execution
    journal.change(status=state.PAUSED, paused_ms=journal.now_ms)
    if kept.pause_timeout:
        limit_ms = kept.started_ms + executions.DURATION_S_MAX * 1000
        journal.change(timeout_ms=limit_ms, left_ms=max(kept.timeout_ms - journal.now_ms, 0))
        journal.call.schedule(limit_ms, "lambda.durable.timeout", kept.execution_id, key=kept.execution_id, tx=journal.tx)
    journal.happened(
        "ExecutionPaused",
        PauseRequestTimestamp=kept.pause_ms / 1000,
        Reason={"Payload": kept.pause_reason} if kept.pause_reason else None,
        ExecutionTimeoutPaused=kept.pause_timeout,
    )


def resumed(journal: Journal, reason: str) -> None:
    """PAUSED -> RUNNING; the function is invoked if the pause cut it short or something has happened."""
    kept = journal.execution
    journal.change(status=state.RUNNING)
    if kept.pause_timeout:
        timeout_ms = min(journal.now_ms + kept.left_ms, kept.started_ms + executions.DURATION_S_MAX * 1000)
        journal.change(timeout_ms=timeout_ms)
        journal.call.schedule(timeout_ms, "lambda.durable.timeout", kept.execution_id, key=kept.execution_id, tx=journal.tx)
    journal.happened("ExecutionResumed", ResumeRequestTimestamp=journal.now_ms / 1000, Reason={"Payload": reason} if reason else None)
    if kept.phase == state.QUEUED:
        executions.invoke_at(journal, journal.now_ms)


def _invalid(message: str) -> dict[str, Any]:
    return {"ErrorType": "InvalidParameterValueException", "ErrorMessage": message}


def _error_object(given: Any) -> dict[str, Any]:
    """The members of an ErrorObject that a function's answer holds; what is none is left out."""
    if not isinstance(given, dict):
        return {}
    shown: dict[str, Any] = {
        member: given[member] for member in ("ErrorMessage", "ErrorType", "ErrorData") if isinstance(given.get(member), str)
    }
    if isinstance(given.get("StackTrace"), list):
        shown["StackTrace"] = [line for line in given["StackTrace"] if isinstance(line, str)]
    return shown


def error_of(payload: bytes) -> dict[str, Any]:
    """AWS's error document of an invocation as an ErrorObject."""
    document = _decoded(payload)
    if not isinstance(document, dict):
        return {"ErrorMessage": payload.decode("utf-8", "replace")[:1024]}
    lines = document.get("stackTrace")
    return _error_object(
        {
            "ErrorMessage": document.get("errorMessage"),
            "ErrorType": document.get("errorType"),
            "StackTrace": [str(line) for line in lines] if isinstance(lines, list) else None,
        }
    )


def _decoded(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return None


async def chain(call: Call, execution_id: str, sequence: int) -> None:
    """The timer's handler: invokes a function that is not durable for a chained invocation, and ends that with what it answers."""
    tx = call.reading()
    operation = OPERATIONS.get(tx, execution_id, sequence)
    if operation is None or operation.status != "STARTED" or EXECUTIONS.get(tx, execution_id) is None:
        return
    function_name, _, qualifier = operation.function_name.partition(":")
    call.request_id = call.new_id()
    began_ns = time.perf_counter_ns()
    target: execution.Target | None = None
    outcome: execution.Outcome | None = None
    refused: AwsError | None = None
    try:
        target = execution.target(call, FunctionName(call.account, call.region, function_name, qualifier))
        outcome = await execution.run(call, target, operation.payload.encode(), call.request_id, trace=operation.trace)
    except AwsError as error:
        refused = error
    if target is not None:
        execution.record(call, target, began_ns, outcome, refused, "lambda.amazonaws.com")
    with call.transaction() as own:
        journal = Journal.opened(call, own, execution_id)
        operation = OPERATIONS.get(own, execution_id, sequence)
        if journal is None or operation is None or operation.status != "STARTED" or journal.execution.status in state.ENDED:
            return
        if refused is not None and refused.code in _PATIENT:
            journal.keep(operation.replace(tries=operation.tries + 1), is_open=True, before=operation)
            wait_ms = min(RETRY_FIRST_MS << min(operation.tries, 20), RETRY_MS_MAX)
            call.schedule(journal.now_ms + wait_ms, "lambda.durable.chain", [execution_id, sequence])
        elif refused is not None:
            executions.complete(journal, operation, "FAILED", error={"ErrorType": refused.code, "ErrorMessage": refused.message})
        elif outcome is not None and outcome.failed:
            executions.complete(journal, operation, "FAILED", error=error_of(outcome.payload))
        elif outcome is not None and len(outcome.payload) > PAYLOAD_BYTES_MAX:
            message = f"CHAINED_INVOKE output payload size must be less than or equal to {PAYLOAD_BYTES_MAX} bytes."
            executions.complete(journal, operation, "FAILED", error=_invalid(message))
        elif outcome is not None:
            executions.complete(journal, operation, "SUCCEEDED", outcome.payload.decode("utf-8", "replace"))
        journal.save()
