"""Inventory reports: what a configuration may say, the rows of a report, its files and manifest.

A report is made at midnight UTC: every day, or on Sundays. Rows are spooled to a file, a batch of keys at a time, so that nothing of a large bucket is held in memory.
Files of a report lie at prefix/bucket/id/: data/<uuid>.csv.gz or .parquet, <date>/manifest.json and manifest.checksum, hive/dt=<date>/symlink.txt.

Missing: ORC, object lock event holds, IntelligentTiering tiers (empty); ORC is refused by name.
AWS: "Cataloging and analyzing your data with S3 Inventory", "Locating your inventory list".
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import acls, errors, lifecycle
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, OBJECTS, VERSIONS, Bucket, Version, canonical_id
from groundcloud.store import Transaction
from groundcloud.wire.timestamps import iso8601_milliseconds

TIMER = "s3.inventory"
PRINCIPAL = "s3.amazonaws.com"
BATCH = 500
PIECE_BYTES = 1024 * 1024
DAY_MS = 86_400_000

_ALL = ("VersionId", "IsLatest", "IsDeleteMarker")
_TYPES = {"Size": "BIGINT", "IsLatest": "BOOLEAN", "IsDeleteMarker": "BOOLEAN", "IsMultipartUploaded": "BOOLEAN"}
_TIMES = frozenset(("LastModifiedDate", "ObjectLockRetainUntilDate", "LifecycleExpirationDate", "IntelligentTieringReferenceDate"))


def checked(tx: Transaction, bucket: Bucket, document: dict[str, Any]) -> None:
    """Raises InvalidS3DestinationBucket, NotImplemented, MalformedXML."""
    destination = document["Destination"]["S3BucketDestination"]
    if destination["Format"] == "ORC":
        raise errors.refused("inventory reports as ORC")
    name = destination["Bucket"].removeprefix("arn:aws:s3:::")
    if name == destination["Bucket"]:
        raise errors.S3Error("InvalidS3DestinationBucket", "Invalid bucket ARN.", 400)
    target = BUCKETS.get(tx, name)
    if target is None or target.account != destination.get("AccountId", target.account):
        raise errors.S3Error("InvalidS3DestinationBucket", "The specified destination bucket does not exist or is not valid.", 400)
    if target.region != bucket.region:
        raise errors.S3Error(
            "InvalidS3DestinationBucket", "The destination bucket must be in the same AWS Region as the source bucket.", 400
        )


def schedule(call: Call, tx: Transaction, bucket: Bucket) -> None:
    """The coming midnight, while the bucket has a configuration that is enabled."""
    home = tx.at(bucket.account, bucket.region)
    if any(document["IsEnabled"] for document in CONFIGURATIONS.scan(tx, bucket.bucket_name, "inventory")):
        call.schedule(lifecycle.midnight_after(call.clock.now_ms()), TIMER, bucket.bucket_name, key=bucket.bucket_name, tx=home)
    else:
        call.unschedule(TIMER, bucket.bucket_name, tx=home)


async def report(call: Call, bucket_name: str) -> None:
    """Every report that is due today, then the next midnight is awaited."""
    tx = call.reading()
    bucket = BUCKETS.get(tx, bucket_name)
    if bucket is None:
        return
    now_ms = call.clock.now_ms()
    for document in list(CONFIGURATIONS.scan(tx, bucket_name, "inventory")):
        # 1 January 1970 was a Thursday: Sundays are the days whose number is 3 modulo 7.
        if document["IsEnabled"] and (document["Schedule"]["Frequency"] == "Daily" or now_ms // DAY_MS % 7 == 3):
            try:
                await _write(call, bucket, document, now_ms)
            except AwsError as error:
                call.log.warning("inventory %s of %s is not delivered: %s", document["Id"], bucket_name, error.message)
    with call.transaction() as writing:
        schedule(call, writing, bucket)


def columns_of(document: dict[str, Any]) -> list[str]:
    """AWS's order: bucket and key, then versions, then the optional fields as they were asked for."""
    wanted = list(document.get("OptionalFields") or ())
    versions = _ALL if document["IncludedObjectVersions"] == "All" else ()
    return ["Bucket", "Key", *versions, *wanted]


async def _write(call: Call, bucket: Bucket, document: dict[str, Any], now_ms: int) -> None:
    destination = document["Destination"]["S3BucketDestination"]
    parquet = destination["Format"] == "Parquet"
    columns = columns_of(document)
    with tempfile.TemporaryDirectory() as folder:
        spool = os.path.join(folder, "rows.csv.gz")
        with gzip.open(spool, "wt", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for rows in _batches(call, bucket, document, columns):
                await call.in_thread(writer.writerows, rows)
        path = spool
        if parquet:
            path = os.path.join(folder, "rows.parquet")
            await call.in_thread(_to_parquet, spool, path, columns)
        await _deliver(call, bucket, document, columns, path, now_ms)


def _batches(call: Call, bucket: Bucket, document: dict[str, Any], columns: list[str]) -> Iterator[list[list[str]]]:
    prefix = (document.get("Filter") or {}).get("Prefix", "")
    every = document["IncludedObjectVersions"] == "All"
    # Parquet has keys as they are, CSV percent-encoded. AWS: "Amazon S3 Inventory list".
    encoded = document["Destination"]["S3BucketDestination"]["Format"] == "CSV"
    tx = call.ground.store.transaction()
    rules = (CONFIGURATIONS.get(tx, bucket.bucket_name, "lifecycle", "") or {}).get("Rules", ())
    start: dict[str, Any] = {"start": prefix} if prefix else {}
    while True:
        found = [(str(key[1]), version) for key, version in OBJECTS.items(tx, bucket.bucket_name, **start, limit=BATCH)]
        rows = []
        for key, current in found:
            if not key.startswith(prefix):
                break
            older = VERSIONS.scan(tx, bucket.bucket_name, key) if every and bucket.versioning else ()
            for version in (current, *older):
                if every or not version.marker:
                    cells = cells_of(bucket, key, version, version is current, rules, encoded=encoded)
                    rows.append([cells[column] for column in columns])
        yield rows
        if len(found) < BATCH or not found[-1][0].startswith(prefix):
            return
        start = {"after": found[-1][0]}


def cells_of(bucket: Bucket, key: str, version: Version, latest: bool, rules: Any, *, encoded: bool) -> dict[str, str]:
    """What a report may say of a version, as text."""
    retention = version.retention
    expiry = min(
        (
            at_ms
            for rule in rules
            if latest and rule["Status"] == "Enabled" and lifecycle.applies(rule, key, version)
            if (at_ms := lifecycle.expires_ms(rule, version)) is not None
        ),
        default=None,
    )
    kind = {"AES256": "SSE-S3", "aws:kms": "SSE-KMS", "aws:kms:dsse": "DSSE-KMS", "SSE-C": "SSE-C"}
    owner = version.owner or bucket.account
    cells = {
        "Bucket": bucket.bucket_name,
        "Key": quote(key, safe="/*-._~", errors="surrogatepass") if encoded else key,
        "VersionId": "" if version.version_id == "null" else version.version_id,
        "IsLatest": _flag(latest),
        "IsDeleteMarker": _flag(version.marker),
        "LastModifiedDate": iso8601_milliseconds(version.modified_ms / 1000),
        "ObjectOwner": canonical_id(owner),
    }
    if version.marker:
        return {**dict.fromkeys(_FIELDS, ""), **cells}
    acl = json.dumps({"version": "2022-11-10", "status": "AVAILABLE", "grants": _grants(version, owner)}, separators=(",", ":"))
    return {
        **cells,
        "Size": str(version.size_bytes),
        "StorageClass": version.storage_class,
        "ETag": version.etag,
        "IsMultipartUploaded": _flag(bool(version.upload_id)),
        "ReplicationStatus": version.replication,
        "EncryptionStatus": kind.get(version.encryption[0], "NOT-SSE"),
        "ObjectLockRetainUntilDate": iso8601_milliseconds(retention[1]) if retention is not None else "",
        "ObjectLockMode": retention[0] if retention is not None else "",
        "ObjectLockLegalHoldStatus": "ON" if version.legal_hold else "OFF" if bucket.object_lock is not None else "",
        "ObjectLockEventHoldStatus": "",
        "ObjectLockEventHoldDuration": "",
        "IntelligentTieringAccessTier": "FREQUENT" if version.storage_class == "INTELLIGENT_TIERING" else "",
        "IntelligentTieringReferenceDate": "",
        "BucketKeyStatus": "ENABLED" if version.encryption[2] else "DISABLED",
        "ChecksumAlgorithm": version.checksum[0],
        "ObjectAccessControlList": _base64(acl),
        "LifecycleExpirationDate": iso8601_milliseconds(expiry / 1000) if expiry is not None else "",
    }


_FIELDS = (
    "Size",
    "StorageClass",
    "ETag",
    "IsMultipartUploaded",
    "ReplicationStatus",
    "EncryptionStatus",
    "ObjectLockRetainUntilDate",
    "ObjectLockMode",
    "ObjectLockLegalHoldStatus",
    "ObjectLockEventHoldStatus",
    "ObjectLockEventHoldDuration",
    "IntelligentTieringAccessTier",
    "IntelligentTieringReferenceDate",
    "BucketKeyStatus",
    "ChecksumAlgorithm",
    "ObjectAccessControlList",
    "LifecycleExpirationDate",
)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _base64(text: str) -> str:
    from base64 import b64encode

    return b64encode(text.encode()).decode()


def _grants(version: Version, owner: str) -> list[dict[str, str]]:
    found = []
    for grant in acls.document_of(version.grants, owner)["Grants"]:
        grantee = grant["Grantee"]
        if grantee["Type"] == "Group":
            found.append({"uri": grantee["URI"], "permission": grant["Permission"], "type": "Group"})
        else:
            found.append({"canonicalId": grantee.get("ID", ""), "type": "CanonicalUser", "permission": grant["Permission"]})
    return found


def parquet_name(column: str) -> str:
    """`LastModifiedDate` -> `last_modified_date`, as AWS's Parquet reports have it."""
    if column == "ETag":
        return "e_tag"
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in column).lstrip("_")


def _to_parquet(source: str, target: str, columns: list[str]) -> None:
    import duckdb

    names = {parquet_name(column): "VARCHAR" for column in columns}
    selected = ", ".join(
        f"CAST(nullif(\"{parquet_name(column)}\", '') AS {_TYPES.get(column, 'TIMESTAMP' if column in _TIMES else 'VARCHAR')}) "
        f'AS "{parquet_name(column)}"'
        for column in columns
    )
    with duckdb.connect() as connection:
        rows = connection.read_csv(source, header=False, columns=names, compression="gzip", quotechar='"', escapechar='"', delimiter=",")
        rows.project(selected).write_parquet(target, compression="snappy")


async def _deliver(call: Call, bucket: Bucket, document: dict[str, Any], columns: list[str], path: str, now_ms: int) -> None:
    """Puts the file, then what tells of it; the destination's policy must let S3 in. Raises AwsError."""
    destination = document["Destination"]["S3BucketDestination"]
    parquet = destination["Format"] == "Parquet"
    name = destination["Bucket"].removeprefix("arn:aws:s3:::")
    place = f"{bucket.bucket_name}/{document['Id']}"
    if destination.get("Prefix"):
        place = f"{destination['Prefix'].rstrip('/')}/{place}"
    moment = iso8601_milliseconds(now_ms / 1000)
    stamp = f"{moment[:10]}T{moment[11:13]}-{moment[14:16]}Z"
    size_bytes, md5 = await call.in_thread(_size_and_md5, path)
    data_key = f"{place}/data/{call.new_id()}.{'parquet' if parquet else 'csv.gz'}"
    schema = ", ".join(columns)
    if parquet:
        fields = "; ".join(f"optional {_parquet_type(column)} {parquet_name(column)}" for column in columns)
        schema = f"message s3.inventory {{ {fields}; }}"
    manifest = json.dumps(
        {
            "sourceBucket": bucket.bucket_name,
            "destinationBucket": destination["Bucket"],
            "version": "2016-11-30",
            "creationTimestamp": str(now_ms),
            "fileFormat": destination["Format"],
            "fileSchema": schema,
            "files": [{"key": data_key, "size": size_bytes, "MD5checksum": md5}],
        },
        indent=2,
    ).encode()
    checksum = hashlib.md5(manifest, usedforsecurity=False).hexdigest().encode()
    encryption = _encryption(destination.get("Encryption") or {})
    for key, body in (
        (data_key, None),
        (f"{place}/{stamp}/manifest.json", manifest),
        (f"{place}/{stamp}/manifest.checksum", checksum),
        (f"{place}/hive/dt={stamp[:10]}-{stamp[11:16]}/symlink.txt", f"s3://{name}/{data_key}".encode()),
    ):
        request = {
            "Bucket": name,
            "Key": key,
            "Body": body if body is not None else _pieces(call, path),
            "ACL": "bucket-owner-full-control",
            **encryption,
        }
        await call.request("s3", "PutObject", request, as_=PRINCIPAL, source_arn=f"arn:aws:s3:::{bucket.bucket_name}")


def _size_and_md5(path: str) -> tuple[int, str]:
    with open(path, "rb") as file:
        return os.path.getsize(path), hashlib.file_digest(file, "md5").hexdigest()


async def _pieces(call: Call, path: str) -> AsyncIterator[bytes]:
    with open(path, "rb") as file:
        while chunk := await call.in_thread(file.read, PIECE_BYTES):
            yield chunk


def _encryption(wanted: dict[str, Any]) -> dict[str, str]:
    if "SSEKMS" in wanted:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": wanted["SSEKMS"]["KeyId"]}
    return {"ServerSideEncryption": "AES256"} if "SSES3" in wanted else {}


def _parquet_type(column: str) -> str:
    if column in _TIMES:
        return "int64"
    return {"BIGINT": "int64", "BOOLEAN": "boolean"}.get(_TYPES.get(column, ""), "binary")
