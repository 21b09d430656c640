"""HTTP_PROXY integrations, and the mapping of parameters that they share with mocks and gateway responses.

AWS: "API Gateway data mapping reference" (REST), "Transform API requests and responses for HTTP APIs".
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import msgspec

from groundcloud.http.client import Answer, AnswerTooLarge, Backend
from groundcloud.services.apigateway.gateway import context
from groundcloud.services.apigateway.gateway.answers import HEADER_NAME
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute
from groundcloud.services.apigateway.gateway.events import headers_of
from groundcloud.services.apigateway.gateway.exchange import Exchange
from groundcloud.wire.message import HttpResponse

_HOP_BY_HOP = {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_PLACEHOLDER = re.compile(r"\{([^{}+]+)\+?\}")
_NAME = r"((?:request|context|stageVariables|response)(?:\.[A-Za-z0-9_\-]+)+)"
_EXPRESSION = re.compile(rf"\$(?:\{{{_NAME}\}}|{_NAME})")


class Unreachable(Exception):
    """No answer from the endpoint; `timed_out` where it was late."""

    def __init__(self, reason: str, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


async def rest(exchange: Exchange, route: CompiledRoute) -> HttpResponse:
    """The client's request handed on, with the integration's own parameters put in; the answer handed back."""
    path: dict[str, str] = {}
    query = {name: list(values) for name, values in exchange.http.query.items()} if exchange.http.query_string else {}
    headers = _forwarded_headers(exchange)
    headers["x-amzn-apigateway-api-id"] = exchange.api_id
    for target, source in route.request_parameters.items():
        value = mapped_value(exchange, source)
        if value is None:
            continue
        place, _, name = target.removeprefix("integration.request.").partition(".")
        if place == "path":
            path[name] = value
        elif place == "querystring":
            query[name] = [value]
        elif place == "header":
            headers[name.lower()] = value
    uri = _PLACEHOLDER.sub(lambda match: path.get(match[1], match[0]), route.uri)
    assert route.method is not None
    method = (route.method.method_integration or {}).get("httpMethod") or exchange.method
    answer = await _send(exchange, route, exchange.method if method == "ANY" else method, uri, query, headers)
    return _handed_back(answer)


async def http(exchange: Exchange, route: CompiledRoute) -> HttpResponse:
    """The same for an HTTP API, whose URI names path variables itself."""
    query = {name: list(values) for name, values in exchange.http.query.items()} if exchange.http.query_string else {}
    headers = _forwarded_headers(exchange)
    source_ip, host, scheme = exchange.http.source_ip, exchange.http.host, exchange.http.scheme
    for name in ("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"):
        headers.pop(name, None)
    headers["forwarded"] = f"for={source_ip};host={host};proto={scheme}"
    headers["via"] = "HTTP/1.1 AmazonAPIGateway"
    uri = _PLACEHOLDER.sub(lambda match: quote(exchange.parameters.get(match[1], ""), safe="/:@!$&'()*+,;=~-._"), route.uri)
    for target, source in route.request_parameters.items():
        action, _, place = target.partition(":")
        kind, _, name = place.partition(".")
        value = evaluated(exchange, source)
        if kind == "path":
            parts = urlsplit(uri)
            uri = f"{parts.scheme}://{parts.netloc}{value if value.startswith('/') else '/' + value}"
        elif kind == "header":
            _change(headers, action, name.lower(), value)
        elif kind == "querystring":
            values = query.setdefault(name, [])
            if action == "remove":
                del query[name]
            elif action == "overwrite":
                query[name] = [value]
            else:
                values.append(value)
    method = (route.integration.integration_method if route.integration else None) or "ANY"
    answer = await _send(exchange, route, exchange.method if method == "ANY" else method, uri, query, headers)
    return _handed_back(answer)


def change_response(exchange: Exchange, parameters: dict[str, dict[str, str]], response: HttpResponse) -> None:
    """An HTTP API's response parameters for the response's status: headers changed, the status overwritten."""
    chosen = parameters.get(str(response.status))
    if not chosen:
        return
    headers = dict(response.headers)
    for target, source in chosen.items():
        if target == "overwrite:statuscode":
            if source.isdigit():
                response.status = int(source)
            continue
        action, _, place = target.partition(":")
        name = place.partition(".")[2].lower()
        value = evaluated(exchange, source, response)
        _change(headers, action, name, value)
        response.headers = [pair for pair in response.headers if pair[0] != name]
        if name in headers:
            response.headers.append((name, headers[name]))


def mapped_value(exchange: Exchange, source: str) -> str | None:
    """A REST mapping expression: `'text'`, `method.request.path.id`, `context.requestId`, `stageVariables.name`; None for what is not there."""
    if source.startswith("'"):
        return source[1:-1] if source.endswith("'") and len(source) > 1 else source[1:]
    if source.startswith("method.request.path."):
        return exchange.parameters.get(source.removeprefix("method.request.path."))
    if source.startswith("method.request.querystring."):
        values = exchange.http.query.get(source.removeprefix("method.request.querystring."))
        return values[-1] if values else None
    if source.startswith("method.request.multivaluequerystring."):
        return ",".join(exchange.http.query.get(source.removeprefix("method.request.multivaluequerystring."), [])) or None
    if source.startswith(("method.request.header.", "method.request.multivalueheader.")):
        return exchange.http.headers.get(source.split(".", 3)[3].lower())
    if source == "method.request.body":
        return exchange.body.decode(errors="replace")
    if source.startswith("context."):
        value = context.getter_of(source.removeprefix("context."))(exchange)
        return None if value is None else str(value)
    if source.startswith("stageVariables."):
        return exchange.stage.variables.get(source.removeprefix("stageVariables."))
    return None


def evaluated(exchange: Exchange, source: str, response: HttpResponse | None = None) -> str:
    """An HTTP API's parameter value: text with `$request.header.name`, `${context.requestId}` and the like put in."""
    return _EXPRESSION.sub(lambda match: _reference(exchange, match[1] or match[2], response), source) if "$" in source else source


def status_of_body(body: bytes) -> int:
    """A mock without a template takes the status out of the body that it is passed: `{"statusCode": 201}`."""
    try:
        return int(msgspec.json.decode(body)["statusCode"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return 500


def _reference(exchange: Exchange, reference: str, response: HttpResponse | None) -> str:
    space, _, rest = reference.partition(".")
    if space == "context":
        value = context.getter_of(rest)(exchange)
        return "" if value is None else str(value)
    if space == "stageVariables":
        return str(exchange.stage.variables.get(rest, ""))
    kind, _, name = rest.partition(".")
    if space == "response":
        return dict(response.headers).get(name.lower(), "") if response is not None and kind == "header" else ""
    if kind == "header":
        return exchange.http.headers.get(name.lower(), "")
    if kind == "querystring":
        return ",".join(exchange.http.query.get(name, []))
    if kind == "path":
        return exchange.parameters.get(name, "") if name else exchange.path
    if kind == "body":
        found: Any = msgspec.json.decode(exchange.body) if exchange.body else None
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return "" if found is None else str(found)
    return ""


def _change(headers: dict[str, str], action: str, name: str, value: str) -> None:
    if action == "remove":
        headers.pop(name, None)
    elif action == "append" and name in headers:
        headers[name] = f"{headers[name]},{value}"
    else:
        headers[name] = value


def _forwarded_headers(exchange: Exchange) -> dict[str, str]:
    """The client's, but for those of its connection, with the gateway's own."""
    return {name: value for name, value in headers_of(exchange).items() if name not in _HOP_BY_HOP and name != "host"}


async def _send(
    exchange: Exchange, route: CompiledRoute, method: str, uri: str, query: dict[str, list[str]], headers: dict[str, str]
) -> Answer:
    parts = urlsplit(uri)
    host, port = parts.hostname, parts.port
    if parts.scheme not in ("http", "https") or not host:
        raise Unreachable(f"Invalid endpoint address: {uri}")
    pairs = [(name, value) for name, values in query.items() for value in values]
    asked = "&".join([*([parts.query] if parts.query else []), *(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)])
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{asked}" if asked else "")
    own_host = headers.pop("host", None) or parts.netloc.rpartition("@")[2]
    lines = [
        ("host", own_host),
        *((name, value.replace("\r", " ").replace("\n", " ")) for name, value in headers.items() if HEADER_NAME.fullmatch(name)),
    ]
    backend = exchange.call.own("backend", Backend)
    began_ns = time.perf_counter_ns()
    try:
        async with asyncio.timeout(route.timeout_s):
            answer = await backend.request(
                method, parts.scheme, host, port or (443 if parts.scheme == "https" else 80), target, lines, exchange.body
            )
    except TimeoutError:
        exchange.integration_status = 504
        raise Unreachable("Execution failed due to a timeout error", timed_out=True) from None
    except (OSError, ValueError, AnswerTooLarge) as error:
        raise Unreachable(f"Network error communicating with endpoint: {error}") from None
    finally:
        exchange.integration_latency_ms = (time.perf_counter_ns() - began_ns) // 1_000_000
    exchange.integration_status = answer.status
    return answer


def _handed_back(answer: Answer) -> HttpResponse:
    headers = [(name, value) for name, value in answer.headers if name not in _HOP_BY_HOP and name != "date"]
    return HttpResponse(answer.status, headers, answer.body)
