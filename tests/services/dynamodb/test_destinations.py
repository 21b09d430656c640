"""Kinesis destinations: a table's changes in a data stream, in AWS's form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.services.dynamodb.asking import refusal
from tests.services.dynamodb.test_resources import outputs, template

STATE = "Table is not in a valid state to"


class Destination:
    """A table whose changes go to a stream."""

    def __init__(self, client: Any, clock: Any) -> None:
        self.dynamodb, self.kinesis, self.clock = client("dynamodb"), client("kinesis"), clock
        self.arn = self.stream("changes")
        self.dynamodb.create_table(
            TableName="things",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )

    def stream(self, name: str) -> str:
        self.kinesis.create_stream(StreamName=name, ShardCount=1)
        return str(self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"])

    def enable(self, arn: str = "", **options: Any) -> Any:
        return self.dynamodb.enable_kinesis_streaming_destination(TableName="things", StreamArn=arn or self.arn, **options)

    def disable(self) -> Any:
        return self.dynamodb.disable_kinesis_streaming_destination(TableName="things", StreamArn=self.arn)

    def described(self) -> list[tuple[str, str]]:
        found = self.dynamodb.describe_kinesis_streaming_destination(TableName="things")["KinesisDataStreamDestinations"]
        return [(one["StreamArn"].rpartition("/")[2], one["DestinationStatus"]) for one in found]

    def put(self, item_id: str, **attributes: Any) -> None:
        self.dynamodb.put_item(TableName="things", Item={"id": {"S": item_id}, **attributes})

    def records(self, name: str = "changes") -> list[dict[str, Any]]:
        self.clock.settle()
        shard = {"StreamName": name, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self.kinesis.get_shard_iterator(**shard)["ShardIterator"]
        return list(self.kinesis.get_records(ShardIterator=iterator)["Records"])

    def changes(self, name: str = "changes") -> list[dict[str, Any]]:
        return [json.loads(record["Data"]) for record in self.records(name)]


@pytest.fixture
def destination(client: Any, clock: Any) -> Destination:
    return Destination(client, clock)


def test_a_change_is_a_record_in_the_form_of_aws(destination: Destination) -> None:
    answer = destination.enable()
    assert (answer["DestinationStatus"], answer["StreamArn"], answer["TableName"]) == ("ENABLING", destination.arn, "things")
    assert destination.described() == [("changes", "ACTIVE")]
    destination.put("a", n={"N": "1"})
    destination.put("a", n={"N": "2"})
    destination.dynamodb.delete_item(TableName="things", Key={"id": {"S": "a"}})
    made, changed, gone = destination.changes()
    now_ms = destination.clock.now_s() * 1000
    assert abs(made["dynamodb"].pop("ApproximateCreationDateTime") - now_ms) < 60_000
    assert len(made.pop("eventID")) == 36
    assert made == {
        "awsRegion": "us-east-1",
        "eventName": "INSERT",
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": "things",
        "dynamodb": {
            "Keys": {"id": {"S": "a"}},
            "NewImage": {"id": {"S": "a"}, "n": {"N": "1"}},
            "SizeBytes": 9,
            "ApproximateCreationDateTimePrecision": "MILLISECOND",
        },
        "eventSource": "aws:dynamodb",
    }
    assert (changed["eventName"], changed["dynamodb"]["OldImage"]["n"], changed["dynamodb"]["NewImage"]["n"]) == (
        "MODIFY",
        {"N": "1"},
        {"N": "2"},
    )
    assert (gone["eventName"], "NewImage" in gone["dynamodb"], gone["dynamodb"]["OldImage"]["n"]) == ("REMOVE", False, {"N": "2"})
    assert len({record["PartitionKey"] for record in destination.records()}) == 1


def test_changes_of_an_item_come_in_their_order_and_a_write_without_change_is_none(destination: Destination) -> None:
    destination.enable()
    for number in range(30):
        destination.put("a", n={"N": str(number)})
    destination.put("a", n={"N": "29"})
    assert [change["dynamodb"]["NewImage"]["n"]["N"] for change in destination.changes()] == [str(number) for number in range(30)]


def test_transactions_and_expiries_are_changes_too(destination: Destination) -> None:
    destination.dynamodb.update_time_to_live(TableName="things", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True})
    destination.enable()
    due_s = int(destination.clock.now_s()) + 60
    puts = [{"Put": {"TableName": "things", "Item": {"id": {"S": item_id}, "ttl": {"N": str(due_s)}}}} for item_id in ("a", "b")]
    destination.dynamodb.transact_write_items(TransactItems=puts)
    destination.clock.advance("5m")
    found = destination.changes()
    assert sorted(change["eventName"] for change in found) == ["INSERT", "INSERT", "REMOVE", "REMOVE"]
    assert found[-1]["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}


def test_the_precision_can_be_a_microsecond(destination: Destination) -> None:
    destination.enable(EnableKinesisStreamingConfiguration={"ApproximateCreationDateTimePrecision": "MICROSECOND"})
    destination.put("a")
    update = {"TableName": "things", "StreamArn": destination.arn}
    milli = {"UpdateKinesisStreamingConfiguration": {"ApproximateCreationDateTimePrecision": "MILLISECOND"}}
    answer = destination.dynamodb.update_kinesis_streaming_destination(**update, **milli)
    assert answer["DestinationStatus"] == "UPDATING"
    destination.put("b")
    micro, later = [change["dynamodb"] for change in destination.changes()]
    assert (micro["ApproximateCreationDateTimePrecision"], later["ApproximateCreationDateTimePrecision"]) == ("MICROSECOND", "MILLISECOND")
    assert 900 < micro["ApproximateCreationDateTime"] / later["ApproximateCreationDateTime"] < 1100
    code, sentence = refusal(destination.dynamodb.update_kinesis_streaming_destination, **update, **milli)
    assert (code, "Precision is already set to the desired value of MILLISECOND" in sentence) == ("ValidationException", True)
    assert "cannot be null" in refusal(destination.dynamodb.update_kinesis_streaming_destination, **update)[1]


def test_a_destination_is_enabled_once_and_disabled_once(destination: Destination) -> None:
    assert refusal(destination.disable) == (
        "ValidationException",
        f"{STATE} disable Kinesis Streaming Destination: KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.",
    )
    destination.enable()
    assert refusal(destination.enable) == (
        "ValidationException",
        f"{STATE} enable Kinesis Streaming Destination: "
        "EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.",
    )
    destination.put("a")
    assert destination.disable()["DestinationStatus"] == "DISABLING"
    destination.put("b")
    assert destination.described() == [("changes", "DISABLED")]
    assert [change["dynamodb"]["Keys"]["id"]["S"] for change in destination.changes()] == ["a"]
    destination.enable(destination.stream("others"))
    destination.put("c")
    assert [change["dynamodb"]["Keys"]["id"]["S"] for change in destination.changes("others")] == ["c"]
    assert sorted(destination.described()) == [("changes", "DISABLED"), ("others", "ACTIVE")]


def test_a_stream_that_is_not_there_or_not_allowed_is_refused(destination: Destination, client: Any) -> None:
    assert refusal(destination.enable, arn=destination.arn + "x")[0] == "ResourceNotFoundException"
    assert refusal(destination.enable, arn="arn:aws:sqs:us-east-1:1:q-that-is-long-enough-for-a-stream")[0] == "ValidationException"
    iam = client("iam")
    iam.create_user(UserName="limited")
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["dynamodb:*", "kinesis:Describe*", "iam:*"], "Resource": "*"}],
    }
    iam.put_user_policy(UserName="limited", PolicyName="limits", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="limited")["AccessKey"]
    user = client("dynamodb", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    code, sentence = refusal(user.enable_kinesis_streaming_destination, TableName="things", StreamArn=destination.arn)
    assert (code, "not authorized to perform: kinesis:PutRecord" in sentence) == ("AccessDeniedException", True)


def test_the_service_linked_role_is_made(destination: Destination, client: Any) -> None:
    destination.enable()
    role = client("iam").get_role(RoleName="AWSServiceRoleForDynamoDBKinesisDataStreamsReplication")["Role"]
    assert role["Path"] == "/aws-service-role/kinesisreplication.dynamodb.amazonaws.com/"


def test_a_full_shard_holds_up_records_and_loses_none(destination: Destination) -> None:
    destination.kinesis.add_tags_to_stream(StreamName="changes", Tags={"groundcloud:throttling": "on"})
    destination.enable()
    for number in range(12):
        destination.put(f"{number:02d}", x={"S": "x" * 200_000})
    destination.clock.advance("30s")
    destination.kinesis.remove_tags_from_stream(StreamName="changes", TagKeys=["groundcloud:throttling"])
    assert sorted(change["dynamodb"]["Keys"]["id"]["S"] for change in destination.changes()) == [f"{number:02d}" for number in range(12)]


def test_a_stack_streams_its_table(client: Any, clock: Any, destination: Destination) -> None:
    cloudformation = client("cloudformation")

    def specification(**options: Any) -> str:
        return template(TableName="stacked", KinesisStreamSpecification={"StreamArn": destination.arn, **options})

    def described() -> list[tuple[str, str]]:
        found = destination.dynamodb.describe_kinesis_streaming_destination(TableName="stacked")["KinesisDataStreamDestinations"]
        return [(one["DestinationStatus"], one["ApproximateCreationDateTimePrecision"]) for one in found]

    cloudformation.create_stack(StackName="app", TemplateBody=specification())
    clock.settle()
    outputs(cloudformation)
    assert described() == [("ACTIVE", "MILLISECOND")]
    cloudformation.update_stack(StackName="app", TemplateBody=specification(ApproximateCreationDateTimePrecision="MICROSECOND"))
    clock.settle()
    outputs(cloudformation)
    assert described() == [("ACTIVE", "MICROSECOND")]
    cloudformation.update_stack(StackName="app", TemplateBody=template(TableName="stacked"))
    clock.settle()
    outputs(cloudformation)
    assert described() == [("DISABLED", "MICROSECOND")]


@pytest.mark.slow
def test_what_waits_is_sent_after_a_kill(process: Any) -> None:
    destination = Destination(process.client, process)
    destination.enable()
    destination.put("a")
    destination.kinesis.delete_stream(StreamName="changes")
    destination.put("b")
    process.kill()
    process.start()
    destination.dynamodb, destination.kinesis = process.client("dynamodb"), process.client("kinesis")
    assert destination.stream("changes") == destination.arn
    destination.put("c")
    process.advance("2m")
    assert [change["dynamodb"]["Keys"]["id"]["S"] for change in destination.changes()][-2:] == ["b", "c"]
