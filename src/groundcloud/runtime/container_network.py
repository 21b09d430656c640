"""A network of one container's own, in which the listeners of its APIs are made.

With Podman a process of ours holds it, and the container enters. Docker takes no network but another container's: there a container of ours holds it,
which runs a program of a few instructions that waits for ever, in an image of that alone, made when it is first needed; a process of the server
enters it to make the listeners, which takes root.
"""

from __future__ import annotations

import asyncio
import io
import os
import platform
import socket
import struct
import sys
import tarfile

from groundcloud.runtime.engines import Engine

_IMAGE = "groundcloud/network:1"
_PROGRAM = "/wait"
_LOAD_ADDRESS = 0x400000
_HEADERS_BYTES = 64 + 56
# pause(2); on aarch64, which has none, ppoll(2) of nothing. In both cases again when it returns.
_CODE = {
    "x86_64": (0x3E, bytes.fromhex("b8220000000f05ebf7")),
    "aarch64": (0xB7, struct.pack("<7I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA)),
}


def reason_against(engine: Engine) -> str | None:
    """Why there can be none with that engine, or None."""
    if engine.remote:
        return f"needs {engine.name} on the server's own machine"
    if not engine.is_podman and os.geteuid() != 0:
        return "needs Podman, or Docker and a server that is root"
    if not engine.is_podman and platform.machine() not in _CODE:
        return f"needs Podman on {platform.machine()}"
    return None


class ContainerNetwork:
    """`name` is the container's; `ports` are those to listen on inside."""

    def __init__(self, engine: Engine, name: str, ports: list[int]) -> None:
        self._engine, self._name, self._ports = engine, f"{name}network", ports
        self._process: asyncio.subprocess.Process | None = None
        self._held = False

    async def hold(self) -> tuple[str, list[socket.socket]]:
        """The engine's words for it, and the listeners. Raises OSError."""
        if self._engine.is_podman:
            pid, listeners = await self._listen("")
            return f"ns:/proc/{pid}/ns/net", listeners
        self._held = True
        pid = await self._engine.start_waiting(self._name, _IMAGE, _PROGRAM, archive)
        if not pid:
            raise OSError("no container could be started to hold its network")
        _, listeners = await self._listen(f"/proc/{pid}/ns/net")
        return f"container:{self._name}", listeners

    async def release(self) -> None:
        """Ends what holds it."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
        if self._held:
            await self._engine.remove(self._name)

    async def _listen(self, namespace: str) -> tuple[int, list[socket.socket]]:
        """A process in a network of its own, or in that one; its number and what it listens with."""
        ours, theirs = socket.socketpair()
        ports = map(str, self._ports)
        words = [sys.executable, "-m", "groundcloud.runtime.inside.network_holder", str(theirs.fileno()), namespace, *ports]
        if self._engine.rootless and os.geteuid() != 0:
            words = [self._engine.path, "unshare", *words]
        loop = asyncio.get_running_loop()
        with ours, theirs:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=[theirs.fileno()]
            )
            theirs.close()
            ours.setblocking(False)
            ready: asyncio.Future[None] = loop.create_future()
            loop.add_reader(ours.fileno(), _done, ready)
            try:
                await ready
            finally:
                loop.remove_reader(ours.fileno())
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 2)
        assert self._process.stdout is not None
        pid = (await self._process.stdout.readline()).decode().strip()
        if not descriptors or not pid:
            raise OSError("no network of its own could be made")
        return int(pid), [socket.socket(fileno=fd) for fd in descriptors]


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def archive() -> bytes:
    """The image's file system."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        content = program(platform.machine())
        entry = tarfile.TarInfo(_PROGRAM.lstrip("/"))
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def program(machine: str) -> bytes:
    """The one that waits. Source: elf(5)."""
    number, code = _CODE[machine]
    size = _HEADERS_BYTES + len(code)
    identification = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, number, 1, _LOAD_ADDRESS + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return identification + header + segment + code
