"""What is left after a kill: everything that was answered, nothing of what was not."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

MB = 1024 * 1024


def client_of(process: Any) -> Any:
    return process.client("s3", account="test")


@pytest.mark.slow
def test_everything_answered_is_there_after_a_kill(process: Any) -> None:
    s3 = client_of(process)
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket="kept", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    small, large = os.urandom(1000), os.urandom(3 * MB)
    first = s3.put_object(Bucket="kept", Key="k", Body=small, Metadata={"m": "1"})["VersionId"]
    s3.put_object(Bucket="kept", Key="k", Body=large)
    marker = s3.delete_object(Bucket="kept", Key="gone")["VersionId"]
    upload_id = s3.create_multipart_upload(Bucket="kept", Key="m")["UploadId"]
    part = os.urandom(5 * MB)
    one = s3.upload_part(Bucket="kept", Key="m", UploadId=upload_id, PartNumber=1, Body=part)["ETag"]
    process.restart()
    s3 = client_of(process)
    got = s3.get_object(Bucket="kept", Key="k", VersionId=first)
    assert (got["Body"].read(), got["Metadata"]) == (small, {"m": "1"})
    assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == large
    assert s3.list_object_versions(Bucket="kept", Prefix="gone")["DeleteMarkers"][0]["VersionId"] == marker
    assert s3.get_bucket_tagging(Bucket="kept")["TagSet"] == [{"Key": "a", "Value": "b"}]
    # An upload goes on where it was.
    two = s3.upload_part(Bucket="kept", Key="m", UploadId=upload_id, PartNumber=2, Body=b"end")["ETag"]
    parts = [{"PartNumber": 1, "ETag": one}, {"PartNumber": 2, "ETag": two}]
    s3.complete_multipart_upload(Bucket="kept", Key="m", UploadId=upload_id, MultipartUpload={"Parts": parts})
    process.restart()
    assert client_of(process).get_object(Bucket="kept", Key="m")["Body"].read() == part + b"end"


@pytest.mark.slow
@pytest.mark.usefixtures("names_below_localhost")
def test_annotations_and_points_are_there_after_a_kill(process: Any) -> None:
    s3 = client_of(process)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=b"1")
    texts = {"small": b"text", "large": b"text" * 100_000}
    for name, text in texts.items():
        s3.put_object_annotation(Bucket="kept", Key="k", AnnotationName=name, AnnotationPayload=text)
    control = process.client("s3control", account="test", region="us-west-2")
    details = {"Name": "point", "Regions": [{"Bucket": "kept"}]}
    control.create_multi_region_access_point(AccountId="000000000000", ClientToken="t", Details=details)
    process.restart()
    s3, control = client_of(process), process.client("s3control", account="test", region="us-west-2")
    for name, text in texts.items():
        assert s3.get_object_annotation(Bucket="kept", Key="k", AnnotationName=name)["AnnotationPayload"].read() == text
    (point,) = control.list_multi_region_access_points(AccountId="000000000000")["AccessPoints"]
    assert s3.get_object(Bucket=point["Alias"], Key="k")["Body"].read() == b"1"
    s3.delete_object(Bucket="kept", Key="k")
    process.restart()
    # The text that was in a file has gone with its object.
    assert [file for file in (process.data_dir / "blobs").rglob("*") if file.is_file()] == []


@pytest.mark.slow
def test_a_kill_amid_writers_loses_nothing_and_leaves_no_halves(process: Any) -> None:
    s3 = client_of(process)
    s3.create_bucket(Bucket="busy")
    written: dict[str, bytes] = {}
    stop = threading.Event()

    def write(worker: int) -> None:
        own = client_of(process)
        n = 0
        while not stop.is_set():
            key, body = f"{worker}/{n}", os.urandom(100 if n % 3 else 200_000)
            try:
                own.put_object(Bucket="busy", Key=key, Body=body)
            except Exception:
                return
            written[key] = body
            n += 1

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    while len(written) < 60:
        stop.wait(0.01)
    process.kill()
    stop.set()
    for worker in workers:
        worker.join()
    process.start()
    s3 = client_of(process)
    listed = [one["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="busy") for one in page.get("Contents", [])]
    assert set(written) <= set(listed)
    for key in listed:
        body = s3.get_object(Bucket="busy", Key=key, ChecksumMode="ENABLED")["Body"].read()
        assert key not in written or body == written[key]
    # Nothing but named content is left in the files.
    files = [file for file in (process.data_dir / "blobs").rglob("*") if file.is_file()]
    assert len(files) == sum(1 for key in listed if int(key.partition("/")[2]) % 3 == 0)
