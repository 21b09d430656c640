"""The tests that conditions are made of, as closures over getters of their operands.

Pure. A getter is `get(item, values) -> value or None`; a test `test(item, values) -> bool`. An operand that is missing, or of a type that
an operator has no meaning for, makes a test false (and `<>` true).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable

from groundcloud.services.dynamodb import values as attribute_values
from groundcloud.services.dynamodb.expressions.paths import Path, lookup
from groundcloud.services.dynamodb.values import ORDERED, Item, Value, equal, order_key, type_of

Values = dict[str, Value]
Test = Callable[[Item, Values], bool]
Get = Callable[[Item, Values], "Value | None"]


def path_getter(path: Path) -> Get:
    if len(path) == 1:
        name = str(path[0])
        return lambda item, values: item.get(name)
    return lambda item, values: lookup(item, path)


def size_of_value(value: Value) -> int | None:
    """What `size()` gives: characters of a string, bytes of a binary, members of a set, list or map; None for the other types."""
    kind, content = next(iter(value.items()))
    if kind == "B":
        return attribute_values.binary_length(content)
    if kind in ("N", "BOOL", "NULL"):
        return None
    return len(content)


def compare(operator: str, left: Get, right: Get) -> Test:
    """A comparator; false where an operand is missing, or the types differ (but `<>` is true then)."""
    if operator == "=":

        def is_equal(item: Item, values: Values) -> bool:
            first, second = left(item, values), right(item, values)
            return first is not None and second is not None and equal(first, second)

        return is_equal
    if operator == "<>":

        def is_unequal(item: Item, values: Values) -> bool:
            first, second = left(item, values), right(item, values)
            return first is None or second is None or not equal(first, second)

        return is_unequal

    def is_ordered(item: Item, values: Values) -> bool:
        first, second = left(item, values), right(item, values)
        if first is None or second is None:
            return False
        kind = type_of(first)
        if kind not in ORDERED or kind != type_of(second):
            return False
        ours, theirs = order_key(first), order_key(second)
        if operator == "<":
            return bool(ours < theirs)
        if operator == "<=":
            return bool(ours <= theirs)
        if operator == ">":
            return bool(ours > theirs)
        return bool(ours >= theirs)

    return is_ordered


def between(subject: Get, low: Get, high: Get) -> Test:
    above, below = compare(">=", subject, low), compare("<=", subject, high)
    return lambda item, values: above(item, values) and below(item, values)


def is_in(subject: Get, candidates: list[Get]) -> Test:
    def test(item: Item, values: Values) -> bool:
        value = subject(item, values)
        if value is None:
            return False
        for candidate in candidates:
            other = candidate(item, values)
            if other is not None and equal(value, other):
                return True
        return False

    return test


def contains(subject: Get, member: Get) -> Test:
    def test(item: Item, values: Values) -> bool:
        value, wanted = subject(item, values), member(item, values)
        return value is not None and wanted is not None and value_contains(value, wanted)

    return test


def value_contains(value: Value, wanted: Value) -> bool:
    """A text within a text, bytes within bytes, a member of a set, an element of a list."""
    kind, content = next(iter(value.items()))
    wanted_kind, wanted_content = next(iter(wanted.items()))
    if kind == "L":
        return any(equal(element, wanted) for element in content)
    if kind == "S":
        return wanted_kind == "S" and wanted_content in content
    if kind == "B":
        return wanted_kind == "B" and binascii.a2b_base64(wanted_content) in binascii.a2b_base64(content)
    return kind in attribute_values.SETS and kind[0] == wanted_kind and wanted_content in content


def begins_with(subject: Get, prefix: Get) -> Test:
    def test(item: Item, values: Values) -> bool:
        value, start = subject(item, values), prefix(item, values)
        if value is None or start is None:
            return False
        if "S" in value and "S" in start:
            return bool(value["S"].startswith(start["S"]))
        if "B" in value and "B" in start:
            return binascii.a2b_base64(value["B"]).startswith(binascii.a2b_base64(start["B"]))
        return False

    return test


def constant(value: Value) -> Get:
    """A getter for the legacy parameters, which bring their values along."""
    return lambda item, values: value
