"""Methods of a resource, and their responses."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import definitions, errors, patches
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import rest_document, restored
from groundcloud.services.apigateway.rest_operations.resources import load_resource
from groundcloud.services.apigateway.state import AUTHORIZERS, METHODS, VALIDATORS, Method

_PATCHES = {
    "authorizationType": patches.text,
    "authorizerId": patches.text,
    "authorizationScopes": patches.listed,
    "apiKeyRequired": patches.flag,
    "requestValidatorId": patches.text,
    "operationName": patches.text,
    "requestParameters": patches.flags,
    "requestModels": patches.texts,
}
_RESPONSE_PATCHES = {"responseParameters": patches.flags, "responseModels": patches.texts}


def load_method(call: Call, request: dict[str, Any]) -> Method:
    """Raises NotFoundException, for the API, the resource or the method."""
    resource = load_resource(call, request["restApiId"], request["resourceId"])
    found = METHODS.get(call.tx, resource.api_id, resource.resource_id, request["httpMethod"])
    if found is None:
        raise errors.not_found("Invalid Method identifier specified")
    return found


@operation(access=by_path)
def put_method(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    resource = load_resource(call, request["restApiId"], request["resourceId"])
    http_method = definitions.http_method(request["httpMethod"])
    if METHODS.has(call.tx, resource.api_id, resource.resource_id, http_method):
        raise errors.conflict("Method already exists for this resource")
    method = Method(
        resource.api_id,
        resource.resource_id,
        http_method,
        request["authorizationType"],
        request.get("authorizerId"),
        bool(request.get("apiKeyRequired")),
        request.get("requestValidatorId"),
        request.get("operationName"),
        request.get("requestParameters") or {},
        request.get("requestModels") or {},
        request.get("authorizationScopes") or [],
    )
    _check(call, method)
    METHODS.put(call.tx, method)
    return described(method)


@operation(access=by_path)
def get_method(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(load_method(call, request))


@operation(access=by_path)
def update_method(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    document = patches.apply(rest_document(method), request.get("patchOperations") or [], _PATCHES)
    changed = restored(method, document)
    _check(call, changed)
    METHODS.put(call.tx, changed)
    return described(changed)


@operation(access=by_path)
def delete_method(call: Call, request: dict[str, Any]) -> None:
    method = load_method(call, request)
    METHODS.delete(call.tx, method.api_id, method.resource_id, method.http_method)


@operation(access=by_path)
def put_method_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    code = request["statusCode"]
    if code in method.method_responses:
        raise errors.conflict("Response already exists for this resource")
    response = {name: request[name] for name in ("statusCode", "responseParameters", "responseModels") if request.get(name)}
    METHODS.put(call.tx, method.replace(method_responses=method.method_responses | {code: response}))
    return response


@operation(access=by_path)
def get_method_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _response(load_method(call, request), request["statusCode"])


@operation(access=by_path)
def update_method_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    code = request["statusCode"]
    changed = patches.apply(dict(_response(method, code)), request.get("patchOperations") or [], _RESPONSE_PATCHES)
    METHODS.put(call.tx, method.replace(method_responses=method.method_responses | {code: changed}))
    return changed


@operation(access=by_path)
def delete_method_response(call: Call, request: dict[str, Any]) -> None:
    method = load_method(call, request)
    _response(method, request["statusCode"])
    left = {code: response for code, response in method.method_responses.items() if code != request["statusCode"]}
    METHODS.put(call.tx, method.replace(method_responses=left))


def described(method: Method) -> dict[str, Any]:
    return rest_document(method)


def _response(method: Method, code: str) -> dict[str, Any]:
    found = method.method_responses.get(code)
    if found is None:
        raise errors.not_found("Invalid Response status code specified")
    return found


def _check(call: Call, method: Method) -> None:
    """What the method points at must be there."""
    if method.authorization_type not in definitions.AUTHORIZATION_TYPES:
        raise errors.bad_request("Invalid authorization type specified.  Valid values are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS")
    if method.authorization_type == "COGNITO_USER_POOLS":
        raise errors.missing("Cognito authorizers")
    if method.authorization_type == "CUSTOM" and (
        not method.authorizer_id or not AUTHORIZERS.has(call.tx, method.api_id, method.authorizer_id)
    ):
        raise errors.bad_request(
            f"Invalid authorizer ID specified. Setting the authorization type to {method.authorization_type} requires a valid authorizer."
        )
    if method.request_validator_id and not VALIDATORS.has(call.tx, method.api_id, method.request_validator_id):
        raise errors.bad_request("Invalid Request Validator identifier specified")
    for name in method.request_parameters:
        if not name.startswith(("method.request.header.", "method.request.querystring.", "method.request.path.")):
            raise errors.bad_request(
                f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {name}]"
            )
