"""Content at rest: AES-256 in Galois/counter mode, in chunks, so that any range is read without what comes before it and a changed byte is found.

A content has a key that no other has, so the number of a chunk does as its nonce. What rests is each chunk's ciphertext with its tag, one after the
other. With two keys (DSSE-KMS) a chunk is encrypted by the first and its ciphertext again by the second. The content's length rests in its record.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
KEY_BYTES = 32
SALT_BYTES = 16
OPENERS_MAX = 1024
_FIRST = bytes(12)


class Tampered(Exception):
    """What rests is not what was written."""


class Cipher:
    """Seals and opens chunks under one key, or two."""

    __slots__ = ("_into", "_layers", "sealed_chunk_bytes")

    def __init__(self, keys: Sequence[bytes]) -> None:
        aead = _aead or _load()
        self._layers = [aead(key) for key in keys]
        self._into = hasattr(aead, "decrypt_into")  # newer releases have it
        self.sealed_chunk_bytes = CHUNK_BYTES + TAG_BYTES * len(keys)

    def seal(self, data: bytes, first: int = 0) -> bytes | bytearray:
        """The sealed chunks of `data`, which is whole chunks but for the content's end. `first` is the number of the first."""
        if len(data) <= CHUNK_BYTES:
            return self._seal(data, first) if data else b""
        size, view = self.sealed_chunk_bytes, memoryview(data)
        places = range(0, len(data), CHUNK_BYTES)
        if len(self._layers) > 1 or not self._into:
            return b"".join([self._seal(view[at : at + CHUNK_BYTES], first + number) for number, at in enumerate(places)])
        # Into one piece of memory: many pieces of a chunk's size cost several times what the cipher does.
        sealed = bytearray(sealed_bytes(len(data)))
        room, encrypt = memoryview(sealed), self._layers[0].encrypt_into
        for number, at in enumerate(places):
            encrypt(_nonce(first + number), view[at : at + CHUNK_BYTES], None, room[number * size : (number + 1) * size])
        return sealed

    def open(self, sealed: bytes | bytearray, first: int = 0) -> bytes | bytearray:
        """The content of whole sealed chunks. Raises Tampered."""
        size, view = self.sealed_chunk_bytes, memoryview(sealed)
        places = range(0, len(sealed), size)
        try:
            if len(sealed) <= size:
                return self._open(sealed, first) if sealed else b""
            if len(self._layers) > 1 or not self._into:
                return b"".join([self._open(view[at : at + size], first + number) for number, at in enumerate(places)])
            data = bytearray(len(sealed) - TAG_BYTES * len(places))
            room, decrypt = memoryview(data), self._layers[0].decrypt_into
            for number, at in enumerate(places):
                decrypt(_nonce(first + number), view[at : at + size], None, room[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
            return data
        except _wrong():
            raise Tampered from None

    def sealed_range(self, start: int, stop: int, size_bytes: int) -> tuple[int, int]:
        """Where the chunks that hold the bytes from `start` to before `stop` of a content of `size_bytes` rest."""
        chunk = self.sealed_chunk_bytes
        end = (stop - 1) // CHUNK_BYTES + 1
        return start // CHUNK_BYTES * chunk, min(end * chunk, sealed_bytes(size_bytes, len(self._layers)))

    def _seal(self, data: bytes | memoryview, number: int) -> bytes:
        for layer in self._layers:
            data = layer.encrypt(_nonce(number), data, None)
        return data  # type: ignore[return-value]

    def _open(self, sealed: bytes | bytearray | memoryview, number: int) -> bytes:
        for layer in reversed(self._layers):
            sealed = layer.decrypt(_nonce(number), sealed, None)
        return sealed  # type: ignore[return-value]


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big") if number else _FIRST


def sealed_bytes(size_bytes: int, layers: int = 1) -> int:
    """How much a content of `size_bytes` is at rest."""
    return size_bytes + TAG_BYTES * layers * -(-size_bytes // CHUNK_BYTES)


def new_salt() -> bytes:
    return os.urandom(SALT_BYTES)


@lru_cache(maxsize=OPENERS_MAX)
def opener(keys: tuple[bytes, ...]) -> Cipher:
    """The cipher of content that is read, which may soon be read again."""
    return Cipher(keys)


def derive(root: bytes, salt: bytes) -> bytes:
    """A key of its own from a key that many share."""
    begun = _begun(root).copy()
    begun.update(salt)
    return begun.digest()


@lru_cache(maxsize=OPENERS_MAX)
def _begun(root: bytes) -> hmac.HMAC:
    """What every key from one root begins with."""
    return hmac.new(root, digestmod="sha256")


def seal_key(key: bytes, under: bytes, salt: bytes) -> bytes:
    """A key, encrypted under another that is used with that salt once."""
    return bytes((_aead or _load())(derive(under, salt + b"envelope")).encrypt(_FIRST, key, b"key"))


def open_key(sealed: bytes, under: bytes, salt: bytes) -> bytes:
    """Raises Tampered."""
    try:
        return bytes((_aead or _load())(derive(under, salt + b"envelope")).decrypt(_FIRST, sealed, b"key"))
    except _wrong():
        raise Tampered from None


_aead: Any = None


def _load() -> Any:
    """`cryptography` takes 14 ms to import: not before there is content."""
    global _aead
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    _aead = AESGCM
    return AESGCM


def _wrong() -> tuple[type[Exception], ...]:
    """What is raised over content that is not what it was; what is too short for its tag is a ValueError."""
    from cryptography.exceptions import InvalidTag

    return InvalidTag, ValueError
