"""Copies of archived objects, to be read for a while.

    archived     in GLACIER or DEEP_ARCHIVE; cannot be read              RestoreObject -> ongoing (202)
    ongoing      until `ready_ms` of virtual time, by tier                asked again: RestoreAlreadyInProgress, unless by a faster tier
    restored     until `expires_ms`, the midnight after its last day      asked again: lasts longer (200)
    archived     again

Where a version stands follows from its two moments and the clock; the timer tells of it and clears up.
AWS: "Restoring an archived object", "Understanding archive retrieval options".
"""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors, notifications, versions
from groundcloud.services.s3.lifecycle import due_ms
from groundcloud.services.s3.state import BUCKETS, Bucket, Version, find_version
from groundcloud.store import Transaction
from groundcloud.wire.timestamps import iso8601_milliseconds, rfc822

TIMER = "s3.restore"
HOUR_MS = 3_600_000
TIERS_MS = {
    ("GLACIER", "Expedited"): 5 * 60_000,
    ("GLACIER", "Standard"): 5 * HOUR_MS,
    ("GLACIER", "Bulk"): 12 * HOUR_MS,
    ("DEEP_ARCHIVE", "Standard"): 12 * HOUR_MS,
    ("DEEP_ARCHIVE", "Bulk"): 48 * HOUR_MS,
}
"""How long a restore takes: AWS's upper bounds."""
ARCHIVED = frozenset(("GLACIER", "DEEP_ARCHIVE"))


def is_away(version: Version, now_ms: int) -> bool:
    """Whether a version is archived and not restored."""
    if version.storage_class not in ARCHIVED:
        return False
    return version.restored is None or not version.restored[0] <= now_ms < version.restored[1]


def header(version: Version, now_ms: int) -> str | None:
    """`x-amz-restore`."""
    if version.restored is None or now_ms >= version.restored[1]:
        return None
    if now_ms < version.restored[0]:
        return 'ongoing-request="true"'
    return f'ongoing-request="false", expiry-date="{rfc822(version.restored[1] // 1000)}"'


def status(version: Version, now_ms: int) -> dict[str, Any] | None:
    """RestoreStatus of a listing."""
    if version.restored is None or now_ms >= version.restored[1]:
        return None
    if now_ms < version.restored[0]:
        return {"IsRestoreInProgress": True}
    return {"IsRestoreInProgress": False, "RestoreExpiryDate": version.restored[1] // 1000}


def restore(call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version, wanted: dict[str, Any]) -> bool:
    """Begins a restore, or lengthens one; whether it was restored already. Raises InvalidObjectState, RestoreAlreadyInProgress, InvalidArgument."""
    days = wanted.get("Days")
    tier = (wanted.get("GlacierJobParameters") or {}).get("Tier") or wanted.get("Tier") or "Standard"
    if version.storage_class not in ARCHIVED:
        raise errors.S3Error(
            "InvalidObjectState",
            "Restore is not allowed for the object's current storage class",
            403,
            {"StorageClass": version.storage_class},
        )
    if days is None:
        raise errors.malformed_xml()
    if days < 1:
        raise errors.invalid_argument("restoration days should be at least 1", "Days", days)
    duration_ms = TIERS_MS.get((version.storage_class, tier))
    if duration_ms is None:
        raise errors.invalid_argument("Retrieval option is not supported by this storage class", "Tier", tier)
    now_ms = call.now_ms
    earlier = version.restored
    ready_ms = now_ms + duration_ms
    if earlier is not None and now_ms < earlier[0]:
        if ready_ms >= earlier[0]:
            raise errors.S3Error("RestoreAlreadyInProgress", "Object restore is already in progress", 409)
    elif earlier is not None and now_ms < earlier[1]:
        moments = (earlier[0], due_ms(now_ms, days))
        _keep(call, tx, bucket, key, version.replace(restored=moments), moments[1])
        return True
    changed: Version = version.replace(restored=(ready_ms, due_ms(ready_ms, days)))
    _keep(call, tx, bucket, key, changed, ready_ms)
    if "notification" in bucket.configured:
        notifications.emit(call, tx, bucket, "ObjectRestore:Post", key, changed)
    return False


def _keep(call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version, next_ms: int) -> None:
    versions.change(tx, bucket.bucket_name, key, version)
    payload = {"bucket_name": bucket.bucket_name, "key": key, "version_id": version.version_id}
    home = tx.at(bucket.account, bucket.region)
    call.schedule(next_ms, TIMER, payload, key=f"{bucket.bucket_name}/{version.order}/{key}", tx=home)


def look(call: Call, tx: Transaction, bucket_name: str, key: str, version_id: str) -> None:
    """A copy is ready, or its time is over."""
    bucket = BUCKETS.get(tx, bucket_name)
    version = find_version(tx, bucket_name, key, version_id)
    if bucket is None or version is None or version.version_id != version_id or version.restored is None:
        return
    _, expires_ms = version.restored
    told = "notification" in bucket.configured
    if call.clock.now_ms() < expires_ms:
        _keep(call, tx, bucket, key, version, expires_ms)
        if told:
            about = {
                "lifecycleRestorationExpiryTime": iso8601_milliseconds(expires_ms / 1000),
                "lifecycleRestoreStorageClass": version.storage_class,
            }
            more = {**notifications.BY_S3, "glacierEventData": {"restoreEventData": about}}
            notifications.emit(call, tx, bucket, "ObjectRestore:Completed", key, version, more)
        return
    versions.change(tx, bucket_name, key, version.replace(restored=None))
    if told:
        notifications.emit(call, tx, bucket, "ObjectRestore:Delete", key, version, notifications.BY_S3)
