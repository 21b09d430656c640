"""New material for a symmetric key, by its schedule or on demand; what was encrypted before stays readable. AWS: "Rotate AWS KMS keys"."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.services.kms import errors, materials, names
from groundcloud.services.kms.limits import DAY_MS
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import CURRENT, ENABLED, KEYS, MATERIALS, NON_CURRENT, Key, Material
from groundcloud.store import Transaction


def everywhere(found: Found) -> list[Found]:
    """The key in each of its regions, the one at hand first."""
    key = found.key
    regions = {key.primary_region, *key.replica_regions} - {"", found.tx.region}
    return [found, *(names.in_region(found, region) for region in sorted(regions))]


def all_of(tx: Transaction, key_id: str) -> list[Material]:
    """A key's material in the order in which it came."""
    return sorted(MATERIALS.scan(tx, key_id), key=lambda material: material.number)


def rotate(call: Call, found: Found, kind: str, chosen: Material | None = None) -> Key:
    """Makes new material current (or `chosen`, imported and waiting), in every region of the key. `kind`: AUTOMATIC or ON_DEMAND.

    Imported material must have been imported in each region.
    """
    key_id = found.key.key_id
    before = all_of(found.tx, key_id)
    if chosen is None:
        material = materials.generate(found.key.spec)
        new_id, sealed = materials.material_id(key_id, material), materials.seal(call, key_id, material)
        chosen = Material(key_id=key_id, material_id=new_id, number=before[-1].number + 1, sealed=sealed)
    imported = found.key.origin == "EXTERNAL"
    for related in everywhere(found):
        own = MATERIALS.get(related.tx, key_id, chosen.material_id) if imported else chosen
        if own is None or not own.sealed:
            raise errors.invalid_state(related.arn, "has no imported key material that is pending rotation")
        old = MATERIALS.get(related.tx, key_id, related.key.material_id)
        if old is not None:
            MATERIALS.put(related.tx, old.replace(state=NON_CURRENT))
        MATERIALS.put(related.tx, own.replace(state=CURRENT, rotated_ms=call.now_ms, rotation_type=kind))
        related.put(related.key.replace(material_id=own.material_id, sealed=own.sealed, expires_ms=own.expires_ms))
    changed = KEYS.get(found.tx, key_id)
    assert changed is not None
    return changed


def enable(call: Call, found: Found, days: int) -> None:
    """Every `days` from now on."""
    next_ms = call.now_ms + days * DAY_MS
    _set(found, days, next_ms)
    call.schedule(next_ms, "kms.rotate", found.key.key_id, key=found.key.key_id, tx=found.tx)


def disable(call: Call, found: Found) -> None:
    _set(found, 0, 0)
    forget(call, found.tx, found.key.key_id)


def forget(call: Call, tx: Transaction, key_id: str) -> None:
    call.unschedule("kms.rotate", key_id, tx=tx)


def due(call: Call, found: Found) -> None:
    """The schedule's moment: a key that is not enabled is left until it is."""
    key = found.key
    if not key.rotation_days or key.state != ENABLED or call.now_ms < key.next_rotation_ms:
        return
    next_ms = key.next_rotation_ms + key.rotation_days * DAY_MS
    while next_ms <= call.now_ms:
        next_ms += key.rotation_days * DAY_MS
    changed = found._replace(key=rotate(call, found, "AUTOMATIC"))
    _set(changed, key.rotation_days, next_ms)
    call.schedule(next_ms, "kms.rotate", key.key_id, key=key.key_id, tx=found.tx)


def resume(call: Call, found: Found) -> None:
    """A key that is enabled again catches up with the rotation that it missed."""
    if found.key.rotation_days and found.key.primary_region in ("", found.tx.region):
        due(call, found)


def _set(found: Found, days: int, next_ms: int) -> None:
    for related in everywhere(found):
        related.put(related.key.replace(rotation_days=days, next_rotation_ms=next_ms))
