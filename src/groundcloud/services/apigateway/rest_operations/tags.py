"""Tags of REST APIs, stages, API keys and usage plans, by ARN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.rest_operations.api_keys import load_key
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.rest_operations.stages import load_stage
from groundcloud.services.apigateway.rest_operations.usage_plans import load_plan
from groundcloud.services.apigateway.state import API_KEYS, REST_APIS, STAGES, USAGE_PLANS

TAGS_MAX = 50


@operation(access=by_path)
def get_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"tags": _change(call, request["resourceArn"], lambda tags: tags)}


@operation(access=by_path)
def tag_resource(call: Call, request: dict[str, Any]) -> None:
    _change(call, request["resourceArn"], lambda tags: tags | request["tags"])


@operation(access=by_path)
def untag_resource(call: Call, request: dict[str, Any]) -> None:
    gone = set(request["tagKeys"])
    _change(call, request["resourceArn"], lambda tags: {key: value for key, value in tags.items() if key not in gone})


def _change(call: Call, resource_arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
    """The tags afterwards. Raises NotFoundException for what is not there."""
    parts = unquote(resource_arn).rpartition(":")[2].strip("/").split("/")
    if len(parts) == 4 and parts[0] == "restapis" and parts[2] == "stages":
        record: Any = load_stage(call, parts[1], parts[3])
        table: Any = STAGES
    elif len(parts) == 2 and parts[0] == "restapis":
        record, table = load_api(call, parts[1]), REST_APIS
    elif len(parts) == 2 and parts[0] == "apikeys":
        record, table = load_key(call, parts[1]), API_KEYS
    elif len(parts) == 2 and parts[0] == "usageplans":
        record, table = load_plan(call, parts[1]), USAGE_PLANS
    else:
        raise errors.bad_request(f"Invalid ARN specified in the request: {resource_arn}")
    tags = change(record.tags)
    if len(tags) > TAGS_MAX:
        raise errors.bad_request(f"Too many tags: the limit is {TAGS_MAX}")
    if tags != record.tags:
        table.put(call.tx, record.replace(tags=tags))
    return tags
