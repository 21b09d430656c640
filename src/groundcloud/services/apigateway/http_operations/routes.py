"""Routes: a method and a path, or `$default`, to an integration."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, http_fields, page, short_id
from groundcloud.services.apigateway.http_definitions import checked_route_key
from groundcloud.services.apigateway.http_operations.apis import limit_of, load_api
from groundcloud.services.apigateway.http_snapshots import auto_deploy
from groundcloud.services.apigateway.http_state import HTTP_AUTHORIZERS, INTEGRATIONS, ROUTES, Route

_NOT_FOR_HTTP = ("ModelSelectionExpression", "RequestModels", "RequestParameters", "RouteResponseSelectionExpression")


@operation(access=by_path)
def create_route(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    route = Route(api.api_id, short_id(call.random, 7), request["RouteKey"])
    return _written(call, route, request)


@operation(access=by_path)
def get_route(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(_load(call, request))


@operation(access=by_path)
def get_routes(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    items, token = page([described(route) for route in ROUTES.scan(call.tx, api.api_id)], request.get("NextToken"), limit_of(request))
    return {"Items": items, "NextToken": token}


@operation(access=by_path)
def update_route(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _written(call, _load(call, request), request)


@operation(access=by_path)
def delete_route(call: Call, request: dict[str, Any]) -> None:
    route = _load(call, request)
    ROUTES.delete(call.tx, route.api_id, route.route_id)
    auto_deploy(call, route.api_id)


def described(route: Route) -> dict[str, Any]:
    return http_document(route)


def _load(call: Call, request: dict[str, Any]) -> Route:
    api = load_api(call, request["ApiId"])
    found = ROUTES.get(call.tx, api.api_id, request["RouteId"])
    if found is None:
        raise errors.no_http("Route", request["RouteId"])
    return found


def _written(call: Call, route: Route, request: dict[str, Any]) -> dict[str, Any]:
    """The route with what the request sets, checked and kept."""
    for member in _NOT_FOR_HTTP:
        if request.get(member):
            raise errors.bad_request(f"{member} is not supported for HTTP protocol Apis")
    if request.get("ApiKeyRequired"):
        raise errors.bad_request("apiKeyRequired is not supported for HTTP protocol Apis")
    route = route.replace(**http_fields(Route, request))
    checked_route_key(route.route_key)
    if any(other.route_key == route.route_key and other.route_id != route.route_id for other in ROUTES.scan(call.tx, route.api_id)):
        raise errors.conflict(f"Route with key {route.route_key} already exists for this API")
    if route.target:
        integration_id = route.target.removeprefix("integrations/")
        if not route.target.startswith("integrations/") or not INTEGRATIONS.has(call.tx, route.api_id, integration_id):
            raise errors.bad_request(f"Invalid target {route.target}: no such integration")
    if route.authorization_type in ("JWT", "CUSTOM"):
        if not route.authorizer_id or not HTTP_AUTHORIZERS.has(call.tx, route.api_id, route.authorizer_id):
            raise errors.bad_request(f"Invalid authorizer ID specified: {route.authorizer_id}")
    elif route.authorization_type not in ("NONE", "AWS_IAM"):
        raise errors.bad_request(f"Invalid authorization type: {route.authorization_type}")
    ROUTES.put(call.tx, route)
    auto_deploy(call, route.api_id)
    return described(route)
