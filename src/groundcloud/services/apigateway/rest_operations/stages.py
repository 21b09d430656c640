"""Stages: a deployment under a name, with variables, logs and throttles of its own."""

from __future__ import annotations

from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import definitions, errors, patches, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import rest_document, restored
from groundcloud.services.apigateway.gateway.authorizers import Verdicts
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.state import DEPLOYMENTS, STAGES, Stage

_SETTINGS: dict[str, tuple[str, str]] = {
    "metrics/enabled": ("metricsEnabled", "flag"),
    "logging/loglevel": ("loggingLevel", "text"),
    "logging/dataTrace": ("dataTraceEnabled", "flag"),
    "throttling/burstLimit": ("throttlingBurstLimit", "integer"),
    "throttling/rateLimit": ("throttlingRateLimit", "decimal"),
    "caching/enabled": ("cachingEnabled", "flag"),
    "caching/ttlInSeconds": ("cacheTtlInSeconds", "integer"),
    "caching/dataEncrypted": ("cacheDataEncrypted", "flag"),
    "caching/requireAuthorizationForCacheControl": ("requireAuthorizationForCacheControl", "flag"),
    "caching/unauthorizedCacheControlHeaderStrategy": ("unauthorizedCacheControlHeaderStrategy", "text"),
}
"""Path of a patch below /{resource}/{method} -> member of MethodSetting and its kind."""

_PATCHES = {
    "deploymentId": patches.text,
    "description": patches.text,
    "variables": patches.texts,
    "accessLogSettings": patches.nested({"destinationArn": patches.text, "format": patches.text}),
    "tracingEnabled": patches.flag,
    "cacheClusterEnabled": patches.flag,
    "cacheClusterSize": patches.text,
    "documentationVersion": patches.text,
    "clientCertificateId": patches.text,
    "canarySettings": patches.text,
}


def load_stage(call: Call, api_id: str, stage_name: str) -> Stage:
    load_api(call, api_id)
    found = STAGES.get(call.tx, api_id, stage_name)
    if found is None:
        raise errors.not_found("Invalid stage identifier specified")
    return found


@operation(access=by_path)
def create_stage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(make_stage(call, request))


@operation(access=by_path)
def get_stage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(load_stage(call, request["restApiId"], request["stageName"]))


@operation(access=by_path)
def get_stages(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    wanted = request.get("deploymentId")
    return {"item": [described(stage) for stage in STAGES.scan(call.tx, api.api_id) if wanted in (None, stage.deployment_id)]}


@operation(access=by_path)
def update_stage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stage = load_stage(call, request["restApiId"], request["stageName"])
    settings = dict(stage.method_settings)
    others = []
    for patch in request.get("patchOperations") or []:
        parts = (patch.get("path") or "").split("/")[1:]
        if len(parts) >= 2 and parts[0] not in _PATCHES:
            _patch_settings(settings, patch, parts)
        else:
            others.append(patch)
    document = patches.apply(rest_document(stage), others, _PATCHES)
    document["methodSettings"] = settings
    changed = restored(stage, document).replace(last_updated_date=call.now_s)
    _check(call, changed, document)
    STAGES.put(call.tx, changed)
    state.touch(call.tx, stage.api_id)
    return described(changed)


@operation(access=by_path)
def delete_stage(call: Call, request: dict[str, Any]) -> None:
    stage = load_stage(call, request["restApiId"], request["stageName"])
    if any(
        each["apiId"] == stage.api_id and each["stage"] == stage.stage_name
        for plan in state.USAGE_PLANS.scan(call.tx)
        for each in plan.api_stages
    ):
        raise errors.bad_request(
            f"Cannot delete stage '{stage.stage_name}' because it is associated with a usage plan. Remove it from the plan first."
        )
    STAGES.delete(call.tx, stage.api_id, stage.stage_name)
    state.touch(call.tx, stage.api_id)


@operation(access=by_path)
def flush_stage_authorizers_cache(call: Call, request: dict[str, Any]) -> None:
    stage = load_stage(call, request["restApiId"], request["stageName"])
    call.own("verdicts", Verdicts).forget(stage.api_id, stage.stage_name)


def make_stage(call: Call, request: dict[str, Any]) -> Stage:
    """Raises ConflictException for a name that is taken, BadRequestException for what does not fit."""
    api = load_api(call, request["restApiId"])
    name = definitions.stage_name(request["stageName"])
    if STAGES.has(call.tx, api.api_id, name):
        raise errors.conflict("Stage already exists")
    stage = Stage(
        api.api_id,
        name,
        request["deploymentId"],
        call.now_s,
        call.now_s,
        description=request.get("description"),
        variables=request.get("variables") or {},
        tracing_enabled=bool(request.get("tracingEnabled")),
        documentation_version=request.get("documentationVersion"),
        tags=request.get("tags") or {},
    )
    _check(call, stage, request)
    STAGES.put(call.tx, stage)
    state.touch(call.tx, api.api_id)
    return stage


def described(stage: Stage) -> dict[str, Any]:
    document = rest_document(stage)
    document["methodSettings"] = stage.method_settings
    return document


def _check(call: Call, stage: Stage, document: dict[str, Any]) -> None:
    if document.get("canarySettings"):
        raise errors.missing("canary releases")
    if document.get("cacheClusterEnabled"):
        raise errors.missing("caching")
    if document.get("clientCertificateId"):
        raise errors.missing("client certificates")
    if not DEPLOYMENTS.has(call.tx, stage.api_id, stage.deployment_id):
        raise errors.bad_request("Deployment id does not exist")
    definitions.stage_variables(stage.variables)
    logs = stage.access_log_settings
    levels = {settings.get("loggingLevel", "OFF") for settings in stage.method_settings.values()}
    if not levels <= {"OFF", "ERROR", "INFO"}:
        raise errors.bad_request("Invalid logging level. Must be one of: [OFF, ERROR, INFO]")
    if (logs or levels & {"ERROR", "INFO"}) and not state.account_settings(call.tx).cloudwatch_role_arn:
        raise errors.bad_request("CloudWatch Logs role ARN must be set in account settings to enable logging")
    if logs:
        destination = logs.get("destinationArn", "")
        if destination:
            check_log_destination(destination)


def check_log_destination(destination: str) -> None:
    """Raises BadRequestException unless it is the ARN of a log group."""
    try:
        arn = arns.parse(destination)
    except ValueError:
        raise errors.bad_request("Invalid ARN specified in the request. Resource ARN is invalid: " + destination) from None
    if arn.service == "firehose":
        raise errors.missing("access logs to Firehose")
    if arn.service != "logs" or not arn.resource.startswith("log-group:"):
        raise errors.bad_request("Invalid ARN specified in the request. ARNs must start with 'arn:aws:logs' or 'arn:aws:firehose'")


def _patch_settings(settings: dict[str, dict[str, Any]], patch: dict[str, Any], parts: list[str]) -> None:
    """`/{resource}/{method}/throttling/rateLimit`; a whole entry is removed by `/{resource}/{method}`."""
    key = f"{parts[0]}/{parts[1]}"
    leaf = "/".join(parts[2:])
    if not leaf:
        if patch.get("op") != "remove":
            raise errors.invalid_patch_path(patch.get("path", ""), patch.get("op", ""), [f"/{key}/{name}" for name in _SETTINGS])
        settings.pop(key, None)
        return
    known = _SETTINGS.get(leaf)
    if known is None:
        raise errors.invalid_patch_path(patch.get("path", ""), patch.get("op", ""), [f"/{key}/{name}" for name in _SETTINGS])
    member, kind = known
    entry = dict(settings.get(key) or {})
    patches.apply(entry, [{"op": patch.get("op"), "path": f"/{member}", "value": patch.get("value")}], {member: getattr(patches, kind)})
    settings[key] = entry
