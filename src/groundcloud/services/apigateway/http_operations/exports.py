"""Exports of an HTTP API as an OpenAPI definition."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.http_operations.apis import endpoint_of, load_api
from groundcloud.services.apigateway.http_snapshots import as_it_is
from groundcloud.services.apigateway.http_state import HTTP_SNAPSHOTS, HTTP_STAGES
from groundcloud.services.apigateway.openapi import export


@operation(access=by_path)
def export_api(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Of a stage's deployment, or of the API as it is now."""
    api = load_api(call, request["ApiId"])
    if request["Specification"] != "OAS30":
        raise errors.bad_request(f"Invalid specification: {request['Specification']}. Only OAS30 is supported")
    if request["OutputType"] not in ("JSON", "YAML"):
        raise errors.bad_request(f"Invalid output type: {request['OutputType']}. Must be YAML or JSON")
    url = endpoint_of(call, api.api_id)
    if request.get("StageName"):
        stage = HTTP_STAGES.get(call.tx, api.api_id, request["StageName"])
        if stage is None:
            raise errors.no_http("Stage", request["StageName"])
        snapshot = HTTP_SNAPSHOTS.get(call.tx, api.api_id, stage.deployment_id or "")
        if snapshot is None:
            raise errors.bad_request(f"Stage {stage.stage_name} has no deployment")
        url += "" if stage.stage_name == "$default" else f"/{stage.stage_name}"
    else:
        snapshot = as_it_is(call, api.api_id)
    document = export.http(api, snapshot, url, extensions=request.get("IncludeExtensions") is not False)
    return {"body": export.text_of(document, request["OutputType"].lower())}
