"""Replication rules: what a configuration may say, which rules want a version, and the changes that wait for their way to other buckets.

    version            set by                                          then
    (no status)        no rule wanted it
    PENDING            a write that rules want; a change of its tags,   COMPLETED when every destination has it, FAILED when one refused
                       ACL or lock
    REPLICA            the arrival of a change from another bucket      goes no further: loops end here (its changes do, with ReplicaModifications)

A replica has its source's version id and so its place among the versions: whatever arrives first, the newest write is the newest version.
Changes go after a lag of half a second of virtual time, or what the bucket's tag `groundcloud:replication-lag-ms` says.
Missing: objects with dual-layer encryption (they fail, and say so), CloudWatch's metrics of replication.
AWS: "Replicating objects within and across Regions", "Replication configuration file elements".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, Bucket, Version
from groundcloud.store import Record, Table, Transaction

TIMER = "s3.replicate"
EXISTING_TIMER = "s3.replicate-existing"
THRESHOLD_TIMER = "s3.replication-threshold"
LAG_MS = 500
LAG_TAG = "groundcloud:replication-lag-ms"
RULES_MAX = 1000
LOST_RETRY_MS = 10_000
"""How long a change waits that is on its way from or to a region that a fault plan has taken away."""
THRESHOLD_MS = 15 * 60_000
"""AWS: S3 Replication Time Control replicates within 15 minutes."""
_SCHEMA = (
    "must be specified for this version of Cross Region Replication configuration schema. "
    "Please refer to S3 Developer Guide for more information."
)


class Change(Record):
    """A version on its way; `settings`: only its tags, ACL and lock changed."""

    bucket_name: str
    due_ms: int
    sequence: int
    key: str
    version_id: str
    rule_ids: tuple[str, ...]
    requested_ms: int
    settings: bool = False


CHANGES = Table("s3/replication", Change, key=("bucket_name", "due_ms", "sequence"), scope="global")
WAITING: Table[int] = Table("s3/replication-waiting", int, key=3, scope="global")
"""(bucket, key, version id) -> how many changes of a version wait."""


# What a configuration may say


def checked(call: Call, tx: Transaction, bucket: Bucket, document: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it is kept, each rule with an id. Raises InvalidRequest, InvalidArgument, MalformedXML."""
    if bucket.versioning != "Enabled":
        raise errors.invalid_request("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    role = document["Role"]
    if not arns.is_arn(role) or arns.parse(role).service != "iam" or not arns.parse(role).resource.startswith("role/"):
        raise errors.invalid_argument("Invalid Role specified in replication configuration", "Role", role)
    rules = document.get("Rules") or []
    if not rules:
        raise errors.malformed_xml()
    if len(rules) > RULES_MAX:
        raise errors.invalid_request(f"The number of replication rules must not exceed the allowed limit of {RULES_MAX} rules")
    kept: list[dict[str, Any]] = []
    seen: set[str] = set()
    for rule in rules:
        rule = {**rule, "ID": rule.get("ID") or call.new_id()}
        if len(rule["ID"]) > 255:
            raise errors.invalid_argument("ID length should not exceed allowed limit of 255", "ID", rule["ID"])
        if rule["ID"] in seen:
            raise errors.invalid_argument("Rule Id must be unique. Found same Id for one or more rules", "ID", rule["ID"])
        seen.add(rule["ID"])
        _check_selection(rule)
        _check_destination(tx, bucket, rule)
        kept.append(rule)
    _check_together(kept)
    return {"Role": role, "Rules": kept}


def _check_selection(rule: dict[str, Any]) -> None:
    """Filter and what must stand beside it; a rule without one is of the first version of the schema."""
    chosen = rule.get("Filter")
    if chosen is None:
        if "Prefix" not in rule:
            raise errors.malformed_xml()
        if "Priority" in rule or "DeleteMarkerReplication" in rule:
            raise errors.invalid_request(f"Filter {_SCHEMA}")
        return
    if "Prefix" in rule or len(chosen) > 1:
        raise errors.malformed_xml()
    if "And" in chosen and len(chosen["And"].get("Tags") or ()) + ("Prefix" in chosen["And"]) < 2:
        raise errors.malformed_xml()
    if "DeleteMarkerReplication" not in rule:
        raise errors.invalid_request(f"DeleteMarkerReplication {_SCHEMA}")
    if "Priority" not in rule:
        raise errors.invalid_request(f"Priority {_SCHEMA}")
    if rule["Priority"] < 0:
        raise errors.invalid_argument("Priority must be a non-negative integer", "Priority", rule["Priority"])
    if tags_of(rule) and _enabled(rule, "DeleteMarkerReplication"):
        raise errors.invalid_request(
            "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information."
        )


def _check_destination(tx: Transaction, bucket: Bucket, rule: dict[str, Any]) -> None:
    destination = rule["Destination"]
    name = destination["Bucket"].removeprefix("arn:aws:s3:::")
    if name == destination["Bucket"] or not name or "/" in name:
        raise errors.invalid_argument("Invalid bucket ARN", "Bucket", destination["Bucket"])
    if name == bucket.bucket_name:
        raise errors.invalid_request("Destination bucket cannot be the same as the source bucket.")
    target = BUCKETS.get(tx, name)
    if target is None:
        raise errors.invalid_request("Destination bucket must exist.")
    if target.versioning != "Enabled":
        raise errors.invalid_request("Destination bucket must have versioning enabled.")
    if bucket.object_lock is not None and target.object_lock is None:
        raise errors.invalid_request("Destination bucket must have Object Lock enabled.")
    if "AccessControlTranslation" in destination and "Account" not in destination:
        raise errors.invalid_argument(
            "Account must be specified if AccessControlTranslation is present in the replication configuration", "Account", None
        )
    if destination.get("StorageClass") in ("OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"):
        raise errors.malformed_xml()
    encrypted = selects_kms(rule)
    key = (destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
    if encrypted and not key:
        raise errors.invalid_request("ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.")
    if key and "SseKmsEncryptedObjects" not in (rule.get("SourceSelectionCriteria") or {}):
        raise errors.invalid_request("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.")
    timed, metrics = destination.get("ReplicationTime"), destination.get("Metrics")
    for chosen in (timed and timed["Time"], metrics and metrics.get("EventThreshold")):
        if chosen and chosen.get("Minutes") != 15:
            raise errors.invalid_argument("Invalid Time Minutes Value. Only 15 is supported", "Minutes", chosen.get("Minutes"))
    if timed and timed["Status"] == "Enabled":
        if "Filter" not in rule:
            raise errors.invalid_request(f"Filter {_SCHEMA}")
        if (metrics or {}).get("Status") != "Enabled":
            raise errors.invalid_request("Replication Metrics must be enabled if Replication Time Control is enabled.")


def _check_together(rules: list[dict[str, Any]]) -> None:
    newer = [rule for rule in rules if "Filter" in rule]
    if newer and len(newer) != len(rules):
        raise errors.invalid_request(f"Filter {_SCHEMA}")
    if newer:
        priorities = [rule["Priority"] for rule in rules]
        if len(set(priorities)) != len(priorities):
            raise errors.invalid_request("Found duplicate priority. Priority must be unique for each rule.")
        return
    if len({rule["Destination"]["Bucket"] for rule in rules}) > 1:
        raise errors.invalid_request("The destination bucket must be the same for all rules.")
    prefixes = sorted(rule["Prefix"] for rule in rules)
    for one, two in pairwise(prefixes):
        if two.startswith(one):
            raise errors.invalid_request(f"Found overlapping prefixes '{one}' and '{two}'")


# Which rules want a version


def prefix_of(rule: dict[str, Any]) -> str:
    chosen = rule.get("Filter")
    if chosen is None:
        return str(rule["Prefix"])
    return str((chosen.get("And") or chosen).get("Prefix", ""))


def tags_of(rule: dict[str, Any]) -> dict[str, str]:
    chosen = rule.get("Filter") or {}
    tags = (chosen.get("And") or {}).get("Tags") or ([chosen["Tag"]] if "Tag" in chosen else [])
    return {tag["Key"]: tag["Value"] for tag in tags}


def selects_kms(rule: dict[str, Any]) -> bool:
    return _enabled(rule.get("SourceSelectionCriteria") or {}, "SseKmsEncryptedObjects")


def _enabled(document: dict[str, Any], member: str) -> bool:
    return (document.get(member) or {}).get("Status") == "Enabled"


def wanting(document: dict[str, Any], key: str, version: Version, *, whatever_its_tags: bool = False) -> list[dict[str, Any]]:
    """The rules by which a version goes to other buckets: for each destination the one with the highest priority."""
    found: dict[str, dict[str, Any]] = {}
    for rule in document["Rules"]:
        if rule["Status"] != "Enabled" or not key.startswith(prefix_of(rule)):
            continue
        if not whatever_its_tags and any(version.tags.get(name) != value for name, value in tags_of(rule).items()):
            continue
        destination = rule["Destination"]["Bucket"]
        if destination not in found or rule.get("Priority", 0) > found[destination].get("Priority", 0):
            found[destination] = rule
    if version.marker:
        # The first version of the schema takes delete markers along; the second says.
        return [rule for rule in found.values() if "Filter" not in rule or _enabled(rule, "DeleteMarkerReplication")]
    if version.encryption[0].startswith("aws:kms"):
        return [rule for rule in found.values() if selects_kms(rule)]
    return list(found.values())


# Changes that wait


def follow(call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version) -> Version:
    """After a write: the version as it now is, PENDING where rules want it elsewhere."""
    document = CONFIGURATIONS.get(tx, bucket.bucket_name, "replication", "")
    rules = wanting(document, key, version) if document is not None and bucket.versioning == "Enabled" else []
    return _queue(call, tx, bucket, key, version, rules, settings=False) if rules else version


def follow_settings(call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version) -> None:
    """After a change of a version's tags, ACL or lock: it goes where the version went; back from a replica with ReplicaModifications alone."""
    document = CONFIGURATIONS.get(tx, bucket.bucket_name, "replication", "")
    if document is None or not version.replication:
        return
    # Where the version is, its change goes, though its tags may meet the rule no longer; what failed goes whole.
    failed = version.replication == "FAILED"
    rules = wanting(document, key, version, whatever_its_tags=not failed)
    if version.replication == "REPLICA":
        rules = [rule for rule in rules if _enabled(rule.get("SourceSelectionCriteria") or {}, "ReplicaModifications")]
    if rules:
        _queue(call, tx, bucket, key, version, rules, settings=not failed)


def _queue(
    call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version, rules: list[dict[str, Any]], *, settings: bool
) -> Version:
    from groundcloud.services.s3.versions import change

    name = bucket.bucket_name
    if version.replication != "REPLICA":
        version = version.replace(replication="PENDING")
        change(tx, name, key, version)
    home = tx.at(bucket.account, bucket.region)
    lag = lag_ms(tx, name)
    now_ms = call.clock.now_ms()
    rule_ids = tuple(rule["ID"] for rule in rules)
    CHANGES.put(
        tx, Change(name, now_ms + lag, home.sequence("s3/replication"), key, version.version_id, rule_ids, now_ms, settings=settings)
    )
    WAITING.put(tx, name, key, version.version_id, (WAITING.get(tx, name, key, version.version_id) or 0) + 1)
    schedule(call, tx, bucket)
    timed = [rule["ID"] for rule in rules if _enabled(rule["Destination"], "ReplicationTime")]
    if lag > THRESHOLD_MS and timed:
        payload = {"bucket_name": name, "key": key, "version_id": version.version_id, "rule_ids": timed, "requested_ms": now_ms}
        call.schedule(now_ms + THRESHOLD_MS, THRESHOLD_TIMER, payload, tx=home)
    return version


def take(tx: Transaction, change: Change) -> bool:
    """Takes a change off the queue; whether more of its version wait."""
    name, key, version_id = change.bucket_name, change.key, change.version_id
    CHANGES.delete(tx, name, change.due_ms, change.sequence)
    left = (WAITING.get(tx, name, key, version_id) or 1) - 1
    if left:
        WAITING.put(tx, name, key, version_id, left)
    else:
        WAITING.delete(tx, name, key, version_id)
    return left > 0


def postpone(call: Call, tx: Transaction, change: Change, rule_ids: tuple[str, ...], bucket: Bucket) -> None:
    """Puts a change back in the queue for these rules alone. Its timer is set by whoever works off the queue."""
    key, version_id = change.key, change.version_id
    sequence = tx.at(bucket.account, bucket.region).sequence("s3/replication")
    CHANGES.put(tx, change.replace(due_ms=call.clock.now_ms() + LOST_RETRY_MS, sequence=sequence, rule_ids=rule_ids))
    WAITING.put(tx, change.bucket_name, key, version_id, (WAITING.get(tx, change.bucket_name, key, version_id) or 0) + 1)


def schedule(call: Call, tx: Transaction, bucket: Bucket) -> None:
    """The timer for the bucket's first change."""
    first = next(CHANGES.keys(tx, bucket.bucket_name, limit=1), None)
    if first is not None:
        call.schedule(int(first[1]), TIMER, bucket.bucket_name, key=bucket.bucket_name, tx=tx.at(bucket.account, bucket.region))


def forget(call: Call, tx: Transaction, bucket: Bucket) -> None:
    """The configuration is gone: what waits does not go any more."""
    for change in list(CHANGES.scan(tx, bucket.bucket_name)):
        take(tx, change)
    call.unschedule(TIMER, bucket.bucket_name, tx=tx.at(bucket.account, bucket.region))


def lag_ms(tx: Transaction, bucket_name: str) -> int:
    for tag in (CONFIGURATIONS.get(tx, bucket_name, "tagging", "") or {}).get("TagSet", ()):
        if tag["Key"] == LAG_TAG and tag["Value"].isdecimal() and len(tag["Value"]) < 10:
            return int(tag["Value"])
    return LAG_MS
