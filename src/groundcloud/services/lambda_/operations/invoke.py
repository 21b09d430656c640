"""Invoke: synchronous, asynchronous and dry."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.runtime.streaming import ResponseStream
from groundcloud.services.lambda_ import conditions, errors, events, execution, names, payloads, reclaiming
from groundcloud.services.lambda_.durable import executions, starts

REQUEST_BYTES_MAX = 6_291_456
EVENT_BYTES_MAX = 1_048_576
"""AWS: Lambda quotas, invocation payload: 6 MB synchronous, 1 MB asynchronous."""

CLIENT_CONTEXT_BYTES_MAX = 3583
"""AWS: Invoke, ClientContext: "Up to 3,583 bytes of base64-encoded data"."""

_check_json = msgspec.json.Decoder(msgspec.Raw).decode


@operation(action="lambda:InvokeFunction", resource=names.arn_of, context=conditions.of_function)
async def invoke(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    kind = request.get("InvocationType") or "RequestResponse"
    payload = request.get("Payload") or b"{}"
    _check_payload(payload, EVENT_BYTES_MAX if kind == "Event" else REQUEST_BYTES_MAX)
    tenant_id = request.get("TenantId") or ""
    name = names.of(call, request)
    context = _client_context(request.get("ClientContext"))
    trace = _trace(call)
    target = execution.target(call, name)
    execution.check_tenant(target.version, tenant_id)
    if kind != "DryRun" and executions.config_of(target.version) is not None:
        return await starts.invoke(call, target, payload, request, trace)
    if request.get("DurableExecutionName"):
        raise errors.invalid_parameter("DurableExecutionName can only be given for a durable function.")
    if kind == "Event":
        if target.version.state not in ("Active", "Inactive"):  # an event wakes what is inactive, and waits for it
            reclaiming.check_ready(call, target.name, target.version)
        events.accept(call, name, payload, client_context=context, trace=trace, tenant_id=tenant_id)
        return {"StatusCode": 202}
    reclaiming.check_ready(call, target.name, target.version)
    if kind == "DryRun":
        return {"StatusCode": 204}
    outcome = await execution.run(call, target, payload, call.request_id, client_context=context, trace=trace, tenant_id=tenant_id)
    execution.count(call, target, outcome)
    answer: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": outcome.version, "Payload": outcome.payload}
    if outcome.failed:
        answer["FunctionError"] = "Unhandled"
    if request.get("LogType") == "Tail":
        answer["LogResult"] = b64encode(outcome.tail).decode()
    return answer


@operation(action="lambda:InvokeFunction", resource=names.arn_of, context=conditions.of_function)
async def invoke_with_response_stream(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a function that does not stream comes in one piece."""
    payload = request.get("Payload") or b"{}"
    _check_payload(payload, REQUEST_BYTES_MAX)
    target = execution.target(call, names.of(call, request))
    if request.get("InvocationType") == "DryRun":
        return {"StatusCode": 204}
    if executions.config_of(target.version) is not None:
        raise errors.invalid_parameter("You cannot invoke a durable function with response streaming.")
    reclaiming.check_ready(call, target.name, target.version)
    context = _client_context(request.get("ClientContext"))
    stream = execution.stream(
        call, target, payload, call.request_id, client_context=context, trace=_trace(call), tenant_id=request.get("TenantId") or ""
    )
    if not await stream.begin():
        await stream.result()  # raises what kept it from starting, while that can still be an error of its own
    return {
        "StatusCode": 200,
        "ExecutedVersion": target.version.text,
        "EventStream": _pieces(stream, request.get("LogType") == "Tail"),
    }


async def _pieces(stream: ResponseStream, with_log: bool) -> AsyncIterator[dict[str, Any]]:
    try:
        async for piece in stream:
            yield {"PayloadChunk": {"Payload": piece}}
        outcome: Any = await stream.result()
        complete: dict[str, Any] = {"LogResult": b64encode(outcome.tail).decode()} if with_log else {}
        if outcome.failed:
            complete |= {"ErrorCode": "Unhandled", "ErrorDetails": outcome.payload.decode("utf-8", "replace")}
        yield {"InvokeComplete": complete}
    finally:
        stream.discard()


@operation(action="lambda:InvokeFunction", resource=names.arn_of, context=conditions.of_function)
async def invoke_async(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The operation before `InvocationType` existed; deprecated on AWS, where it still answers."""
    body = request["InvokeArgs"]
    payload = body if isinstance(body, bytes) else await body.read(EVENT_BYTES_MAX)
    payload = payload or b"{}"
    _check_payload(payload, EVENT_BYTES_MAX)
    events.accept(call, names.of(call, request), payload)
    return {"Status": 202}


def _check_payload(payload: bytes, limit_bytes: int) -> None:
    if len(payload) > limit_bytes:
        raise errors.request_too_large(limit_bytes, "InvokeFunction")
    try:
        _check_json(payload)
        if not payload.isascii():
            payload.decode("utf-8", "surrogatepass")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise errors.bad_payload(payloads.reason(bytes(payload))) from None


def _client_context(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    if len(text) > CLIENT_CONTEXT_BYTES_MAX:
        raise errors.bad_client_context()
    try:
        decoded = msgspec.json.decode(b64decode(text, validate=True))
    except (ValueError, RecursionError):
        raise errors.bad_client_context() from None
    if not isinstance(decoded, dict):
        raise errors.bad_client_context()
    return decoded


def _trace(call: Call) -> str:
    """The caller's trace, or a new one that is not sampled. AWS: X-Ray, tracing header."""
    caller: Call | None = call
    while caller is not None:
        if caller.http is not None:
            given = caller.http.headers.get("x-amzn-trace-id", "")
            if given:
                return given
        caller = caller.parent
    return f"Root=1-{call.now_s:08x}-{call.token(24)};Parent={call.token(16)};Sampled=0"
