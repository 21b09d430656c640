"""Shards: split, merged, scaled, listed; lineage and order across them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.kinesis.conftest import Streams, refusal

MIDDLE = str(2**127)


def test_a_split_closes_the_parent_and_opens_two_children(kinesis: Any, streams: Streams) -> None:
    streams.create()
    (before,) = streams.put("before")
    kinesis.split_shard(StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    parent, low, high = streams.shards()
    assert int(parent["SequenceNumberRange"]["EndingSequenceNumber"]) > int(before)
    assert [child["ParentShardId"] for child in (low, high)] == ["shardId-000000000000"] * 2
    assert low["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**127 - 1)}
    assert high["HashKeyRange"] == {"StartingHashKey": MIDDLE, "EndingHashKey": str(2**128 - 1)}
    ends = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    assert all(int(child["SequenceNumberRange"]["StartingSequenceNumber"]) > ends for child in (low, high))
    put = kinesis.put_record(StreamName="orders", Data=b"after", PartitionKey="k", ExplicitHashKey=MIDDLE)
    assert put["ShardId"] == "shardId-000000000002"


def test_a_closed_shard_is_read_to_its_end_and_tells_its_children(kinesis: Any, streams: Streams) -> None:
    streams.create()
    streams.put("a", "b")
    kinesis.split_shard(StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    first = kinesis.get_records(ShardIterator=streams.iterator(), Limit=1)
    assert ([record["Data"] for record in first["Records"]], "ChildShards" in first) == ([b"a"], False)
    last = kinesis.get_records(ShardIterator=first["NextShardIterator"])
    assert [record["Data"] for record in last["Records"]] == [b"b"]
    assert last.get("NextShardIterator") is None
    assert [child["ShardId"] for child in last["ChildShards"]] == ["shardId-000000000001", "shardId-000000000002"]
    assert last["ChildShards"][0]["ParentShards"] == ["shardId-000000000000"]


def test_a_merge_makes_one_child_of_two_neighbours(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=3)
    kinesis.merge_shards(StreamName="orders", ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000000")
    child = streams.shards()[3]
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == ("shardId-000000000001", "shardId-000000000000")
    assert child["HashKeyRange"]["StartingHashKey"] == "0"
    assert [shard["ShardId"] for shard in streams.open()] == ["shardId-000000000002", "shardId-000000000003"]


def test_what_cannot_be_split_or_merged_is_refused(kinesis: Any, streams: Streams, account: str) -> None:
    streams.create(shards=3)
    first, last = "shardId-000000000000", "shardId-000000000002"
    code, message = refusal(kinesis.merge_shards, StreamName="orders", ShardToMerge=first, AdjacentShardToMerge=last)
    assert code == "InvalidArgumentException"
    assert (
        message
        == f"Shards {first} and {last} in stream orders under account {account} are not an adjacent pair of shards eligible for merging"
    )
    code, message = refusal(kinesis.split_shard, StreamName="orders", ShardToSplit=first, NewStartingHashKey="1")
    assert (code, "is not both greater than one plus the shard's StartingHashKey 0" in message) == ("InvalidArgumentException", True)
    unknown = refusal(kinesis.split_shard, StreamName="orders", ShardToSplit="shardId-000000000009", NewStartingHashKey="1")
    assert unknown == ("ResourceNotFoundException", f"Could not find shard shardId-000000000009 in stream orders under account {account}.")
    kinesis.split_shard(StreamName="orders", ShardToSplit=first, NewStartingHashKey="1000")
    code, message = refusal(kinesis.split_shard, StreamName="orders", ShardToSplit=first, NewStartingHashKey="2000")
    assert (code, "has already been merged or split" in message) == ("InvalidArgumentException", True)


@pytest.mark.parametrize(("have", "wanted"), [(1, 2), (2, 4), (4, 2), (3, 5), (5, 3), (2, 3), (3, 2), (4, 7)])
def test_scaling_ends_in_equal_shards_that_descend_from_those_before(kinesis: Any, streams: Streams, have: int, wanted: int) -> None:
    streams.create(shards=have)
    answer = kinesis.update_shard_count(StreamName="orders", TargetShardCount=wanted, ScalingType="UNIFORM_SCALING")
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (have, wanted)
    width = 2**128 // wanted
    ranges = sorted(int(shard["HashKeyRange"]["StartingHashKey"]) for shard in streams.open())
    assert ranges == [width * index for index in range(wanted)]
    by_id = {shard["ShardId"]: shard for shard in streams.shards()}
    for shard in by_id.values():
        for name in ("ParentShardId", "AdjacentParentShardId"):
            if name in shard:
                ended = by_id[shard[name]]["SequenceNumberRange"]["EndingSequenceNumber"]
                assert int(ended) < int(shard["SequenceNumberRange"]["StartingSequenceNumber"])


def test_scaling_has_its_limits(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create(shards=2)
    count = {"StreamName": "orders", "ScalingType": "UNIFORM_SCALING"}
    assert refusal(kinesis.update_shard_count, TargetShardCount=5, **count) == (
        "InvalidArgumentException",
        "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 2 Target shard count: 5",
    )
    kinesis.update_shard_count(TargetShardCount=4, **count)
    assert "cannot scale down below half" in refusal(kinesis.update_shard_count, TargetShardCount=1, **count)[1]
    for turn in range(9):
        kinesis.update_shard_count(TargetShardCount=3 + turn % 2, **count)
    assert refusal(kinesis.update_shard_count, TargetShardCount=4, **count)[0] == "LimitExceededException"
    clock.advance("25h")
    kinesis.update_shard_count(TargetShardCount=4, **count)


def test_an_on_demand_stream_is_not_resharded_by_hand(kinesis: Any, streams: Streams) -> None:
    streams.create(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    count = {"StreamName": "orders", "ScalingType": "UNIFORM_SCALING", "TargetShardCount": 5}
    assert refusal(kinesis.update_shard_count, **count)[0] == "ValidationException"
    assert (
        refusal(kinesis.split_shard, StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey="9")[0]
        == "ValidationException"
    )


def test_shards_are_listed_by_filter(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    clock.advance("1h")
    middle_s = clock.now_s()
    clock.advance("1h")
    kinesis.split_shard(StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    clock.advance("1h")

    def listed(kind: str, **options: Any) -> list[int]:
        return [int(shard["ShardId"][8:]) for shard in streams.shards(ShardFilter={"Type": kind, **options})]

    assert listed("AT_LATEST") == [1, 2]
    assert listed("AT_TRIM_HORIZON") == [0]
    assert listed("FROM_TRIM_HORIZON") == [0, 1, 2]
    assert listed("AT_TIMESTAMP", Timestamp=middle_s) == [0]
    assert listed("FROM_TIMESTAMP", Timestamp=clock.now_s()) == [1, 2]
    assert listed("AFTER_SHARD_ID", ShardId="shardId-000000000000") == [1, 2]
    assert refusal(kinesis.list_shards, StreamName="orders", ShardFilter={"Type": "AT_TIMESTAMP"})[0] == "InvalidArgumentException"
    assert (
        refusal(kinesis.list_shards, StreamName="orders", ShardFilter={"Type": "AT_LATEST", "ShardId": "s"})[0]
        == "InvalidArgumentException"
    )


def test_a_listing_goes_on_by_its_token_alone(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create(shards=3)
    page = kinesis.list_shards(StreamName="orders", MaxResults=2)
    assert [shard["ShardId"][-1] for shard in page["Shards"]] == ["0", "1"]
    assert [shard["ShardId"][-1] for shard in kinesis.list_shards(NextToken=page["NextToken"])["Shards"]] == ["2"]
    assert refusal(kinesis.list_shards, StreamName="orders", NextToken=page["NextToken"]) == (
        "InvalidArgumentException",
        "NextToken and StreamName cannot be provided together.",
    )
    clock.advance("6m")
    assert refusal(kinesis.list_shards, NextToken=page["NextToken"])[0] == "ExpiredNextTokenException"


def test_a_closed_shard_is_gone_with_its_last_record(kinesis: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    streams.put("a")
    kinesis.split_shard(StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    clock.advance("23h")
    assert len(streams.shards()) == 3
    clock.advance("2h")
    assert [shard["ShardId"][-1] for shard in streams.shards()] == ["1", "2"]
    assert all("ParentShardId" not in shard for shard in streams.shards())
