"""What a table was before: old images of its changes, backups, and copies of a table as of a moment.

A copy is made in bites while the table is in use, and comes out as the table was at one moment T. States of a copy:

    items (every item as it is when the copier comes by) --> undo (old images of changes after T, newest first, put over them)
      --> indexes (restored tables only: entries and counts) --> done

For a key without a change after T the first step found its value at T. For any other, the last that `undo` puts is the old image of its
first change after T, which is its value at T. So changes made while the copy runs do no harm, as long as their old images are kept.
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import indexes, state, vectors
from groundcloud.services.dynamodb.state import ENTRIES, ITEMS, VECTORS, TableDefinition, item_size, unpack_item
from groundcloud.services.dynamodb.transfers import EXPORT_TIMER
from groundcloud.store import Record, Table

COPY_TIMER = "dynamodb.copy"
FORGET_TIMER = "dynamodb.forget"
BITE = 500
DAY_MS = 86_400_000


class Backup(Record, frozen=True, kw_only=True):
    """`definition` is the table as it was; the items are under `items_number`."""

    table_name: str
    backup_id: str
    backup_name: str
    created_ms: int
    items_number: int
    item_count: int
    size_bytes: int
    definition: TableDefinition
    status: str = "CREATING"


class Image(Record, frozen=True):
    """An item as it was before a change; `raw` is None where there was none."""

    made_ms: int
    partition: bytes
    sort: bytes
    raw: bytes | None


class Copy(Record, frozen=True, kw_only=True):
    """A copy under way, see the states above. `source_name` is empty where the source does not change (a backup)."""

    target_number: int
    source_number: int
    source_name: str
    as_of_ms: int
    first_change: int
    """Changes from this number on are undone, where `as_of_ms` is not asked for."""
    step: str = "items"
    after: tuple[bytes, bytes] | None = None
    before_change: int | None = None
    restored_table: str = ""
    backup: tuple[str, str] | None = None
    source_region: str = ""
    """Where the source is, if not where the copy is."""
    export: tuple[str, str] | None = None
    """The export that goes on from here."""


BACKUPS = Table("dynamodb/backups", Backup, key=("table_name", "backup_id"))
IMAGES = Table("dynamodb/images", Image, key=2)
"""(table number, change) -> Image."""
COPIES = Table("dynamodb/copies", Copy, key=("target_number",))


def record(call: Any, tx: Any, table: TableDefinition, key: tuple[bytes, bytes], old_raw: bytes | None) -> None:
    """Keeps the old image of a change."""
    IMAGES.put(tx, table.table_number, tx.sequence("dynamodb/changes"), Image(call.now_ms, *key, old_raw))


def begin_copy(
    call: Any,
    tx: Any,
    target_number: int,
    source_number: int,
    source_name: str,
    *,
    as_of_ms: int = 0,
    restored_table: str = "",
    backup: tuple[str, str] | None = None,
    source_region: str = "",
    export: tuple[str, str] | None = None,
) -> None:
    """Starts a copy as of now, or of `as_of_ms`. A source that has a name is in use: its `copies` has to count this one."""
    copy = Copy(
        target_number=target_number,
        source_number=source_number,
        source_name=source_name,
        as_of_ms=as_of_ms,
        first_change=tx.at(tx.account, source_region or tx.region).sequence("dynamodb/changes"),
        restored_table=restored_table,
        backup=backup,
        source_region=source_region,
        export=export,
    )
    COPIES.put(tx, copy)
    call.schedule(call.now_ms, COPY_TIMER, {"target_number": target_number}, tx=tx)


def step(call: Any, tx: Any, copy: Copy) -> Copy | None:
    """Takes one bite; the copy as it stands then, or None when it is done."""
    if copy.step == "items":
        return _copy_items(tx, copy)
    if copy.step == "undo":
        return _undo(tx, copy)
    return _fill_indexes(call, tx, copy)


def forget(call: Any, tx: Any, table: TableDefinition) -> None:
    """Clears the old images of a table, in the background."""
    call.schedule(call.now_ms, FORGET_TIMER, {"table_number": table.table_number, "table_name": table.table_name}, tx=tx)


def schedule_trim(call: Any, tx: Any, table: TableDefinition) -> None:
    """Old images beyond the recovery period go once a day."""
    payload = {"table_number": table.table_number, "table_name": table.table_name}
    call.schedule(call.now_ms + DAY_MS, FORGET_TIMER, payload, key=str(table.table_number), tx=tx)


def _source_place(tx: Any, copy: Copy) -> Any:
    return tx.at(tx.account, copy.source_region) if copy.source_region else tx


def _copy_items(tx: Any, copy: Copy) -> Copy:
    taken = 0
    after = copy.after
    for key, raw in ITEMS.items(_source_place(tx, copy), copy.source_number, after=after, limit=BITE):
        taken += 1
        after = (key[1], key[2])
        ITEMS.put(tx, copy.target_number, *after, raw)
    if taken == BITE:
        return copy.replace(after=after)  # type: ignore[no-any-return]
    return copy.replace(step="undo" if copy.source_name else "indexes", after=None)  # type: ignore[no-any-return]


def _undo(tx: Any, copy: Copy) -> Copy:
    taken = 0
    before = copy.before_change
    for key, image in IMAGES.items(_source_place(tx, copy), copy.source_number, after=before, reverse=True, limit=BITE):
        if image.made_ms <= copy.as_of_ms if copy.as_of_ms else key[1] < copy.first_change:
            break
        taken += 1
        before = key[1]
        if image.raw is None:
            ITEMS.delete(tx, copy.target_number, image.partition, image.sort)
        else:
            ITEMS.put(tx, copy.target_number, image.partition, image.sort, image.raw)
    if taken == BITE:
        return copy.replace(before_change=before)  # type: ignore[no-any-return]
    return copy.replace(step="indexes", before_change=None)  # type: ignore[no-any-return]


def _fill_indexes(call: Any, tx: Any, copy: Copy) -> Copy | None:
    table = state.find_table(tx, copy.restored_table) if copy.restored_table else None
    if table is not None and table.table_number == copy.target_number:
        taken = size = 0
        after = copy.after
        for key, raw in ITEMS.items(tx, copy.target_number, after=after, limit=BITE):
            taken += 1
            partition, sort = key[1:]
            after = (partition, sort)
            size += item_size(raw)
            if table.indexes or table.vectors:
                _add_entries(tx, table, after, raw)
        state.add_counts(tx, table.table_number, taken, size)
        if taken == BITE:
            return copy.replace(after=after)  # type: ignore[no-any-return]
        state.put_table(tx, table.replace(status="ACTIVE"))
    if copy.backup is not None:
        backup = BACKUPS.get(tx, *copy.backup)
        if backup is not None:
            BACKUPS.put(tx, backup.replace(status="AVAILABLE"))
    if copy.export is not None:
        call.schedule(call.now_ms, EXPORT_TIMER, {"table_name": copy.export[0], "export_id": copy.export[1]}, tx=tx)
    place = _source_place(tx, copy)
    source = state.find_table(place, copy.source_name) if copy.source_name else None
    if source is not None and source.table_number == copy.source_number:
        source = source.replace(copies=max(source.copies - 1, 0))
        state.put_table(place, source)
        if not source.images_wanted:
            forget(call, place, source)
    return None


def _add_entries(tx: Any, table: TableDefinition, key: tuple[bytes, bytes], raw: bytes) -> None:
    item, size = unpack_item(raw), item_size(raw)
    grown = size if table.has_local_indexes else 0
    for index in table.indexes:
        entry = indexes.entry_of(index, table, key, item, size)
        if entry is None:
            continue
        ENTRIES.put(tx, *entry.key, entry.raw)
        state.add_counts(tx, index.index_number, 1, entry.size)
        if not index.is_global:
            grown += entry.size
    for vector_index in table.vectors:
        found = vectors.entry_of(vector_index, table, key, item)
        if found is not None:
            VECTORS.put(tx, *found.key, found.raw)
            state.add_counts(tx, vector_index.index_number, 1, found.size)
    if grown:
        held = state.COLLECTIONS.get(tx, table.table_number, key[0]) or 0
        state.COLLECTIONS.put(tx, table.table_number, key[0], held + grown)
