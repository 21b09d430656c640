"""Exports of a deployed stage as an OpenAPI definition."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.http_operations.apis import endpoint_of
from groundcloud.services.apigateway.openapi import export
from groundcloud.services.apigateway.rest_operations.stages import load_stage
from groundcloud.services.apigateway.state import SNAPSHOTS

EXTENSIONS = {"integrations", "authorizers", "apigateway", "documentation", "postman"}


@operation(access=by_path)
def get_export(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    stage = load_stage(call, request["restApiId"], request["stageName"])
    kind = request["exportType"]
    if kind not in ("oas30", "swagger"):
        raise errors.bad_request(f"No API exporter for type '{kind}'")
    accepts = request.get("accepts") or "application/json"
    if accepts not in ("application/json", "application/yaml"):
        raise errors.bad_request(f"Invalid Accept header: {accepts}")
    extensions = {part.strip() for part in ((request.get("parameters") or {}).get("extensions") or "").split(",") if part.strip()}
    if not extensions <= EXTENSIONS:
        raise errors.bad_request(f"Invalid extensions: {', '.join(sorted(extensions - EXTENSIONS))}")
    if extensions & {"documentation", "postman"}:
        raise errors.missing("exports with documentation or Postman extensions")
    snapshot = SNAPSHOTS.get(call.tx, stage.api_id, stage.deployment_id)
    assert snapshot is not None
    url = endpoint_of(call, stage.api_id)
    document = export.rest(snapshot, stage, url, swagger=kind == "swagger", extensions=extensions)
    ending = "yaml" if "yaml" in accepts else "json"
    return {
        "contentType": accepts,
        "contentDisposition": f'attachment; filename="{kind}_{call.now_s}.{ending}"',
        "body": export.text_of(document, accepts),
    }
