"""What KMS does by itself: rotates keys, deletes those whose waiting period is over, forgets imported material that expires."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.kms import deletions, imports, rotations
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import IMPORTS, KEYS, MATERIALS


@timer("kms.delete")
def delete(call: Call, key_id: str) -> None:
    deletions.carry_out(call, call.tx, key_id)


@timer("kms.rotate")
def rotate(call: Call, key_id: str) -> None:
    key = KEYS.get(call.tx, key_id)
    if key is not None:
        rotations.due(call, Found(call.tx, key, call.arn("kms", f"key/{key_id}")))


@timer("kms.expire-material")
def expire_material(call: Call, place: list[str]) -> None:
    key_id, material_id = place
    key, material = KEYS.get(call.tx, key_id), MATERIALS.get(call.tx, key_id, material_id)
    if key is not None and material is not None and material.sealed and 0 < material.expires_ms <= call.now_ms:
        imports.forget(call, Found(call.tx, key, call.arn("kms", f"key/{key_id}")), material)


@timer("kms.forget-import")
def forget_import(call: Call, place: list[str]) -> None:
    IMPORTS.delete(call.tx, *place)
