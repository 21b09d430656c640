"""Archived objects: what cannot be read, how a copy comes and goes on the virtual clock, what is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

HOUR = 3600


def restore(s3: Any, bucket: str, key: str, days: int = 1, tier: str | None = None) -> int:
    request: dict[str, Any] = {"Days": days}
    if tier:
        request["GlacierJobParameters"] = {"Tier": tier}
    status: int = s3.restore_object(Bucket=bucket, Key=key, RestoreRequest=request)["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_an_archived_object_is_read_while_it_is_restored(s3: Any, bucket: str, clock: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"cold", StorageClass="GLACIER")
    error = refused("InvalidObjectState", 403, s3.get_object, Bucket=bucket, Key="k")
    assert (error["StorageClass"], error["Message"]) == ("GLACIER", "The operation is not valid for the object's storage class")
    assert restore(s3, bucket, "k", days=2) == 202
    assert s3.head_object(Bucket=bucket, Key="k")["Restore"] == 'ongoing-request="true"'
    refused("InvalidObjectState", 403, s3.get_object, Bucket=bucket, Key="k")
    refused("RestoreAlreadyInProgress", 409, s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Days": 1})
    clock.advance("301m")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"cold" and got["StorageClass"] == "GLACIER"
    assert got["Restore"].startswith('ongoing-request="false", expiry-date="') and got["Restore"].endswith('00:00:00 GMT"')
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    listed = s3.list_objects_v2(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert [one.get("RestoreStatus", {}).get("IsRestoreInProgress") for one in listed] == [None, False]
    assert restore(s3, bucket, "k", days=5) == 200
    clock.advance("3d")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"cold"
    clock.advance("3d")
    refused("InvalidObjectState", 403, s3.get_object, Bucket=bucket, Key="k")
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="k")
    refused("ObjectNotInActiveTierError", 403, s3.copy_object, Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})


@pytest.mark.parametrize(
    ("storage_class", "tier", "hours"),
    [("GLACIER", "Expedited", 1), ("GLACIER", "Bulk", 12), ("DEEP_ARCHIVE", "Standard", 12), ("DEEP_ARCHIVE", "Bulk", 48)],
)
def test_tiers_take_their_time(s3: Any, bucket: str, clock: Any, refused: Any, storage_class: str, tier: str, hours: int) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"cold", StorageClass=storage_class)
    restore(s3, bucket, "k", tier=tier)
    if hours > 1:
        clock.advance(f"{hours - 1}h")
        refused("InvalidObjectState", 403, s3.get_object, Bucket=bucket, Key="k")
    clock.advance("1h")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"cold"


def test_a_faster_tier_may_be_asked_for_meanwhile(s3: Any, bucket: str, clock: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"cold", StorageClass="GLACIER")
    restore(s3, bucket, "k", tier="Bulk")
    assert restore(s3, bucket, "k", tier="Expedited") == 202
    clock.advance("6m")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"cold"


def test_what_cannot_be_restored_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="warm", Body=b"x")
    s3.put_object(Bucket=bucket, Key="deep", Body=b"x", StorageClass="DEEP_ARCHIVE")
    refused("InvalidObjectState", 403, s3.restore_object, Bucket=bucket, Key="warm", RestoreRequest={"Days": 1})
    refused("InvalidArgument", 400, s3.restore_object, Bucket=bucket, Key="deep", RestoreRequest={"Days": 0})
    expedited = {"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}
    refused("InvalidArgument", 400, s3.restore_object, Bucket=bucket, Key="deep", RestoreRequest=expedited)
    refused("MalformedXML", 400, s3.restore_object, Bucket=bucket, Key="deep", RestoreRequest={})
    refused("NoSuchKey", 404, s3.restore_object, Bucket=bucket, Key="none", RestoreRequest={"Days": 1})


def test_lifecycle_archives_and_events_tell_of_a_restore(client: Any, s3: Any, bucket: str, account: str, clock: Any) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{account}:events"
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": allow})})
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectRestore:*"]}]}
    )
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 200_000)
    clock.advance("3d")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"
    restore(s3, bucket, "k")
    clock.advance("3d")
    told = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            told += json.loads(message["Body"]).get("Records", [])
    assert [one["eventName"] for one in told] == ["ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete"]
    assert [one["userIdentity"]["principalId"] == "s3.amazonaws.com" for one in told] == [False, True, True]
    about = told[1]["glacierEventData"]["restoreEventData"]
    assert about["lifecycleRestoreStorageClass"] == "GLACIER" and about["lifecycleRestorationExpiryTime"].endswith("T00:00:00.000Z")


@pytest.mark.slow
def test_a_restore_goes_on_after_a_kill(process: Any) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="archive")
    s3.put_object(Bucket="archive", Key="k", Body=b"cold", StorageClass="GLACIER")
    restore(s3, "archive", "k")
    process.restart()
    process.advance("6h")
    assert process.client("s3").get_object(Bucket="archive", Key="k")["Body"].read() == b"cold"
