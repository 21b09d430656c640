"""Buckets: names, owners, regions, listings, versioning."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.services.s3 import names
from groundcloud.services.s3.errors import S3Error


@pytest.mark.parametrize("name", ["abc", "a.b-c", "0bucket1", "a" * 63, "my.bucket.name"])
def test_a_name_by_the_rules_is_taken(name: str) -> None:
    names.check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-begin",
        "end-",
        "dot..dot",
        "dot.-dash",
        "dash-.dot",
        ".begin",
        "192.168.5.4",
        "xn--punycode",
        "sthree-x",
        "x-s3alias",
        "x--ol-s3",
    ],
)
def test_a_name_against_the_rules_is_refused(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        names.check_bucket_name(name)
    assert caught.value.code == "InvalidBucketName"
    assert caught.value.message == "The specified bucket is not valid."
    assert caught.value.fields == {"BucketName": name}


def test_a_bucket_is_created_listed_and_deleted(s3: Any, bucket: str, refused: Any) -> None:
    listed = s3.list_buckets()
    assert [one["Name"] for one in listed["Buckets"]] == [bucket]
    assert len(listed["Owner"]["ID"]) == 64
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
    s3.delete_bucket(Bucket=bucket)
    error = refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=bucket)
    assert error["Message"] == "The specified bucket does not exist"
    assert error["BucketName"] == bucket
    refused("404", 404, s3.head_bucket, Bucket=bucket)


def test_creating_ones_own_bucket_again_is_answered_as_in_us_east_1(s3: Any, bucket: str) -> None:
    assert s3.create_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_creating_ones_own_bucket_again_elsewhere_is_refused(client: Any, account: str, refused: Any) -> None:
    west = client("s3", region="eu-west-1")
    where = {"LocationConstraint": "eu-west-1"}
    west.create_bucket(Bucket=f"w{account}", CreateBucketConfiguration=where)
    error = refused("BucketAlreadyOwnedByYou", 409, west.create_bucket, Bucket=f"w{account}", CreateBucketConfiguration=where)
    assert error["Message"] == "Your previous request to create the named bucket succeeded and you already own it."


def test_a_name_that_another_account_has_is_refused(client: Any, bucket: str, refused: Any) -> None:
    other = client("s3", account="999988887777")
    error = refused("BucketAlreadyExists", 409, other.create_bucket, Bucket=bucket)
    assert error["Message"].startswith("The requested bucket name is not available.")


def test_a_bucket_tells_its_region(client: Any, account: str, s3: Any, bucket: str) -> None:
    west = client("s3", region="eu-west-1")
    name = f"r{account}"
    west.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "eu-west-1"
    west.put_object(Bucket=bucket, Key="k", Body=b"from elsewhere")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"from elsewhere"


def test_a_location_that_is_not_the_endpoints_is_refused(client: Any, s3: Any, account: str, refused: Any) -> None:
    west = client("s3", region="eu-west-1")
    error = refused("IllegalLocationConstraintException", 400, west.create_bucket, Bucket=f"i{account}")
    assert error["Message"] == (
        "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
    )
    refused(
        "IllegalLocationConstraintException",
        400,
        west.create_bucket,
        Bucket=f"i{account}",
        CreateBucketConfiguration={"LocationConstraint": "us-west-2"},
    )
    refused(
        "InvalidLocationConstraint",
        400,
        s3.create_bucket,
        Bucket=f"i{account}",
        CreateBucketConfiguration={"LocationConstraint": "mars-north-1"},
    )


def test_a_bucket_with_objects_is_not_deleted(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    error = refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
    assert error["Message"] == "The bucket you tried to delete is not empty"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=bucket, Key="k")
    error = refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
    assert error["Message"] == "The bucket you tried to delete is not empty. You must delete all versions in the bucket."


def test_deleting_a_bucket_forgets_all_of_it(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="u")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="u", UploadId=upload, PartNumber=1, Body=b"x")
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_buckets_are_listed_in_pages(s3: Any, new_bucket: Any, account: str) -> None:
    made = sorted(new_bucket() for _ in range(5))
    first = s3.list_buckets(MaxBuckets=2)
    assert [one["Name"] for one in first["Buckets"]] == made[:2]
    assert first["Buckets"][0]["BucketRegion"] == "us-east-1"
    second = s3.list_buckets(MaxBuckets=3, ContinuationToken=first["ContinuationToken"])
    assert [one["Name"] for one in second["Buckets"]] == made[2:]
    assert "ContinuationToken" not in second
    assert [one["Name"] for one in s3.list_buckets(Prefix=made[3])["Buckets"]] == [made[3]]


def test_versioning_is_off_until_it_is_set_and_then_never_unset(s3: Any, bucket: str, refused: Any) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    error = refused("IllegalVersioningConfigurationException", 400, s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={})
    assert error["Message"] == "The Versioning element must be specified"


def test_a_bucket_of_another_owner_than_expected_is_refused(s3: Any, bucket: str, account: str, refused: Any) -> None:
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111111111111")


def test_a_bucket_that_is_created_again_in_us_east_1_has_a_new_acl(s3: Any, new_bucket: Any) -> None:
    bucket = new_bucket(ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.create_bucket(Bucket=bucket)
    assert len(s3.get_bucket_acl(Bucket=bucket)["Grants"]) == 1
