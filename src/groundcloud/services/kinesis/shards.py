"""Shards: made, split, merged, scaled, listed.

A shard's life:
    open --split--> closed, two children        open + adjacent open --merge--> both closed, one child
    closed --retention--> gone
Source: Developer Guide, "Resharding a stream".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from groundcloud.services.kinesis import errors, sequences, state
from groundcloud.services.kinesis.state import HASH_MAX, SHARDS, Position, Shard, Stream, sequence_at

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

SHARDS_MAX = 20_000
"""AWS: shards of an account in us-east-1, us-west-2 and eu-west-1."""

TRIM_TIMER = "kinesis.trim"

Routes = dict[bytes, int]
"""First hash key -> the number of the open shard that begins there."""


def bounds(count: int) -> list[int]:
    """The first hash keys of `count` shards of equal size."""
    width = (HASH_MAX + 1) // count
    return [width * index for index in range(count)]


def make(call: Call, tx: Transaction, stream: Stream, count: int) -> Stream:
    """A new stream with its first shards."""
    starts = bounds(count)
    ends = [start - 1 for start in starts[1:]] + [HASH_MAX]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        _open(call, tx, stream, number, packed(start), packed(end))
    made: Stream = stream.replace(open_hashes=tuple(packed(start) for start in starts), open_numbers=tuple(range(count)), next_shard=count)
    state.put_stream(tx, made)
    return made


def split(call: Call, tx: Transaction, stream: Stream, shard: Shard, at: int) -> Stream:
    """The shard's keys below `at` go to one child, the others to another."""
    routes = dict(zip(stream.open_hashes, stream.open_numbers, strict=True))
    return _routed(tx, stream, routes, _split(call, tx, stream, routes, shard, packed(at), stream.next_shard))


def merge(call: Call, tx: Transaction, stream: Stream, first: Shard, second: Shard) -> Stream:
    """Two adjacent shards become one; `first` is its parent and `second` its adjacent parent, whichever is lower."""
    routes = dict(zip(stream.open_hashes, stream.open_numbers, strict=True))
    return _routed(tx, stream, routes, _merge(call, tx, stream, routes, first, second, stream.next_shard))


def scale(call: Call, tx: Transaction, stream: Stream, count: int) -> Stream:
    """Splits wherever one of `count` equal shards begins, then merges what lies between. AWS: "this can cause short-lived shards to be created"."""
    wanted = {packed(start) for start in bounds(count)}
    routes = dict(zip(stream.open_hashes, stream.open_numbers, strict=True))
    following = stream.next_shard
    within = stream.open_numbers[0]
    for start in sorted(wanted | set(stream.open_hashes)):
        if start not in routes:
            following = _split(call, tx, stream, routes, load(tx, stream, within), start, following)
        within = routes[start]
    below = routes[packed(0)]
    for start in sorted(routes):
        if start in wanted:
            below = routes[start]
            continue
        following = _merge(call, tx, stream, routes, load(tx, stream, below), load(tx, stream, routes[start]), following)
        below = following - 1
    return _routed(tx, stream, routes, following)


def load(tx: Transaction, stream: Stream, shard_number: int) -> Shard:
    shard = SHARDS.get(tx, stream.stream_number, shard_number)
    if shard is None:
        raise errors.no_shard(tx, stream.stream_name, state.shard_id(shard_number))
    return shard


def named(call: Call, tx: Transaction, stream: Stream, shard_id: str) -> Shard | None:
    """The shard of that id, unless it was never there or is gone with its records."""
    number = number_of(shard_id)
    shard = SHARDS.get(tx, stream.stream_number, number) if number is not None else None
    return shard if shard is not None and not is_gone(stream, shard, call.now_ms) else None


def number_of(shard_id: str) -> int | None:
    text = shard_id.rpartition("-")[2]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def is_gone(stream: Stream, shard: Shard, now_ms: int) -> bool:
    """Whether every record that it may hold is past its retention."""
    return shard.closed_ms > 0 and shard.closed_ms + stream.horizon_ms <= now_ms


def every(call: Call, tx: Transaction, stream: Stream, after: str | None = None) -> list[Shard]:
    """Every shard that is not gone, from the one after the id `after`."""
    number = None if after is None else number_of(after)
    if after is not None and number is None:
        raise errors.no_shard(tx, stream.stream_name, after)
    return [shard for shard in SHARDS.scan(tx, stream.stream_number, after=number) if not is_gone(stream, shard, call.now_ms)]


def filtered(call: Call, stream: Stream, found: list[Shard], wanted: dict[str, Any]) -> list[Shard]:
    """Those that a ShardFilter lets through. Raises InvalidArgumentException. Source: API_ShardFilter."""
    kind, shard_id, moment_s = wanted["Type"], wanted.get("ShardId"), wanted.get("Timestamp")
    if (kind == "AFTER_SHARD_ID") is not (shard_id is not None):
        raise errors.invalid_argument(_wrong_filter("ShardId", kind, shard_id is not None))
    if kind.endswith("_TIMESTAMP") is not (moment_s is not None):
        raise errors.invalid_argument(_wrong_filter("Timestamp", kind, moment_s is not None))
    if shard_id is not None:
        number = number_of(shard_id)
        return [shard for shard in found if number is not None and shard.shard_number > number]
    if kind == "AT_LATEST":
        return [shard for shard in found if not shard.closed_ms]
    horizon_ms = max(call.now_ms - stream.horizon_ms, stream.created_ms)
    at_ms = max(int(moment_s * 1000), horizon_ms) if moment_s is not None else horizon_ms
    if kind.startswith("AT_"):
        return [shard for shard in found if shard.created_ms <= at_ms and (not shard.closed_ms or shard.closed_ms > at_ms)]
    return [shard for shard in found if not shard.closed_ms or shard.closed_ms > at_ms]


def describe(shard: Shard, known: Iterable[int]) -> dict[str, Any]:
    """`known` are the numbers of the shards that are not gone: a parent that is gone is not told."""
    numbers = {"StartingSequenceNumber": sequences.text(shard, shard.first)}
    if shard.last is not None:
        numbers["EndingSequenceNumber"] = sequences.text(shard, shard.last)
    answer: dict[str, Any] = {"ShardId": shard.shard_id, "HashKeyRange": hash_range(shard), "SequenceNumberRange": numbers}
    if shard.parent is not None and shard.parent in known:
        answer["ParentShardId"] = state.shard_id(shard.parent)
    if shard.adjacent_parent is not None and shard.adjacent_parent in known:
        answer["AdjacentParentShardId"] = state.shard_id(shard.adjacent_parent)
    return answer


def children(tx: Transaction, stream: Stream, shard: Shard) -> list[dict[str, Any]]:
    """ChildShards of a shard that is read to its end."""
    answer = []
    for number in shard.children:
        child = SHARDS.get(tx, stream.stream_number, number)
        if child is not None:
            parents = [state.shard_id(parent) for parent in (child.parent, child.adjacent_parent) if parent is not None]
            answer.append({"ShardId": child.shard_id, "ParentShards": parents, "HashKeyRange": hash_range(child)})
    return answer


def hash_range(shard: Shard) -> dict[str, str]:
    return {
        "StartingHashKey": str(int.from_bytes(shard.start_hash, "big")),
        "EndingHashKey": str(int.from_bytes(shard.end_hash, "big")),
    }


def packed(hash_key: int) -> bytes:
    return hash_key.to_bytes(16, "big")


def open_count(tx: Transaction) -> int:
    """Open shards of the account's provisioned streams."""
    return sum(len(stream.open_numbers) for stream in state.all_streams(tx) if stream.mode == "PROVISIONED")


def check_limit(tx: Transaction, more: int) -> None:
    """Raises LimitExceededException where the account would have too many shards."""
    have = open_count(tx)
    if have + more > SHARDS_MAX:
        raise errors.too_many_shards(tx, have, SHARDS_MAX, more)


def _open(
    call: Call,
    tx: Transaction,
    stream: Stream,
    number: int,
    start_hash: bytes,
    end_hash: bytes,
    *,
    parent: Shard | None = None,
    adjacent: Shard | None = None,
) -> None:
    first = sequence_at(call.now_ms)
    for before in (parent, adjacent):
        if before is not None:
            first = max(first, state.position(tx, stream, before.shard_number).last + 1)
    shard = Shard(
        stream_number=stream.stream_number,
        shard_number=number,
        start_hash=start_hash,
        end_hash=end_hash,
        created_ms=call.now_ms,
        first=first,
        parent=parent.shard_number if parent is not None else None,
        adjacent_parent=adjacent.shard_number if adjacent is not None else None,
    )
    SHARDS.put(tx, shard)
    state.put_position(tx, stream, number, Position(first, False, call.now_ms))


def _close(call: Call, tx: Transaction, stream: Stream, shard: Shard, children: tuple[int, ...]) -> None:
    last = max(state.position(tx, stream, shard.shard_number).last + 1, sequence_at(call.now_ms))
    SHARDS.put(tx, shard.replace(closed_ms=max(call.now_ms, 1), last=last, children=children))
    state.put_position(tx, stream, shard.shard_number, Position(last, True, shard.created_ms))
    due_ms = call.now_ms + stream.horizon_ms
    call.schedule(due_ms, TRIM_TIMER, [stream.stream_name, shard.shard_number], key=trim_key(stream, shard.shard_number), tx=tx)


def trim_key(stream: Stream, shard_number: int) -> str:
    return f"{stream.stream_number}/{shard_number}"


def _split(call: Call, tx: Transaction, stream: Stream, routes: Routes, shard: Shard, at: bytes, number: int) -> int:
    """The children are `number` and the next one; the number after them."""
    _close(call, tx, stream, shard, (number, number + 1))
    _open(call, tx, stream, number, shard.start_hash, packed(int.from_bytes(at, "big") - 1), parent=shard)
    _open(call, tx, stream, number + 1, at, shard.end_hash, parent=shard)
    routes.update({shard.start_hash: number, at: number + 1})
    return number + 2


def _merge(call: Call, tx: Transaction, stream: Stream, routes: Routes, first: Shard, second: Shard, number: int) -> int:
    """The child is `number`; the number after it."""
    _close(call, tx, stream, first, (number,))
    _close(call, tx, stream, second, (number,))
    low, high = (first, second) if first.start_hash < second.start_hash else (second, first)
    _open(call, tx, stream, number, low.start_hash, high.end_hash, parent=first, adjacent=second)
    del routes[high.start_hash]
    routes[low.start_hash] = number
    return number + 1


def _routed(tx: Transaction, stream: Stream, routes: Routes, following: int) -> Stream:
    """The stream whose open shards are those of `routes`."""
    ordered = sorted(routes.items())
    changed: Stream = stream.replace(
        open_hashes=tuple(start for start, _ in ordered), open_numbers=tuple(number for _, number in ordered), next_shard=following
    )
    state.put_stream(tx, changed)
    return changed


def _wrong_filter(member: str, kind: str, given: bool) -> str:
    if given:
        return f"{member} cannot be provided with a ShardFilter of type {kind}."
    return f"{member} must be provided with a ShardFilter of type {kind}."
