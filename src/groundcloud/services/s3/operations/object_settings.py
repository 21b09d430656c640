"""What may be changed of an object afterwards: tags, retention, legal hold; and the bucket's object lock."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, locks, notifications, permissions, replication, versions
from groundcloud.services.s3.operations.objects import open_version
from groundcloud.services.s3.operations.policies import check_body
from groundcloud.services.s3.state import BUCKETS, Bucket, Version
from groundcloud.services.s3.tags import OBJECT_TAGS_MAX, as_dict, as_list, check_tags


def _version_id(bucket: Bucket, version: Version) -> str | None:
    return version.version_id if bucket.versioning else None


def _change(call: Call, bucket: Bucket, key: str, version: Version, event: str = "") -> None:
    versions.change(call.tx, bucket.bucket_name, key, version)
    if "replication" in bucket.configured:
        replication.follow_settings(call, call.tx, bucket, key, version)
    if event and "notification" in bucket.configured:
        notifications.emit(call, call.tx, bucket, event, key, version)


@operation(public=True)
def put_object_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:PutObjectTagging", "s3:PutObjectVersionTagging")
    check_body(call)
    tags = as_dict(check_tags(request["Tagging"].get("TagSet") or [], limit=OBJECT_TAGS_MAX))
    _change(call, bucket, request["Key"], version.replace(tags=tags), "ObjectTagging:Put")
    return {"VersionId": _version_id(bucket, version)}


@operation(public=True)
def get_object_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:GetObjectTagging", "s3:GetObjectVersionTagging")
    return {"TagSet": as_list(version.tags), "VersionId": _version_id(bucket, version)}


@operation(public=True)
def delete_object_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging")
    _change(call, bucket, request["Key"], version.replace(tags={}), "ObjectTagging:Delete")
    return {"VersionId": _version_id(bucket, version)}


def _check_lock(bucket: Bucket) -> None:
    if bucket.object_lock is None:
        raise errors.invalid_request("Bucket is missing Object Lock Configuration")


@operation(public=True)
def put_object_retention(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:PutObjectRetention", "s3:PutObjectRetention")
    check_body(call)
    _check_lock(bucket)
    wanted = request.get("Retention") or {}
    mode, until = wanted.get("Mode"), wanted.get("RetainUntilDate")
    bypass = bool(request.get("BypassGovernanceRetention"))
    if mode is None and until is None:
        locks.check_loosened(call, bucket, request["Key"], version, "", 0, bypass=bypass)
        _change(call, bucket, request["Key"], version.replace(retention=None))
        return {}
    if mode is None or until is None:
        raise errors.malformed_xml()
    if int(until) <= call.now_s:
        raise errors.retention_is_over("RetainUntilDate", until)
    locks.check_loosened(call, bucket, request["Key"], version, mode, int(until), bypass=bypass)
    _change(call, bucket, request["Key"], version.replace(retention=(mode, int(until))))
    return {}


@operation(public=True)
def get_object_retention(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:GetObjectRetention", "s3:GetObjectRetention")
    _check_lock(bucket)
    if version.retention is None:
        raise _no_lock(request["Key"])
    return {"Retention": {"Mode": version.retention[0], "RetainUntilDate": version.retention[1]}}


@operation(public=True)
def put_object_legal_hold(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:PutObjectLegalHold", "s3:PutObjectLegalHold")
    check_body(call)
    _check_lock(bucket)
    status = (request.get("LegalHold") or {}).get("Status")
    if status is None:
        raise errors.malformed_xml()
    _change(call, bucket, request["Key"], version.replace(legal_hold=status == "ON"))
    return {}


@operation(public=True)
def get_object_legal_hold(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:GetObjectLegalHold", "s3:GetObjectLegalHold")
    _check_lock(bucket)
    if version.legal_hold is None and version.retention is None:
        raise _no_lock(request["Key"])
    return {"LegalHold": {"Status": "ON" if version.legal_hold else "OFF"}}


def _no_lock(key: str) -> errors.S3Error:
    return errors.S3Error(
        "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration", 404, {"Key": key}
    )


@operation(public=True)
def put_object_lock_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketObjectLockConfiguration")
    check_body(call)
    wanted = request.get("ObjectLockConfiguration")
    if not wanted or wanted.get("ObjectLockEnabled") != "Enabled":
        raise errors.malformed_xml()
    if bucket.versioning != "Enabled":
        raise errors.S3Error("InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration", 409)
    mode, days, years = "", 0, 0
    if "Rule" in wanted:
        default = wanted["Rule"].get("DefaultRetention") or {}
        if "Mode" not in default or ("Days" in default) == ("Years" in default):
            raise errors.malformed_xml()
        mode, days, years = default["Mode"], default.get("Days", 0), default.get("Years", 0)
        if ("Days" in default and days <= 0) or ("Years" in default and years <= 0):
            raise errors.invalid_argument(
                "Default retention period must be a positive integer value.", "Days" if "Days" in default else "Years", days or years
            )
        if days > 36_500 or years > 100:
            raise errors.invalid_argument("Default retention period too long.", "Days" if days else "Years", days or years)
    BUCKETS.put(call.tx, bucket.replace(object_lock=(mode, days, years)))
    return {}


@operation(public=True)
def get_object_lock_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetBucketObjectLockConfiguration")
    if bucket.object_lock is None:
        raise errors.no_such_configuration(
            "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket", bucket.bucket_name
        )
    mode, days, years = bucket.object_lock
    answer: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if mode:
        answer["Rule"] = {"DefaultRetention": {"Mode": mode, "Days": days or None, "Years": years or None}}
    return {"ObjectLockConfiguration": answer}
