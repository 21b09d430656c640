"""One sandbox that is a container: the states are `sandbox`'s, the runtime speaks the Runtime API, and an engine's command stands for the process tree.

    server ──fork──▶ `podman run` / `docker run` ──▶ the container's first process ──HTTP──▶ the Runtime API of this sandbox

The command ends when the container does, and its status is the container's. On the host's network the API knows the container by its user, whom
no other process has, or by its process tree; with a network of its own the listener is made inside, as for any isolated sandbox. Between
invocations the processes are stopped, or the container is paused where the server may not signal them.

Of an image with programs in /opt/extensions the first one is what the command runs; the others, and the runtime when all have registered, are
brought into the container by a command each (`exec`), whose end is theirs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from groundcloud.runtime import control_groups, launch, memory, peers
from groundcloud.runtime.container_network import ContainerNetwork
from groundcloud.runtime.endings import error_payload
from groundcloud.runtime.engines import ContainerSpec, Engine
from groundcloud.runtime.function import FunctionSpec, SandboxStart
from groundcloud.runtime.inside.sandbox import NOT_FOR_EXTENSIONS
from groundcloud.runtime.interpreters import RuntimeChoice
from groundcloud.runtime.process_tree import CONTINUE, SHUT_DOWN, STOP
from groundcloud.runtime.sandbox import Sandbox

_SHARED_USER = "993:990"  # AWS: sbx_user1051
_REMOVE_AGAIN_S = 0.1
_REMOVE_S_MAX = 20.0
_LOG_LAG_S = 0.02  # of an engine that carries the output through its daemon
_SIGNALS = 64
_CANNOT_EXECUTE, _NOT_FOUND, _ENGINE_FAILED = 126, 127, 125
_OF_THE_IMAGE = frozenset(("LANG", "TZ", "PATH", "LD_LIBRARY_PATH", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"))
_NO_RUNTIME = RuntimeChoice(Path(sys.executable), "", None, True, "provided")
_INVALID_ENTRY_POINT = "Runtime.InvalidEntrypoint"


@dataclass(frozen=True, kw_only=True)
class ContainerFunctionSpec(FunctionSpec):
    """One version of a function that is an image. `runtime`, `handler` and `code_path` say nothing."""

    container: ContainerSpec


class ContainerUser(NamedTuple):
    """Whom no other process is: as the container sees him, and as this machine does."""

    inside: int
    here: int


class ContainerTree:
    """As ProcessTree, of a container. `pid` is its first process's as the server's machine knows it, 0 while that is not known."""

    def __init__(self, engine: Engine, name: str, pid_file: Path | None, processes: Callable[[int], list[int]] = memory.tree) -> None:
        """`processes(pid)`: all of the container's."""
        self.pidfd = -1
        self.status = b""
        self.ended = False
        self.processes = processes
        self._engine, self._name, self._pid_file = engine, name, pid_file
        self._pid = 0
        self._may_signal = True
        self.stops_by_signal = False
        self._freezer: str | None = None
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
        if self.pid and self.send([self.pid], signal.SIGKILL):
            return
        self._removing = asyncio.get_running_loop().create_task(self._remove())

    def signal(self, number: int) -> None:
        """Those with which a sandbox is stopped and goes on; others are init's, which a container has none of."""
        if self.ended or number not in (STOP, CONTINUE):
            return
        stopping = number == STOP
        self.stops_by_signal = False
        if self._set_frozen(stopping):
            return
        if self.pid and self._may_signal:
            # Twice: a process may have been born meanwhile.
            first = self.processes(self.pid)
            if self.send(first, signal.SIGSTOP if stopping else signal.SIGCONT):
                if stopping:
                    self.stops_by_signal = True
                    self.send([pid for pid in self.processes(self.pid) if pid not in first], signal.SIGSTOP)
                return
            self._may_signal = False
        self._changes = asyncio.get_running_loop().create_task(self._set_paused(self._changes, stopping))

    def close(self) -> None:
        self.ended = True
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)

    def _set_frozen(self, frozen: bool) -> bool:
        """By its control group, of version 2. False where it has none of its own, or not for this server to write to."""
        if self._freezer is None and self.pid:
            self._freezer = control_groups.freezer_of(self.pid) or ""
        if not self._freezer:
            return False
        try:
            with open(self._freezer, "w") as file:
                file.write("1" if frozen else "0")
        except OSError:
            return False
        return True

    def send(self, pids: list[int], number: int) -> bool:
        """False where this server may not."""
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
            await self._engine.set_paused(self._name, self.processes(self.pid) if self.pid else (), paused=paused)

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
        user: ContainerUser | None,
        wall_ms: Callable[[], int],
        log_rate: int,
    ) -> None:
        super().__init__(spec, start, sandbox_id, wall_ms=wall_ms, log_rate=log_rate, speaks_api=True)
        self._engine, self._name, self._user = engine, name, user
        self._image = spec.container
        pid_file = directory / f"{name}.pid" if engine.is_podman and not engine.remote else None
        self._pid_file = pid_file
        self._container = self._make_tree(pid_file)
        self._tree = self._container  # type: ignore[assignment]
        self._log_end = -1
        self._network: ContainerNetwork | None = None
        self._ready_soon: asyncio.Task[None] | None = None

    def open(self) -> list[int]:
        """The ends of the sandbox's side stay here until the command has them."""
        os.close(self._channel.open())  # nobody speaks frames
        self._log_end = self._log.open()
        if not self.isolated:
            self.api.listen()
            self.api.serve()
        return []

    def _make_tree(self, pid_file: Path | None) -> ContainerTree:
        return ContainerTree(self._engine, self._name, pid_file)

    async def run(self, start: SandboxStart) -> None:
        """Starts the container and waits for its end."""
        try:
            process = await self._begin_container(self._image, self._variables(start), self._log_end)
        except OSError as error:
            await self._release()
            self.start_failed(str(error))
            return
        finally:
            os.close(self._log_end)
        status = await process.wait()
        await self._release()
        self._note_start(status)
        self._container.status = _status_words(status)
        self.close()

    async def _begin_container(self, image: ContainerSpec, variables: dict[str, str], output: int) -> asyncio.subprocess.Process:
        """The command that runs it. Raises OSError."""
        network = "bridge" if self._engine.remote else "host"
        if self.isolated:
            self._network = ContainerNetwork(self._engine, self._name, launch.listeners(self.spec) or [])
            network, listeners = await self._network.hold()
            self._listen_inside(listeners)
        if self._kill_wanted:
            raise OSError("ended before it began")
        arguments, environment = self._engine.command(
            self._name,
            image,
            variables,
            network=network,
            user=_SHARED_USER if self._user is None else f"{self._user.inside}:{self._user.inside}",
            memory_mb=self.spec.memory_mb,
            ephemeral_mb=self.spec.ephemeral_mb,
            pid_file=self._pid_file,
        )
        return await _command(arguments, environment, output)

    def _note_start(self, status: int) -> None:
        """What the runtime's command ended with, if it is that there is nothing to run."""
        if not self._ready and not self._kill_wanted and status in (_ENGINE_FAILED, _CANNOT_EXECUTE, _NOT_FOUND):
            self._refuse_start(_INVALID_ENTRY_POINT, self._image.arguments[0], status)

    def _refuse_start(self, error_type: str, program: str, status: int) -> None:
        words = {_CANNOT_EXECUTE: "permission denied", _NOT_FOUND: "no such file or directory"}
        message = f"fork/exec {program}: {words.get(status, 'the container did not start')}"
        self._why, self._platform_error = "init_error", True
        self._init_error = (error_type, error_payload(error_type, message))

    def _variables(self, start: SandboxStart) -> dict[str, str]:
        address = self.api.address
        if self._engine.remote:
            address = f"{self._engine.host_name}:{address.rpartition(':')[2]}"
        variables = environment(self.spec, start, address)
        if self._engine.remote and "AWS_ENDPOINT_URL" in variables:
            for here in ("127.0.0.1", "localhost"):
                variables["AWS_ENDPOINT_URL"] = variables["AWS_ENDPOINT_URL"].replace(f"//{here}:", f"//{self._engine.host_name}:")
        return variables

    async def _release(self) -> None:
        if self._network is not None:
            await self._network.release()

    def _is_own(self, connection: socket.socket) -> bool:
        if self._engine.remote:
            return True
        uid = self._user.here if self._user is not None else None
        return peers.belongs(connection, uid=uid, pid=self._container.pid, processes=self._container.processes)

    def _stopped_processes(self) -> list[int]:
        return self._container.processes(self.pid) if self._container.stops_by_signal else []

    def _used_mb(self) -> int:
        return memory.resident_mb(self.pid, self.group, self.spec.memory_mb, self._container.processes)

    def _become_ready(self) -> None:
        if not self._container.pid and not self._engine.remote and self._ready_soon is None:
            self._ready_soon = self._loop.create_task(self._learn_pid())
        super()._become_ready()

    async def _learn_pid(self) -> None:
        self._container.pid = await self._engine.pid(self._name)

    def _finish(self, kind: Any, payload: bytes, *, error_type: str | None = None, line: str | None = None) -> None:
        used_mb = self._used_mb()
        self._rss_mb = max(self._rss_mb, min(used_mb, self.spec.memory_mb))
        if self._engine.is_podman and not self._engine.remote:
            super()._finish(kind, payload, error_type=error_type, line=line)
        else:
            finish = super()._finish
            self._loop.call_later(_LOG_LAG_S, lambda: finish(kind, payload, error_type=error_type, line=line))


class ContainerWithExtensions(ContainerSandbox):
    """Of an image whose /opt/extensions holds programs."""

    def _make_tree(self, pid_file: Path | None) -> ContainerTree:
        # Who is brought into a container is no child of its first process.
        return _SharedTree(self._engine, self._name, pid_file, memory.namespace)

    def open(self) -> list[int]:
        names = tuple(path.rpartition("/")[2] for path in self._image.extensions)
        self.expect_extensions(names)
        self.api.expect(names).last = names[0]
        self._extensions_end = self._log.open_extensions()
        self._registered: asyncio.Future[None] = self._loop.create_future()
        return super().open()

    def _extensions_moved(self) -> None:
        super()._extensions_moved()
        if self._going:
            _done(self._registered)

    async def run(self, start: SandboxStart) -> None:
        variables = self._variables(start)
        kept = {name: value for name, value in variables.items() if name not in NOT_FOR_EXTENSIONS}
        first, *others = self._image.extensions
        running: dict[asyncio.Task[int], str] = {}
        try:
            image = replace(self._image, arguments=(first,), working_directory="/")
            running[_end_of(await self._begin_container(image, kept, self._extensions_end))] = first
            if others and await self._is_there(running):
                for path in others:
                    words, environment = self._engine.exec_command(self._name, (path,), kept, "/")
                    running[_end_of(await _command(words, environment, self._extensions_end))] = path
            waited: list[asyncio.Future[Any]] = [self._registered, *running]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if self._registered.done() and not self._kill_wanted:
                self._shared_tree.remember()
                words, environment = self._engine.exec_command(
                    self._name, self._image.arguments, variables, self._image.working_directory or "/"
                )
                running[_end_of(await _command(words, environment, self._log_end))] = ""
        except OSError as error:
            self._container.status = f"setup {error}".encode()
            self.kill()
        finally:
            os.close(self._log_end)
            os.close(self._extensions_end)
        await self._until_the_end(running, first)
        await self._release()
        self.close()

    @property
    def _shared_tree(self) -> _SharedTree:
        assert isinstance(self._container, _SharedTree)
        return self._container

    async def _is_there(self, running: dict[asyncio.Task[int], str]) -> bool:
        """Waits until something can be brought into the container; False if it ended before."""
        while not any(task.done() for task in running) and not self._kill_wanted:
            if await self._engine.is_running(self._name):
                return True
        return False

    async def _until_the_end(self, running: dict[asyncio.Task[int], str], first: str) -> None:
        """Of the container. What ends before its time ends everything; at a shutdown the extensions have their two seconds."""
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                path, status = running.pop(task), task.result()
                if not self._container.status and not self._kill_wanted:
                    if path and not self._ending:
                        self._note_extension(path, status)
                    elif not path:
                        self._note_start(status)
                        self._container.status = _status_words(status)
            if first in running.values() and (not self._ending or self._is_last_silent(running)):
                self.kill()

    def _is_last_silent(self, running: dict[asyncio.Task[int], str]) -> bool:
        """At a shutdown: whether only the first is left, and does not want to hear of it."""
        extensions = self.api.extensions
        assert extensions is not None
        if len(running) > 1:
            return False
        extensions.tell_last()
        return not any(found.name == extensions.last and found.state == "working" for found in extensions.found.values())

    def _note_extension(self, path: str, status: int) -> None:
        if not self._registered.done() and status in (_CANNOT_EXECUTE, _NOT_FOUND, _ENGINE_FAILED):
            self._refuse_start("Extension.LaunchError", path, status)
        self._container.status = b"extension %s %s" % (_status_words(status), path.rpartition("/")[2].encode())


class _SharedTree(ContainerTree):
    """Tells the runtime, which came last, from the extensions that were there before it."""

    def remember(self) -> None:
        self._before = set(self.processes(self.pid)) if self.pid else set()

    def signal(self, number: int) -> None:
        super().signal(number)
        if number == SHUT_DOWN and self.pid and not self.ended:
            inside = self.processes(self.pid)
            self.send([pid for pid in inside if pid not in self._before and memory.parent(pid) not in inside], signal.SIGTERM)


async def _command(words: list[str], environment: dict[str, str], output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=environment)


def _end_of(process: asyncio.subprocess.Process) -> asyncio.Task[int]:
    return asyncio.get_running_loop().create_task(process.wait())


def _status_words(status: int) -> bytes:
    return b"signal %d" % (status - 128) if 128 < status <= 128 + _SIGNALS else b"exit %d" % status


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def environment(spec: FunctionSpec, start: SandboxStart, api_address: str) -> dict[str, str]:
    """What the platform and the function's configuration say; the rest is the image's."""
    platform = launch.environment(spec, start, _NO_RUNTIME, "", api_address)
    return {variable: value for variable, value in platform.items() if variable not in _OF_THE_IMAGE or variable in spec.environment}
