"""Where the APIs of one sandbox listen, and who may speak there: the processes of that sandbox and nobody else.

Sandboxes on the host's network each have a loopback address of their own, chosen by chance, and every connection's other end is looked up
(see `peers`); who is no process of the sandbox is cut off without an answer. A sandbox with a network of its own hands out a listener
made inside, which nobody else can reach. AWS: AWS_LAMBDA_RUNTIME_API is 127.0.0.1:9001 there.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable

from groundcloud.runtime import api_http
from groundcloud.runtime.api_http import NOT_FOUND, Answer, Request

_BACKLOG = 64
_ATTEMPTS = 16
_CONNECTIONS_MAX = 128
INSIDE = ("127.0.0.1", 9001)
"""Of a sandbox with a network of its own."""


class SandboxApi:
    """`routes`: by the first part of the path's version and name. `belongs` decides over a connection; None: all are the sandbox's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Callable[[Request], Awaitable[Answer]],
        belongs: Callable[[socket.socket], bool] | None,
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._belongs = belongs
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.address = "{}:{}".format(*INSIDE)

    def listen(self) -> None:
        """On the host's network."""
        self.adopt(_loopback_listener())
        assert self._listener is not None
        self.address = "{}:{}".format(*self._listener.getsockname())

    def adopt(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for task in tuple(self._connections):
            task.cancel()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= _CONNECTIONS_MAX or (self._belongs is not None and not self._belongs(connection)):
            connection.close()
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._serve(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        await api_http.serve(reader, writer, self._answer)


async def not_found(request: Request) -> Answer:
    return NOT_FOUND


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
