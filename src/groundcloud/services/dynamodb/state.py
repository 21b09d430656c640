"""What this room keeps: definitions of tables, their items, the entries of their indexes, and what is due to expire.

A table has a number that is never used again, so a table of the same name made later shares nothing with it, and the items of a deleted
one can be cleared at leisure. An item rests as JSON of its wire form behind four bytes of its size in AWS's counting.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Any

import msgspec

from groundcloud.services.dynamodb import errors
from groundcloud.store import Record, Table

DEFINITIONS_CACHED_MAX = 2048

KeyParts = tuple[tuple[str, str], ...]
"""(attribute name, type) of each key attribute."""


class Index(Record, frozen=True, kw_only=True):
    """A secondary index. A local one has the table's partition key; a global one may have up to four attributes for each key."""

    index_name: str
    index_number: int
    is_global: bool
    partition_keys: KeyParts
    sort_keys: KeyParts = ()
    projection_type: str = "ALL"
    non_key_attributes: tuple[str, ...] = ()
    read_units: int = 0
    write_units: int = 0
    status: str = "ACTIVE"
    on_demand_limits: dict[str, int] = {}
    warm_throughput: dict[str, int] = {}
    units_changed_ms: int = 0
    units_decreases: int = 0
    units_decreased_ms: int = 0


class VectorIndex(Record, frozen=True, kw_only=True):
    """An index of vectors. `search_schema` holds (attribute name, HASH or INLINE_FILTER, type) of what a search may ask for beside."""

    index_name: str
    index_number: int
    attribute: str
    dimensions: int
    distance: str
    search_schema: tuple[tuple[str, str, str], ...] = ()
    projection_type: str = "ALL"
    non_key_attributes: tuple[str, ...] = ()
    status: str = "ACTIVE"

    @property
    def partition_key(self) -> tuple[str, str] | None:
        """(name, type) of the HASH element."""
        return next(((name, kind) for name, role, kind in self.search_schema if role == "HASH"), None)


class TableDefinition(Record, frozen=True, kw_only=True):
    """A table. `key` holds the partition key and, where there is one, the sort key."""

    table_name: str
    table_number: int
    table_id: str
    created_ms: int
    key: KeyParts
    attributes: KeyParts
    billing_mode: str = "PROVISIONED"
    read_units: int = 0
    write_units: int = 0
    indexes: tuple[Index, ...] = ()
    time_to_live_attribute: str | None = None
    stream_view: str | None = None
    stream_label: str | None = None
    stream_number: int = 0
    deletion_protection: bool = False
    table_class: str | None = None
    encryption: dict[str, str] = {}
    on_demand_limits: dict[str, int] = {}
    warm_throughput: dict[str, int] = {}
    billing_changed_ms: int = 0
    units_changed_ms: int = 0
    units_decreases: int = 0
    previous_stream_label: str | None = None
    point_in_time_since_ms: int = 0
    point_in_time_days: int = 35
    restored_from: dict[str, Any] = {}
    status: str = "ACTIVE"
    copies: int = 0
    """Copies of this table under way, which need the old images of its changes."""
    replicas: tuple[str, ...] = ()
    """The other regions of a global table."""
    consistency: str = "EVENTUAL"
    throttled: bool = False
    """Whether the provisioned throughput is enforced, see `throttling`."""
    kinesis: tuple[str, str] | None = None
    """Where changes go to a Kinesis stream: generation and precision of the destination, see `destinations`."""
    vectors: tuple[VectorIndex, ...] = ()
    overrides: dict[str, Any] = {}
    """What a replica has otherwise than the other regions, as UpdateTable was asked for it."""
    witness: str = ""
    """The region that stands for a third replica of a strongly consistent table; it holds nothing that can be read."""
    units_decreased_ms: int = 0
    """When the throughput was lowered last; `units_decreases` counts those of that UTC day."""
    on_demand_switches_ms: tuple[int, ...] = ()
    """The latest switches from provisioned to on-demand."""
    time_to_live_changed_ms: int = 0
    disassociation_protected: bool = True
    """Whether this replica stays with its global table."""
    settings_replication: str = ""
    """GlobalTableSettingsReplicationMode, kept and shown; of a global table it is always ENABLED_WITH_OVERRIDES."""

    def index(self, index_name: str) -> Index | None:
        return next((index for index in self.indexes if index.index_name == index_name), None)

    def vector_index(self, index_name: str) -> VectorIndex | None:
        return next((index for index in self.vectors if index.index_name == index_name), None)

    def type_of(self, attribute_name: str) -> str:
        return dict(self.attributes)[attribute_name]

    @property
    def is_filling_index(self) -> bool:
        """Whether an index of it is being made."""
        return any(index.status == "CREATING" for index in self.indexes) or any(index.status == "CREATING" for index in self.vectors)

    @property
    def images_wanted(self) -> bool:
        """Whether old images are kept: for point-in-time recovery, or for a copy under way."""
        return self.point_in_time_since_ms > 0 or self.copies > 0

    @property
    def has_local_indexes(self) -> bool:
        return any(not index.is_global for index in self.indexes)


_DEFINITIONS = Table("dynamodb/tables", bytes, key=1)

ITEMS = Table("dynamodb/items", bytes, key=3)
"""(table number, partition, sort) -> size and JSON."""

ENTRIES = Table("dynamodb/entries", bytes, key=5)
"""(index number, index partition, index sort, table partition, table sort) -> size and JSON of what the index projects."""

VECTORS = Table("dynamodb/vectors", bytes, key=4)
"""(index number, index partition, table partition, table sort) -> see `vectors.entry_of`."""

COUNTERS = Table("dynamodb/counters", bytes, key=1)
"""Table or index number -> items and bytes, see `COUNTER`."""

COLLECTIONS = Table("dynamodb/collections", int, key=2)
"""(table number, partition) -> bytes of an item collection, for tables with local indexes."""

EXPIRY: Table[None] = Table("dynamodb/expiry", None, key=("table_number", "expires_s", "partition", "sort"))
"""Items with a time to live, by when it ends."""

EXPIRY_DUE = Table("dynamodb/expiry-due", int, key=1)
"""Table number -> the second for which its timer is set."""

TAGS = Table("dynamodb/tags", dict[str, str], key=1)
"""ARN -> tags."""

COUNTER = Struct("<qq")
SIZE = Struct("<I")

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_encode_definition = msgspec.msgpack.Encoder().encode
_decode_definition = msgspec.msgpack.Decoder(TableDefinition).decode


@lru_cache(maxsize=DEFINITIONS_CACHED_MAX)
def _definition(raw: bytes) -> TableDefinition:
    return _decode_definition(raw)


def find_table(tx: Any, table_name: str) -> TableDefinition | None:
    raw = _DEFINITIONS.get(tx, table_name)
    return None if raw is None else _definition(raw)


def load_table(tx: Any, table_name: str) -> TableDefinition:
    """For operations on items: raises ResourceNotFoundException without the table's name."""
    raw = _DEFINITIONS.get(tx, table_name)
    if raw is None:
        raise errors.resource_not_found()
    table = _definition(raw)
    if table.status != "ACTIVE":
        raise errors.resource_not_found()
    return table


def watch_table(call: Any, table_name: str) -> Any:
    """For `call.wait`: a change of a table's definition."""
    return _DEFINITIONS.watch(call, table_name)


def put_table(tx: Any, table: TableDefinition) -> None:
    _DEFINITIONS.put(tx, table.table_name, _encode_definition(table))


def delete_table(tx: Any, table_name: str) -> None:
    _DEFINITIONS.delete(tx, table_name)


def table_names(tx: Any, after: str | None = None) -> Any:
    """Names in order, from the one after `after`."""
    return (key[0] for key in _DEFINITIONS.keys(tx, after=after))


def all_tables(tx: Any) -> Any:
    return (_definition(raw) for raw in _DEFINITIONS.scan(tx))


def pack_item(size: int, item: dict[str, Any]) -> bytes:
    return SIZE.pack(size) + encode_json(item)


def unpack_item(raw: bytes) -> dict[str, Any]:
    return decode_json(raw[4:])


def item_size(raw: bytes) -> int:
    return int(SIZE.unpack_from(raw)[0])


def counts(tx: Any, number: int) -> tuple[int, int]:
    """(items, bytes) of a table or an index."""
    raw = COUNTERS.get(tx, number)
    return COUNTER.unpack(raw) if raw else (0, 0)


def add_counts(tx: Any, number: int, items: int, size_bytes: int) -> None:
    count, size = counts(tx, number)
    COUNTERS.put(tx, number, COUNTER.pack(count + items, size + size_bytes))


def table_arn(place: Any, table_name: str) -> str:
    """`place` is a call or a transaction: anything with an account and a region."""
    return f"arn:aws:dynamodb:{place.region}:{place.account}:table/{table_name}"
