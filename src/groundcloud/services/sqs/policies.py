"""Names, URLs and ARNs of queues, and the policy that a queue carries."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from groundcloud.kernel.call import Call
from groundcloud.services.sqs import errors
from groundcloud.services.sqs.state import QUEUES, Queue
from groundcloud.store import Transaction


@lru_cache(maxsize=8192)
def parse_url(queue_url: str) -> tuple[str, str]:
    """(account, queue name). Accepts any host, with or without a scheme. Raises InvalidAddress."""
    path = urlsplit(queue_url).path if "://" in queue_url else queue_url
    parts = [part for part in path.split("/") if part]
    if len(parts) < 2 or not (len(parts[-2]) == 12 and parts[-2].isdigit()):
        raise errors.invalid_address(queue_url)
    return parts[-2], parts[-1]


def url(call: Call, account: str, queue_name: str) -> str:
    return f"{call.endpoint}/{account}/{queue_name}"


def arn_of_url(call: Call, request: dict[str, Any]) -> str:
    """The ARN that a request's QueueUrl names; for authorisation."""
    account, queue_name = parse_url(request["QueueUrl"])
    return f"arn:aws:sqs:{call.region}:{account}:{queue_name}"


def arn_of_name(call: Call, request: dict[str, Any]) -> str:
    account = request.get("QueueOwnerAWSAccountId") or call.account
    return f"arn:aws:sqs:{call.region}:{account}:{request['QueueName']}"


def load(call: Call, request: dict[str, Any]) -> tuple[Transaction, Queue]:
    """The queue of a request's QueueUrl, and the transaction seen from its account. Raises QueueDoesNotExist."""
    account, queue_name = parse_url(request["QueueUrl"])
    tx = call.reading()
    if account != tx.account:
        tx = tx.at(account, call.region)
    queue = QUEUES.get(tx, queue_name)
    if queue is None:
        raise errors.queue_does_not_exist()
    return tx, queue


def of_queue(call: Call, queue_arn: str) -> str | None:
    """The policy on a queue, None where there is none."""
    parts = queue_arn.split(":")
    if len(parts) != 6:
        return None
    tx = call.reading()
    if parts[4] != tx.account or parts[3] != tx.region:
        tx = tx.at(parts[4], parts[3])
    queue = QUEUES.get(tx, parts[5])
    return (queue.policy or None) if queue is not None else None
