"""Inventory reports: what they hold, where they lie, when they come, and who must let them in."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

FIELDS = ["Size", "LastModifiedDate", "StorageClass", "ETag", "IsMultipartUploaded", "EncryptionStatus", "ChecksumAlgorithm"]


@pytest.fixture
def target(new_bucket: Callable[..., str], s3: Any) -> str:
    name = new_bucket()
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}/*",
        "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return name


def configure(s3: Any, bucket: str, target: str, **more: Any) -> None:
    destination = {"Bucket": f"arn:aws:s3:::{target}", "Format": "CSV", "Prefix": "reports", **more.pop("Destination", {})}
    configuration = {
        "Id": "daily",
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": destination},
        "OptionalFields": FIELDS,
        **more,
    }
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id=configuration["Id"], InventoryConfiguration=configuration)


def content(s3: Any, bucket: str, key: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def keys(s3: Any, target: str, suffix: str) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket=target).get("Contents", []) if one["Key"].endswith(suffix)]


def manifest(s3: Any, target: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content(s3, target, keys(s3, target, "manifest.json")[-1]))
    return found


def rows(s3: Any, target: str) -> list[list[str]]:
    data = content(s3, target, manifest(s3, target)["files"][0]["key"])
    return list(csv.reader(io.StringIO(gzip.decompress(data).decode())))


def test_a_daily_report_as_csv(s3: Any, bucket: str, target: str, clock: Any) -> None:
    s3.put_object(Bucket=bucket, Key="a b", Body=b"four")
    s3.put_object(Bucket=bucket, Key="cold", Body=b"", StorageClass="GLACIER")
    configure(s3, bucket, target)
    clock.advance("24h")
    found = manifest(s3, target)
    assert (found["sourceBucket"], found["destinationBucket"]) == (bucket, f"arn:aws:s3:::{target}")
    assert (found["fileFormat"], found["fileSchema"]) == ("CSV", ", ".join(["Bucket", "Key", *FIELDS]))
    (file,) = found["files"]
    data = content(s3, target, file["key"])
    assert (file["size"], file["MD5checksum"]) == (len(data), hashlib.md5(data).hexdigest())
    assert file["key"].startswith(f"reports/{bucket}/daily/data/") and file["key"].endswith(".csv.gz")
    first, second = rows(s3, target)
    assert first[:3] == [bucket, "a%20b", "4"] and first[3].endswith("Z")
    assert first[4:] == ["STANDARD", hashlib.md5(b"four").hexdigest(), "false", "SSE-S3", "CRC32"]
    assert second[1:3] == ["cold", "0"] and second[4] == "GLACIER"
    (place,) = keys(s3, target, "manifest.json")
    folder = place.removesuffix("/manifest.json")
    assert folder.startswith(f"reports/{bucket}/daily/20") and folder.endswith("T00-00Z")
    assert content(s3, target, f"{folder}/manifest.checksum") == hashlib.md5(content(s3, target, place)).hexdigest().encode()
    (symlink,) = keys(s3, target, "symlink.txt")
    assert symlink == f"reports/{bucket}/daily/hive/dt={folder[-17:-7]}-00-00/symlink.txt"
    assert content(s3, target, symlink) == f"s3://{target}/{file['key']}".encode()
    clock.advance("24h")
    assert len(keys(s3, target, "manifest.json")) == 2
    s3.delete_bucket_inventory_configuration(Bucket=bucket, Id="daily")
    clock.advance("48h")
    assert len(keys(s3, target, "manifest.json")) == 2


def test_every_version_below_a_prefix(s3: Any, new_bucket: Callable[..., str], target: str, clock: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    ids = [s3.put_object(Bucket=bucket, Key="p/k", Body=b"x" * n)["VersionId"] for n in (1, 2)]
    marker = s3.delete_object(Bucket=bucket, Key="p/k")["VersionId"]
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    configure(s3, bucket, target, IncludedObjectVersions="All", Filter={"Prefix": "p/"}, OptionalFields=["Size"])
    clock.advance("24h")
    assert rows(s3, target) == [
        [bucket, "p/k", marker, "true", "true", ""],
        [bucket, "p/k", ids[1], "false", "false", "2"],
        [bucket, "p/k", ids[0], "false", "false", "1"],
    ]


@pytest.mark.slow
def test_a_report_as_parquet(s3: Any, bucket: str, target: str, clock: Any, tmp_path: Any) -> None:
    import duckdb

    s3.put_object(Bucket=bucket, Key="a b,\"c'", Body=b"four")
    configure(s3, bucket, target, Destination={"Format": "Parquet"})
    clock.advance("24h")
    path = tmp_path / "report.parquet"
    path.write_bytes(content(s3, target, manifest(s3, target)["files"][0]["key"]))
    found = duckdb.sql(f"select key, size, is_multipart_uploaded, typeof(last_modified_date), e_tag from '{path}'").fetchall()
    assert found == [("a b,\"c'", 4, False, "TIMESTAMP", hashlib.md5(b"four").hexdigest())]


def test_weekly_reports_come_on_sundays(s3: Any, bucket: str, target: str, clock: Any) -> None:
    configure(s3, bucket, target, Schedule={"Frequency": "Weekly"})
    clock.advance("14d")
    assert len(keys(s3, target, "manifest.json")) == 2


def test_the_destination_must_be_right_and_let_the_report_in(
    s3: Any, new_bucket: Callable[..., str], bucket: str, clock: Any, refused: Any
) -> None:
    shut = new_bucket()
    configure(s3, bucket, shut)
    clock.advance("24h")
    assert "Contents" not in s3.list_objects_v2(Bucket=shut)

    def put(**destination: str) -> dict[str, Any]:
        configuration = {
            "Id": "i",
            "IsEnabled": True,
            "IncludedObjectVersions": "Current",
            "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{shut}", "Format": "CSV", **destination}},
        }
        return {"Bucket": bucket, "Id": "i", "InventoryConfiguration": configuration}

    refused("InvalidS3DestinationBucket", 400, s3.put_bucket_inventory_configuration, **put(Bucket="arn:aws:s3:::no-such-bucket-here"))
    error = refused("NotImplemented", 501, s3.put_bucket_inventory_configuration, **put(Format="ORC"))
    assert "ORC" in error["Message"]


def test_a_policy_may_say_which_fields_an_inventory_has(s3: Any, bucket: str, refused: Any) -> None:
    condition = {"ForAnyValue:StringEquals": {"s3:InventoryAccessibleOptionalFields": "ETag"}}
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutInventoryConfiguration",
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": condition,
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    wanted = {
        "Id": "i",
        "IsEnabled": False,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV"}},
        "OptionalFields": ["Size", "ETag"],
    }
    put = s3.put_bucket_inventory_configuration
    refused("AccessDenied", 403, put, Bucket=bucket, Id="i", InventoryConfiguration=wanted)
    put(Bucket=bucket, Id="i", InventoryConfiguration={**wanted, "OptionalFields": ["Size"]})
