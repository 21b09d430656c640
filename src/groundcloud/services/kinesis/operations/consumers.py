"""Consumers with throughput of their own (enhanced fan-out), and their subscriptions to shards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.kinesis import errors, names, records, sequences, shards, state, tags
from groundcloud.services.kinesis.policies import POLICIES
from groundcloud.services.kinesis.state import CONSUMERS, PROGRESS, TAGS, Consumer, Stream, stream_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

CONSUMERS_MAX = 20
LIST_MAX = 100
SUBSCRIPTION_MS = 300_000
TAKE_OVER_MS = 5_000
"""AWS: "within 5 seconds of a successful call, you'll get a ResourceInUseException"."""
HEARTBEAT_MS = 5_000
"""An event without records tells a subscriber how far a quiet shard is."""
EVENT_BYTES_MAX = 2 * 1024 * 1024
EVENT_RECORDS_MAX = 10_000
SUBSCRIPTIONS_MAX = 100_000

Request = dict[str, Any]


@operation(resource=names.arn_of_stream, context=tags.of_request)
def register_stream_consumer(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    name = request["ConsumerName"]
    if CONSUMERS.has(tx, stream.stream_number, name):
        raise errors.in_use(f"Consumer {name} already exists for stream {stream.stream_name} under account {tx.account}.")
    if stream.consumers >= CONSUMERS_MAX:
        raise errors.limit_exceeded(
            f"Stream {stream.stream_name} under account {tx.account} cannot have more than {CONSUMERS_MAX} registered consumers."
        )
    consumer = Consumer(
        stream_number=stream.stream_number,
        consumer_name=name,
        consumer_arn=f"{stream_arn(tx, stream.stream_name)}/consumer/{name}:{call.now_s}",
        created_ms=call.now_ms,
    )
    CONSUMERS.put(tx, consumer)
    state.put_stream(tx, stream.replace(consumers=stream.consumers + 1))
    if request.get("Tags"):
        call.authorize("kinesis:TagResource", consumer.consumer_arn, tags.of_request(call, request))
        tags.add(call, tx, consumer.consumer_arn, request["Tags"])
    return {"Consumer": _describe(consumer, "CREATING")}


@operation(resource=names.arn_of_consumer)
def deregister_stream_consumer(call: Call, request: Request) -> Request:
    tx, stream, consumer = names.load_consumer(call, request)
    CONSUMERS.delete(tx, stream.stream_number, consumer.consumer_name)
    TAGS.delete(tx, consumer.consumer_arn)
    POLICIES.delete(tx, consumer.consumer_arn)
    state.put_stream(tx, stream.replace(consumers=stream.consumers - 1))
    return {}


@operation(resource=names.arn_of_consumer)
def describe_stream_consumer(call: Call, request: Request) -> Request:
    tx, stream, consumer = names.load_consumer(call, request)
    return {"ConsumerDescription": {**_describe(consumer, "ACTIVE"), "StreamARN": stream_arn(tx, stream.stream_name)}}


@operation(resource=names.arn_of_stream)
def list_stream_consumers(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    created_s = request.get("StreamCreationTimestamp")
    if created_s is not None and int(created_s) != stream.created_ms // 1000:
        raise errors.no_stream(tx, stream.stream_name)
    after = None
    if request.get("NextToken") is not None:
        after = sequences.read_token("ListStreamConsumers", request["NextToken"], call.now_ms)
    limit = min(request.get("MaxResults", LIST_MAX), LIST_MAX)
    found = list(CONSUMERS.scan(tx, stream.stream_number, after=after, limit=limit + 1))
    answer: Request = {"Consumers": [_describe(consumer, "ACTIVE") for consumer in found[:limit]]}
    if len(found) > limit:
        answer["NextToken"] = sequences.write_token("ListStreamConsumers", call.now_ms, found[limit - 1].consumer_name)
    return answer


@operation(resource=names.arn_of_consumer)
async def subscribe_to_shard(call: Call, request: Request) -> Request:
    """Pushes the shard's records as they come, for five minutes or until the shard ends."""
    tx, stream, consumer = names.load_consumer(call, request)
    shard = shards.named(call, tx, stream, request["ShardId"])
    if shard is None:
        raise errors.no_shard(tx, stream.stream_name, request["ShardId"])
    position = request["StartingPosition"]
    number, moment_s = position.get("SequenceNumber"), position.get("Timestamp")
    start = records.start_of(call, tx, stream, shard, position["Type"], number, moment_s)
    active: dict[tuple[str, str], Subscription] = call.own("subscriptions", dict)
    key = (consumer.consumer_arn, shard.shard_id)
    before = active.get(key)
    if before is not None and call.now_ms - before.began_ms < TAKE_OVER_MS:
        raise errors.in_use(
            f"Another active subscription exists for this consumer: "
            f"{tx.account}:{stream.stream_name}:{shard.shard_id}:{consumer.consumer_name}"
        )
    if request.get("DryRun"):
        raise errors.dry_run()
    if len(active) >= SUBSCRIPTIONS_MAX:
        raise errors.limit_exceeded(f"There cannot be more than {SUBSCRIPTIONS_MAX} subscriptions.")
    return {"EventStream": _events(call, tx, stream, consumer, shard.shard_number, start, active, key)}


class Subscription:
    """One that is active; another of the same consumer and shard takes its place."""

    def __init__(self, began_ms: int) -> None:
        self.began_ms = began_ms


async def _events(
    call: Call,
    tx: Transaction,
    stream: Stream,
    consumer: Consumer,
    shard_number: int,
    start: int,
    active: dict[tuple[str, str], Subscription],
    key: tuple[str, str],
) -> AsyncIterator[Request]:
    # Here and not before: what is never read is never active.
    subscription = active[key] = Subscription(call.now_ms)
    watch = PROGRESS.watch(tx, stream.stream_name, shard_number)
    end_ms = subscription.began_ms + SUBSCRIPTION_MS
    store, silent_since_ms = call.ground.store, -HEARTBEAT_MS
    try:
        while True:
            now_ms = call.clock.now_ms()
            if now_ms >= end_ms:
                return
            if active.get(key) is not subscription:
                raise errors.in_use(f"Another subscription took the place of this one of {consumer.consumer_arn}.")
            stream = _still(tx, stream, consumer)
            # Before reading: what is committed meanwhile must not be missed.
            changed = store.watch(watch.prefix)
            try:
                page = records.read(call, tx, stream, shard_number, start, now_ms, EVENT_RECORDS_MAX, EVENT_BYTES_MAX)
                if page.entries or page.following is None or now_ms - silent_since_ms >= HEARTBEAT_MS:
                    silent_since_ms = now_ms
                    await call.durable()  # nobody sees a record that a crash could take back
                    event: Request = {
                        "Records": records.describe(stream, page.shard, page.entries),
                        "MillisBehindLatest": page.behind_ms,
                    }
                    if page.following is None:
                        event["ChildShards"] = shards.children(tx, stream, page.shard)
                    else:
                        event["ContinuationSequenceNumber"] = sequences.text(page.shard, page.following - 1)
                    yield {"SubscribeToShardEvent": event}
                if page.following is None:
                    return
                start = page.following
                if not changed.done() and not page.behind_ms:
                    await call.wait(watch, until_ms=min(end_ms, silent_since_ms + HEARTBEAT_MS))
            finally:
                store.unwatch(watch.prefix, changed)
    finally:
        if active.get(key) is subscription:
            del active[key]


def _still(tx: Transaction, stream: Stream, consumer: Consumer) -> Stream:
    """The stream as it is now. Raises ResourceNotFoundException once it or the consumer is gone."""
    now = state.find_stream(tx, stream.stream_name)
    if now is None or now.stream_number != stream.stream_number:
        raise errors.no_stream(tx, stream.stream_name)
    if not CONSUMERS.has(tx, stream.stream_number, consumer.consumer_name):
        raise errors.no_consumer(tx, consumer.consumer_name)
    return now


def _describe(consumer: Consumer, status: str) -> Request:
    return {
        "ConsumerName": consumer.consumer_name,
        "ConsumerARN": consumer.consumer_arn,
        "ConsumerStatus": status,
        "ConsumerCreationTimestamp": consumer.created_ms / 1000,
    }
