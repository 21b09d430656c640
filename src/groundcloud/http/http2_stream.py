"""A stream of HTTP/2: one request and its answer in the words of ASGI, and what waits of both. Its connection is in `http2`."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from h2 import events
from h2.errors import ErrorCodes

if TYPE_CHECKING:
    from groundcloud.http.http2 import Http2Protocol

Message = MutableMapping[str, Any]

_HOP_BY_HOP = frozenset([b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"])
_NAME_REFUSED = re.compile(rb'[\x00-\x20\x7f-\xff()<>@,;:\\\[\]={}"/?]|^$')
_VALUE_REFUSED = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_log = logging.getLogger("groundcloud.http")


class Stream:
    """One request and its answer: ASGI's `receive` and `send`."""

    def __init__(self, connection: Http2Protocol, stream_id: int, scope: Message, body_ended: bool) -> None:
        self.id = stream_id
        self.pending = memoryview(b"")
        """What the answer's body waits to send."""
        self.ends = False
        """Whether the answer ends with what is pending."""
        self.queued = False
        self.gone = False
        """Whether the client has given up, or the connection."""
        self.ended = False
        """Whether the answer is out, to its end."""
        self._connection = connection
        self._scope = scope
        self._body = bytearray()
        self._body_ended = body_ended
        self._body_told = False
        self._unacknowledged = 0
        self._continue_due = any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
        self._changed = asyncio.Event()
        self._out: asyncio.Future[None] | None = None
        self._started = False
        self._length: int | None = None

    async def run(self) -> None:
        connection = self._connection
        try:
            await connection.app(self._scope, self.receive, self.send)  # type: ignore[arg-type]
            if not self.ended and not self.gone:
                raise RuntimeError("the application returned without its whole answer")
        except asyncio.CancelledError:
            connection.reset(self.id, ErrorCodes.CANCEL)
            self.leave()
            raise
        except Exception:
            _log.exception("answering over HTTP/2 failed")
            if self._started or self.gone:
                connection.reset(self.id, ErrorCodes.INTERNAL_ERROR)
                self.leave()
            else:
                await self.send({"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"text/plain")]})
                await self.send({"type": "http.response.body", "body": b"Internal Server Error"})
        finally:
            self._drop_body()
            connection.finished(self)

    # What the connection calls

    def receive_data(self, data: bytes, flow_bytes: int) -> None:
        if self.ended or self.gone:
            self._connection.acknowledge(self.id, flow_bytes)
            return
        self._body += data
        self._unacknowledged += flow_bytes
        self._changed.set()

    def receive_end(self) -> None:
        self._body_ended = True
        self._changed.set()

    def leave(self) -> None:
        """Nobody is there to answer any more."""
        self.gone = True
        self.pending = self.pending[:0]
        self._drop_body()
        self._changed.set()
        self._release()

    def sent(self, last: bool) -> None:
        """All that was pending is out; `last`: the answer has ended with it."""
        self._release()
        if last:
            self.ended = True
            self._changed.set()
            self._drop_body()
            if not self._body_ended:
                # The rest of the request is not wanted (RFC 9113, 8.1).
                self._connection.reset(self.id, ErrorCodes.NO_ERROR)

    # ASGI

    async def receive(self) -> Message:
        if self._continue_due:
            self._continue_due = False
            if not (self._started or self._body or self._body_ended or self.gone):
                self._connection.h2.send_headers(self.id, [(b":status", b"100")])
                self._connection.flush_soon()
        while True:
            if self.gone or self.ended:
                return {"type": "http.disconnect"}
            if self._body or (self._body_ended and not self._body_told):
                break
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._body)
        self._drop_body()
        self._body_told = self._body_ended
        return {"type": "http.request", "body": data, "more_body": not self._body_ended}

    async def send(self, message: Message) -> None:
        if self.gone:
            return
        if message["type"] == "http.response.start":
            self._start(message)
            return
        if not self._started or self.ends:
            raise RuntimeError("a body before its head, or after its end")
        body = b"" if self._scope["method"] == "HEAD" else message.get("body", b"")
        self.ends = not message.get("more_body", False)
        if self._length is not None:
            self._length -= len(body)
            if self._length < 0 or (self.ends and self._length):
                raise RuntimeError("an answer's body is not as long as its content-length")
        if not body and not self.ends:
            return
        self.pending = memoryview(body)
        self._connection.offer(self)
        if (self.pending or self.ends) and not self.ended:
            self._out = self._connection.loop.create_future()
            await self._out

    def _start(self, message: Message) -> None:
        status = message["status"]
        headers = [(b":status", b"%d" % status)]
        length = None
        for name, value in [*self._connection.server_state.default_headers, *message.get("headers", ())]:
            name = name.lower()
            if name in _HOP_BY_HOP:
                continue
            if _NAME_REFUSED.search(name) or _VALUE_REFUSED.search(value):
                raise RuntimeError(f"not a header: {name!r}")
            if name == b"content-length":
                length = int(value)
            headers.append((name, value.strip()))
        self._length = length if self._scope["method"] != "HEAD" and status != 304 else None
        self._connection.h2.send_headers(self.id, headers)
        self._started = True
        self._connection.flush_soon()

    # Below

    def _drop_body(self) -> None:
        self._body = bytearray()
        size, self._unacknowledged = self._unacknowledged, 0
        self._connection.acknowledge(self.id, size)

    def _release(self) -> None:
        if self._out is not None and not self._out.done():
            self._out.set_result(None)
        self._out = None


def request_scope(event: events.RequestReceived) -> Message | None:
    """The part of ASGI's scope that is the request's own; None for one that HTTP/1.1 would refuse, and for CONNECT."""
    method = target = b""
    authority = None
    headers: list[tuple[bytes, bytes]] = []
    length_known = False
    for name, value in event.headers or ():
        if name[:1] == b":":
            if name == b":method":
                method = value
            elif name == b":path":
                target = value
            elif name == b":authority":
                authority = value
            continue
        if name == b"host":
            authority = authority or value
            continue
        if name == b"content-length":
            length_known = True
        headers.append((bytes(name), bytes(value)))
    if not target.startswith(b"/") or not target.isascii() or not method.isascii():
        return None
    if authority is not None:
        headers.insert(0, (b"host", bytes(authority)))
    if event.stream_ended is None and not length_known:
        headers.append((b"transfer-encoding", b"chunked"))  # as HTTP/1.1 says that a body follows
    path, _, query = target.partition(b"?")
    return {
        "method": method.decode("ascii"),
        "path": unquote(path.decode("ascii")),
        "raw_path": bytes(path),
        "query_string": bytes(query),
        "headers": headers,
    }
