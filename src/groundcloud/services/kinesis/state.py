"""What Kinesis keeps: streams, their shards and records, and consumers; each key spelled out.

A stream has a number that is never used again, so a stream of the same name made later shares no record with it, and the records of a deleted one can be cleared at
leisure. A record's sequence is the millisecond of its arrival with 20 bits for those of one millisecond, so `sequence_at(ms)` is a moment's place in every shard.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

import msgspec

from groundcloud.store import Record, Table

STREAMS_CACHED_MAX = 2048
HOUR_MS = 3_600_000
HASH_MAX = 2**128 - 1


class Stream(Record, frozen=True, kw_only=True):
    """`open_hashes` are the first hash keys of the open shards, in order, and `open_numbers` those shards' numbers."""

    stream_name: str
    stream_number: int
    created_ms: int
    mode: str
    open_hashes: tuple[bytes, ...]
    open_numbers: tuple[int, ...]
    next_shard: int
    retention_h: int = 24
    encryption: str = "NONE"
    key_id: str = ""
    monitored: tuple[str, ...] = ()
    record_kib_max: int = 1024
    warm_mibps: int = 0
    distribution: str = "USER_PARTITION_KEY"
    throttled: bool = False
    """Whether the throughput of its shards is limited, see `throttling`."""
    scaled_ms: tuple[int, ...] = ()
    """When UpdateShardCount last ran, for its limit."""
    modes_ms: tuple[int, ...] = ()
    consumers: int = 0

    def shard_of(self, hash_key: bytes) -> int:
        """The number of the open shard that takes a hash key of 16 bytes."""
        return self.open_numbers[bisect_right(self.open_hashes, hash_key) - 1]

    @property
    def horizon_ms(self) -> int:
        return self.retention_h * HOUR_MS


class Shard(Record, frozen=True, kw_only=True):
    """`first` and `last` are sequences; `closed_ms` is 0 and `last` None while it is open."""

    stream_number: int
    shard_number: int
    start_hash: bytes
    end_hash: bytes
    created_ms: int
    first: int
    parent: int | None = None
    adjacent_parent: int | None = None
    closed_ms: int = 0
    last: int | None = None
    children: tuple[int, ...] = ()

    @property
    def shard_id(self) -> str:
        return shard_id(self.shard_number)


class Entry(Record, frozen=True):
    """A record of a shard."""

    sequence: int
    partition_key: str
    arrived_ms: int
    content: bytes


class Consumer(Record, frozen=True, kw_only=True):
    stream_number: int
    consumer_name: str
    consumer_arn: str
    created_ms: int


class Commitment(Record, frozen=True):
    """The account's minimum throughput billing commitment."""

    enabled: bool
    started_ms: int
    ended_ms: int = 0


_STREAMS = Table("kinesis/streams", bytes, key=1)

SHARDS = Table("kinesis/shards", Shard, key=("stream_number", "shard_number"))
RECORDS = Table("kinesis/records", Entry, key=3)
"""(stream number, shard number, sequence) -> Entry."""

PROGRESS = Table("kinesis/progress", bytes, key=2)
"""(stream name, shard number) -> see `Position`. Written with every record and with the shard's end: what readers watch, event source mappings too."""

CONSUMERS = Table("kinesis/consumers", Consumer, key=("stream_number", "consumer_name"))
TAGS = Table("kinesis/tags", dict[str, str], key=1)
"""ARN -> tags."""
COMMITMENTS = Table("kinesis/commitments", Commitment, key=0)

_POSITION = Struct("<q?q")


class Position(NamedTuple):
    """Of a shard: the sequence last given, whether its trim timer is set, when it was made."""

    last: int
    trims: bool
    created_ms: int


_encode_stream = msgspec.msgpack.Encoder().encode
_decode_stream = msgspec.msgpack.Decoder(Stream).decode


@lru_cache(maxsize=STREAMS_CACHED_MAX)
def _stream(raw: bytes) -> Stream:
    return _decode_stream(raw)


def find_stream(tx: Any, stream_name: str) -> Stream | None:
    raw = _STREAMS.get(tx, stream_name)
    return None if raw is None else _stream(raw)


def put_stream(tx: Any, stream: Stream) -> None:
    _STREAMS.put(tx, stream.stream_name, _encode_stream(stream))


def delete_stream(tx: Any, stream_name: str) -> None:
    _STREAMS.delete(tx, stream_name)


def all_streams(tx: Any, after: str | None = None) -> Any:
    """In the order of their names, from the one after `after`."""
    return (_stream(raw) for raw in _STREAMS.scan(tx, after=after))


def position(tx: Any, stream: Stream, shard_number: int) -> Position:
    raw = PROGRESS.get(tx, stream.stream_name, shard_number)
    return Position._make(_POSITION.unpack(raw)) if raw else Position(0, False, 0)


def put_position(tx: Any, stream: Stream, shard_number: int, position: Position) -> None:
    PROGRESS.put(tx, stream.stream_name, shard_number, _POSITION.pack(*position))


def sequence_at(moment_ms: int) -> int:
    """The first sequence of a millisecond."""
    return moment_ms << 20 if moment_ms > 0 else 0


def shard_id(shard_number: int) -> str:
    return f"shardId-{shard_number:012d}"


def stream_arn(place: Any, stream_name: str) -> str:
    """`place` is a call or a transaction: anything with an account and a region."""
    return f"arn:aws:kinesis:{place.region}:{place.account}:stream/{stream_name}"
