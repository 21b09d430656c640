"""Event source mappings of queues: what is delivered, what is deleted, what comes back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role

QUEUES = {
    "Effect": "Allow",
    "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"],
    "Resource": "*",
}
# Writes what it was given to another queue, so that a test can see it.
FORWARD = """
    import boto3, json, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
        bad = [r["messageId"] for r in event["Records"] if r["body"].startswith("bad")]
        if bad and not os.environ.get("PARTIAL"):
            raise ValueError("bad message")
        return {"batchItemFailures": [{"itemIdentifier": one} for one in bad]}
"""


class Line:
    """A queue, a function that reads it, and a queue in which the function's events are seen."""

    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.lambda_, self.sqs, self.clock = client("lambda"), client("sqs"), clock
        self.role = make_role(client("iam"), "consumer", QUEUES)
        self.seen_url = self.sqs.create_queue(QueueName="seen")["QueueUrl"]
        self.mapping_id = ""

    def connect(self, queue_name: str = "work", queue: dict[str, str] | None = None, partial: bool = False, **options: Any) -> None:
        self.url = self.sqs.create_queue(QueueName=queue_name, Attributes=queue or {})["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        environment = {"SEEN": self.seen_url, **({"PARTIAL": "1"} if partial else {})}
        self.name = make_function(self.lambda_, self.role, FORWARD, Environment={"Variables": environment})
        if partial:
            options["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
        self.mapping = self.lambda_.create_event_source_mapping(FunctionName=self.name, EventSourceArn=self.arn, **options)
        self.mapping_id = self.mapping["UUID"]

    def send(self, body: str, **options: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **options)

    def seen(self) -> list[list[dict[str, Any]]]:
        """The records of each invocation so far, oldest first; each is seen once."""
        self.clock.settle()
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.seen_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.seen_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"])["Records"])
        return found

    def bodies(self) -> list[str]:
        return sorted(record["body"] for records in self.seen() for record in records)

    def left(self) -> tuple[int, int]:
        """Messages that are visible, and in flight."""
        self.clock.settle()
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])


@pytest.fixture
def line(client: Callable[..., Any], clock: Any) -> Any:
    made = Line(client, clock)
    yield made
    if made.mapping_id:
        made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


def test_a_message_reaches_the_function_in_the_form_of_aws_and_is_deleted(line: Line, account: str) -> None:
    line.connect()
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    line.send('{"n": 1}', MessageAttributes=attributes)
    ((record,),) = line.seen()
    assert record["body"] == '{"n": 1}'
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == line.arn
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    assert record["messageAttributes"] == {
        "kind": {"stringValue": "order", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "raw": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert {"messageId", "receiptHandle", "md5OfBody", "md5OfMessageAttributes"} <= set(record)
    assert line.left() == (0, 0)


def test_a_batch_that_fails_comes_back_after_the_visibility_timeout(line: Line) -> None:
    line.connect(queue={"VisibilityTimeout": "30"})
    line.send("bad")
    assert line.bodies() == ["bad"]
    assert line.left() == (0, 1)
    line.clock.advance("31s")
    assert line.bodies() == ["bad"]


def test_a_partial_batch_response_keeps_only_what_failed(line: Line) -> None:
    line.connect(partial=True, MaximumBatchingWindowInSeconds=2)
    for body in ("good 1", "bad 1", "good 2"):
        line.send(body)
    line.clock.advance("3s")
    assert line.bodies() == ["bad 1", "good 1", "good 2"]
    assert line.left() == (0, 1)


def test_the_batching_window_gathers_messages(line: Line) -> None:
    line.connect(BatchSize=100, MaximumBatchingWindowInSeconds=10)
    for number in range(25):
        line.send(f"{number:02d}")
    line.clock.advance("11s")
    batches = line.seen()
    assert sum(map(len, batches)) == 25
    assert len(batches) <= 2


def test_a_filter_lets_through_what_it_matches_and_the_rest_is_deleted(line: Line) -> None:
    line.connect(FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}})}]})
    line.send('{"kind": "order", "total": 11}')
    line.send('{"kind": "order", "total": 9}')
    line.send("not json")
    assert line.bodies() == ['{"kind": "order", "total": 11}']
    assert line.left() == (0, 0)


def test_a_fifo_group_is_handled_in_order(line: Line) -> None:
    line.connect("work.fifo", {"FifoQueue": "true", "ContentBasedDeduplication": "true"}, BatchSize=2)
    for number in range(6):
        line.send(str(number), MessageGroupId="one")
    bodies = [record["body"] for records in line.seen() for record in records]
    assert bodies == ["0", "1", "2", "3", "4", "5"]
    assert line.left() == (0, 0)


def test_a_mapping_that_is_switched_off_leaves_messages_until_it_is_switched_on(line: Line) -> None:
    line.connect(Enabled=False)
    assert line.lambda_.get_event_source_mapping(UUID=line.mapping_id)["State"] == "Disabled"
    line.send("early")
    assert line.bodies() == []
    assert line.lambda_.update_event_source_mapping(UUID=line.mapping_id, Enabled=True)["State"] == "Enabling"
    assert line.bodies() == ["early"]
    assert line.lambda_.update_event_source_mapping(UUID=line.mapping_id, Enabled=False)["State"] == "Disabling"
    line.send("late")
    assert line.bodies() == []
    assert line.left() == (1, 0)


def test_a_mapping_that_is_changed_or_deleted_under_its_long_poll_hands_no_message_to_the_function_it_had(line: Line) -> None:
    line.connect()
    assert line.bodies() == []  # the long poll has begun
    other = make_function(
        line.lambda_,
        line.role,
        FORWARD.replace("json.dumps(event)", '"the other function"'),
        Environment={"Variables": {"SEEN": line.seen_url}},
    )
    line.lambda_.update_event_source_mapping(UUID=line.mapping_id, FunctionName=other)
    line.send("after the change")
    line.clock.settle()
    (message,) = line.sqs.receive_message(QueueUrl=line.seen_url)["Messages"]
    assert message["Body"] == "the other function"
    line.sqs.delete_message(QueueUrl=line.seen_url, ReceiptHandle=message["ReceiptHandle"])
    line.lambda_.delete_event_source_mapping(UUID=line.mapping_id)
    line.mapping_id = ""
    line.send("after the end")
    assert line.bodies() == []
    assert line.left() == (1, 0)


def test_what_a_batching_window_has_gathered_when_the_mapping_is_switched_off_is_handled(line: Line) -> None:
    line.connect(BatchSize=100, MaximumBatchingWindowInSeconds=300)
    line.send("gathered")
    line.clock.settle()
    line.lambda_.update_event_source_mapping(UUID=line.mapping_id, Enabled=False)
    line.send("late")
    assert line.bodies() == ["gathered"]
    assert line.left() == (1, 0)


def test_a_mapping_is_shown_with_its_settings_and_gone_when_deleted(line: Line, account: str) -> None:
    line.connect(BatchSize=5, ScalingConfig={"MaximumConcurrency": 2})
    assert line.mapping["State"] == "Creating"
    shown = line.lambda_.get_event_source_mapping(UUID=line.mapping_id)
    assert shown["State"] == "Enabled"
    assert shown["StateTransitionReason"] == "USER_INITIATED"
    assert shown["BatchSize"] == 5
    assert shown["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert shown["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:{line.name}"
    listed = line.lambda_.list_event_source_mappings(FunctionName=line.name)["EventSourceMappings"]
    assert [one["UUID"] for one in listed] == [line.mapping_id]
    assert line.lambda_.delete_event_source_mapping(UUID=line.mapping_id)["State"] == "Deleting"
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        line.lambda_.get_event_source_mapping(UUID=line.mapping_id)
    line.mapping_id = ""


def test_a_role_that_may_not_receive_is_refused(line: Line, client: Callable[..., Any]) -> None:
    url = line.sqs.create_queue(QueueName="closed")["QueueUrl"]
    arn = line.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = make_function(line.lambda_, make_role(client("iam"), "powerless"), FORWARD)
    with pytest.raises(ClientError) as refused:
        line.lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    sentence = "The function execution role does not have permissions to call ReceiveMessage on SQS"
    assert refused.value.response["Error"]["Message"] == sentence


def test_a_role_that_loses_its_permission_is_a_problem_of_the_mapping_until_it_has_it_again(line: Line, client: Callable[..., Any]) -> None:
    line.connect()
    iam = client("iam")
    document = iam.get_role_policy(RoleName="consumer", PolicyName="own")["PolicyDocument"]
    iam.delete_role_policy(RoleName="consumer", PolicyName="own")
    line.clock.advance("25s")
    assert (
        "not authorized to perform: sqs:ReceiveMessage"
        in line.lambda_.get_event_source_mapping(UUID=line.mapping_id)["LastProcessingResult"]
    )
    iam.put_role_policy(RoleName="consumer", PolicyName="own", PolicyDocument=json.dumps(document))
    line.clock.advance("2m")
    line.send("again")
    assert line.bodies() == ["again"]
    assert line.lambda_.get_event_source_mapping(UUID=line.mapping_id)["LastProcessingResult"] == "OK"


@pytest.mark.parametrize(
    ("queue", "options", "sentence"),
    [
        ({}, {"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"),
        ({"VisibilityTimeout": "5"}, {}, "Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds"),
        ({}, {"FilterCriteria": {"Filters": [{"Pattern": '{"body": "x"}'}]}}, "Invalid filter pattern definition."),
        ({}, {"StartingPosition": "LATEST"}, "Groundcloud does not support StartingPosition for event source mappings of sqs."),
    ],
)
def test_settings_that_do_not_fit_are_refused(line: Line, queue: dict[str, str], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClientError) as refused:
        line.connect(queue=queue, **options)
    assert refused.value.response["Error"]["Message"] == sentence


def test_a_second_mapping_of_the_same_queue_and_function_is_refused(line: Line) -> None:
    line.connect()
    with pytest.raises(ClientError, match=r"already exists\. Please update or delete the existing mapping with UUID"):
        line.lambda_.create_event_source_mapping(FunctionName=line.name, EventSourceArn=line.arn)


def test_a_week_without_messages_passes_quickly_and_the_next_message_is_handled(line: Line) -> None:
    line.connect()
    line.clock.advance("7d")
    receives = [
        record for record in line.clock.ground.telemetry.recent if record.operation == "ReceiveMessage" and line.arn in record.resource
    ]
    assert len(receives) < 10
    line.send("at last")
    assert line.bodies() == ["at last"]
    line.send("bad")
    assert line.bodies() == ["bad"]
    line.clock.advance("31s")
    assert line.bodies() == ["bad"]


SLOW = "import time\ndef handler(event, context): time.sleep(0.1)"


def _slow(line: Line, reserved: int | None = None, **options: Any) -> list[float]:
    """Sends eight messages to a function that takes a while; how many invocations ran at once, for each of them."""
    line.connect(BatchSize=1, Enabled=False)
    name = make_function(line.lambda_, line.role, SLOW)
    if reserved is not None:
        line.lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
    line.lambda_.update_event_source_mapping(UUID=line.mapping_id, FunctionName=name, Enabled=True, **options)
    for number in range(8):
        line.send(str(number))
    line.clock.settle()
    line.clock.advance("20s")
    assert line.left() == (0, 0)
    records = line.clock.ground.telemetry.recent
    return [r.units["concurrent"] for r in records if r.dimensions.get("FunctionName") == name and "concurrent" in r.units]


def test_no_more_batches_run_at_once_than_the_maximum_concurrency(line: Line) -> None:
    concurrent = _slow(line, ScalingConfig={"MaximumConcurrency": 2})
    assert len(concurrent) == 8
    assert max(concurrent) == 2


def test_more_batches_run_at_once_while_messages_wait(line: Line) -> None:
    line.connect(BatchSize=1, Enabled=False)
    name = make_function(line.lambda_, line.role, "import time\ndef handler(event, context): time.sleep(0.04)")
    for number in range(60):
        line.send(str(number))
    line.lambda_.update_event_source_mapping(UUID=line.mapping_id, FunctionName=name, Enabled=True)
    assert line.left() == (0, 0)
    line.clock.ground.flush_telemetry()
    records = line.clock.ground.telemetry.recent
    concurrent = [r.units["concurrent"] for r in records if r.dimensions.get("FunctionName") == name and "concurrent" in r.units]
    assert len(concurrent) == 60
    assert max(concurrent) > 5


def test_messages_wait_while_the_function_is_throttled(line: Line) -> None:
    concurrent = _slow(line, reserved=1)
    assert len(concurrent) == 8
    assert max(concurrent) == 1
