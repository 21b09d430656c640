"""Deployments of an HTTP API, made by a client or by each change where a stage deploys itself."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import http_document, page, short_id
from groundcloud.services.apigateway.http_operations.apis import limit_of, load_api
from groundcloud.services.apigateway.http_state import (
    HTTP_AUTHORIZERS,
    HTTP_DEPLOYMENTS,
    HTTP_SNAPSHOTS,
    HTTP_STAGES,
    INTEGRATIONS,
    ROUTES,
    HttpDeployment,
    HttpSnapshot,
)


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
    deployment = _deploy(call, api.api_id, request.get("Description"))
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
    _forget(call, deployment.api_id, deployment.deployment_id)


def deploy_automatically(call: Call, api_id: str) -> None:
    """A new deployment for the stages of this API that deploy themselves. Differs: the one that they leave is forgotten, if nothing else uses it."""
    stages = list(HTTP_STAGES.scan(call.tx, api_id))
    willing = [stage for stage in stages if stage.auto_deploy]
    if willing:
        left = {stage.deployment_id for stage in willing} - {stage.deployment_id for stage in stages if not stage.auto_deploy}
        deployment = _deploy(call, api_id, "Automatic deployment triggered by changes to the Api configuration", automatic=True)
        said = f"Successfully deployed stage with deployment ID '{deployment.deployment_id}'"
        for stage in willing:
            HTTP_STAGES.put(call.tx, stage.replace(deployment_id=deployment.deployment_id, last_deployment_status_message=said))
        for deployment_id in left:
            former = HTTP_DEPLOYMENTS.get(call.tx, api_id, deployment_id) if deployment_id else None
            if former is not None and former.auto_deployed:
                _forget(call, api_id, former.deployment_id)
    state.touch(call.tx, api_id)


def _deploy(call: Call, api_id: str, description: str | None, *, automatic: bool = False) -> HttpDeployment:
    deployment = HttpDeployment(api_id, short_id(call.random, 6), call.now_s, description=description, auto_deployed=automatic)
    snapshot = HttpSnapshot(
        list(ROUTES.scan(call.tx, api_id)), list(INTEGRATIONS.scan(call.tx, api_id)), list(HTTP_AUTHORIZERS.scan(call.tx, api_id))
    )
    HTTP_DEPLOYMENTS.put(call.tx, deployment)
    HTTP_SNAPSHOTS.put(call.tx, api_id, deployment.deployment_id, snapshot)
    return deployment


def _forget(call: Call, api_id: str, deployment_id: str) -> None:
    HTTP_DEPLOYMENTS.delete(call.tx, api_id, deployment_id)
    HTTP_SNAPSHOTS.delete(call.tx, api_id, deployment_id)


def _load(call: Call, request: dict[str, Any]) -> HttpDeployment:
    api = load_api(call, request["ApiId"])
    found = HTTP_DEPLOYMENTS.get(call.tx, api.api_id, request["DeploymentId"])
    if found is None:
        raise errors.no_http("Deployment", request["DeploymentId"])
    return found
