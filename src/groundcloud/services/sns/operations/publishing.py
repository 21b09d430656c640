"""Publish, alone and in batches: to topics, to a device's endpoint, to a phone number."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sns import errors, fan_out, fifo, keeping, messages, names
from groundcloud.services.sns.envelopes import sequence_number
from groundcloud.services.sns.state import OPTED_OUT, Kept, Message, Topic
from groundcloud.store import Transaction

BATCH_MAX = 10
BATCH_BYTES_MAX = 262_144

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_PHONE_NUMBER = re.compile(r"\+?[0-9]{5,20}")

Request = dict[str, Any]


def _target_of(call: Call, request: Request) -> str:
    return str(request.get("TopicArn") or request.get("TargetArn") or request.get("PhoneNumber") or "*")


@operation(resource=_target_of, context=names.topic_keys)
def publish(call: Call, request: Request) -> Request:
    target_arn = request.get("TopicArn") or request.get("TargetArn") or ""
    phone_number = request.get("PhoneNumber")
    if not target_arn:
        if phone_number is None:
            raise errors.invalid_parameter("TopicArn or TargetArn Reason: no value for required parameter")
        return _to_phone(call, request, phone_number)
    if phone_number is not None or ("TopicArn" in request and "TargetArn" in request):
        raise errors.invalid_parameter("Only one of TopicArn, TargetArn and PhoneNumber may be given")
    if ":endpoint/" in target_arn:
        return _to_endpoint(call, request, target_arn)
    tx, topic = names.load_topic(call, target_arn)
    message = messages.read(request, topic, call.new_id(), call.now_ms, _trace(call))
    call.units["NumberOfMessagesPublished"] = 1
    call.units["PublishSize"] = len(request["Message"])
    return _answer(to_topic(call, tx, topic, message))


@operation(action="SNS:Publish", resource=names.topic_of, context=names.topic_keys)
def publish_batch(call: Call, request: Request) -> Request:
    tx, topic = names.load_topic(call, request["TopicArn"])
    entries: list[Request] = request.get("PublishBatchRequestEntries") or []
    if not entries:
        raise errors.empty_batch()
    if len(entries) > BATCH_MAX:
        raise errors.too_many_entries()
    entry_ids = [entry["Id"] for entry in entries]
    if len(set(entry_ids)) != len(entry_ids):
        raise errors.ids_not_distinct()
    if not all(_ENTRY_ID.fullmatch(entry_id) for entry_id in entry_ids):
        raise errors.invalid_entry_id()
    size_bytes = sum(messages.size_of(entry) for entry in entries)
    if size_bytes > max(BATCH_BYTES_MAX, topic.message_bytes_max):
        raise errors.batch_too_long()
    # A FIFO topic's few subscriptions all have a message before any has the next.
    at_once = fan_out.AT_ONCE if topic.fifo else fan_out.AT_ONCE // len(entries)
    answer: Request = {"Successful": [], "Failed": []}
    for entry in entries:
        try:
            message = messages.read(entry, topic, call.new_id(), call.now_ms, _trace(call))
            sent = to_topic(call, tx, topic, message, at_once=at_once)
            answer["Successful"].append({"Id": entry["Id"], **_answer(sent)})
        except AwsError as error:
            code = error.code.removesuffix("Exception").replace("InvalidParameterValue", "ParameterValueInvalid")
            answer["Failed"].append({"Id": entry["Id"], "Code": code, "Message": error.message, "SenderFault": True})
    call.units["NumberOfMessagesPublished"] = len(answer["Successful"])
    call.units["PublishSize"] = size_bytes
    return answer


def to_topic(call: Call, tx: Transaction, topic: Topic, message: Message, *, at_once: int = fan_out.AT_ONCE) -> Message:
    """The message as it was published; a duplicate goes nowhere."""
    new = True
    if topic.fifo:
        message, new = fifo.sequenced(tx, topic, message, call.now_ms)
    if new:
        fan_out.publish(call, tx, topic, message, call.endpoint, at_once=at_once)
    return message


def _answer(message: Message) -> Request:
    answer = {"MessageId": message.message_id}
    if message.sequence:
        answer["SequenceNumber"] = sequence_number(message.sequence)
    return answer


def _trace(call: Call) -> str:
    return call.http.headers.get("x-amzn-trace-id", "") if call.http is not None else ""


def _to_phone(call: Call, request: Request, phone_number: str) -> Request:
    if not _PHONE_NUMBER.fullmatch(phone_number):
        raise errors.invalid_parameter(f"PhoneNumber Reason: {phone_number} is not valid to publish to")
    message = messages.read(request, None, call.new_id(), call.now_ms)
    text = message.texts.get("sms", message.text)
    if len(text) > messages.SMS_CHARACTERS_MAX:
        raise errors.invalid_parameter("Message Reason: Message too long")
    if not OPTED_OUT.has(call.tx, phone_number):
        _keep(call, message, "sms", phone_number, text)
    return {"MessageId": message.message_id}


def _to_endpoint(call: Call, request: Request, endpoint_arn: str) -> Request:
    parts = endpoint_arn.split(":")
    if len(parts) < 6 or parts[3] != call.region:
        raise errors.invalid_parameter("TargetArn")
    endpoint = keeping.find_endpoint(call.tx.at(parts[4], parts[3]), endpoint_arn)
    if endpoint is None:
        raise errors.invalid_parameter("TargetArn Reason: No endpoint found for the target arn specified")
    refusal = keeping.refusal_of(call.tx.at(parts[4], parts[3]), endpoint)
    if not endpoint.enabled:
        raise errors.endpoint_disabled()
    if refusal:
        raise errors.platform_application_disabled()
    message = messages.read(request, None, call.new_id(), call.now_ms)
    _keep(call, message, "application", endpoint_arn, message.texts.get(endpoint.platform, message.text))
    return {"MessageId": message.message_id}


def _keep(call: Call, message: Message, protocol: str, endpoint: str, text: str) -> None:
    keeping.put(
        call,
        call.tx,
        Kept(
            protocol=protocol,
            sequence=0,
            sent_ms=call.now_ms,
            endpoint=endpoint,
            message_id=message.message_id,
            text=text,
            subject=message.subject,
            attributes=message.attributes,
        ),
    )
