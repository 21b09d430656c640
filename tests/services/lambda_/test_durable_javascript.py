"""Durable functions with AWS's own SDK for JavaScript, unmodified, installed by npm when these tests run."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundcloud.testing import Threaded

from .conftest import make_role

pytestmark = pytest.mark.slow

SDK = "@aws/durable-execution-sdk-js@2.4.0"
DURABLE = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose `node_modules` holds the SDK and AWS's client of Lambda, on which it depends."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are needed to install the durable execution SDK for JavaScript")
    place = tmp_path_factory.mktemp("sdk-js")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", SDK]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=180)
    if done.returncode:
        pytest.skip(f"{SDK} cannot be installed (is npm's registry out of reach?): {done.stderr.strip()[-200:]}")
    return place


def packed(packages: Path, source: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(zipfile.ZipInfo("index.js"), source)
        for path in sorted((packages / "node_modules").rglob("*")):
            if path.is_file() and path.suffix in (".js", ".json", ".cjs", ".mjs") and "dist-types" not in path.parts:
                archive.write(path, str(path.relative_to(packages)))
    return body.getvalue()


SOURCE = """
const { withDurableExecution } = require("@aws/durable-execution-sdk-js");
let runs = 0, tries = 0;

exports.handler = withDurableExecution(async (event, context) => {
  const first = await context.step("first", async () => { runs += 1; return runs; });
  await context.wait("a day", { days: 1 });
  const shaky = await context.step("shaky", async () => {
    tries += 1;
    if (tries < 2) throw new Error("not yet");
    return tries;
  }, { retryStrategy: (error, attempt) => ({ shouldRetry: attempt < 3, delay: { hours: 1 } }) });
  const both = await context.parallel("both", [
    async (child) => child.step("one", async () => 1),
    async (child) => child.step("two", async () => 2),
  ]);
  return { first, tries: shaky, both: both.getResults(), event };
});
"""


def test_steps_waits_retries_and_branches_of_a_javascript_function(packages: Path, client: Callable[..., Any], clock: Threaded) -> None:
    role = make_role(client("iam"), "durable-role")
    client("iam").attach_role_policy(RoleName="durable-role", PolicyArn=DURABLE)
    lambda_ = client("lambda")
    lambda_.create_function(
        FunctionName="script",
        Role=role,
        Runtime="nodejs22.x",
        Handler="index.handler",
        Timeout=30,
        MemorySize=512,
        Code={"ZipFile": packed(packages, SOURCE)},
        DurableConfig={"ExecutionTimeout": 30 * 86_400},
    )
    arn = lambda_.invoke(FunctionName="script:$LATEST", InvocationType="Event", Payload=b'{"order": 7}')["DurableExecutionArn"]
    clock.settle()
    assert lambda_.get_durable_execution(DurableExecutionArn=arn)["Status"] == "RUNNING"
    clock.advance("24h")
    kinds = [event["EventType"] for event in lambda_.get_durable_execution_history(DurableExecutionArn=arn)["Events"]]
    assert kinds.count("StepFailed") == 1
    clock.advance("1h")
    found = lambda_.get_durable_execution(DurableExecutionArn=arn)
    assert found["Status"] == "SUCCEEDED", found
    assert json.loads(found["Result"]) == {"first": 1, "tries": 2, "both": [1, 2], "event": {"order": 7}}
