"""Space-delimited patterns: `[ip, user, ..., status = 4* && status != 403, bytes > 1000]`.

A field of a message is what stands between spaces, or between brackets, or between double quotes. There must be as many as the pattern names; `...` stands for any number.
"""

from __future__ import annotations

import re
from typing import Any

from groundcloud.services.logs.patterns.expression import Holds, Reader, comparison, expression
from groundcloud.services.logs.patterns.pattern import Pattern, PatternError, invalid_characters

_FIELD = re.compile(r'\[([^\]]*)\](?=\s|$)|"((?:[^"\\]|\\.)*)"(?=\s|$)|(\S+)')
_NAME = re.compile(r"[A-Za-z0-9_\-.@]+")
ELLIPSIS = "..."


def parse(text: str) -> Pattern:
    """Raises PatternError. `text` begins with a bracket."""
    if not text.endswith("]"):
        raise PatternError("If a filter pattern starts with '[' it must end with ']'")
    reader = Reader(text[1:-1])
    names: list[str] = []
    tests: list[tuple[int, Holds]] = []
    gap = -1
    while True:
        if reader.take(ELLIPSIS):
            if gap >= 0:
                raise PatternError("Invalid filter pattern")
            gap = len(names)
        else:
            name, holds = _field(reader)
            if holds is not None:
                tests.append((len(names), holds))
            names.append(name)
        if reader.take(","):
            continue
        if not reader.ended:
            raise invalid_characters(reader.rest)
        break
    count = len(names)
    behind = count - gap if gap >= 0 else 0

    def places(fields: list[str]) -> list[int] | None:
        """Where each named field is; None if there are too few or too many."""
        if gap < 0:
            return list(range(count)) if len(fields) == count else None
        if len(fields) < count:
            return None
        return [*range(gap), *range(len(fields) - behind, len(fields))]

    def matches(message: str) -> bool:
        fields = split(message)
        where = places(fields)
        return where is not None and all(holds(fields[where[position]]) for position, holds in tests)

    def extract(message: str) -> dict[str, str]:
        fields = split(message)
        where = places(fields) or []
        named = {place: name for name, place in zip(names, where, strict=False) if name}
        return {f"${named.get(place) or place + 1}": field for place, field in enumerate(fields)}

    def value(message: str, selector: str) -> Any:
        return extract(message).get(selector)

    return Pattern(matches, extract, value)


def split(message: str) -> list[str]:
    return [quoted or word or bracketed for bracketed, quoted, word in _FIELD.findall(message)]


def _field(reader: Reader) -> tuple[str, Holds | None]:
    """One field: its name, and its conditions if it has any. Raises PatternError."""
    reader.skip()
    begin = reader.position
    parenthesised = reader.take("(")
    name = reader.match(_NAME)
    if name is None:
        if reader.ended or reader.text[reader.position] == ",":
            return "", None
        raise invalid_characters(reader.rest)
    reader.skip()
    if not parenthesised and (reader.ended or reader.text[reader.position] == ","):
        return name, None
    reader.position = begin

    def condition(reader: Reader) -> Holds:
        if reader.match(_NAME) != name:
            raise PatternError("Invalid filter pattern")
        test = comparison(reader)
        if test is None:
            raise invalid_characters(reader.rest or name)
        return test

    return name, expression(reader, condition)
