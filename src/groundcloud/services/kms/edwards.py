"""Ed25519ph, the prehashed form of Ed25519, which the cryptography library lacks. Source: RFC 8032, sections 5.1 and 7.3.

Numbers of Python: milliseconds for a signature, and not in constant time.
"""

from __future__ import annotations

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_DOMAIN = b"SigEd25519 no Ed25519 collisions" + bytes([1, 0])
"""dom2 with the flag of the prehashed form and an empty context."""

Point = tuple[int, int, int, int]
_ZERO: Point = (0, 1, 1, 0)


def sign(seed: bytes, prehash: bytes) -> bytes:
    """`seed`: the 32 bytes of the private key; `prehash`: SHA-512 of the message."""
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    public = _pack(_times(scalar, _base()))
    nonce = _hash(_DOMAIN, digest[32:], prehash)
    commitment = _pack(_times(nonce, _base()))
    answer = (nonce + _hash(_DOMAIN, commitment, public, prehash) * scalar) % _ORDER
    return commitment + answer.to_bytes(32, "little")


def verify(public: bytes, signature: bytes, prehash: bytes) -> bool:
    if len(signature) != 64:
        return False
    answer = int.from_bytes(signature[32:], "little")
    point, commitment = _unpack(public), _unpack(signature[:32])
    if answer >= _ORDER or point is None or commitment is None:
        return False
    challenge = _hash(_DOMAIN, signature[:32], public, prehash)
    left, right = _times(answer, _base()), _add(commitment, _times(challenge, point))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


def _hash(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % _ORDER


def _base() -> Point:
    y = 4 * pow(5, -1, _P) % _P
    x = _x_of(y, 0)
    assert x is not None
    return x, y, 1, x * y % _P


def _x_of(y: int, sign_bit: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if square == 0:
        return None if sign_bit else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        return None
    return x if x & 1 == sign_bit else _P - x


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: Point) -> Point:
    total = _ZERO
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _pack(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _unpack(packed: bytes) -> Point | None:
    if len(packed) != 32:
        return None
    y = int.from_bytes(packed, "little")
    sign_bit, y = y >> 255, y & ((1 << 255) - 1)
    x = _x_of(y, sign_bit)
    return None if x is None else (x, y, 1, x * y % _P)
