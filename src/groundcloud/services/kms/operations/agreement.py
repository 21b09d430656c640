"""Shared secrets: by ECDH with a key agreement key, by ML-KEM with a key encapsulation key."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, encryption, errors, keys, materials, names
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.operations.encryption import refuse_recipient
from groundcloud.services.kms.specs import ENCAPSULATE_DECAPSULATE, KEY_AGREEMENT

Request = dict[str, Any]


def _ready(call: Call, request: Request, usage: str, algorithm: str) -> tuple[Found, Any]:
    """The key, checked, and its private half."""
    found = names.load(call, request["KeyId"])
    encryption.ready(call, found, request)
    keys.require_usage(found, usage, call.operation)
    keys.require_algorithm(found.key, algorithm)
    return found, materials.ring(call).private_key(found.key.key_id, found.key.sealed)


@operation(access=access.to_use)
def derive_shared_secret(call: Call, request: Request) -> Request:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    refuse_recipient(request)
    found, private_key = _ready(call, request, KEY_AGREEMENT, request["KeyAgreementAlgorithm"])
    try:
        other = serialization.load_der_public_key(request["PublicKey"])
    except (ValueError, UnsupportedAlgorithm):
        raise errors.validation("The public key is not a valid DER-encoded X.509 public key.") from None
    if not isinstance(other, ec.EllipticCurvePublicKey) or other.curve.name != private_key.curve.name:
        raise errors.validation(f"The public key is incompatible with key spec {found.key.spec}.")
    secret = private_key.exchange(ec.ECDH(), other)
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "SharedSecret": secret, "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": found.key.origin}


@operation(access=access.to_use)
def encapsulate(call: Call, request: Request) -> Request:
    found, private_key = _ready(call, request, ENCAPSULATE_DECAPSULATE, request["EncapsulationAlgorithm"])
    secret, ciphertext = private_key.public_key().encapsulate()
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "SharedSecret": secret, "SharedSecretCiphertextBlob": ciphertext, "EncapsulationAlgorithm": "ML_KEM"}


@operation(access=access.to_use)
def decapsulate(call: Call, request: Request) -> Request:
    """A ciphertext of another key gives another secret, and no error: FIPS 203, implicit rejection."""
    found, private_key = _ready(call, request, ENCAPSULATE_DECAPSULATE, request["EncapsulationAlgorithm"])
    try:
        secret = private_key.decapsulate(request["SharedSecretCiphertextBlob"])
    except ValueError:
        raise errors.invalid_ciphertext() from None
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "SharedSecret": secret, "EncapsulationAlgorithm": "ML_KEM"}
