"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import checksums, conditions, errors, locks, names, notifications, permissions, replication, versions
from groundcloud.services.s3.state import OBJECTS, Bucket, find_version
from groundcloud.store import Transaction

DELETE_MAX = 1000
"""AWS: DeleteObjects, "up to 1000 keys"."""


def delete_one(
    call: Call, tx: Transaction, bucket: Bucket, key: str, version_id: str | None, *, bypass: bool, event: str = "ObjectRemoved"
) -> versions.Deleted:
    """Deletes, respecting locks, and tells. Raises AccessDenied for a locked version, InvalidArgument for an id that is none."""
    if version_id is not None and bucket.object_lock is not None:
        versions.check_version_id(version_id)
        locked = find_version(tx, bucket.bucket_name, key, version_id)
        if locked is not None and locked.version_id == version_id:
            locks.check_deletable(call, bucket, key, locked, bypass=bypass)
    done = versions.delete(call, tx, bucket, key, version_id)
    # Markers that a lifecycle rule put stay here. AWS: "Delete marker replication".
    if done.marker is not None and event == "ObjectRemoved" and "replication" in bucket.configured:
        replication.follow(call, tx, bucket, key, done.marker)
    if "notification" in bucket.configured:
        if done.marker is not None:
            notifications.emit(call, tx, bucket, f"{event}:DeleteMarkerCreated", key, done.marker)
        elif done.version is not None or not bucket.versioning:
            # AWS tells of the delete of a key that is not there, too, in buckets without versions.
            notifications.emit(call, tx, bucket, f"{event}:Delete", key, done.version)
    return done


def _check_condition(call: Call, request: dict[str, Any], bucket: Bucket, key: str, version_id: str | None) -> None:
    if_match = request.get("IfMatch")
    if if_match is None:
        if "IfMatchLastModifiedTime" in request or "IfMatchSize" in request:
            raise errors.not_implemented("x-amz-if-match-size" if "IfMatchSize" in request else "x-amz-if-match-last-modified-time")
        return
    tx = call.tx
    name = bucket.bucket_name
    found = OBJECTS.get(tx, name, key) if version_id is None else find_version(tx, name, key, version_id)
    if found is None or found.marker:
        raise errors.no_such_key(key)
    if not conditions.matches(if_match, found.etag):
        raise errors.precondition_failed("If-Match")


@operation(public=True)
def delete_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    key, version_id = request["Key"], request.get("VersionId")
    names.check_key(key)
    bucket = permissions.open_bucket(call, call.tx, request, "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion", key)
    _check_condition(call, request, bucket, key, version_id)
    done = delete_one(call, call.tx, bucket, key, version_id, bypass=bool(request.get("BypassGovernanceRetention")))
    if done.marker is not None:
        return {"DeleteMarker": True, "VersionId": done.marker.version_id}
    if version_id is not None:
        return {"VersionId": version_id, "DeleteMarker": True if done.version is not None and done.version.marker else None}
    return {}


@operation(public=True)
def delete_objects(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    bucket = permissions.find_bucket(call, tx, request)
    if request.get("ExpectedBucketOwner", bucket.account) != bucket.account:
        raise permissions.unexpected_owner(request["ExpectedBucketOwner"])
    if call.http is not None:
        checksums.check_document(call.http.headers, call.http.body.whole or b"", required=True)
    wanted = request["Delete"].get("Objects") or []
    if not 1 <= len(wanted) <= DELETE_MAX:
        raise errors.malformed_xml()
    deleted, failed = [], []
    bypass = bool(request.get("BypassGovernanceRetention"))
    for one in wanted:
        key, version_id = one["Key"], one.get("VersionId")
        try:
            names.check_key(key)
            permissions.require(call, bucket, "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion", key)
            if "ETag" in one:
                _check_condition(call, {"IfMatch": one["ETag"]}, bucket, key, version_id)
            elif "Size" in one or "LastModifiedTime" in one:
                raise errors.not_implemented("Size" if "Size" in one else "LastModifiedTime")  # of directory buckets
            done = delete_one(call, tx, bucket, key, version_id, bypass=bypass)
        except AwsError as error:
            if error.code == "InvalidArgument" and version_id is not None:
                error = errors.no_such_version(key, version_id)
            failed.append({"Key": key, "VersionId": version_id, "Code": error.code, "Message": error.message})
            continue
        answer: dict[str, Any] = {"Key": key, "VersionId": version_id}
        if done.marker is not None:
            answer.update(DeleteMarker=True, DeleteMarkerVersionId=done.marker.version_id)
        elif done.version is not None and done.version.marker:
            answer.update(DeleteMarker=True, DeleteMarkerVersionId=done.version.version_id)
        deleted.append(answer)
    return {"Deleted": None if request["Delete"].get("Quiet") else deleted or None, "Errors": failed or None}
