"""What Kinesis does by itself: lets records go at the end of their retention, clears deleted streams, takes deliveries from other services."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.service import target, timer
from groundcloud.services.kinesis import errors, names, records, shards, state
from groundcloud.services.kinesis.state import RECORDS, SHARDS, sequence_at

TRIMMED_A_TURN = 1000
PARTITION_KEY_MAX = 256
PAUSE_MS = 60_000
"""Between two trims of a shard, so that a busy one is not trimmed record by record."""


@timer("kinesis.trim")
def trim(call: Call, payload: list[Any]) -> None:
    """Deletes what is past its retention, a bounded number a turn; comes back when more is due. A closed shard goes with its last record."""
    stream_name, shard_number = payload
    tx = call.tx
    stream = state.find_stream(tx, stream_name)
    shard = SHARDS.get(tx, stream.stream_number, shard_number) if stream is not None else None
    if stream is None or shard is None:
        return
    again = [stream_name, shard_number]
    key = shards.trim_key(stream, shard_number)
    expired = sequence_at(call.now_ms - stream.horizon_ms)
    gone = list(RECORDS.keys(tx, stream.stream_number, shard_number, stop=expired, limit=TRIMMED_A_TURN))
    for one in gone:
        RECORDS.delete(tx, *one)
    if len(gone) == TRIMMED_A_TURN:
        call.schedule(call.now_ms, "kinesis.trim", again, key=key)
        return
    if shards.is_gone(stream, shard, call.now_ms):
        SHARDS.delete(tx, stream.stream_number, shard_number)
        state.PROGRESS.delete(tx, stream_name, shard_number)
        return
    oldest = next(RECORDS.scan(tx, stream.stream_number, shard_number, start=expired, limit=1), None)
    if oldest is not None:
        due_ms = oldest.arrived_ms + stream.horizon_ms + 1
    elif shard.closed_ms:
        due_ms = shard.closed_ms + stream.horizon_ms
    else:
        state.put_position(tx, stream, shard_number, state.position(tx, stream, shard_number)._replace(trims=False))
        return
    call.schedule(max(due_ms, call.now_ms + PAUSE_MS), "kinesis.trim", again, key=key)


@timer("kinesis.clear")
def clear(call: Call, stream_number: int) -> None:
    """One turn of clearing what a deleted stream held; schedules the next."""
    gone = list(RECORDS.keys(call.tx, stream_number, limit=TRIMMED_A_TURN))
    for one in gone:
        RECORDS.delete(call.tx, *one)
    if gone:
        call.schedule(call.now_ms, "kinesis.clear", stream_number)
        return
    for one in list(SHARDS.keys(call.tx, stream_number)):
        SHARDS.delete(call.tx, *one)


@target("kinesis")
def into_stream(call: Call, delivery: Delivery) -> None:
    """A delivery from another service is a PutRecord by that service, or by the role that it was given. Attribute: PartitionKey, else a random one."""
    call.authorize("kinesis:PutRecord", delivery.target_arn)
    account, region, stream_name, _ = names.parse(delivery.target_arn)
    tx = call.tx.at(account, region)
    stream = state.find_stream(tx, stream_name)
    if stream is None:
        raise errors.no_stream(tx, stream_name)
    key = delivery.attributes.get("PartitionKey") or call.new_id()
    if len(key) > PARTITION_KEY_MAX:
        raise errors.violation("partitionKey", f"Value '{key}'", f"Member must have length less than or equal to {PARTITION_KEY_MAX}")
    entry = {"Data": delivery.payload, "PartitionKey": key}
    size = records.check(stream, entry)
    shard_number = records.route(call, stream, entry)
    if not records.may_write(call, tx, stream, shard_number, size):
        raise errors.throughput_exceeded(tx, stream_name, state.shard_id(shard_number))
    records.put(call, tx, stream, shard_number, [entry])
