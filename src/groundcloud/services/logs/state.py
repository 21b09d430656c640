"""What CloudWatch Logs keeps: groups, streams, events in chunks, filters; each key spelled out.

A group and a stream have numbers of their own, so that one made again after a deletion does not see what the old one held while that is still being removed.
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.logs import errors
from groundcloud.store import Record, Table, Transaction

DAY_MS = 86_400_000


class Group(Record, frozen=True, kw_only=True):
    group_name: str
    group_number: int
    created_ms: int
    retention_days: int = 0
    log_class: str = "STANDARD"
    tags: dict[str, str] = {}
    metric_filters: int = 0
    subscriptions: int = 0
    protected: bool = False

    def oldest_ms(self, now_ms: int) -> int:
        """Events before this are past their retention."""
        return now_ms - self.retention_days * DAY_MS if self.retention_days else 0


class Stream(Record, frozen=True, kw_only=True):
    """The times are -1 until there is an event."""

    group_number: int
    stream_name: str
    stream_number: int
    created_ms: int
    first_event_ms: int = -1
    last_event_ms: int = -1
    ingested_ms: int = -1


class Chunk(Record, frozen=True, kw_only=True):
    """Events of one stream that came together, in order: at most `chunks.EVENTS_MAX` within `chunks.SPAN_MS`. `events` are (timestamp, message)."""

    group_number: int
    first_ms: int
    sequence: int
    stream_number: int
    ingested_ms: int
    events: list[tuple[int, str]]


class MetricFilter(Record, frozen=True, kw_only=True):
    group_number: int
    filter_name: str
    pattern: str
    transformations: list[dict[str, Any]]
    created_ms: int
    options: dict[str, Any] = {}


class Subscription(Record, frozen=True, kw_only=True):
    group_number: int
    filter_name: str
    pattern: str
    destination_arn: str
    role_arn: str
    distribution: str
    created_ms: int


class ResourcePolicy(Record, frozen=True, kw_only=True):
    policy_name: str
    document: str
    updated_ms: int


GROUPS = Table("logs/groups", Group, key=("group_name",))
STREAMS = Table("logs/streams", Stream, key=("group_number", "stream_name"))
STREAMS_BY_TIME: Table[None] = Table("logs/streams-by-time", None, key=("group_number", "last_event_ms", "stream_name"))
STREAM_NAMES: Table[str] = Table("logs/stream-names", str, key=2)
"""(group number, stream number) -> the stream's name, while it exists."""

CHUNKS = Table("logs/chunks", Chunk, key=("group_number", "first_ms", "sequence"))
CHUNKS_BY_STREAM: Table[None] = Table("logs/chunks-by-stream", None, key=("stream_number", "first_ms", "sequence"))
CHUNKS_BY_ARRIVAL: Table[int] = Table("logs/chunks-by-arrival", int, key=2)
"""(group number, sequence) -> first_ms: what a tail follows."""

STORED_BYTES: Table[int] = Table("logs/stored-bytes", int, key=1)
"""Group number -> bytes put, 26 more an event than its message has."""

METRIC_FILTERS = Table("logs/metric-filters", MetricFilter, key=("group_number", "filter_name"))
SUBSCRIPTIONS = Table("logs/subscriptions", Subscription, key=("group_number", "filter_name"))
RESOURCE_POLICIES = Table("logs/resource-policies", ResourcePolicy, key=("policy_name",))

HIGHEST = "\U0010ffff"
"""Above any character: the end of a prefix of names."""


def load_group(tx: Transaction, group_name: str) -> Group:
    """Raises ResourceNotFoundException."""
    group = GROUPS.get(tx, group_name)
    if group is None:
        raise errors.group_does_not_exist()
    return group


def load_stream(tx: Transaction, group: Group, stream_name: str) -> Stream:
    """Raises ResourceNotFoundException."""
    stream = STREAMS.get(tx, group.group_number, stream_name)
    if stream is None:
        raise errors.stream_does_not_exist()
    return stream


def put_chunk(tx: Transaction, chunk: Chunk) -> None:
    CHUNKS.put(tx, chunk)
    CHUNKS_BY_STREAM.put(tx, chunk.stream_number, chunk.first_ms, chunk.sequence)
    CHUNKS_BY_ARRIVAL.put(tx, chunk.group_number, chunk.sequence, chunk.first_ms)


def delete_chunk(tx: Transaction, group_number: int, stream_number: int, first_ms: int, sequence: int) -> None:
    CHUNKS.delete(tx, group_number, first_ms, sequence)
    CHUNKS_BY_STREAM.delete(tx, stream_number, first_ms, sequence)
    CHUNKS_BY_ARRIVAL.delete(tx, group_number, sequence)


def put_stream(tx: Transaction, stream: Stream, before: Stream | None) -> None:
    """Writes a stream and its place among those of its group."""
    if before is None:
        STREAM_NAMES.put(tx, stream.group_number, stream.stream_number, stream.stream_name)
    elif before.last_event_ms != stream.last_event_ms:
        STREAMS_BY_TIME.delete(tx, stream.group_number, before.last_event_ms, stream.stream_name)
    if before is None or before.last_event_ms != stream.last_event_ms:
        STREAMS_BY_TIME.put(tx, stream.group_number, stream.last_event_ms, stream.stream_name)
    STREAMS.put(tx, stream)


def delete_stream(tx: Transaction, stream: Stream) -> None:
    """The stream itself; its chunks are hidden with it and removed by `logs.purge`."""
    STREAMS.delete(tx, stream.group_number, stream.stream_name)
    STREAMS_BY_TIME.delete(tx, stream.group_number, stream.last_event_ms, stream.stream_name)
    STREAM_NAMES.delete(tx, stream.group_number, stream.stream_number)
