"""Multipart uploads: create, upload a part, copy a part, complete, abort, list parts, list uploads.

    in progress   a row in UPLOADS; parts come, replace one another, and rest under (bucket, upload id, number)
    completed     the row goes; the object points at the upload id and its parts stay where they are; parts not named go
    aborted       the row and every part go

AWS: "Multipart upload overview", "Amazon S3 multipart upload limits".
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import (
    checksums,
    conditions,
    contents,
    encryption,
    errors,
    lifecycle,
    listing,
    names,
    notifications,
    objects,
    permissions,
    replication,
    versions,
)
from groundcloud.services.s3.operations.objects import check_put, expiration, grants_of_write
from groundcloud.services.s3.sources import source_of
from groundcloud.services.s3.state import NULL, OBJECTS, PART_CONTENTS, PARTS, UPLOADS, Bucket, Part, Upload, Version, canonical_id
from groundcloud.store import Transaction

PART_NUMBER_MAX = 10_000
PART_BYTES_MIN = 5 * 1024**2
OBJECT_BYTES_MAX = 50 * 1024**4
"""AWS: 5 TB until 2025, 50 TB since."""
LIST_MAX = 1000


@operation(public=True)
async def create_multipart_upload(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = check_put(call, call.reading(), request)
    algorithm, kind = _checksum_of(request)
    grants, owner = grants_of_write(call, bucket, request)
    retention, legal_hold = objects.lock_of(request, bucket, call.now_s)
    sealing = await encryption.of_write(call, request, bucket)
    upload = Upload(
        bucket.bucket_name,
        request["Key"],
        # Sorts by time, as uploads of one key are listed.
        f"{call.now_ms:012x}{call.token(52)}",
        call.now_ms,
        call.principal.arn or "anonymous",
        headers=objects.headers_of(request),
        metadata=objects.metadata_of(request),
        storage_class=objects.storage_class_of(request),
        checksum_algorithm=algorithm,
        checksum_type=kind,
        tags=objects.tags_of(request),
        encryption=sealing.encryption,
        seal=sealing.seal,
        grants=grants,
        retention=retention,
        legal_hold=legal_hold,
        owner=owner,
    )
    with call.transaction() as tx:
        if not permissions.BUCKETS.has(tx, bucket.bucket_name):
            raise errors.no_such_bucket(bucket.bucket_name)
        UPLOADS.put(tx, upload)
    return {
        "Bucket": bucket.bucket_name,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "ChecksumAlgorithm": algorithm or None,
        "ChecksumType": kind or None,
        **_abortion(call, bucket, upload),
        **sealing.members,
    }


def _abortion(call: Call, bucket: Bucket, upload: Upload) -> dict[str, Any]:
    """When a lifecycle rule will abort the upload, and which."""
    if "lifecycle" not in bucket.configured:
        return {}
    found = lifecycle.abortion(call.reading(), bucket.bucket_name, upload)
    return {} if found is None else {"AbortDate": found[0] // 1000, "AbortRuleId": found[1]}


def _checksum_of(request: dict[str, Any]) -> tuple[str, str]:
    """Algorithm and type of an upload. Raises InvalidRequest for a pair that cannot be."""
    algorithm, kind = request.get("ChecksumAlgorithm", ""), request.get("ChecksumType", "")
    if not algorithm:
        if kind:
            raise errors.invalid_request("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
        return "", ""
    kind = kind or checksums.default_type(algorithm)
    if (kind == "FULL_OBJECT" and algorithm not in checksums.CRC_BYTES) or (kind == "COMPOSITE" and algorithm == "CRC64NVME"):
        raise errors.invalid_request(f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")
    return algorithm, kind


def _upload(tx: Transaction, request: dict[str, Any]) -> Upload:
    upload = UPLOADS.get(tx, request["Bucket"], request["Key"], request["UploadId"])
    if upload is None:
        raise errors.no_such_upload(request["UploadId"])
    return upload


def _part_number(request: dict[str, Any]) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= PART_NUMBER_MAX:
        raise errors.invalid_argument(f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive", "partNumber", number)
    return number


@operation(public=True)
async def upload_part(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.reading()
    names.check_key(request["Key"])
    bucket = permissions.open_bucket(call, tx, request, "s3:PutObject", request["Key"])
    number = _part_number(request)
    upload = _upload(tx, request)
    sealing = await encryption.of_part(call, request, bucket, upload)
    # Where the upload has no checksum, a part's is verified, and the object's is made of what S3 computes itself.
    algorithm = upload.checksum_algorithm
    received = await contents.receive(call, request, sealing, part=True, algorithm=algorithm, keep="" if algorithm else checksums.DEFAULT)
    part = _keep_part(call, request, number, received, upload)
    return {
        "ETag": f'"{part.etag}"',
        **sealing.members,
        **checksums.members(received.checksum if upload.checksum_algorithm else received.declared),
    }


def _keep_part(call: Call, request: dict[str, Any], number: int, received: contents.Received, upload: Upload) -> Part:
    """The transaction of a part: replaces the earlier one of that number. Raises NoSuchUpload if the upload ended meanwhile."""
    name, upload_id = upload.bucket_name, upload.upload_id
    try:
        with call.transaction() as tx:
            _upload(tx, request)
            earlier = PARTS.get(tx, name, upload_id, number)
            if earlier is not None:
                contents.drop_part(call, tx, name, upload_id, earlier)
            blob = None
            if received.content is not None:
                blob = call.blobs.link(tx, received.content)
            elif received.data:
                PART_CONTENTS.put(tx, name, upload_id, number, received.data)
            part = Part(number, received.size_bytes, received.etag, call.clock.now_ms(), blob, received.checksum, received.salt)
            PARTS.put(tx, name, upload_id, number, part)
    except errors.S3Error:
        received.discard(call)
        raise
    return part


@operation(public=True)
async def upload_part_copy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.reading()
    names.check_key(request["Key"])
    bucket = permissions.open_bucket(call, tx, request, "s3:PutObject", request["Key"])
    number = _part_number(request)
    upload = _upload(tx, request)
    source = source_of(call, tx, request)
    size = source.version.size_bytes
    start, stop = _copy_range(request.get("CopySourceRange"), size)
    if stop - start > contents.PUT_BYTES_MAX:
        raise errors.entity_too_large(stop - start, contents.PUT_BYTES_MAX)
    sealing = await encryption.of_part(call, request, bucket, upload)
    keys = await encryption.keys_of(call, source.bucket, source.version.seal, source.customer)
    body = contents.read(call, tx, source.bucket.bucket_name, source.key, source.version, start, stop, keys)
    received = await contents.receive(call, {"Body": body}, sealing, part=True, algorithm=upload.checksum_algorithm)
    part = _keep_part(call, request, number, received, upload)
    return {
        "CopySourceVersionId": source.version.version_id if source.bucket.versioning else None,
        "CopyPartResult": {
            "ETag": f'"{part.etag}"',
            "LastModified": part.modified_ms // 1000,
            **(checksums.members(part.checksum) if upload.checksum_algorithm else {}),
        },
        **sealing.members,
    }


def _copy_range(text: str | None, size_bytes: int) -> tuple[int, int]:
    if text is None:
        return 0, size_bytes
    first, dash, last = text.removeprefix("bytes=").partition("-")
    if not text.startswith("bytes=") or not dash or not first.isdigit() or not last.isdigit() or int(last) < int(first):
        raise errors.invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first "
            "and last bytes to copy",
            "x-amz-copy-source-range",
            text,
        )
    if int(last) >= size_bytes:
        raise errors.invalid_argument(
            f"Range specified is not valid for source object of size: {size_bytes}", "x-amz-copy-source-range", text
        )
    return int(first), int(last) + 1


@operation(public=True)
def complete_multipart_upload(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    key, upload_id = request["Key"], request["UploadId"]
    names.check_key(key)
    bucket = permissions.open_bucket(call, tx, request, "s3:PutObject", key)
    name = bucket.bucket_name
    if "MultipartUpload" not in request:
        raise errors.invalid_request("You must specify at least one part")
    wanted = request["MultipartUpload"].get("Parts")
    if not wanted:
        raise errors.malformed_xml()
    current = OBJECTS.get(tx, name, key)
    upload = UPLOADS.get(tx, name, key, upload_id)
    if upload is None:
        # A client that did not hear the answer asks again.
        if current is not None and current.upload_id == upload_id:
            return _completed(call, bucket, key, current)
        raise errors.no_such_upload(upload_id)
    parts = _wanted_parts(tx, upload, wanted)
    size = sum(part.size_bytes for part in parts)
    if request.get("MpuObjectSize", size) != size:
        raise errors.invalid_request(
            f"The provided 'x-amz-mp-object-size' header value {request['MpuObjectSize']} does not match what was computed: {size}"
        )
    if size > OBJECT_BYTES_MAX:
        raise errors.entity_too_large(size, OBJECT_BYTES_MAX)
    encryption.check_complete(request, upload)
    checksum = _object_checksum(request, upload, parts)
    conditions.check_write(request, key, current)
    kept = {part.part_number for part in parts}
    for part in list(PARTS.scan(tx, name, upload_id)):
        if part.part_number not in kept:
            contents.drop_part(call, tx, name, upload_id, part)
    order = versions.next_order(call, current)
    etag = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    version = Version(
        order,
        NULL,
        order // 1000,
        size,
        f"{etag}-{len(parts)}",
        upload_id=upload_id,
        parts_count=len(parts),
        checksum=checksum,
        retention=upload.retention,
        **objects.of_upload(upload),
    )
    version = versions.put(call, tx, bucket, key, version, current)
    UPLOADS.delete(tx, name, key, upload_id)
    if "replication" in bucket.configured:
        version = replication.follow(call, tx, bucket, key, version)
    if "notification" in bucket.configured:
        notifications.emit(call, tx, bucket, "ObjectCreated:CompleteMultipartUpload", key, version)
    return _completed(call, bucket, key, version)


def _completed(call: Call, bucket: Bucket, key: str, version: Version) -> dict[str, Any]:
    return {
        "Location": f"{call.endpoint}/{bucket.bucket_name}/{quote(key, errors='surrogatepass')}",
        "Bucket": bucket.bucket_name,
        "Key": key,
        "ETag": f'"{version.etag}"',
        "VersionId": version.version_id if bucket.versioning == "Enabled" else None,
        "Expiration": expiration(call, bucket, key, version),
        **checksums.members(version.checksum),
        **encryption.members_of(version.encryption),
    }


def _wanted_parts(tx: Transaction, upload: Upload, wanted: list[dict[str, Any]]) -> list[Part]:
    """The parts that the client names, in its order. Raises InvalidPartOrder, InvalidPart, InvalidRequest, EntityTooSmall."""
    name, upload_id = upload.bucket_name, upload.upload_id
    last_number = 0
    for one in wanted:
        if one.get("PartNumber") is None or one.get("ETag") is None:
            raise errors.malformed_xml()
        if not 1 <= one["PartNumber"] <= PART_NUMBER_MAX:
            raise errors.invalid_argument(
                f"PartNumber must be an integer between 1 and {PART_NUMBER_MAX}, inclusive", "partNumber", one["PartNumber"]
            )
        if one["PartNumber"] <= last_number:
            raise errors.invalid_part_order(upload_id)
        last_number = one["PartNumber"]
    there = {part.part_number: part for part in PARTS.scan(tx, name, upload_id)}
    member = checksums.MEMBERS.get(upload.checksum_algorithm, "")
    parts = []
    for one in wanted:
        number, etag = one["PartNumber"], one["ETag"].strip('"')
        part = there.get(number)
        if part is None or part.etag != etag:
            raise errors.invalid_part(upload_id, number, etag)
        if upload.checksum_type == "COMPOSITE" and member not in one:
            raise errors.invalid_request(
                f"The upload was created using a {upload.checksum_algorithm.lower()} checksum. The complete request must include the checksum for each "
                f"part. It was missing for part {number} in the request."
            )
        given = one.get(checksums.MEMBERS.get(part.checksum[0], ""))
        if given is not None and given != part.checksum[1]:
            raise errors.invalid_part(upload_id, number, etag)
        parts.append(part)
    for part in parts[:-1]:
        if part.size_bytes < PART_BYTES_MIN:
            raise errors.entity_too_small(part.part_number, part.size_bytes, PART_BYTES_MIN, part.etag)
    return parts


def _object_checksum(request: dict[str, Any], upload: Upload, parts: list[Part]) -> tuple[str, str, str]:
    """Of the whole object; held against the one in the request. Raises InvalidRequest, BadDigest."""
    algorithm, kind = upload.checksum_algorithm, upload.checksum_type
    if not algorithm:
        algorithm, kind = checksums.DEFAULT, "FULL_OBJECT"
    if request.get("ChecksumType", kind) != kind:
        raise errors.invalid_request(
            f"The upload was created using the {kind} checksum mode. The complete request must use the same checksum mode."
        )
    if kind == "FULL_OBJECT":
        value = checksums.combined(algorithm, [(part.checksum[1], part.size_bytes) for part in parts])
    else:
        value = checksums.composite(algorithm, [part.checksum[1] for part in parts])
    given = request.get(checksums.MEMBERS[algorithm])
    if given is not None and given != value and given != value.partition("-")[0]:
        raise errors.bad_checksum(algorithm.lower())
    return algorithm, value, kind


@operation(public=True)
def abort_multipart_upload(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    permissions.open_bucket(call, call.tx, request, "s3:AbortMultipartUpload", request["Key"])
    upload = _upload(call.tx, request)
    abort(call, call.tx, upload)
    return {}


def abort(call: Call, tx: Transaction, upload: Upload) -> None:
    contents.drop_parts(call, tx, upload.bucket_name, upload.upload_id)
    UPLOADS.delete(tx, upload.bucket_name, upload.key, upload.upload_id)


def _person(arn: str, account: str) -> dict[str, str]:
    if not arn or arn.endswith(":root"):
        return {"ID": canonical_id(account)}
    return {"ID": arn, "DisplayName": arn.rpartition("/")[2] or arn.rpartition(":")[2]}


@operation(public=True)
def list_parts(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:ListMultipartUploadParts", request["Key"])
    upload = _upload(call.tx, request)
    limit = listing.limit_of(request.get("MaxParts"), "max-parts")
    marker = request.get("PartNumberMarker", 0)
    if marker < 0:
        raise errors.invalid_argument(
            "Argument part-number-marker must be an integer between 0 and 2147483647", "part-number-marker", marker
        )
    parts = list(PARTS.scan(call.tx, bucket.bucket_name, upload.upload_id, after=marker, limit=limit + 1))
    page = parts[:limit]
    shown = []
    for part in page:
        one = {"PartNumber": part.part_number, "LastModified": part.modified_ms // 1000, "ETag": f'"{part.etag}"', "Size": part.size_bytes}
        if upload.checksum_algorithm:
            one.update(checksums.members(part.checksum))
        shown.append(one)
    return {
        "Bucket": bucket.bucket_name,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].part_number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(parts) > limit,
        "Parts": shown or None,
        "Initiator": _person(upload.initiator, bucket.account),
        "Owner": {"ID": canonical_id(upload.owner or bucket.account)},
        "StorageClass": upload.storage_class,
        "ChecksumAlgorithm": upload.checksum_algorithm or None,
        "ChecksumType": upload.checksum_type or None,
        **_abortion(call, bucket, upload),
    }


@operation(public=True)
def list_multipart_uploads(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:ListBucketMultipartUploads")
    name = bucket.bucket_name
    prefix, delimiter, key_marker = request.get("Prefix", ""), request.get("Delimiter", ""), request.get("KeyMarker", "")
    # An upload id marker means nothing without a key marker. AWS: ListMultipartUploads.
    id_marker = request.get("UploadIdMarker", "") if key_marker else ""
    limit = listing.limit_of(request.get("MaxUploads"), "max-uploads")

    def scan(start: str, inclusive: bool) -> Any:
        if start and not inclusive and start == key_marker:
            # Without an upload id the marker's own uploads are past; with one, those below it.
            rows = UPLOADS.scan(call.tx, name, after=(start, id_marker)) if id_marker else UPLOADS.scan(call.tx, name, after=start)
        elif start:
            rows = UPLOADS.scan(call.tx, name, start=start) if inclusive else UPLOADS.scan(call.tx, name, after=start)
        else:
            rows = UPLOADS.scan(call.tx, name)
        return ((upload.key, upload) for upload in rows)

    page: listing.Page[Upload] = listing.page_of(scan, prefix, delimiter, key_marker, limit)
    encode = request.get("EncodingType") == "url"
    text = listing.url_encoded if encode else (lambda value: value)
    shown = [
        {
            "Key": text(key),
            "UploadId": upload.upload_id,
            "Initiated": upload.initiated_ms / 1000,
            "StorageClass": upload.storage_class,
            "Owner": {"ID": canonical_id(upload.owner or bucket.account)},
            "Initiator": _person(upload.initiator, bucket.account),
            "ChecksumAlgorithm": upload.checksum_algorithm or None,
            "ChecksumType": upload.checksum_type or None,
        }
        for key, upload in page.entries
    ]
    return {
        "Bucket": name,
        "KeyMarker": text(key_marker),
        "UploadIdMarker": id_marker,
        "NextKeyMarker": text(page.last) if page.last else "",
        "NextUploadIdMarker": page.entries[-1][1].upload_id if page.entries and not page.last_is_prefix else "",
        "Prefix": text(prefix),
        "Delimiter": text(delimiter) if delimiter else None,
        "MaxUploads": limit,
        "IsTruncated": page.truncated,
        "EncodingType": "url" if encode else None,
        "Uploads": shown or None,
        "CommonPrefixes": [{"Prefix": text(one)} for one in page.prefixes] or None,
    }
