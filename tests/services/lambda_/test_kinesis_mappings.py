"""Event source mappings of Kinesis streams and their consumers: the event, order, resharding, retries, and what is left after a kill."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role

RIGHTS = {
    "Effect": "Allow",
    "Action": [
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:DescribeStream",
        "kinesis:ListShards",
        "kinesis:SubscribeToShard",
        "sqs:SendMessage",
    ],
    "Resource": "*",
}
NOTE = """
    import base64, boto3, json, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
        bad = [r for r in event["Records"] if base64.b64decode(r["kinesis"]["data"]).startswith(b"bad")]
        if bad and not os.environ.get("PARTIAL"):
            raise ValueError("bad record")
        return {"batchItemFailures": [{"itemIdentifier": r["kinesis"]["sequenceNumber"]} for r in bad[:1]]}
"""
HALF = str(2**127)


class Source:
    """A stream, a function that reads it, and a queue in which its events are seen."""

    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.lambda_, self.sqs, self.kinesis, self.clock = client("lambda"), client("sqs"), client("kinesis"), clock
        self.role = make_role(client("iam"), "reader", RIGHTS)
        self.seen_url = self.sqs.create_queue(QueueName="seen")["QueueUrl"]
        self.kinesis.create_stream(StreamName="clicks", ShardCount=1)
        self.arn = self.kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
        self.mapping_id = ""

    def connect(self, partial: bool = False, position: str = "TRIM_HORIZON", source: str = "", **options: Any) -> None:
        environment = {"SEEN": self.seen_url, **({"PARTIAL": "1"} if partial else {})}
        self.name = make_function(self.lambda_, self.role, options.pop("code", NOTE), Environment={"Variables": environment})
        if partial:
            options["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
        made = self.lambda_.create_event_source_mapping(
            FunctionName=self.name, EventSourceArn=source or self.arn, StartingPosition=position, **options
        )
        self.mapping_id = made["UUID"]

    def put(self, *texts: str, key: str = "k", **options: Any) -> None:
        for text in texts:
            self.kinesis.put_record(StreamName="clicks", Data=text.encode(), PartitionKey=key, **options)

    def events(self) -> list[dict[str, Any]]:
        self.clock.settle()
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.seen_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.seen_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    def seen(self) -> list[list[str]]:
        """The texts of each invocation so far; each is seen once."""
        return [[text_of(record) for record in event["Records"]] for event in self.events()]


def text_of(record: dict[str, Any]) -> str:
    return base64.b64decode(record["kinesis"]["data"]).decode()


@pytest.fixture
def source(client: Callable[..., Any], clock: Any) -> Any:
    made = Source(client, clock)
    yield made
    if made.mapping_id:
        made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


def test_a_record_reaches_the_function_in_the_form_of_aws(source: Source) -> None:
    source.connect()
    put = source.kinesis.put_record(StreamName="clicks", Data=b"Hello, this is a test.", PartitionKey="1")
    ((record,),) = [event["Records"] for event in source.events()]
    arrived_s = record["kinesis"].pop("approximateArrivalTimestamp")
    assert isinstance(arrived_s, float) and abs(arrived_s - source.clock.now_s()) < 60
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "1",
            "sequenceNumber": put["SequenceNumber"],
            "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{put['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": source.role,
        "awsRegion": "us-east-1",
        "eventSourceARN": source.arn,
    }


def test_records_come_in_order_and_once(source: Source) -> None:
    source.connect(BatchSize=4)
    texts = [f"{number:02d}" for number in range(30)]
    source.put(*texts)
    batches = source.seen()
    assert [one for batch in batches for one in batch] == texts
    assert all(len(batch) <= 4 for batch in batches)
    assert source.lambda_.get_event_source_mapping(UUID=source.mapping_id)["LastProcessingResult"] == "OK"


def test_positions_are_the_horizon_the_latest_and_a_moment(source: Source) -> None:
    source.put("before")
    source.clock.advance("10s")
    moment_s = source.clock.now_s()
    source.clock.advance("10s")
    source.put("between")
    source.connect(position="AT_TIMESTAMP", StartingPositionTimestamp=moment_s)
    assert source.seen() == [["between"]]
    source.lambda_.delete_event_source_mapping(UUID=source.mapping_id)
    source.connect(position="LATEST")
    source.clock.settle()
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=False)
    source.clock.advance("1s")
    source.put("meanwhile")
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=True)
    assert source.seen() == [["meanwhile"]]


def test_a_split_and_a_merge_keep_the_order_of_parents_before_children(source: Source) -> None:
    source.put("parent")
    source.kinesis.split_shard(StreamName="clicks", ShardToSplit="shardId-000000000000", NewStartingHashKey=HALF)
    source.put("low", ExplicitHashKey="1")
    source.put("high", ExplicitHashKey=HALF)
    source.kinesis.merge_shards(StreamName="clicks", ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002")
    source.put("merged")
    source.connect()
    found = [one for batch in source.seen() for one in batch]
    assert (found[0], sorted(found[1:3]), found[3]) == ("parent", ["high", "low"], "merged")
    source.kinesis.split_shard(StreamName="clicks", ShardToSplit="shardId-000000000003", NewStartingHashKey=HALF)
    source.put("grandchild")
    assert source.seen() == [["grandchild"]]


def test_a_failing_batch_holds_its_shard_until_its_retries_are_used_up(source: Source) -> None:
    url = source.sqs.create_queue(QueueName="failed")["QueueUrl"]
    queue_arn = source.arn.replace("kinesis", "sqs").split(":stream/")[0] + ":failed"
    source.connect(BatchSize=1, MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": queue_arn}})
    source.put("bad", "good")
    source.clock.advance("1m")
    assert source.seen() == [["bad"], ["bad"], ["bad"], ["good"]]
    (message,) = source.sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    place = record["KinesisBatchInfo"]
    assert (place["streamArn"], place["batchSize"], place["shardId"]) == (source.arn, 1, "shardId-000000000000")
    assert place["startSequenceNumber"] == place["endSequenceNumber"]
    assert place["approximateArrivalOfFirstRecord"][-5] == "." and place["approximateArrivalOfFirstRecord"].endswith("Z")


def test_records_that_are_too_old_are_dropped_untried_and_told_of(source: Source) -> None:
    url = source.sqs.create_queue(QueueName="failed")["QueueUrl"]
    queue_arn = source.arn.replace("kinesis", "sqs").split(":stream/")[0] + ":failed"
    source.put("old", "older")
    source.clock.advance("2m")
    source.put("new")
    source.connect(MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": queue_arn}})
    assert source.seen() == [["new"]]
    (message,) = source.sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert (record["requestContext"]["condition"], record["KinesisBatchInfo"]["batchSize"]) == ("MaximumRecordAgeExceeded", 2)


def test_a_batch_is_halved_until_the_bad_record_stands_alone(source: Source) -> None:
    source.connect(BatchSize=4, MaximumBatchingWindowInSeconds=1, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
    source.put("1", "2", "bad", "4")
    source.clock.advance("1m")
    assert source.seen() == [["1", "2", "bad", "4"], ["1", "2"], ["bad", "4"], ["bad"], ["bad"], ["4"]]


def test_a_partial_answer_goes_on_at_the_record_that_failed(source: Source) -> None:
    source.connect(partial=True, BatchSize=4, MaximumBatchingWindowInSeconds=1, MaximumRetryAttempts=1)
    source.put("1", "2", "bad", "4")
    source.clock.advance("1m")
    assert source.seen() == [["1", "2", "bad", "4"], ["bad", "4"]]


def test_filters_look_into_the_decoded_data_and_at_the_key(source: Source) -> None:
    patterns = [{"data": {"kind": ["order"], "price": [{"numeric": [">", 10]}]}}, {"partitionKey": ["always"]}]
    source.connect(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]})
    texts = [json.dumps({"kind": "order", "price": price}) for price in (5, 50)]
    source.put(*texts, "no JSON")
    source.put("whatever", key="always")
    assert [one for batch in source.seen() for one in batch] == [texts[1], "whatever"]


def test_each_key_keeps_its_order_when_batches_run_in_parallel(source: Source) -> None:
    source.connect(ParallelizationFactor=4, BatchSize=2)
    entries = [{"Data": f"{key}{number}".encode(), "PartitionKey": key} for number in range(6) for key in "abcd"]
    source.kinesis.put_records(StreamName="clicks", Records=entries)
    batches = source.seen()
    assert all(len(batch) <= 2 for batch in batches)
    found: dict[str, list[str]] = {}
    for batch in batches:
        for text in batch:
            found.setdefault(text[0], []).append(text[1:])
    # The queue in which they are seen is in order of receiving, which is that of sending within a lane.
    assert {key: sorted(numbers) for key, numbers in found.items()} == {key: list("012345") for key in "abcd"}


SUM = """
    import boto3, json, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        state = {"count": event["state"].get("count", 0) + len(event["Records"])}
        if event["isFinalInvokeForWindow"]:
            sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
        return {"state": state}
"""


def test_a_tumbling_window_sums_up_over_invocations(source: Source) -> None:
    source.connect(code=SUM, BatchSize=2, TumblingWindowInSeconds=900)
    source.clock.advance(f"{int(900 - source.clock.now_s() % 900) + 1}s")
    source.put("a", "b", "c")
    source.clock.advance("15m")
    (final,) = source.events()
    assert (final["state"]["count"], final["Records"], final["shardId"]) == (3, [], "shardId-000000000000")


def test_a_consumer_is_pushed_its_records_and_subscribes_again(source: Source) -> None:
    made = source.kinesis.register_stream_consumer(StreamARN=source.arn, ConsumerName="reader")["Consumer"]
    source.put("before")
    source.connect(source=made["ConsumerARN"], BatchSize=2)
    source.put("a", "b", "c")
    events = source.events()
    assert [text_of(record) for event in events for record in event["Records"]] == ["before", "a", "b", "c"]
    assert {record["eventSourceARN"] for event in events for record in event["Records"]} == {made["ConsumerARN"]}
    source.clock.advance("11m")
    source.put("later")
    assert source.seen() == [["later"]]
    source.kinesis.split_shard(StreamName="clicks", ShardToSplit="shardId-000000000000", NewStartingHashKey=HALF)
    source.put("child")
    assert source.seen() == [["child"]]


def test_a_stream_may_be_called_consumer(source: Source) -> None:
    source.kinesis.create_stream(StreamName="consumer", ShardCount=1)
    arn = source.arn.replace("clicks", "consumer")
    made = source.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="consumer")["Consumer"]
    source.connect(source=made["ConsumerARN"])
    source.kinesis.put_record(StreamName="consumer", Data=b"a", PartitionKey="k")
    assert source.seen() == [["a"]]


def test_a_mapping_that_is_switched_on_again_goes_on_where_it_was(source: Source) -> None:
    source.connect()
    source.put("a")
    assert source.seen() == [["a"]]
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=False)
    source.put("b")
    assert source.seen() == []
    source.clock.advance("1h")
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=True)
    assert source.seen() == [["b"]]


def test_a_mapping_waits_for_a_function_that_is_deleted_and_made_again(source: Source) -> None:
    source.connect()
    source.put("a")
    assert source.seen() == [["a"]]
    source.lambda_.delete_function(FunctionName=source.name)
    source.put("b")
    source.clock.advance("1m")
    assert source.lambda_.get_event_source_mapping(UUID=source.mapping_id)["LastProcessingResult"].startswith("PROBLEM: ")
    make_function(source.lambda_, source.role, NOTE, FunctionName=source.name, Environment={"Variables": {"SEEN": source.seen_url}})
    source.clock.advance("6m")
    assert source.seen()[-1] == ["b"]


def test_a_quiet_stream_is_followed_past_the_life_of_its_iterators(source: Source) -> None:
    source.connect()
    source.clock.advance("31m")
    source.put("a")
    assert source.seen() == [["a"]]


def test_a_throttled_stream_is_read_more_slowly(source: Source) -> None:
    source.kinesis.add_tags_to_stream(StreamName="clicks", Tags={"groundcloud:throttling": "on"})
    source.connect(BatchSize=1)
    texts = [str(number) for number in range(12)]
    source.put(*texts)
    source.clock.advance("10s")
    assert [one for batch in source.seen() for one in batch] == texts


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "Value null at 'startingPosition'"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp must be set"),
        ({"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 4e9}, "StartingPositionTimestamp cannot be in the future"),
        ({"StartingPosition": "LATEST", "StartingPositionTimestamp": 1e9}, "only valid when StartingPosition is AT_TIMESTAMP"),
        ({"StartingPosition": "LATEST", "TumblingWindowInSeconds": 10, "ParallelizationFactor": 2}, "ParallelizationFactor must be 1"),
        ({"StartingPosition": "LATEST", "BatchSize": 10_000, "ScalingConfig": {"MaximumConcurrency": 2}}, "does not support ScalingConfig"),
    ],
)
def test_what_a_mapping_must_keep_to(source: Source, options: dict[str, Any], sentence: str) -> None:
    name = make_function(source.lambda_, source.role, NOTE)
    with pytest.raises(ClientError, match=sentence):
        source.lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=source.arn, **options)


def test_the_role_must_be_let_in_and_the_stream_be_there(source: Source, client: Callable[..., Any]) -> None:
    powerless = make_function(source.lambda_, make_role(client("iam"), "powerless"), NOTE)
    name = make_function(source.lambda_, source.role, NOTE)
    for function, arn, sentence in (
        (
            powerless,
            source.arn,
            "Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams",
        ),
        (powerless, f"{source.arn}/consumer/c:1", "Please ensure the role can perform the SubscribeToShard"),
        (name, source.arn.replace("clicks", "nothing"), "Stream not found"),
    ):
        with pytest.raises(ClientError, match=sentence):
            source.lambda_.create_event_source_mapping(FunctionName=function, EventSourceArn=arn, StartingPosition="LATEST")


@pytest.mark.slow
def test_the_checkpoint_survives_a_kill(process: Any) -> None:
    source = Source(process.client, process)
    source.connect(BatchSize=5)
    first = [f"{number:02d}" for number in range(20)]
    source.put(*first)
    assert [one for batch in source.seen() for one in batch] == first
    mapping_id = source.mapping_id
    process.kill()
    process.start()
    source.lambda_, source.sqs, source.kinesis = process.client("lambda"), process.client("sqs"), process.client("kinesis")
    source.seen_url = source.sqs.get_queue_url(QueueName="seen")["QueueUrl"]
    source.put("after")
    process.advance("5s")
    assert source.lambda_.get_event_source_mapping(UUID=mapping_id)["State"] == "Enabled"
    assert [one for batch in source.seen() for one in batch][-1] == "after"


@pytest.mark.parametrize(("retention_h", "passes"), [(24, True), (48, False)])
def test_a_batch_that_never_succeeds_ends_when_its_records_have_left_the_stream(
    source: Source, client: Callable[..., Any], retention_h: int, passes: bool
) -> None:
    rights = {**RIGHTS, "Action": [*RIGHTS["Action"], "kinesis:DescribeStreamSummary"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": rights})
    client("iam").put_role_policy(RoleName="reader", PolicyName="retention", PolicyDocument=policy)
    if retention_h > 24:
        source.kinesis.increase_stream_retention_period(StreamName="clicks", RetentionPeriodHours=retention_h)
    source.connect(BatchSize=1)
    source.put("bad")
    assert source.seen() == [["bad"]]
    # The day passes without tries, but for its last minutes.
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=False)
    source.clock.advance("23h58m")
    source.lambda_.update_event_source_mapping(UUID=source.mapping_id, Enabled=True)
    source.put("good")
    source.clock.advance("1m")
    assert set(map(tuple, source.seen())) == {("bad",)}
    source.clock.advance("2m")
    assert (["good"] in source.seen()) is passes


def test_a_batching_window_ends_once_a_payload_is_whole(source: Source) -> None:
    code = """
        import boto3, json, os
        def handler(event, context):
            message = json.dumps({"Records": [{"count": len(event["Records"])}]})
            boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=message)
    """
    source.connect(code=code, BatchSize=10_000, MaximumBatchingWindowInSeconds=300)
    for _ in range(6):
        source.kinesis.put_record(StreamName="clicks", Data=b"x" * 900_000, PartitionKey="k")
    assert sum(event["Records"][0]["count"] for event in source.events()) >= 5
