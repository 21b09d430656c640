"""An HTTP API out of a definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.http_definitions import checked_integration, checked_route_key
from groundcloud.services.apigateway.http_state import HttpApi, HttpAuthorizer, Integration, Route
from groundcloud.services.apigateway.openapi import source

_DEFAULT_PATHS = ("/$default", "$default")  # as API Gateway exports it, as AWS SAM writes it
_CORS = {
    "allowOrigins": "AllowOrigins",
    "allowMethods": "AllowMethods",
    "allowHeaders": "AllowHeaders",
    "exposeHeaders": "ExposeHeaders",
    "maxAge": "MaxAge",
    "allowCredentials": "AllowCredentials",
}
_INTEGRATION = {
    "uri": "integration_uri",
    "httpMethod": "integration_method",
    "payloadFormatVersion": "payload_format_version",
    "credentials": "credentials_arn",
    "timeoutInMillis": "timeout_in_millis",
    "requestParameters": "request_parameters",
    "connectionType": "connection_type",
    "description": "description",
}


class Content(NamedTuple):
    routes: list[Route]
    integrations: list[Integration]
    authorizers: list[HttpAuthorizer]


def settings(api: HttpApi, document: dict[str, Any]) -> HttpApi:
    described = document.get("info") or {}
    changes: dict[str, Any] = {"cors_configuration": None, "description": described.get("description")}
    if described.get("title"):
        changes["name"] = str(described["title"])
    if described.get("version"):
        changes["version"] = str(described["version"])
    cors = document.get("x-amazon-apigateway-cors")
    if cors:
        changes["cors_configuration"] = {_CORS[name]: value for name, value in cors.items() if name in _CORS and value is not None}
    for server in document.get("servers") or []:
        endpoint = (server or {}).get("x-amazon-apigateway-endpoint-configuration") or {}
        if "disableExecuteApiEndpoint" in endpoint:
            changes["disable_execute_api_endpoint"] = bool(endpoint["disableExecuteApiEndpoint"])
    if tags := source.tags_of(document):
        changes["tags"] = api.tags | tags
    return api.replace(**changes)


def read(api_id: str, document: dict[str, Any], new_id: Callable[[int], str]) -> Content:
    """Routes and what they point at; equal integrations are one. Raises BadRequestException, or a refusal by name."""
    schemes = source.security_schemes(document)
    authorizers = {
        name: _authorizer(api_id, name, scheme, new_id(6)) for name, scheme in schemes.items() if "x-amazon-apigateway-authorizer" in scheme
    }
    routes: list[Route] = []
    integrations: dict[bytes, Integration] = {}
    for path, verb, operation, _ in source.operations(document):
        is_default = path in _DEFAULT_PATHS or operation.get("isDefaultRoute") is True
        key = "$default" if is_default else f"{'ANY' if verb == source.ANY_METHOD else verb.upper()} {path}"
        checked_route_key(key)
        target = None
        given = source.resolved(document, operation.get(source.INTEGRATION))
        if given is not None:
            fingerprint = msgspec.json.encode(given, order="deterministic")
            if fingerprint not in integrations:
                integrations[fingerprint] = _integration(api_id, given, new_id(7))
            target = f"integrations/{integrations[fingerprint].integration_id}"
        route = Route(api_id, new_id(7), key, target, operation_name=operation.get("operationId"))
        auth = operation.get("x-amazon-apigateway-auth") or {}
        if str(auth.get("type", "")).upper() == "AWS_IAM":
            route = route.replace(authorization_type="AWS_IAM")
        for name, scopes in source.security(document, operation):
            if name in authorizers:
                kind = "JWT" if authorizers[name].authorizer_type == "JWT" else "CUSTOM"
                route = route.replace(authorization_type=kind, authorizer_id=authorizers[name].authorizer_id, authorization_scopes=scopes)
            elif name not in schemes:
                raise errors.bad_request(f"Invalid OpenAPI input. The security scheme {name} is not defined")
        routes.append(route)
    return Content(routes, list(integrations.values()), list(authorizers.values()))


def _integration(api_id: str, given: dict[str, Any], integration_id: str) -> Integration:
    fields: dict[str, Any] = {field: given[name] for name, field in _INTEGRATION.items() if given.get(name) is not None}
    if "payload_format_version" in fields:
        fields["payload_format_version"] = str(fields["payload_format_version"])
    if given.get("responseParameters"):
        fields["response_parameters"] = {str(code): dict(each) for code, each in given["responseParameters"].items()}
    if given.get("subtype") or given.get("integrationSubtype"):
        raise errors.missing("integrations with AWS services")
    return checked_integration(Integration(api_id, integration_id, str(given.get("type", "")).upper(), **fields))


def _authorizer(api_id: str, name: str, scheme: dict[str, Any], authorizer_id: str) -> HttpAuthorizer:
    given = scheme["x-amazon-apigateway-authorizer"]
    kind = str(given.get("type", "")).upper()
    if kind not in ("JWT", "REQUEST"):
        raise errors.bad_request(f"Invalid OpenAPI input. Invalid authorizer type {given.get('type')}")
    identity = given.get("identitySource")
    sources = [identity] if isinstance(identity, str) else list(identity or [])
    jwt = given.get("jwtConfiguration") or {}
    return HttpAuthorizer(
        api_id,
        authorizer_id,
        name,
        kind,
        [part.strip() for each in sources for part in each.split(",")],
        given.get("authorizerUri"),
        given.get("authorizerCredentials"),
        given.get("authorizerPayloadFormatVersion"),
        given.get("authorizerResultTtlInSeconds"),
        given.get("enableSimpleResponses"),
        {"Issuer": jwt.get("issuer"), "Audience": list(jwt.get("audience") or [])} if kind == "JWT" else None,
    )
