"""Work that time brings: the daily look at a bucket's lifecycle rules, changes on their way to other buckets, copies of archived objects, access logs, inventories."""

from __future__ import annotations

import asyncio
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.s3 import access_logs, inventory, lifecycle, notifications, replicas, replication, restores, versions
from groundcloud.services.s3.operations.deletes import delete_one
from groundcloud.services.s3.operations.uploads import abort
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, OBJECTS, UPLOADS, VERSIONS, Bucket, Version
from groundcloud.store import Transaction

BATCH = 500
"""Keys looked at before others have their turn."""
_UNREPLICATED = frozenset(("PENDING", "FAILED"))
"""What lifecycle rules leave alone. AWS: "What does Amazon S3 replicate?", "Lifecycle configurations"."""


@timer(lifecycle.TIMER)
async def expire(call: Call, bucket_name: str) -> None:
    """One look at every key and upload of the bucket, a batch a transaction, then the next midnight is awaited."""
    after = ""
    while True:
        with call.transaction() as tx:
            bucket, rules, smallest = _rules(tx, bucket_name)
            if bucket is None or not rules:
                return
            keys = [
                (str(key[1]), version)
                for key, version in OBJECTS.items(tx, bucket_name, **({"after": after} if after else {}), limit=BATCH)  # type: ignore[arg-type]
            ]
            for key, current in keys:
                _look(call, tx, bucket, rules, smallest, key, current)
            if len(keys) < BATCH:
                _abort_uploads(call, tx, bucket_name, rules)
                lifecycle.schedule(call, tx, bucket)
                return
            after = keys[-1][0]
        await asyncio.sleep(0)


@timer(replication.TIMER)
async def replicate(call: Call, bucket_name: str) -> None:
    """The changes of a bucket that are due, each in a transaction of its own."""
    while True:
        with call.transaction() as tx:
            source = BUCKETS.get(tx, bucket_name)
            change = next(replication.CHANGES.scan(tx, bucket_name, limit=1), None)
            if source is None or change is None:
                return
            if change.due_ms > call.clock.now_ms():
                replication.schedule(call, tx, source)
                return
        seals = await replicas.sealed(call, source, change)
        with call.transaction() as tx:
            if replication.CHANGES.has(tx, bucket_name, change.due_ms, change.sequence):
                replicas.arrive(call, tx, source, change, seals)
        await asyncio.sleep(0)


@timer(replication.THRESHOLD_TIMER)
def tell_of_missed_threshold(call: Call, late: dict[str, Any]) -> None:
    change = replication.Change(late["bucket_name"], 0, 0, late["key"], late["version_id"], tuple(late["rule_ids"]), late["requested_ms"])
    replicas.missed(call, call.tx, change)


@timer(replication.EXISTING_TIMER)
async def replicate_existing(call: Call, bucket_name: str) -> None:
    """Queues what was there before the bucket replicated, oldest version of a key first."""
    after = ""
    while True:
        with call.transaction() as tx:
            bucket = BUCKETS.get(tx, bucket_name)
            document = CONFIGURATIONS.get(tx, bucket_name, "replication", "")
            if bucket is None or document is None:
                return
            rules = [rule for rule in document["Rules"] if (rule.get("ExistingObjectReplication") or {}).get("Status") == "Enabled"]
            start: dict[str, Any] = {"after": after} if after else {}
            keys = [(str(key[1]), version) for key, version in OBJECTS.items(tx, bucket_name, **start, limit=BATCH)]
            for key, current in keys:
                older = list(VERSIONS.scan(tx, bucket_name, key)) if bucket.versioning else []
                for version in (*reversed(older), current):
                    if not version.replication and not version.marker and replication.wanting({"Rules": rules}, key, version):
                        replication.follow(call, tx, bucket, key, version)
            if len(keys) < BATCH:
                return
            after = keys[-1][0]
        await asyncio.sleep(0)


@timer(restores.TIMER)
def look_at_restored(call: Call, restored: dict[str, Any]) -> None:
    restores.look(call, call.tx, restored["bucket_name"], restored["key"], restored["version_id"])


@timer(access_logs.TIMER)
async def deliver_access_log(call: Call, bucket_name: str) -> None:
    await access_logs.deliver(call, bucket_name)


@timer(inventory.TIMER)
async def report_inventory(call: Call, bucket_name: str) -> None:
    await inventory.report(call, bucket_name)


def _rules(tx: Transaction, bucket_name: str) -> tuple[Bucket | None, list[dict[str, Any]], str]:
    """The bucket, its rules that are enabled, and its TransitionDefaultMinimumObjectSize."""
    bucket = BUCKETS.get(tx, bucket_name)
    document = CONFIGURATIONS.get(tx, bucket_name, "lifecycle", "")
    document = document or {}
    rules = [rule for rule in document.get("Rules", ()) if rule["Status"] == "Enabled"]
    return bucket, rules, document.get("TransitionDefaultMinimumObjectSize", "")


def _look(call: Call, tx: Transaction, bucket: Bucket, rules: list[dict[str, Any]], smallest: str, key: str, current: Version) -> None:
    """Everything that the rules do to one key now. What expires first, what moves after."""
    now_ms = call.clock.now_ms()
    if bucket.versioning:
        _expire_old(call, tx, bucket, rules, smallest, key, current)
    if current.replication in _UNREPLICATED:
        return
    meeting = [rule for rule in rules if lifecycle.applies(rule, key, current)]
    if current.marker:
        alone = next(VERSIONS.keys(tx, bucket.bucket_name, key, limit=1), None) is None
        if alone and any((rule.get("Expiration") or {}).get("ExpiredObjectDeleteMarker") for rule in meeting):
            versions.remove(call, tx, bucket.bucket_name, key, current)
            _tell(call, tx, bucket, "LifecycleExpiration:Delete", key, current)
        return
    for rule in meeting:
        at_ms = lifecycle.expires_ms(rule, current)
        if at_ms is not None and at_ms <= now_ms:
            delete_one(call, tx, bucket, key, None, bypass=False, event="LifecycleExpiration")
            return
    for rule in meeting:
        storage_class = lifecycle.storage_class_at(rule, current, now_ms) or current.storage_class
        if storage_class != current.storage_class and lifecycle.may_move(rule, current, storage_class, smallest):
            moved: Version = current.replace(storage_class=storage_class)
            OBJECTS.put(tx, bucket.bucket_name, key, moved)
            _tell(call, tx, bucket, "LifecycleTransition", key, moved)
            return


def _expire_old(
    call: Call, tx: Transaction, bucket: Bucket, rules: list[dict[str, Any]], smallest: str, key: str, current: Version
) -> None:
    """Noncurrent versions, counted from when the next newer one came."""
    now_ms = call.clock.now_ms()
    wanted = [rule for rule in rules if rule.get("NoncurrentVersionExpiration") or rule.get("NoncurrentVersionTransitions")]
    if not wanted:
        return
    since_ms = current.modified_ms
    for newer, version in enumerate(list(VERSIONS.scan(tx, bucket.bucket_name, key))):
        old_since_ms, since_ms = since_ms, version.modified_ms
        if version.replication in _UNREPLICATED:
            continue
        for rule in wanted:
            if not lifecycle.applies(rule, key, version):
                continue
            expiration = rule.get("NoncurrentVersionExpiration") or {}
            due = expiration and lifecycle.due_ms(old_since_ms, expiration.get("NoncurrentDays", 0)) <= now_ms
            locked = version.legal_hold or (version.retention is not None and version.retention[1] * 1000 > now_ms)
            if due and newer >= expiration.get("NewerNoncurrentVersions", 0) and not locked:
                versions.remove(call, tx, bucket.bucket_name, key, version)
                _tell(call, tx, bucket, "LifecycleExpiration:Delete", key, version)
                break
            storage_class = ""
            for transition in rule.get("NoncurrentVersionTransitions") or ():
                if (
                    lifecycle.due_ms(old_since_ms, transition.get("NoncurrentDays", 0)) <= now_ms
                    and newer >= transition.get("NewerNoncurrentVersions", 0)
                    and not version.marker
                ):
                    storage_class = transition["StorageClass"]
            if storage_class not in ("", version.storage_class) and lifecycle.may_move(rule, version, storage_class, smallest):
                versions.change(tx, bucket.bucket_name, key, version.replace(storage_class=storage_class))
                break


def _abort_uploads(call: Call, tx: Transaction, bucket_name: str, rules: list[dict[str, Any]]) -> None:
    now_ms = call.clock.now_ms()
    for rule in rules:
        days = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
        if days is None:
            continue
        prefix = lifecycle.prefix_of(rule)
        for upload in list(UPLOADS.scan(tx, bucket_name)):
            if upload.key.startswith(prefix) and lifecycle.due_ms(upload.initiated_ms, days) <= now_ms:
                abort(call, tx, upload)


def _tell(call: Call, tx: Transaction, bucket: Bucket, event: str, key: str, version: Version) -> None:
    if "notification" in bucket.configured:
        notifications.emit(call, tx, bucket, event, key, version, notifications.BY_S3)
