"""The engine: one stack's operation, driven from where it stands to where it ends.

The state machine is on disk: an Operation (its phase), a Work for each resource touched, Leftovers to delete. `Deployment.run` reads
it, does what the phase asks, and writes the next; after a kill it is run again and goes on. A resource whose Work says "doing" is
done again: a type's create gets the same generated name and token as before.

    kind    phase          stack status                                  done               failed
    CREATE  forward        CREATE_IN_PROGRESS                            CREATE_COMPLETE    undo, delete or CREATE_FAILED (on_failure)
    CREATE  undo           ROLLBACK_IN_PROGRESS                          ROLLBACK_COMPLETE  ROLLBACK_FAILED
    UPDATE  forward        UPDATE_IN_PROGRESS                            cleanup            undo or UPDATE_FAILED (on_failure)
    UPDATE  cleanup        UPDATE_COMPLETE_CLEANUP_IN_PROGRESS           UPDATE_COMPLETE    the same: a leftover is only reported
    UPDATE  undo           UPDATE_ROLLBACK_IN_PROGRESS                   undo-cleanup       UPDATE_ROLLBACK_FAILED, halted
    UPDATE  undo-cleanup   UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS  UPDATE_ROLLBACK_COMPLETE
    any     delete         DELETE_IN_PROGRESS                            DELETE_COMPLETE    DELETE_FAILED
    any     halted         *_FAILED: kept for RollbackStack and ContinueUpdateRollback; nothing runs
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import errors, events, exports, graph, intrinsics, provision, state, template, validation
from groundcloud.services.cloudformation.state import Operation, Stack

WIDTH = 16  # resources made at a time
_REASON_LENGTH_MAX = 1_000

_FAILED = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
}

FORWARD, CLEANUP, UNDO, UNDO_CLEANUP, DELETE, HALTED = "forward", "cleanup", "undo", "undo-cleanup", "delete", "halted"


class Deployment:
    """One run of one stack's operation."""

    def __init__(self, call: Call, deployer: Call, stack_id: str) -> None:
        self.call = call
        self.deployer = deployer
        self.stack_id = stack_id
        self.stopped: str | None = None  # why no further resource is begun
        self.interruption = provision.Interruption()

    async def run(self) -> None:
        """Goes on until the operation has ended, or halted. The caller counts as busy meanwhile."""
        phases: dict[str, Callable[[], Awaitable[None]]] = {
            FORWARD: self.forward,
            CLEANUP: self.cleanup,
            UNDO: self.undo,
            UNDO_CLEANUP: self.cleanup,
            DELETE: self.delete,
        }
        while True:
            with self.call.transaction() as tx:
                operation = state.OPERATIONS.get(tx, self.stack_id)
            if operation is None or operation.phase == HALTED:
                return
            self.stopped, self.interruption = None, provision.Interruption()
            try:
                await phases[operation.phase]()
            except Exception:  # ours: the stack rests as failed rather than in progress for ever
                self.call.log.exception("stack %s failed in phase %s", self.stack_id, operation.phase)
                with self.call.transaction() as tx:
                    stack, operation = self.load(tx)
                    self.give_up(tx, stack, operation, "Internal Failure")

    # The phases --------------------------------------------------------------------------------------------------------

    async def forward(self) -> None:
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            made, scope = provision.target(self.call, tx, stack)
            resources = validation.active(made, scope.conditions)
            needs = graph.dependencies(resources, scope.conditions)
            works = list(state.WORK.scan(tx, self.stack_id))
        maker = provision.Maker(self.call, self.deployer, stack, operation, self.interruption, made, scope, needs)
        finished = {work.logical_id for work in works if work.state == "done"}
        failures = [work.logical_id for work in works if work.state == "failed"]
        if failures or operation.cancelled is not None:
            # It had failed before the server did. What was begun is ended first, so that it is known and can be taken back.
            self.interruption.request()
            begun: dict[str, set[str]] = {work.logical_id: set() for work in works if work.state == "doing"}
            failures += await self.watched(operation, self.walk(begun, maker.make, set(), keep_going=True))
            self.stopped = self.stopped or operation.cancelled
        else:
            failures = await self.watched(operation, self.walk(needs, maker.make, finished))
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            if not failures and self.stopped is None:
                try:
                    self.succeed(tx, stack, operation, made, set(resources))
                    return
                except (AwsError, intrinsics.Unresolved) as error:
                    failure = error.message if isinstance(error, AwsError) else str(error)
            else:
                failure = self.stopped or _failed_sentence(tx, self.stack_id, failures)
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            self.fail(tx, stack, operation, failure)

    def succeed(self, tx: Any, stack: Stack, operation: Operation, made: template.Template, present: set[str]) -> None:
        """Every resource stands: outputs and exports, then complete or on to the clean-up. Raises where an export may not be."""
        _, scope = provision.target(self.call, tx, stack)
        outputs, imported = exports.outputs(made, scope)
        previous = operation.before.outputs if operation.before is not None else []
        exports.check(tx, stack, outputs, previous)
        stack = stack.replace(outputs=outputs)
        state.put_exports(tx, stack, previous)
        old_imports = {name for name, stack_id in state.IMPORTS.keys(tx) if stack_id == stack.stack_id}
        state.imports_of(tx, stack.stack_id, imported, old_imports)
        source = state.SOURCES.get(tx, self.stack_id, state.TARGET)
        if source is not None:
            state.SOURCES.delete(tx, self.stack_id, state.TARGET)
            state.SOURCES.put(tx, source.replace(slot=state.CURRENT))
        if operation.kind == "CREATE":
            self.finish(tx, stack, operation, "CREATE_COMPLETE")
            return
        for resource in list(state.RESOURCES.scan(tx, self.stack_id)):
            if resource.logical_id not in present:
                if resource.exists:
                    provision.leave(tx, resource, "removed")
                state.delete_resource(tx, self.stack_id, resource.logical_id)
        self.move(tx, stack, operation, CLEANUP, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")

    def fail(self, tx: Any, stack: Stack, operation: Operation, failure: str) -> None:
        failure = failure[:_REASON_LENGTH_MAX]
        if operation.kind == "CREATE":
            if operation.on_failure == "DELETE":
                self.move(tx, stack, operation, DELETE, "DELETE_IN_PROGRESS", f"{failure} Delete requested by user.")
            elif operation.on_failure == "DO_NOTHING":
                self.move(tx, stack, operation, HALTED, "CREATE_FAILED", failure)
            else:
                self.move(tx, stack, operation, UNDO, "ROLLBACK_IN_PROGRESS", f"{failure} Rollback requested by user.")
        elif operation.on_failure == "DO_NOTHING" and operation.cancelled is None:
            self.move(tx, stack, operation, HALTED, "UPDATE_FAILED", failure)
        else:
            self.move(tx, stack, operation, UNDO, "UPDATE_ROLLBACK_IN_PROGRESS", failure)

    async def undo(self) -> None:
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
        if operation.kind == "CREATE":
            failures = await self.remove_all(operation, rollback=True)
            with self.call.transaction() as tx:
                stack, operation = self.load(tx)
                if failures:
                    sentence = f"The following resource(s) failed to delete: [{', '.join(failures)}]. "
                    self.finish(tx, stack, operation, "ROLLBACK_FAILED", sentence)
                else:
                    self.finish(tx, stack, operation, "ROLLBACK_COMPLETE")
            return
        with self.call.transaction() as tx:
            works = {
                work.logical_id: work for work in state.WORK.scan(tx, self.stack_id) if work.action != "none" and work.state != "undone"
            }
            olds = {name: work.before for name, work in works.items() if work.before is not None}
        needs = {name: {other for other in resource.needs if other in olds} for name, resource in olds.items()}
        restorer = provision.Restorer(self.call, self.deployer, stack, operation, self.interruption)
        failures = await self.walk(needs, restorer.restore, set(), keep_going=True)
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            if failures:
                sentence = f"The following resource(s) failed to update: [{', '.join(failures)}]. "
                self.move(tx, stack, operation, HALTED, "UPDATE_ROLLBACK_FAILED", sentence)
                return
            for name, work in works.items():
                if work.before is None:
                    resource = state.RESOURCES.get(tx, self.stack_id, name)
                    if resource is not None and resource.exists and resource.physical_id:
                        provision.leave(tx, resource, "made")
                    state.delete_resource(tx, self.stack_id, name)
            before = operation.before
            assert before is not None
            state.SOURCES.delete(tx, self.stack_id, state.TARGET)
            stack = before.replace(updated_ms=stack.updated_ms, termination_protected=stack.termination_protected, policy=stack.policy)
            self.move(tx, stack, operation, UNDO_CLEANUP, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")

    async def cleanup(self) -> None:
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            leftovers = {str(leftover.sequence): leftover for leftover in state.LEFTOVERS.scan(tx, self.stack_id)}
        by_name: dict[str, list[str]] = {}
        for key, leftover in leftovers.items():
            by_name.setdefault(leftover.resource.logical_id, []).append(key)
        needs = {
            key: {other for name in leftover.resource.needs for other in by_name.get(name, ()) if other != key}
            for key, leftover in leftovers.items()
        }
        remover = provision.Remover(self.call, self.deployer, stack, operation, self.interruption)

        async def drop(key: str) -> str | None:
            return await remover.drop(leftovers[key])

        await self.walk(graph.reverse(needs), drop, set(), keep_going=True)
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            for leftover in leftovers.values():
                state.LEFTOVERS.delete(tx, self.stack_id, leftover.sequence)
            self.finish(tx, stack, operation, "UPDATE_COMPLETE" if operation.phase == CLEANUP else "UPDATE_ROLLBACK_COMPLETE")

    async def delete(self) -> None:
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            try:
                exports.check(tx, stack, [], stack.outputs)
            except AwsError as error:
                self.finish(tx, stack, operation, "DELETE_FAILED", error.message)
                return
        failures = await self.remove_all(operation, rollback=False)
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            if failures:
                sentence = f"The following resource(s) failed to delete: [{', '.join(failures)}]. "
                self.finish(tx, stack, operation, "DELETE_FAILED", sentence)
                return
            state.put_exports(tx, stack.replace(outputs=[]), stack.outputs)
            state.imports_of(tx, self.stack_id, set(), {name for name, user in state.IMPORTS.keys(tx) if user == self.stack_id})
            if state.NAMES.get(tx, stack.stack_name) == self.stack_id:
                state.NAMES.delete(tx, stack.stack_name)
            for key in list(state.HANDLERS.keys(tx, self.stack_id)):
                state.HANDLERS.delete(tx, *key)
            stack = stack.replace(deleted_ms=self.call.clock.now_ms())
            self.call.schedule(self.call.clock.now_ms() + events.KEPT_MS, "cloudformation.forget", {"StackId": self.stack_id}, tx=tx)
            self.finish(tx, stack, operation, "DELETE_COMPLETE")

    async def remove_all(self, operation: Operation, *, rollback: bool) -> list[str]:
        """Deletes every resource of the stack, dependents first; the names of those that would not go."""
        with self.call.transaction() as tx:
            stack, operation = self.load(tx)
            # What an update that never ended left behind goes with the rest.
            leftovers = list(state.LEFTOVERS.scan(tx, self.stack_id))
            resources = {name: resource for name, resource in state.resources_of(tx, self.stack_id).items() if resource.exists}
        needs = {name: {other for other in resource.needs if other in resources} for name, resource in resources.items()}
        remover = provision.Remover(self.call, self.deployer, stack, operation, self.interruption)

        async def remove(name: str) -> str | None:
            return await remover.remove(name, rollback=rollback)

        failures = await self.walk(graph.reverse(needs), remove, set(), keep_going=True)
        for leftover in leftovers:
            if await remover.drop(leftover) is None:
                with self.call.transaction() as tx:
                    state.LEFTOVERS.delete(tx, self.stack_id, leftover.sequence)
        return failures

    # Walking -----------------------------------------------------------------------------------------------------------

    async def walk(
        self,
        needs: Mapping[str, Iterable[str]],
        step: Callable[[str], Awaitable[str | None]],
        finished: set[str],
        *,
        keep_going: bool = False,
    ) -> list[str]:
        """Runs `step` on every name, each after those it needs, up to WIDTH at a time; the names whose step gave a reason.

        After the first failure nothing new is begun, and steps that only wait are cancelled; with `keep_going` only what needs a
        failed name is left out.
        """
        waiting = {name: {other for other in needed if other not in finished} for name, needed in needs.items() if name not in finished}
        failures: list[str] = []
        running: dict[asyncio.Future[str | None], str] = {}
        timers = self.call.ground.timers  # a step is busy, this loop is not while it waits for them: see `resting`
        try:
            while True:
                ready = [name for name, needed in waiting.items() if not needed] if self.stopped is None else []
                if failures and not keep_going:
                    ready = []
                for name in ready[: WIDTH - len(running)]:
                    del waiting[name]
                    timers.busy += 1
                    running[asyncio.ensure_future(step(name))] = name
                if not running:
                    break
                timers.busy -= 1
                try:
                    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    timers.busy += 1
                for task in done:
                    name = running.pop(task)
                    timers.busy -= 1
                    if task.result() is not None:
                        failures.append(name)
                        if not keep_going:
                            self.interruption.request()
                    else:
                        for needed in waiting.values():
                            needed.discard(name)
        finally:
            for task in running:
                timers.busy -= 1
                task.cancel()
        if keep_going and not failures and waiting and self.stopped is None:
            raise errors.validation(f"Circular dependency between resources: [{', '.join(waiting)}]")
        return failures

    async def watched(self, operation: Operation, walk: Awaitable[list[str]]) -> list[str]:
        """`walk`, stopped when somebody cancels the operation or its deadline passes."""
        task = asyncio.ensure_future(walk)
        guard = asyncio.ensure_future(self._guard(operation))
        try:
            return await task
        finally:
            guard.cancel()
            task.cancel()

    async def _guard(self, operation: Operation) -> None:
        far = 2**62
        deadline_ms = operation.deadline_ms or far
        while True:
            await self.call.wait(state.OPERATIONS.watch(self.call, self.stack_id), until_ms=deadline_ms)
            with self.call.transaction() as tx:
                now = state.OPERATIONS.get(tx, self.stack_id)
            if now is not None and now.cancelled is not None:
                self.stopped = now.cancelled
            elif self.call.clock.now_ms() >= deadline_ms:
                self.stopped = "Stack creation time exceeded the specified timeout."
            else:
                continue
            self.interruption.request()
            return

    # Writing -----------------------------------------------------------------------------------------------------------

    def load(self, tx: Any) -> tuple[Stack, Operation]:
        stack, operation = state.STACKS.get(tx, self.stack_id), state.OPERATIONS.get(tx, self.stack_id)
        assert stack is not None and operation is not None
        return stack, operation

    def move(self, tx: Any, stack: Stack, operation: Operation, phase: str, status: str, reason: str | None = None) -> None:
        """Into another phase, with the status that goes with it."""
        operation = operation.replace(phase=phase, failure=reason)
        state.OPERATIONS.put(tx, operation)
        stack = stack.replace(status=status, status_reason=reason)
        state.STACKS.put(tx, stack)
        events.of_stack(self.call, tx, stack, operation)

    def give_up(self, tx: Any, stack: Stack, operation: Operation, reason: str) -> None:
        """The operation cannot go on at all: it is kept, and the stack says why."""
        self.move(tx, stack, operation, HALTED, _FAILED.get(stack.status, stack.status), reason)

    def finish(self, tx: Any, stack: Stack, operation: Operation, status: str, reason: str | None = None) -> None:
        """The end: the operation's rows go, the stack rests in `status`."""
        state.OPERATIONS.delete(tx, self.stack_id)
        for work in list(state.WORK.scan(tx, self.stack_id)):
            state.WORK.delete(tx, self.stack_id, work.logical_id)
        for answered in list(state.JOURNAL.keys(tx, self.stack_id)):
            state.JOURNAL.delete(tx, *answered)
        stack = stack.replace(status=status, status_reason=reason)
        state.STACKS.put(tx, stack)
        events.of_stack(self.call, tx, stack, operation)


def _failed_sentence(tx: Any, stack_id: str, failures: list[str]) -> str:
    """ "The following resource(s) failed to create: [A, B]. ", and the same of updates."""
    created: list[str] = []
    updated: list[str] = []
    for name in failures:
        work = state.WORK.get(tx, stack_id, name)
        (updated if work is not None and work.action == "update" else created).append(name)
    parts = [
        f"The following resource(s) failed to {verb}: [{', '.join(sorted(names))}]."
        for verb, names in (("create", created), ("update", updated))
        if names
    ]
    return " ".join(parts)
