"""What happens to messages, below the operations: sending with deduplication, taking with redrive, finding by receipt handle.

A message's life in a queue:
    sent --delay--> DELAYED --time--> visible --receive--> IN_FLIGHT --delete--> gone
                                      visible <--visibility timeout-- IN_FLIGHT
    a receive past maxReceiveCount sends it to the dead-letter queue instead; retention ends it from any state.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.services.sqs import attributes, errors
from groundcloud.services.sqs.state import (
    ATTEMPTS,
    DEDUPLICATIONS,
    DEDUPLICATIONS_DUE,
    DELAYED,
    IN_FLIGHT,
    MESSAGES,
    QUEUES,
    VISIBLE,
    WAITING,
    Deduplication,
    Message,
    Queue,
    delete_message,
    put_message,
)
from groundcloud.store import Transaction

DEDUPLICATION_MS = 300_000  # AWS: the deduplication interval
FIFO_LOOKED_AT_MAX = 20_000  # AWS: a FIFO queue looks through the first 20k messages for groups that are free
EXPIRED_AT_ONCE = 10


def send(call: Call, tx: Transaction, queue: Queue, entry: dict[str, Any]) -> Message:
    """Checks and stores one message; for a duplicate, the message that was sent first (its body is not stored again)."""
    now_ms = call.now_ms
    body = entry["MessageBody"]
    given = entry.get("MessageAttributes") or {}
    size_bytes = attributes.check_body(body) + (attributes.check_message_attributes(given) if given else 0)
    if size_bytes > queue.message_bytes_max:
        raise errors.message_too_long(queue.message_bytes_max)
    group_id, deduplication_id = entry.get("MessageGroupId", ""), entry.get("MessageDeduplicationId", "")
    delay_s = entry.get("DelaySeconds")
    if delay_s is not None and not 0 <= delay_s <= 900:
        raise errors.invalid_parameter("DelaySeconds", delay_s, "DelaySeconds must be >= 0 and <= 900.")
    if queue.fifo:
        if not group_id:
            raise errors.no_message_group_id()
        if delay_s:
            raise errors.invalid_parameter("DelaySeconds", delay_s, "The request include parameter that is not valid for this queue type.")
        delay_s = None
        if not deduplication_id:
            if not queue.content_deduplication:
                raise errors.no_deduplication_id()
            deduplication_id = hashlib.sha256(body.encode()).hexdigest()
    elif deduplication_id:
        raise errors.invalid_parameter(
            "MessageDeduplicationId", deduplication_id, "The request include parameter that is not valid for this queue type."
        )
    delay_ms = (queue.delay_s if delay_s is None else delay_s) * 1000
    body_md5 = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    if queue.fifo:
        scope = group_id if queue.attributes.get("DeduplicationScope") == "messageGroup" else ""
        _forget_deduplications(tx, queue.queue_name, now_ms)
        known = DEDUPLICATIONS.get(tx, queue.queue_name, scope, deduplication_id)
        if known is not None and known.until_ms > now_ms:
            return Message(
                queue_name=queue.queue_name,
                sequence=known.sequence,
                message_id=known.message_id,
                body=body,
                body_md5=body_md5,
                sent_ms=now_ms,
                sender_id="",
                visible_at_ms=0,
                why=WAITING,
                attributes_md5=attributes.digest(given) if given else "",
            )
    sequence = tx.sequence("sqs/sequence")
    system = {name: value["StringValue"] for name, value in (entry.get("MessageSystemAttributes") or {}).items()}
    if "AWSTraceHeader" not in system and (trace := call.http.headers.get("x-amzn-trace-id") if call.http is not None else None):
        system["AWSTraceHeader"] = trace  # AWS: X-Ray's header of the request goes along with the message
    message = Message(
        queue_name=queue.queue_name,
        sequence=sequence,
        message_id=call.new_id(),
        body=body,
        body_md5=body_md5,
        sent_ms=now_ms,
        sender_id=call.principal.unique_id or call.principal.account or call.principal.arn,
        visible_at_ms=now_ms + delay_ms,
        why=DELAYED if delay_ms else WAITING,
        attributes=given,
        attributes_md5=attributes.digest(given) if given else "",
        system_attributes=system,
        group_id=group_id,
        deduplication_id=deduplication_id,
    )
    put_message(tx, message)
    if queue.fifo:
        until_ms = now_ms + DEDUPLICATION_MS
        DEDUPLICATIONS.put(
            tx,
            Deduplication(
                queue_name=queue.queue_name,
                scope=scope,
                deduplication_id=deduplication_id,
                until_ms=until_ms,
                message_id=message.message_id,
                sequence=sequence,
            ),
        )
        DEDUPLICATIONS_DUE.put(tx, queue.queue_name, until_ms, scope, deduplication_id)
    _arm_expiry(call, tx, queue, now_ms)
    return message


def take(call: Call, tx: Transaction, queue: Queue, limit: int, visibility_s: int, now_ms: int, attempt_id: str = "") -> list[Message]:
    """Up to `limit` visible messages, oldest first; each hidden until now_ms + visibility_s, or moved to the dead-letter queue instead.

    AWS: API_ReceiveMessage. Differs: no short-poll sampling; empty means empty.
    """
    candidates = _free_in_order(tx, queue, limit, now_ms, attempt_id) if queue.fifo else _visible(tx, queue, now_ms)
    dead_queue = _dead_letter_queue(call, tx, queue)
    taken: list[Message] = []
    oldest_ms = now_ms - queue.retention_s * 1000
    for message in candidates:
        if message.sent_ms <= oldest_ms:
            delete_message(tx, message)
            continue
        if dead_queue is not None and message.receive_count >= queue.receives_max:
            _to_dead_letters(call, tx, queue, dead_queue, message, now_ms)
            continue
        received = message.replace(
            receive_count=message.receive_count + 1,
            first_receive_ms=message.first_receive_ms or now_ms,
            visible_at_ms=now_ms + visibility_s * 1000,
            why=IN_FLIGHT,
        )
        put_message(tx, received, message)
        taken.append(received)
        if len(taken) == limit:
            break
    if queue.fifo and attempt_id and taken:
        ATTEMPTS.put(tx, queue.queue_name, attempt_id, [now_ms + DEDUPLICATION_MS, *(message.sequence for message in taken)])
    return taken


def next_visible_ms(tx: Transaction, queue: Queue, now_ms: int) -> int | None:
    """When a message that is hidden now may be received."""
    for _, visible_at_ms, _, _ in VISIBLE.keys(tx, queue.queue_name, start=now_ms + 1, limit=1):
        return int(visible_at_ms)
    return None


def receipt_handle(message: Message) -> str:
    """Opaque to clients: the sequence and which receive it was of."""
    return urlsafe_b64encode(f"{message.queue_name}\n{message.sequence}\n{message.receive_count}\n{message.message_id}".encode()).decode()


def find(tx: Transaction, queue: Queue, handle: str) -> tuple[Message | None, bool]:
    """(message, whether the handle is of its latest receive); None if it is gone. Raises ReceiptHandleIsInvalid."""
    try:
        queue_name, sequence, receive, message_id = urlsafe_b64decode(handle.encode("ascii")).decode().split("\n")
        number, count = int(sequence), int(receive)
    except (ValueError, UnicodeError):
        raise errors.receipt_handle_is_invalid(handle) from None
    if queue_name != queue.queue_name:
        raise errors.receipt_handle_is_invalid(handle)
    message = MESSAGES.get(tx, queue_name, number)
    if message is None or message.message_id != message_id:
        return None, False
    return message, message.receive_count == count


def _visible(tx: Transaction, queue: Queue, now_ms: int) -> Any:
    for _, _, sequence, _ in VISIBLE.keys(tx, queue.queue_name, stop=now_ms + 1):
        message = MESSAGES.get(tx, queue.queue_name, sequence)
        if message is not None:
            yield message


def _free_in_order(tx: Transaction, queue: Queue, limit: int, now_ms: int, attempt_id: str) -> list[Message]:
    """Messages in sequence whose group has nothing in flight before them; the same ones again for a repeated attempt."""
    if attempt_id and (earlier := ATTEMPTS.get(tx, queue.queue_name, attempt_id)) is not None:
        if earlier[0] > now_ms:
            again = [MESSAGES.get(tx, queue.queue_name, sequence) for sequence in earlier[1:]]
            return [message for message in again if message is not None]
        ATTEMPTS.delete(tx, queue.queue_name, attempt_id)
    found: list[Message] = []
    blocked: set[str] = set()
    for message in MESSAGES.scan(tx, queue.queue_name, limit=FIFO_LOOKED_AT_MAX):
        if message.group_id in blocked:
            continue
        if message.visible_at_ms > now_ms:
            blocked.add(message.group_id)
            continue
        found.append(message)
        # Some may go to the dead-letter queue instead of being taken: look a little further.
        if len(found) >= limit * 2:
            break
    return found


def _dead_letter_queue(call: Call, tx: Transaction, queue: Queue) -> Queue | None:
    if not queue.dead_letter_arn:
        return None
    return QUEUES.get(tx, arns.parse(queue.dead_letter_arn).resource)


def _to_dead_letters(call: Call, tx: Transaction, queue: Queue, dead_queue: Queue, message: Message, now_ms: int) -> None:
    delete_message(tx, message)
    moved = message.replace(
        queue_name=dead_queue.queue_name,
        sequence=tx.sequence("sqs/sequence"),
        visible_at_ms=now_ms,
        why=WAITING,
        receive_count=0,
        first_receive_ms=0,
        dead_letter_source_arn=f"arn:aws:sqs:{tx.region}:{tx.account}:{queue.queue_name}",
    )
    put_message(tx, moved)
    _arm_expiry(call, tx, dead_queue, message.sent_ms)


def _arm_expiry(call: Call, tx: Transaction, queue: Queue, sent_ms: int) -> None:
    """Once per server and queue, a timer at the end of the oldest message's retention; it arms itself again."""
    armed: set[tuple[str, str, str]] = call.own("armed", set)
    place = (tx.account, tx.region, queue.queue_name)
    if place in armed:
        return
    armed.add(place)
    oldest = next(MESSAGES.scan(tx, queue.queue_name, limit=1), None)
    first_ms = min(oldest.sent_ms, sent_ms) if oldest is not None else sent_ms
    call.schedule(first_ms + queue.retention_s * 1000, "sqs.expire", queue.queue_name, key=queue.queue_name, tx=tx)


def _forget_deduplications(tx: Transaction, queue_name: str, now_ms: int) -> None:
    for _, until_ms, scope, deduplication_id in DEDUPLICATIONS_DUE.keys(tx, queue_name, stop=now_ms + 1, limit=EXPIRED_AT_ONCE):
        DEDUPLICATIONS_DUE.delete(tx, queue_name, until_ms, scope, deduplication_id)
        known = DEDUPLICATIONS.get(tx, queue_name, scope, deduplication_id)
        if known is not None and known.until_ms <= now_ms:
            DEDUPLICATIONS.delete(tx, queue_name, scope, deduplication_id)
