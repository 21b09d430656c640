"""JSON patterns: `{ $.level = "ERROR" && ($.n > 3 || $.user.name NOT EXISTS) }`.

A selector that leads to nothing, to an object or to an array makes its condition false, whatever the operator; NOT EXISTS is true of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from groundcloud.services.logs.patterns.expression import Holds, Reader, comparison, expression, text_of
from groundcloud.services.logs.patterns.pattern import Pattern, PatternError, invalid_characters

_STEP = re.compile(r"""\.(?P<name>[\w\-]+)|\.?\[\s*(?:(?P<index>\d+|\*)|'(?P<single>[^']*)'|"(?P<double>[^"]*)")\s*\]""", re.ASCII)
_KEYWORDS = re.compile(r"(IS\s+NULL|IS\s+TRUE|IS\s+FALSE|NOT\s+EXISTS|EXISTS)\b")
_decode = msgspec.json.Decoder().decode

EVERY = object()
"""The step `[*]`."""
MISSING = object()

Steps = tuple[Any, ...]


def parse(text: str) -> Pattern:
    """Raises PatternError. `text` begins with a brace."""
    if not text.endswith("}"):
        raise PatternError("If a filter pattern starts with '{' it must end with '}'")
    reader = Reader(text[1:-1])
    selectors: dict[str, Steps] = {}

    def condition(reader: Reader) -> Holds:
        return _condition(reader, selectors)

    holds = expression(reader, condition)
    if not reader.ended:
        raise invalid_characters(reader.rest)

    def matches(message: str) -> bool:
        document = document_of(message)
        return document is not None and holds(document)

    def extract(message: str) -> dict[str, str]:
        document = document_of(message)
        found = {name: next(iter(scalars(document, steps)), MISSING) for name, steps in selectors.items()}
        return {name: text_of(value) for name, value in found.items() if value is not MISSING}  # type: ignore[arg-type]

    def value(message: str, name: str) -> Any:
        return next(iter(scalars(document_of(message), steps_of(name))), None)

    return Pattern(matches, extract, value)


def document_of(message: str) -> Any:
    """The message as JSON; None where it is none."""
    if message.lstrip()[:1] != "{":
        return None
    try:
        return _decode(message)
    except msgspec.DecodeError:
        return None


def steps_of(selector: str) -> Steps:
    """`$.users[0].name` -> ("users", 0, "name"). Raises PatternError."""
    reader = Reader(selector)
    steps = _selector(reader)[1]
    if not reader.ended:
        raise invalid_characters(selector)
    return steps


def scalars(document: Any, steps: Steps) -> list[Any]:
    """The values that a selector leads to, without objects and arrays; more than one where it has `[*]`."""
    found = _values(document, steps)
    return [value for value in found if not isinstance(value, (dict, list))]


def _values(document: Any, steps: Steps) -> list[Any]:
    level = [document]
    for step in steps:
        below: list[Any] = []
        for value in level:
            if step is EVERY:
                if isinstance(value, list):
                    below += value
            elif isinstance(step, int):
                if isinstance(value, list) and step < len(value):
                    below.append(value[step])
            elif isinstance(value, dict) and step in value:
                below.append(value[step])
        level = below
    return level


def _selector(reader: Reader) -> tuple[str, Steps]:
    reader.skip()
    begin = reader.position
    if not reader.take("$"):
        raise invalid_characters(reader.rest)
    steps: list[Any] = []
    while (found := _STEP.match(reader.text, reader.position)) is not None:
        reader.position = found.end()
        if found["name"] is not None:
            steps.append(found["name"])
        elif found["index"] is not None:
            steps.append(EVERY if found["index"] == "*" else int(found["index"]))
        else:
            steps.append(found["single"] if found["single"] is not None else found["double"])
    if not steps:
        raise invalid_characters(reader.text[begin:].split(None, 1)[0])
    return reader.text[begin : reader.position], tuple(steps)


def _condition(reader: Reader, selectors: dict[str, Steps]) -> Holds:
    name, steps = _selector(reader)
    selectors[name] = steps
    test = comparison(reader)
    if test is not None:
        return _compares(steps, test)
    keyword = reader.match(_KEYWORDS)
    if keyword is None:
        raise invalid_characters(reader.rest or name)
    words = keyword.split()
    if words == ["NOT", "EXISTS"]:
        return lambda document: not _values(document, steps)
    if words == ["EXISTS"]:
        return lambda document: bool(_values(document, steps))
    wanted = {"NULL": None, "TRUE": True, "FALSE": False}[words[1]]
    return lambda document: any(value is wanted for value in _values(document, steps))


def _compares(steps: Steps, test: Callable[[Any], bool]) -> Holds:
    if len(steps) == 1 and isinstance(steps[0], str):
        only = steps[0]

        def of_property(document: Any) -> bool:
            value = document.get(only, MISSING)
            return value is not MISSING and value is not None and not isinstance(value, (dict, list)) and test(value)

        return of_property
    return lambda document: any(value is not None and test(value) for value in scalars(document, steps))
