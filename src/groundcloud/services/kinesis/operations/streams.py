"""Streams: create, describe, list, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.kinesis import errors, names, sequences, settings, shards, state, tags
from groundcloud.services.kinesis.policies import POLICIES
from groundcloud.services.kinesis.state import CONSUMERS, PROGRESS, TAGS, Stream, stream_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

ON_DEMAND_SHARDS = 4
"""AWS: "a new on-demand stream has 4 shards"."""
ON_DEMAND_STREAMS_MAX = 50
PAGE_MAX = 100
CLEAR_TIMER = "kinesis.clear"

Request = dict[str, Any]


@operation(resource=names.arn_of_stream, context=tags.of_request)
def create_stream(call: Call, request: Request) -> Request:
    tx, stream_name = call.tx, request["StreamName"]
    mode = (request.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
    count: int | None = request.get("ShardCount")
    warm_mibps = request.get("WarmThroughputMiBps", 0)
    distribution = request.get("RecordDistributionStrategy", "USER_PARTITION_KEY")
    if mode == "ON_DEMAND":
        if count is not None:
            raise errors.validation("ShardCount must not be provided for a stream in ON_DEMAND mode.")
        if warm_mibps:
            settings.check_warm_throughput(tx, warm_mibps)
    else:
        if count is None:
            raise errors.validation("ShardCount must be provided for a stream in PROVISIONED mode.")
        if warm_mibps:
            raise errors.invalid_argument("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
        if distribution == "AUTO":
            raise errors.invalid_argument("RecordDistributionStrategy AUTO is only supported for streams in ON_DEMAND mode.")
    if state.find_stream(tx, stream_name) is not None:
        raise errors.stream_exists(tx, stream_name)
    if count is not None:
        shards.check_limit(tx, count)
    elif sum(stream.mode == "ON_DEMAND" for stream in state.all_streams(tx)) >= ON_DEMAND_STREAMS_MAX:
        raise errors.limit_exceeded(
            f"This request would exceed the on-demand stream limit for the account {tx.account} in {tx.region}. Limit: {ON_DEMAND_STREAMS_MAX}."
        )
    arn = stream_arn(tx, stream_name)
    if request.get("Tags"):
        call.authorize("kinesis:AddTagsToStream", arn, tags.of_request(call, request))
        tags.add(call, tx, arn, request["Tags"])
    stream = Stream(
        stream_name=stream_name,
        stream_number=tx.sequence("kinesis/streams"),
        created_ms=call.now_ms,
        mode=mode,
        open_hashes=(),
        open_numbers=(),
        next_shard=0,
        record_kib_max=request.get("MaxRecordSizeInKiB", 1024),
        warm_mibps=warm_mibps,
        distribution=distribution,
        throttled=tags.throttled(tx, arn),
    )
    shards.make(call, tx, stream, count if count is not None else max(ON_DEMAND_SHARDS, warm_mibps))
    return {}


@operation(resource=names.arn_of_stream)
def delete_stream(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    consumers = list(CONSUMERS.scan(tx, stream.stream_number))
    if consumers and not request.get("EnforceConsumerDeletion"):
        raise errors.in_use(
            f"Stream {stream.stream_name} under account {tx.account} has registered consumers. "
            "Deregister all consumers, or set EnforceConsumerDeletion to true, before deleting the stream."
        )
    for consumer in consumers:
        _forget(tx, consumer.consumer_arn)
        CONSUMERS.delete(tx, stream.stream_number, consumer.consumer_name)
    _forget(tx, stream_arn(tx, stream.stream_name))
    for key in list(PROGRESS.keys(tx, stream.stream_name)):
        PROGRESS.delete(tx, *key)
        call.unschedule(shards.TRIM_TIMER, shards.trim_key(stream, key[1]), tx=tx)
    state.delete_stream(tx, stream.stream_name)
    call.schedule(call.now_ms, CLEAR_TIMER, stream.stream_number, tx=tx)
    return {}


@operation(resource=names.arn_of_stream)
def describe_stream(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    found = shards.every(call, tx, stream, request.get("ExclusiveStartShardId"))
    limit = min(request.get("Limit", PAGE_MAX), PAGE_MAX)
    known = {shard.shard_number for shard in shards.every(call, tx, stream)}
    description = _description(tx, stream)
    description["Shards"] = [shards.describe(shard, known) for shard in found[:limit]]
    description["HasMoreShards"] = len(found) > limit
    return {"StreamDescription": description}


@operation(resource=names.arn_of_stream)
def describe_stream_summary(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    summary = _description(tx, stream)
    summary["OpenShardCount"] = len(stream.open_numbers)
    summary["ConsumerCount"] = stream.consumers
    summary["MaxRecordSizeInKiB"] = stream.record_kib_max
    if stream.mode == "ON_DEMAND":
        summary["RecordDistributionStrategy"] = stream.distribution
        if stream.warm_mibps:
            summary["WarmThroughput"] = settings.warm_throughput(stream)
    return {"StreamDescriptionSummary": summary}


@operation()
def list_streams(call: Call, request: Request) -> Request:
    tx = call.tx
    limit = min(request.get("Limit", PAGE_MAX), PAGE_MAX)
    after = request.get("ExclusiveStartStreamName")
    if request.get("NextToken") is not None:
        after = sequences.read_token("ListStreams", request["NextToken"], call.now_ms)
    found: list[Stream] = []
    for stream in state.all_streams(tx, after=after):
        found.append(stream)
        if len(found) > limit:
            break
    more = len(found) > limit
    page = found[:limit]
    return {
        "StreamNames": [stream.stream_name for stream in page],
        "HasMoreStreams": more,
        "NextToken": sequences.write_token("ListStreams", call.now_ms, page[-1].stream_name) if more else None,
        "StreamSummaries": [
            {
                "StreamName": stream.stream_name,
                "StreamARN": stream_arn(tx, stream.stream_name),
                "StreamStatus": "ACTIVE",
                "StreamModeDetails": {"StreamMode": stream.mode},
                "StreamCreationTimestamp": stream.created_ms / 1000,
            }
            for stream in page
        ],
    }


def _description(tx: Transaction, stream: Stream) -> Request:
    """What both descriptions have."""
    answer: Request = {
        "StreamName": stream.stream_name,
        "StreamARN": stream_arn(tx, stream.stream_name),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": stream.mode},
        "RetentionPeriodHours": stream.retention_h,
        "StreamCreationTimestamp": stream.created_ms / 1000,
        "EnhancedMonitoring": [{"ShardLevelMetrics": list(stream.monitored)}],
        "EncryptionType": stream.encryption,
    }
    if stream.key_id:
        answer["KeyId"] = stream.key_id
    return answer


def _forget(tx: Transaction, arn: str) -> None:
    TAGS.delete(tx, arn)
    POLICIES.delete(tx, arn)
