"""Vector indexes: which item has an entry, what is in it, and how near two vectors are.

Pure. An entry is a head (size, dimensions, length of the filters, length of the vector), the values of the inline filters as JSON, the
vector in 32-bit floats, and the rest of what the index projects as JSON. An item without the vector attribute, or without the index's
partition key, has no entry.
Source: Developer Guide, "Creating and searching vector indexes", "Data synchronization between tables and vector indexes".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import mul
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple

import msgspec

from groundcloud.services.dynamodb import errors, keys, numbers, values
from groundcloud.services.dynamodb.state import TableDefinition, VectorIndex, encode_json
from groundcloud.services.dynamodb.values import Item

DIMENSIONS_MAX = 4096
TOP_K_MAX = 100
REQUEST_BYTES_MIN = 1024
"""What a write to an index, and a search in it, count for at least."""

Vector = tuple[float, ...]

_HEAD = Struct("<IIId")
_FLOAT = Struct("<f")
_decode_filters = msgspec.json.Decoder(list[Any]).decode
_decode_item = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode


class Entry(NamedTuple):
    """`key` is (index number, index partition, table partition, table sort); `size` what AWS counts it for."""

    key: tuple[int, bytes, bytes, bytes]
    raw: bytes
    size: int


@lru_cache(maxsize=64)
def _floats(dimensions: int) -> Struct:
    return Struct(f"<{dimensions}f")


def entry_of(index: VectorIndex, table: TableDefinition, key: tuple[bytes, bytes], item: Item) -> Entry | None:
    """The entry of an item that was checked (`check`); None where it has none, or held no vector before the index was made."""
    value = item.get(index.attribute)
    if value is None:
        return None
    partition_key = index.partition_key
    partition = b""
    if partition_key is not None:
        name, kind = partition_key
        content = item.get(name, {}).get(kind)
        if not content:
            return None
        partition = keys.scalar(kind, content)
    vector = _read(value, index.dimensions)
    if vector is None:
        return None
    floats = _floats(index.dimensions).pack(*vector)
    length = math.hypot(*_floats(index.dimensions).unpack(floats))
    rest = {name: item[name] for name in _projected(index, table, item) if name in item and name != index.attribute}
    filters = encode_json([item.get(name) for name, role, _ in index.search_schema if role == "INLINE_FILTER"])
    size = 4 * index.dimensions + len(index.attribute.encode()) + values.item_size(rest)
    head = _HEAD.pack(size, index.dimensions, len(filters), length)
    return Entry((index.index_number, partition, *key), b"".join((head, filters, floats, encode_json(rest))), size)


def is_untouched(index: VectorIndex, table: TableDefinition, old: Item, new: Item) -> bool:
    """Whether a change of an item leaves what the index holds of it, which spares reading the vector."""
    if index.projection_type == "ALL":
        return False
    return all(old.get(name) == new.get(name) for name in (index.attribute, *_projected(index, table, new)))


def check(table: TableDefinition, item: Item, names: Iterable[str] | None = None) -> None:
    """Raises ValidationException for a vector, or an attribute of a search schema, that an index cannot take.

    `names` limits the check to attributes that an update touched.
    """
    for index in table.vectors:
        value = item.get(index.attribute)
        if value is not None and (names is None or index.attribute in names):
            _check_vector(index, value)
        for name, role, kind in index.search_schema:
            found = item.get(name)
            if found is None or (names is not None and name not in names):
                continue
            if kind not in found:
                raise errors.index_key_type_mismatch(name, kind, values.type_of(found), index.index_name)
            if role == "HASH" and not found[kind]:
                raise errors.empty_index_key(index.index_name, name, kind)


def _check_vector(index: VectorIndex, value: values.Value) -> None:
    elements = value.get("L")
    if elements is None:
        raise errors.vector_type(f"{index.attribute}, Expected: 32-bit floating point number list", index.index_name)
    for position, element in enumerate(elements):
        if "N" not in element or _single(element["N"]) is None:
            actual = values.type_of(element)
            sentence = f"{index.attribute}[{position}], Expected: 32-bit floating point number, Actual: {actual}."
            raise errors.vector_type(sentence, index.index_name)
    if len(elements) != index.dimensions:
        raise errors.vector_size(index.attribute, index.dimensions, len(elements), index.index_name)


def read_search_vector(elements: list[Any]) -> Vector:
    """The vector of SearchVectors. Raises ValidationException."""
    if not all(isinstance(element, dict) for element in elements):
        raise errors.serialization("Unexpected value type in payload")
    found = _numbers(elements)
    if found is None:
        raise errors.validation(
            "Search vector contains invalid values. All values in the search vector must be a 32-bit floating-point number attribute"
        )
    floats = _floats(len(found))
    return floats.unpack(floats.pack(*found))


def _read(value: values.Value, dimensions: int) -> list[float] | None:
    elements = value.get("L")
    return None if elements is None or len(elements) != dimensions else _numbers(elements)


def _numbers(elements: list[Any]) -> list[float] | None:
    found = []
    for element in elements:
        number = _single(element["N"]) if isinstance(element, dict) and isinstance(element.get("N"), str) else None
        if number is None:
            return None
        found.append(number)
    return found


def _single(text: str) -> float | None:
    """A number that fits a 32-bit float."""
    try:
        number = float(text)
        _FLOAT.pack(number)
    except (ValueError, OverflowError, StructError):
        return None
    return number if math.isfinite(number) else None


def _projected(index: VectorIndex, table: TableDefinition, item: Item) -> Iterable[str]:
    if index.projection_type == "ALL":
        return item
    names = [name for name, _ in table.key] + [name for name, _, _ in index.search_schema]
    return dict.fromkeys([*names, *index.non_key_attributes])


# --- search -------------------------------------------------------------------------------------------------------------------------


class Search:
    """What is looked for: `wanted` are the values asked of the inline filters, None where any will do."""

    __slots__ = ("_length", "_score", "_vector", "_wanted")

    def __init__(self, index: VectorIndex, vector: Vector, wanted: list[values.Value | None]) -> None:
        self._vector = vector
        self._length = math.hypot(*vector)
        self._wanted = wanted if any(value is not None for value in wanted) else None
        self._score = _SCORES[index.distance]

    def score(self, raw: bytes) -> float | None:
        """How near an entry is, by the index's measure; None where a filter leaves it out."""
        _, dimensions, filters, length = _HEAD.unpack_from(raw)
        start = _HEAD.size
        if self._wanted is not None:
            for value, wanted in zip(_decode_filters(raw[start : start + filters]), self._wanted, strict=True):
                if wanted is not None and (value is None or not values.equal(value, wanted)):
                    return None
        return self._score(_floats(dimensions).unpack_from(raw, start + filters), length, self._vector, self._length)


def item_of(index: VectorIndex, raw: bytes) -> Item:
    """What an entry projects, the vector included."""
    _, dimensions, filters, _ = _HEAD.unpack_from(raw)
    floats = _floats(dimensions)
    start = _HEAD.size + filters
    item = _decode_item(raw[start + floats.size :])
    item[index.attribute] = {"L": [{"N": plain(number)} for number in floats.unpack_from(raw, start)]}
    return item


def without_vector(raw: bytes) -> msgspec.Raw:
    """What an entry projects, but the vector, as JSON."""
    _, dimensions, filters, _ = _HEAD.unpack_from(raw)
    return msgspec.Raw(raw[_HEAD.size + filters + 4 * dimensions :])


def entry_size(raw: bytes) -> int:
    return int(_HEAD.unpack_from(raw)[0])


def single(number: float) -> float:
    """The double that prints as a 32-bit float does: 0.3, not 0.30000001192092896."""
    try:
        rounded = _FLOAT.unpack(_FLOAT.pack(number))[0]
    except OverflowError:  # a product or distance of great vectors
        return number
    for digits in range(6, 10):
        shown = float(f"{rounded:.{digits}g}")
        if _FLOAT.unpack(_FLOAT.pack(shown))[0] == rounded:
            return shown
    return float(rounded)


def plain(number: float) -> str:
    """A 32-bit float as DynamoDB writes numbers: no exponent."""
    return numbers.normalize(repr(single(number)))


def _cosine(vector: Vector, length: float, other: Vector, other_length: float) -> float:
    """1 - cos, from the distance of the two, which loses nothing where they are nearly the same."""
    if not length or not other_length:
        return 1.0
    distance = math.dist(vector, other)
    gap = length - other_length
    return max(0.0, (distance * distance - gap * gap) / (2 * length * other_length))


def _euclidean(vector: Vector, length: float, other: Vector, other_length: float) -> float:
    return math.dist(vector, other)


def _dot(vector: Vector, length: float, other: Vector, other_length: float) -> float:
    return _sum_of_products(vector, other)


_sum_of_products: Callable[[Vector, Vector], float] = getattr(math, "sumprod", None) or (lambda left, right: sum(map(mul, left, right)))
"""`math.sumprod` is of Python 3.12."""

_SCORES: dict[str, Callable[[Vector, float, Vector, float], float]] = {
    "COSINE": _cosine,
    "EUCLIDEAN": _euclidean,
    "DOT_PRODUCT": _dot,
}
