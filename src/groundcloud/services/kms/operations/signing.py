"""Sign, Verify, GetPublicKey."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, encryption, errors, keys, materials, names, signatures
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import SIGN_VERIFY, SPECS

Request = dict[str, Any]


def _signer(call: Call, request: Request) -> tuple[Found, str, str]:
    """The key, the algorithm and the message's type, checked."""
    found = names.load(call, request["KeyId"])
    encryption.ready(call, found, request)
    algorithm, message_type = request["SigningAlgorithm"], request.get("MessageType", "RAW")
    keys.require_usage(found, SIGN_VERIFY, call.operation)
    keys.require_algorithm(found.key, algorithm)
    signatures.check(algorithm, message_type, request["Message"])
    return found, algorithm, message_type


@operation(access=access.to_use)
def sign(call: Call, request: Request) -> Request:
    found, algorithm, message_type = _signer(call, request)
    encryption.finish(call, found, request)
    private_key = materials.ring(call).private_key(found.key.key_id, found.key.sealed)
    signature = signatures.sign(private_key, algorithm, message_type, request["Message"])
    return {"KeyId": found.arn, "Signature": signature, "SigningAlgorithm": algorithm}


@operation(access=access.to_use)
def verify(call: Call, request: Request) -> Request:
    found, algorithm, message_type = _signer(call, request)
    private_key = materials.ring(call).private_key(found.key.key_id, found.key.sealed)
    if not signatures.verify(private_key, algorithm, message_type, request["Message"], request["Signature"]):
        raise errors.invalid_signature()
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}


@operation(access=access.to_use)
def get_public_key(call: Call, request: Request) -> Request:
    found = names.load(call, request["KeyId"])
    key = found.key
    if not SPECS[key.spec].asymmetric:
        raise errors.unsupported(f"{found.arn} key spec is {key.spec} which is not valid for GetPublicKey.")
    encryption.ready(call, found, request)
    return {
        "KeyId": found.arn,
        "PublicKey": materials.public_bytes(materials.ring(call).private_key(key.key_id, key.sealed)),
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        **keys.algorithms(key),
    }
