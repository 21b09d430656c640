"""What CloudWatch Logs does by itself: ends events at the end of their retention, removes what deleted groups and streams held, puts what metric filters counted,
takes deliveries from other services."""

from __future__ import annotations

from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.service import target, timer
from groundcloud.services.logs import errors
from groundcloud.services.logs.chunks import SPAN_MS
from groundcloud.services.logs.operations.events import put_log_events
from groundcloud.services.logs.operations.streams import create_log_stream
from groundcloud.services.logs.state import (
    CHUNKS,
    CHUNKS_BY_STREAM,
    DAY_MS,
    GROUPS,
    METRIC_FILTERS,
    STORED_BYTES,
    STREAMS,
    SUBSCRIPTIONS,
    delete_chunk,
    delete_stream,
    load_group,
)

BITE = 200
"""Chunks in one transaction of background work."""


@timer("logs.expire")
def expire(call: Call, group_name: str) -> None:
    """Removes chunks whose last event is past the retention; comes back when the next one is due, at the latest in a day."""
    tx = call.tx
    group = GROUPS.get(tx, group_name)
    if group is None or not group.retention_days:
        return
    due_ms = call.now_ms + DAY_MS
    gone = 0
    for chunk in CHUNKS.scan(tx, group.group_number, limit=BITE + 1):
        ends_ms = chunk.events[-1][0] + group.retention_days * DAY_MS
        if gone == BITE:
            due_ms = call.now_ms
        elif ends_ms >= call.now_ms:
            # A chunk behind this one may end up to SPAN_MS earlier: it waits for the next turn.
            due_ms = min(due_ms, ends_ms + SPAN_MS)
            break
        else:
            delete_chunk(tx, chunk.group_number, chunk.stream_number, chunk.first_ms, chunk.sequence)
            gone += 1
    call.schedule(due_ms, "logs.expire", group_name, key=str(group.group_number))


@timer("logs.purge-stream")
def purge_stream(call: Call, numbers: list[int]) -> None:
    """Removes the chunks of a deleted stream, a bite at a time."""
    group_number, stream_number = numbers
    left = BITE
    for _, first_ms, sequence in CHUNKS_BY_STREAM.keys(call.tx, stream_number, limit=BITE):
        delete_chunk(call.tx, group_number, stream_number, first_ms, sequence)
        left -= 1
    if left == 0:
        call.schedule(call.now_ms, "logs.purge-stream", numbers)


@timer("logs.purge-group")
def purge_group(call: Call, group_number: int) -> None:
    """Removes what a deleted group held, a bite at a time."""
    tx = call.tx
    left = BITE
    for chunk in CHUNKS.scan(tx, group_number, limit=left):
        delete_chunk(tx, group_number, chunk.stream_number, chunk.first_ms, chunk.sequence)
        left -= 1
    for stream in STREAMS.scan(tx, group_number, limit=left):
        delete_stream(tx, stream)
        left -= 1
    filters: tuple[Any, ...] = (METRIC_FILTERS, SUBSCRIPTIONS)
    for table in filters:
        for key in list(table.keys(tx, group_number)):
            table.delete(tx, *key)
    STORED_BYTES.delete(tx, group_number)
    if left <= 0:
        call.schedule(call.now_ms, "logs.purge-group", group_number)


@timer("logs.put-metrics")
async def put_metrics(call: Call, request: dict[str, Any]) -> None:
    """What metric filters counted, on the account's own behalf: whoever wrote the events need not be allowed to put metrics."""
    account = Principal("root", f"arn:aws:iam::{call.account}:root", call.account, "", call.account)
    await call.as_principal(account).request("cloudwatch", "PutMetricData", request)


@target("logs")
def into_group(call: Call, delivery: Delivery) -> None:
    """A delivery from another service is an event in a stream of the service's own, named by its id, as EventBridge's."""
    arn = arns.parse(delivery.target_arn)
    if not arn.resource.startswith("log-group:"):
        raise errors.group_does_not_exist()
    group_name = arn.resource[len("log-group:") :].removesuffix(":*")
    stream_name = delivery.attributes.get("logStreamName") or delivery.delivery_id
    group = load_group(call.tx, group_name)
    resource = f"{delivery.target_arn.removesuffix(':*')}:log-stream:{stream_name}"
    if not STREAMS.has(call.tx, group.group_number, stream_name):
        call.authorize("logs:CreateLogStream", resource)
        create_log_stream(call, {"logGroupName": group_name, "logStreamName": stream_name})
    call.authorize("logs:PutLogEvents", resource)
    event = {"timestamp": delivery.created_ms, "message": delivery.text or " "}
    put_log_events(call, {"logGroupName": group_name, "logStreamName": stream_name, "logEvents": [event]})
