"""Tags of alarms and dashboards."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudwatch import errors
from groundcloud.services.cloudwatch.state import ALARMS, DASHBOARDS, Alarm, Dashboard

TAGS_MAX = 50

Request = dict[str, Any]


def _arn(call: Call, request: Request) -> str:
    return str(request["ResourceARN"])


@operation(resource=_arn)
def list_tags_for_resource(call: Call, request: Request) -> Request:
    return {"Tags": [{"Key": key, "Value": value} for key, value in _load(call, request).tags.items()]}


@operation(resource=_arn)
def tag_resource(call: Call, request: Request) -> Request:
    found = _load(call, request)
    tags = {**found.tags, **{tag["Key"]: tag["Value"] for tag in request["Tags"]}}
    if len(tags) > TAGS_MAX:
        raise errors.invalid_value(f"A resource has at most {TAGS_MAX} tags.")
    _save(call, found, tags)
    return {}


@operation(resource=_arn)
def untag_resource(call: Call, request: Request) -> Request:
    found = _load(call, request)
    _save(call, found, {key: value for key, value in found.tags.items() if key not in request["TagKeys"]})
    return {}


def _load(call: Call, request: Request) -> Alarm | Dashboard:
    resource_arn = request["ResourceARN"]
    head, _, name = resource_arn.partition(":alarm:")
    found: Alarm | Dashboard | None = None
    if name and head == f"arn:aws:cloudwatch:{call.region}:{call.account}":
        found = ALARMS.get(call.tx, name)
    elif resource_arn.startswith(f"arn:aws:cloudwatch::{call.account}:dashboard/"):
        found = DASHBOARDS.get(call.tx, resource_arn.rpartition("/")[2])
    if found is None:
        raise errors.resource_not_found(resource_arn)
    return found


def _save(call: Call, found: Alarm | Dashboard, tags: dict[str, str]) -> None:
    if isinstance(found, Alarm):
        ALARMS.put(call.tx, found.replace(tags=tags))
    else:
        DASHBOARDS.put(call.tx, found.replace(tags=tags))
