"""Subscriptions: subscribe, confirm, list, describe, change, unsubscribe."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.auth import policy
from groundcloud.base import arn as arns
from groundcloud.base.errors import not_implemented
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sns import attributes, confirmations, errors, fifo, names
from groundcloud.services.sns.messages import MESSAGE_BYTES_MAX, PROTOCOLS
from groundcloud.services.sns.state import (
    BY_ENDPOINT,
    OWNED,
    SUBSCRIPTIONS,
    TOKENS,
    TOPICS,
    Subscription,
    Topic,
    delete_subscription,
    put_subscription,
)
from groundcloud.store import Transaction

PAGE = 100  # AWS: ListSubscriptions: "up to 100"
FIFO_SUBSCRIPTIONS_MAX = 100  # AWS: Amazon SNS quotas; fan_out.AT_ONCE relies on it
FILTER_POLICIES_MAX = 200  # AWS: per topic
PENDING = "pending confirmation"
UNTIL_CONFIRMED = {"email", "email-json", "http", "https"}
"""Protocols whose endpoints must always confirm."""

_PHONE_NUMBER = re.compile(r"\+?[0-9](?:[ \-().]?[0-9]){4,19}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

Request = dict[str, Any]


@operation(resource=names.topic_of, context=names.subscription_keys)
def subscribe(call: Call, request: Request) -> Request:
    """Subscribing again gives the subscription that is there, and asks a pending one once more."""
    protocol, endpoint, arn = request["Protocol"], request.get("Endpoint", ""), request["TopicArn"]
    given = request.get("Attributes") or {}
    if protocol not in PROTOCOLS:
        raise errors.invalid_parameter(f"Amazon SNS does not support this protocol string: {protocol}")
    names.parse_topic(arn)
    _check_endpoint(protocol, endpoint)
    tx, topic = names.load_topic(call, arn)
    _check_kind(topic, protocol, endpoint)
    for name, value in given.items():
        attributes.check_subscription_attribute(name, value, topic, protocol, subscribing=True)
    existing_id = BY_ENDPOINT.get(tx, topic.topic_name, protocol, endpoint)
    existing = SUBSCRIPTIONS.get(tx, topic.topic_name, existing_id) if existing_id is not None else None
    if existing is not None:
        return _again(call, tx, topic, existing, request)
    if topic.fifo and topic.confirmed + topic.pending >= FIFO_SUBSCRIPTIONS_MAX:
        raise errors.too_many_subscriptions()
    if topic.message_bytes_max > MESSAGE_BYTES_MAX:
        attributes.check_audience(topic, (*[each.protocol for each in SUBSCRIPTIONS.scan(tx, topic.topic_name)], protocol))
    confirmed = _is_confirmed_at_once(call, protocol, endpoint)
    subscription = attributes.apply_to_subscription(
        Subscription(
            topic_name=topic.topic_name,
            subscription_id=call.new_id(),
            protocol=protocol,
            endpoint=endpoint,
            owner=call.account,
            created_ms=call.now_ms,
            confirmed=confirmed,
            authenticated=confirmed,
            principal=call.principal.role_arn or call.principal.arn,
        ),
        given,
    )
    attributes.check_filter(subscription, subscribing=True)
    _check_filters_of_topic(tx, subscription)
    if "ReplayPolicy" in subscription.attributes:
        subscription = fifo.start_replay(call, tx, subscription)
    put_subscription(tx, arn, subscription)
    topic = topic.replace(
        confirmed=topic.confirmed + confirmed, pending=topic.pending + (not confirmed), generation=tx.sequence("sns/generation")
    )
    TOPICS.put(tx, topic)
    if not confirmed:
        confirmations.ask(call, tx, topic, subscription)
    return {"SubscriptionArn": _shown_arn(arn, subscription, request)}


@operation(public=True)
def confirm_subscription(call: Call, request: Request) -> Request:
    """Needs no signature, but where AuthenticateOnUnsubscribe asks for one."""
    arn = request["TopicArn"]
    place = names.parse_topic(arn)
    tx = call.tx.at(place.account, place.region)
    topic = TOPICS.get(tx, place.name)
    if topic is None:
        raise errors.topic_does_not_exist()
    signed = call.principal.kind != "anonymous"
    if signed:
        _authorize_own(call, "SNS:ConfirmSubscription", arn)
    wish = request.get("AuthenticateOnUnsubscribe", "false").lower()
    if wish not in ("true", "false"):
        raise errors.invalid_parameter("AuthenticateOnUnsubscribe")
    if wish == "true" and not signed:
        raise errors.not_authorized("ConfirmSubscription with AuthenticateOnUnsubscribe must be signed")
    token = TOKENS.get(tx, place.name, request["Token"])
    subscription = SUBSCRIPTIONS.get(tx, place.name, token.subscription_id) if token is not None else None
    if token is None or token.until_ms <= call.now_ms or subscription is None:
        raise errors.invalid_parameter("Token")
    if not subscription.confirmed:
        SUBSCRIPTIONS.put(tx, subscription.replace(confirmed=True, authenticated=signed, signed_unsubscribe=wish == "true"))
        TOPICS.put(
            tx,
            topic.replace(confirmed=topic.confirmed + 1, pending=topic.pending - 1, generation=tx.sequence("sns/generation")),
        )
    return {"SubscriptionArn": f"{arn}:{subscription.subscription_id}"}


@operation(public=True)
def unsubscribe(call: Call, request: Request) -> Request:
    """Needs no signature for subscriptions that were confirmed without. Unsubscribing what is not there succeeds."""
    arn = request["SubscriptionArn"]
    place, subscription_id = names.parse_subscription(arn)
    signed = call.principal.kind != "anonymous"
    topic_arn = arn.rpartition(":")[0]
    if signed:
        if place.region != call.region:
            raise errors.invalid_parameter("SubscriptionArn")
        _authorize_own(call, "SNS:Unsubscribe", topic_arn)
    tx = call.tx.at(place.account, place.region)
    topic = TOPICS.get(tx, place.name)
    subscription = SUBSCRIPTIONS.get(tx, place.name, subscription_id)
    if topic is None or subscription is None:
        return {}
    if signed and call.account not in (subscription.owner, place.account):
        raise errors.not_authorized("Only the owner of the subscription or of the topic can unsubscribe it")
    if not signed and (subscription.authenticated or subscription.signed_unsubscribe):
        raise errors.not_authorized("This subscription can only be unsubscribed with a signature of its owner's")
    if not signed:
        # Gone until it confirms again, for as long as its token holds.
        if not subscription.confirmed:
            return {}
        SUBSCRIPTIONS.put(tx, subscription.replace(confirmed=False))
        topic = topic.replace(
            confirmed=topic.confirmed - 1, pending=topic.pending + 1, deleted=topic.deleted + 1, generation=tx.sequence("sns/generation")
        )
        TOPICS.put(tx, topic)
        confirmations.ask(call, tx, topic, subscription, "UnsubscribeConfirmation")
        return {}
    forget(tx, topic, topic_arn, subscription)
    return {}


@operation()
def list_subscriptions(call: Call, request: Request) -> Request:
    after = tuple(request["NextToken"].rsplit("|", 1)) if "NextToken" in request else None
    if after is not None and len(after) != 2:
        raise errors.invalid_parameter("NextToken")
    keys = list(OWNED.keys(call.tx, after=after, limit=PAGE + 1))
    found = []
    for topic_arn, subscription_id in keys[:PAGE]:
        place = names.parse_topic(topic_arn)
        subscription = SUBSCRIPTIONS.get(call.tx.at(place.account, place.region), place.name, subscription_id)
        if subscription is not None:
            found.append(_listed(topic_arn, subscription))
    answer: Request = {"Subscriptions": found}
    if len(keys) > PAGE:
        answer["NextToken"] = "|".join(keys[PAGE - 1])
    return answer


@operation(resource=names.topic_of, context=names.topic_keys)
def list_subscriptions_by_topic(call: Call, request: Request) -> Request:
    tx, topic = names.load_topic(call, request["TopicArn"])
    found = list(SUBSCRIPTIONS.scan(tx, topic.topic_name, after=request.get("NextToken"), limit=PAGE + 1))
    answer: Request = {"Subscriptions": [_listed(request["TopicArn"], each) for each in found[:PAGE]]}
    if len(found) > PAGE:
        answer["NextToken"] = found[PAGE - 1].subscription_id
    return answer


@operation(resource=names.topic_of_subscription, context=names.topic_keys)
def get_subscription_attributes(call: Call, request: Request) -> Request:
    arn = request["SubscriptionArn"]
    _, topic, subscription = names.load_subscription(call, arn)
    return {"Attributes": attributes.shown_of_subscription(subscription, topic, arn.rpartition(":")[0])}


@operation(resource=names.topic_of_subscription, context=names.topic_keys)
def set_subscription_attributes(call: Call, request: Request) -> Request:
    name, value = request["AttributeName"], request.get("AttributeValue", "")
    tx, topic, subscription = names.load_subscription(call, request["SubscriptionArn"])
    attributes.check_subscription_attribute(name, value, topic, subscription.protocol, subscribing=False)
    changed = attributes.apply_to_subscription(subscription, {name: value})
    if name in ("FilterPolicy", "FilterPolicyScope"):
        attributes.check_filter(changed, subscribing=False)
        if "FilterPolicy" not in subscription.attributes:
            _check_filters_of_topic(tx, changed)
    if name == "ReplayPolicy":
        changed = fifo.start_replay(call, tx, changed) if value else changed.replace(replay_status="", replay_id="")
    SUBSCRIPTIONS.put(tx, changed)
    TOPICS.put(tx, topic.replace(generation=tx.sequence("sns/generation")))
    return {}


def forget(tx: Transaction, topic: Topic, topic_arn: str, subscription: Subscription) -> None:
    """Takes a subscription out, and counts it among the deleted."""
    delete_subscription(tx, topic_arn, subscription)
    TOPICS.put(
        tx,
        topic.replace(
            confirmed=topic.confirmed - subscription.confirmed,
            pending=topic.pending - (not subscription.confirmed),
            deleted=topic.deleted + 1,
            generation=tx.sequence("sns/generation"),
        ),
    )


def _authorize_own(call: Call, action: str, topic_arn: str) -> None:
    """By the caller's own policies: a topic's has no say in who confirms or leaves."""
    decision = authorization.decide(call, action, topic_arn, None, None, call.principal.account)
    if decision is not None and not decision.allowed:
        raise authorization.denied(call, policy.sentence(decision))


def _again(call: Call, tx: Transaction, topic: Topic, existing: Subscription, request: Request) -> Request:
    given = {**existing.attributes, **attributes.apply_to_subscription(existing, request.get("Attributes") or {}).attributes}
    if given != existing.attributes:
        raise errors.invalid_parameter("Attributes Reason: Subscription already exists with different attributes")
    if not existing.confirmed:
        confirmations.ask(call, tx, topic, existing)
    return {"SubscriptionArn": _shown_arn(request["TopicArn"], existing, request)}


def _shown_arn(topic_arn: str, subscription: Subscription, request: Request) -> str:
    if subscription.confirmed or request.get("ReturnSubscriptionArn"):
        return f"{topic_arn}:{subscription.subscription_id}"
    return PENDING


def _listed(topic_arn: str, subscription: Subscription) -> Request:
    return {
        "SubscriptionArn": f"{topic_arn}:{subscription.subscription_id}" if subscription.confirmed else "PendingConfirmation",
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "TopicArn": topic_arn,
    }


def _is_confirmed_at_once(call: Call, protocol: str, endpoint: str) -> bool:
    """AWS: a queue or function of another account confirms, unless that account itself subscribes it."""
    if protocol in UNTIL_CONFIRMED:
        return False
    return protocol not in ("sqs", "lambda", "application") or arns.parse(endpoint).account == call.account


def _check_endpoint(protocol: str, endpoint: str) -> None:
    """Raises InvalidParameter; firehose is refused until there is a room for it."""
    if protocol in ("http", "https"):
        if not endpoint.startswith(f"{protocol}://") or not endpoint[len(protocol) + 3 :].strip("/"):
            raise errors.invalid_parameter("Endpoint must match the specified protocol")
    elif protocol in ("email", "email-json"):
        if not _EMAIL.fullmatch(endpoint):
            raise errors.invalid_parameter("Email address")
    elif protocol == "sms":
        if not _PHONE_NUMBER.fullmatch(endpoint):
            raise errors.invalid_parameter(f"Invalid SMS endpoint: {endpoint}")
    elif protocol == "firehose":
        raise not_implemented("SNS subscriptions of the protocol firehose")
    else:
        service, words = {
            "sqs": ("sqs", "SQS endpoint ARN"),
            "lambda": ("lambda", "Lambda endpoint ARN"),
            "application": ("sns", "ApplicationEndpoint ARN"),
        }[protocol]
        if not arns.is_arn(endpoint) or arns.parse(endpoint).service != service or not arns.parse(endpoint).account:
            raise errors.invalid_parameter(words)


def _check_kind(topic: Topic, protocol: str, endpoint: str) -> None:
    if topic.fifo and protocol != "sqs":
        raise errors.invalid_parameter("Invalid parameter: Endpoint Reason: Please use FIFO SQS queue")
    if not topic.fifo and protocol == "sqs" and endpoint.endswith(".fifo"):
        raise errors.invalid_parameter("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")


def _check_filters_of_topic(tx: Transaction, subscription: Subscription) -> None:
    if "FilterPolicy" not in subscription.attributes:
        return
    have = sum("FilterPolicy" in each.attributes for each in SUBSCRIPTIONS.scan(tx, subscription.topic_name))
    if have >= FILTER_POLICIES_MAX:
        raise errors.too_many_filter_policies()
