"""Condition blocks: every operator of IAM's grammar, with IfExists, ForAnyValue and ForAllValues.

One rule underlies all: policy values are alternatives, a negated operator is the negation of its positive twin, and an absent key fails
a positive operator, passes a negated one and IfExists, passes ForAllValues and fails ForAnyValue.
AWS: "IAM JSON policy elements: Condition operators", "Set operators for multivalued context keys".
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from groundcloud.auth.patterns import Facts, Piece, TextSet, Variable, Wild, literal_of, matcher, pieces_of, resolve

Test = Callable[[str, Facts], bool]


class Condition(NamedTuple):
    """One key under one operator. `operator` and `key` as written; `holds` is the compiled test."""

    operator: str
    key: str
    values: tuple[str, ...]
    holds: Callable[[Facts], bool]


class Operator(NamedTuple):
    """`build` makes the positive test from the policy's values; `valid` tells whether a literal value makes sense."""

    build: Callable[[list[tuple[Piece, ...]]], Test]
    negated: bool
    wildcards: bool
    valid: Callable[[str], bool]


def compile_condition(operator: str, key: str, values: tuple[str, ...], variables: bool) -> Condition:
    """Raises ValueError: unknown operator, or a value that is none for it."""
    quantifier, _, name = operator.rpartition(":")
    quantifier = quantifier.lower()
    if quantifier not in ("", "foranyvalue", "forallvalues"):
        raise ValueError(f"unknown set operator in {operator!r}")
    lower = name.lower()
    if lower == "null":
        if quantifier or any(value.lower() not in ("true", "false") for value in values):
            raise ValueError("Null takes true or false")
        return Condition(operator, key, values, _null(key.lower(), {value.lower() == "true" for value in values}))
    if_exists = lower.endswith("ifexists")
    if if_exists:
        lower = lower[: -len("ifexists")]
    found = OPERATORS.get(lower)
    if found is None:
        raise ValueError(f"unknown operator {operator!r}")
    patterns = [pieces_of(value, variables, found.wildcards) for value in values]
    for value, pieces in zip(values, patterns, strict=True):
        if not any(isinstance(piece, Variable) for piece in pieces) and not found.valid(value):
            raise ValueError(f"{value!r} is no value for {operator}")
    test = found.build(patterns)
    return Condition(operator, key, values, _holds(key.lower(), test, found.negated, quantifier, if_exists))


def _null(key: str, wanted: set[bool]) -> Callable[[Facts], bool]:
    def holds(facts: Facts) -> bool:
        actual = facts.get(key)
        return (actual is None or actual == []) in wanted

    return holds


def _holds(key: str, test: Test, negated: bool, quantifier: str, if_exists: bool) -> Callable[[Facts], bool]:
    if if_exists or quantifier == "forallvalues":
        absent = True
    elif quantifier == "foranyvalue":
        absent = False
    else:
        absent = negated

    def holds(facts: Facts) -> bool:
        actual = facts.get(key)
        if actual is None:
            return absent
        if type(actual) is str:
            return test(actual, facts) is not negated
        if not actual:
            return absent
        if quantifier == "forallvalues":
            return all(test(value, facts) is not negated for value in actual)
        if quantifier == "foranyvalue":
            return any(test(value, facts) is not negated for value in actual)
        # Several values under a plain operator: AWS calls it undefined; any may match, and negation stays negation.
        return any(test(value, facts) for value in actual) is not negated

    return holds


def _text_of(pieces: tuple[Piece, ...] | None) -> str | None:
    return None if pieces is None else literal_of(pieces)


def _equals(patterns: list[tuple[Piece, ...]]) -> Test:
    literals = frozenset(text for text in map(literal_of, patterns) if text is not None)
    templates = [pieces for pieces in patterns if literal_of(pieces) is None]
    if not templates:
        return lambda value, facts: value in literals
    return lambda value, facts: value in literals or any(_text_of(resolve(pieces, facts)) == value for pieces in templates)


def _equals_ignore_case(patterns: list[tuple[Piece, ...]]) -> Test:
    literals = frozenset(text.casefold() for text in map(literal_of, patterns) if text is not None)
    templates = [pieces for pieces in patterns if literal_of(pieces) is None]

    def test(value: str, facts: Facts) -> bool:
        folded = value.casefold()
        if folded in literals:
            return True
        return any((text := _text_of(resolve(pieces, facts))) is not None and text.casefold() == folded for pieces in templates)

    return test


def _like(patterns: list[tuple[Piece, ...]]) -> Test:
    return TextSet(patterns).matches


def _arn(patterns: list[tuple[Piece, ...]]) -> Test:
    """Each of the six segments is matched by itself; ArnEquals and ArnLike are the same."""
    literals = frozenset(text for text in map(literal_of, patterns) if text is not None)
    fixed = [_arn_matcher(pieces) for pieces in patterns if literal_of(pieces) is None and not _varies(pieces)]
    templates = [pieces for pieces in patterns if _varies(pieces)]

    def test(value: str, facts: Facts) -> bool:
        if value in literals:
            return True
        if any(match(value) for match in fixed):
            return True
        return any((resolved := resolve(pieces, facts)) is not None and _arn_matcher(resolved)(value) for pieces in templates)

    return test


def _varies(pieces: tuple[Piece, ...]) -> bool:
    return any(isinstance(piece, Variable) for piece in pieces)


@lru_cache(1024)
def _arn_matcher(pieces: tuple[Piece, ...]) -> Callable[[str], bool]:
    segments: list[list[Piece]] = [[]]
    for piece in pieces:
        if isinstance(piece, str):
            while ":" in piece and len(segments) < 6:
                head, _, piece = piece.partition(":")
                if head:
                    segments[-1].append(head)
                segments.append([])
        if piece:
            segments[-1].append(piece)
    if len(segments) < 6 and segments[-1] and segments[-1][-1] is Wild.STAR:
        segments.extend([[Wild.STAR]] * (6 - len(segments)))
    tests = [matcher(tuple(segment)) for segment in segments]

    def match(value: str) -> bool:
        parts = value.split(":", 5)
        return len(parts) == len(tests) and all(test(part) for test, part in zip(tests, parts, strict=True))

    return match


def _compared(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[list[tuple[Piece, ...]]], Test]:
    """A test that reads both sides with `parse` (None: no such value, never matches) and compares the request's with the policy's."""

    def build(patterns: list[tuple[Piece, ...]]) -> Test:
        fixed = [parse(text) for text in map(literal_of, patterns) if text is not None]
        templates = [pieces for pieces in patterns if literal_of(pieces) is None]

        def test(value: str, facts: Facts) -> bool:
            actual = parse(value)
            if actual is None:
                return False
            for wanted in fixed:
                if wanted is not None and compare(actual, wanted):
                    return True
            for pieces in templates:
                text = _text_of(resolve(pieces, facts))
                wanted = None if text is None else parse(text)
                if wanted is not None and compare(actual, wanted):
                    return True
            return False

        return test

    return build


_NUMBER = re.compile(r"[+-]?([0-9]{1,100}(\.[0-9]{0,100})?|\.[0-9]{1,100})([eE][+-]?[0-9]{1,3})?").fullmatch


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER(text) else None


_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?(Z|z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
).fullmatch


@lru_cache(512)
def _date_s(text: str) -> float | None:
    """ISO 8601 as W3C profiles it, or seconds since the epoch; a bare four-digit number is a year."""
    found = _DATE(text)
    if found is None:
        number = _number(text)
        return None if number is None else float(number)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
    shift_s = 0
    if zone and zone not in "Zz":
        shift_s = (int(zone[1:3]) * 60 + int(zone[-2:])) * (60 if zone[0] == "+" else -60)
    return moment.timestamp() + float(fraction or 0) - shift_s


def _bool(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _binary(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


_Network = tuple[int, int, int]  # IP version, network, mask


@lru_cache(1024)
def _network(text: str) -> _Network | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return network.version, int(network.network_address), int(network.netmask)


def _within(actual: _Network, wanted: _Network) -> bool:
    """A request's address (a network of one) inside the policy's."""
    return actual[0] == wanted[0] and actual[1] & wanted[2] == wanted[1] and actual[2] >= wanted[2]


def _any_text(value: str) -> bool:
    return True


def _parsable(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    return lambda value: parse(value) is not None


def _pair(
    positive: str, negative: str, build: Callable[[list[tuple[Piece, ...]]], Test], wildcards: bool, valid: Callable[[str], bool]
) -> dict[str, Operator]:
    return {positive: Operator(build, False, wildcards, valid), negative: Operator(build, True, wildcards, valid)}


def _ordered(prefix: str, parse: Callable[[str], Any]) -> dict[str, Operator]:
    valid = _parsable(parse)
    operators = _pair(f"{prefix}equals", f"{prefix}notequals", _compared(parse, eq), False, valid)
    for name, compare in (("lessthan", lt), ("lessthanequals", le), ("greaterthan", gt), ("greaterthanequals", ge)):
        operators[prefix + name] = Operator(_compared(parse, compare), False, False, valid)
    return operators


OPERATORS: dict[str, Operator] = {
    **_pair("stringequals", "stringnotequals", _equals, False, _any_text),
    **_pair("stringequalsignorecase", "stringnotequalsignorecase", _equals_ignore_case, False, _any_text),
    **_pair("stringlike", "stringnotlike", _like, True, _any_text),
    **_pair("arnequals", "arnnotequals", _arn, True, _any_text),
    **_pair("arnlike", "arnnotlike", _arn, True, _any_text),
    **_ordered("numeric", _number),
    **_ordered("date", _date_s),
    **_pair("ipaddress", "notipaddress", _compared(_network, _within), False, _parsable(_network)),
    "bool": Operator(_compared(_bool, eq), False, False, _parsable(_bool)),
    "binaryequals": Operator(_compared(_binary, eq), False, False, _parsable(_binary)),
}
