"""Signing and verifying by each algorithm: a private key, a message or its digest, a signature."""

from __future__ import annotations

import hashlib
from typing import Any

from groundcloud.services.kms import edwards, errors

DIGEST_BYTES = {"256": 32, "384": 48, "512": 64}
MU_BYTES = 64


def check(algorithm: str, message_type: str, message: bytes) -> None:
    """Whether the algorithm takes a message of this type and length. Raises ValidationException."""
    taken = {"ED25519_SHA_512": ("RAW",), "ED25519_PH_SHA_512": ("DIGEST",), "ML_DSA_SHAKE_256": ("RAW", "EXTERNAL_MU")}
    if message_type not in taken.get(algorithm, ("RAW", "DIGEST")):
        raise errors.validation(f"MessageType {message_type} is not valid for algorithm {algorithm}.")
    if message_type == "DIGEST" and len(message) != DIGEST_BYTES[algorithm[-3:]]:
        raise errors.validation(f"Digest is invalid length for algorithm {algorithm}.")
    if message_type == "EXTERNAL_MU" and len(message) != MU_BYTES:
        raise errors.validation(f"External mu is invalid length for algorithm {algorithm}.")


def sign(private_key: Any, algorithm: str, message_type: str, message: bytes) -> bytes:
    if algorithm == "ED25519_SHA_512":
        return private_key.sign(message)  # type: ignore[no-any-return]
    if algorithm == "ED25519_PH_SHA_512":
        return edwards.sign(private_key.private_bytes_raw(), hashlib.sha512(message).digest())
    if algorithm == "ML_DSA_SHAKE_256":
        return private_key.sign_mu(message) if message_type == "EXTERNAL_MU" else private_key.sign(message)  # type: ignore[no-any-return]
    if algorithm.startswith("ECDSA"):
        return private_key.sign(message, _ecdsa(algorithm, message_type))  # type: ignore[no-any-return]
    return private_key.sign(message, *_rsa(algorithm, message_type))  # type: ignore[no-any-return]


def verify(private_key: Any, algorithm: str, message_type: str, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    public_key = private_key.public_key()
    if algorithm == "ED25519_PH_SHA_512":
        return edwards.verify(public_key.public_bytes_raw(), signature, hashlib.sha512(message).digest())
    try:
        if algorithm == "ED25519_SHA_512":
            public_key.verify(signature, message)
        elif algorithm == "ML_DSA_SHAKE_256":
            (public_key.verify_mu if message_type == "EXTERNAL_MU" else public_key.verify)(signature, message)
        elif algorithm.startswith("ECDSA"):
            public_key.verify(signature, message, _ecdsa(algorithm, message_type))
        else:
            public_key.verify(signature, message, *_rsa(algorithm, message_type))
    except (InvalidSignature, ValueError):
        return False
    return True


def _digest(algorithm: str, message_type: str) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import utils

    kinds: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    digest = kinds[algorithm[-3:]]()
    return utils.Prehashed(digest) if message_type == "DIGEST" else digest


def _ecdsa(algorithm: str, message_type: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.ECDSA(_digest(algorithm, message_type))


def _rsa(algorithm: str, message_type: str) -> tuple[Any, Any]:
    """(padding, digest). AWS: the PSS salt is as long as the digest."""
    from cryptography.hazmat.primitives.asymmetric import padding

    digest = _digest(algorithm, message_type)
    if algorithm.startswith("RSASSA_PKCS1"):
        return padding.PKCS1v15(), digest
    return padding.PSS(padding.MGF1(_digest(algorithm, "RAW")), DIGEST_BYTES[algorithm[-3:]]), digest
