"""A request through a REST API: stage, route, policy, authorisation, key, throttles, validation, integration, answer.

Whatever the gateway answers itself is a gateway response, with the API's own status, headers and template where it has some.
AWS: "Gateway response types for API Gateway".
"""

from __future__ import annotations

import gzip
import re
import zlib
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.http.front import ClientGone
from groundcloud.kernel.call import Call
from groundcloud.services.apigateway.definitions import compatible_content
from groundcloud.services.apigateway.gateway import answers, authorization, events, functions, http_proxy, keys, outcome, paths, validation
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute, CompiledStage, Stages
from groundcloud.services.apigateway.gateway.context import Format
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.throttles import ACCOUNT_BURST, ACCOUNT_RATE, Throttles
from groundcloud.services.apigateway.state import Execute
from groundcloud.wire.message import HttpRequest, HttpResponse

BODY_BYTES_MAX = 10 * 1024 * 1024
"""AWS: "Quotas for configuring and running a REST API", payload size."""

COMPRESSED_HERE_BYTES_MAX = 128 * 1024
"""Compressing more takes over a few milliseconds and goes to a thread."""

GATEWAY: dict[str, tuple[int, str, str]] = {
    "ACCESS_DENIED": (403, "User is not authorized to access this resource", "AccessDeniedException"),
    "API_CONFIGURATION_ERROR": (500, "Internal server error", "InternalServerErrorException"),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "", "AuthorizerConfigurationException"),
    "AUTHORIZER_FAILURE": (500, "", "AuthorizerFailureException"),
    "BAD_REQUEST_BODY": (400, "Invalid request body", "BadRequestException"),
    "BAD_REQUEST_PARAMETERS": (400, "Missing required request parameters", "BadRequestException"),
    "EXPIRED_TOKEN": (403, "The security token included in the request is expired", "ExpiredTokenException"),
    "INTEGRATION_FAILURE": (502, "Internal server error", "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": (504, "Endpoint request timed out", "InternalServerErrorException"),
    "INVALID_API_KEY": (403, "Forbidden", "ForbiddenException"),
    "INVALID_SIGNATURE": (
        403,
        "The request signature we calculated does not match the signature you provided.",
        "InvalidSignatureException",
    ),
    "MISSING_AUTHENTICATION_TOKEN": (403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    "QUOTA_EXCEEDED": (429, "Limit Exceeded", "LimitExceededException"),
    "REQUEST_TOO_LARGE": (413, "Request Too Long", "RequestTooLargeException"),
    "RESOURCE_NOT_FOUND": (404, "Not found", "NotFoundException"),
    "THROTTLED": (429, "Too Many Requests", "TooManyRequestsException"),
    "UNAUTHORIZED": (401, "Unauthorized", "UnauthorizedException"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "Unsupported Media Type", "BadRequestException"),
    "WAF_FILTERED": (403, "Forbidden", "ForbiddenException"),
}
"""Type -> status, sentence ("" for null), x-amzn-errortype."""


async def answer(call: Call, http: HttpRequest, execute: Execute, stages: Stages, stage_name: str, path: str) -> HttpResponse:
    """`call` is in the API's account and region; `path` is below the stage, as sent."""
    stage = stages.get(call.reading(), execute, stage_name) if stage_name else None
    if stage is None or stage.disabled:
        return _refused(call, "Forbidden")
    exchange = Exchange(call, http, stage, path, f"/{stage_name}{path}")
    try:
        response = await _walk(exchange, stage)
    except Refusal as refusal:
        response = gateway_response(exchange, stage, refusal)
    except AwsError as error:
        # What the request itself lacks: a query string that is no text, a body cut short.
        response = gateway_response(exchange, stage, Refusal("BAD_REQUEST_PARAMETERS", "Bad Request", error.message))
    except ClientGone:
        raise
    except Exception:
        call.log.exception("a request to API %s failed (request %s)", stage.api_id, exchange.public_request_id)
        response = gateway_response(exchange, stage, Refusal("API_CONFIGURATION_ERROR", reason="Internal server error"))
    if stage.compression_bytes_min is not None:
        await _compress(exchange, stage.compression_bytes_min, response)
    headers = response.headers
    headers.append(("x-amzn-requestid", exchange.request_id))
    headers.append(("x-amz-apigw-id", exchange.extended_request_id))
    if exchange.integration_latency_ms is not None:
        headers.append(("x-amzn-trace-id", exchange.trace_id))
    outcome.note(exchange, response)
    return response


async def _walk(exchange: Exchange, stage: CompiledStage) -> HttpResponse:
    route = _route(exchange, stage)
    if stage.policy is not None or route.authorization != "NONE":
        await authorization.rest(exchange, stage, route)
    call = exchange.call
    throttles = call.own("throttles", Throttles)
    assert route.method is not None
    if route.method.api_key_required:
        keys.admit(exchange, stage, route, throttles)
    if route.throttle is not None and not throttles.take(
        (stage.api_id, stage.name, route.key), route.throttle.rate, route.throttle.burst, call.now_ms
    ):
        raise Refusal("THROTTLED")
    if not throttles.take((stage.account, stage.region), ACCOUNT_RATE, ACCOUNT_BURST, call.now_ms):
        raise Refusal("THROTTLED")
    return await _served(exchange, stage, route)


async def run(exchange: Exchange, stage: CompiledStage) -> HttpResponse:
    """A test of a method: nobody is asked who he is, and nothing is counted. Raises Refusal."""
    return await _served(exchange, stage, _route(exchange, stage))


async def _served(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> HttpResponse:
    await _read_body(exchange, stage)
    if route.validator is not None:
        validation.check(exchange, route)
    return await _INTEGRATORS[route.kind](exchange, stage, route)  # type: ignore[no-any-return]


def _route(exchange: Exchange, stage: CompiledStage) -> CompiledRoute:
    """Repeated and trailing slashes do not count. A path whose resource has other methods only is as unknown as any other."""
    segments = [segment for segment in exchange.path.split("/") if segment]
    method = exchange.method
    found = paths.find(stage.tree, segments, _IF_ANY)
    route = None
    if found is not None:
        route = found[0].get(method) or found[0].get("ANY")
    if found is None or route is None:
        raise Refusal("MISSING_AUTHENTICATION_TOKEN")
    exchange.route = route
    if route.names:
        exchange.parameters = dict(zip(route.names, found[1], strict=True))
    return route  # type: ignore[no-any-return]


def _IF_ANY(methods: paths.Methods) -> paths.Methods | None:
    return methods or None


async def _read_body(exchange: Exchange, stage: CompiledStage) -> None:
    """Whole; unpacked where the API compresses and the client did too."""
    body = exchange.http.body
    try:
        exchange.body = body.whole if body.whole is not None else await body.read(BODY_BYTES_MAX)
    except AwsError:
        raise Refusal("REQUEST_TOO_LARGE", f"HTTP content length exceeded {BODY_BYTES_MAX} bytes.") from None
    headers = exchange.http.headers
    if stage.compression_bytes_min is not None and exchange.body and headers.get("content-encoding", "").lower() == "gzip":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            exchange.body = unpacker.decompress(exchange.body, BODY_BYTES_MAX)
        except zlib.error:
            raise Refusal("BAD_REQUEST_BODY") from None
        if unpacker.unconsumed_tail:
            raise Refusal("REQUEST_TOO_LARGE", f"HTTP content length exceeded {BODY_BYTES_MAX} bytes.")
        del headers["content-encoding"]


async def _compress(exchange: Exchange, bytes_min: int, response: HttpResponse) -> None:
    """For a client that accepts gzip. AWS: "Payload compression for REST APIs in API Gateway"."""
    body = response.body
    accepted = exchange.http.headers.get("accept-encoding", "")
    if (
        not isinstance(body, bytes)
        or not body
        or len(body) < bytes_min
        or not re.search(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", accepted)
    ):
        return
    if any(name == "content-encoding" for name, _ in response.headers):
        return
    if len(body) > COMPRESSED_HERE_BYTES_MAX:
        response.body = await exchange.call.in_thread(gzip.compress, body, 5)
    else:
        response.body = gzip.compress(body, 5)
    response.headers.append(("content-encoding", "gzip"))


async def _function(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> HttpResponse:
    headers = exchange.http.headers
    event = events.rest_event(exchange, stage.binary.has(headers.get("content-type", "")))
    try:
        payload = await functions.integrate(exchange, route, event)
        return answers.rest_answer(payload, stage.binary, headers.get("accept"))
    except functions.FunctionFailed as failure:
        raise Refusal(_FAILURES[failure.kind], reason=failure.reason) from None
    except answers.Malformed as malformed:
        exchange.integration_error = str(malformed)
        exchange.call.log.warning("API %s, %s: malformed Lambda proxy response: %s", stage.api_id, route.key, malformed)
        raise Refusal("INTEGRATION_FAILURE", reason=str(malformed)) from None


_FAILURES = {
    "denied": "API_CONFIGURATION_ERROR",
    "throttled": "API_CONFIGURATION_ERROR",
    "unavailable": "API_CONFIGURATION_ERROR",
    "timeout": "INTEGRATION_TIMEOUT",
    "too-large": "REQUEST_TOO_LARGE",
    "error": "INTEGRATION_FAILURE",
}
"""What a function's failure is to the client."""


async def _proxied(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> HttpResponse:
    try:
        return await http_proxy.rest(exchange, route)
    except http_proxy.Unreachable as failure:
        exchange.integration_error = str(failure)
        if failure.timed_out:
            raise Refusal("INTEGRATION_TIMEOUT", reason=str(failure)) from None
        exchange.call.log.warning("API %s, %s: %s", stage.api_id, route.key, failure)
        raise Refusal("INTEGRATION_FAILURE", reason=str(failure)) from None


async def _mock(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> HttpResponse:
    """The request's template chooses a status, the status an integration response, and that the answer."""
    assert route.method is not None
    media_type = compatible_content(exchange.http.headers.get("content-type") or "application/json")
    status = route.mock_statuses.get(media_type)
    if status is None:
        integration = route.method.method_integration or {}
        if integration.get("passthroughBehavior") == "NEVER" or (
            integration.get("passthroughBehavior") == "WHEN_NO_TEMPLATES" and route.mock_statuses
        ):
            raise Refusal("UNSUPPORTED_MEDIA_TYPE")
        status = http_proxy.status_of_body(exchange.body)
    response = _response_for(route, str(status))
    if response is None:
        raise Refusal("API_CONFIGURATION_ERROR", reason="No match for output mapping and no default output mapping configured")
    exchange.integration_status = status
    exchange.integration_latency_ms = 0
    templates: dict[str, str] = response.get("responseTemplates") or {}
    accepted = compatible_content((exchange.http.headers.get("accept") or "").partition(",")[0])
    content_type = accepted if accepted in templates else "application/json"
    headers = [("content-type", content_type)]
    for target, source in (response.get("responseParameters") or {}).items():
        name = target.removeprefix("method.response.header.").lower()
        value = http_proxy.mapped_value(exchange, source)
        if value is not None:
            headers = [(other, text) for other, text in headers if other != name]
            headers.append((name, value))
    body = templates.get(content_type) or next(iter(templates.values()), "")
    return HttpResponse(int(response["statusCode"]), headers, body.encode())


def _response_for(route: CompiledRoute, status: str) -> dict[str, Any] | None:
    """The integration response whose pattern matches, else the one without a pattern."""
    default = None
    for pattern, response in route.mock_responses:
        if pattern is None:
            default = response if default is None else default
        elif pattern.fullmatch(status):
            return response
    return default


_INTEGRATORS = {"AWS_PROXY": _function, "HTTP_PROXY": _proxied, "MOCK": _mock}


def gateway_response(exchange: Exchange, stage: CompiledStage, refusal: Refusal) -> HttpResponse:
    """The gateway's own answer, as the API customised it."""
    status, sentence, error_type = GATEWAY[refusal.kind]
    exchange.error_message = refusal.message or sentence
    exchange.error_type = refusal.kind
    exchange.error_reason = refusal.reason
    custom = stage.gateway_responses.get(refusal.kind)
    general = stage.gateway_responses.get("DEFAULT_4XX" if status < 500 else "DEFAULT_5XX")
    headers = [("x-amzn-errortype", error_type)]
    template = None
    for chosen in (custom, general):
        if chosen is None:
            continue
        if chosen.status_code:
            status = int(chosen.status_code)
        for target, source in chosen.response_parameters.items():
            value = http_proxy.mapped_value(exchange, source)
            if value is not None:
                headers.append((target.removeprefix("gatewayresponse.header.").lower(), value))
        template = next(iter(chosen.response_templates.items()), None)
        break
    exchange.status = status
    if template is not None:
        content_type, source = template
        body = Format(source).render(exchange, absent="").encode()
    else:
        # AWS spells the member of a denial by policy otherwise, and has nothing to say of an authoriser that failed.
        member = "Message" if refusal.kind == "ACCESS_DENIED" and refusal.reason else "message"
        content_type, body = "application/json", msgspec.json.encode({member: exchange.error_message or None})
    headers.append(("content-type", content_type))
    return HttpResponse(status, headers, body)


def _refused(call: Call, sentence: str) -> HttpResponse:
    """Where there is no stage that could say more."""
    headers = [("content-type", "application/json"), ("x-amzn-errortype", "ForbiddenException"), ("x-amzn-requestid", call.request_id)]
    return HttpResponse(403, headers, msgspec.json.encode({"message": sentence}))
