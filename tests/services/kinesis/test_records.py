"""Records: where they go, in which order they come back, what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.services.kinesis.conftest import Streams, refusal


def test_records_come_back_in_order_with_rising_numbers(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    numbers = streams.put("a", "b", "c")
    assert all(len(number) == 56 for number in numbers)
    assert sorted(numbers, key=int) == numbers
    answer = kinesis.get_records(ShardIterator=streams.iterator())
    assert [record["SequenceNumber"] for record in answer["Records"]] == numbers
    record = answer["Records"][0]
    assert (record["Data"], record["PartitionKey"], "EncryptionType" in record) == (b"a", "k", False)
    assert abs(record["ApproximateArrivalTimestamp"].timestamp() - clock.now_s()) < 60
    assert answer["MillisBehindLatest"] == 0


def test_a_partition_key_leads_to_the_shard_of_its_md5(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=4)
    for key in ("a", "b", "orders-17", "ключ", "z" * 256):
        hashed = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        put = kinesis.put_record(StreamName="orders", Data=b"x", PartitionKey=key)
        assert put["ShardId"] == f"shardId-{hashed // 2**126:012d}"


def test_an_explicit_hash_key_overrides_the_partition_key(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=2)
    for hash_key, shard in (("0", 0), (str(2**127 - 1), 0), (str(2**127), 1), (str(2**128 - 1), 1)):
        put = kinesis.put_record(StreamName="orders", Data=b"x", PartitionKey="k", ExplicitHashKey=hash_key)
        assert put["ShardId"] == f"shardId-{shard:012d}"
    assert refusal(kinesis.put_record, StreamName="orders", Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**128)) == (
        "InvalidArgumentException",
        f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {2**128}",
    )


def test_many_records_are_put_at_once_each_with_its_answer(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=2)
    entries = [{"Data": str(number).encode(), "PartitionKey": str(number)} for number in range(100)]
    answer = kinesis.put_records(StreamName="orders", Records=entries)
    assert (answer["FailedRecordCount"], len(answer["Records"])) == (0, 100)
    for shard in (0, 1):
        wanted = [
            (entry["Data"], put["SequenceNumber"])
            for entry, put in zip(entries, answer["Records"], strict=True)
            if put["ShardId"].endswith(str(shard))
        ]
        found = kinesis.get_records(ShardIterator=streams.iterator(shard))["Records"]
        assert [(record["Data"], record["SequenceNumber"]) for record in found] == wanted


def test_a_record_has_its_largest_size(kinesis: Any, streams: Streams) -> None:
    arn = streams.create()
    streams.put("x" * (1024 * 1024 - 1))
    code, message = refusal(kinesis.put_record, StreamName="orders", Data=b"x" * 1024 * 1024, PartitionKey="k")
    assert (code, "at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576" in message) == (
        "ValidationException",
        True,
    )
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=2048)
    kinesis.put_record(StreamName="orders", Data=b"x" * 1024 * 1024, PartitionKey="k")


def test_a_request_has_its_largest_size(kinesis: Any, streams: Streams) -> None:
    streams.create()
    big = {"Data": b"x" * 1_000_000, "PartitionKey": "k"}
    assert refusal(kinesis.put_records, StreamName="orders", Records=[big] * 11)[0] == "InvalidArgumentException"
    small = {"Data": b"x", "PartitionKey": "k"}
    code, message = refusal(kinesis.put_records, StreamName="orders", Records=[small] * 501)
    assert (code, "Member must have length less than or equal to 500" in message) == ("ValidationException", True)


def test_one_read_gives_ten_megabytes_at_most_and_says_how_far_behind_it_is(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    for _ in range(12):
        kinesis.put_record(StreamName="orders", Data=b"x" * 1_000_000, PartitionKey="k")
    clock.advance("1m")
    answer = kinesis.get_records(ShardIterator=streams.iterator())
    assert len(answer["Records"]) == 10
    assert answer["MillisBehindLatest"] >= 60_000
    rest = kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    assert (len(rest["Records"]), rest["MillisBehindLatest"]) == (2, 0)


def test_iterators_begin_where_their_type_says(streams: Streams, clock: Any) -> None:
    streams.create()
    first, second = streams.put("a", "b")
    clock.advance("10s")
    moment_s = clock.now_s()
    clock.advance("10s")
    streams.put("c")
    latest = streams.iterator(kind="LATEST")
    streams.put("d")
    assert streams.read(kind="TRIM_HORIZON") == ["a", "b", "c", "d"]
    assert streams.read(kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=second) == ["b", "c", "d"]
    assert streams.read(kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first) == ["b", "c", "d"]
    assert streams.read(kind="AT_TIMESTAMP", Timestamp=moment_s) == ["c", "d"]
    assert streams.read(kind="AT_TIMESTAMP", Timestamp=1.0) == ["a", "b", "c", "d"]
    assert [record["Data"] for record in streams.kinesis.get_records(ShardIterator=latest)["Records"]] == [b"d"]
    assert streams.read(kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber="0") == ["a", "b", "c", "d"]


def test_an_iterator_is_good_for_five_minutes(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    iterator = streams.iterator()
    clock.advance("299s")
    iterator = kinesis.get_records(ShardIterator=iterator)["NextShardIterator"]
    clock.advance("301s")
    code, message = refusal(kinesis.get_records, ShardIterator=iterator)
    assert code == "ExpiredIteratorException"
    assert "which is further in the future than the tolerated delay of 300000 milliseconds." in message


def test_wrong_iterators_are_refused(kinesis: Any, streams: Streams, account: str) -> None:
    streams.create(shards=2)
    (number,) = streams.put("a")
    shard = {"StreamName": "orders", "ShardId": "shardId-000000000000"}
    assert refusal(kinesis.get_records, ShardIterator="AAAA") == ("InvalidArgumentException", "Invalid ShardIterator.")
    own = kinesis.put_record(StreamName="orders", Data=b"x", PartitionKey="k", ExplicitHashKey="0")["SequenceNumber"]
    other = kinesis.put_record(StreamName="orders", Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**127))["SequenceNumber"]
    assert refusal(kinesis.get_shard_iterator, **shard, ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=other) == (
        "InvalidArgumentException",
        "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard with shardId-000000000000",
    )
    strange = str(int(own) + (1 << 150))
    assert refusal(kinesis.get_shard_iterator, **shard, ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=strange) == (
        "InvalidArgumentException",
        f"StartingSequenceNumber {strange} used in GetShardIterator on shard shardId-000000000000 in stream orders under account {account} "
        "is invalid because it did not come from this stream.",
    )
    assert refusal(kinesis.get_shard_iterator, **shard, ShardIteratorType="AT_TIMESTAMP")[0] == "InvalidArgumentException"
    assert (
        refusal(kinesis.get_shard_iterator, **shard, ShardIteratorType="LATEST", StartingSequenceNumber=number)[0]
        == "InvalidArgumentException"
    )
    unknown = refusal(kinesis.get_shard_iterator, StreamName="orders", ShardId="shardId-000000000007", ShardIteratorType="LATEST")
    assert unknown == ("ResourceNotFoundException", f"Shard shardId-000000000007 in stream orders under account {account} does not exist")


def test_records_go_at_the_end_of_their_retention(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    streams.put("a")
    clock.advance("12h")
    streams.put("b")
    clock.advance("13h")
    assert streams.read() == ["b"]
    kinesis.increase_stream_retention_period(StreamName="orders", RetentionPeriodHours=48)
    clock.advance("20h")
    assert streams.read() == ["b"]
    kinesis.decrease_stream_retention_period(StreamName="orders", RetentionPeriodHours=24)
    assert streams.read() == []


@pytest.mark.parametrize(
    ("operation", "hours", "sentence"),
    [
        ("increase", 12, "Minimum allowed retention period is 24 hours. Requested retention period (12 hours) is too short."),
        ("increase", 8761, "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."),
        (
            "decrease",
            48,
            "Requested retention period (48 hours) for stream orders can not be longer than existing retention period (36 hours). "
            "Use IncreaseRetentionPeriod API.",
        ),
        (
            "increase",
            24,
            "Requested retention period (24 hours) for stream orders can not be shorter than existing retention period (36 hours). "
            "Use DecreaseRetentionPeriod API.",
        ),
    ],
)
def test_retention_has_its_bounds(kinesis: Any, streams: Streams, operation: str, hours: int, sentence: str) -> None:
    streams.create()
    kinesis.increase_stream_retention_period(StreamName="orders", RetentionPeriodHours=36)
    function = getattr(kinesis, f"{operation}_stream_retention_period")
    assert refusal(function, StreamName="orders", RetentionPeriodHours=hours) == ("InvalidArgumentException", sentence)


def test_a_stream_that_distributes_by_itself_needs_no_key(kinesis: Any, streams: Streams) -> None:
    arn = streams.create(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert "at 'partitionKey' failed" in refusal(kinesis.put_record, StreamName="orders", Data=b"x")[1]
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    shards = {kinesis.put_record(StreamName="orders", Data=b"x", PartitionKey="k")["ShardId"] for _ in range(60)}
    assert len(shards) > 1
    kinesis.put_record(StreamName="orders", Data=b"x")


def test_a_dry_run_does_nothing(kinesis: Any, streams: Streams) -> None:
    streams.create()
    for refused in (
        refusal(kinesis.put_record, StreamName="orders", Data=b"x", PartitionKey="k", DryRun=True),
        refusal(kinesis.put_records, StreamName="orders", Records=[{"Data": b"x", "PartitionKey": "k"}], DryRun=True),
    ):
        assert refused == ("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
    assert streams.read() == []


def test_an_encrypted_stream_says_so_with_every_record(kinesis: Any, streams: Streams) -> None:
    streams.create()
    kinesis.start_stream_encryption(StreamName="orders", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    assert kinesis.put_record(StreamName="orders", Data=b"x", PartitionKey="k")["EncryptionType"] == "KMS"
    assert kinesis.get_records(ShardIterator=streams.iterator())["Records"][0]["EncryptionType"] == "KMS"
    assert kinesis.describe_stream(StreamName="orders")["StreamDescription"]["KeyId"] == "alias/aws/kinesis"
    kinesis.stop_stream_encryption(StreamName="orders", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    assert kinesis.describe_stream(StreamName="orders")["StreamDescription"]["EncryptionType"] == "NONE"
