"""The Lambda Runtime API, for runtimes that are programs of their own: one sandbox, one invocation at a time.

AWS: "Using the Lambda runtime API", version 2018-06-01. States of the runtime, and what it may ask for in each:

    starting --init/error--> failed
    starting, idle --invocation/next--> waiting --an event--> busy --response, error--> idle

A request that the state does not allow is answered with InvalidStateTransition, one about another invocation with InvalidRequestID.
Who may connect is `sandbox_api`'s to say: whoever is let in is taken for the sandbox.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from groundcloud.runtime import api_http
from groundcloud.runtime.api_http import ACCEPTED, METHOD_NOT_ALLOWED, NOT_FOUND, Answer, Request, refusal
from groundcloud.runtime.endings import error_payload
from groundcloud.runtime.function import STREAM_BYTES_MAX, Invocation
from groundcloud.runtime.inside.frames import RESPONSE_BYTES_MAX

PREFIX = "/2018-06-01/runtime/"
_STREAMING = "streaming"
_TRUNCATED = "Runtime.TruncatedResponse"


@dataclass(frozen=True)
class Outcome:
    """What the runtime reported: of an invocation (`response`, `error`), or instead of the first one (`init_error`).

    Of a response that was streamed, the payload has gone through `on_chunk` already.
    """

    kind: Literal["response", "error", "init_error"]
    payload: bytes
    error_type: str | None = None


OnChunk = Callable[[bytes, str], Awaitable[None]]
"""Takes a piece of a streamed response and its content type; the function's writes wait for it."""


class RuntimeApi:
    """The API of one sandbox. `ready` is set when the runtime asks for its first event, or fails before it; `on_ready` is called then."""

    def __init__(self, on_ready: Callable[[], None] | None = None) -> None:
        self.ready = asyncio.Event()
        self.init_error: Outcome | None = None
        self.on_ready = on_ready
        self.on_next: Callable[[], None] | None = None
        self._state: Literal["starting", "waiting", "busy", "responding", "streaming", "idle", "failed"] = "starting"
        self._events: asyncio.Queue[tuple[Invocation, int]] = asyncio.Queue(1)
        self._current: Invocation | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._on_chunk: OnChunk | None = None

    async def invoke(self, invocation: Invocation, deadline_ms: int, on_chunk: OnChunk | None = None) -> Outcome:
        """Hands the event to the runtime and waits for what it reports. Time limits and the runtime's death are the caller's."""
        if self._outcome is not None:
            raise RuntimeError("a runtime works on one invocation at a time")
        if self.init_error is not None:
            return self.init_error
        self._outcome = asyncio.get_running_loop().create_future()
        self._on_chunk = on_chunk
        try:
            self._events.put_nowait((invocation, deadline_ms))
            return await self._outcome
        finally:
            self._outcome = self._on_chunk = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection that speaks this API alone."""
        await api_http.serve(reader, writer, self.answer)

    async def answer(self, request: Request) -> Answer:
        parts = request.path.removeprefix(PREFIX).split("/") if request.path.startswith(PREFIX) else []
        match request.method, parts:
            case "GET", ["invocation", "next"]:
                return await self._next()
            case "POST", ["invocation", request_id, "response"]:
                return await self._respond(request, request_id)
            case "POST", ["invocation", request_id, "error"]:
                return await self._finish(request, request_id, "error")
            case "POST", ["init", "error"]:
                return await self._fail(request)
            case _, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]:
                return METHOD_NOT_ALLOWED
        return NOT_FOUND

    async def _next(self) -> Answer:
        if self._state in ("waiting", "failed", "responding", "streaming"):
            return _refused_transition(self._state, "waiting")
        # A runtime that asks again without an answer has given the invocation up; AWS's does the same as ours: the time limit ends it.
        first, self._state = self._state == "starting", "waiting"
        self.ready.set()
        if first and self.on_ready is not None:
            self.on_ready()
        if self.on_next is not None:
            self.on_next()
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
        return Answer(200, invocation.payload, tuple(headers))

    def _refuses(self, request_id: str, wanted: str) -> Answer | None:
        if self._state != "busy" or self._current is None:
            return _refused_transition(self._state, wanted)
        if request_id != self._current.request_id:
            return refusal(400, "InvalidRequestID", "Invalid request ID")
        return None

    async def _respond(self, request: Request, request_id: str) -> Answer:
        if request.headers.get("lambda-runtime-function-response-mode", "").lower() == _STREAMING:
            return await self._stream(request, request_id)
        return await self._finish(request, request_id, "response")

    async def _finish(self, request: Request, request_id: str, kind: Literal["response", "error"]) -> Answer:
        if refused := self._refuses(request_id, kind):
            return refused
        self._state = "responding"  # one body at a time: others are refused, unread
        try:
            body = await request.read(RESPONSE_BYTES_MAX)
        except BaseException:  # cut short: another attempt may come
            self._state = "busy"
            raise
        self._state, self._current = "idle", None
        if body is None:
            self._report(_too_large(RESPONSE_BYTES_MAX))
            message = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            return refusal(413, "RequestEntityTooLarge", message, close=True)
        self._report(Outcome(kind, body, _error_type(request, body) if kind == "error" else None))
        return ACCEPTED

    async def _stream(self, request: Request, request_id: str) -> Answer:
        if refused := self._refuses(request_id, "response"):
            return refused
        self._state = "streaming"
        on_chunk, content_type = self._on_chunk, request.headers.get("content-type", "application/octet-stream")
        limit = STREAM_BYTES_MAX if on_chunk is not None else RESPONSE_BYTES_MAX
        kept, size, outcome = bytearray(), 0, None
        try:
            async for chunk in request.chunks():
                size += len(chunk)
                if size > limit:
                    outcome = _too_large(limit)
                    break
                if on_chunk is not None:
                    await on_chunk(chunk, content_type)
                else:
                    kept += chunk
        except (api_http.Broken, ConnectionError, asyncio.IncompleteReadError):
            outcome = Outcome("error", error_payload(_TRUNCATED, "Response stream was closed before it was complete."), _TRUNCATED)
        self._state, self._current = "idle", None
        if outcome is not None:
            self._report(outcome)
            return refusal(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({limit} bytes).", close=True)
        self._report(_trailing_error(request) or Outcome("response", bytes(kept)))
        return ACCEPTED

    async def _fail(self, request: Request) -> Answer:
        if self._state != "starting":
            return _refused_transition(self._state, "init error")
        self._state = "failed"
        try:
            body = await request.read(RESPONSE_BYTES_MAX) or b""
        except BaseException:
            self._state = "starting"
            raise
        self.init_error = Outcome("init_error", body, _error_type(request, body))
        self.ready.set()
        self._report(self.init_error)
        if self.on_ready is not None:
            self.on_ready()
        return ACCEPTED

    def _report(self, outcome: Outcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)


def _too_large(limit: int) -> Outcome:
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return Outcome("error", error_payload("Function.ResponseSizeTooLarge", message), "Function.ResponseSizeTooLarge")


def _refused_transition(state: str, wanted: str) -> Answer:
    return refusal(403, "InvalidStateTransition", f"Transition from {state} to {wanted} is not allowed.", close=True)


def _error_type(request: Request, body: bytes) -> str:
    """The header's, else the document's, else AWS's word for neither."""
    named = request.headers.get("lambda-runtime-function-error-type")
    if named:
        return named
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return "Runtime.Unknown"
    return str(fields.get("errorType") or "Runtime.Unknown") if isinstance(fields, dict) else "Runtime.Unknown"


def _trailing_error(request: Request) -> Outcome | None:
    """What the trailers say of a function that failed in the middle of its stream."""
    error_type = request.trailers.get("lambda-runtime-function-error-type")
    if not error_type:
        return None
    try:
        body = base64.b64decode(request.trailers.get("lambda-runtime-function-error-body", ""), validate=True)
    except (binascii.Error, ValueError):
        body = b""
    return Outcome("error", body or error_payload(error_type, ""), error_type)
