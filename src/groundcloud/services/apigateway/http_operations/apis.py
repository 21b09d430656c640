"""Apis: the HTTP API itself, made by hand, by quick create, or from an OpenAPI definition."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, page, short_id
from groundcloud.services.apigateway.http_definitions import checked_cors, checked_integration, checked_route_key, function_of
from groundcloud.services.apigateway.http_snapshots import auto_deploy
from groundcloud.services.apigateway.http_state import (
    HTTP_APIS,
    HTTP_AUTHORIZERS,
    HTTP_STAGES,
    INTEGRATIONS,
    OF_ONE_API,
    ROUTES,
    HttpApi,
    HttpStage,
    Integration,
    Route,
)
from groundcloud.services.apigateway.openapi import http as definition
from groundcloud.services.apigateway.openapi.source import parse

SELECTION = "$request.method $request.path"


def load_api(call: Call, api_id: str) -> HttpApi:
    """Raises NotFoundException."""
    found = HTTP_APIS.get(call.tx, api_id)
    if found is None:
        raise errors.no_http_api(api_id)
    return found


@operation(access=by_path)
def create_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if request["ProtocolType"] != "HTTP":
        raise errors.missing("WebSocket APIs")
    expression = (request.get("RouteSelectionExpression") or SELECTION).replace("{", "").replace("}", "")
    if expression != SELECTION:
        raise errors.bad_request("Invalid routeSelectionExpression for protocol HTTP. It must be ${request.method} ${request.path}")
    api = HttpApi(
        short_id(call.random),
        request["Name"],
        call.now_s,
        api_key_selection_expression=request.get("ApiKeySelectionExpression") or "$request.header.x-api-key",
        cors_configuration=checked_cors(request.get("CorsConfiguration")),
        description=request.get("Description"),
        disable_execute_api_endpoint=bool(request.get("DisableExecuteApiEndpoint")),
        version=request.get("Version"),
        ip_address_type=request.get("IpAddressType") or "ipv4",
        tags=request.get("Tags") or {},
    )
    HTTP_APIS.put(call.tx, api)
    state.register(call.tx, api.api_id, "HTTP")
    if request.get("Target"):
        _quick_create(call, api, request)
    elif request.get("RouteKey") or request.get("CredentialsArn"):
        raise errors.bad_request("Target must be specified for quick create")
    return described(call, api)


@operation(access=by_path)
def get_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(call, load_api(call, request["ApiId"]))


@operation(access=by_path)
def get_apis(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    items, token = page([described(call, api) for api in HTTP_APIS.scan(call.tx)], request.get("NextToken"), limit_of(request))
    return {"Items": items, "NextToken": token}


@operation(access=by_path)
def update_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    changes: dict[str, Any] = {}
    for member, field in (
        ("Name", "name"),
        ("Description", "description"),
        ("Version", "version"),
        ("DisableExecuteApiEndpoint", "disable_execute_api_endpoint"),
        ("ApiKeySelectionExpression", "api_key_selection_expression"),
        ("IpAddressType", "ip_address_type"),
    ):
        if request.get(member) is not None:
            changes[field] = request[member]
    if request.get("CorsConfiguration") is not None:
        changes["cors_configuration"] = checked_cors(request["CorsConfiguration"])
    changed = api.replace(**changes)
    HTTP_APIS.put(call.tx, changed)
    if request.get("Target") or request.get("RouteKey"):
        _change_quick_created(call, api, request)
    state.touch(call.tx, api.api_id)
    return described(call, changed)


@operation(access=by_path)
def delete_api(call: Call, request: dict[str, Any]) -> None:
    api = load_api(call, request["ApiId"])
    state.forget_all(call.tx, OF_ONE_API, api.api_id)
    HTTP_APIS.delete(call.tx, api.api_id)
    state.EXECUTE.delete(call.tx, api.api_id)


@operation(access=by_path)
def delete_cors_configuration(call: Call, request: dict[str, Any]) -> None:
    api = load_api(call, request["ApiId"])
    HTTP_APIS.put(call.tx, api.replace(cors_configuration=None))
    state.touch(call.tx, api.api_id)


@operation(access=by_path)
def import_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Differs: what AWS would warn of and ignore is refused by name."""
    document = parse(request["Body"])
    blank = HttpApi(short_id(call.random), "", call.now_s)
    api = definition.settings(blank, document)
    if not api.name:
        raise errors.bad_request("Unable to import API: the definition has no title")
    api = api.replace(cors_configuration=checked_cors(api.cors_configuration))
    HTTP_APIS.put(call.tx, api)
    state.register(call.tx, api.api_id, "HTTP")
    _fill(call, api, document)
    return described(call, api)


@operation(access=by_path)
def reimport_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Everything below the API but its stages is replaced by the definition's."""
    api = load_api(call, request["ApiId"])
    document = parse(request["Body"])
    changed = definition.settings(api, document)
    changed = changed.replace(cors_configuration=checked_cors(changed.cors_configuration))
    HTTP_APIS.put(call.tx, changed)
    state.forget_all(call.tx, (ROUTES, INTEGRATIONS, HTTP_AUTHORIZERS), api.api_id)
    _fill(call, changed, document)
    auto_deploy(call, api.api_id)
    return described(call, changed)


def described(call: Call, api: HttpApi) -> dict[str, Any]:
    document = http_document(api)
    document["ApiEndpoint"] = endpoint_of(call, api.api_id)
    return document


def endpoint_of(call: Call, api_id: str) -> str:
    """Where the API answers on this server: the API's name before the server's own."""
    scheme, _, host = call.endpoint.partition("://")
    name, colon, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if name.startswith("[") or name.replace(".", "").isdigit():
        name = "localhost"
    return f"{scheme}://{api_id}.execute-api.{call.region}.{name}{colon}{port}"


def limit_of(request: dict[str, Any]) -> int | None:
    """`MaxResults` is text in this service's model."""
    text = request.get("MaxResults")
    if text is None:
        return None
    if not str(text).isdigit() or int(text) < 1:
        raise errors.bad_request(f"Invalid maxResults: {text}")
    return int(text)


def _fill(call: Call, api: HttpApi, document: dict[str, Any]) -> None:
    content = definition.read(api.api_id, document, lambda length: short_id(call.random, length))
    for route in content.routes:
        ROUTES.put(call.tx, route)
    for integration in content.integrations:
        INTEGRATIONS.put(call.tx, integration)
    for authorizer in content.authorizers:
        HTTP_AUTHORIZERS.put(call.tx, authorizer)


def _quick_create(call: Call, api: HttpApi, request: dict[str, Any]) -> None:
    """An integration, a catch-all route and a `$default` stage that deploys itself. AWS: "Create an HTTP API by using the AWS CLI"."""
    integration = _quick_integration(api.api_id, short_id(call.random, 7), request)
    INTEGRATIONS.put(call.tx, integration)
    key = checked_route_key(request.get("RouteKey") or "$default")
    ROUTES.put(
        call.tx, Route(api.api_id, short_id(call.random, 7), key, f"integrations/{integration.integration_id}", api_gateway_managed=True)
    )
    HTTP_STAGES.put(call.tx, HttpStage(api.api_id, "$default", call.now_s, call.now_s, auto_deploy=True, api_gateway_managed=True))
    auto_deploy(call, api.api_id)


def _quick_integration(api_id: str, integration_id: str, request: dict[str, Any]) -> Integration:
    target = request["Target"]
    is_function = function_of(target) is not None
    return checked_integration(
        Integration(
            api_id,
            integration_id,
            "AWS_PROXY" if is_function else "HTTP_PROXY",
            target,
            None if is_function else "ANY",
            "2.0" if is_function else "1.0",
            credentials_arn=request.get("CredentialsArn"),
            api_gateway_managed=True,
        )
    )


def _change_quick_created(call: Call, api: HttpApi, request: dict[str, Any]) -> None:
    managed = [each for each in INTEGRATIONS.scan(call.tx, api.api_id) if each.api_gateway_managed]
    route = next((each for each in ROUTES.scan(call.tx, api.api_id) if each.api_gateway_managed), None)
    if not managed or route is None:
        raise errors.bad_request("Target and routeKey can be updated only for an API that was made by quick create")
    if request.get("Target"):
        INTEGRATIONS.put(call.tx, _quick_integration(api.api_id, managed[0].integration_id, request))
    if request.get("RouteKey"):
        ROUTES.put(call.tx, route.replace(route_key=checked_route_key(request["RouteKey"])))
    auto_deploy(call, api.api_id)
