"""Throughput is limited for streams that are tagged so, and for no others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.kinesis.conftest import Streams, refusal

SWITCH = {"groundcloud:throttling": "on"}


@pytest.fixture
def frozen(clock: Any) -> Any:
    clock.admin("POST", "/_ground/clock", {"freeze": True})
    yield clock
    clock.admin("POST", "/_ground/clock", {"resume": True})


def test_a_shard_takes_a_thousand_records_a_second(kinesis: Any, streams: Streams, frozen: Any, account: str) -> None:
    streams.create(Tags=SWITCH)
    entries = [{"Data": b"x", "PartitionKey": "k"}] * 500
    assert kinesis.put_records(StreamName="orders", Records=entries)["FailedRecordCount"] == 0
    kinesis.put_records(StreamName="orders", Records=entries[:499])
    answer = kinesis.put_records(StreamName="orders", Records=entries[:3])
    assert answer["FailedRecordCount"] == 2
    assert "SequenceNumber" in answer["Records"][0]
    sentence = f"Rate exceeded for shard shardId-000000000000 in stream orders under account {account}."
    assert answer["Records"][1] == {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": sentence}
    assert refusal(kinesis.put_record, StreamName="orders", Data=b"x", PartitionKey="k") == (
        "ProvisionedThroughputExceededException",
        sentence,
    )
    frozen.advance("1s")
    assert kinesis.put_records(StreamName="orders", Records=entries)["FailedRecordCount"] == 0


def test_a_shard_takes_a_mebibyte_a_second(kinesis: Any, streams: Streams, frozen: Any) -> None:
    streams.create(Tags=SWITCH)
    kinesis.put_record(StreamName="orders", Data=b"x" * 1_000_000, PartitionKey="k")
    half = {"StreamName": "orders", "Data": b"x" * 500_000, "PartitionKey": "k"}
    assert refusal(kinesis.put_record, **half)[0] == "ProvisionedThroughputExceededException"
    frozen.advance("1s")
    kinesis.put_record(**half)


def test_a_shard_is_read_five_times_a_second(kinesis: Any, streams: Streams, frozen: Any) -> None:
    streams.create(Tags=SWITCH)
    iterator = streams.iterator()
    for _ in range(5):
        kinesis.get_records(ShardIterator=iterator)
    assert refusal(kinesis.get_records, ShardIterator=iterator)[0] == "ProvisionedThroughputExceededException"
    frozen.advance("1s")
    kinesis.get_records(ShardIterator=iterator)


def test_the_tag_may_come_and_go(kinesis: Any, streams: Streams, frozen: Any) -> None:
    arn = streams.create()
    iterator = streams.iterator()
    for _ in range(20):
        kinesis.get_records(ShardIterator=iterator)
    kinesis.tag_resource(ResourceARN=arn, Tags=SWITCH)
    for _ in range(5):
        kinesis.get_records(ShardIterator=iterator)
    assert refusal(kinesis.get_records, ShardIterator=iterator)[0] == "ProvisionedThroughputExceededException"
    kinesis.remove_tags_from_stream(StreamName="orders", TagKeys=list(SWITCH))
    kinesis.get_records(ShardIterator=iterator)
