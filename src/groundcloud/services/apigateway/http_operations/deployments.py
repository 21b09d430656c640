"""Deployments of an HTTP API, made by a client or by each change where a stage deploys itself."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, page
from groundcloud.services.apigateway.http_operations.apis import limit_of, load_api
from groundcloud.services.apigateway.http_snapshots import deploy, forget
from groundcloud.services.apigateway.http_state import HTTP_DEPLOYMENTS, HTTP_STAGES, ROUTES, HttpDeployment


@operation(access=by_path)
def create_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    if not any(True for _ in ROUTES.scan(call.tx, api.api_id, limit=1)):
        raise errors.bad_request("Unable to create a deployment because no routes exist for this API")
    stage = None
    if request.get("StageName"):
        stage = HTTP_STAGES.get(call.tx, api.api_id, request["StageName"])
        if stage is None:
            raise errors.no_http("Stage", request["StageName"])
        if stage.auto_deploy:
            raise errors.bad_request("Cannot update deployment of a stage that has auto-deploy enabled")
    deployment = deploy(call, api.api_id, request.get("Description"))
    if stage is not None:
        HTTP_STAGES.put(call.tx, stage.replace(deployment_id=deployment.deployment_id, last_updated_date=call.now_s))
        state.touch(call.tx, api.api_id)
    return http_document(deployment)


@operation(access=by_path)
def get_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return http_document(_load(call, request))


@operation(access=by_path)
def get_deployments(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["ApiId"])
    found = sorted(HTTP_DEPLOYMENTS.scan(call.tx, api.api_id), key=lambda deployment: deployment.created_date)
    items, token = page([http_document(deployment) for deployment in found], request.get("NextToken"), limit_of(request))
    return {"Items": items, "NextToken": token}


@operation(access=by_path)
def update_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    deployment = _load(call, request)
    if request.get("Description") is not None:
        deployment = deployment.replace(description=request["Description"])
        HTTP_DEPLOYMENTS.put(call.tx, deployment)
    return http_document(deployment)


@operation(access=by_path)
def delete_deployment(call: Call, request: dict[str, Any]) -> None:
    deployment = _load(call, request)
    if any(stage.deployment_id == deployment.deployment_id for stage in HTTP_STAGES.scan(call.tx, deployment.api_id)):
        raise errors.bad_request("Active stages pointing to this deployment must be moved or deleted")
    forget(call, deployment.api_id, deployment.deployment_id)


def _load(call: Call, request: dict[str, Any]) -> HttpDeployment:
    api = load_api(call, request["ApiId"])
    found = HTTP_DEPLOYMENTS.get(call.tx, api.api_id, request["DeploymentId"])
    if found is None:
        raise errors.no_http("Deployment", request["DeploymentId"])
    return found
