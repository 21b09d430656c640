"""Keys of tables and indexes as bytes of the store, in the order that DynamoDB promises.

A partition is four bytes of hash and the partition key's own bytes: a Scan walks partitions in an order that looks random and never
changes, and a parallel Scan's segment is a range of hashes. A sort key is S as UTF-8, N as `numbers.encode`, B as it is.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from groundcloud.services.dynamodb import errors, numbers, values

HASH_BYTES = 4
HASH_RANGE = 1 << (8 * HASH_BYTES)
PARTITION_KEY_BYTES_MAX = 2048
SORT_KEY_BYTES_MAX = 1024

KeyPart = tuple[str, str]
"""An attribute's name and its type: S, N or B."""


def scalar(kind: str, content: str) -> bytes:
    if kind == "S":
        return content.encode()
    if kind == "N":
        return numbers.encode(content)
    return values.decode_binary(content)


def partition(encoded: bytes) -> bytes:
    """The store's key part for a partition key."""
    return blake2b(encoded, digest_size=HASH_BYTES).digest() + encoded


def segment_bounds(segment: int, total_segments: int) -> tuple[bytes, bytes | None]:
    """The first partition of a parallel Scan's segment, and the first of the next (None after the last)."""
    start = (HASH_RANGE * segment) // total_segments
    stop = (HASH_RANGE * (segment + 1)) // total_segments
    return start.to_bytes(HASH_BYTES, "big"), None if stop >= HASH_RANGE else stop.to_bytes(HASH_BYTES, "big")


def join(parts: Sequence[bytes]) -> bytes:
    """Several key attributes as one part that orders by the first, then the second... One alone stays as it is."""
    if len(parts) == 1:
        return parts[0]
    return b"".join(map(join_part, parts))


def escape(part: bytes) -> bytes:
    return part.replace(b"\x00", b"\x00\xff")


def join_part(part: bytes) -> bytes:
    """One part of several, closed so that a shorter one comes first."""
    return escape(part) + b"\x00\x01"


def after_prefix(prefix: bytes) -> bytes | None:
    """The least bytes above everything that begins with `prefix`; None where there are none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


def of_key(schema: Sequence[KeyPart], key: values.Item) -> tuple[bytes, bytes]:
    """The store key of a request's Key (its values checked), which names the table's key attributes and nothing else."""
    if len(key) != len(schema):
        raise errors.key_does_not_match()
    for name, kind in schema:
        if kind not in key.get(name, ()):
            raise errors.key_does_not_match()
    return encode(schema, key)


def of_item(schema: Sequence[KeyPart], item: values.Item) -> tuple[bytes, bytes]:
    """The store key of a whole item that was checked."""
    for name, kind in schema:
        value = item.get(name)
        if value is None:
            raise errors.missing_key(name)
        if kind not in value:
            raise errors.key_type_mismatch(name, kind, values.type_of(value))
    return encode(schema, item)


def encode(schema: Sequence[KeyPart], item: values.Item) -> tuple[bytes, bytes]:
    """(partition, sort); sort is empty where the table has no sort key. Checks sizes and emptiness only."""
    name, kind = schema[0]
    hashed = scalar(kind, item[name][kind])
    if not hashed:
        raise errors.empty_key(name, kind)
    if len(hashed) > PARTITION_KEY_BYTES_MAX:
        raise errors.hash_key_too_large()
    if len(schema) == 1:
        return blake2b(hashed, digest_size=HASH_BYTES).digest() + hashed, b""
    name, kind = schema[1]
    sort = scalar(kind, item[name][kind])
    if not sort:
        raise errors.empty_key(name, kind)
    if len(sort) > SORT_KEY_BYTES_MAX:
        raise errors.range_key_too_large()
    return blake2b(hashed, digest_size=HASH_BYTES).digest() + hashed, sort


def pick(schema: Sequence[KeyPart], item: values.Item) -> dict[str, Any]:
    """The key attributes of an item."""
    return {name: item[name] for name, _ in schema}
