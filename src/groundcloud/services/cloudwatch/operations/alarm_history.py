"""The history of alarms: what was changed, which states they had, what they did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudwatch import tokens
from groundcloud.services.cloudwatch.state import HISTORY, HISTORY_BY_TIME, HistoryItem

DESCRIBED_MAX = 100  # AWS: DescribeAlarmHistory, MaxRecords

Request = dict[str, Any]


@operation(resource=lambda call, request: call.arn("cloudwatch", f"alarm:{request.get('AlarmName', '*')}"))
def describe_alarm_history(call: Call, request: Request) -> Request:
    """The newest first, unless ScanBy says otherwise; without AlarmTypes of metric alarms alone (AWS)."""
    types, kind = request.get("AlarmTypes") or ["MetricAlarm"], request.get("HistoryItemType")
    limit = request.get("MaxRecords", DESCRIBED_MAX)
    found: list[HistoryItem] = []
    for item in _items(call, request):
        if item.alarm_type not in types or (kind is not None and item.kind != kind):
            continue
        if len(found) == limit:
            return {"AlarmHistoryItems": [_shown(one) for one in found], "NextToken": tokens.token(found[-1].at_ms, found[-1].sequence)}
        found.append(item)
    return {"AlarmHistoryItems": [_shown(one) for one in found]}


def _items(call: Call, request: Request) -> Iterator[HistoryItem]:
    reverse = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    start = int(request["StartDate"] * 1000) if "StartDate" in request else None
    stop = int(request["EndDate"] * 1000) + 1 if "EndDate" in request else None
    after = tuple(tokens.parts(request["NextToken"], int, int)) if request.get("NextToken") else None
    name = request.get("AlarmName")
    if name is not None:
        yield from HISTORY.scan(call.tx, name, start=start, stop=stop, after=after, reverse=reverse)
        return
    for (at_ms, sequence), alarm_name in HISTORY_BY_TIME.items(call.tx, start=start, stop=stop, after=after, reverse=reverse):
        item = HISTORY.get(call.tx, alarm_name, at_ms, sequence)
        if item is not None:
            yield item


def _shown(item: HistoryItem) -> Request:
    return {
        "AlarmName": item.alarm_name,
        "AlarmType": item.alarm_type,
        "Timestamp": item.at_ms / 1000,
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary,
        "HistoryData": item.content,
    }
