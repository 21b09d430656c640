"""What was accepted is handled at least once, however often the server is killed."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import pytest
from tests.services.lambda_.conftest import make_function, make_role

KILLS = 4
SEED = 20261121

NOTE = """
    import boto3, json, os, time
    sqs = boto3.client("sqs")
    def handler(event, context):
        time.sleep(0.02)
        for one in [r["body"] for r in event["Records"]] if "Records" in event else [event["n"]]:
            sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=str(one))
"""


@pytest.mark.slow
def test_every_message_and_every_event_is_handled_however_often_the_server_is_killed(process: Any) -> None:
    chance = random.Random(SEED)
    role = make_role(process.client("iam"), "worker", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    process.client("sqs").create_queue(QueueName="seen")
    work_url = process.client("sqs").create_queue(QueueName="work", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    environment = {"Variables": {"SEEN": "http://localhost/000000000000/seen"}}
    name = make_function(process.client("lambda"), role, NOTE, Environment=environment)
    process.client("lambda").create_event_source_mapping(
        FunctionName=name, EventSourceArn="arn:aws:sqs:us-east-1:000000000000:work", BatchSize=3
    )
    accepted: set[str] = set()
    for kill in range(KILLS):
        sqs, lambda_ = process.client("sqs"), process.client("lambda")
        for number in range(10):
            sqs.send_message(QueueUrl=work_url, MessageBody=f"message {kill}.{number}")
            accepted.add(f"message {kill}.{number}")
            lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"n": f"event {kill}.{number}"}).encode())
            accepted.add(f"event {kill}.{number}")
        threading.Event().wait(chance.uniform(0, 0.15))
        process.restart()
    process.advance("3m")
    process.advance("3m")
    handled: set[str] = set()
    sqs = process.client("sqs")
    while messages := sqs.receive_message(QueueUrl=f"{process.endpoint}/000000000000/seen", MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=f"{process.endpoint}/000000000000/seen", ReceiptHandle=message["ReceiptHandle"])
            handled.add(message["Body"])
    assert accepted - handled == set()
