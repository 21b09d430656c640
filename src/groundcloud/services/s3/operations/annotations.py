"""Annotations of objects: put, get, list, delete."""

from __future__ import annotations

import codecs
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import (
    checksums,
    conditions,
    contents,
    encryption,
    errors,
    locks,
    notifications,
    object_annotations,
    replication,
    versions,
)
from groundcloud.services.s3.listing import read_token, write_token
from groundcloud.services.s3.object_annotations import ANNOTATIONS, Annotation, Kept
from groundcloud.services.s3.operations.objects import open_version
from groundcloud.services.s3.state import Bucket, Version
from groundcloud.store import Transaction

LIST_MAX = 1000


def _open(call: Call, tx: Transaction, request: dict[str, Any], action: str) -> tuple[Bucket, Version]:
    """AWS has one permission for an object and its versions here."""
    bucket, version = open_version(call, tx, request, action, action)
    wanted = request.get("ObjectIfMatch")
    if wanted is not None and not conditions.matches(wanted, version.etag):
        raise errors.precondition_failed("x-amz-object-if-match")
    return bucket, version


def _shown_id(bucket: Bucket, version: Version) -> str | None:
    return version.version_id if bucket.versioning else None


class _Text:
    """Sees text pass. Raises UnsupportedMediaType for what is not UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def observe(self, data: bytes, final: bool = False) -> None:
        try:
            self._decoder.decode(data, final)
        except UnicodeDecodeError:
            raise errors.S3Error("UnsupportedMediaType", "The annotation payload is not valid UTF-8 encoded text.", 415) from None


def kept_of(call: Call, name: str, received: contents.Received) -> Kept:
    """What arrived, as it is kept once a transaction has linked it."""
    annotation = Annotation(name, call.clock.now_ms(), received.size_bytes, received.etag, received.checksum, received.salt)
    return Kept(annotation, received.data)


@operation(public=True)
async def put_object_annotation(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = request["AnnotationName"]
    object_annotations.check_name(name)
    tx = call.reading()
    bucket, version = _open(call, tx, request, "s3:PutObjectAnnotation")
    seal = version.seal
    if seal is not None and seal.by == "C":
        raise errors.invalid_request("Annotations are not supported for objects encrypted with customer-provided keys (SSE-C).")
    members = encryption.members_of(version.encryption)
    sealing = encryption.Sealing(version.encryption, seal, await encryption.keys_of(call, bucket, seal), members)
    text, given = _Text(), {**request, "Body": request["AnnotationPayload"]}
    received = await contents.receive(
        call, given, sealing, part=True, size_bytes_max=object_annotations.PAYLOAD_BYTES_MAX, observe=text.observe
    )
    try:
        if not received.size_bytes:
            raise errors.invalid_request("The annotation payload must be between 1 byte and 1 MiB in size.")
        text.observe(b"", final=True)
        with call.transaction() as tx:
            bucket, version = _open(call, tx, request, "s3:PutObjectAnnotation")
            if version.seal != seal:
                raise errors.conditional_conflict("x-amz-object-if-match", request["Key"])
            kept = object_annotations.linked(call, tx, kept_of(call, name, received), received.content)
            version = object_annotations.put(call, tx, bucket.bucket_name, request["Key"], version, kept)
            _changed(call, tx, bucket, request["Key"], version, "ObjectAnnotation:Put")
    except errors.S3Error:
        received.discard(call)
        raise
    return {
        "Key": request["Key"],
        "AnnotationName": name,
        "ObjectVersionId": _shown_id(bucket, version),
        "ETag": f'"{received.etag}"',
        "ServerSideEncryption": members.get("ServerSideEncryption"),
        **checksums.members((*received.checksum, "FULL_OBJECT")),
    }


def _changed(call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version, event: str) -> None:
    versions.change(tx, bucket.bucket_name, key, version)
    if "replication" in bucket.configured:
        replication.follow_settings(call, tx, bucket, key, version)
    if "notification" in bucket.configured:
        notifications.emit(call, tx, bucket, event, key, version)


@operation(public=True)
async def get_object_annotation(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.reading()
    bucket, version = _open(call, tx, request, "s3:GetObjectAnnotation")
    name, key = request["AnnotationName"], request["Key"]
    found = ANNOTATIONS.get(tx, bucket.bucket_name, key, version.order, name) if version.annotations else None
    if found is None:
        raise object_annotations.no_such_annotation(name)
    keys = await encryption.keys_of(call, bucket, version.seal)
    answer = {
        "AnnotationPayload": contents.read_annotation(call, tx, (bucket.bucket_name, key, version.order), found, keys),
        "ObjectVersionId": _shown_id(bucket, version),
        "LastModified": found.modified_ms // 1000,
        "ContentLength": found.size_bytes,
        "ETag": f'"{found.etag}"',
        "ServerSideEncryption": encryption.members_of(version.encryption).get("ServerSideEncryption"),
        "ReplicationStatus": version.replication or None,
    }
    if request.get("ChecksumMode", "").upper() == "ENABLED":
        answer.update(checksums.members((*found.checksum, "FULL_OBJECT")))
    return answer


@operation(public=True)
def list_object_annotations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    bucket, version = _open(call, tx, request, "s3:ListObjectAnnotations")
    prefix, token = request.get("AnnotationPrefix", ""), request.get("ContinuationToken")
    if prefix:
        try:
            object_annotations.check_name(prefix)
        except errors.S3Error:
            raise errors.S3Error("InvalidPrefix", "The annotation prefix you provided is invalid.", 400, {"Prefix": prefix}) from None
    limit = request.get("MaxAnnotationResults", LIST_MAX)
    start = {"after": read_token(token)} if token else {"start": prefix} if prefix else {}
    found: list[Annotation] = []
    for one in ANNOTATIONS.scan(tx, bucket.bucket_name, request["Key"], version.order, **start):
        if not one.name.startswith(prefix) or len(found) > limit:
            break
        found.append(one)
    page = found[:limit]
    return {
        "Bucket": bucket.bucket_name,
        "Key": request["Key"],
        "ObjectVersionId": _shown_id(bucket, version),
        "AnnotationPrefix": prefix or None,
        "MaxAnnotationResults": limit,
        "AnnotationCount": len(page),
        "ContinuationToken": token,
        "NextContinuationToken": write_token(page[-1].name) if len(found) > limit else None,
        "Annotations": [_entry(one, version) for one in page] or None,
    }


def _entry(one: Annotation, version: Version) -> dict[str, Any]:
    return {
        "AnnotationName": one.name,
        "LastModified": one.modified_ms // 1000,
        "ETag": f'"{one.etag}"',
        "ChecksumAlgorithm": [one.checksum[0]] if one.checksum[0] else None,
        "Size": one.size_bytes,
        "ReplicationStatus": version.replication or None,
    }


@operation(public=True)
def delete_object_annotation(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = _open(call, call.tx, request, "s3:DeleteObjectAnnotation")
    key = request["Key"]
    bypass = call.http is not None and call.http.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
    locks.check_deletable(call, bucket, key, version, bypass=bypass)
    without = object_annotations.delete(call, call.tx, bucket.bucket_name, key, version, request["AnnotationName"])
    if without is not version:
        _changed(call, call.tx, bucket, key, without, "ObjectAnnotation:Delete")
    return {"ObjectVersionId": _shown_id(bucket, version)}


# Copies


async def copied(
    call: Call, tx: Transaction, place: tuple[str, str], version: Version, source_keys: encryption.Keys, sealing: encryption.Sealing
) -> list[tuple[Kept, contents.Received]]:
    """The annotations of a copy's source, sealed as the copy is."""
    found = []
    for one in list(ANNOTATIONS.scan(tx, *place, version.order)):
        body = contents.read_annotation(call, tx, (*place, version.order), one, source_keys)
        received = await contents.receive(call, {"Body": body}, sealing, part=True, keep=one.checksum[0])
        found.append((kept_of(call, one.name, received), received))
    return found
