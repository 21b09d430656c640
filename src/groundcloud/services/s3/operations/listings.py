"""ListObjects, ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, listing, permissions, restores
from groundcloud.services.s3.state import NULL, OBJECTS, VERSIONS, Bucket, Version, canonical_id, order_of
from groundcloud.store import Transaction


def _current(tx: Transaction, bucket_name: str) -> listing.Scan[Version]:
    def scan(start: str, inclusive: bool) -> Iterator[tuple[str, Version]]:
        if not start:
            rows = OBJECTS.items(tx, bucket_name)
        elif inclusive:
            rows = OBJECTS.items(tx, bucket_name, start=start)
        else:
            rows = OBJECTS.items(tx, bucket_name, after=start)
        for key, version in rows:
            yield str(key[1]), version

    return scan


def _shown(version: Version) -> bool:
    return not version.marker


def _encoding(request: dict[str, Any]) -> bool:
    kind = request.get("EncodingType")
    if kind is not None and kind != "url":
        raise errors.invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", kind)
    return kind == "url"


def _entry(key: str, version: Version, bucket: Bucket, encode: bool, with_owner: bool, restores_at_ms: int = 0) -> dict[str, Any]:
    one: dict[str, Any] = {
        "Key": listing.url_encoded(key) if encode else key,
        "LastModified": version.modified_ms // 1000,
        "ETag": f'"{version.etag}"',
        "Size": version.size_bytes,
        "StorageClass": version.storage_class,
    }
    if version.checksum[0]:
        one["ChecksumAlgorithm"] = [version.checksum[0]]
        one["ChecksumType"] = version.checksum[2]
    if restores_at_ms and version.restored is not None:
        one["RestoreStatus"] = restores.status(version, restores_at_ms)
    if with_owner:
        one["Owner"] = {"ID": canonical_id(version.owner or bucket.account)}
    return one


def _restores_at_ms(call: Call, request: dict[str, Any]) -> int:
    """The time for RestoreStatus; 0 where the request does not ask for it."""
    return call.now_ms if "RestoreStatus" in request.get("OptionalObjectAttributes", ()) else 0


def _prefixes(page: listing.Page[Any], encode: bool) -> list[dict[str, Any]]:
    return [{"Prefix": listing.url_encoded(prefix) if encode else prefix} for prefix in page.prefixes]


@operation(public=True)
def list_objects_v2(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:ListBucket")
    encode = _encoding(request)
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    start_after, token = request.get("StartAfter", ""), request.get("ContinuationToken")
    if token == "":
        raise errors.invalid_argument("The continuation token provided is incorrect", "continuation-token", None)
    after = listing.read_token(token) if token is not None else start_after
    limit = listing.limit_of(request.get("MaxKeys"), "maxKeys")
    page = listing.page_of(
        _current(call.tx, bucket.bucket_name), prefix, delimiter, after, limit, shown=_shown if bucket.versioning else None
    )
    with_owner = bool(request.get("FetchOwner"))
    restores_at_ms = _restores_at_ms(call, request)
    text = listing.url_encoded if encode else _plain
    return {
        "Name": bucket.bucket_name,
        "Prefix": text(prefix),
        "StartAfter": text(start_after) if start_after else None,
        "ContinuationToken": token,
        "NextContinuationToken": listing.write_token(page.last) if page.truncated else None,
        "KeyCount": len(page.entries) + len(page.prefixes),
        "MaxKeys": limit,
        "Delimiter": text(delimiter) if delimiter else None,
        "EncodingType": "url" if encode else None,
        "IsTruncated": page.truncated,
        "Contents": [_entry(key, version, bucket, encode, with_owner, restores_at_ms) for key, version in page.entries] or None,
        "CommonPrefixes": _prefixes(page, encode) or None,
    }


def _plain(text: str | None) -> str | None:
    return text


@operation(public=True)
def list_objects(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:ListBucket")
    encode = _encoding(request)
    prefix, delimiter, marker = request.get("Prefix", ""), request.get("Delimiter", ""), request.get("Marker", "")
    limit = listing.limit_of(request.get("MaxKeys"), "maxKeys")
    page = listing.page_of(
        _current(call.tx, bucket.bucket_name), prefix, delimiter, marker, limit, shown=_shown if bucket.versioning else None
    )
    text = listing.url_encoded if encode else _plain
    restores_at_ms = _restores_at_ms(call, request)
    return {
        "Name": bucket.bucket_name,
        "Prefix": text(prefix),
        "Marker": text(marker),
        # AWS gives the next marker only where a delimiter makes it hard to tell.
        "NextMarker": text(page.last) if page.truncated and delimiter else None,
        "MaxKeys": limit,
        "Delimiter": text(delimiter) if delimiter else None,
        "EncodingType": "url" if encode else None,
        "IsTruncated": page.truncated,
        "Contents": [_entry(key, version, bucket, encode, True, restores_at_ms) for key, version in page.entries] or None,
        "CommonPrefixes": _prefixes(page, encode) or None,
    }


class _Versions:
    """Every version of every key, by key and newest first, with where it stands: a merge of the two tables, which are ordered alike."""

    def __init__(self, tx: Transaction, bucket_name: str) -> None:
        self._tx = tx
        self._name = bucket_name

    def __call__(self, start: str, inclusive: bool) -> Iterator[tuple[str, tuple[Version, bool]]]:
        tx, name = self._tx, self._name
        if not start:
            newest, older = OBJECTS.items(tx, name), VERSIONS.items(tx, name)
        elif inclusive:
            newest, older = OBJECTS.items(tx, name, start=start), VERSIONS.items(tx, name, start=start)
        else:
            # After a key: past all of its older versions too.
            newest, older = OBJECTS.items(tx, name, after=start), VERSIONS.items(tx, name, after=start)
        old = next(older, None)
        for key, version in newest:
            yield str(key[1]), (version, True)
            while old is not None and old[0][1] == key[1]:
                yield str(key[1]), (old[1], False)
                old = next(older, None)

    def below(self, key: str, order: int) -> Iterator[tuple[str, tuple[Version, bool]]]:
        """The versions of `key` older than `order`, then everything after the key."""
        for version in VERSIONS.scan(self._tx, self._name, key, after=-order):
            yield key, (version, False)
        yield from self(key, False)


@operation(public=True)
def list_object_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    bucket = permissions.open_bucket(call, tx, request, "s3:ListBucketVersions")
    encode = _encoding(request)
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    key_marker, id_marker = request.get("KeyMarker", ""), request.get("VersionIdMarker")
    if id_marker == "":
        raise errors.invalid_argument("A version-id marker cannot be empty.", "version-id-marker", "")
    if id_marker is not None and not key_marker:
        raise errors.invalid_argument("A version-id marker cannot be specified without a key marker.", "version-id-marker", id_marker)
    limit = listing.limit_of(request.get("MaxKeys"), "maxKeys")
    rows = _Versions(tx, bucket.bucket_name)
    scan: listing.Scan[tuple[Version, bool]] = rows
    if id_marker is not None:
        order = _marker_order(tx, bucket.bucket_name, key_marker, id_marker)

        def scan_from_marker(start: str, inclusive: bool) -> Iterator[tuple[str, tuple[Version, bool]]]:
            if start == key_marker and not inclusive:
                return rows.below(key_marker, order)
            return rows(start, inclusive)

        scan = scan_from_marker
    page = listing.page_of(scan, prefix, delimiter, key_marker, limit)
    text = listing.url_encoded if encode else _plain
    shown: dict[str, list[dict[str, Any]]] = {"Versions": [], "DeleteMarkers": []}
    for key, (version, latest) in page.entries:
        one: dict[str, Any] = {
            "Key": text(key),
            "VersionId": version.version_id,
            "IsLatest": latest,
            "LastModified": version.modified_ms // 1000,
            "Owner": {"ID": canonical_id(version.owner or bucket.account)},
        }
        if version.marker:
            shown["DeleteMarkers"].append(one)
        else:
            one.update(ETag=f'"{version.etag}"', Size=version.size_bytes, StorageClass=version.storage_class)
            if version.checksum[0]:
                one.update(ChecksumAlgorithm=[version.checksum[0]], ChecksumType=version.checksum[2])
            if version.restored is not None and _restores_at_ms(call, request):
                one["RestoreStatus"] = restores.status(version, call.now_ms)
            shown["Versions"].append(one)
    last_id = None
    if page.truncated and not page.last_is_prefix and page.entries:
        last_id = page.entries[-1][1][0].version_id
    return {
        "Name": bucket.bucket_name,
        "Prefix": text(prefix),
        "KeyMarker": text(key_marker),
        "VersionIdMarker": id_marker or "",
        "NextKeyMarker": text(page.last) if page.truncated else None,
        "NextVersionIdMarker": last_id,
        "MaxKeys": limit,
        "Delimiter": text(delimiter) if delimiter else None,
        "EncodingType": "url" if encode else None,
        "IsTruncated": page.truncated,
        "Versions": shown["Versions"] or None,
        "DeleteMarkers": shown["DeleteMarkers"] or None,
        "CommonPrefixes": _prefixes(page, encode) or None,
    }


def _marker_order(tx: Transaction, bucket_name: str, key: str, version_id: str) -> int:
    """The order below which a page goes on; versions that are gone meanwhile still say where they were."""
    if version_id != NULL:
        order = order_of(version_id)
        if order is None:
            raise errors.invalid_argument("Invalid version id specified", "version-id-marker", version_id)
        return order
    from groundcloud.services.s3.state import find_version

    found = find_version(tx, bucket_name, key, NULL)
    return found.order if found is not None and found.version_id == NULL else 0
