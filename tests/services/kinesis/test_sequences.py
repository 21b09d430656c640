"""Sequence numbers and iterators, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.kinesis import sequences
from groundcloud.services.kinesis.sequences import Iterator, Place
from groundcloud.services.kinesis.state import Shard, sequence_at

MOMENTS = st.integers(1_500_000_000_000, 4_000_000_000_000)


def shard(number: int, created_ms: int) -> Shard:
    return Shard(stream_number=1, shard_number=number, start_hash=b"", end_hash=b"", created_ms=created_ms, first=0)


@given(st.integers(0, 2**32 - 1), MOMENTS, st.integers(0, 2**62))
def test_a_number_has_56_digits_and_says_where_it_is(number: int, created_ms: int, sequence: int) -> None:
    text = sequences.text(shard(number, created_ms), sequence)
    assert len(text) == 56
    assert sequences.parse(text) == Place(number, sequence)


@given(MOMENTS, MOMENTS, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_numbers_of_a_shard_made_later_are_higher(one_ms: int, other_ms: int, one: int, other: int) -> None:
    early_ms, late_ms = sorted((one_ms, other_ms))
    if late_ms - early_ms < 1000:
        return
    assert int(sequences.text(shard(one, early_ms), sequence_at(late_ms))) < int(
        sequences.text(shard(other, late_ms), sequence_at(late_ms))
    )


@pytest.mark.parametrize("text", ["1", "12345678901234567890", "9" * 60, "4" + "0" * 55])
def test_a_number_that_no_stream_gave_says_nothing(text: str) -> None:
    assert sequences.parse(text) is None


def test_an_iterator_fits_its_shape_and_comes_back() -> None:
    place = Iterator("123456789012", "us-gov-west-1", "s" * 128, 2**40, 2**31, 2**62, 4_000_000_000_000)
    text = sequences.write_iterator(place)
    assert len(text) <= 512
    assert sequences.read_iterator(text) == place


@pytest.mark.parametrize("text", ["", "A", "AAAA", "é", "AAAAAAAAAAAB", "x" * 512])
def test_what_is_no_iterator_is_refused(text: str) -> None:
    with pytest.raises(AwsError, match=r"Invalid ShardIterator\."):
        sequences.read_iterator(text)
