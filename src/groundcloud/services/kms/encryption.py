"""Encrypting and decrypting under a key: symmetric ones with an encryption context, RSA by OAEP. Works on found keys; the operations are in `operations`."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.kms import ciphertexts, errors, grant_tokens, keys, materials
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import ENCRYPT_DECRYPT, SPECS, SYMMETRIC
from groundcloud.services.kms.state import MATERIALS

Request = dict[str, Any]

OVERHEAD_BYTES = {"RSAES_OAEP_SHA_1": 2 * 20 + 2, "RSAES_OAEP_SHA_256": 2 * 32 + 2}
"""What OAEP takes of the modulus. RFC 8017, section 7.1.1."""


def ready(call: Call, found: Found, request: Request) -> None:
    """What every use of a key checks: its state, and the grant tokens."""
    keys.require_enabled(found)
    if tokens := request.get("GrantTokens"):
        grant_tokens.check(call, tokens)


def finish(call: Call, found: Found, request: Request) -> None:
    """Every check has passed: a dry run ends here, and others are noted."""
    if request.get("DryRun"):
        raise errors.dry_run()
    keys.used(call, found)


def encrypt(call: Call, found: Found, plaintext: bytes, context: dict[str, str] | None, algorithm: str = SYMMETRIC) -> bytes:
    """The ciphertext blob, or RSA's ciphertext."""
    key = found.key
    ring = materials.ring(call)
    if algorithm == SYMMETRIC:
        place = ciphertexts.Place(found.tx.account, key.key_id, key.material_id)
        return ciphertexts.seal(ring.cipher(key.key_id, key.sealed), place, plaintext, context)
    largest = int(SPECS[key.spec].size) // 8 - OVERHEAD_BYTES[algorithm]
    if len(plaintext) > largest:
        raise errors.validation(f"Algorithm {algorithm} and key spec {key.spec} cannot encrypt data larger than {largest} bytes.")
    return ring.private_key(key.key_id, key.sealed).public_key().encrypt(plaintext, _oaep(algorithm))  # type: ignore[no-any-return]


def check(found: Found, algorithm: str, context: dict[str, str] | None, operation: str) -> None:
    """Whether the key encrypts by this algorithm; only symmetric keys take a context."""
    keys.require_usage(found, ENCRYPT_DECRYPT, operation)
    keys.require_algorithm(found.key, algorithm)
    if context and algorithm != SYMMETRIC:
        raise errors.validation("Encryption context is not supported with asymmetric keys.")


def decrypt(call: Call, found: Found, blob: bytes, context: dict[str, str] | None, algorithm: str = SYMMETRIC) -> tuple[bytes, str]:
    """(plaintext, id of the key material that opened it). Raises InvalidCiphertextException, IncorrectKeyException."""
    key = found.key
    ring = materials.ring(call)
    if algorithm != SYMMETRIC:
        try:
            return ring.private_key(key.key_id, key.sealed).decrypt(blob, _oaep(algorithm)), ""
        except ValueError:
            raise errors.invalid_ciphertext() from None
    place = ciphertexts.place_of(blob)
    if place is None:
        raise errors.invalid_ciphertext()
    if place.key_id != key.key_id or place.account != found.tx.account:
        raise errors.incorrect_key()
    sealed = key.sealed
    if place.material_id != key.material_id:
        older = MATERIALS.get(found.tx, key.key_id, place.material_id)
        if older is None:
            raise errors.invalid_ciphertext()
        sealed = older.sealed
    plaintext = ciphertexts.open_(ring.cipher(key.key_id, sealed), blob, context)
    if plaintext is None:
        raise errors.invalid_ciphertext()
    return plaintext, place.material_id


def _oaep(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    digest: Any = hashes.SHA1() if algorithm == "RSAES_OAEP_SHA_1" else hashes.SHA256()
    return padding.OAEP(padding.MGF1(digest), digest, None)
