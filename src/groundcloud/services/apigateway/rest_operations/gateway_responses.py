"""Gateway responses: what a REST API says where no integration answered. Those that are not customised have AWS's defaults."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import rest_document, restored
from groundcloud.services.apigateway.gateway.rest import GATEWAY
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.state import GATEWAY_RESPONSES, GatewayResponse

_DEFAULT_TEMPLATE = {"application/json": '{"message":$context.error.messageString}'}
_TYPES = [*GATEWAY, "DEFAULT_4XX", "DEFAULT_5XX"]
_PATCHES = {"statusCode": patches.text, "responseParameters": patches.texts, "responseTemplates": patches.texts}


@operation(access=by_path)
def put_gateway_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    kind = _known(request["responseType"])
    response = GatewayResponse(
        api.api_id, kind, request.get("statusCode"), request.get("responseParameters") or {}, request.get("responseTemplates") or {}
    )
    return _written(call, response)


@operation(access=by_path)
def get_gateway_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    return _described(call, api.api_id, _known(request["responseType"]))


@operation(access=by_path)
def get_gateway_responses(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    return {"items": [_described(call, api.api_id, kind) for kind in sorted(_TYPES)]}


@operation(access=by_path)
def update_gateway_response(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    kind = _known(request["responseType"])
    response = GATEWAY_RESPONSES.get(call.tx, api.api_id, kind) or GatewayResponse(api.api_id, kind)
    document = patches.apply(rest_document(response), request.get("patchOperations") or [], _PATCHES)
    return _written(call, restored(response, document))


@operation(access=by_path)
def delete_gateway_response(call: Call, request: dict[str, Any]) -> None:
    api = load_api(call, request["restApiId"])
    kind = _known(request["responseType"])
    if not GATEWAY_RESPONSES.has(call.tx, api.api_id, kind):
        raise errors.not_found("Gateway response type not defined on api")
    GATEWAY_RESPONSES.delete(call.tx, api.api_id, kind)


def _written(call: Call, response: GatewayResponse) -> dict[str, Any]:
    for name in response.response_parameters:
        if not name.startswith("gatewayresponse.header."):
            raise errors.bad_request(f"Invalid Gateway Response parameter specified: {name}")
    for template in response.response_templates.values():
        if "#" in template or "$util" in template or "$input" in template:
            raise errors.missing("mapping templates that compute")
    GATEWAY_RESPONSES.put(call.tx, response)
    return _described(call, response.api_id, response.response_type)


def _described(call: Call, api_id: str, kind: str) -> dict[str, Any]:
    found = GATEWAY_RESPONSES.get(call.tx, api_id, kind)
    status = str(GATEWAY[kind][0]) if kind in GATEWAY else None
    if found is None:
        return {
            "responseType": kind,
            "statusCode": status,
            "responseParameters": {},
            "responseTemplates": _DEFAULT_TEMPLATE,
            "defaultResponse": True,
        }
    return {
        "responseType": kind,
        "statusCode": found.status_code or status,
        "responseParameters": found.response_parameters,
        "responseTemplates": found.response_templates or _DEFAULT_TEMPLATE,
        "defaultResponse": False,
    }


def _known(kind: str) -> str:
    if kind not in _TYPES:
        raise errors.bad_request(f"Enumeration value for responseType must be one of: [{', '.join(sorted(_TYPES))}]")
    return kind
