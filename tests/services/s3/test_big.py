"""Bodies larger than memory should be, what is left when an upload breaks off, and a disk that is full."""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from groundcloud.testing import Process

MB = 1024 * 1024
PIECE = os.urandom(MB)
MEMORY_GROWTH_MAX = 64 * MB


class Memory:
    """The most that a process has held while this was open, above what it held before."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Memory:
        self.before = self.most = self._process.memory_info().rss
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            self.most = max(self.most, self._process.memory_info().rss)

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()
        self.growth = self.most - self.before


PART_MB = 4096
"""One PUT may bring 5 GB."""


def upload(url: str, size_mb: int, seen: int = 0) -> tuple[str, int]:
    """PUTs `size_mb` MB to a presigned URL as they are made; the ETag, and the CRC32 of them after `seen`."""

    def pieces() -> Iterator[bytes]:
        nonlocal seen
        for number in range(size_mb):
            piece = number.to_bytes(8, "big") + PIECE[8:]
            seen = zlib.crc32(piece, seen)
            yield piece

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("PUT", f"{parts.path}?{parts.query}", body=pieces(), headers={"content-length": str(size_mb * MB)})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return answer.headers["etag"], seen


def upload_in_parts(s3: Any, target: dict[str, str], size_mb: int) -> int:
    """The CRC32 of the whole."""
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    parts, seen = [], 0
    for number, begin in enumerate(range(0, size_mb, PART_MB), 1):
        url = s3.generate_presigned_url("upload_part", {**target, "UploadId": upload_id, "PartNumber": number})
        etag, seen = upload(url, min(PART_MB, size_mb - begin), seen)
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": parts})
    return seen


def download(url: str) -> tuple[int, int]:
    """(size, CRC32) of what a presigned URL gives."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    assert answer.status == 200
    size = seen = 0
    while piece := answer.read(MB):
        size, seen = size + len(piece), zlib.crc32(piece, seen)
    connection.close()
    return size, seen


@pytest.mark.slow
def test_gigabytes_pass_through_a_server_whose_memory_stays(process: Any) -> None:
    size_mb = int(os.environ.get("GROUND_TEST_BODY_MB", "2048"))
    s3 = process.client("s3")
    s3.create_bucket(Bucket="big")
    target = {"Bucket": "big", "Key": "body"}
    upload(s3.generate_presigned_url("put_object", target), 8)  # what is loaded once
    with Memory(process.pid) as memory:
        if size_mb <= PART_MB:
            _, seen = upload(s3.generate_presigned_url("put_object", target), size_mb)
        else:
            seen = upload_in_parts(s3, target, size_mb)
        assert download(s3.generate_presigned_url("get_object", target)) == (size_mb * MB, seen)
    print(f"{size_mb} MB up and down: {memory.growth / MB:.0f} MB of memory more")
    assert memory.growth < MEMORY_GROWTH_MAX, f"{memory.growth / MB:.0f} MB more for {size_mb} MB"


def files(process: Any) -> list[Path]:
    return [file for file in (process.data_dir / "blobs").rglob("*") if file.is_file()]


@pytest.mark.slow
def test_an_upload_goes_on_after_a_kill_in_the_middle_of_a_part(process: Any) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="big")
    upload_id = s3.create_multipart_upload(Bucket="big", Key="k")["UploadId"]
    target = {"Bucket": "big", "Key": "k", "UploadId": upload_id}
    bodies = [os.urandom(5 * MB), os.urandom(5 * MB), b"end"]
    first = s3.upload_part(**target, PartNumber=1, Body=bodies[0])["ETag"]
    parts = urlsplit(s3.generate_presigned_url("upload_part", {**target, "PartNumber": 2}))
    broken = http.client.HTTPConnection(parts.hostname or "", parts.port)
    broken.putrequest("PUT", f"{parts.path}?{parts.query}")
    broken.putheader("content-length", str(len(bodies[1])))
    broken.endheaders(bodies[1][: 3 * MB])
    s3.head_bucket(Bucket="big")
    process.restart()
    broken.close()
    s3 = process.client("s3")
    assert [part["PartNumber"] for part in s3.list_parts(**target)["Parts"]] == [1]
    assert len(files(process)) == 1, "half a part is left"
    etags = [first] + [s3.upload_part(**target, PartNumber=number, Body=bodies[number - 1])["ETag"] for number in (2, 3)]
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": listed})
    process.restart()
    assert process.client("s3").get_object(Bucket="big", Key="k")["Body"].read() == b"".join(bodies)


@pytest.mark.slow
def test_nothing_is_left_of_uploads_that_were_given_up(process: Any) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="big")
    aborted = s3.create_multipart_upload(Bucket="big", Key="aborted")["UploadId"]
    expired = s3.create_multipart_upload(Bucket="big", Key="expired")["UploadId"]
    for key, upload_id in (("aborted", aborted), ("expired", expired)):
        for number in (1, 2):
            s3.upload_part(Bucket="big", Key=key, UploadId=upload_id, PartNumber=number, Body=os.urandom(2 * MB))
    assert len(files(process)) == 4
    s3.abort_multipart_upload(Bucket="big", Key="aborted", UploadId=aborted)
    assert s3.list_multipart_uploads(Bucket="big")["Uploads"][0]["Key"] == "expired"
    rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="big", LifecycleConfiguration={"Rules": [rule]})
    process.advance("3d")
    process.settle()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="big")
    process.restart()
    assert files(process) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_an_error_loses_nothing_and_is_recovered_from(small_disk: Path) -> None:
    server = Process(small_disk / "ground")
    try:
        s3, dynamodb = server.client("s3"), server.client("dynamodb")
        s3.create_bucket(Bucket="full")
        dynamodb.create_table(
            TableName="full",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )
        objects: dict[str, bytes] = {}
        items: list[str] = []
        with pytest.raises(ClientError) as large:
            for number in range(20):
                body = os.urandom(4_000_000)
                s3.put_object(Bucket="full", Key=str(number), Body=body)
                objects[str(number)] = body
        with pytest.raises(ClientError) as small:
            for number in range(20_000):
                dynamodb.put_item(TableName="full", Item={"pk": {"S": str(number)}, "v": {"S": "x" * 5000}})
                items.append(str(number))
        for error in (large, small):
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
            assert "disk of this Groundcloud server is full" in error.value.response["Error"]["Message"]
        assert len(objects) > 5 and len(items) > 10

        def check() -> None:
            for key, body in objects.items():
                assert server.client("s3").get_object(Bucket="full", Key=key)["Body"].read() == body
            found = [item["pk"]["S"] for page in dynamodb.get_paginator("scan").paginate(TableName="full") for item in page["Items"]]
            assert sorted(found) == sorted(items)

        check()
        subprocess.run(["mount", "-o", "remount,size=128m", str(small_disk)], check=True)
        # Space is back: the server goes on by itself.
        s3.put_object(Bucket="full", Key="after", Body=b"y" * 3_000_000)
        objects["after"] = b"y" * 3_000_000
        dynamodb.put_item(TableName="full", Item={"pk": {"S": "after"}})
        items.append("after")
        check()
        server.restart()
        dynamodb = server.client("dynamodb")
        check()
    finally:
        server.close()


@pytest.mark.slow
def test_a_full_disk_refuses_a_part_and_the_upload_goes_on_when_there_is_space(small_disk: Path) -> None:
    server = Process(small_disk / "ground")
    try:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="full")
        s3.put_object(Bucket="full", Key="old", Body=os.urandom(12 * MB))
        target = {"Bucket": "full", "Key": "k"}
        target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
        bodies = [os.urandom(5 * MB) for _ in range(10)]
        etags: list[str] = []
        with pytest.raises(ClientError) as full:
            for number, body in enumerate(bodies, 1):
                etags.append(s3.upload_part(**target, PartNumber=number, Body=body)["ETag"])
        assert full.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert 2 < len(etags) < len(bodies)

        def check() -> None:
            listed = server.client("s3").list_parts(**target)["Parts"]
            assert [(part["PartNumber"], part["ETag"]) for part in listed] == list(enumerate(etags, 1))
            assert server.client("s3").head_object(Bucket="full", Key="old")["ContentLength"] == 12 * MB

        check()
        assert len(files(server)) == 1 + len(etags), "what was half written is gone"
        # A server that is killed while its disk is full comes back, and the space of what is deleted with it.
        server.restart()
        check()
        s3 = server.client("s3")
        s3.delete_object(Bucket="full", Key="old")
        for number in (len(etags) + 1, len(etags) + 2):
            etags.append(s3.upload_part(**target, PartNumber=number, Body=bodies[number - 1])["ETag"])
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        assert s3.get_object(Bucket="full", Key="k")["Body"].read() == b"".join(bodies[: len(etags)])
        s3.delete_object(Bucket="full", Key="k")
        server.restart()
        assert files(server) == []
    finally:
        server.close()


@pytest.mark.slow
def test_garbage_of_an_aborted_upload_is_gone_after_a_kill_in_its_middle(process: Any) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="big")
    for round_ in range(4):
        target = {"Bucket": "big", "Key": f"k{round_}"}
        target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
        for number in range(1, 9):
            s3.upload_part(**target, PartNumber=number, Body=os.urandom(5 * MB))

        def abort(s3: Any = s3, target: dict[str, str] = target) -> None:
            try:
                s3.abort_multipart_upload(**target)
            except (ClientError, BotoCoreError):
                pass

        aborting = threading.Thread(target=abort)
        aborting.start()
        threading.Event().wait(0.001 * round_)
        process.restart()
        aborting.join()
        s3 = process.client("s3")
        if "Uploads" in s3.list_multipart_uploads(Bucket="big"):
            assert len(s3.list_parts(**target)["Parts"]) == 8, "all of it, or nothing"
            s3.abort_multipart_upload(**target)
        process.restart()
        s3 = process.client("s3")
        assert files(process) == []
