"""Rotation of key material: the schedule, on demand, and what has been."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, errors, keys, names, pages, rotations
from groundcloud.services.kms.limits import ROTATION_DAYS_DEFAULT, ROTATIONS_ON_DEMAND_MAX
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import SYMMETRIC
from groundcloud.services.kms.state import MATERIALS, PENDING_DELETION, PENDING_REPLICA_DELETION, PENDING_ROTATION, Material

Request = dict[str, Any]


def _require_rotatable(found: Found) -> None:
    if found.key.spec != SYMMETRIC:
        raise errors.unsupported(f"{found.arn} key spec is {found.key.spec} which is not valid for this operation.")


def _require_scheduled(found: Found) -> None:
    """Automatic rotation is of symmetric keys whose material KMS made; of a multi-Region key its primary's matter."""
    if found.key.origin != "AWS_KMS":
        raise errors.origin_not_valid(found.arn, found.key.origin)
    _require_rotatable(found)
    if found.key.primary_region not in ("", found.tx.region):
        raise errors.unsupported(f"{found.arn} is a replica key, which is not valid for this operation.")


@operation(access=access.to_administer)
def enable_key_rotation(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    _require_scheduled(found)
    keys.require_enabled(found)
    rotations.enable(call, found, request.get("RotationPeriodInDays", ROTATION_DAYS_DEFAULT))
    return {}


@operation(access=access.to_administer)
def disable_key_rotation(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    _require_scheduled(found)
    keys.require_enabled(found)
    rotations.disable(call, found)
    return {}


@operation(access=access.to_share)
def get_key_rotation_status(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    key = found.key
    _require_rotatable(found)
    if key.state in (PENDING_DELETION, PENDING_REPLICA_DELETION) or not key.rotation_days:
        return {"KeyId": found.arn, "KeyRotationEnabled": False}
    return {
        "KeyId": found.arn,
        "KeyRotationEnabled": True,
        "RotationPeriodInDays": key.rotation_days,
        "NextRotationDate": key.next_rotation_ms / 1000,
    }


@operation(access=access.to_administer)
def rotate_key_on_demand(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    _require_rotatable(found)
    if found.key.primary_region not in ("", found.tx.region):
        raise errors.unsupported(f"{found.arn} is a replica key, which is not valid for this operation.")
    keys.require_enabled(found)
    if found.key.rotations_on_demand >= ROTATIONS_ON_DEMAND_MAX:
        raise errors.limit_exceeded(f"On-demand rotations per KMS key limit of {ROTATIONS_ON_DEMAND_MAX} exceeded for {found.arn}.")
    chosen = None
    if found.key.origin == "EXTERNAL":
        waiting = [material for material in rotations.all_of(found.tx, found.key.key_id) if material.state == PENDING_ROTATION]
        if not waiting:
            raise errors.invalid_state(found.arn, "has no imported key material that is pending rotation")
        chosen = waiting[0]
    key = rotations.rotate(call, found, "ON_DEMAND", chosen)
    found.put(key.replace(rotations_on_demand=key.rotations_on_demand + 1))
    return {"KeyId": found.arn}


@operation(access=access.to_administer)
def list_key_rotations(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    _require_rotatable(found)
    materials = rotations.all_of(found.tx, found.key.key_id)
    if request.get("IncludeKeyMaterial", "ROTATIONS_ONLY") == "ROTATIONS_ONLY":
        materials = [material for material in materials if material.rotated_ms]
    after = pages.after(request)
    if after is not None:
        if not after.isdecimal():
            raise errors.invalid_marker()
        materials = [material for material in materials if material.number > int(after)]
    limit = pages.limit_of(request, 100, 1000)
    return pages.page("Rotations", materials, limit, lambda material: str(material.number), lambda material: _shown(found, material))


def _shown(found: Found, material: Material) -> Request:
    state = material.state
    if state == PENDING_ROTATION and not all(
        MATERIALS.has(related.tx, material.key_id, material.material_id) for related in rotations.everywhere(found)
    ):
        state = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    shown: Request = {"KeyId": found.arn, "KeyMaterialId": material.material_id, "KeyMaterialState": state}
    if material.rotated_ms:
        shown |= {"RotationDate": material.rotated_ms / 1000, "RotationType": material.rotation_type}
    if found.key.origin == "EXTERNAL":
        shown |= {
            "ImportState": "IMPORTED" if material.sealed else "PENDING_IMPORT",
            "KeyMaterialDescription": material.description or None,
        }
        if material.sealed:
            shown["ExpirationModel"] = "KEY_MATERIAL_EXPIRES" if material.expires_ms else "KEY_MATERIAL_DOES_NOT_EXPIRE"
        if material.expires_ms:
            shown["ValidTo"] = material.expires_ms / 1000
    return shown
