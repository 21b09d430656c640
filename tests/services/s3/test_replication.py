"""Replication between buckets: what a configuration may say, what goes where and when, as whom, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

MB = 1024 * 1024
Rule = dict[str, Any]


@pytest.fixture
def role(client: Any) -> str:
    """A role that S3 may take and that may do everything."""
    return make_role(client("iam"), "s3:*", "*")


def make_role(iam: Any, action: Any, resource: Any, name: str = "replicator", service: str = "s3.amazonaws.com") -> str:
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}}
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": resource}}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(allowed))
    return arn


def rule(target: str, **more: Any) -> Rule:
    destination = {"Bucket": f"arn:aws:s3:::{target}", **more.pop("Destination", {})}
    base = {"Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}, "DeleteMarkerReplication": {"Status": "Disabled"}}
    return {**base, "Destination": destination, **more}


def put(s3: Any, bucket: str, role: str, *rules: Rule) -> None:
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": role, "Rules": list(rules)})


@pytest.fixture
def pair(new_bucket: Callable[..., str]) -> tuple[str, str]:
    return new_bucket(Versioning="Enabled"), new_bucket(Versioning="Enabled")


def status(s3: Any, bucket: str, key: str) -> str | None:
    found: str | None = s3.head_object(Bucket=bucket, Key=key).get("ReplicationStatus")
    return found


def test_a_write_reaches_the_other_bucket_after_the_lag(s3: Any, pair: tuple[str, str], role: str, clock: Any) -> None:
    source, target = pair
    put(s3, source, role, rule(target))
    written = s3.put_object(
        Bucket=source, Key="k", Body=b"body", Metadata={"m": "1"}, ContentType="text/x", Tagging="a=b", StorageClass="STANDARD_IA"
    )
    assert status(s3, source, "k") == "PENDING"
    assert "Contents" not in s3.list_objects_v2(Bucket=target)
    clock.advance("1s")
    assert status(s3, source, "k") == "COMPLETED"
    got = s3.get_object(Bucket=target, Key="k")
    assert got["Body"].read() == b"body"
    assert (got["VersionId"], got["Metadata"], got["ContentType"]) == (written["VersionId"], {"m": "1"}, "text/x")
    assert (got["ReplicationStatus"], got["StorageClass"], got["TagCount"]) == ("REPLICA", "STANDARD_IA", 1)
    assert got["LastModified"] == s3.head_object(Bucket=source, Key="k")["LastModified"]


def test_large_and_multipart_objects_are_named_twice(s3: Any, pair: tuple[str, str], role: str, clock: Any) -> None:
    source, target = pair
    put(s3, source, role, rule(target))
    large = b"x" * (2 * MB)
    s3.put_object(Bucket=source, Key="large", Body=large)
    upload_id = s3.create_multipart_upload(Bucket=source, Key="parts")["UploadId"]
    parts = []
    for number, body in ((1, b"p" * 5 * MB), (2, b"end")):
        etag = s3.upload_part(Bucket=source, Key="parts", UploadId=upload_id, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(Bucket=source, Key="parts", UploadId=upload_id, MultipartUpload={"Parts": parts})
    clock.advance("1s")
    # What the source forgets, the replica keeps.
    for key in ("large", "parts"):
        s3.delete_object(Bucket=source, Key=key, VersionId=s3.head_object(Bucket=source, Key=key)["VersionId"])
    assert s3.get_object(Bucket=target, Key="large")["Body"].read() == large
    assert s3.get_object(Bucket=target, Key="parts")["Body"].read() == b"p" * 5 * MB + b"end"
    assert s3.head_object(Bucket=target, Key="parts", PartNumber=2)["ContentLength"] == 3


def test_the_lag_is_what_the_tag_says(s3: Any, pair: tuple[str, str], role: str, clock: Any) -> None:
    source, target = pair
    put(s3, source, role, rule(target))
    s3.put_bucket_tagging(Bucket=source, Tagging={"TagSet": [{"Key": "groundcloud:replication-lag-ms", "Value": "60000"}]})
    s3.put_object(Bucket=source, Key="k", Body=b"1")
    clock.advance("50s")
    assert status(s3, source, "k") == "PENDING"
    # A shorter lag lets a later write arrive first: the newest stays the newest.
    s3.put_bucket_tagging(Bucket=source, Tagging={"TagSet": [{"Key": "groundcloud:replication-lag-ms", "Value": "0"}]})
    s3.put_object(Bucket=source, Key="k", Body=b"2")
    clock.settle()
    assert s3.get_object(Bucket=target, Key="k")["Body"].read() == b"2"
    clock.advance("11s")
    assert s3.get_object(Bucket=target, Key="k")["Body"].read() == b"2"
    versions = [one["VersionId"] for one in s3.list_object_versions(Bucket=source)["Versions"]]
    assert [one["VersionId"] for one in s3.list_object_versions(Bucket=target)["Versions"]] == versions


def test_prefixes_tags_and_priorities_choose(s3: Any, new_bucket: Callable[..., str], role: str, clock: Any) -> None:
    source, one, two = (new_bucket(Versioning="Enabled") for _ in range(3))
    put(
        s3,
        source,
        role,
        rule(one, Priority=1, Filter={"Prefix": "logs/"}, Destination={"StorageClass": "GLACIER"}),
        rule(one, Priority=2, Filter={"And": {"Prefix": "logs/", "Tags": [{"Key": "hot", "Value": "yes"}]}}),
        rule(two, Priority=3, Filter={"Tag": {"Key": "hot", "Value": "yes"}}),
        rule(two, Priority=4, Filter={"Prefix": "off"}, Status="Disabled"),
    )
    for key, tagging in (("logs/1", ""), ("logs/2", "hot=yes"), ("hot", "hot=yes"), ("off", ""), ("none", "hot=no")):
        s3.put_object(Bucket=source, Key=key, Body=b"x", Tagging=tagging)
    clock.advance("1s")

    def classes(bucket: str) -> dict[str, str]:
        return {found["Key"]: found["StorageClass"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}

    assert classes(one) == {"logs/1": "GLACIER", "logs/2": "STANDARD"}
    assert classes(two) == {"hot": "STANDARD", "logs/2": "STANDARD"}
    assert status(s3, source, "off") is None and status(s3, source, "none") is None


def test_delete_markers_go_where_the_rule_says_and_deleted_versions_nowhere(s3: Any, pair: tuple[str, str], role: str, clock: Any) -> None:
    source, target = pair
    put(s3, source, role, rule(target, DeleteMarkerReplication={"Status": "Enabled"}))
    first = s3.put_object(Bucket=source, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=source, Key="k")["VersionId"]
    clock.advance("1s")
    assert [one["VersionId"] for one in s3.list_object_versions(Bucket=target)["DeleteMarkers"]] == [marker]
    s3.delete_object(Bucket=source, Key="k", VersionId=first)
    clock.advance("1s")
    assert s3.get_object(Bucket=target, Key="k", VersionId=first)["Body"].read() == b"1"
    put(s3, source, role, rule(target))
    s3.delete_object(Bucket=source, Key="other")
    clock.advance("1s")
    assert len(s3.list_object_versions(Bucket=target)["DeleteMarkers"]) == 1
    # The first version of the schema takes markers along.
    put(s3, source, role, {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": f"arn:aws:s3:::{target}"}})
    s3.delete_object(Bucket=source, Key="third")
    clock.advance("1s")
    assert len(s3.list_object_versions(Bucket=target)["DeleteMarkers"]) == 2


def test_changes_of_tags_follow_and_those_of_a_replica_come_back_where_the_rule_says(
    s3: Any, pair: tuple[str, str], role: str, clock: Any
) -> None:
    source, target = pair
    put(s3, source, role, rule(target))
    back = rule(source, SourceSelectionCriteria={"ReplicaModifications": {"Status": "Enabled"}})
    put(s3, target, role, back)
    s3.put_object(Bucket=source, Key="k", Body=b"1")
    clock.advance("1s")
    s3.put_object_tagging(Bucket=source, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert status(s3, source, "k") == "PENDING"
    clock.advance("1s")
    assert s3.get_object_tagging(Bucket=target, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert (status(s3, source, "k"), status(s3, target, "k")) == ("COMPLETED", "REPLICA")
    s3.put_object_tagging(Bucket=target, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "2"}]})
    clock.advance("1s")
    assert s3.get_object_tagging(Bucket=source, Key="k")["TagSet"] == [{"Key": "a", "Value": "2"}]
    assert (status(s3, source, "k"), status(s3, target, "k")) == ("COMPLETED", "REPLICA")
    assert len(s3.list_object_versions(Bucket=source)["Versions"]) == 1


def test_a_change_of_tags_follows_though_the_rule_would_not_want_the_version_any_more(
    s3: Any, pair: tuple[str, str], role: str, clock: Any
) -> None:
    source, target = pair
    put(s3, source, role, rule(target, Filter={"Tag": {"Key": "hot", "Value": "yes"}}))
    s3.put_object(Bucket=source, Key="k", Body=b"x", Tagging="hot=yes")
    clock.advance("1s")
    s3.delete_object_tagging(Bucket=source, Key="k")
    clock.advance("1s")
    assert s3.get_object_tagging(Bucket=target, Key="k")["TagSet"] == []
    s3.delete_object(Bucket=target, Key="k", VersionId=s3.head_object(Bucket=target, Key="k")["VersionId"])
    s3.put_object_tagging(Bucket=source, Key="k", Tagging={"TagSet": []})
    clock.advance("1s")
    assert "Contents" not in s3.list_objects_v2(Bucket=target) and status(s3, source, "k") == "COMPLETED"


def test_what_failed_goes_whole_with_its_next_change(client: Any, s3: Any, pair: tuple[str, str], clock: Any) -> None:
    source, target = pair
    iam = client("iam")
    put(s3, source, make_role(iam, "s3:Get*", "*"), rule(target))
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    clock.advance("1s")
    assert status(s3, source, "k") == "FAILED"
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(RoleName="replicator", PolicyName="p", PolicyDocument=json.dumps(everything))
    s3.put_object_tagging(Bucket=source, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    clock.advance("1s")
    assert (status(s3, source, "k"), s3.get_object(Bucket=target, Key="k")["Body"].read()) == ("COMPLETED", b"x")


def test_lifecycle_leaves_alone_what_is_not_replicated(client: Any, s3: Any, pair: tuple[str, str], clock: Any) -> None:
    source, target = pair
    put(s3, source, make_role(client("iam"), "s3:Get*", "*"), rule(target, Filter={"Prefix": "replicated/"}))
    for key in ("replicated/k", "plain"):
        s3.put_object(Bucket=source, Key=key, Body=b"x")
    expiring = {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=source, LifecycleConfiguration={"Rules": [expiring]})
    clock.advance("72h")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=source)["Contents"]] == ["replicated/k"]


def test_two_ways_end_alike_and_replicas_go_no_further(s3: Any, new_bucket: Callable[..., str], role: str, clock: Any) -> None:
    one, two, third = (new_bucket(Versioning="Enabled") for _ in range(3))
    put(s3, one, role, rule(two))
    put(s3, two, role, rule(one), rule(third, Priority=2))
    s3.put_object(Bucket=one, Key="k", Body=b"one")
    s3.put_object(Bucket=two, Key="k", Body=b"two")
    s3.put_object(Bucket=one, Key="only", Body=b"one")
    clock.advance("2s")
    assert [s3.get_object(Bucket=bucket, Key="k")["Body"].read() for bucket in (one, two)] == [b"two", b"two"]
    ids = [[found["VersionId"] for found in s3.list_object_versions(Bucket=bucket)["Versions"]] for bucket in (one, two)]
    assert ids[0] == ids[1] and len(ids[0]) == 3
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=third)["Contents"]] == ["k"]


def test_the_role_must_be_allowed(client: Any, s3: Any, pair: tuple[str, str], clock: Any) -> None:
    source, target = pair
    iam = client("iam")
    role = make_role(iam, ["s3:Get*", "s3:ListBucket"], "*")
    put(s3, source, role, rule(target))
    s3.put_object(Bucket=source, Key="denied", Body=b"x")
    clock.advance("1s")
    assert status(s3, source, "denied") == "FAILED"
    assert "Contents" not in s3.list_objects_v2(Bucket=target)
    allowed = {"Effect": "Allow", "Action": ["s3:Get*", "s3:ListBucket", "s3:ReplicateObject"], "Resource": "*"}
    iam.put_role_policy(RoleName="replicator", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    s3.put_object(Bucket=source, Key="plain", Body=b"x")
    s3.put_object(Bucket=source, Key="tagged", Body=b"x", Tagging="a=b")
    clock.advance("1s")
    assert (status(s3, source, "plain"), status(s3, source, "tagged")) == ("COMPLETED", "FAILED")
    put(s3, source, make_role(iam, "s3:*", "*", "other", "lambda.amazonaws.com"), rule(target))
    s3.put_object(Bucket=source, Key="untrusted", Body=b"x")
    clock.advance("1s")
    assert status(s3, source, "untrusted") == "FAILED"


def test_into_another_account_and_region_with_the_owner_overridden(
    ground: Any, client: Any, s3: Any, pair: Any, role: str, clock: Any, account: str
) -> None:
    source, _ = pair
    other = str(int(account) + 7_000_000)
    theirs = ground.client("s3", other, region="eu-west-1")
    target = f"theirs-{account}"
    theirs.create_bucket(Bucket=target, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}, ObjectOwnership="ObjectWriter")
    theirs.put_bucket_versioning(Bucket=target, VersioningConfiguration={"Status": "Enabled"})
    override = {"Account": other, "AccessControlTranslation": {"Owner": "Destination"}}
    put(s3, source, role, rule(target, Destination=override))
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    clock.advance("1s")
    assert status(s3, source, "k") == "FAILED", "their bucket lets nobody in"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": role},
        "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"],
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    theirs.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    s3.put_object(Bucket=source, Key="k2", Body=b"x")
    clock.advance("1s")
    assert status(s3, source, "k2") == "COMPLETED"
    assert theirs.get_object(Bucket=target, Key="k2")["Body"].read() == b"x"
    owner = theirs.list_buckets()["Owner"]["ID"]
    assert theirs.get_object_acl(Bucket=target, Key="k2")["Owner"]["ID"] == owner
    put(s3, source, role, rule(target, Destination={"Account": account}))
    s3.put_object(Bucket=source, Key="k3", Body=b"x")
    clock.advance("1s")
    assert status(s3, source, "k3") == "FAILED", "the account is not the one that the rule names"


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_objects_under_a_kms_key_go_under_the_rules_key(client: Any, s3: Any, pair: tuple[str, str], clock: Any, algorithm: str) -> None:
    source, target = pair
    kms, iam = client("kms"), client("iam")
    here, there = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    role = make_role(iam, ["s3:*", "kms:*"], "*")
    selecting = {
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {"EncryptionConfiguration": {"ReplicaKmsKeyID": there}},
    }
    put(s3, source, role, rule(target))
    s3.put_object(Bucket=source, Key="unselected", Body=b"x", ServerSideEncryption=algorithm, SSEKMSKeyId=here)
    assert status(s3, source, "unselected") is None
    put(s3, source, role, rule(target, **selecting))
    for key, body in (("small", b"small"), ("large", b"l" * 300_000)):
        s3.put_object(Bucket=source, Key=key, Body=body, ServerSideEncryption=algorithm, SSEKMSKeyId=here)
    clock.advance("1s")
    assert (status(s3, source, "small"), status(s3, source, "large")) == ("COMPLETED", "COMPLETED")
    kms.disable_key(KeyId=here)
    got = s3.get_object(Bucket=target, Key="large")
    assert (got["SSEKMSKeyId"], got["ServerSideEncryption"]) == (there, algorithm)
    assert got["Body"].read() == b"l" * 300_000
    kms.enable_key(KeyId=here)
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(RoleName="replicator", PolicyName="p", PolicyDocument=json.dumps(allowed))
    s3.put_object(Bucket=source, Key="denied", Body=b"x", ServerSideEncryption=algorithm, SSEKMSKeyId=here)
    clock.advance("1s")
    assert status(s3, source, "denied") == "FAILED"


def test_locks_go_along(s3: Any, new_bucket: Callable[..., str], role: str, clock: Any) -> None:
    source, target = new_bucket(ObjectLockEnabledForBucket=True), new_bucket(ObjectLockEnabledForBucket=True)
    put(s3, source, role, rule(target))
    until = clock.now_s() + 86_400
    s3.put_object(
        Bucket=source, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until, ObjectLockLegalHoldStatus="ON"
    )
    clock.advance("1s")
    got = s3.head_object(Bucket=target, Key="k")
    assert (got["ObjectLockMode"], got["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")


def test_what_was_there_before_goes_where_the_rule_says(s3: Any, new_bucket: Callable[..., str], role: str, clock: Any) -> None:
    source, target = new_bucket(), new_bucket(Versioning="Enabled")
    s3.put_object(Bucket=source, Key="null", Body=b"0")
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=source, Key="k", Body=b"1")
    s3.put_object(Bucket=source, Key="k", Body=b"2")
    put(s3, source, role, rule(target, ExistingObjectReplication={"Status": "Enabled"}))
    clock.advance("1s")
    assert s3.get_object(Bucket=target, Key="k")["Body"].read() == b"2"
    assert s3.get_object(Bucket=target, Key="null", VersionId="null")["Body"].read() == b"0"
    assert len(s3.list_object_versions(Bucket=target)["Versions"]) == 3


def test_events_tell_of_what_failed_and_what_was_late(
    client: Any, s3: Any, pair: tuple[str, str], role: str, clock: Any, account: str
) -> None:
    source, target = pair
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{account}:events"
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": allow})})
    s3.put_bucket_notification_configuration(
        Bucket=source, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:Replication:*"]}]}
    )
    timed = {"ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}, "Metrics": {"Status": "Enabled"}}
    put(s3, source, role, rule(target, ID="timed", Destination=timed))
    s3.put_bucket_tagging(Bucket=source, Tagging={"TagSet": [{"Key": "groundcloud:replication-lag-ms", "Value": "1200000"}]})
    s3.put_object(Bucket=source, Key="late", Body=b"x")
    clock.advance("21m")
    s3.put_object(Bucket=source, Key="fails", Body=b"x")
    client("iam").delete_role_policy(RoleName="replicator", PolicyName="p")
    clock.advance("21m")
    told = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            told += json.loads(message["Body"]).get("Records", [])
    found = {(one["s3"]["object"]["key"], one["eventName"]): one["replicationEventData"] for one in told}
    assert set(found) == {
        ("late", "Replication:OperationMissedThreshold"),
        ("late", "Replication:OperationReplicatedAfterThreshold"),
        ("fails", "Replication:OperationMissedThreshold"),
        ("fails", "Replication:OperationFailedReplication"),
    }
    assert found["fails", "Replication:OperationFailedReplication"]["failureReason"] == "SrcGetObjectNotPermitted"
    assert found["late", "Replication:OperationReplicatedAfterThreshold"]["replicationRuleId"] == "timed"


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"Priority": None}, "InvalidRequest", "Priority must be specified for this version"),
        ({"DeleteMarkerReplication": None}, "InvalidRequest", "DeleteMarkerReplication must be specified for this version"),
        ({"Filter": None}, "MalformedXML", "not well-formed"),
        ({"Prefix": "p"}, "MalformedXML", "not well-formed"),
        (
            {"Filter": {"Tag": {"Key": "a", "Value": "b"}}, "DeleteMarkerReplication": {"Status": "Enabled"}},
            "InvalidRequest",
            "Delete marker replication is not supported if any Tag filter is specified.",
        ),
        ({"Destination": {"Bucket": "arn:aws:s3:::no-such-bucket-anywhere"}}, "InvalidRequest", "Destination bucket must exist."),
        ({"Destination": {"Bucket": "plain"}}, "InvalidArgument", "Invalid bucket ARN"),
        ({"ID": "x" * 256}, "InvalidArgument", "ID length should not exceed allowed limit of 255"),
        (
            {"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}},
            "InvalidRequest",
            "ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.",
        ),
    ],
)
def test_a_wrong_rule_is_refused(
    s3: Any, pair: tuple[str, str], role: str, refused: Any, change: dict[str, Any], code: str, sentence: str
) -> None:
    source, target = pair
    wrong = {name: value for name, value in {**rule(target), **change}.items() if value is not None}
    configuration = {"Role": role, "Rules": [wrong]}
    assert sentence in refused(code, 400, s3.put_bucket_replication, Bucket=source, ReplicationConfiguration=configuration)["Message"]


def test_rules_must_fit_together_and_buckets_be_versioned(
    s3: Any, new_bucket: Callable[..., str], pair: Any, role: str, refused: Any
) -> None:
    source, target = pair
    plain = new_bucket()

    def error(bucket: str, *rules: Rule) -> str:
        found: str = refused(
            "InvalidRequest", 400, s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration={"Role": role, "Rules": list(rules)}
        )["Message"]
        return found

    assert error(plain, rule(target)) == "Versioning must be 'Enabled' on the bucket to apply a replication configuration"
    assert error(source, rule(plain)) == "Destination bucket must have versioning enabled."
    assert error(source, rule(target), rule(target)).startswith("Found duplicate priority")
    old = {"Status": "Enabled", "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}
    assert error(source, {**old, "Prefix": "a"}, {**old, "Prefix": "ab"}) == "Found overlapping prefixes 'a' and 'ab'"
    put(s3, source, role, rule(target, ID="r"))
    kept = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    assert kept == {"Role": role, "Rules": [{"ID": "r", **rule(target)}]}
    state = {"Status": "Suspended"}
    refused("InvalidBucketState", 409, s3.put_bucket_versioning, Bucket=source, VersioningConfiguration=state)
    s3.delete_bucket_replication(Bucket=source)
    refused("ReplicationConfigurationNotFoundError", 404, s3.get_bucket_replication, Bucket=source)
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration=state)


@pytest.mark.slow
def test_what_was_on_its_way_arrives_after_a_kill(process: Any) -> None:
    s3, iam = process.client("s3"), process.client("iam")
    role = make_role(iam, "s3:*", "*")
    for name in ("from-here", "to-there"):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    put(s3, "from-here", role, rule("to-there"))
    s3.put_bucket_tagging(Bucket="from-here", Tagging={"TagSet": [{"Key": "groundcloud:replication-lag-ms", "Value": "3600000"}]})
    for n in range(20):
        s3.put_object(Bucket="from-here", Key=f"k{n % 5}", Body=b"x" * (100 if n % 2 else 200_000))
    process.restart()
    process.advance("61m")
    s3 = process.client("s3")

    def versions(bucket: str) -> list[tuple[str, str]]:
        return [(one["Key"], one["VersionId"]) for one in s3.list_object_versions(Bucket=bucket)["Versions"]]

    assert versions("to-there") == versions("from-here") and len(versions("to-there")) == 20
    assert status(s3, "from-here", "k0") == "COMPLETED"


def test_annotations_go_along_and_follow(s3: Any, pair: tuple[str, str], role: str, clock: Any) -> None:
    source, target = pair
    names = {"Key": "k", "AnnotationName": "n"}

    def text() -> bytes:
        found: bytes = s3.get_object_annotation(Bucket=target, **names)["AnnotationPayload"].read()
        return found

    put(s3, source, role, rule(target))
    s3.put_object(Bucket=source, Key="k", Body=b"1")
    s3.put_object_annotation(Bucket=source, **names, AnnotationPayload=b"first")
    clock.advance("1s")
    assert text() == b"first"
    s3.put_object_annotation(Bucket=source, **names, AnnotationPayload=b"second" * 50_000)
    clock.advance("1s")
    assert text() == b"second" * 50_000
    s3.delete_object_annotation(Bucket=source, **names)
    clock.advance("1s")
    assert "Annotations" not in s3.list_object_annotations(Bucket=target, Key="k")


def test_content_under_a_customers_key_goes_along_as_it_is(s3: Any, new_bucket: Callable[..., str], role: str, clock: Any) -> None:
    source, target = (new_bucket(Versioning="Enabled", CustomerKeys=True) for _ in range(2))
    put(s3, source, role, rule(target))
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    s3.put_object(Bucket=source, Key="k", Body=b"mine", **customer)
    clock.advance("1s")
    assert s3.get_object(Bucket=target, Key="k", **customer)["Body"].read() == b"mine"
