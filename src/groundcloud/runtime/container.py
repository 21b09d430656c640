"""One sandbox that is a container: the states are `sandbox`'s, the runtime speaks the Runtime API, and an engine's command stands for the process tree.

    server ──fork──▶ `podman run` / `docker run` ──▶ the container's first process ──HTTP──▶ the Runtime API of this sandbox

The command ends when the container does, and its status is the container's. On the host's network the API knows the container by its user, whom
no other process has, or by its process tree; with a network of its own (Podman) the listener is made inside, as for any isolated sandbox. Between
invocations the processes are stopped, or the container is paused where the server may not signal them.

A container's name says which server process made it: what a killed server left is removed when the next one starts its first container.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundcloud.runtime import launch, memory, peers
from groundcloud.runtime.endings import error_payload
from groundcloud.runtime.engines import ContainerSpec, Engine, EngineMissing, Image, find
from groundcloud.runtime.function import FunctionSpec, SandboxStart
from groundcloud.runtime.interpreters import RuntimeChoice, RuntimeNotAvailable
from groundcloud.runtime.process_tree import CONTINUE, STOP
from groundcloud.runtime.sandbox import Sandbox

_PREFIX = "ground-container-"
# Above what the pool gives to sandboxes of its own.
_UID_BASE, _UID_COUNT = 0x7110_0000, 65536
_ROOTLESS_USER = "993:990"  # AWS: sbx_user1051
_REMOVE_AGAIN_S = 0.1
_REMOVE_S_MAX = 20.0
_LOG_LAG_S = 0.02  # of an engine that carries the output through its daemon
_CANNOT_EXECUTE, _NOT_FOUND, _ENGINE_FAILED = 126, 127, 125
_OF_THE_IMAGE = frozenset(("LANG", "TZ", "PATH", "LD_LIBRARY_PATH", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"))
_NO_RUNTIME = RuntimeChoice(Path(sys.executable), "", None, True, "provided")
_INVALID_ENTRY_POINT = "Runtime.InvalidEntrypoint"


@dataclass(frozen=True, kw_only=True)
class ContainerFunctionSpec(FunctionSpec):
    """One version of a function that is an image. `runtime`, `handler` and `code_path` say nothing."""

    container: ContainerSpec


class Containers:
    """The containers of one server's pool."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._finding = asyncio.Lock()
        self._server = _server_name()
        self._pool = secrets.token_hex(3) + "n"  # a process may have more than one
        self._numbers = itertools.count(1)
        # Another server of the machine begins elsewhere.
        self._users = (_UID_BASE + number % _UID_COUNT for number in itertools.count(secrets.randbelow(_UID_COUNT)))
        self._directory: Path | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def engine(self) -> Engine:
        """Raises EngineMissing."""
        async with self._finding:
            if self._engine is None:
                self._engine = await find()
                await self._clean(self._engine)
            return self._engine

    async def image(self, reference: str) -> Image:
        """Raises EngineMissing, ImageMissing."""
        return await (await self.engine()).image(reference)

    async def start(self, spec: ContainerFunctionSpec, start: SandboxStart, sandbox_id: str, **options: Any) -> ContainerSandbox:
        """Its container is on its way. Raises RuntimeNotAvailable."""
        try:
            engine = await self.engine()
        except EngineMissing as missing:
            raise RuntimeNotAvailable(f"Neither Docker nor Podman answers ({missing}).") from missing
        if spec.network == "isolated" and (engine.remote or not engine.is_podman):
            raise RuntimeNotAvailable("A container with a function network of its own needs Podman on the server's own machine.")
        name = f"{self._server}{self._pool}{next(self._numbers)}"
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix=self._server))
        uid = None if engine.rootless or engine.remote else next(self._users)
        sandbox = ContainerSandbox(
            spec, start, sandbox_id, engine=engine, name=name, directory=self._directory, container_uid=uid, **options
        )
        sandbox.open()
        self._keep(sandbox.run(start))
        return sandbox

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _clean(self, engine: Engine) -> None:
        """Removes what servers that are no more have left."""
        names = await engine.container_names(_PREFIX)
        if left := [name for name in names if _abandoned(name, self._server)]:
            await engine.remove(*left)
        for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
            if _abandoned(directory.name, self._server):
                shutil.rmtree(directory, ignore_errors=True)

    def close(self) -> None:
        for task in tuple(self._background):
            task.cancel()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


class ContainerTree:
    """As ProcessTree, of a container. `pid` is its first process's as the server's machine knows it, 0 while that is not known."""

    def __init__(self, engine: Engine, name: str, pid_file: Path | None) -> None:
        self.pidfd = -1
        self.status = b""
        self.ended = False
        self._engine, self._name, self._pid_file = engine, name, pid_file
        self._pid = 0
        self._may_signal = True
        self._changes: asyncio.Task[None] | None = None
        self._removing: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        if not self._pid and self._pid_file is not None:
            try:
                self._pid = int(self._pid_file.read_text() or 0)
            except (OSError, ValueError):
                return 0
        return self._pid

    @pid.setter
    def pid(self, pid: int) -> None:
        self._pid = pid

    def kill(self) -> None:
        if self.ended or self._removing is not None:
            return
        if self.pid and self._signalled([self.pid], signal.SIGKILL):
            return
        self._removing = asyncio.get_running_loop().create_task(self._remove())

    def signal(self, number: int) -> None:
        """Those with which a sandbox is stopped and goes on; others are init's, which a container has none of."""
        if self.ended or number not in (STOP, CONTINUE):
            return
        stopping = number == STOP
        if self.pid and self._may_signal:
            # Twice: a process may have been born meanwhile.
            first = memory.tree(self.pid)
            if self._signalled(first, signal.SIGSTOP if stopping else signal.SIGCONT):
                if stopping:
                    self._signalled([pid for pid in memory.tree(self.pid) if pid not in first], signal.SIGSTOP)
                return
            self._may_signal = False
        self._changes = asyncio.get_running_loop().create_task(self._set_paused(self._changes, stopping))

    def close(self) -> None:
        self.ended = True
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)

    def _signalled(self, pids: list[int], number: int) -> bool:
        try:
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        except PermissionError:
            return False
        return True

    async def _set_paused(self, before: asyncio.Task[None] | None, paused: bool) -> None:
        if before is not None:
            await asyncio.wait([before])
        if not self.ended:
            await self._engine.set_paused(self._name, paused=paused)

    async def _remove(self) -> None:
        """Again until it is gone: it may not be there yet."""
        until = asyncio.get_running_loop().time() + _REMOVE_S_MAX
        while not self.ended and asyncio.get_running_loop().time() < until:
            await self._engine.remove(self._name)
            await asyncio.sleep(_REMOVE_AGAIN_S)


class ContainerSandbox(Sandbox):
    """Made by `Containers`."""

    def __init__(
        self,
        spec: ContainerFunctionSpec,
        start: SandboxStart,
        sandbox_id: str,
        *,
        engine: Engine,
        name: str,
        directory: Path,
        container_uid: int | None,
        wall_ms: Callable[[], int],
        log_rate: int,
    ) -> None:
        super().__init__(spec, start, sandbox_id, wall_ms=wall_ms, log_rate=log_rate, speaks_api=True)
        self._engine, self._name, self._container_uid = engine, name, container_uid
        self._image = spec.container
        pid_file = directory / f"{name}.pid" if engine.is_podman and not engine.remote else None
        self._pid_file = pid_file
        self._container = ContainerTree(engine, name, pid_file)
        self._tree = self._container  # type: ignore[assignment]
        self._log_end = -1
        self._holder: asyncio.subprocess.Process | None = None
        self._ready_soon: asyncio.Task[None] | None = None

    def open(self) -> list[int]:
        """The ends of the sandbox's side stay here until the command has them."""
        os.close(self._channel.open())  # nobody speaks frames
        self._log_end = self._log.open()
        if not self.isolated:
            self.api.listen()
            self.api.serve()
        return []

    async def run(self, start: SandboxStart) -> None:
        """Starts the container and waits for its end."""
        network = "bridge" if self._engine.remote else "host"
        process = None
        try:
            if self.isolated:
                network = await self._hold_network()
            if self._kill_wanted:
                raise OSError("ended before it began")
            arguments, environment = self._engine.command(
                self._name,
                self._image,
                self._variables(start),
                network=network,
                user=_ROOTLESS_USER if self._container_uid is None else f"{self._container_uid}:{self._container_uid}",
                memory_mb=self.spec.memory_mb,
                ephemeral_mb=self.spec.ephemeral_mb,
                pid_file=self._pid_file,
            )
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=self._log_end, stderr=self._log_end, env=environment
            )
        except OSError as error:
            self._release()
            self.start_failed(str(error))
            return
        finally:
            os.close(self._log_end)
        status = await process.wait()
        self._release()
        if not self._ready and not self._kill_wanted and status in (_ENGINE_FAILED, _CANNOT_EXECUTE, _NOT_FOUND):
            words = {_CANNOT_EXECUTE: "permission denied", _NOT_FOUND: "no such file or directory"}.get(
                status, "the container did not start"
            )
            message = f"fork/exec {self._image.arguments[0]}: {words}"
            self._why, self._platform_error = "init_error", True
            self._init_error = (_INVALID_ENTRY_POINT, error_payload(_INVALID_ENTRY_POINT, message))
        self._container.status = f"signal {status - 128}".encode() if status > 128 else f"exit {status}".encode()
        self.close()

    def _variables(self, start: SandboxStart) -> dict[str, str]:
        address = self.api.address
        if self._engine.remote:
            address = f"{self._engine.host_name}:{address.rpartition(':')[2]}"
        variables = environment(self.spec, start, address)
        if self._engine.remote and "AWS_ENDPOINT_URL" in variables:
            for here in ("127.0.0.1", "localhost"):
                variables["AWS_ENDPOINT_URL"] = variables["AWS_ENDPOINT_URL"].replace(f"//{here}:", f"//{self._engine.host_name}:")
        return variables

    async def _hold_network(self) -> str:
        """A process that holds a network of its own, with the listeners made there; the engine's words for that network."""
        ours, theirs = socket.socketpair()
        own = [str(port) for port in launch.listeners(self.spec) or ()]
        words = [sys.executable, "-m", "groundcloud.runtime.inside.network_holder", str(theirs.fileno()), *own]
        if self._engine.rootless and os.geteuid() != 0:
            words = [self._engine.path, "unshare", *words]
        with ours, theirs:
            self._holder = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=[theirs.fileno()]
            )
            theirs.close()
            ours.setblocking(False)
            ready: asyncio.Future[None] = self._loop.create_future()
            self._loop.add_reader(ours.fileno(), _done, ready)
            try:
                await ready
            finally:
                self._loop.remove_reader(ours.fileno())
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 2)
        assert self._holder.stdout is not None
        pid = (await self._holder.stdout.readline()).decode().strip()
        if not descriptors or not pid:
            raise OSError("no network of its own could be made")
        self._listen_inside([socket.socket(fileno=fd) for fd in descriptors])
        return f"ns:/proc/{pid}/ns/net"

    def _release(self) -> None:
        if self._holder is not None and self._holder.returncode is None:
            self._holder.kill()

    def _is_own(self, connection: socket.socket) -> bool:
        if self._engine.remote:
            return True
        return peers.belongs(connection, uid=self._container_uid, pid=self._container.pid)

    def _become_ready(self) -> None:
        if not self._container.pid and not self._engine.remote and self._ready_soon is None:
            self._ready_soon = self._loop.create_task(self._learn_pid())
        super()._become_ready()

    async def _learn_pid(self) -> None:
        self._container.pid = await self._engine.pid(self._name)

    def _finish(self, kind: Any, payload: bytes, *, error_type: str | None = None, line: str | None = None) -> None:
        used_mb = memory.resident_mb(self.pid, self.group, self.spec.memory_mb)
        self._rss_mb = max(self._rss_mb, min(used_mb, self.spec.memory_mb))
        if self._engine.is_podman and not self._engine.remote:
            super()._finish(kind, payload, error_type=error_type, line=line)
        else:
            finish = super()._finish
            self._loop.call_later(_LOG_LAG_S, lambda: finish(kind, payload, error_type=error_type, line=line))


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def environment(spec: FunctionSpec, start: SandboxStart, api_address: str) -> dict[str, str]:
    """What the platform and the function's configuration say; the rest is the image's."""
    platform = launch.environment(spec, start, _NO_RUNTIME, "", api_address)
    return {variable: value for variable, value in platform.items() if variable not in _OF_THE_IMAGE or variable in spec.environment}


def _server_name() -> str:
    """`ground-container-<process namespace>-<pid>-<when it started>-`: the same numbers may be another process later, or elsewhere."""
    return f"{_PREFIX}{_namespace()}-{os.getpid()}-{_started(os.getpid())}-"


def _abandoned(container_name: str, own: str) -> bool:
    parts = container_name.removeprefix(_PREFIX).split("-")
    if container_name.startswith(own) or len(parts) != 4 or parts[0] != _namespace() or not parts[1].isdecimal():
        return False
    return _started(int(parts[1])) != parts[2]


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "0"


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; "" if there is none, "0" where nobody can tell."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        if os.path.isdir("/proc/self"):
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "0"
