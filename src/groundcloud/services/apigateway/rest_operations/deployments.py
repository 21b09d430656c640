"""Deployments: an API as it was at one moment. A stage points at one; nothing that is changed later shows until it is deployed."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import page, rest_document, restored, short_id
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.rest_operations.stages import make_stage
from groundcloud.services.apigateway.rest_snapshots import as_it_is
from groundcloud.services.apigateway.state import (
    DEPLOYMENTS,
    SNAPSHOTS,
    STAGES,
    Deployment,
    Snapshot,
)


def load_deployment(call: Call, api_id: str, deployment_id: str) -> Deployment:
    load_api(call, api_id)
    found = DEPLOYMENTS.get(call.tx, api_id, deployment_id)
    if found is None:
        raise errors.not_found("Invalid Deployment identifier specified")
    return found


@operation(access=by_path)
def create_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    if request.get("canarySettings"):
        raise errors.missing("canary releases")
    snapshot = as_it_is(call.tx, api)
    if not snapshot.methods:
        raise errors.bad_request("The REST API doesn't contain any methods")
    if any(method.method_integration is None for method in snapshot.methods):
        raise errors.bad_request("No integration defined for method")
    deployment = Deployment(api.api_id, short_id(call.random, 6), call.now_s, request.get("description"), _summary(snapshot))
    DEPLOYMENTS.put(call.tx, deployment)
    SNAPSHOTS.put(call.tx, api.api_id, deployment.deployment_id, snapshot)
    stage_name = request.get("stageName")
    if stage_name:
        stage = STAGES.get(call.tx, api.api_id, stage_name)
        if stage is None:
            make_stage(
                call,
                {
                    "restApiId": api.api_id,
                    "stageName": stage_name,
                    "deploymentId": deployment.deployment_id,
                    "description": request.get("stageDescription"),
                    "variables": request.get("variables"),
                    "tracingEnabled": request.get("tracingEnabled"),
                    "cacheClusterEnabled": request.get("cacheClusterEnabled"),
                },
            )
        else:
            changes: dict[str, Any] = {"deployment_id": deployment.deployment_id, "last_updated_date": call.now_s}
            if request.get("stageDescription") is not None:
                changes["description"] = request["stageDescription"]
            if request.get("variables"):
                changes["variables"] = stage.variables | request["variables"]
            if request.get("tracingEnabled") is not None:
                changes["tracing_enabled"] = request["tracingEnabled"]
            STAGES.put(call.tx, stage.replace(**changes))
            state.touch(call.tx, api.api_id)
    return described(deployment)


@operation(access=by_path)
def get_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    deployment = load_deployment(call, request["restApiId"], request["deploymentId"])
    return described(deployment, "apisummary" in (request.get("embed") or []))


@operation(access=by_path)
def get_deployments(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    found = sorted(DEPLOYMENTS.scan(call.tx, api.api_id), key=lambda deployment: deployment.created_date)
    items, position = page([described(deployment) for deployment in found], request.get("position"), request.get("limit"))
    return {"items": items, "position": position}


@operation(access=by_path)
def update_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    deployment = load_deployment(call, request["restApiId"], request["deploymentId"])
    document = patches.apply(rest_document(deployment), request.get("patchOperations") or [], {"description": patches.text})
    changed = restored(deployment, document)
    DEPLOYMENTS.put(call.tx, changed)
    return described(changed)


@operation(access=by_path)
def delete_deployment(call: Call, request: dict[str, Any]) -> None:
    deployment = load_deployment(call, request["restApiId"], request["deploymentId"])
    if any(stage.deployment_id == deployment.deployment_id for stage in STAGES.scan(call.tx, deployment.api_id)):
        raise errors.bad_request("Active stages pointing to this deployment must be moved or deleted")
    DEPLOYMENTS.delete(call.tx, deployment.api_id, deployment.deployment_id)
    SNAPSHOTS.delete(call.tx, deployment.api_id, deployment.deployment_id)


def described(deployment: Deployment, with_summary: bool = False) -> dict[str, Any]:
    document = rest_document(deployment)
    if not with_summary:
        document.pop("apiSummary", None)
    return document


def _summary(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    paths = {resource.resource_id: resource.path for resource in snapshot.resources}
    found: dict[str, dict[str, Any]] = {}
    for method in snapshot.methods:
        entry = {"authorizationType": method.authorization_type, "apiKeyRequired": method.api_key_required}
        found.setdefault(paths[method.resource_id], {})[method.http_method] = entry
    return found
