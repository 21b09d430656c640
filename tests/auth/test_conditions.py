"""Every condition operator: a table of what holds, and the laws that join the operators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.auth.conditions import OPERATORS, compile_condition
from groundcloud.auth.policy import RequestFacts

Value = str | list[str] | None


def holds(operator: str, wanted: str | tuple[str, ...], actual: Value, **more: str) -> bool:
    values = (wanted,) if isinstance(wanted, str) else wanted
    context: dict[str, str | list[str]] = dict(more)
    if actual is not None:
        context["My:Key"] = actual
    return compile_condition(operator, "my:key", values, True).holds(RequestFacts(context))


ARN = "arn:aws:sns:us-east-1:123456789012:topic"


@pytest.mark.parametrize(
    ("operator", "wanted", "actual", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ("a", "b"), "b", True),
        ("StringEquals", "a", None, False),
        ("stringequals", "a", "a", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ("a", "b"), "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringEqualsIgnoreCase", "aB", "Ab", True),
        ("StringNotEqualsIgnoreCase", "aB", "Ab", False),
        ("StringLike", "a*", "abc", True),
        ("StringLike", "a?", "abc", False),
        ("StringLike", "a${*}", "a*", True),
        ("StringLike", "a${*}", "ab", False),
        ("StringNotLike", "a*", "abc", False),
        ("StringNotLike", "a*", None, True),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", "9007199254740993", "9007199254740992", False),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "11", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("NumericEquals", "10", "ten", False),
        ("NumericLessThanIfExists", "10", None, True),
        ("DateGreaterThan", "2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", True),
        ("DateLessThan", "2024-01-01T00:00:00Z", "1704067199", True),
        ("DateLessThan", "1704067200", "2023-12-31", True),
        ("DateEquals", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00Z", True),
        ("DateNotEquals", "2024-01-01", "2024-01-01T00:00:00Z", False),
        ("DateGreaterThanEquals", "2024-01", "2024-01-01", True),
        ("DateLessThanEquals", "2024", "2024-01-01T00:00:00.5Z", False),
        ("Bool", "true", "TRUE", True),
        ("Bool", "false", "true", False),
        ("Bool", "true", None, False),
        ("BoolIfExists", "true", None, True),
        ("BinaryEquals", "aGk=", "aGk=", True),
        ("BinaryEquals", "aGk=", "aGo=", False),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("IpAddress", "10.0.0.0/8", "11.1.2.3", False),
        ("IpAddress", "10.0.0.1", "10.0.0.1", True),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "10.0.0.0/8", "::1", False),
        ("IpAddress", "10.0.0.0/8", "nonsense", False),
        ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
        ("NotIpAddress", ("10.0.0.0/8", "11.0.0.0/8"), "12.0.0.1", True),
        ("ArnEquals", ARN, ARN, True),
        ("ArnEquals", "arn:aws:sns:*:123456789012:*", ARN, True),
        ("ArnLike", "arn:aws:sns:*:*:t?pic", ARN, True),
        ("ArnLike", "arn:aws:s*:topic", ARN, False),
        ("ArnLike", "arn:aws:*:topic", ARN, False),
        ("ArnLike", "arn:aws:sns:*", ARN, True),
        ("ArnLike", "*", ARN, True),
        ("ArnNotLike", "arn:aws:sns:*:*:other", ARN, True),
        ("ArnNotEquals", ARN, ARN, False),
        ("ArnLike", "arn:aws:sns:*:*:topic", "no arn", False),
        ("Null", "true", None, True),
        ("Null", "false", None, False),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
        ("Null", "true", [], True),
        ("ForAnyValue:StringEquals", ("a", "b"), ["x", "b"], True),
        ("ForAnyValue:StringEquals", ("a", "b"), ["x", "y"], False),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAnyValue:StringEquals", "a", [], False),
        ("ForAnyValue:StringNotEquals", "a", ["a", "b"], True),
        ("ForAnyValue:StringNotEquals", "a", ["a"], False),
        ("ForAllValues:StringEquals", ("a", "b"), ["a", "b"], True),
        ("ForAllValues:StringEquals", ("a", "b"), ["a", "x"], False),
        ("ForAllValues:StringEquals", "a", None, True),
        ("ForAllValues:StringEquals", "a", [], True),
        ("ForAllValues:StringNotEquals", "a", ["b", "c"], True),
        ("ForAllValues:StringNotEquals", "a", ["a", "c"], False),
        ("ForAllValues:StringLike", "a*", ["ab", "ac"], True),
        ("ForAnyValue:ArnLikeIfExists", "arn:aws:sns:*", None, True),
        ("StringEquals", "a", ["x", "a"], True),
        ("StringNotEquals", "a", ["x", "a"], False),
    ],
)
def test_operators(operator: str, wanted: str | tuple[str, ...], actual: Value, expected: bool) -> None:
    assert holds(operator, wanted, actual) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "actual", "expected"),
    [
        ("StringEquals", "${aws:username}", "ann", True),
        ("StringEquals", "x-${aws:username}", "x-bob", False),
        ("StringEqualsIgnoreCase", "${aws:username}", "ANN", True),
        ("StringLike", "${aws:username}/*", "ann/x", True),
        ("ArnLike", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/ann", True),
        ("StringEquals", "${aws:missing}", "", False),
        ("StringNotEquals", "${aws:missing}", "ann", True),
        ("StringEquals", "${aws:missing, 'ann'}", "ann", True),
        ("NumericLessThan", "${my:limit}", "4", True),
        ("NumericLessThan", "${aws:username}", "4", False),
    ],
)
def test_variables_in_conditions(operator: str, wanted: str, actual: str, expected: bool) -> None:
    more = {"aws:username": "ann", "my:limit": "5"}
    context: dict[str, str | list[str]] = {**more, "my:key": actual}
    assert compile_condition(operator, "my:key", (wanted,), True).holds(RequestFacts(context)) is expected


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("StringIs", "a"),
        ("", "a"),
        ("ForSomeValues:StringEquals", "a"),
        ("ForAnyValue:Null", "true"),
        ("NullIfExists", "true"),
        ("Null", "yes"),
        ("Bool", "yes"),
        ("NumericEquals", "ten"),
        ("NumericEquals", "NaN"),
        ("NumericEquals", "1e9999"),
        ("DateEquals", "yesterday"),
        ("DateEquals", "2024-13-01"),
        ("IpAddress", "10.0.0.0/99"),
        ("BinaryEquals", "***"),
        ("StringEquals", "${open"),
    ],
)
def test_what_is_no_operator_or_no_value_for_it_is_refused(operator: str, value: str) -> None:
    with pytest.raises(ValueError):
        compile_condition(operator, "my:key", (value,), True)


SAMPLES = {
    "numeric": ["1", "2", "2.0", "-3"],
    "date": ["2024-01-01", "1704067200", "2025-05-05T05:05:05Z"],
    "bool": ["true", "false", "True"],
    "binary": ["aGk=", "aGo="],
    "ip": ["10.0.0.1", "10.0.0.0/8", "::1"],
    "text": ["a", "A", "a*", "arn:aws:s3:::b", "arn:aws:s3:::*", ""],
}
NAMES = sorted(OPERATORS)


def _samples(operator: str) -> list[str]:
    for prefix, values in SAMPLES.items():
        if prefix in operator.removeprefix("not")[:8]:
            return values
    return SAMPLES["text"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, tuple[str, ...], Value]:
    operator = draw(st.sampled_from(NAMES))
    values = st.sampled_from(_samples(operator))
    return operator, tuple(draw(st.lists(values, min_size=1, max_size=3))), draw(st.one_of(st.none(), values, st.lists(values, max_size=3)))


@given(cases())
def test_if_exists_is_the_operator_where_the_key_is_there_and_true_where_not(case: tuple[str, tuple[str, ...], Value]) -> None:
    operator, wanted, actual = case
    there = actual is not None and actual != []
    assert holds(operator + "IfExists", wanted, actual) is (holds(operator, wanted, actual) if there else True)


@given(cases())
def test_for_all_and_for_any_are_all_and_any_of_the_single_answers(case: tuple[str, tuple[str, ...], Value]) -> None:
    operator, wanted, actual = case
    listed = [] if actual is None else [actual] if isinstance(actual, str) else actual
    single = [holds(operator, wanted, each) for each in listed]
    assert holds("ForAllValues:" + operator, wanted, actual) is all(single)
    assert holds("ForAnyValue:" + operator, wanted, actual) is any(single)


@given(cases())
def test_a_negated_operator_is_the_negation(case: tuple[str, tuple[str, ...], Value]) -> None:
    operator, wanted, actual = case
    twin = {"ipaddress": "notipaddress"}.get(operator, operator.replace("equals", "notequals").replace("like", "notlike"))
    if "not" not in operator and twin in OPERATORS and twin != operator:
        assert holds(twin, wanted, actual) is not holds(operator, wanted, actual)
