"""Answers from outside to the callbacks that durable executions wait for."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.durable import executions, identifiers, state, updates
from groundcloud.services.lambda_.durable.journal import Journal
from groundcloud.services.lambda_.durable.state import OPERATIONS, Operation
from groundcloud.services.lambda_.operations import durable_executions


@operation(resource=identifiers.callback_resource)
def send_durable_execution_callback_success(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal, callback = _load(call, request["CallbackId"])
    result = request.get("Result")
    text = result.decode("utf-8", "replace") if result else None
    executions.complete(journal, callback, "SUCCEEDED", text)
    journal.save()
    return {}


@operation(resource=identifiers.callback_resource)
def send_durable_execution_callback_failure(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal, callback = _load(call, request["CallbackId"])
    error = request.get("Error") or {}
    updates.check_error(error)
    executions.complete(journal, callback, "FAILED", error=error)
    journal.save()
    return {}


@operation(resource=identifiers.callback_resource)
def send_durable_execution_callback_heartbeat(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    journal, callback = _load(call, request["CallbackId"])
    if callback.heartbeat_s:
        executions.schedule(journal, callback, journal.now_ms + callback.heartbeat_s * 1000, "heartbeat")
    return {}


def _load(call: Call, callback_id: str) -> tuple[Journal, Operation]:
    """The open callback of that id. Raises ResourceNotFoundException, CallbackTimeoutException."""
    execution_arn, sequence = identifiers.parse_callback(callback_id)
    journal = durable_executions.load(call, execution_arn)
    callback = OPERATIONS.get(journal.tx, journal.execution.execution_id, sequence)
    if callback is None or callback.callback_id != callback_id:
        raise errors.resource_not_found(f"Callback not found: {callback_id}")
    if callback.status != "STARTED" or journal.execution.status in state.ENDED:
        raise errors.callback_closed()
    return journal, callback
