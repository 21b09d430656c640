"""Dashboards: kept as they are put."""

from __future__ import annotations

import json
import re
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudwatch import errors, tokens
from groundcloud.services.cloudwatch.state import DASHBOARDS, HIGHEST, Dashboard

LISTED_MAX = 1000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")

Request = dict[str, Any]


def dashboard_arn(call: Call, name: str) -> str:
    """Dashboards belong to the account, in no region."""
    return f"arn:aws:cloudwatch::{call.account}:dashboard/{name}"


def _of_request(call: Call, request: Request) -> str:
    return dashboard_arn(call, request["DashboardName"])


@operation(resource=_of_request)
def put_dashboard(call: Call, request: Request) -> Request:
    name, body = request["DashboardName"], request["DashboardBody"]
    if not _NAME.fullmatch(name):
        raise errors.invalid_value(
            f"The value {name} for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and underscore (_)."
        )
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise errors.invalid_dashboard(
            [{"DataPath": "/", "Message": f"The field DashboardBody must be a valid JSON object: {error}"}]
        ) from None
    if not isinstance(parsed, dict):
        raise errors.invalid_dashboard([{"DataPath": "/", "Message": "The field DashboardBody must be a valid JSON object"}])
    if "widgets" not in parsed:
        raise errors.invalid_dashboard([{"DataPath": "", "Message": "Should have required property 'widgets'"}])
    before = DASHBOARDS.get(call.tx, name)
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())} if before is None else before.tags
    DASHBOARDS.put(call.tx, Dashboard(name=name, body=body, modified_ms=call.now_ms, tags=tags))
    return {"DashboardValidationMessages": []}


@operation(resource=_of_request)
def get_dashboard(call: Call, request: Request) -> Request:
    dashboard = DASHBOARDS.get(call.tx, request["DashboardName"])
    if dashboard is None:
        raise errors.dashboard_not_found(request["DashboardName"])
    return {"DashboardArn": dashboard_arn(call, dashboard.name), "DashboardBody": dashboard.body, "DashboardName": dashboard.name}


@operation()
def list_dashboards(call: Call, request: Request) -> Request:
    prefix = request.get("DashboardNamePrefix", "")
    after = tokens.parts(request["NextToken"], str)[0] if request.get("NextToken") else None
    found = list(DASHBOARDS.scan(call.tx, start=prefix, stop=prefix + HIGHEST, after=after, limit=LISTED_MAX + 1))
    answer: Request = {
        "DashboardEntries": [
            {
                "DashboardName": one.name,
                "DashboardArn": dashboard_arn(call, one.name),
                "LastModified": one.modified_ms / 1000,
                "Size": len(one.body.encode()),
            }
            for one in found[:LISTED_MAX]
        ]
    }
    if len(found) > LISTED_MAX:
        answer["NextToken"] = tokens.token(found[LISTED_MAX - 1].name)
    return answer


def _of_names(call: Call, request: Request) -> list[str]:
    return [dashboard_arn(call, name) for name in request["DashboardNames"]]


@operation(resource=_of_names)
def delete_dashboards(call: Call, request: Request) -> Request:
    """All or none."""
    if not request["DashboardNames"]:
        raise errors.missing_parameter("DashboardNames")
    for name in request["DashboardNames"]:
        if not DASHBOARDS.has(call.tx, name):
            raise errors.dashboard_not_found(name)
    for name in request["DashboardNames"]:
        DASHBOARDS.delete(call.tx, name)
    return {}
