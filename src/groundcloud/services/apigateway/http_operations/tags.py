"""Tags of HTTP APIs and their stages, by ARN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.http_operations.apis import load_api
from groundcloud.services.apigateway.http_state import HTTP_APIS, HTTP_STAGES

TAGS_MAX = 50


@operation(access=by_path)
def get_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Tags": _change(call, request["ResourceArn"], lambda tags: tags)}


@operation(access=by_path)
def tag_resource(call: Call, request: dict[str, Any]) -> None:
    _change(call, request["ResourceArn"], lambda tags: tags | (request.get("Tags") or {}))


@operation(access=by_path)
def untag_resource(call: Call, request: dict[str, Any]) -> None:
    gone = set(request["TagKeys"])
    _change(call, request["ResourceArn"], lambda tags: {key: value for key, value in tags.items() if key not in gone})


def _change(call: Call, resource_arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
    """The tags afterwards. Raises NotFoundException for what is not there."""
    parts = unquote(resource_arn).rpartition(":")[2].strip("/").split("/")
    if len(parts) < 2 or parts[0] != "apis":
        raise errors.bad_request(f"Invalid resource ARN: {resource_arn}")
    api = load_api(call, parts[1])
    if len(parts) == 2:
        tags = change(api.tags)
        _check(tags)
        if tags != api.tags:
            HTTP_APIS.put(call.tx, api.replace(tags=tags))
        return tags
    stage = HTTP_STAGES.get(call.tx, api.api_id, parts[3]) if len(parts) == 4 and parts[2] == "stages" else None
    if stage is None:
        raise errors.not_found(f"Unable to find the resource {resource_arn}", "Tag")
    tags = change(stage.tags)
    _check(tags)
    if tags != stage.tags:
        HTTP_STAGES.put(call.tx, stage.replace(tags=tags))
    return tags


def _check(tags: dict[str, str]) -> None:
    if len(tags) > TAGS_MAX:
        raise errors.bad_request(f"Too many tags: the limit is {TAGS_MAX}")
