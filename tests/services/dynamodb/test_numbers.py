"""Numbers: one normal form, an order of bytes that is the order of amounts, exact sums."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.dynamodb import numbers


@st.composite
def number_texts(draw: st.DrawFn) -> str:
    digits = draw(st.integers(min_value=0, max_value=10**38 - 1))
    exponent = draw(st.integers(min_value=-130, max_value=80))
    sign = draw(st.sampled_from(["", "-", "+"]))
    return f"{sign}{digits}e{exponent}"


def in_range(text: str) -> bool:
    try:
        numbers.normalize(text)
    except AwsError:
        return False
    return True


def amount(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0", "0"), ("-0", "0"), ("000", "0"), ("0.000", "0"), ("0e99999999999999999999", "0"), ("1", "1"), ("+1", "1"), ("-1", "-1"), ("0012", "12"),
        ("1.0", "1"), ("1.50", "1.5"), (".5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("1E-3", "0.001"), ("-12.34e1", "-123.4"),
        ("1e125", "1" + "0" * 125), ("9.9999999999999999999999999999999999999E+125", "9" * 38 + "0" * 88), ("1e-130", "0." + "0" * 129 + "1"),
        ("0.1e126", "1" + "0" * 125), ("100000000000000000000000000000000000000000", "1" + "0" * 41),
    ],
)  # fmt: skip
def test_a_number_has_one_normal_form(text: str, normal: str) -> None:
    assert numbers.normalize(text) == normal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        ("b", "The parameter cannot be converted to a numeric value: b"),
        ("1_000", "The parameter cannot be converted to a numeric value: 1_000"),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        (" 1", "The parameter cannot be converted to a numeric value:  1"),
        ("٣", "The parameter cannot be converted to a numeric value: ٣"),
        ("1e126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("-1e99999999999999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
        ("1e-99999999999999999999", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("-1.23456789012345678901234567890123456789", "Attempting to store more than 38 significant digits in a Number"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(AwsError) as refusal:
        numbers.normalize(text)
    assert (refusal.value.code, refusal.value.message) == ("ValidationException", sentence)


@given(number_texts().filter(in_range))
def test_normalising_keeps_the_amount_and_is_final(text: str) -> None:
    normal = numbers.normalize(text)
    assert amount(normal) == amount(text)
    assert numbers.normalize(normal) == normal


@given(number_texts().filter(in_range), number_texts().filter(in_range))
def test_encoded_numbers_order_as_their_amounts(left: str, right: str) -> None:
    left, right = numbers.normalize(left), numbers.normalize(right)
    ours, theirs = numbers.encode(left), numbers.encode(right)
    assert (ours < theirs) == (amount(left) < amount(right))
    assert (ours == theirs) == (amount(left) == amount(right))


@given(st.lists(st.integers(min_value=-1000, max_value=1000).map(str), min_size=2))
def test_small_integers_order_as_their_amounts(texts: list[str]) -> None:
    assert sorted(texts, key=numbers.encode) == sorted(texts, key=int)


@given(number_texts().filter(in_range), number_texts().filter(in_range))
def test_a_sum_is_exact_or_refused(left: str, right: str) -> None:
    left, right = numbers.normalize(left), numbers.normalize(right)
    with localcontext() as context:
        context.prec = 400
        exact = amount(left) + amount(right)
    try:
        total = numbers.add(left, right)
    except AwsError as refusal:
        assert refusal.code == "ValidationException"
        assert not in_range(str(exact))
    else:
        assert amount(total) == exact
        assert numbers.subtract(total, right) == left


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 1), ("1", 2), ("-1", 3), ("12", 2), ("123", 3), ("1234", 3), ("100", 2), ("0.5", 2), ("12.3", 3), ("120", 3), ("-12", 3)],
)
def test_a_number_counts_a_byte_and_one_for_each_pair_of_digits(text: str, size: int) -> None:
    assert numbers.size_bytes(text) == size
