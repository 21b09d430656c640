"""Streams: what a change is recorded as, and how shards are read, follow one another and end."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import refusal


@pytest.fixture
def streams(client: Any) -> Any:
    return client("dynamodbstreams", parameter_validation=False)


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def streamed(dynamodb: Any, make_table: Any, name: str, view: str = "NEW_AND_OLD_IMAGES") -> str:
    make_table(name, "pk", StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    arn: str = dynamodb.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    return arn


def shards_of(streams: Any, arn: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    return found


def read(streams: Any, arn: str, shard_id: str, kind: str = "TRIM_HORIZON", **more: Any) -> list[dict[str, Any]]:
    """Every record of a shard from an iterator on; stops at the end of the shard or at the first empty answer."""
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, ShardIteratorType=kind, **more)["ShardIterator"]
    found: list[dict[str, Any]] = []
    while iterator is not None:
        answer = streams.get_records(ShardIterator=iterator, Limit=2)
        found += answer["Records"]
        iterator = answer.get("NextShardIterator") if answer["Records"] else None
    return found


def test_every_change_is_recorded_in_order(dynamodb: Any, make_table: Any, streams: Any) -> None:
    arn = streamed(dynamodb, make_table, "watched")
    dynamodb.put_item(TableName="watched", Item={**key("a"), "v": {"N": "1"}, "b": {"B": b"x"}})
    dynamodb.put_item(TableName="watched", Item={**key("a"), "v": {"N": "1"}, "b": {"B": b"x"}})
    dynamodb.update_item(TableName="watched", Key=key("a"), UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"N": "2"}})
    dynamodb.delete_item(TableName="watched", Key=key("a"))
    dynamodb.delete_item(TableName="watched", Key=key("a"))
    (shard,) = shards_of(streams, arn)
    records = read(streams, arn, shard["ShardId"])
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    first, second, third = (record["dynamodb"] for record in records)
    assert first["Keys"] == key("a")
    assert first["NewImage"] == {**key("a"), "v": {"N": "1"}, "b": {"B": b"x"}}
    assert "OldImage" not in first
    assert (second["OldImage"]["v"], second["NewImage"]["v"]) == ({"N": "1"}, {"N": "2"})
    assert "NewImage" not in third
    assert first["SizeBytes"] == 3 + (3 + 3 + 2)
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(numbers) and len(set(numbers)) == 3
    record = records[0]
    assert (record["eventSource"], record["awsRegion"], record["eventVersion"]) == ("aws:dynamodb", "us-east-1", "1.1")
    assert "userIdentity" not in record
    assert [found["eventID"] for found in read(streams, arn, shard["ShardId"], "AT_SEQUENCE_NUMBER", SequenceNumber=numbers[1])] == [
        r["eventID"] for r in records[1:]
    ]
    assert [found["eventID"] for found in read(streams, arn, shard["ShardId"], "AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[1])] == [
        records[2]["eventID"]
    ]
    assert read(streams, arn, shard["ShardId"], "LATEST") == []


@pytest.mark.parametrize(
    ("view", "members"),
    [("KEYS_ONLY", set()), ("NEW_IMAGE", {"NewImage"}), ("OLD_IMAGE", {"OldImage"}), ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"})],
)
def test_a_view_decides_what_a_record_shows(dynamodb: Any, make_table: Any, streams: Any, view: str, members: set[str]) -> None:
    arn = streamed(dynamodb, make_table, "viewed", view)
    dynamodb.put_item(TableName="viewed", Item={**key("a"), "v": {"N": "1"}})
    dynamodb.put_item(TableName="viewed", Item={**key("a"), "v": {"N": "2"}})
    change = read(streams, arn, shards_of(streams, arn)[0]["ShardId"])[1]["dynamodb"]
    assert set(change) & {"NewImage", "OldImage"} == members
    assert change["StreamViewType"] == view


def test_batches_transactions_and_expiry_are_recorded(dynamodb: Any, make_table: Any, streams: Any, clock: Any) -> None:
    arn = streamed(dynamodb, make_table, "all-ways")
    dynamodb.update_time_to_live(TableName="all-ways", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True})
    dynamodb.batch_write_item(RequestItems={"all-ways": [{"PutRequest": {"Item": key(pk)}} for pk in "ab"]})
    dynamodb.transact_write_items(
        TransactItems=[{"Put": {"TableName": "all-ways", "Item": key("c")}}, {"Delete": {"TableName": "all-ways", "Key": key("a")}}]
    )
    dynamodb.put_item(TableName="all-ways", Item={**key("d"), "ttl": {"N": str(int(clock.now_s()) + 5)}})
    clock.advance("10s")
    records = read(streams, arn, shards_of(streams, arn)[0]["ShardId"])
    assert [(record["eventName"], record["dynamodb"]["Keys"]["pk"]["S"]) for record in records] == [
        ("INSERT", "a"), ("INSERT", "b"), ("INSERT", "c"), ("REMOVE", "a"), ("INSERT", "d"), ("REMOVE", "d"),
    ]  # fmt: skip
    assert records[-1]["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def test_shards_follow_one_another_and_are_forgotten_after_a_day(dynamodb: Any, make_table: Any, streams: Any, clock: Any) -> None:
    arn = streamed(dynamodb, make_table, "rolled")
    dynamodb.put_item(TableName="rolled", Item=key("a"))
    clock.advance("5h")
    dynamodb.put_item(TableName="rolled", Item=key("b"))
    parent, child = shards_of(streams, arn)
    assert child["ParentShardId"] == parent["ShardId"]
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert "EndingSequenceNumber" not in child["SequenceNumberRange"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=parent["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    answer = streams.get_records(ShardIterator=iterator)
    assert [record["dynamodb"]["Keys"] for record in answer["Records"]] == [key("a")]
    assert "NextShardIterator" not in answer
    clock.advance("20m")
    assert refusal(streams.get_records, ShardIterator=iterator)[0] == "ExpiredIteratorException"
    clock.advance("20h")
    assert read(streams, arn, child["ShardId"])[0]["dynamodb"]["Keys"] == key("b")
    clock.advance("5h")
    assert read(streams, arn, child["ShardId"]) == []
    clock.advance("5h")
    assert [shard["ShardId"] for shard in shards_of(streams, arn)] == [child["ShardId"]]


def test_a_stream_is_switched_on_off_and_on_again(dynamodb: Any, make_table: Any, streams: Any, clock: Any) -> None:
    make_table("toggled", "pk")
    on = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    dynamodb.update_table(TableName="toggled", StreamSpecification=on)
    arn = dynamodb.describe_table(TableName="toggled")["Table"]["LatestStreamArn"]
    dynamodb.put_item(TableName="toggled", Item=key("a"))
    assert refusal(dynamodb.update_table, TableName="toggled", StreamSpecification=on) == (
        "ValidationException",
        "Table already has an enabled stream: TableName: toggled",
    )
    dynamodb.update_table(TableName="toggled", StreamSpecification={"StreamEnabled": False})
    dynamodb.put_item(TableName="toggled", Item=key("b"))
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    assert [record["dynamodb"]["Keys"] for record in read(streams, arn, described["Shards"][0]["ShardId"])] == [key("a")]
    assert "StreamSpecification" not in dynamodb.describe_table(TableName="toggled")["Table"]
    clock.advance("1s")
    dynamodb.update_table(TableName="toggled", StreamSpecification=on)
    assert dynamodb.describe_table(TableName="toggled")["Table"]["LatestStreamArn"] != arn
    listed = streams.list_streams(TableName="toggled")["Streams"]
    assert (listed[0]["StreamArn"], len(listed)) == (arn, 2)
    first = streams.list_streams(Limit=1)
    assert streams.list_streams(ExclusiveStartStreamArn=first["LastEvaluatedStreamArn"])["Streams"] == listed[1:]
    clock.advance("25h")
    assert len(streams.list_streams(TableName="toggled")["Streams"]) == 1


def test_what_a_stream_refuses(dynamodb: Any, make_table: Any, streams: Any) -> None:
    arn = streamed(dynamodb, make_table, "strict")
    assert refusal(streams.describe_stream, StreamArn=arn + "9")[0] == "ResourceNotFoundException"
    assert (
        refusal(streams.get_shard_iterator, StreamArn=arn, ShardId="shardId-00000000000000000000-00000000", ShardIteratorType="LATEST")[0]
        == "ResourceNotFoundException"
    )
    assert refusal(streams.get_records, ShardIterator="nonsense") == ("ValidationException", "Invalid ShardIterator")
    shard_id = shards_of(streams, arn)[0]["ShardId"]
    code, sentence = refusal(streams.get_shard_iterator, StreamArn=arn, ShardId=shard_id, ShardIteratorType="SOON")
    assert (code, "Member must satisfy enum value set" in sentence) == ("ValidationException", True)


def test_a_shard_is_read_from_a_moment_on(dynamodb: Any, streams: Any, make_table: Any, clock: Any) -> None:
    arn = streamed(dynamodb, make_table, "moments")
    moments = []
    for at in range(6):
        moments.append(clock.now_s())
        dynamodb.put_item(TableName="moments", Item=key(str(at)))
        clock.advance("10s")
    (shard,) = shards_of(streams, arn)

    def names(moment: float) -> list[str]:
        return [record["dynamodb"]["Keys"]["pk"]["S"] for record in read(streams, arn, shard["ShardId"], "AT_TIMESTAMP", Timestamp=moment)]

    assert names(moments[0] - 100) == list("012345")
    assert names(moments[3] - 5) == list("345")
    assert names(moments[5] + 5) == []
    found = refusal(streams.get_shard_iterator, StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="AT_TIMESTAMP")
    assert found == ("ValidationException", "ShardIteratorType AT_TIMESTAMP requires Timestamp")


def test_limits_that_the_model_says_in_words(dynamodb: Any, streams: Any, make_table: Any) -> None:
    arn = streamed(dynamodb, make_table, "bounded")
    (shard,) = shards_of(streams, arn)
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST")["ShardIterator"]
    assert refusal(streams.get_records, ShardIterator=iterator, Limit=1001)[1].endswith("Member must have value less than or equal to 1000")
    assert refusal(streams.list_streams, Limit=101)[1].endswith("Member must have value less than or equal to 100")
    assert refusal(streams.describe_stream, StreamArn=arn, Limit=101)[1].endswith("Member must have value less than or equal to 100")
