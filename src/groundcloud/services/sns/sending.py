"""Deliveries that are tried, watched and tried again: their ways out, what an answer means, and what becomes of those that fail for good.

waiting (timer "sns.send") --tried--> delivered (logged)
tried --the endpoint's server failed--> waiting again, for as long as the delivery policy says
tried --refused, or the policy is at its end--> dead-letter queue (logged), or gone
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.telemetry import CallRecord
from groundcloud.services.sns import delivery_logs, names, posting
from groundcloud.services.sns.delivery_policies import effective, pauses_s
from groundcloud.services.sns.state import SUBSCRIPTIONS, TOPICS, Sending, Subscription, Topic

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

PRINCIPAL = "sns.amazonaws.com"
MANAGED_PAUSES_S = [0.0, 0.0, 0.0, 1.0, 1.0, *[1.0 * 20 ** (step / 9) for step in range(10)]]
"""AWS: "Delivery protocols and policies": AWS managed endpoints; then every MANAGED_LAST_S."""

MANAGED_LAST_S = 20.0
MANAGED_ATTEMPTS_MAX = 100_015
TRANSIENT = {
    "InternalError",
    "InternalFailure",
    "RequestThrottled",
    "ServiceUnavailable",
    "ThrottlingException",
    "TooManyRequestsException",
}
DEAD_LETTER_ATTEMPTS = 10

_encode = msgspec.json.Encoder().encode


class Outcome(NamedTuple):
    """`again`: it may succeed another time."""

    delivered: bool
    again: bool
    status: int
    response: str


class Paces:
    """When the next request may go to each endpoint whose policy limits them. In memory: a restart begins anew."""

    def __init__(self) -> None:
        self._next_ms: dict[str, float] = {}

    def next_ms(self, subscription_arn: str, now_ms: int, rate_per_s: int) -> int:
        due_ms = max(float(now_ms), self._next_ms.get(subscription_arn, 0.0))
        self._next_ms[subscription_arn] = due_ms + 1000 / rate_per_s
        return int(due_ms)


def family(protocol: str) -> str:
    """As attributes of topics call it."""
    return delivery_logs.FAMILIES.get(protocol, "")


async def attempt(call: Call, sending: Sending, topic_arn: str, policy: dict[str, Any]) -> Outcome:
    """One try."""
    if sending.protocol in ("http", "https"):
        return _meaning(await posting.post(sending, topic_arn, policy["requestPolicy"].get("headerContentType", "")))
    target = arns.parse(sending.endpoint)
    place = {"as_": PRINCIPAL, "source_arn": topic_arn, "account": target.account, "region": target.region}
    try:
        if sending.protocol == "sqs":
            answer = await call.request("sqs", "SendMessage", _message_of(call, sending, target), **place)
            return Outcome(True, False, 200, json.dumps({"sqsRequestId": call.new_id(), "sqsMessageId": answer["MessageId"]}))
        params = {"FunctionName": sending.endpoint, "InvocationType": "Event", "Payload": sending.body.encode()}
        await call.request("lambda", "Invoke", params, **place)
        return Outcome(True, False, 202, json.dumps({"lambdaRequestId": call.new_id()}))
    except AwsError as error:
        status = error.status or 400
        response = json.dumps({"ErrorCode": error.code, "ErrorMessage": error.message})
        return Outcome(False, status >= 500 or error.code in TRANSIENT, status, response)


def _message_of(call: Call, sending: Sending, target: arns.Arn) -> dict[str, Any]:
    params: dict[str, Any] = {"QueueUrl": f"{call.endpoint}/{target.account}/{target.resource}", "MessageBody": sending.body}
    if sending.attributes:
        params["MessageAttributes"] = sending.attributes
    if sending.group_id:
        params["MessageGroupId"] = sending.group_id
    if sending.deduplication_id and target.resource.endswith(".fifo"):
        params["MessageDeduplicationId"] = sending.deduplication_id
    if sending.trace:
        params["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": sending.trace}}
    return params


def _meaning(answer: posting.Answer) -> Outcome:
    """AWS tries again after 5xx and 429, and where there was no answer; other refusals are final."""
    if answer.status is None:
        return Outcome(False, True, 0, answer.text)
    delivered = 200 <= answer.status < 300
    return Outcome(
        delivered, not delivered and (answer.status >= 500 or answer.status == 429 or answer.status < 200), answer.status, answer.text
    )


def pause_s(sending: Sending, policy: dict[str, Any]) -> float | None:
    """Until the next try after this one failed; None where there is none."""
    tried = sending.attempt - 1
    if sending.protocol in ("http", "https"):
        pauses = pauses_s(policy["healthyRetryPolicy"])
        return pauses[tried] if tried < len(pauses) else None
    if tried < len(MANAGED_PAUSES_S):
        return MANAGED_PAUSES_S[tried]
    return MANAGED_LAST_S if sending.attempt < MANAGED_ATTEMPTS_MAX else None


def policy_of(topic: Topic, subscription: Subscription | None) -> dict[str, Any]:
    own = subscription.attributes.get("DeliveryPolicy", "") if subscription is not None else ""
    return effective(own, topic.attributes.get("DeliveryPolicy", ""))


async def send(call: Call, sending: Sending) -> None:
    """The timer's work: one try, and what follows from it. Forgets what belongs to a subscription or topic that is gone."""
    with call.transaction() as tx:
        topic = TOPICS.get(tx, sending.topic_name)
        subscription = SUBSCRIPTIONS.get(tx, sending.topic_name, sending.subscription_id)
        topic_arn = names.topic_arn(tx, sending.topic_name)
    if topic is None or (subscription is None and sending.kind != "UnsubscribeConfirmation"):
        return
    policy = policy_of(topic, subscription)
    outcome = await attempt(call, sending, topic_arn, policy)
    with call.transaction() as tx:
        pause = None if outcome.delivered or not outcome.again else pause_s(sending, policy)
        if pause is not None:
            due_ms = call.clock.now_ms() + int(pause * 1000)
            call.schedule(due_ms, "sns.send", sending.replace(attempt=sending.attempt + 1))
            return
        ended(call, tx, topic, subscription, sending, outcome)


def ended(call: Call, tx: Transaction, topic: Topic, subscription: Subscription | None, sending: Sending, outcome: Outcome) -> None:
    """Logs the end of a delivery, and gives what failed to the dead-letter queue."""
    if sending.kind == "Notification":
        delivery_logs.tell(call, tx, topic, sending, outcome.delivered, outcome.response, outcome.status)
    if outcome.delivered:
        return
    _count_failure(call, tx, topic)
    redrive = subscription.attributes.get("RedrivePolicy") if subscription is not None else None
    if redrive is None or sending.kind != "Notification":
        call.log.warning("a message of %s is not delivered to %s: %s", topic.topic_name, sending.endpoint, outcome.response)
        return
    attributes: dict[str, str] = {}
    if sending.attributes:
        attributes["MessageAttributes"] = _encode(sending.attributes).decode()
    if sending.group_id:
        attributes["MessageGroupId"] = sending.group_id
    if sending.deduplication_id:
        attributes["MessageDeduplicationId"] = sending.deduplication_id
    if sending.trace:
        attributes["AWSTraceHeader"] = sending.trace
    call.deliver(
        json.loads(redrive)["deadLetterTargetArn"],
        _as_document(sending.body) if sending.protocol == "lambda" else sending.body,
        principal=PRINCIPAL,
        source_arn=names.topic_arn(tx, topic.topic_name),
        attributes=attributes,
        max_attempts=DEAD_LETTER_ATTEMPTS,
        tx=tx,
    )


def _count_failure(call: Call, tx: Transaction, topic: Topic) -> None:
    """For the metric NumberOfNotificationsFailed."""
    call.ground.telemetry.emit(
        CallRecord(
            call.request_id,
            call.clock.now_ms(),
            tx.account,
            tx.region,
            "sns",
            "Deliver",
            names.topic_arn(tx, topic.topic_name),
            PRINCIPAL,
            200,
            "",
            0,
            units={"NumberOfNotificationsFailed": 1},
        )
    )


def _as_document(event: str) -> str:
    """A function's event as the document that a queue would have had."""
    sns = json.loads(event)["Records"][0]["Sns"]
    renamed = {"SigningCertUrl": "SigningCertURL", "UnsubscribeUrl": "UnsubscribeURL"}
    members = {renamed.get(name, name): value for name, value in sns.items() if value not in (None, {})}
    return "{\n  " + ",\n  ".join(f"{json.dumps(name)} : {_encode(value).decode()}" for name, value in members.items()) + "\n}"
