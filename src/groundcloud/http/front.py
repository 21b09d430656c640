"""The ASGI application: from uvicorn's scope to an `HttpRequest`, to whoever answers it, and the answer back, streaming where it streams."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from groundcloud.base.limits import ACCOUNT_DEFAULT, HEADERS_BYTES_MAX
from groundcloud.http import admin, hosts
from groundcloud.kernel.call import Call
from groundcloud.kernel.chain import ANONYMOUS
from groundcloud.kernel.ground import Ground
from groundcloud.wire.message import Body, ClientGone, HttpRequest, HttpResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("groundcloud.http")

ONE_PIECE_BYTES_MAX = 256 * 1024
"""Of an answer's body: what is larger costs more to copy than to send by itself."""

_SCOPE = re.compile(r"Credential=[^/,&%]+(?:/|%2F)\d{8}(?:/|%2F)[a-z0-9-]+(?:/|%2F)([a-z0-9-]+)(?:/|%2F)aws4_request")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_USER_REQUEST = re.compile(r"/(?:_aws/execute-api|restapis)/([a-z0-9]+)(?:/([^/]+))?(?:/_user_request_)?(?:/|$)")


class Front:
    def __init__(self, ground: Ground, endpoints: dict[str, tuple[str, ...]]) -> None:
        """`endpoints`: name of a data-plane endpoint -> the services whose rooms may answer it, in order."""
        self._ground = ground
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[str, str] = {}
        repeated: dict[str, list[str]] = {}
        size = 0
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            size += len(name) + len(value)
            if name in headers:
                repeated.setdefault(name, [headers[name]]).append(value)
                headers[name] = f"{headers[name]},{value}"
            else:
                headers[name] = value
        if size > HEADERS_BYTES_MAX:
            await _send(
                send,
                HttpResponse(431, [("content-type", "text/plain"), ("connection", "close")], b"Request header fields too large.\n"),
                "GET",
            )
            return
        method = scope["method"]
        client = scope.get("client")
        request = HttpRequest(
            method,
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            _body(receive, headers),
            client[0] if client else "127.0.0.1",
            scope.get("scheme", "http"),
        )
        if repeated:
            request.repeated = repeated
        try:
            response = await self._answer(request)
        except ClientGone:
            return
        except UnicodeError:
            response = HttpResponse(400, [("content-type", "text/plain")], b"The request line or a header is not valid text.\n")
        if "expect" in headers and not request.body.begun:
            # The client waits for 100 and will not send its body now: what comes next on this connection would be taken for it.
            response.headers.append(("connection", "close"))
        await _send(send, response, method, receive)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        path = request.raw_path
        host = hosts.parse(request.host)
        if path.startswith("/_"):
            if path.startswith(("/_ground/", "/_localstack/", "/_aws/sns/")):
                return await admin.answer(self._ground, request)
            if path.startswith("/_aws/execute-api/"):
                return await self._endpoint("execute-api", request, host)
            if path.startswith("/_aws/lambda-url/"):
                return await self._endpoint("lambda-url", request, host)
        elif path.endswith(".pem") and path.startswith("/SimpleNotificationService-"):
            return await self._endpoint("sns-certificate", request, host)
        if host.kind == "s3":
            # The signature is over the path as sent; the bucket joins it for the router.
            request.raw_path = f"/{host.label}{path}"
        elif host.kind == "localhost":
            # S3 Control's clients put their account in front instead.
            if signed_for(request) == "s3" and not (path.startswith("/v20180820/") and "x-amz-account-id" in request.headers):
                request.raw_path = f"/{host.label}{path}"
        elif host.kind:
            return await self._endpoint(host.kind, request, host)
        elif "/_user_request_" in path and path.startswith("/restapis/"):
            return await self._endpoint("execute-api", request, host)
        if request.method == "OPTIONS":
            return await self._endpoint("s3-preflight", request, host)
        if request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data"):
            return await self._endpoint("s3-form", request, host)
        return await self._ground.chain.answer(request)

    async def _endpoint(self, name: str, request: HttpRequest, host: hosts.Host) -> HttpResponse:
        """A data-plane request: the first room that knows it answers. A fault plan knows it by the endpoint's name and the host's region."""
        ground = self._ground
        region = host.region or ground.settings.region
        if ground.faults.plan and (fault := ground.faults.of(name, request.method, region)) is not None:
            if fault.latency_ms:
                await asyncio.sleep(fault.latency_ms / 1000)
            if fault.code:
                headers = [("content-type", "application/json"), ("x-amzn-errortype", fault.code)]
                return HttpResponse(fault.status, headers, msgspec.json.encode({"message": fault.message}))
        for service in self._endpoints.get(name, ()):
            if service not in ground.rooms:
                continue
            room = ground.rooms.get(service)
            function = room.endpoints.get(name)
            if function is None:
                continue
            call = Call(ground, room, name, ACCOUNT_DEFAULT, region, ANONYMOUS, http=request)
            try:
                answer = await function(call, request)
            except ClientGone:
                raise
            except Exception:
                _log.exception("endpoint %s failed", name)
                return HttpResponse(500, [("content-type", "application/json")], b'{"message": "Internal server error"}')
            if answer is not None:
                if call.position:
                    await ground.store.durable(call.position)
                return answer  # type: ignore[no-any-return]
        if name in ("s3-preflight", "s3-form"):
            return HttpResponse(403, [("content-type", "text/plain")], b"CORSResponse: CORS is not enabled for this bucket.\n")
        return HttpResponse(
            403, [("content-type", "application/json"), ("x-amzn-errortype", "ForbiddenException")], b'{"message":"Forbidden"}'
        )


def signed_for(request: HttpRequest) -> str:
    """The service in the request's credential scope; empty for none."""
    match = _SCOPE.search(request.headers.get("authorization", "")) or _SCOPE.search(request.query_string)
    return match[1] if match is not None else ""


def endpoint_labels(request: HttpRequest) -> tuple[str, str | None, str]:
    """Of an execute-api request: API id, the stage where a path form names it, and the raw path below."""
    host = hosts.parse(request.host)
    if host.kind == "execute-api":
        return host.label, None, request.raw_path
    match = _USER_REQUEST.match(request.raw_path)
    if match is None:
        return "", None, request.raw_path
    return match[1], match[2], "/" + request.raw_path[match.end() :]


def _body(receive: Receive, headers: dict[str, str]) -> Body:
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        return Body(None, 0, b"")
    if length == "0":
        return Body(None, 0, b"")
    declared = int(length) if length is not None and length.isdigit() else None
    ended = False

    async def next_chunk() -> bytes | None:
        nonlocal ended
        if ended:
            return None
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if not message.get("more_body", False):
            ended = True
        return bytes(message.get("body", b""))

    return Body(next_chunk, declared)


async def _send(send: Send, response: HttpResponse, method: str, receive: Receive | None = None) -> None:
    body = response.body
    headers = [(name, _header_value(value)) for name, value in ((_header_name(name), value) for name, value in response.headers) if name]
    whole = isinstance(body, bytes)
    if whole and response.status not in (204, 304) and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(body)))  # type: ignore[arg-type]
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    if whole or method == "HEAD":
        content: bytes = b"" if method == "HEAD" else body  # type: ignore[assignment]
        end = {"type": "http.response.body", "body": content}
        cycle = getattr(send, "__self__", None)
        if type(cycle) is RequestResponseCycle and len(content) <= ONE_PIECE_BYTES_MAX:
            await _send_in_one_piece(cycle, start, end)
            return
        await send(start)
        await send(end)
        return
    await send(start)
    watcher = asyncio.ensure_future(_end_when_gone(receive, asyncio.current_task())) if receive is not None else None
    try:
        async for chunk in body:  # type: ignore[union-attr]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except asyncio.CancelledError:
        if watcher is None or not watcher.done():
            raise
        return  # the client left; uvicorn itself would let us go on into the void
    finally:
        if watcher is not None:
            watcher.cancel()
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
    await send({"type": "http.response.body", "body": b""})


class _Held:
    """Stands for a connection while uvicorn writes an answer to it."""

    __slots__ = ("closes", "connection", "parts")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.parts: list[bytes] = []
        self.closes = False

    def write(self, data: bytes) -> None:
        self.parts.append(data)

    def close(self) -> None:
        self.closes = True

    def is_closing(self) -> bool:
        return bool(self.connection.is_closing())


async def _send_in_one_piece(cycle: Any, start: MutableMapping[str, Any], end: MutableMapping[str, Any]) -> None:
    """Head and body by one system call, where uvicorn makes two. Besides what that costs: a server that is killed between them leaves an answer without
    its body, which botocore takes for an answer without members."""
    connection = cycle.transport
    held = cycle.transport = _Held(connection)
    try:
        await cycle.send(start)
        await cycle.send(end)
    finally:
        cycle.transport = connection
        if held.parts:
            connection.write(b"".join(held.parts))
        if held.closes:
            connection.close()


async def _end_when_gone(receive: Receive, streaming: asyncio.Task[Any] | None) -> None:
    """Ends an answer that streams when its client breaks off: a live tail would go on for hours."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if streaming is not None:
        streaming.cancel()


@functools.lru_cache(4096)
def _header_name(name: str) -> bytes:
    """Empty for what is no token (RFC 9110, 5.6.2): a function's answer may name headers, and a line break would make more of them."""
    return name.encode() if _TOKEN.fullmatch(name) else b""


def _header_value(value: str) -> bytes:
    if "\n" in value or "\r" in value:
        value = value.replace("\r", " ").replace("\n", " ")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8")
