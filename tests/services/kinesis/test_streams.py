"""Streams: created, described, listed, deleted; named by name and by ARN."""

from __future__ import annotations

from typing import Any

from tests.services.kinesis.conftest import Streams, refusal


def test_a_stream_is_active_when_it_is_made(kinesis: Any, streams: Streams, account: str) -> None:
    arn = streams.create(shards=2)
    assert arn == f"arn:aws:kinesis:us-east-1:{account}:stream/orders"
    description = kinesis.describe_stream(StreamName="orders")["StreamDescription"]
    assert (description["StreamStatus"], description["RetentionPeriodHours"], description["EncryptionType"]) == ("ACTIVE", 24, "NONE")
    assert description["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert description["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    assert [shard["ShardId"] for shard in description["Shards"]] == ["shardId-000000000000", "shardId-000000000001"]
    assert [shard["HashKeyRange"]["StartingHashKey"] for shard in description["Shards"]] == ["0", str(2**127)]
    summary = kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["ConsumerCount"], summary["MaxRecordSizeInKiB"]) == (2, 0, 1024)


def test_the_hash_keys_of_three_shards_are_those_of_aws(streams: Streams) -> None:
    streams.create(shards=3)
    assert [shard["HashKeyRange"] for shard in streams.shards()] == [
        {"StartingHashKey": "0", "EndingHashKey": "113427455640312821154458202477256070484"},
        {"StartingHashKey": "113427455640312821154458202477256070485", "EndingHashKey": "226854911280625642308916404954512140969"},
        {"StartingHashKey": "226854911280625642308916404954512140970", "EndingHashKey": "340282366920938463463374607431768211455"},
    ]


def test_an_on_demand_stream_begins_with_four_shards(kinesis: Any, streams: Streams) -> None:
    streams.create(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["StreamModeDetails"]["StreamMode"]) == (4, "ON_DEMAND")
    assert summary["RecordDistributionStrategy"] == "USER_PARTITION_KEY"


def test_a_stream_that_is_there_is_not_made_again(kinesis: Any, streams: Streams, account: str) -> None:
    streams.create()
    code, message = refusal(kinesis.create_stream, StreamName="orders", ShardCount=1)
    assert (code, message) == ("ResourceInUseException", f"Stream orders under account {account} already exists.")


def test_a_provisioned_stream_needs_a_count_of_shards_and_an_on_demand_one_takes_none(kinesis: Any) -> None:
    assert refusal(kinesis.create_stream, StreamName="s")[0] == "ValidationException"
    on_demand = {"StreamMode": "ON_DEMAND"}
    assert refusal(kinesis.create_stream, StreamName="s", ShardCount=1, StreamModeDetails=on_demand)[0] == "ValidationException"


def test_shards_of_an_account_have_a_limit(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=3)
    code, message = refusal(kinesis.create_stream, StreamName="more", ShardCount=19_998)
    assert code == "LimitExceededException"
    assert (
        "Current shard count for the account: 3. Limit: 20000. Number of additional shards that would have resulted from this request: 19998."
        in message
    )


def test_what_is_not_there_is_not_found(kinesis: Any, account: str) -> None:
    wanted = ("ResourceNotFoundException", f"Stream nothing under account {account} not found.")
    assert refusal(kinesis.describe_stream, StreamName="nothing") == wanted
    assert refusal(kinesis.put_record, StreamName="nothing", Data=b"", PartitionKey="k") == wanted
    assert refusal(kinesis.delete_stream, StreamName="nothing") == wanted


def test_a_request_names_its_stream(kinesis: Any, streams: Streams) -> None:
    arn = streams.create()
    assert refusal(kinesis.describe_stream)[0] == "InvalidArgumentException"
    assert refusal(kinesis.describe_stream, StreamName="others", StreamARN=arn)[0] == "InvalidArgumentException"
    assert kinesis.describe_stream(StreamName="orders", StreamARN=arn)["StreamDescription"]["StreamName"] == "orders"


def test_a_name_that_breaks_the_pattern_is_refused(client: Any) -> None:
    kinesis = client("kinesis", parameter_validation=False)
    code, message = refusal(kinesis.create_stream, StreamName="a b", ShardCount=1)
    assert code == "ValidationException"
    assert (
        "Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        in message
    )


def test_streams_are_listed_page_by_page(kinesis: Any, streams: Streams) -> None:
    for name in ("c", "a", "b"):
        streams.create(name)
    page = kinesis.list_streams(Limit=2)
    assert (page["StreamNames"], page["HasMoreStreams"]) == (["a", "b"], True)
    assert [summary["StreamStatus"] for summary in page["StreamSummaries"]] == ["ACTIVE", "ACTIVE"]
    assert kinesis.list_streams(NextToken=page["NextToken"])["StreamNames"] == ["c"]
    assert kinesis.list_streams(ExclusiveStartStreamName="a")["StreamNames"] == ["b", "c"]
    assert sorted(
        name for page in kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1}) for name in page["StreamNames"]
    ) == [
        "a",
        "b",
        "c",
    ]


def test_a_stream_of_the_same_name_holds_nothing_of_the_one_before(kinesis: Any, streams: Streams) -> None:
    streams.create()
    streams.put("old")
    before = streams.iterator()
    kinesis.delete_stream(StreamName="orders")
    assert refusal(kinesis.describe_stream, StreamName="orders")[0] == "ResourceNotFoundException"
    streams.create()
    assert streams.read() == []
    assert refusal(kinesis.get_records, ShardIterator=before)[0] == "ResourceNotFoundException"


def test_shards_are_described_page_by_page(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=3)
    page = kinesis.describe_stream(StreamName="orders", Limit=2)["StreamDescription"]
    assert (len(page["Shards"]), page["HasMoreShards"]) == (2, True)
    rest = kinesis.describe_stream(StreamName="orders", ExclusiveStartShardId=page["Shards"][-1]["ShardId"])["StreamDescription"]
    assert ([shard["ShardId"] for shard in rest["Shards"]], rest["HasMoreShards"]) == (["shardId-000000000002"], False)


def test_channels_are_refused_by_name(kinesis: Any) -> None:
    code, message = refusal(kinesis.list_channels)
    assert (code, "ListChannels" in message) == ("NotImplementedException", True)
