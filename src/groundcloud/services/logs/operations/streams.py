"""Log streams: create, describe, delete."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.logs import errors
from groundcloud.services.logs.names import group_arn, group_name, parts_of_token, resource_of_group, resource_of_stream, token
from groundcloud.services.logs.state import (
    HIGHEST,
    STREAMS,
    STREAMS_BY_TIME,
    Stream,
    delete_stream,
    load_group,
    load_stream,
    put_stream,
)

DESCRIBED_MAX = 50  # AWS: DescribeLogStreams, limit

Request = dict[str, Any]


@operation(resource=resource_of_stream)
def create_log_stream(call: Call, request: Request) -> Request:
    tx = call.tx
    group = load_group(tx, request["logGroupName"])
    name = request["logStreamName"]
    if STREAMS.has(tx, group.group_number, name):
        raise errors.stream_exists()
    stream = Stream(group_number=group.group_number, stream_name=name, stream_number=tx.sequence("logs/streams"), created_ms=call.now_ms)
    put_stream(tx, stream, None)
    return {}


@operation(resource=resource_of_stream)
def delete_log_stream(call: Call, request: Request) -> Request:
    group = load_group(call.tx, request["logGroupName"])
    stream = load_stream(call.tx, group, request["logStreamName"])
    delete_stream(call.tx, stream)
    call.schedule(call.now_ms, "logs.purge-stream", [group.group_number, stream.stream_number])
    return {}


@operation(resource=resource_of_group)
def describe_log_streams(call: Call, request: Request) -> Request:
    tx = call.tx
    prefix, by_time = request.get("logStreamNamePrefix"), request.get("orderBy") == "LastEventTime"
    if prefix is not None and by_time:
        raise errors.prefix_and_last_event_time()
    group = load_group(tx, group_name(call, request))
    reverse, limit = request.get("descending", False), request.get("limit", DESCRIBED_MAX)
    number = group.group_number
    found: list[Stream] = []
    if by_time:
        after = tuple(parts_of_token(request["nextToken"], int, str)) if "nextToken" in request else None
        for _, _, name in STREAMS_BY_TIME.keys(tx, number, after=after, reverse=reverse, limit=limit + 1):
            stream = STREAMS.get(tx, number, name)
            if stream is not None:
                found.append(stream)
    else:
        last = parts_of_token(request["nextToken"], str)[0] if "nextToken" in request else None
        stop = prefix + HIGHEST if prefix is not None else None
        found = list(STREAMS.scan(tx, number, start=prefix, stop=stop, after=last, reverse=reverse, limit=limit + 1))
    answer: Request = {"logStreams": [_described(call, group.group_name, stream) for stream in found[:limit]]}
    if len(found) > limit:
        end = found[limit - 1]
        answer["nextToken"] = token(end.last_event_ms, end.stream_name) if by_time else token(end.stream_name)
    return answer


def _described(call: Call, of_group: str, stream: Stream) -> Request:
    answer: Request = {
        "logStreamName": stream.stream_name,
        "creationTime": stream.created_ms,
        "arn": f"{group_arn(call, of_group)}:log-stream:{stream.stream_name}",
        "storedBytes": 0,  # AWS: always 0 for streams since 2019
    }
    if stream.last_event_ms >= 0:
        answer["firstEventTimestamp"] = stream.first_event_ms
        answer["lastEventTimestamp"] = stream.last_event_ms
        answer["lastIngestionTime"] = stream.ingested_ms
        answer["uploadSequenceToken"] = sequence_token(stream)
    return answer


def sequence_token(stream: Stream) -> str:
    """Given out and never asked for, as since 2023."""
    return f"490{stream.stream_number:020d}{max(stream.ingested_ms, 0):033d}"
