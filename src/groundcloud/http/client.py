"""The HTTP/1.1 client of rooms that call out (HTTP_PROXY integrations, key sets, API destinations): asyncio streams, httptools' parser, connections kept for a while.

Whole bodies within a limit; no redirects, no cookies, no proxies: those are the client's business.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from typing import Any, NamedTuple

import httptools

from groundcloud.base.limits import METADATA_ADDRESSES

IDLE_S = 20
IDLE_CONNECTIONS_MAX = 64
READ_BYTES = 64 * 1024
ANSWER_BYTES_MAX = 10 * 1024 * 1024
"""AWS: the payload size of an API."""
ANSWER_HEADERS_MAX = 256


async def connect(host: str, port: int, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To wherever a user's address leads, but not to where the machine would be given its own credentials. Raises OSError."""
    reader, writer = await asyncio.open_connection(host, port, **options)
    if writer.get_extra_info("peername")[0].partition("%")[0].removeprefix("::ffff:") in METADATA_ADDRESSES:
        writer.transport.abort()
        raise PermissionError(errno.EACCES, "the cloud's metadata service is no endpoint")
    return reader, writer


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class AnswerTooLarge(Exception):
    """Past ANSWER_BYTES_MAX, or more headers than ANSWER_HEADERS_MAX."""


class _Answer:
    """httptools' callbacks, gathered."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []
        self.size = 0
        self.complete = False
        self.head_only = False
        self.parser: Any = None

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))
        if len(self.headers) > ANSWER_HEADERS_MAX:
            raise AnswerTooLarge("too many headers")

    def on_headers_complete(self) -> None:
        if self.head_only or self.parser.get_status_code() in (204, 304):
            self.complete = True

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        if self.size > ANSWER_BYTES_MAX:
            raise AnswerTooLarge(f"more than {ANSWER_BYTES_MAX} bytes")
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() != 100:
            self.complete = True


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float


class Backend:
    """Connections by (scheme, host, port)."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None

    async def request(
        self, method: str, scheme: str, host: str, port: int, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        """Raises OSError, ValueError (no HTTP in the answer), AnswerTooLarge. Cancelled, it closes its connection.

        A connection that was kept may be closed by its server meanwhile: then the request goes once more over a new one, as long as nothing was answered.
        """
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        length = f"content-length: {len(body)}\r\n" if body or method in ("POST", "PUT", "PATCH") else ""
        data = f"{method} {target} HTTP/1.1\r\n{head}{length}\r\n".encode("utf-8", "surrogateescape") + body
        place = (scheme, host, port)
        kept = self._take(place)
        if kept is not None:
            try:
                return await self._exchange(place, kept, data, method == "HEAD")
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
        fresh = await connect(host, port, ssl=self._context() if scheme == "https" else None)
        try:
            return await self._exchange(place, _Connection(*fresh, 0.0), data, method == "HEAD")
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the endpoint closed the connection before it had answered") from None

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()

    async def _exchange(self, place: tuple[str, str, int], connection: _Connection, data: bytes, head_only: bool) -> Answer:
        answer = _Answer()
        answer.head_only = head_only
        parser = answer.parser = httptools.HttpResponseParser(answer)
        reader, writer = connection.reader, connection.writer
        kept = False
        try:
            writer.write(data)
            await writer.drain()
            ended = False
            while not answer.complete:
                chunk = await reader.read(READ_BYTES)
                if not chunk:
                    # Without a length, the end of the connection is the end of the body.
                    if not answer.headers or any(name in ("content-length", "transfer-encoding") for name, _ in answer.headers):
                        raise asyncio.IncompleteReadError(b"", None)
                    ended = True
                    break
                try:
                    parser.feed_data(chunk)
                except httptools.HttpParserError as error:
                    cause = error.__context__
                    raise cause if isinstance(cause, AnswerTooLarge) else ValueError(f"not an HTTP answer: {error}") from None
            # Some servers send a body where there is none; it would be taken for the next answer.
            kept = not ended and bool(parser.should_keep_alive()) and not head_only and parser.get_status_code() not in (204, 304)
            return Answer(parser.get_status_code(), answer.headers, b"".join(answer.pieces))
        finally:
            if kept:
                self._keep(place, connection)
            else:
                writer.close()

    def _take(self, place: tuple[str, str, int]) -> _Connection | None:
        connections = self._idle.get(place)
        while connections:
            connection = connections.pop()
            if time.monotonic() - connection.idle_since < IDLE_S and not connection.reader.at_eof() and not connection.writer.is_closing():
                return connection
            connection.writer.close()
        return None

    def _keep(self, place: tuple[str, str, int], connection: _Connection) -> None:
        connections = self._idle.setdefault(place, [])
        if len(connections) >= IDLE_CONNECTIONS_MAX:
            connection.writer.close()
            return
        connections.append(connection._replace(idle_since=time.monotonic()))

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls
