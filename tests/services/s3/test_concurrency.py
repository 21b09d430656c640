"""Conditional puts and completions under concurrent clients and kills: as if one came after the other."""

from __future__ import annotations

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


def test_conditional_puts_and_completions_are_linearizable(client: Any, account: str) -> None:
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
def test_conditional_puts_and_completions_are_linearizable_through_kills(process: Any, versioned: bool) -> None:
    s3 = process.client("s3")
    s3.create_bucket(Bucket="registers")
    if versioned:
        s3.put_bucket_versioning(Bucket="registers", VersioningConfiguration={"Status": "Enabled"})
    for seed in range(2):
        with Killer(process, times=3, every_s=0.5) as killer:
            registers = [Object(lambda: process.client("s3"), f"r{seed}") for _ in range(CLIENTS)]
            history = record(registers, 60, seed, killer.wait)  # type: ignore[arg-type]
        assert is_linearizable(history)
