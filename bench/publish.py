"""Server CPU of SNS Publish, deliveries included: to nobody, to a queue raw and in an envelope, to a hundred queues.

python -m bench.publish [--requests 5000] [--connections 32]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import psutil
import uvloop

from bench.load import run, signed_request
from groundcloud.testing import Process

ACCOUNT = "000000000000"
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
QUEUES = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = Process(Path(folder) / "ground")
        try:
            print(f"{'publish to':<34} {'CPU µs':>8} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
            for name, (topic, share) in topics(server).items():
                measure(server, name, topic, max(100, arguments.requests // share), arguments.connections)
        finally:
            server.close()


def topics(server: Process) -> dict[str, tuple[str, int]]:
    """Name -> (topic's ARN, the part of the requests that it gets)."""
    sns, sqs = server.client("sns"), server.client("sqs")
    arns = []
    for number in range(QUEUES):
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q{number}"
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        sqs.create_queue(QueueName=f"q{number}", Attributes={"Policy": policy})
        arns.append(arn)
    made = {name: sns.create_topic(Name=name)["TopicArn"] for name in ("nobody", "raw", "envelope", "filtered", "hundred")}
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=made["raw"], Protocol="sqs", Endpoint=arns[0], Attributes=raw)
    sns.subscribe(TopicArn=made["envelope"], Protocol="sqs", Endpoint=arns[0])
    sns.subscribe(TopicArn=made["filtered"], Protocol="sqs", Endpoint=arns[0], Attributes={"FilterPolicy": '{"kind": ["other"]}'})
    for arn in arns:
        sns.subscribe(TopicArn=made["hundred"], Protocol="sqs", Endpoint=arn)
    return {
        "nobody": (made["nobody"], 1),
        "a queue, filtered out": (made["filtered"], 1),
        "a queue, raw": (made["raw"], 1),
        "a queue, in a signed envelope": (made["envelope"], 1),
        f"{QUEUES} queues, in signed envelopes": (made["hundred"], 20),
    }


def measure(server: Process, name: str, topic: str, requests: int, connections: int) -> None:
    body = urlencode({"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Message": "x" * 100}).encode()
    message = signed_request(server.endpoint, "sns", "POST", "/", FORM, body)
    process = psutil.Process(server.pid)
    uvloop.run(run(server.endpoint, [message], requests=requests // 10, connections=connections))
    server.settle()
    before = process.cpu_times()
    result = uvloop.run(run(server.endpoint, [message], requests=requests, connections=connections))
    server.settle()
    after = process.cpu_times()
    assert not result.errors, f"{result.errors} failed"
    cpu_us = (after.user - before.user + after.system - before.system) / requests * 1e6
    print(f"{name:<34} {cpu_us:>8.1f} {result.per_s:>9.0f} {result.p50_ms:>8.2f} {result.p99_ms:>8.2f}")


if __name__ == "__main__":
    main()
