"""Function integrations: an event to a function, under the API's permission, and its payload back."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.chain import ANONYMOUS
from groundcloud.services.apigateway.definitions import CALLERS_OWN
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute
from groundcloud.services.apigateway.gateway.exchange import Exchange

PRINCIPAL = "apigateway.amazonaws.com"
_WHY = re.compile(r"\(ground why ([0-9A-Za-z-]+)\)")


class FunctionFailed(Exception):
    """No payload to answer with. `kind`: denied, timeout, throttled, too-large, error (the function raised), unavailable."""

    def __init__(self, kind: str, reason: str, status: int = 500) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.status = status


async def invoke(
    exchange: Exchange, target: tuple[str, str, str], event: dict[str, Any], source_arn: str, credentials: str | None, timeout_s: float
) -> bytes:
    """The function's payload. Raises FunctionFailed. The function's resource policy decides, or the policies of the credentials' role or of the caller."""
    call = exchange.call
    function_arn, account, region = target
    principal: str | None = credentials or PRINCIPAL
    if credentials == CALLERS_OWN:
        call, principal = exchange.caller or call.as_principal(ANONYMOUS), None
    try:
        async with asyncio.timeout(timeout_s):
            answer = await call.request(
                "lambda",
                "Invoke",
                {"FunctionName": function_arn, "InvocationType": "RequestResponse", "Payload": msgspec.json.encode(event)},
                as_=principal,
                source_arn=source_arn,
                account=account or call.account,
                region=region or call.region,
            )
            payload = await _whole(answer.get("Payload"))
    except TimeoutError:
        raise FunctionFailed("timeout", "Execution failed due to a timeout error", 504) from None
    except AwsError as error:
        status = error.status or 400
        if error.code.startswith("AccessDenied"):
            _explain(exchange, error.message)
            reason = f"Invalid permissions on Lambda function: {error.message}"
            call.log.warning("%s of API %s may not invoke %s: %s", source_arn, exchange.api_id, function_arn, error.message)
            raise FunctionFailed("denied", reason, 403) from None
        if error.code == "TooManyRequestsException":
            raise FunctionFailed("throttled", f"Lambda function throttled: {error.message}", 429) from None
        if error.code == "RequestTooLargeException" or status == 413:
            raise FunctionFailed("too-large", error.message, 413) from None
        call.log.warning("API %s cannot invoke %s: %s", exchange.api_id, function_arn, error)
        raise FunctionFailed("unavailable", f"{error.code}: {error.message}", status) from None
    if answer.get("FunctionError"):
        raise FunctionFailed("error", f"The Lambda function returned the following error: {payload[:1024].decode(errors='replace')}", 200)
    return payload


def _explain(exchange: Exchange, message: str) -> None:
    """Lets `ground why` tell of the denial by the id that the client has."""
    match = _WHY.search(message)
    decisions = exchange.call.ground.decisions
    for explanation in decisions.of(match[1]) if match else ():
        if explanation.decision is not None:
            decisions.keep(exchange.public_request_id, explanation.decision)


async def integrate(exchange: Exchange, route: CompiledRoute, event: dict[str, Any]) -> bytes:
    """The route's function called for this exchange; latency and status noted. Raises FunctionFailed."""
    assert route.function is not None
    began_ns = time.perf_counter_ns()
    try:
        payload = await invoke(
            exchange, route.function, event, route.source_arn(exchange.stage, exchange.method), route.credentials, route.timeout_s
        )
    except FunctionFailed as failure:
        exchange.integration_status = failure.status
        exchange.integration_error = failure.reason
        raise
    finally:
        exchange.integration_latency_ms = (time.perf_counter_ns() - began_ns) // 1_000_000
    exchange.integration_status = 200
    return payload


async def _whole(payload: Any) -> bytes:
    if payload is None:
        return b""
    if isinstance(payload, (bytes, bytearray)):
        return bytes(payload)
    return b"".join([chunk async for chunk in payload])
