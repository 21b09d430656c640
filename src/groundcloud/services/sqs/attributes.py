"""Queue attributes: which there are, their ranges, and what they mean for a `Queue`. Message attributes: their checks and digests.

Source: SQS API reference, SetQueueAttributes, SendMessage; developer guide, "Calculating the MD5 message digest for message attributes".
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy
from groundcloud.base.errors import AwsError, not_implemented
from groundcloud.services.sqs import errors
from groundcloud.services.sqs.state import Queue

RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
BOOLEANS = {"FifoQueue", "ContentBasedDeduplication", "SqsManagedSseEnabled"}
CHOICES = {"DeduplicationScope": ("queue", "messageGroup"), "FifoThroughputLimit": ("perQueue", "perMessageGroupId")}
FIFO_ONLY = {"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}
SETTABLE = set(RANGES) | BOOLEANS | set(CHOICES) | {"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"}
COMPUTED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
}

MESSAGE_ATTRIBUTES_MAX = 10
_NAME = re.compile(r"[A-Za-z0-9_\-.]{1,256}")
_TYPE = re.compile(r"(String|Number|Binary)(\..{1,249})?", re.DOTALL)
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def check(attributes: dict[str, str], queue_arn: str) -> None:
    """Raises InvalidAttributeName or InvalidAttributeValue for what cannot be set."""
    for name, value in attributes.items():
        if name not in SETTABLE:
            raise errors.unknown_attribute(name)
        if name in RANGES:
            low, high = RANGES[name]
            if not value.isdigit() or not low <= int(value) <= high:
                raise errors.invalid_attribute_value(name)
        elif name in BOOLEANS:
            if value.lower() not in ("true", "false"):
                raise errors.invalid_attribute_value(name)
        elif name in CHOICES:
            if value not in CHOICES[name]:
                raise errors.invalid_attribute_value(name)
        elif name == "Policy" and value:
            try:
                documents.parse(value, "resource", queue_arn)
            except MalformedPolicy:
                raise errors.invalid_attribute_value("Policy") from None
        elif name == "RedrivePolicy" and value:
            redrive(value)
        elif name == "RedriveAllowPolicy" and value:
            redrive_allow(value)
        elif name == "KmsMasterKeyId" and value:
            raise not_implemented("SQS encryption with KMS keys (KmsMasterKeyId)")


def redrive(value: str) -> tuple[str, int]:
    """(dead letter queue's ARN, receives allowed). Raises InvalidParameterValue."""
    try:
        document = json.loads(value)
        target, receives = document["deadLetterTargetArn"], int(document.get("maxReceiveCount", 10))
    except (ValueError, TypeError, KeyError):
        raise errors.invalid_parameter("RedrivePolicy", value, "Redrive policy is not a valid JSON map.") from None
    if not isinstance(target, str) or target.count(":") != 5:
        raise errors.invalid_parameter("RedrivePolicy", value, "Invalid value for deadLetterTargetArn.")
    if not 1 <= receives <= 1000:
        raise errors.invalid_parameter(
            "RedrivePolicy", value, f"Invalid value for maxReceiveCount: {receives}, valid values are from 1 to 1000 both inclusive."
        )
    return target, receives


def redrive_allow(value: str) -> tuple[str, list[str]]:
    """(permission, source ARNs). Raises InvalidParameterValue."""
    try:
        document = json.loads(value)
        permission, sources = document["redrivePermission"], document.get("sourceQueueArns", [])
    except (ValueError, TypeError, KeyError):
        raise errors.invalid_parameter("RedriveAllowPolicy", value, "Redrive allow policy is not a valid JSON map.") from None
    if (
        permission not in ("allowAll", "denyAll", "byQueue")
        or not isinstance(sources, list)
        or len(sources) > 10
        or bool(sources) != (permission == "byQueue")
    ):
        raise errors.invalid_parameter(
            "RedriveAllowPolicy", value, "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
        )
    return permission, sources


def apply(queue: Queue, attributes: dict[str, str], now_ms: int) -> Queue:
    """The queue with these (checked) attributes set; an empty value takes a policy away."""
    merged = {**queue.attributes, **{name: value.lower() if name in BOOLEANS else value for name, value in attributes.items()}}
    merged = {name: value for name, value in merged.items() if value != ""}
    if any(name in merged for name in FIFO_ONLY) and merged.get("FifoQueue") != "true":
        raise errors.unknown_attribute(next(name for name in attributes if name in FIFO_ONLY))
    dead_letter_arn, receives_max = redrive(merged["RedrivePolicy"]) if "RedrivePolicy" in merged else ("", 0)
    return queue.replace(  # type: ignore[no-any-return]
        attributes=merged,
        modified_ms=now_ms,
        visibility_timeout_s=int(merged.get("VisibilityTimeout", 30)),
        delay_s=int(merged.get("DelaySeconds", 0)),
        message_bytes_max=int(merged.get("MaximumMessageSize", 1_048_576)),
        retention_s=int(merged.get("MessageRetentionPeriod", 345_600)),
        wait_s=int(merged.get("ReceiveMessageWaitTimeSeconds", 0)),
        fifo=merged.get("FifoQueue") == "true",
        content_deduplication=merged.get("ContentBasedDeduplication") == "true",
        dead_letter_arn=dead_letter_arn,
        receives_max=receives_max,
        policy=merged.get("Policy", ""),
    )


def shown(queue: Queue) -> dict[str, str]:
    """Every attribute that was set or has a default, as GetQueueAttributes gives it."""
    found = {**DEFAULTS, **queue.attributes}
    found.setdefault("SqsManagedSseEnabled", "true")
    if queue.fifo:
        for name, value in {"ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}.items():
            found.setdefault(name, value)
    return found


def check_body(body: str) -> int:
    """The body's size in bytes. Raises MissingParameter or InvalidMessageContents."""
    if not body:
        raise errors.missing_parameter("MessageBody")
    if _ILLEGAL.search(body) is not None:
        raise errors.invalid_message_contents()
    return len(body) if body.isascii() else len(body.encode())


def check_message_attributes(attributes: dict[str, dict[str, Any]]) -> int:
    """Their size in bytes. Raises InvalidParameterValue and the like."""
    if len(attributes) > MESSAGE_ATTRIBUTES_MAX:
        raise _invalid(f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [10].")
    size = 0
    for name, value in attributes.items():
        lowered = name.lower()
        if (
            not _NAME.fullmatch(name)
            or name.startswith(".")
            or name.endswith(".")
            or ".." in name
            or lowered.startswith(("aws.", "amazon."))
        ):
            raise _invalid(
                f"The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."
            )
        kind = value.get("DataType", "")
        if not kind:
            raise _invalid(f"The message attribute '{name}' must contain a non-empty message attribute type.")
        match = _TYPE.fullmatch(kind)
        if match is None:
            raise _invalid(
                f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
            )
        content = value.get("BinaryValue") if match[1] == "Binary" else value.get("StringValue")
        if not content:
            raise _invalid(
                f"The message attribute '{name}' must contain a non-empty message attribute value for message attribute type '{kind}'."
            )
        if match[1] == "Number":
            try:
                float(content)
            except ValueError:
                raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.") from None
        elif match[1] == "String" and _ILLEGAL.search(content) is not None:
            raise errors.invalid_message_contents()
        size += len(name.encode()) + len(kind.encode()) + len(content if isinstance(content, bytes) else content.encode())
    return size


def digest(attributes: dict[str, Any]) -> str:
    """MD5 over the attributes by name: lengths (four bytes, big-endian), name, type, transport type, value."""
    md5 = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        for text in (name, value["DataType"]):
            raw = text.encode()
            md5.update(len(raw).to_bytes(4, "big") + raw)
        if value.get("StringValue") is not None:
            raw, kind = value["StringValue"].encode(), b"\x01"
        else:
            raw, kind = value.get("BinaryValue") or b"", b"\x02"
        md5.update(kind + len(raw).to_bytes(4, "big") + raw)
    return md5.hexdigest()


def _invalid(reason: str) -> AwsError:
    return AwsError("InvalidParameterValue", reason)
