"""Multipart uploads: parts, order, sizes, checksums, copies, listings, ends."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from typing import Any

import pytest
from botocore.config import Config

from groundcloud.services.s3 import checksums

MB = 1024 * 1024


def upload(s3: Any, bucket: str, key: str, parts: list[bytes], **arguments: Any) -> tuple[str, list[dict[str, Any]]]:
    """Starts an upload and its parts; (upload id, what CompleteMultipartUpload wants)."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)["UploadId"]
    sent = []
    for number, data in enumerate(parts, 1):
        algorithm = arguments.get("ChecksumAlgorithm")
        chosen = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data, **chosen)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if algorithm:
            part[f"Checksum{algorithm}"] = answer[f"Checksum{algorithm}"]
        sent.append(part)
    return upload_id, sent


def complete(s3: Any, bucket: str, key: str, upload_id: str, parts: list[dict[str, Any]], **arguments: Any) -> Any:
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **arguments)


def test_parts_become_an_object(s3: Any, bucket: str, refused: Any) -> None:
    data = [os.urandom(5 * MB), os.urandom(5 * MB + 1), b"end"]
    upload_id, parts = upload(s3, bucket, "k", data, Metadata={"m": "1"}, ContentType="text/x", Tagging="t=1")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="k")
    done = complete(s3, bucket, "k", upload_id, parts)
    etag = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in data)).hexdigest()
    assert done["ETag"] == f'"{etag}-3"'
    assert done["Location"].endswith(f"/{bucket}/k")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    whole = b"".join(data)
    assert got["Body"].read() == whole
    assert (got["Metadata"], got["ContentType"], got["TagCount"]) == ({"m": "1"}, "text/x", 1)
    assert got["ChecksumCRC64NVME"] == checksums.text_of("CRC64NVME", whole)
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (part["Body"].read(), part["PartsCount"], part["ResponseMetadata"]["HTTPStatusCode"]) == (data[1], 3, 206)
    across = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={5 * MB - 3}-{5 * MB + 2}")
    assert across["Body"].read() == whole[5 * MB - 3 : 5 * MB + 3]
    refused("InvalidPartNumber", 416, s3.get_object, Bucket=bucket, Key="k", PartNumber=4)
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="k", UploadId=upload_id)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    # The same answer for a client that did not hear the first.
    assert complete(s3, bucket, "k", upload_id, parts)["ETag"] == done["ETag"]
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert copied["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    s3.delete_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == whole


def test_a_part_sent_again_replaces_the_first(s3: Any, bucket: str) -> None:
    upload_id, _ = upload(s3, bucket, "k", [b"first"])
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"second")["ETag"]
    complete(s3, bucket, "k", upload_id, [{"PartNumber": 1, "ETag": etag}])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"


def test_parts_that_are_not_named_are_left_out(s3: Any, bucket: str) -> None:
    upload_id, parts = upload(s3, bucket, "k", [b"a" * 5 * MB, b"b" * 5 * MB, b"c"])
    complete(s3, bucket, "k", upload_id, [parts[0], parts[2]])
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["ContentLength"], got["ETag"][-3:]) == (5 * MB + 1, '-2"')
    assert got["Body"].read()[-2:] == b"ac"


def test_what_is_wrong_with_the_parts_is_said(s3: Any, bucket: str, refused: Any) -> None:
    upload_id, parts = upload(s3, bucket, "k", [b"small", b"last"])

    def wrong(code: str, given: list[dict[str, Any]]) -> dict[str, Any]:
        error: dict[str, Any] = refused(
            code, 400, s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": given}
        )
        return error

    assert wrong("InvalidPartOrder", parts[::-1])["Message"] == (
        "The list of parts was not in ascending order. Parts must be ordered by part number."
    )
    error = wrong("InvalidPart", [{"PartNumber": 7, "ETag": parts[0]["ETag"]}])
    assert error["Message"] == (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not "
        "match the part's entity tag."
    )
    assert (error["UploadId"], error["PartNumber"]) == (upload_id, "7")
    wrong("InvalidPart", [{"PartNumber": 1, "ETag": parts[1]["ETag"]}])
    error = wrong("EntityTooSmall", parts)
    assert error["Message"] == "Your proposed upload is smaller than the minimum allowed size"
    assert (error["ProposedSize"], error["MinSizeAllowed"], error["PartNumber"]) == ("5", "5242880", "1")
    wrong("MalformedXML", [])
    # Nothing of it ended the upload.
    complete(s3, bucket, "k", upload_id, parts[:1])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"small"


def test_part_numbers_go_from_1_to_10000(s3: Any, bucket: str, refused: Any) -> None:
    upload_id, _ = upload(s3, bucket, "k", [])
    for number in (0, 10_001):
        error = refused("InvalidArgument", 400, s3.upload_part, Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=number, Body=b"")
        assert error["Message"] == "Part number must be an integer between 1 and 10000, inclusive"


def test_an_unknown_upload_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    sentence = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    for function, arguments in (
        (s3.upload_part, {"PartNumber": 1, "Body": b""}),
        (s3.list_parts, {}),
        (s3.abort_multipart_upload, {}),
        (s3.complete_multipart_upload, {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]}}),
    ):
        error = refused("NoSuchUpload", 404, function, Bucket=bucket, Key="k", UploadId="none", **arguments)
        assert (error["Message"], error["UploadId"]) == (sentence, "none")


def test_an_aborted_upload_is_gone(s3: Any, bucket: str, refused: Any) -> None:
    upload_id, _ = upload(s3, bucket, "k", [os.urandom(200_000)])
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="k", UploadId=upload_id)
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, Bucket=bucket, Key="k", UploadId=upload_id)
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_composite_checksum_is_that_of_the_parts_checksums(s3: Any, bucket: str, refused: Any, algorithm: str) -> None:
    data = [os.urandom(5 * MB), b"end"]
    upload_id, parts = upload(s3, bucket, "k", data, ChecksumAlgorithm=algorithm)
    bare = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    error = refused(
        "InvalidRequest", 400, s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": bare}
    )
    assert error["Message"] == (
        f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the checksum for each part. "
        "It was missing for part 1 in the request."
    )
    done = complete(s3, bucket, "k", upload_id, parts)
    expected = checksums.text_of(algorithm, b"".join(base64.b64decode(checksums.text_of(algorithm, part)) for part in data)) + "-2"
    assert (done[f"Checksum{algorithm}"], done["ChecksumType"]) == (expected, "COMPOSITE")
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts"])
    assert got["Checksum"][f"Checksum{algorithm}"] == expected
    assert [(part["PartNumber"], part["Size"]) for part in got["ObjectParts"]["Parts"]] == [(1, 5 * MB), (2, 3)]
    assert got["ObjectParts"]["TotalPartsCount"] == 2


def test_a_full_object_checksum_is_that_of_the_whole(s3: Any, bucket: str, refused: Any) -> None:
    data = [os.urandom(5 * MB), b"end"]
    whole = base64.b64encode(zlib.crc32(b"".join(data)).to_bytes(4, "big")).decode()
    upload_id, parts = upload(s3, bucket, "k", data, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    arguments = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    error = refused("BadDigest", 400, s3.complete_multipart_upload, ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT", **arguments)
    assert error["Message"] == "The crc32 you specified did not match the calculated checksum."
    done = s3.complete_multipart_upload(ChecksumCRC32=whole, ChecksumType="FULL_OBJECT", MpuObjectSize=5 * MB + 3, **arguments)
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (whole, "FULL_OBJECT")


def test_checksum_types_that_cannot_be_are_refused(s3: Any, bucket: str, refused: Any) -> None:
    create = s3.create_multipart_upload
    error = refused("InvalidRequest", 400, create, Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")
    assert error["Message"] == "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."
    error = refused("InvalidRequest", 400, create, Bucket=bucket, Key="k", ChecksumAlgorithm="CRC64NVME", ChecksumType="COMPOSITE")
    assert error["Message"] == "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."
    refused("InvalidRequest", 400, create, Bucket=bucket, Key="k", ChecksumType="COMPOSITE")


def test_a_part_with_another_checksum_than_its_upload_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    upload_id, _ = upload(s3, bucket, "k", [], ChecksumAlgorithm="SHA256")
    error = refused(
        "InvalidRequest",
        400,
        s3.upload_part,
        Bucket=bucket,
        Key="k",
        UploadId=upload_id,
        PartNumber=1,
        Body=b"x",
        ChecksumAlgorithm="CRC32",
    )
    assert error["Message"] == "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"


def test_parts_are_copied_from_objects(s3: Any, bucket: str, refused: Any) -> None:
    data = os.urandom(6 * MB)
    s3.put_object(Bucket=bucket, Key="source", Body=data)
    upload_id, _ = upload(s3, bucket, "k", [])
    arguments = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "CopySource": {"Bucket": bucket, "Key": "source"}}
    one = s3.upload_part_copy(PartNumber=1, **arguments)["CopyPartResult"]
    two = s3.upload_part_copy(PartNumber=2, CopySourceRange="bytes=10-19", **arguments)["CopyPartResult"]
    assert two["ETag"] == f'"{hashlib.md5(data[10:20]).hexdigest()}"'
    error = refused("InvalidArgument", 400, s3.upload_part_copy, PartNumber=3, CopySourceRange=f"bytes=0-{6 * MB}", **arguments)
    assert error["Message"] == f"Range specified is not valid for source object of size: {6 * MB}"
    refused("InvalidArgument", 400, s3.upload_part_copy, PartNumber=3, CopySourceRange="bytes=5-", **arguments)
    complete(s3, bucket, "k", upload_id, [{"PartNumber": 1, "ETag": one["ETag"]}, {"PartNumber": 2, "ETag": two["ETag"]}])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data + data[10:20]


def test_completion_heeds_conditions(s3: Any, bucket: str, refused: Any) -> None:
    upload_id, parts = upload(s3, bucket, "k", [b"x"])
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    arguments = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    refused("PreconditionFailed", 412, s3.complete_multipart_upload, IfNoneMatch="*", **arguments)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.complete_multipart_upload(IfNoneMatch="*", **arguments)


def test_parts_are_listed_in_pages(s3: Any, bucket: str) -> None:
    upload_id, parts = upload(s3, bucket, "k", [b"a", b"bb", b"ccc"], StorageClass="STANDARD_IA")
    first = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, MaxParts=2)
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in first["Parts"]] == [
        (1, 1, parts[0]["ETag"]),
        (2, 2, parts[1]["ETag"]),
    ]
    assert (first["IsTruncated"], first["NextPartNumberMarker"], first["StorageClass"]) == (True, 2, "STANDARD_IA")
    second = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, PartNumberMarker=2)
    assert [part["PartNumber"] for part in second["Parts"]] == [3]
    assert not second["IsTruncated"]


def test_uploads_are_listed_by_key_and_then_by_time(s3: Any, bucket: str) -> None:
    made = [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in ("b", "a/1", "a/2", "a/2", "c")]
    wanted = sorted(made, key=lambda one: (one[0], made.index(one)))
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in listed] in (wanted, sorted(made))
    wanted = [(one["Key"], one["UploadId"]) for one in listed]
    seen, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        seen += [(one["Key"], one["UploadId"]) for one in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen == wanted
    rolled = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert [one["Key"] for one in rolled["Uploads"]] == ["b", "c"]
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket=bucket, Prefix="a/2")["Uploads"]] == ["a/2", "a/2"]


def test_the_transfer_of_sdks(client: Any, bucket: str, tmp_path: Any) -> None:
    from boto3.s3.transfer import TransferConfig

    data = os.urandom(12 * MB)
    (tmp_path / "in").write_bytes(data)
    s3 = client("s3", config=Config(max_pool_connections=10))
    config = TransferConfig(multipart_threshold=5 * MB, multipart_chunksize=5 * MB)
    s3.upload_file(str(tmp_path / "in"), bucket, "k", Config=config)
    s3.download_file(bucket, "k", str(tmp_path / "out"), Config=config)
    assert (tmp_path / "out").read_bytes() == data
