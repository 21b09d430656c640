"""Targets that are called over HTTP: API destinations under their connections, APIs of API Gateway under the target's role.

Source: EventBridge user guide, "API destinations" (headers, retries on 401, 407, 409, 429 and 5xx, the rate), "API Gateway targets".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from groundcloud.auth.signing import Credentials, sign
from groundcloud.http.client import Answer
from groundcloud.kernel.call import Call
from groundcloud.services.events import connections, deliveries
from groundcloud.services.events.connections import Document, fetch
from groundcloud.services.events.deliveries import PRINCIPAL, Delivery, Failed
from groundcloud.services.events.state import API_DESTINATIONS, CONNECTIONS, ApiDestination, Connection

RETRIED = {401, 407, 409, 429}
RETRY_AFTER_S_MAX = 86_400


async def send(call: Call, delivery: Delivery) -> bool:
    """One attempt. Raises Failed; False if the destination's rate has the event wait for its turn."""
    if ":api-destination/" not in delivery.target_arn:
        await _to_api(call, delivery)
        return True
    destination, connection = _load(call, delivery)
    call.ground.assume(call.reading(), delivery.role_arn, "events", PRINCIPAL, delivery.rule_arn)
    due_ms = call.now_ms if delivery.slot else _turn(call, delivery.target_arn, destination.rate_per_s)
    if due_ms > call.clock.now_ms():
        with call.transaction() as tx:
            deliveries.wait_for_slot(call, tx, delivery, due_ms)
        return False
    parameters = connections.opened(call, connection)
    answer = await _invoke(call, delivery, destination, connection, parameters, anew=False)
    if answer.status in (401, 407) and connection.authorization_type == "OAUTH_CLIENT_CREDENTIALS":
        answer = await _invoke(call, delivery, destination, connection, parameters, anew=True)
    _judge(answer, urlsplit(destination.url).netloc)
    return True


def _load(call: Call, delivery: Delivery) -> tuple[ApiDestination, Connection]:
    _, name, destination_id = delivery.target_arn.split(":", 5)[5].split("/")
    parts = delivery.target_arn.split(":", 5)
    tx = call.reading().at(parts[4], parts[3])
    destination = API_DESTINATIONS.get(tx, name)
    if destination is None or destination.destination_id != destination_id:
        raise Failed("NO_RESOURCE", f"An api-destination '{name}' does not exist.", final=True)
    connection = CONNECTIONS.get(tx, destination.connection_arn.split("/")[1])
    if connection is None:
        raise Failed("NO_RESOURCE", "The connection of the api-destination does not exist.", final=True)
    if connection.state == "AUTHORIZING":
        raise Failed("NO_PERMISSIONS", "The connection is not authorized yet.")
    if connection.state != "AUTHORIZED":
        raise Failed("NO_PERMISSIONS", f"The connection is {connection.state}.", final=True)
    return destination, connection


def _turn(call: Call, destination_arn: str, rate_per_s: int) -> int:
    """When this invocation may go: a destination gets no more than its rate in any second, counted in memory."""
    turns: dict[str, tuple[int, int]] = call.ground.own("events/turns", dict)
    now_ms = call.clock.now_ms()
    second_ms, used = turns.get(destination_arn, (0, 0))
    if second_ms + 1000 <= now_ms:
        second_ms, used = now_ms, 0
    elif used >= rate_per_s:
        second_ms, used = second_ms + 1000, 0
    turns[destination_arn] = (second_ms, used + 1)
    return max(second_ms, now_ms)


async def _invoke(
    call: Call, delivery: Delivery, destination: ApiDestination, connection: Connection, parameters: Document, *, anew: bool
) -> Answer:
    given = delivery.document.get("HttpParameters") or {}
    further = parameters.get("InvocationHttpParameters") or {}
    # AWS: where both have a key, the connection's value goes.
    headers = {name.lower(): value for name, value in (given.get("HeaderParameters") or {}).items()}
    headers |= {name.lower(): value for name, value in connections.named(further.get("HeaderParameters")).items()}
    headers.setdefault("content-type", "application/json; charset=utf-8")
    query = {**(given.get("QueryStringParameters") or {}), **connections.named(further.get("QueryStringParameters"))}
    if delivery.trace:
        headers["x-amzn-trace-id"] = delivery.trace
    mark = await connections.header(call, connection, parameters, anew=anew)
    if mark is not None:
        headers[mark[0]] = mark[1]
    body = delivery.payload
    if added := connections.named(further.get("BodyParameters")):
        body = _with_members(body, added)
    return await fetch(
        call,
        destination.http_method,
        _with_path(destination.url, given),
        query,
        headers,
        b"" if destination.http_method in ("GET", "HEAD") else body.encode(),
    )


def _with_members(body: str, added: dict[str, str]) -> str:
    """A JSON object with the connection's body parameters in it; what is no object stays."""
    try:
        document: Any = msgspec.json.decode(body)
    except ValueError:
        return body
    return msgspec.json.encode({**document, **added}).decode() if isinstance(document, dict) else body


def _with_path(url: str, parameters: Document) -> str:
    """Each `*` of the path replaced by the next of PathParameterValues."""
    for value in parameters.get("PathParameterValues") or ():
        url = url.replace("*", quote(value, safe=""), 1)
    return url


async def _to_api(call: Call, delivery: Delivery) -> None:
    """`arn:aws:execute-api:region:account:api/stage/METHOD/path`."""
    _, _, _, region, _, resource = delivery.target_arn.split(":", 5)
    api_id, stage, wanted, rest = (*resource.split("/", 3), "", "", "")[:4]
    method = "POST" if wanted in ("*", "") else wanted
    parameters = delivery.document.get("HttpParameters") or {}
    path = _with_path(f"/{rest}", parameters)
    raw_path = quote(f"/{stage}{path}" if stage and stage != "$default" else path, safe="/%:@!$&'()*+,;=~-._")
    host = f"{api_id}.execute-api.{region}.localhost"
    query = parameters.get("QueryStringParameters") or {}
    headers = {"host": host, "content-type": "application/json"}
    headers |= {name.lower(): value for name, value in (parameters.get("HeaderParameters") or {}).items()}
    if delivery.trace:
        headers["x-amzn-trace-id"] = delivery.trace
    body = delivery.payload.encode()
    if delivery.role_arn:
        found = call.assume_role(delivery.role_arn, "events", service_principal=PRINCIPAL, source_arn=delivery.rule_arn)
        credentials = Credentials(found.access_key_id, found.secret_access_key, found.session_token)
        headers = sign(credentials, region, "execute-api", method, raw_path, urlencode(query), headers, body, call.clock.real_ns() / 1e9)
    url = f"{call.settings.function_endpoint}{raw_path}"
    _judge(await fetch(call, method, url, query, headers, body, host), host)


def _judge(answer: Answer, place: str) -> None:
    if answer.status < 400:
        return
    after_s = next((value for name, value in answer.headers if name == "retry-after"), "")
    sentence = f"{place} answered {answer.status}"
    if answer.status == 429:
        raise Failed("THROTTLING", sentence, after_s=_seconds(after_s))
    if answer.status in RETRIED or answer.status >= 500:
        raise Failed("ERROR_FROM_TARGET", sentence, after_s=_seconds(after_s))
    raise Failed("NO_PERMISSIONS" if answer.status == 403 else "SDK_CLIENT_ERROR", sentence, final=True)


def _seconds(text: str) -> int:
    return min(int(text), RETRY_AFTER_S_MAX) if text.isdecimal() and len(text) < 9 else 0
