"""SSE-C: content under the customer's key is read with that key alone, and the key rests nowhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

MB = 1024 * 1024
KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
OTHER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(reversed(range(32)))}
KEY_MD5 = base64.b64encode(hashlib.md5(bytes(range(32))).digest()).decode()
REQUESTS = "Requests specifying Server Side Encryption with Customer provided keys must provide "


def source(key: dict[str, Any]) -> dict[str, Any]:
    return {f"CopySource{name}": value for name, value in key.items()}


@pytest.fixture
def bucket(new_bucket: Any) -> Any:
    return new_bucket(CustomerKeys=True)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MB + 5])
def test_content_comes_back_with_the_key_alone(s3: Any, bucket: str, refused: Any, size: int) -> None:
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, **KEY)
    assert (put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]) == ("AES256", KEY_MD5)
    assert "ServerSideEncryption" not in put
    assert put["ETag"] != f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ETag"] != s3.put_object(Bucket=bucket, Key="k", Body=data, **KEY)["ETag"]
    got = s3.get_object(Bucket=bucket, Key="k", **KEY)
    assert got["Body"].read() == data
    assert (got["SSECustomerAlgorithm"], got["SSECustomerKeyMD5"], got["ContentLength"]) == ("AES256", KEY_MD5, size)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **KEY)
    assert head["ContentLength"] == size and "ServerSideEncryption" not in head and "ChecksumCRC32" in head
    error = refused("InvalidRequest", 400, s3.get_object, Bucket=bucket, Key="k")
    assert error["Message"] == (
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
    )
    error = refused("AccessDenied", 403, s3.get_object, Bucket=bucket, Key="k", **OTHER)
    assert error["Message"] == REQUESTS + "the correct secret key."
    refused("400", 400, s3.head_object, Bucket=bucket, Key="k")
    refused("403", 403, s3.head_object, Bucket=bucket, Key="k", **OTHER)
    s3.delete_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize(("first", "last"), [(0, 0), (65_535, 65_536), (65_536, 65_536), (1_000_000, 2_500_000), (3_000_000, 3_000_004)])
def test_a_range_is_of_the_plain_content(s3: Any, bucket: str, first: int, last: int) -> None:
    data = os.urandom(3_000_005)
    s3.put_object(Bucket=bucket, Key="k", Body=data, **KEY)
    got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}", **KEY)
    assert got["Body"].read() == data[first : last + 1]
    assert got["ContentRange"] == f"bytes {first}-{last}/3000005"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            {**KEY, "SSECustomerAlgorithm": "AES192"},
            "InvalidEncryptionAlgorithmError",
            "The Encryption request you specified is not valid. Supported value: AES256.",
        ),
        ({"SSECustomerKey": bytes(32)}, "InvalidArgument", REQUESTS + "a valid encryption algorithm."),
        ({"SSECustomerAlgorithm": "AES256"}, "InvalidArgument", REQUESTS + "an appropriate secret key."),
        ({**KEY, "SSECustomerKey": b"0123456789"}, "InvalidArgument", "The secret key was invalid for the specified algorithm."),
        (
            {**KEY, "SSECustomerKey": base64.b64encode(bytes(32)).decode(), "SSECustomerKeyMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
            "InvalidArgument",
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ),
        (
            {**KEY, "ServerSideEncryption": "AES256"},
            "InvalidArgument",
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        ),
    ],
)
def test_a_wrong_key_is_refused_in_s3s_words(s3: Any, bucket: str, refused: Any, arguments: Any, code: str, sentence: str) -> None:
    error = refused(code, 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **arguments)
    assert error["Message"] == sentence
    assert error["ArgumentName"] == "x-amz-server-side-encryption"
    refused(code, 400, s3.create_multipart_upload, Bucket=bucket, Key="k", **arguments)
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="k")


def test_content_without_a_customers_key_takes_none(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    error = refused("InvalidRequest", 400, s3.get_object, Bucket=bucket, Key="k", **KEY)
    assert error["Message"] == "The encryption parameters are not applicable to this object."
    error = refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **source(KEY))
    assert error["Message"] == "The encryption parameters are not applicable to this object."


def test_versions_have_keys_of_their_own(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket("Enabled", CustomerKeys=True)
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first", **KEY)["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"second", **OTHER)["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first, **KEY)["Body"].read() == b"first"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=second, **OTHER)["Body"].read() == b"second"
    refused("AccessDenied", 403, s3.get_object, Bucket=bucket, Key="k", VersionId=first, **OTHER)


@pytest.mark.parametrize("size", [100, 2 * MB])
def test_a_copy_is_under_the_key_of_its_own_request(s3: Any, bucket: str, refused: Any, size: int) -> None:
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data, **KEY)
    target = {"Bucket": bucket, "CopySource": f"{bucket}/k"}
    error = refused("InvalidRequest", 400, s3.copy_object, Key="c", **target)
    assert error["Message"].startswith("The object was stored using a form of Server Side Encryption.")
    refused("AccessDenied", 403, s3.copy_object, Key="c", **target, **source(OTHER))
    copied = s3.copy_object(Key="other", **target, **source(KEY), **OTHER)
    assert copied["SSECustomerAlgorithm"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="other", **OTHER)["Body"].read() == data
    copied = s3.copy_object(Key="plain", **target, **source(KEY))
    assert copied["ServerSideEncryption"] == "AES256"
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == data
    s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/plain", **KEY)
    assert s3.get_object(Bucket=bucket, Key="plain", **KEY)["Body"].read() == data


def test_every_part_brings_the_key_of_its_upload(s3: Any, bucket: str, refused: Any) -> None:
    parts = [os.urandom(5 * MB + 1), os.urandom(5 * MB), os.urandom(10)]
    s3.put_object(Bucket=bucket, Key="source", Body=parts[1], **OTHER)
    target = {"Bucket": bucket, "Key": "k"}
    created = s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32", **KEY)
    assert created["SSECustomerKeyMD5"] == KEY_MD5
    target["UploadId"] = created["UploadId"]
    needed = (
        "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
    )
    assert refused("InvalidRequest", 400, s3.upload_part, **target, PartNumber=1, Body=b"x")["Message"] == needed
    error = refused("InvalidRequest", 400, s3.upload_part, **target, PartNumber=1, Body=b"x", **OTHER)
    assert error["Message"] == "The provided encryption parameters did not match the ones used originally."
    answers = [
        s3.upload_part(**target, PartNumber=1, Body=parts[0], ChecksumAlgorithm="CRC32", **KEY),
        s3.upload_part_copy(**target, PartNumber=2, CopySource=f"{bucket}/source", **source(OTHER), **KEY)["CopyPartResult"],
        s3.upload_part(**target, PartNumber=3, Body=parts[2], ChecksumAlgorithm="CRC32", **KEY),
    ]
    named = [{"PartNumber": at, "ETag": one["ETag"], "ChecksumCRC32": one["ChecksumCRC32"]} for at, one in enumerate(answers, 1)]
    error = refused("InvalidArgument", 400, s3.complete_multipart_upload, **target, MultipartUpload={"Parts": named})
    assert error["Message"] == REQUESTS + "a valid encryption algorithm."
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": named}, **KEY)
    del target["UploadId"]
    assert s3.get_object(**target, **KEY)["Body"].read() == b"".join(parts)
    got = s3.get_object(**target, Range=f"bytes={5 * MB - 3}-{5 * MB + 70_000}", **KEY)
    assert got["Body"].read() == b"".join(parts)[5 * MB - 3 : 5 * MB + 70_001]
    assert s3.get_object(**target, PartNumber=2, **KEY)["Body"].read() == parts[1]
    refused("InvalidRequest", 400, s3.get_object, **target)
    other = s3.create_multipart_upload(Bucket=bucket, Key="k2")["UploadId"]
    error = refused("InvalidRequest", 400, s3.upload_part, Bucket=bucket, Key="k2", UploadId=other, PartNumber=1, Body=b"x", **KEY)
    assert error["Message"] == needed


def test_attributes_take_the_key_too(s3: Any, bucket: str, refused: Any) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KEY)["ETag"]
    wanted = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ETag"]}
    refused("InvalidRequest", 400, s3.get_object_attributes, **wanted)
    # botocore encodes the key and adds its MD5 for other operations, not for this one.
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(bytes(range(32))).decode(), "SSECustomerKeyMD5": KEY_MD5}
    assert s3.get_object_attributes(**wanted, **key)["ETag"] == etag.strip('"')


def test_a_bucket_may_take_no_customers_keys(s3: Any, bucket: str, account: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="before", Body=b"x", **KEY)
    block = {"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=block)
    error = refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **KEY)
    assert error["Message"] == (
        f'User: arn:aws:iam::{account}:root is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::{bucket}/k" because this bucket has '
        "blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side "
        "encryption type"
    )
    error = refused("AccessDenied", 403, s3.create_multipart_upload, Bucket=bucket, Key="k", **KEY)
    assert "is not authorized to perform: s3:PutObject on" in error["Message"]
    refused("AccessDenied", 403, s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/before", **source(KEY), **KEY)
    assert s3.get_object(Bucket=bucket, Key="before", **KEY)["Body"].read() == b"x"
    unblock = {"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=unblock)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KEY)


def test_a_new_bucket_takes_no_customers_keys(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket()
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **KEY)
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["BlockedEncryptionTypes"] == {"EncryptionType": ["SSE-C"]}


def test_new_buckets_take_customers_keys_where_the_server_is_told_so(s3: Any, new_bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUND_NEW_BUCKETS_TAKE_SSE_C", "yes")
    bucket = new_bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KEY)
    assert s3.get_object(Bucket=bucket, Key="k", **KEY)["Body"].read() == b"x"


def test_a_policy_may_ask_for_an_algorithm(s3: Any, bucket: str, refused: Any) -> None:
    condition = {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "true"}}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [deny]}))
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KEY)


@pytest.mark.slow
def test_nothing_that_rests_is_plain_and_everything_opens_after_a_kill(process: Any) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="sealed")
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    secret = os.urandom(24)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    for name, size in (("small", 1000), ("large", MB)):
        s3.put_object(Bucket="sealed", Key=name, Body=secret * (size // 24), **key)
        s3.put_object(Bucket="sealed", Key=f"{name}-server", Body=secret * (size // 24))
    process.restart()
    s3 = process.client("s3")
    for name, size in (("small", 1000), ("large", MB)):
        assert s3.get_object(Bucket="sealed", Key=name, **key)["Body"].read() == secret * (size // 24)
        assert s3.get_object(Bucket="sealed", Key=f"{name}-server")["Body"].read() == secret * (size // 24)
    files = [file for file in Path(process.data_dir).rglob("*") if file.is_file()]
    assert len(files) > 3
    for file in files:
        rests = file.read_bytes()
        for plain in (secret, key["SSECustomerKey"], base64.b64encode(key["SSECustomerKey"])):
            assert plain not in rests, file


@pytest.mark.slow
def test_a_byte_that_changed_on_the_disk_is_found(process: Any) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="sealed")
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket="sealed", Key="k", Body=os.urandom(200_000))
    (file,) = [file for file in (process.data_dir / "blobs").rglob("*") if file.is_file()]
    rests = bytearray(file.read_bytes())
    rests[150_000] ^= 1
    file.write_bytes(rests)
    assert len(s3.get_object(Bucket="sealed", Key="k", Range="bytes=0-9")["Body"].read()) == 10
    with pytest.raises(Exception) as caught:  # the connection breaks, or there is no answer, by how far it got
        s3.get_object(Bucket="sealed", Key="k")["Body"].read()
    assert not isinstance(caught.value, ClientError) or caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
