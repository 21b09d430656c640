"""What a request says of an object beside its body: system and user metadata, encryption, storage class, lock; and the same as members of an answer."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from groundcloud.services.s3 import checksums, errors
from groundcloud.services.s3.state import NULL, Bucket, Upload, Version
from groundcloud.services.s3.tags import parse_header

METADATA_BYTES_MAX = 2048
"""AWS: "Working with object metadata": user-defined metadata."""

HEADER_MEMBERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
)
_HEADER_NAMES = frozenset(HEADER_MEMBERS)
CONTENT_TYPE_DEFAULT = "binary/octet-stream"
STORAGE_CLASSES = frozenset(
    ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR")
)


def headers_of(request: dict[str, Any]) -> dict[str, str]:
    """System metadata by member name."""
    found: dict[str, str] = {}
    if _HEADER_NAMES.isdisjoint(request):
        return found
    for member in HEADER_MEMBERS:
        value = request.get(member)
        if value is not None:
            found[member] = value if type(value) is str else _expires(value)
    if found.get("ContentType") == "":
        del found["ContentType"]  # none, then
    encoding = found.get("ContentEncoding")
    if encoding is not None and "aws-chunked" in encoding:
        # aws-chunked is how it was sent, not what it is.
        rest = ",".join(part.strip() for part in encoding.split(",") if part.strip() != "aws-chunked")
        if rest:
            found["ContentEncoding"] = rest
        else:
            del found["ContentEncoding"]
    redirect = found.get("WebsiteRedirectLocation")
    if redirect is not None and not redirect.startswith(("/", "http://", "https://")):
        raise errors.S3Error(
            "InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.", 400
        )
    return found


def _expires(value: Any) -> str:
    from groundcloud.wire.timestamps import rfc822

    return rfc822(value)


def metadata_of(request: dict[str, Any]) -> dict[str, str]:
    """User metadata. Raises MetadataTooLarge."""
    metadata: dict[str, str] = request.get("Metadata") or {}
    if metadata:
        size = sum(len(name) + len(value) for name, value in metadata.items())
        if size > METADATA_BYTES_MAX:
            raise errors.metadata_too_large(size, METADATA_BYTES_MAX)
        metadata = {name.lower(): _decoded(value) if "=?" in value else value for name, value in metadata.items()}
    return metadata


def _decoded(value: str) -> str:
    """Metadata of other than ASCII comes as RFC 2047 has it. AWS: "Working with object metadata"."""
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):
        return value


def _encoded(value: str) -> str:
    return value if value.isascii() else f"=?UTF-8?B?{b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def tags_of(request: dict[str, Any]) -> dict[str, str]:
    text = request.get("Tagging")
    return parse_header(text) if text else {}


def storage_class_of(request: dict[str, Any]) -> str:
    value: str = request.get("StorageClass", "STANDARD")
    if value != "STANDARD" and value not in STORAGE_CLASSES:
        raise errors.invalid_storage_class(value)
    return value


def lock_of(request: dict[str, Any], bucket: Bucket, now_s: int) -> tuple[tuple[str, int] | None, bool | None]:
    """Retention and legal hold: the request's, else the bucket's default. Raises InvalidRequest, InvalidArgument."""
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold = request.get("ObjectLockLegalHoldStatus")
    if bucket.object_lock is None:
        if mode or until or hold:
            raise errors.invalid_request("Bucket is missing Object Lock Configuration")
        return None, None
    if (mode is None) != (until is None):
        raise errors.invalid_argument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            "x-amz-object-lock-retain-until-date" if until is None else "x-amz-object-lock-mode",
            None,
        )
    if mode is not None and until is not None:
        if int(until) <= now_s:
            raise errors.retention_is_over("x-amz-object-lock-retain-until-date", until)
        return (mode, int(until)), None if hold is None else hold == "ON"
    default_mode, days, years = bucket.object_lock
    if default_mode:
        return (default_mode, now_s + (days + years * 365) * 86_400), None if hold is None else hold == "ON"
    return None, None if hold is None else hold == "ON"


def members_of(version: Version, bucket: Bucket, *, with_checksum: bool) -> dict[str, Any]:
    """The members that GetObject and HeadObject share."""
    found: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": version.modified_ms // 1000,
        "ETag": f'"{version.etag}"',
        "ContentType": CONTENT_TYPE_DEFAULT,
    }
    algorithm, key_arn, bucket_key = version.encryption
    if algorithm != "SSE-C":
        found["ServerSideEncryption"] = algorithm
        if key_arn:
            found["SSEKMSKeyId"] = key_arn
            if bucket_key:
                found["BucketKeyEnabled"] = True
    if version.headers:
        found.update(version.headers)
    if version.metadata:
        found["Metadata"] = {name: _encoded(value) for name, value in version.metadata.items()}
    if bucket.versioning:
        found["VersionId"] = version.version_id
    if version.storage_class != "STANDARD":
        found["StorageClass"] = version.storage_class
    if version.replication:
        found["ReplicationStatus"] = version.replication
    if version.tags:
        found["TagCount"] = len(version.tags)
    if version.retention is not None:
        found["ObjectLockMode"], found["ObjectLockRetainUntilDate"] = version.retention
    if version.legal_hold:
        found["ObjectLockLegalHoldStatus"] = "ON"
    elif version.legal_hold is not None or version.retention is not None:
        found["ObjectLockLegalHoldStatus"] = "OFF"
    if with_checksum:
        found.update(checksums.members(version.checksum))
    return found


def version_id_member(bucket: Bucket, version_id: str) -> str | None:
    """The id to show: none while versioning was never enabled."""
    return version_id if bucket.versioning and (version_id != NULL or bucket.versioning == "Suspended") else None


def of_upload(upload: Upload) -> dict[str, Any]:
    """The fields of a Version that an upload carries over to its object."""
    return {
        "headers": upload.headers,
        "metadata": upload.metadata,
        "storage_class": upload.storage_class,
        "tags": upload.tags,
        "encryption": upload.encryption,
        "seal": upload.seal,
        "grants": upload.grants,
        "legal_hold": upload.legal_hold,
        "owner": upload.owner,
    }
