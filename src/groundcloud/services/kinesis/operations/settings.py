"""Settings of streams and of the account: retention, encryption, monitoring, capacity mode, record size, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.kinesis import errors, names, settings, shards, state
from groundcloud.services.kinesis.state import COMMITMENTS, Commitment, Stream, stream_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

METRICS = (
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
)
DAY_MS = 86_400_000
MODE_CHANGES_A_DAY = 2
COMMITMENT_MS = DAY_MS
"""AWS: the commitment lasts 24 hours at least."""
ON_DEMAND_STREAMS_MAX = 50
CHANNELS_MAX = 0

Request = dict[str, Any]


@operation(resource=names.arn_of_stream)
def increase_stream_retention_period(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    hours = request["RetentionPeriodHours"]
    settings.check_retention(hours)
    if hours < stream.retention_h:
        raise errors.invalid_argument(
            f"Requested retention period ({hours} hours) for stream {stream.stream_name} can not be shorter than existing retention period "
            f"({stream.retention_h} hours). Use DecreaseRetentionPeriod API."
        )
    state.put_stream(tx, stream.replace(retention_h=hours))
    return {}


@operation(resource=names.arn_of_stream)
def decrease_stream_retention_period(call: Call, request: Request) -> Request:
    """What is older than the new period is gone at once."""
    tx, stream = names.load(call, request)
    hours = request["RetentionPeriodHours"]
    settings.check_retention(hours)
    if hours > stream.retention_h:
        raise errors.invalid_argument(
            f"Requested retention period ({hours} hours) for stream {stream.stream_name} can not be longer than existing retention period "
            f"({stream.retention_h} hours). Use IncreaseRetentionPeriod API."
        )
    changed = stream.replace(retention_h=hours)
    state.put_stream(tx, changed)
    for shard in shards.every(call, tx, stream):
        key = shards.trim_key(stream, shard.shard_number)
        call.schedule(call.now_ms, shards.TRIM_TIMER, [stream.stream_name, shard.shard_number], key=key, tx=tx)
    return {}


@operation(resource=names.arn_of_stream)
def start_stream_encryption(call: Call, request: Request) -> Request:
    """Kept and shown: records rest as the store keeps them."""
    tx, stream = names.load(call, request)
    if request["EncryptionType"] == "NONE":
        raise errors.invalid_argument("Encryption type cannot be NONE.")
    state.put_stream(tx, stream.replace(encryption=request["EncryptionType"], key_id=request["KeyId"]))
    return {}


@operation(resource=names.arn_of_stream)
def stop_stream_encryption(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    if request["EncryptionType"] == "NONE":
        raise errors.invalid_argument("Encryption type cannot be NONE.")
    state.put_stream(tx, stream.replace(encryption="NONE", key_id=""))
    return {}


@operation(resource=names.arn_of_stream)
def enable_enhanced_monitoring(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    return _monitored(tx, stream, set(stream.monitored) | _metrics(request))


@operation(resource=names.arn_of_stream)
def disable_enhanced_monitoring(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    return _monitored(tx, stream, set(stream.monitored) - _metrics(request))


@operation(resource=names.arn_of_stream)
def update_stream_mode(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    mode, warm_mibps = request["StreamModeDetails"]["StreamMode"], request.get("WarmThroughputMiBps", 0)
    if warm_mibps:
        if mode != "ON_DEMAND":
            raise errors.validation("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
        settings.check_warm_throughput(tx, warm_mibps)
    if mode == stream.mode:
        raise errors.validation(f"Stream {stream.stream_name} under account {tx.account} is already in {mode} mode.")
    lately = tuple(at_ms for at_ms in stream.modes_ms if at_ms > call.now_ms - DAY_MS)
    if len(lately) >= MODE_CHANGES_A_DAY:
        raise errors.limit_exceeded(
            f"Stream {stream.stream_name} under account {tx.account} has switched its capacity mode {MODE_CHANGES_A_DAY} times in the last 24 hours."
        )
    if mode == "PROVISIONED":
        shards.check_limit(tx, len(stream.open_numbers))
    changed = stream.replace(mode=mode, modes_ms=(*lately, call.now_ms), warm_mibps=warm_mibps, distribution="USER_PARTITION_KEY")
    state.put_stream(tx, changed)
    _warm(call, tx, changed)
    return {}


@operation(resource=names.arn_of_stream)
def update_stream_warm_throughput(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    if stream.mode != "ON_DEMAND":
        raise errors.validation("UpdateStreamWarmThroughput is only supported for streams in ON_DEMAND mode.")
    settings.check_warm_throughput(tx, request["WarmThroughputMiBps"])
    changed = stream.replace(warm_mibps=request["WarmThroughputMiBps"])
    state.put_stream(tx, changed)
    _warm(call, tx, changed)
    return {**_named(tx, stream), "WarmThroughput": settings.warm_throughput(changed)}


@operation(resource=names.arn_of_stream)
def update_max_record_size(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    state.put_stream(tx, stream.replace(record_kib_max=request["MaxRecordSizeInKiB"]))
    return {}


@operation(resource=names.arn_of_stream)
def update_stream_record_distribution_strategy(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    if stream.mode != "ON_DEMAND":
        raise errors.invalid_argument("RecordDistributionStrategy is only supported for streams in ON_DEMAND mode.")
    state.put_stream(tx, stream.replace(distribution=request["RecordDistributionStrategy"]))
    return {}


@operation()
def describe_limits(call: Call, request: Request) -> Request:
    on_demand = sum(stream.mode == "ON_DEMAND" for stream in state.all_streams(call.tx))
    return {
        "ShardLimit": shards.SHARDS_MAX,
        "OpenShardCount": shards.open_count(call.tx),
        "OnDemandStreamCount": on_demand,
        "OnDemandStreamCountLimit": ON_DEMAND_STREAMS_MAX,
        "ChannelCount": 0,
        "ChannelCountLimit": CHANNELS_MAX,
    }


@operation()
def describe_account_settings(call: Call, request: Request) -> Request:
    return {"MinimumThroughputBillingCommitment": _commitment(call, COMMITMENTS.get(call.tx))}


@operation()
def update_account_settings(call: Call, request: Request) -> Request:
    wanted = request["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED"
    known = COMMITMENTS.get(call.tx)
    if wanted and (known is None or not known.enabled):
        known = Commitment(True, call.now_ms)
    elif not wanted and known is not None and known.enabled:
        if call.now_ms < known.started_ms + COMMITMENT_MS:
            raise errors.validation("MinimumThroughputBillingCommitment cannot be disabled before its earliest allowed end.")
        known = known.replace(enabled=False, ended_ms=call.now_ms)
    if known is not None:
        COMMITMENTS.put(call.tx, known)
    return {"MinimumThroughputBillingCommitment": _commitment(call, known)}


def _commitment(call: Call, known: Commitment | None) -> Request:
    if known is None:
        return {"Status": "DISABLED"}
    answer: Request = {"Status": "ENABLED" if known.enabled else "DISABLED", "StartedAt": known.started_ms / 1000}
    if known.enabled:
        answer["EarliestAllowedEndAt"] = (known.started_ms + COMMITMENT_MS) / 1000
    else:
        answer["EndedAt"] = known.ended_ms / 1000
    return answer


def _metrics(request: Request) -> set[str]:
    named = set(request["ShardLevelMetrics"])
    return set(METRICS) if "ALL" in named else named


def _monitored(tx: Transaction, stream: Stream, wanted: set[str]) -> Request:
    monitored = tuple(name for name in METRICS if name in wanted)
    state.put_stream(tx, stream.replace(monitored=monitored))
    return {
        **_named(tx, stream),
        "CurrentShardLevelMetrics": list(stream.monitored),
        "DesiredShardLevelMetrics": list(monitored),
    }


def _warm(call: Call, tx: Transaction, stream: Stream) -> None:
    """As many shards as the throughput needs, of which each takes 1 MiB a second."""
    if stream.warm_mibps > len(stream.open_numbers):
        shards.scale(call, tx, stream, stream.warm_mibps)


def _named(tx: Transaction, stream: Stream) -> Request:
    return {"StreamName": stream.stream_name, "StreamARN": stream_arn(tx, stream.stream_name)}
