"""Tokens, and the messages that bring them to endpoints: an endpoint must want what it is subscribed to.

pending --ConfirmSubscription with a token--> confirmed --Unsubscribe--> gone      pending --two days--> gone
gone, by someone who did not sign --> the endpoint is told, with a token by which it comes back
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.services.sns import envelopes, keeping, names, signing
from groundcloud.services.sns.fan_out import PRINCIPAL
from groundcloud.services.sns.state import TOKENS, Kept, Sending, Subscription, Token, Topic

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

TOKEN_DIGITS = 240
TOKEN_MS = 2 * 86_400_000
"""AWS: "Confirmation tokens are valid for two days"."""


def ask(call: Call, tx: Transaction, topic: Topic, subscription: Subscription, kind: str = "SubscriptionConfirmation") -> None:
    """Sends an endpoint a token. `kind` UnsubscribeConfirmation tells it that it was unsubscribed."""
    topic_arn = names.topic_arn(tx, topic.topic_name)
    subscription_arn = f"{topic_arn}:{subscription.subscription_id}"
    token, message_id = call.token(TOKEN_DIGITS), call.new_id()
    TOKENS.put(
        tx,
        Token(
            topic_name=topic.topic_name,
            token=token,
            subscription_id=subscription.subscription_id,
            until_ms=call.now_ms + TOKEN_MS,
        ),
    )
    place = [topic.topic_name, subscription.subscription_id, token]
    call.schedule(call.now_ms + TOKEN_MS, "sns.forget-token", place, tx=tx)
    version = topic.attributes.get("SignatureVersion", "1")
    signer = signing.signer(call, tx)
    body = envelopes.confirmation(kind, topic_arn, subscription_arn, token, message_id, call.now_ms, call.endpoint, signer, version)
    if subscription.protocol in ("http", "https"):
        sending = Sending(
            topic_name=topic.topic_name,
            subscription_id=subscription.subscription_id,
            protocol=subscription.protocol,
            endpoint=subscription.endpoint,
            message_id=message_id,
            published_ms=call.now_ms,
            body=body,
            kind=kind,
        )
        call.schedule(call.now_ms, "sns.send", sending, tx=tx)
    elif subscription.protocol in ("sqs", "lambda"):
        document = envelopes.event_of_document(body, subscription_arn) if subscription.protocol == "lambda" else body
        attributes = {"MessageGroupId": subscription.subscription_id, "MessageDeduplicationId": message_id}
        call.deliver(
            subscription.endpoint,
            document,
            principal=PRINCIPAL,
            source_arn=topic_arn,
            attributes=attributes if subscription.endpoint.endswith(".fifo") else {},
            max_attempts=1,
            tx=tx,
        )
    else:
        keeping.put(
            call,
            tx,
            Kept(
                protocol=subscription.protocol,
                sequence=0,
                sent_ms=call.now_ms,
                endpoint=subscription.endpoint,
                message_id=message_id,
                text=body,
                subject="AWS Notification - Subscription Confirmation"
                if kind == "SubscriptionConfirmation"
                else "AWS Notification - Unsubscribe Confirmation",
                topic_arn=topic_arn,
                subscription_arn=subscription_arn,
            ),
        )
