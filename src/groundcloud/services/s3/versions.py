"""The versions of a key: putting one, deleting one, and which is the newest.

    bucket          put                                        delete without a version id             delete of a version id
    never enabled   the null version is replaced               the null version goes                   "null" alone exists
    Enabled         a new version; the newest grows old        a delete marker is put                  that version goes; the one below becomes newest
    Suspended       the null version is replaced, wherever     a null delete marker is put             the same
                    it is; any other newest grows old

AWS: "How S3 Versioning works", "Working with objects in a versioning-suspended bucket".
"""

from __future__ import annotations

from typing import NamedTuple

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import contents, errors
from groundcloud.services.s3.state import NULL, NULLS, OBJECTS, VERSIONS, Bucket, Version, find_version, order_of, version_id_of
from groundcloud.store import Transaction


class Deleted(NamedTuple):
    """What a delete did: `version` is what was removed, `marker` the delete marker that was put."""

    version: Version | None = None
    marker: Version | None = None


def next_order(call: Call, current: Version | None) -> int:
    """The order of a new version: above every order that the key has."""
    now = call.clock.now_ns() // 1000
    return now if current is None or current.order < now else current.order + 1


def put(call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version, current: Version | None) -> Version:
    """Makes `version` (its order taken from `next_order`) the key's newest, and gives it its id. `current` is the newest until now."""
    name = bucket.bucket_name
    if bucket.versioning == "Enabled":
        version = version.replace(version_id=version_id_of(version.order, call.random))
        if current is not None:
            _grow_old(tx, name, key, current)
    else:
        if current is not None:
            if current.version_id == NULL:
                contents.drop(call, tx, name, key, current)
            else:
                _grow_old(tx, name, key, current)
        if bucket.versioning:
            _drop_old_null(call, tx, name, key)
    OBJECTS.put(tx, name, key, version)
    return version


def delete(call: Call, tx: Transaction, bucket: Bucket, key: str, version_id: str | None) -> Deleted:
    """Raises InvalidArgument for an id that can be no version's; the absence of a version is no error."""
    name = bucket.bucket_name
    if version_id is None:
        current = OBJECTS.get(tx, name, key)
        if not bucket.versioning:
            if current is None:
                return Deleted()
            contents.drop(call, tx, name, key, current)
            OBJECTS.delete(tx, name, key)
            return Deleted(current)
        order = next_order(call, current)
        marker = Version(order, NULL, order // 1000, marker=True)
        return Deleted(None, put(call, tx, bucket, key, marker, current))
    check_version_id(version_id)
    found = find_version(tx, name, key, version_id)
    if found is None or found.version_id != version_id:
        return Deleted()
    remove(call, tx, name, key, found)
    return Deleted(found)


def remove(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version) -> None:
    """Removes one version for good; if it was the newest, the one below it becomes that."""
    contents.drop(call, tx, bucket_name, key, version)
    current = OBJECTS.get(tx, bucket_name, key)
    if current is not None and current.order == version.order:
        below = next(VERSIONS.scan(tx, bucket_name, key, limit=1), None)
        if below is None:
            OBJECTS.delete(tx, bucket_name, key)
            return
        VERSIONS.delete(tx, bucket_name, key, -below.order)
        if below.version_id == NULL:
            NULLS.delete(tx, bucket_name, key)
        OBJECTS.put(tx, bucket_name, key, below)
        return
    VERSIONS.delete(tx, bucket_name, key, -version.order)
    if version.version_id == NULL:
        NULLS.delete(tx, bucket_name, key)


def change(tx: Transaction, bucket_name: str, key: str, version: Version) -> None:
    """Writes a version's record anew, in its place (tags, ACL, retention)."""
    current = OBJECTS.get(tx, bucket_name, key)
    if current is not None and current.order == version.order:
        OBJECTS.put(tx, bucket_name, key, version)
    else:
        VERSIONS.put(tx, bucket_name, key, -version.order, version)


def insert(call: Call, tx: Transaction, bucket_name: str, key: str, version: Version) -> None:
    """A version that was made elsewhere, with its id and its place among the others; a null version replaces the one that is there.

    Raises InvalidRequest where another version has the same order.
    """
    if version.version_id == NULL:
        earlier = find_version(tx, bucket_name, key, NULL)
        if earlier is not None and earlier.version_id == NULL:
            remove(call, tx, bucket_name, key, earlier)
    current = OBJECTS.get(tx, bucket_name, key)
    if current is None or current.order < version.order:
        if current is not None:
            _grow_old(tx, bucket_name, key, current)
        OBJECTS.put(tx, bucket_name, key, version)
        return
    if current.order == version.order or VERSIONS.has(tx, bucket_name, key, -version.order):
        raise errors.invalid_request("Another version of the key was made at the same moment.")
    _grow_old(tx, bucket_name, key, version)


def check_version_id(version_id: str) -> None:
    if version_id == "":
        raise errors.invalid_argument("Version id cannot be the empty string", "versionId", "")
    if version_id != NULL and order_of(version_id) is None:
        raise errors.invalid_argument("Invalid version id specified", "versionId", version_id)


def _grow_old(tx: Transaction, bucket_name: str, key: str, version: Version) -> None:
    VERSIONS.put(tx, bucket_name, key, -version.order, version)
    if version.version_id == NULL:
        NULLS.put(tx, bucket_name, key, version.order)


def _drop_old_null(call: Call, tx: Transaction, bucket_name: str, key: str) -> None:
    order = NULLS.get(tx, bucket_name, key)
    if order is None:
        return
    old = VERSIONS.get(tx, bucket_name, key, -order)
    if old is not None:
        contents.drop(call, tx, bucket_name, key, old)
        VERSIONS.delete(tx, bucket_name, key, -order)
    NULLS.delete(tx, bucket_name, key)
