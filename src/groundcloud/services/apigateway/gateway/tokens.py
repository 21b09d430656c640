"""JWT authorizers of HTTP APIs: a bearer token by its issuer's keys, its times, its audience and its scopes.

AWS: "Control access to HTTP APIs with JWT authorizers in API Gateway".
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from groundcloud.http.client import AnswerTooLarge, Backend
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.http_proxy import evaluated
from groundcloud.services.apigateway.http_state import HttpAuthorizer

KEYS_KEPT_S = 7_200
"""AWS: "API Gateway can cache the public key for two hours"."""
TIMEOUT_S = 3.0
ALGORITHMS = ["RS256", "RS384", "RS512"]
"""AWS: "API Gateway only supports RSA-based algorithms"."""


class KeySets:
    """Issuers' keys, for a while."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Any]] = {}

    async def of(self, backend: Backend, issuer: str) -> Any:
        """Raises OSError, ValueError, KeyError or msgspec.DecodeError where the issuer does not give them."""
        found = self._kept.get(issuer)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        from joserfc.jwk import KeySet

        configuration = await _json(backend, issuer.rstrip("/") + "/.well-known/openid-configuration")
        keys = KeySet.import_key_set(await _json(backend, str(configuration["jwks_uri"])))
        self._kept[issuer] = (time.monotonic() + KEYS_KEPT_S, keys)
        return keys


async def check(exchange: Exchange, route: CompiledRoute) -> None:
    """Raises UNAUTHORIZED for a token that is missing or wrong, FORBIDDEN for one without a scope that the route asks for."""
    from joserfc import jwt
    from joserfc.errors import JoseError

    authorizer = route.authorizer
    if not isinstance(authorizer, HttpAuthorizer):
        raise Refusal("INTERNAL", reason="The authorizer is missing from the deployment")
    given = evaluated(exchange, authorizer.identity_source[0]) if authorizer.identity_source else ""
    token = given[7:].strip() if given[:7].lower() == "bearer " else given
    if not token:
        raise _unauthorized("")
    wanted = authorizer.jwt_configuration or {}
    call = exchange.call
    try:
        keys = await call.own("key-sets", KeySets).of(call.own("backend", Backend), str(wanted.get("Issuer")))
    except (OSError, ValueError, KeyError, TypeError, JoseError, TimeoutError, AnswerTooLarge, msgspec.DecodeError) as error:
        call.log.warning("API %s: no keys of issuer %s: %s", exchange.api_id, wanted.get("Issuer"), error)
        raise _unauthorized("invalid_token", "OIDC discovery endpoint communication error") from None
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError):
        raise _unauthorized("invalid_token", "the token has an invalid signature or no known key") from None
    problem = _problem(claims, wanted, call.now_s)
    if problem:
        raise _unauthorized("invalid_token", problem)
    scopes = str(claims.get("scope") or "").split() or list(claims.get("scp") or [])
    if route.scopes and not set(route.scopes) & set(scopes):
        raise Refusal("FORBIDDEN", reason="insufficient_scope")
    # Claims reach the function as text; lists in brackets, as AWS writes them.
    exchange.authorizer = {"jwt": {"claims": {name: _text(value) for name, value in claims.items()}, "scopes": route.scopes or None}}
    if not route.format_2:
        exchange.authorizer = exchange.authorizer["jwt"]


def _problem(claims: dict[str, Any], wanted: dict[str, Any], now_s: int) -> str:
    if claims.get("iss") != wanted.get("Issuer"):
        return "issuer is not valid"
    audience = claims.get("aud", claims.get("client_id"))
    named = audience if isinstance(audience, list) else [audience]
    if not set(map(str, named)) & set(map(str, wanted.get("Audience") or [])):
        return "the token does not have a valid audience"
    for name, late in (("exp", False), ("nbf", True), ("iat", True)):
        moment = claims.get(name)
        if moment is None:
            if name == "exp":
                return "the token has no expiry"
            continue
        if not isinstance(moment, (int, float)):
            return f"{name} is not a time"
        if late and moment > now_s:
            return "the token is not valid yet"
        if not late and moment <= now_s:
            return "the token has expired"
    return ""


def _unauthorized(error: str, description: str = "") -> Refusal:
    said = f'Bearer scope="" error="{error}" error_description="{description}"' if error else "Bearer"
    return Refusal("UNAUTHORIZED", reason=said)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(map(str, value))}]"
    return str(value) if isinstance(value, (int, float)) else value


async def _json(backend: Backend, url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not a URL: {url}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    async with asyncio.timeout(TIMEOUT_S):
        answer = await backend.request(
            "GET", parts.scheme, parts.hostname, port, target, [("host", parts.netloc), ("accept", "application/json")], b""
        )
    if answer.status != 200:
        raise ValueError(f"{url} answered {answer.status}")
    return msgspec.json.decode(answer.body)
