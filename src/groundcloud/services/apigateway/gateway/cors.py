"""CORS as an HTTP API with a CORS configuration does it: preflights answered by the gateway, headers on every answer. Pure.

AWS: "Configure CORS for HTTP APIs in API Gateway".
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.apigateway.gateway.exchange import Exchange
from groundcloud.wire.message import HttpResponse


def preflight(exchange: Exchange, cors: dict[str, Any] | None) -> HttpResponse | None:
    """The answer to a preflight, even where a route for OPTIONS exists; None for any other request."""
    if cors is None or exchange.method != "OPTIONS":
        return None
    headers = exchange.http.headers
    if "origin" not in headers or "access-control-request-method" not in headers:
        return None
    answer = _of_origin(cors, headers["origin"])
    if answer:
        for member, name in (("AllowMethods", "access-control-allow-methods"), ("AllowHeaders", "access-control-allow-headers")):
            if cors.get(member):
                answer.append((name, ",".join(cors[member])))
        if cors.get("MaxAge") is not None:
            answer.append(("access-control-max-age", str(cors["MaxAge"])))
    return HttpResponse(204, answer)


def dress(exchange: Exchange, cors: dict[str, Any], response: HttpResponse) -> None:
    """Puts the configuration's headers on a response, in place of those that the integration set."""
    response.headers = [pair for pair in response.headers if not pair[0].startswith("access-control-")]
    answer = _of_origin(cors, exchange.http.headers.get("origin", ""))
    if answer and cors.get("ExposeHeaders"):
        answer.append(("access-control-expose-headers", ",".join(cors["ExposeHeaders"])))
    response.headers += answer


def _of_origin(cors: dict[str, Any], origin: str) -> list[tuple[str, str]]:
    """What every answer to an allowed origin says; nothing for another."""
    allowed = _allowed_origin(cors, origin) if origin else None
    if allowed is None:
        return []
    answer = [("access-control-allow-origin", allowed)]
    if allowed != "*":
        answer.append(("vary", "origin"))
    if cors.get("AllowCredentials"):
        answer.append(("access-control-allow-credentials", "true"))
    return answer


def _allowed_origin(cors: dict[str, Any], origin: str) -> str | None:
    """What `access-control-allow-origin` says for this origin."""
    for allowed in cors.get("AllowOrigins") or []:
        if allowed == "*":
            return "*"
        if allowed == origin or (allowed.endswith("://*") and origin.startswith(allowed[:-1])):
            return origin
    return None
