"""What there is: stacks, their events, resources, outputs, exports."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudformation import errors, launch, parameters, state, template
from groundcloud.services.cloudformation.operations.stacks import stack_arn
from groundcloud.services.cloudformation.state import Resource, Stack

PAGE = 100
DESCRIBED_RESOURCES_MAX = 100
DELETED_KEPT_MS = 90 * 86_400_000
LINGER_S = 4.0
"""How long DescribeStacks waits for a stack in progress: clients' waiters ask again only after up to 30 seconds."""

_NOT_DRIFTED = {"StackDriftStatus": "NOT_CHECKED"}
_RESOURCE_NOT_DRIFTED = {"StackResourceDriftStatus": "NOT_CHECKED"}


@operation(resource=stack_arn)
async def describe_stacks(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = request.get("StackName")
    if name:
        await settled(call, name)
        stack = state.find_stack(call.reading(), name)
        if stack is None:
            raise errors.stack_does_not_exist(name)
        return {"Stacks": [described(stack)]}
    stacks = [stack for stack in state.STACKS.scan(call.reading()) if stack.status != "DELETE_COMPLETE"]
    stacks.sort(key=lambda stack: (-stack.created_ms, stack.stack_id))
    page, token = paged(stacks, request.get("NextToken"))
    return {"Stacks": [described(stack) for stack in page], "NextToken": token}


async def settled(call: Call, name: str) -> None:
    """Waits while a stack is in progress, LINGER_S of real time at most."""
    try:
        async with asyncio.timeout(LINGER_S):
            while True:
                stack = state.find_stack(call.reading(), name)
                if stack is None or not stack.status.endswith("_IN_PROGRESS") or stack.status == "REVIEW_IN_PROGRESS":
                    return
                await call.wait(state.STACKS.watch(call, stack.stack_id))
    except TimeoutError:
        return


def described(stack: Stack) -> dict[str, Any]:
    """A stack as DescribeStacks shows it."""
    shown: dict[str, Any] = {
        "StackId": stack.stack_id,
        "StackName": stack.stack_name,
        "ChangeSetId": stack.change_set_id,
        "Description": stack.description,
        "CreationTime": stack.created_ms / 1000,
        "LastUpdatedTime": _seconds(stack.updated_ms),
        "DeletionTime": _seconds(stack.deleted_ms),
        "RollbackConfiguration": stack.rollback_configuration,
        "StackStatus": stack.status,
        "StackStatusReason": stack.status_reason,
        "DisableRollback": stack.disable_rollback,
        "NotificationARNs": stack.notification_arns,
        "TimeoutInMinutes": stack.timeout_minutes,
        "RoleARN": stack.role_arn,
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        "EnableTerminationProtection": stack.termination_protected,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": _NOT_DRIFTED,
    }
    if stack.parameters:
        shown["Parameters"] = shown_parameters(stack)
    if stack.capabilities:
        shown["Capabilities"] = stack.capabilities
    if stack.outputs:
        shown["Outputs"] = [
            {"OutputKey": output.key, "OutputValue": output.value, "Description": output.description, "ExportName": output.export_name}
            for output in stack.outputs
        ]
    if stack.retain_except_on_create:
        shown["RetainExceptOnCreate"] = True
    return shown


def shown_parameters(stack: Stack) -> list[dict[str, Any]]:
    return [
        {
            "ParameterKey": key,
            "ParameterValue": parameters.NO_ECHO if key in stack.hidden else value,
            "ResolvedValue": stack.resolved.get(key),
        }
        for key, value in stack.parameters.items()
    ]


@operation()
def list_stacks(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    wanted = set(request.get("StackStatusFilter", []))
    since_ms = call.now_ms - DELETED_KEPT_MS
    stacks = [
        stack
        for stack in state.STACKS.scan(call.tx)
        if (not wanted or stack.status in wanted) and (stack.deleted_ms is None or stack.deleted_ms >= since_ms)
    ]
    stacks.sort(key=lambda stack: (-stack.created_ms, stack.stack_id))
    page, token = paged(stacks, request.get("NextToken"))
    return {
        "StackSummaries": [
            {
                "StackId": stack.stack_id,
                "StackName": stack.stack_name,
                "TemplateDescription": stack.description,
                "CreationTime": stack.created_ms / 1000,
                "LastUpdatedTime": _seconds(stack.updated_ms),
                "DeletionTime": _seconds(stack.deleted_ms),
                "StackStatus": stack.status,
                "StackStatusReason": stack.status_reason,
                "ParentId": stack.parent_id,
                "RootId": stack.root_id,
                "DriftInformation": _NOT_DRIFTED,
            }
            for stack in page
        ],
        "NextToken": token,
    }


@operation(resource=stack_arn)
def describe_stack_events(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Newest first."""
    name = request["StackName"]
    stack = state.find_stack(call.tx, name)
    if stack is None:
        raise errors.stack_named_does_not_exist(name)
    token = request.get("NextToken")
    if token is not None and not token.isdecimal():
        raise errors.validation("NextToken is invalid")
    after = int(token) if token is not None else None
    found = list(state.EVENTS.scan(call.tx, stack.stack_id, after=after, reverse=True, limit=PAGE + 1))
    return {
        "StackEvents": [
            {
                "StackId": event.stack_id,
                "EventId": event.event_id,
                "StackName": event.stack_name,
                "OperationId": event.operation_id,
                "LogicalResourceId": event.logical_id,
                "PhysicalResourceId": event.physical_id,
                "ResourceType": event.resource_type,
                "Timestamp": event.at_ms / 1000,
                "ResourceStatus": event.status,
                "ResourceStatusReason": event.reason,
                "ResourceProperties": event.properties,
                "ClientRequestToken": event.token,
            }
            for event in found[:PAGE]
        ],
        "NextToken": str(found[PAGE - 1].sequence) if len(found) > PAGE else None,
    }


@operation(resource=stack_arn)
def describe_events(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The same events by stack or operation, newest first, failed ones alone on request."""
    if request.get("ChangeSetName"):
        raise errors.not_implemented("DescribeEvents with ChangeSetName")
    name, operation_id = request.get("StackName"), request.get("OperationId")
    if not name:
        raise errors.not_implemented("DescribeEvents without StackName")
    stack = state.find_stack(call.tx, name)
    if stack is None:
        raise errors.stack_does_not_exist(name)
    failed = request.get("Filters", {}).get("FailedEvents", False)
    found = [
        event
        for event in state.EVENTS.scan(call.tx, stack.stack_id, reverse=True)
        if operation_id in (None, event.operation_id) and not (failed and not event.status.endswith("_FAILED"))
    ]
    page, token = paged(found, request.get("NextToken"))
    return {
        "OperationEvents": [
            {
                "EventId": event.event_id,
                "StackId": event.stack_id,
                "OperationId": event.operation_id,
                "EventType": "STACK_EVENT",
                "LogicalResourceId": event.logical_id,
                "PhysicalResourceId": event.physical_id or None,
                "ResourceType": event.resource_type,
                "Timestamp": event.at_ms / 1000,
                "ResourceStatus": event.status,
                "ResourceStatusReason": event.reason,
                "ResourceProperties": event.properties,
                "ClientRequestToken": event.token,
            }
            for event in page
        ],
        "NextToken": token,
    }


@operation()
def describe_account_limits(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    limits = {"StackLimit": launch.STACKS_MAX, "StackOutputsLimit": template.OUTPUTS_MAX, "ConcurrentResourcesLimit": 2500}
    return {"AccountLimits": [{"Name": name, "Value": value} for name, value in limits.items()]}


@operation(resource=stack_arn)
def describe_stack_resources(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    physical_id, logical_id = request.get("PhysicalResourceId"), request.get("LogicalResourceId")
    if request.get("StackName"):
        if physical_id:
            raise errors.validation("Cannot specify both a stack name and a physical resource ID")
        stack = _stack(call, request["StackName"])
    elif physical_id:
        found = next(iter(state.PHYSICAL.keys(call.tx, physical_id, limit=1)), None)
        owner = state.STACKS.get(call.tx, found[1]) if found is not None else None
        if owner is None:
            raise errors.validation(f"Stack for {physical_id} does not exist")
        stack = owner
    else:
        raise errors.validation("Either StackName or PhysicalResourceId must be specified")
    resources = [resource for resource in state.RESOURCES.scan(call.tx, stack.stack_id) if logical_id in (None, resource.logical_id)]
    return {
        "StackResources": [
            {
                "StackName": stack.stack_name,
                "StackId": stack.stack_id,
                "Timestamp": resource.updated_ms / 1000,
                "Description": resource.definition.get("Description"),
                **_summary(resource),
            }
            for resource in resources[:DESCRIBED_RESOURCES_MAX]
        ]
    }


@operation(resource=stack_arn)
def describe_stack_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = _stack(call, request["StackName"])
    resource = state.RESOURCES.get(call.tx, stack.stack_id, request["LogicalResourceId"])
    if resource is None:
        raise errors.resource_does_not_exist(request["LogicalResourceId"], stack.stack_name)
    metadata = resource.definition.get("Metadata")
    return {
        "StackResourceDetail": {
            "StackName": stack.stack_name,
            "StackId": stack.stack_id,
            "LastUpdatedTimestamp": resource.updated_ms / 1000,
            "Description": resource.definition.get("Description"),
            "Metadata": json.dumps(metadata) if metadata is not None else None,
            **_summary(resource),
        }
    }


@operation(resource=stack_arn)
def list_stack_resources(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = _stack(call, request["StackName"])
    page, token = paged(list(state.RESOURCES.scan(call.tx, stack.stack_id)), request.get("NextToken"))
    return {
        "StackResourceSummaries": [{"LastUpdatedTimestamp": resource.updated_ms / 1000, **_summary(resource)} for resource in page],
        "NextToken": token,
    }


@operation()
def list_exports(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    page, token = paged(list(state.EXPORTS.scan(call.tx)), request.get("NextToken"))
    return {
        "Exports": [{"ExportingStackId": export.stack_id, "Name": export.export_name, "Value": export.value} for export in page],
        "NextToken": token,
    }


@operation()
def list_imports(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = request["ExportName"]
    if state.EXPORTS.get(call.tx, name) is None:
        raise errors.validation(f"Export '{name}' does not exist.")
    users = [state.STACKS.get(call.tx, stack_id) for _, stack_id in state.IMPORTS.keys(call.tx, name)]
    names = sorted(stack.stack_name for stack in users if stack is not None)
    if not names:
        raise errors.validation(f"Export '{name}' is not imported by any stack.")
    page, token = paged(names, request.get("NextToken"))
    return {"Imports": page, "NextToken": token}


def paged(items: list[Any], token: str | None) -> tuple[list[Any], str | None]:
    """A page of a list that is at hand, and the token of the next."""
    if token is not None and not (token.isdecimal() and len(token) < 10):
        raise errors.validation("NextToken is invalid")
    start = int(token) if token is not None else 0
    return items[start : start + PAGE], str(start + PAGE) if len(items) > start + PAGE else None


def _stack(call: Call, name: str) -> Stack:
    stack = state.find_stack(call.tx, name)
    if stack is None:
        raise errors.stack_does_not_exist(name)
    return stack


def _summary(resource: Resource) -> dict[str, Any]:
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.resource_type,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason,
        "DriftInformation": _RESOURCE_NOT_DRIFTED,
    }


def _seconds(at_ms: int | None) -> float | None:
    return None if at_ms is None else at_ms / 1000
