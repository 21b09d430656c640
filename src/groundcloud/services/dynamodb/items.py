"""One item in the store, with everything that hangs on it: index entries, counts, collection sizes, expiry, stream records, records for Kinesis.

Every change of an item goes through `write`, so that none of these can be forgotten.
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import (
    capacity,
    changes,
    destinations,
    errors,
    expiry,
    history,
    indexes,
    replication,
    throttling,
    values,
    vectors,
)
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.state import (
    COLLECTIONS,
    ENTRIES,
    ITEMS,
    VECTORS,
    TableDefinition,
    add_counts,
    item_size,
    pack_item,
    unpack_item,
)
from groundcloud.services.dynamodb.values import Item

Key = tuple[bytes, bytes]

COLLECTION_BYTES_MAX = 10 * 1024**3
"""An item collection of a table with local indexes. Source: Developer Guide, "Item collections in Local Secondary Indexes"."""


def read(tx: Any, table: TableDefinition, key: Key) -> bytes | None:
    """Size and JSON; see `unpack_item`."""
    return ITEMS.get(tx, table.table_number, *key)


def write(
    call: Any,
    tx: Any,
    table: TableDefinition,
    key: Key,
    old_raw: bytes | None,
    new: Item | None,
    new_size: int = 0,
    *,
    old: Item | None = None,
    usage: Usage | None = None,
    user: dict[str, str] | None = None,
    replicated: bool = False,
) -> None:
    """Puts `new`, or deletes where it is None. `old` is the decoded `old_raw`, where the caller has it.

    `user` marks deletions by the service itself, `replicated` writes that come from another region.
    """
    if not table.throttled or replicated or user is not None:
        _apply(call, tx, table, key, old_raw, new, new_size, old, usage, user, replicated)
        return
    throttling.admit(call, table, "write")
    own = Usage(table.table_name)
    _apply(call, tx, table, key, old_raw, new, new_size, old, own, user, replicated)
    throttling.charge(call, table, "write", own)
    if usage is not None:
        usage.merge(own)


def write_replicated(call: Any, place: Any, replica: TableDefinition, arrived: replication.Write) -> None:
    """Makes a write that comes from another region."""
    key = (arrived.partition, arrived.sort)
    new = None if arrived.raw is None else unpack_item(arrived.raw)
    size = 0 if arrived.raw is None else item_size(arrived.raw)
    write(call, place, replica, key, read(place, replica, key), new, size, replicated=True)


def _apply(
    call: Any,
    tx: Any,
    table: TableDefinition,
    key: Key,
    old_raw: bytes | None,
    new: Item | None,
    new_size: int,
    old: Item | None,
    usage: Usage | None,
    user: dict[str, str] | None,
    replicated: bool,
) -> None:
    old_size = 0 if old_raw is None else item_size(old_raw)
    if usage is not None:
        usage.table += capacity.write_units(max(old_size, new_size))
    new_raw = None
    if new is None:
        if old_raw is None:
            return
        ITEMS.delete(tx, table.table_number, *key)
    else:
        new_raw = pack_item(new_size, new)
        if new_raw == old_raw and not table.replicas:
            return
        ITEMS.put(tx, table.table_number, *key, new_raw)
    if new_size != old_size or old_raw is None or new is None:
        add_counts(tx, table.table_number, (new is not None) - (old_raw is not None), new_size - old_size)
    if table.replicas and not replicated:
        for place, replica in replication.send(call, tx, table, key, new_raw):
            write(call, place, replica, key, read(place, replica, key), new, new_size, replicated=True)
    if not (table.indexes or table.time_to_live_attribute or table.stream_view or table.images_wanted or table.kinesis or table.vectors):
        return
    if old is None and old_raw is not None:
        old = unpack_item(old_raw)
    if table.indexes:
        _write_entries(tx, table, key, old, old_size, new, new_size, usage)
    if table.vectors:
        _write_vectors(tx, table, key, old, new, usage)
    if table.time_to_live_attribute:
        expiry.track(call, tx, table, key, old, new)
    if table.images_wanted:
        history.record(call, tx, table, key, old_raw)
    if table.stream_view:
        changes.record(call, tx, table, old, new, old_size, new_size, user)
    if table.kinesis:
        destinations.record(call, tx, table, old, new, old_size, new_size, user)


def _write_entries(
    tx: Any, table: TableDefinition, key: Key, old: Item | None, old_size: int, new: Item | None, new_size: int, usage: Usage | None
) -> None:
    grown = new_size - old_size
    for index in table.indexes:
        before = None if old is None else indexes.entry_of(index, table, key, old, old_size)
        after = None if new is None else indexes.entry_of(index, table, key, new, new_size)
        if before == after:
            continue
        units = 0.0
        if before is not None and (after is None or after.key != before.key):
            ENTRIES.delete(tx, *before.key)
            units += capacity.write_units(before.size)
        if after is not None:
            ENTRIES.put(tx, *after.key, after.raw)
            in_place = before is not None and before.key == after.key
            units += capacity.write_units(max(after.size, before.size) if in_place and before is not None else after.size)
        before_size, after_size = (0 if before is None else before.size), (0 if after is None else after.size)
        add_counts(tx, index.index_number, (after is not None) - (before is not None), after_size - before_size)
        if not index.is_global:
            grown += after_size - before_size
        if usage is not None:
            usage.add_index(index.index_name, index.is_global, units)
    if table.has_local_indexes and grown:
        size = collection_bytes(tx, table, key[0]) + grown
        if size > COLLECTION_BYTES_MAX and grown > 0:
            raise errors.item_collection_too_large()
        if size > 0:
            COLLECTIONS.put(tx, table.table_number, key[0], size)
        else:
            COLLECTIONS.delete(tx, table.table_number, key[0])


def _write_vectors(tx: Any, table: TableDefinition, key: Key, old: Item | None, new: Item | None, usage: Usage | None) -> None:
    for index in table.vectors:
        if old is not None and new is not None and vectors.is_untouched(index, table, old, new):
            continue
        before = None if old is None else vectors.entry_of(index, table, key, old)
        after = None if new is None else vectors.entry_of(index, table, key, new)
        if before == after:
            continue
        charged = 0
        if before is not None and (after is None or after.key != before.key):
            VECTORS.delete(tx, *before.key)
            charged += max(before.size, vectors.REQUEST_BYTES_MIN)
        if after is not None:
            VECTORS.put(tx, *after.key, after.raw)
            charged += max(after.size, vectors.REQUEST_BYTES_MIN)
        before_size, after_size = (0 if before is None else before.size), (0 if after is None else after.size)
        add_counts(tx, index.index_number, (after is not None) - (before is not None), after_size - before_size)
        if usage is not None:
            usage.add_vectors(index.index_name, float(charged))


def collection_bytes(tx: Any, table: TableDefinition, partition: bytes) -> int:
    return COLLECTIONS.get(tx, table.table_number, partition) or 0


def collection_metrics(tx: Any, table: TableDefinition, key: Key, item: Item) -> dict[str, Any] | None:
    """ItemCollectionMetrics of the collection that an item is in; None for tables without local indexes."""
    if not table.has_local_indexes:
        return None
    gigabytes = collection_bytes(tx, table, key[0]) // 1024**3
    name = table.key[0][0]
    return {"ItemCollectionKey": {name: item[name]}, "SizeEstimateRangeGB": [float(gigabytes), float(gigabytes + 1)]}


def check_size(size: int) -> None:
    if size > values.ITEM_BYTES_MAX:
        raise errors.item_too_large()
