"""Contributor insights: whether a table or index has them. The setting is kept and shown; rules of CloudWatch are not made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, errors, shapes
from groundcloud.services.dynamodb.operations.tables import load
from groundcloud.store import Record, Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

MODES = {"ACCESSED_AND_THROTTLED_KEYS": ("PKC", "PKT", "SKC", "SKT"), "THROTTLED_KEYS": ("PKT", "SKT")}
"""Mode -> the kinds of rules that AWS makes: partition or sort key, consumed or throttled."""


class Insight(Record, frozen=True):
    """`index_name` is empty for the table itself."""

    table_number: int
    index_name: str
    table_name: str
    mode: str
    changed_ms: int


INSIGHTS = Table("dynamodb/insights", Insight, key=("table_number", "index_name"))


@operation(raw=True, resource=access.table_or_index_of_request)
def update_contributor_insights(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateContributorInsights", request)
    tx, table = load(call, request["TableName"])
    index_name = request.get("IndexName", "")
    if index_name and table.index(index_name) is None:
        raise errors.resource_not_found()
    mode = request.get("ContributorInsightsMode", "ACCESSED_AND_THROTTLED_KEYS")
    enable = request["ContributorInsightsAction"] == "ENABLE"
    if enable:
        INSIGHTS.put(tx, Insight(table.table_number, index_name, table.table_name, mode, call.now_ms))
    else:
        INSIGHTS.delete(tx, table.table_number, index_name)
    answer: dict[str, Any] = {"TableName": table.table_name, "ContributorInsightsStatus": "ENABLING" if enable else "DISABLING"}
    if index_name:
        answer["IndexName"] = index_name
    if enable:
        answer["ContributorInsightsMode"] = mode
    return answer


@operation(raw=True, resource=access.table_or_index_of_request)
def describe_contributor_insights(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeContributorInsights", request)
    tx, table = load(call, request["TableName"])
    index_name = request.get("IndexName", "")
    if index_name and table.index(index_name) is None:
        raise errors.resource_not_found()
    answer: dict[str, Any] = {"TableName": table.table_name}
    if index_name:
        answer["IndexName"] = index_name
    insight = INSIGHTS.get(tx, table.table_number, index_name)
    if insight is None:
        return {**answer, "ContributorInsightsStatus": "DISABLED"}
    place = "-".join(filter(None, (table.table_name, index_name)))
    return {
        **answer,
        "ContributorInsightsStatus": "ENABLED",
        "ContributorInsightsMode": insight.mode,
        "LastUpdateDateTime": insight.changed_ms / 1000,
        "ContributorInsightsRuleList": [
            f"DynamoDBContributorInsights-{kind}-{place}-{insight.changed_ms}"
            for kind in MODES[insight.mode]
            if kind[0] == "P" or len(table.key) > 1
        ],
    }


@operation(raw=True)
def list_contributor_insights(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListContributorInsights", request)
    if "TableName" in request:
        tx, table = load(call, request["TableName"])
        found = list(INSIGHTS.scan(tx, table.table_number))
    else:
        found = list(INSIGHTS.scan(call.tx))
    token = request.get("NextToken", "0")
    if not token.isdecimal():
        raise errors.validation("Invalid NextToken")
    start, limit = int(token), request.get("MaxResults", 100)
    summaries = []
    for insight in found[start : start + limit]:
        summary = {"TableName": insight.table_name, "ContributorInsightsStatus": "ENABLED", "ContributorInsightsMode": insight.mode}
        if insight.index_name:
            summary["IndexName"] = insight.index_name
        summaries.append(summary)
    answer: dict[str, Any] = {"ContributorInsightsSummaries": summaries}
    if len(found) > start + limit:
        answer["NextToken"] = str(start + limit)
    return answer
