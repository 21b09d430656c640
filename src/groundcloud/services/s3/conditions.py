"""Conditional requests, byte ranges, and the order in which S3 looks at them. RFC 9110 sections 13 and 14; AWS: GetObject, "Conditional requests"."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from groundcloud.services.s3 import errors
from groundcloud.services.s3.state import Version

_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$")


class Conditions(NamedTuple):
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: float | None = None
    if_unmodified_since: float | None = None


def of_read(request: dict[str, Any]) -> Conditions | None:
    """None where the request has none, which is the usual."""
    if "IfMatch" in request or "IfNoneMatch" in request or "IfModifiedSince" in request or "IfUnmodifiedSince" in request:
        return Conditions(
            request.get("IfMatch"),
            request.get("IfNoneMatch"),
            _moment(request.get("IfModifiedSince")),
            _moment(request.get("IfUnmodifiedSince")),
        )
    return None


def of_copy(request: dict[str, Any]) -> Conditions:
    return Conditions(
        request.get("CopySourceIfMatch"),
        request.get("CopySourceIfNoneMatch"),
        _moment(request.get("CopySourceIfModifiedSince")),
        _moment(request.get("CopySourceIfUnmodifiedSince")),
    )


def _moment(value: Any) -> float | None:
    return None if value is None else float(value)


def check_read(conditions: Conditions, version: Version, headers: dict[str, str], now_s: float) -> None:
    """Raises PreconditionFailed or NotModified (with `headers`)."""
    modified_s = version.modified_ms // 1000
    if conditions.if_match is not None:
        if not matches(conditions.if_match, version.etag):
            raise errors.precondition_failed("If-Match")
    elif conditions.if_unmodified_since is not None and modified_s > conditions.if_unmodified_since:
        raise errors.precondition_failed("If-Unmodified-Since")
    if conditions.if_none_match is not None:
        if matches(conditions.if_none_match, version.etag):
            raise errors.not_modified(headers)
    elif conditions.if_modified_since is not None and modified_s <= conditions.if_modified_since <= now_s:
        raise errors.not_modified(headers)


def check_copy_source(conditions: Conditions, version: Version, now_s: float) -> None:
    """As `check_read`, but a copy has no 304: every failure is 412."""
    try:
        check_read(conditions, version, {}, now_s)
    except errors.S3Error as error:
        if error.status == 304:
            name = "x-amz-copy-source-If-None-Match" if conditions.if_none_match is not None else "x-amz-copy-source-If-Modified-Since"
        else:
            name = "x-amz-copy-source-" + str(error.fields.get("Condition"))
        raise errors.precondition_failed(name) from None


_NOT_ACCEPTED = "We don't accept the provided value of {} header for this API"


def check_write(request: dict[str, Any], key: str, current: Version | None) -> None:
    """If-Match and If-None-Match of PutObject, CopyObject and CompleteMultipartUpload. Raises PreconditionFailed, NoSuchKey, NotImplemented."""
    if_match, if_none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if if_match is None and if_none_match is None:
        return
    if if_match is not None and if_none_match is not None:
        raise errors.not_implemented("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
    exists = current is not None and not current.marker
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise errors.not_implemented("If-None-Match", _NOT_ACCEPTED.format("If-None-Match"))
        if exists:
            raise errors.precondition_failed("If-None-Match")
        return
    assert if_match is not None
    if if_match.strip() == "*":
        raise errors.not_implemented("If-Match", _NOT_ACCEPTED.format("If-Match"))
    if not exists:
        raise errors.no_such_key(key)
    assert current is not None
    if not matches(if_match, current.etag):
        raise errors.precondition_failed("If-Match")


def matches(header: str, etag: str) -> bool:
    """Whether a list of entity tags (or `*`) names this one; quotes are optional."""
    if header == f'"{etag}"' or header == etag:
        return True
    for part in header.split(","):
        text = part.strip().removeprefix("W/")
        if text == "*" or text.strip('"') == etag:
            return True
    return False


def range_holds(header: str, version: Version) -> bool:
    """Whether an If-Range lets the Range beside it count. RFC 9110, 13.1.5: a strong entity tag, or the very moment of the last change."""
    if header.startswith('"'):
        return header == f'"{version.etag}"'
    from groundcloud.wire.timestamps import parse

    try:
        return int(parse(header)) == version.modified_ms // 1000
    except ValueError:
        return False


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """(start, stop) of a Range header; None where it asks for no single range, which S3 answers with everything. Raises InvalidRange."""
    if header is None:
        return None
    found = _RANGE.match(header.strip())
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first and not last:
        return None
    if not first:
        length = int(last)
        if length == 0 or size_bytes == 0:
            raise errors.invalid_range(header, size_bytes)
        return max(size_bytes - length, 0), size_bytes
    start = int(first)
    stop = int(last) + 1 if last else size_bytes
    if last and int(last) < start:
        return None
    if start >= size_bytes:
        raise errors.invalid_range(header, size_bytes)
    return start, min(stop, size_bytes)
