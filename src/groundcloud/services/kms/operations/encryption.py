"""Encrypt, Decrypt, ReEncrypt, and random bytes."""

from __future__ import annotations

import os
from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.kms import access, ciphertexts, encryption, errors, keys, names
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import SYMMETRIC

Request = dict[str, Any]


@operation(access=access.to_use)
def encrypt(call: Call, request: Request) -> Request:
    found = names.load(call, request["KeyId"])
    encryption.ready(call, found, request)
    algorithm, context = request.get("EncryptionAlgorithm", SYMMETRIC), request.get("EncryptionContext")
    encryption.check(found, algorithm, context, "Encrypt")
    blob = encryption.encrypt(call, found, request["Plaintext"], context, algorithm)
    encryption.finish(call, found, request)
    return {"CiphertextBlob": blob, "KeyId": found.arn, "EncryptionAlgorithm": algorithm}


@operation(access=access.to_decrypt)
def decrypt(call: Call, request: Request) -> Request:
    refuse_recipient(request)
    found = _source(call, request, request.get("KeyId"))
    encryption.ready(call, found, request)
    algorithm, context = request.get("EncryptionAlgorithm", SYMMETRIC), request.get("EncryptionContext")
    encryption.check(found, algorithm, context, "Decrypt")
    if access.ignores_ciphertext(request):
        raise errors.dry_run()
    plaintext, material_id = encryption.decrypt(call, found, request["CiphertextBlob"], context, algorithm)
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm, "KeyMaterialId": material_id or None}


def _both_keys(call: Call, request: Request) -> list[Access]:
    """ReEncrypt needs kms:ReEncryptFrom of the source and kms:ReEncryptTo of the destination."""
    target = names.place(call, request["DestinationKeyId"], True)
    blob, source_id = request.get("CiphertextBlob"), request.get("SourceKeyId")
    source = names.place(call, source_id, True).key_id if source_id else getattr(ciphertexts.place_of(blob or b""), "key_id", "")
    same = "true" if source == target.key_id else "false"
    from_context, to_context = request.get("SourceEncryptionContext"), request.get("DestinationEncryptionContext")
    facts = [
        {
            "kms:ReEncryptOnSameKey": same,
            "kms:EncryptionAlgorithm": request.get(f"{side}EncryptionAlgorithm", SYMMETRIC),
            **access.of_encryption_context(context or {}),
        }
        for side, context in (("Source", from_context), ("Destination", to_context))
    ]
    access.require_source(call, "kms:ReEncryptFrom", request, source_id, blob, from_context, facts[0])
    access.require(call, "kms:ReEncryptTo", target, request, extra=facts[1], context=to_context or {})
    return []


@operation(access=_both_keys)
def re_encrypt(call: Call, request: Request) -> Request:
    source, target = _source(call, request, request.get("SourceKeyId")), names.load(call, request["DestinationKeyId"])
    encryption.ready(call, source, request)
    encryption.ready(call, target, request)
    from_algorithm = request.get("SourceEncryptionAlgorithm", SYMMETRIC)
    to_algorithm = request.get("DestinationEncryptionAlgorithm", SYMMETRIC)
    from_context, to_context = request.get("SourceEncryptionContext"), request.get("DestinationEncryptionContext")
    encryption.check(source, from_algorithm, from_context, "ReEncrypt")
    encryption.check(target, to_algorithm, to_context, "ReEncrypt")
    if access.ignores_ciphertext(request):
        raise errors.dry_run()
    plaintext, source_material_id = encryption.decrypt(call, source, request["CiphertextBlob"], from_context, from_algorithm)
    blob = encryption.encrypt(call, target, plaintext, to_context, to_algorithm)
    encryption.finish(call, source, request)
    keys.used(call, target)
    return {
        "CiphertextBlob": blob,
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": from_algorithm,
        "DestinationEncryptionAlgorithm": to_algorithm,
        "SourceKeyMaterialId": source_material_id or None,
        "DestinationKeyMaterialId": target.key.material_id if to_algorithm == SYMMETRIC else None,
    }


@operation()
def generate_random(call: Call, request: Request) -> Request:
    refuse_recipient(request)
    if "CustomKeyStoreId" in request:
        raise not_implemented("KMS custom key stores (CustomKeyStoreId)")
    if "NumberOfBytes" not in request:
        raise errors.validation("Please specify the number of bytes.")
    return {"Plaintext": os.urandom(request["NumberOfBytes"])}


def refuse_recipient(request: Request) -> None:
    if request.get("Recipient"):
        raise not_implemented("KMS answers to attested enclaves (Recipient)")


def _source(call: Call, request: Request, key_id: str | None) -> Found:
    """The key that opens the request's ciphertext; that it may be used has been decided."""
    if key_id is not None:
        return names.load(call, key_id)
    source = ciphertexts.place_of(request.get("CiphertextBlob") or b"")
    named = access.of_ciphertext(call, source) if source is not None else None
    if named is None or named.key is None:
        raise errors.invalid_ciphertext()
    return Found(named.tx, named.key, named.arn)
