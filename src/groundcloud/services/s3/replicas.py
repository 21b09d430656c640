"""A change that reaches another bucket: what the rule's role must be allowed there, and what the replica is.

Everything of one change happens in one transaction: the replica, the source's status, the end of the change. So a change arrives once, whatever is killed.
"""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import contents, errors, notifications, object_annotations, permissions, versions
from groundcloud.services.s3.encryption import KMS, Encryption, moved
from groundcloud.services.s3.replication import THRESHOLD_MS, Change, postpone, take
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, Bucket, Seal, Version, find_version
from groundcloud.store import Transaction
from groundcloud.wire.timestamps import iso8601_milliseconds

PRINCIPAL = "s3.amazonaws.com"
SESSION = "s3-replication"


Sealed = dict[str, "tuple[Encryption, Seal] | AwsError"]
"""Rule id -> how its replica is sealed, or why it cannot be."""


async def sealed(call: Call, source: Bucket, change: Change) -> Sealed:
    """Of a version under a KMS key: its content's key under the key of each rule, asked of KMS as the rules' role. The content stays as it is."""
    tx = call.reading()
    version = find_version(tx, source.bucket_name, change.key, change.version_id)
    document = CONFIGURATIONS.get(tx, source.bucket_name, "replication", "")
    if version is None or version.seal is None or document is None or version.encryption[0] not in KMS or change.settings:
        return {}
    found: Sealed = {}
    for rule in document["Rules"]:
        destination = rule["Destination"]
        target = BUCKETS.get(tx, destination["Bucket"].removeprefix("arn:aws:s3:::"))
        key_arn = (destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
        if rule["ID"] not in change.rule_ids or target is None or not key_arn:
            continue
        try:
            principal = call.ground.assume(tx, document["Role"], SESSION, PRINCIPAL, f"arn:aws:s3:::{source.bucket_name}")
            acting = call.as_principal(principal, account=source.account, region=source.region)
            found[rule["ID"]] = await moved(acting, target, change.key, version, key_arn, target.encryption[2])
        except AwsError as error:
            found[rule["ID"]] = error
    return found


def arrive(call: Call, tx: Transaction, source: Bucket, change: Change, seals: Sealed) -> None:
    """Takes a change to its destinations, and writes what became of it."""
    waits = take(tx, change)
    version = find_version(tx, source.bucket_name, change.key, change.version_id)
    document = CONFIGURATIONS.get(tx, source.bucket_name, "replication", "")
    if version is None or version.version_id != change.version_id or document is None:
        return  # deleted meanwhile: a delete of a version goes nowhere
    failed = False
    rules = [rule for rule in document["Rules"] if rule["ID"] in change.rule_ids and rule["Status"] == "Enabled"]
    unreachable = tuple(rule["ID"] for rule in rules if _is_lost(call, tx, source, rule))
    if unreachable:
        postpone(call, tx, change, unreachable, source)
        waits = True
    for rule in rules:
        if rule["ID"] in unreachable:
            continue
        mark = tx.savepoint()
        try:
            _to(call, tx, source, version, change, rule, document["Role"], seals.get(rule["ID"]))
        except AwsError as error:
            tx.roll_back_to(mark)
            failed = True
            call.log.warning("replication of %s/%s to %s: %s", source.bucket_name, change.key, rule["Destination"]["Bucket"], error.message)
            tell(call, tx, source, change, version, rule, "OperationFailedReplication", reason_of(error))
        else:
            late = call.clock.now_ms() - change.requested_ms > THRESHOLD_MS
            if late and (rule["Destination"].get("ReplicationTime") or {}).get("Status") == "Enabled":
                tell(call, tx, source, change, version, rule, "OperationReplicatedAfterThreshold")
    if version.replication != "REPLICA":
        status = "FAILED" if failed else "PENDING" if waits else "COMPLETED"
        if status != version.replication:
            versions.change(tx, source.bucket_name, change.key, version.replace(replication=status))


def _is_lost(call: Call, tx: Transaction, source: Bucket, rule: dict[str, Any]) -> bool:
    """Whether a fault plan has taken the region of the source or of the destination away."""
    target = BUCKETS.get(tx, rule["Destination"]["Bucket"].removeprefix("arn:aws:s3:::"))
    return call.ground.faults.strike("s3", "ReplicateObject", source.region, target.region if target is not None else source.region)


def _to(
    call: Call,
    tx: Transaction,
    source: Bucket,
    version: Version,
    change: Change,
    rule: dict[str, Any],
    role_arn: str,
    seal: tuple[Encryption, Seal] | AwsError | None,
) -> None:
    """Raises AwsError for whatever keeps the version from its destination."""
    destination = rule["Destination"]
    key, name = change.key, destination["Bucket"].removeprefix("arn:aws:s3:::")
    target = BUCKETS.get(tx, name)
    if target is None:
        raise errors.no_such_bucket(name)
    if destination.get("Account", target.account) != target.account:
        raise errors.access_denied_because("The destination bucket is another account's.")
    if target.versioning != "Enabled":
        raise errors.S3Error("InvalidBucketState", "Destination bucket must have versioning enabled.", 409)
    translated = "AccessControlTranslation" in destination
    _authorize(call, tx, source, target, key, version, role_arn, translated=translated)
    there = find_version(tx, name, key, version.version_id)
    if there is not None and (there.version_id != version.version_id or there.order != version.order):
        there = None
    replica: Version = version.replace(
        replication="REPLICA",
        restored=None,
        storage_class=destination.get("StorageClass") or version.storage_class,
        grants=() if translated or target.ownership == "BucketOwnerEnforced" else version.grants,
        owner=_owner_of(source, target, version, translated=translated),
        retention=version.retention if target.object_lock is not None else None,
        legal_hold=version.legal_hold if target.object_lock is not None else None,
    )
    if there is not None:
        kept = {"replication": there.replication, "storage_class": there.storage_class, "encryption": there.encryption, "seal": there.seal}
        versions.change(tx, name, key, replica.replace(**kept))
        if version.annotations or there.annotations:
            object_annotations.name_again(call, tx, source.bucket_name, key, version, name)
        return
    if change.settings:
        return  # the rule never wanted it, or it was deleted there
    if isinstance(seal, AwsError):
        raise seal
    if seal is not None:
        replica = replica.replace(encryption=seal[0], seal=seal[1])
    contents.name_again(call, tx, source.bucket_name, key, version, name)
    versions.insert(call, tx, name, key, replica)
    if "notification" in target.configured:
        event = "ObjectRemoved:DeleteMarkerCreated" if version.marker else "ObjectCreated:Put"
        if version.upload_id:
            event = "ObjectCreated:CompleteMultipartUpload"
        notifications.emit(call, tx, target, event, key, replica)


def _owner_of(source: Bucket, target: Bucket, version: Version, *, translated: bool) -> str:
    owner = version.owner or source.account
    return "" if translated or target.ownership == "BucketOwnerEnforced" or owner == target.account else owner


def _authorize(
    call: Call, tx: Transaction, source: Bucket, target: Bucket, key: str, version: Version, role_arn: str, *, translated: bool
) -> None:
    """Whether S3 may take the role, and the role do all of it. Raises AccessDenied. AWS: "Setting up permissions for live replication"."""
    principal = call.ground.assume(tx, role_arn, SESSION, PRINCIPAL, f"arn:aws:s3:::{source.bucket_name}")
    acting = call.as_principal(principal, account=source.account, region=source.region)
    here = ["s3:GetObjectVersionForReplication"]
    there = ["s3:ReplicateDelete" if version.marker else "s3:ReplicateObject"]
    if not version.marker:
        here.append("s3:GetObjectVersionAcl")
        if version.tags:
            here.append("s3:GetObjectVersionTagging")
            there.append("s3:ReplicateTags")
        if version.retention is not None:
            here.append("s3:GetObjectRetention")
        if version.legal_hold:
            here.append("s3:GetObjectLegalHold")
    else:
        here = []
    if translated:
        there.append("s3:ObjectOwnerOverrideToBucketOwner")
    for action in ("s3:GetReplicationConfiguration", "s3:ListBucket"):
        permissions.require(acting, source, action)
    for action in here:
        permissions.require(acting, source, action, key)
    for action in there:
        permissions.require(acting, target, action, key)


_REASONS = {
    "s3:ReplicateTags": "DstPutTaggingNotPermitted",
    "s3:ReplicateDelete": "DstDelObjNotPermitted",
    "s3:ObjectOwnerOverrideToBucketOwner": "DstPutAclNotPermitted",
    "s3:ReplicateObject": "DstPutObjectNotPermitted",
    "s3:GetObjectVersionAcl": "SrcGetAclNotPermitted",
    "s3:GetObjectVersionTagging": "SrcGetTaggingNotPermitted",
    "s3:Get": "SrcGetObjectNotPermitted",
    "s3:ListBucket": "SrcGetObjectNotPermitted",
}
"""What the role was not allowed -> the reason that is told."""


def reason_of(error: AwsError) -> str:
    """AWS: "Amazon S3 replication failure reasons"."""
    if error.code == "NoSuchBucket":
        return "DstBucketNotFound"
    if error.code == "InvalidBucketState":
        return "DstBucketUnversioned"
    if error.code.startswith("KMS."):
        return "DstKmsKeyNotFound" if "NotFound" in error.code else "DstKmsKeyInvalidState"
    if "cannot be assumed" in error.message:
        return "AssumeRoleNotPermitted"
    return next((reason for action, reason in _REASONS.items() if action in error.message), "DstPutObjectNotPermitted")


def tell(
    call: Call, tx: Transaction, source: Bucket, change: Change, version: Version, rule: dict[str, Any], event: str, reason: str = ""
) -> None:
    """A replication event; S3 has them of rules with metrics or Replication Time Control alone."""
    destination = rule["Destination"]
    if "notification" not in source.configured or (destination.get("Metrics") or {}).get("Status") != "Enabled":
        return
    about: dict[str, Any] = {
        "replicationRuleId": rule["ID"],
        "destinationBucket": destination["Bucket"],
        "s3Operation": "OBJECT_PUT" if not version.marker else "DELETE_MARKER",
        "requestTime": iso8601_milliseconds(change.requested_ms / 1000),
    }
    if reason:
        about["failureReason"] = reason
    if event != "OperationFailedReplication":
        about["threshold"] = "15"
    if event == "OperationReplicatedAfterThreshold":
        about["replicationTime"] = str((call.clock.now_ms() - change.requested_ms) // 60_000)
    notifications.emit(
        call, tx, source, f"Replication:{event}", change.key, version, {**notifications.BY_S3, "replicationEventData": about}
    )


def missed(call: Call, tx: Transaction, change: Change) -> None:
    """Fifteen minutes are over: tells of a version that still waits."""
    source = BUCKETS.get(tx, change.bucket_name)
    document = CONFIGURATIONS.get(tx, change.bucket_name, "replication", "")
    version = find_version(tx, change.bucket_name, change.key, change.version_id)
    if source is None or document is None or version is None or version.version_id != change.version_id:
        return
    for rule in document["Rules"]:
        if version.replication == "PENDING" and rule["ID"] in change.rule_ids:
            tell(call, tx, source, change, version, rule, "OperationMissedThreshold")
