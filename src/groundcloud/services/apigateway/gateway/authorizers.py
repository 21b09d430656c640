"""Functions that decide who may call: TOKEN and REQUEST authorizers of REST APIs, REQUEST authorizers of HTTP APIs; their answers cached.

AWS: "Use API Gateway Lambda authorizers", "Control access to HTTP APIs with AWS Lambda authorizers".
"""

from __future__ import annotations

import re
import time
from typing import Any, NamedTuple

import msgspec

from groundcloud.auth import policy as policies
from groundcloud.auth.documents import MalformedPolicy, parse
from groundcloud.auth.principals import Principal
from groundcloud.services.apigateway.definitions import FUNCTION_URI
from groundcloud.services.apigateway.gateway import events, functions
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute, CompiledStage, function_target, with_variables
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.http_proxy import evaluated, mapped_value
from groundcloud.services.apigateway.http_definitions import function_of
from groundcloud.services.apigateway.http_state import HttpAuthorizer
from groundcloud.services.apigateway.state import Authorizer

TIMEOUT_S = 30.0
VERDICTS_CACHED = 20_000
ACTION = "execute-api:Invoke"


class Verdict(NamedTuple):
    """What a function said. `policy` None: it said `allowed` itself."""

    expires_ms: int
    principal_id: str
    context: dict[str, Any]
    policy: policies.Policy | None
    allowed: bool
    usage_key: str


class Verdicts:
    """Cached verdicts, by authoriser, stage and identity."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Verdict] = {}

    def get(self, key: tuple[str, ...], now_ms: int) -> Verdict | None:
        found = self._kept.get(key)
        return found if found is not None and found.expires_ms > now_ms else None

    def forget(self, api_id: str, stage_name: str) -> None:
        """A client asked to: everything of one stage."""
        self._kept = {key: verdict for key, verdict in self._kept.items() if key[1:3] != (api_id, stage_name)}

    def put(self, key: tuple[str, ...], verdict: Verdict) -> None:
        if len(self._kept) >= VERDICTS_CACHED:
            self._kept.clear()
        self._kept[key] = verdict


async def rest(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> None:
    """Raises UNAUTHORIZED without an identity, ACCESS_DENIED by the policy, AUTHORIZER_FAILURE where the function fails."""
    authorizer = route.authorizer
    if not isinstance(authorizer, Authorizer):
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR", reason="The authorizer is missing from the deployment")
    arn = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}/{exchange.method}{exchange.path}"
    ttl_s = authorizer.authorizer_result_ttl_in_seconds or 0
    identity = [_rest_source(exchange, source.strip()) for source in (authorizer.identity_source or "").split(",") if source.strip()]
    if authorizer.type == "TOKEN":
        token = identity[0] if identity else None
        if not token:
            raise Refusal("UNAUTHORIZED")
        expression = authorizer.identity_validation_expression
        if expression and not re.fullmatch(expression, token):
            raise Refusal("UNAUTHORIZED", reason="The token does not match the identity validation expression")
        event: dict[str, Any] = {"type": "TOKEN", "methodArn": arn, "authorizationToken": token}
    else:
        if (ttl_s or identity) and not all(identity):
            raise Refusal("UNAUTHORIZED")
        event = {"type": "REQUEST", "methodArn": arn, **events.rest_event(exchange, False)}
        for member in ("body", "isBase64Encoded"):
            del event[member]
    key = (authorizer.authorizer_id, stage.api_id, stage.name, *(each or "" for each in identity))
    match = FUNCTION_URI.fullmatch(with_variables(authorizer.authorizer_uri or "", stage.variables))
    source_arn = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/authorizers/{authorizer.authorizer_id}"
    verdict = await _verdict(exchange, key, ttl_s, match[2] if match else "", event, source_arn, authorizer.authorizer_credentials)
    if verdict.policy is None:
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR", reason="The authorizer's answer has no policy document")
    caller = Principal("user", f"arn:aws:iam::{stage.account}:user/{verdict.principal_id}", stage.account)
    context = {"aws:SourceIp": exchange.http.source_ip}
    decision = policies.evaluate(policies.Request(caller, ACTION, arn, context, stage.account), policies.Policies((verdict.policy,)))
    if not decision.allowed:
        explicit = decision.kind == "explicit deny"
        raise Refusal("ACCESS_DENIED", "User is not authorized to access this resource" + (" with an explicit deny" if explicit else ""))
    exchange.authorizer = {
        **{name: _flat(value) for name, value in verdict.context.items()},
        "principalId": verdict.principal_id,
        "integrationLatency": exchange.authorizer_latency_ms or 0,
    }
    exchange.usage_key = verdict.usage_key


async def http(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> None:
    authorizer = route.authorizer
    if not isinstance(authorizer, HttpAuthorizer):
        raise Refusal("INTERNAL", reason="The authorizer is missing from the deployment")
    identity = [_http_source(exchange, source) for source in authorizer.identity_source]
    if not all(identity):
        raise Refusal("UNAUTHORIZED")
    arn = route.source_arn(stage, exchange.method)
    format_2 = authorizer.authorizer_payload_format_version == "2.0"
    if format_2:
        event = {"type": "REQUEST", "routeArn": arn, "identitySource": identity or None, **events.http_event_2(exchange, False)}
    else:
        found = identity[0] if identity else None
        event = {
            "type": "REQUEST",
            "methodArn": arn,
            "identitySource": ",".join(each or "" for each in identity),
            "authorizationToken": found,
        }
        event |= events.http_event_1(exchange, False)
    for member in ("body", "isBase64Encoded"):
        event.pop(member, None)
    ttl_s = authorizer.authorizer_result_ttl_in_seconds or 0
    key = (authorizer.authorizer_id, stage.api_id, stage.name, route.key, *(each or "" for each in identity))
    function_arn = function_of(with_variables(authorizer.authorizer_uri or "", stage.variables)) or ""
    source_arn = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/authorizers/{authorizer.authorizer_id}"
    try:
        verdict = await _verdict(exchange, key, ttl_s, function_arn, event, source_arn, authorizer.authorizer_credentials_arn)
    except Refusal as refusal:
        raise Refusal("UNAUTHORIZED" if refusal.kind == "UNAUTHORIZED" else "INTERNAL", reason=refusal.reason) from None
    if verdict.policy is not None:
        caller = Principal("user", f"arn:aws:iam::{stage.account}:user/{verdict.principal_id}", stage.account)
        request = policies.Request(caller, ACTION, arn, {"aws:SourceIp": exchange.http.source_ip}, stage.account)
        allowed = policies.evaluate(request, policies.Policies((verdict.policy,))).allowed
    else:
        allowed = verdict.allowed
    if not allowed:
        raise Refusal("FORBIDDEN")
    if route.format_2:
        exchange.authorizer = {"lambda": verdict.context or None}
    else:
        exchange.authorizer = {**verdict.context, "principalId": verdict.principal_id}


async def _verdict(
    exchange: Exchange, key: tuple[str, ...], ttl_s: int, function_arn: str, event: dict[str, Any], source_arn: str, credentials: str | None
) -> Verdict:
    """The cached one, else the function's. Raises a Refusal where the function fails or answers nonsense."""
    call = exchange.call
    verdicts = call.own("verdicts", Verdicts)
    found = verdicts.get(key, call.now_ms) if ttl_s else None
    if found is not None:
        exchange.authorizer_latency_ms = 0
        exchange.authorizer_status = 200
        return found
    began_ns = time.perf_counter_ns()
    try:
        payload = await functions.invoke(exchange, function_target(function_arn), event, source_arn, credentials, TIMEOUT_S)
    except functions.FunctionFailed as failure:
        exchange.authorizer_status = failure.status
        exchange.authorizer_error = failure.reason
        if failure.kind == "error" and '"errorMessage"' in failure.reason and _error_message(failure.reason) == "Unauthorized":
            raise Refusal("UNAUTHORIZED") from None
        kind = "AUTHORIZER_CONFIGURATION_ERROR" if failure.kind == "denied" else "AUTHORIZER_FAILURE"
        raise Refusal(kind, reason=failure.reason) from None
    finally:
        exchange.authorizer_latency_ms = (time.perf_counter_ns() - began_ns) // 1_000_000
    exchange.authorizer_status = 200
    verdict = _read(payload, call.now_ms + ttl_s * 1000)
    if verdict is None:
        exchange.authorizer_error = "Invalid authorizer response"
        call.log.warning("API %s: the authorizer %s answered what is no verdict", exchange.api_id, function_arn)
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR", reason="Invalid authorizer response")
    if ttl_s:
        verdicts.put(key, verdict)
    return verdict


def _read(payload: bytes, expires_ms: int) -> Verdict | None:
    try:
        answer = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        return None
    if "isAuthorized" in answer:
        return Verdict(expires_ms, "", context, None, answer["isAuthorized"] is True, "")
    principal_id, document = answer.get("principalId"), answer.get("policyDocument")
    if not isinstance(principal_id, str) or not isinstance(document, dict):
        return None
    try:
        compiled = parse(document, "identity", principal_id)
    except MalformedPolicy:
        return None
    return Verdict(expires_ms, principal_id, context, compiled, False, str(answer.get("usageIdentifierKey") or ""))


def _error_message(reason: str) -> str:
    try:
        return str(msgspec.json.decode(reason.partition(": ")[2])["errorMessage"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


def _rest_source(exchange: Exchange, source: str) -> str | None:
    return mapped_value(exchange, source)


def _http_source(exchange: Exchange, source: str) -> str | None:
    return evaluated(exchange, source) or None


def _flat(value: Any) -> Any:
    """A REST API hands an authoriser's context on as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value
