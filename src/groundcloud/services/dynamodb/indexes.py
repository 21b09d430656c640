"""Entries of secondary indexes: which item has one, under which key, with what in it.

Pure. An item without every key attribute of an index has no entry there (the index is sparse).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from groundcloud.services.dynamodb import errors, keys, values, vectors
from groundcloud.services.dynamodb.state import Index, KeyParts, TableDefinition, pack_item
from groundcloud.services.dynamodb.values import Item

if TYPE_CHECKING:
    from groundcloud.services.dynamodb.expressions.updates import Update


class Entry(NamedTuple):
    """`key` is (index number, partition, sort, table partition, table sort)."""

    key: tuple[int, bytes, bytes, bytes, bytes]
    raw: bytes
    size: int


def entry_of(index: Index, table: TableDefinition, key: tuple[bytes, bytes], item: Item, size: int) -> Entry | None:
    """`size` is the size of the item, which an index that projects everything shares."""
    partition = _joined(index.partition_keys, item)
    if partition is None:
        return None
    sort = _joined(index.sort_keys, item)
    if sort is None:
        return None
    if index.projection_type == "ALL":
        projected = item
    else:
        projected = {name: item[name] for name in projected_names(index, table) if name in item}
        size = values.item_size(projected)
    return Entry((index.index_number, keys.partition(partition), sort, *key), pack_item(size, projected), size)


def projected_names(index: Index, table: TableDefinition) -> list[str]:
    """The attributes in an entry of an index that does not project everything."""
    names = [name for name, _ in (*table.key, *index.partition_keys, *index.sort_keys)]
    return list(dict.fromkeys([*names, *index.non_key_attributes]))


def check_index_keys(table: TableDefinition, item: Item, update: Update | None = None) -> None:
    """Raises ValidationException where an attribute that is a key of an index has the wrong type, is empty or too large.

    AWS looks at the whole item, whatever an update touched: an item that was there before its index can be in the way.
    What an update expression itself has set is told in other words.
    """
    set_now = update.top if update is not None and not update.is_legacy else ()
    if table.vectors:
        vectors.check(table, item, None if update is None else update.top)
    for index in table.indexes:
        for parts, most in ((index.partition_keys, keys.PARTITION_KEY_BYTES_MAX), (index.sort_keys, keys.SORT_KEY_BYTES_MAX)):
            for name, kind in parts:
                value = item.get(name)
                if value is None:
                    continue
                content = value.get(kind)
                if content is None:
                    if name in set_now:
                        raise errors.updated_index_key_type()
                    raise errors.index_key_type_mismatch(name, kind, values.type_of(value), index.index_name)
                if not content:
                    raise errors.empty_updated_index_key(kind) if name in set_now else errors.empty_index_key(index.index_name, name, kind)
                if kind != "N" and len(keys.scalar(kind, content)) > most:
                    if name in set_now:
                        raise errors.updated_index_key_too_large()
                    raise errors.hash_key_too_large() if most == keys.PARTITION_KEY_BYTES_MAX else errors.range_key_too_large()


def _joined(parts: KeyParts, item: Item) -> bytes | None:
    if not parts:
        return b""
    encoded = []
    for name, kind in parts:
        value = item.get(name)
        if value is None:
            return None
        content = value.get(kind)
        if content is None:
            return None
        encoded.append(keys.scalar(kind, content))
    return encoded[0] if len(encoded) == 1 else keys.join(encoded)


def sort_range(parts: KeyParts, sorts: list[tuple[str, list[values.Value]]]) -> tuple[bytes | None, bytes | None]:
    """(start, stop) of the sort part for (operator, operands) on the leading attributes of a sort key; None is unbounded."""
    if not sorts:
        return None, None
    encoded = [[keys.scalar(kind, operand[kind]) for operand in operands] for (_, kind), (_, operands) in zip(parts, sorts, strict=False)]
    operator = sorts[-1][0]
    if len(parts) == 1:
        return _plain_range(operator, encoded[0])
    base = b"".join(keys.join_part(part[0]) for part in encoded[:-1])
    return _nested_range(operator, base, encoded[-1])


def _plain_range(operator: str, operands: list[bytes]) -> tuple[bytes | None, bytes | None]:
    low = operands[0]
    if operator == "=":
        return low, low + b"\x00"
    if operator == "<":
        return None, low
    if operator == "<=":
        return None, low + b"\x00"
    if operator == ">":
        return low + b"\x00", None
    if operator == ">=":
        return low, None
    if operator == "begins_with":
        return low, keys.after_prefix(low)
    return low, operands[1] + b"\x00"


def _nested_range(operator: str, base: bytes, operands: list[bytes]) -> tuple[bytes | None, bytes | None]:
    """The same among joined parts, all of which begin with `base`."""
    exact = base + keys.join_part(operands[0])
    end = keys.after_prefix(base) if base else None
    if operator == "=":
        return exact, keys.after_prefix(exact)
    if operator == "<":
        return base, exact
    if operator == "<=":
        return base, keys.after_prefix(exact)
    if operator == ">":
        return keys.after_prefix(exact), end
    if operator == ">=":
        return exact, end
    if operator == "begins_with":
        prefix = base + keys.escape(operands[0])
        return prefix, keys.after_prefix(prefix)
    return exact, keys.after_prefix(base + keys.join_part(operands[1]))
