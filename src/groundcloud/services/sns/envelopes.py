"""What arrives at the subscribers: JSON documents for queues, URLs and e-mail, events for functions. Pure.

Written as AWS writes them, down to the spaces. Source: AWS: "Amazon SNS HTTP/HTTPS notification JSON format", "Using Lambda with SNS", "Raw message delivery".
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from groundcloud.services.sns.signing import Signature, Signer
from groundcloud.services.sns.state import Attributes, Message
from groundcloud.wire.timestamps import iso8601_milliseconds

SEQUENCE_BASE = 10_000_000_000_000_000_000
"""So that a SequenceNumber has AWS's twenty digits."""

_encode = msgspec.json.Encoder().encode


def quoted(text: str) -> str:
    return _encode(text).decode()


def sequence_number(sequence: int) -> str:
    return str(SEQUENCE_BASE + sequence)


def unsubscribe_url(endpoint: str, subscription_arn: str) -> str:
    return f"{endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"


class Notification:
    """A message with one of its texts. What is the same for all who get it, its signature above all, is written once."""

    __slots__ = ("_attributes", "_endpoint", "_event", "_fields", "_head", "_tail")

    def __init__(
        self, topic_arn: str, message: Message, text: str, endpoint: str, signer: Signer | None, version: str, *, replayed: bool = False
    ) -> None:
        moment = iso8601_milliseconds(message.published_ms / 1000)
        signature: Signature | None = None
        if signer is not None:
            members = [("Message", text), ("MessageId", message.message_id)]
            if message.subject:
                members.append(("Subject", message.subject))
            members += [("Timestamp", moment), ("TopicArn", topic_arn), ("Type", "Notification")]
            signature = signer.sign(members, version, endpoint)
        self._endpoint = endpoint
        self._fields = (message, topic_arn, text, moment, signature)
        self._event: tuple[str, str] | None = None
        self._attributes = attributes_of(message.attributes)
        lines = ['{\n  "Type" : "Notification"', f'"MessageId" : "{message.message_id}"']
        if message.sequence:
            lines.append(f'"SequenceNumber" : "{sequence_number(message.sequence)}"')
        lines.append(f'"TopicArn" : "{topic_arn}"')
        if message.subject:
            lines.append(f'"Subject" : {quoted(message.subject)}')
        lines += [f'"Message" : {quoted(text)}', f'"Timestamp" : "{moment}"']
        if signature is not None:
            lines += [
                f'"SignatureVersion" : "{signature.version}"',
                f'"Signature" : "{signature.text}"',
                f'"SigningCertURL" : "{signature.certificate_url}"',
            ]
        self._head = ",\n  ".join(lines) + ',\n  "UnsubscribeURL" : "'
        tail = ['"']
        if self._attributes:
            inner = ",\n    ".join(f"{quoted(name)} : {_encode(value).decode()}" for name, value in self._attributes.items())
            tail.append(f',\n  "MessageAttributes" : {{\n    {inner}\n  }}')
        if replayed:
            tail.append(',\n  "Replayed" : "true"')
        self._tail = "".join(tail) + "\n}"

    def document(self, subscription_arn: str) -> str:
        """The body of a queue's message or of a request to a URL."""
        return f"{self._head}{unsubscribe_url(self._endpoint, subscription_arn)}{self._tail}"

    def event(self, subscription_arn: str) -> str:
        """What a function is called with."""
        if self._event is None:
            message, topic_arn, text, moment, signature = self._fields
            sns: dict[str, Any] = {
                "Type": "Notification",
                "MessageId": message.message_id,
                "TopicArn": topic_arn,
                "Subject": message.subject or None,
                "Message": text,
                "Timestamp": moment,
            }
            if signature is not None:
                sns |= {
                    "SignatureVersion": signature.version,
                    "Signature": signature.text,
                    "SigningCertUrl": signature.certificate_url,
                }
            head = _encode(sns).decode()[:-1]
            self._event = (head, f',"MessageAttributes":{_encode(self._attributes).decode()}}}}}]}}')
        head, tail = self._event
        return (
            f'{{"Records":[{{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"{subscription_arn}",'
            f'"Sns":{head},"UnsubscribeUrl":"{unsubscribe_url(self._endpoint, subscription_arn)}"{tail}'
        )


def attributes_of(attributes: Attributes) -> dict[str, dict[str, str]]:
    """As they stand in a document: {"Type", "Value"}, binary ones in base64."""
    return {
        name: {
            "Type": value["DataType"],
            "Value": value["StringValue"] if "StringValue" in value else b64encode(value["BinaryValue"]).decode(),
        }
        for name, value in attributes.items()
    }


def confirmation(
    kind: str, topic_arn: str, subscription_arn: str, token: str, message_id: str, now_ms: int, endpoint: str, signer: Signer, version: str
) -> str:
    """A SubscriptionConfirmation or UnsubscribeConfirmation, as a document."""
    moment = iso8601_milliseconds(now_ms / 1000)
    text = (
        f"You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
        if kind == "SubscriptionConfirmation"
        else f"You have chosen to deactivate subscription {subscription_arn}.\n"
        "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
    )
    url = f"{endpoint}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}"
    members = [
        ("Message", text),
        ("MessageId", message_id),
        ("SubscribeURL", url),
        ("Timestamp", moment),
        ("Token", token),
        ("TopicArn", topic_arn),
        ("Type", kind),
    ]
    signature = signer.sign(members, version, endpoint)
    lines = [
        f'{{\n  "Type" : "{kind}"',
        f'"MessageId" : "{message_id}"',
        f'"Token" : "{token}"',
        f'"TopicArn" : "{topic_arn}"',
        f'"Message" : {quoted(text)}',
        f'"SubscribeURL" : "{url}"',
        f'"Timestamp" : "{moment}"',
        f'"SignatureVersion" : "{signature.version}"',
        f'"Signature" : "{signature.text}"',
        f'"SigningCertURL" : "{signature.certificate_url}"',
    ]
    return ",\n  ".join(lines) + "\n}"


def event_of_document(document: str, subscription_arn: str) -> str:
    """A confirmation for a function."""
    sns = msgspec.json.decode(document)
    sns["SigningCertUrl"] = sns.pop("SigningCertURL")
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription_arn, "Sns": sns}
    return _encode({"Records": [record]}).decode()
