"""P1, P3 and P4 in one application: functions of three runtimes behind aliases, addresses and limits; what is warm stays, what broke is never seen again."""

from __future__ import annotations

import base64
import http.client
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.systems.stacks import Stack

pytestmark = pytest.mark.slow

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Timeout: 3, CodeUri: src}}
Resources:
  Words:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer, CompatibleRuntimes: [python3.12]}
  Counter:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: counter.handler, Timeout: 1, Layers: [!Ref Words]}
  NodeCounter:
    Type: AWS::Serverless::Function
    Properties: {Runtime: nodejs22.x, Handler: counter.handler, Timeout: 1}
  Limited:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: counter.handler, ReservedConcurrentExecutions: 4}
  Warm:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: slow.handler
      AutoPublishAlias: live
      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}
  Snapped:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: slow.handler, AutoPublishAlias: live, SnapStart: {ApplyOn: PublishedVersions}}
  Stream:
    Type: AWS::Serverless::Function
    Properties: {Runtime: nodejs22.x, Handler: stream.handler, FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}}
  Shell:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, Handler: any, CodeUri: shell}
Outputs:
  StreamUrl: {Value: !GetAtt StreamUrl.FunctionUrl}
"""

FILES = {
    "layer/python/words.py": 'GREETING = "hello"\n',
    "src/counter.py": """
import os, time, uuid
try:
    from words import GREETING
except ImportError:
    GREETING = ""
count, sandbox = 0, str(uuid.uuid4())
def handler(event, context):
    global count
    count += 1
    if event.get("do") == "exit":
        os._exit(1)
    if event.get("do") == "hang":
        time.sleep(60)
    if event.get("do") == "leak":
        keep = bytearray(300_000_000)
        keep[::4096] = b"x" * len(keep[::4096])
        time.sleep(1)  # what holds too much for less than a tenth of a second may get away with it
    if event.get("do") == "raise":
        raise ValueError("no")
    time.sleep(event.get("s", 0))
    open("/tmp/mark", "a").write("x")
    return {"count": count, "sandbox": sandbox, "marks": len(open("/tmp/mark").read()), "greeting": GREETING}
""",
    "src/counter.js": """
let count = 0;
const sandbox = require("node:crypto").randomUUID();
exports.handler = async (event) => {
  count += 1;
  if (event.do === "exit") process.exit(1);
  if (event.do === "hang") await new Promise((done) => setTimeout(done, 60000));
  if (event.do === "leak") { const keep = []; for (;;) keep.push(Buffer.alloc(1 << 20, 1)); }
  if (event.do === "raise") throw new Error("no");
  return { count, sandbox };
};
""",
    "src/slow.py": """
import os, time, uuid
time.sleep(1)
sandbox = str(uuid.uuid4())
def handler(event, context):
    time.sleep(event.get("s", 0))
    return {"how": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "sandbox": sandbox}
""",
    "src/stream.js": """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  for (const word of ["one ", "two ", "three"]) {
    stream.write(word);
    await new Promise((done) => setTimeout(done, 300));
  }
  stream.end();
});
""",
    "shell/bootstrap": """#!/bin/sh
set -eu
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
n=0
while true; do
  n=$((n + 1))
  head=$(mktemp)
  event=$(curl -sS -D "$head" "$api/next")
  id=$(grep -i lambda-runtime-aws-request-id "$head" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -X POST "$api/$id/response" -d "{\\"n\\": $n, \\"event\\": $event}" > /dev/null
done
""",
}


@pytest.fixture
def stack(process: Any, tmp_path: Path) -> Stack:
    for name, text in FILES.items():
        file = tmp_path / "app" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "app" / "shell" / "bootstrap").chmod(0o755)
    (tmp_path / "app" / "template.yaml").write_text(TEMPLATE)
    made = Stack(process, "functions")
    made.deploy(tmp_path / "app" / "template.yaml")
    return made


def ends(stack: Stack, function: str, do: str) -> str:
    with pytest.raises(RuntimeError) as caught:
        stack.invoke(function, {"do": do})
    return str(caught.value.args[0].get("errorType"))


def test_what_is_outside_the_handler_stays_and_a_broken_sandbox_is_never_seen_again(stack: Stack) -> None:
    for function in ("Counter", "NodeCounter"):
        first = stack.invoke(function)
        assert [stack.invoke(function)["count"] for _ in range(3)] == [2, 3, 4], "one sandbox after another request"
        again = stack.invoke(function)
        assert again["sandbox"] == first["sandbox"]
        assert ends(stack, function, "raise") in ("ValueError", "Error")
        assert stack.invoke(function)["count"] == 7, "an error of the handler breaks nothing"
        seen = {first["sandbox"]}
        for do, error in (("exit", "Runtime.ExitError"), ("hang", "Sandbox.Timedout"), ("leak", "Runtime.OutOfMemory")):
            assert ends(stack, function, do) in (error, "Runtime.ExitError")
            fresh = stack.invoke(function)
            assert fresh["count"] == 1 and fresh["sandbox"] not in seen, f"{function} after {do}"
            assert fresh.get("marks", 1) == 1, "its /tmp went with it"
            seen.add(fresh["sandbox"])
    assert stack.invoke("Counter")["greeting"] == "hello"


def test_a_function_scales_from_nothing_to_its_limit(stack: Stack, process: Any) -> None:
    server = psutil.Process(process.pid)
    idle = len(server.children(recursive=True))
    with ThreadPoolExecutor(8) as clients:

        def ask(_: int) -> str:
            try:
                return str(stack.invoke("Limited", {"s": 2})["sandbox"])
            except ClientError as error:
                assert error.response["Error"]["Code"] == "TooManyRequestsException"
                assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
                return "throttled"

        answers = Counter(clients.map(ask, range(8)))
    assert answers.pop("throttled") == 4
    assert len(answers) == 4 and set(answers.values()) == {1}
    # Each sandbox is processes of its own; what is idle ends after five minutes of the machine's clock, see tests/runtime/test_pool.py.
    assert len(server.children(recursive=True)) >= idle + 4


def test_a_warm_function_is_warm_before_it_is_called(stack: Stack) -> None:
    name = f"{stack.physical_id('Warm')}:live"
    lambda_ = stack.client("lambda")
    config = lambda_.get_provisioned_concurrency_config(FunctionName=stack.physical_id("Warm"), Qualifier="live")
    assert (config["Status"], config["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)

    def call(_: int) -> tuple[str, bytes, float]:
        began = time.monotonic()
        answer = stack.client("lambda").invoke(FunctionName=name, Payload=b'{"s": 0.5}', LogType="Tail")
        return json.loads(answer["Payload"].read())["how"], base64.b64decode(answer["LogResult"]), time.monotonic() - began

    with ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(call, range(3)))
    assert sorted(how for how, _, _ in answers) == ["on-demand", "provisioned-concurrency", "provisioned-concurrency"], (
        "the third spills over"
    )
    for how, log, took_s in answers:
        report = re.search(rb"REPORT .*Duration: ([\d.]+) ms\tBilled Duration: (\d+) ms", log)
        assert report is not None and float(report[1]) >= 500
        if how == "provisioned-concurrency":
            assert took_s < 1.5, "its initialisation of a second was before"
        else:
            assert took_s > 1.4


def test_a_snapped_function_starts_from_what_its_initialisation_left(stack: Stack) -> None:
    name = f"{stack.physical_id('Snapped')}:live"

    def call(_: int) -> tuple[str, float, bytes]:
        began = time.monotonic()
        answer = stack.client("lambda").invoke(FunctionName=name, Payload=b'{"s": 0.3}', LogType="Tail")
        return json.loads(answer["Payload"].read())["how"], time.monotonic() - began, base64.b64decode(answer["LogResult"])

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(call, range(4)))
    assert {how for how, _, _ in answers} == {"snap-start"}
    assert max(took_s for _, took_s, _ in answers) < 1.3, "nobody waits for the second of its initialisation"
    assert all(b"RESTORE_START" in log or b"Restore Duration" in log for _, _, log in answers)


def test_an_address_streams_and_a_shell_script_is_a_runtime(stack: Stack, process: Any) -> None:
    parts = urlsplit(stack.outputs["StreamUrl"])
    port = urlsplit(process.endpoint).port
    host = parts.hostname.replace("on.aws", "localhost") if parts.hostname else ""
    stack.client("lambda").invoke(FunctionName=stack.physical_id("Stream"), Payload=b"{}")[
        "Payload"
    ].read()  # the cold start is not measured
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    began = time.monotonic()
    connection.request("GET", "/", headers={"host": f"{host}:{port}"})
    answer = connection.getresponse()
    pieces, moments = [], []
    while piece := answer.read1(100):
        pieces.append(piece)
        moments.append(time.monotonic() - began)
    assert (answer.status, b"".join(pieces)) == (200, b"one two three")
    assert moments[-1] - moments[0] > 0.4, "the first word is there long before the last"
    assert [stack.invoke("Shell", {"a": n}) for n in (1, 2)] == [{"n": 1, "event": {"a": 1}}, {"n": 2, "event": {"a": 2}}]
