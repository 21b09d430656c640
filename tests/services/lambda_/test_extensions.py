"""Extensions that layers bring: their life, what they are told, what they say."""

from __future__ import annotations

import io
import json
import textwrap
import time
import zipfile
from collections.abc import Callable
from typing import Any

API = """#!/usr/bin/env python3
import http.client, http.server, json, os, sys, threading
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    api.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = api.getresponse()
    return answer, answer.read()
answer, body = call("POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]},
    Lambda_Extension_Name=os.path.basename(sys.argv[0]), Lambda_Extension_Accept_Feature="accountId")
me = answer.headers["Lambda-Extension-Identifier"]
"""
LIFE = """
print("registered", json.loads(body)["functionName"], json.loads(body)["accountId"], flush=True)
while True:
    event = json.loads(call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)[1])
    print(event["eventType"], event.get("invokedFunctionArn"), event.get("shutdownReason"), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""
SUBSCRIBER = """
done = threading.Event()
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for entry in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            print("told", entry["type"], json.dumps(entry["record"]), flush=True)
            if entry["type"] == "platform.report":
                done.set()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("sandbox.localdomain", 0), Sink)
threading.Thread(target=server.serve_forever, daemon=True).start()
call("PUT", "/2022-07-01/telemetry", {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}"}}, Lambda_Extension_Identifier=me)
while True:
    if json.loads(call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)[1])["eventType"] == "SHUTDOWN":
        done.wait(1)
        break
"""


def layer(lambda_: Any, name: str, program: str) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo(f"extensions/{name}")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, textwrap.dedent(program))
    return str(lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": packed.getvalue()})["LayerVersionArn"])


def lines_until(client: Callable[..., Any], clock: Any, name: str, last: str) -> list[str]:
    """The function's log, once it has a line that begins so: an extension has two seconds of the machine's time to end."""
    give_up = time.monotonic() + 5
    while True:
        clock.settle()
        events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        lines = [event["message"].rstrip("\n") for event in events]
        if any(line.startswith(last) for line in lines) or time.monotonic() > give_up:
            return lines


def test_an_extension_lives_with_its_sandbox_and_is_told_of_its_end(
    lambda_: Any, function: Callable[..., str], client: Callable[..., Any], answer: Any, clock: Any, account: str
) -> None:
    name = function("def handler(event, context): return event", Layers=[layer(lambda_, "watcher", API + LIFE)])
    assert [answer(name, 1), answer(name, 2)] == [1, 2]
    lambda_.update_function_configuration(FunctionName=name, Timeout=4)
    lines = lines_until(client, clock, name, "SHUTDOWN")
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{name}"
    said = [line for line in lines if line.startswith(("registered", "INVOKE", "SHUTDOWN"))]
    assert said == [f"registered {name} {account}", f"INVOKE {arn} None", f"INVOKE {arn} None", "SHUTDOWN None SPINDOWN"]


def test_a_subscriber_gets_the_telemetry_of_its_sandbox(
    lambda_: Any, function: Callable[..., str], client: Callable[..., Any], answer: Any, clock: Any
) -> None:
    name = function("def handler(event, context): print('hello')", Layers=[layer(lambda_, "teller", API + SUBSCRIBER)])
    answer(name)
    lambda_.update_function_configuration(FunctionName=name, Timeout=4)
    told = [line.split(" ", 2)[1:] for line in lines_until(client, clock, name, "told platform.report") if line.startswith("told ")]
    kinds = [kind for kind, _ in told]
    for kind in ("platform.initStart", "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report"):
        assert kinds.count(kind) == 1
    start = json.loads(dict(told)["platform.initStart"])
    assert start["runtimeVersion"].startswith("python:3.") and start["runtimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:")
    assert ["function", json.dumps("hello\n")] in told
    lines = lines_until(client, clock, name, "told platform.report")
    types = "TELEMETRY\tName: teller\tState: Subscribed\tTypes: [Platform, Function]"
    assert types in lines, lines
    assert lines.index(types) < lines.index("EXTENSION\tName: teller\tState: Ready\tEvents: [INVOKE, SHUTDOWN]")
    assert json.loads(dict(told)["platform.report"])["metrics"]["memorySizeMB"] == 128


def test_an_extension_that_crashes_fails_the_invocation(lambda_: Any, function: Callable[..., str]) -> None:
    name = function("def handler(event, context): return 1", Layers=[layer(lambda_, "crash", "#!/bin/sh\nexit 3\n")])
    response = lambda_.invoke(FunctionName=name)
    assert json.loads(response["Payload"].read())["errorType"] == "Extension.Crash"
