"""Carries connections from inside an isolated sandbox to the platform's endpoint, byte by byte."""

from __future__ import annotations

import asyncio
import socket

_CHUNK_BYTES = 64 * 1024
_CONNECTIONS_MAX = 256


class Relay:
    """`listener` was made in the sandbox's network; `target` is host and port of the endpoint."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: socket.socket, target: tuple[str, int]) -> None:
        self._loop, self._listener, self._target = loop, listener, target
        self._connections: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for task in tuple(self._connections):
            task.cancel()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= _CONNECTIONS_MAX:
            connection.close()
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._carry(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, connection: socket.socket) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(sock=connection)
        try:
            outer_reader, outer_writer = await asyncio.open_connection(*self._target)
        except OSError:
            inner_writer.close()
            return
        try:
            await asyncio.gather(_pipe(inner_reader, outer_writer), _pipe(outer_reader, inner_writer))
        except OSError:
            pass
        finally:
            inner_writer.close()
            outer_writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
