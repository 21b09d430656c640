"""Tuples of `str`, `int` and `bytes` as byte strings that sort as the tuples do.

The encoding is FoundationDB's tuple layer in spirit (its design document, "Tuple layer"), with one fixed width for integers:
  bytes  0x01, the bytes with 0x00 written as 0x00 0xFF, 0x00
  str    0x02, UTF-8 in the same way, 0x00
  int    0x15, eight bytes big-endian, offset by 2**63
A tuple is its parts' encodings one after the other, so a prefix of a tuple is a prefix of its key.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

Part = str | int | bytes

_INT = Struct(">cQ")
_OFFSET = 1 << 63
_HIGHEST_TAG = b"\xff"


def pack(parts: Iterable[Part]) -> bytes:
    """Raises TypeError for any other type of part, OverflowError beyond 64 signed bits."""
    out = []
    for part in parts:
        kind = type(part)
        if kind is str:
            text = part.encode("utf-8", "surrogatepass")  # type: ignore[union-attr]
            if b"\x00" in text:
                text = text.replace(b"\x00", b"\x00\xff")
            out.append(b"\x02" + text + b"\x00")
        elif kind is int:
            shifted = part + _OFFSET  # type: ignore[operator]
            if not 0 <= shifted < 1 << 64:
                raise OverflowError(f"key part beyond 64 bits: {part!r}")
            out.append(_INT.pack(b"\x15", shifted))
        elif kind is bytes:
            out.append(b"\x01" + part.replace(b"\x00", b"\x00\xff") + b"\x00")  # type: ignore[union-attr,arg-type,operator]
        else:
            raise TypeError(f"a key part is str, int or bytes, not {kind.__name__}")
    return b"".join(out)


def unpack(key: bytes, offset: int = 0) -> tuple[Part, ...]:
    """The parts from `offset` on. Raises ValueError on bytes that `pack` did not write."""
    parts: list[Part] = []
    end = len(key)
    while offset < end:
        tag = key[offset]
        if tag == 0x15:
            parts.append(_INT.unpack_from(key, offset)[1] - _OFFSET)
            offset += 9
            continue
        if tag not in (1, 2):
            raise ValueError(f"unknown tag {tag:#x} in key")
        stop = key.index(b"\x00", offset + 1)
        escaped = False
        while stop + 1 < end and key[stop + 1] == 0xFF:
            escaped = True
            stop = key.index(b"\x00", stop + 2)
        raw = key[offset + 1 : stop]
        if escaped:
            raw = raw.replace(b"\x00\xff", b"\x00")
        parts.append(raw.decode("utf-8", "surrogatepass") if tag == 2 else raw)
        offset = stop + 1
    return tuple(parts)


def after(prefix: bytes) -> bytes:
    """The lowest key above every key that begins with `prefix` (a packed tuple)."""
    return prefix + _HIGHEST_TAG
