"""Connections and API destinations: create, change, describe, list, delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.events import connections, errors, pages
from groundcloud.services.events.buses import Request
from groundcloud.services.events.state import API_DESTINATIONS, CONNECTIONS, ApiDestination, Connection

RATE_DEFAULT = 300
"""AWS: CreateApiDestination: invocations per second where none are given."""

_PARAMETERS = {"BASIC": "BasicAuthParameters", "API_KEY": "ApiKeyAuthParameters", "OAUTH_CLIENT_CREDENTIALS": "OAuthParameters"}


def _connection_resource(call: Call, request: Request) -> str:
    return call.arn("events", f"connection/{request['Name']}/*")


def _destination_resource(call: Call, request: Request) -> str:
    return call.arn("events", f"api-destination/{request['Name']}/*")


@operation(resource=_connection_resource)
def create_connection(call: Call, request: Request) -> Request:
    name, kind = request["Name"], request["AuthorizationType"]
    _refuse(request)
    if CONNECTIONS.get(call.tx, name) is not None:
        raise errors.exists(f"Connection {name} already exists.")
    parameters = request["AuthParameters"]
    _check(kind, parameters)
    connection_id = call.new_id()
    connection = _authorized(
        call,
        Connection(
            connection_name=name,
            connection_id=connection_id,
            authorization_type=kind,
            sealed=connections.sealed(call, parameters),
            shown=connections.shown(parameters),
            state="",
            created_ms=call.now_ms,
            modified_ms=call.now_ms,
            description=request.get("Description", ""),
            secret_arn=call.arn("secretsmanager", f"secret:events!connection/{name}/{call.new_id()}-{call.token(6)}"),
        ),
    )
    CONNECTIONS.put(call.tx, connection)
    return _answer(call, connection)


@operation(resource=_connection_resource)
def update_connection(call: Call, request: Request) -> Request:
    connection = _load(call, request)
    _refuse(request)
    kind = request.get("AuthorizationType", connection.authorization_type)
    parameters = request.get("AuthParameters")
    if parameters is not None:
        before = connections.opened(call, connection)
        if kind == connection.authorization_type:
            parameters = _merged(before, parameters)
    else:
        parameters = connections.opened(call, connection)
    _check(kind, parameters)
    changed = connection.replace(
        authorization_type=kind,
        description=request.get("Description", connection.description),
        sealed=connections.sealed(call, parameters),
        shown=connections.shown(parameters),
        modified_ms=call.now_ms,
    )
    if request.get("AuthParameters") is not None or kind != connection.authorization_type:
        changed = _authorized(call, changed)
        tokens: dict[str, Any] = call.ground.own("events/tokens", dict)
        tokens.pop(connection.connection_id, None)
    CONNECTIONS.put(call.tx, changed)
    return _answer(call, changed)


@operation(resource=_connection_resource)
def describe_connection(call: Call, request: Request) -> Request:
    connection = _load(call, request)
    return {
        **_shown(call, connection),
        "Description": connection.description or None,
        "SecretArn": connection.secret_arn or None,
        "AuthParameters": connection.shown,
    }


@operation()
def list_connections(call: Call, request: Request) -> Request:
    state = request.get("ConnectionState")

    def keep(connection: Connection) -> bool:
        return not state or connection.state == state

    found, token = pages.page(call.tx, CONNECTIONS, request, prefix=request.get("NamePrefix", ""), keep=keep)
    return {"Connections": [_shown(call, connection) for connection in found], "NextToken": token}


@operation(resource=_connection_resource)
def deauthorize_connection(call: Call, request: Request) -> Request:
    connection = _load(call, request).replace(state="DEAUTHORIZED", sealed=b"", secret_arn="", modified_ms=call.now_ms)
    CONNECTIONS.put(call.tx, connection)
    return {**_answer(call, connection), "ConnectionState": "DEAUTHORIZING"}


@operation(resource=_connection_resource)
def delete_connection(call: Call, request: Request) -> Request:
    """API destinations that use the connection lose it and become inactive."""
    connection = _load(call, request)
    CONNECTIONS.delete(call.tx, connection.connection_name)
    return {**_answer(call, connection), "ConnectionState": "DELETING"}


@operation(resource=_destination_resource)
def create_api_destination(call: Call, request: Request) -> Request:
    name = request["Name"]
    if API_DESTINATIONS.get(call.tx, name) is not None:
        raise errors.exists(f"An api-destination '{name}' already exists.")
    _check_endpoint(request["InvocationEndpoint"])
    _connection_of(call, request["ConnectionArn"])
    destination = ApiDestination(
        destination_name=name,
        destination_id=call.new_id(),
        connection_arn=request["ConnectionArn"],
        url=request["InvocationEndpoint"],
        http_method=request["HttpMethod"],
        created_ms=call.now_ms,
        modified_ms=call.now_ms,
        rate_per_s=request.get("InvocationRateLimitPerSecond", RATE_DEFAULT),
        description=request.get("Description", ""),
    )
    API_DESTINATIONS.put(call.tx, destination)
    return _destination_answer(call, destination)


@operation(resource=_destination_resource)
def update_api_destination(call: Call, request: Request) -> Request:
    destination = _load_destination(call, request)
    if "InvocationEndpoint" in request:
        _check_endpoint(request["InvocationEndpoint"])
    if "ConnectionArn" in request:
        _connection_of(call, request["ConnectionArn"])
    changed = destination.replace(
        connection_arn=request.get("ConnectionArn", destination.connection_arn),
        url=request.get("InvocationEndpoint", destination.url),
        http_method=request.get("HttpMethod", destination.http_method),
        rate_per_s=request.get("InvocationRateLimitPerSecond", destination.rate_per_s),
        description=request.get("Description", destination.description),
        modified_ms=call.now_ms,
    )
    API_DESTINATIONS.put(call.tx, changed)
    return _destination_answer(call, changed)


@operation(resource=_destination_resource)
def describe_api_destination(call: Call, request: Request) -> Request:
    destination = _load_destination(call, request)
    return {**_shown_destination(call, destination), "Description": destination.description or None}


@operation()
def list_api_destinations(call: Call, request: Request) -> Request:
    connection_arn = request.get("ConnectionArn")

    def keep(destination: ApiDestination) -> bool:
        return not connection_arn or destination.connection_arn == connection_arn

    found, token = pages.page(call.tx, API_DESTINATIONS, request, prefix=request.get("NamePrefix", ""), keep=keep)
    return {"ApiDestinations": [_shown_destination(call, destination) for destination in found], "NextToken": token}


@operation(resource=_destination_resource)
def delete_api_destination(call: Call, request: Request) -> Request:
    API_DESTINATIONS.delete(call.tx, _load_destination(call, request).destination_name)
    return {}


def _refuse(request: Request) -> None:
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("KMS keys of connections (KmsKeyIdentifier)")
    if request.get("InvocationConnectivityParameters") or (request.get("AuthParameters") or {}).get("ConnectivityParameters"):
        raise not_implemented("private connections (ConnectivityParameters)")


def _check(kind: str, parameters: Request) -> None:
    """Only the parameters of the connection's own kind, and those must be there."""
    wanted = _PARAMETERS[kind]
    if not parameters.get(wanted) or any(parameters.get(name) for name in _PARAMETERS.values() if name != wanted):
        raise errors.not_valid("AuthParameters", f"Authorization parameters must match the authorization type {kind}.")
    if kind == "OAUTH_CLIENT_CREDENTIALS":
        _check_endpoint(parameters["OAuthParameters"]["AuthorizationEndpoint"], "AuthorizationEndpoint")


def _check_endpoint(url: str, parameter: str = "InvocationEndpoint") -> None:
    """AWS wants https; here http does as well, for endpoints on this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise errors.not_valid(parameter, "must be a valid HTTPS URL.")


def _merged(before: Request, given: Request) -> Request:
    merged = dict(before)
    for name, value in given.items():
        merged[name] = _merged(before.get(name) or {}, value) if isinstance(value, dict) else value
    return merged


def _authorized(call: Call, connection: Connection) -> Connection:
    """Basic and API key need nobody; an OAuth connection asks for its first token in the background."""
    if connection.authorization_type != "OAUTH_CLIENT_CREDENTIALS":
        return connection.replace(state="AUTHORIZED", reason="", authorized_ms=call.now_ms)  # type: ignore[no-any-return]
    call.schedule(call.now_ms, "events.authorize", [connection.connection_name, connection.connection_id])
    return connection.replace(state="AUTHORIZING", reason="")  # type: ignore[no-any-return]


def _load(call: Call, request: Request) -> Connection:
    found = CONNECTIONS.get(call.tx, request["Name"])
    if found is None:
        raise errors.no_connection(request["Name"])
    return found


def _load_destination(call: Call, request: Request) -> ApiDestination:
    found = API_DESTINATIONS.get(call.tx, request["Name"])
    if found is None:
        raise errors.no_api_destination(request["Name"])
    return found


def _connection_of(call: Call, connection_arn: str) -> Connection:
    name = connection_arn.split("/")[1]
    found = CONNECTIONS.get(call.tx, name)
    if found is None or _connection_arn(call, found) != connection_arn:
        raise errors.no_connection(name)
    return found


def _connection_arn(call: Call, connection: Connection) -> str:
    return call.arn("events", f"connection/{connection.connection_name}/{connection.connection_id}")


def _answer(call: Call, connection: Connection) -> Request:
    return {
        "ConnectionArn": _connection_arn(call, connection),
        "ConnectionState": connection.state,
        "CreationTime": connection.created_ms / 1000,
        "LastModifiedTime": connection.modified_ms / 1000,
        "LastAuthorizedTime": connection.authorized_ms / 1000 if connection.authorized_ms else None,
    }


def _shown(call: Call, connection: Connection) -> Request:
    return {
        **_answer(call, connection),
        "Name": connection.connection_name,
        "StateReason": connection.reason or None,
        "AuthorizationType": connection.authorization_type,
    }


def _destination_answer(call: Call, destination: ApiDestination) -> Request:
    connection = CONNECTIONS.get(call.tx, destination.connection_arn.split("/")[1])
    active = connection is not None and connection.state in ("AUTHORIZED", "AUTHORIZING")
    return {
        "ApiDestinationArn": call.arn("events", f"api-destination/{destination.destination_name}/{destination.destination_id}"),
        "ApiDestinationState": "ACTIVE" if active else "INACTIVE",
        "CreationTime": destination.created_ms / 1000,
        "LastModifiedTime": destination.modified_ms / 1000,
    }


def _shown_destination(call: Call, destination: ApiDestination) -> Request:
    return {
        **_destination_answer(call, destination),
        "Name": destination.destination_name,
        "ConnectionArn": destination.connection_arn,
        "InvocationEndpoint": destination.url,
        "HttpMethod": destination.http_method,
        "InvocationRateLimitPerSecond": destination.rate_per_s,
    }
