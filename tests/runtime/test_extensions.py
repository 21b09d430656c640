"""External and internal extensions, and what they are told."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

REQUEST = "11111111-2222-3333-4444-555555555555"

API = """#!/usr/bin/env python3
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, **headers):
    api.request(method, "/2020-01-01/extension/" + path, json.dumps(body) if body is not None else None, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = api.getresponse()
    return answer, answer.read()
"""

EXTERNAL = (
    API
    + """
answer, body = call("POST", "register", {"events": ["INVOKE", "SHUTDOWN"]}, Lambda_Extension_Name=os.path.basename(sys.argv[0]), Lambda_Extension_Accept_Feature="accountId")
me = answer.headers["Lambda-Extension-Identifier"]
print("registered", answer.status, body.decode(), flush=True)
while True:
    answer, body = call("GET", "event/next", Lambda_Extension_Identifier=me)
    event = json.loads(body)
    time.sleep(0.05)
    print(event["eventType"], event.get("requestId"), event.get("shutdownReason"), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""
)


@pytest.fixture(autouse=True)
def _namespaces(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))


def layer(house: Any, name: str, **programs: str) -> Path:
    root: Path = house.directory / name
    (root / "extensions").mkdir(parents=True)
    for program, text in programs.items():
        path = root / "extensions" / program
        path.write_text(text)
        path.chmod(0o755)
    return root


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
def test_an_external_extension_follows_the_life_of_its_sandbox(house: Any, runtime: str) -> None:
    source = "print('init')\ndef handler(e, c):\n print('handler', flush=True)\n return e"
    files = {
        "app.js": "console.log = (text) => process.stdout.write(text + '\\n'); console.log('init'); exports.handler = async (e) => { console.log('handler'); return e }"
    }
    spec = house.function(
        source, files=files, layers=(layer(house, f"layer-{runtime}", watcher=EXTERNAL),), runtime=runtime, account_id="123456789012"
    )
    start = len(house.lines)
    for event in (1, 2):
        assert house.answer(spec, event) == event
    lines = [line for line, _ in house.lines[start:]]
    (first,) = (line for line in lines if line.startswith("registered 200 "))
    lines.remove(first)
    assert json.loads(first.removeprefix("registered 200 ")) == {
        "functionName": spec.function_name,
        "functionVersion": "$LATEST",
        "handler": "app.handler",
        "accountId": "123456789012",
    }
    assert lines == ["init", *["handler", f"INVOKE {REQUEST} None"] * 2]
    house.run(house.pool.retire(spec.key))
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    assert house.lines[-1][0] == "SHUTDOWN None SPINDOWN"


def test_every_node_function_has_its_extensions_though_processes_wait_for_functions(house: Any) -> None:
    plain = house.function("", files={"app.js": "exports.handler = async () => 1"}, runtime="nodejs20.x")
    assert house.answer(plain) == 1
    house.run(house.until(lambda: any(each for each in house.pool._workers._waiting.values())))
    files = {"app.js": "exports.handler = async (e) => e"}
    for number in range(2):
        layers = (layer(house, f"waited-{number}", watcher=EXTERNAL),)
        start = len(house.lines)
        assert house.answer(house.function("", files=files, runtime="nodejs20.x", layers=layers), 1) == 1
        assert any(line.startswith("registered 200 ") for line, _ in house.lines[start:])


def test_an_extension_that_ends_ends_the_sandbox(house: Any) -> None:
    spec = house.function("def handler(e, c): return 1", layers=(layer(house, "crash", crash="#!/bin/sh\nexit 3\n"),))
    result = house.invoke(spec)
    assert json.loads(result.payload) == {"errorType": "Extension.Crash", "errorMessage": f"RequestId: {REQUEST} Error: exit status 3"}


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
def test_an_extension_is_told_of_the_runtimes_failure_and_of_a_time_limit(house: Any, runtime: str) -> None:
    source = "import os, time\ndef handler(e, c): time.sleep(5) if e else os._exit(3)"
    files = {"app.js": "exports.handler = async (e) => { if (e) await new Promise(r => setTimeout(r, 5000)); process.exit(3) }"}
    for event, kind, reason in ((0, "exit", "FAILURE"), (1, "timeout", "TIMEOUT")):
        layers = (layer(house, f"told-{runtime}-{event}", watcher=EXTERNAL),)
        spec = house.function(source, files=files, layers=layers, runtime=runtime, timeout_s=1)
        start = len(house.lines)
        result = house.invoke(spec, event)
        assert result.kind == kind
        if kind == "exit":
            assert json.loads(result.payload)["errorMessage"] == f"RequestId: {REQUEST} Error: Runtime exited with error: exit status 3"
        house.run(house.until(lambda spec=spec: house.pool.count(spec.key) == 0))
        lines = [line for line, _ in house.lines[start:]]
        assert lines[-1:] == [f"SHUTDOWN None {reason}"], (event, lines)


def test_an_extension_may_fail_the_initialisation(house: Any) -> None:
    text = (
        API
        + """
answer, _ = call("POST", "register", {"events": []}, Lambda_Extension_Name="bad")
call("POST", "init/error", {}, Lambda_Extension_Identifier=answer.headers["Lambda-Extension-Identifier"], Lambda_Extension_Function_Error_Type="Extension.NoConfig")
time.sleep(60)
"""
    )
    result = house.invoke(house.function("def handler(e, c): return 1", layers=(layer(house, "bad", bad=text),)))
    assert (result.kind, result.error_type) == ("init_error", "Extension.InitError")


def test_an_internal_extension_hears_of_invocations_and_may_not_ask_for_the_shutdown(house: Any) -> None:
    source = API.partition("\n")[2] + textwrap.dedent(
        """
            import threading
            heard = []
            refused = json.loads(call("POST", "register", {"events": ["SHUTDOWN"]}, Lambda_Extension_Name="inner")[1])["errorType"]
            me = call("POST", "register", {"events": ["INVOKE"]}, Lambda_Extension_Name="inner")[0].headers["Lambda-Extension-Identifier"]
            def listen():
                while True:
                    heard.append(json.loads(call("GET", "event/next", Lambda_Extension_Identifier=me)[1])["requestId"])
            threading.Thread(target=listen, daemon=True).start()
            def handler(event, context):
                while not heard:
                    time.sleep(0.001)
                return [refused, heard]
            """
    )
    assert house.answer(house.function(source)) == ["ShutdownEventNotSupportedForInternalExtension", [REQUEST]]


def test_what_is_not_allowed_has_awss_name(house: Any) -> None:
    source = API.partition("\n")[2] + textwrap.dedent(
        """
            found = []
            def handler(event, context):
                for arguments in (
                    ("POST", "register", {"events": []}, {}),
                    ("POST", "register", {"events": ["OTHER"]}, {"Lambda_Extension_Name": "a"}),
                    ("POST", "register", {"events": []}, {"Lambda_Extension_Name": "a"}),
                    ("GET", "event/next", None, {}),
                    ("GET", "event/next", None, {"Lambda_Extension_Identifier": "x"}),
                    ("GET", "event/next", None, {"Lambda_Extension_Identifier": "00000000-0000-4000-8000-000000000000"}),
                ):
                    *first, headers = arguments
                    answer, body = call(*first, **headers)
                    found.append([answer.status, json.loads(body)["errorType"]])
                return found
            """
    )
    # The function is idle again without its extensions: one that failed to register is none.
    assert house.answer(house.function(source)) == [
        [403, "Extension.InvalidExtensionName"],
        [403, "Extension.InvalidEventType"],
        [403, "Extension.RegistrationClosed"],
        [403, "Extension.MissingExtensionIdentifier"],
        [403, "Extension.InvalidExtensionIdentifier"],
        [403, "Extension.UnknownExtensionIdentifier"],
    ]


SUBSCRIBER = (
    API
    + """
import http.server, threading
seen = []
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for entry in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            seen.append(entry)
            if entry["type"] in ("platform.report", "platform.end"):
                done.set()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments): pass
done = threading.Event()
server = http.server.HTTPServer(("sandbox.localdomain", 0), Sink)
threading.Thread(target=server.serve_forever, daemon=True).start()
me = call("POST", "register", {"events": ["INVOKE", "SHUTDOWN"]}, Lambda_Extension_Name="teller")[0].headers["Lambda-Extension-Identifier"]
api.request("PUT", "/2022-07-01/telemetry", json.dumps({"schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}"}}), {"Lambda-Extension-Identifier": me})
answer = api.getresponse()
print("subscribed", answer.status, answer.read().decode(), flush=True)
while True:
    event = json.loads(call("GET", "event/next", Lambda_Extension_Identifier=me)[1])
    if event["eventType"] == "SHUTDOWN":
        done.wait(1)
        print(json.dumps([[e["type"], e["record"]] for e in seen]), flush=True)
        break
"""
)


def test_telemetry_goes_to_the_extension_that_subscribed(house: Any) -> None:
    spec = house.function("def handler(e, c): print('hello')", layers=(layer(house, "teller", teller=SUBSCRIBER),))
    start = len(house.lines)
    house.answer(spec)
    house.run(house.pool.retire(spec.key))
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    lines = [line for line, _ in house.lines[start:]]
    assert lines[0] == 'subscribed 200 "OK"'
    events = json.loads(lines[-1])
    kinds = [kind for kind, _ in events]
    assert "platform.telemetrySubscription" in kinds
    assert [k for k in kinds if k.startswith("platform.") and k != "platform.telemetrySubscription"] == [
        "platform.initStart",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ]
    records = dict(events)
    assert "hello\n" in [record for kind, record in events if kind == "function"]
    assert records["platform.report"]["status"] == "success"
    assert records["platform.report"]["metrics"]["memorySizeMB"] == 128
    assert records["platform.start"] == {"requestId": REQUEST, "version": "$LATEST"}


def test_telemetry_of_an_isolated_function_is_refused_in_the_emulators_words(house: Any) -> None:
    program = (
        API
        + """
answer, body = call("POST", "register", {"events": ["INVOKE"]}, Lambda_Extension_Name=os.path.basename(sys.argv[0]))
me = answer.headers["Lambda-Extension-Identifier"]
for path in ("/2022-07-01/telemetry", "/2020-08-15/logs"):
    api.request("PUT", path, json.dumps({"types": ["platform"], "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:1"}}),
        {"Lambda-Extension-Identifier": me})
    answer = api.getresponse()
    print("told", answer.status, json.loads(answer.read())["errorType"], flush=True)
while True:
    call("GET", "event/next", Lambda_Extension_Identifier=me)
"""
    )
    spec = house.function("def handler(e, c): return e", layers=(layer(house, "subscriber", subscriber=program),), network="isolated")
    assert house.answer(spec, 1) == 1
    assert [line for line, _ in house.lines if line.startswith("told")] == ["told 202 Telemetry.NotSupported", "told 202 Logs.NotSupported"]
