"""What is published, checked and made a `Message`. Pure.

Source: SNS API reference, Publish, MessageAttributeValue; AWS's answers.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from groundcloud.services.sns import errors
from groundcloud.services.sns.state import Attributes, Message, Topic

SUBJECT_MAX = 100
ATTRIBUTE_NAME_MAX = 256
MESSAGE_BYTES_MAX = 262_144
SMS_CHARACTERS_MAX = 1600
GROUP_ID_MAX = 128

PROTOCOLS = {"application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"}
PLATFORMS = {"ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "BAIDU", "GCM", "MACOS", "MACOS_SANDBOX", "MPNS", "WNS"}

_ILLEGAL_IN_NAME = re.compile(r"[^A-Za-z0-9_.\-]")
_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_TYPE = re.compile(r"(String\.Array|String|Number|Binary)(\..{1,249})?", re.DOTALL)
_SUBJECT_ILLEGAL = re.compile(r"[\x00-\x1f\x7f]")


def read(entry: dict[str, Any], topic: Topic | None, message_id: str, now_ms: int, trace: str = "") -> Message:
    """Of a Publish request or an entry of a batch; `topic` is None for an endpoint or a phone number. Raises InvalidParameter and the like."""
    text = entry.get("Message", "")
    if not text:
        raise errors.invalid_parameter("Empty message")
    subject = entry.get("Subject", "")
    if "Subject" in entry and (not subject or len(subject) > SUBJECT_MAX or subject[0].isspace() or _SUBJECT_ILLEGAL.search(subject)):
        raise errors.invalid_parameter("Subject")
    attributes: Attributes = entry.get("MessageAttributes") or {}
    size_bytes = (len(text) if text.isascii() else len(text.encode())) + (check_attributes(attributes) if attributes else 0)
    if size_bytes > (topic.message_bytes_max if topic is not None else MESSAGE_BYTES_MAX):
        raise errors.invalid_parameter("Message too long")
    texts: dict[str, str] = {}
    structure = entry.get("MessageStructure", "")
    if structure == "json":
        texts = _texts(text)
        text = texts.pop("default")
    elif structure:
        raise errors.invalid_parameter("MessageStructure")
    group_id, deduplication_id = entry.get("MessageGroupId", ""), entry.get("MessageDeduplicationId", "")
    if "MessageGroupId" in entry and not _ID.fullmatch(group_id):
        raise errors.invalid_parameter(
            "MessageGroupId Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length"
        )
    if "MessageDeduplicationId" in entry and not _ID.fullmatch(deduplication_id):
        raise errors.invalid_parameter(
            "MessageDeduplicationId Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length"
        )
    if topic is not None and topic.fifo:
        if not group_id:
            raise errors.invalid_parameter("The MessageGroupId parameter is required for FIFO topics")
        if not deduplication_id:
            if not topic.content_deduplication:
                raise errors.invalid_parameter(
                    "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
                )
            deduplication_id = hashlib.sha256(entry["Message"].encode()).hexdigest()
    elif deduplication_id:
        raise errors.invalid_parameter(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"
        )
    return Message(
        message_id=message_id,
        published_ms=now_ms,
        text=text,
        subject=subject,
        texts=texts,
        attributes=attributes,
        group_id=group_id,
        deduplication_id=deduplication_id,
        trace=trace,
    )


def size_of(entry: dict[str, Any]) -> int:
    """Of an entry that is not checked yet."""
    size = len(entry.get("Message", "").encode())
    for name, value in (entry.get("MessageAttributes") or {}).items():
        content = value.get("StringValue") or value.get("BinaryValue") or ""
        size += len(name.encode()) + len(value.get("DataType", "")) + len(content.encode() if isinstance(content, str) else content)
    return size


def check_attributes(attributes: Attributes) -> int:
    """Their size in bytes. Raises ParameterValueInvalid."""
    size = 0
    for name, value in attributes.items():
        _check_name(name)
        kind = value.get("DataType", "")
        match = _TYPE.fullmatch(kind)
        if match is None:
            raise errors.invalid_value(
                f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            )
        field = "Binary" if match[1] == "Binary" else "String"
        content = value.get(f"{field}Value")
        if content is None:
            raise errors.invalid_value(f"The message attribute '{name}' with type '{kind}' must use field '{field}'.")
        if not content:
            raise errors.invalid_value(
                f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{kind}'."
            )
        if match[1] == "Number":
            try:
                float(content)
            except ValueError:
                raise errors.invalid_value(f"Could not cast message attribute '{name}' value to number.") from None
        size += len(name) + len(kind) + len(content if isinstance(content, bytes) else content.encode())
    return size


def _check_name(name: str) -> None:
    if not name:
        raise errors.invalid_value("The message attribute name cannot be empty.")
    if len(name) > ATTRIBUTE_NAME_MAX:
        raise errors.invalid_value("Length of message attribute name must be less than 256 bytes.")
    illegal = _ILLEGAL_IN_NAME.search(name)
    if illegal is not None:
        raise errors.invalid_value(
            f"Invalid non-alphanumeric character '#x{ord(illegal[0]):04X}' was found in the message attribute name. "
            "Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.startswith("."):
        raise errors.invalid_value("Invalid message attribute name starting with character '.' was found.")
    if name.endswith("."):
        raise errors.invalid_value("Invalid message attribute name ending with character '.' was found.")
    if ".." in name:
        raise errors.invalid_value("Message attribute name can not have successive '.' character.")


def _texts(text: str) -> dict[str, str]:
    """The text of each protocol, and `default`. Raises InvalidParameter."""
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise errors.invalid_parameter("Message Structure - JSON message body failed to parse") from None
    if not isinstance(document, dict):
        raise errors.invalid_parameter("Message Structure - JSON message body failed to parse")
    if not isinstance(document.get("default"), str):
        raise errors.invalid_parameter("Message Structure - No default entry in JSON message body")
    return {
        name: value
        for name, value in document.items()
        if isinstance(value, str) and (name == "default" or name in PROTOCOLS or name in PLATFORMS)
    }


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found
