"""The end of a key: scheduled, called off, carried out. A primary with replicas waits for them before its own period begins."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.services.kms import imports, names, rotations
from groundcloud.services.kms.limits import DAY_MS
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import (
    DISABLED,
    KEYS,
    PENDING_DELETION,
    PENDING_IMPORT,
    PENDING_REPLICA_DELETION,
    Key,
    Usage,
    delete_key,
)
from groundcloud.store import Transaction


def schedule(call: Call, found: Found, days: int) -> Key:
    key = found.key
    if key.primary_region == found.tx.region and key.replica_regions:
        changed = key.replace(state=PENDING_REPLICA_DELETION, window_days=days, deletion_ms=0)
        found.put(changed)
        return changed
    return _begin(call, found, days)


def _begin(call: Call, found: Found, days: int) -> Key:
    due_ms = call.now_ms + days * DAY_MS
    changed = found.key.replace(state=PENDING_DELETION, window_days=days, deletion_ms=due_ms)
    found.put(changed)
    call.schedule(due_ms, "kms.delete", changed.key_id, key=changed.key_id, tx=found.tx)
    return changed


def cancel(call: Call, found: Found) -> None:
    """The key is Disabled then; one whose imported material is gone waits for it again."""
    key = found.key
    found.put(key.replace(state=DISABLED if imports.is_whole(found) else PENDING_IMPORT, deletion_ms=0, window_days=0))
    call.unschedule("kms.delete", key.key_id, tx=found.tx)


def carry_out(call: Call, tx: Transaction, key_id: str) -> None:
    """Deletes a key whose period is over; a waiting primary learns that this replica is gone."""
    key = KEYS.get(tx, key_id)
    if key is None or key.state != PENDING_DELETION:
        return
    found = Found(tx, key, f"arn:aws:kms:{tx.region}:{tx.account}:key/{key_id}")
    delete_key(tx, key_id)
    rotations.forget(call, tx, key_id)
    latest: dict[str, Usage] = call.own("usages", dict)
    latest.pop(found.arn, None)
    if not key.primary_region or key.primary_region == tx.region:
        return
    left = tuple(region for region in key.replica_regions if region != tx.region)
    for region in (key.primary_region, *left):
        related = names.in_region(found, region)
        changed = related._replace(key=related.key.replace(replica_regions=left))
        changed.put(changed.key)
        if changed.key.state == PENDING_REPLICA_DELETION and not left:
            _begin(call, changed, changed.key.window_days)
