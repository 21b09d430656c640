"""From a published message to its subscribers: who wants it, in which form, and by which way it leaves.

Three ways. Queues and functions of standard topics take it from the outbox, in the transaction of the publisher. What is to be watched or tried again by a policy (URLs,
topics that log successes) is a `Sending` with a timer of its own. FIFO topics put it behind what waits for the same subscription (`fifo.py`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from groundcloud.services.sns import keeping, names, sending, signing
from groundcloud.services.sns.delivery_policies import effective
from groundcloud.services.sns.envelopes import Notification
from groundcloud.services.sns.filters import Filter, document_of
from groundcloud.services.sns.state import PENDING, SUBSCRIPTIONS, Message, Pending, Sending, Subscription, Topic

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

PRINCIPAL = "sns.amazonaws.com"
AT_ONCE = 100
"""Subscriptions in one transaction; the others follow in turns of as many."""

AUDIENCES_CACHED = 1024

_encode = msgspec.json.Encoder().encode
_UNREAD = object()


class Receiver(NamedTuple):
    """A confirmed subscription, ready to be delivered to. `watched`: its successes are logged, which the outbox does not know of."""

    subscription: Subscription
    arn: str
    filter: Filter | None
    raw: bool
    watched: bool


class Audiences:
    """Receivers of topics, until the topic's generation changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[int, list[Receiver]]] = {}

    def of(self, tx: Transaction, topic: Topic) -> list[Receiver]:
        key = (tx.account, tx.region, topic.topic_name)
        known = self._known.get(key)
        if known is not None and known[0] == topic.generation:
            return known[1]
        arn = names.topic_arn(tx, topic.topic_name)
        found = [
            receiver_of(topic, arn, each) for each in SUBSCRIPTIONS.scan(tx, topic.topic_name) if each.confirmed and not _is_aside(each)
        ]
        if len(self._known) >= AUDIENCES_CACHED:
            self._known.clear()
        self._known[key] = (topic.generation, found)
        return found


def receiver_of(topic: Topic, topic_arn: str, subscription: Subscription) -> Receiver:
    attributes = subscription.attributes
    policy = attributes.get("FilterPolicy")
    arn = f"{topic_arn}:{subscription.subscription_id}"
    family = sending.family(subscription.protocol)
    return Receiver(
        subscription,
        arn,
        Filter(policy, attributes.get("FilterPolicyScope", "")) if policy is not None else None,
        attributes.get("RawMessageDelivery") == "true",
        f"{family}SuccessFeedbackRoleArn" in topic.attributes and topic.attributes.get(f"{family}SuccessFeedbackSampleRate", "0") != "0",
    )


def _is_aside(subscription: Subscription) -> bool:
    """Whether nothing new goes to it: what is archived is still being replayed, or was wanted up to a moment only."""
    return subscription.replay_status in ("Pending", "In progress") or (
        bool(subscription.replay_status) and "EndingPoint" in subscription.attributes.get("ReplayPolicy", "")
    )


def publish(call: Call, tx: Transaction, topic: Topic, message: Message, endpoint: str, *, after: str = "", at_once: int = AT_ONCE) -> None:
    """Hands a message to those of the topic's subscribers who want it. `after`: only those whose id is beyond."""
    receivers = call.own("audiences", Audiences).of(tx, topic)
    if not receivers:
        return
    if after:
        receivers = [each for each in receivers if each.subscription.subscription_id > after]
    leaving = FanOut(call, tx, topic, message, endpoint)
    for receiver in receivers[:at_once]:
        leaving.to(receiver)
    if len(receivers) > at_once:
        last = receivers[at_once - 1].subscription.subscription_id
        call.schedule(call.now_ms, "sns.fan-out", [topic.topic_name, message, endpoint, last], tx=tx)


class FanOut:
    """One message on its way to many. Each of its forms is made once, when it is first needed."""

    def __init__(self, call: Call, tx: Transaction, topic: Topic, message: Message, endpoint: str, *, replay_id: str = "") -> None:
        self._call, self._tx, self._topic, self._message, self._endpoint, self._replay_id = call, tx, topic, message, endpoint, replay_id
        self._topic_arn = names.topic_arn(tx, topic.topic_name)
        self._notifications: dict[str, Notification] = {}
        self._attributes: Any = None
        self._bodies: dict[str, Any] = {}
        self._typed = ""

    def to(self, receiver: Receiver) -> None:
        call, subscription = self._call, receiver.subscription
        protocol = subscription.protocol
        if receiver.filter is not None and not self._is_wanted(receiver.filter, protocol):
            call.units["NumberOfNotificationsFilteredOut"] = call.units.get("NumberOfNotificationsFilteredOut", 0) + 1
            return
        call.units["NumberOfNotificationsDelivered"] = call.units.get("NumberOfNotificationsDelivered", 0) + 1
        if self._topic.fifo:
            self._in_order(receiver)
        elif protocol in ("sqs", "lambda") and not receiver.watched:
            self._by_outbox(receiver)
        elif protocol in ("http", "https", "sqs", "lambda"):
            self._by_sending(receiver)
        else:
            keeping.keep(call, self._tx, self._topic, subscription, self._message, self.body(receiver))

    def body(self, receiver: Receiver) -> str:
        """As it arrives at this subscriber."""
        protocol = receiver.subscription.protocol
        if receiver.raw or protocol in ("email", "sms", "application"):
            return self._message.texts.get(protocol, self._message.text)
        notification = self._notification(protocol)
        return notification.event(receiver.arn) if protocol == "lambda" else notification.document(receiver.arn)

    def sending(self, receiver: Receiver) -> Sending:
        message, subscription = self._message, receiver.subscription
        return Sending(
            topic_name=self._topic.topic_name,
            subscription_id=subscription.subscription_id,
            protocol=subscription.protocol,
            endpoint=subscription.endpoint,
            message_id=message.message_id,
            published_ms=message.published_ms,
            body=self.body(receiver),
            raw=receiver.raw,
            attributes=message.attributes if receiver.raw else {},
            group_id=message.group_id,
            deduplication_id=message.deduplication_id,
            trace=message.trace,
        )

    def _is_wanted(self, wanted: Filter, protocol: str) -> bool:
        if not wanted.by_body:
            if self._attributes is None:
                self._attributes = document_of(self._message.attributes)
            return wanted.matches(self._attributes)
        text = self._message.texts.get(protocol, self._message.text)
        body = self._bodies.get(text, _UNREAD)
        if body is _UNREAD:
            try:
                body = json.loads(text)
            except (ValueError, RecursionError):
                body = None
            self._bodies[text] = body
        return isinstance(body, (dict, list)) and wanted.matches(body)

    def _notification(self, protocol: str) -> Notification:
        text = self._message.texts.get(protocol, self._message.text)
        found = self._notifications.get(text)
        if found is None:
            # AWS signs nothing that a FIFO topic sends.
            signer = None if self._topic.fifo else signing.signer(self._call, self._tx)
            version = self._topic.attributes.get("SignatureVersion", "1")
            found = self._notifications[text] = Notification(
                self._topic_arn, self._message, text, self._endpoint, signer, version, replayed=bool(self._replay_id)
            )
        return found

    def _by_outbox(self, receiver: Receiver) -> None:
        message = self._message
        attributes: dict[str, str] = {}
        if receiver.raw and message.attributes:
            self._typed = self._typed or _encode(message.attributes).decode()
            attributes["MessageAttributes"] = self._typed
        if message.group_id and receiver.subscription.protocol == "sqs":
            attributes["MessageGroupId"] = message.group_id
        if message.trace:
            attributes["AWSTraceHeader"] = message.trace
        self._call.deliver(
            receiver.subscription.endpoint,
            self.body(receiver),
            principal=PRINCIPAL,
            source_arn=self._topic_arn,
            attributes=attributes,
            max_attempts=1,  # what fails here is the receiver's doing, which AWS does not try again
            dead_letter_arn=receiver.arn,  # where it comes back to: workers.into_topic
            tx=self._tx,
        )

    def _by_sending(self, receiver: Receiver) -> None:
        due_ms = self._call.now_ms
        if receiver.subscription.protocol not in ("sqs", "lambda"):
            policy = effective(receiver.subscription.attributes.get("DeliveryPolicy", ""), self._topic.attributes.get("DeliveryPolicy", ""))
            throttle = policy["throttlePolicy"]
            if throttle:
                due_ms = self._call.own("paces", sending.Paces).next_ms(receiver.arn, due_ms, throttle["maxReceivesPerSecond"])
        self._call.schedule(due_ms, "sns.send", self.sending(receiver), tx=self._tx)

    def _in_order(self, receiver: Receiver) -> None:
        subscription = receiver.subscription
        waiting = self.sending(receiver)
        if self._replay_id:
            # Else the queue would take it for the one it had, as long as that is in its interval.
            waiting = waiting.replace(
                deduplication_id=f"{self._replay_id}-{waiting.message_id}",
                attributes={**waiting.attributes, "Replayed": {"DataType": "String", "StringValue": "true"}} if receiver.raw else {},
            )
        PENDING.put(self._tx, Pending(subscription_id=subscription.subscription_id, sequence=self._message.sequence, sending=waiting))
        place = [subscription.topic_name, subscription.subscription_id]
        self._call.schedule(self._call.now_ms, "sns.drain", place, key=subscription.subscription_id, tx=self._tx)
