"""SigV4a: the same request signed with an ECDSA key derived from the secret, good in a set of regions.

AWS: "AWS SigV4 and SigV4a signing", key derivation by NIST SP 800-108 in counter mode. Apart because it needs `cryptography`,
which is imported at the first such signature. Region sets are not matched against the server's region: the caller may.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_ALGORITHM = b"AWS4-ECDSA-P256-SHA256"
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # the order of P-256, FIPS 186-4
_KEYS_MAX = 256


def matches(access_key_id: str, secret: str, string_to_sign: str, candidate: str) -> bool:
    """Whether `candidate` (hexadecimal DER, perhaps padded with `*` as in chunks) signs `string_to_sign`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        mark = bytes.fromhex(candidate.rstrip("*"))
    except ValueError:
        return False
    try:
        public_key(access_key_id, secret).verify(mark, string_to_sign.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(_KEYS_MAX)
def public_key(access_key_id: str, secret: str) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(private_number(access_key_id, secret), ec.SECP256R1()).public_key()


def private_number(access_key_id: str, secret: str) -> int:
    """The private key: the first candidate, counting from 1, that lies below n - 2, plus one."""
    key = b"AWS4A" + secret.encode()
    for counter in range(1, 255):
        block = b"\x00\x00\x00\x01" + _ALGORITHM + b"\x00" + access_key_id.encode() + bytes([counter]) + (256).to_bytes(4, "big")
        candidate = int.from_bytes(hmac.digest(key, block, "sha256"), "big")
        if candidate <= _N - 2:
            return candidate + 1
    raise ValueError("no key can be derived")  # odds of 2^-8000
