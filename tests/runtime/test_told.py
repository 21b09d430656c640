"""What subscribers of the Telemetry and Logs APIs are told of invocations, and of what they were too slow for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from groundcloud.runtime.api_http import Request
from groundcloud.runtime.function import Invocation
from groundcloud.runtime.telemetry_api import LOGS, TELEMETRY, Telemetry, record_of
from groundcloud.runtime.told import Told

REQUEST = "11111111-2222-3333-4444-555555555555"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
JSON_LOGS = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}


class Subscribers:
    """One at each path, which keep what they are sent."""

    def __init__(self, *paths: str, schema: str = "2022-12-13") -> None:
        self.paths, self.schema = paths, schema
        self.got: list[list[dict[str, Any]]] = [[] for _ in paths]

    def hear(self, say: Callable[[Telemetry], None]) -> list[list[dict[str, Any]]]:
        asyncio.run(self._hear(say))
        return self.got

    async def _hear(self, say: Callable[[Telemetry], None]) -> None:
        telemetry = Telemetry(asyncio.get_running_loop(), lambda _: True, lambda: 1_700_000_000_000, lambda event, record: None)
        async with contextlib.AsyncExitStack() as servers:
            for place, path in enumerate(self.paths):
                server = await servers.enter_async_context(await asyncio.start_server(self._taker(place), "127.0.0.1", 0))
                request = subscription(path, server.sockets[0].getsockname()[1], self.schema)
                assert (await telemetry.subscribe(request, f"one{place}")).status == 200
            say(telemetry)
            telemetry.flush()
            await asyncio.gather(*(each.sending for each in telemetry._subscriptions.values() if each.sending is not None))
            telemetry.close()

    def _taker(self, place: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = next(int(line[16:]) for line in head.split("\r\n") if line.startswith("Content-Length: "))
            self.got[place] += json.loads(await reader.readexactly(size))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        return take


def subscription(path: str, port: int, schema: str) -> Request:
    body = json.dumps(
        {
            "schemaVersion": schema,
            "types": ["platform", "function"],
            "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}"},
        }
    ).encode()
    reader = asyncio.StreamReader()
    reader.feed_data(body)
    return Request("PUT", path, {"content-length": str(len(body))}, reader, None)  # type: ignore[arg-type]


def kinds(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["type"].removeprefix("platform.") for entry in entries]


def test_each_api_has_its_own_events_of_an_invocation() -> None:
    def say(telemetry: Telemetry) -> None:
        told = Told(telemetry.emit, Invocation(request_id=REQUEST, payload=b""), "7", lambda: 1_700_000_000_000)
        told.end("exit", "Runtime.ExitError", 128, 40, 3.5, "Error: Runtime exited with error: exit status 1")

    telemetry, logs = Subscribers(TELEMETRY, LOGS).hear(say)
    assert [kind for kind in kinds(telemetry) if not kind.endswith("Subscription")] == ["start", "runtimeDone", "report"]
    assert [kind for kind in kinds(logs) if not kind.endswith("Subscription")] == ["start", "runtimeDone", "fault", "end", "report"]
    records = {entry["type"]: entry["record"] for entry in logs}
    assert records["platform.start"] == {"requestId": REQUEST, "version": "7"}
    assert records["platform.end"] == {"requestId": REQUEST}
    assert records["platform.fault"] == "Error: Runtime exited with error: exit status 1"
    for event in ("platform.runtimeDone", "platform.report"):
        assert (records[event]["status"], records[event]["errorType"]) == ("error", "Runtime.ExitError")
    assert records["platform.report"]["metrics"]["initDurationMs"] == 3.5


def test_an_invocation_is_told_with_its_spans_and_its_trace() -> None:
    said: dict[str, Any] = {}
    told = Told(said.__setitem__, Invocation(request_id=REQUEST, payload=b"", trace_id=TRACE), "$LATEST", lambda: 1_700_000_000_000)
    told.runtime_done("ok", None, 12, time.perf_counter())
    told.runtime_done("timeout", None, 0)  # it is done once
    told.end("ok", None, 128, 40, None, None)
    trace = {"spanId": "4444555555555555", "type": "X-Amzn-Trace-Id", "value": TRACE}
    assert said["platform.start"] == {"requestId": REQUEST, "version": "$LATEST", "tracing": trace}
    done, report = said["platform.runtimeDone"], said["platform.report"]
    assert (done["status"], done["tracing"], done["metrics"]["producedBytes"]) == ("success", trace, 12)
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration"]
    assert done["spans"][0]["start"] == "2023-11-14T22:13:20.000Z"
    assert report["spans"] == done["spans"]
    assert report["tracing"] == trace
    assert "errorType" not in report


def test_a_time_limit_is_no_error_of_a_type() -> None:
    said: dict[str, Any] = {}
    told = Told(said.__setitem__, Invocation(request_id=REQUEST, payload=b""), "1", lambda: 0)
    told.end("timeout", "Sandbox.Timedout", 128, 40, None, "Task timed out")
    assert said["platform.runtimeDone"]["status"] == said["platform.report"]["status"] == "timeout"
    assert "errorType" not in said["platform.runtimeDone"]


@pytest.mark.parametrize(("schema", "is_object"), [("2022-12-13", True), ("2025-01-29", True), ("2022-07-01", False)])
def test_lines_in_json_are_objects_since_the_schema_that_says_so(schema: str, *, is_object: bool) -> None:
    def say(telemetry: Telemetry) -> None:
        telemetry.emit("function", record_of('{"message": "a"}', "function", JSON_LOGS))
        telemetry.emit("function", record_of("no JSON", "function", JSON_LOGS))
        telemetry.emit("function", record_of('{"message": "b"}', "function", {}))

    telemetry, logs = Subscribers(TELEMETRY, LOGS, schema=schema).hear(say)
    texts = ['{"message": "a"}\n', "no JSON\n", '{"message": "b"}\n']
    assert [entry["record"] for entry in logs if entry["type"] == "function"] == texts
    first, *others = [entry["record"] for entry in telemetry if entry["type"] == "function"]
    assert first == ({"message": "a"} if is_object else texts[0])
    assert others == texts[1:]


def test_who_was_too_slow_is_told_how_much_it_missed() -> None:
    def say(telemetry: Telemetry) -> None:
        for _ in range(4):
            telemetry.emit("function", "x" * 3_000_000)
            for each in telemetry._subscriptions.values():
                each.sending = asyncio.get_running_loop().create_future()  # type: ignore[assignment]  # the batch before
        for each in telemetry._subscriptions.values():
            each.sending = None

    (telemetry,) = Subscribers(TELEMETRY).hear(say)
    (dropped,) = [entry["record"] for entry in telemetry if entry["type"] == "platform.logsDropped"]
    assert dropped["reason"] == "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."
    assert dropped["droppedRecords"] > 0
    assert dropped["droppedBytes"] > 3_000_000
    left = sum(entry["type"] == "function" for entry in telemetry)
    assert 0 < left < 4
