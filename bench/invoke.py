"""Invocations through the API, each beside a floor taken in the same run: a bare HTTP round trip through the same front, a bare interpreter.

python -m bench.invoke [--warm 300] [--cold 40] [--seconds 20] [--messages 300]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bench import load
from groundcloud.testing import Process

PER_S = 500
# Ends its own sandbox on request, so that the next invocation starts another.
END = "\nimport os\ndef handler(event, context):\n    if event == 'end':\n        os._exit(0)\n    return {'ok': True}\n"
CLIENT = "import boto3\nclient = boto3.client('dynamodb')\n" + END
SLOW_INIT = "import time\ntime.sleep(3)\n" + END
NODE = "exports.handler = async (event) => { if (event === 'end') process.exit(0); return { ok: true } }\n"
BOOTSTRAP = """#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    if answer.read() == b'"end"':
        os._exit(0)
    api.request("POST", f"/2018-06-01/runtime/invocation/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/response", b"{}")
    api.getresponse().read()
"""
STAMPED = """import json, time
def handler(event, context):
    now = time.time()
    print("latencies", json.dumps([(now - float(record["body"])) * 1000 for record in event["Records"]]))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warm", type=int, default=300)
    parser.add_argument("--cold", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=20, help="of 500 invocations a second")
    parser.add_argument("--messages", type=int, default=300, help="through an event source mapping")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = Process(Path(folder) / "ground")
        try:
            names = one_at_a_time(server, arguments.warm, arguments.cold)
            without_sdk(server, names, arguments.warm, arguments.cold)
            restarted(server)
            steady(server, arguments.seconds)
            from_a_queue(server, arguments.messages)
        finally:
            server.close()


def one_at_a_time(server: Process, warm: int, cold: int) -> list[str]:
    client = server.client("lambda")
    create(server, "trivial", END)
    create(server, "client", CLIENT, MemorySize=512)
    create(server, "provided", BOOTSTRAP, Runtime="provided.al2023")
    create(server, "slow", SLOW_INIT, SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True, Timeout=30)
    names = ["trivial", "client", "provided"]
    if shutil.which("node"):
        create(server, "node", NODE, Runtime="nodejs20.x")
        names.append("node")

    def invoke(name: str, payload: str = "1") -> Any:
        return client.invoke(FunctionName=name, Payload=json.dumps(payload))

    print(f"{'through boto3, one at a time':<48} {'p50 ms':>8} {'p99 ms':>8} {'ratio':>7}")
    base = show("a bare HTTP round trip (urllib)", times(warm, lambda: urllib.request.urlopen(f"{server.endpoint}/_ground/health").read()))
    show("sts GetCallerIdentity", times(warm, server.client("sts").get_caller_identity), base)
    for name in names:
        invoke(name)
        show(f"invoke, warm: {name}", times(warm, partial(invoke, name)), base)
    bare = show("a bare interpreter: fork, exec, exit", times(cold, lambda: subprocess.run([sys.executable, "-S", "-E", "-c", ""])))
    for name in names:
        show(f"invoke, cold: {name}", times(cold, partial(invoke, name), partial(invoke, name, "end")), bare)
    client.get_waiter("published_version_active").wait(FunctionName="slow", Qualifier="1")
    restored = times(cold, lambda: invoke("slow:1"), lambda: invoke("slow:1", "end"))
    began = time.perf_counter()
    invoke("slow")
    without_ms = (time.perf_counter() - began) * 1e3
    show("invoke, cold: three seconds of init, SnapStart", restored, without_ms)
    print(f"{'the same without SnapStart, once':<48} {without_ms:>8.2f}")
    return names


def without_sdk(server: Process, names: list[str], warm: int, cold: int) -> None:
    """The platform's own share: requests signed beforehand, over one kept connection."""
    line = load.Line(server.endpoint)

    def message(name: str, payload: str) -> bytes:
        headers = {"content-type": "application/json"}
        return load.signed_request(
            server.endpoint, "lambda", "POST", f"/2015-03-31/functions/{name}/invocations", headers, json.dumps(payload).encode()
        )

    print(f"\n{'without an SDK, one at a time':<48} {'p50 ms':>8} {'p99 ms':>8} {'ratio':>7}")
    bare = f"GET /_ground/health HTTP/1.1\r\nhost: {server.endpoint.removeprefix('http://')}\r\n\r\n".encode()
    base = show("a bare HTTP round trip", times(warm, partial(line.ask, bare)))
    for name in names:
        one, end = message(name, "1"), message(name, "end")
        line.ask(one)
        show(f"invoke, warm: {name}", times(warm, partial(line.ask, one)), base)
        show(f"invoke, cold: {name}", times(cold, partial(line.ask, one), partial(line.ask, end)), base)
    line.close()


def restarted(server: Process) -> None:
    server.restart()
    time.sleep(2)
    client = server.client("lambda")
    client.list_functions(MaxItems=1)  # the client's own first request
    show("first invocation after a restart", times(1, lambda: client.invoke(FunctionName="trivial")))


def steady(server: Process, seconds: int) -> None:
    """500 a second for a while; what the server holds before and after."""
    process = psutil.Process(server.pid)
    path = "/2015-03-31/functions/trivial/invocations"
    taken: list[load.Result] = []

    def second() -> None:
        began = time.perf_counter()
        message = load.signed_request(server.endpoint, "lambda", "POST", path, {"content-type": "application/json"}, b"1")
        taken.append(asyncio.run(load.run(server.endpoint, [message], requests=PER_S, connections=8)))
        time.sleep(max(0.0, 1 - (time.perf_counter() - began)))

    second()
    second()
    taken.clear()
    before_mb, cpu_s, began = process.memory_info().rss / 1e6, sum(process.cpu_times()[:2]), time.perf_counter()
    for _ in range(seconds):
        second()
    wall_s = time.perf_counter() - began
    after_mb, used_s = process.memory_info().rss / 1e6, sum(process.cpu_times()[:2]) - cpu_s
    p50, p99 = statistics.median(one.p50_ms for one in taken), max(one.p99_ms for one in taken)
    print(f"\n{PER_S * seconds} invocations in {wall_s:.0f} s ({PER_S * seconds / wall_s:.0f} a second), 8 connections:")
    print(f"  p50 {p50:.2f} ms, worst second's p99 {p99:.1f} ms; server {used_s / (PER_S * seconds) * 1e3:.2f} ms of CPU each;")
    print(f"  server memory {before_mb:.1f} MB before, {after_mb:.1f} MB after")


def from_a_queue(server: Process, messages: int) -> None:
    """From before SendMessage to the handler's first line."""
    sqs, client = server.client("sqs"), server.client("lambda")
    create(server, "stamped", STAMPED)
    url = sqs.create_queue(QueueName="stamped")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client.create_event_source_mapping(FunctionName="stamped", EventSourceArn=arn)
    time.sleep(0.5)
    sent = times(messages, lambda: sqs.send_message(QueueUrl=url, MessageBody=str(time.time())), lambda: time.sleep(0.01))
    time.sleep(1)
    found: list[float] = []
    for page in server.client("logs").get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/stamped"):
        for event in page["events"]:
            if event["message"].startswith("latencies "):
                found += json.loads(event["message"].removeprefix("latencies "))
    print(f"\n{len(found)} of {messages} messages, a hundred a second at most:")
    base = show("SendMessage, its answer", sent)
    show("SendMessage to handler", found, base)


def create(server: Process, name: str, source: str, **options: Any) -> None:
    iam = server.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["logs:*", "sqs:*"], "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file_name in ("app.py", "app.js", "bootstrap"):
            entry = zipfile.ZipInfo(file_name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, source)
    arguments: dict[str, Any] = {"Runtime": "python3.12", "Handler": "app.handler", "MemorySize": 256, "Timeout": 10, **options}
    server.client("lambda").create_function(FunctionName=name, Role=role, Code={"ZipFile": out.getvalue()}, **arguments)


def times(count: int, action: Callable[[], Any], before: Callable[[], Any] | None = None) -> list[float]:
    found = []
    for _ in range(count):
        if before is not None:
            before()
        began = time.perf_counter()
        answer = action()
        found.append((time.perf_counter() - began) * 1e3)
        if isinstance(answer, dict) and "FunctionError" in answer:
            raise RuntimeError(answer["Payload"].read())
    return found


def show(name: str, found: list[float], base: float | None = None) -> float:
    median = statistics.median(found)
    p99 = sorted(found)[int(len(found) * 0.99)]
    print(f"{name:<48} {median:>8.2f} {p99:>8.2f} {median / (base or median):>7.3f}")
    return median


if __name__ == "__main__":
    main()
