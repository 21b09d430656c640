"""Event filter patterns of event source mappings. Pure: pattern and record in, yes or no out.

Source: AWS: "Filter rule syntax" of Lambda, and "Comparison operators for use in event patterns" of EventBridge, of which Lambda has this part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
Test = Callable[[Any], bool]
"""Of one value; the value `_ABSENT` stands for a member that is not there."""

PATTERN_DEPTH_MAX = 32
PATTERNS_MAX = 10
"""AWS: CreateEventSourceMapping: up to five filters, ten on request."""


class _Absent:
    pass


_ABSENT = _Absent()


class Filter:
    """One pattern, compiled. Raises ValueError for what is none."""

    def __init__(self, pattern: str) -> None:
        try:
            document = json.loads(pattern)
        except ValueError:
            raise ValueError("not JSON") from None
        if not isinstance(document, dict):
            raise ValueError("not an object")
        self.document = document
        self._matches = _object(document, 0)

    def matches(self, record: Any) -> bool:
        return self._matches(record)


def _object(pattern: dict[str, Any], depth: int) -> Test:
    if depth > PATTERN_DEPTH_MAX:
        raise ValueError("nested too deeply")
    members: list[tuple[str, Test]] = []
    choices: list[Test] = []
    for name, rule in pattern.items():
        if name == "$or" and isinstance(rule, list):
            if len(rule) < 2 or not all(isinstance(one, dict) for one in rule):
                raise ValueError("$or needs two or more objects")
            choices = [_object(one, depth + 1) for one in rule]
        elif isinstance(rule, dict):
            members.append((name, _object(rule, depth + 1)))
        elif isinstance(rule, list):
            if not rule:
                raise ValueError(f"the rule for {name} is empty")
            members.append((name, _any_of([_rule(one) for one in rule])))
        else:
            raise ValueError(f"the rule for {name} is neither an object nor a list")

    def matches(record: Any) -> bool:
        if not isinstance(record, dict):
            # Nothing below: rules hold only if they ask for absence.
            return all(test(_ABSENT) for _, test in members) and not choices if record is _ABSENT else False
        return all(test(record.get(name, _ABSENT)) for name, test in members) and (not choices or any(one(record) for one in choices))

    return matches


def _any_of(tests: list[Test]) -> Test:
    def matches(value: Any) -> bool:
        if isinstance(value, list):
            # An array matches if one of its elements does; an empty one is as good as absent.
            return any(test(element) for element in value for test in tests) if value else any(test(_ABSENT) for test in tests)
        return any(test(value) for test in tests)

    return matches


def _rule(rule: Any) -> Test:
    if rule is None or isinstance(rule, (str, bool, int, float)):
        return lambda value: _same(value, rule)
    if not isinstance(rule, dict) or len(rule) != 1:
        raise ValueError(f"not a rule: {rule!r}")
    (operator, operand), *_ = rule.items()
    make = _OPERATORS.get(operator)
    if make is None:
        raise ValueError(f"no such operator: {operator}")
    return make(operand)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return not isinstance(value, _Absent) and bool(value == wanted)


def _text(test: Callable[[str, str], bool]) -> Callable[[Any], Test]:
    def make(operand: Any) -> Test:
        fold = False
        if isinstance(operand, dict) and list(operand) == ["equals-ignore-case"]:
            operand, fold = operand["equals-ignore-case"], True
        if not isinstance(operand, str) or not operand:
            raise ValueError("the operator needs a string")
        wanted = operand.lower() if fold else operand
        return lambda value: isinstance(value, str) and test(value.lower() if fold else value, wanted)

    return make


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise ValueError("exists needs true or false")
    return lambda value: isinstance(value, _Absent) is not operand


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise ValueError("numeric needs one or two comparisons")
    rules: list[tuple[Callable[[float, float], bool], float]] = []
    for sign, limit in zip(operand[::2], operand[1::2], strict=True):
        if sign not in _COMPARE or isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise ValueError("numeric needs one or two comparisons")
        rules.append((_COMPARE[sign], limit))

    def matches(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and all(test(value, limit) for test, limit in rules)

    return matches


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        inner = _rule(operand)
        return lambda value: not isinstance(value, _Absent) and not inner(value)
    wanted = operand if isinstance(operand, list) else [operand]
    if not wanted or not all(isinstance(one, (str, int, float)) for one in wanted):
        raise ValueError("anything-but needs strings or numbers")
    return lambda value: not isinstance(value, _Absent) and not any(_same(value, one) for one in wanted)


def _wildcard(operand: Any) -> Test:
    if not isinstance(operand, str) or not operand:
        raise ValueError("wildcard needs a string")
    pieces = operand.split("*")

    def matches(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if len(pieces) == 1:
            return value == operand
        if not value.startswith(pieces[0]) or len(value) < len(pieces[0]) + len(pieces[-1]) or not value.endswith(pieces[-1]):
            return False
        at, end = len(pieces[0]), len(value) - len(pieces[-1])
        for piece in pieces[1:-1]:
            found = value.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return matches


_OPERATORS: dict[str, Callable[[Any], Test]] = {
    "prefix": _text(str.startswith),
    "suffix": _text(str.endswith),
    "equals-ignore-case": _text(lambda value, wanted: value.lower() == wanted.lower()),
    "exists": _exists,
    "numeric": _numeric,
    "anything-but": _anything_but,
    "wildcard": _wildcard,
}


def compile_all(criteria: dict[str, Any] | None) -> list[Filter]:
    """Of a FilterCriteria; empty lets everything through. Raises ValueError."""
    found = [Filter(one.get("Pattern") or "") for one in (criteria or {}).get("Filters") or ()]
    if len(found) > PATTERNS_MAX:
        raise ValueError(f"more than {PATTERNS_MAX} filters")
    return found


def passes(filters: list[Filter], record: Record, body_key: str) -> bool:
    """Whether one of the filters lets a record through. `body_key` holds a text (SQS) that a pattern may look into as JSON."""
    if not filters:
        return True
    decoded: Any = _ABSENT
    for one in filters:
        seen = record
        if isinstance(one.document.get(body_key), dict) and isinstance(record.get(body_key), str):
            if decoded is _ABSENT:
                decoded = _decoded(record[body_key])
            seen = {**record, body_key: decoded}
        if one.matches(seen):
            return True
    return False


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
