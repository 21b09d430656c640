"""Configurations of buckets: given back as they were put, refused where they are wrong, absent where they were never put."""

from __future__ import annotations

from typing import Any

import pytest

CORS = {
    "CORSRules": [
        {
            "ID": "one",
            "AllowedHeaders": ["*"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedOrigins": ["http://a.example"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 30,
        }
    ]
}
WEBSITE = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "error.html"},
    "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}],
}
LIFECYCLE = {
    "Rules": [
        {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
        {
            "ID": "two",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "x", "Tags": [{"Key": "a", "Value": "b"}]}},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
        },
    ]
}


@pytest.mark.parametrize(
    ("noun", "argument", "document", "code", "sentence"),
    [
        ("tagging", "Tagging", {"TagSet": [{"Key": "a", "Value": "b"}]}, "NoSuchTagSet", "The TagSet does not exist"),
        ("cors", "CORSConfiguration", CORS, "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        (
            "website",
            "WebsiteConfiguration",
            WEBSITE,
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
    ],
)
def test_a_configuration_is_put_given_back_and_deleted(
    s3: Any, bucket: str, refused: Any, noun: str, argument: str, document: Any, code: str, sentence: str
) -> None:
    put, get, delete = (getattr(s3, f"{verb}_bucket_{noun}") for verb in ("put", "get", "delete"))
    error = refused(code, 404, get, Bucket=bucket)
    assert (error["Message"], error["BucketName"]) == (sentence, bucket)
    put(Bucket=bucket, **{argument: document})
    got = get(Bucket=bucket)
    del got["ResponseMetadata"]
    assert got == document
    delete(Bucket=bucket)
    refused(code, 404, get, Bucket=bucket)


def test_lifecycle_is_put_given_back_and_deleted(s3: Any, bucket: str, refused: Any) -> None:
    refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=bucket)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=LIFECYCLE)
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert got["Rules"] == LIFECYCLE["Rules"]
    assert got["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=bucket)


@pytest.mark.parametrize(
    ("rule", "code", "sentence"),
    [
        ({"Filter": {}}, "InvalidRequest", "At least one action needs to be specified in a rule"),
        ({"Filter": {}, "Expiration": {"Days": 0}}, "InvalidArgument", "'Days' for Expiration action must be a positive integer"),
        ({"Filter": {}, "Expiration": {"Date": 1_000}}, "InvalidArgument", "'Date' must be at midnight GMT"),
        (
            {"Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "STANDARD_IA"}]},
            "InvalidArgument",
            "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
        ),
        ({"Filter": {}, "Prefix": "", "Expiration": {"Days": 1}}, "MalformedXML", None),
        ({"Expiration": {"Days": 1}}, "MalformedXML", None),
        ({"Filter": {}, "Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML", None),
    ],
)
def test_a_wrong_lifecycle_rule_is_refused(s3: Any, bucket: str, refused: Any, rule: Any, code: str, sentence: str | None) -> None:
    configuration = {"Rules": [{"Status": "Enabled", **rule}]}
    error = refused(code, 400, s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=configuration)
    if sentence is not None:
        assert error["Message"] == sentence


@pytest.mark.parametrize(
    ("rule", "code", "sentence"),
    [
        (
            {"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]},
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.*"]},
            "InvalidRequest",
            'AllowedOrigin "http://*.*" can not have more than one wildcard.',
        ),
        (
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["*"]},
            "InvalidRequest",
            'ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
        ),
    ],
)
def test_a_wrong_cors_rule_is_refused(s3: Any, bucket: str, refused: Any, rule: Any, code: str, sentence: str) -> None:
    error = refused(code, 400, s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert error["Message"] == sentence


def test_encryption_is_sse_s3_unless_told_otherwise(s3: Any, bucket: str, refused: Any) -> None:
    def rules() -> Any:
        return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    blocking = {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    default = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False, **blocking}]
    assert rules() == default
    kms = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=kms)
    assert rules() == [kms["Rules"][0] | blocking]
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"")["ServerSideEncryption"] == "aws:kms"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert rules() == default
    # AWS: the key is not looked at before it is used.
    own = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "mine"}, "BucketKeyEnabled": False}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [own]})
    assert rules() == [own | blocking]
    allowing = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [allowing]})
    assert rules() == [default[0] | allowing]
    wrong = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "mine"}}
    error = refused("InvalidArgument", 400, s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [wrong]})
    assert error["Message"] == "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
    for count in (0, 2):
        refused(
            "MalformedXML", 400, s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [blocking] * count}
        )


def test_the_public_access_block_and_ownership_may_be_absent(s3: Any, bucket: str, refused: Any) -> None:
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert list(block.values()) == [True] * 4
    s3.delete_public_access_block(Bucket=bucket)
    error = refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)
    assert error["Message"] == "The public access block configuration was not found"
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    error = refused("OwnershipControlsNotFoundError", 404, s3.get_bucket_ownership_controls, Bucket=bucket)
    assert error["Message"] == "The bucket ownership controls were not found"


def test_small_settings_have_their_defaults(s3: Any, bucket: str, new_bucket: Any, refused: Any) -> None:
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    logging = {"LoggingEnabled": {"TargetBucket": new_bucket(), "TargetPrefix": "log/"}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=logging)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == logging["LoggingEnabled"]
    wrong = {"LoggingEnabled": {"TargetBucket": f"{bucket}-none", "TargetPrefix": ""}}
    refused("InvalidTargetBucketForLogging", 400, s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=wrong)
    error = refused("ReplicationConfigurationNotFoundError", 404, s3.get_bucket_replication, Bucket=bucket)
    assert error["Message"] == "The replication configuration was not found"


@pytest.mark.parametrize(
    ("noun", "member", "document"),
    [
        (
            "analytics",
            "AnalyticsConfiguration",
            {"StorageClassAnalysis": {}},
        ),
        ("metrics", "MetricsConfiguration", {"Filter": {"Prefix": "a"}}),
        (
            "intelligent_tiering",
            "IntelligentTieringConfiguration",
            {"Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]},
        ),
        (
            "inventory",
            "InventoryConfiguration",
            {
                "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::x", "Format": "CSV"}},
                "IsEnabled": True,
                "IncludedObjectVersions": "All",
                "Schedule": {"Frequency": "Daily"},
            },
        ),
    ],
)
def test_configurations_with_ids_are_kept(s3: Any, bucket: str, refused: Any, noun: str, member: str, document: Any) -> None:
    put, get, delete = (getattr(s3, f"{verb}_bucket_{noun}_configuration") for verb in ("put", "get", "delete"))
    every = getattr(s3, f"list_bucket_{noun}_configurations")
    if noun == "inventory":
        document["Destination"]["S3BucketDestination"]["Bucket"] = f"arn:aws:s3:::{bucket}"
    assert f"{member}List" not in every(Bucket=bucket)
    for name in ("b", "a"):
        put(Bucket=bucket, Id=name, **{member: {"Id": name, **document}})
    assert get(Bucket=bucket, Id="a")[member] == {"Id": "a", **document}
    listed = every(Bucket=bucket)
    assert [one["Id"] for one in listed[f"{member}List"]] == ["a", "b"]
    assert listed["IsTruncated"] is False
    delete(Bucket=bucket, Id="a")
    error = refused("NoSuchConfiguration", 404, get, Bucket=bucket, Id="a")
    assert error["Message"] == "The specified configuration does not exist."


def test_object_tags(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1&b=x%20y")
    got = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert got == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x y"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": ""}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []

    def wrong(tags: list[tuple[str, str]], code: str = "InvalidTag") -> str:
        tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}
        return str(refused(code, 400, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tagging)["Message"])

    assert wrong([("a", "1"), ("a", "2")]) == "Cannot provide multiple Tags with the same key"
    assert wrong([("x" * 129, "1")]) == "The TagKey you have provided is invalid"
    assert wrong([("a", "x" * 257)]) == "The TagValue you have provided is invalid"
    assert wrong([("aws:a", "1")]) == "Your TagKey cannot be prefixed with aws:"
    assert wrong([(str(n), "") for n in range(11)], "BadRequest") == "Object tags cannot be greater than 10"
    refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=bucket, Key="none")


def test_object_lock_and_retention(s3: Any, new_bucket: Any, bucket: str, clock: Any, refused: Any) -> None:
    error = refused("ObjectLockConfigurationNotFoundError", 404, s3.get_object_lock_configuration, Bucket=bucket)
    assert error["Message"] == "Object Lock configuration does not exist for this bucket"
    error = refused("InvalidRequest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"", ObjectLockLegalHoldStatus="ON")
    assert error["Message"] == "Bucket is missing Object Lock Configuration"
    locked = new_bucket(ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    refused("InvalidBucketState", 409, s3.put_bucket_versioning, Bucket=locked, VersioningConfiguration={"Status": "Suspended"})
    until = clock.now_s() + 86_400
    version_id = s3.put_object(Bucket=locked, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    head = s3.head_object(Bucket=locked, Key="k")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "OFF")
    one = {"Bucket": locked, "Key": "k", "VersionId": version_id}
    error = refused("AccessDenied", 403, s3.delete_object, **one)
    assert error["Message"] == "Access Denied because object protected by object lock."
    assert s3.delete_object(Bucket=locked, Key="k")["DeleteMarker"]
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": until - 3600}
    refused("AccessDenied", 403, s3.put_object_retention, Retention=shorter, **one)
    s3.put_object_retention(Retention=shorter, BypassGovernanceRetention=True, **one)
    assert s3.get_object_retention(**one)["Retention"]["Mode"] == "GOVERNANCE"
    s3.put_object_legal_hold(LegalHold={"Status": "ON"}, **one)
    refused("AccessDenied", 403, s3.delete_object, BypassGovernanceRetention=True, **one)
    s3.put_object_legal_hold(LegalHold={"Status": "OFF"}, **one)
    s3.delete_object(BypassGovernanceRetention=True, **one)
    s3.put_object_lock_configuration(
        Bucket=locked,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}},
    )
    version_id = s3.put_object(Bucket=locked, Key="d", Body=b"x")["VersionId"]
    refused("AccessDenied", 403, s3.delete_object, Bucket=locked, Key="d", VersionId=version_id, BypassGovernanceRetention=True)
    clock.advance("25h")
    s3.delete_object(Bucket=locked, Key="d", VersionId=version_id)


def test_tags_of_aws_are_nobodys_to_give(s3: Any, bucket: str, refused: Any) -> None:
    tags = {"TagSet": [{"Key": "aws:cloudformation:stack-name", "Value": "x"}]}
    found = refused("InvalidTag", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging=tags)
    assert found["Message"] == "System tags cannot be added/updated by requester"


@pytest.mark.parametrize(
    ("rules", "code", "sentence"),
    [
        (
            {"Expiration": {"Days": 5}, "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}]},
            "InvalidArgument",
            "'Days' in the Expiration action for filter '(prefix=a/)' must be greater than 'Days' in the Transition action",
        ),
        (
            {"Transitions": [{"Days": 5, "StorageClass": "GLACIER"}, {"Days": 6, "StorageClass": "GLACIER"}]},
            "InvalidRequest",
            "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=a/)'",
        ),
        ({"NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 2}}, "MalformedXML", ""),
        (
            {
                "Expiration": {"Days": 5},
                "Filter": {"And": {"ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 5}},
            },
            "InvalidRequest",
            "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
        ),
        (
            {"Expiration": {"ExpiredObjectDeleteMarker": True}, "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
            "InvalidRequest",
            "ExpiredObjectDeleteMarker cannot be specified with Tags.",
        ),
    ],
)
def test_lifecycle_rules_that_contradict_themselves(
    s3: Any, bucket: str, refused: Any, rules: dict[str, Any], code: str, sentence: str
) -> None:
    rule = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "a/"}, **rules}
    said = refused(code, 400, s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert not sentence or said["Message"] == sentence


def test_what_no_identified_configuration_may_say(s3: Any, bucket: str, refused: Any) -> None:
    inventory = {
        "Id": "i",
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": bucket, "Format": "CSV"}},
    }
    error = refused(
        "InvalidS3DestinationBucket", 400, s3.put_bucket_inventory_configuration, Bucket=bucket, Id="i", InventoryConfiguration=inventory
    )
    assert error["Message"] == "Invalid bucket ARN."
    error = refused("IdMismatch", 400, s3.put_bucket_metrics_configuration, Bucket=bucket, Id="a", MetricsConfiguration={"Id": "b"})
    assert error["Message"] == "Document ID does not match the specified configuration ID."
    for tier, days in (("ARCHIVE_ACCESS", 89), ("DEEP_ARCHIVE_ACCESS", 179), ("ARCHIVE_ACCESS", 731)):
        tiering = {"Id": "t", "Status": "Enabled", "Tierings": [{"AccessTier": tier, "Days": days}]}
        put = s3.put_bucket_intelligent_tiering_configuration
        refused("InvalidArgument", 400, put, Bucket=bucket, Id="t", IntelligentTieringConfiguration=tiering)
