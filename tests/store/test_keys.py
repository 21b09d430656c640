"""Packed tuples sort as the tuples do, and come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.store import keys

TEXT = st.text(st.characters(codec=None) | st.sampled_from("\x00\x01\xff\ud800"), max_size=6)
BYTES = st.binary(max_size=6) | st.lists(st.sampled_from([b"\x00", b"\xff", b"\x01"]), max_size=4).map(b"".join)
INTS = st.integers(-(2**63), 2**63 - 1)
TUPLES = st.lists(TEXT | BYTES | INTS, max_size=4).map(tuple)
SHAPED = st.sampled_from([(TEXT, INTS), (BYTES, BYTES), (TEXT, TEXT, INTS)]).flatmap(
    lambda shape: st.tuples(st.tuples(*shape), st.tuples(*shape))
)


@given(TUPLES)
def test_a_tuple_comes_back(parts: tuple[keys.Part, ...]) -> None:
    assert keys.unpack(keys.pack(parts)) == parts


@given(TUPLES, TUPLES)
def test_different_tuples_have_different_keys(one: tuple[keys.Part, ...], other: tuple[keys.Part, ...]) -> None:
    assert (keys.pack(one) == keys.pack(other)) is (one == other)


@given(SHAPED)
def test_keys_sort_as_their_tuples(pair: tuple[tuple[keys.Part, ...], tuple[keys.Part, ...]]) -> None:
    one, other = pair
    assert (keys.pack(one) < keys.pack(other)) is (one < other)


@given(TUPLES, TUPLES)
def test_a_tuple_s_key_is_a_prefix_and_the_range_holds_what_begins_with_it(
    head: tuple[keys.Part, ...], rest: tuple[keys.Part, ...]
) -> None:
    prefix, whole = keys.pack(head), keys.pack(head + rest)
    assert whole.startswith(prefix)
    assert prefix <= whole < keys.after(prefix)


@given(st.tuples(TEXT | BYTES), st.tuples(TEXT | BYTES), TUPLES)
def test_the_range_of_a_prefix_holds_nothing_else(
    head: tuple[keys.Part, ...], other: tuple[keys.Part, ...], rest: tuple[keys.Part, ...]
) -> None:
    inside = keys.pack(head) <= keys.pack(other + rest) < keys.after(keys.pack(head))
    assert inside is (head == other)


@pytest.mark.parametrize("part", [True, None, 1.5, ("a",), bytearray(b"a")])
def test_other_types_are_refused(part: object) -> None:
    with pytest.raises(TypeError):
        keys.pack([part])  # type: ignore[list-item]


@pytest.mark.parametrize("part", [2**63, -(2**63) - 1])
def test_integers_past_64_bits_are_refused(part: int) -> None:
    with pytest.raises(OverflowError):
        keys.pack([part])


@given(st.binary(max_size=12))
def test_bytes_that_are_no_key_are_refused_or_read(raw: bytes) -> None:
    try:
        keys.unpack(raw)
    except (ValueError, UnicodeDecodeError):
        pass
    except Exception as error:
        assert type(error).__name__ == "error", error  # struct.error: an integer cut short
