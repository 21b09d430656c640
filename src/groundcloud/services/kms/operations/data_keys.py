"""Data keys and data key pairs: made here, encrypted under a symmetric key, used outside."""

from __future__ import annotations

import secrets
from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, encryption, errors, materials, names
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.operations.encryption import refuse_recipient
from groundcloud.services.kms.specs import SPECS, SYMMETRIC

Request = dict[str, Any]

_BYTES = {"AES_256": 32, "AES_128": 16}


@operation(access=access.to_use)
def generate_data_key(call: Call, request: Request) -> Request:
    refuse_recipient(request)
    return _data_key(call, request, True)


@operation(access=access.to_use)
def generate_data_key_without_plaintext(call: Call, request: Request) -> Request:
    return _data_key(call, request, False)


@operation(access=access.to_use)
async def generate_data_key_pair(call: Call, request: Request) -> Request:
    refuse_recipient(request)
    return await _data_key_pair(call, request, True)


@operation(access=access.to_use)
async def generate_data_key_pair_without_plaintext(call: Call, request: Request) -> Request:
    return await _data_key_pair(call, request, False)


def _data_key(call: Call, request: Request, with_plaintext: bool) -> Request:
    spec, size = request.get("KeySpec"), request.get("NumberOfBytes")
    if (spec is None) == (size is None):
        raise errors.validation("Please specify either number of bytes or key spec.")
    found = _symmetric(call, request)
    plaintext = secrets.token_bytes(_BYTES[spec] if spec is not None else size)
    blob = encryption.encrypt(call, found, plaintext, request.get("EncryptionContext"))
    encryption.finish(call, found, request)
    answer = {"CiphertextBlob": blob, "KeyId": found.arn, "KeyMaterialId": found.key.material_id}
    if with_plaintext:
        answer["Plaintext"] = plaintext
    return answer


async def _data_key_pair(call: Call, request: Request, with_plaintext: bool) -> Request:
    spec = request["KeyPairSpec"]
    if spec not in SPECS:
        raise not_implemented(f"KMS data key pairs of the spec {spec}")
    with call.transaction():
        _symmetric(call, request)
    if request.get("DryRun"):
        raise errors.dry_run()
    if SPECS[spec].kind in materials.SLOW_KINDS:
        private_key = await call.in_thread(materials.generate_private, spec)
    else:
        private_key = materials.generate_private(spec)
    plaintext = materials.private_bytes(private_key)
    with call.transaction():
        found = _symmetric(call, request)
        blob = encryption.encrypt(call, found, plaintext, request.get("EncryptionContext"))
        encryption.finish(call, found, request)
    answer = {
        "PrivateKeyCiphertextBlob": blob,
        "PublicKey": materials.public_bytes(private_key),
        "KeyId": found.arn,
        "KeyPairSpec": spec,
        "KeyMaterialId": found.key.material_id,
    }
    if with_plaintext:
        answer["PrivateKeyPlaintext"] = plaintext
    return answer


def _symmetric(call: Call, request: Request) -> Found:
    """The request's key, ready to encrypt data keys."""
    found = names.load(call, request["KeyId"])
    encryption.ready(call, found, request)
    encryption.check(found, SYMMETRIC, None, call.operation)
    return found
