"""SSE-KMS and DSSE-KMS: data keys are asked of KMS under the caller's identity, and what KMS refuses S3 refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from typing import Any

import pytest

MB = 1024 * 1024


@pytest.fixture
def kms(client: Any) -> Any:
    return client("kms")


@pytest.fixture
def key_arn(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


@pytest.fixture
def user(client: Any) -> Any:
    """`user(actions)`: an S3 client of a user who may do them, and nothing else."""

    def make(*actions: str) -> Any:
        iam, name = client("iam"), f"u{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return make


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
@pytest.mark.parametrize("size", [0, 10, 2 * MB + 7])
def test_content_comes_back_with_its_key_named(s3: Any, bucket: str, key_arn: str, algorithm: str, size: int) -> None:
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ServerSideEncryption=algorithm, SSEKMSKeyId=key_arn)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == (algorithm, key_arn)
    assert "BucketKeyEnabled" not in put and put["ETag"] != f'"{hashlib.md5(data).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"], got["ETag"]) == (algorithm, key_arn, put["ETag"])
    assert s3.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key_arn
    if size > 100_000:
        assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=65530-65540")["Body"].read() == data[65_530:65_541]


def test_without_a_key_it_is_the_managed_one(s3: Any, kms: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    described = kms.describe_key(KeyId=put["SSEKMSKeyId"])["KeyMetadata"]
    assert (described["KeyManager"], described["Description"]) == (
        "AWS",
        "Default key that protects my S3 objects when no other key is defined",
    )
    assert described["Arn"] == put["SSEKMSKeyId"]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_an_alias_is_answered_as_its_key(s3: Any, kms: Any, bucket: str, key_arn: str) -> None:
    alias = f"alias/a{uuid.uuid4().hex[:8]}"
    kms.create_alias(AliasName=alias, TargetKeyId=key_arn)
    for named in (alias, key_arn.rpartition("/")[2], key_arn):
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=named)
        assert put["SSEKMSKeyId"] == key_arn


def test_a_buckets_default_is_what_new_objects_have(s3: Any, bucket: str, key_arn: str) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn.rpartition("/")[2]}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [
        rule | {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    ]
    assert s3.get_object(Bucket=bucket, Key="before")["ServerSideEncryption"] == "AES256"
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", key_arn, True)
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", BucketKeyEnabled=False, ServerSideEncryption="aws:kms", SSEKMSKeyId=key_arn)
    assert "BucketKeyEnabled" not in put
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    copied = s3.copy_object(Bucket=bucket, Key="before", CopySource=f"{bucket}/before")
    assert (copied["ServerSideEncryption"], copied["SSEKMSKeyId"]) == ("aws:kms", key_arn)
    assert s3.get_object(Bucket=bucket, Key="before")["Body"].read() == b"x"


def test_a_context_goes_to_kms_with_the_objects_arn(
    s3: Any, bucket: str, key_arn: str, user: Any, kms: Any, account: str, refused: Any
) -> None:
    given = base64.b64encode(b'{"team":"blue"}').decode()
    put = s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key_arn, SSEKMSEncryptionContext=given
    )
    context = json.loads(base64.b64decode(put["SSEKMSEncryptionContext"]))
    assert context == {"team": "blue", "aws:s3:arn": f"arn:aws:s3:::{bucket}/k"}
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    for wrong in ("no base64!", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"a":1}').decode()):
        error = refused(
            "InvalidArgument", 400, s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption="aws:kms", SSEKMSEncryptionContext=wrong
        )
        assert error["Message"].startswith("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string")


def test_what_kms_refuses_is_refused_with_its_code(s3: Any, kms: Any, bucket: str, key_arn: str, refused: Any) -> None:
    encrypted = {"ServerSideEncryption": "aws:kms", "Bucket": bucket, "Key": "k", "Body": b"x"}
    error = refused("KMS.NotFoundException", 400, s3.put_object, **encrypted, SSEKMSKeyId="fake-key-id")
    assert error["Message"] == "Invalid keyId 'fake-key-id'"
    missing = key_arn.rpartition("/")[0] + "/134f2428-cec1-4b25-a1ae-9048164dba47"
    error = refused("KMS.NotFoundException", 400, s3.put_object, **encrypted, SSEKMSKeyId=missing)
    assert error["Message"] == f"Key '{missing}' does not exist"
    error = refused("KMS.NotFoundException", 400, s3.put_object, **encrypted, SSEKMSKeyId=key_arn.replace("us-east-1", "us-west-2"))
    assert error["Message"] == "Invalid arn us-west-2"
    s3.put_object(**encrypted, SSEKMSKeyId=key_arn)
    kms.disable_key(KeyId=key_arn)
    for function, arguments in ((s3.get_object, {"Bucket": bucket, "Key": "k"}), (s3.put_object, encrypted | {"SSEKMSKeyId": key_arn})):
        assert refused("KMS.DisabledException", 400, function, **arguments)["Message"] == f"{key_arn} is disabled."
    kms.schedule_key_deletion(KeyId=key_arn, PendingWindowInDays=7)
    error = refused("KMS.KMSInvalidStateException", 400, s3.get_object, Bucket=bucket, Key="k")
    assert error["Message"] == f"{key_arn} is pending deletion."
    assert s3.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key_arn


def test_a_key_goes_with_its_header(s3: Any, bucket: str, key_arn: str, refused: Any) -> None:
    for more in ({}, {"ServerSideEncryption": "AES256"}):
        error = refused("InvalidArgument", 400, s3.put_object, Bucket=bucket, Key="k", SSEKMSKeyId=key_arn, **more)
        assert error["Message"] == (
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
        )
    refused("InvalidArgument", 400, s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption="aes:kms")


def test_the_caller_needs_the_permission_of_kms(s3: Any, bucket: str, key_arn: str, user: Any, refused: Any) -> None:
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn, "Bucket": bucket, "Key": "k", "Body": b"x"}
    without = user("s3:*")
    error = refused("AccessDenied", 403, without.put_object, **encrypted)
    assert "is not authorized to perform: kms:GenerateDataKey on resource: " + key_arn in error["Message"]
    s3.put_object(**encrypted)
    error = refused("AccessDenied", 403, without.get_object, Bucket=bucket, Key="k")
    assert "is not authorized to perform: kms:Decrypt" in error["Message"]
    assert without.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key_arn
    refused("403", 403, without.head_object, Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert user("s3:*", "kms:Decrypt").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    user("s3:*", "kms:GenerateDataKey").put_object(**encrypted)


def test_nobody_has_no_key(s3: Any, new_bucket: Any, ground: Any, client: Any, refused: Any) -> None:
    from botocore import UNSIGNED
    from botocore.config import Config

    bucket = new_bucket(ObjectOwnership="BucketOwnerPreferred")
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    nobody = client("s3", config=Config(signature_version=UNSIGNED))
    error = refused("InvalidArgument", 400, nobody.get_object, Bucket=bucket, Key="k")
    assert error["Message"] == ("Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.")


def test_a_bucket_key_is_asked_for_once_in_a_while(s3: Any, kms: Any, bucket: str, key_arn: str, clock: Any, refused: Any) -> None:
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn, "Bucket": bucket, "Body": b"x"}
    put = s3.put_object(Key="bucket-key", BucketKeyEnabled=True, **encrypted)
    assert put["BucketKeyEnabled"] is True
    s3.put_object(Key="own-key", **encrypted)
    kms.disable_key(KeyId=key_arn)
    # Kept: KMS is not asked.
    assert s3.get_object(Bucket=bucket, Key="bucket-key")["Body"].read() == b"x"
    s3.put_object(Key="bucket-key-2", BucketKeyEnabled=True, **encrypted)
    refused("KMS.DisabledException", 400, s3.get_object, Bucket=bucket, Key="own-key")
    clock.advance("10m")
    refused("KMS.DisabledException", 400, s3.get_object, Bucket=bucket, Key="bucket-key")
    kms.enable_key(KeyId=key_arn)
    for key in ("bucket-key", "bucket-key-2", "own-key"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"


def test_a_bucket_key_is_the_callers_own(s3: Any, bucket: str, key_arn: str, user: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key_arn, BucketKeyEnabled=True)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    refused("AccessDenied", 403, user("s3:*").get_object, Bucket=bucket, Key="k")


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_parts_are_under_the_key_of_their_upload(s3: Any, bucket: str, key_arn: str, algorithm: str) -> None:
    parts = [os.urandom(5 * MB + 1), b"end"]
    target = {"Bucket": bucket, "Key": "k"}
    created = s3.create_multipart_upload(**target, ServerSideEncryption=algorithm, SSEKMSKeyId=key_arn)
    assert (created["ServerSideEncryption"], created["SSEKMSKeyId"]) == (algorithm, key_arn)
    named = []
    for number, body in enumerate(parts, 1):
        part = s3.upload_part(**target, UploadId=created["UploadId"], PartNumber=number, Body=body)
        assert (part["ServerSideEncryption"], part["SSEKMSKeyId"]) == (algorithm, key_arn)
        assert part["ETag"] != f'"{hashlib.md5(body).hexdigest()}"'
        named.append({"PartNumber": number, "ETag": part["ETag"]})
    done = s3.complete_multipart_upload(**target, UploadId=created["UploadId"], MultipartUpload={"Parts": named})
    assert done["SSEKMSKeyId"] == key_arn
    digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in named)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
    got = s3.get_object(**target)
    assert got["Body"].read() == b"".join(parts)
    assert got["ServerSideEncryption"] == algorithm


@pytest.mark.parametrize("size", [10, 2 * MB])
def test_a_copy_has_the_encryption_of_its_own_request(s3: Any, bucket: str, key_arn: str, size: int) -> None:
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="kms", Body=data, ServerSideEncryption="aws:kms", SSEKMSKeyId=key_arn)
    plain = s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/kms")
    assert (plain["ServerSideEncryption"], plain["CopyObjectResult"]["ETag"]) == ("AES256", f'"{hashlib.md5(data).hexdigest()}"')
    again = s3.copy_object(
        Bucket=bucket, Key="again", CopySource=f"{bucket}/plain", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=key_arn
    )
    assert again["SSEKMSKeyId"] == key_arn
    for key in ("kms", "plain", "again"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data


def test_a_policy_may_ask_for_kms_and_for_a_key(s3: Any, bucket: str, key_arn: str, refused: Any) -> None:
    def deny(operator: str, name: str, value: str) -> dict[str, Any]:
        condition = {operator: {f"s3:x-amz-server-side-encryption{name}": value}}
        resource = f"arn:aws:s3:::{bucket}/*"
        return {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": resource, "Condition": condition}

    statements = [deny("StringNotEquals", "", "aws:kms"), deny("StringNotEquals", "-aws-kms-key-id", key_arn)]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    for arguments in ({}, {"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "aws:kms"}):
        refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **arguments)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key_arn)


def test_a_read_may_not_ask_for_a_kind(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    def add(request: Any, **_: Any) -> None:
        request.headers["x-amz-server-side-encryption"] = "AES256"

    s3.meta.events.register("before-sign.s3.GetObject", add)
    error = refused("InvalidArgument", 400, s3.get_object, Bucket=bucket, Key="k")
    assert error["Message"] == "x-amz-server-side-encryption header is not supported for this operation."


def test_an_objects_key_is_changed_without_its_content(s3: Any, kms: Any, bucket: str, key_arn: str, refused: Any) -> None:
    other_arn = kms.create_key()["KeyMetadata"]["Arn"]
    parts = [os.urandom(5 * MB), b"end"]
    target = {"Bucket": bucket, "Key": "parts"}
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    named = [
        {"PartNumber": number, "ETag": s3.upload_part(**target, UploadId=upload_id, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(parts, 1)
    ]
    s3.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": named})
    bodies = {"small": b"x" * 100, "large": os.urandom(MB), "parts": b"".join(parts)}
    for key, body in bodies.items():
        if key != "parts":
            s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"a": "b"})
        before = s3.head_object(Bucket=bucket, Key=key)
        for arn, bucket_key in ((key_arn, False), (other_arn, True), (other_arn, False)):
            wanted = {"SSEKMS": {"KMSKeyArn": arn, "BucketKeyEnabled": bucket_key}}
            s3.update_object_encryption(Bucket=bucket, Key=key, ObjectEncryption=wanted)
            got = s3.get_object(Bucket=bucket, Key=key)
            assert got["Body"].read() == body
            assert (got["ServerSideEncryption"], got["SSEKMSKeyId"], got.get("BucketKeyEnabled", False)) == ("aws:kms", arn, bucket_key)
            assert all(got.get(name) == before.get(name) for name in ("ETag", "LastModified", "Metadata"))
    kms.disable_key(KeyId=other_arn)
    refused("KMS.DisabledException", 400, s3.get_object, Bucket=bucket, Key="small")


def test_an_objects_key_that_cannot_be_changed(s3: Any, new_bucket: Any, key_arn: str, refused: Any) -> None:
    bucket = new_bucket(CustomerKeys=True)
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    s3.put_object(Bucket=bucket, Key="customer", Body=b"x", **customer)
    s3.put_object(Bucket=bucket, Key="twice", Body=b"x", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=key_arn)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    wanted = {"SSEKMS": {"KMSKeyArn": key_arn}}
    for key in ("customer", "twice"):
        error = refused("InvalidRequest", 400, s3.update_object_encryption, Bucket=bucket, Key=key, ObjectEncryption=wanted)
        assert "DSSE-KMS or SSE-C" in error["Message"]
    refused("NoSuchKey", 404, s3.update_object_encryption, Bucket=bucket, Key="none", ObjectEncryption=wanted)
    elsewhere = {"SSEKMS": {"KMSKeyArn": f"arn:aws:kms:us-east-1:999999999999:key/{uuid.uuid4()}"}}
    error = refused("AccessDenied", 403, s3.update_object_encryption, Bucket=bucket, Key="k", ObjectEncryption=elsewhere)
    assert "must be owned by the same account as the bucket" in error["Message"]
    alias = {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:999999999999:alias/mine"}}
    refused("InvalidRequest", 400, s3.update_object_encryption, Bucket=bucket, Key="k", ObjectEncryption=alias)
