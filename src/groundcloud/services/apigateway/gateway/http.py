"""A request through an HTTP API: stage, preflight, route, authorisation, throttles, integration, answer, CORS headers."""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.http.front import ClientGone
from groundcloud.kernel.call import Call
from groundcloud.services.apigateway.gateway import answers, authorization, cors, events, functions, http_proxy, outcome, paths
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute, CompiledStage, Stages
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.throttles import ACCOUNT_BURST, ACCOUNT_RATE, Throttles
from groundcloud.services.apigateway.state import Execute
from groundcloud.wire.message import HttpRequest, HttpResponse

BODY_BYTES_MAX = 10 * 1024 * 1024
"""AWS: "Quotas for configuring and running an HTTP API", payload size."""

_GATEWAY: dict[str, tuple[int, str]] = {
    "BAD_REQUEST": (400, "Bad Request"),
    "FORBIDDEN": (403, "Forbidden"),
    "INTERNAL": (500, "Internal Server Error"),
    "NOT_FOUND": (404, "Not Found"),
    "REQUEST_TOO_LARGE": (413, "Request Entity Too Large"),
    "SERVICE_UNAVAILABLE": (503, "Service Unavailable"),
    "THROTTLED": (429, "Too Many Requests"),
    "UNAUTHORIZED": (401, "Unauthorized"),
}


async def answer(call: Call, http: HttpRequest, execute: Execute, stages: Stages, stage_name: str | None, path: str) -> HttpResponse:
    """`path` is as sent, below `stage_name` where that is given; it may be a path's first segment as well as a stage. Else the first segment of `path`
    may name a stage. What names none is the `$default` stage's."""
    tx = call.reading()
    path = events.decoded_path(path)
    stage: CompiledStage | None = None
    below = path or "/"
    if stage_name is not None:
        stage = stages.get(tx, execute, stage_name)
        if stage is None:
            below = f"/{stage_name}{path}"
    else:
        first, _, rest = path[1:].partition("/")
        if first and first != "$default":
            stage = stages.get(tx, execute, first)
            if stage is not None:
                below = "/" + rest
    if stage is None:
        stage = stages.get(tx, execute, "$default")
    if stage is None or stage.disabled:
        return _not_found(call)
    exchange = Exchange(call, http, stage, below, below if stage.name == "$default" else f"/{stage.name}{below}")
    response = cors.preflight(exchange, stage.cors)
    if response is None:
        try:
            response = await _walk(exchange, stage)
        except Refusal as refusal:
            response = _refused(exchange, refusal)
        except AwsError as error:
            response = _refused(exchange, Refusal("BAD_REQUEST", reason=error.message))
        except ClientGone:
            raise
        except Exception:
            call.log.exception("a request to API %s failed (request %s)", stage.api_id, exchange.public_request_id)
            response = _refused(exchange, Refusal("INTERNAL", reason="Internal server error"))
        if stage.cors is not None:
            cors.dress(exchange, stage.cors, response)
    response.headers.append(("apigw-requestid", exchange.extended_request_id))
    outcome.note(exchange, response)
    return response


async def _walk(exchange: Exchange, stage: CompiledStage) -> HttpResponse:
    route = _route(exchange, stage)
    if route.authorization != "NONE":
        await authorization.http(exchange, stage, route)
    call = exchange.call
    throttles = call.own("throttles", Throttles)
    if route.throttle is not None and not throttles.take(
        (stage.api_id, stage.name, route.key), route.throttle.rate, route.throttle.burst, call.now_ms
    ):
        raise Refusal("THROTTLED")
    if not throttles.take((stage.account, stage.region), ACCOUNT_RATE, ACCOUNT_BURST, call.now_ms):
        raise Refusal("THROTTLED")
    await _read_body(exchange)
    if route.kind == "AWS_PROXY":
        response = await _function(exchange, stage, route)
    elif route.kind == "HTTP_PROXY":
        response = await _proxied(exchange, stage, route)
    else:
        exchange.integration_error = "The route has no integration"
        raise Refusal("INTERNAL", reason="The route has no integration")
    if route.integration is not None and route.integration.response_parameters:
        http_proxy.change_response(exchange, route.integration.response_parameters, response)
    return response


def _route(exchange: Exchange, stage: CompiledStage) -> CompiledRoute:
    """A full match first, then greedy ones, then `$default`; where a path has no route for the method, the next best path is tried."""
    method = exchange.method

    def fitting(methods: paths.Methods) -> Any:
        return methods.get(method) or methods.get("ANY")

    segments = exchange.path[1:].split("/") if exchange.path != "/" else []
    found = paths.find(stage.tree, segments, fitting)
    if found is None:
        if stage.default_route is None:
            raise Refusal("NOT_FOUND")
        exchange.route = stage.default_route
        return stage.default_route
    route: CompiledRoute = found[0]
    exchange.route = route
    if route.names:
        exchange.parameters = dict(zip(route.names, found[1], strict=True))
    return route


async def _read_body(exchange: Exchange) -> None:
    body = exchange.http.body
    if body.whole is not None:
        exchange.body = body.whole
        return
    try:
        exchange.body = await body.read(BODY_BYTES_MAX)
    except AwsError:
        raise Refusal("REQUEST_TOO_LARGE") from None


async def _function(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> HttpResponse:
    is_binary = events.http_is_binary(exchange.http.headers, exchange.body)
    event = events.http_event_2(exchange, is_binary) if route.format_2 else events.http_event_1(exchange, is_binary)
    try:
        payload = await functions.integrate(exchange, route, event)
        return answers.http_answer_2(payload) if route.format_2 else answers.http_answer_1(payload)
    except functions.FunctionFailed as failure:
        raise Refusal(_FAILURES.get(failure.kind, "INTERNAL"), reason=failure.reason) from None
    except answers.Malformed as malformed:
        exchange.integration_error = str(malformed)
        exchange.call.log.warning("API %s, %s: %s", stage.api_id, route.key, malformed)
        raise Refusal("INTERNAL", reason=str(malformed)) from None


_FAILURES = {"timeout": "SERVICE_UNAVAILABLE", "throttled": "SERVICE_UNAVAILABLE", "too-large": "REQUEST_TOO_LARGE"}


async def _proxied(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> HttpResponse:
    try:
        return await http_proxy.http(exchange, route)
    except http_proxy.Unreachable as failure:
        exchange.integration_error = str(failure)
        exchange.call.log.warning("API %s, %s: %s", stage.api_id, route.key, failure)
        raise Refusal("SERVICE_UNAVAILABLE" if failure.timed_out else "INTERNAL", reason=str(failure)) from None


def _refused(exchange: Exchange, refusal: Refusal) -> HttpResponse:
    status, sentence = _GATEWAY[refusal.kind]
    exchange.error_message = refusal.message or sentence
    exchange.error_type = refusal.kind
    exchange.error_reason = refusal.reason
    headers = [("content-type", "application/json")]
    if refusal.kind == "UNAUTHORIZED" and refusal.reason:
        headers.append(("www-authenticate", refusal.reason))
    return HttpResponse(status, headers, msgspec.json.encode({"message": exchange.error_message}))


def _not_found(call: Call) -> HttpResponse:
    return HttpResponse(404, [("content-type", "application/json"), ("apigw-requestid", call.request_id)], b'{"message":"Not Found"}')
