"""The ciphertext blob of a symmetric key: it says under which key and which backing key it was made, so that Decrypt needs no KeyId.

    4  magic (as AWS's blobs begin, AQICAH in Base64)        1  whether the key is a multi-Region key
    6  account of the key        16  key id        32  id of the key material        12  nonce        then AES-256-GCM's output

The header and the encryption context are authenticated with the content.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import Any, NamedTuple

import msgspec

_MAGIC = b"\x01\x02\x02\x00"
_HEADER = Struct(">4sB6s16s32s")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SEALED_AT = _HEADER.size + _NONCE_BYTES

_encode = msgspec.msgpack.Encoder(order="sorted").encode


class Place(NamedTuple):
    """Whose ciphertext it is."""

    account: str
    key_id: str
    material_id: str


def seal(cipher: Any, place: Place, plaintext: bytes, context: dict[str, str] | None) -> bytes:
    """`cipher` is an AESGCM of the key material."""
    header = _header(place)
    nonce = os.urandom(_NONCE_BYTES)
    authenticated = header + _encode(context) if context else header
    return header + nonce + cipher.encrypt(nonce, plaintext, authenticated)  # type: ignore[no-any-return]


def open_(cipher: Any, blob: bytes, context: dict[str, str] | None) -> bytes | None:
    """The plaintext; None if the blob, or the context, is not what was sealed."""
    from cryptography.exceptions import InvalidTag

    header = blob[: _HEADER.size]
    authenticated = header + _encode(context) if context else header
    try:
        return cipher.decrypt(blob[_HEADER.size : _SEALED_AT], blob[_SEALED_AT:], authenticated)  # type: ignore[no-any-return]
    except InvalidTag:
        return None


def place_of(blob: bytes) -> Place | None:
    """None if this is no ciphertext of a symmetric key."""
    if len(blob) < _SEALED_AT + _TAG_BYTES or blob[:4] != _MAGIC:
        return None
    _, multi_region, account, key_id, material_id = _HEADER.unpack_from(blob)
    if multi_region > 1:
        return None
    digits = key_id.hex()
    name = f"mrk-{digits}" if multi_region else f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return Place(f"{int.from_bytes(account, 'big'):012d}", name, material_id.hex())


def _header(place: Place) -> bytes:
    multi_region = place.key_id.startswith("mrk-")
    digits = place.key_id[4:] if multi_region else place.key_id.replace("-", "")
    return _HEADER.pack(
        _MAGIC, multi_region, int(place.account).to_bytes(6, "big"), bytes.fromhex(digits), bytes.fromhex(place.material_id)
    )
