"""The APIs of one sandbox: where they listen, what they are, and who may speak there: the processes of that sandbox and nobody else.

Sandboxes on the host's network each have a loopback address of their own, chosen by chance, and every connection's other end is looked up
(see `peers`); who is no process of the sandbox is cut off without an answer. A sandbox with a network of its own hands out a listener
made inside, which nobody else can reach. AWS: AWS_LAMBDA_RUNTIME_API is 127.0.0.1:9001 there.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from groundcloud.runtime import api_http
from groundcloud.runtime.api_http import NOT_FOUND, Answer, Request, refusal
from groundcloud.runtime.extensions import PREFIX as EXTENSIONS
from groundcloud.runtime.extensions import Extensions
from groundcloud.runtime.launch import SANDBOX_API_PORT
from groundcloud.runtime.runtime_api import PREFIX as RUNTIME
from groundcloud.runtime.runtime_api import RuntimeApi
from groundcloud.runtime.telemetry_api import LOGS, TELEMETRY, Telemetry

_BACKLOG = 64
_EARLY_MAX = 1000
_EARLY_BYTES_MAX = 1024 * 1024
_ATTEMPTS = 16
_CONNECTIONS_MAX = 128


class SandboxApi:
    """`runtime` is served only where the runtime is a program that speaks it. `belongs`: whether a connection's other end is the sandbox's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        belongs: Callable[[socket.socket], bool],
        on_change: Callable[[], None],
        wall_ms: Callable[[], int],
        on_subscription: Callable[[str, Mapping[str, Any]], None] = lambda event, record: None,
    ) -> None:
        """`on_change` is called when an extension registers, asks for an event or fails, `on_subscription` with the platform's event of one."""
        self.runtime: RuntimeApi | None = None
        self.extensions: Extensions | None = None
        self.telemetry: Telemetry | None = None
        self.about: Mapping[str, str] = {}
        self._closed = False
        self._early: list[tuple[str, Mapping[str, Any] | str]] = []  # events before anyone could subscribe
        self._early_bytes = 0
        self.address = f"127.0.0.1:{SANDBOX_API_PORT}"  # of a sandbox with a network of its own
        self._loop, self._belongs, self._on_change, self._wall_ms = loop, belongs, on_change, wall_ms
        self._on_subscription = on_subscription
        self._listener: socket.socket | None = None
        self._inside = False
        self._connections: set[asyncio.Task[None]] = set()

    def expect(self, external: tuple[str, ...]) -> Extensions:
        """The extensions, of which those are programs that will be started."""
        if self.extensions is None:
            self.extensions = Extensions(external, self.about, self._on_change)
            self.extensions.closed = self._closed
        return self.extensions

    def emit(self, event: str, record: Mapping[str, Any] | str) -> None:
        """For the subscribers of the Telemetry API."""
        if self.telemetry is not None and self.telemetry.wanted:
            self.telemetry.emit(event, record)
        elif self.extensions is not None and not self._closed and len(self._early) < _EARLY_MAX and self._early_bytes < _EARLY_BYTES_MAX:
            self._early.append((event, record))
            self._early_bytes += len(record)

    def close_registration(self) -> None:
        """The initialisation is over."""
        self._closed = True
        self._early.clear()
        if self.extensions is not None:
            self.extensions.closed = True
        if self.telemetry is not None:
            self.telemetry.closed = True

    @property
    def settled(self) -> bool:
        return self.extensions is None or self.extensions.settled

    async def answer(self, request: Request) -> Answer:
        path = request.path
        if path.startswith(RUNTIME) and self.runtime is not None:
            return await self.runtime.answer(request)
        if path.startswith(EXTENSIONS):
            return await self.expect(()).answer(request)
        if path in (TELEMETRY, LOGS) and request.method == "PUT" and self.extensions is not None:
            extension = self.extensions.known(request)
            if isinstance(extension, Answer):
                return extension
            if self._inside:  # in the words of AWS's emulator, with which extensions get by
                api = "Logs" if path == LOGS else "Telemetry"
                return refusal(202, f"{api}.NotSupported", f"{api} API is not supported in a network of the function's own")
            if self.telemetry is None:
                self.telemetry = Telemetry(self._loop, self._belongs, self._wall_ms, self._on_subscription)
                self.telemetry.closed = self._closed
            answer = await self.telemetry.subscribe(request, extension.name)
            early, self._early = self._early, []
            for event, record in early:
                self.telemetry.emit(event, record)
            return answer
        return NOT_FOUND

    def listen(self) -> None:
        """On the host's network; connections wait for `serve`."""
        self._listener = _loopback_listener()
        self.address = "{}:{}".format(*self._listener.getsockname())

    def listen_inside(self, listener: socket.socket) -> None:
        """With a socket that was made in the sandbox's own network."""
        self._inside = True
        self._listener = listener
        self.serve()

    def serve(self) -> None:
        """Lets those in who come; which processes are the sandbox's is known now."""
        if self._listener is not None:
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        if self.telemetry is not None:
            self.telemetry.close()
        for task in tuple(self._connections):
            task.cancel()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= _CONNECTIONS_MAX or not (self._inside or self._belongs(connection)):
            connection.close()
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._serve(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        await api_http.serve(reader, writer, self.answer)


def _loopback_listener() -> socket.socket:
    """All of 127.0.0.0/8 is this machine's on Linux; elsewhere only its first address is."""
    for _ in range(_ATTEMPTS if sys.platform == "linux" else 0):
        host = f"127.{128 + secrets.randbelow(127)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
        listener = socket.socket()
        try:
            listener.bind((host, 0))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            continue
        return listener
    return socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
