"""API keys. A key's value is shown where it is made, and where a caller asks for it."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import key_value, page, rest_document, restored, short_id
from groundcloud.services.apigateway.state import API_KEYS, KEY_PLANS, KEY_VALUES, PLAN_KEYS, STAGES, ApiKey

VALUE_LENGTH_MIN, VALUE_LENGTH_MAX = 20, 128
"""AWS: "API key value must be between 20 and 128 characters"."""
_PATCHES = {
    "name": patches.text,
    "description": patches.text,
    "enabled": patches.flag,
    "customerId": patches.text,
    "stages": patches.listed,
    "labels": patches.listed,
}


def load_key(call: Call, key_id: str) -> ApiKey:
    found = API_KEYS.get(call.tx, key_id)
    if found is None:
        raise errors.not_found("Invalid API Key identifier specified")
    return found


@operation(access=by_path)
def create_api_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    value = request.get("value") or key_value(call.random)
    if len(value) < VALUE_LENGTH_MIN:
        raise errors.bad_request(f"API Key value should be at least {VALUE_LENGTH_MIN} characters")
    if len(value) > VALUE_LENGTH_MAX:
        raise errors.bad_request(f"API Key value exceeds maximum size of {VALUE_LENGTH_MAX} characters")
    if KEY_VALUES.get(call.tx, value) is not None:
        raise errors.conflict("API Key already exists")
    stage_keys = [f"{each['restApiId']}/{each['stageName']}" for each in request.get("stageKeys") or []]
    for stage_key in stage_keys:
        api_id, _, stage_name = stage_key.partition("/")
        if not STAGES.has(call.tx, api_id, stage_name):
            raise errors.bad_request("Invalid stage identifier specified")
    key = ApiKey(
        short_id(call.random),
        value,
        request.get("name"),
        # AWS makes a key disabled unless told otherwise; every client but a bare request tells it.
        bool(request.get("enabled", False)),
        call.now_s,
        call.now_s,
        request.get("description"),
        request.get("customerId"),
        stage_keys,
        request.get("tags") or {},
    )
    API_KEYS.put(call.tx, key)
    KEY_VALUES.put(call.tx, value, key.key_id)
    state.touch_keys(call.tx)
    return described(key, with_value=True)


@operation(access=by_path)
def get_api_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(load_key(call, request["apiKey"]), with_value=bool(request.get("includeValue")))


@operation(access=by_path)
def get_api_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    prefix, customer = request.get("nameQuery") or "", request.get("customerId")
    with_values = bool(request.get("includeValues"))
    found = [
        described(key, with_value=with_values)
        for key in API_KEYS.scan(call.tx)
        if (key.name or "").startswith(prefix) and customer in (None, key.customer_id)
    ]
    items, position = page(found, request.get("position"), request.get("limit"))
    return {"items": items, "position": position}


@operation(access=by_path)
def update_api_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    key = load_key(call, request["apiKey"])
    document = rest_document(key)
    document["stages"] = key.stage_keys
    document = patches.apply(document, request.get("patchOperations") or [], _PATCHES)
    document["stageKeys"] = document.pop("stages")
    changed = restored(key, document).replace(last_updated_date=call.now_s)
    API_KEYS.put(call.tx, changed)
    state.touch_keys(call.tx)
    return described(changed, with_value=False)


@operation(access=by_path)
def delete_api_key(call: Call, request: dict[str, Any]) -> None:
    key = load_key(call, request["apiKey"])
    for _, plan_id in list(KEY_PLANS.keys(call.tx, key.key_id)):
        KEY_PLANS.delete(call.tx, key.key_id, plan_id)
        PLAN_KEYS.delete(call.tx, plan_id, key.key_id)
    KEY_VALUES.delete(call.tx, key.value)
    API_KEYS.delete(call.tx, key.key_id)
    state.touch_keys(call.tx)


def described(key: ApiKey, *, with_value: bool) -> dict[str, Any]:
    document = rest_document(key)
    document["enabled"] = key.enabled
    document.setdefault("stageKeys", [])
    if not with_value:
        del document["value"]
    return document
