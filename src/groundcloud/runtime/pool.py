"""The pool: sandboxes by function version, warm ones first; the zygotes that start them; how many there may be and for how long."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import resource
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from groundcloud.runtime import launch, memory, node_sdk, python_sdk
from groundcloud.runtime.container import ContainerFunctionSpec
from groundcloud.runtime.containers import Containers
from groundcloud.runtime.control_groups import ControlGroups
from groundcloud.runtime.engines import OWN_USERS
from groundcloud.runtime.function import MEMORY_SHARE, FunctionSpec, PoolSettings, PrepareStart, SandboxStart
from groundcloud.runtime.interpreters import RuntimeChoice, RuntimeNotAvailable, resolve_runtime
from groundcloud.runtime.metadata_wall import NEEDS_ROOT, MetadataWall
from groundcloud.runtime.sandbox import NEW_SANDBOX_MB, Sandbox
from groundcloud.runtime.templates import Template, Templates, process_of
from groundcloud.runtime.workers import Workers
from groundcloud.runtime.zygote import Zygote, ZygoteFailed

_LOG = logging.getLogger(__name__)
_SWEEP_S = 5.0
_DESCRIPTORS_WANTED = 65536
# What the server needs for everything else; what it holds for a sandbox: channel, log, status, process, listener, and connections of its APIs.
_DESCRIPTORS_SPARE, _DESCRIPTORS_EACH = 512, 8
# Above what systemd and container engines hand out; each sandbox of a root server has a user of its own.
_UID_BASE, _UID_COUNT = 0x7100_0000, 65536


class PoolFull(Exception):
    """Every sandbox that may exist is busy, or what is busy leaves no memory for another."""


@dataclass(frozen=True)
class Capabilities:
    """What sandboxes of this machine have; `missing` says what they do without and why."""

    namespaces: bool
    control_groups: bool
    missing: dict[str, str]


class Pool:
    """Sandboxes of all functions of one server. Lives on the main thread's event loop."""

    def __init__(self, settings: PoolSettings | None = None) -> None:
        self.settings = settings or PoolSettings()
        self._zygotes: dict[Path, Zygote] = {}
        self._starting: dict[Path, asyncio.Lock] = {}
        self._groups: ControlGroups | None = None
        self._idle: dict[str, list[Sandbox]] = {}
        self._all: dict[str, Sandbox] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._freezer: asyncio.TimerHandle | None = None
        users = _host_uids()
        self._uids = itertools.cycle(users)
        self._own_users = len(users) > 1  # each sandbox has one
        self._users_taken: set[int] = set()
        self._said_missing: set[str] = set()
        self._metadata_wall = MetadataWall(_UID_BASE, OWN_USERS[0] + OWN_USERS[2] - 1)
        self._templates = Templates(self._start_template)
        self._sdk = node_sdk.Supply()
        self._lacks: dict[Path, str] = {}
        """What the sandboxes of an interpreter do without, for the functions' logs."""
        self._workers = Workers(self._start_new, self.settings.node_workers)
        self.containers = Containers()
        self._closed = False
        self._sandboxes_max = self.settings.sandboxes_max
        self._memory_mb_max = self.settings.memory_mb_max or int(memory.machine_mb() * MEMORY_SHARE)
        self._known_mb: dict[str, int] = {}
        """What a sandbox of a key held when it was last frozen: what the next one will."""

    async def start(self) -> None:
        """Makes room for descriptors and looks for control groups; processes start when they are first needed."""
        if self._groups is not None:
            return
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS_WANTED)
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        self._groups = ControlGroups(switched_off=not self.settings.control_groups)
        if (reason := self._metadata_wall.build() if self._own_users else NEEDS_ROOT) is not None:
            self._groups.missing["wall to the metadata service"] = reason
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors != resource.RLIM_INFINITY:
            room = max(1, (descriptors - _DESCRIPTORS_SPARE) // _DESCRIPTORS_EACH)
            if room < self._sandboxes_max:
                self._sandboxes_max = room
                self._groups.missing["sandboxes"] = f"no more than {room} at once: the limit of open files is {descriptors}"
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_again)

    async def prewarm(self, runtime: str = "python3.13") -> None:
        """Starts the zygote for that runtime, so that the first acquire does not wait for it."""
        choice = await asyncio.to_thread(resolve_runtime, runtime)
        zygote = await self._zygote(choice)
        if choice.language == "node" and zygote.hello.namespaces:
            self._workers.refill(choice)

    def capabilities(self) -> Capabilities:
        """Of the zygotes started so far (`prewarm` first)."""
        missing = dict(self._groups.missing) if self._groups else {}
        for zygote in self._zygotes.values():
            missing.update(zygote.hello.missing)
        namespaces = bool(self._zygotes) and all(zygote.hello.namespaces for zygote in self._zygotes.values())
        return Capabilities(namespaces, bool(self._groups and self._groups.available), missing)

    # -- use --------------------------------------------------------------------------------------------------------

    async def acquire(self, spec: FunctionSpec, prepare: PrepareStart | None = None) -> Sandbox:
        """A sandbox for one invocation after another: an idle one of the same key, or a new one, not necessarily initialised yet.

        `prepare(sandbox_id)` is called for a new one. Raises PoolFull, ZygoteFailed.
        """
        idle = self._idle.get(spec.key)
        while idle:
            sandbox = idle.pop()
            if not idle:
                self._idle.pop(spec.key, None)
            if not sandbox.retired:
                return sandbox
        return await self._start(spec, prepare)

    @asynccontextmanager
    async def using(self, spec: FunctionSpec, prepare: PrepareStart | None = None) -> AsyncIterator[Sandbox]:
        sandbox = await self.acquire(spec, prepare)
        try:
            yield sandbox
        finally:
            self.release(sandbox)

    def release(self, sandbox: Sandbox) -> None:
        """Gives it back: kept warm, or ended if it crashed, timed out, used too much memory, or was retired."""
        if sandbox.retired or self._closed:
            sandbox.end()
            return
        sandbox.idle_since = self.settings.clock()
        self._idle.setdefault(sandbox.spec.key, []).append(sandbox)
        if self._freezer is None:
            loop = asyncio.get_running_loop()
            self._freezer = loop.call_later(self.settings.freeze_after_s, self._freeze_idle, loop.time())

    async def retire(self, key: str) -> None:
        """No later invocation reaches a sandbox of that key that exists now; busy ones finish first."""
        self._idle.pop(key, None)
        self._templates.retire_key(key)
        self._known_mb.pop(key, None)
        for sandbox in list(self._all.values()):
            if sandbox.spec.key == key and not sandbox.is_template:
                busy = sandbox.busy
                sandbox.retired = True
                if not busy:
                    sandbox.end()

    def sweep(self) -> None:
        """Ends what has been idle for too long by the settings' clock."""
        oldest = self.settings.clock() - self.settings.idle_s_max
        for key, idle in list(self._idle.items()):
            kept = []
            for sandbox in idle:
                if sandbox.retired or sandbox.idle_since <= oldest:
                    sandbox.end()
                else:
                    kept.append(sandbox)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    def count(self, key: str | None = None) -> int:
        """Sandboxes alive, of one key or of all."""
        return sum(1 for s in self._all.values() if not s.is_template and (s.spec.key == key if key is not None else s.spec.key))

    def idle_count(self, key: str | None = None) -> int:
        return len(self._idle.get(key, ())) if key is not None else sum(map(len, self._idle.values()))

    async def close(self) -> None:
        """Kills every sandbox and every zygote, and waits for their end."""
        self._closed = True
        self._workers.close()
        self._sdk.close()
        for timer in (self._sweeper, self._freezer):
            if timer is not None:
                timer.cancel()
        self._idle.clear()
        for sandbox in list(self._all.values()):
            sandbox.kill()
        for zygote in self._zygotes.values():
            zygote.close()
        self._zygotes.clear()
        for _ in range(200):
            if not self._all:
                break
            await asyncio.sleep(0.005)
        for sandbox in list(self._all.values()):
            sandbox.close()
        self.containers.close()
        self._metadata_wall.take_down()
        if self._groups is not None:
            for _ in range(20):
                if self._groups.close():
                    break
                await asyncio.sleep(0.005)

    # -- starting ---------------------------------------------------------------------------------------------------

    async def _start(self, spec: FunctionSpec, prepare: PrepareStart | None) -> Sandbox:
        if self._closed:
            raise RuntimeError("the pool is closed")
        if self.count() >= self._sandboxes_max and not self._evict():
            raise PoolFull(f"{self.count()} sandboxes are busy")
        if not self._make_room(self._known_mb.get(spec.key, NEW_SANDBOX_MB)):
            raise PoolFull(
                f"the sandboxes that are busy hold all of the {self._memory_mb_max} MB for functions (ground up --function-memory)"
            )
        if isinstance(spec, ContainerFunctionSpec):
            return await self._start_container(spec, prepare)
        choice = resolve_runtime(spec.runtime)
        if choice.language == "node" and self.settings.fetch_node_sdk and (lack := await self._sdk.bring(spec.code_path, spec.layers)):
            prepare = _saying(prepare, f"Groundcloud: the function imports AWS's SDK for JavaScript, which is not here: {lack}")
        if choice.language == "node" and spec.network == "host" and (worker := self._workers.take(spec, choice)) is not None:
            if await self._employ(worker, spec, prepare, choice):
                return worker
            worker.kill()
        if spec.snap_start and (forked := await self._fork(spec, choice, prepare)) is not None:
            return forked
        return await self._start_new(spec, choice, prepare)

    async def _start_container(self, spec: ContainerFunctionSpec, prepare: PrepareStart | None) -> Sandbox:
        await self.start()
        sandbox_id = secrets.token_hex(16)
        start = prepare(sandbox_id) if prepare is not None else SandboxStart()
        limits = {"wall_ms": self.settings.wall_ms, "log_rate": self.settings.log_bytes_per_s_max}
        sandbox = await self.containers.start(spec, start, sandbox_id, **limits)
        self._all[sandbox_id] = sandbox
        sandbox.on_death = self._forget
        return sandbox

    async def _start_template(self, spec: FunctionSpec, prepare: PrepareStart | None) -> Sandbox:
        choice = await asyncio.to_thread(resolve_runtime, spec.runtime)
        return await self._start_new(spec, choice, prepare, template=True)

    async def snapshot(self, spec: FunctionSpec, prepare: PrepareStart | None = None) -> bool:
        """Initialises the process from which the sandboxes of a SnapStart function are forked; False if that fails. Where nothing can be forked, a
        sandbox shows whether the function can be initialised."""
        choice = await asyncio.to_thread(resolve_runtime, spec.runtime)
        if await self._may_fork(spec, choice):
            return await self._templates.of(spec, prepare) is not None
        sandbox = await self._start_new(spec, choice, prepare)
        try:
            return await sandbox.ready()
        finally:
            sandbox.end()

    async def _may_fork(self, spec: FunctionSpec, choice: RuntimeChoice) -> bool:
        zygote = await self._zygote(choice)
        extended = launch.extensions(spec, True) or launch.WRAPPER in spec.environment
        return choice.language == "python" and choice.program is None and zygote.hello.namespaces and not extended

    async def _fork(self, spec: FunctionSpec, choice: RuntimeChoice, prepare: PrepareStart | None) -> Sandbox | None:
        """From the function's initialised process. None where that cannot be: then it is started as any other, and fails by itself."""
        template = await self._templates.of(spec, prepare) if await self._may_fork(spec, choice) else None
        if template is None:
            return None
        sandbox_id = secrets.token_hex(16)
        start = prepare(sandbox_id) if prepare is not None else SandboxStart()
        sandbox = self._new_sandbox(spec, start, sandbox_id, choice)
        sandbox.forked = True
        template.forks.add(sandbox_id)
        if not await self._ask_template(template, sandbox, start, choice):
            return None
        return sandbox

    async def _ask_template(self, template: Template, sandbox: Sandbox, start: SandboxStart, choice: RuntimeChoice) -> bool:
        spec = sandbox.spec
        descriptors = sandbox.open()
        variables = launch.environment(spec, start, choice, launch.task_root(spec, True), sandbox.api.address)
        request = {"environment": variables, "ephemeral_mb": spec.ephemeral_mb, "listeners": launch.listeners(spec)}
        try:
            pidfd = await template.fork(request, descriptors)
        except OSError as error:
            sandbox.start_failed(str(error))
            return False
        finally:
            for fd in descriptors:
                os.close(fd)
        pid = process_of(pidfd)
        if sandbox.group is not None:
            sandbox.group.enter(pid)
        sandbox.born(pid, pidfd)
        sandbox.go()
        return True

    async def _start_new(
        self, spec: FunctionSpec, choice: RuntimeChoice, prepare: PrepareStart | None = None, *, template: bool = False
    ) -> Sandbox:
        zygote = self._zygotes.get(choice.root)
        if zygote is None or not zygote.alive:
            zygote = await self._zygote(choice)
        if self._closed:
            raise RuntimeError("the pool is closed")
        if spec.network == "isolated" and not zygote.hello.namespaces:
            raise RuntimeNotAvailable("A function network of its own needs namespaces, which this machine does not offer the server.")
        if (lack := self._lacks.get(choice.root)) and choice.language == "python":
            prepare = _saying(prepare, lack)
        sandbox_id = secrets.token_hex(16)
        start = prepare(sandbox_id) if prepare is not None else SandboxStart()
        sandbox = self._new_sandbox(spec, start, sandbox_id, choice, namespaces=zygote.hello.namespaces)
        self._ask(zygote, sandbox, start, choice, template=template)
        return sandbox

    def _new_sandbox(
        self, spec: FunctionSpec, start: SandboxStart, sandbox_id: str, choice: RuntimeChoice, *, namespaces: bool = True
    ) -> Sandbox:
        speaks_api, may_speak_api = launch.speaks_api(spec, choice, namespaces)
        sandbox = Sandbox(
            spec,
            start,
            sandbox_id,
            wall_ms=self.settings.wall_ms,
            log_rate=self.settings.log_bytes_per_s_max,
            speaks_api=speaks_api,
            may_speak_api=may_speak_api,
        )
        self._all[sandbox_id] = sandbox
        sandbox.on_death = self._forget
        sandbox.group = self._groups.take(spec.memory_mb, spec.ephemeral_mb, spec.capped) if self._groups is not None else None
        return sandbox

    async def _employ(self, worker: Sandbox, spec: FunctionSpec, prepare: PrepareStart | None, choice: RuntimeChoice) -> bool:
        """Makes a waiting worker the function's; False if that failed."""
        zygote = self._zygotes.get(choice.root)
        if zygote is None or worker.pidfd < 0:
            return False
        request = {"attach": True, "code": str(spec.code_path), "layers": [*map(str, spec.layers)], "ephemeral_mb": spec.ephemeral_mb}
        try:
            await zygote.spawn(request, [worker.pidfd])
        except ZygoteFailed:
            return False
        start = prepare(worker.id) if prepare is not None else SandboxStart()
        worker.assume(spec, start)
        if worker.group is not None:
            worker.group.limit(spec.memory_mb, spec.ephemeral_mb, spec.capped)
        root = launch.task_root(spec, True)
        variables = launch.environment(spec, start, choice, root, worker.api.address)
        worker.set_up(launch.set_up(spec, variables, root))
        return not worker.dead

    def _ask(self, zygote: Zygote, sandbox: Sandbox, start: SandboxStart, choice: RuntimeChoice, *, template: bool = False) -> None:
        spec, namespaces = sandbox.spec, zygote.hello.namespaces
        sandbox.expect_extensions(tuple(launch.extensions(spec, namespaces)))
        descriptors = sandbox.open()
        group_descriptors, into_cgroup = sandbox.group.descriptors() if sandbox.group is not None else ([], False)
        descriptors += group_descriptors
        limited = sandbox.group is not None and "memory" in sandbox.group.paths
        uid = self._user(sandbox) if namespaces else 0
        root = launch.task_root(spec, namespaces)
        variables = launch.environment(spec, start, choice, root, sandbox.api.address)
        sandbox.tell_environment(variables)
        request = launch.request(spec, choice, namespaces=namespaces, limited=limited, uid=uid, into_cgroup=into_cgroup, template=template)
        if choice.language == "node" and spec.key:
            sandbox.set_up(launch.set_up(spec, variables if launch.WRAPPER not in variables else {}, root))
        future = zygote.spawn(request, descriptors)

        def started(done: asyncio.Future[tuple[int, int]]) -> None:
            for fd in descriptors:
                os.close(fd)
            error = done.exception()
            if error is not None:
                sandbox.start_failed(str(error))
                return
            sandbox.born(*done.result())

        future.add_done_callback(started)

    def _user(self, sandbox: Sandbox) -> int:
        """The user that the sandbox runs as outside: one that no other has now, where there are enough."""
        uid = next(self._uids)
        if self._own_users:
            while uid in self._users_taken:
                uid = next(self._uids)
            self._users_taken.add(uid)
            sandbox.uid = uid
        return uid

    async def _zygote(self, choice: RuntimeChoice) -> Zygote:
        await self.start()
        lock = self._starting.setdefault(choice.root, asyncio.Lock())
        async with lock:
            zygote = self._zygotes.get(choice.root)
            if zygote is not None and zygote.alive:
                return zygote
            if zygote is not None:
                zygote.close()
            plain = "switched off" if self.settings.plain else None if sys.platform == "linux" else f"{sys.platform} has none"
            binds = await asyncio.to_thread(launch.program_binds) if plain is None else []
            packages, lack = (None, None) if choice.own else await python_sdk.packages(choice.version)
            self._lacks[choice.root] = f"Groundcloud: {lack}" if lack else ""
            language = choice.program if choice.language == "python" else None
            zygote = Zygote(choice.path, plain=plain, packages=packages, binds=binds, language=language)
            await zygote.start({})
            if self._closed:
                zygote.close()
                raise ZygoteFailed("the pool is closed")
            self._zygotes[choice.root] = zygote
            self._say_missing()
            return zygote

    def _say_missing(self) -> None:
        """Once of each thing, to who runs the server."""
        missing = self.capabilities().missing
        if news := {name: reason for name, reason in missing.items() if name not in self._said_missing}:
            self._said_missing |= news.keys()
            _LOG.warning("functions run here without %s", "; ".join(f"{name} ({reason})" for name, reason in news.items()))

    def _forget(self, sandbox: Sandbox) -> None:
        self._all.pop(sandbox.id, None)
        self._templates.forget(sandbox)
        if sandbox.uid is not None:
            self._users_taken.discard(sandbox.uid)
        idle = self._idle.get(sandbox.spec.key)
        if idle and sandbox in idle:
            idle.remove(sandbox)
        if sandbox.group is not None and self._groups is not None:
            self._groups.give_back(sandbox.group)
            sandbox.group = None

    def _evict(self) -> bool:
        """Ends the sandbox that has been idle longest, of whatever function."""
        oldest = min((s for idle in self._idle.values() for s in idle), key=lambda s: s.idle_since, default=None)
        if oldest is None:
            return False
        idle = self._idle[oldest.spec.key]
        idle.remove(oldest)
        if not idle:
            del self._idle[oldest.spec.key]
        oldest.held_mb = 0
        oldest.end()
        return True

    def _make_room(self, coming_mb: int = 0) -> bool:
        """Ends what has been idle longest until all that is held, and what comes, fits the budget. Nothing held is room for anything."""
        while held_mb := sum(sandbox.held_mb for sandbox in self._all.values() if sandbox.spec.key):
            if held_mb + coming_mb <= self._memory_mb_max:
                return True
            if not self._evict():
                return False
        return True

    def _freeze_idle(self, scheduled_at: float) -> None:
        """Stops what has been idle since before; whoever came later waits for the next round."""
        self._freezer = None
        again = False
        for idle in self._idle.values():
            for sandbox in idle:
                if not sandbox.frozen and not sandbox.spec.debugged:
                    if sandbox.released_before(scheduled_at):
                        sandbox.freeze()
                        self._known_mb[sandbox.spec.key] = sandbox.held_mb
                    else:
                        again = True
        self._make_room()
        if again:
            loop = asyncio.get_running_loop()
            self._freezer = loop.call_later(self.settings.freeze_after_s, self._freeze_idle, loop.time())

    def _sweep_again(self) -> None:
        self.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_again)


def _saying(prepare: PrepareStart | None, line: str) -> PrepareStart | None:
    """The same start, with a line of ours in the function's log first."""
    if prepare is None:
        return None

    def say(sandbox_id: str) -> SandboxStart:
        start = prepare(sandbox_id)
        if start.on_log is not None:
            start.on_log(line.encode(), None)
        return start

    return say


def _host_uids() -> range | list[int]:
    """The users that sandboxes of a root server run as: one each where there are enough, else nobody; the server's own without root."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return [0]  # root of the zygote's user namespace, which is the server's user outside
    with open("/proc/self/uid_map") as file:
        for line in file:
            first, _, length = map(int, line.split())
            if first <= _UID_BASE and first + length >= _UID_BASE + _UID_COUNT:
                return range(_UID_BASE, _UID_BASE + _UID_COUNT)
    return [65534]
