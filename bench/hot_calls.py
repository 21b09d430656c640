"""Server CPU, throughput and latency of hot calls: durable, signed, and by a role with five statements; 64 connections.

python -m bench.hot_calls [--requests 20000] [--connections 64]
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

from bench.load import run, signed_request
from groundcloud.testing import Process

JSON = {"content-type": "application/x-amz-json-1.0"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = Process(Path(folder) / "ground")
        bare, bare_endpoint = start_bare()
        try:
            print(f"{'call':<34} {'CPU µs':>8} {'ratio':>7} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
            floor = measure(
                "bare uvicorn, nothing done",
                bare.pid,
                bare_endpoint,
                [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"],
                arguments,
                None,
            )
            for name, message in hot(server).items():
                measure(name, server.pid, server.endpoint, [message], arguments, floor)
            print(f"\nserver memory after all this: {psutil.Process(server.pid).memory_info().rss / 1e6:.0f} MB")
        finally:
            bare.kill()
            server.close()


def start_bare() -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "bench.bare", str(port)])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.02)


def hot(server: Process) -> dict[str, bytes]:
    """Name -> one signed request. The last ones are made by a role, whose policies have five statements."""
    sqs, dynamodb, s3 = server.client("sqs"), server.client("dynamodb"), server.client("s3")
    queue_url = sqs.create_queue(QueueName="hot")["QueueUrl"]
    dynamodb.create_table(
        TableName="hot",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
    )
    for number in range(10):
        dynamodb.put_item(TableName="hot", Item={"pk": {"S": "many"}, "sk": {"S": str(number)}, "v": {"S": "x" * 100}})
    s3.create_bucket(Bucket="hot-bucket")
    role = role_credentials(server)
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}, "v": {"S": "x" * 100}, "n": {"N": "42"}}
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    documents = {
        "sqs SendMessage (100 B)": ("sqs", "AmazonSQS.SendMessage", {"QueueUrl": queue_url, "MessageBody": "x" * 100}),
        "dynamodb PutItem": ("dynamodb", "DynamoDB_20120810.PutItem", {"TableName": "hot", "Item": item}),
        "dynamodb GetItem": ("dynamodb", "DynamoDB_20120810.GetItem", {"TableName": "hot", "Key": key}),
        "dynamodb Query of 10": (
            "dynamodb",
            "DynamoDB_20120810.Query",
            {"TableName": "hot", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "many"}}},
        ),
    }
    found = {}
    for name, (service, target, document) in documents.items():
        found[name] = signed_request(server.endpoint, service, "POST", "/", {**JSON, "x-amz-target": target}, json.dumps(document).encode())
    found["s3 PutObject (1 KB)"] = signed_request(server.endpoint, "s3", "PUT", "/hot-bucket/object", {}, b"x" * 1024)
    found["s3 GetObject (1 KB)"] = signed_request(server.endpoint, "s3", "GET", "/hot-bucket/object", {}, b"")
    for name in ("sqs SendMessage (100 B)", "dynamodb PutItem", "dynamodb GetItem"):
        service, target, document = documents[name]
        found[f"{name}, by a role"] = signed_request(
            server.endpoint,
            service,
            "POST",
            "/",
            {**JSON, "x-amz-target": target},
            json.dumps(document).encode(),
            key=role[0],
            secret=role[1],
            token=role[2],
        )
    return found


def role_credentials(server: Process) -> tuple[str, str, str]:
    iam, sts = server.client("iam"), server.client("sts")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}],
    }
    arn = iam.create_role(RoleName="hot", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {
        "logs:PutLogEvents": "arn:aws:logs:*:*:*",
        "s3:GetObject": "arn:aws:s3:::other/*",
        "sqs:SendMessage": "arn:aws:sqs:us-east-1:000000000000:hot",
        "dynamodb:GetItem": "arn:aws:dynamodb:us-east-1:000000000000:table/hot",
        "dynamodb:PutItem": "arn:aws:dynamodb:us-east-1:000000000000:table/hot",
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed.items()],
    }
    iam.put_role_policy(RoleName="hot", PolicyName="hot", PolicyDocument=json.dumps(policy))
    credentials = sts.assume_role(RoleArn=arn, RoleSessionName="bench")["Credentials"]
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]


def measure(name: str, pid: int, endpoint: str, messages: list[bytes], arguments: argparse.Namespace, floor: float | None) -> float:
    process = psutil.Process(pid)
    uvloop.run(run(endpoint, messages, requests=arguments.requests // 10, connections=arguments.connections))
    before = process.cpu_times()
    result = uvloop.run(run(endpoint, messages, requests=arguments.requests, connections=arguments.connections))
    after = process.cpu_times()
    cpu_us = (after.user - before.user + after.system - before.system) / arguments.requests * 1e6
    ratio = f"{cpu_us / floor:.1f}" if floor else "1.0"
    print(f"{name:<34} {cpu_us:>8.1f} {ratio:>7} {result.per_s:>9.0f} {result.p50_ms:>8.2f} {result.p99_ms:>8.2f}")
    return cpu_us


if __name__ == "__main__":
    main()
