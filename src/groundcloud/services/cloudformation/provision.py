"""One resource at a time: made, changed, restored, removed, each step with its events and its rows in one transaction.

`deployment.py` decides the order; the types in the rooms' `resources.py` do the work, under the deployer's identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType
from groundcloud.services.cloudformation import (
    changes,
    characters,
    dynamic_references,
    errors,
    events,
    intrinsics,
    preparation,
    state,
    template,
)
from groundcloud.services.cloudformation.actor import Actor
from groundcloud.services.cloudformation.intrinsics import Scope
from groundcloud.services.cloudformation.state import Leftover, Operation, Resource, Stack, Work

UNDO = "-undo"  # how the token of a step that restores a resource ends
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
CUSTOM_NAMED = "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update the stack again."
_SUFFIX_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SUFFIX_LENGTH = 24
_HANDLER_CODES = (
    ("AccessDenied", "AccessDenied"),
    ("AlreadyExist", "AlreadyExists"),
    ("Conflict", "ResourceConflict"),
    ("InUse", "ResourceConflict"),
    ("NotFound", "NotFound"),
    ("NoSuch", "NotFound"),
    ("NonExistent", "NotFound"),
    ("Throttl", "Throttling"),
    ("LimitExceeded", "ServiceLimitExceeded"),
    ("Validation", "InvalidRequest"),
    ("Invalid", "InvalidRequest"),
)


@dataclass
class Interruption:
    """Lets a failed or cancelled operation end the steps that only wait: those of types marked `interruptible`."""

    requested: bool = False
    waiting: set[asyncio.Task[Any]] = field(default_factory=set)

    def request(self) -> None:
        self.requested = True
        for task in list(self.waiting):
            task.cancel()

    async def run(self, kind: ResourceType, work: Awaitable[Any]) -> Any:
        """`work`; raises AwsError "Resource creation cancelled" where it was interrupted."""
        if not getattr(kind, "interruptible", False):
            return await work
        task = asyncio.ensure_future(work)
        self.waiting.add(task)
        if self.requested:  # after its first step, in which it may find what it made before a crash
            asyncio.get_running_loop().call_soon(task.cancel)
        current = asyncio.current_task()
        assert current is not None
        try:
            return await task
        except AwsError:
            if current.cancelling():  # the server is closing: nothing failed
                raise asyncio.CancelledError from None
            raise
        except asyncio.CancelledError:
            if self.requested and not current.cancelling():
                raise cancelled() from None
            task.cancel()
            raise
        finally:
            self.waiting.discard(task)


def cancelled(physical_id: str = "") -> AwsError:
    """What a step that was interrupted fails with, and what it had made."""
    return AwsError("ValidationError", "Resource creation cancelled", fields={"PhysicalResourceId": physical_id} if physical_id else {})


def target(call: Call, tx: Any, stack: Stack) -> tuple[template.Template, Scope]:
    """The template that the stack is being made to, or else the one that it is, with its scope bound to the stack's resources."""
    source = state.SOURCES.get(tx, stack.stack_id, state.TARGET) or state.SOURCES.get(tx, stack.stack_id, state.CURRENT)
    assert source is not None
    made = template.sections(source.document)
    scope = preparation.scope_of(stack, made, preparation.pseudo_parameters(stack, call.account, call.region, call.partition))
    return made, bound(tx, stack, scope)


def bound(tx: Any, stack: Stack, scope: Scope) -> Scope:
    """The same scope answering Ref, Fn::GetAtt and Fn::ImportValue from what the transaction sees."""

    def resource(logical_id: str) -> Resource:
        found = state.RESOURCES.get(tx, stack.stack_id, logical_id)
        if found is None or not found.exists or not found.physical_id:
            raise intrinsics.Unresolved(logical_id)
        return found

    def attribute(logical_id: str, name: str) -> Any:
        found = resource(logical_id)
        attributes = found.attributes
        if name in attributes:
            return attributes[name]
        value: Any = attributes
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                if found.resource_type.startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
                    key = f"{name} key in object {stack.stack_id}|{logical_id}"
                    raise errors.validation(f"CustomResource attribute error: Vendor response doesn't contain {key}")
                raise errors.template_error(f"resource {logical_id} does not support attribute type {name} in Fn::GetAtt")
            value = value[part]
        return value

    def imported(name: str) -> str:
        export = state.EXPORTS.get(tx, name)
        if export is None:
            raise errors.validation(f"No export named {name} found.")
        return export.value

    return replace(scope, reference=lambda name: resource(name).reference, attribute=attribute, imported=imported)


# Steps ---------------------------------------------------------------------------------------------------------------------


class _Step:
    """What the steps of one operation share."""

    def __init__(self, call: Call, deployer: Call, stack: Stack, operation: Operation, interruption: Interruption) -> None:
        self.call = call
        self.deployer = deployer
        self.stack = stack
        self.operation = operation
        self.interruption = interruption

    def kind_of(self, resource_type: str) -> ResourceType:
        kind = self.call.ground.resource_types.find(resource_type)
        if kind is None:
            raise errors.template_format(f"Unrecognized resource types: [{resource_type}]")
        return kind

    def tags(self, logical_id: str, tags: Mapping[str, str]) -> dict[str, str]:
        return {
            **tags,
            "aws:cloudformation:stack-name": self.stack.stack_name,
            "aws:cloudformation:stack-id": self.stack.stack_id,
            "aws:cloudformation:logical-id": logical_id,
        }

    def ask(
        self,
        resource: Resource,
        properties: Mapping[str, Any],
        *,
        old: Mapping[str, Any] | None = None,
        suffix: str = "",
        tags: Mapping[str, str],
        token: str,
    ) -> ResourceRequest:
        return ResourceRequest(
            type_name=resource.resource_type,
            logical_id=resource.logical_id,
            properties=dict(properties),
            stack_name=self.stack.stack_name,
            stack_id=self.stack.stack_id,
            physical_id=resource.physical_id,
            old_properties=dict(old or {}),
            attributes=dict(resource.attributes),
            tags=self.tags(resource.logical_id, tags),
            random_suffix=suffix,
            token=f"{self.operation.operation_id}-{resource.logical_id}-{token}",
        )

    def put(self, tx: Any, resource: Resource, status: str, reason: str | None = None, *, keep: bool = True) -> Resource:
        """Writes the resource with a new status (unless `keep` is False) and the event that tells it."""
        reason = None if reason is None else characters.writable(reason)
        resource = resource.replace(status=status, reason=reason, updated_ms=self.call.clock.now_ms())
        if keep:
            state.put_resource(tx, resource)
        events.of_resource(self.call, tx, self.stack, resource, self.operation, status, reason)
        return resource

    def sentence(self, error: BaseException, kind: ResourceType | None) -> str:
        """The reason that an event gives for an error."""
        if isinstance(error, intrinsics.Unresolved):
            return f"Unresolved resource dependencies [{error.logical_id}] in the Resources block of the template"
        if not isinstance(error, AwsError):
            self.call.log.error("a resource handler failed", exc_info=error)
            return "Internal Failure"
        if kind is None or getattr(kind, "interruptible", False) or error.code == "ValidationError":
            return error.message
        code = next((handler for part, handler in _HANDLER_CODES if part in error.code), "GeneralServiceException")
        return f'Resource handler returned message: "{error.message}" (RequestToken: {self.call.new_id()}, HandlerErrorCode: {code})'


class Maker(_Step):
    """Brings resources to what the template says: creates, updates in place, or replaces."""

    def __init__(
        self,
        call: Call,
        deployer: Call,
        stack: Stack,
        operation: Operation,
        interruption: Interruption,
        made: template.Template,
        scope: Scope,
        needs: Mapping[str, set[str]],
    ) -> None:
        super().__init__(call, deployer, stack, operation, interruption)
        self.made = made
        self.scope = scope
        self.needs = needs

    async def make(self, logical_id: str) -> str | None:
        """None once the resource is as it should be, else why it is not."""
        kind: ResourceType | None = None
        work: Work | None = None
        try:
            with self.call.transaction() as tx:
                kind = self.kind_of(self.made.resources[logical_id]["Type"])
                work, resource, request = self.begin(tx, kind, logical_id)
            if work.action == "none" or request is None:
                return None
            actor = Actor(self.deployer, self.stack.stack_id, request.token)
            request.properties = await dynamic_references.looked_up(actor, request.properties)
            kind.check(request.properties)
            handler = kind.update if work.action == "update" else kind.create
            created: Created = await self.interruption.run(kind, handler(actor, request))
            if work.action == "replace" and work.before is not None and created.physical_id == work.before.physical_id:
                raise errors.validation(CUSTOM_NAMED.format(created.physical_id))
        except (AwsError, intrinsics.Unresolved) as error:
            return self.fail(logical_id, work, error, kind)
        except Exception as error:  # ours: the stack fails, the server goes on
            return self.fail(logical_id, work, error, kind)
        with self.call.transaction() as tx:
            self.end(tx, work, resource, created)
        return None

    def begin(self, tx: Any, kind: ResourceType, logical_id: str) -> tuple[Work, Resource, ResourceRequest | None]:
        """Decides what to do, writes that it is begun, and says what to ask of the type. A step begun before a crash is begun again."""
        definition = self.definition(logical_id, tx)
        scope = bound(tx, self.stack, self.scope)
        properties = intrinsics.resolve(definition.get("Properties", {}), scope)
        current = state.RESOURCES.get(tx, self.stack.stack_id, logical_id)
        work = state.WORK.get(tx, self.stack.stack_id, logical_id)
        resumed = work is not None and work.state == "doing"
        before = work.before if work is not None else (current if current is not None and current.exists else None)
        now = self.call.clock.now_ms()
        action, status, reason = self.decide(kind, before, properties)
        resource = Resource(
            stack_id=self.stack.stack_id,
            logical_id=logical_id,
            resource_type=definition["Type"],
            status=status,
            updated_ms=now,
            physical_id=before.physical_id if before is not None else "",
            properties=properties,
            attributes=before.attributes if before is not None else {},
            ref=before.ref if before is not None else None,
            definition=definition,
            needs=sorted(self.needs.get(logical_id, ())),
        )
        if work is None or not resumed:
            suffix = "".join(self.call.random.choices(_SUFFIX_ALPHABET, k=_SUFFIX_LENGTH))
            work = Work(
                stack_id=self.stack.stack_id, logical_id=logical_id, action=action, state="doing", generated_name=suffix, before=before
            )
            if action == "none":
                work = work.replace(state="done")
                state.put_resource(tx, resource.replace(reason=reason, updated_ms=before.updated_ms if before else now))
            else:
                self.put(tx, resource, status, reason)
            state.WORK.put(tx, work)
        if action == "none":
            return work, resource, None
        asked = resource if action == "update" else resource.replace(physical_id="", attributes={})
        old = before.properties if before is not None else {}
        return (
            work,
            resource,
            self.ask(asked, properties, old=old, suffix=work.generated_name, tags=self.stack.tags, token=work.generated_name),
        )

    def decide(self, kind: ResourceType, before: Resource | None, properties: dict[str, Any]) -> tuple[str, str, str | None]:
        """What to do with a resource, and the status and reason that say so."""
        if before is None or not before.physical_id:
            return "create", "CREATE_IN_PROGRESS", None
        changed = changes.changed_properties(before.properties, properties)
        if any(name in kind.replaces for name in changed) or before.status == "CREATE_FAILED":
            return "replace", "UPDATE_IN_PROGRESS", REPLACING
        old_tags = self.operation.before.tags if self.operation.before is not None else self.stack.tags
        retag = "Tags" in kind.properties and old_tags != self.stack.tags
        # Of a resource whose last update failed, the row says what was wanted, not what there is.
        if changed or retag or before.status == "UPDATE_FAILED" or getattr(kind, "always_updates", False):
            return "update", "UPDATE_IN_PROGRESS", None
        return "none", before.status, before.reason

    def definition(self, logical_id: str, tx: Any) -> dict[str, Any]:
        """The template's resource, its policies resolved (AWS::LanguageExtensions lets them be functions)."""
        definition = self.made.resources[logical_id]
        policies = {
            name: intrinsics.resolve(definition[name], self.scope)
            for name in ("DeletionPolicy", "UpdateReplacePolicy")
            if isinstance(definition.get(name), dict)
        }
        return {**definition, **policies} if policies else definition

    def end(self, tx: Any, work: Work, resource: Resource, created: Created) -> None:
        before = work.before
        resource = resource.replace(physical_id=created.physical_id, attributes=created.attributes, ref=created.ref)
        if work.action == "update":
            self.put(tx, resource, "UPDATE_COMPLETE")
        elif work.action == "replace":
            self.put(tx, resource, "UPDATE_IN_PROGRESS", "Resource creation Initiated", keep=False)
            self.put(tx, resource, "UPDATE_COMPLETE")
        else:
            self.put(tx, resource, "CREATE_IN_PROGRESS", "Resource creation Initiated", keep=False)
            self.put(tx, resource, "CREATE_COMPLETE")
        if before is not None and before.physical_id and before.physical_id != created.physical_id:
            leave(tx, before, "replaced")
        state.WORK.put(tx, work.replace(state="done"))

    def fail(self, logical_id: str, work: Work | None, error: BaseException, kind: ResourceType | None) -> str:
        reason = self.sentence(error, kind)
        with self.call.transaction() as tx:
            resource = state.RESOURCES.get(tx, self.stack.stack_id, logical_id)
            if work is None:
                before = resource if resource is not None and resource.exists else None
                work = Work(
                    stack_id=self.stack.stack_id,
                    logical_id=logical_id,
                    action="update" if before is not None else "create",
                    state="failed",
                    generated_name="",
                    before=before,
                )
            if resource is None or not resource.exists:
                resource = Resource(
                    stack_id=self.stack.stack_id,
                    logical_id=logical_id,
                    resource_type=self.made.resources[logical_id]["Type"],
                    status="CREATE_FAILED",
                    updated_ms=self.call.clock.now_ms(),
                    definition=self.made.resources[logical_id],
                    needs=sorted(self.needs.get(logical_id, ())),
                )
            # A custom resource that failed may say what it made, so that the rollback can delete it.
            made = error.fields.get("PhysicalResourceId", "") if isinstance(error, AwsError) else ""
            if made and work.action == "create":
                resource = resource.replace(physical_id=made)
            state.WORK.put(tx, work.replace(state="failed"))
            self.put(tx, resource, "UPDATE_FAILED" if work.before is not None else "CREATE_FAILED", reason)
        return reason


class Restorer(_Step):
    """Takes back what an update did to resources that were there before it."""

    async def restore(self, logical_id: str) -> str | None:
        with self.call.transaction() as tx:
            work = state.WORK.get(tx, self.stack.stack_id, logical_id)
            current = state.RESOURCES.get(tx, self.stack.stack_id, logical_id)
            assert work is not None and work.before is not None
            before = work.before
            in_place = work.action == "update" and logical_id not in self.operation.skipped
            if current is not None and current.physical_id and current.physical_id != before.physical_id:
                leave(tx, current, "made")
                in_place = False
            if in_place and work.state != "failed-restore":
                self.put(tx, before, "UPDATE_IN_PROGRESS")
        kind: ResourceType | None = None
        try:
            if in_place:
                kind = self.kind_of(before.resource_type)
                old = current.properties if current is not None else {}
                previous = self.operation.before.tags if self.operation.before is not None else {}
                request = self.ask(before, before.properties, old=old, tags=previous, token=f"{work.generated_name}{UNDO}")
                actor = Actor(self.deployer, self.stack.stack_id, request.token)
                request.properties = await dynamic_references.looked_up(actor, request.properties)
                created = await kind.update(actor, request)
                before = before.replace(physical_id=created.physical_id, attributes=created.attributes, ref=created.ref)
        except (AwsError, intrinsics.Unresolved) as error:
            return self.fail(before, error, kind)
        except Exception as error:  # ours: the rollback fails, the server goes on
            return self.fail(before, error, kind)
        with self.call.transaction() as tx:
            for leftover in list(state.LEFTOVERS.scan(tx, self.stack.stack_id)):
                if leftover.why == "replaced" and leftover.resource.physical_id == before.physical_id:
                    state.LEFTOVERS.delete(tx, self.stack.stack_id, leftover.sequence)
            self.put(tx, before, "UPDATE_COMPLETE")
            state.WORK.put(tx, work.replace(state="undone"))
        return None

    def fail(self, before: Resource, error: BaseException, kind: ResourceType | None) -> str:
        reason = self.sentence(error, kind)
        with self.call.transaction() as tx:
            self.put(tx, before, "UPDATE_FAILED", reason)
        return reason


class Remover(_Step):
    """Deletes resources, or leaves them where their policy says so."""

    async def remove(self, logical_id: str, *, rollback: bool) -> str | None:
        """A resource of the stack. Its row stays, as DELETE_COMPLETE or DELETE_SKIPPED."""
        with self.call.transaction() as tx:
            resource = state.RESOURCES.get(tx, self.stack.stack_id, logical_id)
        if resource is None:
            return None
        policy = resource.definition.get("DeletionPolicy", "Delete")
        retained = policy == "Retain" or (policy == "RetainExceptOnCreate" and not rollback)
        if rollback and self.stack.retain_except_on_create:
            retained = False
        return await self._remove(resource, logical_id in self.operation.retained or (retained and bool(resource.physical_id)), keep=True)

    async def drop(self, leftover: Leftover) -> str | None:
        """A resource that the stack has no row of any more."""
        definition = leftover.resource.definition
        if leftover.why == "replaced":
            retained = definition.get("UpdateReplacePolicy", "Delete") == "Retain"
        else:
            policy = definition.get("DeletionPolicy", "Delete")
            retained = policy == "Retain" or (policy == "RetainExceptOnCreate" and leftover.why == "removed")
            if leftover.why == "made" and self.stack.retain_except_on_create:
                retained = False
        return await self._remove(leftover.resource, retained, keep=False)

    async def _remove(self, resource: Resource, retained: bool, *, keep: bool) -> str | None:
        if retained or not resource.physical_id:
            with self.call.transaction() as tx:
                self.put(tx, resource, "DELETE_SKIPPED" if retained else "DELETE_COMPLETE", keep=keep)
            return None
        with self.call.transaction() as tx:
            resource = self.put(tx, resource, "DELETE_IN_PROGRESS", keep=keep)
        kind: ResourceType | None = None
        try:
            kind = self.kind_of(resource.resource_type)
            request = self.ask(resource, resource.properties, tags=self.stack.tags, token=f"delete-{resource.physical_id}")
            actor = Actor(self.deployer, self.stack.stack_id, request.token)
            await self.interruption.run(kind, kind.delete(actor, request))
        except AwsError as error:
            return self.fail(resource, error, kind, keep)
        except Exception as error:  # ours: this resource stays, the server goes on
            return self.fail(resource, error, kind, keep)
        with self.call.transaction() as tx:
            self.put(tx, resource, "DELETE_COMPLETE", keep=keep)
        return None

    def fail(self, resource: Resource, error: BaseException, kind: ResourceType | None, keep: bool) -> str:
        reason = self.sentence(error, kind)
        with self.call.transaction() as tx:
            self.put(tx, resource, "DELETE_FAILED", reason, keep=keep)
        return reason


def leave(tx: Any, resource: Resource, why: str) -> None:
    """Notes a physical resource for the clean-up."""
    sequence = tx.sequence("cloudformation/leftovers")
    state.LEFTOVERS.put(tx, Leftover(stack_id=resource.stack_id, sequence=sequence, resource=resource, why=why))
