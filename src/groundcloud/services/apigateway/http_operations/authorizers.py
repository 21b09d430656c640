"""Authorizers of an HTTP API."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, http_fields, page, short_id
from groundcloud.services.apigateway.http_definitions import function_of
from groundcloud.services.apigateway.http_operations.apis import limit_of, load_api
from groundcloud.services.apigateway.http_snapshots import auto_deploy
from groundcloud.services.apigateway.http_state import HTTP_AUTHORIZERS, ROUTES, HttpAuthorizer


@operation(access=by_path)
def create_authorizer(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    return _written(call, HttpAuthorizer(api.api_id, short_id(call.random, 6), request["Name"], request["AuthorizerType"]), request)


@operation(access=by_path)
def get_authorizer(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return http_document(_load(call, request))


@operation(access=by_path)
def get_authorizers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    found = [http_document(authorizer) for authorizer in HTTP_AUTHORIZERS.scan(call.tx, api.api_id)]
    items, token = page(found, request.get("NextToken"), limit_of(request))
    return {"Items": items, "NextToken": token}


@operation(access=by_path)
def update_authorizer(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _written(call, _load(call, request), request)


@operation(access=by_path)
def delete_authorizer(call: Call, request: dict[str, Any]) -> None:
    authorizer = _load(call, request)
    if any(route.authorizer_id == authorizer.authorizer_id for route in ROUTES.scan(call.tx, authorizer.api_id)):
        raise errors.conflict(f"Cannot delete authorizer '{authorizer.name}', is referenced by a route")
    HTTP_AUTHORIZERS.delete(call.tx, authorizer.api_id, authorizer.authorizer_id)
    auto_deploy(call, authorizer.api_id)


def _load(call: Call, request: dict[str, Any]) -> HttpAuthorizer:
    api = load_api(call, request["ApiId"])
    found = HTTP_AUTHORIZERS.get(call.tx, api.api_id, request["AuthorizerId"])
    if found is None:
        raise errors.no_http("Authorizer", request["AuthorizerId"])
    return found


def _written(call: Call, authorizer: HttpAuthorizer, request: dict[str, Any]) -> dict[str, Any]:
    authorizer = authorizer.replace(**http_fields(HttpAuthorizer, request))
    if authorizer.authorizer_type == "JWT":
        jwt = authorizer.jwt_configuration or {}
        if not jwt.get("Issuer") or not jwt.get("Audience"):
            raise errors.bad_request("A JWT authorizer must have an issuer and an audience")
        if len(authorizer.identity_source) != 1:
            raise errors.bad_request("A JWT authorizer must have exactly one identity source")
    elif authorizer.authorizer_type == "REQUEST":
        if function_of(authorizer.authorizer_uri or "") is None:
            raise errors.bad_request(f"Invalid authorizer URI: {authorizer.authorizer_uri}")
        if authorizer.authorizer_payload_format_version not in ("1.0", "2.0"):
            raise errors.bad_request("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
        if authorizer.authorizer_result_ttl_in_seconds and not authorizer.identity_source:
            raise errors.bad_request("An identity source is needed where results are cached")
    HTTP_AUTHORIZERS.put(call.tx, authorizer)
    auto_deploy(call, authorizer.api_id)
    return http_document(authorizer)
