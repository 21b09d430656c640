"""ParallelizationFactor: a key that is stuck or slow holds up no other key of its shard, each key keeps its order, and what is done with stays so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.lambda_.conftest import make_function
from tests.services.lambda_.test_kinesis_mappings import HALF, NOTE, Source, text_of
from tests.services.lambda_.test_stream_mappings import Stream

from groundcloud.services.lambda_ import stream_lanes
from groundcloud.services.lambda_.state import Checkpoint
from groundcloud.services.lambda_.stream_lanes import READ_AHEAD_BYTES_MAX, Lanes, _hash, is_done
from groundcloud.services.lambda_.stream_sources import Item

SLOW = """
    import base64, boto3, json, os, random, time
    sqs = boto3.client("sqs")
    def handler(event, context):
        time.sleep(random.random() * 0.05)
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
"""


def lane_of(key: str, count: int) -> int:
    return _hash(key) % count


def keys_of_lanes(count: int) -> list[str]:
    """A key for each lane."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < count:
        found.setdefault(lane_of(f"key{number}", count), f"key{number}")
        number += 1
    return [found[lane] for lane in range(count)]


STUCK, FREE, OTHER = keys_of_lanes(3)


@pytest.fixture
def source(client: Callable[..., Any], clock: Any) -> Any:
    made = Source(client, clock)
    yield made
    if made.mapping_id:
        made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


@pytest.fixture
def stream(client: Callable[..., Any], clock: Any) -> Any:
    made = Stream(client, clock)
    yield made
    made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


def by_key(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        for record in event["Records"]:
            found.setdefault(record["kinesis"]["partitionKey"], []).append(text_of(record))
    return found


def put_bad_first(source: Source, count: int) -> list[str]:
    """A record that fails, one after it of the same key, and `count` of each of two other keys."""
    source.put("bad", "behind", key=STUCK)
    texts = [f"{number:02d}" for number in range(count)]
    entries = [{"Data": text.encode(), "PartitionKey": key} for text in texts for key in (FREE, OTHER)]
    source.kinesis.put_records(StreamName="clicks", Records=entries)
    return texts


def test_a_key_that_always_fails_holds_up_no_other(source: Source) -> None:
    source.connect(ParallelizationFactor=3, BatchSize=1)
    texts = put_bad_first(source, 15)
    found = by_key(source.events())
    assert set(found.pop(STUCK)) == {"bad"}
    assert found == {FREE: texts, OTHER: texts}
    source.put("later", key=FREE)
    source.clock.advance("10m")
    found = by_key(source.events())
    assert set(found.pop(STUCK)) == {"bad"}
    assert found == {FREE: ["later"]}


def test_an_item_of_a_table_that_always_fails_holds_up_no_other(stream: Stream) -> None:
    stream.connect(ParallelizationFactor=10, BatchSize=1)
    lane = lane_of(json.dumps({"id": {"S": "bad"}}), 10)
    ids = [str(number) for number in range(40) if lane_of(json.dumps({"id": {"S": str(number)}}), 10) != lane]
    stream.put("bad", *ids)
    found = [one for batch in stream.seen() for one in batch]
    assert sorted(one for one in found if one != "bad") == sorted(ids)


def test_what_a_stuck_key_waits_for_ends_with_its_retries_and_its_destination_is_told(source: Source) -> None:
    url = source.sqs.create_queue(QueueName="failed")["QueueUrl"]
    queue_arn = source.arn.replace("kinesis", "sqs").split(":stream/")[0] + ":failed"
    source.connect(
        ParallelizationFactor=3, BatchSize=1, MaximumRetryAttempts=4, DestinationConfig={"OnFailure": {"Destination": queue_arn}}
    )
    texts = put_bad_first(source, 3)
    found = by_key(source.events())
    assert set(found.pop(STUCK)) == {"bad"} and found == {FREE: texts, OTHER: texts}
    source.clock.advance("1m")
    assert by_key(source.events())[STUCK][-2:] == ["bad", "behind"]
    (message,) = source.sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert (record["requestContext"]["approximateInvokeCount"], record["KinesisBatchInfo"]["batchSize"]) == (5, 1)


def test_halving_goes_on_within_a_lane(source: Source) -> None:
    source.connect(
        ParallelizationFactor=3, BatchSize=4, MaximumBatchingWindowInSeconds=5, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True
    )
    source.put("1", "2", "bad", "4", key=STUCK)
    source.put("a", key=FREE)
    source.clock.advance("1m")
    batches = source.seen()
    assert ["a"] in batches
    batches.remove(["a"])
    assert batches == [["1", "2", "bad", "4"], ["1", "2"], ["bad", "4"], ["bad"], ["bad"], ["4"]]


def test_a_partial_answer_goes_on_within_a_lane(source: Source) -> None:
    source.connect(partial=True, ParallelizationFactor=3, BatchSize=3, MaximumBatchingWindowInSeconds=5, MaximumRetryAttempts=1)
    source.put("1", "bad", "3", key=STUCK)
    source.clock.advance("1m")
    assert source.seen() == [["1", "bad", "3"], ["bad", "3"]]


def test_each_lane_has_a_batching_window_of_its_own(source: Source) -> None:
    source.connect(ParallelizationFactor=3, BatchSize=3, MaximumBatchingWindowInSeconds=60)
    source.put("1", key=FREE)
    source.clock.advance("40s")
    source.put("a", "b", "c", "d", key=OTHER)
    assert source.seen() == [["a", "b", "c"]]
    source.put("2", key=FREE)
    source.clock.advance("21s")
    assert source.seen() == [["1", "2"]]
    source.clock.advance("40s")
    assert source.seen() == [["d"]]


def test_filters_drop_records_before_the_lanes(source: Source) -> None:
    criteria = {"Filters": [{"Pattern": json.dumps({"partitionKey": [FREE, STUCK]})}]}
    source.connect(ParallelizationFactor=3, BatchSize=1, FilterCriteria=criteria)
    texts = put_bad_first(source, 5)
    found = by_key(source.events())
    assert set(found.pop(STUCK)) == {"bad"}
    assert found == {FREE: texts}


def test_a_shard_ends_once_its_last_lane_is_done(source: Source) -> None:
    source.connect(ParallelizationFactor=3, BatchSize=1, MaximumRetryAttempts=5)
    texts = put_bad_first(source, 3)
    source.kinesis.split_shard(StreamName="clicks", ShardToSplit="shardId-000000000000", NewStartingHashKey=HALF)
    source.put("child", key=FREE)
    assert by_key(source.events())[FREE] == texts
    source.clock.advance("2m")
    found = by_key(source.events())
    assert found[STUCK][-1] == "behind" and found[FREE] == ["child"]


@pytest.mark.parametrize("factor", [3, 5, 1])
def test_what_quick_lanes_have_done_is_not_done_again_after_a_change(source: Source, factor: int) -> None:
    source.connect(ParallelizationFactor=3, BatchSize=2)
    texts = put_bad_first(source, 10)
    assert by_key(source.events())[FREE] == texts
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=False)
    source.put("meanwhile", key=FREE)
    assert source.events() == []
    environment = {"Variables": {"SEEN": source.seen_url, "PARTIAL": "1"}}
    source.lambda_.update_function_configuration(FunctionName=source.name, Environment=environment)
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=True, ParallelizationFactor=factor)
    assert by_key(source.events()) == {STUCK: ["bad", "behind"], FREE: ["meanwhile"]}


def test_a_mapping_is_deleted_while_a_lane_is_stuck(source: Source) -> None:
    source.connect(ParallelizationFactor=3, BatchSize=1)
    put_bad_first(source, 2)
    assert source.events()
    source.lambda_.delete_event_source_mapping(UUID=source.mapping_id)
    source.mapping_id = ""
    source.events()
    source.put("later", key=FREE)
    source.clock.advance("10m")
    assert source.events() == []


def test_lanes_wait_for_a_function_that_is_deleted_and_made_again(source: Source) -> None:
    source.connect(ParallelizationFactor=3, BatchSize=1)
    source.put("a", key=FREE)
    assert source.seen() == [["a"]]
    source.lambda_.delete_function(FunctionName=source.name)
    source.put("b", key=FREE)
    source.put("c", key=OTHER)
    source.clock.advance("1m")
    environment = {"Variables": {"SEEN": source.seen_url}}
    make_function(source.lambda_, source.role, NOTE, FunctionName=source.name, Environment=environment)
    source.clock.advance("11m")
    assert by_key(source.events()) == {FREE: ["b"], OTHER: ["c"]}


def test_reading_waits_while_memory_is_full_and_goes_on_after_its_iterator_has_expired(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_lanes, "READ_AHEAD_BYTES_MAX", 10_000)
    source.connect(ParallelizationFactor=3, BatchSize=1, MaximumRetryAttempts=13)
    behind = [f"{number:02d}" for number in range(20)]
    entries = [{"Data": text.encode(), "PartitionKey": STUCK} for text in ["bad", *behind]]
    source.kinesis.put_records(StreamName="clicks", Records=entries)
    source.put("waits", key=FREE)
    assert by_key(source.events()) == {STUCK: ["bad"]}
    source.clock.advance("7m")
    assert by_key(source.events()) == {STUCK: ["bad"] * 11}
    source.clock.advance("3m")
    assert by_key(source.events()) == {STUCK: ["bad", "bad", *behind], FREE: ["waits"]}


def test_a_consumer_has_lanes_too(source: Source) -> None:
    made = source.kinesis.register_stream_consumer(StreamARN=source.arn, ConsumerName="reader")["Consumer"]
    source.connect(source=made["ConsumerARN"], ParallelizationFactor=3, BatchSize=1)
    texts = put_bad_first(source, 5)
    source.clock.advance("6m")
    source.put("later", key=FREE)
    found = by_key(source.events())
    assert set(found.pop(STUCK)) == {"bad"}
    assert found == {FREE: [*texts, "later"], OTHER: texts}


@pytest.mark.slow
def test_each_key_keeps_its_order_while_batches_take_their_time(source: Source) -> None:
    source.connect(code=SLOW, ParallelizationFactor=10, BatchSize=3)
    keys = [f"key{number}" for number in range(12)]
    for at in range(0, 20, 10):
        entries = [{"Data": f"{number:02d}".encode(), "PartitionKey": key} for number in range(at, at + 10) for key in keys]
        source.kinesis.put_records(StreamName="clicks", Records=entries)
    found = by_key(source.events())
    assert found == {key: [f"{number:02d}" for number in range(20)] for key in keys}


@pytest.mark.slow
def test_after_a_kill_quick_lanes_go_on_and_the_stuck_one_is_tried_again(process: Any) -> None:
    source = Source(process.client, process)
    source.connect(ParallelizationFactor=3, BatchSize=1)
    texts = put_bad_first(source, 10)
    assert by_key(source.events())[FREE] == texts
    process.kill()
    process.start()
    source.lambda_, source.sqs, source.kinesis = process.client("lambda"), process.client("sqs"), process.client("kinesis")
    source.seen_url = source.sqs.get_queue_url(QueueName="seen")["QueueUrl"]
    source.put("after", key=FREE)
    process.advance("5s")
    found = by_key(source.events())
    assert set(found[STUCK]) == {"bad"} and found[FREE] == ["after"] and OTHER not in found


# What is read and not done with


def item(number: int, size_bytes: int = 1) -> Item:
    return Item(str(number), 0, size_bytes, {})


def checkpoint(lanes: Lanes) -> Checkpoint:
    number, done = lanes.checkpoint()
    return Checkpoint(mapping_id="m", shard_id="s", sequence_number=number, lanes=done)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 5), st.integers(1, 3), st.lists(st.integers(0, 7), max_size=40), st.data())
def test_after_any_interruption_nothing_is_lost_and_nothing_that_was_done_comes_again(
    count: int, batch_size: int, keys: list[int], data: st.DataObject
) -> None:
    handled: list[int] = []
    known = None
    while len(handled) < len(keys):
        lanes = Lanes(count, batch_size, known)
        read = at = int(lanes.last or 0)
        assert set(range(1, at + 1)) <= set(handled)
        for _ in range(data.draw(st.integers(1, 30))):
            ready = [lane for lane in lanes.lanes if lane.entries]
            if read < len(keys) and (not ready or data.draw(st.booleans())):
                read += 1
                lanes.add(item(read), str(keys[read - 1]), 0)
            elif ready:
                lane = data.draw(st.sampled_from(ready))
                batch = lanes.take(lane)
                assert 1 <= len(batch) <= batch_size
                lanes.finish(lane)
                handled += [int(one.number) for one in batch]
            known = checkpoint(lanes)
    assert sorted(handled) == list(range(1, len(keys) + 1))
    for key in set(keys):
        own = [number for number in handled if keys[number - 1] == key]
        assert own == sorted(own)


def test_what_a_quick_lane_did_before_two_restarts_does_not_come_again() -> None:
    first, second = keys_of_lanes(2)
    lanes = Lanes(2, 1, None)
    lanes.add(item(1), second, 0)
    lanes.add(item(2), first, 0)
    lanes.take(lanes.lanes[0])
    lanes.finish(lanes.lanes[0])
    lanes = Lanes(2, 1, checkpoint(lanes))
    lanes.add(item(1), second, 0)
    lanes.take(lanes.lanes[1])
    lanes.finish(lanes.lanes[1])
    lanes = Lanes(2, 1, checkpoint(lanes))
    assert lanes.last == "1"
    lanes.add(item(2), first, 0)
    assert lanes.is_empty() and lanes.checkpoint() == ("2", ())


def test_reading_goes_on_while_a_lane_is_free_and_memory_is_left() -> None:
    lanes = Lanes(2, 1, None)
    first, second = keys_of_lanes(2)
    assert lanes.has_room()
    lanes.add(item(1, READ_AHEAD_BYTES_MAX // 2), first, 0)
    lanes.add(item(2, 1), second, 0)
    assert not lanes.has_room()  # each has a batch that waits
    lanes.take(lanes.lanes[1])
    assert lanes.has_room()
    lanes.finish(lanes.lanes[1])
    lanes.add(item(3, READ_AHEAD_BYTES_MAX), first, 0)
    assert not lanes.has_room()  # that is all the memory
    lanes.take(lanes.lanes[0])
    lanes.finish(lanes.lanes[0])
    lanes.take(lanes.lanes[0])
    lanes.finish(lanes.lanes[0])
    assert lanes.has_room() and lanes.is_empty() and lanes.held_bytes == 0
    assert lanes.checkpoint() == ("3", ())


def test_a_number_is_compared_as_a_number() -> None:
    done = ("99", "")
    first, second = keys_of_lanes(2)
    assert is_done(done, first, "99") and is_done(done, first, "9") and not is_done(done, first, "100")
    assert not is_done(done, second, "1") and not is_done((), first, "1")
