"""FIFO topics: deduplication, order, archive and replay.

Each subscription has its messages behind one another in PENDING, and one at a time drains them:

    waiting --sent--> gone      sent, refused--> dead-letter queue, the next      sent, the queue's service failed--> all wait for the retry
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from groundcloud.services.sns import names, sending
from groundcloud.services.sns.attributes import replay_points_ms
from groundcloud.services.sns.fan_out import FanOut, receiver_of
from groundcloud.services.sns.state import (
    ARCHIVED,
    DEDUPLICATIONS,
    DEDUPLICATIONS_DUE,
    PENDING,
    SUBSCRIPTIONS,
    TOPICS,
    Archived,
    Deduplication,
    Message,
    Subscription,
    Topic,
)

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

DEDUPLICATION_MS = 300_000  # AWS: the deduplication interval
EXPIRED_AT_ONCE = 10
SENT_A_TURN = 10
REPLAYED_A_TURN = 100
DAY_MS = 86_400_000


def sequenced(tx: Transaction, topic: Topic, message: Message, now_ms: int) -> tuple[Message, bool]:
    """The message with its number, and whether it is new; for a duplicate, the first one's number and id."""
    scope = message.group_id if topic.group_scope else ""
    _forget_deduplications(tx, topic.topic_name, now_ms)
    known = DEDUPLICATIONS.get(tx, topic.topic_name, scope, message.deduplication_id)
    if known is not None and known.until_ms > now_ms:
        return message.replace(message_id=known.message_id, sequence=known.sequence), False
    numbered = message.replace(sequence=tx.sequence("sns/sequence"))
    until_ms = now_ms + DEDUPLICATION_MS
    DEDUPLICATIONS.put(
        tx,
        Deduplication(
            topic_name=topic.topic_name,
            scope=scope,
            deduplication_id=message.deduplication_id,
            until_ms=until_ms,
            message_id=numbered.message_id,
            sequence=numbered.sequence,
        ),
    )
    DEDUPLICATIONS_DUE.put(tx, topic.topic_name, until_ms, scope, message.deduplication_id)
    if topic.archive_days:
        ARCHIVED.put(tx, Archived(topic_name=topic.topic_name, sequence=numbered.sequence, message=numbered))
        _forget_archived(tx, topic, now_ms)
    return numbered, True


def drop(tx: Transaction, topic_name: str) -> None:
    """All that a topic has beside its subscriptions."""
    for table in (DEDUPLICATIONS, DEDUPLICATIONS_DUE, ARCHIVED):
        for key in list(table.keys(tx, topic_name)):
            table.delete(tx, *key)


def drop_archive(tx: Transaction, topic_name: str) -> None:
    for key in list(ARCHIVED.keys(tx, topic_name)):
        ARCHIVED.delete(tx, *key)


def start_replay(call: Call, tx: Transaction, subscription: Subscription) -> Subscription:
    """Begins what the subscription's (checked) ReplayPolicy asks for; one that runs gives way."""
    started: Subscription = subscription.replace(replay_status="Pending", replay_id=call.token(16))
    place = [started.topic_name, started.subscription_id, started.replay_id, 0]
    call.schedule(call.now_ms, "sns.replay", place, key=started.subscription_id, tx=tx)
    return started


def replay(call: Call, topic_name: str, subscription_id: str, replay_id: str, after: int) -> None:
    """A turn of a replay, in the timer's transaction: what was archived within the two points goes behind what waits."""
    tx = call.tx
    topic, subscription = TOPICS.get(tx, topic_name), SUBSCRIPTIONS.get(tx, topic_name, subscription_id)
    if topic is None or subscription is None or subscription.replay_id != replay_id:
        return
    start_ms, end_ms = replay_points_ms(subscription.attributes["ReplayPolicy"])
    oldest_ms = max(start_ms, call.now_ms - topic.archive_days * DAY_MS)
    receiver = receiver_of(topic, names.topic_arn(tx, topic_name), subscription)
    turn = list(ARCHIVED.scan(tx, topic_name, after=after, limit=REPLAYED_A_TURN))
    for archived in turn:
        message = archived.message
        if message.published_ms >= oldest_ms and (not end_ms or message.published_ms < end_ms):
            FanOut(call, tx, topic, message, call.endpoint, replay_id=replay_id).to(receiver)
    if len(turn) == REPLAYED_A_TURN:
        SUBSCRIPTIONS.put(tx, subscription.replace(replay_status="In progress"))
        call.schedule(call.now_ms, "sns.replay", [topic_name, subscription_id, replay_id, turn[-1].sequence], key=subscription_id)
        return
    SUBSCRIPTIONS.put(tx, subscription.replace(replay_status="Completed"))
    TOPICS.put(tx, topic.replace(generation=tx.sequence("sns/generation")))


class Turns:
    """One drain at a time for each subscription."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    def of(self, subscription_id: str) -> asyncio.Lock:
        return self._locks.setdefault(subscription_id, asyncio.Lock())


async def drain(call: Call, topic_name: str, subscription_id: str) -> None:
    """Sends what waits, in order, until there is nothing or it must wait for a retry."""
    async with call.own("turns", Turns).of(subscription_id):
        while await _turn(call, topic_name, subscription_id):
            pass


async def _turn(call: Call, topic_name: str, subscription_id: str) -> bool:
    """Whether there may be more."""
    with call.transaction() as tx:
        topic, subscription = TOPICS.get(tx, topic_name), SUBSCRIPTIONS.get(tx, topic_name, subscription_id)
        waiting = list(PENDING.scan(tx, subscription_id, limit=SENT_A_TURN))
        topic_arn = names.topic_arn(tx, topic_name)
    if topic is None or subscription is None:
        return False
    policy = sending.policy_of(topic, subscription)
    for pending in waiting:
        outcome = await sending.attempt(call, pending.sending, topic_arn, policy)
        with call.transaction() as tx:
            pause_s = None if outcome.delivered or not outcome.again else sending.pause_s(pending.sending, policy)
            if pause_s is not None:
                PENDING.put(tx, pending.replace(sending=pending.sending.replace(attempt=pending.sending.attempt + 1)))
                due_ms = call.clock.now_ms() + int(pause_s * 1000)
                call.schedule(due_ms, "sns.drain", [topic_name, subscription_id], key=subscription_id)
                return False
            PENDING.delete(tx, subscription_id, pending.sequence)
            sending.ended(call, tx, topic, subscription, pending.sending, outcome)
    return len(waiting) == SENT_A_TURN


def _forget_deduplications(tx: Transaction, topic_name: str, now_ms: int) -> None:
    for _, until_ms, scope, deduplication_id in DEDUPLICATIONS_DUE.keys(tx, topic_name, stop=now_ms + 1, limit=EXPIRED_AT_ONCE):
        DEDUPLICATIONS_DUE.delete(tx, topic_name, until_ms, scope, deduplication_id)
        known = DEDUPLICATIONS.get(tx, topic_name, scope, deduplication_id)
        if known is not None and known.until_ms <= now_ms:
            DEDUPLICATIONS.delete(tx, topic_name, scope, deduplication_id)


def _forget_archived(tx: Transaction, topic: Topic, now_ms: int) -> None:
    oldest_ms = now_ms - topic.archive_days * DAY_MS
    for archived in list(ARCHIVED.scan(tx, topic.topic_name, limit=EXPIRED_AT_ONCE)):
        if archived.message.published_ms >= oldest_ms:
            return
        ARCHIVED.delete(tx, topic.topic_name, archived.sequence)
