"""Stacks: created, updated, deleted, cancelled, rolled back, protected."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudformation import deployment, errors, events, launch, stack_policy, state


def stack_arn(call: Call, request: dict[str, Any]) -> str:
    """The ARN that policies see: of the stack, or of any stack of that name."""
    name = request.get("StackName")
    if not name:
        return "*"
    if name.startswith("arn:"):
        return str(name)
    return state.NAMES.get(call.reading(), name) or call.arn("cloudformation", f"stack/{name}/*")


@operation(resource=stack_arn)
async def create_stack(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = await launch.create(call, request)
    return {"StackId": stack.stack_id, "OperationId": _operation_id(call, stack.stack_id)}


@operation(resource=stack_arn)
async def update_stack(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = await launch.update(call, request)
    assert stack is not None
    return {"StackId": stack.stack_id, "OperationId": _operation_id(call, stack.stack_id)}


@operation(resource=stack_arn)
def delete_stack(call: Call, request: dict[str, Any]) -> None:
    """Begins the deletion. A stack that is not there is no error; one being created stops and goes."""
    tx = call.tx
    stack = state.find_stack(tx, request["StackName"])
    if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
        return
    if request.get("DeletionMode") == "FORCE_DELETE_STACK" and stack.status != "DELETE_FAILED":
        raise errors.validation("Force deletion is only supported for stacks in DELETE_FAILED state.")
    retained = request.get("RetainResources", [])
    if retained and stack.status != "DELETE_FAILED":
        raise errors.validation(
            f"Invalid operation on stack [{stack.stack_id}]. When you delete a stack, specify which resources to retain only when the stack"
            " is in the DELETE_FAILED state."
        )
    if stack.termination_protected:
        raise errors.termination_protected(stack.stack_name)
    if request.get("RoleARN"):
        stack = stack.replace(role_arn=launch.checked_role(call, request["RoleARN"]))
    if request.get("DeletionMode") == "FORCE_DELETE_STACK":
        retained = [resource.logical_id for resource in state.RESOURCES.scan(tx, stack.stack_id) if resource.status == "DELETE_FAILED"]
    if stack.status == "REVIEW_IN_PROGRESS":
        _forget_reviewed(call, stack)
        return
    if stack.status == "CREATE_IN_PROGRESS":
        running = state.OPERATIONS.get(tx, stack.stack_id)
        assert running is not None
        state.STACKS.put(tx, stack)
        state.OPERATIONS.put(tx, running.replace(on_failure="DELETE", cancelled="Resource creation cancelled."))
        return
    if stack.status.endswith("_IN_PROGRESS"):
        raise errors.validation(f"Stack [{stack.stack_id}] cannot be deleted while in status {stack.status}")
    launch.begin_delete(call, tx, stack, request.get("ClientRequestToken"), retained)


@operation(resource=stack_arn)
def cancel_update_stack(call: Call, request: dict[str, Any]) -> None:
    stack = launch.required(call, request["StackName"])
    if stack.status != "UPDATE_IN_PROGRESS":
        raise errors.validation("CancelUpdateStack cannot be called from current stack status")
    running = state.OPERATIONS.get(call.tx, stack.stack_id)
    assert running is not None
    state.OPERATIONS.put(call.tx, running.replace(cancelled="User Initiated"))


@operation(resource=stack_arn)
def continue_update_rollback(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = launch.required(call, request["StackName"])
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        raise errors.stack_status(stack.stack_id, stack.status, "continued with a rollback")
    _resume(call, stack, request, "UPDATE_ROLLBACK_IN_PROGRESS", skipped=request.get("ResourcesToSkip", []))
    return {}


@operation(resource=stack_arn)
def rollback_stack(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Of a stack whose creation or update failed and was left as it was."""
    stack = launch.required(call, request["StackName"])
    if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
        raise errors.stack_status(stack.stack_id, stack.status, "rolled back")
    status = "ROLLBACK_IN_PROGRESS" if stack.status == "CREATE_FAILED" else "UPDATE_ROLLBACK_IN_PROGRESS"
    _resume(call, stack, request, status)
    return {"StackId": stack.stack_id, "OperationId": _operation_id(call, stack.stack_id)}


@operation(resource=stack_arn)
def update_termination_protection(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stack = launch.required(call, request["StackName"])
    if stack.parent_id is not None:
        raise errors.validation("Termination protection cannot be set on nested stacks. Set it on the root stack.")
    state.STACKS.put(call.tx, stack.replace(termination_protected=request["EnableTerminationProtection"]))
    return {"StackId": stack.stack_id}


@operation(resource=stack_arn)
async def set_stack_policy(call: Call, request: dict[str, Any]) -> None:
    launch.required(call, request["StackName"])
    body = await launch.policy_of(call, request, "StackPolicy")
    if body is None:
        raise errors.validation("Either StackPolicyBody or StackPolicyURL must be specified.")
    with call.transaction() as tx:
        stack = launch.required(call, request["StackName"])
        state.STACKS.put(tx, stack.replace(policy=stack_policy.check(body)))


@operation(resource=stack_arn)
def get_stack_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"StackPolicyBody": launch.required(call, request["StackName"]).policy}


def _resume(call: Call, stack: state.Stack, request: dict[str, Any], status: str, skipped: list[str] | None = None) -> None:
    """Sends a halted operation into its rollback."""
    tx = call.tx
    halted = state.OPERATIONS.get(tx, stack.stack_id)
    if halted is None:
        raise errors.stack_status(stack.stack_id, stack.status, "rolled back")
    if request.get("RoleARN"):
        stack = stack.replace(role_arn=launch.checked_role(call, request["RoleARN"]))
    known = {resource.logical_id for resource in state.RESOURCES.scan(tx, stack.stack_id)}
    unknown = [name for name in skipped or [] if name not in known]
    if unknown:
        raise errors.validation(f"Resources [{', '.join(unknown)}] do not exist in the stack")
    resumed = halted.replace(
        operation_id=call.new_id(), phase=deployment.UNDO, skipped=skipped or [], cancelled=None, token=request.get("ClientRequestToken")
    )
    stack = stack.replace(status=status, status_reason=None, last_operation_id=resumed.operation_id)
    state.OPERATIONS.put(tx, resumed)
    state.STACKS.put(tx, stack)
    events.of_stack(call, tx, stack, resumed, "User Initiated")
    launch.schedule(call, tx, stack.stack_id)


def _forget_reviewed(call: Call, stack: state.Stack) -> None:
    """A stack that only a change set would have created is gone at once."""
    tx = call.tx
    for change_set in list(state.CHANGE_SETS.scan(tx, stack.stack_id)):
        state.CHANGE_SETS.delete(tx, stack.stack_id, change_set.change_set_name)
        state.CHANGE_SET_IDS.delete(tx, change_set.change_set_id)
        state.SOURCES.delete(tx, change_set.change_set_id, state.TARGET)
    state.NAMES.delete(tx, stack.stack_name)
    stack = stack.replace(status="DELETE_COMPLETE", deleted_ms=call.now_ms)
    state.STACKS.put(tx, stack)
    events.of_stack(call, tx, stack)


def _operation_id(call: Call, stack_id: str) -> str | None:
    stack = state.STACKS.get(call.reading(), stack_id)
    return stack.last_operation_id if stack is not None else None
