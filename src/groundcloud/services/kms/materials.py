"""Key material: made, sealed for its rest in the store, and opened into something that computes.

Material rests sealed under the server's key, for the purpose of its key id, and leaves this process in no answer. Symmetric and HMAC keys are their bytes,
the others PKCS #8. What was opened is kept ready by its sealed form, so that it can never be out of date.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.services.kms.limits import CIPHERS_CACHED
from groundcloud.services.kms.specs import SPECS

SLOW_KINDS = frozenset(["rsa"])
"""What takes so long to make that it is done in a thread."""


class Ring:
    """Opened material, by its sealed form."""

    def __init__(self, identities: Any) -> None:
        self._identities = identities
        self.cipher = lru_cache(maxsize=CIPHERS_CACHED)(self._cipher)
        self.private_key = lru_cache(maxsize=CIPHERS_CACHED)(self._private_key)

    def plain(self, key_id: str, sealed: bytes) -> bytes:
        return self._identities.open_sealed(sealed, _purpose(key_id))  # type: ignore[no-any-return]

    def _cipher(self, key_id: str, sealed: bytes) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self.plain(key_id, sealed))

    def _private_key(self, key_id: str, sealed: bytes) -> Any:
        return load_private(self.plain(key_id, sealed))


def ring(call: Call) -> Ring:
    return call.own("ring", lambda: Ring(call.ground.identities))


def seal(call: Call, key_id: str, material: bytes) -> bytes:
    return call.ground.identities.seal(material, _purpose(key_id))


def _purpose(key_id: str) -> bytes:
    return b"kms/" + key_id.encode()


def material_id(key_id: str, material: bytes) -> str:
    """The same for the same material of the same key: an import is recognised by it. A digest of 32 or more random bytes tells nothing of them."""
    return hashlib.sha256(b"groundcloud kms material\0" + key_id.encode() + b"\0" + material).hexdigest()


def generate(spec_name: str) -> bytes:
    """New material. Takes long for RSA. Raises NotImplementedException where the cryptography library has no such algorithm."""
    spec = SPECS[spec_name]
    if spec.kind == "symmetric":
        return secrets.token_bytes(32)
    if spec.kind == "hmac":
        return secrets.token_bytes(int(spec.size) // 8)
    return private_bytes(generate_private(spec_name))


def generate_private(spec_name: str) -> Any:
    """A new private key of an asymmetric spec."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    spec = SPECS[spec_name]
    if spec.kind == "rsa":
        return rsa.generate_private_key(65_537, int(spec.size))
    if spec.kind == "ec":
        curves: dict[str, Any] = {
            "secp256r1": ec.SECP256R1,
            "secp384r1": ec.SECP384R1,
            "secp521r1": ec.SECP521R1,
            "secp256k1": ec.SECP256K1,
        }
        return ec.generate_private_key(curves[str(spec.size)]())
    if spec.kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return _generate_post_quantum(spec_name)


def _generate_post_quantum(spec_name: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    family, _, size = spec_name.rpartition("_")
    try:
        if family == "ML_DSA":
            from cryptography.hazmat.primitives.asymmetric import mldsa

            return getattr(mldsa, f"MLDSA{size}PrivateKey").generate()
        from cryptography.hazmat.primitives.asymmetric import mlkem

        return getattr(mlkem, f"MLKEM{size}PrivateKey").generate()
    except (ImportError, AttributeError, UnsupportedAlgorithm):
        raise not_implemented(f"KMS keys of the spec {spec_name} with this version of the cryptography library") from None


def private_bytes(private_key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return private_key.private_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_bytes(private_key: Any) -> bytes:
    """SubjectPublicKeyInfo in DER, as GetPublicKey answers."""
    from cryptography.hazmat.primitives import serialization

    return private_key.public_key().public_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_private(pkcs8: bytes) -> Any:
    """Raises ValueError."""
    from cryptography.hazmat.primitives import serialization

    # It was checked when it was made or imported; RSA's check takes as long as a signature.
    return serialization.load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
