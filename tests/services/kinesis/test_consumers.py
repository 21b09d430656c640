"""Enhanced fan-out: consumers, and the events that are pushed to them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.services.kinesis.conftest import Streams, refusal

SHARD = "shardId-000000000000"


@pytest.fixture
def consumer(kinesis: Any, streams: Streams) -> str:
    """Its ARN."""
    return str(kinesis.register_stream_consumer(StreamARN=streams.create(), ConsumerName="reader")["Consumer"]["ConsumerARN"])


def begin(kinesis: Any, consumer_arn: str, kind: str = "TRIM_HORIZON", shard: str = SHARD, **position: Any) -> Any:
    return kinesis.subscribe_to_shard(ConsumerARN=consumer_arn, ShardId=shard, StartingPosition={"Type": kind, **position})["EventStream"]


def events(stream: Any) -> Any:
    return (event["SubscribeToShardEvent"] for event in stream)


def test_a_consumer_is_registered_described_listed_and_deregistered(kinesis: Any, streams: Streams, account: str) -> None:
    arn = streams.create()
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader", Tags={"team": "a"})["Consumer"]
    assert (made["ConsumerStatus"], made["ConsumerName"]) == ("CREATING", "reader")
    seconds = int(made["ConsumerCreationTimestamp"].timestamp())
    assert made["ConsumerARN"] == f"{arn}/consumer/reader:{seconds}"
    for named in ({"ConsumerARN": made["ConsumerARN"]}, {"StreamARN": arn, "ConsumerName": "reader"}):
        found = kinesis.describe_stream_consumer(**named)["ConsumerDescription"]
        assert (found["ConsumerStatus"], found["StreamARN"]) == ("ACTIVE", arn)
    assert kinesis.list_tags_for_resource(ResourceARN=made["ConsumerARN"])["Tags"] == [{"Key": "team", "Value": "a"}]
    assert kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]["ConsumerCount"] == 1
    assert refusal(kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="reader")[0] == "ResourceInUseException"
    assert refusal(kinesis.delete_stream, StreamName="orders")[0] == "ResourceInUseException"
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="reader")
    assert refusal(kinesis.describe_stream_consumer, ConsumerARN=made["ConsumerARN"])[0] == "ResourceNotFoundException"
    assert kinesis.list_stream_consumers(StreamARN=arn)["Consumers"] == []


def test_consumers_are_listed_page_by_page_and_no_more_than_twenty(kinesis: Any, streams: Streams) -> None:
    arn = streams.create()
    for number in range(20):
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=f"reader{number:02d}")
    pages = kinesis.get_paginator("list_stream_consumers").paginate(StreamARN=arn, PaginationConfig={"PageSize": 7})
    assert [len(page["Consumers"]) for page in pages] == [7, 7, 6]
    assert refusal(kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="more")[0] == "LimitExceededException"
    kinesis.delete_stream(StreamARN=arn, EnforceConsumerDeletion=True)


def test_records_are_pushed_as_they_come(kinesis: Any, streams: Streams, consumer: str) -> None:
    numbers = streams.put("a")
    stream = begin(kinesis, consumer)
    pushed = events(stream)
    first = next(pushed)
    assert ([record["Data"] for record in first["Records"]], first["MillisBehindLatest"]) == ([b"a"], 0)
    assert first["ContinuationSequenceNumber"] == numbers[0]
    timer = threading.Timer(0.05, streams.put, ("b", "c"))
    timer.start()
    found: list[bytes] = []
    while len(found) < 2:
        found += [record["Data"] for record in next(pushed)["Records"]]
    assert found == [b"b", b"c"]
    timer.join()
    stream.close()


def test_a_backlog_is_pushed_event_by_event_without_a_pause(kinesis: Any, streams: Streams, consumer: str) -> None:
    for _ in range(3):
        kinesis.put_records(StreamName="orders", Records=[{"Data": b"x" * 1_000_000, "PartitionKey": "k"}] * 3)
    stream = begin(kinesis, consumer)
    pushed = events(stream)
    sizes: list[int] = []
    while sum(sizes) < 9:
        sizes.append(len(next(pushed)["Records"]))
    assert sizes == [2, 2, 2, 2, 1]
    stream.close()


def test_a_quiet_subscription_hears_from_the_server_and_ends_after_five_minutes(
    kinesis: Any, streams: Streams, consumer: str, clock: Any
) -> None:
    stream = begin(kinesis, consumer, "LATEST")
    pushed = events(stream)
    assert next(pushed)["Records"] == []
    advanced = threading.Thread(target=clock.advance, args=("6m",))
    advanced.start()
    rest = list(pushed)
    advanced.join()
    assert rest and all(event["Records"] == [] and event["ContinuationSequenceNumber"] for event in rest)


def test_a_subscription_ends_with_its_shard_and_tells_the_children(kinesis: Any, streams: Streams, consumer: str) -> None:
    streams.put("a")
    kinesis.split_shard(StreamName="orders", ShardToSplit=SHARD, NewStartingHashKey=str(2**127))
    (event,) = events(begin(kinesis, consumer))
    assert [record["Data"] for record in event["Records"]] == [b"a"]
    assert [child["ShardId"][-1] for child in event["ChildShards"]] == ["1", "2"]
    assert "ContinuationSequenceNumber" not in event


def test_a_continuation_goes_on_where_it_was(kinesis: Any, streams: Streams, consumer: str, clock: Any) -> None:
    streams.put("a")
    stream = begin(kinesis, consumer)
    number = next(events(stream))["ContinuationSequenceNumber"]
    stream.close()
    streams.put("b")
    clock.advance("6s")
    stream = begin(kinesis, consumer, "AFTER_SEQUENCE_NUMBER", SequenceNumber=number)
    assert [record["Data"] for record in next(events(stream))["Records"]] == [b"b"]
    stream.close()


def test_a_second_subscription_waits_for_five_seconds_and_then_takes_over(
    kinesis: Any, streams: Streams, consumer: str, clock: Any, account: str
) -> None:
    first = begin(kinesis, consumer)
    pushed = events(first)
    next(pushed)
    assert refusal(begin, kinesis, consumer) == (
        "ResourceInUseException",
        f"Another active subscription exists for this consumer: {account}:orders:{SHARD}:reader",
    )
    clock.advance("6s")
    second = begin(kinesis, consumer)
    streams.put("a")
    with pytest.raises(Exception, match="ResourceInUseException"):
        list(pushed)
    second.close()


def test_a_subscription_to_nothing_is_refused(kinesis: Any, streams: Streams, consumer: str) -> None:
    assert refusal(begin, kinesis, consumer, shard="shardId-000000000005")[0] == "ResourceNotFoundException"
    assert refusal(begin, kinesis, consumer.replace("reader", "other"))[0] == "ResourceNotFoundException"
    assert refusal(begin, kinesis, consumer, "AT_SEQUENCE_NUMBER")[0] == "InvalidArgumentException"
