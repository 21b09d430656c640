"""The applications queue: one message per application, sent by `apply`, consumed by `record_application`."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Self

import boto3

from credit_offers.logs import correlated, log_unexpected

Consumer = Callable[[str], None]
"""Takes an application id; raising leaves its message in the queue."""


class ApplicationsQueue:
    def __init__(self, sqs: Any, queue_url: str):
        self._sqs = sqs
        self._queue_url = queue_url

    @classmethod
    def from_environment(cls) -> Self:
        return cls(boto3.client("sqs"), os.environ["APPLICATIONS_QUEUE"])

    def send(self, application_id: str, correlation_id: str) -> None:
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=json.dumps({"application_id": application_id}),
            MessageAttributes={"correlation_id": {"DataType": "String", "StringValue": correlation_id}},
        )


def consumer(build: Callable[[], Consumer]) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """A Lambda handler that answers with the messages that failed: they come again, and the third time go to the dead letters."""
    consume: Consumer | None = None

    def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        nonlocal consume
        consume = consume or build()
        failed = [message["messageId"] for message in event["Records"] if not _consumed(consume, message)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    return handler


def _consumed(consume: Consumer, message: Mapping[str, Any]) -> bool:
    correlation_id = message["messageAttributes"].get("correlation_id", {}).get("stringValue")
    with correlated(correlation_id):
        try:
            consume(json.loads(message["body"])["application_id"])
        except Exception as error:  # one bad message must not take the rest of its batch with it
            log_unexpected(error, message_id=message["messageId"])
            return False
        return True
