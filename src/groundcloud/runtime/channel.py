"""The server's end of a sandbox's channel: a stream socket that carries frames both ways (see `inside.frames`).

Whatever the other side writes is either a frame within its limits or the end of the sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from groundcloud.runtime.inside import frames

_READ_BYTES = 256 * 1024
_LISTENERS_MAX = 2
_DESCRIPTORS_MAX = 64
_DESCRIPTORS_HELD_MAX = 256  # beside frames that are not whole yet


class Channel:
    """`received(kind, head, payload)` for each frame, `broken()` for anything else, `ended()` when the other side has closed it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        received: Callable[[int, dict[str, Any], bytes], None],
        broken: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._received, self._broken, self._ended = received, broken, ended
        self._incoming = bytearray()
        self._outgoing: memoryview | None = None
        self._queue: list[bytes] = []
        self._paused = False
        self._over = False
        self.descriptors: list[int] | None = None
        """Those that came beside the frames, if any are wanted."""
        self._expects: Callable[[list[socket.socket]], None] | None = None

    def expect_listeners(self, taken: Callable[[list[socket.socket]], None]) -> None:
        """The first byte will come with descriptors of listening sockets."""
        self._expects = taken

    def open(self) -> int:
        """Opens both ends; returns the sandbox's."""
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._readable)
        return theirs.detach()

    def send(self, data: bytes) -> None:
        if self._outgoing is not None:
            self._queue.append(data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # closed by the function: the reader sees it too
            return
        if sent < len(data):
            self._outgoing = memoryview(data)[sent:]
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def send_descriptors(self, data: bytes, descriptors: list[int]) -> None:
        """At once or not at all. Raises OSError."""
        socket.send_fds(self._socket, [data], descriptors)

    def _writable(self) -> None:
        assert self._outgoing is not None
        try:
            sent = self._socket.send(self._outgoing)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._outgoing)
            self._queue.clear()
        self._outgoing = self._outgoing[sent:]
        if self._outgoing:
            return
        if self._queue:
            self._outgoing = memoryview(self._queue.pop(0))
            return
        self._outgoing = None
        self._loop.remove_writer(self._socket.fileno())

    def pause(self) -> None:
        """Reads no more: the sandbox's writes wait."""
        if not self._paused and not self._over:
            self._paused = True
            self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        if self._paused and not self._over:
            self._paused = False
            self._loop.add_reader(self._socket.fileno(), self._readable)
            self._take()

    def close(self) -> None:
        self._over = True
        self._incoming.clear()
        for fd in self.descriptors or ():
            os.close(fd)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        try:
            if self._expects is not None:
                chunk, descriptors, _, _ = socket.recv_fds(self._socket, 1, _LISTENERS_MAX)
                taken, self._expects = self._expects, None
                taken([socket.socket(fileno=fd) for fd in descriptors])
                if chunk:
                    return
            elif self.descriptors is not None:
                chunk, descriptors, _, _ = socket.recv_fds(self._socket, _READ_BYTES, _DESCRIPTORS_MAX)
                self.descriptors += descriptors
                if len(self.descriptors) > _DESCRIPTORS_HELD_MAX:
                    self._refuse()
                    return
            else:
                chunk = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._over = True
            self._loop.remove_reader(self._socket.fileno())
            self._ended()
            return
        self._incoming += chunk
        self._take()

    def _take(self) -> None:
        size = frames.HEADER.size
        while len(self._incoming) >= size and not self._paused and not self._over:
            kind, head_length, payload_length = frames.HEADER.unpack_from(self._incoming)
            if head_length > frames.HEAD_BYTES_MAX or payload_length > frames.RESPONSE_BYTES_MAX + 1024:
                self._refuse()
                return
            end = size + head_length + payload_length
            if len(self._incoming) < end:
                return
            head_text = bytes(self._incoming[size : size + head_length])
            payload = bytes(self._incoming[size + head_length : end])
            del self._incoming[:end]
            try:
                head = json.loads(head_text)
                if not isinstance(head, dict):
                    raise ValueError
                int(head.get("rss_kb", 0))
            except (ValueError, TypeError, OverflowError, RecursionError):
                self._refuse()
                return
            self._received(kind, head, payload)

    def _refuse(self) -> None:
        self._incoming.clear()
        self._broken()
