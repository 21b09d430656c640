"""Messages: send, receive, delete, change visibility, alone and in batches."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sqs import attributes, errors, messages, state
from groundcloud.services.sqs.policies import arn_of_url, load
from groundcloud.services.sqs.state import IN_FLIGHT, VISIBLE, Message, Queue, put_message
from groundcloud.store import Transaction

BATCH_MAX = 10
BATCH_BYTES_MAX = 1_048_576
RECEIVE_MAX = 10
WAIT_S_MAX = 20
VISIBILITY_S_MAX = 43_200
SEQUENCE_BASE = 18_849_496_460_467_696_128  # so that SequenceNumber has AWS's twenty digits

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SYSTEM_ATTRIBUTES = {
    "SenderId": lambda message: message.sender_id,
    "SentTimestamp": lambda message: str(message.sent_ms),
    "ApproximateReceiveCount": lambda message: str(message.receive_count),
    "ApproximateFirstReceiveTimestamp": lambda message: str(message.first_receive_ms),
    "SequenceNumber": lambda message: _sequence_number(message) if message.deduplication_id else "",
    "MessageDeduplicationId": lambda message: message.deduplication_id,
    "MessageGroupId": lambda message: message.group_id,
    "AWSTraceHeader": lambda message: message.system_attributes.get("AWSTraceHeader", ""),
    "DeadLetterQueueSourceArn": lambda message: message.dead_letter_source_arn,
}

Request = dict[str, Any]


@operation(resource=arn_of_url)
def send_message(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    call.units["NumberOfMessagesSent"] = 1
    call.units["SentMessageSize"] = len(request["MessageBody"])
    return _sent(queue, messages.send(call, tx, queue, request), request)


@operation(action="sqs:SendMessage", resource=arn_of_url)
def send_message_batch(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    entries = _entries(request)
    size = sum(_rough_size(entry) for entry in entries)
    if size > BATCH_BYTES_MAX:
        raise errors.batch_too_long(BATCH_BYTES_MAX, size)

    def send_one(entry: Request) -> Request:
        return {"Id": entry["Id"], **_sent(queue, messages.send(call, tx, queue, entry), entry)}

    return _counted(call, "NumberOfMessagesSent", _each(entries, send_one))


@operation(resource=arn_of_url)
async def receive_message(call: Call, request: Request) -> Request:
    """Waits up to WaitTimeSeconds (or the queue's) for a first message."""
    limit = request.get("MaxNumberOfMessages", 1)
    if not 1 <= limit <= RECEIVE_MAX:
        raise errors.invalid_parameter("MaxNumberOfMessages", limit, "Must be between 1 and 10, if provided.")
    wait_s = request.get("WaitTimeSeconds")
    if wait_s is not None and not 0 <= wait_s <= WAIT_S_MAX:
        raise errors.invalid_parameter("WaitTimeSeconds", wait_s, "Must be >= 0 and <= 20, if provided.")
    visibility_s = request.get("VisibilityTimeout")
    if visibility_s is not None and not 0 <= visibility_s <= VISIBILITY_S_MAX:
        raise errors.invalid_parameter("VisibilityTimeout", visibility_s, "Must be >= 0 and <= 43200, if provided.")
    attempt_id = request.get("ReceiveRequestAttemptId", "")
    until_ms: int | None = None
    while True:
        now_ms = call.clock.now_ms()
        with call.transaction():
            tx, queue = load(call, request)
            hidden_s = queue.visibility_timeout_s if visibility_s is None else visibility_s
            taken = messages.take(call, tx, queue, limit, hidden_s, now_ms, attempt_id)
            watch = VISIBLE.watch(tx, queue.queue_name)
            next_ms = None if taken else messages.next_visible_ms(tx, queue, now_ms)
        if until_ms is None:
            until_ms = now_ms + (queue.wait_s if wait_s is None else wait_s) * 1000
        if taken or now_ms >= until_ms:
            break
        await call.wait(watch, until_ms=until_ms if next_ms is None else min(until_ms, next_ms))
    if not taken:
        call.units["NumberOfEmptyReceives"] = 1
        return {}
    call.units["NumberOfMessagesReceived"] = len(taken)
    wanted = set(request.get("MessageSystemAttributeNames", ())) | set(request.get("AttributeNames", ()))
    names = request.get("MessageAttributeNames", ())
    return {"Messages": [_received(message, wanted, names) for message in taken]}


@operation(resource=arn_of_url)
def delete_message(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    _delete(call, tx, queue, request["ReceiptHandle"])
    call.units["NumberOfMessagesDeleted"] = 1
    return {}


@operation(action="sqs:DeleteMessage", resource=arn_of_url)
def delete_message_batch(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)

    def delete_one(entry: Request) -> Request:
        _delete(call, tx, queue, entry["ReceiptHandle"])
        return {"Id": entry["Id"]}

    return _counted(call, "NumberOfMessagesDeleted", _each(_entries(request), delete_one))


@operation(resource=arn_of_url)
def change_message_visibility(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    _change_visibility(call, tx, queue, request)
    return {}


@operation(action="sqs:ChangeMessageVisibility", resource=arn_of_url)
def change_message_visibility_batch(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)

    def change_one(entry: Request) -> Request:
        _change_visibility(call, tx, queue, entry)
        return {"Id": entry["Id"]}

    return _each(_entries(request), change_one)


def _counted(call: Call, metric: str, answer: Request) -> Request:
    """A batch's answer, with its messages counted for the metric."""
    call.units[metric] = len(answer["Successful"])
    return answer


def _rough_size(entry: Request) -> int:
    """Of an entry that is not checked yet."""
    size = len(entry.get("MessageBody", "").encode())
    for name, value in (entry.get("MessageAttributes") or {}).items():
        size += len(name) + len(value.get("DataType", "")) + len(value.get("StringValue") or value.get("BinaryValue") or "")
    return size


def _sent(queue: Queue, message: Message, entry: Request) -> Request:
    answer = {"MessageId": message.message_id, "MD5OfMessageBody": message.body_md5}
    if message.attributes_md5:
        answer["MD5OfMessageAttributes"] = message.attributes_md5
    if system := entry.get("MessageSystemAttributes"):
        answer["MD5OfMessageSystemAttributes"] = attributes.digest(system)
    if queue.fifo:
        answer["SequenceNumber"] = _sequence_number(message)
    return answer


def _received(message: Message, wanted: set[str], names: Any) -> Request:
    answer: Request = {
        "MessageId": message.message_id,
        "ReceiptHandle": messages.receipt_handle(message),
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
    if wanted:
        system = {name: read(message) for name, read in _SYSTEM_ATTRIBUTES.items() if name in wanted or "All" in wanted}
        answer["Attributes"] = {name: value for name, value in system.items() if value}
    if names and message.attributes:
        chosen = {name: value for name, value in message.attributes.items() if _is_wanted(name, names)}
        if chosen:
            answer["MessageAttributes"] = chosen
            answer["MD5OfMessageAttributes"] = (
                message.attributes_md5 if len(chosen) == len(message.attributes) else attributes.digest(chosen)
            )
    return answer


def _is_wanted(name: str, names: Any) -> bool:
    return any(wanted in ("All", ".*", name) or (wanted.endswith(".*") and name.startswith(wanted[:-2])) for wanted in names)


def _delete(call: Call, tx: Transaction, queue: Queue, handle: str) -> None:
    """Deleting what is gone succeeds. A FIFO message whose handle is stale stays."""
    message, latest = messages.find(tx, queue, handle)
    if message is None:
        return
    if queue.fifo and not (latest and message.visible_at_ms > call.now_ms):
        raise errors.receipt_handle_has_expired(handle)
    state.delete_message(tx, message)


def _change_visibility(call: Call, tx: Transaction, queue: Queue, entry: Request) -> None:
    timeout_s = entry.get("VisibilityTimeout")
    if timeout_s is None:
        raise errors.missing_parameter("VisibilityTimeout")
    if not 0 <= timeout_s <= VISIBILITY_S_MAX:
        raise errors.invalid_parameter("VisibilityTimeout", timeout_s, "Must be >= 0 and <= 43200, if provided.")
    message, latest = messages.find(tx, queue, entry["ReceiptHandle"])
    if message is None or not latest or message.visible_at_ms <= call.now_ms:
        raise errors.message_not_in_flight(entry["ReceiptHandle"])
    if call.now_ms + timeout_s * 1000 > message.first_receive_ms + VISIBILITY_S_MAX * 1000 and message.receive_count == 1:
        raise errors.invalid_parameter(
            "VisibilityTimeout", timeout_s, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."
        )
    put_message(tx, message.replace(visible_at_ms=call.now_ms + timeout_s * 1000, why=IN_FLIGHT), message)


def _entries(request: Request) -> list[Request]:
    entries: list[Request] = request.get("Entries") or []
    if not entries:
        raise errors.empty_batch()
    if len(entries) > BATCH_MAX:
        raise errors.too_many_entries(len(entries))
    seen: set[str] = set()
    for entry in entries:
        if not _ENTRY_ID.fullmatch(entry["Id"]):
            raise errors.invalid_entry_id()
        if entry["Id"] in seen:
            raise errors.ids_not_distinct(entry["Id"])
        seen.add(entry["Id"])
    return entries


def _each(entries: list[Request], one: Callable[[Request], Request]) -> Request:
    """Every entry on its own: what fails does not take the others with it."""
    answer: Request = {"Successful": [], "Failed": []}
    for entry in entries:
        try:
            answer["Successful"].append(one(entry))
        except AwsError as error:
            answer["Failed"].append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
    return answer


def _sequence_number(message: Message) -> str:
    return str(SEQUENCE_BASE + message.sequence)
