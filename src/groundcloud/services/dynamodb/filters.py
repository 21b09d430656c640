"""What a filtered export keeps of a table: some items, some of their attributes.

Pure. Source: Developer Guide, "Filtering a table export".
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import errors
from groundcloud.services.dynamodb.expressions import key_conditions, read_expressions
from groundcloud.services.dynamodb.state import KeyParts, encode_json, unpack_item
from groundcloud.services.dynamodb.values import Item, equal


class ExportFilter:
    """A FilterSpecification on a table with that key. Raises ValidationException where it does not fit."""

    def __init__(self, specification: dict[str, Any], key: KeyParts) -> None:
        expressions, self._found = read_expressions({**specification} if any(name.endswith("Expression") for name in specification) else {})
        self._test = None if expressions.filter is None else expressions.filter.test
        self._projection = expressions.projection
        self._key = key
        self._hashed: list[Any] = []
        self._sorts: list[tuple[str, list[Any]]] = []
        if expressions.key_tests is not None:
            self._hashed, self._sorts = key_conditions.bind(expressions.key_tests, list(key[:1]), list(key[1:]), self._found)
            if expressions.filter is not None:
                names = {str(path[0]) for path in expressions.filter.paths}
                for name, _ in key:
                    if name in names:
                        raise errors.validation(
                            f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
                        )

    def keeps(self, item: Item) -> bool:
        if self._hashed and not equal(item[self._key[0][0]], self._hashed[0]):
            return False
        if self._sorts and not key_conditions.holds(self._sorts[0][0], item[self._key[1][0]], self._sorts[0][1]):
            return False
        return self._test is None or self._test(item, self._found)

    def part(self, item: Item) -> Item:
        """The attributes that are asked for."""
        return item if self._projection is None else self._projection.apply(item)

    def kept(self, raw: bytes) -> bytes | None:
        """Of a stored item, as it is stored; None where it is left out."""
        item = unpack_item(raw)
        return raw[:4] + encode_json(self.part(item)) if self.keeps(item) else None
