"""Event patterns: tables of cases, AWS's sentences, and a slow reference that flattens events as AWS describes it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundcloud.base.event_patterns import Pattern


def matches(pattern: Any, event: Any) -> bool:
    return Pattern(json.dumps(pattern)).matches(event)


EVENT = {
    "source": "app.orders",
    "detail": {
        "state": "Running",
        "count": 5,
        "price": 300.0,
        "on": True,
        "note": None,
        "empty": "",
        "none": [],
        "ip": "10.0.0.7",
        "ip6": "2001:db8::1",
        "path": "a/b*c\\d",
        "tags": ["new", "big"],
        "nested": [["x", "y"], "z"],
        "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}, {"other": 1}],
        "deep": {"er": {"x": "y"}},
    },
}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"state": ["Running"]}, True),
        ({"state": ["running"]}, False),
        ({"state": ["a", "Running"]}, True),
        ({"count": [5]}, True),
        ({"count": ["5"]}, False),
        ({"price": [300]}, True),
        ({"price": [3.0e2]}, True),
        ({"on": [True]}, True),
        ({"on": [1]}, False),
        ({"count": [True]}, False),
        ({"note": [None]}, True),
        ({"state": [None]}, False),
        ({"missing": [None]}, False),
        ({"empty": [""]}, True),
        ({"state": [{"prefix": "Run"}]}, True),
        ({"state": [{"prefix": ""}]}, True),
        ({"count": [{"prefix": ""}]}, False),
        ({"state": [{"prefix": {"equals-ignore-case": "rUN"}}]}, True),
        ({"state": [{"suffix": "ning"}]}, True),
        ({"state": [{"suffix": {"equals-ignore-case": "NING"}}]}, True),
        ({"state": [{"equals-ignore-case": "RUNNING"}]}, True),
        ({"state": [{"exactly": "Running"}]}, True),
        ({"state": [{"wildcard": "R*n*g"}]}, True),
        ({"state": [{"wildcard": "*x*"}]}, False),
        ({"state": [{"wildcard": "Running"}]}, True),
        ({"path": [{"wildcard": "a/b\\*c\\\\*"}]}, True),
        ({"path": [{"wildcard": "a/b\\*d"}]}, False),
        ({"count": [{"numeric": ["=", 5]}]}, True),
        ({"count": [{"numeric": [">", 4, "<=", 5]}]}, True),
        ({"count": [{"numeric": ["<", 5]}]}, False),
        ({"count": [{"numeric": ["<", 9, ">=", 5]}]}, True),
        ({"state": [{"numeric": [">", 0]}]}, False),
        ({"on": [{"numeric": [">", 0]}]}, False),
        ({"ip": [{"cidr": "10.0.0.0/24"}]}, True),
        ({"ip": [{"cidr": "10.0.1.0/24"}]}, False),
        ({"ip": [{"cidr": "10.0.0.7"}]}, True),
        ({"ip6": [{"cidr": "2001:db8::/32"}]}, True),
        ({"ip6": [{"cidr": "0.0.0.0/0"}]}, False),
        ({"state": [{"cidr": "10.0.0.0/8"}]}, False),
        ({"state": [{"exists": True}]}, True),
        ({"note": [{"exists": True}]}, True),
        ({"missing": [{"exists": True}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"none": [{"exists": False}]}, True),
        ({"deep": [{"exists": True}]}, False),
        ({"deep": [{"exists": False}]}, True),
        ({"deep": {"er": {"x": [{"exists": True}]}}}, True),
        ({"missing": {"er": {"x": [{"exists": False}]}}}, True),
        ({"missing": ["a", {"exists": False}]}, True),
        ({"state": ["a", {"exists": False}]}, False),
        ({"state": [{"anything-but": "x"}]}, True),
        ({"state": [{"anything-but": ["x", "Running"]}]}, False),
        ({"count": [{"anything-but": 5}]}, False),
        ({"count": [{"anything-but": [1, 2]}]}, True),
        ({"state": [{"anything-but": [1, 2]}]}, True),
        ({"missing": [{"anything-but": "x"}]}, False),
        ({"tags": [{"anything-but": ["new"]}]}, True),
        ({"state": [{"anything-but": {"prefix": "Run"}}]}, False),
        ({"state": [{"anything-but": {"prefix": ["a", "b"]}}]}, True),
        ({"state": [{"anything-but": {"suffix": ["ing", "b"]}}]}, False),
        ({"state": [{"anything-but": {"equals-ignore-case": "running"}}]}, False),
        ({"state": [{"anything-but": {"equals-ignore-case": ["a", "b"]}}]}, True),
        ({"state": [{"anything-but": {"wildcard": "*nn*"}}]}, False),
        ({"state": [{"anything-but": {"wildcard": ["*x*", "*y*"]}}]}, True),
        ({"count": [{"anything-but": {"prefix": "x"}}]}, True),
        ({"tags": ["big"]}, True),
        ({"tags": ["old"]}, False),
        ({"nested": ["y"]}, True),
        ({"nested": ["z"]}, True),
        ({"lines": {"sku": ["a"], "n": [1]}}, True),
        ({"lines": {"sku": ["a"], "n": [2]}}, False),
        ({"lines": {"sku": ["a"], "other": [{"exists": False}]}}, False),
        ({"lines": {"sku": ["a"], "more": [{"exists": False}]}}, True),
        ({"none": {"sku": [{"exists": False}]}}, True),
        ({"$or": [{"state": ["x"]}, {"count": [5]}]}, True),
        ({"$or": [{"state": ["x"]}, {"count": [6]}], "state": ["Running"]}, False),
        ({"lines": {"$or": [{"sku": ["x"]}, {"n": [2]}], "sku": ["b"]}}, True),
        ({"lines": {"$or": [{"sku": ["x"]}, {"n": [2]}], "sku": ["a"]}}, False),
        ({"$or": [{"prefix": "x"}]}, False),
        ({"state": {"more": ["x"]}}, False),
    ],
)
def test_a_rule_holds_or_not(rule: dict[str, Any], holds: bool) -> None:
    assert matches({"detail": rule}, EVENT) is holds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", 'Filter is not an object\n at [Source: (String)"[]"; line: 1, column: 2]'),
        (
            '{"source":"aws.ec2"}',
            '"source" must be an object or an array\n at [Source: (String)"{"source":"aws.ec2"}"; line: 1, column: 12]',
        ),
        (
            '{"detail-type":["dual"],"detail":{"delaySeconds":[{"exists":"false"}]}}',
            "exists match pattern must be either true or false.\n"
            ' at [Source: (String)"{"detail-type":["dual"],"detail":{"delaySeconds":[{"exists":"false"}]}}"; line: 1, column: 62]',
        ),
        ("{}", "Empty objects are not allowed"),
        ('{"a":{}}', "Empty objects are not allowed"),
        ('{"a":[]}', "Empty arrays are not allowed"),
        ('{"a":[["x"]]}', "Match value must be String, number, true, false, or null"),
        ('{"a":[{}]}', "Match expression name not found"),
        ('{"a":[{"near":"x"}]}', "Unrecognized match type near"),
        ('{"a":[{"prefix":1}]}', "prefix match pattern must be a string"),
        ('{"a":[{"suffix":1}]}', "suffix match pattern must be a string"),
        ('{"a":[{"prefix":"x","suffix":"y"}]}', "Only one key allowed in match expression"),
        ('{"a":[{"equals-ignore-case":["x"]}]}', "equals-ignore-case match pattern must be a string"),
        ('{"a":[{"wildcard":"a**b"}]}', "Consecutive wildcard characters at pos 1"),
        ('{"a":[{"wildcard":"a\\\\b"}]}', "Invalid escape character at pos 1"),
        ('{"a":[{"numeric":5}]}', "Value of numeric must be an array."),
        ('{"a":[{"numeric":[">"]}]}', "Value of > must be numeric"),
        ('{"a":[{"numeric":["=","5"]}]}', "Value of equals must be numeric"),
        ('{"a":[{"numeric":["!",5]}]}', "Unrecognized numeric range operator: !"),
        ('{"a":[{"numeric":[5,">"]}]}', "Invalid member in numeric match: 5"),
        ('{"a":[{"numeric":[">",5,">",6]}]}', "Bad numeric range operator: >"),
        ('{"a":[{"numeric":[">",5,6]}]}', "Bad value in numeric range: 6"),
        ('{"a":[{"numeric":[">",5,"<",5]}]}', "Bottom must be less than top"),
        ('{"a":[{"numeric":[">",5,"<",6,7]}]}', "Too many terms in numeric range expression"),
        ('{"a":[{"numeric":[">",6e9]}]}', "Value must be between -5.0E9 and 5.0E9, inclusive"),
        ('{"a":[{"cidr":"10.0.0.0/99"}]}', "IPv4 mask bits must be < 32"),
        ('{"a":[{"cidr":"10.0.0/8"}]}', "Nonstandard IP address: 10.0.0"),
        ('{"a":[{"cidr":"10.0.0.0/8/8"}]}', "Malformed CIDR, one '/' required"),
        ('{"a":[{"anything-but":null}]}', "Inside anything but list, start|null|boolean is not supported."),
        (
            '{"a":[{"anything-but":["x",1]}]}',
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        ('{"a":[{"anything-but":{"cidr":"x"}}]}', "Unsupported anything-but pattern: cidr"),
        ('{"a":[{"anything-but":{"prefix":""}}]}', "Null prefix/suffix not allowed"),
        ('{"$or":[{"a":["x"]}]}', "There must have at least 2 Objects in '$or' relationship."),
        ('{"$or":[{"a":["x"]},5]}', "Only JSON object is allowed in array of '$or' relationship."),
        ("{", "Unexpected end-of-input: expected close marker for Object"),
        ("nothing", "Unrecognized token 'nothing'"),
        ('{"a":[1}', "Unexpected character ('}' (code 125)): was expecting comma to separate Array entries"),
        ('{"a":' * 300, "Document nesting depth (201) exceeds the maximum allowed (200)"),
    ],
)
def test_what_is_no_pattern_is_refused_in_awss_words(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"\n at \[Source: ") as caught:
        Pattern(text)
    assert str(caught.value).startswith(sentence)


# The reference: an event is flattened to leaves that remember their places in arrays; a pattern becomes alternatives of rules by path.


class Leaf:
    def __init__(self, path: tuple[str, ...], value: Any, places: dict[tuple[Any, ...], int]) -> None:
        self.path, self.value, self.places = path, value, places


def flatten(value: Any, path: tuple[str, ...] = (), where: tuple[Any, ...] = (), places: dict[Any, int] | None = None) -> Iterator[Leaf]:
    places = places or {}
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flatten(inner, (*path, name), (*where, name), places)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from flatten(inner, path, (*where, index), {**places, where: index})
    else:
        yield Leaf(path, value, places)


def alternatives(pattern: dict[str, Any], path: tuple[str, ...] = ()) -> list[list[tuple[tuple[str, ...], list[Any]]]]:
    parts: list[list[list[tuple[tuple[str, ...], list[Any]]]]] = []
    for name, rule in pattern.items():
        if name == "$or":
            parts.append([one for choice in rule for one in alternatives(choice, path)])
        elif isinstance(rule, dict):
            parts.append(alternatives(rule, (*path, name)))
        else:
            parts.append([[((*path, name), rule)]])
    return [list(itertools.chain(*chosen)) for chosen in itertools.product(*parts)]


def holds(rule: Any, value: Any) -> bool:
    if isinstance(rule, dict):
        ((operator, operand),) = rule.items()
        if operator == "exists":
            return bool(operand)
        if operator == "prefix":
            return isinstance(value, str) and value.startswith(operand)
        if operator == "anything-but":
            return not any(holds(one, value) for one in operand)
        low, high = operand[1], operand[3]
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low < value <= high
    return type(value) is type(rule) and bool(value == rule)


def consistent(leaves: tuple[Leaf, ...]) -> bool:
    seen: dict[Any, int] = {}
    return all(seen.setdefault(array, index) == index for leaf in leaves for array, index in leaf.places.items())


def reference(pattern: dict[str, Any], event: Any) -> bool:
    leaves = list(flatten(event))
    for rules in alternatives(pattern):
        candidates: list[list[Leaf]] = []
        for path, wanted in rules:
            at_path = [leaf for leaf in leaves if leaf.path == path]
            found = [leaf for leaf in at_path if any(rule != {"exists": False} and holds(rule, leaf.value) for rule in wanted)]
            if not at_path and {"exists": False} in wanted:
                found.append(Leaf(path, None, {}))
            candidates.append(found)
        if any(consistent(chosen) for chosen in itertools.product(*candidates)):
            return True
    return False


NAMES = st.sampled_from("abc")
VALUES = st.sampled_from(["x", "xy", "z", "", 1, 2, True, None])
EVENTS = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=10)
RULES = st.one_of(
    VALUES,
    st.builds(lambda flag: {"exists": flag}, st.booleans()),
    st.just({"prefix": "x"}),
    st.just({"anything-but": ["x", "z"]}),
    st.just({"numeric": [">", 0, "<=", 1]}),
)
LISTS = st.lists(RULES, min_size=1, max_size=2)
PATTERNS = st.recursive(
    st.dictionaries(NAMES, LISTS, min_size=1, max_size=2),
    lambda inner: (
        st.dictionaries(NAMES, LISTS | inner, min_size=1, max_size=2)
        | st.builds(lambda one, two, more: {**more, "$or": [one, two]}, inner, inner, st.dictionaries(NAMES, LISTS, max_size=1))
    ),
    max_leaves=4,
)


def ambiguous(pattern: dict[str, Any], names: frozenset[str] = frozenset()) -> bool:
    """Whether `$or` names a member that stands beside it: there AWS merges the rules, which no document of theirs tells how."""
    for name, rule in pattern.items():
        if name == "$or":
            beside = names | (set(pattern) - {"$or"})
            if any(set(choice) & beside or "$or" in choice or ambiguous(choice) for choice in rule):
                return True
        elif isinstance(rule, dict) and ambiguous(rule):
            return True
    return False


@settings(max_examples=500, deadline=None)
@given(PATTERNS, st.dictionaries(NAMES, EVENTS, max_size=3))
def test_compiled_patterns_agree_with_the_reference(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    if not ambiguous(pattern):
        assert matches(pattern, event) is reference(pattern, event)


@settings(max_examples=300)
@given(st.text(max_size=60) | st.text('{}[]":, a1', max_size=40))
def test_no_text_breaks_the_compiler(text: str) -> None:
    try:
        assert Pattern(text).matches({}) in (True, False)
    except ValueError as error:
        assert str(error)


def test_an_event_meets_a_thousand_patterns_in_little_time() -> None:
    patterns = [
        Pattern(json.dumps({"source": ["app.orders"], "detail": {"state": ["Running"], "count": [{"numeric": [">", n]}]}}))
        for n in range(1000)
    ]
    assert sum(pattern.matches(EVENT) for pattern in patterns) == 5
    best = 1.0
    for _ in range(5):
        began = time.process_time()
        for pattern in patterns:
            pattern.matches(EVENT)
        best = min(best, time.process_time() - began)
    assert best < 0.01
