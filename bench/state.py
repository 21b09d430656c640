"""State: DynamoDB and S3, alone and grown. Server CPU and latency of calls, bodies against a plain copy, a long listing, a large table.

python -m bench.state [--requests 5000] [--keys 200000] [--items 1000000] [--only calls,bodies,listing,table]

Every figure is taken on disk, signed, in one run with its floor: `bench.bare` for calls, for bodies a process that copies between a file and a socket.
The bucket and the table are filled through the API, by many connections.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import uvloop

from bench.hot_calls import JSON, measure, start_bare
from bench.load import run, signed_request
from groundcloud.testing import Process

KB, MB = 1024, 1024 * 1024
BODY_SIZES = (1 * KB, 64 * KB, 1 * MB, 8 * MB, 64 * MB)
CONNECTIONS_TO_FILL = 32
BATCH = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--keys", type=int, default=200_000, help="keys of the bucket that is listed")
    parser.add_argument("--items", type=int, default=1_000_000, help="items of the large table")
    parser.add_argument("--only", default="calls,bodies,listing,table")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    bare, bare_endpoint = start_bare()
    try:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            server = Process(Path(folder) / "ground")
            try:
                print(f"{'call':<34} {'CPU µs':>8} {'ratio':>7} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
                request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
                floor = measure("bare uvicorn, nothing done", bare.pid, bare_endpoint, [request], arguments, None)
                for name, part in PARTS.items():
                    if name in wanted:
                        part(server, arguments, floor)
            finally:
                server.close()
    finally:
        bare.kill()
        bare.wait()


# --- calls --------------------------------------------------------------------------------------------------------------------------


def calls(server: Process, arguments: argparse.Namespace, floor: float) -> None:
    make_table(server, "calls")
    put = [dynamodb(server, "PutItem", {"TableName": "calls", "Item": item("calls", number)}) for number in range(1000)]
    get = [dynamodb(server, "GetItem", {"TableName": "calls", "Key": key("calls", number)}) for number in range(1000)]
    batches = [_batch(server, "calls", range(first, first + BATCH)) for first in range(0, 1000, BATCH)]
    row = Row(server, arguments, floor)
    row("dynamodb PutItem", put)
    row("dynamodb GetItem", get)
    row("dynamodb UpdateItem", [_update(server, number) for number in range(1000)])
    row("dynamodb Query of 10", [_query(server, "calls", number) for number in range(100)])
    row("dynamodb BatchWriteItem of 25", batches, share=0.3)
    row("dynamodb BatchGetItem of 25", [_batch_get(server, range(first, first + BATCH)) for first in range(0, 1000, BATCH)], share=0.3)
    row("dynamodb TransactWriteItems of 4", [_transaction(server, number) for number in range(900)])
    server.client("s3").create_bucket(Bucket="calls")
    row("s3 PutObject (1 KB)", [s3(server, "PUT", f"/calls/{number}", b"x" * KB) for number in range(1000)])
    row("s3 GetObject (1 KB)", [s3(server, "GET", f"/calls/{number}") for number in range(1000)])


class Row:
    """Measures a call as bench.hot_calls does, and prints a line."""

    def __init__(self, server: Process, arguments: argparse.Namespace, floor: float) -> None:
        self._server, self._arguments, self._floor = server, arguments, floor

    def __call__(self, name: str, messages: Sequence[bytes], *, share: float = 1.0, connections: int | None = None) -> float:
        given = self._arguments
        own = argparse.Namespace(requests=int(given.requests * share), connections=connections or given.connections)
        return measure(name, self._server.pid, self._server.endpoint, messages, own, self._floor)  # type: ignore[arg-type]


def make_table(server: Process, table_name: str) -> None:
    server.client("dynamodb").create_table(
        TableName=table_name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
    )


def key(table_name: str, number: int) -> dict[str, Any]:
    """Ten items a partition."""
    return {"pk": {"S": f"{table_name}-{number // 10}"}, "sk": {"S": f"{number % 10}"}}


def item(table_name: str, number: int) -> dict[str, Any]:
    return {**key(table_name, number), "v": {"S": "x" * 100}, "n": {"N": str(number)}}


def dynamodb(server: Process, operation: str, document: dict[str, Any]) -> bytes:
    headers = {**JSON, "x-amz-target": f"DynamoDB_20120810.{operation}"}
    return signed_request(server.endpoint, "dynamodb", "POST", "/", headers, json.dumps(document).encode())


def s3(server: Process, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    return signed_request(server.endpoint, "s3", method, path, headers or {}, body)


def _update(server: Process, number: int) -> bytes:
    document = {"TableName": "calls", "Key": key("calls", number), "UpdateExpression": "ADD n :one SET v = :v"}
    return dynamodb(server, "UpdateItem", {**document, "ExpressionAttributeValues": {":one": {"N": "1"}, ":v": {"S": "y" * 100}}})


def _query(server: Process, table_name: str, partition: int) -> bytes:
    values = {":p": {"S": f"{table_name}-{partition}"}}
    return dynamodb(
        server, "Query", {"TableName": table_name, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values, "Limit": 10}
    )


def _batch(server: Process, table_name: str, numbers: Iterable[int]) -> bytes:
    writes = [{"PutRequest": {"Item": item(table_name, number)}} for number in numbers]
    return dynamodb(server, "BatchWriteItem", {"RequestItems": {table_name: writes}})


def _batch_get(server: Process, numbers: Iterable[int]) -> bytes:
    return dynamodb(server, "BatchGetItem", {"RequestItems": {"calls": {"Keys": [key("calls", number) for number in numbers]}}})


def _transaction(server: Process, number: int) -> bytes:
    """Two puts, an update, a check."""
    condition = {
        "TableName": "calls",
        "Key": key("calls", number + 3),
        "ConditionExpression": "attribute_not_exists(#z)",
        "ExpressionAttributeNames": {"#z": "z"},
    }
    update = {
        "TableName": "calls",
        "Key": key("calls", number + 2),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    puts = [{"Put": {"TableName": "calls", "Item": item("calls", number + at)}} for at in range(2)]
    return dynamodb(server, "TransactWriteItems", {"TransactItems": [*puts, {"Update": update}, {"ConditionCheck": condition}]})


# --- bodies -------------------------------------------------------------------------------------------------------------------------


def bodies(server: Process, arguments: argparse.Namespace, floor: float) -> None:
    """One connection, bodies of growing size, against copying between a file and a socket (written content is synced by both)."""
    server.client("s3").create_bucket(Bucket="bodies")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        copier = Copier(Path(folder))
        try:
            print(f"\n{'body':<34} {'MB/s':>8} {'copy':>8} {'share':>7} {'CPU ms':>8}")
            for size in BODY_SIZES:
                body = os.urandom(size)
                name = f"{size // MB} MB" if size >= MB else f"{size // KB} KB"
                times = max(3, min(200, 256 * MB // size))
                message = signed_put(server, f"/bodies/{size}", body)
                _compare(f"s3 PutObject ({name})", server, [message, body], copier.port, [b"PUT %d\n" % size, body], size, times)
                _compare(
                    f"s3 GetObject ({name})", server, [s3(server, "GET", f"/bodies/{size}")], copier.port, [b"GET %d\n" % size], size, times
                )
        finally:
            copier.close()


def signed_put(server: Process, path: str, body: bytes) -> bytes:
    """The head of a PUT whose body is not in the signature."""
    head = signed_request(server.endpoint, "s3", "PUT", path, {}, b"", payload_hash="UNSIGNED-PAYLOAD")
    return head.replace(b"content-length: 0", b"content-length: %d" % len(body))


def _compare(name: str, server: Process, message: list[bytes], copier_port: int, copying: list[bytes], size: int, times: int) -> None:
    process = psutil.Process(server.pid)
    port = urlsplit(server.endpoint).port or 80
    _exchange(port, message, 1), _exchange(copier_port, copying, 1)
    before = process.cpu_times()
    wall, copied = _exchange(port, message, times), _exchange(copier_port, copying, times)
    after = process.cpu_times()
    cpu_ms = (after.user - before.user + after.system - before.system) / times * 1e3
    print(f"{name:<34} {size * times / wall / 1e6:>8.0f} {size * times / copied / 1e6:>8.0f} {copied / wall:>7.0%} {cpu_ms:>8.2f}")


def _exchange(port: int, message: list[bytes], times: int) -> float:
    """Seconds for `times` requests and their answers, one after the other."""
    buffer = bytearray(MB)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        for _ in range(times):
            for piece in message:
                connection.sendall(piece)
            head = b""
            while b"\r\n\r\n" not in head:
                got = connection.recv(64 * KB)
                if not got:
                    raise RuntimeError(f"no answer: {head[:300]!r}")
                head += got
            head, _, rest = head.partition(b"\r\n\r\n")
            if b" 200 " not in head[:20]:
                raise RuntimeError(f"{head!r} {rest[:500]!r}")
            at = head.lower().find(b"content-length:")
            left = (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0) - len(rest)
            while left > 0:
                left -= connection.recv_into(buffer)
        return time.perf_counter() - began


class Copier:
    """A process that answers `GET size` with a file and writes what follows `PUT size` to one, through blocking sockets."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process = subprocess.Popen([sys.executable, "-c", _COPIER, str(self.port), str(folder)])
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


_COPIER = """
import os, shutil, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader, writer = connection.makefile("rb"), connection.makefile("wb", 0)
    while line := reader.readline():
        verb, size = line.split()
        size, path = int(size), os.path.join(sys.argv[2], size.decode())
        if verb == b"PUT":
            with open(path, "wb") as file:
                while size:
                    size -= file.write(reader.read1(min(size, 1 << 20)))
                file.flush()
                os.fsync(file.fileno())
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % size)
            with open(path, "rb") as file:
                shutil.copyfileobj(file, writer, 1 << 20)
"""


# --- growth -------------------------------------------------------------------------------------------------------------------------


class Made(Sequence[bytes]):
    """Requests that are made as they are sent: `make(number)`."""

    def __init__(self, count: int, make: Callable[[int], bytes]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        return self._make(number)


def fill(server: Process, name: str, count: int, make: Callable[[int], bytes]) -> None:
    result = uvloop.run(run(server.endpoint, Made(count, make), requests=count, connections=CONNECTIONS_TO_FILL))  # type: ignore[arg-type]
    print(
        f"{name:<34} {result.wall_s:.0f} s; p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms; memory {memory_mb(server)} MB",
        flush=True,
    )


def memory_mb(server: Process) -> int:
    return int(psutil.Process(server.pid).memory_info().rss / 1e6)


def listing(server: Process, arguments: argparse.Namespace, floor: float) -> None:
    """Pages of 1,000 keys at the beginning, in the middle, and rolled up by a delimiter: the same work in a bucket of any size."""
    print()
    server.client("s3").create_bucket(Bucket="listing")
    row = Row(server, arguments, floor)
    count = arguments.keys
    done = 0
    for until in (2_000, count):
        fill(server, f"set-up: {until} keys", until - done, lambda n, done=done: s3(server, "PUT", f"/listing/{_spread(n + done)}", b"x"))  # type: ignore[misc]
        done = until
        where = {
            "from the start": "list-type=2",
            "from the middle": "list-type=2&start-after=80%2F",
            "by delimiter": "delimiter=%2F&list-type=2",
        }
        for name, query in where.items():
            row(f"ListObjectsV2, {name}", [s3(server, "GET", f"/listing?{query}")], share=0.04, connections=4)


def _spread(number: int) -> str:
    """Keys in an order that is not theirs, below 256 prefixes."""
    mixed = number * 2_654_435_761 % 2**32
    return f"{mixed & 255:02x}/{mixed:08x}-{number}"


def table(server: Process, arguments: argparse.Namespace, floor: float) -> None:
    """A table that grows: latency and memory stay."""
    print()
    make_table(server, "large")
    row = Row(server, arguments, floor)
    done = 0
    for until in (10_000, arguments.items // 4, arguments.items):
        fill(server, f"set-up: {until} items", (until - done) // BATCH, lambda n, done=done: _grow(server, done + n * BATCH))  # type: ignore[misc]
        done = until
        steps = [number * 7_919 % done for number in range(2_000)]
        row("  PutItem", [dynamodb(server, "PutItem", {"TableName": "large", "Item": item("large", number)}) for number in steps])
        row("  GetItem", [dynamodb(server, "GetItem", {"TableName": "large", "Key": key("large", number)}) for number in steps])
        row("  Query of 10", [_query(server, "large", number // 10) for number in steps])
        print(f"  memory {memory_mb(server)} MB", flush=True)


def _grow(server: Process, first: int) -> bytes:
    return _batch(server, "large", range(first, first + BATCH))


PARTS = {"calls": calls, "bodies": bodies, "listing": listing, "table": table}


if __name__ == "__main__":
    main()
