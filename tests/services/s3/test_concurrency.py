"""Conditional puts, deletes and completions under concurrent clients and kills: as if one came after the other."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.histories import Killer, Unheard, is_linearizable, record

CLIENTS = 4
LOST = {"PreconditionFailed", "NoSuchKey"}
"""Codes of a condition that does not hold."""


class Object:
    """A register in an object; swaps are puts or, every other time, completions of an upload of one part."""

    def __init__(self, client: Callable[[], Any], key: str) -> None:
        self._client = client
        self._target = {"Bucket": "registers", "Key": key}
        self._etags: dict[str, str] = {}
        self._swaps = 0

    def _ask(self, operation: str, **request: Any) -> Any:
        try:
            return getattr(self._client(), operation)(**self._target, **request)
        except BotoCoreError as error:
            raise Unheard from error

    def read(self) -> Any:
        try:
            found = self._ask("get_object")
            value = found["Body"].read().decode()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey"
            return None
        except BotoCoreError as error:
            raise Unheard from error
        self._etags[value] = found["ETag"]
        return value

    def write(self, value: Any) -> None:
        self._etags[value] = self._ask("put_object", Body=value.encode())["ETag"]

    def swap(self, expected: Any, value: Any) -> bool:
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": self._etags[expected]}
        self._swaps += 1
        try:
            if value is None:
                self._ask("delete_object", **condition)
                return True
            if self._swaps % 2:
                done = self._ask("put_object", Body=value.encode(), **condition)
            else:
                upload_id = self._ask("create_multipart_upload")["UploadId"]
                part = self._ask("upload_part", UploadId=upload_id, PartNumber=1, Body=value.encode())
                parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
                done = self._ask("complete_multipart_upload", UploadId=upload_id, MultipartUpload=parts, **condition)
        except ClientError as error:
            assert error.response["Error"]["Code"] in LOST, error
            return False
        self._etags[value] = done["ETag"]
        return True


def test_conditional_puts_deletes_and_completions_are_linearizable(client: Any, account: str) -> None:
    bucket = f"registers-{account}"
    client("s3").create_bucket(Bucket=bucket)
    clients = [client("s3") for _ in range(CLIENTS)]
    for seed in range(2):
        registers = [Object(lambda own=own: own, f"r{seed}") for own in clients]  # type: ignore[misc]
        for register in registers:
            register._target["Bucket"] = bucket
        history = record(registers, 20, seed)  # type: ignore[arg-type]
        assert any(step.result is True for step in history)
        assert is_linearizable(history)


@pytest.mark.slow
@pytest.mark.parametrize("versioned", [False, True])
def test_conditional_puts_deletes_and_completions_are_linearizable_through_kills(process: Any, versioned: bool) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="registers")
    if versioned:
        s3.put_bucket_versioning(Bucket="registers", VersioningConfiguration={"Status": "Enabled"})
    for seed in range(2):
        with Killer(process, times=3, every_s=0.5) as killer:
            registers = [Object(lambda: process.client("s3"), f"r{seed}") for _ in range(CLIENTS)]
            history = record(registers, 60, seed, killer.wait)  # type: ignore[arg-type]
        assert is_linearizable(history)


class End:
    """What the clients that end one upload at once were told: completed, aborted, gone, or nothing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ask(self, s3: Any, wait: Callable[[], None], operation: str, **request: Any) -> None:
        try:
            getattr(s3, operation)(**request)
            self.told.append(operation)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchUpload", error
            self.told.append("gone")
        except BotoCoreError:
            self.told.append("unheard")
            wait()


def end_uploads(client: Callable[[], Any], bucket: str, rounds: int, seed: int, wait: Callable[[], None] = lambda: None) -> None:
    """Each upload is completed by two clients and aborted by one at the same time: it ends once, one way."""
    choose = random.Random(seed)
    for number in range(rounds):
        while True:
            try:
                s3, key = client(), f"upload-{seed}-{number}"
                target = {"Bucket": bucket, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]}
                body = choose.randbytes(5 << 20 if choose.random() < 0.1 else 100)
                etag = s3.upload_part(**target, PartNumber=1, Body=body)["ETag"]
                break
            except BotoCoreError:
                wait()
        end, parts = End(), {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        asked = [("complete_multipart_upload", {"MultipartUpload": parts}), ("complete_multipart_upload", {"MultipartUpload": parts})]
        asked.append(("abort_multipart_upload", {}))
        choose.shuffle(asked)
        threads = [threading.Thread(target=end.ask, args=(client(), wait, name), kwargs={**target, **more}) for name, more in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_end(client, wait, target, body, end.told)


def check_end(client: Callable[[], Any], wait: Callable[[], None], target: dict[str, str], body: bytes, told: list[str]) -> None:
    while True:
        try:
            s3 = client()
            there = "Contents" in s3.list_objects_v2(Bucket=target["Bucket"], Prefix=target["Key"])
            open_ = any(
                one["UploadId"] == target["UploadId"] for one in s3.list_multipart_uploads(Bucket=target["Bucket"]).get("Uploads", ())
            )
            if there:
                assert s3.get_object(Bucket=target["Bucket"], Key=target["Key"])["Body"].read() == body
            break
        except BotoCoreError:
            wait()
    if "complete_multipart_upload" in told:
        assert there and not open_, told
    if "unheard" not in told:
        assert not open_, told
        assert there == ("complete_multipart_upload" in told), told
    assert not (there and open_), told


def test_an_upload_that_is_completed_and_aborted_at_once_ends_one_way(client: Any, account: str) -> None:
    client("s3").create_bucket(Bucket=f"uploads-{account}")
    end_uploads(lambda: client("s3"), f"uploads-{account}", 4, 1)


@pytest.mark.slow
def test_an_upload_that_is_completed_and_aborted_at_once_ends_one_way_through_kills(process: Any) -> None:
    process.client("s3").create_bucket(Bucket="registers")
    with Killer(process, times=6, every_s=0.5) as killer:
        for seed in range(3):
            end_uploads(lambda: process.client("s3"), "registers", 30, seed, killer.wait)
    assert killer.kills
    process.restart()
    left = [file for file in (process.data_dir / "blobs").rglob("*") if file.is_file()]
    kept = process.client("s3").list_objects_v2(Bucket="registers").get("Contents", [])
    assert len(left) <= sum(one["Size"] > 100 for one in kept), "what was aborted has left nothing"
