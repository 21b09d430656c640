"""The Lambda Runtime API over HTTP/1.1, for runtimes that are programs of their own: one server, one sandbox, one invocation at a time.

AWS: "Using the Lambda runtime API", version 2018-06-01. States of the runtime, and what it may ask for in each:

    starting --init/error--> failed
    starting, idle --invocation/next--> waiting --an event--> busy --response, error--> idle

A request that the state does not allow is answered with InvalidStateTransition, one about another invocation with InvalidRequestID.
The listening socket is the caller's: whoever can connect to it is taken for the sandbox.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from groundcloud.runtime.function import Invocation
from groundcloud.runtime.inside.frames import RESPONSE_BYTES_MAX

_PREFIX = "/2018-06-01/runtime/"
_HEAD_BYTES_MAX = 64 * 1024
# An error document may be as large as a response; what is larger is read no further.
_BODY_BYTES_MAX = RESPONSE_BYTES_MAX
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
}


@dataclass(frozen=True)
class Outcome:
    """What the runtime reported: of an invocation (`response`, `error`), or instead of the first one (`init_error`)."""

    kind: Literal["response", "error", "init_error"]
    payload: bytes
    error_type: str | None = None


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    too_large: bool


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


class _Broken(Exception):
    """Not HTTP as the API needs it; the connection is closed."""


class RuntimeApi:
    """The API of one sandbox. `ready` is set when the runtime asks for its first event, or fails before it."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.init_error: Outcome | None = None
        self._state: Literal["starting", "waiting", "busy", "idle", "failed"] = "starting"
        self._events: asyncio.Queue[tuple[Invocation, int]] = asyncio.Queue(1)
        self._current: Invocation | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def invoke(self, invocation: Invocation, deadline_ms: int) -> Outcome:
        """Hands the event to the runtime and waits for what it reports. Time limits and the runtime's death are the caller's."""
        if self._outcome is not None:
            raise RuntimeError("a runtime works on one invocation at a time")
        if self.init_error is not None:
            return self.init_error
        self._outcome = asyncio.get_running_loop().create_future()
        try:
            self._events.put_nowait((invocation, deadline_ms))
            return await self._outcome
        finally:
            self._outcome = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; pass it to `asyncio.start_server`."""
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            while (request := await _read(reader, writer)) is not None:
                answer = await self._answer(request)
                writer.write(_serialized(answer))
                await writer.drain()
                if answer.close or request.headers.get("connection", "").lower() == "close":
                    break
        except (_Broken, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        for task in tuple(self._connections):
            task.cancel()

    async def _answer(self, request: _Request) -> _Answer:
        parts = request.path.removeprefix(_PREFIX).split("/") if request.path.startswith(_PREFIX) else []
        match request.method, parts:
            case "GET", ["invocation", "next"]:
                return await self._next()
            case "POST", ["invocation", request_id, "response"]:
                return self._finish(request, request_id, "response")
            case "POST", ["invocation", request_id, "error"]:
                return self._finish(request, request_id, "error")
            case "POST", ["init", "error"]:
                return self._fail(request)
            case _, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]:
                return _Answer(405, b"Method Not Allowed", close=True)
        return _Answer(404, b"404 page not found\n", close=request.too_large)

    async def _next(self) -> _Answer:
        if self._state == "waiting" or self._state == "failed":
            return _refused_transition(self._state, "waiting")
        # A runtime that asks again without an answer has given the invocation up; AWS's does the same as ours: the time limit ends it.
        self._state = "waiting"
        self.ready.set()
        try:
            invocation, deadline_ms = await self._events.get()
        except asyncio.CancelledError:
            self._state = "idle"
            raise
        self._state = "busy"
        self._current = invocation
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
        ]
        if invocation.trace_id:
            headers.append(("Lambda-Runtime-Trace-Id", invocation.trace_id))
        if invocation.client_context:
            headers.append(("Lambda-Runtime-Client-Context", json.dumps(dict(invocation.client_context))))
        if invocation.identity:
            headers.append(("Lambda-Runtime-Cognito-Identity", json.dumps(dict(invocation.identity))))
        if invocation.tenant_id:
            headers.append(("Lambda-Runtime-Aws-Tenant-Id", invocation.tenant_id))
        return _Answer(200, invocation.payload, tuple(headers))

    def _finish(self, request: _Request, request_id: str, kind: Literal["response", "error"]) -> _Answer:
        if self._state != "busy" or self._current is None:
            return _refused_transition(self._state, kind)
        if request_id != self._current.request_id:
            return _refusal(400, "InvalidRequestID", "Invalid request ID", close=request.too_large)
        self._state, self._current = "idle", None
        if request.too_large:
            message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            document = json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}).encode()
            self._report(Outcome("error", document, "Function.ResponseSizeTooLarge"))
            return _refusal(
                413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).", close=True
            )
        self._report(Outcome(kind, request.body, _error_type(request) if kind == "error" else None))
        return _ACCEPTED

    def _fail(self, request: _Request) -> _Answer:
        if self._state != "starting":
            return _refused_transition(self._state, "init error")
        self._state = "failed"
        self.init_error = Outcome("init_error", request.body, _error_type(request))
        self.ready.set()
        self._report(self.init_error)
        return _ACCEPTED

    def _report(self, outcome: Outcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)


_ACCEPTED = _Answer(202, b'{"status":"OK"}\n', (("Content-Type", "application/json"),))


def _refusal(status: int, error_type: str, message: str, *, close: bool = False) -> _Answer:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return _Answer(status, body, (("Content-Type", "application/json"),), close)


def _refused_transition(state: str, wanted: str) -> _Answer:
    return _refusal(403, "InvalidStateTransition", f"Transition from {state} to {wanted} is not allowed.", close=True)


def _error_type(request: _Request) -> str:
    """The header's, else the document's, else AWS's word for neither."""
    named = request.headers.get("lambda-runtime-function-error-type")
    if named:
        return named
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        return "Runtime.Unknown"
    return str(document.get("errorType") or "Runtime.Unknown") if isinstance(document, dict) else "Runtime.Unknown"


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request | None:
    """The next request of the connection, None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise _Broken from error
    except asyncio.LimitOverrunError as error:
        raise _Broken from error
    if len(head) > _HEAD_BYTES_MAX:
        raise _Broken
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Broken
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise _Broken
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _chunks(reader) if "chunked" in headers.get("transfer-encoding", "").lower() else await _counted(reader, headers)
    return _Request(words[0], words[1].partition("?")[0], headers, body or b"", body is None)


async def _counted(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes | None:
    """The body by its declared length; None if that is too much (it is left unread)."""
    declared = headers.get("content-length", "0")
    if not declared.isdecimal():
        raise _Broken
    length = int(declared)
    return await reader.readexactly(length) if length <= _BODY_BYTES_MAX else None


async def _chunks(reader: asyncio.StreamReader) -> bytes | None:
    body = bytearray()
    while True:
        try:
            size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise _Broken from error
        if size < 0:
            raise _Broken
        if len(body) + size > _BODY_BYTES_MAX:
            return None
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":  # trailers
                pass
            return bytes(body)
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise _Broken


def _serialized(answer: _Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}", f"Content-Length: {len(answer.body)}"]
    # A line break in a value would let the sender of an event write headers.
    lines += [f"{name}: {value}".replace("\r", "").replace("\n", "") for name, value in answer.headers]
    if answer.close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + answer.body
