"""The source of a copy: `x-amz-copy-source`, the permission to read it, its conditions."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote

from groundcloud.kernel.call import Call
from groundcloud.services.s3 import conditions, encryption, errors, permissions, restores, versions
from groundcloud.services.s3.state import OBJECTS, Bucket, Version, find_version
from groundcloud.store import Transaction


class Source(NamedTuple):
    bucket: Bucket
    key: str
    version: Version
    customer: bytes | None = None
    """The key that the source is encrypted with, where it is the customer's."""


def source_of(call: Call, tx: Transaction, request: dict[str, Any]) -> Source:
    """Raises InvalidArgument, NoSuchBucket, NoSuchKey, NoSuchVersion, InvalidRequest, AccessDenied, PreconditionFailed."""
    name, key, version_id = parse(request["CopySource"])
    bucket = permissions.find_bucket(call, tx, {"Bucket": name}, anywhere=True)
    name = bucket.bucket_name
    expected = request.get("ExpectedSourceBucketOwner")
    if expected is not None and expected != bucket.account:
        raise permissions.unexpected_owner(expected)
    version = OBJECTS.get(tx, name, key) if version_id is None else find_version(tx, name, key, version_id)
    permissions.require(call, bucket, "s3:GetObject" if version_id is None else "s3:GetObjectVersion", key, grants=lambda: version)
    if version_id is not None:
        versions.check_version_id(version_id)
        if version is None or version.version_id != version_id:
            raise errors.no_such_version(key, version_id)
        if version.marker:
            raise errors.invalid_request("The source of a copy request may not specifically refer to a delete marker by version id.")
    if version is None or version.marker:
        if not permissions.permitted(call, bucket, "s3:ListBucket"):
            raise errors.access_denied()
        raise errors.no_such_key(key)
    if version.owner:
        permissions.check_owner(call, bucket, "s3:GetObject", version)
    customer = encryption.customer_key_of_read(request, version.seal, encryption.SOURCE_MEMBERS)
    if restores.is_away(version, call.now_ms):
        raise errors.S3Error(
            "ObjectNotInActiveTierError",
            "The source object of the COPY operation is not in the active tier and is only stored in Amazon Glacier.",
            403,
        )
    conditions.check_copy_source(conditions.of_copy(request), version, call.now_s)
    return Source(bucket, key, version, customer)


def parse(text: str) -> tuple[str, str, str | None]:
    """Bucket, key, version id. Raises InvalidArgument."""
    path, question, query = text.partition("?versionId=")
    path = unquote(path, errors="surrogateescape").removeprefix("/")
    name, slash, key = path.partition("/object/" if path.startswith("arn:") else "/")
    if not slash or not name or not key:
        raise errors.invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", text
        )
    return name, key, unquote(query) if question else None
