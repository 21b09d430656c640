"""A REST API out of a definition.

AWS: "OpenAPI extensions for API Gateway".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from groundcloud.services.apigateway import definitions, errors
from groundcloud.services.apigateway.openapi import source
from groundcloud.services.apigateway.state import Authorizer, GatewayResponse, Method, Model, RequestValidator, RestApi

API_KEY_HEADER = "x-api-key"
_PARAMETER_PLACES = {"path": "path", "query": "querystring", "header": "header"}


class Content(NamedTuple):
    """`methods`: path -> its methods, with an empty resource id."""

    methods: dict[str, list[Method]]
    models: list[Model]
    validators: list[RequestValidator]
    authorizers: list[Authorizer]
    gateway_responses: list[GatewayResponse]


def settings(api: RestApi, document: dict[str, Any], *, overwrite: bool = True) -> RestApi:
    """The API with the definition's title, description and extensions of the whole."""
    described = document.get("info") or {}
    changes: dict[str, Any] = {}
    if described.get("title"):
        changes["name"] = str(described["title"])
    if described.get("description"):
        changes["description"] = str(described["description"])
    if described.get("version"):
        changes["version"] = str(described["version"])
    binary = document.get("x-amazon-apigateway-binary-media-types")
    if binary is not None:
        changes["binary_media_types"] = [str(each) for each in binary]
    elif overwrite:
        changes["binary_media_types"] = []
    if "x-amazon-apigateway-api-key-source" in document:
        changes["api_key_source"] = document["x-amazon-apigateway-api-key-source"]
    if "x-amazon-apigateway-minimum-compression-size" in document:
        changes["minimum_compression_size"] = int(document["x-amazon-apigateway-minimum-compression-size"])
    if "x-amazon-apigateway-policy" in document:
        changes["policy"] = msgspec.json.encode(document["x-amazon-apigateway-policy"]).decode()
    endpoint = document.get("x-amazon-apigateway-endpoint-configuration") or {}
    for server in document.get("servers") or []:
        endpoint = endpoint | ((server or {}).get("x-amazon-apigateway-endpoint-configuration") or {})
    if "disableExecuteApiEndpoint" in endpoint:
        changes["disable_execute_api_endpoint"] = bool(endpoint["disableExecuteApiEndpoint"])
    if endpoint.get("vpcEndpointIds"):
        raise errors.missing("private endpoints")
    if tags := source.tags_of(document):
        changes["tags"] = api.tags | tags
    return api.replace(**changes)


def read(api_id: str, document: dict[str, Any], new_id: Callable[[int], str]) -> Content:
    """Everything below the API. Raises BadRequestException, or a refusal by name."""
    validators = {
        name: RequestValidator(api_id, new_id(6), name, bool(each.get("validateRequestBody")), bool(each.get("validateRequestParameters")))
        for name, each in (document.get("x-amazon-apigateway-request-validators") or {}).items()
    }
    authorizers: dict[str, Authorizer] = {}
    schemes = source.security_schemes(document)
    for name, scheme in schemes.items():
        if "x-amazon-apigateway-authorizer" in scheme:
            authorizers[name] = _authorizer(api_id, name, scheme, new_id(6))
    methods: dict[str, list[Method]] = {"/": []}
    for path, verb, operation, common in source.operations(document):
        clean = "/" + "/".join(definitions.path_part(part) for part in path.strip("/").split("/") if part)
        if verb == "trace":
            continue
        method = _method(api_id, document, verb, operation, common)
        method = _secured(method, document, operation, schemes, authorizers)
        validator = operation.get("x-amazon-apigateway-request-validator") or document.get("x-amazon-apigateway-request-validator")
        if validator:
            if validator not in validators:
                raise errors.bad_request(f"Invalid OpenAPI input. The request validator {validator} is not defined")
            method = method.replace(request_validator_id=validators[validator].validator_id)
        methods.setdefault(clean, []).append(method)
    for path in document.get("paths") or {}:
        methods.setdefault("/" + path.strip("/"), [])
    models = [
        Model(api_id, name, new_id(6), "application/json", schema.get("description") if isinstance(schema, dict) else None, _json(schema))
        for name, schema in source.schemas(document).items()
        if name.isalnum()
    ]
    responses = [
        GatewayResponse(
            api_id,
            kind.upper(),  # AWS SAM's examples write DEFAULT_4xx
            str(each["statusCode"]) if each.get("statusCode") else None,
            {name: str(value) for name, value in (each.get("responseParameters") or {}).items()},
            each.get("responseTemplates") or {},
        )
        for kind, each in (document.get("x-amazon-apigateway-gateway-responses") or {}).items()
    ]
    return Content(methods, models, list(validators.values()), list(authorizers.values()), responses)


def _method(api_id: str, document: dict[str, Any], verb: str, operation: dict[str, Any], common: list[Any]) -> Method:
    http_method = "ANY" if verb == source.ANY_METHOD else verb.upper()
    parameters: dict[str, bool] = {}
    models: dict[str, str] = {}
    for given in [*common, *(operation.get("parameters") or [])]:
        parameter = source.resolved(document, given)
        place = _PARAMETER_PLACES.get(parameter.get("in", ""))
        if place:
            parameters[f"method.request.{place}.{parameter['name']}"] = bool(parameter.get("required"))
        elif parameter.get("in") == "body" and "$ref" in (parameter.get("schema") or {}):
            models["application/json"] = parameter["schema"]["$ref"].rsplit("/", 1)[-1]
    body = source.resolved(document, operation.get("requestBody") or {})
    for media_type, content in (body.get("content") or {}).items():
        if "$ref" in ((content or {}).get("schema") or {}):
            models[media_type] = content["schema"]["$ref"].rsplit("/", 1)[-1]
    responses = {}
    for code, given in (operation.get("responses") or {}).items():
        response = source.resolved(document, given) or {}
        entry: dict[str, Any] = {"statusCode": str(code)}
        headers = {f"method.response.header.{name}": False for name in response.get("headers") or {}}
        if headers:
            entry["responseParameters"] = headers
        responses[str(code)] = entry
    given = source.resolved(document, operation.get(source.INTEGRATION))
    integration = _integration(given, http_method) if given is not None else None
    return Method(
        api_id,
        "",
        http_method,
        operation_name=operation.get("operationId"),
        request_parameters=parameters,
        request_models=models,
        method_responses=responses,
        method_integration=integration,
    )


def _integration(given: dict[str, Any], http_method: str) -> dict[str, Any]:
    document = {name: value for name, value in given.items() if name != "responses"}
    document["type"] = str(document.get("type", "")).upper()
    if document.get("httpMethod"):
        document["httpMethod"] = str(document["httpMethod"]).upper()
        if document["httpMethod"] == "X-AMAZON-APIGATEWAY-ANY-METHOD":
            document["httpMethod"] = "ANY"
    if "requestParameters" in document:
        document["requestParameters"] = {name: str(value) for name, value in document["requestParameters"].items()}
    responses = {}
    for pattern, response in (given.get("responses") or {}).items():
        entry = dict(response)
        entry["statusCode"] = str(entry.get("statusCode") or 200)
        if pattern != "default":
            entry["selectionPattern"] = pattern
        if "responseParameters" in entry:
            entry["responseParameters"] = {name: str(value) for name, value in entry["responseParameters"].items()}
        responses[entry["statusCode"]] = entry
    if responses:
        document["integrationResponses"] = responses
    return definitions.integration(document, http_method)


def _secured(
    method: Method, document: dict[str, Any], operation: dict[str, Any], schemes: dict[str, Any], authorizers: dict[str, Authorizer]
) -> Method:
    auth = operation.get("x-amazon-apigateway-auth") or {}
    if str(auth.get("type", "")).upper() == "AWS_IAM":
        method = method.replace(authorization_type="AWS_IAM")
    for name, scopes in source.security(document, operation):
        scheme = schemes.get(name)
        if scheme is None:
            raise errors.bad_request(f"Invalid OpenAPI input. The security scheme {name} is not defined")
        kind = str(scheme.get("x-amazon-apigateway-authtype", "")).lower()
        if name in authorizers:
            method = method.replace(authorization_type="CUSTOM", authorizer_id=authorizers[name].authorizer_id, authorization_scopes=scopes)
        elif kind == "awssigv4":
            method = method.replace(authorization_type="AWS_IAM")
        elif scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == API_KEY_HEADER:
            method = method.replace(api_key_required=True)
    return method


def _authorizer(api_id: str, name: str, scheme: dict[str, Any], authorizer_id: str) -> Authorizer:
    given = scheme["x-amazon-apigateway-authorizer"]
    kind = str(given.get("type", "")).upper()
    if kind == "COGNITO_USER_POOLS":
        raise errors.missing("Cognito authorizers")
    if kind not in ("TOKEN", "REQUEST"):
        raise errors.bad_request(f"Invalid OpenAPI input. Invalid authorizer type {given.get('type')}")
    default_source = f"method.request.header.{scheme.get('name', 'Authorization')}" if kind == "TOKEN" else None
    ttl_s = given.get("authorizerResultTtlInSeconds")
    return Authorizer(
        api_id,
        authorizer_id,
        name,
        kind,
        scheme.get("x-amazon-apigateway-authtype"),
        given.get("authorizerUri"),
        given.get("authorizerCredentials"),
        given.get("identitySource") or default_source,
        given.get("identityValidationExpression"),
        300 if ttl_s is None else int(ttl_s),
    )


def _json(schema: Any) -> str:
    return msgspec.json.encode(schema).decode()
