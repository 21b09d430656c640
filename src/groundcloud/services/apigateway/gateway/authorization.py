"""May this client call this method? API resource policies, SigV4 callers, functions and tokens that decide.

AWS: "How API Gateway resource policies affect authorization workflow", "Control access to a REST API with IAM permissions".
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING

from groundcloud.auth import policy as policies
from groundcloud.auth import sigv4
from groundcloud.auth.principals import Principal
from groundcloud.auth.refusals import SignatureError
from groundcloud.kernel import authorization
from groundcloud.kernel.chain import ANONYMOUS
from groundcloud.services.apigateway.definitions import expanded_policy
from groundcloud.services.apigateway.gateway import authorizers, tokens
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute, CompiledStage
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal

if TYPE_CHECKING:
    from groundcloud.kernel.identity import Session

ACTION = "execute-api:Invoke"
BODY_BYTES_MAX = 10 * 1024 * 1024
_ACCOUNT = re.compile(r":\d{8}(\d{4}):")


async def rest(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> None:
    """Raises a Refusal. Notes who called in `exchange.identity` or `exchange.authorizer`."""
    principal, session = ANONYMOUS, None
    if route.authorization == "AWS_IAM":
        principal, session = await _signer(exchange)
    elif route.authorization == "CUSTOM":
        await authorizers.rest(exchange, stage, route)
    if route.authorization == "AWS_IAM" or stage.policy is not None:
        _decide(exchange, stage, principal, session)


async def http(exchange: Exchange, stage: CompiledStage, route: CompiledRoute) -> None:
    if route.authorization == "AWS_IAM":
        try:
            principal, session = await _signer(exchange)
            _decide(exchange, stage, principal, session)
        except Refusal as refusal:
            raise Refusal("FORBIDDEN", reason=refusal.message or refusal.reason) from None
        if route.format_2:
            exchange.authorizer = {"iam": _iam_context(exchange.identity)}
    elif route.authorization == "JWT":
        await tokens.check(exchange, route)
    elif route.authorization == "CUSTOM":
        await authorizers.http(exchange, stage, route)


def _decide(exchange: Exchange, stage: CompiledStage, principal: Principal, session: Session | None) -> None:
    """By the caller's own policies and the API's."""
    resource = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}/{exchange.method}{exchange.path}"
    call = exchange.call.as_principal(principal)
    call.request_id = exchange.public_request_id
    call.session = session
    call.http = exchange.http
    document = None
    if stage.policy is not None:
        document = expanded_policy(stage.policy, stage.region, stage.account, stage.api_id)
    decision = authorization.decide(call, ACTION, resource, None, (lambda *_: document) if document is not None else None)
    if decision is not None and not decision.allowed:
        said = _ACCOUNT.sub(r":********\1:", policies.sentence(decision, reason=False))
        if decision.kind == "explicit deny":
            said += " with an explicit deny"
        raise Refusal("ACCESS_DENIED", said, policies.sentence(decision))
    exchange.caller = call


async def _signer(exchange: Exchange) -> tuple[Principal, Session | None]:
    """Whose signature it is. Raises a Refusal where there is none or it is not right."""
    http, call = exchange.http, exchange.call
    ground = call.ground
    try:
        signature = sigv4.parse_authorization(http.headers, http.query_string)
        if signature is None:
            raise Refusal("MISSING_AUTHENTICATION_TOKEN")
        identity = ground.identities.resolve(
            ground.store.transaction(), ground.directory, signature.access_key_id, signature.session_token, call.now_s
        )
        body = http.body.whole if http.body.whole is not None else await http.body.read(BODY_BYTES_MAX)
        computed = hashlib.sha256(body).hexdigest()
        if signature.payload_form() == "hash" and signature.payload_hash != computed:
            raise SignatureError("payload-mismatch", client=signature.payload_hash or "", computed=computed)
        # Clients sign by the real clock; a virtual one may be days ahead of it.
        moved = ground.clock.offset_ns or ground.clock.frozen_ns is not None
        now_s = time.time() if moved and not signature.presigned else ground.clock.now_ns() / 1e9
        payload_hash = signature.payload_hash or computed
        sigv4.verify(signature, identity.secret, http.method, http.signed_path, http.query_string, http.headers, payload_hash, now_s)
    except SignatureError as fault:
        raise _not_signed(fault) from None
    principal = identity.principal
    exchange.identity = {
        "accountId": principal.account,
        "accessKey": signature.access_key_id,
        "caller": principal.unique_id,
        "user": principal.unique_id,
        "userArn": principal.arn,
    }
    return principal, identity.session


def _iam_context(identity: dict[str, str]) -> dict[str, str | None]:
    """`requestContext.authorizer.iam` of payload 2.0."""
    return {
        "accessKey": identity["accessKey"],
        "accountId": identity["accountId"],
        "callerId": identity["caller"],
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": identity["userArn"],
        "userId": identity["user"],
    }


def _not_signed(fault: SignatureError) -> Refusal:
    if fault.kind == "missing":
        return Refusal("MISSING_AUTHENTICATION_TOKEN")
    if fault.kind in ("expired-token", "expired"):
        return Refusal("EXPIRED_TOKEN", reason=str(fault))
    if fault.kind in ("unknown-key", "inactive-key", "invalid-token"):
        return Refusal("INVALID_SIGNATURE", "The security token included in the request is invalid.", str(fault))
    return Refusal("INVALID_SIGNATURE", reason=str(fault))
