"""Plain HTTP: the certificate that signatures name, and what is kept for people and devices.

GET /SimpleNotificationService-FINGERPRINT.pem
GET /_ground/sns/messages?accountId=&region=&protocol=       {"messages": [...]}; DELETE forgets them
GET /_aws/sns/sms-messages, /_aws/sns/platform-endpoint-messages, /_aws/sns/subscription-tokens/SUBSCRIPTION_ARN    as LocalStack has them
"""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import endpoint
from groundcloud.services.sns import envelopes, keeping, names, signing
from groundcloud.services.sns.state import KEPT, TOKENS, Kept
from groundcloud.wire.message import HttpRequest, HttpResponse
from groundcloud.wire.timestamps import iso8601_milliseconds

Document = dict[str, Any]


@endpoint("sns-certificate")
async def certificate(call: Call, http: HttpRequest) -> HttpResponse | None:
    fingerprint = http.path.removeprefix(signing.PATH).removesuffix(".pem")
    found = signing.certificate(call.reading(), fingerprint)
    if found is None:
        return None
    return HttpResponse(200, [("content-type", "application/x-pem-file")], found)


@endpoint("ground")
async def page(call: Call, http: HttpRequest) -> HttpResponse | None:
    _, _, _, name, *rest = http.path.split("/")
    if name == "messages":
        wanted = http.query.get("protocol", [""])[0]
        protocols = [wanted] if wanted else list(keeping.PROTOCOLS)
        if http.method == "DELETE":
            _forget(call, protocols)
            return _json(200, {})
        found = sorted((kept for protocol in protocols for kept in KEPT.scan(call.reading(), protocol)), key=lambda kept: kept.sequence)
        return _json(200, {"messages": [_shown(kept) for kept in found]})
    if name in ("sms-messages", "platform-endpoint-messages"):
        protocol, member = ("sms", "sms_messages") if name == "sms-messages" else ("application", "platform_endpoint_messages")
        if http.method == "DELETE":
            _forget(call, [protocol])
            return HttpResponse(204)
        by_endpoint: dict[str, list[Document]] = {}
        for kept in KEPT.scan(call.reading(), protocol):
            by_endpoint.setdefault(kept.endpoint, []).append(_as_localstack(kept))
        return _json(200, {member: by_endpoint, "region": call.region})
    if name == "subscription-tokens" and rest:
        return _token(call, "/".join(rest))
    return None


def _token(call: Call, subscription_arn: str) -> HttpResponse:
    """The latest token of a subscription."""
    try:
        place, subscription_id = names.parse_subscription(subscription_arn)
    except names.errors.AwsError as error:
        return _json(400, {"error": error.message})
    tx = call.reading().at(place.account, place.region)
    found = [token for token in TOKENS.scan(tx, place.name) if token.subscription_id == subscription_id]
    if not found:
        return _json(404, {"error": "The provided SubscriptionARN is not found", "subscription_arn": subscription_arn})
    latest = max(found, key=lambda token: token.until_ms)
    return _json(200, {"subscription_token": latest.token, "subscription_arn": subscription_arn})


def _forget(call: Call, protocols: list[str]) -> None:
    with call.transaction() as tx:
        for protocol in protocols:
            for key in list(KEPT.keys(tx, protocol)):
                KEPT.delete(tx, *key)


def _shown(kept: Kept) -> Document:
    return {
        "protocol": kept.protocol,
        "endpoint": kept.endpoint,
        "messageId": kept.message_id,
        "sent": iso8601_milliseconds(kept.sent_ms / 1000),
        "subject": kept.subject or None,
        "message": kept.text,
        "messageAttributes": envelopes.attributes_of(kept.attributes),
        "topicArn": kept.topic_arn or None,
        "subscriptionArn": kept.subscription_arn or None,
    }


def _as_localstack(kept: Kept) -> Document:
    shown: Document = {
        "PhoneNumber": kept.endpoint if kept.protocol == "sms" else None,
        "TargetArn": kept.endpoint if kept.protocol == "application" else None,
        "TopicArn": kept.topic_arn or None,
        "SubscriptionArn": kept.subscription_arn or None,
        "MessageId": kept.message_id,
        "Message": kept.text,
        "MessageAttributes": envelopes.attributes_of(kept.attributes),
        "MessageStructure": None,
        "Subject": kept.subject or None,
    }
    return shown


def _json(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, [("content-type", "application/json")], msgspec.json.encode(value))
