"""Topics: create, list, describe, change, delete; their tags, permissions and data protection policies."""

from __future__ import annotations

import json
import re
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sns import attributes, errors, fifo, names, signing
from groundcloud.services.sns.state import SUBSCRIPTIONS, TOKENS, TOPICS, Topic, delete_subscription
from groundcloud.store import Transaction

PAGE = 100  # AWS: ListTopics: "up to 100"
TAGS_MAX = 50

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,251}\.fifo")
_TAG_KEY = re.compile(r"[\w\s.:/=+\-@]{1,128}")
_ACCOUNT = re.compile(r"\d{12}")

Request = dict[str, Any]


@operation(resource=names.topic_to_create, context=names.tag_keys)
def create_topic(call: Call, request: Request) -> Request:
    """Creating again with the same attributes and tags gives the topic that is there."""
    name, given = request["Name"], dict(request.get("Attributes") or {})
    tags = _tags(request.get("Tags") or [])
    wanted = given.pop("FifoTopic", "false").lower()
    if wanted not in ("true", "false"):
        raise errors.invalid_parameter(f"Attributes Reason: FifoTopic: Invalid value [{wanted}]. Must be true or false.")
    is_fifo = wanted == "true"
    if is_fifo and not _FIFO_NAME.fullmatch(name):
        raise errors.invalid_parameter(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, "
            "numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
        )
    if not is_fifo and not _NAME.fullmatch(name):
        raise errors.invalid_parameter("Topic Name")
    arn = call.arn("sns", name)
    for attribute, value in given.items():
        _check(attribute, value, arn, is_fifo)
    protection = request.get("DataProtectionPolicy", "")
    if protection:
        _check_protection(protection)
    existing = TOPICS.get(call.tx, name)
    if existing is not None:
        have = attributes.shown_of_topic(existing, arn, call.now_ms)
        if any(have.get(attribute, "") != value for attribute, value in given.items()):
            raise errors.invalid_parameter("Attributes Reason: Topic already exists with different attributes")
        if "Tags" in request and tags != existing.tags:
            raise errors.invalid_parameter("Tags Reason: Topic already exists with different tags")
        return {"TopicArn": arn}
    if any(not key.startswith("aws:") for key in tags):
        call.authorize("SNS:TagResource", arn, names.tag_keys(call, request))
    topic = Topic(
        topic_name=name,
        created_ms=call.now_ms,
        tags=tags,
        data_protection=protection,
        fifo=is_fifo,
        attributes={"FifoTopic": "true"} if is_fifo else {},
        generation=call.tx.sequence("sns/generation"),
    )
    TOPICS.put(call.tx, attributes.apply_to_topic(topic, given, arn, call.now_ms))
    if not is_fifo and not signing.is_made(call.tx):
        # Made beside the loop, so that the first message need not wait for it.
        call.schedule(call.now_ms, "sns.signing-key", None, key="signing-key")
    return {"TopicArn": arn}


@operation(resource=names.topic_of, context=names.topic_keys)
def delete_topic(call: Call, request: Request) -> Request:
    """Deleting what is not there succeeds."""
    arn = request["TopicArn"]
    place = names.parse_topic(arn)
    if place.region != call.region:
        raise errors.invalid_parameter("TopicArn")
    tx = call.tx.at(place.account, place.region)
    topic = TOPICS.get(tx, place.name)
    if topic is None:
        return {}
    if topic.archive_days:
        raise AwsError("InvalidStateException", "Invalid parameter: Cannot delete a topic with an ArchivePolicy")
    for subscription in list(SUBSCRIPTIONS.scan(tx, topic.topic_name)):
        delete_subscription(tx, arn, subscription)
    for key in list(TOKENS.keys(tx, topic.topic_name)):
        TOKENS.delete(tx, *key)
    fifo.drop(tx, topic.topic_name)
    TOPICS.delete(tx, topic.topic_name)
    return {}


@operation()
def list_topics(call: Call, request: Request) -> Request:
    found = [name for (name,) in TOPICS.keys(call.tx, after=request.get("NextToken"), limit=PAGE + 1)]
    answer: Request = {"Topics": [{"TopicArn": call.arn("sns", name)} for name in found[:PAGE]]}
    if len(found) > PAGE:
        answer["NextToken"] = found[PAGE - 1]
    return answer


@operation(resource=names.topic_of, context=names.topic_keys)
def get_topic_attributes(call: Call, request: Request) -> Request:
    _, topic = names.load_topic(call, request["TopicArn"])
    return {"Attributes": attributes.shown_of_topic(topic, request["TopicArn"], call.now_ms)}


@operation(resource=names.topic_of, context=names.topic_keys)
def set_topic_attributes(call: Call, request: Request) -> Request:
    name, value, arn = request["AttributeName"], request.get("AttributeValue", ""), request["TopicArn"]
    tx, topic = names.load_topic(call, arn)
    attributes.check_topic_attribute(name, value, arn, topic.fifo)
    changed = attributes.apply_to_topic(topic, {name: value}, arn, call.now_ms)
    if name == "MaximumMessageSize":
        attributes.check_audience(changed, (each.protocol for each in SUBSCRIPTIONS.scan(tx, topic.topic_name)))
    if topic.archive_days and not changed.archive_days:
        fifo.drop_archive(tx, topic.topic_name)
    TOPICS.put(tx, changed.replace(generation=tx.sequence("sns/generation")))
    return {}


@operation(resource=names.topic_of, context=names.topic_keys)
def add_permission(call: Call, request: Request) -> Request:
    tx, topic = names.load_topic(call, request["TopicArn"])
    arn, label = request["TopicArn"], request["Label"]
    for action in request["ActionName"]:
        if action not in names.ACTIONS and action not in ("Receive",):
            raise errors.invalid_parameter("Policy statement action out of service scope!")
    for account in request["AWSAccountId"]:
        if not _ACCOUNT.fullmatch(account):
            raise errors.invalid_parameter("Policy Error: null")
    policy: Request = json.loads(topic.policy or names.default_policy(arn, tx.account))
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise errors.invalid_parameter("Statement already exists")
    principals = [f"arn:aws:iam::{account}:root" for account in request["AWSAccountId"]]
    actions = [f"SNS:{action}" for action in request["ActionName"]]
    policy["Statement"].append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": actions[0] if len(actions) == 1 else actions,
            "Resource": arn,
        }
    )
    TOPICS.put(tx, topic.replace(policy=json.dumps(policy, separators=(",", ":"))))
    return {}


@operation(resource=names.topic_of, context=names.topic_keys)
def remove_permission(call: Call, request: Request) -> Request:
    """Removing what is not there succeeds."""
    tx, topic = names.load_topic(call, request["TopicArn"])
    policy: Request = json.loads(topic.policy or names.default_policy(request["TopicArn"], tx.account))
    policy["Statement"] = [statement for statement in policy["Statement"] if statement.get("Sid") != request["Label"]]
    TOPICS.put(tx, topic.replace(policy=json.dumps(policy, separators=(",", ":"))))
    return {}


@operation(resource=names.resource_of, context=names.topic_keys)
def put_data_protection_policy(call: Call, request: Request) -> Request:
    """Kept and given back; messages are neither looked through nor changed by it."""
    tx, topic = names.load_topic(call, request["ResourceArn"])
    policy = request["DataProtectionPolicy"]
    if policy:
        _check_protection(policy)
    TOPICS.put(tx, topic.replace(data_protection=policy))
    return {}


@operation(resource=names.resource_of, context=names.topic_keys)
def get_data_protection_policy(call: Call, request: Request) -> Request:
    _, topic = names.load_topic(call, request["ResourceArn"])
    return {"DataProtectionPolicy": topic.data_protection} if topic.data_protection else {}


@operation(resource=names.resource_of, context=names.tag_keys)
def tag_resource(call: Call, request: Request) -> Request:
    tx, topic = _tagged(call, request)
    tags = {**topic.tags, **_tags(request["Tags"])}
    if len(tags) > TAGS_MAX:
        raise errors.too_many_tags()
    TOPICS.put(tx, topic.replace(tags=tags))
    return {}


@operation(resource=names.resource_of, context=names.tag_keys)
def untag_resource(call: Call, request: Request) -> Request:
    tx, topic = _tagged(call, request)
    TOPICS.put(tx, topic.replace(tags={key: value for key, value in topic.tags.items() if key not in request["TagKeys"]}))
    return {}


@operation(resource=names.resource_of, context=names.topic_keys)
def list_tags_for_resource(call: Call, request: Request) -> Request:
    _, topic = _tagged(call, request)
    return {"Tags": [{"Key": key, "Value": value} for key, value in topic.tags.items()]}


def _tagged(call: Call, request: Request) -> tuple[Transaction, Topic]:
    place = names.parse_topic(request["ResourceArn"], "ResourceArn")
    tx = call.tx.at(place.account, place.region)
    topic = TOPICS.get(tx, place.name)
    if topic is None:
        raise errors.resource_does_not_exist()
    return tx, topic


def _tags(given: list[Request]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in given:
        key = tag["Key"]
        if key in tags:
            raise errors.invalid_parameter("Duplicated keys are not allowed.")
        if key.lower().startswith("aws:") and not key.startswith("aws:cloudformation:"):
            raise errors.invalid_parameter("aws: prefixed tag key names are not allowed for external use.")
        if not _TAG_KEY.fullmatch(key):
            raise errors.invalid_parameter(f"Tag key {key} contains characters that are not allowed.")
        tags[key] = tag.get("Value", "")
    if len(tags) > TAGS_MAX:
        raise errors.too_many_tags()
    return tags


def _check(attribute: str, value: str, arn: str, is_fifo: bool) -> None:
    """Of CreateTopic, which words it so."""
    if attribute not in attributes.OF_TOPICS:
        raise errors.invalid_parameter(f"Attributes Reason: Unknown attribute {attribute}")
    try:
        attributes.check_topic_attribute(attribute, value, arn, is_fifo)
    except AwsError as error:
        what = error.message.removeprefix("Invalid parameter: ").replace("AttributeName", f"Unknown attribute {attribute}")
        raise errors.invalid_parameter(f"Attributes Reason: {what.replace(' Reason: ', ': ')}") from None


def _check_protection(policy: str) -> None:
    try:
        document = json.loads(policy)
    except (ValueError, RecursionError):
        raise errors.invalid_parameter("DataProtectionPolicy: failed to parse JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("Statement"), list):
        raise errors.invalid_parameter("DataProtectionPolicy")
    if len(policy) > attributes.DATA_PROTECTION_CHARACTERS_MAX:
        raise errors.invalid_parameter("DataProtectionPolicy Reason: Policy is too long")
