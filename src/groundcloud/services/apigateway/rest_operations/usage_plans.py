"""Usage plans: the stages that a key opens, how fast and how often. Their keys, and what each has used."""

from __future__ import annotations

import time
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import page, rest_document, restored, short_id
from groundcloud.services.apigateway.gateway.keys import DAY_S, Meter, days_of
from groundcloud.services.apigateway.rest_operations.api_keys import load_key
from groundcloud.services.apigateway.state import API_KEYS, KEY_PLANS, PLAN_KEYS, REST_APIS, STAGES, USAGE, USAGE_PLANS, Usage, UsagePlan

PERIODS = {"DAY": 1, "WEEK": 7, "MONTH": 28}
"""Quota period -> how far its beginning may be moved."""
USAGE_DAYS_MAX = 90
"""AWS: GetUsage, "the date range ... up to 90 days"."""
_THROTTLE = {"rateLimit": patches.decimal, "burstLimit": patches.integer}
_PATCHES = {
    "name": patches.text,
    "description": patches.text,
    "productCode": patches.text,
    "throttle": patches.nested(_THROTTLE),
    "quota": patches.nested({"limit": patches.integer, "offset": patches.integer, "period": patches.text}),
}


def load_plan(call: Call, plan_id: str) -> UsagePlan:
    found = USAGE_PLANS.get(call.tx, plan_id)
    if found is None:
        raise errors.not_found("Invalid Usage Plan ID specified")
    return found


@operation(access=by_path)
def create_usage_plan(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if not request.get("name"):
        raise errors.bad_request("Usage Plan name cannot be blank")
    plan = UsagePlan(
        short_id(call.random, 6),
        request["name"],
        request.get("description"),
        request.get("apiStages") or [],
        request.get("throttle"),
        request.get("quota"),
        None,
        request.get("tags") or {},
    )
    return _written(call, plan)


@operation(access=by_path)
def get_usage_plan(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(load_plan(call, request["usagePlanId"]))


@operation(access=by_path)
def get_usage_plans(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    key_id = request.get("keyId")
    found = [described(plan) for plan in USAGE_PLANS.scan(call.tx) if key_id is None or PLAN_KEYS.has(call.tx, plan.plan_id, key_id)]
    items, position = page(found, request.get("position"), request.get("limit"))
    return {"items": items, "position": position}


@operation(access=by_path)
def update_usage_plan(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    plan = load_plan(call, request["usagePlanId"])
    stages = [dict(stage) for stage in plan.api_stages]
    others = []
    for patch in request.get("patchOperations") or []:
        if (patch.get("path") or "").startswith("/apiStages"):
            stages = _patched_stages(stages, patch)
        else:
            others.append(patch)
    document = patches.apply(rest_document(plan), others, _PATCHES)
    return _written(call, restored(plan, document).replace(api_stages=stages))


@operation(access=by_path)
def delete_usage_plan(call: Call, request: dict[str, Any]) -> None:
    plan = load_plan(call, request["usagePlanId"])
    if plan.api_stages:
        raise errors.bad_request(f"Cannot delete Usage Plan {plan.plan_id} because it is associated with API Stages.")
    for _, key_id in list(PLAN_KEYS.keys(call.tx, plan.plan_id)):
        PLAN_KEYS.delete(call.tx, plan.plan_id, key_id)
        KEY_PLANS.delete(call.tx, key_id, plan.plan_id)
    for key in list(USAGE.keys(call.tx, plan.plan_id)):
        USAGE.delete(call.tx, *key)
    USAGE_PLANS.delete(call.tx, plan.plan_id)
    state.touch_keys(call.tx)


@operation(access=by_path)
def create_usage_plan_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    plan = load_plan(call, request["usagePlanId"])
    if request["keyType"] != "API_KEY":
        raise errors.bad_request("Usage plan keys must be of type API_KEY")
    key = load_key(call, request["keyId"])
    if PLAN_KEYS.has(call.tx, plan.plan_id, key.key_id):
        raise errors.conflict("Usage Plan already contains this API Key")
    mine = {(stage["apiId"], stage["stage"]) for stage in plan.api_stages}
    for _, other_id in KEY_PLANS.keys(call.tx, key.key_id):
        other = USAGE_PLANS.get(call.tx, other_id)
        if other is not None and mine & {(stage["apiId"], stage["stage"]) for stage in other.api_stages}:
            raise errors.conflict(
                f"API Key {key.key_id} cannot be added to Usage Plan {plan.plan_id}: both reference the same API stage as Usage Plan {other_id}"
            )
    PLAN_KEYS.put(call.tx, plan.plan_id, key.key_id)
    KEY_PLANS.put(call.tx, key.key_id, plan.plan_id)
    state.touch_keys(call.tx)
    return {"id": key.key_id, "type": "API_KEY", "value": key.value, "name": key.name}


@operation(access=by_path)
def get_usage_plan_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    plan = load_plan(call, request["usagePlanId"])
    return _plan_key(call, plan, request["keyId"])


@operation(access=by_path)
def get_usage_plan_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    plan = load_plan(call, request["usagePlanId"])
    prefix = request.get("nameQuery") or ""
    found = [_plan_key(call, plan, key_id) for _, key_id in PLAN_KEYS.keys(call.tx, plan.plan_id)]
    items, position = page(
        [entry for entry in found if (entry["name"] or "").startswith(prefix)], request.get("position"), request.get("limit")
    )
    return {"items": items, "position": position}


@operation(access=by_path)
def delete_usage_plan_key(call: Call, request: dict[str, Any]) -> None:
    plan = load_plan(call, request["usagePlanId"])
    _plan_key(call, plan, request["keyId"])
    PLAN_KEYS.delete(call.tx, plan.plan_id, request["keyId"])
    KEY_PLANS.delete(call.tx, request["keyId"], plan.plan_id)
    state.touch_keys(call.tx)


@operation(access=by_path)
def get_usage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """For each key, [used, remaining] of each day asked for."""
    plan = load_plan(call, request["usagePlanId"])
    first, last = _day(request["startDate"]), _day(request["endDate"])
    if last < first or last - first >= USAGE_DAYS_MAX:
        raise errors.bad_request(f"Invalid date range: the end must not be before the start, nor {USAGE_DAYS_MAX} days or more after it")
    wanted = request.get("keyId")
    limit = int((plan.quota or {}).get("limit", 0))
    days = [time.strftime("%Y-%m-%d", time.gmtime(day * DAY_S)) for day in range(first, last + 1)]
    meter = call.own("meter", Meter)
    items: dict[str, list[list[int]]] = {}
    for _, key_id in PLAN_KEYS.keys(call.tx, plan.plan_id):
        if wanted not in (None, key_id):
            continue
        rows = []
        for day in days:
            used = meter.used(call.tx, plan.plan_id, key_id, day)
            spent = used
            if plan.quota:
                end_s = (_day(day) + 1) * DAY_S - 1
                spent = sum(meter.used(call.tx, plan.plan_id, key_id, each) for each in days_of(plan.quota, end_s))
            rows.append([used, max(0, limit - spent)])
        items[key_id] = rows
    return {"usagePlanId": plan.plan_id, "startDate": request["startDate"], "endDate": request["endDate"], "items": items}


@operation(access=by_path)
def update_usage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """`replace /remaining`: grants a key a new rest of its current quota."""
    plan = load_plan(call, request["usagePlanId"])
    key_id = request["keyId"]
    _plan_key(call, plan, key_id)
    if not plan.quota:
        raise errors.bad_request("Usage Plan has no quota")
    day = time.strftime("%Y-%m-%d", time.gmtime(call.now_s))
    meter, account, region = call.own("meter", Meter), call.account, call.region
    used, remaining = meter.used(call.tx, plan.plan_id, key_id, day), 0
    for patch in request.get("patchOperations") or []:
        if patch.get("op") != "replace" or patch.get("path") != "/remaining":
            raise errors.invalid_patch_path(patch.get("path", ""), patch.get("op", ""), ["/remaining"])
        earlier = sum(meter.used(call.tx, plan.plan_id, key_id, each) for each in days_of(plan.quota, call.now_s)[:-1])
        remaining = int(patch["value"])
        used = int(plan.quota["limit"]) - remaining - earlier
        USAGE.put(call.tx, Usage(plan.plan_id, key_id, day, used, remaining))
        call.tx.after_commit(lambda: meter.forget(account, region, plan.plan_id, key_id))
    return {"usagePlanId": plan.plan_id, "startDate": day, "endDate": day, "items": {key_id: [[used, remaining]]}}


def described(plan: UsagePlan) -> dict[str, Any]:
    document = rest_document(plan)
    document["apiStages"] = plan.api_stages
    return document


def _written(call: Call, plan: UsagePlan) -> dict[str, Any]:
    """The plan, checked and kept."""
    for stage in plan.api_stages:
        if not REST_APIS.has(call.tx, stage["apiId"]):
            raise errors.no_rest_api(call.account, stage["apiId"])
        if not STAGES.has(call.tx, stage["apiId"], stage["stage"]):
            raise errors.not_found(f"API Stage not found: {stage['apiId']}:{stage['stage']}")
    if plan.throttle is not None:
        if plan.throttle.get("rateLimit", 0) < 0 or plan.throttle.get("burstLimit", 0) < 0:
            raise errors.bad_request("Usage Plan throttle limits must not be negative")
        if "rateLimit" not in plan.throttle or "burstLimit" not in plan.throttle:
            plan = plan.replace(throttle={"rateLimit": 0.0, "burstLimit": 0} | plan.throttle)
    if plan.quota is not None:
        period = plan.quota.get("period")
        if period not in PERIODS:
            raise errors.bad_request("Usage Plan quota must have a period of DAY, WEEK or MONTH")
        if not plan.quota.get("limit"):
            raise errors.bad_request("Usage Plan quota limit must be greater than 0")
        if not 0 <= plan.quota.get("offset", 0) < PERIODS[period]:
            raise errors.bad_request(f"Usage Plan quota offset must be zero or more and less than {PERIODS[period]} in the {period} period")
        plan = plan.replace(quota={"offset": 0} | plan.quota)
    USAGE_PLANS.put(call.tx, plan)
    state.touch_keys(call.tx)
    return described(plan)


def _patched_stages(stages: list[dict[str, Any]], patch: dict[str, Any]) -> list[dict[str, Any]]:
    """`add /apiStages api:stage`, `remove /apiStages api:stage`, `/apiStages/api:stage/throttle/~1path~1GET/rateLimit`."""
    op, path, value = patch.get("op", ""), patch["path"], patch.get("value")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[2:]]
    if not parts:
        api_id, _, stage_name = (value or "").partition(":")
        others = [stage for stage in stages if (stage["apiId"], stage["stage"]) != (api_id, stage_name)]
        if op == "remove":
            return others
        return [*others, {"apiId": api_id, "stage": stage_name}]
    named = next((stage for stage in stages if f"{stage['apiId']}:{stage['stage']}" == parts[0]), None)
    if named is None or len(parts) < 2 or parts[1] != "throttle":
        raise errors.invalid_patch_path(path, op, ["/apiStages", "/apiStages/{apiId:stage}/throttle"])
    throttles = dict(named.get("throttle") or {})
    if len(parts) == 2:
        if op == "remove":
            named.pop("throttle", None)
        return stages
    if len(parts) == 3:
        throttles.pop(parts[2], None)
    else:
        entry = dict(throttles.get(parts[2]) or {"rateLimit": 0.0, "burstLimit": 0})
        patches.apply(entry, [{"op": op, "path": f"/{parts[3]}", "value": value}], _THROTTLE)
        throttles[parts[2]] = entry
    named["throttle"] = throttles
    return stages


def _plan_key(call: Call, plan: UsagePlan, key_id: str) -> dict[str, Any]:
    key = API_KEYS.get(call.tx, key_id) if PLAN_KEYS.has(call.tx, plan.plan_id, key_id) else None
    if key is None:
        raise errors.not_found(f"Invalid API Key identifier specified {key_id}")
    return {"id": key.key_id, "type": "API_KEY", "value": key.value, "name": key.name}


def _day(text: str) -> int:
    """Days since the epoch. Raises BadRequestException."""
    import calendar

    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d")) // DAY_S
    except ValueError:
        raise errors.bad_request(f"Invalid date specified: {text}. Must be of the form yyyy-mm-dd") from None
