"""Records: which shard takes one, how it is kept, and how a shard is read from a place on."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.services.kinesis import errors, sequences, shards, state, throttling
from groundcloud.services.kinesis.sequences import Iterator
from groundcloud.services.kinesis.state import HASH_MAX, RECORDS, SHARDS, Entry, Position, Shard, Stream, sequence_at

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

READ_RECORDS_MAX = 10_000
READ_BYTES_MAX = 10 * 1024 * 1024

Request = dict[str, Any]


def check(stream: Stream, entry: Request, prefix: str = "") -> int:
    """The size of a record in bytes. Raises what AWS answers to one that the stream cannot take; `prefix` is where it stands in the request."""
    content, key = entry["Data"], entry.get("PartitionKey")
    if key is None:
        if stream.distribution != "AUTO":
            raise errors.violation(f"{prefix}partitionKey", "Value null", "Member must not be null")
        key = ""
    size = len(content) + (len(key) if key.isascii() else len(key.encode()))
    if size > stream.record_kib_max * 1024:
        most = stream.record_kib_max * 1024
        raise errors.violation(f"{prefix}data", "Value", f"Member must have length less than or equal to {most}")
    explicit = entry.get("ExplicitHashKey")
    if explicit is not None and int(explicit) > HASH_MAX:
        raise errors.invalid_argument(
            f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {explicit}"
        )
    return size


def route(call: Call, stream: Stream, entry: Request) -> int:
    """The number of the shard that takes a record."""
    if stream.distribution == "AUTO":
        return int(call.random.choice(stream.open_numbers))
    explicit = entry.get("ExplicitHashKey")
    if explicit is not None:
        return stream.shard_of(shards.packed(int(explicit)))
    return stream.shard_of(md5(entry["PartitionKey"].encode(), usedforsecurity=False).digest())


def put(call: Call, tx: Transaction, stream: Stream, shard_number: int, entries: list[Request]) -> list[str]:
    """Writes records to one shard, in their order; their sequence numbers."""
    last, trims, created_ms = state.position(tx, stream, shard_number)
    now_ms = call.now_ms
    following = max(last + 1, sequence_at(now_ms))
    if not trims:
        key = shards.trim_key(stream, shard_number)
        call.schedule(now_ms + stream.horizon_ms, shards.TRIM_TIMER, [stream.stream_name, shard_number], key=key, tx=tx)
    base, given = sequences.base(shard_number, created_ms), []
    for entry in entries:
        kept = Entry(following, entry.get("PartitionKey") or "", now_ms, entry["Data"])
        RECORDS.put(tx, stream.stream_number, shard_number, following, kept)
        given.append(str(base + (following << sequences.SHIFT)))
        following += 1
    state.put_position(tx, stream, shard_number, Position(following - 1, True, created_ms))
    return given


class Page(NamedTuple):
    """What one read gives. `following` is the next sequence to read, None once a closed shard is read to its end; `behind_ms` is 0 where nothing is left to read."""

    entries: list[Entry]
    following: int | None
    behind_ms: int
    shard: Shard
    size_bytes: int


def read(
    call: Call, tx: Transaction, stream: Stream, shard_number: int, start: int, now_ms: int, limit: int, bytes_max: int = READ_BYTES_MAX
) -> Page:
    """Records from the sequence `start` on: at most `limit`, at most `bytes_max` of them, at least one where there is one."""
    shard = SHARDS.get(tx, stream.stream_number, shard_number)
    if shard is None:
        raise errors.iterator_of_no_shard(tx, stream.stream_name, state.shard_id(shard_number))
    start = max(start, sequence_at(now_ms - stream.horizon_ms))
    found: list[Entry] = []
    size = behind_ms = 0
    last = state.position(tx, stream, shard_number).last
    following = max(start, last + 1)
    for entry in RECORDS.scan(tx, stream.stream_number, shard_number, start=start) if start <= last else ():
        taken = len(entry.content) + len(entry.partition_key)
        if len(found) == limit or (size + taken > bytes_max and found):
            following = entry.sequence
            behind_ms = max(now_ms - entry.arrived_ms, 1)
            break
        size += taken
        found.append(entry)
    else:
        if shard.last is not None:
            return Page(found, None, 0, shard, size)
    return Page(found, following, behind_ms, shard, size)


def describe(stream: Stream, shard: Shard, entries: list[Entry]) -> list[dict[str, Any]]:
    """Records as GetRecords and SubscribeToShard give them."""
    base, shift = sequences.base(shard.shard_number, shard.created_ms), sequences.SHIFT
    answer: list[dict[str, Any]] = [
        {
            "SequenceNumber": str(base + (entry.sequence << shift)),
            "ApproximateArrivalTimestamp": entry.arrived_ms / 1000,
            "Data": entry.content,
            "PartitionKey": entry.partition_key,
        }
        for entry in entries
    ]
    if stream.encryption != "NONE":
        for record in answer:
            record["EncryptionType"] = stream.encryption
    return answer


def start_of(call: Call, tx: Transaction, stream: Stream, shard: Shard, kind: str, number: str | None, moment_s: float | None) -> int:
    """The sequence at which a reader of type `kind` begins. Raises InvalidArgumentException."""
    if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        if number is None:
            raise errors.invalid_argument(f"Must either specify timestamp or a starting sequence number with type {kind}.")
        place = sequences.parse(number)
        if place is None:
            raise errors.foreign_sequence(tx, stream.stream_name, shard.shard_id, number)
        if place.shard_number == -1:
            return shard.first
        if place.shard_number != shard.shard_number:
            raise errors.sequence_of_other_shard(state.shard_id(place.shard_number), shard.shard_id)
        if sequences.text(shard, place.sequence) != number:
            raise errors.foreign_sequence(tx, stream.stream_name, shard.shard_id, number)
        return place.sequence + (kind == "AFTER_SEQUENCE_NUMBER")
    if kind == "AT_TIMESTAMP":
        if moment_s is None:
            raise errors.invalid_argument("Must specify timestamp parameter for iterator of type AT_TIMESTAMP.")
        if moment_s * 1000 > call.now_ms:
            raise errors.invalid_argument(
                f"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {int(moment_s * 1000)}, "
                f"currentTimestampInMillis: {call.now_ms}"
            )
        return max(sequence_at(round(moment_s * 1000)), shard.first)
    if kind == "LATEST":
        return state.position(tx, stream, shard.shard_number).last + 1
    return shard.first


def iterator(tx: Transaction, stream: Stream, shard_number: int, sequence: int, now_ms: int) -> str:
    place = Iterator(tx.account, tx.region, stream.stream_name, stream.stream_number, shard_number, sequence, now_ms)
    return sequences.write_iterator(place)


def may_write(call: Call, tx: Transaction, stream: Stream, shard_number: int, size_bytes: int) -> bool:
    return not stream.throttled or throttling.may_write(call, tx, stream, shard_number, size_bytes)
