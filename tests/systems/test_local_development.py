"""P2: working on a function. `ground deploy --debug FUNCTION` with a debugger at it: debugpy over the Debug Adapter Protocol, Node's inspector over its web socket. The function stops where
it is told, is looked into and goes on; other functions never notice. `ground deploy --watch` and `ground logs -t` while it is called."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.systems.stacks import Stack, environment

from groundcloud.cli.debugging import NODE_PORT, PYTHON_PORT

pytestmark = pytest.mark.slow

WAIT_S = 30
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {CodeUri: src, Timeout: 1}}
Resources:
  Looked: {Type: AWS::Serverless::Function, Properties: {Runtime: RUNTIME, Handler: app.handler}}
  Other: {Type: AWS::Serverless::Function, Properties: {Runtime: RUNTIME, Handler: app.handler}}
"""
PYTHON = """def handler(event, context):
    total = 0
    for n in event["numbers"]:
        total += n
    return {"total": total}
"""
JAVASCRIPT = """exports.handler = async (event) => {
  let total = 0;
  for (const n of event.numbers) {
    total += n;
  }
  return { total };
};
"""
EVENT = {"numbers": [1, 2, 3]}


def connected(port: int) -> socket.socket:
    give_up = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.02)


class Invocation:
    """An invocation under way."""

    def __init__(self, stack: Stack) -> None:
        self.results: list[Any] = []
        self._thread = threading.Thread(target=lambda: self.results.append(stack.invoke("Looked", EVENT)), daemon=True)
        self._thread.start()

    def under_way(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(WAIT_S)
        return self.results[0]


class Adapter:
    """A client of the Debug Adapter Protocol."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._file, self._sequence = connection, connection.makefile("rb"), 0
        self._seen: list[dict[str, Any]] = []

    def send(self, command: str, **arguments: Any) -> int:
        self._sequence += 1
        message = json.dumps({"seq": self._sequence, "type": "request", "command": command, "arguments": arguments}).encode()
        self._connection.sendall(b"Content-Length: %d\r\n\r\n" % len(message) + message)
        return self._sequence

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for message in self._seen:
            if wanted(message):
                self._seen.remove(message)
                return message
        while True:
            length = 0
            while (line := self._file.readline()) != b"\r\n":
                assert line, "the adapter closed the connection"
                if line.lower().startswith(b"content-length"):
                    length = int(line.partition(b":")[2])
            message = json.loads(self._file.read(length))
            if wanted(message):
                return message
            self._seen.append(message)

    def event(self, name: str) -> Any:
        return self._until(lambda message: message.get("event") == name).get("body")

    def answer(self, sequence: int) -> Any:
        message = self._until(lambda message: message.get("request_seq") == sequence)
        assert message["success"], message
        return message.get("body")

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.answer(self.send(command, **arguments))


@pytest.fixture
def debugpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(site), "debugpy"]
    if subprocess.run(command, capture_output=True, env=os.environ).returncode:
        pytest.skip("debugpy cannot be installed here")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def make_stack(process: Any, tmp_path: Path) -> Callable[..., Stack]:
    def make(runtime: str, file: str, source: str) -> Stack:
        (tmp_path / "app" / "src").mkdir(parents=True)
        (tmp_path / "app" / "src" / file).write_text(source)
        (tmp_path / "app" / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", runtime))
        stack = Stack(process, "debugged")
        stack.deploy(tmp_path / "app" / "template.yaml", "--debug", "Looked")
        return stack

    return make


def others_go_on(stack: Stack, process: Any) -> None:
    """Another function answers within its second, again and again, and virtual time passes."""
    for _ in range(10):
        assert stack.invoke("Other", EVENT) == {"total": 6}
    process.advance("5m")


def test_debugpy_stops_at_a_breakpoint_looks_and_goes_on(debugpy: None, make_stack: Any, process: Any, tmp_path: Path) -> None:
    stack = make_stack(f"python{sys.version_info.major}.{sys.version_info.minor}", "app.py", PYTHON)
    invocation = Invocation(stack)
    source = tmp_path / "app" / "src" / "app.py"
    with connected(PYTHON_PORT) as connection:
        adapter = Adapter(connection)
        adapter.ask("initialize", adapterID="python", clientID="test", linesStartAt1=True, pathFormat="path")
        attaching = adapter.send("attach", pathMappings=[{"localRoot": str(source.parent), "remoteRoot": "/var/task"}])
        adapter.event("initialized")
        found = adapter.ask("setBreakpoints", source={"path": str(source)}, breakpoints=[{"line": 4}])
        assert found["breakpoints"][0]["line"] == 4
        adapter.ask("configurationDone")
        adapter.answer(attaching)
        for n, total in ((1, 0), (2, 1), (3, 3)):
            stopped = adapter.event("stopped")
            assert stopped["reason"] == "breakpoint"
            frame = adapter.ask("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
            assert (frame["source"]["path"], frame["line"], frame["name"]) == (str(source), 4, "handler")
            assert adapter.ask("evaluate", expression="(n, total)", frameId=frame["id"])["result"] == f"({n}, {total})"
            others_go_on(stack, process)
            assert invocation.under_way()
            adapter.ask("continue", threadId=stopped["threadId"])
        assert invocation.result() == {"total": 6}
    # The next deployment is without.
    stack.deploy(tmp_path / "app" / "template.yaml")
    assert stack.invoke("Looked", EVENT) == {"total": 6}


class Inspector:
    """A client of the Chrome DevTools Protocol on a web socket."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._connection = socket.create_connection((parts.hostname, parts.port), timeout=WAIT_S)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._connection.sendall((head + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self._file: io.BufferedReader = self._connection.makefile("rb")
        assert b" 101 " in self._file.readline()
        while self._file.readline() != b"\r\n":
            pass
        self._number, self._seen = 0, list[dict[str, Any]]()

    def ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        number, data = self._number, json.dumps({"id": self._number, "method": method, "params": params}).encode()
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
        self._connection.sendall(b"\x81" + length + bytes(4) + data)  # a text frame, masked with zeros
        message = self._until(lambda message: message.get("id") == number)
        assert "error" not in message, message
        return message["result"]

    def event(self, method: str) -> Any:
        return self._until(lambda message: message.get("method") == method)["params"]

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for message in self._seen:
            if wanted(message):
                self._seen.remove(message)
                return message
        while True:
            length = self._file.read(2)[1] & 0x7F
            if length > 125:
                length = int.from_bytes(self._file.read(2 if length == 126 else 8), "big")
            message = json.loads(self._file.read(length))
            if wanted(message):
                return message
            self._seen.append(message)

    def __enter__(self) -> Inspector:
        return self

    def __exit__(self, *_: Any) -> None:
        self._connection.close()


def inspector_address() -> str:
    connected(NODE_PORT).close()
    with urllib.request.urlopen(f"http://127.0.0.1:{NODE_PORT}/json/list", timeout=WAIT_S) as answer:
        return str(json.load(answer)[0]["webSocketDebuggerUrl"])


def test_nodes_inspector_stops_at_a_breakpoint_looks_and_goes_on(make_stack: Any, process: Any, tmp_path: Path) -> None:
    stack = make_stack("nodejs20.x", "app.js", JAVASCRIPT)
    invocation = Invocation(stack)
    with Inspector(inspector_address()) as inspector:
        inspector.ask("Runtime.enable")
        inspector.ask("Debugger.enable")
        inspector.ask("Debugger.setBreakpointByUrl", urlRegex=r"/var/task/app\.js$", lineNumber=3)
        inspector.ask("Runtime.runIfWaitingForDebugger")
        inspector.event("Debugger.paused")  # before the first line, as --inspect-brk says
        inspector.ask("Debugger.resume")
        for n, total in ((1, 0), (2, 1), (3, 3)):
            frame = inspector.event("Debugger.paused")["callFrames"][0]
            assert (frame["functionName"], frame["location"]["lineNumber"]) == ("exports.handler", 3)
            value = inspector.ask("Debugger.evaluateOnCallFrame", callFrameId=frame["callFrameId"], expression="`${n} ${total}`")
            assert value["result"]["value"] == f"{n} {total}"
            others_go_on(stack, process)
            assert invocation.under_way()
            inspector.ask("Debugger.resume")
        assert invocation.result() == {"total": 6}
    stack.deploy(tmp_path / "app" / "template.yaml")
    assert stack.invoke("Looked", EVENT) == {"total": 6}


@pytest.fixture
def tail(process: Any, tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """`tail(stack, function)` -> the lines that `ground logs -t` prints, as they come."""
    running: list[subprocess.Popen[str]] = []

    def start(stack: Stack, function: str) -> list[str]:
        command = [sys.executable, "-u", "-m", "groundcloud", "logs", "-t", function, "--stack", stack.name]
        made = subprocess.Popen(command, env=environment(process), stdout=subprocess.PIPE, text=True)
        running.append(made)
        lines: list[str] = []
        assert made.stdout is not None
        threading.Thread(target=lambda: lines.extend(iter(made.stdout.readline, "")), daemon=True).start()  # type: ignore[union-attr]
        return lines

    yield start
    for made in running:
        made.terminate()
        made.wait()


def test_a_tail_prints_lines_while_the_function_runs(process: Any, tmp_path: Path, tail: Any) -> None:
    (tmp_path / "app" / "src").mkdir(parents=True)
    (tmp_path / "app" / "src" / "app.py").write_text(
        "def handler(event, context):\n    print('n is', event['n'])\n    return event['n'] / 2\n"
    )
    (tmp_path / "app" / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", "python3.12"))
    stack = Stack(process, "tailed")
    stack.deploy(tmp_path / "app" / "template.yaml")
    lines = tail(stack, "Looked")
    for n in range(20):
        assert stack.invoke("Looked", {"n": n}) == n / 2
        stack.invoke("Other", {"n": -1})
    with pytest.raises(RuntimeError, match="TypeError"):
        stack.invoke("Looked", {"n": "x"})
    give_up = time.monotonic() + WAIT_S
    while sum("REPORT" in line for line in lines) < 21:
        assert time.monotonic() < give_up, lines
        time.sleep(0.02)
    said = [line.split("n is ")[1].strip() for line in lines if "n is " in line]
    assert said == [*map(str, range(20)), "x"]
    assert any(f'File "{tmp_path}/app/src/app.py", line 3' in line for line in lines), "the traceback names the user's own file"


@pytest.mark.parametrize(
    ("runtime", "file", "source"),
    [
        ("python3.12", "app.py", "def handler(event, context):\n    return NUMBER\n"),
        ("nodejs20.x", "app.js", "exports.handler = async () => NUMBER;\n"),
    ],
    ids=["python", "node"],
)
def test_a_save_is_what_answers_in_under_300_ms(process: Any, tmp_path: Path, runtime: str, file: str, source: str) -> None:
    code = tmp_path / "app" / "src" / file
    code.parent.mkdir(parents=True)
    code.write_text(source.replace("NUMBER", "0"))
    (tmp_path / "app" / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", runtime))
    stack = Stack(process, "watched")
    command = [sys.executable, "-u", "-m", "groundcloud", "deploy", str(tmp_path / "app"), "-s", "watched", "--watch"]
    watcher = subprocess.Popen(command, env=environment(process), stdout=subprocess.PIPE, text=True)
    try:
        assert watcher.stdout is not None
        assert any("watching" in line for line in watcher.stdout)
        threading.Thread(target=watcher.stdout.read, daemon=True).start()
        assert stack.invoke("Looked") == stack.invoke("Other") == 0
        took_s = []
        time.sleep(0.3)  # the watch of the file system begins after its line
        for number in range(1, 6):
            code.write_text(source.replace("NUMBER", str(number)))
            saved_at = time.monotonic()
            while stack.invoke("Looked") != number:
                assert time.monotonic() < saved_at + 10
            took_s.append(time.monotonic() - saved_at)
            time.sleep(0.3)  # the watch begins anew after each deployment
        print(f"{runtime}: saved to answered, s:", [round(s, 3) for s in took_s])
        assert min(took_s) < 0.3
    finally:
        watcher.terminate()
        watcher.wait()
