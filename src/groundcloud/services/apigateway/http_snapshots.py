"""Deploying an HTTP API: its routes, integrations and authorisers as they are now, under a deployment's id."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.services.apigateway import state
from groundcloud.services.apigateway.documents import short_id
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


def auto_deploy(call: Call, api_id: str) -> None:
    """A new deployment for the stages of this API that deploy themselves. Differs: the one that they leave is forgotten, if nothing else uses it."""
    stages = list(HTTP_STAGES.scan(call.tx, api_id))
    willing = [stage for stage in stages if stage.auto_deploy]
    if willing:
        left = {stage.deployment_id for stage in willing} - {stage.deployment_id for stage in stages if not stage.auto_deploy}
        deployment = deploy(call, api_id, "Automatic deployment triggered by changes to the Api configuration", automatic=True)
        said = f"Successfully deployed stage with deployment ID '{deployment.deployment_id}'"
        for stage in willing:
            HTTP_STAGES.put(call.tx, stage.replace(deployment_id=deployment.deployment_id, last_deployment_status_message=said))
        for deployment_id in left:
            former = HTTP_DEPLOYMENTS.get(call.tx, api_id, deployment_id) if deployment_id else None
            if former is not None and former.auto_deployed:
                forget(call, api_id, former.deployment_id)
    state.touch(call.tx, api_id)


def deploy(call: Call, api_id: str, description: str | None, *, automatic: bool = False) -> HttpDeployment:
    deployment = HttpDeployment(api_id, short_id(call.random, 6), call.now_s, description=description, auto_deployed=automatic)
    HTTP_DEPLOYMENTS.put(call.tx, deployment)
    HTTP_SNAPSHOTS.put(call.tx, api_id, deployment.deployment_id, as_it_is(call, api_id))
    return deployment


def forget(call: Call, api_id: str, deployment_id: str) -> None:
    HTTP_DEPLOYMENTS.delete(call.tx, api_id, deployment_id)
    HTTP_SNAPSHOTS.delete(call.tx, api_id, deployment_id)


def as_it_is(call: Call, api_id: str) -> HttpSnapshot:
    return HttpSnapshot(
        list(ROUTES.scan(call.tx, api_id)), list(INTEGRATIONS.scan(call.tx, api_id)), list(HTTP_AUTHORIZERS.scan(call.tx, api_id))
    )
