"""Event source mappings of DynamoDB streams: order, retries, what is given up, and what is left after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role

RIGHTS = {
    "Effect": "Allow",
    "Action": ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams", "sqs:SendMessage"],
    "Resource": "*",
}
NOTE = """
    import boto3, json, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
        bad = [r for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"].startswith("bad")]
        if bad and not os.environ.get("PARTIAL"):
            raise ValueError("bad record")
        return {"batchItemFailures": [{"itemIdentifier": r["dynamodb"]["SequenceNumber"]} for r in bad[:1]]}
"""


class Stream:
    """A table with a stream, a function that reads it, and a queue in which its events are seen."""

    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.lambda_, self.sqs, self.dynamodb, self.clock = client("lambda"), client("sqs"), client("dynamodb"), clock
        self.role = make_role(client("iam"), "reader", RIGHTS)
        self.seen_url = self.sqs.create_queue(QueueName="seen")["QueueUrl"]
        table = self.dynamodb.create_table(
            TableName="things",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.arn = table["TableDescription"]["LatestStreamArn"]
        self.mapping_id = ""

    def connect(self, partial: bool = False, position: str = "TRIM_HORIZON", **options: Any) -> None:
        environment = {"SEEN": self.seen_url, **({"PARTIAL": "1"} if partial else {})}
        self.name = make_function(self.lambda_, self.role, NOTE, Environment={"Variables": environment})
        if partial:
            options["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
        made = self.lambda_.create_event_source_mapping(
            FunctionName=self.name, EventSourceArn=self.arn, StartingPosition=position, **options
        )
        self.mapping_id = made["UUID"]

    def put(self, *ids: str) -> None:
        for one in ids:
            self.dynamodb.put_item(TableName="things", Item={"id": {"S": one}})

    def seen(self) -> list[list[str]]:
        """The ids of each invocation's records so far; each is seen once."""
        return [[record["dynamodb"]["Keys"]["id"]["S"] for record in records] for records in self.records()]

    def records(self) -> list[list[dict[str, Any]]]:
        self.clock.settle()
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.seen_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.seen_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"])["Records"])
        return found


@pytest.fixture
def stream(client: Callable[..., Any], clock: Any) -> Any:
    made = Stream(client, clock)
    yield made
    if made.mapping_id:
        made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


def test_a_change_reaches_the_function_in_the_form_of_aws(stream: Stream) -> None:
    stream.connect()
    stream.put("a")
    ((record,),) = stream.records()
    assert record["eventName"] == "INSERT"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["eventSourceARN"] == stream.arn
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "a"}}
    assert {"eventID", "eventVersion", "awsRegion"} <= set(record)


def test_a_deletion_by_time_to_live_names_the_service_in_lower_case(stream: Stream) -> None:
    stream.dynamodb.update_time_to_live(TableName="things", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True})
    stream.connect()
    due_s = int(stream.clock.now_s()) + 60
    stream.dynamodb.put_item(TableName="things", Item={"id": {"S": "a"}, "ttl": {"N": str(due_s)}})
    stream.clock.advance("5m")
    *_, record = [record for records in stream.records() for record in records]
    assert (record["eventName"], record["userIdentity"]) == ("REMOVE", {"principalId": "dynamodb.amazonaws.com", "type": "Service"})


def test_records_come_in_order_and_once(stream: Stream) -> None:
    stream.connect(BatchSize=4)
    ids = [f"{number:02d}" for number in range(30)]
    stream.put(*ids)
    batches = stream.seen()
    assert [one for batch in batches for one in batch] == ids
    assert all(len(batch) <= 4 for batch in batches)
    assert stream.lambda_.get_event_source_mapping(UUID=stream.mapping_id)["LastProcessingResult"] == "OK"


def test_what_was_written_before_is_read_from_the_horizon_and_not_from_the_latest(stream: Stream) -> None:
    stream.put("before")
    stream.connect(position="LATEST")
    stream.clock.settle()
    stream.put("after")
    assert stream.seen() == [["after"]]


def test_the_latest_is_where_the_mapping_began_even_if_it_is_interrupted_before_a_first_record(stream: Stream) -> None:
    stream.put("before")
    stream.clock.advance("2s")
    stream.connect(position="LATEST")
    stream.clock.settle()
    stream.lambda_.update_event_source_mapping(UUID=stream.mapping_id, Enabled=False)
    stream.put("meanwhile")
    stream.lambda_.update_event_source_mapping(UUID=stream.mapping_id, Enabled=True)
    assert stream.seen() == [["meanwhile"]]


def test_a_mapping_that_is_switched_on_again_goes_on_where_it_was(stream: Stream) -> None:
    stream.connect()
    stream.put("a")
    assert stream.seen() == [["a"]]
    stream.lambda_.update_event_source_mapping(UUID=stream.mapping_id, Enabled=False)
    stream.put("b")
    assert stream.seen() == []
    stream.lambda_.update_event_source_mapping(UUID=stream.mapping_id, Enabled=True)
    assert stream.seen() == [["b"]]


def test_a_failing_batch_holds_its_shard_until_its_retries_are_used_up(stream: Stream) -> None:
    url = stream.sqs.create_queue(QueueName="failed")["QueueUrl"]
    queue_arn = stream.arn.replace("dynamodb", "sqs").split(":table/")[0] + ":failed"
    stream.connect(BatchSize=1, MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": queue_arn}})
    stream.put("bad", "good")
    stream.clock.advance("1m")
    assert stream.seen() == [["bad"], ["bad"], ["bad"], ["good"]]
    (message,) = stream.sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled"
    place = record["DDBStreamBatchInfo"]
    assert (place["streamArn"], place["batchSize"]) == (stream.arn, 1)
    assert place["startSequenceNumber"] == place["endSequenceNumber"]


def test_a_batch_is_halved_until_the_bad_record_stands_alone(stream: Stream) -> None:
    stream.connect(BatchSize=4, MaximumBatchingWindowInSeconds=1, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
    stream.put("1", "2", "bad", "4")
    stream.clock.advance("1m")
    assert stream.seen() == [["1", "2", "bad", "4"], ["1", "2"], ["bad", "4"], ["bad"], ["bad"], ["4"]]


def test_a_partial_answer_goes_on_at_the_record_that_failed(stream: Stream) -> None:
    stream.connect(partial=True, BatchSize=4, MaximumBatchingWindowInSeconds=1, MaximumRetryAttempts=1)
    stream.put("1", "2", "bad", "4")
    stream.clock.advance("1m")
    assert stream.seen() == [["1", "2", "bad", "4"], ["bad", "4"]]


def test_a_filter_lets_through_what_it_matches(stream: Stream) -> None:
    pattern = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"id": {"S": [{"prefix": "x"}]}}}}
    stream.connect(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    stream.put("x1", "y1", "x2")
    assert [one for batch in stream.seen() for one in batch] == ["x1", "x2"]


def test_each_key_keeps_its_order_when_batches_run_in_parallel(stream: Stream) -> None:
    stream.connect(ParallelizationFactor=3, MaximumBatchingWindowInSeconds=1)
    for number in range(5):
        for key in "abc":
            stream.dynamodb.put_item(TableName="things", Item={"id": {"S": key}, "n": {"N": str(number)}})
    stream.clock.advance("5s")
    found: dict[str, list[str]] = {}
    for records in stream.records():
        for record in records:
            image = record["dynamodb"]["NewImage"]
            found.setdefault(image["id"]["S"], []).append(image["n"]["N"])
    assert all(sorted(numbers) == ["0", "1", "2", "3", "4"] for numbers in found.values())


SUM = """
    import boto3, json, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        state = {"count": event["state"].get("count", 0) + len(event["Records"])}
        if event["isFinalInvokeForWindow"]:
            sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
        return {"state": state}
"""


def test_a_tumbling_window_sums_up_over_invocations_and_interruptions(stream: Stream) -> None:
    name = make_function(stream.lambda_, stream.role, SUM, Environment={"Variables": {"SEEN": stream.seen_url}})
    stream.mapping_id = stream.lambda_.create_event_source_mapping(
        FunctionName=name, EventSourceArn=stream.arn, StartingPosition="TRIM_HORIZON", BatchSize=2, TumblingWindowInSeconds=900
    )["UUID"]
    until_next = 900 - stream.clock.now_s() % 900
    stream.clock.advance(f"{int(until_next) + 1}s")
    stream.put("a", "b", "c")
    stream.clock.settle()
    stream.lambda_.update_event_source_mapping(UUID=stream.mapping_id, Enabled=False)
    stream.lambda_.update_event_source_mapping(UUID=stream.mapping_id, Enabled=True)
    stream.put("d")
    stream.clock.advance("15m")
    stream.put("e")
    stream.clock.advance("15m")
    messages = stream.sqs.receive_message(QueueUrl=stream.seen_url, MaxNumberOfMessages=10)["Messages"]
    finals = sorted((json.loads(message["Body"]) for message in messages), key=lambda event: event["window"]["start"])
    assert [event["state"]["count"] for event in finals] == [4, 1]
    assert finals[0]["Records"] == []
    assert finals[0]["window"]["end"] == finals[1]["window"]["start"]
    assert finals[0]["eventSourceARN"] == stream.arn


def test_a_role_that_may_not_read_is_refused(stream: Stream, client: Callable[..., Any]) -> None:
    name = make_function(stream.lambda_, make_role(client("iam"), "powerless"), NOTE)
    with pytest.raises(ClientError, match="Please ensure the role can perform the GetRecords"):
        stream.lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=stream.arn, StartingPosition="LATEST")


def test_a_stream_needs_a_starting_position(stream: Stream) -> None:
    name = make_function(stream.lambda_, stream.role, NOTE)
    with pytest.raises(ClientError, match="Value null at 'startingPosition'"):
        stream.lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=stream.arn)
