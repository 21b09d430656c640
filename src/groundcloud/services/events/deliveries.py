"""Deliveries of events to targets: one row each, tried until it is taken, given up by the target's retry policy, then sent to its dead letter queue.

    waiting --target takes it--> gone
    waiting --refused for good (no permission, no such resource, a client's error)--> dead letter
    waiting --failed--> waiting, later, up to MaximumRetryAttempts and MaximumEventAgeInSeconds --> dead letter

A `def` target takes its delivery in the transaction that removes the row, so exactly once; what is called over HTTP at least once.
Source: EventBridge user guide, "Retry policies", "Using dead-letter queues to process undelivered events".
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.call import Delivery as Handed
from groundcloud.services.events import inputs, metrics
from groundcloud.services.events.envelopes import Event
from groundcloud.services.events.state import Target
from groundcloud.store import Transaction

PRINCIPAL = "events.amazonaws.com"
ATTEMPTS_MAX = 185
AGE_S_MAX = 86_400
RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 500_000
"""So that 185 attempts fill about a day, as AWS's do."""

HOPS_MAX = 10
"""Buses that an event may be handed on through; AWS refuses loops by accounts and regions."""

THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
}

_log = logging.getLogger("groundcloud.events")
_encode = msgspec.msgpack.Encoder().encode


class Delivery(msgspec.Struct, frozen=True, array_like=True):
    """One event on its way to one target. `retries` are the attempts after the first; `slot` says that its turn under a rate limit has come."""

    target_arn: str
    payload: str
    rule_arn: str
    role_arn: str
    attributes: dict[str, str]
    event_id: str
    created_ms: int
    document: dict[str, Any] = {}
    retries: int = 0
    hops: int = 0
    trace: str = ""
    slot: bool = False


class Failed(Exception):
    """An attempt failed in a way that EventBridge has a name for. `final`: another attempt would not help."""

    def __init__(self, code: str, message: str, *, final: bool = False, after_s: int = 0) -> None:
        super().__init__(message)
        self.code, self.final, self.after_s = code, final, after_s


def begin(call: Call, tx: Transaction, target: Target, rule_arn: str, event: Event, payload: str) -> None:
    """Writes the first attempt, due now, into the transaction."""
    document = target.document
    target_arn = document["Arn"]
    service = target_arn.split(":", 3)[2]
    attributes: dict[str, str] = {}
    if service == "sqs":
        group_id = (document.get("SqsParameters") or {}).get("MessageGroupId")
        if group_id:
            attributes["MessageGroupId"] = group_id
    elif service == "kinesis":
        attributes["PartitionKey"] = _partition_key(document, event)
    delivery = Delivery(
        target_arn,
        payload,
        rule_arn,
        document.get("RoleArn", ""),
        attributes,
        event.event_id,
        call.now_ms,
        {name: document[name] for name in ("RetryPolicy", "DeadLetterConfig", "HttpParameters") if name in document},
        hops=event.hops,
        trace=event.trace,
    )
    _schedule(call, tx, delivery, call.now_ms)


def _partition_key(document: dict[str, Any], event: Event) -> str:
    expression = (document.get("KinesisParameters") or {}).get("PartitionKeyPath")
    found = inputs.path(expression, "PartitionKeyPath")(event.document) if expression else None
    if found is None:
        return event.event_id
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def _schedule(call: Call, tx: Transaction, delivery: Delivery, due_ms: int) -> None:
    call.schedule(due_ms, _timer(call, delivery.target_arn), _encode(delivery), tx=tx)


def _timer(call: Call, target_arn: str) -> str:
    """The handler of deliveries to this ARN, which its service decides."""
    service = target_arn.split(":", 3)[2]
    if service == "execute-api" or (service == "events" and ":api-destination/" in target_arn):
        return "events.call"
    return "events.deliver-async" if call.ground.outbox.is_async(target_arn) else "events.deliver"


def handed(call: Call, delivery: Delivery) -> Handed:
    """What the target's room is given: by the target's role if it has one, else by EventBridge itself. Raises AwsError where the role cannot be assumed."""
    if delivery.role_arn:
        call.ground.assume(call.reading(), delivery.role_arn, "events", PRINCIPAL, delivery.rule_arn)
    attributes = delivery.attributes
    if ":event-bus/" in delivery.target_arn:
        attributes = {"hops": str(delivery.hops + 1)}
    return Handed(
        delivery.target_arn,
        delivery.payload.encode(),
        delivery.role_arn or PRINCIPAL,
        delivery.rule_arn,
        attributes,
        delivery.created_ms,
        delivery_id=delivery.event_id,
    )


def wait_for_slot(call: Call, tx: Transaction, delivery: Delivery, due_ms: int) -> None:
    _schedule(call, tx, msgspec.structs.replace(delivery, slot=True), due_ms)


def failed(call: Call, tx: Transaction, delivery: Delivery, error: Exception) -> None:
    """Another attempt later, or the dead letter."""
    failure = named(error)
    if failure.code == "INTERNAL_ERROR":
        _log.error("delivery to %s failed", delivery.target_arn, exc_info=error)
    policy = delivery.document.get("RetryPolicy") or {}
    exhausted = ""
    if not failure.final:
        now_ms = call.clock.now_ms()
        due_ms = now_ms + max(min(RETRY_FIRST_MS << min(delivery.retries, 20), RETRY_MS_MAX), failure.after_s * 1000)
        if delivery.retries >= policy.get("MaximumRetryAttempts", ATTEMPTS_MAX):
            exhausted = "MaximumRetryAttempts"
        elif due_ms - delivery.created_ms > policy.get("MaximumEventAgeInSeconds", AGE_S_MAX) * 1000:
            exhausted = "MaximumEventAgeInSeconds"
        else:
            _schedule(call, tx, msgspec.structs.replace(delivery, retries=delivery.retries + 1, slot=False), due_ms)
            return
    dead_letter_arn = (delivery.document.get("DeadLetterConfig") or {}).get("Arn")
    figures = {"Invocations": 1.0, "FailedInvocations": 1.0}
    metrics.measure(call, tx, delivery.rule_arn, {**figures, "InvocationsSentToDlq": 1.0} if dead_letter_arn else figures)
    if not dead_letter_arn:
        _log.warning("delivery to %s dropped after %d retries: %s", delivery.target_arn, delivery.retries, error)
        return
    attributes = {
        "RULE_ARN": delivery.rule_arn,
        "TARGET_ARN": delivery.target_arn,
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": str(failure) or failure.code,
        "RETRY_ATTEMPTS": str(delivery.retries),
    }
    if exhausted:
        attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
    call.deliver(
        dead_letter_arn,
        delivery.payload,
        principal=PRINCIPAL,
        source_arn=delivery.rule_arn,
        attributes=attributes,
        max_attempts=5,
        tx=tx,
    )


def named(error: Exception) -> Failed:
    """The failure as EventBridge names it."""
    if isinstance(error, Failed):
        return error
    if not isinstance(error, AwsError):
        return Failed("INTERNAL_ERROR", str(error))
    if "AccessDenied" in error.code or error.code in ("AuthorizationError", "NotAuthorized", "UnauthorizedException"):
        return Failed("NO_PERMISSIONS", error.message, final=True)
    if "NotFound" in error.code or "NonExistent" in error.code or "DoesNotExist" in error.code:
        return Failed("NO_RESOURCE", error.message, final=True)
    if error.code in THROTTLED:
        return Failed("THROTTLING", error.message)
    if error.status is not None and error.status >= 500:
        return Failed("ERROR_FROM_TARGET", error.message)
    return Failed("SDK_CLIENT_ERROR", f"{error.code}: {error.message}", final=True)
