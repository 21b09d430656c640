"""Stages of an HTTP API."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import definitions, errors, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, http_fields, page
from groundcloud.services.apigateway.gateway.authorizers import Verdicts
from groundcloud.services.apigateway.http_definitions import checked_stage_name
from groundcloud.services.apigateway.http_operations.apis import limit_of, load_api
from groundcloud.services.apigateway.http_snapshots import auto_deploy
from groundcloud.services.apigateway.http_state import HTTP_DEPLOYMENTS, HTTP_STAGES, ROUTES, HttpStage
from groundcloud.services.apigateway.rest_operations.stages import check_log_destination


@operation(access=by_path)
def create_stage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    name = checked_stage_name(request["StageName"])
    if HTTP_STAGES.has(call.tx, api.api_id, name):
        raise errors.conflict("Stage already exists")
    return _written(call, HttpStage(api.api_id, name, call.now_s, call.now_s), request)


@operation(access=by_path)
def get_stage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return described(_load(call, request))


@operation(access=by_path)
def get_stages(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    items, token = page([described(stage) for stage in HTTP_STAGES.scan(call.tx, api.api_id)], request.get("NextToken"), limit_of(request))
    return {"Items": items, "NextToken": token}


@operation(access=by_path)
def update_stage(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stage = _load(call, request)
    if stage.auto_deploy and request.get("AutoDeploy") is not False and request.get("DeploymentId"):
        raise errors.bad_request("Cannot update deployment of a stage that has auto-deploy enabled")
    return _written(call, stage, request)


@operation(access=by_path)
def delete_stage(call: Call, request: dict[str, Any]) -> None:
    stage = _load(call, request)
    HTTP_STAGES.delete(call.tx, stage.api_id, stage.stage_name)
    state.touch(call.tx, stage.api_id)


@operation(access=by_path)
def delete_access_log_settings(call: Call, request: dict[str, Any]) -> None:
    stage = _load(call, request)
    HTTP_STAGES.put(call.tx, stage.replace(access_log_settings=None, last_updated_date=call.now_s))
    state.touch(call.tx, stage.api_id)


@operation(access=by_path)
def delete_route_settings(call: Call, request: dict[str, Any]) -> None:
    stage = _load(call, request)
    key = request["RouteKey"]
    if key not in stage.route_settings:
        raise errors.no_http("RouteSettings", key)
    left = {name: settings for name, settings in stage.route_settings.items() if name != key}
    HTTP_STAGES.put(call.tx, stage.replace(route_settings=left, last_updated_date=call.now_s))
    state.touch(call.tx, stage.api_id)


@operation(access=by_path)
def reset_authorizers_cache(call: Call, request: dict[str, Any]) -> None:
    stage = _load(call, request)
    call.own("verdicts", Verdicts).forget(stage.api_id, stage.stage_name)


def described(stage: HttpStage) -> dict[str, Any]:
    document = http_document(stage)
    document["DefaultRouteSettings"] = {"DetailedMetricsEnabled": False} | stage.default_route_settings
    return document


def _load(call: Call, request: dict[str, Any]) -> HttpStage:
    api = load_api(call, request["ApiId"])
    found = HTTP_STAGES.get(call.tx, api.api_id, request["StageName"])
    if found is None:
        raise errors.no_http("Stage", request["StageName"])
    return found


def _written(call: Call, stage: HttpStage, request: dict[str, Any]) -> dict[str, Any]:
    """The stage with what the request sets, checked, kept and, where it deploys itself, deployed."""
    if request.get("ClientCertificateId"):
        raise errors.bad_request("Client certificate is not supported for HTTP protocol Apis")
    was_automatic = stage.auto_deploy
    given = http_fields(HttpStage, request)
    if "stage_variables" in given:
        # An update merges variables; an empty value takes one away.
        merged = {**stage.stage_variables, **given["stage_variables"]}
        given["stage_variables"] = {name: value for name, value in merged.items() if value != ""}
    if "route_settings" in given:
        given["route_settings"] = {**stage.route_settings, **given["route_settings"]}
        keys = {route.route_key for route in ROUTES.scan(call.tx, stage.api_id)}
        for key in given["route_settings"]:
            if key not in keys:
                raise errors.not_found(f"Unable to find Route by key {key} within the provided RouteSettings", "Route")
    stage = stage.replace(**given, last_updated_date=call.now_s)
    definitions.stage_variables(stage.stage_variables)
    logs = stage.access_log_settings
    if logs:
        if not logs.get("DestinationArn") or not logs.get("Format"):
            raise errors.bad_request("Access log settings must have a destination ARN and a format")
        check_log_destination(logs["DestinationArn"])
        if "$context.requestId" not in logs["Format"] and "$context.extendedRequestId" not in logs["Format"]:
            raise errors.bad_request("Access log format must contain the context variable $context.requestId")
    if stage.deployment_id and not HTTP_DEPLOYMENTS.has(call.tx, stage.api_id, stage.deployment_id):
        raise errors.no_http("Deployment", stage.deployment_id)
    HTTP_STAGES.put(call.tx, stage)
    if stage.auto_deploy and (not was_automatic or stage.deployment_id is None):
        auto_deploy(call, stage.api_id)
        stage = HTTP_STAGES.get(call.tx, stage.api_id, stage.stage_name) or stage
    state.touch(call.tx, stage.api_id)
    return described(stage)
