"""Attributes of topics and subscriptions: which there are, what they may be, and what they mean for the records.

Source: SNS API reference, SetTopicAttributes, SetSubscriptionAttributes; AWS's answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy
from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.services.sns import delivery_policies, errors
from groundcloud.services.sns.delivery_policies import DeliveryPolicyError
from groundcloud.services.sns.filters import Filter, PolicyError
from groundcloud.services.sns.names import default_policy
from groundcloud.services.sns.state import Subscription, Topic
from groundcloud.wire import timestamps

FEEDBACK = {
    f"{protocol}{what}"
    for protocol in ("Application", "Firehose", "HTTP", "Lambda", "SQS")
    for what in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")
}
FIFO_ONLY = {"ArchivePolicy", "ContentBasedDeduplication", "FifoThroughputScope"}
OF_TOPICS = (
    FEEDBACK
    | FIFO_ONLY
    | {"DeliveryPolicy", "DisplayName", "KmsMasterKeyId", "MaximumMessageSize", "Policy", "SignatureVersion", "TracingConfig"}
)
OF_SUBSCRIPTIONS = {
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
}
RAW_PROTOCOLS = ("firehose", "http", "https", "sqs")
SCOPES = ("MessageAttributes", "MessageBody")
DISPLAY_NAME_MAX = 100
MESSAGE_BYTES = (1024, 1_048_576)
LARGE_BYTES = 262_144
LARGE_SUBSCRIPTIONS_MAX = 100
ARCHIVE_DAYS = (1, 365)
DATA_PROTECTION_CHARACTERS_MAX = 30_720


def check_topic_attribute(name: str, value: str, topic_arn: str, fifo: bool) -> None:
    """Raises AwsError InvalidParameter for what cannot be set on the topic."""
    if name not in OF_TOPICS or (name in FIFO_ONLY and not fifo) or (name == "TracingConfig" and fifo):
        raise errors.invalid_parameter("AttributeName")
    if name == "ContentBasedDeduplication":
        if value.lower() not in ("true", "false"):
            raise errors.invalid_parameter(f"{name} Reason: Invalid value [{value}]. Must be true or false.")
    elif name == "FifoThroughputScope":
        if value not in ("Topic", "MessageGroup"):
            raise errors.invalid_parameter(f"{name} Reason: Invalid value [{value}]. Must be either Topic or MessageGroup")
    elif name == "SignatureVersion":
        if value not in ("1", "2"):
            raise errors.invalid_parameter(name)
    elif name == "TracingConfig":
        if value not in ("Active", "PassThrough"):
            raise errors.invalid_parameter(f"{name} Reason: Invalid value [{value}]. Must be either Active or PassThrough")
    elif name == "DisplayName":
        if len(value) > DISPLAY_NAME_MAX:
            raise errors.invalid_parameter(name)
    elif name == "MaximumMessageSize":
        if not value.isdigit() or not MESSAGE_BYTES[0] <= int(value) <= MESSAGE_BYTES[1]:
            raise errors.invalid_parameter(f"{name} Reason: Must be between {MESSAGE_BYTES[0]} and {MESSAGE_BYTES[1]}")
    elif name.endswith("SampleRate"):
        if value and (not value.isdigit() or int(value) > 100):
            raise errors.invalid_parameter(f"{name} Reason: Must be an integer from 0 to 100")
    elif name.endswith("RoleArn"):
        if value and not (arns.is_arn(value) and ":iam:" in value and ":role/" in value):
            raise errors.invalid_parameter(name)
    elif name == "DeliveryPolicy" and value:
        try:
            delivery_policies.check_topic(value)
        except DeliveryPolicyError as error:
            raise errors.invalid_parameter(f"DeliveryPolicy: {error}") from None
    elif name == "ArchivePolicy" and value:
        archive_days(value)
    elif name == "Policy":
        check_policy(value, topic_arn)


def check_audience(topic: Topic, protocols: Iterable[str]) -> None:
    """AWS: a topic of messages above 256 KiB has at most a hundred subscriptions, of queues, functions and Firehose alone. Raises InvalidParameter."""
    if topic.message_bytes_max <= LARGE_BYTES:
        return
    found = list(protocols)
    if len(found) > LARGE_SUBSCRIPTIONS_MAX or any(protocol not in ("firehose", "lambda", "sqs") for protocol in found):
        raise errors.invalid_parameter(
            "MaximumMessageSize Reason: A topic with a MaximumMessageSize above 262144 must have 100 or fewer subscriptions, "
            "and each subscription must be an Amazon SQS, Amazon Data Firehose, or Lambda subscription"
        )


def check_policy(value: str, topic_arn: str) -> None:
    try:
        document = json.loads(value)
        documents.parse(value, "resource", topic_arn)
    except MalformedPolicy:
        raise errors.invalid_parameter("Policy Error: null") from None
    except (ValueError, RecursionError):
        raise errors.invalid_parameter("Policy") from None
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        actions = statement.get("Action", statement.get("NotAction", []))
        for action in actions if isinstance(actions, list) else [actions]:
            service, _, operation = action.partition(":")
            if service.lower() != "sns" or operation == "*":
                raise errors.invalid_parameter("Policy statement action out of service scope!")


def archive_days(value: str) -> int:
    """Of an ArchivePolicy; 0 for an empty one, which ends archiving. Raises InvalidParameter."""
    try:
        document = json.loads(value)
        days = int(document.get("MessageRetentionPeriod", 0)) if document else 0
    except (ValueError, TypeError, AttributeError):
        raise errors.invalid_parameter("ArchivePolicy: failed to parse JSON.") from None
    if document and not ARCHIVE_DAYS[0] <= days <= ARCHIVE_DAYS[1]:
        raise errors.invalid_parameter("ArchivePolicy: MessageRetentionPeriod must be between 1 and 365 days.")
    return days


def apply_to_topic(topic: Topic, given: dict[str, str], topic_arn: str, now_ms: int) -> Topic:
    """The topic with these (checked) attributes set; an empty value takes one away."""
    merged = {**topic.attributes, **given}
    policy = topic.policy
    if "Policy" in merged:
        policy = merged.pop("Policy")
        if policy == default_policy(topic_arn, topic_arn.split(":")[4]):
            policy = ""
    if "ContentBasedDeduplication" in merged:
        merged["ContentBasedDeduplication"] = merged["ContentBasedDeduplication"].lower()
    days = archive_days(merged["ArchivePolicy"]) if merged.get("ArchivePolicy") else 0
    merged = {name: value for name, value in merged.items() if value != "" and (name != "ArchivePolicy" or days)}
    return topic.replace(  # type: ignore[no-any-return]
        attributes=merged,
        policy=policy,
        fifo=topic.fifo or merged.get("FifoTopic") == "true",
        content_deduplication=merged.get("ContentBasedDeduplication") == "true",
        group_scope=merged.get("FifoThroughputScope") == "MessageGroup",
        message_bytes_max=int(merged.get("MaximumMessageSize", 262_144)),
        archive_days=days,
        archived_since_ms=(topic.archived_since_ms or now_ms) if days else 0,
    )


def shown_of_topic(topic: Topic, topic_arn: str, now_ms: int) -> dict[str, str]:
    """As GetTopicAttributes gives them."""
    account = topic_arn.split(":")[4]
    found = {
        **topic.attributes,
        "Policy": topic.policy or default_policy(topic_arn, account),
        "Owner": account,
        "TopicArn": topic_arn,
        "SubscriptionsConfirmed": str(topic.confirmed),
        "SubscriptionsPending": str(topic.pending),
        "SubscriptionsDeleted": str(topic.deleted),
        "DisplayName": topic.attributes.get("DisplayName", ""),
        "EffectiveDeliveryPolicy": delivery_policies.effective_of_topic(topic.attributes.get("DeliveryPolicy", "")),
    }
    if topic.fifo:
        found.setdefault("ContentBasedDeduplication", "false")
        found.setdefault("FifoThroughputScope", "Topic")
        if topic.archive_days:
            beginning_ms = max(topic.archived_since_ms, now_ms - topic.archive_days * 86_400_000)
            found["BeginningArchiveTime"] = timestamps.iso8601_milliseconds(beginning_ms / 1000)
    return found


def check_subscription_attribute(name: str, value: str, topic: Topic, protocol: str, *, subscribing: bool) -> None:
    """Raises AwsError for what cannot be set on a subscription of the topic."""
    prefix = "Attributes Reason: " if subscribing else ""

    def wrong(sentence: str) -> AwsError:
        return errors.invalid_parameter(prefix + sentence)

    if name not in OF_SUBSCRIPTIONS:
        raise wrong("AttributeName")
    if name == "RawMessageDelivery":
        if value.lower() not in ("true", "false"):
            raise wrong(f"RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
        if value.lower() == "true" and protocol not in RAW_PROTOCOLS:
            raise wrong(f"RawMessageDelivery: Delivery protocol [{protocol}] does not support raw message delivery.")
    elif name == "FilterPolicyScope":
        if value not in SCOPES:
            raise wrong(f"FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes")
    elif name == "DeliveryPolicy" and value:
        if protocol not in ("http", "https"):
            raise wrong(f"DeliveryPolicy: protocol [{protocol}] does not support delivery policies.")
        try:
            delivery_policies.check_subscription(value)
        except DeliveryPolicyError as error:
            raise wrong(f"DeliveryPolicy: {error}") from None
    elif name == "RedrivePolicy" and value:
        _check_redrive(value, topic, protocol, wrong)
    elif name == "ReplayPolicy" and value:
        if not topic.fifo:
            raise wrong("ReplayPolicy: Replay is not supported on standard topics.")
        if not topic.archive_days:
            raise wrong("ReplayPolicy: The topic has no ArchivePolicy.")
        replay_points_ms(value, wrong)


def _check_redrive(value: str, topic: Topic, protocol: str, wrong: Any) -> None:
    try:
        document = json.loads(value)
        target_arn = document.get("deadLetterTargetArn", "")
    except (ValueError, AttributeError):
        raise wrong("RedrivePolicy: failed to parse JSON.") from None
    if not isinstance(target_arn, str) or not arns.is_arn(target_arn) or arns.parse(target_arn).service != "sqs":
        raise wrong("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if topic.fifo and not target_arn.endswith(".fifo"):
        raise wrong("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO topic")
    if not topic.fifo and target_arn.endswith(".fifo"):
        raise wrong("RedrivePolicy: must use a standard queue as DLQ for a standard topic")


def replay_points_ms(value: str, wrong: Any = errors.invalid_parameter) -> tuple[int, int]:
    """(from, until) of a ReplayPolicy; until is 0 where the replay does not end. Raises InvalidParameter."""
    try:
        document = json.loads(value)
        kind = document["PointType"]
        start_ms = int(timestamps.parse(document["StartingPoint"]) * 1000)
        end_ms = int(timestamps.parse(document["EndingPoint"]) * 1000) if document.get("EndingPoint") else 0
    except (ValueError, TypeError, KeyError, AttributeError):
        raise wrong("ReplayPolicy: failed to parse JSON.") from None
    if kind != "Timestamp":
        raise wrong(f"ReplayPolicy: Invalid PointType [{kind}]. Must be Timestamp.")
    if end_ms and end_ms <= start_ms:
        raise wrong("ReplayPolicy: EndingPoint must be after StartingPoint.")
    return start_ms, end_ms


def apply_to_subscription(subscription: Subscription, given: dict[str, str]) -> Subscription:
    merged = {**subscription.attributes, **given}
    if "RawMessageDelivery" in merged:
        merged["RawMessageDelivery"] = merged["RawMessageDelivery"].lower()
    if merged.get("FilterPolicy", "").strip() in ("", "{}"):
        merged.pop("FilterPolicy", None)
    return subscription.replace(attributes={name: value for name, value in merged.items() if value != ""})  # type: ignore[no-any-return]


def check_filter(subscription: Subscription, *, subscribing: bool) -> None:
    """The filter policy in its scope. Raises InvalidParameter."""
    policy = subscription.attributes.get("FilterPolicy")
    if policy is None:
        return
    try:
        Filter(policy, subscription.attributes.get("FilterPolicyScope", ""))
    except PolicyError as error:
        prefix = "Attributes Reason: " if subscribing else ""
        raise errors.invalid_parameter(f"{prefix}FilterPolicy: {error}") from None


def shown_of_subscription(subscription: Subscription, topic: Topic, topic_arn: str) -> dict[str, str]:
    """As GetSubscriptionAttributes gives them."""
    found = {
        **subscription.attributes,
        "SubscriptionArn": f"{topic_arn}:{subscription.subscription_id}",
        "TopicArn": topic_arn,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Owner": subscription.owner,
        "SubscriptionPrincipal": subscription.principal,
        "PendingConfirmation": "false" if subscription.confirmed else "true",
        "ConfirmationWasAuthenticated": "true" if subscription.authenticated else "false",
        "RawMessageDelivery": subscription.attributes.get("RawMessageDelivery", "false"),
    }
    if "FilterPolicy" in found:
        found.setdefault("FilterPolicyScope", "MessageAttributes")
    if subscription.protocol in ("http", "https"):
        found["EffectiveDeliveryPolicy"] = delivery_policies.effective_of_subscription(
            subscription.attributes.get("DeliveryPolicy", ""), topic.attributes.get("DeliveryPolicy", "")
        )
    if subscription.replay_status:
        found["ReplayStatus"] = subscription.replay_status
    return found
