"""ARNs of topics, subscriptions and platform endpoints; what they name; the policy that a topic carries."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from groundcloud.kernel.call import Call
from groundcloud.services.sns import errors
from groundcloud.services.sns.state import SUBSCRIPTIONS, TOPICS, Subscription, Topic
from groundcloud.store import Transaction

ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)
"""What a topic's default policy gives to its owner, in AWS's order."""

OWNERS_SERVICES = {
    "apigateway.amazonaws.com",
    "cloudformation.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "devops-guru.amazonaws.com",
    "gamelift.amazonaws.com",
    "glacier.amazonaws.com",
    "rds.amazonaws.com",
    "redshift.amazonaws.com",
    "ses.amazonaws.com",
    "ssm.amazonaws.com",
}
"""Services that say aws:SourceOwner, which the default policy asks for. AWS: "aws:SourceAccount versus aws:SourceOwner"; CloudFormation, which there
publishes as whoever deploys."""


class TopicName(NamedTuple):
    region: str
    account: str
    name: str


@lru_cache(maxsize=8192)
def parse_topic(topic_arn: str, parameter: str = "TopicArn") -> TopicName:
    """Raises InvalidParameter in AWS's words."""
    parts = topic_arn.split(":")
    if len(parts) != 6 or parts[:3] != ["arn", "aws", "sns"] or not parts[3] or not parts[4] or not parts[5]:
        raise errors.invalid_arn(parameter, topic_arn)
    return TopicName(parts[3], parts[4], parts[5])


@lru_cache(maxsize=8192)
def parse_subscription(subscription_arn: str) -> tuple[TopicName, str]:
    """(topic, subscription id). Raises InvalidParameter."""
    topic_arn, _, subscription_id = subscription_arn.rpartition(":")
    parts = subscription_arn.split(":")
    if len(parts) < 6 or parts[:3] != ["arn", "aws", "sns"]:
        raise errors.invalid_arn("SubscriptionArn", subscription_arn)
    if len(parts) != 7 or len(subscription_id) != 36:
        raise errors.invalid_parameter("SubscriptionId" if len(parts) == 7 else "SubscriptionArn")
    return parse_topic(topic_arn, "SubscriptionArn"), subscription_id


def topic_arn(tx: Transaction, topic_name: str) -> str:
    return f"arn:aws:sns:{tx.region}:{tx.account}:{topic_name}"


def load_topic(call: Call, arn: str) -> tuple[Transaction, Topic]:
    """The topic, and the transaction seen from its account. Raises NotFound, InvalidParameter."""
    name = parse_topic(arn)
    if name.region != call.region:
        raise errors.invalid_parameter("TopicArn")
    tx = call.reading()
    if name.account != tx.account:
        tx = tx.at(name.account, name.region)
    topic = TOPICS.get(tx, name.name)
    if topic is None:
        raise errors.topic_does_not_exist()
    return tx, topic


def load_subscription(call: Call, arn: str) -> tuple[Transaction, Topic, Subscription]:
    """Raises NotFound, InvalidParameter."""
    name, subscription_id = parse_subscription(arn)
    tx = call.reading().at(name.account, name.region)
    topic = TOPICS.get(tx, name.name)
    subscription = SUBSCRIPTIONS.get(tx, name.name, subscription_id)
    if topic is None or subscription is None:
        raise errors.subscription_does_not_exist()
    return tx, topic, subscription


# Of requests, for authorisation


def topic_of(call: Call, request: dict[str, Any]) -> str:
    return str(request["TopicArn"])


def resource_of(call: Call, request: dict[str, Any]) -> str:
    return str(request["ResourceArn"])


def topic_of_subscription(call: Call, request: dict[str, Any]) -> str:
    return str(request.get("SubscriptionArn", "")).rpartition(":")[0] or "*"


def topic_to_create(call: Call, request: dict[str, Any]) -> str:
    return call.arn("sns", request["Name"])


def topic_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """aws:ResourceTag of the topic that a request names, for those whose policies may ask: an owner's root needs none."""
    arn = request.get("TopicArn") or request.get("ResourceArn") or request.get("TargetArn") or topic_of_subscription(call, request)
    parts = arn.split(":")
    if len(parts) != 6 or (call.principal.kind == "root" and parts[4] == call.account):
        return {}
    topic = TOPICS.get(call.reading().at(parts[4], parts[3]), parts[5])
    return {f"aws:ResourceTag/{key}": value for key, value in topic.tags.items()} if topic is not None else {}


def tag_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """aws:RequestTag and aws:TagKeys, beside the topic's own tags."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags") or ()}
    facts = topic_keys(call, request) if "ResourceArn" in request else {}
    facts |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    names = [*tags, *request.get("TagKeys", ())]
    return {**facts, "aws:TagKeys": names} if names else facts


def subscription_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AWS: condition keys of Amazon SNS."""
    facts = {**topic_keys(call, request), "sns:Protocol": request["Protocol"]}
    return {**facts, "sns:Endpoint": request["Endpoint"]} if "Endpoint" in request else facts


def of_topic(call: Call, arn: str) -> str | None:
    """The policy on a topic. The default one speaks of services alone: a root needs none, and its users have their own."""
    parts = arn.split(":")
    if len(parts) != 6:
        return None
    tx = call.reading()
    if parts[4] != tx.account or parts[3] != tx.region:
        tx = tx.at(parts[4], parts[3])
    topic = TOPICS.get(tx, parts[5])
    if topic is None:
        return None
    if topic.policy:
        return topic.policy
    return default_policy(arn, parts[4]) if call.principal.kind == "service" else None


@lru_cache(maxsize=4096)
def default_policy(arn: str, account: str) -> str:
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in ACTIONS],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}, separators=(",", ":"))
