"""Objects: put, get, head, attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import (
    acls,
    checksums,
    conditions,
    contents,
    encryption,
    errors,
    names,
    notifications,
    object_annotations,
    objects,
    permissions,
    replication,
    restores,
    versions,
)
from groundcloud.services.s3.state import NULL, OBJECTS, PARTS, Bucket, Version, find_version
from groundcloud.store import Transaction

ATTRIBUTES_PARTS_MAX = 1000


def check_put(call: Call, tx: Transaction, request: dict[str, Any], *, action: str = "s3:PutObject", form: bool = False) -> Bucket:
    """The bucket of a write, once the caller may write there with the ACL, tags and lock that the request has. `form`: it came without headers."""
    key = request["Key"]
    names.check_key(key)
    bucket = permissions.open_bucket(call, tx, request, action, key, context=_of_inner(request) if form or call.http is None else None)
    if _FURTHER.isdisjoint(request):
        return bucket
    if "Tagging" in request:
        permissions.require(call, bucket, "s3:PutObjectTagging", key)
    if not _GRANTS.isdisjoint(request) and call.principal.kind != "service" and not permissions.writes_by_acl(call, bucket):
        # The policies by which AWS's own services write reports and logs name s3:PutObject alone.
        permissions.require(call, bucket, "s3:PutObjectAcl", key)
    if "ObjectLockMode" in request:
        permissions.require(call, bucket, "s3:PutObjectRetention", key)
    if "ObjectLockLegalHoldStatus" in request:
        permissions.require(call, bucket, "s3:PutObjectLegalHold", key)
    return bucket


_GRANTS = frozenset(("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP"))
_FURTHER = frozenset(("Tagging", "ObjectLockMode", "ObjectLockLegalHoldStatus", *_GRANTS))
"""Members of a write that take a permission of their own."""

_CONDITIONS = {
    "ACL": "s3:x-amz-acl",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
    "StorageClass": "s3:x-amz-storage-class",
}


def _of_inner(request: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """The condition keys of a write that came without headers."""
    return lambda: {name: request[member] for member, name in _CONDITIONS.items() if member in request}


def grants_of_write(call: Call, bucket: Bucket, request: dict[str, Any]) -> tuple[acls.Grants, str]:
    """The new object's ACL, and its owner where that is not the bucket's. Raises as `acls.check_allowed`."""
    if bucket.ownership == "BucketOwnerEnforced":
        if not _GRANTS.isdisjoint(request):
            acls.check_allowed(call, bucket, request, ())
        return (), ""
    writer = call.principal.account or bucket.account
    owner = writer if writer != bucket.account else ""
    if bucket.ownership == "BucketOwnerPreferred" and request.get("ACL") == "bucket-owner-full-control":
        owner = ""
    grants = acls.grants_of_request(request, owner or bucket.account, bucket.account)
    acls.check_allowed(call, bucket, request, grants)
    return grants, owner


@operation(public=True)
async def put_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if "WriteOffsetBytes" in request:
        raise errors.not_implemented("x-amz-write-offset-bytes")
    refuse_half_a_part(call)
    position = call.ground.store.position
    bucket = check_put(call, call.reading(), request)
    key = request["Key"]
    headers = objects.headers_of(request)
    metadata = objects.metadata_of(request)
    tags = objects.tags_of(request)
    storage_class = objects.storage_class_of(request)
    grants, owner = grants_of_write(call, bucket, request)
    retention, legal_hold = objects.lock_of(request, bucket, call.now_s)
    sealing = await encryption.of_write(call, request, bucket)
    received = await contents.receive(call, request, sealing)
    fields = {
        "headers": headers,
        "metadata": metadata,
        "storage_class": storage_class,
        "tags": tags,
        "encryption": sealing.encryption,
        "seal": sealing.seal,
        "grants": grants,
        "owner": owner,
        "retention": retention,
        "legal_hold": legal_hold,
    }
    bucket, version = write(call, request, bucket.bucket_name, key, received, fields, "ObjectCreated:Put", (bucket, position))
    return written(call, bucket, key, version, sealing)


def refuse_half_a_part(call: Call) -> None:
    """A part without its number, or of no upload, is no object. Raises InvalidArgument."""
    http = call.http
    if http is not None and http.query_string:
        for name in ("uploadId", "partNumber"):
            if name in http.query_string and name in http.query:
                raise errors.invalid_argument("This operation does not accept a query-string.", "ResourceType", name)


def write(
    call: Call,
    request: dict[str, Any],
    bucket_name: str,
    key: str,
    received: contents.Received,
    fields: dict[str, Any],
    event: str,
    known: tuple[Bucket | None, int] = (None, -1),
    beside: Sequence[tuple[object_annotations.Kept, contents.Received]] = (),
) -> tuple[Bucket, Version]:
    """The one transaction of a put: conditions, content, version, annotations, notification. Drops what was received if it fails.

    `known`: the bucket as it was at a position of the store. `beside`: the annotations that a copy takes along.
    """
    try:
        with call.transaction() as tx:
            # The bucket may have gone or changed while the body came in.
            bucket, position = known
            if bucket is None or bucket.point or position != call.ground.store.position:
                bucket = permissions.BUCKETS.get(tx, bucket_name)
                if bucket is None:
                    raise errors.no_such_bucket(bucket_name)
            current = OBJECTS.get(tx, bucket_name, key)
            if "IfMatch" in request or "IfNoneMatch" in request:
                conditions.check_write(request, key, current)
            order = versions.next_order(call, current)
            version = Version(
                order,
                NULL,
                order // 1000,
                received.size_bytes,
                received.etag,
                blob=contents.keep(call, tx, bucket_name, key, order, received),
                checksum=(*received.checksum, "FULL_OBJECT"),
                **fields,
            )
            version = versions.put(call, tx, bucket, key, version, current)
            if beside:
                for kept, text in beside:
                    version = object_annotations.put(
                        call, tx, bucket_name, key, version, object_annotations.linked(call, tx, kept, text.content)
                    )
                versions.change(tx, bucket_name, key, version)
            if "replication" in bucket.configured:
                version = replication.follow(call, tx, bucket, key, version)
            if "notification" in bucket.configured:
                notifications.emit(call, tx, bucket, event, key, version)
    except errors.S3Error:
        received.discard(call)
        for _, text in beside:
            text.discard(call)
        raise
    return bucket, version


def written(call: Call, bucket: Bucket, key: str, version: Version, sealing: encryption.Sealing) -> dict[str, Any]:
    """The answer to a put."""
    answer = {"ETag": f'"{version.etag}"', **sealing.members, **checksums.members(version.checksum)}
    if bucket.versioning == "Enabled":
        answer["VersionId"] = version.version_id
    if "lifecycle" in bucket.configured:
        answer["Expiration"] = expiration(call, bucket, key, version)
    return answer


def expiration(call: Call, bucket: Bucket, key: str, version: Version) -> str | None:
    """`x-amz-expiration` of what was written or is read."""
    if "lifecycle" not in bucket.configured:
        return None
    from groundcloud.services.s3.lifecycle import expiration_header

    return expiration_header(call.reading(), bucket, key, version)


def open_version(call: Call, tx: Transaction, request: dict[str, Any], action: str, versioned_action: str) -> tuple[Bucket, Version]:
    """The bucket and the version that a read is for. Raises NoSuchBucket, AccessDenied, NoSuchKey, NoSuchVersion, MethodNotAllowed."""
    key, version_id = request["Key"], request.get("VersionId")
    names.check_key(key)
    found: list[Version | None] = []

    def load() -> Version | None:
        if not found:
            name = request["Bucket"]  # an access point's name has become the bucket's by now
            found.append(OBJECTS.get(tx, name, key) if version_id is None else find_version(tx, name, key, version_id))
        return found[0]

    def tags() -> dict[str, Any]:
        version = load()
        facts: dict[str, Any] = {}
        if version is not None:
            facts = {f"s3:ExistingObjectTag/{tag}": value for tag, value in version.tags.items()}
        if "Retention" in request or "LegalHold" in request or "Tagging" in request:
            facts.update(_wanted_facts(call, request))
        return facts

    bucket = permissions.open_bucket(
        call, tx, request, versioned_action if version_id is not None else action, key, context=tags, grants=load
    )
    if version_id is not None:
        versions.check_version_id(version_id)
    version = load()
    if version is None or (version_id is not None and version.version_id != version_id):
        if not permissions.permitted(call, bucket, "s3:ListBucket"):
            # Whoever may not list does not learn what is there.
            denial = permissions.denial_of(call, bucket, "s3:ListBucket")
            raise denial or errors.access_denied()
        raise errors.no_such_key(key) if version_id is None else errors.no_such_version(key, version_id)
    if version.owner:
        permissions.check_owner(call, bucket, versioned_action if version_id is not None else action, version)
    if version.marker:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": version.version_id}
        if version_id is None:
            raise errors.no_such_key(key, headers)
        headers["last-modified"] = _http_date(version.modified_ms)
        headers["allow"] = "DELETE"
        raise errors.method_not_allowed(call.http.method if call.http is not None else "GET", "DeleteMarker", headers)
    return bucket, version


def _wanted_facts(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Condition keys of what a document sets: retention, legal hold, tags."""
    facts: dict[str, Any] = {}
    retention = request.get("Retention") or {}
    if "Mode" in retention:
        facts["s3:object-lock-mode"] = retention["Mode"]
    if "RetainUntilDate" in retention:
        from groundcloud.wire.timestamps import iso8601

        facts["s3:object-lock-retain-until-date"] = iso8601(retention["RetainUntilDate"])
        facts.update(permissions.remaining(call, retention["RetainUntilDate"]))
    if "Status" in (request.get("LegalHold") or {}):
        facts["s3:object-lock-legal-hold"] = request["LegalHold"]["Status"]
    tags = (request.get("Tagging") or {}).get("TagSet") if isinstance(request.get("Tagging"), dict) else None
    if tags:
        facts["s3:RequestObjectTagKeys"] = [tag.get("Key") for tag in tags]
        facts.update({f"s3:RequestObjectTag/{tag.get('Key')}": tag.get("Value") for tag in tags})
    return facts


def _http_date(at_ms: int) -> str:
    from groundcloud.wire.timestamps import rfc822

    return rfc822(at_ms // 1000)


def _select(call: Call, tx: Transaction, request: dict[str, Any], bucket: Bucket, version: Version) -> tuple[int, int, dict[str, Any]]:
    """Which bytes a read is for, and the members that say so. Raises InvalidRange, InvalidPartNumber, InvalidRequest."""
    part_number = request.get("PartNumber")
    size = version.size_bytes
    if part_number is not None:
        if "Range" in request:
            raise errors.invalid_request("Cannot specify both Range header and partNumber query parameter")
        if not 1 <= part_number <= 10_000:
            raise errors.invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", part_number)
        if not version.upload_id:
            if part_number > 1:
                raise errors.invalid_part_number(part_number, 1)
            return (0, size, {"ContentRange": f"bytes 0-{size - 1}/{size}"} if size else {})
        offset = 0
        for part in PARTS.scan(tx, bucket.bucket_name, version.upload_id):
            if part.part_number == part_number:
                members: dict[str, Any] = {"PartsCount": version.parts_count}
                if request.get("ChecksumMode", "").upper() == "ENABLED" and version.checksum[2:] == ("COMPOSITE",):
                    # AWS: "Checking object integrity": a part's own checksum, where the upload has kept it.
                    members.update(checksums.members((*part.checksum, "COMPOSITE")))
                if part.size_bytes:
                    members["ContentRange"] = f"bytes {offset}-{offset + part.size_bytes - 1}/{size}"
                return offset, offset + part.size_bytes, members
            offset += part.size_bytes
        raise errors.invalid_part_number(part_number, version.parts_count)
    text = request.get("Range")
    if text is None or (
        call.http is not None and "if-range" in call.http.headers and not conditions.range_holds(call.http.headers["if-range"], version)
    ):
        return 0, size, {}
    chosen = conditions.byte_range(text, size)
    if chosen is None:
        return 0, size, {}
    return *chosen, {"ContentRange": f"bytes {chosen[0]}-{chosen[1] - 1}/{size}"}


_OVERRIDES = (
    "ResponseCacheControl",
    "ResponseContentDisposition",
    "ResponseContentEncoding",
    "ResponseContentLanguage",
    "ResponseContentType",
    "ResponseExpires",
)


def _answer(call: Call, tx: Transaction, request: dict[str, Any], bucket: Bucket, version: Version) -> tuple[int, int, dict[str, Any]]:
    wanted = conditions.of_read(request)
    if wanted is not None:
        headers = {"etag": f'"{version.etag}"', "last-modified": _http_date(version.modified_ms)}
        if bucket.versioning:
            headers["x-amz-version-id"] = version.version_id
        conditions.check_read(wanted, version, headers, call.now_s)
    start, stop, members = _select(call, tx, request, bucket, version)
    whole = stop - start == version.size_bytes and "PartsCount" not in members
    with_checksum = whole and request.get("ChecksumMode", "").upper() == "ENABLED"
    answer = objects.members_of(version, bucket, with_checksum=with_checksum)
    answer["ContentLength"] = stop - start
    if members:
        answer.update(members)
    if call.http is not None and "response-" in call.http.query_string:
        given = [name for name in _OVERRIDES if name in request]
        if given and call.principal.kind == "anonymous":
            raise errors.invalid_request("Request specific response headers cannot be used for anonymous GET requests.")
        for name in given:
            value = request[name]
            answer[name.removeprefix("Response")] = value if isinstance(value, str) else _http_date(int(value) * 1000)
    if "lifecycle" in bucket.configured:
        answer["Expiration"] = expiration(call, bucket, request["Key"], version)
    if version.restored is not None:
        answer["Restore"] = restores.header(version, call.now_ms)
    return start, stop, answer


@operation(public=True)
async def get_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.reading()
    bucket, version = open_version(call, tx, request, "s3:GetObject", "s3:GetObjectVersion")
    if version.storage_class in restores.ARCHIVED and restores.is_away(version, call.now_ms):
        raise errors.S3Error(
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            403,
            {"StorageClass": version.storage_class},
        )
    customer = encryption.check_read(call, request, version.seal)
    start, stop, answer = _answer(call, tx, request, bucket, version)
    keys = None
    if version.seal is not None and version.seal.by:
        answer.update(encryption.members_of_read(request, version.seal))
        keys = await encryption.keys_of(call, bucket, version.seal, customer)
    answer["Body"] = contents.read(call, tx, bucket.bucket_name, request["Key"], version, start, stop, keys)
    return answer


@operation(public=True)
async def head_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.reading()
    bucket, version = open_version(call, tx, request, "s3:GetObject", "s3:GetObjectVersion")
    customer = encryption.check_read(call, request, version.seal)
    answer = _answer(call, tx, request, bucket, version)[2]
    if version.seal is not None and version.seal.by:
        answer.update(encryption.members_of_read(request, version.seal))
        if request.get("ChecksumMode", "").upper() == "ENABLED":
            # AWS: HeadObject, "x-amz-checksum-mode": the checksum takes kms:Decrypt, the rest does not.
            await encryption.keys_of(call, bucket, version.seal, customer)
    return answer


@operation(public=True)
def get_object_attributes(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:GetObject", "s3:GetObjectVersion")
    encryption.check_read(call, request, version.seal)
    permissions.require(
        call, bucket, "s3:GetObjectVersionAttributes" if "VersionId" in request else "s3:GetObjectAttributes", request["Key"]
    )
    wanted = set(request["ObjectAttributes"])
    answer: dict[str, Any] = {"LastModified": version.modified_ms // 1000}
    if bucket.versioning:
        answer["VersionId"] = version.version_id
    if "ETag" in wanted:
        answer["ETag"] = version.etag
    if "Checksum" in wanted and version.checksum[0]:
        answer["Checksum"] = checksums.members(version.checksum)
    if "StorageClass" in wanted:
        answer["StorageClass"] = version.storage_class
    if "ObjectSize" in wanted:
        answer["ObjectSize"] = version.size_bytes
    if "ObjectParts" in wanted and version.upload_id:
        answer["ObjectParts"] = _parts(call, request, bucket, version)
    return answer


def _parts(call: Call, request: dict[str, Any], bucket: Bucket, version: Version) -> dict[str, Any]:
    limit = request.get("MaxParts", ATTRIBUTES_PARTS_MAX)
    marker = request.get("PartNumberMarker", 0)
    found: dict[str, Any] = {"TotalPartsCount": version.parts_count}
    # AWS gives the parts themselves only where each has a checksum that the client chose.
    if version.checksum[2] != "COMPOSITE":
        return found
    parts = list(PARTS.scan(call.tx, bucket.bucket_name, version.upload_id, after=marker, limit=limit + 1))
    page = parts[:limit]
    found.update(
        PartNumberMarker=marker,
        NextPartNumberMarker=page[-1].part_number if page else 0,
        MaxParts=limit,
        IsTruncated=len(parts) > limit,
        Parts=[{"PartNumber": part.part_number, "Size": part.size_bytes, **checksums.members(part.checksum)} for part in page],
    )
    return found
