"""Lifecycle on the virtual clock: days count to the midnight after, and what falls due happens then."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.services.s3 import lifecycle

DAY = lifecycle.DAY_MS


@pytest.mark.parametrize(
    ("since_ms", "days", "due_ms"),
    [(0, 1, DAY), (1, 1, 2 * DAY), (DAY - 1, 1, 2 * DAY), (DAY // 2, 30, 31 * DAY)],
)
def test_days_end_at_the_midnight_that_follows(since_ms: int, days: int, due_ms: int) -> None:
    assert lifecycle.due_ms(since_ms, days) == due_ms


def keys(s3: Any, bucket: str) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def put(s3: Any, bucket: str, *rules: dict[str, Any]) -> None:
    rules = tuple({"Status": "Enabled", "Filter": {"Prefix": ""}, **rule} for rule in rules)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def test_objects_expire_by_prefix_tag_and_size(s3: Any, bucket: str, clock: Any) -> None:
    s3.put_object(Bucket=bucket, Key="logs/1", Body=b"x")
    s3.put_object(Bucket=bucket, Key="tagged", Body=b"x", Tagging="temporary=yes")
    s3.put_object(Bucket=bucket, Key="large", Body=b"x" * 1000)
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    put(
        s3,
        bucket,
        {"ID": "logs", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}},
        {"ID": "tags", "Filter": {"Tag": {"Key": "temporary", "Value": "yes"}}, "Expiration": {"Days": 3}},
        {"ID": "sizes", "Filter": {"ObjectSizeGreaterThan": 500}, "Expiration": {"Days": 5}},
        {"ID": "off", "Status": "Disabled", "Expiration": {"Days": 1}},
    )
    assert 'rule-id="logs"' in s3.head_object(Bucket=bucket, Key="logs/1")["Expiration"]
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="kept")
    clock.advance("49h")
    assert keys(s3, bucket) == ["kept", "large", "tagged"]
    clock.advance("48h")
    assert keys(s3, bucket) == ["kept", "large"]
    clock.advance("48h")
    assert keys(s3, bucket) == ["kept"]


def test_in_a_versioned_bucket_expiry_puts_a_marker_and_old_versions_go_later(s3: Any, new_bucket: Any, clock: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    for n in range(4):
        s3.put_object(Bucket=bucket, Key="k", Body=str(n).encode())
    put(
        s3,
        bucket,
        {
            "Expiration": {"Days": 10},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 1},
        },
        {"Filter": {"Prefix": "k"}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    )
    clock.advance("73h")
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [s3.get_object(Bucket=bucket, Key="k", VersionId=one["VersionId"])["Body"].read() for one in versions] == [b"3", b"2"]
    clock.advance("8d")
    listed = s3.list_object_versions(Bucket=bucket)
    assert listed["DeleteMarkers"][0]["IsLatest"]
    assert keys(s3, bucket) == []


def test_a_lone_delete_marker_is_removed(s3: Any, new_bucket: Any, clock: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    s3.delete_object(Bucket=bucket, Key="k")
    put(s3, bucket, {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    clock.advance("25h")
    assert "DeleteMarkers" not in s3.list_object_versions(Bucket=bucket)


def test_uploads_are_aborted_and_classes_change(s3: Any, bucket: str, clock: Any, refused: Any) -> None:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="u")["UploadId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * lifecycle.SMALL_BYTES)
    s3.put_object(Bucket=bucket, Key="small", Body=b"x")
    put(
        s3,
        bucket,
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
        {"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}]},
    )
    clock.advance("73h")
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="u", UploadId=upload_id)
    clock.advance("30d")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "STANDARD_IA"
    clock.advance("30d")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="small")
    error = refused("InvalidObjectState", 403, s3.get_object, Bucket=bucket, Key="k")
    assert error["Message"] == "The operation is not valid for the object's storage class"


def test_after_its_deletion_nothing_expires(s3: Any, bucket: str, clock: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put(s3, bucket, {"Expiration": {"Days": 1}})
    s3.delete_bucket_lifecycle(Bucket=bucket)
    clock.advance("72h")
    assert keys(s3, bucket) == ["k"]


@pytest.mark.parametrize(
    ("chosen", "smallest", "storage_class"),
    [
        ({"Prefix": ""}, "all_storage_classes_128K", "STANDARD"),
        ({"Prefix": ""}, "varies_by_storage_class", "GLACIER"),
        ({"ObjectSizeGreaterThan": 0}, "all_storage_classes_128K", "GLACIER"),
    ],
)
def test_small_objects_stay_unless_the_configuration_says_otherwise(
    s3: Any, bucket: str, clock: Any, chosen: dict[str, Any], smallest: str, storage_class: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    rule = {"Status": "Enabled", "Filter": chosen, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}, TransitionDefaultMinimumObjectSize=smallest
    )
    clock.advance("72h")
    assert s3.head_object(Bucket=bucket, Key="k").get("StorageClass", "STANDARD") == storage_class


def test_the_older_form_of_a_configuration_is_the_same_configuration(s3: Any, bucket: str) -> None:
    rule = {
        "ID": "mine",
        "Prefix": "a/",
        "Status": "Enabled",
        "Expiration": {"Days": 50},
        "Transition": {"Days": 40, "StorageClass": "GLACIER"},
    }
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == [rule]
    (newer,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (newer["Prefix"], newer["Transitions"]) == ("a/", [rule["Transition"]])
