"""Queues: create, find, describe, change, purge, delete; their tags and permissions."""

from __future__ import annotations

import json
import re
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sqs import attributes, errors
from groundcloud.services.sqs.policies import arn_of_name, arn_of_url, load, url
from groundcloud.services.sqs.state import DEDUPLICATIONS, DEDUPLICATIONS_DUE, DELAYED, IN_FLIGHT, MESSAGES, QUEUES, VISIBLE, Queue
from groundcloud.store import Transaction

LIST_MAX = 1000  # AWS: ListQueues, MaxResults
PURGE_PAUSE_MS = 60_000
TAGS_MAX = 50

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")

Request = dict[str, Any]


@operation(resource=arn_of_name)
def create_queue(call: Call, request: Request) -> Request:
    """Creating again with the same attributes gives the queue that is there. Raises QueueNameExists."""
    name, wanted = request["QueueName"], request.get("Attributes", {})
    fifo = wanted.get("FifoQueue", "").lower() == "true"
    if fifo and not _FIFO_NAME.fullmatch(name):
        raise errors.fifo_name_must_end()
    if not fifo and not _NAME.fullmatch(name):
        raise errors.invalid_queue_name()
    if "FifoQueue" in wanted and not fifo:
        raise errors.unknown_attribute("FifoQueue")
    attributes.check(wanted, arn_of_name(call, request))
    existing = QUEUES.get(call.tx, name)
    if existing is not None:
        have = attributes.shown(existing)
        for attribute, value in wanted.items():
            if have.get(attribute, "") != value:
                raise errors.queue_name_exists(attribute)
        return {"QueueUrl": url(call, call.account, name)}
    queue = attributes.apply(
        Queue(queue_name=name, created_ms=call.now_ms, modified_ms=call.now_ms, tags=request.get("tags", {})), wanted, call.now_ms
    )
    _check_dead_letter(call, queue)
    QUEUES.put(call.tx, queue)
    return {"QueueUrl": url(call, call.account, name)}


@operation(resource=arn_of_name)
def get_queue_url(call: Call, request: Request) -> Request:
    account = request.get("QueueOwnerAWSAccountId") or call.account
    if not QUEUES.has(call.tx.at(account, call.region), request["QueueName"]):
        raise errors.queue_does_not_exist()
    return {"QueueUrl": url(call, account, request["QueueName"])}


@operation()
def list_queues(call: Call, request: Request) -> Request:
    prefix, limit = request.get("QueueNamePrefix", ""), request.get("MaxResults")
    if limit is not None and not 1 <= limit <= LIST_MAX:
        raise errors.invalid_parameter("MaxResults", limit, "MaxResults must be an integer between 1 and 1000.")
    names: list[str] = []
    for (name,) in QUEUES.keys(call.tx, start=prefix, after=request.get("NextToken")):
        if not name.startswith(prefix):
            break
        names.append(name)
        if len(names) > (limit or LIST_MAX):
            break
    answer: Request = {}
    if len(names) > (limit or LIST_MAX):
        names.pop()
        if limit is not None:
            answer["NextToken"] = names[-1]
    if names:
        answer["QueueUrls"] = [url(call, call.account, name) for name in names]
    return answer


@operation(resource=arn_of_url)
def get_queue_attributes(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    wanted = request.get("AttributeNames", [])
    for name in wanted:
        if name != "All" and name not in attributes.SETTABLE and name not in attributes.COMPUTED:
            raise errors.unknown_attribute(name)
    found = attributes.shown(queue)
    if "All" in wanted or any(name in attributes.COMPUTED for name in wanted):
        found |= {
            "QueueArn": f"arn:aws:sqs:{call.region}:{tx.account}:{queue.queue_name}",
            "CreatedTimestamp": str(queue.created_ms // 1000),
            "LastModifiedTimestamp": str(queue.modified_ms // 1000),
        }
        if "All" in wanted or any(name.startswith("Approximate") for name in wanted):
            found |= _counts(tx, queue, call.now_ms)
    chosen = found if "All" in wanted else {name: found[name] for name in wanted if name in found}
    return {"Attributes": chosen} if chosen else {}


@operation(resource=arn_of_url)
def set_queue_attributes(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    wanted = request["Attributes"]
    attributes.check(wanted, arn_of_url(call, request))
    if "FifoQueue" in wanted and (wanted["FifoQueue"].lower() == "true") != queue.fifo:
        raise errors.unknown_attribute("FifoQueue")
    changed = attributes.apply(queue, wanted, call.now_ms)
    _check_dead_letter(call, changed)
    QUEUES.put(tx, changed)
    if changed.retention_s < queue.retention_s:
        call.schedule(call.now_ms, "sqs.expire", queue.queue_name, key=queue.queue_name, tx=tx)
    return {}


@operation(resource=arn_of_url)
def delete_queue(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    _drop_messages(tx, queue.queue_name)
    QUEUES.delete(tx, queue.queue_name)
    call.unschedule("sqs.expire", queue.queue_name, tx=tx)
    return {}


@operation(resource=arn_of_url)
def purge_queue(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    if call.now_ms - queue.purged_ms < PURGE_PAUSE_MS:
        raise errors.purge_in_progress(queue.queue_name)
    _drop_messages(tx, queue.queue_name)
    QUEUES.put(tx, queue.replace(purged_ms=call.now_ms))
    return {}


@operation(resource=arn_of_url)
def list_dead_letter_source_queues(call: Call, request: Request) -> Request:
    tx, _ = load(call, request)
    queue_arn = arn_of_url(call, request)
    limit = request.get("MaxResults") or LIST_MAX
    found = []
    for other in QUEUES.scan(tx, after=request.get("NextToken")):
        if other.dead_letter_arn == queue_arn:
            found.append(other.queue_name)
            if len(found) > limit:
                break
    answer: Request = {"queueUrls": [url(call, tx.account, name) for name in found[:limit]]}
    if len(found) > limit:
        answer["NextToken"] = found[limit - 1]
    return answer


@operation(resource=arn_of_url)
def tag_queue(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    tags = {**queue.tags, **request["Tags"]}
    if len(tags) > TAGS_MAX:
        raise AwsError("InvalidParameterValue", f"Too many tags added for queue {queue.queue_name}.")
    QUEUES.put(tx, queue.replace(tags=tags))
    return {}


@operation(resource=arn_of_url)
def untag_queue(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    QUEUES.put(tx, queue.replace(tags={name: value for name, value in queue.tags.items() if name not in request["TagKeys"]}))
    return {}


@operation(resource=arn_of_url)
def list_queue_tags(call: Call, request: Request) -> Request:
    _, queue = load(call, request)
    return {"Tags": queue.tags} if queue.tags else {}


@operation(resource=arn_of_url)
def add_permission(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    label, queue_arn = request["Label"], arn_of_url(call, request)
    if not _LABEL.fullmatch(label):
        raise errors.invalid_parameter(
            "Label", label, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length."
        )
    policy: dict[str, Any] = (
        json.loads(queue.policy) if queue.policy else {"Version": "2012-10-17", "Id": f"{queue_arn}/SQSDefaultPolicy", "Statement": []}
    )
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise errors.invalid_parameter("Label", label, "Already exists.")
    for action in request["Actions"]:
        if action != "*" and action not in call.room.model.operation_names:  # type: ignore[union-attr]
            raise errors.invalid_parameter(
                "ActionName", action, f"Only the queue owner is allowed to invoke this action or it does not exist: {action}."
            )
    principals = [f"arn:aws:iam::{account}:root" for account in request["AWSAccountIds"]]
    actions = [f"SQS:{action}" for action in request["Actions"]]
    policy["Statement"].append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": actions[0] if len(actions) == 1 else actions,
            "Resource": queue_arn,
        }
    )
    QUEUES.put(tx, attributes.apply(queue, {"Policy": json.dumps(policy)}, call.now_ms))
    return {}


@operation(resource=arn_of_url)
def remove_permission(call: Call, request: Request) -> Request:
    tx, queue = load(call, request)
    policy: dict[str, Any] = json.loads(queue.policy) if queue.policy else {"Statement": []}
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") != request["Label"]]
    if len(kept) == len(policy["Statement"]):
        raise errors.invalid_parameter("Label", request["Label"], "can't find label on existing policy.")
    policy["Statement"] = kept
    QUEUES.put(tx, attributes.apply(queue, {"Policy": json.dumps(policy) if kept else ""}, call.now_ms))
    return {}


def _check_dead_letter(call: Call, queue: Queue) -> None:
    """The dead-letter queue must exist, be of the same kind, account and region, and allow this source."""
    if not queue.dead_letter_arn:
        return
    value = queue.attributes["RedrivePolicy"]
    target = arns.parse(queue.dead_letter_arn)
    dead = QUEUES.get(call.tx, target.resource) if (target.account, target.region) == (call.account, call.region) else None
    if dead is None:
        raise errors.invalid_parameter("RedrivePolicy", value, "Dead letter target does not exist.")
    if dead.fifo != queue.fifo:
        raise errors.invalid_parameter(
            "RedrivePolicy",
            value,
            f"Dead-letter queue must be same type of queue as the source. Source is {'FIFO' if queue.fifo else 'standard'}.",
        )
    allow = dead.attributes.get("RedriveAllowPolicy")
    if allow:
        permission, sources = attributes.redrive_allow(allow)
        if permission == "denyAll" or (permission == "byQueue" and call.arn("sqs", queue.queue_name) not in sources):
            raise errors.invalid_parameter("RedrivePolicy", value, "The dead letter queue does not allow this source queue.")


def _counts(tx: Transaction, queue: Queue, now_ms: int) -> dict[str, str]:
    """Messages that can be received, are in flight, are delayed. Reads the index of the queue, not the messages."""
    visible = hidden = delayed = 0
    for _, visible_at_ms, _, why in VISIBLE.keys(tx, queue.queue_name):
        if visible_at_ms <= now_ms:
            visible += 1
        elif why == IN_FLIGHT:
            hidden += 1
        elif why == DELAYED:
            delayed += 1
        else:
            visible += 1
    return {
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(hidden),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
    }


def _drop_messages(tx: Transaction, queue_name: str) -> None:
    for key in MESSAGES.keys(tx, queue_name):
        MESSAGES.delete(tx, *key)
    for key in VISIBLE.keys(tx, queue_name):
        VISIBLE.delete(tx, *key)
    for key in DEDUPLICATIONS.keys(tx, queue_name):
        DEDUPLICATIONS.delete(tx, *key)
    for key in DEDUPLICATIONS_DUE.keys(tx, queue_name):
        DEDUPLICATIONS_DUE.delete(tx, *key)
