"""Beginning an operation: everything is checked, then one transaction writes what is to be done and schedules the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import characters, deployment, errors, events, preparation, preview, stack_policy, state
from groundcloud.services.cloudformation.preparation import Prepared
from groundcloud.services.cloudformation.state import Operation, Source, Stack

NOTIFICATION_ARNS_MAX = 5
TAGS_MAX = 50
STACKS_MAX = 2_000
UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


def stack_id_of(call: Call, stack_name: str) -> str:
    return call.arn("cloudformation", f"stack/{stack_name}/{call.new_id()}")


def new_stack(call: Call, request: Mapping[str, Any], *, status: str, parent: Stack | None = None) -> Stack:
    """A stack as a create request describes it, without its template."""
    name = request["StackName"]
    if not _STACK_NAME.fullmatch(name):
        raise errors.validation(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    return Stack(
        stack_id=stack_id_of(call, name),
        stack_name=name,
        status=status,
        created_ms=call.now_ms,
        tags=tags_of(request),
        capabilities=request.get("Capabilities", []),
        notification_arns=_notification_arns(call, request),
        role_arn=checked_role(call, request.get("RoleARN")),
        disable_rollback=request.get("DisableRollback", False),
        timeout_minutes=request.get("TimeoutInMinutes"),
        termination_protected=request.get("EnableTerminationProtection", False),
        retain_except_on_create=request.get("RetainExceptOnCreate", False),
        rollback_configuration=rollback_configuration(request),
        parent_id=parent.stack_id if parent is not None else None,
        root_id=(parent.root_id or parent.stack_id) if parent is not None else None,
    )


async def create(call: Call, request: Mapping[str, Any], *, parent: Stack | None = None) -> Stack:
    """Checks a CreateStack request and begins it."""
    refuse_unsupported(request)
    stack = new_stack(call, request, status="CREATE_IN_PROGRESS", parent=parent)
    _refuse_existing(call, stack.stack_name)
    if request.get("OnFailure") and request.get("DisableRollback") is not None:
        raise errors.validation("Only one of OnFailure or DisableRollback can be specified")
    policy = await policy_of(call, request, "StackPolicy")
    text = await preparation.template_text(call, request)
    prepared = await prepare(call, text, request, stack, None, expand=True)
    on_failure = request.get("OnFailure") or ("DO_NOTHING" if stack.disable_rollback else "ROLLBACK")
    stack = of_prepared(stack, prepared).replace(disable_rollback=on_failure == "DO_NOTHING", policy=policy)
    with call.transaction() as tx:
        _refuse_existing(call, stack.stack_name)
        begin_create(call, tx, stack, source_of(stack, prepared), on_failure, request.get("ClientRequestToken"))
    return stack


def begin_create(call: Call, tx: Any, stack: Stack, source: Source, on_failure: str, token: str | None) -> None:
    state.NAMES.put(tx, stack.stack_name, stack.stack_id)
    deadline_ms = call.now_ms + stack.timeout_minutes * 60_000 if stack.timeout_minutes else None
    begin(call, tx, stack, "CREATE", deployment.FORWARD, source=source, on_failure=on_failure, token=token, deadline_ms=deadline_ms)


async def update(call: Call, request: Mapping[str, Any], *, nested: bool = False) -> Stack | None:
    """Checks an UpdateStack request and begins it; None where nothing would change and the stack is a nested one."""
    refuse_unsupported(request)
    stack = required(call, request["StackName"])
    check_updatable(stack)
    policy = await policy_of(call, request, "StackPolicy")
    text = await preparation.template_text(call, request, previous_text(call, stack))
    updated = updated_stack(call, request, stack)
    prepared = await prepare(call, text, request, updated, stack.parameters, expand=True)
    updated = of_prepared(updated, prepared)
    stack = required(call, stack.stack_id)
    check_updatable(stack)
    changes = changes_of(call, prepared, stack, updated)
    if not changes and not differs(call, prepared, stack, updated):
        if nested:
            return None
        raise errors.no_updates()
    during = await policy_of(call, request, "StackPolicyDuringUpdate")
    guard(during or stack.policy, changes)
    updated = updated.replace(status="UPDATE_IN_PROGRESS", status_reason=None, updated_ms=call.now_ms, policy=policy or stack.policy)
    on_failure = "DO_NOTHING" if request.get("DisableRollback") else "ROLLBACK"
    with call.transaction() as tx:
        begin_update(call, tx, stack, updated, source_of(updated, prepared), on_failure, request.get("ClientRequestToken"))
    return updated


def begin_update(call: Call, tx: Any, stack: Stack, updated: Stack, source: Source, on_failure: str, token: str | None) -> None:
    halted = state.OPERATIONS.get(tx, stack.stack_id)
    # After an update that was left as it failed, a rollback returns to what was before that one.
    before = halted.before if halted is not None and halted.before is not None else stack
    made_of = state.SOURCES.get(tx, stack.stack_id, state.TARGET)
    if made_of is not None and state.SOURCES.get(tx, stack.stack_id, state.CURRENT) is None:
        state.SOURCES.put(tx, made_of.replace(slot=state.CURRENT))  # of a creation that was left as it failed
    for change_set in list(state.CHANGE_SETS.scan(tx, stack.stack_id)):
        if change_set.execution_status == "AVAILABLE":  # it was made for a stack that will not be so any more
            state.CHANGE_SETS.put(tx, change_set.replace(execution_status="OBSOLETE"))
    begin(call, tx, updated, "UPDATE", deployment.FORWARD, source=source, on_failure=on_failure, token=token, before=before)


def begin_delete(call: Call, tx: Any, stack: Stack, token: str | None, retained: list[str]) -> None:
    stack = stack.replace(status="DELETE_IN_PROGRESS", status_reason=None)
    begin(call, tx, stack, "DELETE", deployment.DELETE, token=token, retained=retained)


def begin(
    call: Call,
    tx: Any,
    stack: Stack,
    kind: str,
    phase: str,
    *,
    source: Source | None = None,
    on_failure: str = "ROLLBACK",
    token: str | None = None,
    deadline_ms: int | None = None,
    before: Stack | None = None,
    retained: list[str] | None = None,
) -> Operation:
    """Writes stack, operation and template, and schedules the engine under the caller's identity."""
    operation = Operation(
        stack_id=stack.stack_id,
        operation_id=call.new_id(),
        kind=kind,
        phase=phase,
        started_ms=call.now_ms,
        deadline_ms=deadline_ms,
        on_failure=on_failure,
        token=token,
        before=before,
        retained=retained or [],
    )
    for work in list(state.WORK.scan(tx, stack.stack_id)):
        state.WORK.delete(tx, stack.stack_id, work.logical_id)
    events.prune(call, tx, stack.stack_id)
    stack = stack.replace(last_operation_id=operation.operation_id)
    state.STACKS.put(tx, stack)
    state.OPERATIONS.put(tx, operation)
    if source is not None:
        state.SOURCES.put(tx, source)
    events.of_stack(call, tx, stack, operation, "User Initiated")
    schedule(call, tx, stack.stack_id)
    return operation


def schedule(call: Call, tx: Any, stack_id: str) -> None:
    call.schedule(call.clock.now_ms(), "cloudformation.deploy", {"StackId": stack_id}, key=stack_id, tx=tx)


# What requests say ---------------------------------------------------------------------------------------------------------


async def prepare(
    call: Call, text: str, request: Mapping[str, Any], stack: Stack, previous: Mapping[str, str] | None, *, expand: bool
) -> Prepared:
    def is_known(name: str) -> bool:
        return call.ground.resource_types.find(name) is not None

    given, values = request.get("Capabilities", []), request.get("Parameters", [])
    return await preparation.prepare(call, text, values, stack, previous, is_known, given, expand=expand)


def of_prepared(stack: Stack, prepared: Prepared) -> Stack:
    return stack.replace(
        description=prepared.template.description,
        parameters=prepared.texts,
        resolved=prepared.stored,
        hidden=prepared.hidden,
        transforms=prepared.transforms,
    )


def source_of(stack: Stack, prepared: Prepared) -> Source:
    return Source(owner=stack.stack_id, slot=state.TARGET, text=prepared.text, document=prepared.template.document)


def updated_stack(call: Call, request: Mapping[str, Any], stack: Stack) -> Stack:
    """The stack with what an update request says beside the template; what it leaves out stays."""
    changes: dict[str, Any] = {"capabilities": request.get("Capabilities", [])}
    if "Tags" in request:
        changes["tags"] = tags_of(request)
    if "NotificationARNs" in request:
        changes["notification_arns"] = _notification_arns(call, request)
    if request.get("RoleARN"):
        changes["role_arn"] = checked_role(call, request["RoleARN"])
    if "RollbackConfiguration" in request:
        changes["rollback_configuration"] = rollback_configuration(request)
    if "DisableRollback" in request:
        changes["disable_rollback"] = request["DisableRollback"]
    if "RetainExceptOnCreate" in request:
        changes["retain_except_on_create"] = request["RetainExceptOnCreate"]
    return stack.replace(**changes)


def changes_of(call: Call, prepared: Prepared, stack: Stack, updated: Stack) -> list[dict[str, Any]]:
    """The changes that an update would make. Raises ValidationError where it may not be made at all."""
    tx = call.reading()
    existing = state.resources_of(tx, stack.stack_id)
    wrong = preview.types_changed(prepared, existing)
    if wrong:
        raise errors.validation(
            "Update of resource type is not permitted. The new template modifies resource type of the following resources: "
            f"[{', '.join(wrong)}]"
        )

    def imported(name: str) -> str:
        export = state.EXPORTS.get(tx, name)
        if export is None:
            raise errors.validation(f"No export named {name} found.")
        return export.value

    return preview.preview(prepared, stack, existing, call.ground.resource_types.find, imported, updated.tags)


def differs(call: Call, prepared: Prepared, stack: Stack, updated: Stack) -> bool:
    source = state.SOURCES.get(call.reading(), stack.stack_id, state.CURRENT)
    return preview.differs_otherwise(prepared, stack, updated, source.document if source is not None else None)


def guard(policy: str | None, changes: list[dict[str, Any]]) -> None:
    denied = stack_policy.denial(policy, changes) if policy else None
    if denied is not None:
        raise errors.validation(denied)


def required(call: Call, name: str) -> Stack:
    """The stack of a name or id. Raises AWS's ValidationError where there is none."""
    stack = state.find_stack(call.reading(), name)
    if stack is None or stack.status == "DELETE_COMPLETE":
        raise errors.stack_named_does_not_exist(name)
    return stack


def check_updatable(stack: Stack) -> None:
    failed = stack.status in ("UPDATE_FAILED", "CREATE_FAILED") and stack.disable_rollback
    if stack.status not in UPDATABLE and not failed and stack.status != "UPDATE_FAILED":
        raise errors.stack_status(stack.stack_id, stack.status, "updated")


def previous_text(call: Call, stack: Stack) -> str | None:
    tx = call.reading()
    source = state.SOURCES.get(tx, stack.stack_id, state.CURRENT) or state.SOURCES.get(tx, stack.stack_id, state.TARGET)
    return source.text if source is not None else None


async def policy_of(call: Call, request: Mapping[str, Any], member: str) -> str | None:
    body, url = request.get(f"{member}Body"), request.get(f"{member}URL")
    if body and url:
        raise errors.validation(f"You cannot specify both {member}Body and {member}URL")
    if url:
        body = await preparation.fetch_text(call, url)
    return stack_policy.check(body) if body else None


def checked_role(call: Call, role_arn: str | None) -> str | None:
    """The role that the stack acts under: the caller must be allowed to pass it."""
    if not role_arn:
        return None
    call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": "cloudformation.amazonaws.com"})
    return role_arn


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    for key, value in tags.items():
        characters.refuse_unwritable("Tag", key + value)
    if any(key.startswith("aws:") for key in tags):
        raise errors.validation("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > TAGS_MAX:
        raise errors.validation(f"A stack can have no more than {TAGS_MAX} tags.")
    return tags


def rollback_configuration(request: Mapping[str, Any]) -> dict[str, Any]:
    configuration: dict[str, Any] = request.get("RollbackConfiguration") or {}
    if configuration.get("RollbackTriggers") or configuration.get("MonitoringTimeInMinutes"):
        raise errors.not_implemented("RollbackConfiguration with triggers or a monitoring time")
    return configuration


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    """By name what requests can ask that this room has not."""
    for member in ("ResourcesToImport", "ImportExistingResources", "DeploymentMode"):
        if request.get(member):
            raise errors.not_implemented(member)
    if request.get("ResourceTypes"):
        raise errors.not_implemented("ResourceTypes")


def _notification_arns(call: Call, request: Mapping[str, Any]) -> list[str]:
    arns: list[str] = request.get("NotificationARNs") or []
    if arns and "sns" not in call.ground.rooms:
        raise errors.not_implemented("NotificationARNs")
    if len(arns) > NOTIFICATION_ARNS_MAX:
        raise errors.validation(f"A stack can have no more than {NOTIFICATION_ARNS_MAX} notification ARNs.")
    for arn in arns:
        if not arn.startswith("arn:") or ":sns:" not in arn:
            raise errors.validation(f"Invalid notification ARN: {arn}")
    return arns


def _refuse_existing(call: Call, stack_name: str) -> None:
    if sum(1 for _ in state.NAMES.keys(call.reading(), limit=STACKS_MAX)) >= STACKS_MAX:
        raise errors.limit_exceeded("stack")
    stack = state.find_stack(call.reading(), stack_name)
    if stack is not None and stack.status != "DELETE_COMPLETE":
        raise errors.stack_already_exists(stack_name)
