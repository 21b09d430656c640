"""The zygote's end of its connection to the server: messages of JSON with descriptors beside them.

A message is a packet; where the system has no such sockets (macOS), it is a 4-byte length and the text, in a stream, and the descriptors come with
the length.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

LENGTH = struct.Struct("!I")
_MESSAGE_BYTES_MAX = 256 * 1024
_DESCRIPTORS_MAX = 16


class Control:
    """On a copy of the descriptor `fd`."""

    def __init__(self, fd: int, *, framed: bool) -> None:
        self._socket = socket.socket(fileno=os.dup(fd))
        self._framed = framed

    def close(self) -> None:
        self._socket.close()

    def tell(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        data = json.dumps(message).encode()
        if self._framed:
            self._socket.sendall(LENGTH.pack(len(data)) + data)
        elif descriptors:
            socket.send_fds(self._socket, [data], descriptors)
        else:
            self._socket.send(data)

    def receive(self) -> tuple[dict[str, Any] | None, list[int]]:
        """The next message and its descriptors; None at the end."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, LENGTH.size if self._framed else _MESSAGE_BYTES_MAX, _DESCRIPTORS_MAX)
        if self._framed and data:
            length = LENGTH.unpack(data + self._rest(LENGTH.size - len(data)))[0]
            data = self._rest(length)
        return (json.loads(data) if data else None), descriptors

    def _rest(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._socket.recv(size - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data
