"""A9, the comfortable REST API, and A27: circuit breaker, idempotency, queue-based load levelling, with Powertools for AWS Lambda from PyPI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.systems.stacks import EXAMPLES, Stack, environment

pytestmark = pytest.mark.slow

ORDERS = EXAMPLES / "orders"
KEY = "a key of sixteen characters"
Answer = tuple[int, dict[str, str], bytes]


class Provider:
    """The payment provider: what it charged, how many asked at once, and whether it is out of order."""

    def __init__(self) -> None:
        self.charges: Counter[str] = Counter()
        self.asked = self.at_once = self.most_at_once = 0
        self.broken = False
        self.slow_s = 0.0
        lock, provider = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    provider.asked += 1
                    provider.at_once += 1
                    provider.most_at_once = max(provider.most_at_once, provider.at_once)
                time.sleep(provider.slow_s)
                with lock:
                    provider.at_once -= 1
                    if not provider.broken:
                        provider.charges[self.path.rpartition("/")[2]] += 1
                self.send_response(500 if provider.broken else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def stack(process: Any, provider: Provider) -> Stack:
    made = Stack(process, "orders")
    made.deploy(ORDERS / "template.yaml", PaymentUrl=provider.url, TokenKey=KEY)
    return made


def token(name: str, key: str = KEY) -> str:
    sys.path.insert(0, str(ORDERS / "src"))
    try:
        from authorise import digest_of
    finally:
        sys.path.remove(str(ORDERS / "src"))
    return f"{name}:{digest_of(name, key)}"


def place(stack: Stack, idempotency_key: str, amount_minor: int = 100, who: str = "ada") -> Answer:
    headers = {"authorization": _TOKENS.setdefault(who, token(who)), "idempotency-key": idempotency_key, "content-type": "application/json"}
    return stack.http("POST", "/orders", {"amount_minor": amount_minor}, headers)


_TOKENS: dict[str, str] = {}


def state_of(stack: Stack, order_id: str, who: str = "ada") -> str | None:
    status, _, body = stack.http("GET", f"/orders/{order_id}", headers={"authorization": _TOKENS.setdefault(who, token(who))})
    return json.loads(body)["state"] if status == 200 else None


def states(stack: Stack) -> Counter[str]:
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["OrdersTable"], ConsistentRead=True)
    return Counter(item["state"]["S"] for page in pages for item in page["Items"] if "state" in item)


def until(condition: Any, process: Any, give_up_s: float = 30) -> None:
    deadline = time.monotonic() + give_up_s
    while not condition():
        assert time.monotonic() < deadline
        process.settle()


def test_an_order_is_taken_once_and_charged_once(stack: Stack, provider: Provider, process: Any) -> None:
    status, headers, body = place(stack, "k1")
    assert (status, headers["content-type"]) == (202, "application/json"), body
    order_id = json.loads(body)["order_id"]
    assert [place(stack, "k1")[::2] for _ in range(3)] == [(202, body)] * 3
    with ThreadPoolExecutor(4) as clients:
        at_once = [answer[0] for answer in clients.map(lambda _: place(stack, "k2"), range(4))]
    assert 202 in at_once and set(at_once) <= {202, 500}, "those that come while it is being taken are refused by Powertools"
    assert json.loads(place(stack, "k2")[2])["order_id"] != order_id
    assert json.loads(place(stack, "k1", 250)[2])["message"] == "this Idempotency-Key was used for another amount"
    until(lambda: states(stack) == {"charged": 2}, process)
    assert state_of(stack, order_id) == "charged"
    assert state_of(stack, order_id, "eve") is None
    assert set(provider.charges.values()) == {1} and len(provider.charges) == 2
    # A day later the key may be used again: its record went by its time to live.
    process.advance("25h")
    assert json.loads(place(stack, "k1")[2])["order_id"] != order_id


def test_who_may_call_and_how_often(stack: Stack, process: Any, provider: Provider) -> None:
    status, headers, body = stack.http("GET", "/orders/1")
    assert (status, headers["x-amzn-errortype"], json.loads(body)) == (401, "UnauthorizedException", {"message": "Unauthorized"})
    assert stack.http("GET", "/orders/1", headers={"authorization": "what is this"})[0] == 401
    status, headers, body = stack.http("GET", "/orders/1", headers={"authorization": token("ada", "another key, also long")})
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert json.loads(body) == {"message": "User is not authorized to access this resource with an explicit deny"}
    assert stack.http("GET", "/orders/1", headers={"authorization": token("ada")})[::2] == (
        404,
        b'{"statusCode":404,"message":"no such order"}',
    )
    stack.deploy(ORDERS / "template.yaml", PaymentUrl=provider.url, TokenKey=KEY, RequestsPerSecond="2", RequestsAtOnce="5")
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda n: place(stack, f"t{n}"), range(40)))
    counted = Counter(status for status, _, _ in answers)
    assert 5 <= counted[202] <= 15 and counted[202] + counted[429] == 40, counted
    _, headers, body = next(answer for answer in answers if answer[0] == 429)
    assert (headers["x-amzn-errortype"], json.loads(body)) == ("TooManyRequestsException", {"message": "Too Many Requests"})
    process.settle()
    group = stack.outputs["AccessLogs"]
    events = [
        event for page in stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group) for event in page["events"]
    ]
    lines = [json.loads(event["message"]) for event in events]
    seen = Counter((line["status"], line["error"]) for line in lines)
    assert seen["429", "THROTTLED"] == counted[429]
    assert (seen["401", "UNAUTHORIZED"], seen["403", "ACCESS_DENIED"], seen["202", "-"]) == (2, 1, counted[202])
    assert {line["customer"] for line in lines if line["status"] == "202"} == {"ada"}


def test_the_provider_is_asked_no_faster_than_it_can_take(stack: Stack, process: Any, provider: Provider) -> None:
    provider.slow_s = 0.1
    with ThreadPoolExecutor(3) as clients:
        assert {answer[0] for answer in clients.map(lambda n: place(stack, f"l{n}"), range(40))} == {202}
    assert len(provider.charges) < 40, "they are taken faster than charged"
    until(lambda: states(stack) == {"charged": 40}, process)
    assert provider.most_at_once <= 2
    assert set(provider.charges.values()) == {1}


def test_a_provider_that_fails_is_left_alone_until_it_is_tried_again(stack: Stack, process: Any, provider: Provider) -> None:
    provider.broken = True
    for number in range(20):
        assert place(stack, f"b{number}")[0] == 202, "orders are taken whatever the provider does"
    process.settle()
    assert states(stack) == {"received": 20}
    breaker = {"TableName": stack.outputs["OrdersTable"], "Key": {"pk": {"S": "breaker"}}}
    assert "Item" in stack.client("dynamodb").get_item(**breaker)
    assert provider.asked < 12, "three failures in each of two sandboxes, and what was under way"
    asked = provider.asked
    process.advance("10s")
    assert provider.asked == asked
    provider.broken = False
    process.restart()
    process.advance("65s")
    process.advance("65s")
    assert "Item" not in stack.client("dynamodb").get_item(**breaker)
    until(lambda: states(stack) == {"charged": 20}, process)
    assert set(provider.charges.values()) == {1}


def test_memory_is_tuned_by_measurement(stack: Stack, process: Any) -> None:
    name = stack.physical_id("Authorise")
    command = [sys.executable, "tune.py", name, "event.json", "--sizes", "128,512,1769", "--times", "3"]
    done = subprocess.run(command, cwd=ORDERS, env=environment(process), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [[float(word) for word in line.split()] for line in done.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == [128, 512, 1769]
    if os.access("/sys/fs/cgroup", os.W_OK):
        slow, middle, fast = (billed_ms for _, billed_ms, _ in rows)
        assert slow > 2 * middle > 2.4 * fast, "a function has its memory's share of the processor"
    for size_mb, billed_ms, usd in rows:
        assert billed_ms >= 5
        assert usd == pytest.approx(billed_ms * size_mb / 1024 * 0.0166667, rel=0.05, abs=0.01)
    assert stack.client("lambda").get_function_configuration(FunctionName=name)["MemorySize"] == 1024
