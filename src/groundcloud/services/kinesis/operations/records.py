"""Records: put, alone and many at once, and read through iterators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import operation
from groundcloud.services.kinesis import errors, names, records, sequences, shards, state, throttling

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

ITERATOR_LIFE_MS = 300_000
PUT_BYTES_MAX = 10 * 1024 * 1024
"""AWS: "a limit of 10 MiB for the entire request, including partition keys"."""

Request = dict[str, Any]


@operation(resource=names.arn_of_stream)
def put_record(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    size = records.check(stream, request)
    after = request.get("SequenceNumberForOrdering")
    if after is not None and sequences.parse(after) is None:
        raise errors.invalid_argument(
            f"ExclusiveMinimumSequenceNumber {after} used in PutRecord on stream {stream.stream_name} under account {tx.account} is invalid."
        )
    shard_number = records.route(call, stream, request)
    if not records.may_write(call, tx, stream, shard_number, size):
        raise errors.throughput_exceeded(tx, stream.stream_name, state.shard_id(shard_number))
    if request.get("DryRun"):
        raise errors.dry_run()
    (number,) = records.put(call, tx, stream, shard_number, [request])
    call.units |= {"IncomingRecords": 1, "IncomingBytes": size, "PutRecord.Bytes": size}
    answer = {"ShardId": state.shard_id(shard_number), "SequenceNumber": number}
    if stream.encryption != "NONE":
        answer["EncryptionType"] = stream.encryption
    return answer


@operation(resource=names.arn_of_stream)
def put_records(call: Call, request: Request) -> Request:
    """What a shard has no room for fails alone; a record that breaks a rule refuses the whole request."""
    tx, stream = names.load(call, request)
    entries: list[Request] = request["Records"]
    sizes = [records.check(stream, entry, f"records.{at}.member.") for at, entry in enumerate(entries, 1)]
    if sum(sizes) > PUT_BYTES_MAX:
        raise errors.invalid_argument("Records size exceeds 10 MB limit")
    if request.get("DryRun"):
        raise errors.dry_run()
    answers: list[Request] = [{} for _ in entries]
    by_shard: dict[int, list[int]] = {}
    failed = 0
    for at, entry in enumerate(entries):
        shard_number = records.route(call, stream, entry)
        if records.may_write(call, tx, stream, shard_number, sizes[at]):
            by_shard.setdefault(shard_number, []).append(at)
        else:
            failed += 1
            message = errors.rate_exceeded(tx, stream.stream_name, state.shard_id(shard_number))
            answers[at] = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": message}
    for shard_number, places in by_shard.items():
        numbers = records.put(call, tx, stream, shard_number, [entries[at] for at in places])
        shard_id = state.shard_id(shard_number)
        for at, number in zip(places, numbers, strict=True):
            answers[at] = {"SequenceNumber": number, "ShardId": shard_id}
    call.units |= {
        "IncomingRecords": len(entries) - failed,
        "IncomingBytes": sum(sizes),
        "PutRecords.Bytes": sum(sizes),
        "PutRecords.TotalRecords": len(entries),
        "PutRecords.SuccessfulRecords": len(entries) - failed,
        "PutRecords.ThrottledRecords": failed,
    }
    answer: Request = {"FailedRecordCount": failed, "Records": answers}
    if stream.encryption != "NONE":
        answer["EncryptionType"] = stream.encryption
    return answer


@operation(resource=names.arn_of_stream)
def get_shard_iterator(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    shard = shards.named(call, tx, stream, request["ShardId"])
    if shard is None:
        raise errors.iterator_of_no_shard(tx, stream.stream_name, request["ShardId"])
    number, moment_s = request.get("StartingSequenceNumber"), request.get("Timestamp")
    kind = request["ShardIteratorType"]
    if number is not None and not kind.endswith("SEQUENCE_NUMBER"):
        raise errors.invalid_argument(f"Cannot specify StartingSequenceNumber with ShardIteratorType {kind}.")
    if moment_s is not None and kind != "AT_TIMESTAMP":
        raise errors.invalid_argument(f"Cannot specify Timestamp with ShardIteratorType {kind}.")
    start = records.start_of(call, tx, stream, shard, kind, number, moment_s)
    if request.get("DryRun"):
        raise errors.dry_run()
    return {"ShardIterator": records.iterator(tx, stream, shard.shard_number, start, call.now_ms)}


@operation(resource=names.arn_of_stream)
def get_records(call: Call, request: Request) -> Request:
    """NextShardIterator is missing, and ChildShards there, once a closed shard is read to its end."""
    place = sequences.read_iterator(request["ShardIterator"])
    if call.now_ms - place.issued_ms > ITERATOR_LIFE_MS:
        raise errors.expired_iterator(place.issued_ms, call.now_ms)
    tx = call.reading()
    if place.account != tx.account or place.region != tx.region:
        tx = tx.at(place.account, place.region)
    named = request.get("StreamARN")
    if named is not None and names.parse(named)[:3] != (place.account, place.region, place.stream_name):
        raise errors.invalid_argument(f"The ShardIterator is not of the stream {named}.")
    stream = state.find_stream(tx, place.stream_name)
    if stream is None or stream.stream_number != place.stream_number:
        raise errors.no_stream(tx, place.stream_name)
    if stream.throttled and not throttling.may_read(call, tx, stream, place.shard_number):
        raise errors.throughput_exceeded(tx, stream.stream_name, state.shard_id(place.shard_number))
    if request.get("DryRun"):
        raise errors.dry_run()
    limit = request.get("Limit", records.READ_RECORDS_MAX)
    try:
        page = records.read(call, tx, stream, place.shard_number, place.sequence, call.now_ms, limit)
    except AwsError:
        # Gone with its last record while somebody read it.
        return {"Records": [], "MillisBehindLatest": 0}
    if stream.throttled:
        throttling.was_read(call, tx, stream, place.shard_number, page.size_bytes)
    call.units |= {
        "GetRecords.Records": len(page.entries),
        "GetRecords.Bytes": page.size_bytes,
        "GetRecords.IteratorAgeMilliseconds": page.behind_ms,
    }
    answer: Request = {"Records": records.describe(stream, page.shard, page.entries), "MillisBehindLatest": page.behind_ms}
    if page.following is not None:
        answer["NextShardIterator"] = records.iterator(tx, stream, place.shard_number, page.following, call.now_ms)
    else:
        answer["ChildShards"] = shards.children(tx, stream, page.shard)
    return answer
