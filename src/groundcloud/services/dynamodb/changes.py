"""Streams: the change records of a table, in shards that follow one another.

A stream has one open shard; after four hours the next change opens its child, so a reader meets parents, children and closed shards as on
AWS, and order holds for every key. Records live for 24 hours.
Source: Developer Guide, "Change data capture for DynamoDB Streams"; API_streams_Record.
"""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.services.dynamodb.state import TableDefinition, table_arn
from groundcloud.services.dynamodb.values import Item, item_size
from groundcloud.store import Record, Table

SHARD_MS = 4 * 3600 * 1000
RECORD_LIFE_MS = 24 * 3600 * 1000
TRIM_TIMER = "dynamodb.trim"
SEQUENCE_BASE = 10**20
"""Sequence numbers are 21 digits, so that they order as text too."""

SERVICE_USER = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""The userIdentity of deletions by time to live."""


class Shard(Record, frozen=True):
    """`last` is None while the shard is open."""

    stream_number: int
    shard_index: int
    shard_id: str
    parent_id: str
    first: int
    created_ms: int
    last: int | None = None
    closed_ms: int = 0


class Stream(Record, frozen=True, kw_only=True):
    """A stream of a table. `view` is None-less: the StreamViewType. `disabled_ms` is when it was switched off, 0 while it is on."""

    table_name: str
    label: str
    stream_number: int
    view: str
    created_ms: int
    key: tuple[tuple[str, str], ...]
    disabled_ms: int = 0


STREAMS = Table("dynamodb/streams", Stream, key=("table_name", "label"))
SHARDS = Table("dynamodb/shards", Shard, key=("stream_number", "shard_index"))
CHANGES = Table("dynamodb/changes", bytes, key=3)
"""(stream number, shard index, sequence) -> the record as JSON."""

_encode = msgspec.json.Encoder().encode
_decode_moment = msgspec.json.Decoder(tuple[int, msgspec.Raw]).decode


def stream_arn(place: Any, table_name: str, label: str) -> str:
    return f"{table_arn(place, table_name)}/stream/{label}"


def open_stream(call: Any, tx: Any, table: TableDefinition, view: str) -> TableDefinition:
    """Starts a stream; the table that has it."""
    number = tx.sequence("dynamodb/numbers")
    label = _label(call.now_ms)
    if STREAMS.has(tx, table.table_name, label):
        label = _label(call.now_ms + number % 1000 + 1)
    stream = Stream(table_name=table.table_name, label=label, stream_number=number, view=view, created_ms=call.now_ms, key=table.key)
    STREAMS.put(tx, stream)
    _open_shard(call, tx, number, 0, "")
    changed: TableDefinition = table.replace(stream_view=view, stream_label=label, stream_number=number)
    return changed


def close_stream(call: Any, tx: Any, table: TableDefinition) -> TableDefinition:
    """Switches the table's stream off; what it holds can be read for another 24 hours."""
    stream = STREAMS.get(tx, table.table_name, table.stream_label or "")
    if stream is not None:
        STREAMS.put(tx, stream.replace(disabled_ms=call.now_ms))
        shard = current_shard(tx, stream.stream_number)
        if shard is not None and shard.last is None:
            SHARDS.put(tx, shard.replace(last=_last_sequence(tx, shard), closed_ms=call.now_ms))
        _set_trim_timer(call, tx, stream.stream_number, stream.table_name, stream.label, call.now_ms + RECORD_LIFE_MS)
    changed: TableDefinition = table.replace(stream_view=None, stream_number=0, previous_stream_label=table.stream_label)
    return changed


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
    """Writes the change of one item, if it is one, to the table's stream."""
    if old == new:
        return
    number = table.stream_number
    shard = current_shard(tx, number)
    if shard is None or shard.last is not None or call.now_ms - shard.created_ms >= SHARD_MS:
        shard = _roll(call, tx, number, shard)
    sequence = tx.sequence("dynamodb/changes")
    first = next(CHANGES.keys(tx, number, shard.shard_index, limit=1), None) is None
    item = new if new is not None else old
    assert item is not None
    keys = {name: item[name] for name, _ in table.key}
    view = table.stream_view
    body: dict[str, Any] = {"ApproximateCreationDateTime": call.now_ms // 1000, "Keys": keys}
    size = item_size(keys)
    if new is not None and view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        body["NewImage"] = new
        size += new_size
    if old is not None and view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
        body["OldImage"] = old
        size += old_size
    body["SequenceNumber"] = sequence_text(sequence)
    body["SizeBytes"] = size
    body["StreamViewType"] = view
    change: dict[str, Any] = {
        "eventID": f"{call.random.getrandbits(128):032x}",
        "eventName": "INSERT" if old is None else "MODIFY" if new is not None else "REMOVE",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": tx.region,
        "dynamodb": body,
    }
    if user is not None:
        change["userIdentity"] = user
    CHANGES.put(tx, number, shard.shard_index, sequence, _encode([call.now_ms, change]))
    if first:
        _set_trim_timer(call, tx, number, table.table_name, table.stream_label or "", call.now_ms + RECORD_LIFE_MS)


def current_shard(tx: Any, stream_number: int) -> Shard | None:
    return next(SHARDS.scan(tx, stream_number, reverse=True, limit=1), None)


def made_ms(raw: bytes) -> int:
    """When a record was written."""
    return int(_decode_moment(raw)[0])


def sequence_text(sequence: int) -> str:
    return str(SEQUENCE_BASE + sequence)


def sequence_of(text: str) -> int:
    return int(text) - SEQUENCE_BASE


def _roll(call: Any, tx: Any, stream_number: int, shard: Shard | None) -> Shard:
    """Closes a shard and opens its child."""
    if shard is None:
        return _open_shard(call, tx, stream_number, 0, "")
    if shard.last is None:
        SHARDS.put(tx, shard.replace(last=_last_sequence(tx, shard), closed_ms=call.now_ms))
    return _open_shard(call, tx, stream_number, shard.shard_index + 1, shard.shard_id)


def _open_shard(call: Any, tx: Any, stream_number: int, shard_index: int, parent_id: str) -> Shard:
    first = tx.sequence("dynamodb/changes")
    shard_id = f"shardId-{call.now_ms:020d}-{call.random.getrandbits(32):08x}"
    shard = Shard(stream_number, shard_index, shard_id, parent_id, first, call.now_ms)
    SHARDS.put(tx, shard)
    return shard


def _last_sequence(tx: Any, shard: Shard) -> int:
    last = next(CHANGES.keys(tx, shard.stream_number, shard.shard_index, reverse=True, limit=1), None)
    return shard.first if last is None else int(last[2])


def _label(now_ms: int) -> str:
    """The moment as ISO 8601 with milliseconds, as AWS labels streams."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now_ms % 1000:03d}"


def _set_trim_timer(call: Any, tx: Any, stream_number: int, table_name: str, label: str, due_ms: int) -> None:
    payload = {"stream_number": stream_number, "table_name": table_name, "label": label}
    call.schedule(due_ms, TRIM_TIMER, payload, key=str(stream_number), tx=tx)
