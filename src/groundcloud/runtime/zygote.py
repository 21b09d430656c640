"""The server's end of a zygote process: starts it, asks it for sandboxes, notices its death."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundcloud.runtime import python_sdk
from groundcloud.runtime.inside.control import LENGTH

FRAMED = sys.platform != "linux"
"""No sockets of packets: see `inside.control`."""

_INSIDE = Path(__file__).parent / "inside"
_ANSWER_BYTES_MAX = 64 * 1024
_START_S_MAX = 30.0
_BOOT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("_groundcloud", {init!r}, submodule_search_locations=[{directory!r}])
module = importlib.util.module_from_spec(spec)
sys.modules["_groundcloud"] = module
spec.loader.exec_module(module)
from _groundcloud.zygote import main
main()
"""


class ZygoteFailed(Exception):
    """The zygote could not be started, or died."""


@dataclass(frozen=True)
class Hello:
    """What a zygote can do: `missing` names each wall that it does without, and why."""

    namespaces: bool
    missing: dict[str, str]
    version: str
    rss_kb: int


class Zygote:
    """One zygote process. `failed` is a future that ends with it."""

    def __init__(
        self,
        interpreter: Path,
        *,
        plain: str | None = None,
        packages: list[str] | None = None,
        binds: list[tuple[str, str]] | None = None,
        language: Path | None = None,
    ) -> None:
        """`plain`: the reason not to use namespaces, or None. `binds`: directories and where in the sandboxes' root they appear. `language`: the Python
        that runs the functions, where the zygote cannot be one of it."""
        self.interpreter = interpreter
        self.hello = Hello(False, {}, "", 0)
        self.alive = False
        self._plain = plain
        self._packages = python_sdk.own_packages() if packages is None else packages
        self._binds = binds or []
        self._language = str(language.parent.parent) if language is not None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._answers: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._hello: asyncio.Future[dict[str, Any]] | None = None
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._framed = FRAMED
        self._incoming = bytearray()
        self._number = 0
        self._failure = ""

    async def start(self, missing: dict[str, str]) -> None:
        """Runs the process and waits until it serves; a second one without namespaces if the first cannot have them.

        Must be called on the server's main thread: the process dies with the thread that started it.
        """
        for attempt in range(2):
            answer = await self._run(missing, self._failure if attempt else self._plain)
            if "failed" not in answer:
                self.hello = Hello(answer["namespaces"], answer["missing"], answer["version"], answer["rss_kb"])
                self.alive = True
                return
            self._failure = answer["failed"]
            self.close()
        raise ZygoteFailed(self._failure)

    async def _run(self, missing: dict[str, str], plain: str | None) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM if self._framed else socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        settings = {
            "server_pid": os.getpid(),
            "plain": plain,
            "packages": self._packages,
            "binds": self._binds,
            "language": self._language,
            "missing": missing,
            "control_fd": theirs.fileno(),
            "framed": self._framed,
        }
        boot = _BOOT.format(init=str(_INSIDE / "__init__.py"), directory=str(_INSIDE))
        command = [str(self.interpreter), "-S", "-E", "-X", "utf8", "-c", boot, json.dumps(settings)]
        environment = {"LANG": "en_US.UTF-8", "TZ": ":UTC", "PATH": os.environ.get("PATH", os.defpath)}
        self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, env=environment)
        theirs.close()
        self._socket = ours
        self._incoming.clear()
        self._hello = loop.create_future()
        loop.add_reader(ours.fileno(), self._readable)
        try:
            return await asyncio.wait_for(self._hello, _START_S_MAX)
        except TimeoutError:
            return {"failed": f"the zygote did not answer within {_START_S_MAX:.0f} s"}
        finally:
            self._hello = None

    def spawn(self, request: dict[str, Any], descriptors: list[int]) -> asyncio.Future[tuple[int, int]]:
        """Asks for a sandbox: (process id, its pidfd or -1). The descriptors may be closed when the future is done."""
        future: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        if not self.alive or self._socket is None:
            future.set_exception(ZygoteFailed("the zygote is gone"))
            return future
        self._number += 1
        self._answers[self._number] = future
        message = json.dumps({"id": self._number, **request}).encode()
        self._unsent.append((LENGTH.pack(len(message)) + message if self._framed else message, descriptors))
        if len(self._unsent) == 1:
            self._send()
        return future

    def _send(self) -> None:
        assert self._socket is not None
        while self._unsent:
            message, descriptors = self._unsent[0]
            try:
                sent = socket.send_fds(self._socket, [message], descriptors)
            except BlockingIOError:
                asyncio.get_running_loop().add_writer(self._socket.fileno(), self._writable)
                return
            except OSError as error:
                self._die(str(error))
                return
            self._unsent.popleft()
            if sent < len(message):  # of a stream
                self._unsent.appendleft((message[sent:], []))

    def _writable(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_writer(self._socket.fileno())
        self._send()

    def _readable(self) -> None:
        assert self._socket is not None
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._socket, _ANSWER_BYTES_MAX, 1)
            except BlockingIOError:
                return
            except OSError as error:
                self._die(str(error))
                return
            if not message:
                self._die("the zygote ended")
                return
            if self._framed:
                self._incoming += message
                self._take_frames()
            else:
                self._answered(json.loads(message), descriptors)
            if self._socket is None:
                return

    def _take_frames(self) -> None:
        """The answers that are there whole; on a system that frames them there are no process descriptors."""
        while len(self._incoming) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            message = bytes(self._incoming[LENGTH.size : end])
            del self._incoming[:end]
            self._answered(json.loads(message), [])

    def _answered(self, answer: dict[str, Any], descriptors: list[int]) -> None:
        if self._hello is not None:
            if not self._hello.done():
                self._hello.set_result(answer)
            return
        future = self._answers.pop(answer["id"], None)
        if future is None or future.done():
            for fd in descriptors:
                os.close(fd)
        elif "error" in answer:
            future.set_exception(ZygoteFailed(answer["error"]))
        else:
            future.set_result((answer["pid"], descriptors[0] if descriptors else -1))

    def _die(self, reason: str) -> None:
        self.alive = False
        if self._hello is not None and not self._hello.done():
            self._hello.set_result({"failed": reason})
        answers, self._answers = self._answers, {}
        for future in answers.values():
            if not future.done():
                future.set_exception(ZygoteFailed(reason))
        self._unsent.clear()
        self._close_socket()

    def _close_socket(self) -> None:
        if self._socket is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket.fileno())
            loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Kills the process, and the sandboxes with it."""
        if self.alive:
            self._die("closed")
        self._close_socket()
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
