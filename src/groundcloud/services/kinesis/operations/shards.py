"""Shards: list, split, merge, scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.kinesis import errors, names, sequences, shards, state
from groundcloud.services.kinesis.state import Shard, Stream, stream_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

LIST_MAX = 1000
DAY_MS = 86_400_000
SCALINGS_A_DAY = 10
STREAM_SHARDS_MAX = 10_000

Request = dict[str, Any]


def _arn_of_listing(call: Call, request: Request) -> str:
    """A NextToken names the stream in place of the request."""
    if request.get("NextToken") and request.get("StreamName") is None and request.get("StreamARN") is None:
        return str(sequences.read_token("ListShards", request["NextToken"], call.now_ms)[0])
    return names.arn_of_stream(call, request)


@operation(resource=_arn_of_listing)
def list_shards(call: Call, request: Request) -> Request:
    token, after, wanted = request.get("NextToken"), request.get("ExclusiveStartShardId"), request.get("ShardFilter")
    if token is not None:
        for member in ("StreamName", "StreamARN", "ExclusiveStartShardId", "StreamCreationTimestamp"):
            if member in request:
                raise errors.invalid_argument(f"NextToken and {member} cannot be provided together.")
        arn, after, wanted = sequences.read_token("ListShards", token, call.now_ms)
        request = {"StreamARN": arn, **({"MaxResults": request["MaxResults"]} if "MaxResults" in request else {})}
    tx, stream = names.load(call, request)
    _check_created(tx, stream, request)
    known = {shard.shard_number for shard in shards.every(call, tx, stream)}
    found = shards.every(call, tx, stream, after)
    if wanted is not None:
        found = shards.filtered(call, stream, found, wanted)
    limit = min(request.get("MaxResults", LIST_MAX), LIST_MAX)
    answer: Request = {"Shards": [shards.describe(shard, known) for shard in found[:limit]]}
    if len(found) > limit:
        where = [stream_arn(tx, stream.stream_name), found[limit - 1].shard_id, wanted]
        answer["NextToken"] = sequences.write_token("ListShards", call.now_ms, where)
    return answer


@operation(resource=names.arn_of_stream)
def split_shard(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    _check_provisioned(stream, "SplitShard")
    shard = _open_shard(call, tx, stream, request["ShardToSplit"])
    at = int(request["NewStartingHashKey"])
    start, end = int.from_bytes(shard.start_hash, "big"), int.from_bytes(shard.end_hash, "big")
    if not start + 1 < at < end:
        raise errors.invalid_argument(
            f"NewStartingHashKey {at} used in SplitShard() on shard {shard.shard_id} in stream {stream.stream_name} under account {tx.account} "
            f"is not both greater than one plus the shard's StartingHashKey {start} and less than the shard's EndingHashKey {end}."
        )
    shards.check_limit(tx, 1)
    shards.split(call, tx, stream, shard, at)
    return {}


@operation(resource=names.arn_of_stream)
def merge_shards(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    _check_provisioned(stream, "MergeShards")
    first = _open_shard(call, tx, stream, request["ShardToMerge"])
    second = _open_shard(call, tx, stream, request["AdjacentShardToMerge"])
    low, high = sorted((first, second), key=lambda shard: shard.start_hash)
    if int.from_bytes(low.end_hash, "big") + 1 != int.from_bytes(high.start_hash, "big"):
        raise errors.invalid_argument(
            f"Shards {first.shard_id} and {second.shard_id} in stream {stream.stream_name} under account {tx.account} are not an adjacent pair "
            "of shards eligible for merging"
        )
    shards.merge(call, tx, stream, first, second)
    return {}


@operation(resource=names.arn_of_stream)
def update_shard_count(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    _check_provisioned(stream, "UpdateShardCount")
    have, wanted = len(stream.open_numbers), request["TargetShardCount"]
    if wanted > 2 * have:
        raise errors.invalid_argument(
            "UpdateShardCount cannot scale up over double your current open shard count. "
            f"Current open shard count: {have} Target shard count: {wanted}"
        )
    if 2 * wanted < have:
        raise errors.invalid_argument(
            "UpdateShardCount cannot scale down below half your current open shard count. "
            f"Current open shard count: {have} Target shard count: {wanted}"
        )
    if wanted > STREAM_SHARDS_MAX:
        raise errors.limit_exceeded(f"UpdateShardCount cannot scale a stream to more than {STREAM_SHARDS_MAX} shards.")
    lately = tuple(at_ms for at_ms in stream.scaled_ms if at_ms > call.now_ms - DAY_MS)
    if len(lately) >= SCALINGS_A_DAY:
        raise errors.limit_exceeded(
            f"Number of UpdateShardCount calls for stream {stream.stream_name} under account {tx.account} exceeds {SCALINGS_A_DAY} in a rolling "
            "24-hour period."
        )
    if wanted > have:
        shards.check_limit(tx, wanted - have)
    changed = stream.replace(scaled_ms=(*lately, call.now_ms))
    state.put_stream(tx, changed)
    shards.scale(call, tx, changed, wanted)
    return {
        "StreamName": stream.stream_name,
        "CurrentShardCount": have,
        "TargetShardCount": wanted,
        "StreamARN": stream_arn(tx, stream.stream_name),
    }


def _check_provisioned(stream: Stream, operation_name: str) -> None:
    if stream.mode != "PROVISIONED":
        raise errors.validation(f"Request is invalid. {operation_name} is not supported for streams in ON_DEMAND mode.")


def _check_created(tx: Transaction, stream: Stream, request: Request) -> None:
    """StreamCreationTimestamp tells streams of one name apart."""
    created_s = request.get("StreamCreationTimestamp")
    if created_s is not None and int(created_s) != stream.created_ms // 1000:
        raise errors.no_stream(tx, stream.stream_name)


def _open_shard(call: Call, tx: Transaction, stream: Stream, shard_id: str) -> Shard:
    shard = shards.named(call, tx, stream, shard_id)
    if shard is None:
        raise errors.no_shard(tx, stream.stream_name, shard_id)
    if shard.closed_ms:
        raise errors.invalid_argument(
            f"Shard {shard_id} in stream {stream.stream_name} under account {tx.account} has already been merged or split, "
            "and thus is not eligible for merging or splitting."
        )
    return shard
