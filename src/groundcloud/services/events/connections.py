"""Connections at work: their secrets, the headers that they add to a request, and OAuth tokens.

A connection's states: AUTHORIZED at once for basic and API key; AUTHORIZING --token given--> AUTHORIZED, --refused--> DEAUTHORIZED for OAuth.
Tokens are kept in memory and asked for again when they end or an endpoint answers 401 or 407.
Source: EventBridge user guide, "Connections for API targets".
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from groundcloud.http.client import Answer, AnswerTooLarge, Backend
from groundcloud.kernel.call import Call
from groundcloud.services.events.deliveries import Failed
from groundcloud.services.events.state import CONNECTIONS, Connection

SEAL_PURPOSE = b"events-connection"
TIMEOUT_S = 5
"""AWS: an API destination must answer within five seconds."""

TOKEN_S = 3600
TOKEN_MARGIN_S = 30

Document = dict[str, Any]


class Token(NamedTuple):
    header: str
    until_ms: int


def sealed(call: Call, parameters: Document) -> bytes:
    return call.ground.identities.seal(msgspec.json.encode(parameters), SEAL_PURPOSE)


def opened(call: Call, connection: Connection) -> Document:
    if not connection.sealed:
        return {}
    return msgspec.json.decode(call.ground.identities.open_sealed(connection.sealed, SEAL_PURPOSE))  # type: ignore[no-any-return]


def shown(parameters: Document) -> Document:
    """What may be seen of AuthParameters: no secret."""
    found: Document = {}
    if basic := parameters.get("BasicAuthParameters"):
        found["BasicAuthParameters"] = {"Username": basic.get("Username")}
    if key := parameters.get("ApiKeyAuthParameters"):
        found["ApiKeyAuthParameters"] = {"ApiKeyName": key.get("ApiKeyName")}
    if oauth := parameters.get("OAuthParameters"):
        found["OAuthParameters"] = {
            "ClientParameters": {"ClientID": (oauth.get("ClientParameters") or {}).get("ClientID")},
            "AuthorizationEndpoint": oauth.get("AuthorizationEndpoint"),
            "HttpMethod": oauth.get("HttpMethod"),
        }
        if oauth.get("OAuthHttpParameters"):
            found["OAuthParameters"]["OAuthHttpParameters"] = _without_secrets(oauth["OAuthHttpParameters"])
    if further := parameters.get("InvocationHttpParameters"):
        found["InvocationHttpParameters"] = _without_secrets(further)
    return found


def _without_secrets(parameters: Document) -> Document:
    return {
        kind: [{name: value for name, value in one.items() if name != "Value" or not one.get("IsValueSecret", False)} for one in given]
        for kind, given in parameters.items()
    }


async def authorize(call: Call, connection_name: str, connection_id: str) -> None:
    """Asks for a new connection's first token and notes whether it was given."""
    found = CONNECTIONS.get(call.reading(), connection_name)
    if found is None or found.connection_id != connection_id or found.state != "AUTHORIZING":
        return
    state, reason = "AUTHORIZED", ""
    try:
        await _ask(call, found, opened(call, found)["OAuthParameters"])
    except Failed as error:
        state, reason = "DEAUTHORIZED", f"Failed to authorize the connection: {error}"[:512]
    with call.transaction() as tx:
        found = CONNECTIONS.get(tx, connection_name)
        if found is not None and found.connection_id == connection_id and found.state == "AUTHORIZING":
            authorized_ms = call.clock.now_ms() if state == "AUTHORIZED" else found.authorized_ms
            CONNECTIONS.put(tx, found.replace(state=state, reason=reason, authorized_ms=authorized_ms))


async def header(call: Call, connection: Connection, parameters: Document, *, anew: bool = False) -> tuple[str, str] | None:
    """The header that authorizes a request under this connection. Raises Failed."""
    kind = connection.authorization_type
    if kind == "BASIC":
        basic = parameters["BasicAuthParameters"]
        return "authorization", "Basic " + b64encode(f"{basic['Username']}:{basic['Password']}".encode()).decode()
    if kind == "API_KEY":
        key = parameters["ApiKeyAuthParameters"]
        return key["ApiKeyName"].lower(), key["ApiKeyValue"]
    tokens: dict[str, Token] = call.ground.own("events/tokens", dict)
    known = tokens.get(connection.connection_id)
    if known is None or anew or known.until_ms <= call.clock.now_ms():
        known = tokens[connection.connection_id] = await _ask(call, connection, parameters["OAuthParameters"])
    return "authorization", known.header


async def _ask(call: Call, connection: Connection, oauth: Document) -> Token:
    """A token from the authorization endpoint (RFC 6749, client credentials). Raises Failed."""
    client = oauth["ClientParameters"]
    further = oauth.get("OAuthHttpParameters") or {}
    form = {"grant_type": "client_credentials", "client_id": client["ClientID"], "client_secret": client["ClientSecret"]}
    form |= named(further.get("BodyParameters"))
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    headers |= {name.lower(): value for name, value in named(further.get("HeaderParameters")).items()}
    query = named(further.get("QueryStringParameters"))
    method, body = oauth["HttpMethod"], urlencode(form).encode()
    if method == "GET":
        query, body = {**query, **form}, b""
    answer = await fetch(call, method, oauth["AuthorizationEndpoint"], query, headers, body)
    if not 200 <= answer.status < 300:
        raise Failed("ERROR_FROM_TARGET", f"the authorization endpoint answered {answer.status}")
    try:
        given = msgspec.json.decode(answer.body)
        token = f"{given.get('token_type', 'Bearer')} {given['access_token']}"
        lasting_s = int(given.get("expires_in") or TOKEN_S)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failed("ERROR_FROM_TARGET", "the authorization endpoint gave no access token") from None
    if token.startswith("bearer "):
        token = "Bearer" + token[6:]
    return Token(token, call.clock.now_ms() + max(1, lasting_s - TOKEN_MARGIN_S) * 1000)


def named(parameters: list[Document] | None) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in parameters or ()}


async def fetch(call: Call, method: str, url: str, query: dict[str, str], headers: dict[str, str], body: bytes, host: str = "") -> Answer:
    """One HTTP request within AWS's five seconds. Raises Failed."""
    parts = urlsplit(url)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query_text = "&".join(text for text in (parts.query, urlencode(query)) if text)
    if query_text:
        target += f"?{query_text}"
    secure = parts.scheme == "https"
    headers = {"host": host or parts.netloc, "user-agent": "Amazon/EventBridge/ApiDestinations", **headers}
    if any(character in name or character in value for name, value in headers.items() for character in "\r\n\0"):
        raise Failed("SDK_CLIENT_ERROR", "a header holds a line's end", final=True)
    try:
        port = parts.port or (443 if secure else 80)
        sending = call.ground.own("events/http", Backend).request(
            method, parts.scheme, parts.hostname or "", port, target, list(headers.items()), body
        )
        return await asyncio.wait_for(sending, TIMEOUT_S)
    except TimeoutError:
        raise Failed("TIMEOUT", f"{parts.netloc} did not answer within {TIMEOUT_S} seconds") from None
    except (OSError, ValueError, AnswerTooLarge) as error:
        raise Failed("CONNECTION_FAILURE", f"{parts.netloc}: {error}") from None
