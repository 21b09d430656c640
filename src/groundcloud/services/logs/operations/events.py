"""Log events: put, get, filter."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.logs import chunks, errors, patterns, pipeline
from groundcloud.services.logs.chunks import Event, event_id
from groundcloud.services.logs.names import group_name, parts_of_token, resource_of_group, resource_of_stream, token
from groundcloud.services.logs.operations.streams import sequence_token
from groundcloud.services.logs.state import (
    HIGHEST,
    STORED_BYTES,
    STREAM_NAMES,
    STREAMS,
    Chunk,
    Group,
    load_group,
    load_stream,
    put_chunk,
    put_stream,
)
from groundcloud.store import Transaction

# AWS: PutLogEvents
UPLOAD_BYTES_MAX = 1_048_576
EVENT_BYTES_MAX = 1_048_576
OVERHEAD_BYTES = 26
TOO_OLD_MS = 14 * 86_400_000
TOO_NEW_MS = 2 * 3_600_000
BATCH_SPAN_MS_MAX = 86_400_000

PAGE_EVENTS_MAX = 10_000  # AWS: GetLogEvents, FilterLogEvents
PAGE_BYTES_MAX = 1_048_576
SEARCHED_MAX = 20_000
"""Events that one FilterLogEvents looks at; it then answers with what it found and a token."""
STREAMS_MERGED_MAX = 100
"""Beyond so many streams the group's own order is read and the others passed over."""

Request = dict[str, Any]


@operation(resource=resource_of_stream)
def put_log_events(call: Call, request: Request) -> Request:
    tx, now_ms = call.tx, call.now_ms
    given = request["logEvents"]
    events, sizes = _checked(given)
    group = load_group(tx, request["logGroupName"])
    stream = load_stream(tx, group, request["logStreamName"])
    rejected: Request = {}
    begin, end = 0, len(events)
    if events[-1][0] > now_ms + TOO_NEW_MS:
        end = rejected["tooNewLogEventStartIndex"] = bisect_right(events, (now_ms + TOO_NEW_MS, HIGHEST))
    if events[0][0] < now_ms - TOO_OLD_MS:
        begin = rejected["tooOldLogEventEndIndex"] = bisect_left(events, (now_ms - TOO_OLD_MS,))
    oldest_ms = group.oldest_ms(now_ms)
    if events[0][0] < oldest_ms:
        expired = bisect_left(events, (oldest_ms,))
        if expired > begin:
            begin = rejected["expiredLogEventEndIndex"] = expired
    if rejected:
        events = events[begin:end]
    if events:
        for run in chunks.cut(events):
            sequence = tx.sequence("logs/events")
            chunk = Chunk(
                group_number=group.group_number,
                first_ms=run[0][0],
                sequence=sequence,
                stream_number=stream.stream_number,
                ingested_ms=now_ms,
                events=run,
            )
            put_chunk(tx, chunk)
            pipeline.flow(call, group, stream.stream_name, chunk)
        first_ms, last_ms = events[0][0], events[-1][0]
        before, stream = (
            stream,
            stream.replace(
                first_event_ms=first_ms if stream.first_event_ms < 0 else min(stream.first_event_ms, first_ms),
                last_event_ms=max(stream.last_event_ms, last_ms),
                ingested_ms=now_ms,
            ),
        )
        put_stream(tx, stream, before)
        stored = STORED_BYTES.get(tx, group.group_number) or 0
        STORED_BYTES.put(tx, group.group_number, stored + (sum(sizes[begin:end]) if rejected else sum(sizes)))
    answer: Request = {"nextSequenceToken": sequence_token(stream)}
    if rejected:
        answer["rejectedLogEventsInfo"] = rejected
    return answer


def _checked(given: list[Request]) -> tuple[list[tuple[int, str]], list[int]]:
    """(timestamp, message) of each event, and its size. Raises InvalidParameterException."""
    events: list[tuple[int, str]] = []
    sizes: list[int] = []
    previous = 0
    for event in given:
        timestamp, message = event["timestamp"], event["message"]
        size = (len(message) if message.isascii() else len(message.encode("utf-8", "surrogatepass"))) + OVERHEAD_BYTES
        if size > EVENT_BYTES_MAX:
            raise errors.event_too_large(size, EVENT_BYTES_MAX)
        if timestamp < previous:
            raise errors.not_chronological()
        previous = timestamp
        events.append((timestamp, message))
        sizes.append(size)
    if sum(sizes) > UPLOAD_BYTES_MAX:
        raise errors.upload_too_large(sum(sizes), UPLOAD_BYTES_MAX)
    if previous - events[0][0] > BATCH_SPAN_MS_MAX:
        raise errors.spans_too_long()
    return events, sizes


@operation(resource=resource_of_stream)
def get_log_events(call: Call, request: Request) -> Request:
    """Pages are read in either direction from any event: the tokens hold the event's place, `f/` after it, `b/` before it."""
    tx = call.tx
    group = load_group(tx, group_name(call, request))
    stream = load_stream(tx, group, request["logStreamName"])
    start_ms = max(request.get("startTime", 0), group.oldest_ms(call.now_ms))
    stop_ms = request.get("endTime")
    limit = request.get("limit", PAGE_EVENTS_MAX)
    forward, place = request.get("startFromHead", False), None
    if "nextToken" in request:
        forward, place = _stream_token(request["nextToken"])
    numbers = [stream.stream_number]
    source: Iterator[Event]
    if forward:
        source = chunks.forward(tx, group.group_number, numbers, start_ms if place is None else max(start_ms, place[0]), stop_ms)
        if place is not None:
            source = _after(source, place)
    else:
        if place is not None:
            stop_ms = place[0] + 1 if stop_ms is None else min(stop_ms, place[0] + 1)
        source = chunks.backward(tx, group.group_number, numbers, start_ms, stop_ms)
        if place is not None:
            source = _before(source, place)
    found: list[Event] = []
    size = 0
    for event in islice(source, limit):
        size += len(event.message) + OVERHEAD_BYTES
        if size > PAGE_BYTES_MAX and found:
            break
        found.append(event)
    if not forward:
        found.reverse()
    if found:
        first, last = event_id(found[0][:3]), event_id(found[-1][:3])
    elif place is not None:
        # The token that was given comes back; the other one reads on from the same event, which is why it is one aside.
        here = int(event_id(place))
        first, last = (str(here + 1), str(here)) if forward else (str(here), str(max(here - 1, 0)))
    else:
        first = last = event_id((start_ms, 0, 0))
    return {
        "events": [{"timestamp": event[0], "message": event[3], "ingestionTime": event[4].ingested_ms} for event in found],
        "nextForwardToken": f"f/{last.zfill(56)}/s",
        "nextBackwardToken": f"b/{first.zfill(56)}/s",
    }


def _stream_token(text: str) -> tuple[bool, chunks.Place]:
    parts = text.split("/")
    if len(parts) != 3 or parts[0] not in ("f", "b") or parts[2] != "s":
        raise errors.invalid_token()
    try:
        return parts[0] == "f", chunks.place_of(parts[1])
    except ValueError:
        raise errors.invalid_token() from None


def _after(source: Iterator[Event], place: chunks.Place) -> Iterator[Event]:
    for event in source:
        if event[:3] > place:
            yield event
            break
    yield from source


def _before(source: Iterator[Event], place: chunks.Place) -> Iterator[Event]:
    for event in source:
        if event[:3] < place:
            yield event
            break
    yield from source


@operation(resource=resource_of_group)
def filter_log_events(call: Call, request: Request) -> Request:
    """Across streams in the order of time. A page ends at `limit`, at 1 MB, or when SEARCHED_MAX events were looked at."""
    tx = call.tx
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise errors.names_and_prefix()
    matches = patterns.compiled(request.get("filterPattern", "")).matches
    group = load_group(tx, group_name(call, request))
    number = group.group_number
    start_ms, end_ms = max(request.get("startTime", 0), group.oldest_ms(call.now_ms)), request.get("endTime")
    place = None
    if "nextToken" in request:
        try:
            place = chunks.place_of(parts_of_token(request["nextToken"], str)[0])
        except ValueError:
            raise errors.invalid_token() from None
        start_ms = max(start_ms, place[0])
    wanted = _stream_names(tx, group, names, prefix)
    if wanted is not None and not wanted:
        return {"events": [], "searchedLogStreams": []}
    numbers = list(wanted) if wanted is not None and len(wanted) <= STREAMS_MERGED_MAX else None
    known: dict[int, str | None] = dict(wanted) if wanted is not None else {}
    source = chunks.forward(tx, number, numbers, start_ms, None if end_ms is None else end_ms + 1)
    limit = request.get("limit", PAGE_EVENTS_MAX)
    found: list[Request] = []
    size = 0
    for searched, event in enumerate(source if place is None else _after(source, place), 1):
        timestamp, sequence, position, message, chunk = event
        of_stream = chunk.stream_number
        if of_stream not in known:
            known[of_stream] = None if wanted is not None else STREAM_NAMES.get(tx, number, of_stream)
        name = known[of_stream]
        if name is not None and matches(message):
            size += len(message) + OVERHEAD_BYTES
            found.append(
                {
                    "logStreamName": name,
                    "timestamp": timestamp,
                    "message": message,
                    "ingestionTime": chunk.ingested_ms,
                    "eventId": event_id((timestamp, sequence, position)),
                }
            )
        if (len(found) >= limit or size >= PAGE_BYTES_MAX or searched >= SEARCHED_MAX) and next(source, None) is not None:
            return {"events": found, "searchedLogStreams": [], "nextToken": token(event_id(event[:3]))}
    return {"events": found, "searchedLogStreams": []}


def _stream_names(tx: Transaction, group: Group, names: list[str] | None, prefix: str | None) -> dict[int, str] | None:
    """Number -> name of the streams that are asked for; None for all. Raises ResourceNotFoundException for a name that is none."""
    if names is not None:
        return {load_stream(tx, group, name).stream_number: name for name in names}
    if prefix is None:
        return None
    found = STREAMS.scan(tx, group.group_number, start=prefix, stop=prefix + HIGHEST)
    return {stream.stream_number: stream.stream_name for stream in found}
