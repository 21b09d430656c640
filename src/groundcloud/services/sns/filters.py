"""Filter policies of subscriptions. Pure: policy and message in, yes or no out.

A policy is compiled once. What it is held against has the shape of a JSON document: the body itself, or the attributes as {name: [values]}.
Source: AWS: "Amazon SNS subscription filter policies", "Filter policy constraints"; the sentences are those of the service's answers.
"""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Callable
from typing import Any

from groundcloud.base.event_patterns import pieces_in_order
from groundcloud.services.sns.state import Attributes

Values = list[Any]
Test = Callable[[Values], bool]
"""Of the values that a member has; none: it is not there."""

Match = Callable[[Any], bool]

KEYS_MAX = 5
COMBINATIONS_MAX = 150
POLICY_BYTES_MAX = 262_144
DEPTH_MAX = 32
NUMBER_MAX = 1e9


class PolicyError(ValueError):
    """What is wrong, in AWS's words."""


class Filter:
    """A compiled policy. Raises PolicyError."""

    __slots__ = ("by_body", "matches")

    def __init__(self, policy: str, scope: str) -> None:
        self.by_body = scope == "MessageBody"
        if len(policy.encode()) > POLICY_BYTES_MAX:
            raise PolicyError("Filter policy is too long")
        try:
            document = json.loads(policy)
        except (ValueError, RecursionError):
            raise PolicyError("failed to parse JSON.") from None
        if not isinstance(document, dict):
            raise PolicyError("Filter is not an object")
        if len(document) > KEYS_MAX:
            raise PolicyError("Filter policy can not have more than 5 keys")
        self.matches, combinations = _object(document, self.by_body, 1)
        if combinations > COMBINATIONS_MAX:
            raise PolicyError("Filter policy is too complex")


def document_of(attributes: Attributes) -> dict[str, Values]:
    """Message attributes as a policy sees them: strings, numbers, the elements of arrays; binary ones are not seen."""
    found: dict[str, Values] = {}
    for name, attribute in attributes.items():
        kind, text = attribute["DataType"], attribute.get("StringValue")
        if text is None:
            continue
        if kind.startswith("Number"):
            try:
                found[name] = [_number(text)]
            except ValueError:
                continue
        elif kind == "String.Array":
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = text
            found[name] = value if isinstance(value, list) else [value]
        else:
            found[name] = [text]
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not a number")
    return value


def _object(pattern: dict[str, Any], nested: bool, depth: int) -> tuple[Match, int]:
    """The match, and how many combinations of values it has."""
    if depth > DEPTH_MAX:
        raise PolicyError("Filter policy is too complex")
    leaves: list[tuple[str, Test]] = []
    below: list[tuple[str, Match]] = []
    choices: list[Match] = []
    combinations = 1
    for name, rule in pattern.items():
        if name == "$or" and isinstance(rule, list) and len(rule) > 1 and all(isinstance(one, dict) for one in rule):
            found = [_object(one, nested, depth) for one in rule]
            choices = [match for match, _ in found]
            combinations *= sum(count for _, count in found)
        elif isinstance(rule, dict):
            if not nested:
                raise PolicyError("Filter policy scope MessageAttributes does not support nested filter policy")
            match, count = _object(rule, nested, depth + 1)
            below.append((name, match))
            combinations *= count
        elif isinstance(rule, list):
            if not rule:
                raise PolicyError("Empty arrays are not allowed")
            leaves.append((name, _any_of([_rule(one) for one in rule])))
            combinations *= len(rule) * depth
        else:
            raise PolicyError(f'"{name}" must be an object or an array')

    def matches(document: Any) -> bool:
        if isinstance(document, list):
            # Each element by itself: what must hold together must hold for one of them.
            return any(matches(element) for element in document)
        members = document if isinstance(document, dict) else {}
        for name, test in leaves:
            if not test(_values(members.get(name, _ABSENT))):
                return False
        for name, match in below:
            if not match(members.get(name, _NOTHING)):
                return False
        return not choices or any(match(members) for match in choices)

    return matches, combinations


_ABSENT: Any = object()
_NOTHING: dict[str, Any] = {}


def _values(value: Any) -> Values:
    if value is _ABSENT or isinstance(value, dict):
        return []
    if isinstance(value, list):
        if not any(isinstance(element, (list, dict)) for element in value):
            return value
        return [inner for element in value for inner in _values(element)]
    return [value]


def _any_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda values: any(test(values) for test in tests)


def _rule(rule: Any) -> Test:
    if isinstance(rule, bool) or rule is None:
        return lambda values: any(value is rule for value in values)
    if isinstance(rule, str):
        return lambda values: rule in values
    if isinstance(rule, (int, float)):
        return lambda values: any(_is_number(value) and value == rule for value in values)
    if not isinstance(rule, dict):
        raise PolicyError("Match value must be String, number, true, false, or null")
    if len(rule) != 1:
        raise PolicyError("Only one key allowed in match expression")
    (operator, operand), *_ = rule.items()
    make = _OPERATORS.get(operator)
    if make is None:
        raise PolicyError(f"Unrecognized match type {operator}")
    return make(operand)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise PolicyError("exists match pattern must be either true or false.")
    return lambda values: bool(values) is operand


def _of_text(name: str, predicate: Callable[[str], Callable[[str], bool]]) -> Callable[[Any], Test]:
    """An operator over strings that has a string."""

    def make(operand: Any) -> Test:
        if isinstance(operand, dict) and name in ("prefix", "suffix") and list(operand) == ["equals-ignore-case"]:
            inner = operand["equals-ignore-case"]
            if not isinstance(inner, str):
                raise PolicyError("equals-ignore-case match pattern must be a string")
            folded = predicate(inner.lower())
            return lambda values: any(isinstance(value, str) and folded(value.lower()) for value in values)
        if not isinstance(operand, str):
            raise PolicyError(f"{name} match pattern must be a string")
        test = predicate(operand)
        return lambda values: any(isinstance(value, str) and test(value) for value in values)

    return make


def _like(operand: str) -> Callable[[str], bool]:
    """`*` for any characters."""
    if "**" in operand:
        raise PolicyError("Consecutive wildcard characters at pos " + str(operand.index("**")))
    pieces = operand.split("*")
    return pieces_in_order(pieces) if len(pieces) > 1 else lambda value: value == operand


def _cidr(operand: Any) -> Test:
    if not isinstance(operand, str):
        raise PolicyError("cidr match pattern must be a string")
    address, slash, bits = operand.partition("/")
    if not slash:
        raise PolicyError("Malformed CIDR, one '/' required")
    if not bits.isdigit():
        raise PolicyError("Malformed CIDR, mask bits must be an integer")
    try:
        network = ipaddress.ip_network(operand, strict=False)
    except ValueError:
        raise PolicyError(f"Nonstandard IP address: {address}") from None

    def inside(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return lambda values: any(inside(value) for value in values)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list):
        raise PolicyError("Value of numeric must be an array.")
    if not operand:
        raise PolicyError("Invalid member in numeric match: ]")
    rules: list[tuple[Callable[[float, float], bool], float]] = []
    for position in range(0, len(operand), 2):
        sign = operand[position]
        if not isinstance(sign, str):
            raise PolicyError(f"Invalid member in numeric match: {json.dumps(sign)}")
        if sign not in _COMPARE:
            raise PolicyError(f"Unrecognized numeric range operator: {sign}")
        if position == 2 and (operand[0] not in (">", ">=") or sign not in ("<", "<=")):
            raise PolicyError(
                "Too many elements in numeric expression" if operand[0] in ("=", "<", "<=") else f"Bad numeric range operator: {sign}"
            )
        if position >= 4:
            raise PolicyError("Too many elements in numeric expression")
        limit: Any = operand[position + 1] if position + 1 < len(operand) else None
        if not _is_number(limit):
            raise PolicyError(f"Value of {'equals' if sign == '=' else sign} must be numeric")
        if not -NUMBER_MAX <= limit <= NUMBER_MAX:
            raise PolicyError(f"Value of {'equals' if sign == '=' else sign} must be between -1.0E9 and 1.0E9, inclusive")
        rules.append((_COMPARE[sign], limit))
    if len(rules) == 2 and rules[0][1] >= rules[1][1]:
        raise PolicyError("Bottom must be less than top")
    return lambda values: any(_is_number(value) and all(test(value, limit) for test, limit in rules) for value in values)


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        if len(operand) != 1:
            raise PolicyError("Only one key allowed in match expression")
        (operator, inner), *_ = operand.items()
        if operator not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise PolicyError(f"Unsupported anything-but pattern: {operator}")
        tests = [_OPERATORS[operator](one) for one in (inner if isinstance(inner, list) else [inner])]
        return lambda values: any(not any(test([value]) for test in tests) for value in values)
    wanted = operand if isinstance(operand, list) else [operand]
    if not wanted:
        raise PolicyError("Empty arrays are not allowed")
    if not isinstance(operand, list) and not (isinstance(operand, str) or _is_number(operand)):
        raise PolicyError("Value of anything-but must be an array or single string/number value.")
    if not all(isinstance(one, str) or _is_number(one) for one in wanted):
        raise PolicyError("Inside anything but list, start|null|boolean is not supported.")
    if any(isinstance(one, str) for one in wanted) and any(_is_number(one) for one in wanted):
        raise PolicyError("Inside anything but list, either all values are number or string, mixed type is not supported")
    return lambda values: any(value not in wanted or isinstance(value, bool) for value in values)


_OPERATORS: dict[str, Callable[[Any], Test]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _of_text("equals-ignore-case", lambda operand: lambda value: value.lower() == operand.lower()),
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _of_text("prefix", lambda operand: lambda value: value.startswith(operand)),
    "suffix": _of_text("suffix", lambda operand: lambda value: value.endswith(operand)),
    "wildcard": _of_text("wildcard", _like),
}
