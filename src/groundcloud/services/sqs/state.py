"""What SQS keeps: queues, messages and the indexes over them; each key spelled out."""

from __future__ import annotations

from typing import Any

from groundcloud.store import Record, Table, Transaction

WAITING, DELAYED, IN_FLIGHT = 0, 1, 2
"""Why a message is at its place in VISIBLE: sent or returned; sent with a delay; received."""


class Queue(Record, frozen=True, kw_only=True):
    """`attributes` holds those that were set; `deduplication` and the like are read from there."""

    queue_name: str
    created_ms: int
    modified_ms: int
    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}
    visibility_timeout_s: int = 30
    delay_s: int = 0
    message_bytes_max: int = 1_048_576
    retention_s: int = 345_600
    wait_s: int = 0
    fifo: bool = False
    content_deduplication: bool = False
    dead_letter_arn: str = ""
    receives_max: int = 0
    policy: str = ""
    purged_ms: int = 0


class Message(Record, frozen=True, kw_only=True):
    """`place` is the message's key in VISIBLE: when it becomes visible, and why it is there. `receipt` counts receives into the current handle."""

    queue_name: str
    sequence: int
    message_id: str
    body: str
    body_md5: str
    sent_ms: int
    sender_id: str
    visible_at_ms: int
    why: int
    receive_count: int = 0
    first_receive_ms: int = 0
    attributes: dict[str, dict[str, Any]] = {}
    attributes_md5: str = ""
    system_attributes: dict[str, str] = {}
    group_id: str = ""
    deduplication_id: str = ""
    dead_letter_source_arn: str = ""


class Deduplication(Record, frozen=True, kw_only=True):
    """A message sent within the deduplication interval; `scope` is the group where the queue deduplicates by group."""

    queue_name: str
    scope: str
    deduplication_id: str
    until_ms: int
    message_id: str
    sequence: int


class MoveTask(Record, frozen=True, kw_only=True):
    task_id: str
    source_arn: str
    destination_arn: str
    started_ms: int
    status: str
    rate_per_s: int = 0
    moved: int = 0
    to_move: int = 0
    failure: str = ""


QUEUES = Table("sqs/queues", Queue, key=("queue_name",))
MESSAGES = Table("sqs/messages", Message, key=("queue_name", "sequence"))
VISIBLE: Table[None] = Table("sqs/visible", None, key=("queue_name", "visible_at_ms", "sequence", "why"))
"""Standard queues: messages by the time at which they can be received. FIFO queues: the same, for counting and waking alone."""

DEDUPLICATIONS = Table("sqs/deduplications", Deduplication, key=("queue_name", "scope", "deduplication_id"))
DEDUPLICATIONS_DUE: Table[None] = Table("sqs/deduplications-due", None, key=("queue_name", "until_ms", "scope", "deduplication_id"))
ATTEMPTS: Table[list[int]] = Table("sqs/receive-attempts", list[int], key=2)
"""(queue name, attempt id) -> [until_ms, sequences...]: FIFO receives that may be asked for again."""

MOVE_TASKS = Table("sqs/move-tasks", MoveTask, key=("task_id",))


def put_message(tx: Transaction, message: Message, before: Message | None = None) -> None:
    """Writes a message and its place; `before` is what was there, whose place is given up."""
    if before is not None:
        VISIBLE.delete(tx, before.queue_name, before.visible_at_ms, before.sequence, before.why)
    MESSAGES.put(tx, message)
    VISIBLE.put(tx, message.queue_name, message.visible_at_ms, message.sequence, message.why)


def delete_message(tx: Transaction, message: Message) -> None:
    MESSAGES.delete(tx, message.queue_name, message.sequence)
    VISIBLE.delete(tx, message.queue_name, message.visible_at_ms, message.sequence, message.why)
