"""Imported key material: wrapping keys, unwrapping, and what its coming and going does to a key. AWS: "Importing key material".

A key is Enabled only while every material that it ever encrypted with is there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.services.kms import errors, materials, names, rotations
from groundcloud.services.kms.limits import DAY_MS
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import SPECS
from groundcloud.services.kms.state import (
    CURRENT,
    ENABLED,
    IMPORTS,
    MATERIALS,
    PENDING_DELETION,
    PENDING_IMPORT,
    PENDING_REPLICA_DELETION,
    PENDING_ROTATION,
    Import,
    Key,
    Material,
)

_TOKEN_PURPOSE = b"kms-import-token"
VALID_DAYS_MAX = 365


def issue_token(call: Call, key_id: str, token_id: str) -> bytes:
    return call.ground.identities.seal(msgspec.msgpack.encode((key_id, token_id)), _TOKEN_PURPOSE)


def read_token(call: Call, found: Found, token: bytes) -> Import:
    """Raises InvalidImportTokenException, ExpiredImportTokenException."""
    from cryptography.exceptions import InvalidTag

    try:
        key_id, token_id = msgspec.msgpack.decode(call.ground.identities.open_sealed(token, _TOKEN_PURPOSE))
    except (ValueError, InvalidTag, msgspec.DecodeError):
        raise errors.invalid_import_token() from None
    if key_id != found.key.key_id:
        raise errors.invalid_import_token()
    parameters = IMPORTS.get(found.tx, key_id, token_id)
    if parameters is None or parameters.until_ms <= call.now_ms:
        raise errors.expired_import_token()
    return parameters


def unwrap(call: Call, parameters: Import, wrapped: bytes) -> bytes:
    """Raises InvalidCiphertextException."""
    from cryptography.hazmat.primitives import hashes, keywrap
    from cryptography.hazmat.primitives.asymmetric import padding

    private_key = materials.load_private(materials.ring(call).plain(parameters.key_id, parameters.sealed))
    digest: Any = hashes.SHA1() if parameters.algorithm.endswith("SHA_1") else hashes.SHA256()
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    try:
        if not parameters.algorithm.startswith("RSA_AES_KEY_WRAP"):
            return private_key.decrypt(wrapped, oaep)  # type: ignore[no-any-return]
        size = private_key.key_size // 8
        return keywrap.aes_key_unwrap_with_padding(private_key.decrypt(wrapped[:size], oaep), wrapped[size:])
    except (ValueError, keywrap.InvalidUnwrap):
        raise errors.invalid_ciphertext() from None


def check(key: Key, material: bytes) -> bytes:
    """The material as it is kept. Raises IncorrectKeyMaterialException if it is none of the key's spec."""
    spec = SPECS[key.spec]
    if not spec.asymmetric:
        if len(material) != (32 if spec.kind == "symmetric" else int(spec.size) // 8):
            raise errors.incorrect_key_material(f"The key material has a wrong length for key spec {key.spec}.")
        return material
    try:
        private_key = materials.load_private(material)
    except (ValueError, TypeError):
        raise errors.incorrect_key_material("The key material is no PKCS #8 private key.") from None
    if spec.kind == "ed25519":
        from cryptography.hazmat.primitives.asymmetric import ed25519

        if not isinstance(private_key, ed25519.Ed25519PrivateKey):
            raise errors.incorrect_key_material(f"The key material does not match key spec {key.spec}.")
        return materials.private_bytes(private_key)
    actual: Any = getattr(getattr(private_key, "curve", None), "name", None) or getattr(private_key, "key_size", None)
    if actual != spec.size:
        raise errors.incorrect_key_material(f"The key material does not match key spec {key.spec}.")
    return materials.private_bytes(private_key)


def expiry_ms(call: Call, request: dict[str, Any]) -> int:
    """When the material is to be forgotten; 0 for never. Raises ValidationException."""
    model, valid_to = request.get("ExpirationModel", "KEY_MATERIAL_EXPIRES"), request.get("ValidTo")
    if model == "KEY_MATERIAL_DOES_NOT_EXPIRE":
        if valid_to is not None:
            raise errors.validation("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE.")
        return 0
    if valid_to is None:
        raise errors.validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES.")
    until_ms = int(valid_to * 1000)
    if not call.now_ms < until_ms <= call.now_ms + VALID_DAYS_MAX * DAY_MS:
        raise errors.validation(f"The validTo date must be in the future, and at most {VALID_DAYS_MAX} days from now.")
    return until_ms


def store(call: Call, found: Found, material: Material) -> None:
    """Writes imported material, the key's state, and the timer of its expiry."""
    key = found.key
    MATERIALS.put(found.tx, material)
    if material.state == CURRENT:
        key = key.replace(material_id=material.material_id, sealed=material.sealed, expires_ms=material.expires_ms)
    settle(found, key)
    timer_key = f"{key.key_id}/{material.material_id}"
    if material.expires_ms:
        payload = [key.key_id, material.material_id]
        call.schedule(material.expires_ms, "kms.expire-material", payload, key=timer_key, tx=found.tx)
    else:
        call.unschedule("kms.expire-material", timer_key, tx=found.tx)


def forget(call: Call, found: Found, material: Material) -> None:
    """Takes the material away; one that only waited for its rotation goes whole."""
    if material.state == PENDING_ROTATION:
        MATERIALS.delete(found.tx, material.key_id, material.material_id)
    else:
        MATERIALS.put(found.tx, material.replace(sealed=b"", expires_ms=0))
    key = found.key
    if material.state == CURRENT:
        key = key.replace(sealed=b"", expires_ms=0)
    settle(found, key)
    call.unschedule("kms.expire-material", f"{material.key_id}/{material.material_id}", tx=found.tx)


def is_whole(found: Found) -> bool:
    """Whether every material is there that something may have been encrypted with, in any region of the key."""
    key_id = found.key.key_id
    known = [material for material in rotations.all_of(of_primary(found).tx, key_id) if material.state != PENDING_ROTATION]
    here = {material.material_id for material in rotations.all_of(found.tx, key_id) if material.sealed}
    return bool(known) and all(material.material_id in here for material in known)


def of_primary(found: Found) -> Found:
    """The key of which this one is a replica, or itself. Material is imported there first."""
    region = found.key.primary_region
    return found if region in ("", found.tx.region) else names.in_region(found, region)


def settle(found: Found, key: Key) -> None:
    """The key's state by its material; a key on its way out stays there."""
    if key.state not in (PENDING_DELETION, PENDING_REPLICA_DELETION):
        whole = is_whole(found)
        if not whole:
            key = key.replace(state=PENDING_IMPORT)
        elif key.state == PENDING_IMPORT:
            key = key.replace(state=ENABLED)
    found.put(key)
