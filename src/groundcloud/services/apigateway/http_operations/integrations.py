"""Integrations of an HTTP API."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, http_fields, page, short_id
from groundcloud.services.apigateway.http_definitions import checked_integration
from groundcloud.services.apigateway.http_operations.apis import limit_of, load_api
from groundcloud.services.apigateway.http_snapshots import auto_deploy
from groundcloud.services.apigateway.http_state import INTEGRATIONS, ROUTES, Integration

_NOT_FOR_HTTP = ("RequestTemplates", "TemplateSelectionExpression", "ContentHandlingStrategy")


@operation(access=by_path)
def create_integration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    return _written(call, Integration(api.api_id, short_id(call.random, 7), request["IntegrationType"]), request)


@operation(access=by_path)
def get_integration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(_load(call, request))


@operation(access=by_path)
def get_integrations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    found = [described(integration) for integration in INTEGRATIONS.scan(call.tx, api.api_id)]
    items, token = page(found, request.get("NextToken"), limit_of(request))
    return {"Items": items, "NextToken": token}


@operation(access=by_path)
def update_integration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _written(call, _load(call, request), request)


@operation(access=by_path)
def delete_integration(call: Call, request: dict[str, Any]) -> None:
    integration = _load(call, request)
    target = f"integrations/{integration.integration_id}"
    user = next((route for route in ROUTES.scan(call.tx, integration.api_id) if route.target == target), None)
    if user is not None:
        raise errors.conflict(f"Cannot delete Integration {integration.integration_id}: it is referenced by route {user.route_key}")
    INTEGRATIONS.delete(call.tx, integration.api_id, integration.integration_id)
    auto_deploy(call, integration.api_id)


def described(integration: Integration) -> dict[str, Any]:
    document = http_document(integration)
    for name in ("RequestParameters", "ResponseParameters"):
        if not document.get(name):
            document.pop(name, None)
    return document


def _load(call: Call, request: dict[str, Any]) -> Integration:
    api = load_api(call, request["ApiId"])
    found = INTEGRATIONS.get(call.tx, api.api_id, request["IntegrationId"])
    if found is None:
        raise errors.no_http("Integration", request["IntegrationId"])
    return found


def _written(call: Call, integration: Integration, request: dict[str, Any]) -> dict[str, Any]:
    if request.get("IntegrationSubtype"):
        raise errors.missing("integrations with AWS services")
    for member in _NOT_FOR_HTTP:
        if request.get(member):
            raise errors.bad_request(f"{member} is not supported for HTTP protocol Apis")
    given = http_fields(Integration, request)
    for field in ("request_parameters", "response_parameters"):
        # An update merges parameters; an empty value takes one away.
        if field in given:
            merged = {**getattr(integration, field), **given[field]}
            given[field] = {name: value for name, value in merged.items() if value not in ("", {})}
    integration = checked_integration(integration.replace(**given))
    INTEGRATIONS.put(call.tx, integration)
    auto_deploy(call, integration.api_id)
    return described(integration)
