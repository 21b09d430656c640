"""Authorizers of a REST API: functions that decide who may call a method."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.definitions import FUNCTION_URI
from groundcloud.services.apigateway.documents import page, rest_document, restored, short_id
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.state import AUTHORIZERS, METHODS, Authorizer

TTL_S_MAX = 3600
_PATCHES = {
    "name": patches.text,
    "type": patches.text,
    "authorizerUri": patches.text,
    "authorizerCredentials": patches.text,
    "identitySource": patches.text,
    "identityValidationExpression": patches.text,
    "authorizerResultTtlInSeconds": patches.integer,
    "authType": patches.text,
}


@operation(access=by_path)
def create_authorizer(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    ttl_s = request.get("authorizerResultTtlInSeconds")
    authorizer = Authorizer(
        api.api_id,
        short_id(call.random, 6),
        request["name"],
        request["type"],
        request.get("authType") or "custom",
        request.get("authorizerUri"),
        request.get("authorizerCredentials"),
        request.get("identitySource"),
        request.get("identityValidationExpression"),
        300 if ttl_s is None else ttl_s,
    )
    if any(other.name == authorizer.name for other in AUTHORIZERS.scan(call.tx, api.api_id)):
        raise errors.bad_request("Authorizer name must be unique. Authorizer " + authorizer.name + " already exists in this RestApi.")
    return _written(call, authorizer)


@operation(access=by_path)
def get_authorizer(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _described(_load(call, request))


@operation(access=by_path)
def get_authorizers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    found = [_described(authorizer) for authorizer in AUTHORIZERS.scan(call.tx, api.api_id)]
    items, position = page(found, request.get("position"), request.get("limit"))
    return {"items": items, "position": position}


@operation(access=by_path)
def update_authorizer(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    authorizer = _load(call, request)
    document = patches.apply(rest_document(authorizer), request.get("patchOperations") or [], _PATCHES)
    return _written(call, restored(authorizer, document))


@operation(access=by_path)
def delete_authorizer(call: Call, request: dict[str, Any]) -> None:
    authorizer = _load(call, request)
    if any(method.authorizer_id == authorizer.authorizer_id for method in METHODS.scan(call.tx, authorizer.api_id)):
        raise errors.conflict(f"Cannot delete authorizer '{authorizer.name}', is referenced in method")
    AUTHORIZERS.delete(call.tx, authorizer.api_id, authorizer.authorizer_id)


def _written(call: Call, authorizer: Authorizer) -> dict[str, Any]:
    if authorizer.type == "COGNITO_USER_POOLS":
        raise errors.missing("Cognito authorizers")
    if authorizer.type not in ("TOKEN", "REQUEST"):
        raise errors.bad_request(f"Invalid authorizer type specified: {authorizer.type}")
    if not authorizer.authorizer_uri or not FUNCTION_URI.fullmatch(authorizer.authorizer_uri):
        raise errors.bad_request(
            f"Invalid Authorizer URI: {authorizer.authorizer_uri}. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."
        )
    ttl_s = authorizer.authorizer_result_ttl_in_seconds or 0
    if not 0 <= ttl_s <= TTL_S_MAX:
        raise errors.bad_request(f"AuthorizerResultTtlInSeconds must be between 0 and {TTL_S_MAX}")
    if authorizer.type == "TOKEN" and not authorizer.identity_source:
        raise errors.bad_request("Invalid identity source: a TOKEN authorizer needs one")
    if authorizer.type == "REQUEST" and ttl_s and not authorizer.identity_source:
        raise errors.bad_request("Identity source is required for REQUEST authorizers whose results are cached")
    AUTHORIZERS.put(call.tx, authorizer)
    return _described(authorizer)


def _described(authorizer: Authorizer) -> dict[str, Any]:
    return rest_document(authorizer)


def _load(call: Call, request: dict[str, Any]) -> Authorizer:
    api = load_api(call, request["restApiId"])
    found = AUTHORIZERS.get(call.tx, api.api_id, request["authorizerId"])
    if found is None:
        raise errors.not_found("Invalid Authorizer identifier specified")
    return found
