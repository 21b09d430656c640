"""The containers of one server: the engine that runs them, their names and users, and what killed servers have left.

A container's name says which server process made it: what a killed server left is removed when the next one starts its first container.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

from groundcloud.runtime.container import ContainerFunctionSpec, ContainerSandbox, ContainerUser, ContainerWithExtensions
from groundcloud.runtime.container_network import reason_against
from groundcloud.runtime.engines import Engine, EngineMissing, Image, find
from groundcloud.runtime.function import SandboxStart
from groundcloud.runtime.interpreters import RuntimeNotAvailable

_PREFIX = "ground-container-"


class Containers:
    """The containers of one server's pool."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._finding = asyncio.Lock()
        self._server = _server_name()
        self._pool = secrets.token_hex(3) + "n"  # a process may have more than one
        self._numbers = itertools.count(1)
        # Another server of the machine begins elsewhere.
        self._users = itertools.count(secrets.randbelow(65536))
        self._directory: Path | None = None
        self._extensions: dict[str, tuple[str, ...]] = {}
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

    async def extensions(self, image_id: str) -> tuple[str, ...]:
        """The programs that an image starts beside its runtime, by path. Raises EngineMissing."""
        if image_id not in self._extensions:
            self._extensions[image_id] = await (await self.engine()).extensions(
                f"{self._server}{self._pool}{next(self._numbers)}", image_id
            )
        return self._extensions[image_id]

    async def start(self, spec: ContainerFunctionSpec, start: SandboxStart, sandbox_id: str, **options: Any) -> ContainerSandbox:
        """Its container is on its way. Raises RuntimeNotAvailable."""
        try:
            engine = await self.engine()
        except EngineMissing as missing:
            raise RuntimeNotAvailable(f"Neither Docker nor Podman answers ({missing}).") from missing
        if spec.network == "isolated" and (reason := reason_against(engine)) is not None:
            raise RuntimeNotAvailable(f"A container with a function network of its own {reason}.")
        name = f"{self._server}{self._pool}{next(self._numbers)}"
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix=self._server))
        inside, here, count = engine.users
        number = next(self._users) % count if count else 0
        user = ContainerUser(inside + number, here + number) if count and not engine.remote else None
        made = ContainerWithExtensions if spec.container.extensions else ContainerSandbox
        sandbox = made(spec, start, sandbox_id, engine=engine, name=name, directory=self._directory, user=user, **options)
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
