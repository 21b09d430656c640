"""Kinesis destinations of tables: which there are, and the change records on their way to them.

A change's record is written to a queue in the transaction of the change, and a loop a destination (`workers.destinations`) sends the queue on in its order. So nothing is lost between
the two, a record may come twice, and the changes of an item come in their order, unless their shard was throttled.
Source: Developer Guide, "Using Kinesis Data Streams to capture changes to DynamoDB".
"""

from __future__ import annotations

from hashlib import md5
from typing import Any

import msgspec

from groundcloud.services.dynamodb.state import TableDefinition, encode_json
from groundcloud.services.dynamodb.values import Item, item_size
from groundcloud.store import Record, Table

TIMER = "dynamodb.to-kinesis"
MILLISECOND, MICROSECOND = "MILLISECOND", "MICROSECOND"
SENDER = "kinesisreplication.dynamodb.amazonaws.com"
"""Who sends: the service of the role that EnableKinesisStreamingDestination makes."""


class Destination(Record, frozen=True):
    """`generation` is that of the loop that sends to it, and of the queue that it sends."""

    table_number: int
    stream_arn: str
    active: bool
    precision: str
    generation: str


class Waiting(Record, frozen=True):
    """A record on its way."""

    made_ms: int
    partition_key: str
    content: bytes


DESTINATIONS = Table("dynamodb/destinations", Destination, key=("table_number", "stream_arn"))
QUEUE = Table("dynamodb/to-kinesis", Waiting, key=2)
"""(generation, change) -> Waiting."""


def active(tx: Any, table: TableDefinition) -> Destination | None:
    """AWS: a table has one at most."""
    return next((found for found in DESTINATIONS.scan(tx, table.table_number) if found.active), None)


def record(
    call: Any,
    tx: Any,
    table: TableDefinition,
    old: Item | None,
    new: Item | None,
    old_size: int,
    new_size: int,
    user: dict[str, str] | None,
) -> None:
    """Queues the change of one item, if it is one, for the table's destination."""
    if old == new:
        return
    item = new if new is not None else old
    assert item is not None and table.kinesis is not None
    generation, precision = table.kinesis
    keys = {name: item[name] for name, _ in table.key}
    moment = call.clock.now_ns() // 1000 if precision == MICROSECOND else call.now_ms
    body: dict[str, Any] = {"ApproximateCreationDateTime": moment, "Keys": keys}
    if new is not None:
        body["NewImage"] = new
    if old is not None:
        body["OldImage"] = old
    body["SizeBytes"] = item_size(keys) + (new_size if new is not None else 0) + (old_size if old is not None else 0)
    body["ApproximateCreationDateTimePrecision"] = precision
    change = {
        "awsRegion": tx.region,
        "eventID": call.new_id(),
        "eventName": "INSERT" if old is None else "MODIFY" if new is not None else "REMOVE",
        "userIdentity": None if user is None else {"principalId": user["PrincipalId"], "type": user["Type"]},
        "recordFormat": "application/json",
        "tableName": table.table_name,
        "dynamodb": body,
        "eventSource": "aws:dynamodb",
    }
    # AWS: all changes of an item go to one shard, by a key that says nothing.
    partition_key = md5(encode_json([table.table_number, keys]), usedforsecurity=False).hexdigest().upper()
    content = msgspec.json.encode(change)
    QUEUE.put(tx, generation, tx.sequence("dynamodb/changes"), Waiting(call.now_ms, partition_key, content))


def start(call: Any, tx: Any, destination: Destination) -> None:
    payload = [destination.table_number, destination.stream_arn, destination.generation]
    call.schedule(call.now_ms, TIMER, payload, tx=tx)


def forget(tx: Any, table: TableDefinition) -> None:
    """Of a table that is deleted: the loop sends what is queued, and ends."""
    for destination in list(DESTINATIONS.scan(tx, table.table_number)):
        DESTINATIONS.delete(tx, destination.table_number, destination.stream_arn)
