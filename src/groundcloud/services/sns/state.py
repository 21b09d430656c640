"""What SNS keeps: topics, subscriptions, messages on their way, platform applications, phone numbers; each key spelled out."""

from __future__ import annotations

from typing import Any

from groundcloud.store import Record, Table, Transaction

Attributes = dict[str, dict[str, Any]]
"""Message attributes by name: DataType with StringValue or BinaryValue."""


class Topic(Record, frozen=True, kw_only=True):
    """`attributes` holds those that were set. `generation` changes with every change of the topic's confirmed subscriptions."""

    topic_name: str
    created_ms: int
    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}
    policy: str = ""
    """Empty: the default policy."""
    data_protection: str = ""
    fifo: bool = False
    content_deduplication: bool = False
    group_scope: bool = False
    message_bytes_max: int = 262_144
    confirmed: int = 0
    pending: int = 0
    deleted: int = 0
    generation: int = 0
    archive_days: int = 0
    archived_since_ms: int = 0


class Subscription(Record, frozen=True, kw_only=True):
    """`owner` is the account that subscribed. Replays are of FIFO topics: what is archived between the two moments goes before what is new."""

    topic_name: str
    subscription_id: str
    protocol: str
    endpoint: str
    owner: str
    created_ms: int
    confirmed: bool = False
    authenticated: bool = False
    signed_unsubscribe: bool = False
    attributes: dict[str, str] = {}
    principal: str = ""
    replay_status: str = ""
    replay_id: str = ""


class Token(Record, frozen=True, kw_only=True):
    """Sent to an endpoint, which confirms with it."""

    topic_name: str
    token: str
    subscription_id: str
    until_ms: int


class Message(Record, frozen=True, kw_only=True):
    """What was published. `texts` holds the text of each protocol that has its own; `text` is that of the others."""

    message_id: str
    published_ms: int
    text: str
    subject: str = ""
    texts: dict[str, str] = {}
    attributes: Attributes = {}
    group_id: str = ""
    deduplication_id: str = ""
    sequence: int = 0
    trace: str = ""


class Sending(Record, frozen=True, kw_only=True):
    """A message on its way to one subscription: as it is to arrive, and how often that was tried."""

    topic_name: str
    subscription_id: str
    protocol: str
    endpoint: str
    message_id: str
    published_ms: int
    body: str
    kind: str = "Notification"
    raw: bool = False
    attributes: Attributes = {}
    group_id: str = ""
    deduplication_id: str = ""
    trace: str = ""
    subject: str = ""
    attempt: int = 1


class Pending(Record, frozen=True, kw_only=True):
    """A message of a FIFO topic that waits for its turn."""

    subscription_id: str
    sequence: int
    sending: Sending


class Archived(Record, frozen=True, kw_only=True):
    topic_name: str
    sequence: int
    message: Message


class Deduplication(Record, frozen=True, kw_only=True):
    """A message published within the deduplication interval; `scope` is its group where the topic deduplicates by group."""

    topic_name: str
    scope: str
    deduplication_id: str
    until_ms: int
    message_id: str
    sequence: int


class Kept(Record, frozen=True, kw_only=True):
    """A text message, an e-mail or a push notification: kept here to be read, for nothing carries it further."""

    protocol: str
    sequence: int
    sent_ms: int
    endpoint: str
    message_id: str
    text: str
    subject: str = ""
    topic_arn: str = ""
    subscription_arn: str = ""
    attributes: Attributes = {}


class PlatformApplication(Record, frozen=True, kw_only=True):
    platform: str
    application_name: str
    created_ms: int
    attributes: dict[str, str] = {}


class PlatformEndpoint(Record, frozen=True, kw_only=True):
    platform: str
    application_name: str
    endpoint_id: str
    device_token: str
    enabled: bool = True
    user_data: str = ""
    created_ms: int = 0


class SandboxNumber(Record, frozen=True, kw_only=True):
    phone_number: str
    password: str
    verified: bool = False
    created_ms: int = 0


class SigningKey(Record, frozen=True, kw_only=True):
    """The server's RSA key, sealed, and its certificate."""

    name: str
    sealed_key: bytes
    certificate: bytes
    fingerprint: str


TOPICS = Table("sns/topics", Topic, key=("topic_name",))
SUBSCRIPTIONS = Table("sns/subscriptions", Subscription, key=("topic_name", "subscription_id"))
BY_ENDPOINT: Table[str] = Table("sns/by-endpoint", str, key=3)
"""(topic name, protocol, endpoint) -> subscription id: subscribing again gives the one that is there."""

OWNED: Table[None] = Table("sns/owned", None, key=("topic_arn", "subscription_id"))
"""In the account that subscribed, whoever's the topic is."""

TOKENS = Table("sns/tokens", Token, key=("topic_name", "token"))
DEDUPLICATIONS = Table("sns/deduplications", Deduplication, key=("topic_name", "scope", "deduplication_id"))
DEDUPLICATIONS_DUE: Table[None] = Table("sns/deduplications-due", None, key=("topic_name", "until_ms", "scope", "deduplication_id"))
PENDING = Table("sns/pending", Pending, key=("subscription_id", "sequence"))
ARCHIVED = Table("sns/archived", Archived, key=("topic_name", "sequence"))
KEPT = Table("sns/kept", Kept, key=("protocol", "sequence"))
APPLICATIONS = Table("sns/applications", PlatformApplication, key=("platform", "application_name"))
ENDPOINTS = Table("sns/endpoints", PlatformEndpoint, key=("platform", "application_name", "endpoint_id"))
BY_DEVICE: Table[str] = Table("sns/by-device", str, key=3)
"""(platform, application name, device token) -> endpoint id."""

SMS_ATTRIBUTES: Table[str] = Table("sns/sms-attributes", str, key=1)
OPTED_OUT: Table[int] = Table("sns/opted-out", int, key=1)
"""Phone number -> since when it wants no messages."""

SANDBOX_NUMBERS = Table("sns/sandbox-numbers", SandboxNumber, key=("phone_number",))
SIGNING_KEYS = Table("sns/signing-keys", SigningKey, key=("name",), scope="global")


def put_subscription(tx: Transaction, topic_arn: str, subscription: Subscription) -> None:
    """Writes a subscription and the rows by which it is found."""
    SUBSCRIPTIONS.put(tx, subscription)
    BY_ENDPOINT.put(tx, subscription.topic_name, subscription.protocol, subscription.endpoint, subscription.subscription_id)
    OWNED.put(tx.at(subscription.owner, tx.region), topic_arn, subscription.subscription_id)


def delete_subscription(tx: Transaction, topic_arn: str, subscription: Subscription) -> None:
    SUBSCRIPTIONS.delete(tx, subscription.topic_name, subscription.subscription_id)
    BY_ENDPOINT.delete(tx, subscription.topic_name, subscription.protocol, subscription.endpoint)
    OWNED.delete(tx.at(subscription.owner, tx.region), topic_arn, subscription.subscription_id)
    for key in list(PENDING.keys(tx, subscription.subscription_id)):
        PENDING.delete(tx, *key)


def put_endpoint(tx: Transaction, endpoint: PlatformEndpoint, before: PlatformEndpoint | None = None) -> None:
    if before is not None:
        BY_DEVICE.delete(tx, before.platform, before.application_name, before.device_token)
    ENDPOINTS.put(tx, endpoint)
    BY_DEVICE.put(tx, endpoint.platform, endpoint.application_name, endpoint.device_token, endpoint.endpoint_id)


def delete_endpoint(tx: Transaction, endpoint: PlatformEndpoint) -> None:
    ENDPOINTS.delete(tx, endpoint.platform, endpoint.application_name, endpoint.endpoint_id)
    BY_DEVICE.delete(tx, endpoint.platform, endpoint.application_name, endpoint.device_token)
