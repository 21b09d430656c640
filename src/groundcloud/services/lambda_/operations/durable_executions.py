"""Durable executions: read, list, checkpoint, stop, pause, resume, delete."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, errors, execution, markers, names
from groundcloud.services.lambda_.durable import documents, executions, identifiers, invocations, state, updates
from groundcloud.services.lambda_.durable.journal import Journal
from groundcloud.services.lambda_.durable.state import EXECUTIONS, HISTORY, OF_FUNCTION
from groundcloud.services.lambda_.state import FUNCTIONS

ITEMS = 100
ITEMS_MAX = 1000
"""AWS: "The default is 100 and the maximum allowed is 1000. A value of 0 uses the default"."""

SCANNED_MAX = 10_000
"""Executions that one page of a filtered list looks at."""

CLIENT_TOKEN_MS = 900_000
"""AWS: CheckpointDurableExecution, ClientToken: "within a 15-minute window"."""


def load(call: Call, execution_arn: str) -> Journal:
    """The execution of an ARN, in the account and region that it names. Raises ResourceNotFoundException."""
    name = identifiers.parse(execution_arn)
    journal = None
    if name.region == call.region:
        journal = Journal.opened(call, call.tx.at(name.account, name.region), name.execution_id)
    if journal is None or journal.arn != execution_arn:
        raise errors.execution_not_found(execution_arn)
    return journal


@operation(resource=identifiers.resource)
def checkpoint_durable_execution(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal = _load_for_function(call, request["DurableExecutionArn"])
    token, client_token = request["CheckpointToken"], request.get("ClientToken") or ""
    kept = journal.execution
    if token != kept.token:
        again = client_token and (token, client_token) == (kept.spent_token, kept.client_token)
        if not again or journal.now_ms - kept.checkpoint_ms > CLIENT_TOKEN_MS:
            raise errors.invalid_checkpoint_token()
        return _checkpointed(journal, kept.token)
    if kept.status in state.ENDED:
        # Stopped or timed out: a function that is answered without a token gives up.
        return {"NewExecutionState": {"Operations": []}}
    news = kept.news
    touched = updates.apply(journal, request.get("Updates") or [])
    error = updates.over_quota(journal)
    if error is not None and journal.execution.status not in state.ENDED:
        executions.end(journal, state.FAILED, error=error)
    next_token = ""
    if journal.execution.status == state.PAUSING:
        invocations.paused(journal)
    elif journal.execution.status not in state.ENDED:
        next_token = identifiers.new_token(call)
    # What the updates themselves ended (a chained invocation that was refused) is in the answer too.
    journal.change(
        token=next_token,
        spent_token=token,
        client_token=client_token,
        checkpoint_ms=journal.now_ms,
        answered=(*news, *touched),
        news=(),
        told=(*kept.told, *news),
    )
    journal.save()
    return _checkpointed(journal, next_token)


def _checkpointed(journal: Journal, token: str) -> dict[str, Any]:
    shown, marker = documents.changed(journal.tx, journal.execution, journal.execution.answered, documents.seconds)
    return {"CheckpointToken": token or None, "NewExecutionState": {"Operations": shown, "NextMarker": marker or None}}


def _load_for_function(call: Call, execution_arn: str) -> Journal:
    """The two operations that functions call have no ResourceNotFoundException in the model."""
    name = identifiers.parse(execution_arn)
    journal = Journal.opened(call, call.tx.at(name.account, name.region), name.execution_id)
    if journal is None or journal.arn != execution_arn:
        raise errors.invalid_parameter(f"Durable execution not found: {execution_arn}")
    return journal


@operation(resource=identifiers.resource)
def get_durable_execution_state(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal = _load_for_function(call, request["DurableExecutionArn"])
    kept = journal.execution
    if request["CheckpointToken"] != kept.token:
        raise errors.invalid_checkpoint_token()
    start = 0
    if request.get("Marker"):
        found = documents.sequence_of(request["Marker"])
        if found is None:
            raise errors.invalid_parameter("Invalid marker.")
        start = found
    shown, marker = documents.page(journal.tx, kept, start, documents.seconds, items_max=request.get("MaxItems") or ITEMS)
    return {"Operations": shown, "NextMarker": marker or None}


@operation(resource=identifiers.resource)
def get_durable_execution(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal = load(call, request["DurableExecutionArn"])
    return documents.detailed(journal.tx, journal.execution, request.get("IncludeExecutionData") is not False)


@operation(resource=identifiers.resource)
def get_durable_execution_history(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal = load(call, request["DurableExecutionArn"])
    with_data = request.get("IncludeExecutionData") is not False
    limit = min(request.get("MaxItems") or ITEMS, ITEMS_MAX)
    after = markers.number(request["Marker"]) if request.get("Marker") else None
    shown: list[dict[str, Any]] = []
    size = 0
    marker = None
    reverse = bool(request.get("ReverseOrder"))
    for kept in HISTORY.scan(journal.tx, journal.execution.execution_id, after=after, reverse=reverse, limit=limit + 1):
        size += documents.size_bytes(kept) if with_data else 0
        if len(shown) == limit or (shown and size > documents.PAGE_BYTES_MAX):
            marker = str(shown[-1]["EventId"])
            break
        shown.append(documents.happening(journal.tx, journal.execution, kept, with_data))
    return {"Events": shown, "NextMarker": marker}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def list_durable_executions_by_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Newest first, unless ReverseOrder asks for the oldest first."""
    name = names.of(call, request)
    tx = call.tx.at(name.account, name.region)
    if not FUNCTIONS.has(tx, name.name):
        raise errors.function_not_found(name.arn)
    number = execution.target(call, name).version.number if name.qualifier else None
    limit = min(request.get("MaxItems") or ITEMS, ITEMS_MAX)
    after = _position(request.get("Marker"))
    shown: list[dict[str, Any]] = []
    marker = None
    last: tuple[int, str] | None = None
    reverse = not request.get("ReverseOrder")
    for scanned, (_, started_ms, execution_id) in enumerate(OF_FUNCTION.keys(tx, name.name, after=after, reverse=reverse)):
        if last is not None and (len(shown) == limit or scanned == SCANNED_MAX):
            marker = f"{last[0]}/{last[1]}"
            break
        last = (started_ms, execution_id)
        kept = EXECUTIONS.get(tx, execution_id)
        if kept is None or (number is not None and kept.number != number):
            continue
        if request.get("DurableExecutionName") and kept.execution_name != request["DurableExecutionName"]:
            continue
        if request.get("Statuses") and kept.status not in request["Statuses"]:
            continue
        if request.get("StartedAfter") is not None and kept.started_ms <= request["StartedAfter"] * 1000:
            continue
        if request.get("StartedBefore") is not None and kept.started_ms >= request["StartedBefore"] * 1000:
            continue
        shown.append(documents.summary(name.account, name.region, kept))
    return {"DurableExecutions": shown, "NextMarker": marker}


def _position(marker: str | None) -> tuple[int, str] | None:
    if not marker:
        return None
    started, _, execution_id = marker.partition("/")
    if not execution_id:
        raise errors.invalid_parameter("Invalid marker.")
    return markers.number(started), execution_id


@operation(resource=identifiers.resource)
def stop_durable_execution(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Stopping what has ended changes nothing, and says when it ended."""
    journal = load(call, request["DurableExecutionArn"])
    error = request.get("Error") or {}
    updates.check_error(error)
    if journal.execution.status not in state.ENDED:
        executions.end(journal, state.STOPPED, error=error)
    return {"StopTimestamp": documents.seconds(journal.execution.ended_ms)}


@operation(resource=identifiers.resource)
def pause_durable_execution(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal = load(call, request["DurableExecutionArn"])
    kept = journal.execution
    if kept.status in (state.PAUSED, state.PAUSING):
        if request.get("ClientToken") and request["ClientToken"] == kept.pause_token:
            return {}
        raise errors.conflict(f"The durable execution is already {kept.status}.")
    if kept.status != state.RUNNING:
        raise errors.conflict(f"Cannot pause a durable execution that is {kept.status}.")
    journal.change(
        pause_ms=journal.now_ms,
        pause_reason=request.get("Reason") or "",
        pause_timeout=request.get("ExecutionTimeoutPaused") is not False,
        pause_token=request.get("ClientToken") or "",
    )
    if kept.phase == state.INVOKING:
        journal.change(status=state.PAUSING)
    else:
        call.unschedule("lambda.durable", kept.execution_id, tx=journal.tx)
        invocations.paused(journal)
    journal.save()
    return {}


@operation(resource=identifiers.resource)
def resume_durable_execution(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal = load(call, request["DurableExecutionArn"])
    kept = journal.execution
    if kept.status == state.PAUSING:
        journal.change(status=state.RUNNING)
    elif kept.status == state.PAUSED:
        invocations.resumed(journal, request.get("Reason") or "")
    elif not (kept.status == state.RUNNING and request.get("ClientToken") and request["ClientToken"] == kept.resume_token):
        raise errors.conflict(f"Cannot resume a durable execution that is {kept.status}.")
    journal.change(resume_token=request.get("ClientToken") or "")
    journal.save()
    return {}


@operation(resource=identifiers.resource)
def delete_durable_execution(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AWS shows it as DELETING until its data is gone; here that is before the clock next moves."""
    journal = load(call, request["DurableExecutionArn"])
    kept = journal.execution
    if kept.status not in state.ENDED or kept.phase == state.INVOKING:
        if kept.status != state.DELETING:
            raise errors.conflict(f"Cannot delete a durable execution that is {kept.status}.")
    else:
        journal.change(status=state.DELETING)
        journal.save()
        call.schedule(journal.now_ms, "lambda.durable.forget", kept.execution_id, key=kept.execution_id, tx=journal.tx)
    return {"DeletionRequestTimestamp": documents.seconds(journal.now_ms)}
