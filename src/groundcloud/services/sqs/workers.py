"""What SQS does by itself: ends messages at the end of their retention, moves dead letters back, takes deliveries from other services."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call, Delivery
from groundcloud.kernel.service import target, timer
from groundcloud.services.sqs import errors, messages
from groundcloud.services.sqs.state import MESSAGES, MOVE_TASKS, QUEUES, WAITING, delete_message, put_message

EXPIRED_A_TURN = 500
MOVED_A_TURN = 100


@timer("sqs.expire")
def expire(call: Call, queue_name: str) -> None:
    """Deletes what is past its retention, a bounded number a turn; comes back when the next message is due."""
    queue = QUEUES.get(call.tx, queue_name)
    if queue is None:
        return
    retention_ms = queue.retention_s * 1000
    for ended, message in enumerate(MESSAGES.scan(call.tx, queue_name)):
        if message.sent_ms + retention_ms > call.now_ms or ended == EXPIRED_A_TURN:
            call.schedule(max(call.now_ms, message.sent_ms + retention_ms), "sqs.expire", queue_name, key=queue_name)
            return
        delete_message(call.tx, message)
    call.own("armed", set).discard((call.account, call.region, queue_name))


@timer("sqs.move")
def move(call: Call, task_id: str) -> None:
    """One turn of a message move task; schedules the next."""
    task = MOVE_TASKS.get(call.tx, task_id)
    if task is None or task.status != "RUNNING":
        return
    source = QUEUES.get(call.tx, arns.parse(task.source_arn).resource)
    limit = min(task.rate_per_s or MOVED_A_TURN, MOVED_A_TURN)
    moved = 0
    for message in MESSAGES.scan(call.tx, source.queue_name, limit=limit) if source is not None else ():
        origin = (
            arns.parse(task.destination_arn or message.dead_letter_source_arn).resource
            if (task.destination_arn or message.dead_letter_source_arn)
            else ""
        )
        destination = QUEUES.get(call.tx, origin) if origin else None
        if destination is None:
            MOVE_TASKS.put(call.tx, task.replace(status="FAILED", moved=task.moved + moved, failure="CouldNotDetermineMessageSource"))
            return
        delete_message(call.tx, message)
        put_message(
            call.tx,
            message.replace(
                queue_name=destination.queue_name,
                sequence=call.tx.sequence("sqs/sequence"),
                visible_at_ms=call.now_ms,
                why=WAITING,
                receive_count=0,
                first_receive_ms=0,
                dead_letter_source_arn="",
            ),
        )
        moved += 1
    if moved == 0:
        MOVE_TASKS.put(call.tx, task.replace(status="COMPLETED"))
        return
    MOVE_TASKS.put(call.tx, task.replace(moved=task.moved + moved))
    pause_ms = moved * 1000 // task.rate_per_s if task.rate_per_s else 0
    call.schedule(call.now_ms + pause_ms, "sqs.move", task_id, key=task_id)


@target("sqs")
def into_queue(call: Call, delivery: Delivery) -> None:
    """A delivery from another service is a SendMessage by that service. Attributes: MessageGroupId, MessageDeduplicationId, AWSTraceHeader; MessageAttributes,
    a document of typed ones with binary values in base64; others become message attributes."""
    queue = QUEUES.get(call.tx, arns.parse(delivery.target_arn).resource)
    if queue is None:
        # Before permissions: a policy cannot let anybody into a queue that is not there, and EventBridge's dead letters tell the two apart (NO_RESOURCE).
        raise errors.queue_does_not_exist()
    call.authorize("sqs:SendMessage", delivery.target_arn)
    extra = dict(delivery.attributes)
    entry: dict[str, Any] = {"MessageBody": delivery.text}
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if name in extra:
            entry[name] = extra.pop(name)
    if "AWSTraceHeader" in extra:
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": extra.pop("AWSTraceHeader")}}
    if "MessageAttributes" in extra:
        entry["MessageAttributes"] = _typed(extra.pop("MessageAttributes"))
    elif extra:
        entry["MessageAttributes"] = {name: {"DataType": "String", "StringValue": value} for name, value in extra.items()}
    messages.send(call, call.tx, queue, entry)


def _typed(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(text)
    for value in found.values():
        if "BinaryValue" in value:
            value["BinaryValue"] = b64decode(value["BinaryValue"])
    return found
