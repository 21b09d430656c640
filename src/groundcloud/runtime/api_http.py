"""As much of HTTP/1.1 as the APIs of a sandbox need: requests with bodies of known length or in chunks, with trailers; short answers.

Values in, values out, over a stream: what is not HTTP closes its connection, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

HEAD_BYTES_MAX = 64 * 1024
_CHUNK_BYTES = 64 * 1024
_UNREAD_BYTES_MAX = 256 * 1024  # of a refused request, so that its connection can go on
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    500: "Internal Server Error",
}


class Broken(Exception):
    """Not HTTP as the APIs need it; the connection is closed."""


class Request:
    """One request. Its body is read once, by `read` or `chunks`; `trailers` are there afterwards."""

    def __init__(
        self, method: str, path: str, headers: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.method, self.path, self.headers = method, path, headers
        self.trailers: dict[str, str] = {}
        self.chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        declared = headers.get("content-length", "0")
        if not declared.isdecimal():
            raise Broken
        self.length = int(declared)
        self.read_whole = not self.chunked and self.length == 0
        self._begun = False
        self._reader, self._writer = reader, writer

    async def read(self, bytes_max: int) -> bytes | None:
        """The whole body; None if it is larger (the rest is left unread, and the connection must be closed)."""
        if not self.chunked and self.length > bytes_max:
            return None
        body = bytearray()
        async for chunk in self.chunks():
            if len(body) + len(chunk) > bytes_max:
                return None
            body += chunk
        return bytes(body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises Broken, asyncio.IncompleteReadError where it is cut short."""
        if self.read_whole:
            return
        self._begun = True
        if self.headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.chunked:
            left = self.length
            while left:
                chunk = await self._reader.read(min(left, _CHUNK_BYTES))
                if not chunk:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(chunk)
                self.read_whole = left == 0
                yield chunk
            return
        while size := await self._chunk_size():
            while size:
                chunk = await self._reader.read(min(size, _CHUNK_BYTES))
                if not chunk:
                    raise asyncio.IncompleteReadError(b"", size)
                size -= len(chunk)
                yield chunk
            if await self._reader.readexactly(2) != b"\r\n":
                raise Broken
        budget = HEAD_BYTES_MAX * 4  # a trailer may hold an error document
        while (line := await self._line()) != b"\r\n":
            budget -= len(line)
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or budget < 0:
                raise Broken
            self.trailers[name.strip().lower()] = value.strip()
        self.read_whole = True

    async def skip(self) -> None:
        """Reads a short body that nobody wanted."""
        if not self._begun and not self.read_whole:
            await self.read(_UNREAD_BYTES_MAX)

    async def _chunk_size(self) -> int:
        text = (await self._line()).partition(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError as error:
            raise Broken from error
        if size < 0:
            raise Broken
        return size

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError as error:
            raise Broken from error


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


ACCEPTED = Answer(202, b'{"status":"OK"}\n', (("Content-Type", "application/json"),))
NOT_FOUND = Answer(404, b"404 page not found\n")
METHOD_NOT_ALLOWED = Answer(405, b"Method Not Allowed", close=True)


def document(fields: Mapping[str, object], *headers: tuple[str, str], status: int = 200) -> Answer:
    return Answer(status, json.dumps(fields).encode(), (("Content-Type", "application/json"), *headers))


def refusal(status: int, error_type: str, message: str, *, close: bool = False) -> Answer:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return Answer(status, body, (("Content-Type", "application/json"),), close)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[[Request], Awaitable[Answer]]) -> None:
    """One connection, to its end."""
    try:
        while (request := await _read(reader, writer)) is not None:
            given = await answer(request)
            if not given.close:
                await request.skip()
            closing = given.close or not request.read_whole or request.headers.get("connection", "").lower() == "close"
            writer.write(_serialized(given, closing))
            await writer.drain()
            if closing:
                break
    except (Broken, ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of the connection, None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial.strip():
            return None
        raise Broken from error
    except asyncio.LimitOverrunError as error:
        raise Broken from error
    if len(head) > HEAD_BYTES_MAX:
        raise Broken
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Broken
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Broken
        headers[name.lower()] = value.strip()
    return Request(words[0], words[1].partition("?")[0], headers, reader, writer)


def _serialized(answer: Answer, closing: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}", f"Content-Length: {len(answer.body)}"]
    # A line break in a value would let the sender of an event write headers.
    lines += [f"{name}: {value}".replace("\r", "").replace("\n", "") for name, value in answer.headers]
    if closing:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + answer.body
