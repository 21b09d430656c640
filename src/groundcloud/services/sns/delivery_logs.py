"""Delivery status in CloudWatch Logs: what was delivered (a sample of it) and what was not, where a topic names roles for it.

Source: AWS: "Amazon SNS message delivery status". The groups are `sns/REGION/ACCOUNT/TOPIC` and the same with `/Failure`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.services.sns import names
from groundcloud.services.sns.state import Sending, Topic
from groundcloud.wire.timestamps import iso8601_milliseconds

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

FAMILIES = {"application": "Application", "firehose": "Firehose", "http": "HTTP", "https": "HTTP", "lambda": "Lambda", "sqs": "SQS"}
"""Protocol -> how attributes of topics call it."""

STREAM_DIGITS = 32


def tell(call: Call, tx: Transaction, topic: Topic, sending: Sending, delivered: bool, response: str, status: int) -> None:
    """Notes down the end of a delivery, if the topic wants to know; a timer brings it to the log."""
    family = FAMILIES.get(sending.protocol)
    if family is None:
        return
    role_arn = topic.attributes.get(f"{family}{'Success' if delivered else 'Failure'}FeedbackRoleArn")
    if role_arn is None:
        return
    if delivered and call.random.random() * 100 >= int(topic.attributes.get(f"{family}SuccessFeedbackSampleRate", "0")):
        return
    now_ms = call.clock.now_ms()
    topic_arn = names.topic_arn(tx, topic.topic_name)
    entry: dict[str, Any] = {
        "notification": {
            "messageMD5Sum": hashlib.md5(sending.body.encode(), usedforsecurity=False).hexdigest(),
            "messageId": sending.message_id,
            "topicArn": topic_arn,
            "timestamp": iso8601_milliseconds(sending.published_ms / 1000).replace("T", " ").rstrip("Z"),
        },
        "delivery": {
            "deliveryId": call.new_id(),
            "destination": sending.endpoint,
            "providerResponse": response,
            "dwellTimeMs": now_ms - sending.published_ms,
            "attempts": sending.attempt,
            "statusCode": status,
        },
        "status": "SUCCESS" if delivered else "FAILURE",
    }
    group_name = f"sns/{tx.region}/{tx.account}/{topic.topic_name}" + ("" if delivered else "/Failure")
    call.schedule(now_ms, "sns.log", [role_arn, group_name, now_ms, msgspec.json.encode(entry).decode()], tx=tx)


async def write(call: Call, role_arn: str, group_name: str, at_ms: int, text: str) -> None:
    """Makes group and stream where they are missing. What the role may not is not logged, as on AWS."""
    stream_name = call.token(STREAM_DIGITS)
    try:
        for operation, params in (
            ("CreateLogGroup", {"logGroupName": group_name}),
            ("CreateLogStream", {"logGroupName": group_name, "logStreamName": stream_name}),
        ):
            try:
                await call.request("logs", operation, params, as_=role_arn)
            except AwsError as error:
                if error.code != "ResourceAlreadyExistsException":
                    raise
        events = [{"timestamp": at_ms, "message": text}]
        await call.request(
            "logs", "PutLogEvents", {"logGroupName": group_name, "logStreamName": stream_name, "logEvents": events}, as_=role_arn
        )
    except AwsError as error:
        call.log.warning("delivery status is not logged to %s: %s", group_name, error)
