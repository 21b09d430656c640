"""`ground invoke FUNCTION --debug`: the function waits for a debugger once, is not stopped under it, and is what it was afterwards."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from tests.cli.test_deploy import let_run, project, run  # noqa: F401  (project is a fixture)

from groundcloud.cli.debugging import NODE_PORT, PYTHON_PORT
from groundcloud.runtime import resolve_runtime

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
WAIT_S = 20


def configuration(lambda_, name):
    """What a person could see of a change, without what marks an update."""
    config = lambda_.get_function_configuration(FunctionName=name)
    return {member: config.get(member) for member in ("Handler", "Timeout", "MemorySize", "Environment", "Layers", "CodeSha256")}


def in_background(*arguments):
    """A command, running; its result is in the list once the thread ends."""
    results = []
    thread = threading.Thread(target=lambda: results.append(run(*arguments)), daemon=True)
    thread.start()
    return thread, results


def connected(port):
    """A connection to the debugger's port, as soon as it is there."""
    give_up = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.05)


class Adapter:
    """As much of the Debug Adapter Protocol as attaching takes."""

    def __init__(self, connection):
        self.connection, self.file, self.sequence = connection, connection.makefile("rb"), 0

    def send(self, command, **arguments):
        self.sequence += 1
        message = json.dumps({"seq": self.sequence, "type": "request", "command": command, "arguments": arguments}).encode()
        self.connection.sendall(b"Content-Length: %d\r\n\r\n" % len(message) + message)

    def until(self, wanted):
        """Reads messages until the event or the answer of that name."""
        while True:
            length = 0
            while (line := self.file.readline()) != b"\r\n":
                assert line
                length = int(line.partition(b":")[2])
            message = json.loads(self.file.read(length))
            if wanted in (message.get("event"), message.get("command")):
                return message


@pytest.fixture(scope="module")
def debugpy(tmp_path_factory):
    """A folder that holds it."""
    site = tmp_path_factory.mktemp("site")
    installed = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", site, "debugpy"], capture_output=True)
    if installed.returncode != 0:
        pytest.skip("debugpy cannot be installed here")
    return site


@pytest.mark.slow
def test_a_function_does_not_wait_on_when_the_command_is_interrupted(project, client, debugpy):  # noqa: F811
    assert run("deploy", project(RUNTIME), "-s", "interrupted").exit_code == 0
    lambda_ = client("lambda")
    (name,) = [found["FunctionName"] for found in lambda_.list_functions()["Functions"]]
    before = configuration(lambda_, name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(debugpy), os.environ.get("PYTHONPATH", "")])}
    command = subprocess.Popen([sys.executable, "-m", "groundcloud", "invoke", name, "--debug"], stderr=subprocess.PIPE, env=environment)
    connected(PYTHON_PORT).close()
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=WAIT_S)
    assert command.returncode == 1
    assert configuration(lambda_, name) == before
    give_up = time.monotonic() + WAIT_S
    while socket.socket().connect_ex(("127.0.0.1", PYTHON_PORT)) == 0:
        assert time.monotonic() < give_up, "the debugger's port is not free"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_function_waits_for_debugpy_once(project, client, tmp_path, monkeypatch, debugpy):  # noqa: F811
    monkeypatch.syspath_prepend(debugpy)
    assert run("deploy", project(RUNTIME), "-s", "waiting").exit_code == 0
    lambda_ = client("lambda")
    (name,) = [found["FunctionName"] for found in lambda_.list_functions()["Functions"]]
    before = configuration(lambda_, name)
    (tmp_path / "event.json").write_text('{"a": 1}')
    thread, results = in_background("invoke", "Old", "-s", "waiting", "-e", tmp_path / "event.json", "--debug")
    with connected(PYTHON_PORT) as connection:
        assert configuration(lambda_, name)["Timeout"] == 900
        adapter = Adapter(connection)
        adapter.send("initialize", adapterID="test", clientID="test")
        adapter.until("initialize")
        adapter.send("attach")
        adapter.until("initialized")
        adapter.send("configurationDone")
        adapter.until("attach")
        thread.join(timeout=WAIT_S)
    assert not thread.is_alive()
    (result,) = results
    assert result.exit_code == 0, result.output
    assert f"{name} waits for debugpy at 127.0.0.1:{PYTHON_PORT}" in result.output
    assert result.output.endswith('{\n  "a": 1\n}\n')
    assert configuration(lambda_, name) == before
    assert lambda_.list_layers()["Layers"] == []


@pytest.mark.slow
def test_a_function_waits_for_the_node_inspector_once(project, client):  # noqa: F811
    template = project("nodejs20.x")
    template.with_name("src").joinpath("app.js").write_text("exports.handler = async (event) => event\n")
    assert run("deploy", template, "-s", "inspected").exit_code == 0
    lambda_ = client("lambda")
    (name,) = [found["FunctionName"] for found in lambda_.list_functions()["Functions"]]
    before = configuration(lambda_, name)
    thread, results = in_background("invoke", "Old", "-s", "inspected", "--debug")
    connected(NODE_PORT).close()
    (found,) = json.load(urllib.request.urlopen(f"http://127.0.0.1:{NODE_PORT}/json/list", timeout=WAIT_S))
    let_run(found["webSocketDebuggerUrl"])
    thread.join(timeout=WAIT_S)
    assert not thread.is_alive()
    assert results[0].exit_code == 0, results[0].output
    assert results[0].output.endswith("\n{}\n")
    assert configuration(lambda_, name) == before


@pytest.mark.slow
def test_a_python_that_debugpy_does_not_know_is_refused(project):  # noqa: F811
    old = next((version for version in ("2.7", "3.6", "3.7") if resolve_runtime(f"python{version}").version == version), None)
    if old is None:
        pytest.skip("needs Python 2.7, 3.6 or 3.7")
    template = project(f"python{old}")
    for command in (
        ["deploy", template, "-s", "old", "--debug", "Old"],
        ["deploy", template, "-s", "old"],
        ["invoke", "Old", "-s", "old", "--debug"],
    ):
        result = run(*command)
        assert ("debugpy has no part for Python" in result.output) == ("--debug" in command), result.output
    assert run("invoke", "Old", "-s", "old").exit_code == 0


def test_what_cannot_be_debugged_is_refused(project):  # noqa: F811
    project()
    assert "give one of them" in run("invoke", "Old", "--debug", "--async").output
