"""`$context` variables: an access log's format, or a gateway response's template, compiled to pieces that are put together for each request.

AWS: "Variables for access logging for API Gateway" and "Customizing HTTP API access logs". What is not known of a request is `-`, as AWS writes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from groundcloud.services.apigateway.gateway.exchange import Exchange

Getter = Callable[[Exchange], Any]

_NAME = r"(context|stageVariables)\.([A-Za-z0-9_.:-]*[A-Za-z0-9_])"
_VARIABLE = re.compile(rf"\$(?:\{{{_NAME}\}}|{_NAME})")


def _latency(exchange: Exchange) -> Any:
    return exchange.integration_latency_ms


_GETTERS: dict[str, Getter] = {
    "accountId": lambda x: x.call.account,
    "apiId": lambda x: x.api_id,
    "stage": lambda x: x.stage.name,
    "requestId": lambda x: x.public_request_id,
    "extendedRequestId": lambda x: x.extended_request_id,
    "httpMethod": lambda x: x.method,
    "path": lambda x: x.request_path,
    "protocol": lambda x: "HTTP/1.1",
    "requestTime": lambda x: x.request_time,
    "requestTimeEpoch": lambda x: x.call.now_ms,
    "resourceId": lambda x: x.route and x.route.resource_id,
    "resourcePath": lambda x: x.route and x.route.path,
    "routeKey": lambda x: x.route and x.route.key,
    "deploymentId": lambda x: x.stage.deployment_id,
    "domainName": lambda x: x.domain_name,
    "domainPrefix": lambda x: x.api_id,
    "status": lambda x: x.status,
    "responseLength": lambda x: x.response_bytes,
    "responseLatency": lambda x: x.latency_ms,
    "dataProcessed": lambda x: len(x.body) + x.response_bytes,
    "integrationLatency": _latency,
    "integrationStatus": lambda x: x.integration_status,
    "integrationErrorMessage": lambda x: x.integration_error,
    "integration.latency": _latency,
    "integration.integrationStatus": lambda x: x.integration_status,
    "integration.status": lambda x: x.integration_status,
    "integration.error": lambda x: x.integration_error,
    "integration.requestId": lambda x: x.integration_request_id,
    "awsEndpointRequestId": lambda x: x.integration_request_id,
    "error.message": lambda x: x.error_message,
    "error.messageString": lambda x: msgspec.json.encode(x.error_message).decode() if x.error_message else "",
    "error.responseType": lambda x: x.error_type,
    "authorizer.latency": lambda x: x.authorizer_latency_ms,
    "authorizer.integrationLatency": lambda x: x.authorizer_latency_ms,
    "authorizer.status": lambda x: x.authorizer_status,
    "authorizer.error": lambda x: x.authorizer_error,
    "authorize.status": lambda x: x.authorizer_status,
    "authorize.latency": lambda x: x.authorizer_latency_ms,
    "authorize.error": lambda x: x.authorizer_error,
    "xrayTraceId": lambda x: x.trace_id.partition("Root=")[2].partition(";")[0],
    "identity.sourceIp": lambda x: x.http.source_ip,
    "identity.userAgent": lambda x: x.http.headers.get("user-agent"),
    "identity.apiKey": lambda x: x.api_key,
    "identity.apiKeyId": lambda x: x.api_key_id,
    "identity.accountId": lambda x: x.identity.get("accountId"),
    "identity.caller": lambda x: x.identity.get("caller"),
    "identity.user": lambda x: x.identity.get("user"),
    "identity.userArn": lambda x: x.identity.get("userArn"),
}


def getter_of(name: str) -> Getter:
    """What a variable's name stands for (`identity.sourceIp`, `authorizer.claims.sub`)."""
    known = _GETTERS.get(name)
    if known is not None:
        return known
    parts = name.split(".")
    if parts[0] == "authorizer" and len(parts) > 1:
        path = parts[1:]

        def member(exchange: Exchange) -> Any:
            found: Any = exchange.authorizer
            for part in path:
                found = found.get(part) if isinstance(found, dict) else None
            return found

        return member
    return lambda exchange: None


class Format:
    """A compiled format."""

    __slots__ = ("_pieces", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._pieces: list[str | Getter] = []
        position = 0
        for match in _VARIABLE.finditer(source):
            if match.start() > position:
                self._pieces.append(source[position : match.start()])
            space, name = (match[1], match[2]) if match[1] else (match[3], match[4])
            self._pieces.append(getter_of(name) if space == "context" else _stage_variable(name))
            position = match.end()
        if position < len(source):
            self._pieces.append(source[position:])

    def render(self, exchange: Exchange, absent: str = "-") -> str:
        out = []
        for piece in self._pieces:
            if isinstance(piece, str):
                out.append(piece)
                continue
            value = piece(exchange)
            if value is None or value == "":
                out.append(absent)
            elif value is True or value is False:
                out.append("true" if value else "false")
            else:
                out.append(str(value))
        return "".join(out)


def _stage_variable(name: str) -> Getter:
    return lambda exchange: exchange.stage.variables.get(name)
