"""Execution logs of REST APIs: what happened to a request, step by step (INFO) or only where it failed (ERROR).

AWS: "Set up CloudWatch logging for REST APIs in API Gateway"; the group is API-Gateway-Execution-Logs_{api}/{stage}. Bodies and headers are written with
`dataTraceEnabled` alone, and cut at 1,024 bytes as AWS does. Differs: no lines about transformations, since there are none.
"""

from __future__ import annotations

import msgspec

from groundcloud.services.apigateway.gateway.compiled import CompiledStage
from groundcloud.services.apigateway.gateway.exchange import Exchange
from groundcloud.services.apigateway.gateway.log_lines import Destination, stream_of
from groundcloud.wire.message import HttpResponse

LINE_BYTES_MAX = 1024
"""AWS: "API Gateway currently limits log events to 1024 bytes"."""


def destination_of(stage: CompiledStage) -> Destination:
    group = f"arn:aws:logs:{stage.region}:{stage.account}:log-group:API-Gateway-Execution-Logs_{stage.api_id}/{stage.name}"
    return Destination(group, stream_of(stage), stage.log_role, own_group=True)


def lines_of(exchange: Exchange, response: HttpResponse) -> list[str]:
    route, stage = exchange.route, exchange.stage
    failure = _failure(exchange)
    said: list[str] = []
    if route.log_level == "INFO":
        place = f"{stage.api_id}/{stage.name}"
        said.append(f"Extended Request Id: {exchange.extended_request_id}")
        if exchange.api_key:
            said.append(f"Verifying Usage Plan for request: {exchange.request_id}. API Key: {_masked(exchange.api_key)} API Stage: {place}")
            said.append(f"Usage Plan check succeeded for API Key {_masked(exchange.api_key)} and API Stage {place}")
        said.append(f"Starting execution for request: {exchange.request_id}")
        said.append(f"HTTP Method: {exchange.method}, Resource Path: {exchange.path}")
        said.append(f"Method request path: {_text(exchange.parameters)}")
        said.append(f"Method request query string: {exchange.http.query_string}")
        if route.data_trace:
            said.append(f"Method request headers: {_text(_harmless(exchange.http.headers))}")
            said.append(f"Method request body before transformations: {exchange.body[:LINE_BYTES_MAX].decode(errors='replace')}")
        if exchange.integration_latency_ms is not None:
            if route.uri:
                said.append(f"Endpoint request URI: {route.uri}")
            said.append(
                f"Received response. Status: {exchange.integration_status}, Integration latency: {exchange.integration_latency_ms} ms"
            )
        if route.data_trace and isinstance(response.body, bytes):
            said.append(f"Method response body after transformations: {response.body[:LINE_BYTES_MAX].decode(errors='replace')}")
    said += failure
    if route.log_level == "INFO":
        if not failure:
            said.append("Successfully completed execution")
        said.append(f"Method completed with status: {response.status}")
    return [f"({exchange.request_id}) {line}"[:LINE_BYTES_MAX] for line in said]


def _failure(exchange: Exchange) -> list[str]:
    if not exchange.error_type:
        return []
    reason = exchange.error_reason or exchange.error_message
    said = [f"Gateway response type: {exchange.error_type} with status code: {exchange.status}"]
    if exchange.error_type == "API_CONFIGURATION_ERROR":
        return [f"Execution failed due to configuration error: {reason}", *said]
    if exchange.error_type == "INTEGRATION_FAILURE":
        return [f"Execution failed: {reason}", *said]
    if exchange.error_type == "INTEGRATION_TIMEOUT":
        return [reason, *said]
    return [f"{reason}", *said]


def _masked(key: str) -> str:
    return "*" * (len(key) - 6) + key[-6:]


def _harmless(headers: dict[str, str]) -> dict[str, str]:
    """AWS redacts what authorises."""
    return {
        name: "*" * 8 if name in ("authorization", "x-api-key", "x-amz-security-token", "cookie") else value
        for name, value in headers.items()
    }


def _text(document: dict[str, str]) -> str:
    return msgspec.json.encode(document).decode()
