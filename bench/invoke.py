"""Invocations through the API, beside a bare HTTP round trip through the same front: warm and cold, trivial handler and with a boto3 client.

python -m bench.invoke [--warm 300] [--cold 60]
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from groundcloud.testing import Process

TRIVIAL = "def handler(event, context):\n    return {'ok': True}\n"
BOTO3 = "import boto3\nclient = boto3.client('dynamodb')\ndef handler(event, context):\n    return {'ok': True}\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warm", type=int, default=300)
    parser.add_argument("--cold", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = Process(Path(folder) / "ground")
        try:
            client = server.client("lambda")
            for name, source in (("trivial", TRIVIAL), ("boto3", BOTO3)):
                create(server, client, name, source)
            client.invoke(FunctionName="trivial")
            floor = times(arguments.warm, lambda: urllib.request.urlopen(f"{server.endpoint}/_ground/health").read())
            signed = server.client("sts")
            call = times(arguments.warm, signed.get_caller_identity)
            print(f"{'through boto3, one at a time':<40} {'p50 ms':>8} {'p99 ms':>8} {'ratio':>7}")
            base = show("a bare HTTP round trip (urllib)", floor, None)
            show("sts GetCallerIdentity", call, base)
            show("invoke, warm", times(arguments.warm, lambda: client.invoke(FunctionName="trivial")), base)
            for name, label in (("trivial", "invoke, cold, trivial handler"), ("boto3", "invoke, cold, boto3 client made")):
                show(
                    label,
                    times(arguments.cold, lambda name=name: client.invoke(FunctionName=name), before=lambda name=name: renew(client, name)),
                    base,
                )
        finally:
            server.close()


def create(server: Process, client: Any, name: str, source: str) -> None:
    iam = server.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", source)
    client.create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=role, Code={"ZipFile": out.getvalue()}, MemorySize=256
    )


def renew(client: Any, name: str) -> None:
    """A change of configuration retires the warm sandbox: the next invocation starts a new one."""
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"AT": str(time.time_ns())}})


def times(count: int, action: Any, before: Any = None) -> list[float]:
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


def show(name: str, found: list[float], base: float | None) -> float:
    median = statistics.median(found)
    p99 = sorted(found)[int(len(found) * 0.99)]
    print(f"{name:<40} {median:>8.2f} {p99:>8.2f} {median / (base or median):>7.1f}")
    return median


if __name__ == "__main__":
    main()
