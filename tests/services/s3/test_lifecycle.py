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


BASE = {"Filter": {"Prefix": "p/"}}
EXPIRING = {**BASE, "Expiration": {"Days": 400}}
TAGGED = {"Filter": {"Tag": {"Key": "a", "Value": "b"}}}
SIZED = {"Filter": {"ObjectSizeGreaterThan": 1}}
ABORT = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
MARKERS = {"Expiration": {"ExpiredObjectDeleteMarker": True}}
WHERE = "filter '(prefix=p/)'"


def moves(*pairs: tuple[int | str, str]) -> dict[str, Any]:
    return {"Transitions": [{"Days" if isinstance(when, int) else "Date": when, "StorageClass": name} for when, name in pairs]}


def old(days: int, name: str = "GLACIER", **more: Any) -> dict[str, Any]:
    return {"NoncurrentVersionTransitions": [{"NoncurrentDays": days, "StorageClass": name, **more}]}


@pytest.mark.parametrize(
    ("rule", "code", "sentence"),
    [
        ({**EXPIRING, "Filter": {"And": {"Prefix": "a"}}}, "MalformedXML", ""),
        ({**EXPIRING, "Filter": {"And": {"Tags": [{"Key": "a", "Value": "1"}] * 2}}}, "InvalidRequest", "Duplicate Tag Keys are not allowed."),
        ({**EXPIRING, "Filter": {"Prefix": "x" * 1025}}, "InvalidRequest", "The maximum size of a prefix is 1024."),
        ({**EXPIRING, "Filter": {"Tag": {"Key": "k" * 129, "Value": ""}}}, "InvalidRequest", "A Tag's Key must be a length between 1 and 128."),
        ({**EXPIRING, "Filter": {"Tag": {"Key": "k", "Value": "v" * 257}}}, "InvalidRequest", "A Tag's Value must be a length between 0 and 256."),
        ({**EXPIRING, "Filter": {"ObjectSizeGreaterThan": -1}}, "InvalidRequest", "'ObjectSizeGreaterThan' has to be a value greater than or equal to 0."),
        ({**TAGGED, **ABORT}, "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags."),
        ({**SIZED, **ABORT}, "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Object Size."),
        ({**TAGGED, **MARKERS}, "InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags."),
        ({**SIZED, **MARKERS}, "InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Object Size."),
        ({**BASE, "Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML", ""),
        ({**BASE, "Expiration": {"Days": 0}}, "InvalidArgument", "'Days' for Expiration action must be a positive integer"),
        ({**BASE, "Expiration": {"Date": "2030-01-01T12:00:00Z"}}, "InvalidArgument", "'Date' must be at midnight GMT"),
        ({**BASE}, "InvalidRequest", "At least one action needs to be specified in a rule"),
        ({**BASE, **moves((1, "STANDARD_IA"))}, "InvalidArgument",
         "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'"),
        ({**BASE, **moves((30, "STANDARD_IA"), (40, "GLACIER"))}, "InvalidArgument",
         f"'Days' in the 'Transition' action for StorageClass 'GLACIER' for {WHERE} must be 30 days more than '{WHERE}' in the 'Transition' action for "
         "StorageClass 'STANDARD_IA'"),
        ({**BASE, **moves((30, "GLACIER"), (60, "STANDARD_IA"))}, "InvalidArgument", None),
        ({**BASE, **moves((90, "DEEP_ARCHIVE"), (90, "GLACIER"))}, "InvalidArgument", None),
        ({**BASE, **moves((30, "GLACIER"), (30, "GLACIER"))}, "InvalidRequest",
         f"'StorageClass' must be different for 'Transition' actions in same 'Rule' with {WHERE}"),
        ({**BASE, **moves((30, "GLACIER"), ("2030-01-01T00:00:00Z", "DEEP_ARCHIVE"))}, "InvalidRequest",
         f"Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for {WHERE}"),
        ({**BASE, **moves((30, "GLACIER")), "Expiration": {"Date": "2030-01-01T00:00:00Z"}}, "InvalidRequest",
         f"Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {WHERE}"),
        ({**BASE, **moves((30, "GLACIER")), "Expiration": {"Days": 30}}, "InvalidArgument",
         f"'Days' in the Expiration action for {WHERE} must be greater than 'Days' in the Transition action"),
        ({**BASE, "NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument",
         "'Days' for NoncurrentVersionExpiration action must be a positive integer"),
        ({**BASE, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}}, "InvalidArgument",
         "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100"),
        ({**BASE, **old(1, "STANDARD_IA")}, "InvalidArgument",
         "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'"),
        ({**BASE, **old(5), "NoncurrentVersionExpiration": {"NoncurrentDays": 5}}, "InvalidArgument",
         f"'NoncurrentDays' in the NoncurrentVersionExpiration action for {WHERE} must be greater than 'NoncurrentDays' in the "
         "NoncurrentVersionTransition action"),
        ({**BASE, **old(5, NewerNoncurrentVersions=0)}, "InvalidArgument", None),
    ],
)  # fmt: skip
def test_what_no_rule_may_say(s3: Any, bucket: str, refused: Any, rule: dict[str, Any], code: str, sentence: str | None) -> None:
    document = {"Rules": [{"Status": "Enabled", **rule}]}
    error = refused(code, 400, s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=document)
    if sentence:
        assert error["Message"] == sentence


@pytest.mark.parametrize(
    "rule",
    [
        {**BASE, **moves((30, "STANDARD_IA"), (60, "GLACIER"), (61, "DEEP_ARCHIVE")), "Expiration": {"Days": 62}},
        {**BASE, **moves((0, "INTELLIGENT_TIERING"), (1, "GLACIER_IR"))},
        {**BASE, **moves(("2030-01-01T00:00:00Z", "GLACIER")), "Expiration": {"Date": "2030-02-01T00:00:00Z"}},
        {**BASE, **old(5, NewerNoncurrentVersions=3), "NoncurrentVersionExpiration": {"NoncurrentDays": 6, "NewerNoncurrentVersions": 5}},
        {**BASE, **ABORT, **MARKERS},
        {"Filter": {"And": {"Prefix": "a", "ObjectSizeGreaterThan": 1}}, "Expiration": {"Days": 1}},
    ],
)
def test_what_a_rule_may_say(s3: Any, bucket: str, rule: dict[str, Any]) -> None:
    put(s3, bucket, rule)
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1


def test_every_write_says_when_it_will_expire(s3: Any, bucket: str) -> None:
    put(
        s3,
        bucket,
        {"ID": "days", "Filter": {"Prefix": "e/"}, "Expiration": {"Days": 1}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
    )
    said = s3.put_object(Bucket=bucket, Key="e/k", Body=b"1")["Expiration"]
    assert said.startswith('expiry-date="') and said.endswith('GMT", rule-id="days"')
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert s3.copy_object(Bucket=bucket, Key="e/c", CopySource=f"{bucket}/k")["Expiration"] == said
    upload = s3.create_multipart_upload(Bucket=bucket, Key="e/u")
    assert (upload["AbortRuleId"], upload["AbortDate"].hour) == ("days", 0)
    named = {"Bucket": bucket, "Key": "e/u", "UploadId": upload["UploadId"]}
    etag = s3.upload_part(**named, PartNumber=1, Body=b"1")["ETag"]
    assert s3.list_parts(**named)["AbortDate"] == upload["AbortDate"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    assert s3.complete_multipart_upload(**named, MultipartUpload=parts)["Expiration"] == said
    assert "AbortDate" not in s3.create_multipart_upload(Bucket=bucket, Key="u")
