"""Chunks at rest: what is sealed opens again from any chunk on, and nothing else does."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.s3.bucket_keys import KEPT_MAX, KEPT_S, BucketKeys, DataKey
from groundcloud.services.s3.ciphers import CHUNK_BYTES, Cipher, Tampered, derive, open_key, seal_key, sealed_bytes

KEYS = (bytes(32), bytes(range(32)))
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_again(layers: int, size: int) -> None:
    data = os.urandom(size)
    sealed = Cipher(KEYS[:layers]).seal(data)
    assert len(sealed) == sealed_bytes(size, layers)
    assert Cipher(KEYS[:layers]).open(sealed) == data
    assert size < 16 or data[:16] not in sealed


@given(st.data(), st.sampled_from(SIZES[1:]), st.sampled_from([1, 2]))
def test_any_range_opens_from_the_chunks_that_hold_it(draw: st.DataObject, size: int, layers: int) -> None:
    data = bytes(size - 1) + b"e"
    start = draw.draw(st.integers(0, size - 1))
    stop = draw.draw(st.integers(start + 1, size))
    cipher = Cipher(KEYS[:layers])
    begin, end = cipher.sealed_range(start, stop, size)
    first = start // CHUNK_BYTES
    opened = cipher.open(cipher.seal(data)[begin:end], first)
    assert opened[start - first * CHUNK_BYTES : stop - first * CHUNK_BYTES] == data[start:stop]


@pytest.mark.parametrize("change", ["byte", "order", "cut", "key", "place"])
def test_a_change_is_found(change: str) -> None:
    cipher = Cipher(KEYS[:1])
    sealed, first = cipher.seal(os.urandom(2 * CHUNK_BYTES + 5)), 0
    size = cipher.sealed_chunk_bytes
    if change == "byte":
        sealed = sealed[:70_000] + bytes([sealed[70_000] ^ 1]) + sealed[70_001:]
    elif change == "order":
        sealed = sealed[size : 2 * size] + sealed[:size] + sealed[2 * size :]
    elif change == "cut":
        sealed = sealed[:-1]
    elif change == "key":
        cipher = Cipher(KEYS[1:])
    else:
        first = 1
    with pytest.raises(Tampered):
        cipher.open(sealed, first)


def test_a_key_opens_under_the_key_and_salt_that_sealed_it() -> None:
    sealed = seal_key(KEYS[1], KEYS[0], b"salt")
    assert open_key(sealed, KEYS[0], b"salt") == KEYS[1]
    for under, salt in ((KEYS[1], b"salt"), (KEYS[0], b"other")):
        with pytest.raises(Tampered):
            open_key(sealed, under, salt)
    assert len({derive(KEYS[0], b"a"), derive(KEYS[0], b"b"), derive(KEYS[1], b"a")}) == 3


def test_bucket_keys_are_kept_for_a_while_and_the_newest_of_them() -> None:
    kept = BucketKeys()
    kept.keep("a", DataKey(b"plain", b"wrapped", "arn"), 100)
    assert kept.get("a", 100 + KEPT_S - 1) == DataKey(b"plain", b"wrapped", "arn")
    assert kept.get("a", 100 + KEPT_S) is None
    for number in range(KEPT_MAX + 1):
        kept.keep(number, DataKey(b"", b"", ""), 100)
    assert kept.get(0, 100) is None
    assert kept.get(1, 100) is not None
