"""What the tests of durable functions share: AWS's own SDK for Python, unmodified, and functions that have it in their package.

pip installs the SDK when the tests run; where that cannot be, they are skipped.
"""

from __future__ import annotations

import io
import itertools
import json
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.services.lambda_.conftest import RUNTIME

from groundcloud.testing import Threaded

from .conftest import make_role

_numbers = itertools.count()
SDK = "aws-durable-execution-sdk-python"
DURABLE = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy"


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the SDK alone: boto3 is the runtime's."""
    place = tmp_path_factory.mktemp("sdk")
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        if shutil.which("uv") is None:
            pytest.skip("neither pip nor uv is here to install the durable execution SDK with")
        pip = ["uv", "pip"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--target", str(place), SDK], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        pytest.skip(f"{SDK} cannot be installed (is PyPI out of reach?): {done.stderr.strip()[-200:]}")
    return place


def packed(sdk: Path, source: str) -> bytes:
    """`app.py` with the SDK beside it. Steps tell the server of each of their runs by a line on stdout."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), _PRELUDE + textwrap.dedent(source))
        for path in sorted(sdk.rglob("*.py")):
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(sdk))), path.read_bytes())
    return body.getvalue()


_PRELUDE = """
import json, os, boto3
from aws_durable_execution_sdk_python import *
from aws_durable_execution_sdk_python.config import *
from aws_durable_execution_sdk_python.retries import *
from aws_durable_execution_sdk_python.waits import *

def note(text):
    # What really ran, as opposed to what was replayed.
    boto3.client("sqs").send_message(QueueUrl=os.environ["NOTES"], MessageBody=text)
    return text
"""


class Stage:
    """A role and a queue of notes in one server's account, and durable functions made from text."""

    def __init__(self, server: Any, account: str, sdk: Path) -> None:
        self.server = server
        self.account = account
        self.sdk = sdk
        self.connect()
        notes = {"Effect": "Allow", "Action": ["sqs:SendMessage", "lambda:InvokeFunction"], "Resource": "*"}
        iam = server.client("iam", account)
        self.role = make_role(iam, "durable-role", notes)
        iam.attach_role_policy(RoleName="durable-role", PolicyArn=DURABLE)
        self.queue_url = self.sqs.create_queue(QueueName="notes")["QueueUrl"]

    def connect(self) -> None:
        self.lambda_ = self.server.client("lambda", self.account)
        self.sqs = self.server.client("sqs", self.account)

    def function(self, source: str, **options: Any) -> str:
        name = options.pop("FunctionName", f"durable{next(_numbers)}")
        arguments: dict[str, Any] = {
            "Runtime": RUNTIME,
            "Handler": "app.handler",
            "Timeout": 30,
            "MemorySize": 256,
            "DurableConfig": {"ExecutionTimeout": 30 * 86_400, "RetentionPeriodInDays": 2},
            "Environment": {"Variables": {"NOTES": self.queue_url}},
            **options,
        }
        if arguments["DurableConfig"] is None:
            del arguments["DurableConfig"]
        self.lambda_.create_function(FunctionName=name, Role=self.role, Code={"ZipFile": packed(self.sdk, source)}, **arguments)
        return str(name)

    def start(self, name: str, event: Any = None, **options: Any) -> str:
        """Starts an execution asynchronously; its ARN."""
        response = self.lambda_.invoke(
            FunctionName=f"{name}:$LATEST", InvocationType="Event", Payload=json.dumps(event).encode(), **options
        )
        assert response["StatusCode"] == 202
        return str(response["DurableExecutionArn"])

    def get(self, execution_arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.lambda_.get_durable_execution(DurableExecutionArn=execution_arn)
        return found

    def result(self, execution_arn: str) -> Any:
        found = self.get(execution_arn)
        assert found["Status"] == "SUCCEEDED", found
        return json.loads(found["Result"])

    def history(self, execution_arn: str, **options: Any) -> list[dict[str, Any]]:
        pages = self.lambda_.get_paginator("get_durable_execution_history").paginate(DurableExecutionArn=execution_arn, **options)
        return [event for page in pages for event in page["Events"]]

    def kinds(self, execution_arn: str) -> list[str]:
        return [event["EventType"] for event in self.history(execution_arn)]

    def notes(self) -> list[str]:
        """What the functions noted since the last look."""
        found: list[str] = []
        while True:
            messages = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                return found
            for message in messages:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def stage(ground: Threaded, account: str, sdk: Path) -> Stage:
    return Stage(ground, account, sdk)
