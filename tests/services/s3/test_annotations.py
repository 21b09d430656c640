"""Annotations: texts beside a version of an object, which go with it."""

from __future__ import annotations

import os
from typing import Any

import pytest

SMALL = b'{"label": "cat"}'
LARGE = ("é" * 300_000).encode()


@pytest.fixture
def key(s3: Any, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return "k"


def _text(s3: Any, bucket: str, key: str, name: str, **more: Any) -> bytes:
    found: bytes = s3.get_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, **more)["AnnotationPayload"].read()
    return found


def _names(s3: Any, bucket: str, key: str, **more: Any) -> list[str]:
    return [one["AnnotationName"] for one in s3.list_object_annotations(Bucket=bucket, Key=key, **more).get("Annotations", ())]


@pytest.mark.parametrize("payload", [SMALL, LARGE], ids=["small", "large"])
def test_an_annotation_comes_back_as_it_was_put(s3: Any, bucket: str, key: str, payload: bytes) -> None:
    put = s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName="ml.label", AnnotationPayload=payload, ChecksumAlgorithm="SHA256")
    assert (put["Key"], put["AnnotationName"], put["ServerSideEncryption"], put["ChecksumType"]) == (
        key,
        "ml.label",
        "AES256",
        "FULL_OBJECT",
    )
    got = s3.get_object_annotation(Bucket=bucket, Key=key, AnnotationName="ml.label", ChecksumMode="ENABLED")
    assert got["AnnotationPayload"].read() == payload
    assert (got["ETag"], got["ChecksumSHA256"], got["ContentLength"]) == (put["ETag"], put["ChecksumSHA256"], len(payload))
    (one,) = s3.list_object_annotations(Bucket=bucket, Key=key)["Annotations"]
    assert (one["AnnotationName"], one["Size"], one["ChecksumAlgorithm"]) == ("ml.label", len(payload), ["SHA256"])


@pytest.mark.parametrize(
    ("name", "payload", "code", "status"),
    [
        ("AWS.note", b"x", "InvalidAnnotationName", 400),
        ("s3note", b"x", "InvalidAnnotationName", 400),
        ("a b", b"x", "InvalidAnnotationName", 400),
        ("é" * 257, b"x", "AnnotationNameTooLong", 400),
        ("n", b"\xff", "UnsupportedMediaType", 415),
        ("n", b"\xc3", "UnsupportedMediaType", 415),
        ("n", b"x" * 300_000 + b"\xff", "UnsupportedMediaType", 415),
        ("n", b"", "InvalidRequest", 400),
        ("n", b"x" * (1024**2 + 1), "EntityTooLarge", 400),
    ],
)
def test_what_is_no_annotation(s3: Any, bucket: str, key: str, refused: Any, name: str, payload: bytes, code: str, status: int) -> None:
    refused(code, status, s3.put_object_annotation, Bucket=bucket, Key=key, AnnotationName=name, AnnotationPayload=payload)
    assert _names(s3, bucket, key) == []


def test_annotations_are_listed_by_name_prefix_and_page(s3: Any, bucket: str, key: str, refused: Any) -> None:
    for name in ("b.2", "a", "b.1", "c"):
        s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, AnnotationPayload=b"1")
    assert _names(s3, bucket, key) == ["a", "b.1", "b.2", "c"]
    assert _names(s3, bucket, key, AnnotationPrefix="b.") == ["b.1", "b.2"]
    first = s3.list_object_annotations(Bucket=bucket, Key=key, MaxAnnotationResults=3)
    assert (first["AnnotationCount"], first["MaxAnnotationResults"]) == (3, 3)
    assert _names(s3, bucket, key, ContinuationToken=first["NextContinuationToken"]) == ["c"]
    refused("InvalidPrefix", 400, s3.list_object_annotations, Bucket=bucket, Key=key, AnnotationPrefix="a b")


def test_an_annotation_that_is_not_there(s3: Any, bucket: str, key: str, refused: Any) -> None:
    refused("NoSuchAnnotation", 404, s3.get_object_annotation, Bucket=bucket, Key=key, AnnotationName="n")
    refused("NoSuchKey", 404, s3.get_object_annotation, Bucket=bucket, Key="other", AnnotationName="n")
    s3.delete_object_annotation(Bucket=bucket, Key=key, AnnotationName="n")


def test_writes_hold_to_the_etag_of_the_object(s3: Any, bucket: str, key: str, refused: Any) -> None:
    etag = s3.head_object(Bucket=bucket, Key=key)["ETag"]
    names = {"Bucket": bucket, "Key": key, "AnnotationName": "n"}
    s3.put_object_annotation(**names, AnnotationPayload=b"1", ObjectIfMatch=etag)
    refused("PreconditionFailed", 412, s3.put_object_annotation, **names, AnnotationPayload=b"2", ObjectIfMatch='"0"')
    refused("PreconditionFailed", 412, s3.delete_object_annotation, **names, ObjectIfMatch='"0"')
    assert _text(s3, bucket, key, "n") == b"1"
    s3.delete_object_annotation(**names, ObjectIfMatch=etag)
    assert _names(s3, bucket, key) == []


def test_annotations_are_of_a_version_and_go_with_it(s3: Any, new_bucket: Any) -> None:
    bucket = new_bucket("Enabled")
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    said = s3.put_object_annotation(Bucket=bucket, Key="k", AnnotationName="n", AnnotationPayload=b"of the first")
    assert said["ObjectVersionId"] == first
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    assert (_names(s3, bucket, "k"), _text(s3, bucket, "k", "n", VersionId=first)) == ([], b"of the first")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=first)
    s3.delete_object(Bucket=bucket, Key="k")


def test_an_overwrite_drops_them(s3: Any, bucket: str, key: str) -> None:
    s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName="n", AnnotationPayload=LARGE)
    s3.put_object(Bucket=bucket, Key=key, Body=b"other")
    assert _names(s3, bucket, key) == []


@pytest.mark.parametrize("copy_arguments", [{}, {"ServerSideEncryption": "aws:kms"}], ids=["named again", "sealed anew"])
def test_a_copy_takes_them_along_unless_told_not_to(s3: Any, bucket: str, key: str, copy_arguments: dict[str, str]) -> None:
    s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName="small", AnnotationPayload=SMALL)
    s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName="large", AnnotationPayload=LARGE)
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/{key}", **copy_arguments)
    assert (_text(s3, bucket, "c", "small"), _text(s3, bucket, "c", "large")) == (SMALL, LARGE)
    s3.copy_object(Bucket=bucket, Key="d", CopySource=f"{bucket}/{key}", AnnotationDirective="EXCLUDE")
    assert _names(s3, bucket, "d") == []
    s3.delete_object(Bucket=bucket, Key=key)
    assert _text(s3, bucket, "c", "large") == LARGE


def test_an_object_under_the_customers_key_takes_none(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(CustomerKeys=True)
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    s3.put_object(Bucket=bucket, Key="c", Body=b"1", **customer)
    refused("InvalidRequest", 400, s3.put_object_annotation, Bucket=bucket, Key="c", AnnotationName="n", AnnotationPayload=b"1")


def test_a_locked_version_keeps_its_annotations(s3: Any, new_bucket: Any, clock: Any, refused: Any) -> None:
    bucket = new_bucket(ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object_annotation(Bucket=bucket, Key="k", AnnotationName="n", AnnotationPayload=b"1")
    s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": clock.now_s() + 86_400})
    refused("AccessDenied", 403, s3.delete_object_annotation, Bucket=bucket, Key="k", AnnotationName="n")
    s3.meta.events.register("before-sign.s3.DeleteObjectAnnotation", _bypass)
    s3.delete_object_annotation(Bucket=bucket, Key="k", AnnotationName="n")
    assert _names(s3, bucket, "k") == []


def _bypass(request: Any, **_: Any) -> None:
    request.headers["x-amz-bypass-governance-retention"] = "true"


@pytest.mark.slow
def test_a_thousand_annotations_are_the_most(s3: Any, send: Any, bucket: str, key: str) -> None:
    for number in range(1000):
        assert send("PUT", f"/{bucket}/{key}?annotation&annotationName=n{number}", {}, b"1")[0] == 200
    status, _, body = send("PUT", f"/{bucket}/{key}?annotation&annotationName=one-more", {}, b"1")
    assert (status, b"<Code>AnnotationLimitExceeded</Code>" in body) == (400, True)
    assert send("PUT", f"/{bucket}/{key}?annotation&annotationName=n7", {}, b"2")[0] == 200
    assert len(_names(s3, bucket, key)) == 1000
