"""Typed tables over tuple keys: `Table("sqs/queues", Queue, key=("queue_name",))`.

A key is (account, region, table name, *parts). A table of records takes its parts from the record's fields; a table of `bytes`, `str`, `int` or any
other type is given them; a table of None is an index that holds keys alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar, cast, dataclass_transform

import msgspec

from groundcloud.store import keys as tuples
from groundcloud.store.transaction import Transaction

R = TypeVar("R")
_Bound = Any


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, array_like=True):
    """A frozen record, stored as an array: add fields at the end only, with defaults; change one with `replace`."""

    def replace(self, **changes: Any) -> Self:
        return msgspec.structs.replace(self, **changes)


class Watch:
    """A prefix of keys to wait for; see `Call.wait`."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix


class Table(Generic[R]):
    """`key` names the record's fields in key order, or counts the parts where the value has no such fields.

    `scope` is "region" (one table for each account and region), "account" or "global".
    """

    def __init__(self, name: str, record: type[R] | None, *, key: tuple[str, ...] | int, scope: str = "region") -> None:
        if scope not in ("region", "account", "global"):
            raise ValueError(f"no such scope: {scope}")
        self.name = name
        self.record = record
        self.key = key
        self.scope = scope
        self._prefixes: dict[tuple[str, str], bytes] = {}
        self._is_index = record is None
        self._from_fields = record is not None and isinstance(key, tuple)
        if record is None or record is bytes:
            self._encode: Any = bytes
            self._decode: Any = bytes
        else:
            self._encode = msgspec.msgpack.Encoder().encode
            self._decode = msgspec.msgpack.Decoder(record).decode

    def prefix(self, tx: Any) -> bytes:
        """The packed beginning of this table's keys, as seen from `tx` (anything with `account` and `region`)."""
        if self.scope == "region":
            place = (tx.account, tx.region)
        elif self.scope == "account":
            place = (tx.account, "")
        else:
            place = ("", "")
        found = self._prefixes.get(place)
        if found is None:
            if len(self._prefixes) > 4096:
                self._prefixes.clear()
            found = self._prefixes[place] = tuples.pack((*place, self.name))
        return found

    def get(self, tx: Transaction, *key: tuples.Part) -> R | None:
        raw = tx.get(self.prefix(tx) + tuples.pack(key))
        return None if raw is None else cast(R, self._decode(raw))

    def has(self, tx: Transaction, *key: tuples.Part) -> bool:
        return tx.get(self.prefix(tx) + tuples.pack(key)) is not None

    def put(self, tx: Transaction, *values: Any) -> None:
        """`put(tx, record)`; `put(tx, *parts, value)` where the parts are not fields; `put(tx, *parts)` for an index."""
        if self._from_fields:
            record = values[0]
            parts: tuple[Any, ...] = tuple([getattr(record, field) for field in self.key])  # type: ignore[union-attr]
            tx.put(self.prefix(tx) + tuples.pack(parts), self._encode(record))
        elif self._is_index:
            tx.put(self.prefix(tx) + tuples.pack(values), b"")
        else:
            tx.put(self.prefix(tx) + tuples.pack(values[:-1]), self._encode(values[-1]))

    def delete(self, tx: Transaction, *key: tuples.Part) -> None:
        tx.delete(self.prefix(tx) + tuples.pack(key))

    def scan(
        self,
        tx: Transaction,
        *prefix: tuples.Part,
        after: _Bound = None,
        start: _Bound = None,
        stop: _Bound = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[R]:
        """Records in key order. `prefix` fixes leading parts; `after` (exclusive), `start` (inclusive) and `stop` (exclusive) bound those that follow.

        A bound is one part or a tuple of parts. In reverse, `after` is the upper end: records below it.
        """
        decode = self._decode
        for _, raw in self._raw(tx, prefix, after, start, stop, reverse, limit):
            yield decode(raw)

    def keys(
        self,
        tx: Transaction,
        *prefix: tuples.Part,
        after: _Bound = None,
        start: _Bound = None,
        stop: _Bound = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """Key tuples, whole (with the prefix), bounded as in `scan`."""
        offset = len(self.prefix(tx))
        for key, _ in self._raw(tx, prefix, after, start, stop, reverse, limit):
            yield tuples.unpack(key, offset)

    def items(
        self,
        tx: Transaction,
        *prefix: tuples.Part,
        after: _Bound = None,
        start: _Bound = None,
        stop: _Bound = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[tuple[Any, ...], R]]:
        offset = len(self.prefix(tx))
        for key, raw in self._raw(tx, prefix, after, start, stop, reverse, limit):
            yield tuples.unpack(key, offset), self._decode(raw)

    def _raw(
        self, tx: Transaction, prefix: tuple[tuples.Part, ...], after: _Bound, start: _Bound, stop: _Bound, reverse: bool, limit: int | None
    ) -> Iterator[tuple[bytes, bytes]]:
        base = self.prefix(tx) + tuples.pack(prefix)
        low = base if start is None else base + tuples.pack(_parts(start))
        high = tuples.after(base) if stop is None else base + tuples.pack(_parts(stop))
        if after is not None:
            bound = base + tuples.pack(_parts(after))
            if reverse:
                high = min(high, bound)
            else:
                low = max(low, tuples.after(bound))
        pairs = tx.scan(low, high, reverse)
        if limit is None:
            return pairs
        return _take(pairs, limit)

    def watch(self, place: Any, *prefix: tuples.Part) -> Watch:
        """`place` is a transaction or a call: anything with `account` and `region`."""
        return Watch(self.prefix(place) + tuples.pack(prefix))


def _parts(bound: _Bound) -> tuple[tuples.Part, ...]:
    return bound if isinstance(bound, tuple) else (bound,)


def _take(pairs: Iterator[tuple[bytes, bytes]], limit: int) -> Iterator[tuple[bytes, bytes]]:
    if limit <= 0:
        return
    for pair in pairs:
        yield pair
        limit -= 1
        if not limit:
            return
