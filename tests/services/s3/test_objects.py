"""Objects: content, metadata, checksums, ranges, conditions, copies, deletes, odd keys."""

from __future__ import annotations

import base64
import hashlib
import os
import urllib.request
import zlib
from email.utils import formatdate
from typing import Any

import pytest
from botocore.config import Config

ODD_KEYS = [
    "plain",
    "with space",
    "a//b",
    "/leading",
    "trailing/",
    "dots/../up",
    "./here",
    "per%cent%2F",
    "plus+plus",
    "new\nline",
    "tab\tkey",
    "quote'\"<>&",
    "ünïcödé/日本語/😀",
    "question?mark=1&x",
    "hash#tag",
    "semi;colon:",
    "x" * 1024,
    "back\\slash",
    "*(){}[]!~",
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_any_utf8_key_comes_back_as_it_was(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode())
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})["Deleted"] == [{"Key": key}]


def test_a_key_past_1024_bytes_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    error = refused("KeyTooLongError", 400, s3.put_object, Bucket=bucket, Key="é" * 513, Body=b"")
    assert error["Message"] == "Your key is too long"
    assert (error["Size"], error["MaxSizeAllowed"]) == ("1026", "1024")


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 300_000, 3_000_000])
def test_content_of_any_size_comes_back_with_its_hashes(s3: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm="SHA256")
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == data
    assert (got["ContentLength"], got["ETag"], got["ChecksumSHA256"]) == (size, put["ETag"], put["ChecksumSHA256"])


def test_metadata_and_headers_come_back(s3: Any, bucket: str) -> None:
    headers = {
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="x"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/html; charset=utf-8",
        "WebsiteRedirectLocation": "/elsewhere",
    }
    s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", Metadata={"Colour": "blue", "n": "1"}, StorageClass="STANDARD_IA", Tagging="a=1&b=2", **headers
    )
    got = s3.head_object(Bucket=bucket, Key="k")
    assert {name: got[name] for name in headers} == headers
    assert got["Metadata"] == {"colour": "blue", "n": "1"}
    assert got["StorageClass"] == "STANDARD_IA"
    assert got["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    got = s3.head_object(Bucket=bucket, Key="k")
    assert got["ContentType"] == "binary/octet-stream"
    assert got["Metadata"] == {}


def test_metadata_past_2_kb_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    error = refused("MetadataTooLarge", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2048})
    assert error["Message"] == "Your metadata headers exceed the maximum allowed metadata size"


def test_answers_override_headers_where_a_signed_request_asks(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/plain", ResponseCacheControl="no-cache")
    assert (got["ContentType"], got["CacheControl"]) == ("text/plain", "no-cache")


@pytest.mark.parametrize(
    ("asked", "answered", "content"),
    [
        ("bytes=0-0", "bytes 0-0/10", b"0"),
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-99", "bytes 0-9/10", b"0123456789"),
        ("bytes=5-99", "bytes 5-9/10", b"56789"),
    ],
)
def test_a_range_is_a_part_of_the_object(s3: Any, bucket: str, asked: str, answered: str, content: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (got["ContentRange"], got["ContentLength"], got["Body"].read()) == (answered, len(content), content)
    head = s3.head_object(Bucket=bucket, Key="k", Range=asked)
    assert (head["ResponseMetadata"]["HTTPStatusCode"], head["ContentLength"]) == (206, len(content))


@pytest.mark.parametrize("asked", ["bytes=1-2,4-5", "bytes=5-2", "lines=1-2", "bytes=a-b"])
def test_a_range_that_is_none_gives_everything(s3: Any, bucket: str, asked: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["Body"].read()) == (200, b"0123456789")


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_past_the_end_is_refused(s3: Any, bucket: str, refused: Any, asked: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    error = refused("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="k", Range=asked)
    assert error["Message"] == "The requested range is not satisfiable"
    assert (error["RangeRequested"], error["ActualObjectSize"]) == (asked, "10")


def test_conditional_reads(s3: Any, bucket: str, refused: Any) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"].timestamp()
    earlier, later = formatdate(modified - 60, usegmt=True), formatdate(modified, usegmt=True)
    fine = [
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfMatch": f'"other", {etag}'},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": earlier},
        {"IfUnmodifiedSince": later},
        {"IfMatch": etag, "IfUnmodifiedSince": earlier},
        {"IfNoneMatch": '"other"', "IfModifiedSince": later},
    ]
    for conditions in fine:
        assert s3.get_object(Bucket=bucket, Key="k", **conditions)["Body"].read() == b"x"
    for conditions in [
        {"IfNoneMatch": etag},
        {"IfNoneMatch": "*"},
        {"IfModifiedSince": later},
        {"IfNoneMatch": etag, "IfModifiedSince": earlier},
    ]:
        error = refused("304", 304, s3.get_object, Bucket=bucket, Key="k", **conditions)
        assert error["headers"]["etag"] == etag
        refused("304", 304, s3.head_object, Bucket=bucket, Key="k", **conditions)
    for conditions, name in [({"IfMatch": '"other"'}, "If-Match"), ({"IfUnmodifiedSince": earlier}, "If-Unmodified-Since")]:
        error = refused("PreconditionFailed", 412, s3.get_object, Bucket=bucket, Key="k", **conditions)
        assert error["Message"] == "At least one of the pre-conditions you specified did not hold"
        assert error["Condition"] == name
        refused("412", 412, s3.head_object, Bucket=bucket, Key="k", **conditions)


def test_conditional_writes(s3: Any, bucket: str, refused: Any) -> None:
    refused("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfMatch='"any"')
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    error = refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert error["Condition"] == "If-None-Match"
    refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"')
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    refused("NotImplemented", 501, s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch=etag)
    refused("PreconditionFailed", 412, s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_every_checksum_is_verified_kept_and_shown(s3: Any, bucket: str, refused: Any, algorithm: str) -> None:
    from groundcloud.services.s3 import checksums

    data = b"123456789"
    text = checksums.text_of(algorithm, data)
    member = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, **{member: text})
    assert (put[member], put["ChecksumType"]) == (text, "FULL_OBJECT")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == text
    assert member not in s3.head_object(Bucket=bucket, Key="k")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]
    wrong = checksums.text_of(algorithm, b"other")
    error = refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="k2", Body=data, **{member: wrong})
    assert error["Message"] == f"The {algorithm} you specified did not match the calculated checksum."
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k2")
    error = refused("InvalidRequest", 400, s3.put_object, Bucket=bucket, Key="k2", Body=data, **{member: "eA=="})
    assert error["Message"] == f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."


def test_the_check_values_of_the_crcs_are_those_of_their_standards() -> None:
    from groundcloud.services.s3 import checksums

    known = {"CRC32": 0xCBF43926, "CRC32C": 0xE3069283, "CRC64NVME": 0xAE8B14860A799888}
    for algorithm, value in known.items():
        size = checksums.CRC_BYTES[algorithm]
        assert checksums.text_of(algorithm, b"123456789") == base64.b64encode(value.to_bytes(size, "big")).decode()
        halves = [(checksums.text_of(algorithm, half), len(half)) for half in (b"1234", b"56789")]
        assert checksums.combined(algorithm, halves) == checksums.text_of(algorithm, b"123456789")


def test_content_without_a_checksum_gets_crc64nvme(client: Any, bucket: str) -> None:
    plain = client("s3", config=Config(request_checksum_calculation="when_required"))
    plain.put_object(Bucket=bucket, Key="k", Body=b"123456789")
    assert plain.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == "rosUhgp5mIg="


def test_content_md5_is_verified(s3: Any, bucket: str, refused: Any) -> None:
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    wrong = base64.b64encode(hashlib.md5(b"y").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=right)
    error = refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="k2", Body=b"x", ContentMD5=wrong)
    assert error["Message"] == "The Content-MD5 you specified did not match what we received."
    error = refused("InvalidDigest", 400, s3.put_object, Bucket=bucket, Key="k2", Body=b"x", ContentMD5="short")
    assert error["Message"] == "The Content-MD5 you specified was invalid."
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k2")


def _signed_put(ground: Any, account: str, path: str, body: bytes, headers: dict[str, str], payload_hash: str | None) -> tuple[int, bytes]:
    from groundcloud.auth.signing import Credentials, sign

    host = ground.endpoint.partition("//")[2]
    import time

    signed = sign(
        Credentials(account, "test"),
        "us-east-1",
        "s3",
        "PUT",
        path,
        "",
        {"host": host, **headers},
        body,
        time.time(),
        payload_hash=payload_hash,
    )
    request = urllib.request.Request(ground.endpoint + path, method="PUT", data=body, headers=signed)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_checksum_in_the_trailer_is_verified(ground: Any, account: str, s3: Any, bucket: str, refused: Any) -> None:
    data = b"hello trailer"
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }

    def body(checksum: str) -> bytes:
        return f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\nx-amz-checksum-crc32:" + checksum.encode() + b"\r\n\r\n"

    form = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert _signed_put(ground, account, f"/{bucket}/k", body(crc), headers, form)[0] == 200
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumCRC32"]) == (data, crc)
    assert "ContentEncoding" not in got
    status, answer = _signed_put(ground, account, f"/{bucket}/k2", body("AAAAAA=="), headers, form)
    assert status == 400
    assert b"<Code>BadDigest</Code>" in answer
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k2")


@pytest.mark.parametrize("size", [100, 200_000])
def test_content_with_another_hash_than_was_signed_is_not_stored(
    ground: Any, account: str, s3: Any, bucket: str, refused: Any, size: int
) -> None:
    status, answer = _signed_put(ground, account, f"/{bucket}/k", b"x" * size, {}, hashlib.sha256(b"other").hexdigest())
    assert status == 400
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in answer
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k")


def test_a_missing_key_says_so(s3: Any, bucket: str, refused: Any) -> None:
    error = refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="no/where")
    assert (error["Message"], error["Key"]) == ("The specified key does not exist.", "no/where")
    refused("404", 404, s3.head_object, Bucket=bucket, Key="no/where")


def test_deleting_what_is_not_there_succeeds(s3: Any, bucket: str) -> None:
    assert s3.delete_object(Bucket=bucket, Key="none")["ResponseMetadata"]["HTTPStatusCode"] == 204
    many = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    assert many["Deleted"] == [{"Key": "a"}, {"Key": "b"}]
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}], "Quiet": True})


def test_deleting_many_needs_one_to_a_thousand_keys(s3: Any, bucket: str, refused: Any) -> None:
    error = refused("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})
    assert error["Message"] == "The XML you provided was not well-formed or did not validate against our published schema"


def test_a_copy_keeps_metadata_unless_told_otherwise(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"data", Metadata={"m": "1"}, ContentType="text/x", Tagging="t=1")
    copied = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"data").hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="b")
    assert (got["Metadata"], got["ContentType"], got["TagCount"]) == ({"m": "1"}, "text/x", 1)
    s3.copy_object(
        Bucket=bucket,
        Key="b",
        CopySource=f"/{bucket}/a",
        MetadataDirective="REPLACE",
        Metadata={"m": "2"},
        TaggingDirective="REPLACE",
        Tagging="u=2",
        ChecksumAlgorithm="SHA1",
    )
    got = s3.get_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")
    assert (got["Metadata"], got["ContentType"]) == ({"m": "2"}, "binary/octet-stream")
    assert got["ChecksumSHA1"] == base64.b64encode(hashlib.sha1(b"data").digest()).decode()
    assert s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"] == [{"Key": "u", "Value": "2"}]
    error = refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="a", CopySource=f"{bucket}/a")
    assert error["Message"].startswith("This copy request is illegal because it is trying to copy an object to itself without changing")
    s3.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a", StorageClass="STANDARD_IA")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"data"


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_copy_outlives_its_source(s3: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="a", Body=data)
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == data


def test_the_slash_in_the_source_of_a_copy_may_be_encoded(s3: Any, bucket: str, send: Any) -> None:
    s3.put_object(Bucket=bucket, Key="a ü", Body=b"x")
    status, _, body = send("PUT", f"/{bucket}/b", {"x-amz-copy-source": f"{bucket}%2Fa%20%C3%BC"})
    assert (status, s3.get_object(Bucket=bucket, Key="b")["Body"].read()) == (200, b"x"), body


def test_a_copy_heeds_its_conditions(s3: Any, bucket: str, refused: Any) -> None:
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["ETag"]
    source = {"Bucket": bucket, "Key": "a"}
    s3.copy_object(Bucket=bucket, Key="b", CopySource=source, CopySourceIfMatch=etag)
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=bucket, Key="b", CopySource=source, CopySourceIfMatch='"other"')
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=bucket, Key="b", CopySource=source, CopySourceIfNoneMatch=etag)
    refused("NoSuchKey", 404, s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "none"})
    refused("NoSuchBucket", 404, s3.copy_object, Bucket=bucket, Key="b", CopySource="no-such-bucket-here/a")
    error = refused("InvalidArgument", 400, s3.copy_object, Bucket=bucket, Key="b", CopySource="nokey")
    assert error["Message"] == "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"


def test_attributes_of_an_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345", ChecksumAlgorithm="CRC32C")
    got = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "StorageClass", "ObjectSize", "ObjectParts"]
    )
    assert got["ETag"] == hashlib.md5(b"12345").hexdigest()
    assert got["ObjectSize"] == 5
    assert got["StorageClass"] == "STANDARD"
    assert set(got["Checksum"]) == {"ChecksumCRC32C", "ChecksumType"}
    assert "ObjectParts" not in got


def test_a_storage_class_that_is_none_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    refused("InvalidStorageClass", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="SHINY")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_of_both_versions(client: Any, bucket: str, version: str) -> None:
    signer = client("s3", config=Config(signature_version=version))
    put = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b+c", "ContentType": "text/x"})
    request = urllib.request.Request(put, method="PUT", data=b"presigned", headers={"Content-Type": "text/x"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    get = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b+c", "ResponseContentType": "text/y"})
    with urllib.request.urlopen(get) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"presigned", "text/y")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(get.replace("a%20b", "a%20x"))
    assert caught.value.code == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in caught.value.read()
    expired = signer.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a b+c"}, ExpiresIn=-10 if version == "s3" else 1
    )
    if version == "s3":
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(expired)
        assert b"Request has expired" in caught.value.read()


@pytest.mark.parametrize("multipart", [False, True])
def test_who_has_begun_to_read_reads_to_the_end(s3: Any, bucket: str, multipart: bool) -> None:
    pieces = [os.urandom(6 * 1024 * 1024) for _ in range(3)]
    if multipart:
        upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=n, Body=piece)["ETag"]}
            for n, piece in enumerate(pieces, 1)
        ]
        s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    else:
        s3.put_object(Bucket=bucket, Key="k", Body=b"".join(pieces))
    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    first = body.read(1000)
    s3.delete_object(Bucket=bucket, Key="k")
    assert first + body.read() == b"".join(pieces)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ({"ServerSideEncryption": "ROT13"}, "InvalidArgument", "The encryption method specified is not supported"),
        ({"ObjectLockMode": "FOREVER"}, "InvalidArgument", "Unknown wormMode directive."),
        ({"ACL": "everyone"}, "InvalidArgument", None),
        ({"Tagging": "a=1&a=2"}, "InvalidArgument", None),
        ({"WebsiteRedirectLocation": "x"}, "InvalidRedirectLocation", None),
    ],
)
def test_values_that_s3_does_not_know_are_refused_in_its_words(
    s3: Any, bucket: str, refused: Any, arguments: Any, code: str, sentence: str | None
) -> None:
    error = refused(code, 400, s3.put_object, Bucket=bucket, Key="k", Body=b"", **arguments)
    assert sentence is None or error["Message"] == sentence


def test_an_unknown_encoding_of_listings_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    error = refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=bucket, EncodingType="morse")
    assert (error["Message"], error["ArgumentName"]) == ("Invalid Encoding Method specified in Request", "encoding-type")


@pytest.mark.parametrize("size", [10, 200_000])
def test_of_many_who_create_a_key_one_wins(ground: Any, account: str, s3: Any, bucket: str, size: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from botocore.exceptions import ClientError

    def create(n: int) -> bytes | None:
        body = bytes([n]) * size
        try:
            s3.put_object(Bucket=bucket, Key="k", Body=body, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return None
        return body

    with ThreadPoolExecutor(8) as pool:
        won = [body for body in pool.map(create, range(16)) if body is not None]
    assert len(won) == 1
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == won[0]


def test_content_goes_with_its_last_name(ground: Any, s3: Any, bucket: str) -> None:
    files = ground.ground.settings.data_dir / "blobs"

    def count() -> int:
        return sum(1 for file in files.rglob("*") if file.is_file())

    before = count()
    s3.put_object(Bucket=bucket, Key="a", Body=os.urandom(100_000))
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    assert count() == before + 1
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="m", UploadId=upload_id, PartNumber=1, Body=os.urandom(100_000))
    s3.upload_part(Bucket=bucket, Key="m", UploadId=upload_id, PartNumber=1, Body=os.urandom(100_001))
    s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId=upload_id)
    s3.delete_object(Bucket=bucket, Key="a")
    s3.list_buckets()
    assert count() == before + 1
    s3.put_object(Bucket=bucket, Key="b", Body=b"")
    s3.list_buckets()
    assert count() == before
