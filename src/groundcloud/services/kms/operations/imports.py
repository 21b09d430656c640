"""Imported key material: parameters for its wrapping, import, deletion."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, errors, imports, keys, materials, names, rotations
from groundcloud.services.kms.limits import IMPORT_PARAMETERS_MS
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import SYMMETRIC
from groundcloud.services.kms.state import CURRENT, IMPORTS, MATERIALS, PENDING_ROTATION, Import, Material

Request = dict[str, Any]


def _external(call: Call, request: Request) -> Found:
    found = names.load_own(call, request["KeyId"])
    if found.key.origin != "EXTERNAL":
        raise errors.origin_not_valid(found.arn, found.key.origin)
    return found


@operation(access=access.to_administer)
async def get_parameters_for_import(call: Call, request: Request) -> Request:
    """A new RSA key wraps the material; its private half waits in the store for a day."""
    algorithm, spec = request["WrappingAlgorithm"], request["WrappingKeySpec"]
    if algorithm == "RSAES_PKCS1_V1_5":
        raise errors.validation("RSAES_PKCS1_V1_5 is no longer supported as a wrapping algorithm.")
    if "SM2" in (algorithm[:3], spec):
        raise not_implemented("SM2 in KMS")
    keys.require_kept(_external(call, request))
    private_key = await call.in_thread(materials.generate_private, spec)
    until_ms = call.now_ms + IMPORT_PARAMETERS_MS
    with call.transaction() as tx:
        found = _external(call, request)
        key_id, token_id = found.key.key_id, call.token(32)
        sealed = materials.seal(call, key_id, materials.private_bytes(private_key))
        IMPORTS.put(tx, Import(key_id=key_id, token_id=token_id, until_ms=until_ms, algorithm=algorithm, sealed=sealed))
        call.schedule(until_ms, "kms.forget-import", [key_id, token_id], tx=tx)
    return {
        "KeyId": found.arn,
        "ImportToken": imports.issue_token(call, key_id, token_id),
        "PublicKey": materials.public_bytes(private_key),
        "ParametersValidTo": until_ms / 1000,
    }


@operation(access=access.to_administer)
def import_key_material(call: Call, request: Request) -> Request:
    found = _external(call, request)
    keys.require_kept(found)
    parameters = imports.read_token(call, found, request["ImportToken"])
    expires_ms = imports.expiry_ms(call, request)
    plain = imports.check(found.key, imports.unwrap(call, parameters, request["EncryptedKeyMaterial"]))
    key_id = found.key.key_id
    material_id = materials.material_id(key_id, plain)
    if request.get("KeyMaterialId", material_id) != material_id:
        raise errors.incorrect_key_material("The key material in the request does not have the specified key material ID.")
    before = rotations.all_of(found.tx, key_id)
    known = next((material for material in before if material.material_id == material_id), None)
    if request.get("ImportType", "EXISTING_KEY_MATERIAL" if before else "NEW_KEY_MATERIAL") == "NEW_KEY_MATERIAL":
        material = _new(found, material_id, before)
    elif known is None:
        raise errors.incorrect_key_material("The key material in the request does not match the key material that was previously imported.")
    else:
        material = known
    material = material.replace(
        sealed=materials.seal(call, key_id, plain),
        expires_ms=expires_ms,
        description=request.get("KeyMaterialDescription", material.description),
    )
    imports.store(call, found, material)
    return {"KeyId": found.arn, "KeyMaterialId": material_id}


def _new(found: Found, material_id: str, before: list[Material]) -> Material:
    """Material that the key does not have yet: its first, or for a symmetric key what the next rotation takes; in a replica, what the primary has."""
    primary = imports.of_primary(found)
    if primary is not found:
        model = MATERIALS.get(primary.tx, found.key.key_id, material_id)
        if model is None:
            raise errors.incorrect_key_material("The key material in the request does not match the key material of the primary key.")
        return model
    if before:
        if found.key.spec != SYMMETRIC:
            raise errors.unsupported(f"{found.arn} key spec is {found.key.spec} which is not valid for NEW_KEY_MATERIAL.")
        if any(material.material_id == material_id for material in before):
            raise errors.incorrect_key_material("The key material in the request is already associated with this KMS key.")
        if any(material.state == PENDING_ROTATION for material in before):
            raise errors.invalid_state(found.arn, "already has key material that is pending rotation")
    return Material(
        key_id=found.key.key_id,
        material_id=material_id,
        number=before[-1].number + 1 if before else 1,
        sealed=b"",
        state=PENDING_ROTATION if before else CURRENT,
    )


@operation(access=access.to_administer)
def delete_imported_key_material(call: Call, request: Request) -> Request:
    """Without effect on a key that waits for import anyway."""
    found = _external(call, request)
    wanted = request.get("KeyMaterialId", found.key.material_id)
    before = rotations.all_of(found.tx, found.key.key_id)
    chosen = next((material for material in before if material.material_id == wanted), None)
    if chosen is None:
        if "KeyMaterialId" in request:
            raise errors.incorrect_key_material(f"Key material {wanted} is not associated with {found.arn}.")
        return {"KeyId": found.arn}
    if chosen.sealed:
        imports.forget(call, found, chosen)
    return {"KeyId": found.arn, "KeyMaterialId": chosen.material_id}
