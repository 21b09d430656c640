"""From what a function returned to the client's response. Pure; raises Malformed for what is no answer.

AWS: "Output format of a Lambda function for proxy integration"; 2.0: "Lambda function response for format 2.0".
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Any

import msgspec

from groundcloud.services.apigateway.gateway.media_types import BinaryTypes
from groundcloud.wire.message import HttpResponse

_MEMBERS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "cookies"}
_REMAPPED = {"authorization", "connection", "content-length", "content-md5", "date", "host", "server", "www-authenticate"}
"""REST APIs hand these on as `x-amzn-remapped-...`. AWS: "Amazon API Gateway important notes for REST APIs"."""
_BODILESS = (204, 304)
_HOP_BY_HOP = {"connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, a token."""


class Malformed(Exception):
    """The function's answer has not the form that its integration asks for."""


def rest_answer(payload: bytes, binary: BinaryTypes, accept: str | None) -> HttpResponse:
    found = _decoded(payload)
    if not isinstance(found, dict) or not _MEMBERS.issuperset(found):
        raise Malformed("Malformed Lambda proxy response")
    status = _status(found.get("statusCode", 200))
    headers = _headers(found, remap=True)
    content_type = next((value for name, value in headers if name == "content-type"), None)
    if content_type is None:
        content_type = "application/json"
        headers.append(("content-type", content_type))
    body = _text(found.get("body")) if status not in _BODILESS else ""
    if found.get("isBase64Encoded") is True and binary.answers(accept, content_type):
        return HttpResponse(status, headers, _unpacked(body))
    return HttpResponse(status, headers, body.encode())


def http_answer_1(payload: bytes) -> HttpResponse:
    found = _decoded(payload)
    if not isinstance(found, dict) or "statusCode" not in found:
        raise Malformed("The response from the Lambda function doesn't match the format that API Gateway expects")
    return _http_answer(found, _headers(found, remap=False))


def http_answer_2(payload: bytes) -> HttpResponse:
    """Without a statusCode, what the function returned is the body of a 200."""
    found = _decoded(payload)
    if not isinstance(found, dict) or "statusCode" not in found:
        body = found.encode() if isinstance(found, str) else payload
        return HttpResponse(200, [("content-type", "application/json")], b"" if found is None else body)
    headers = [(name.lower(), _header_text(value)) for name, value in _named(found.get("headers")).items()]
    for cookie in found.get("cookies") or []:
        headers.append(("set-cookie", str(cookie)))
    return _http_answer(found, [(name, value) for name, value in headers if name not in _HOP_BY_HOP])


def _http_answer(found: dict[str, Any], headers: list[tuple[str, str]]) -> HttpResponse:
    status = _status(found["statusCode"])
    body = found.get("body")
    text = body if isinstance(body, str) else "" if body is None else msgspec.json.encode(body).decode()
    content = _unpacked(text) if found.get("isBase64Encoded") is True else text.encode()
    if status in _BODILESS:
        content = b""
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    return HttpResponse(status, headers, content)


def _decoded(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload) if payload else None
    except (msgspec.DecodeError, RecursionError):
        raise Malformed("The function's answer is not JSON") from None


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise Malformed(f"Not an HTTP status: {value!r}")
    return value


def _named(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed("headers is not a map")
    for name in value:
        if not HEADER_NAME.fullmatch(name):
            raise Malformed(f"not the name of a header: {name!r}")
    return value


def _headers(found: dict[str, Any], *, remap: bool) -> list[tuple[str, str]]:
    """Of `headers` and `multiValueHeaders`; what stands in both is the list's, once. Values that are no scalars are malformed."""
    headers: list[tuple[str, str]] = []
    many = _named(found.get("multiValueHeaders"))
    names = {name.lower() for name in many}
    for name, value in _named(found.get("headers")).items():
        if name.lower() not in names or str(value) not in [str(each) for each in _values(many, name)]:
            headers.append((name.lower(), _header_text(value)))
    for name, values in many.items():
        if not isinstance(values, list):
            raise Malformed("multiValueHeaders holds what is no list")
        headers += [(name.lower(), _header_text(value)) for value in values]
    if remap:
        return [(f"x-amzn-remapped-{name}" if name in _REMAPPED else name, value) for name, value in headers if name != "transfer-encoding"]
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP]


def _values(many: dict[str, Any], name: str) -> list[Any]:
    return next((values for other, values in many.items() if other.lower() == name.lower() and isinstance(values, list)), [])


def _header_text(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if value is None:
        return ""
    raise Malformed("a header's value is neither text nor a number")


def _text(body: Any) -> str:
    if body is None:
        return ""
    if not isinstance(body, str):
        raise Malformed("the body is not text")
    return body


def _unpacked(text: str) -> bytes:
    try:
        return b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        raise Malformed("Unable to base64 decode the body.") from None
