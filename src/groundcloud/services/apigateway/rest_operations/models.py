"""Models (JSON schemas of bodies) and request validators of a REST API."""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import page, rest_document, restored, short_id
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.state import METHODS, MODELS, VALIDATORS, Model, RequestValidator

_MODEL_PATCHES = {"schema": patches.text, "description": patches.text}
_VALIDATOR_PATCHES = {"name": patches.text, "validateRequestBody": patches.flag, "validateRequestParameters": patches.flag}


@operation(access=by_path)
def create_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    name = request["name"]
    if not name.isalnum():
        raise errors.bad_request("Model name must be alphanumeric: " + name)
    if MODELS.has(call.tx, api.api_id, name):
        raise errors.conflict("Model name already exists for this REST API")
    model = Model(api.api_id, name, short_id(call.random, 6), request["contentType"], request.get("description"), request.get("schema"))
    return _written(call, model)


@operation(access=by_path)
def get_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return rest_document(_model(call, request))


@operation(access=by_path)
def get_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    items, position = page(
        [rest_document(model) for model in MODELS.scan(call.tx, api.api_id)], request.get("position"), request.get("limit")
    )
    return {"items": items, "position": position}


@operation(access=by_path)
def update_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    model = _model(call, request)
    return _written(call, restored(model, patches.apply(rest_document(model), request.get("patchOperations") or [], _MODEL_PATCHES)))


@operation(access=by_path)
def delete_model(call: Call, request: dict[str, Any]) -> None:
    model = _model(call, request)
    user = next((method for method in METHODS.scan(call.tx, model.api_id) if model.name in method.request_models.values()), None)
    if user is not None:
        raise errors.conflict(f"Cannot delete model '{model.name}', is referenced in method request: {user.http_method}")
    MODELS.delete(call.tx, model.api_id, model.name)


@operation(access=by_path)
def create_request_validator(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    validator = RequestValidator(
        api.api_id,
        short_id(call.random, 6),
        request.get("name"),
        bool(request.get("validateRequestBody")),
        bool(request.get("validateRequestParameters")),
    )
    VALIDATORS.put(call.tx, validator)
    return rest_document(validator)


@operation(access=by_path)
def get_request_validator(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return rest_document(_validator(call, request))


@operation(access=by_path)
def get_request_validators(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    found = [rest_document(validator) for validator in VALIDATORS.scan(call.tx, api.api_id)]
    items, position = page(found, request.get("position"), request.get("limit"))
    return {"items": items, "position": position}


@operation(access=by_path)
def update_request_validator(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    validator = _validator(call, request)
    document = patches.apply(rest_document(validator), request.get("patchOperations") or [], _VALIDATOR_PATCHES)
    changed = restored(validator, document)
    VALIDATORS.put(call.tx, changed)
    return rest_document(changed)


@operation(access=by_path)
def delete_request_validator(call: Call, request: dict[str, Any]) -> None:
    validator = _validator(call, request)
    if any(method.request_validator_id == validator.validator_id for method in METHODS.scan(call.tx, validator.api_id)):
        raise errors.conflict(f"Cannot delete validator '{validator.name}', is referenced by a method")
    VALIDATORS.delete(call.tx, validator.api_id, validator.validator_id)


def _written(call: Call, model: Model) -> dict[str, Any]:
    if model.schema:
        try:
            msgspec.json.decode(model.schema)
        except (msgspec.DecodeError, RecursionError):
            raise errors.bad_request(
                "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]"
            ) from None
    MODELS.put(call.tx, model)
    return rest_document(model)


def _model(call: Call, request: dict[str, Any]) -> Model:
    api = load_api(call, request["restApiId"])
    found = MODELS.get(call.tx, api.api_id, request["modelName"])
    if found is None:
        raise errors.not_found(f"Invalid model name specified: {request['modelName']}")
    return found


def _validator(call: Call, request: dict[str, Any]) -> RequestValidator:
    api = load_api(call, request["restApiId"])
    found = VALIDATORS.get(call.tx, api.api_id, request["requestValidatorId"])
    if found is None:
        raise errors.not_found("Invalid Request Validator identifier specified")
    return found
