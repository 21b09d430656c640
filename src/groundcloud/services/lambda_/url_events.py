"""Function URLs: from an HTTP request to the event (payload 2.0), from the function's answer to an HTTP response. Pure.

Source: AWS: "Invoking Lambda function URLs", request and response payloads.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

from groundcloud.wire.message import HttpRequest, HttpResponse

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
_HIDDEN = {"authorization", "connection", "transfer-encoding"}


def event_of(
    http: HttpRequest, raw_path: str, url_id: str, domain: str, request_id: str, now_ms: int, account: str, iam: Any
) -> dict[str, Any]:
    """The event. `iam` is the caller's part of requestContext.authorizer, None for AuthType NONE."""
    headers = {name: value for name, value in http.headers.items() if name not in ("cookie", *(_HIDDEN if iam else ()))}
    headers["host"] = domain
    headers.setdefault("x-forwarded-for", http.source_ip)
    headers.setdefault("x-forwarded-proto", http.scheme)
    headers.setdefault("x-forwarded-port", "443" if http.scheme == "https" else "80")
    path = unquote(raw_path)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": http.query_string,
        "headers": headers,
    }
    if http.headers.get("cookie"):
        event["cookies"] = [cookie.strip() for cookie in http.headers["cookie"].replace(",", ";").split(";") if cookie.strip()]
    if http.query_string:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in http.query.items()}
    context: dict[str, Any] = {
        "accountId": account if iam else "anonymous",
        "apiId": url_id,
        "domainName": domain,
        "domainPrefix": url_id,
        "http": {
            "method": http.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": http.source_ip,
            "userAgent": http.headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _time(now_ms),
        "timeEpoch": now_ms,
    }
    if iam:
        context["authorizer"] = {"iam": iam}
    event["requestContext"] = context
    body = http.body.whole or b""
    encoded = bool(body) and not _is_text(http.headers)
    if body:
        if not encoded:
            try:
                event["body"] = body.decode()
            except UnicodeDecodeError:
                encoded = True
        if encoded:
            event["body"] = b64encode(body).decode()
    event["isBase64Encoded"] = encoded
    return event


def _is_text(headers: dict[str, str]) -> bool:
    if "content-encoding" in headers:
        return False
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.startswith(_TEXT_TYPES) or kind.endswith(("+json", "+xml"))


def _time(now_ms: int) -> str:
    at = time.gmtime(now_ms // 1000)
    return f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"


def response_of(payload: bytes) -> HttpResponse:
    """The answer of a function that succeeded. An object with a statusCode says all; anything else is the body of a 200."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return failure(502, "Internal Server Error")
    if not isinstance(answer, dict) or "statusCode" not in answer:
        if isinstance(answer, str):
            return HttpResponse(200, [("content-type", "application/json")], answer.encode())
        return HttpResponse(200, [("content-type", "application/json")], payload)
    try:
        status = int(answer["statusCode"])
        text = answer.get("body")
        body = b"" if text is None else text.encode() if isinstance(text, str) else json.dumps(text).encode()
        if answer.get("isBase64Encoded"):
            body = b64decode(body)
        headers = [(str(name).lower(), _text(value)) for name, value in (answer.get("headers") or {}).items()]
        cookies = [str(cookie) for cookie in answer.get("cookies") or ()]
    except (TypeError, ValueError, AttributeError):
        return failure(502, "Internal Server Error")
    if not 100 <= status <= 599:
        return failure(502, "Internal Server Error")
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    headers = [(name, value) for name, value in headers if name not in ("content-length", "transfer-encoding", "connection")]
    headers += [("set-cookie", cookie) for cookie in cookies]
    return HttpResponse(status, headers, body)


INTEGRATION_TYPE = "application/vnd.awslambda.http-integration-response"
"""Of a stream that begins with a JSON document (statusCode, headers, cookies) and eight NULs."""

_PRELUDE_END = b"\0" * 8
_PRELUDE_BYTES_MAX = 65_536


async def streamed_response(content_type: str, pieces: AsyncIterator[bytes]) -> HttpResponse:
    """The answer of a function that streams; its body goes on as the function writes it."""
    if content_type != INTEGRATION_TYPE:
        return HttpResponse(200, [("content-type", content_type)], pieces)
    held = b""
    async for piece in pieces:
        held += piece
        if _PRELUDE_END in held or len(held) > _PRELUDE_BYTES_MAX:
            break
    prelude, found, body = held.partition(_PRELUDE_END)
    if not found:
        return failure(502, "Internal Server Error")
    response = response_of(prelude)
    if response.status == 502:
        return response

    async def rest() -> AsyncIterator[bytes]:
        if body:
            yield body
        async for piece in pieces:
            yield piece

    response.body = rest()
    return response


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def failure(status: int, message: str) -> HttpResponse:
    """AWS's own errors of function URLs spell the member `Message`; those of the front spell it so too."""
    kind = {403: "AccessDeniedException", 429: "TooManyRequestsException", 413: "RequestEntityTooLargeException"}.get(status)
    headers = [("content-type", "application/json")]
    if kind is not None:
        headers.append(("x-amzn-errortype", kind))
    return HttpResponse(status, headers, json.dumps({"Message": message}).encode())


def cors_headers(cors: dict[str, Any], http: HttpRequest, *, preflight: bool) -> list[tuple[str, str]]:
    """What the URL's CORS settings answer to an Origin; nothing where it is not allowed."""
    origin = http.headers.get("origin")
    if not origin:
        return []
    origins = cors.get("AllowOrigins") or []
    if "*" not in origins and not any(_origin_fits(origin, allowed) for allowed in origins):
        return []
    credentials = bool(cors.get("AllowCredentials"))
    headers = [("access-control-allow-origin", origin if credentials or "*" not in origins else "*")]
    if "*" not in origins or credentials:
        headers.append(("vary", "Origin"))
    if credentials:
        headers.append(("access-control-allow-credentials", "true"))
    if preflight:
        if cors.get("AllowMethods"):
            headers.append(("access-control-allow-methods", ",".join(cors["AllowMethods"])))
        if cors.get("AllowHeaders"):
            headers.append(("access-control-allow-headers", ",".join(cors["AllowHeaders"])))
        if cors.get("MaxAge"):
            headers.append(("access-control-max-age", str(cors["MaxAge"])))
    if cors.get("ExposeHeaders"):
        headers.append(("access-control-expose-headers", ",".join(cors["ExposeHeaders"])))
    return headers


def _origin_fits(origin: str, allowed: str) -> bool:
    """`http://*` and `https://*.example.com` hold a wildcard."""
    head, star, tail = allowed.partition("*")
    if not star:
        return origin == allowed
    return origin.startswith(head) and origin.endswith(tail) and len(origin) >= len(head) + len(tail)
