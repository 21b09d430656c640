"""Conditions of JSON and space-delimited patterns: `subject operator literal`, joined by && and ||, in parentheses.

expression := conjunction ("||" conjunction)*        conjunction := term ("&&" term)*        term := "(" expression ")" | condition
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from groundcloud.services.logs.patterns.pattern import PatternError, invalid_characters
from groundcloud.services.logs.patterns.regex import regex_from

NESTING_MAX = 50
REGEXES_MAX = 2  # AWS: two regular expressions in a JSON or space-delimited pattern

_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"!=|<=|>=|=!|=|<|>")
_WORD = re.compile(r'(?:(?!&&|\|\|)[^\s,()="<>!%])+')
_PLAIN = re.compile(r"[A-Za-z0-9_.*+/:@#\-]+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")

Scalar = str | int | float | bool | None
Test = Callable[[Scalar], bool]
"""Of one value, which is there."""
Holds = Callable[[Any], bool]
"""Of a whole event."""


class Reader:
    """The text of a pattern and the place in it."""

    __slots__ = ("position", "regexes", "text")

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.position = position
        self.regexes = 0

    def skip(self) -> None:
        self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]

    def take(self, token: str) -> bool:
        self.skip()
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str | None:
        self.skip()
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found.group()

    @property
    def ended(self) -> bool:
        self.skip()
        return self.position >= len(self.text)

    @property
    def rest(self) -> str:
        return self.text[self.position :].split(None, 1)[0] if not self.ended else ""


def expression(reader: Reader, condition: Callable[[Reader], Holds], depth: int = 0) -> Holds:
    """Raises PatternError. `condition` reads one."""
    if depth > NESTING_MAX:
        raise PatternError("Invalid filter pattern")
    either = [_conjunction(reader, condition, depth)]
    while reader.take("||"):
        either.append(_conjunction(reader, condition, depth))
    if len(either) == 1:
        return either[0]
    return lambda event: any(holds(event) for holds in either)


def _conjunction(reader: Reader, condition: Callable[[Reader], Holds], depth: int) -> Holds:
    both = [_term(reader, condition, depth)]
    while reader.take("&&"):
        both.append(_term(reader, condition, depth))
    if len(both) == 1:
        return both[0]
    return lambda event: all(holds(event) for holds in both)


def _term(reader: Reader, condition: Callable[[Reader], Holds], depth: int) -> Holds:
    if reader.take("("):
        inner = expression(reader, condition, depth + 1)
        if not reader.take(")"):
            raise invalid_characters(reader.rest)
        return inner
    return condition(reader)


def comparison(reader: Reader) -> Test | None:
    """The operator and literal that come next, as a test of values; None if no operator comes."""
    from groundcloud.services.logs.patterns.terms import quoted

    operator = reader.match(_OPERATOR)
    if operator is None:
        return None
    if operator == "=!":
        operator = "!="
    reader.skip()
    following = reader.text[reader.position : reader.position + 1]
    if following == '"':
        text, reader.position = quoted(reader.text, reader.position)
        if operator not in ("=", "!="):
            raise PatternError("Invalid filter pattern")
        return _negated(_text_is(text), operator)
    if following == "%":
        found, reader.position = regex_from(reader.text, reader.position)
        reader.regexes += 1
        if reader.regexes > REGEXES_MAX or operator not in ("=", "!="):
            raise PatternError("Invalid filter pattern")
        return _negated(lambda value: found.search(text_of(value)) is not None, operator)
    word = reader.match(_WORD)
    if word is None:
        raise invalid_characters(reader.rest)
    if _NUMBER.fullmatch(word):
        return _number_test(operator, float(word), word)
    if not _PLAIN.fullmatch(word):
        raise invalid_characters(word)
    if operator not in ("=", "!="):
        raise invalid_characters(word)
    return _negated(_text_is(word), operator)


def text_of(value: Scalar) -> str:
    """A JSON value as patterns see it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def number_of(value: Scalar) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return float(value)


def _negated(test: Test, operator: str) -> Test:
    if operator == "=":
        return test
    return lambda value: not test(value)


def _text_is(text: str) -> Test:
    """AWS: an asterisk at the beginning or the end stands for any text; elsewhere it is itself."""
    if text == "*":
        return lambda value: value is not None
    if len(text) > 1 and text.startswith("*") and text.endswith("*"):
        core = text[1:-1]
        return lambda value: core in text_of(value)
    if text.startswith("*"):
        core = text[1:]
        return lambda value: text_of(value).endswith(core)
    if text.endswith("*"):
        core = text[:-1]
        return lambda value: text_of(value).startswith(core)
    return lambda value: text_of(value) == text


def _number_test(operator: str, wanted: float, word: str) -> Test:
    compare: dict[str, Callable[[float], bool]] = {
        "=": lambda number: number == wanted,
        "!=": lambda number: number != wanted,
        "<": lambda number: number < wanted,
        "<=": lambda number: number <= wanted,
        ">": lambda number: number > wanted,
        ">=": lambda number: number >= wanted,
    }
    chosen = compare[operator]

    def test(value: Scalar) -> bool:
        number = number_of(value)
        if number is None:
            return operator == "!=" and value is not None
        return chosen(number)

    return test
