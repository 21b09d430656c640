"""Change sets: what an update would do, kept until it is executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudformation import characters, errors, events, launch, preparation, state
from groundcloud.services.cloudformation.operations.descriptions import paged, shown_parameters
from groundcloud.services.cloudformation.operations.stacks import stack_arn
from groundcloud.services.cloudformation.parameters import NO_ECHO
from groundcloud.services.cloudformation.state import ChangeSet, Source, Stack

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_CHANGE_SET_ARN = re.compile(r"arn:[^:]+:cloudformation:[^:]*:[^:]*:changeSet/.+")


@operation(resource=stack_arn)
async def create_change_set(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Computes the change set before it answers: clients that poll find it complete, or failed, at once."""
    name, kind = request["ChangeSetName"], request.get("ChangeSetType", "UPDATE")
    _check_request(request, name, kind)
    stack, is_new = _stack_for(call, request, kind)
    known = state.CHANGE_SETS.get(call.reading(), stack.stack_id, name)
    # The AWS CLI names its change sets by the second, and here two deployments fit into one: what can no longer be executed gives way.
    if known is not None and known.execution_status == "AVAILABLE":
        raise errors.change_set_exists(name)
    text = await preparation.template_text(call, request, None if is_new else launch.previous_text(call, stack))
    change_set = ChangeSet(
        stack_id=stack.stack_id,
        change_set_name=name,
        change_set_id=call.arn("cloudformation", f"changeSet/{name}/{call.new_id()}"),
        stack_name=stack.stack_name,
        kind=kind,
        status="FAILED",
        execution_status="UNAVAILABLE",
        created_ms=call.now_ms,
        description=request.get("Description"),
        on_failure=request.get("OnStackFailure"),
        include_nested=request.get("IncludeNestedStacks", False),
        stack=stack if kind == "CREATE" else launch.updated_stack(call, request, stack),
    )
    change_set, source = await _computed(call, request, stack, change_set, text)
    with call.transaction() as tx:
        if is_new and state.NAMES.get(tx, stack.stack_name) is None:
            state.NAMES.put(tx, stack.stack_name, stack.stack_id)
            state.STACKS.put(tx, stack)
            events.of_stack(call, tx, stack)
        if known is not None:
            _forget(tx, known)
        state.CHANGE_SETS.put(tx, change_set)
        state.CHANGE_SET_IDS.put(tx, change_set.change_set_id, (stack.stack_id, name))
        state.SOURCES.put(tx, source)
    return {"Id": change_set.change_set_id, "StackId": stack.stack_id}


def _check_request(request: Mapping[str, Any], name: str, kind: str) -> None:
    if not _NAME.fullmatch(name):
        raise errors.validation(
            f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    if kind == "IMPORT":
        raise errors.not_implemented("ChangeSetType IMPORT")
    launch.refuse_unsupported(request)
    characters.refuse_unwritable("Description", request.get("Description", ""))


async def _computed(call: Call, request: Mapping[str, Any], stack: Stack, change_set: ChangeSet, text: str) -> tuple[ChangeSet, Source]:
    """The change set with its changes, or with the reason why there are none to make; and the template that it is of."""
    source = Source(owner=change_set.change_set_id, slot=state.TARGET, text=text, document={})
    updated = change_set.stack
    assert updated is not None
    previous = None if change_set.kind == "CREATE" else stack.parameters
    try:
        prepared = await launch.prepare(call, text, request, updated, previous, expand=False)
        updated = launch.of_prepared(updated, prepared)
        changes = launch.changes_of(call, prepared, stack, updated)
    except AwsError as error:
        # AWS looks at a plain template before it answers, at what transforms make of it after.
        if error.code != "ValidationError" or not await _has_transforms(call, text):
            raise
        return change_set.replace(status_reason=error.message), source
    source = source.replace(document=prepared.template.document)
    change_set = change_set.replace(stack=updated, changes=changes)
    if not changes and not launch.differs(call, prepared, stack, updated):
        return change_set.replace(status_reason=NO_CHANGES), source
    return change_set.replace(status="CREATE_COMPLETE", execution_status="AVAILABLE"), source


@operation(resource=stack_arn)
def describe_change_set(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    change_set = _find(call, request)
    stack = change_set.stack
    assert stack is not None
    page, token = paged(change_set.changes, request.get("NextToken"))
    if not request.get("IncludePropertyValues"):
        page = [_without_values(change) for change in page]
    elif stack.hidden:
        page = [_without_secrets(change, [stack.parameters[name] for name in stack.hidden]) for change in page]
    return {
        "ChangeSetName": change_set.change_set_name,
        "ChangeSetId": change_set.change_set_id,
        "StackId": change_set.stack_id,
        "StackName": change_set.stack_name,
        "Description": change_set.description,
        "Parameters": shown_parameters(stack) or None,
        "CreationTime": change_set.created_ms / 1000,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.status_reason,
        "NotificationARNs": stack.notification_arns,
        "RollbackConfiguration": stack.rollback_configuration,
        "Capabilities": stack.capabilities or None,
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()] or None,
        "Changes": page,
        "NextToken": token,
        "IncludeNestedStacks": change_set.include_nested,
        "OnStackFailure": change_set.on_failure,
    }


@operation(resource=stack_arn)
def list_change_sets(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = launch.required(call, request["StackName"])
    page, token = paged(list(state.CHANGE_SETS.scan(call.tx, stack.stack_id)), request.get("NextToken"))
    return {
        "Summaries": [
            {
                "StackId": change_set.stack_id,
                "StackName": change_set.stack_name,
                "ChangeSetId": change_set.change_set_id,
                "ChangeSetName": change_set.change_set_name,
                "ExecutionStatus": change_set.execution_status,
                "Status": change_set.status,
                "StatusReason": change_set.status_reason,
                "CreationTime": change_set.created_ms / 1000,
                "Description": change_set.description,
                "IncludeNestedStacks": change_set.include_nested,
            }
            for change_set in page
        ],
        "NextToken": token,
    }


@operation(resource=stack_arn)
def execute_change_set(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    change_set = _find(call, request)
    if change_set.execution_status != "AVAILABLE":
        raise errors.change_set_status(change_set.change_set_id, change_set.execution_status if change_set.status != "FAILED" else "FAILED")
    stack = state.STACKS.get(tx, change_set.stack_id)
    target, source = change_set.stack, state.SOURCES.get(tx, change_set.change_set_id, state.TARGET)
    assert stack is not None and target is not None and source is not None
    source = source.replace(owner=stack.stack_id)
    target = target.replace(
        change_set_id=change_set.change_set_id,
        termination_protected=stack.termination_protected,
        policy=stack.policy,
        disable_rollback=request.get("DisableRollback", target.disable_rollback),
        retain_except_on_create=request.get("RetainExceptOnCreate", target.retain_except_on_create),
    )
    on_failure = "DO_NOTHING" if target.disable_rollback else change_set.on_failure or "ROLLBACK"
    token = request.get("ClientRequestToken")
    if change_set.kind == "CREATE":
        if stack.status != "REVIEW_IN_PROGRESS":
            raise errors.stack_status(stack.stack_id, stack.status, "updated")
        target = target.replace(status="CREATE_IN_PROGRESS", outputs=[])
        launch.begin_create(call, tx, target, source, on_failure, token)
    else:
        launch.check_updatable(stack)
        launch.guard(stack.policy, change_set.changes)
        # Whatever the stack has become since is what a rollback returns to; a change set of an older state is obsolete by then.
        target = target.replace(status="UPDATE_IN_PROGRESS", status_reason=None, updated_ms=call.now_ms, outputs=stack.outputs)
        launch.begin_update(call, tx, stack, target, source, "DO_NOTHING" if on_failure == "DO_NOTHING" else "ROLLBACK", token)
    state.CHANGE_SETS.put(tx, change_set.replace(execution_status="EXECUTE_COMPLETE"))
    return {}


@operation(resource=stack_arn)
def delete_change_set(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    try:
        change_set = _find(call, request)
    except AwsError as error:
        if error.code == "ChangeSetNotFoundException":
            return {}  # AWS: succeeds as long as the stack exists; `cdk diff` relies on it
        raise
    _forget(call.tx, change_set)
    return {}


@operation(resource=stack_arn)
def describe_change_set_hooks(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """There are no hooks here, so none is planned."""
    change_set = _find(call, request)
    return {
        "ChangeSetId": change_set.change_set_id,
        "ChangeSetName": change_set.change_set_name,
        "Hooks": [],
        "Status": "PLANNED",
        "StackId": change_set.stack_id,
        "StackName": change_set.stack_name,
    }


def find(call: Call, stack_name: str | None, change_set_name: str) -> ChangeSet:
    """By id, or by name and stack. Raises ChangeSetNotFound."""
    tx = call.reading()
    if _CHANGE_SET_ARN.fullmatch(change_set_name):
        key = state.CHANGE_SET_IDS.get(tx, change_set_name)
        found = state.CHANGE_SETS.get(tx, *key) if key is not None else None
    else:
        if not stack_name:
            raise errors.validation("StackName must be specified if ChangeSetName is not specified as an ARN.")
        stack = state.find_stack(tx, stack_name)
        if stack is None or stack.status == "DELETE_COMPLETE":
            raise errors.stack_named_does_not_exist(stack_name)
        found = state.CHANGE_SETS.get(tx, stack.stack_id, change_set_name)
    if found is None:
        raise errors.change_set_not_found(change_set_name)
    return found


def _forget(tx: Any, change_set: ChangeSet) -> None:
    state.CHANGE_SETS.delete(tx, change_set.stack_id, change_set.change_set_name)
    state.CHANGE_SET_IDS.delete(tx, change_set.change_set_id)
    state.SOURCES.delete(tx, change_set.change_set_id, state.TARGET)


def _find(call: Call, request: Mapping[str, Any]) -> ChangeSet:
    return find(call, request.get("StackName"), request["ChangeSetName"])


def _stack_for(call: Call, request: Mapping[str, Any], kind: str) -> tuple[Stack, bool]:
    """The stack that a change set is for; True where it is made for it, in REVIEW_IN_PROGRESS."""
    name = request["StackName"]
    stack = state.find_stack(call.reading(), name)
    if stack is not None and stack.status == "DELETE_COMPLETE":
        stack = None
    if kind == "CREATE":
        if stack is None:
            return launch.new_stack(call, request, status="REVIEW_IN_PROGRESS").replace(status_reason="User Initiated"), True
        if stack.status != "REVIEW_IN_PROGRESS":
            raise errors.validation(
                f"Stack [{stack.stack_name}] already exists and cannot be created again with the changeSet [{request['ChangeSetName']}]."
            )
        fresh = launch.new_stack(call, {**request, "StackName": stack.stack_name}, status="REVIEW_IN_PROGRESS")
        return fresh.replace(stack_id=stack.stack_id, created_ms=stack.created_ms, status_reason=stack.status_reason), True
    if stack is None:
        raise errors.stack_named_does_not_exist(name)
    launch.check_updatable(stack)
    return stack, False


async def _has_transforms(call: Call, text: str) -> bool:
    return bool((await preparation.parsed(call, text)).get("Transform"))


def _without_secrets(change: dict[str, Any], secrets: list[str]) -> dict[str, Any]:
    """The same with the values of NoEcho parameters masked."""

    def masked(name: str, value: Any) -> Any:
        if name in ("BeforeValue", "AfterValue") and any(secret and secret in value for secret in secrets):
            return NO_ECHO
        return value

    resource = change["ResourceChange"]
    details = [
        {**detail, "Target": {name: masked(name, value) for name, value in detail["Target"].items()}} for detail in resource["Details"]
    ]
    return {**change, "ResourceChange": {**resource, "Details": details}}


def _without_values(change: dict[str, Any]) -> dict[str, Any]:
    """AWS shows the values before and after only on request."""
    resource = change["ResourceChange"]
    details = [
        {
            **detail,
            "Target": {name: value for name, value in detail["Target"].items() if name in ("Attribute", "Name", "RequiresRecreation")},
        }
        for detail in resource["Details"]
    ]
    return {**change, "ResourceChange": {**resource, "Details": details}}
