"""One page of a Query or Scan: walks keys in order until the page is full, tests, projects.

A page ends at Limit items looked at, or at the item that brings it to 1 MB (before the filter), and then carries the key to go on from.
Source: Developer Guide, "Paginating table query results".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from groundcloud.services.dynamodb import errors, indexes, items, keys, values
from groundcloud.services.dynamodb.expressions.comparisons import Test
from groundcloud.services.dynamodb.expressions.paths import Projection
from groundcloud.services.dynamodb.state import ENTRIES, ITEMS, Index, TableDefinition, item_size, unpack_item
from groundcloud.services.dynamodb.values import Item, Value

PAGE_BYTES_MAX = 1024 * 1024
TURN_ITEMS_MAX = 1000
"""What a Query or Scan looks at before it lets other calls in: some five milliseconds."""


@dataclass(slots=True)
class Source:
    """A table, or one of its indexes, as something to walk."""

    table: TableDefinition
    index: Index | None

    @property
    def partition_keys(self) -> tuple[tuple[str, str], ...]:
        return self.table.key[:1] if self.index is None else self.index.partition_keys

    @property
    def sort_keys(self) -> tuple[tuple[str, str], ...]:
        return self.table.key[1:] if self.index is None else self.index.sort_keys

    @property
    def key_parts(self) -> tuple[tuple[str, str], ...]:
        """The attributes of LastEvaluatedKey: the index's, then the table's."""
        if self.index is None:
            return self.table.key
        return tuple(dict((*self.index.partition_keys, *self.index.sort_keys, *self.table.key)).items())

    def walk(
        self,
        tx: Any,
        partition: bytes | None,
        *,
        start: Any = None,
        stop: Any = None,
        after: tuple[Any, ...] | None = None,
        reverse: bool = False,
    ) -> Iterator[bytes]:
        """Raw items in order. Bounds are sort parts within a partition, partitions where none is given; `after` is the rest of a key."""
        if self.index is None:
            number, rows = self.table.table_number, ITEMS
        else:
            number, rows = self.index.index_number, ENTRIES
        prefix = (number,) if partition is None else (number, partition)
        return rows.scan(tx, *prefix, start=start, stop=stop, after=after, reverse=reverse)

    def place_of(self, key: Item) -> tuple[bytes, ...]:
        """(partition, sort[, table partition, table sort]) of a LastEvaluatedKey that was checked."""
        table_key = keys.encode(self.table.key, key)
        if self.index is None:
            return table_key
        entry = indexes.entry_of(self.index, self.table, table_key, key, 0)
        assert entry is not None
        return entry.key[1:]

    def check_start_key(self, key: Item) -> None:
        """Raises ValidationException unless `key` has exactly the attributes of LastEvaluatedKey, well formed."""
        check_start_values(key)
        parts = self.key_parts
        if len(key) != len(parts):
            raise errors.invalid_start_key()
        for name, kind in parts:
            if name not in key:
                raise errors.invalid_start_key()
            if kind not in key[name]:
                raise errors.invalid_start_key("The provided key element does not match the schema")
        try:
            keys.encode(self.table.key, key)
        except errors.AwsError as error:
            raise errors.invalid_start_key(error.message) from None


def check_start_values(key: Item) -> None:
    """What is wrong with an ExclusiveStartKey whatever the table."""
    if key.__class__ is not dict:
        raise errors.serialization(values.not_a_map(key, "com.amazonaws.dynamodb.v20120810.AttributeValue"))
    for value in key.values():
        try:
            values.check(value)
        except errors.AwsError as error:
            if error.code != "ValidationException":
                raise
            raise errors.invalid_start_key(error.message) from None


@dataclass(slots=True)
class Page:
    """`size` is what was looked at, `fetched_units` what reading whole items for a local index took."""

    items: list[Any] = field(default_factory=list)
    count: int = 0
    scanned: int = 0
    size: int = 0
    fetched_bytes: list[int] = field(default_factory=list)
    last: bytes | None = None
    paused: bytes | None = None
    """The item after which the page is to be read on, in another turn of the loop."""


def read_page(
    tx: Any,
    source: Source,
    rows: Iterator[bytes],
    *,
    limit: int | None,
    test: Test | None,
    found: dict[str, Value],
    projection: Projection | None,
    only_count: bool,
    as_stored: bool,
    fetch_whole: bool,
    page: Page | None = None,
    turn: int | None = None,
) -> Page:
    """`as_stored` gives items as raw JSON where nothing has to look inside; `fetch_whole` reads the table's item for each index entry.

    `turn` is how many items may be looked at before the page is `paused`; `page` is one to read on.
    """
    if page is None:
        page = Page()
    page.paused = None
    size, scanned = page.size, page.scanned
    pause_at = None if turn is None else scanned + turn
    picked = page.items
    plain = test is None and projection is None and not fetch_whole
    for raw in rows:
        size += item_size(raw)
        scanned += 1
        if plain:
            if not only_count:
                picked.append(msgspec.Raw(raw[4:]) if as_stored else unpack_item(raw))
        else:
            item = unpack_item(raw)
            if fetch_whole:
                whole = items.read(tx, source.table, keys.encode(source.table.key, item))
                assert whole is not None
                page.fetched_bytes.append(item_size(whole))
                item = unpack_item(whole)
            if test is None or test(item, found):
                page.count += 1
                if not only_count:
                    picked.append(item if projection is None else projection.apply(item))
        if scanned == limit or size >= PAGE_BYTES_MAX:
            page.last = raw
            break
        if scanned == pause_at:
            page.paused = raw
            break
    page.size, page.scanned = size, scanned
    if plain:
        page.count = scanned
    return page


def last_key(source: Source, raw: bytes) -> Item:
    return keys.pick(source.key_parts, unpack_item(raw))
