"""How the initialisation of a function ends, and what the platform writes of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundcloud.runtime import Invocation, InvokeResult, initialisation
from groundcloud.services.lambda_.logs import PlatformLines


class Counter:
    """Counts who has come, for code that may keep nothing."""

    def __init__(self) -> None:
        self.count = 0
        counter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                counter.count += 1
                body = str(counter.count).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.source = f"""
import os, time, urllib.request
number = int(urllib.request.urlopen("http://127.0.0.1:{self.server.server_port}").read())
print("initialisation", number)
"""
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def counter() -> Iterator[Counter]:
    made = Counter()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def lines(client: Callable[..., Any], clock: Any) -> Callable[[str], list[str]]:
    """The first words of a function's log, in order."""

    def read(name: str) -> list[str]:
        clock.settle()
        return [event["message"] for event in client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]

    return read


def heads(messages: list[str]) -> list[str]:
    return [message.split()[0] for message in messages if not message.startswith("Groundcloud: ")]


def test_an_initialisation_that_raises_is_done_again_in_the_invocation(
    function: Callable[..., str], lambda_: Any, lines: Callable[[str], list[str]], counter: Counter
) -> None:
    name = function(counter.source + "1 / 0")
    answer = lambda_.invoke(FunctionName=name)
    assert (answer["FunctionError"], json.loads(answer["Payload"].read())["errorType"]) == ("Unhandled", "ZeroDivisionError")
    assert counter.count == 2
    found = lines(name)
    assert heads(found) == [
        *("INIT_START", "initialisation", "[ERROR]", "INIT_REPORT"),
        *("initialisation", "[ERROR]", "INIT_REPORT"),
        *("START", "END", "REPORT"),
    ]
    reports = [line for line in found if line.startswith("INIT_REPORT")]
    for report, phase in zip(reports, ("init", "invoke"), strict=True):
        words = rf"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: {phase}\tStatus: error\tError Type: ZeroDivisionError\n"
        assert re.fullmatch(words, report), report
    assert found[-1].endswith("\tStatus: error\tError Type: ZeroDivisionError\n") and "Init Duration" not in found[-1]


def test_a_second_initialisation_that_succeeds_is_part_of_the_invocation(
    function: Callable[..., str], lambda_: Any, lines: Callable[[str], list[str]], counter: Counter
) -> None:
    name = function(counter.source + "if number == 1: os._exit(3)\ntime.sleep(0.2)\ndef handler(e, c): return number")
    answer = lambda_.invoke(FunctionName=name)
    assert "FunctionError" not in answer and answer["Payload"].read() == b"2"
    assert lambda_.invoke(FunctionName=name)["Payload"].read() == b"2"
    found = lines(name)
    warm = ["START", "END", "REPORT"]
    assert heads(found) == ["INIT_START", "initialisation", "INIT_REPORT", "initialisation", *warm, *warm]
    assert found[2].endswith("\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n")
    duration = re.search(r"Duration: ([\d.]+) ms\tBilled Duration: (\d+) ms", found[6])
    assert duration and float(duration[1]) > 200 and int(duration[2]) < float(duration[1]) + 1 and "Init Duration" not in found[6]


def test_an_initialisation_that_takes_too_long_is_stopped_and_done_again_under_the_functions_timeout(
    function: Callable[..., str],
    lambda_: Any,
    lines: Callable[[str], list[str]],
    counter: Counter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(initialisation, "INIT_S_MAX", 0.3)
    name = function(counter.source + "if number == 1: time.sleep(60)\nelse: time.sleep(0.4)\ndef handler(e, c): return number")
    assert lambda_.invoke(FunctionName=name)["Payload"].read() == b"2"
    found = lines(name)
    assert heads(found) == ["INIT_START", "initialisation", "INIT_REPORT", "initialisation", "START", "END", "REPORT"]
    assert re.fullmatch(r"INIT_REPORT Init Duration: [3-9]\d\d\.\d\d ms\tPhase: init\tStatus: timeout\n", found[2]), found[2]

    name = function(counter.source + "time.sleep(60)", Timeout=1)
    answer = lambda_.invoke(FunctionName=name)
    document = json.loads(answer["Payload"].read())
    assert (answer["FunctionError"], document["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert document["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    found = lines(name)
    assert [line.split("\t", 1)[1] for line in found if line.startswith("INIT_REPORT")] == [
        "Phase: init\tStatus: timeout\n",
        "Phase: invoke\tStatus: timeout\n",
    ]
    assert heads(found)[-3:] == [found[-3].split()[0], "END", "REPORT"] and "Task timed out after 1.00 seconds" in found[-3]
    assert found[-1].endswith("\tStatus: timeout\n")


def test_json_logs_have_the_events_of_the_phases_by_their_level(
    function: Callable[..., str], lambda_: Any, client: Callable[..., Any], clock: Any
) -> None:
    source = "1 / 0\ndef handler(e, c): return 1"

    def events(source: str, level: str) -> list[tuple[str, dict[str, Any]]]:
        name = function(source, LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": level})
        lambda_.invoke(FunctionName=name)
        clock.settle()
        messages = [e["message"] for e in client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
        found = [json.loads(message) for message in messages if '"type":"platform.' in message]
        return [(entry["type"].removeprefix("platform."), entry["record"]) for entry in found]

    good = "def handler(e, c): print('handled')"
    assert [kind for kind, _ in events(good, "DEBUG")] == ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]
    assert [kind for kind, _ in events(good, "INFO")] == ["initStart", "start", "report"]
    assert events(good, "WARN") == []
    bad = events(source, "WARN")
    assert [kind for kind, _ in bad] == ["initRuntimeDone", "initReport"] * 2 + ["runtimeDone", "report"]
    phases = [record["phase"] for kind, record in bad if kind == "initReport"]
    assert phases == ["init", "invoke"]
    for _, record in bad:
        assert (record["status"], record["errorType"]) == ("error", "ZeroDivisionError")
    assert bad[1][1]["initializationType"] == "on-demand" and bad[1][1]["metrics"]["durationMs"] > 0


def test_what_a_provisioned_sandbox_initialises_is_reported(function: Callable[..., str], lambda_: Any, lines: Any, clock: Any) -> None:
    name = function("def handler(e, c): return 1", Publish=True)
    lambda_.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    clock.settle()
    found = [line for line in lines(name) if not line.startswith("Groundcloud: ")]
    assert found[0].startswith("INIT_START ") and re.fullmatch(r"INIT_REPORT Init Duration: \d+\.\d\d ms\n", found[1]) and len(found) == 2


def test_a_restore_that_fails_is_an_error_of_the_call(function: Callable[..., str], lambda_: Any, lines: Any, clock: Any) -> None:
    source = "from snapshot_restore_py import register_after_restore\nregister_after_restore(lambda: 1 / 0)\ndef handler(e, c): return 1"
    name = function(source, SnapStart={"ApplyOn": "PublishedVersions"}, Runtime="python3.12", Publish=True)
    clock.settle()
    with pytest.raises(ClientError) as refused:
        lambda_.invoke(FunctionName=name, Qualifier="1")
    assert (refused.value.response["Error"]["Code"], refused.value.response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "SnapStartException",
        400,
    )
    reports = [line for line in lines(name) if line.startswith("RESTORE_REPORT")]
    words = r"RESTORE_REPORT Restore Duration: \d+\.\d\d ms\tStatus: error\tError Type: Runtime.AfterRestoreError\n"
    assert len(reports) == 1 and re.fullmatch(words, reports[0])


class Page:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
RESULT = InvokeResult(kind="ok", payload=b"1", log=b"", duration_ms=1.5, max_memory_mb=30)


def test_a_report_names_the_trace_that_is_sampled() -> None:
    invocation = Invocation(request_id="00000000-0000-0000-1234-56789abcdef0", payload=b"1", trace_id=TRACE)
    page: Any = Page()
    text, _ = PlatformLines(page, "name", "1", 128, {}).end(invocation, RESULT, 0)
    report = "Duration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t"
    sampled = "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 123456789abcdef0\tSampled: true\t"
    assert text[-1] == f"REPORT RequestId: {invocation.request_id}\t{report}\n{sampled}"
    PlatformLines(page, "name", "1", 128, {"LogFormat": "JSON"}).end(invocation, RESULT, 0)
    tracing = json.loads(page.lines[-1])["record"]["tracing"]
    assert tracing == {"spanId": "123456789abcdef0", "type": "X-Amzn-Trace-Id", "value": TRACE}
    unsampled = Invocation(request_id="r", payload=b"1", trace_id=TRACE.replace("Sampled=1", "Sampled=0"))
    assert "XRAY" not in PlatformLines(page, "name", "1", 128, {}).end(unsampled, RESULT, 0)[0][-1]


EVENTS = [
    (
        "platform.extension",
        {"name": "x", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]},
        "EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
    ),
    (
        "platform.extension",
        {"name": "x", "state": "InitError", "events": [], "errorType": "Own.Word"},
        "EXTENSION\tName: x\tState: InitError\tEvents: []\tError Type: Own.Word",
    ),
    (
        "platform.telemetrySubscription",
        {"name": "x", "state": "Subscribed", "types": ["platform", "function"]},
        "TELEMETRY\tName: x\tState: Subscribed\tTypes: [Platform, Function]",
    ),
    (
        "platform.logsSubscription",
        {"name": "x", "state": "Subscribed", "types": ["function"]},
        "LOGS\tName: x\tState: Subscribed\tTypes: [Function]",
    ),
    (
        "platform.restoreReport",
        {"status": "timeout", "metrics": {"durationMs": 1}},
        "RESTORE_REPORT Restore Duration: 1.00 ms\tStatus: timeout",
    ),
]


@pytest.mark.parametrize(("event", "record", "text"), EVENTS)
def test_the_platforms_events_as_text(event: str, record: dict[str, Any], text: str) -> None:
    page: Any = Page()
    PlatformLines(page, "name", "1", 128, {}).event(event, record, 0)
    assert page.lines == [text]
