"""What every exchange leaves behind, whichever kind of API it was for: a record for metrics, lines for its logs."""

from __future__ import annotations

import time

from groundcloud.kernel.telemetry import CallRecord
from groundcloud.services.apigateway.gateway import execution_logs
from groundcloud.services.apigateway.gateway.exchange import Exchange
from groundcloud.services.apigateway.gateway.log_lines import LogLines, access_log_of
from groundcloud.wire.message import HttpResponse

SERVICE = "execute-api"


def note(exchange: Exchange, response: HttpResponse) -> None:
    """Once the response is known, before it is sent."""
    exchange.finished(response)
    call, stage, http = exchange.call, exchange.stage, exchange.http
    units: dict[str, float] = {}
    if exchange.integration_latency_ms is not None:
        units["IntegrationLatency"] = exchange.integration_latency_ms
    if stage.kind == "REST":
        dimensions = {"ApiName": stage.api_name, "Stage": stage.name}
    else:
        dimensions = {"ApiId": stage.api_id, "Stage": stage.name}
        units["DataProcessed"] = len(exchange.body) + exchange.response_bytes
    route = exchange.route
    call.ground.telemetry.emit(
        CallRecord(
            exchange.request_id,
            call.now_ms,
            stage.account,
            stage.region,
            SERVICE,
            route.key if route is not None else f"{exchange.method} {exchange.path}",
            f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}",
            exchange.identity.get("userArn", ""),
            response.status,
            exchange.error_type,
            (time.perf_counter_ns() - exchange.began_ns) // 1000,
            len(exchange.body),
            exchange.response_bytes,
            units,
            dimensions,
            exchange.trace_id,
            http.source_ip,
            http.headers.get("user-agent", ""),
        )
    )
    if stage.log_format is not None:
        call.own("log-lines", LogLines).add(call, access_log_of(stage), (stage.log_format.render(exchange),))
    if route is not None and route.log_level != "OFF":
        lines = execution_logs.lines_of(exchange, response)
        if lines:
            call.own("log-lines", LogLines).add(call, execution_logs.destination_of(stage), lines)
