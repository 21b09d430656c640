"""Message move tasks: a dead-letter queue's messages back to where they came from, or elsewhere."""

from __future__ import annotations

from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sqs import errors
from groundcloud.services.sqs.state import MESSAGES, MOVE_TASKS, QUEUES, MoveTask

RATE_MAX = 500  # AWS: MaxNumberOfMessagesPerSecond
LIST_MAX = 10

Request = dict[str, Any]


def _source_arn(call: Call, request: Request) -> str:
    return str(request["SourceArn"])


def _task_source_arn(call: Call, request: Request) -> str:
    task = MOVE_TASKS.get(call.reading(), request["TaskHandle"])
    return task.source_arn if task is not None else "*"


@operation(resource=_source_arn)
def start_message_move_task(call: Call, request: Request) -> Request:
    source_arn, destination_arn = request["SourceArn"], request.get("DestinationArn", "")
    rate = request.get("MaxNumberOfMessagesPerSecond", 0)
    if rate and not 1 <= rate <= RATE_MAX:
        raise errors.invalid_parameter("MaxNumberOfMessagesPerSecond", rate, "Must be between 1 and 500.")
    for queue_arn in filter(None, (source_arn, destination_arn)):
        if not arns.is_arn(queue_arn) or not QUEUES.has(call.tx, arns.parse(queue_arn).resource):
            raise errors.resource_not_found("The resource that you specified for the SourceArn parameter doesn't exist.")
    if not any(queue.dead_letter_arn == source_arn for queue in QUEUES.scan(call.tx)):
        raise errors.invalid_parameter("SourceArn", source_arn, "Source queue must be configured as a Dead Letter Queue.")
    if any(task.source_arn == source_arn and task.status == "RUNNING" for task in MOVE_TASKS.scan(call.tx)):
        raise errors.unsupported("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
    task = MoveTask(
        task_id=call.token(32),
        source_arn=source_arn,
        destination_arn=destination_arn,
        started_ms=call.now_ms,
        status="RUNNING",
        rate_per_s=rate,
        to_move=sum(1 for _ in MESSAGES.keys(call.tx, arns.parse(source_arn).resource)),
    )
    MOVE_TASKS.put(call.tx, task)
    call.schedule(call.now_ms, "sqs.move", task.task_id, key=task.task_id)
    return {"TaskHandle": task.task_id}


@operation(resource=_task_source_arn)
def cancel_message_move_task(call: Call, request: Request) -> Request:
    task = MOVE_TASKS.get(call.tx, request["TaskHandle"])
    if task is None or task.status != "RUNNING":
        raise errors.resource_not_found("Task does not exist.")
    MOVE_TASKS.put(call.tx, task.replace(status="CANCELLED"))
    call.unschedule("sqs.move", task.task_id)
    return {"ApproximateNumberOfMessagesMoved": task.moved}


@operation(resource=_source_arn)
def list_message_move_tasks(call: Call, request: Request) -> Request:
    limit = request.get("MaxResults", 1)
    if not 1 <= limit <= LIST_MAX:
        raise errors.invalid_parameter("MaxResults", limit, "Must be between 1 and 10.")
    if not QUEUES.has(call.tx, arns.parse(request["SourceArn"]).resource):
        raise errors.resource_not_found("The resource that you specified for the SourceArn parameter doesn't exist.")
    found = sorted(
        (task for task in MOVE_TASKS.scan(call.tx) if task.source_arn == request["SourceArn"]), key=lambda task: -task.started_ms
    )
    return {"Results": [_shown(task) for task in found[:limit]]}


def _shown(task: MoveTask) -> Request:
    return {
        "TaskHandle": task.task_id if task.status == "RUNNING" else None,
        "Status": task.status,
        "SourceArn": task.source_arn,
        "DestinationArn": task.destination_arn or None,
        "MaxNumberOfMessagesPerSecond": task.rate_per_s or None,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "FailureReason": task.failure or None,
        "StartedTimestamp": task.started_ms,
    }
