"""Where events go as they arrive: to functions and Kinesis streams through subscription filters, to CloudWatch through metric filters and
as metrics that are embedded in them.

It runs in the transaction of PutLogEvents: deliveries are outbox rows, metrics a timer that puts them a moment later.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from hashlib import md5
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.services.logs import embedded_metrics, patterns
from groundcloud.services.logs.chunks import event_id
from groundcloud.services.logs.names import group_arn
from groundcloud.services.logs.patterns.expression import number_of
from groundcloud.services.logs.state import METRIC_FILTERS, SUBSCRIPTIONS, Chunk, Group, MetricFilter, Subscription

MINUTE_MS = 60_000
PRINCIPAL = "logs.amazonaws.com"
VALUES_MAX = 150  # AWS: PutMetricData, values of one datum
DATA_MAX = 1000  # AWS: PutMetricData, data of one call

Datum = dict[str, Any]
Dimensions = tuple[tuple[str, str], ...]


def flow(call: Call, group: Group, stream_name: str, chunk: Chunk) -> None:
    if group.subscriptions:
        for subscription in SUBSCRIPTIONS.scan(call.tx, group.group_number):
            _deliver(call, group, stream_name, chunk, subscription)
    if group.metric_filters:
        for metric_filter in METRIC_FILTERS.scan(call.tx, group.group_number):
            for transformation in metric_filter.transformations:
                data = points(metric_filter, transformation, chunk.events)
                put_metrics(call, transformation["metricNamespace"], data)
    for namespace, data in embedded_metrics.found_in(chunk.events).items():
        put_metrics(call, namespace, data)


def put_metrics(call: Call, namespace: str, data: list[Datum]) -> None:
    for begin in range(0, len(data), DATA_MAX):
        call.schedule(call.now_ms, "logs.put-metrics", {"Namespace": namespace, "MetricData": data[begin : begin + DATA_MAX]})


def _deliver(call: Call, group: Group, stream_name: str, chunk: Chunk, subscription: Subscription) -> None:
    matches = patterns.compiled(subscription.pattern).matches
    events = [
        {"id": event_id((timestamp, chunk.sequence, position)), "timestamp": timestamp, "message": message}
        for position, (timestamp, message) in enumerate(chunk.events)
        if matches(message)
    ]
    if not events:
        return
    batch = {
        "messageType": "DATA_MESSAGE",
        "owner": call.account,
        "logGroup": group.group_name,
        "logStream": stream_name,
        "subscriptionFilters": [subscription.filter_name],
        "logEvents": events,
    }
    packed, source_arn = pack(batch), group_arn(call, group.group_name) + ":*"
    if arns.parse(subscription.destination_arn).service == "kinesis":
        # AWS: events of one log stream go to one shard, unless their distribution is random.
        by_stream = {} if subscription.distribution == "Random" else {"PartitionKey": _partition_key(group, stream_name)}
        call.deliver(subscription.destination_arn, packed, principal=subscription.role_arn, source_arn=source_arn, attributes=by_stream)
        return
    payload = json.dumps({"awslogs": {"data": b64encode(packed).decode()}})
    call.deliver(subscription.destination_arn, payload, principal=PRINCIPAL, source_arn=source_arn)


def pack(batch: dict[str, Any]) -> bytes:
    """A batch as it goes to a destination."""
    return gzip.compress(json.dumps(batch, separators=(",", ":"), ensure_ascii=False).encode(), 6, mtime=0)


def _partition_key(group: Group, stream_name: str) -> str:
    return md5(f"{group.group_name}:{stream_name}".encode(), usedforsecurity=False).hexdigest()


def points(metric_filter: MetricFilter, transformation: dict[str, Any], events: list[tuple[int, str]]) -> list[Datum]:
    """What the events mean for a metric: values with counts, a datum for each minute and set of dimensions.

    A match counts the value, or the number that the value's selector finds; the default value counts for an event that does not match.
    """
    pattern = patterns.compiled(metric_filter.pattern)
    wanted, default = transformation["metricValue"], transformation.get("defaultValue")
    constant = None if wanted.startswith("$") else float(wanted)
    dimensions: dict[str, str] = transformation.get("dimensions") or {}
    found: dict[tuple[int, Dimensions], dict[float, int]] = {}
    for timestamp, message in events:
        number: float | None = default
        where: Dimensions = ()
        if pattern.matches(message):
            number = constant
            if number is None:
                number = number_of(pattern.value(message, wanted)) if pattern.value is not None else None
            if dimensions and pattern.value is not None:
                named = [(name, pattern.value(message, selector)) for name, selector in dimensions.items()]
                # AWS: an event that lacks a dimension's field is counted without dimensions.
                where = tuple((name, str(value)) for name, value in named) if all(value for _, value in named) else ()
        if number is None:
            continue
        counts = found.setdefault((timestamp // MINUTE_MS * MINUTE_MS, where), {})
        counts[number] = counts.get(number, 0) + 1
    data: list[Datum] = []
    for (at_ms, where), counts in found.items():
        values = list(counts)
        for begin in range(0, len(values), VALUES_MAX):
            part = values[begin : begin + VALUES_MAX]
            datum: Datum = {
                "MetricName": transformation["metricName"],
                "Timestamp": at_ms / 1000,
                "Values": part,
                "Counts": [float(counts[value]) for value in part],
            }
            if where:
                datum["Dimensions"] = [{"Name": name, "Value": value} for name, value in where]
            if transformation.get("unit"):
                datum["Unit"] = transformation["unit"]
            data.append(datum)
    return data
