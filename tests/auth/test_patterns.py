"""Wildcards against a slow matcher written from the words of AWS's page, and patterns made to be slow."""

from __future__ import annotations

from functools import lru_cache
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundcloud.auth.patterns import TextSet, matcher, pieces_of


class Facts(dict[str, str | list[str]]):
    """A request's condition keys, as the matchers ask for them."""


def matches_by_the_book(pattern: str, value: str, arn: bool) -> bool:
    """Tries everything: `*` any run, `?` any character; `arn`: inside the first five segments neither crosses a colon, but a star at
    a segment's end may."""

    @lru_cache(None)
    def at(p: int, v: int) -> bool:
        if p == len(pattern):
            return v == len(value)
        inside = arn and pattern[:p].count(":") < 5
        here = pattern[p]
        if here == "*":
            ends_segment = p + 1 == len(pattern) or pattern[p + 1] == ":"
            return at(p + 1, v) or (v < len(value) and (not inside or ends_segment or value[v] != ":") and at(p, v + 1))
        if v == len(value):
            return False
        if here == "?":
            return not (inside and value[v] == ":") and at(p + 1, v + 1)
        return here == value[v] and at(p + 1, v + 1)

    # A run of stars is one star, which ends its segment if the last of them does.
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return at(0, 0)


TEXT = st.text(alphabet="ab:/\n", max_size=14)
PATTERN = st.text(alphabet="ab:/*?", max_size=10)


@settings(max_examples=1500)
@given(PATTERN, TEXT, st.booleans())
def test_wildcards_match_as_by_the_book(pattern: str, value: str, arn: bool) -> None:
    expected = matches_by_the_book(pattern, value, arn)
    assert bool(matcher(pieces_of(pattern, False), arn)(value)) is expected
    assert TextSet([pieces_of(pattern, False)], arn).matches(value, Facts()) is expected


@settings(max_examples=500)
@given(st.lists(st.sampled_from(["*", "?", "a", "b", ":", "b:", "ab"]), max_size=9), st.text(alphabet="ab:", max_size=24))
def test_wildcards_in_arns_match_as_by_the_book(parts: list[str], value: str) -> None:
    pattern = "".join(parts)
    assert bool(matcher(pieces_of(pattern, False), True)(value)) is matches_by_the_book(pattern, value, True)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b:c", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b/*.txt", "arn:aws:s3:::b/a:b.txt", True),
        ("arn:aws:sqs:*:123456789012:q", "arn:aws:sqs:us-east-1:123456789012:q", True),
        ("arn:aws:sqs:*", "arn:aws:sqs:us-east-1:123456789012:q", True),
        ("arn:aws:sqs:us-*-1:*:q?", "arn:aws:sqs:us-east-1:1:q1", True),
        ("arn:aws:sqs:us-*-1:*:q?", "arn:aws:sqs:us-east-1:1:q", False),
        ("arn:aws:iam::1*1:user/x", "arn:aws:iam::1:role/1:user/x", False),
        ("*", "*", True),
        ("arn:aws:s3:::*", "*", False),
        ("", "", True),
    ],
)
def test_resource_wildcards(pattern: str, value: str, expected: bool) -> None:
    assert TextSet([pieces_of(pattern, True)], arn=True).matches(value, Facts()) is expected


@pytest.mark.parametrize("pattern", ["*a" * 30 + "*b", "arn:*:" + "a*" * 30 + "b", "*?" * 30 + "b", "a*" * 60 + ":b", "*:" * 30 + "b"])
def test_a_pattern_made_to_be_slow_is_not(pattern: str) -> None:
    started = process_time()
    assert not matcher(pieces_of(pattern, False), True)("arn:x:" + "a" * 2000)
    assert not matcher(pieces_of(pattern, False), False)("a:" * 1000)
    assert process_time() - started < 0.5


@pytest.mark.parametrize(
    ("pattern", "facts", "value", "expected"),
    [
        ("home/${aws:username}/*", {"aws:username": "ann"}, "home/ann/x", True),
        ("home/${AWS:UserName}/*", {"aws:username": "ann"}, "home/ann/x", True),
        ("home/${aws:username}/*", {"aws:username": "*"}, "home/bob/x", False),
        ("home/${aws:username}/*", {"aws:username": "*"}, "home/*/x", True),
        ("home/${aws:username}/*", {}, "home//x", False),
        ("home/${aws:username, 'guest'}/*", {}, "home/guest/x", True),
        ("home/${aws:username, 'guest'}/*", {"aws:username": "ann"}, "home/guest/x", False),
        ("home/${aws:username}", {"aws:username": ["ann"]}, "home/ann", True),
        ("home/${aws:username}", {"aws:username": ["ann", "bob"]}, "home/ann", False),
        ("a${*}b", {}, "a*b", True),
        ("a${*}b", {}, "axb", False),
        ("a${?}b${$}", {}, "a?b$", True),
    ],
)
def test_variables_stand_for_the_requests_values(pattern: str, facts: dict[str, str | list[str]], value: str, expected: bool) -> None:
    assert TextSet([pieces_of(pattern, True)]).matches(value, Facts(facts)) is expected


def test_without_variables_a_dollar_is_a_dollar() -> None:
    assert TextSet([pieces_of("${aws:username}", False)]).matches("${aws:username}", Facts())


@pytest.mark.parametrize("pattern", ["${", "a${b", "${}", "${a b}", "${a, b}", "${a${b}}"])
def test_a_malformed_variable_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="variable"):
        pieces_of(pattern, True)
