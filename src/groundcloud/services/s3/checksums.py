"""Checksums of content: the algorithms, what a client declared, and how a multipart upload's comes from its parts'.

Composite: the digest of the parts' digests, "-" and their number. Full object (CRCs only): combined arithmetically, so no part is read again.
AWS: "Checking object integrity for data uploads".
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Protocol

from groundcloud.services.s3 import errors

DEFAULT = "CRC64NVME"
"""What S3 computes where the client names nothing."""
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
CRC_BYTES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8}
DIGEST_BYTES = {**CRC_BYTES, "SHA1": 20, "SHA256": 32, "SHA512": 64, "MD5": 16, "XXHASH64": 8, "XXHASH3": 8, "XXHASH128": 16}
MEMBERS = {algorithm: f"Checksum{algorithm}" for algorithm in ALGORITHMS}
_NAMES = frozenset(MEMBERS.values())
HEADERS = {algorithm: f"x-amz-checksum-{algorithm.lower()}" for algorithm in ALGORITHMS}
BY_HEADER = {header: algorithm for algorithm, header in HEADERS.items()}


class Observer(Protocol):
    """Sees content pass; `text()` is the checksum so far in base64."""

    def update(self, data: bytes) -> Any: ...

    def text(self) -> str: ...


class _Crc:
    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._function(data, self._value)

    def text(self) -> str:
        return b64encode(self._value.to_bytes(self._size, "big")).decode()


class _Digest:
    __slots__ = ("_digest", "update")

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self.update = digest.update

    def text(self) -> str:
        finish = getattr(self._digest, "digest", None) or self._digest.finalize
        return b64encode(finish()).decode()


def observer(algorithm: str) -> Observer:
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("SHA1", "SHA256", "SHA512", "MD5"):
        return _Digest(hashlib.new(algorithm.lower()))
    from awscrt import checksums

    if algorithm == "CRC64NVME":
        return _Crc(checksums.crc64nvme, 8)
    if algorithm == "CRC32C":
        return _Crc(checksums.crc32c, 4)
    makers = {"XXHASH64": "new_xxhash64", "XXHASH3": "new_xxhash3_64", "XXHASH128": "new_xxhash3_128"}
    return _Digest(getattr(checksums.XXHash, makers[algorithm])())


_crc64nvme: Any = None


def text_of(algorithm: str, data: bytes) -> str:
    """The checksum of content at hand, in base64."""
    global _crc64nvme
    if algorithm == DEFAULT:
        if _crc64nvme is None:
            from awscrt import checksums

            _crc64nvme = checksums.crc64nvme
        return b64encode(_crc64nvme(data, 0).to_bytes(8, "big")).decode()
    seen = observer(algorithm)
    seen.update(data)
    return seen.text()


def declared(request: dict[str, Any], trailer: str | None, headers: dict[str, str] | None = None) -> tuple[str, str]:
    """(algorithm, value) that the client gave; ("", "") for none, value "" where it comes in the trailer. Raises InvalidRequest.

    `trailer` is the x-amz-trailer header.
    """
    given = [algorithm for algorithm, member in MEMBERS.items() if member in request] if not _NAMES.isdisjoint(request) else ()
    announced = BY_HEADER.get(trailer.strip().lower(), "") if trailer else ""
    if len(given) + bool(announced) > 1:
        raise errors.invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    if given:
        algorithm = given[0]
        value = request[MEMBERS[algorithm]]
        check_form(algorithm, value)
        return algorithm, value
    if announced:
        return announced, ""
    if trailer:
        raise errors.invalid_request("The value specified in the x-amz-trailer header is not supported")
    if request.get("ChecksumAlgorithm") and headers is not None:
        raise errors.invalid_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
        )
    return "", ""


def check_form(algorithm: str, value: str) -> None:
    """Raises InvalidRequest unless `value` is base64 of the algorithm's length."""
    try:
        raw = b64decode(value, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != DIGEST_BYTES[algorithm]:
        raise errors.invalid_request(f"Value for {HEADERS[algorithm]} header is invalid.")


def default_type(algorithm: str) -> str:
    """The type of a multipart upload's checksum where the client did not choose."""
    return "FULL_OBJECT" if algorithm == DEFAULT else "COMPOSITE"


def composite(algorithm: str, parts: list[str]) -> str:
    return f"{text_of(algorithm, b''.join(b64decode(part) for part in parts))}-{len(parts)}"


def combined(algorithm: str, parts: list[tuple[str, int]]) -> str:
    """The CRC of the parts' content in a row, from (CRC, size) of each."""
    from awscrt import checksums

    combine = {"CRC32": checksums.combine_crc32, "CRC32C": checksums.combine_crc32c, "CRC64NVME": checksums.combine_crc64nvme}[algorithm]
    total = 0
    for text, size_bytes in parts:
        total = combine(total, int.from_bytes(b64decode(text), "big"), size_bytes)
    return b64encode(total.to_bytes(CRC_BYTES[algorithm], "big")).decode()


def members(checksum: tuple[str, ...]) -> dict[str, str]:
    """As members of an answer: {"ChecksumCRC32": ..., "ChecksumType": ...}."""
    if not checksum[0]:
        return {}
    found = {MEMBERS[checksum[0]]: checksum[1]}
    if len(checksum) > 2:
        found["ChecksumType"] = checksum[2]
    return found


def check_document(headers: dict[str, str], body: bytes, *, required: bool) -> None:
    """Content-MD5 and x-amz-checksum-* of a small document. Raises InvalidRequest, InvalidDigest, BadDigest."""
    seen = False
    given = headers.get("content-md5")
    if given is not None:
        seen = True
        check_md5(given, hashlib.md5(body, usedforsecurity=False).digest())
    for header, algorithm in BY_HEADER.items():
        value = headers.get(header)
        if value is not None:
            seen = True
            check_form(algorithm, value)
            if text_of(algorithm, body) != value:
                raise errors.bad_checksum(algorithm)
    if required and not seen:
        raise errors.invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def check_md5(given: str, computed: bytes) -> None:
    """Raises InvalidDigest, BadDigest."""
    try:
        raw = b64decode(given, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        raise errors.invalid_digest(given)
    if raw != computed:
        raise errors.bad_digest(given, b64encode(computed).decode())
