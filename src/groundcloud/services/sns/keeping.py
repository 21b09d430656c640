"""What would leave for people and their devices: text messages, e-mail, push notifications. Nothing here carries them; they are kept, the latest of them, to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.services.sns import delivery_logs, names
from groundcloud.services.sns.state import APPLICATIONS, ENDPOINTS, KEPT, Kept, Message, PlatformEndpoint, Sending, Subscription, Topic

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

KEPT_MAX = 1000
"""Of an account and region, all protocols together."""

PROTOCOLS = ("application", "email", "email-json", "sms")


def keep(call: Call, tx: Transaction, topic: Topic, subscription: Subscription, message: Message, body: str) -> None:
    """A message of a topic for a subscription of one of PROTOCOLS."""
    topic_arn = names.topic_arn(tx, topic.topic_name)
    text, refusal = body, ""
    if subscription.protocol == "application":
        endpoint = find_endpoint(tx, subscription.endpoint)
        refusal = refusal_of(tx, endpoint)
        if endpoint is not None:
            text = message.texts.get(endpoint.platform, body)
    if not refusal:
        put(
            call,
            tx,
            Kept(
                protocol=subscription.protocol,
                sequence=0,
                sent_ms=call.now_ms,
                endpoint=subscription.endpoint,
                message_id=message.message_id,
                text=text,
                subject=message.subject,
                topic_arn=topic_arn,
                subscription_arn=f"{topic_arn}:{subscription.subscription_id}",
                attributes=message.attributes,
            ),
        )
    told = Sending(
        topic_name=topic.topic_name,
        subscription_id=subscription.subscription_id,
        protocol=subscription.protocol,
        endpoint=subscription.endpoint,
        message_id=message.message_id,
        published_ms=message.published_ms,
        body=text,
    )
    delivery_logs.tell(call, tx, topic, told, not refusal, refusal or "Message has been accepted", 400 if refusal else 200)


def put(call: Call, tx: Transaction, kept: Kept) -> None:
    sequence = tx.sequence("sns/kept")
    KEPT.put(tx, kept.replace(sequence=sequence))
    if sequence > KEPT_MAX:
        for protocol in PROTOCOLS:
            KEPT.delete(tx, protocol, sequence - KEPT_MAX)


def find_endpoint(tx: Transaction, endpoint_arn: str) -> PlatformEndpoint | None:
    """arn:aws:sns:REGION:ACCOUNT:endpoint/PLATFORM/APPLICATION/ID."""
    parts = endpoint_arn.split(":", 5)[-1].split("/")
    if len(parts) != 4 or parts[0] != "endpoint":
        return None
    return ENDPOINTS.get(tx, parts[1], parts[2], parts[3])


def refusal_of(tx: Transaction, endpoint: PlatformEndpoint | None) -> str:
    """Why nothing can be sent to it; empty if it can."""
    if endpoint is None:
        return "Endpoint does not exist"
    if not endpoint.enabled:
        return "Endpoint is disabled"
    application = APPLICATIONS.get(tx, endpoint.platform, endpoint.application_name)
    if application is None or application.attributes.get("Enabled", "true") == "false":
        return "Platform application is disabled"
    return ""
