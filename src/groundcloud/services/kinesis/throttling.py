"""The throughput of shards, enforced for streams whose tag `groundcloud:throttling` is `on`.

A shard takes 1,000 records and 1 MiB a second, and gives 2 MiB in 5 reads a second. Each limit is a bucket that holds one second's worth; a read may overdraw its
bytes, so that one of 10 MiB keeps the next ones out for five seconds, as on AWS.
Source: Developer Guide, "Quotas and limits"; API_GetRecords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.services.kinesis.state import Stream

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

TAG = "groundcloud:throttling"
RECORDS_PER_S = 1000
WRITE_BYTES_PER_S = 1024 * 1024
READS_PER_S = 5
READ_BYTES_PER_S = 2 * 1024 * 1024
BUCKETS_MAX = 100_000

Bucket = tuple[str, str, int, int, str]


class Buckets:
    """Tokens by (account, region, stream number, shard number, what), in memory: after a restart every bucket is full."""

    def __init__(self) -> None:
        self._filled: dict[Bucket, tuple[float, int]] = {}

    def tokens(self, bucket: Bucket, per_s: int, now_ms: int) -> float:
        level, at_ms = self._filled.get(bucket, (float(per_s), now_ms))
        return min(level + per_s * (now_ms - at_ms) / 1000, per_s)

    def take(self, bucket: Bucket, per_s: int, now_ms: int, units: float) -> None:
        left = self.tokens(bucket, per_s, now_ms) - units
        if len(self._filled) >= BUCKETS_MAX:
            self._filled.clear()
        self._filled[bucket] = (left, now_ms)


def is_on(tags: dict[str, str]) -> bool:
    return tags.get(TAG, "").lower() == "on"


def may_write(call: Call, tx: Transaction, stream: Stream, shard_number: int, size_bytes: int) -> bool:
    """Takes a record's worth from the shard; False where it has no room."""
    buckets = call.own("throttling", Buckets)
    records, content = _bucket(tx, stream, shard_number, "records"), _bucket(tx, stream, shard_number, "written")
    room = buckets.tokens(content, WRITE_BYTES_PER_S, call.now_ms)
    if buckets.tokens(records, RECORDS_PER_S, call.now_ms) < 1 or room < min(size_bytes, WRITE_BYTES_PER_S):
        return False
    buckets.take(records, RECORDS_PER_S, call.now_ms, 1)
    buckets.take(content, WRITE_BYTES_PER_S, call.now_ms, size_bytes)
    return True


def may_read(call: Call, tx: Transaction, stream: Stream, shard_number: int) -> bool:
    """Takes one read; False where the shard was read too often or too much."""
    buckets = call.own("throttling", Buckets)
    reads, content = _bucket(tx, stream, shard_number, "reads"), _bucket(tx, stream, shard_number, "read")
    if buckets.tokens(reads, READS_PER_S, call.now_ms) < 1 or buckets.tokens(content, READ_BYTES_PER_S, call.now_ms) <= 0:
        return False
    buckets.take(reads, READS_PER_S, call.now_ms, 1)
    return True


def was_read(call: Call, tx: Transaction, stream: Stream, shard_number: int, size_bytes: int) -> None:
    bucket = _bucket(tx, stream, shard_number, "read")
    call.own("throttling", Buckets).take(bucket, READ_BYTES_PER_S, call.now_ms, size_bytes)


def _bucket(tx: Transaction, stream: Stream, shard_number: int, what: str) -> Bucket:
    return (tx.account, tx.region, stream.stream_number, shard_number, what)
