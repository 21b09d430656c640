"""Identifiers, all from one source of randomness, so that a run can be replayed from its seed."""

from __future__ import annotations

import random

_UPPER_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def uuid_text(source: random.Random) -> str:
    """A version 4 UUID, lower case with dashes."""
    bits = source.getrandbits(128)
    bits = (bits & ~(0xF << 76)) | (4 << 76)
    bits = (bits & ~(0x3 << 62)) | (2 << 62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def hex_text(source: random.Random, digits: int) -> str:
    return f"{source.getrandbits(digits * 4):0{digits}x}"


def unique_id(source: random.Random, prefix: str, length: int) -> str:
    """An IAM-style unique identifier: `prefix` and base32 characters up to `length` in all (AROA..., AIDA..., ASIA...)."""
    return prefix + "".join(source.choices(_UPPER_ALPHANUMERIC, k=length - len(prefix)))
