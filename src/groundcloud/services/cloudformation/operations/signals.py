"""Answers from outside: signals of wait conditions, responses of custom resources."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudformation import errors, launch, state
from groundcloud.services.cloudformation.operations.stacks import stack_arn

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
RESPONSE_BYTES_MAX = 4_096
SIGNALS_MAX = 1_000  # ours


@operation(resource=stack_arn)
def signal_resource(call: Call, request: dict[str, Any]) -> None:
    stack = launch.required(call, request["StackName"])
    logical_id = request["LogicalResourceId"]
    resource = state.RESOURCES.get(call.tx, stack.stack_id, logical_id)
    if not stack.status.endswith("_IN_PROGRESS"):
        raise errors.validation(f"Stack {stack.stack_id} is in {stack.status} state and can not be signaled")
    if resource is None:
        raise errors.resource_does_not_exist(logical_id, stack.stack_name)
    if "CreationPolicy" not in resource.definition:
        raise errors.validation(f"Resource {logical_id} cannot be signaled: it has no CreationPolicy")
    _signal(call.tx, stack.stack_id, logical_id, request["UniqueId"], request["Status"], "", "")


@operation(public=True)
def record_handler_progress(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What a wait condition's handle or a custom resource's ResponseURL is sent: a JSON document in the body.

    The bearer token is the permission. A response that came already is not replaced.
    """
    bearer = state.BEARERS.get(call.tx, request["BearerToken"])
    if bearer is None:
        raise errors.validation("The bearer token is not valid, or what it was given for has ended.")
    body = call.http.body.whole if call.http is not None else None
    if not body:
        raise errors.validation("The response must be a JSON document in the body of the request.")
    if len(body) > RESPONSE_BYTES_MAX and bearer.kind == "response":
        document: Any = {"Status": "FAILED", "Reason": "Response object is too long."}
    else:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise errors.validation("The response is not a JSON document.") from None
    if not isinstance(document, dict):
        raise errors.validation("The response must be a JSON object.")
    tx = call.tx.at(bearer.account, bearer.region)
    if bearer.kind == "response":
        if state.RESPONSES.get(tx, bearer.bearer_token) is None:
            state.RESPONSES.put(tx, state.Response(bearer_token=bearer.bearer_token, document=document))
        return {}
    if document.get("Status") not in ("SUCCESS", "FAILURE") or not isinstance(document.get("UniqueId"), str):
        raise errors.validation("A signal must have a Status of SUCCESS or FAILURE and a UniqueId.")
    content = document.get("Data", "")
    _signal(
        tx,
        bearer.stack_id,
        bearer.logical_id,
        document["UniqueId"],
        document["Status"],
        str(document.get("Reason", "")),
        content if isinstance(content, str) else json.dumps(content),
    )
    return {}


def _signal(tx: Any, stack_id: str, logical_id: str, unique_id: str, status: str, reason: str, content: str) -> None:
    """A unique id signals once."""
    if sum(1 for _ in state.SIGNALS.keys(tx, stack_id, logical_id, limit=SIGNALS_MAX)) >= SIGNALS_MAX:
        raise errors.limit_exceeded("signals of a wait condition")
    if state.SIGNALS.get(tx, stack_id, logical_id, unique_id) is None:
        state.SIGNALS.put(
            tx,
            state.Signal(stack_id=stack_id, logical_id=logical_id, unique_id=unique_id, status=status, reason=reason, content=content),
        )
