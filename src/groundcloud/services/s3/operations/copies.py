"""CopyObject."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import checksums, contents, encryption, errors, objects, permissions
from groundcloud.services.s3.object_annotations import Kept
from groundcloud.services.s3.operations.annotations import copied
from groundcloud.services.s3.operations.objects import check_put, expiration, grants_of_write, refuse_half_a_part, write
from groundcloud.services.s3.sources import Source, source_of
from groundcloud.services.s3.state import CONTENTS, Bucket, Seal
from groundcloud.store import Transaction


@operation(public=True)
async def copy_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.reading()
    refuse_half_a_part(call)
    bucket = check_put(call, tx, request)
    source = source_of(call, tx, request)
    version = source.version
    if version.size_bytes > contents.PUT_BYTES_MAX:
        raise errors.invalid_request(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {contents.PUT_BYTES_MAX}"
        )
    fields = _fields(call, request, bucket, source)
    sealing = await encryption.of_write(call, request, bucket)
    algorithm = request.get("ChecksumAlgorithm") or version.checksum[0] or checksums.DEFAULT
    received, seal = await _content(call, tx, source, sealing, algorithm)
    fields["encryption"], fields["seal"] = sealing.encryption, seal
    beside = await _annotations(call, tx, request, bucket, source, sealing, seal) if version.annotations else ()
    write_to, written = write(call, request, bucket.bucket_name, request["Key"], received, fields, "ObjectCreated:Copy", beside=beside)
    return {
        "CopyObjectResult": {
            "ETag": f'"{written.etag}"',
            "LastModified": written.modified_ms // 1000,
            **checksums.members(written.checksum),
        },
        "CopySourceVersionId": version.version_id if source.bucket.versioning else None,
        "VersionId": written.version_id if write_to.versioning == "Enabled" else None,
        "Expiration": expiration(call, write_to, request["Key"], written),
        **sealing.members,
    }


def _fields(call: Call, request: dict[str, Any], bucket: Bucket, source: Source) -> dict[str, Any]:
    """What the copy is beside its content: the source's metadata and tags unless the request replaces them; never its ACL, class or encryption."""
    directive = request.get("MetadataDirective", "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise errors.invalid_argument("Unknown metadata directive.", "x-amz-metadata-directive", directive)
    tagging = request.get("TaggingDirective", "COPY")
    if tagging not in ("COPY", "REPLACE"):
        raise errors.invalid_argument("Unknown tagging directive.", "x-amz-tagging-directive", tagging)
    version = source.version
    same = source.bucket.bucket_name == bucket.bucket_name and source.key == request["Key"]
    changes = ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSEKMSKeyId", "SSECustomerAlgorithm")
    changed = any(name in request for name in changes) or "encryption" in bucket.configured
    if same and directive == "COPY" and not changed and "versionId" not in request["CopySource"]:
        raise errors.invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, "
            "website redirect location or encryption attributes."
        )
    if directive == "REPLACE":
        headers, metadata = objects.headers_of(request), objects.metadata_of(request)
    else:
        headers = {name: value for name, value in version.headers.items() if name != "WebsiteRedirectLocation"}
        metadata = version.metadata
        if "WebsiteRedirectLocation" in request:
            headers["WebsiteRedirectLocation"] = request["WebsiteRedirectLocation"]
    grants, owner = grants_of_write(call, bucket, request)
    retention, legal_hold = objects.lock_of(request, bucket, call.now_s)
    return {
        "headers": headers,
        "metadata": metadata,
        "tags": objects.tags_of(request) if tagging == "REPLACE" else version.tags,
        "storage_class": objects.storage_class_of(request),
        "grants": grants,
        "owner": owner,
        "retention": retention,
        "legal_hold": legal_hold,
    }


async def _annotations(
    call: Call,
    tx: Transaction,
    request: dict[str, Any],
    bucket: Bucket,
    source: Source,
    sealing: encryption.Sealing,
    seal: Seal | None,
) -> list[tuple[Kept, contents.Received]]:
    """The source's annotations, which come along unless the request says EXCLUDE. Raises InvalidArgument, InvalidRequest, AccessDenied."""
    name = "x-amz-object-annotation-directive"
    directive = request.get("AnnotationDirective") or (call.http.query.get(name, ["COPY"])[0] if call.http is not None else "COPY")
    if directive == "EXCLUDE":
        return []
    if directive != "COPY":
        raise errors.invalid_argument("Unknown annotation directive.", name, directive)
    permissions.require(call, source.bucket, "s3:GetObjectAnnotation", source.key)
    permissions.require(call, bucket, "s3:PutObjectAnnotation", request["Key"])
    if seal is not None and seal.by == "C":
        raise errors.invalid_request("Annotations are not supported for objects encrypted with customer-provided keys (SSE-C).")
    keys = await encryption.keys_of(call, source.bucket, source.version.seal)
    # The copy may have kept the source's seal with its content.
    target = sealing if seal is sealing.seal else sealing._replace(seal=seal, keys=keys)
    return await copied(call, tx, (source.bucket.bucket_name, source.key), source.version, keys, target)


async def _content(
    call: Call, tx: Transaction, source: Source, sealing: encryption.Sealing, algorithm: str
) -> tuple[contents.Received, Seal | None]:
    """The source's content once more, and its seal. What the server's key opens is named a second time; what has another key, or hashes that are not
    those of a whole object, is read and written anew.
    """
    version = source.version
    name = source.bucket.bucket_name
    seal = version.seal
    servers = (seal is None or not seal.by) and (sealing.seal is None or not sealing.seal.by)
    if servers and "-" not in version.etag and version.checksum[0] == algorithm:
        if version.blob is not None:
            return contents.Received(version.size_bytes, version.etag, (algorithm, version.checksum[1]), None, version.blob), seal
        if not version.upload_id:
            data = CONTENTS.get(tx, name, source.key, version.order) or b""
            return contents.Received(version.size_bytes, version.etag, (algorithm, version.checksum[1]), data, None), seal
    keys = await encryption.keys_of(call, source.bucket, seal, source.customer)
    body = contents.read(call, tx, name, source.key, version, 0, version.size_bytes, keys)
    return await contents.receive(call, {"Body": body}, sealing, algorithm=algorithm), sealing.seal
