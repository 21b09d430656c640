"""Integrations: what a method's request is handed to, and how its answers are mapped."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import definitions, errors, patches
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.rest_operations.methods import load_method
from groundcloud.services.apigateway.state import METHODS, Method

_MEMBERS = (
    "type",
    "uri",
    "connectionType",
    "connectionId",
    "credentials",
    "requestParameters",
    "requestTemplates",
    "passthroughBehavior",
    "cacheNamespace",
    "cacheKeyParameters",
    "contentHandling",
    "timeoutInMillis",
    "tlsConfig",
    "responseTransferMode",
)
_RESPONSE_MEMBERS = ("statusCode", "selectionPattern", "responseParameters", "responseTemplates", "contentHandling")
_PATCHES = {
    "type": patches.text,
    "httpMethod": patches.text,
    "uri": patches.text,
    "credentials": patches.text,
    "requestParameters": patches.texts,
    "requestTemplates": patches.texts,
    "passthroughBehavior": patches.text,
    "cacheNamespace": patches.text,
    "cacheKeyParameters": patches.listed,
    "contentHandling": patches.text,
    "timeoutInMillis": patches.integer,
    "connectionType": patches.text,
    "connectionId": patches.text,
    "tlsConfig": patches.nested({"insecureSkipVerification": patches.flag}),
}
_RESPONSE_PATCHES = {
    "selectionPattern": patches.text,
    "responseParameters": patches.texts,
    "responseTemplates": patches.texts,
    "contentHandling": patches.text,
}


@operation(access=by_path)
def put_integration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    given = {name: request[name] for name in _MEMBERS if request.get(name) is not None}
    given["httpMethod"] = request.get("integrationHttpMethod")
    if given["httpMethod"] is None and given.get("type") not in (None, "MOCK"):
        raise errors.bad_request("Enumeration value for HttpMethod must be non-empty")
    given.setdefault("cacheNamespace", method.resource_id)
    given.setdefault("cacheKeyParameters", [])
    document = definitions.integration(given, method.http_method)
    METHODS.put(call.tx, method.replace(method_integration=document))
    return document


@operation(access=by_path)
def get_integration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _integration(load_method(call, request))


@operation(access=by_path)
def update_integration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    document = patches.apply(dict(_integration(method)), request.get("patchOperations") or [], _PATCHES)
    document = definitions.integration(document, method.http_method)
    METHODS.put(call.tx, method.replace(method_integration=document))
    return document


@operation(access=by_path)
def delete_integration(call: Call, request: dict[str, Any]) -> None:
    method = load_method(call, request)
    _integration(method)
    METHODS.put(call.tx, method.replace(method_integration=None))


@operation(access=by_path)
def put_integration_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    code = request["statusCode"]
    if code not in method.method_responses:
        raise errors.not_found("Invalid Response status code specified")
    given = {name: request[name] for name in _RESPONSE_MEMBERS if request.get(name) is not None}
    response = definitions.integration_response(given, _integration(method)["type"])
    _put_response(call, method, code, response)
    return response


@operation(access=by_path)
def get_integration_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _response(load_method(call, request), request["statusCode"])


@operation(access=by_path)
def update_integration_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    method = load_method(call, request)
    code = request["statusCode"]
    changed = patches.apply(dict(_response(method, code)), request.get("patchOperations") or [], _RESPONSE_PATCHES)
    _put_response(call, method, code, definitions.integration_response(changed, _integration(method)["type"]))
    return changed


@operation(access=by_path)
def delete_integration_response(call: Call, request: dict[str, Any]) -> None:
    method = load_method(call, request)
    _response(method, request["statusCode"])
    document = _integration(method)
    left = {code: response for code, response in document["integrationResponses"].items() if code != request["statusCode"]}
    METHODS.put(call.tx, method.replace(method_integration=document | {"integrationResponses": left}))


def _put_response(call: Call, method: Method, code: str, response: dict[str, Any]) -> None:
    document = _integration(method)
    responses = (document.get("integrationResponses") or {}) | {code: response}
    METHODS.put(call.tx, method.replace(method_integration=document | {"integrationResponses": responses}))


def _integration(method: Method) -> dict[str, Any]:
    if method.method_integration is None:
        raise errors.not_found("Invalid Integration identifier specified")
    return method.method_integration


def _response(method: Method, code: str) -> dict[str, Any]:
    responses: dict[str, dict[str, Any]] = _integration(method).get("integrationResponses") or {}
    if code not in responses:
        raise errors.not_found("Invalid Response status code specified")
    return responses[code]
