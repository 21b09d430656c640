"""Charges the orders of the queue. The provider takes the order's id as its own idempotency key, and is left alone when it fails in a row.

    breaker     item of the table     what a charge does
    closed      none                  asks the provider
    open        `breaker`             fails at once; the message comes again after its visibility timeout
The item ends by its time to live, and the next charge tries the provider again. Sandboxes share it, as they share nothing else.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

FAILURES_MAX = 3
TIMEOUT_S = 3

logger = Logger()
orders = boto3.resource("dynamodb").Table(os.environ["ORDERS_TABLE"])
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
failures = 0
"""In a row, in this sandbox."""


def handler(event: dict[str, Any], context: Any) -> Any:
    return process_partial_response(event=event, record_handler=charge, processor=processor, context=context)


def charge(record: SQSRecord) -> None:
    global failures
    key = {"pk": f"order#{record.body}"}
    order = orders.get_item(Key=key, ConsistentRead=True)["Item"]
    if order["state"] == "charged":
        return  # the message came twice
    if is_open():
        raise ConnectionAbortedError("the provider is left alone")
    try:
        ask(record.body, int(order["amount_minor"]))
    except OSError:
        failures += 1
        if failures >= FAILURES_MAX:
            open_breaker()
        raise
    failures = 0
    orders.update_item(
        Key=key,
        UpdateExpression="SET #state = :charged",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":charged": "charged"},
    )


def ask(order_id: str, amount_minor: int) -> None:
    """Raises OSError, of which HTTP's and time-outs are."""
    request = urllib.request.Request(f"{os.environ['PAYMENT_URL']}/charges/{order_id}", method="PUT", data=str(amount_minor).encode())
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        answer.read()


def is_open() -> bool:
    item = orders.get_item(Key={"pk": "breaker"}, ConsistentRead=True).get("Item")
    return item is not None and item["expires_at"] > time.time()  # AWS deletes what has expired some time later


def open_breaker() -> None:
    global failures
    failures = 0
    logger.warning("the provider fails; it is left alone")
    orders.put_item(Item={"pk": "breaker", "expires_at": int(time.time()) + int(os.environ["COOL_OFF_S"])})
