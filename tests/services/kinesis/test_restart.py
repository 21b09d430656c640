"""What was acknowledged is there after a kill: records in their order, shards, consumers, and the end of their retention."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.services.kinesis.conftest import Streams


@pytest.mark.slow
def test_everything_acknowledged_survives_a_kill(process: Any) -> None:
    streams = Streams(process.client("kinesis"))
    arn = streams.create()
    kinesis = streams.kinesis
    kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")
    first = streams.put(*[str(number) for number in range(50)])
    iterator = streams.iterator()
    kinesis.split_shard(StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    process.restart()
    streams = Streams(process.client("kinesis"))
    kinesis = streams.kinesis
    answer = kinesis.get_records(ShardIterator=iterator)
    assert [record["SequenceNumber"] for record in answer["Records"]] == first
    assert [child["ShardId"][-1] for child in answer["ChildShards"]] == ["1", "2"]
    assert len(kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]) == 1
    again = streams.put("after")
    assert int(again[0]) > int(first[-1])
    process.advance("25h")
    assert [shard["ShardId"][-1] for shard in streams.shards()] == ["1", "2"]
    assert streams.read(1) == streams.read(2) == []


@pytest.mark.slow
def test_no_acknowledged_record_is_lost_or_out_of_order_under_kills(process: Any) -> None:
    Streams(process.client("kinesis")).create(shards=2)
    acknowledged: dict[str, list[tuple[int, str]]] = {key: [] for key in "abc"}
    stop = threading.Event()

    def write(key: str) -> None:
        number = 0
        while not stop.is_set():
            try:
                kinesis = process.client("kinesis")
                while not stop.is_set():
                    text = f"{key}{number}"
                    number += 1
                    put = kinesis.put_record(StreamName="orders", Data=text.encode(), PartitionKey=key)
                    acknowledged[key].append((int(put["SequenceNumber"]), text))
            except (BotoCoreError, ClientError, OSError):
                stop.wait(0.05)

    threads = [threading.Thread(target=write, args=(key,)) for key in acknowledged]
    for thread in threads:
        thread.start()
    for _ in range(3):
        stop.wait(0.5)
        process.restart()
    stop.wait(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    streams = Streams(process.client("kinesis"))
    found: list[tuple[int, str]] = []
    for shard in (0, 1):
        iterator = streams.iterator(shard)
        while True:
            answer = streams.kinesis.get_records(ShardIterator=iterator)
            found += [(int(record["SequenceNumber"]), record["Data"].decode()) for record in answer["Records"]]
            if not answer["Records"]:
                break
            iterator = answer["NextShardIterator"]
    assert sum(len(records) for records in acknowledged.values()) > 50
    for key, records in acknowledged.items():
        mine = [one for one in found if one[1].startswith(key)]
        assert mine == sorted(mine), "a shard's records are in the order of their numbers"
        assert [int(text[1:]) for _, text in mine] == sorted(int(text[1:]) for _, text in mine)
        assert set(records) <= set(mine)
