"""Server access logs: what a line says, when and where it is written, and who must let it in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

LINE = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')


def let_in(s3: Any, target: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def enable(s3: Any, source: str, target: str, **more: Any) -> None:
    enabled = {"TargetBucket": target, "TargetPrefix": "logs/", **more}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": enabled})


def lines(s3: Any, target: str) -> list[list[str]]:
    found = []
    for one in s3.list_objects_v2(Bucket=target).get("Contents", []):
        text = s3.get_object(Bucket=target, Key=one["Key"])["Body"].read().decode()
        found += [LINE.findall(line) for line in text.splitlines()]
    return found


@pytest.fixture
def target(new_bucket: Callable[..., str]) -> str:
    return new_bucket()


def test_each_request_is_a_line_in_the_targets_objects(s3: Any, bucket: str, target: str, clock: Any, account: str, refused: Any) -> None:
    let_in(s3, target)
    enable(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="a b", Body=b"body")
    s3.get_object(Bucket=bucket, Key="a b", Range="bytes=1-2")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="none")
    s3.list_objects_v2(Bucket=bucket)
    s3.get_bucket_versioning(Bucket=bucket)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b"})
    assert lines(s3, target) == []
    clock.advance("6m")
    found = lines(s3, target)
    assert [line[6] for line in found] == [
        "REST.PUT.LOGGING_STATUS",
        "REST.PUT.OBJECT",
        "REST.GET.OBJECT",
        "REST.GET.OBJECT",
        "REST.GET.BUCKET",
        "REST.GET.VERSIONING",
        "REST.COPY.OBJECT",
    ]
    owner = s3.list_buckets()["Owner"]["ID"]
    put, got, missing = found[1:4]
    assert put[:2] == [owner, bucket] and put[3:5] == ["127.0.0.1", owner]
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", put[2])
    assert put[7:13] == ["a%2520b", f'"PUT /{bucket}/a%20b HTTP/1.1"', "200", "-", "-", "4"]
    assert got[9:13] == ["206", "-", "2", "4"]
    assert missing[9:11] == ["404", "NoSuchKey"]
    assert put[16].startswith('"Boto3/') and put[19] == "SigV4" and put[21] == "AuthHeader"
    assert len(put) == 26
    (one,) = s3.list_objects_v2(Bucket=target)["Contents"]
    assert re.fullmatch(r"logs/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", one["Key"])
    clock.advance("6m")
    assert len(lines(s3, target)) == 7


def test_keys_may_be_partitioned_by_date(s3: Any, bucket: str, target: str, clock: Any, account: str) -> None:
    let_in(s3, target)
    enable(s3, bucket, target, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    s3.list_objects_v2(Bucket=bucket)
    clock.advance("6m")
    (one,) = s3.list_objects_v2(Bucket=target)["Contents"]
    assert re.fullmatch(rf"logs/{account}/us-east-1/{bucket}/(\d{{4}}/\d\d/\d\d)/\d{{4}}-\d\d-\d\d-00-00-00-[0-9A-F]{{16}}", one["Key"])


def test_the_target_must_let_the_log_in(s3: Any, bucket: str, target: str, clock: Any) -> None:
    enable(s3, bucket, target)
    s3.list_objects_v2(Bucket=bucket)
    clock.advance("6m")
    assert lines(s3, target) == []
    s3.put_bucket_ownership_controls(Bucket=target, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_acl(Bucket=target, ACL="log-delivery-write")
    s3.list_objects_v2(Bucket=bucket)
    clock.advance("6m")
    assert [line[6] for line in lines(s3, target)] == ["REST.GET.BUCKET"]


def test_who_asked_is_told_and_logging_ends(
    client: Any, ground: Any, s3: Any, bucket: str, target: str, clock: Any, account: str, refused: Any
) -> None:
    let_in(s3, target)
    enable(s3, bucket, target)
    iam = client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    theirs = ground.client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    refused("AccessDenied", 403, theirs.list_objects_v2, Bucket=bucket)
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    s3.list_objects_v2(Bucket=bucket)
    enable(s3, bucket, target)
    clock.advance("6m")
    found = lines(s3, target)
    assert [line[6] for line in found] == ["REST.PUT.LOGGING_STATUS", "REST.GET.BUCKET", "REST.PUT.LOGGING_STATUS"]
    assert (found[1][4], found[1][9], found[1][10]) == (f"arn:aws:iam::{account}:user/u", "403", "AccessDenied")


def test_a_target_elsewhere_is_refused(ground: Any, s3: Any, bucket: str, account: str, refused: Any) -> None:
    west = ground.client("s3", account, region="us-west-2")
    west.create_bucket(Bucket=f"west-{account}", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    status = {"LoggingEnabled": {"TargetBucket": f"west-{account}", "TargetPrefix": ""}}
    refused("CrossLocationLoggingProhibited", 403, s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=status)
