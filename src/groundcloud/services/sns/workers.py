"""What SNS does by itself: tries deliveries, keeps FIFO order, replays, forgets tokens; takes deliveries from other services."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import msgspec

from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.service import target, timer
from groundcloud.services.sns import delivery_logs, errors, fan_out, fifo, messages, names, sending, signing
from groundcloud.services.sns.operations.publishing import to_topic
from groundcloud.services.sns.operations.subscriptions import forget
from groundcloud.services.sns.sending import Outcome
from groundcloud.services.sns.state import SUBSCRIPTIONS, TOKENS, TOPICS, Message, Sending

FAILED = "ERROR_CODE"
"""What the outbox adds to a delivery that it gives up."""


@target("sns")
def into_topic(call: Call, delivery: Delivery) -> None:
    """A delivery from another service is a Publish by that service. Attributes: Subject, MessageGroupId, MessageDeduplicationId, AWSTraceHeader; others
    become message attributes. To a subscription's ARN: what could not be delivered to it, come back."""
    if delivery.target_arn.count(":") == 6 and delivery.principal == fan_out.PRINCIPAL:
        _came_back(call, delivery)
        return
    owner = {"aws:SourceOwner": call.source_account} if delivery.principal in names.OWNERS_SERVICES else None
    call.authorize("SNS:Publish", delivery.target_arn, owner)
    topic = TOPICS.get(call.tx, names.parse_topic(delivery.target_arn).name)
    if topic is None:
        raise errors.topic_does_not_exist()
    extra = dict(delivery.attributes)
    entry: dict[str, Any] = {"Message": delivery.text}
    for name in ("Subject", "MessageGroupId", "MessageDeduplicationId"):
        if name in extra:
            entry[name] = extra.pop(name)
    trace = extra.pop("AWSTraceHeader", "")
    entry["MessageAttributes"] = {name: {"DataType": "String", "StringValue": value} for name, value in extra.items() if value}
    call.units["NumberOfMessagesPublished"] = 1
    to_topic(call, call.tx, topic, messages.read(entry, topic, call.new_id(), call.now_ms, trace))


@timer("sns.fan-out")
def go_on(call: Call, payload: list[Any]) -> None:
    """The next of a topic's many subscribers."""
    topic_name, message, endpoint, after = payload
    topic = TOPICS.get(call.tx, topic_name)
    if topic is not None:
        fan_out.publish(call, call.tx, topic, msgspec.convert(message, Message), endpoint, after=after)


@timer("sns.send")
async def send(call: Call, payload: list[Any]) -> None:
    await sending.send(call, msgspec.convert(payload, Sending))


@timer("sns.drain")
async def drain(call: Call, place: list[str]) -> None:
    await fifo.drain(call, *place)


@timer("sns.replay")
def replay(call: Call, place: list[Any]) -> None:
    fifo.replay(call, *place)


@timer("sns.log")
async def log(call: Call, entry: list[Any]) -> None:
    await delivery_logs.write(call, *entry)


@timer("sns.signing-key")
async def make_signing_key(call: Call, _: None) -> None:
    if signing.is_made(call.reading()):
        return
    key = await call.in_thread(signing.make, call)
    with call.transaction() as tx:
        signing.keep(tx, key)


@timer("sns.forget-token")
def forget_token(call: Call, place: list[str]) -> None:
    """At a token's end; a subscription that was not confirmed by then, and has no later one, goes with it."""
    topic_name, subscription_id, token = place
    tx = call.tx
    TOKENS.delete(tx, topic_name, token)
    topic, subscription = TOPICS.get(tx, topic_name), SUBSCRIPTIONS.get(tx, topic_name, subscription_id)
    if topic is None or subscription is None or subscription.confirmed:
        return
    if not any(other.subscription_id == subscription_id for other in TOKENS.scan(tx, topic_name)):
        forget(tx, topic, names.topic_arn(tx, topic_name), subscription)


def _came_back(call: Call, delivery: Delivery) -> None:
    """Logged, and on to the subscription's dead-letter queue."""
    place, subscription_id = names.parse_subscription(delivery.target_arn)
    topic, subscription = TOPICS.get(call.tx, place.name), SUBSCRIPTIONS.get(call.tx, place.name, subscription_id)
    if topic is None or subscription is None:
        return
    extra = delivery.attributes
    body = delivery.text
    failed = Sending(
        topic_name=place.name,
        subscription_id=subscription_id,
        protocol=subscription.protocol,
        endpoint=subscription.endpoint,
        message_id=_message_id(body, subscription.protocol) or delivery.delivery_id,
        published_ms=delivery.created_ms,
        body=body,
        attributes=_typed(extra["MessageAttributes"]) if "MessageAttributes" in extra else {},
        group_id=extra.get("MessageGroupId", ""),
        trace=extra.get("AWSTraceHeader", ""),
    )
    response = json.dumps({"ErrorCode": extra.get(FAILED, ""), "ErrorMessage": extra.get("ERROR_MESSAGE", "")})
    sending.ended(call, call.tx, topic, subscription, failed, Outcome(False, False, 400, response))


def _message_id(body: str, protocol: str) -> str:
    """Of an envelope; a raw message does not say it."""
    try:
        document = json.loads(body)
        found = document["Records"][0]["Sns"]["MessageId"] if protocol == "lambda" else document["MessageId"]
    except (ValueError, TypeError, KeyError, IndexError):
        return ""
    return found if isinstance(found, str) else ""


def _typed(text: str) -> dict[str, dict[str, Any]]:
    """Message attributes as `fan_out` wrote them for the outbox."""
    found: dict[str, dict[str, Any]] = json.loads(text)
    for value in found.values():
        if "BinaryValue" in value:
            value["BinaryValue"] = b64decode(value["BinaryValue"])
    return found
