"""Stack events: one row for each change of status of a stack or of a resource, in AWS's words and order."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import characters, state
from groundcloud.services.cloudformation.parameters import NO_ECHO
from groundcloud.services.cloudformation.state import Operation, Resource, Stack

STACK_TYPE = "AWS::CloudFormation::Stack"
KEPT_MS = 90 * 86_400_000  # DescribeStackEvents: "for 90 days"
PRUNED_AT_A_TIME = 1_000
PROPERTIES_LENGTH_MAX = 16_384  # ours: an event shows no more of a resource's properties than this


def of_stack(call: Call, tx: Any, stack: Stack, operation: Operation | None = None, reason: str | None = None) -> None:
    """Records the status that `stack` has now, with its own reason or another."""
    reason = stack.status_reason if reason is None else reason
    _record(call, tx, stack, stack.stack_name, stack.stack_id, STACK_TYPE, stack.status, reason, None, operation)


def of_resource(
    call: Call, tx: Any, stack: Stack, resource: Resource, operation: Operation | None, status: str, reason: str | None
) -> None:
    properties = json.dumps(resource.properties, separators=(",", ":")) if resource.properties else "{}"
    for name in stack.hidden:
        secret = json.dumps(stack.parameters.get(name, ""))[1:-1]
        if secret:
            properties = properties.replace(secret, NO_ECHO)
    properties = properties[:PROPERTIES_LENGTH_MAX]
    _record(call, tx, stack, resource.logical_id, resource.physical_id, resource.resource_type, status, reason, properties, operation)


def prune(call: Call, tx: Any, stack_id: str) -> None:
    """Forgets the events of a stack that are older than AWS keeps them."""
    for event in list(state.EVENTS.scan(tx, stack_id, limit=PRUNED_AT_A_TIME)):
        if event.at_ms >= call.now_ms - KEPT_MS:
            return
        state.EVENTS.delete(tx, stack_id, event.sequence)


def _record(
    call: Call,
    tx: Any,
    stack: Stack,
    logical_id: str,
    physical_id: str,
    resource_type: str,
    status: str,
    reason: str | None,
    properties: str | None,
    operation: Operation | None,
) -> None:
    event = state.Event(
        stack_id=stack.stack_id,
        sequence=tx.sequence("cloudformation/events"),
        event_id=call.new_id() if resource_type == STACK_TYPE else f"{logical_id}-{status}-{call.new_id()}",
        stack_name=stack.stack_name,
        logical_id=logical_id,
        physical_id=physical_id,
        resource_type=resource_type,
        status=status,
        at_ms=call.clock.now_ms(),
        reason=None if reason is None else characters.writable(reason),
        properties=properties,
        token=operation.token if operation is not None else None,
        operation_id=operation.operation_id if operation is not None else None,
    )
    state.EVENTS.put(tx, event)
    call.deliver(
        call.arn("events", "event-bus/default"),
        json.dumps(_bridged(event)),
        principal="cloudformation.amazonaws.com",
        source_arn=stack.stack_id,
        tx=tx,
    )
    for topic_arn in stack.notification_arns:
        call.deliver(
            topic_arn,
            _notification(event),
            principal="cloudformation.amazonaws.com",
            source_arn=stack.stack_id,
            attributes={"Subject": "AWS CloudFormation Notification"},
            tx=tx,
        )


def _bridged(event: state.Event) -> dict[str, Any]:
    """The event of EventBridge. AWS: "Events detail reference" of CloudFormation."""
    is_stack = event.resource_type == STACK_TYPE and event.physical_id == event.stack_id
    detail: dict[str, Any] = {
        "stack-id": event.stack_id,
        "status-details": {"status": event.status, "status-reason": event.reason or ""},
        "client-request-token": event.token or "",
    }
    if not is_stack:
        detail |= {
            "logical-resource-id": event.logical_id,
            "physical-resource-id": event.physical_id,
            "resource-type": event.resource_type,
        }
    return {
        "source": "aws.cloudformation",
        "detail-type": f"CloudFormation {'Stack' if is_stack else 'Resource'} Status Change",
        "resources": [event.stack_id],
        "detail": detail,
    }


def _notification(event: state.Event) -> str:
    """The text that AWS publishes to a stack's topics: one member a line."""
    members = {
        "StackId": event.stack_id,
        "EventId": event.event_id,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceProperties": event.properties or "null",
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason or "",
        "ResourceType": event.resource_type,
        "StackName": event.stack_name,
        "ClientRequestToken": event.token or "null",
    }
    return "".join(f"{name}='{value}'\n" for name, value in members.items())
