"""Definitions out of deployed APIs, such that importing them again makes the same API."""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.services.apigateway.http_state import HttpApi, HttpAuthorizer, HttpSnapshot, Integration, Route
from groundcloud.services.apigateway.openapi.source import ANY_METHOD, INTEGRATION
from groundcloud.services.apigateway.state import Authorizer, Method, Snapshot, Stage
from groundcloud.wire import timestamps

_PLACES = {"path": "path", "querystring": "query", "header": "header"}
_CORS = ("AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders", "MaxAge", "AllowCredentials")
API_KEY = "api_key"
SIGV4 = "sigv4"


def rest(snapshot: Snapshot, stage: Stage, server_url: str, *, swagger: bool, extensions: set[str]) -> dict[str, Any]:
    """`extensions`: "integrations", "authorizers", or "apigateway" for all."""
    api = snapshot.api
    everything = "apigateway" in extensions
    described: dict[str, Any] = {"title": api.name, "version": api.version or timestamps.iso8601(api.created_date)}
    if api.description:
        described["description"] = api.description
    document: dict[str, Any] = {"swagger": "2.0"} if swagger else {"openapi": "3.0.1"}
    document["info"] = described
    scheme, _, host = server_url.partition("://")
    if swagger:
        document |= {"host": host, "basePath": f"/{stage.stage_name}", "schemes": [scheme]}
    else:
        document["servers"] = [{"url": f"{server_url}/{{basePath}}", "variables": {"basePath": {"default": stage.stage_name}}}]
    authorizers = {authorizer.authorizer_id: authorizer for authorizer in snapshot.authorizers}
    validators = {validator.validator_id: validator for validator in snapshot.validators}
    paths: dict[str, dict[str, Any]] = {}
    schemes: dict[str, Any] = {}
    for resource in sorted(snapshot.resources, key=lambda each: each.path):
        for method in (each for each in snapshot.methods if each.resource_id == resource.resource_id):
            operation = _operation(method, swagger)
            security = _security(method, authorizers, schemes, everything or "authorizers" in extensions)
            if security:
                operation["security"] = security
            if method.request_validator_id in validators and everything:
                operation["x-amazon-apigateway-request-validator"] = validators[method.request_validator_id].name
            if method.method_integration and (everything or "integrations" in extensions):
                operation[INTEGRATION] = _integration(method.method_integration)
            verb = ANY_METHOD if method.http_method == "ANY" else method.http_method.lower()
            paths.setdefault(resource.path, {})[verb] = operation
    document["paths"] = paths
    schemas = {model.name: msgspec.json.decode(model.schema) for model in snapshot.models if model.schema}
    if swagger:
        document |= {"securityDefinitions": schemes} if schemes else {}
        document |= {"definitions": schemas} if schemas else {}
    elif schemes or schemas:
        document["components"] = ({"schemas": schemas} if schemas else {}) | ({"securitySchemes": schemes} if schemes else {})
    if everything:
        document |= _rest_extensions(snapshot)
    return document


def http(api: HttpApi, snapshot: HttpSnapshot, server_url: str, *, extensions: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "openapi": "3.0.1",
        "info": {"title": api.name, "version": api.version or timestamps.iso8601(api.created_date)},
        "servers": [{"url": server_url}],
    }
    if api.description:
        document["info"]["description"] = api.description
    integrations = {integration.integration_id: integration for integration in snapshot.integrations}
    authorizers = {authorizer.authorizer_id: authorizer for authorizer in snapshot.authorizers}
    paths: dict[str, dict[str, Any]] = {}
    schemes: dict[str, Any] = {}
    for route in snapshot.routes:
        method, _, path = route.route_key.partition(" ")
        is_default = route.route_key == "$default"
        operation = _http_operation(route, integrations, authorizers, schemes, extensions)
        if is_default and extensions:
            operation["isDefaultRoute"] = True
        verb = ANY_METHOD if is_default or method == "ANY" else method.lower()
        paths.setdefault("/$default" if is_default else path, {})[verb] = operation
    document["paths"] = paths
    if schemes:
        document["components"] = {"securitySchemes": schemes}
    if extensions:
        if api.cors_configuration:
            cors = api.cors_configuration
            document["x-amazon-apigateway-cors"] = {name[0].lower() + name[1:]: cors[name] for name in _CORS if name in cors}
        document["x-amazon-apigateway-importexport-version"] = "1.0"
    return document


def text_of(document: dict[str, Any], media_type: str) -> bytes:
    """As JSON, or as YAML where that was asked for."""
    if "yaml" in media_type:
        import yaml

        return bytes(yaml.safe_dump(document, sort_keys=False).encode())
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _operation(method: Method, swagger: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {}
    if method.operation_name:
        operation["operationId"] = method.operation_name
    parameters = []
    for name, required in method.request_parameters.items():
        _, _, place, parameter = name.split(".", 3)
        entry: dict[str, Any] = {"name": parameter, "in": _PLACES.get(place, place), "required": required or place == "path"}
        entry |= {"type": "string"} if swagger else {"schema": {"type": "string"}}
        parameters.append(entry)
    if method.request_models and swagger:
        operation["consumes"] = list(method.request_models)
        model = next(iter(method.request_models.values()))
        parameters.append({"name": model, "in": "body", "required": True, "schema": {"$ref": f"#/definitions/{model}"}})
    elif method.request_models:
        content = {kind: {"schema": {"$ref": f"#/components/schemas/{model}"}} for kind, model in method.request_models.items()}
        operation["requestBody"] = {"content": content, "required": True}
    if parameters:
        operation["parameters"] = parameters
    responses = {}
    for code, response in method.method_responses.items():
        names = [name.rpartition(".")[2] for name in response.get("responseParameters") or {}]
        headers = {name: {"type": "string"} if swagger else {"schema": {"type": "string"}} for name in names}
        responses[code] = {"description": f"{code} response"} | ({"headers": headers} if headers else {})
    operation["responses"] = responses
    return operation


def _security(
    method: Method, authorizers: dict[str, Authorizer], schemes: dict[str, Any], with_extensions: bool
) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = []
    if method.api_key_required:
        schemes[API_KEY] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
        found.append({API_KEY: []})
    if method.authorization_type == "AWS_IAM":
        schemes[SIGV4] = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
        found.append({SIGV4: []})
    authorizer = authorizers.get(method.authorizer_id or "")
    if method.authorization_type == "CUSTOM" and authorizer is not None:
        header = (authorizer.identity_source or "").rpartition("method.request.header.")[2] if authorizer.type == "TOKEN" else "Unused"
        scheme: dict[str, Any] = {
            "type": "apiKey",
            "name": header,
            "in": "header",
            "x-amazon-apigateway-authtype": authorizer.auth_type or "custom",
        }
        if with_extensions:
            given = {
                "type": authorizer.type.lower(),
                "authorizerUri": authorizer.authorizer_uri,
                "authorizerCredentials": authorizer.authorizer_credentials,
                "identitySource": authorizer.identity_source,
                "identityValidationExpression": authorizer.identity_validation_expression,
                "authorizerResultTtlInSeconds": authorizer.authorizer_result_ttl_in_seconds,
            }
            scheme["x-amazon-apigateway-authorizer"] = {name: value for name, value in given.items() if value is not None}
        schemes[authorizer.name] = scheme
        found.append({authorizer.name: method.authorization_scopes})
    return found


def _integration(document: dict[str, Any]) -> dict[str, Any]:
    found = {
        name: value for name, value in document.items() if name not in ("integrationResponses", "cacheNamespace", "cacheKeyParameters")
    }
    found["type"] = found["type"].lower()
    found["passthroughBehavior"] = found["passthroughBehavior"].lower()
    responses = {}
    for response in (document.get("integrationResponses") or {}).values():
        entry = {name: value for name, value in response.items() if name != "selectionPattern"}
        responses[response.get("selectionPattern") or "default"] = entry
    return found | ({"responses": responses} if responses else {})


def _rest_extensions(snapshot: Snapshot) -> dict[str, Any]:
    api = snapshot.api
    found: dict[str, Any] = {}
    if snapshot.validators:
        found["x-amazon-apigateway-request-validators"] = {
            validator.name: {
                "validateRequestBody": validator.validate_request_body,
                "validateRequestParameters": validator.validate_request_parameters,
            }
            for validator in snapshot.validators
        }
    if snapshot.gateway_responses:
        found["x-amazon-apigateway-gateway-responses"] = {
            response.response_type: {
                **({"statusCode": response.status_code} if response.status_code else {}),
                **({"responseParameters": response.response_parameters} if response.response_parameters else {}),
                **({"responseTemplates": response.response_templates} if response.response_templates else {}),
            }
            for response in snapshot.gateway_responses
        }
    if api.binary_media_types:
        found["x-amazon-apigateway-binary-media-types"] = api.binary_media_types
    if api.policy:
        found["x-amazon-apigateway-policy"] = msgspec.json.decode(api.policy)
    if api.api_key_source != "HEADER":
        found["x-amazon-apigateway-api-key-source"] = api.api_key_source
    if api.minimum_compression_size is not None:
        found["x-amazon-apigateway-minimum-compression-size"] = api.minimum_compression_size
    return found


def _http_operation(
    route: Route, integrations: dict[str, Integration], authorizers: dict[str, HttpAuthorizer], schemes: dict[str, Any], extensions: bool
) -> dict[str, Any]:
    operation: dict[str, Any] = {"responses": {"default": {"description": f"Default response for {route.route_key}"}}}
    if route.operation_name:
        operation["operationId"] = route.operation_name
    integration = integrations.get((route.target or "").removeprefix("integrations/"))
    if integration is not None and extensions:
        given = {
            "type": integration.integration_type.lower(),
            "httpMethod": integration.integration_method,
            "uri": integration.integration_uri,
            "payloadFormatVersion": integration.payload_format_version,
            "connectionType": integration.connection_type,
            "credentials": integration.credentials_arn,
            "timeoutInMillis": integration.timeout_in_millis,
            "requestParameters": integration.request_parameters or None,
            "responseParameters": integration.response_parameters or None,
        }
        operation[INTEGRATION] = {name: value for name, value in given.items() if value is not None}
    if route.authorization_type == "AWS_IAM" and extensions:
        operation["x-amazon-apigateway-auth"] = {"type": "AWS_IAM"}
    authorizer = authorizers.get(route.authorizer_id or "")
    if authorizer is not None:
        jwt = authorizer.jwt_configuration or {}
        described = {
            "type": authorizer.authorizer_type.lower(),
            "identitySource": ",".join(authorizer.identity_source) or None,
            "jwtConfiguration": {"issuer": jwt.get("Issuer"), "audience": jwt.get("Audience")} if jwt else None,
            "authorizerUri": authorizer.authorizer_uri,
            "authorizerCredentials": authorizer.authorizer_credentials_arn,
            "authorizerPayloadFormatVersion": authorizer.authorizer_payload_format_version,
            "authorizerResultTtlInSeconds": authorizer.authorizer_result_ttl_in_seconds,
            "enableSimpleResponses": authorizer.enable_simple_responses,
        }
        scheme: dict[str, Any] = {"type": "oauth2"} if jwt else {"type": "apiKey", "in": "header", "name": "Authorization"}
        scheme["x-amazon-apigateway-authorizer"] = {name: value for name, value in described.items() if value is not None}
        schemes[authorizer.name] = scheme
        operation["security"] = [{authorizer.name: route.authorization_scopes}]
    return operation
