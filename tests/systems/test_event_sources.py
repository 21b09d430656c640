"""P5 and the asynchronous half of P3 in one stack, killed in the middle: a table's stream, a FIFO queue, a stream with tumbling windows, asynchronous events.
Each is handled at least once, in order where AWS promises order, and what cannot be handled ends where the template says."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.systems.stacks import Stack

pytestmark = pytest.mark.slow

KEYS = 8
CHANGES = 240
POISON = 100
GROUPS = 5
MESSAGES = 150
EVENTS = 60
READINGS = 200

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.12
    CodeUri: src
    Timeout: 10
    Environment: {Variables: {JOURNAL: !Ref Journal}}
Resources:
  Journal:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: key, AttributeType: S}, {AttributeName: at, AttributeType: N}]
      KeySchema: [{AttributeName: key, KeyType: HASH}, {AttributeName: at, KeyType: RANGE}]
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
  Orders: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ContentBasedDeduplication: true, VisibilityTimeout: 60}}
  Readings: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
  Dead: {Type: AWS::SQS::Queue}
  Done: {Type: AWS::SQS::Queue}
  OnChange:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.changes
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Journal}}, {SQSSendMessagePolicy: {QueueName: !GetAtt Dead.QueueName}}]
      Events:
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Things.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
            ParallelizationFactor: 4
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 2
            FilterCriteria: {Filters: [{Pattern: '{"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"n": {"N": [{"anything-but": "-1"}]}}}}'}]}
            DestinationConfig: {OnFailure: {Destination: !GetAtt Dead.Arn}}
  OnOrder:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.orders
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Journal}}]
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures]}}
  OnWindow:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.windows
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Journal}}]
      Events:
        Stream: {Type: Kinesis, Properties: {Stream: !GetAtt Readings.Arn, StartingPosition: TRIM_HORIZON, BatchSize: 20, TumblingWindowInSeconds: 60}}
  Later:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.later
      Policies:
        - DynamoDBWritePolicy: {TableName: !Ref Journal}
        - SQSSendMessagePolicy: {QueueName: !GetAtt Dead.QueueName}
        - SQSSendMessagePolicy: {QueueName: !GetAtt Done.QueueName}
      EventInvokeConfig:
        MaximumEventAgeInSeconds: 3600
        MaximumRetryAttempts: 2
        DestinationConfig:
          OnSuccess: {Type: SQS, Destination: !GetAtt Done.Arn}
          OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}
Outputs:
  Journal: {Value: !Ref Journal}
  Things: {Value: !Ref Things}
  Orders: {Value: !Ref Orders}
  Readings: {Value: !Ref Readings}
  Dead: {Value: !Ref Dead}
  Done: {Value: !Ref Done}
"""

CODE = """
import base64, json, os, random, time
import boto3

journal = boto3.resource("dynamodb").Table(os.environ["JOURNAL"])

def note(key, n):
    journal.put_item(Item={"key": key, "at": time.time_ns(), "n": n})

def changes(event, context):
    found = [(r["dynamodb"]["Keys"]["id"]["S"], int(r["dynamodb"]["NewImage"]["n"]["N"])) for r in event["Records"]]
    if any(n == POISON for _, n in found):
        raise ValueError("poison")
    for key, n in found:
        note(f"change {key}", n)

def orders(event, context):
    failed = []
    for record in event["Records"]:
        group, n = record["attributes"]["MessageGroupId"], int(record["body"])
        if n % 37 == 0 and record["attributes"]["ApproximateReceiveCount"] == "1" or failed:
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            note(f"order {group}", n)
    return {"batchItemFailures": failed}

def windows(event, context):
    state = event.get("state") or {"sum": 0, "count": 0}
    for record in event["Records"]:
        state["sum"] += int(base64.b64decode(record["kinesis"]["data"]))
        state["count"] += 1
    if event["isFinalInvokeForWindow"]:
        journal.put_item(Item={"key": "window " + event["window"]["start"], "at": time.time_ns(), "n": state["sum"], "count": state["count"]})
        return {}
    return {"state": state}

def later(event, context):
    note("event", event["n"])
    if event["n"] % 20 == 0:
        raise RuntimeError("never works")
    return event["n"]
"""


class House(Stack):
    def journal(self) -> dict[str, list[int]]:
        noted: dict[str, list[tuple[int, int]]] = {}
        for page in self.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs["Journal"], ConsistentRead=True):
            for item in page["Items"]:
                noted.setdefault(item["key"]["S"], []).append((int(item["at"]["N"]), int(item["n"]["N"])))
        return {key: [n for _, n in sorted(notes)] for key, notes in noted.items()}

    def url(self, output: str) -> str:
        """A queue's address now: a server that was killed came back on another port."""
        return f"{self.server.endpoint}/000000000000/{self.outputs[output].rpartition('/')[2]}"

    def messages(self, output: str) -> list[dict[str, Any]]:
        sqs, found = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.url(output), MaxNumberOfMessages=10, VisibilityTimeout=3600).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
        return found


@pytest.fixture
def house(process: Any, tmp_path: Path) -> House:
    folder = tmp_path / "app" / "src"
    folder.mkdir(parents=True)
    (folder / "index.py").write_text(CODE.replace("POISON", str(POISON)))
    (folder.parent / "template.yaml").write_text(TEMPLATE)
    made = House(process, "house")
    made.deploy(folder.parent / "template.yaml")
    return made


def fill(house: House, accepted: dict[str, set[int]]) -> None:
    """What every source accepted, as it accepted it; the server may go at any moment."""
    dynamodb, sqs, kinesis, lambda_ = (house.client(name) for name in ("dynamodb", "sqs", "kinesis", "lambda"))
    later = house.physical_id("Later")
    for n in range(max(CHANGES, MESSAGES, READINGS)):
        if n < CHANGES:
            dynamodb.put_item(TableName=house.outputs["Things"], Item={"id": {"S": f"k{n % KEYS}"}, "n": {"N": str(n)}})
            accepted["change"].add(n)
        if n < MESSAGES:
            sqs.send_message(QueueUrl=house.url("Orders"), MessageBody=str(n), MessageGroupId=f"g{n % GROUPS}")
            accepted["order"].add(n)
        if n < EVENTS:
            lambda_.invoke(FunctionName=later, InvocationType="Event", Payload=json.dumps({"n": n}).encode())
            accepted["event"].add(n)
        if n < READINGS:
            kinesis.put_record(StreamName=house.outputs["Readings"], Data=str(n).encode(), PartitionKey="p")
            accepted["reading"].add(n)
    dynamodb.put_item(TableName=house.outputs["Things"], Item={"id": {"S": "k0"}, "n": {"N": "-1"}})  # the filter leaves it out
    dynamodb.delete_item(TableName=house.outputs["Things"], Key={"id": {"S": "k1"}})  # and this


def test_nothing_that_was_accepted_is_lost_in_kills_and_order_is_kept(house: House, process: Any) -> None:
    accepted: dict[str, set[int]] = {kind: set() for kind in ("change", "order", "event", "reading")}
    fill(house, accepted)
    for pause_s in (0.0, 0.2, 0.4):
        threading.Event().wait(pause_s)  # how far the consumers come before the blow is the point
        process.restart()
    noted = house.journal()
    handled = {kind: {n for key, ns in noted.items() if key.split()[0] == kind for n in ns} for kind in accepted}
    assert any(handled[kind] < accepted[kind] for kind in accepted), "the backlogs were gone before the last kill"

    def is_done() -> bool:
        noted = house.journal()
        handled = {kind: {n for key, ns in noted.items() if key.split()[0] == kind for n in ns} for kind in accepted}
        return (
            handled["change"] == accepted["change"] - {POISON}
            and handled["order"] == accepted["order"]
            and handled["event"] == accepted["event"]
            and sum(sum(ns) for key, ns in noted.items() if key.startswith("window")) >= sum(accepted["reading"])
        )

    give_up = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < give_up, {key: len(ns) for key, ns in house.journal().items()}
        process.advance("70s")
    process.advance("10m")
    noted = house.journal()
    for key, ns in noted.items():
        if key.startswith(("change", "order")):
            assert list(dict.fromkeys(ns)) == sorted(set(ns)), key
    # Every window is closed once with what was read in it, whatever was read again.
    windows = [sum(ns) for key, ns in noted.items() if key.startswith("window")]
    assert sum(windows) == sum(accepted["reading"])
    assert all(len(ns) == 1 for key, ns in noted.items() if key.startswith("window"))
    # What never works: three tries of an event, then its letter; the poisoned change alone in its letter, the others of its batch done.
    letters = house.messages("Dead")
    given_up = [letter["requestPayload"]["n"] for letter in letters if "requestPayload" in letter]
    assert set(given_up) == {n for n in accepted["event"] if n % 20 == 0}
    assert all(Counter(noted["event"])[n] >= 3 for n in given_up)
    (poisoned,) = [letter for letter in letters if "DDBStreamBatchInfo" in letter]
    assert (poisoned["requestContext"]["condition"], poisoned["DDBStreamBatchInfo"]["batchSize"]) == ("RetryAttemptsExhausted", 1)
    done = [letter["responsePayload"] for letter in house.messages("Done")]
    assert set(done) == {n for n in accepted["event"] if n % 20}


def test_a_stream_keeps_its_order_through_a_failing_function_until_its_records_expire(house: House, process: Any) -> None:
    """The poisoned key waits and no later record of it passes, until all of them have left the stream."""
    mappings = house.client("lambda").list_event_source_mappings(FunctionName=house.physical_id("OnChange"))["EventSourceMappings"]
    endless = {"MaximumRetryAttempts": -1, "BisectBatchOnFunctionError": False, "MaximumRecordAgeInSeconds": -1}
    house.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], **endless)
    process.advance("1m")
    dynamodb = house.client("dynamodb")
    for n in (1, 2, POISON, 101, 102):
        dynamodb.put_item(TableName=house.outputs["Things"], Item={"id": {"S": "waits"}, "n": {"N": str(n)}})
    process.advance("2m")
    handled = house.journal().get("change waits", [])
    assert handled in ([], [1], [1, 2])
    # The day passes while the mapping is switched off, but for its last minutes: fewer tries, and the server is killed meanwhile.
    house.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=False)
    process.advance("23h50m")
    process.restart()
    house.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=True)
    process.advance("5m")
    assert house.journal().get("change waits", []) == handled
    process.advance("10m")
    dynamodb = house.client("dynamodb")
    dynamodb.put_item(TableName=house.outputs["Things"], Item={"id": {"S": "waits"}, "n": {"N": "103"}})
    process.advance("2m")
    assert house.journal()["change waits"][-1] == 103, "what was poisoned has left the stream after a day"
    assert house.journal()["change waits"][: len(handled)] == handled
    (letter,) = house.messages("Dead")
    assert letter["requestContext"]["condition"] == "MaximumRecordAgeExceeded"
