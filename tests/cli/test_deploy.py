"""`ground deploy` as a person reads it."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from groundcloud.cli.deploy import _stack_name
from groundcloud.cli.main import main
from groundcloud.runtime import resolve_runtime

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Old:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: src, Handler: app.handler, Runtime: RUNTIME}
"""


@pytest.fixture
def project(tmp_path, ground, account, monkeypatch):
    """`project(runtime, source)` -> its template, on this session's server in an account of the test's own."""
    monkeypatch.setenv("GROUND_ENDPOINT", ground.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)

    def make(runtime="python3.11", source="def handler(event, context):\n    return event\n"):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src" / "app.py").write_text(source)
        (tmp_path / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", runtime))
        return tmp_path / "template.yaml"

    return make


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.slow
def test_a_runtime_that_is_not_present_is_a_warning_of_the_deployment(project):
    absent = next(f"python{version}" for version in ("2.7", "3.6", "3.7", "3.15") if resolve_runtime(f"python{version}").warning)
    template = project(absent)
    result = run("deploy", template, "-s", "old")
    assert result.exit_code == 0, result.output
    assert f"warning Old: {absent} is not installed" in result.output
    project(absent, "def handler(event, context):\n    return 2\n")
    outcome = json.loads(run("deploy", template, "-s", "old", "--json").stdout)
    assert absent in outcome["warnings"]["Old"]
    project("python3.11")
    assert "warning" not in run("deploy", template, "-s", "old").output


@pytest.mark.parametrize("transform", ["", "Transform: AWS::Serverless-2016-10-31\n"])
def test_a_type_that_is_not_there_yet_is_said_to_be_so(project, transform):
    template = project()
    template.write_text(transform + "Resources: {Flow: {Type: AWS::Nowhere::Thing}}")
    result = run("deploy", template, "-s", "typed")
    assert result.exit_code == 1
    assert "Unrecognized resource types: [AWS::Nowhere::Thing]" in result.output
    assert "Groundcloud has no such type yet: nothing was made." in result.output


def test_a_layer_of_an_account_that_has_none_here_is_explained(project):
    template = project()
    layer = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:24"
    template.write_text(template.read_text().replace("CodeUri: src,", f"CodeUri: src, Layers: [{layer}],"))
    result = run("deploy", template, "-s", "layered")
    assert result.exit_code == 1
    assert "The layer LambdaAdapterLayerX86 is of account 753240598075, which has none on this server." in result.output
    assert run("deploy", template, "-s", "layered", "--json").exit_code == 1


RAISES = """import json
def handler(event, context):
    return inner(event)
def inner(event):
    raise ValueError(event)
"""


@pytest.mark.slow
def test_a_traceback_names_the_users_own_file_and_line(project, tmp_path, clock):
    template = project(source=RAISES)
    assert run("deploy", template, "-s", "raising").exit_code == 0
    own = str(tmp_path / "src" / "app.py")
    result = run("invoke", "Old", "-s", "raising")
    assert result.exit_code == 1
    assert f'File "{own}", line 5, in inner' in result.output
    assert f'File \\"{own}\\", line 3, in handler' in result.output
    clock.settle()
    printed = run("logs", "Old", "-s", "raising").output
    assert f'File "{own}", line 5, in inner' in printed
    assert "/var/task/" not in result.output + printed


@pytest.mark.slow
def test_a_save_replaces_the_code_of_warm_sandboxes(project, tmp_path, ground, client):
    project(source="def handler(event, context):\n    return 0\n")
    command = [sys.executable, "-m", "groundcloud", "deploy", str(tmp_path), "-s", "watched", "--watch"]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert watcher.stdout is not None
        assert any("watching" in line for line in watcher.stdout)
        drained = threading.Thread(target=watcher.stdout.read, daemon=True)
        drained.start()
        lambda_ = client("lambda")
        name = lambda_.list_functions()["Functions"][0]["FunctionName"]
        assert json.loads(lambda_.invoke(FunctionName=name)["Payload"].read()) == 0
        took_s = []
        time.sleep(0.2)  # the watch of the file system begins after its line
        for number in range(1, 5):
            (tmp_path / "src" / "app.py").write_text(f"def handler(event, context):\n    return {number}\n")
            saved_at = time.monotonic()
            while json.loads(lambda_.invoke(FunctionName=name)["Payload"].read()) != number:
                assert time.monotonic() < saved_at + 10
            took_s.append(time.monotonic() - saved_at)
            time.sleep(0.3)  # the watch begins anew after each deployment
        print("saved to answered, s:", [round(s, 3) for s in took_s])
        assert min(took_s) < 0.3
    finally:
        watcher.terminate()
        watcher.wait()


@pytest.mark.slow
def test_a_watch_goes_on_through_errors_renamed_files_and_a_folder_that_comes_back(project, tmp_path):
    template = project()
    command = [sys.executable, "-m", "groundcloud", "deploy", str(tmp_path), "-s", "watched", "--watch"]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert watcher.stdout is not None

    def until(words):
        said = ""
        for line in watcher.stdout:
            said += line
            if words in said and "watching" in line:
                time.sleep(0.2)  # the watch of the file system begins after its line
                return said
        raise AssertionError(said)

    def replace(text):
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(template)

    try:
        until("is deployed")
        good = template.read_text()
        for _ in range(2):  # an editor that renames
            replace(good.replace("app.handler", "app.other"))
            until("is deployed")
            replace(good)
            until("is deployed")
        replace(good + "Bogus: [")
        assert "YAML not well-formed" in until("saved template.yaml")
        replace(good)
        until("nothing has changed")
        (tmp_path / "src").rename(tmp_path / "away")
        assert "CodeUri names" in until("removed src")
        (tmp_path / "away" / "app.py").write_text("def handler(event, context):\n    return 2\n")
        (tmp_path / "away").rename(tmp_path / "src")
        until("is deployed")
        watcher.send_signal(signal.SIGINT)
        assert watcher.communicate(timeout=10)[0] == "" and watcher.returncode == 0
    finally:
        watcher.kill()
        watcher.wait()


def test_what_a_deployment_lacks_is_said_as_it_would_be_given(project):
    template = project()
    template.write_text(template.read_text() + "Parameters: {Stage: {Type: String}, Size: {Type: Number}}\n")
    lacking = run("deploy", template, "-s", "lacking")
    assert lacking.exit_code == 1 and lacking.output.strip().endswith("ground deploy -p Stage=VALUE -p Size=VALUE")


@pytest.mark.slow
def test_a_bucket_that_is_not_empty_is_emptied_on_demand(project, client):
    template = project()
    template.write_text(template.read_text() + "  Store: {Type: AWS::S3::Bucket, Properties: {BucketName: not-empty-at-all}}\n")
    assert run("deploy", template, "-s", "stored").exit_code == 0
    client("s3").put_object(Bucket="not-empty-at-all", Key="k", Body=b"x")
    refused = run("delete", "stored", "-y")
    assert refused.exit_code == 1 and "--empty-buckets empties" in refused.output
    assert run("delete", "stored", "-y", "--empty-buckets").exit_code == 0


@pytest.mark.parametrize(
    ("folder", "stack"), [("shop", "shop"), ("my_shop 2", "my-shop-2"), ("2024", "app-2024"), ("лавка", "app"), ("x" * 200, "x" * 128)]
)
def test_a_stack_is_named_after_the_folder_as_far_as_a_stack_may_be(tmp_path, folder, stack):
    assert _stack_name(tmp_path / folder / "template.yaml") == stack


@pytest.mark.slow
def test_a_function_waits_for_the_node_inspector(project, client):
    template = project("nodejs20.x")
    template.with_name("src").joinpath("app.js").write_text("exports.handler = async (event) => event\n")
    assert run("deploy", template, "-s", "inspected", "--debug", "Other").exit_code == 1
    result = run("deploy", template, "-s", "inspected", "--debug", "Old")
    assert result.exit_code == 0 and "waits for an inspector at 127.0.0.1:9229" in result.output
    (name,) = [found["FunctionName"] for found in client("lambda").list_functions()["Functions"]]
    config = client("lambda").get_function_configuration(FunctionName=name)
    assert (config["Timeout"], config["Environment"]["Variables"]) == (900, {"NODE_OPTIONS": "--inspect-brk=127.0.0.1:9229"})
    invoking = threading.Thread(target=client("lambda").invoke, kwargs={"FunctionName": name}, daemon=True)
    invoking.start()
    give_up = time.monotonic() + 10
    found = []
    while not found and time.monotonic() < give_up:
        try:
            found = json.load(urllib.request.urlopen("http://127.0.0.1:9229/json/list", timeout=1))
        except OSError:
            time.sleep(0.02)
    assert found and found[0]["webSocketDebuggerUrl"].startswith("ws://127.0.0.1:9229/")
    assert invoking.is_alive()
    let_run(found[0]["webSocketDebuggerUrl"])
    invoking.join(timeout=10)
    assert not invoking.is_alive()


def let_run(address):
    """What a debugger says when it lets a program begin, over a web socket."""
    parts = urlsplit(address)
    message = json.dumps({"id": 1, "method": "Runtime.runIfWaitingForDebugger"}).encode()
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall((head + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        assert b" 101 " in connection.recv(4096)
        connection.sendall(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)  # a text frame, masked with zeros
        assert connection.recv(4096)


@pytest.mark.slow
def test_debugging_python_needs_debugpy_beside_the_command(project, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("deploy", project(), "-s", "debugged", "--debug", "Old")
    assert result.exit_code == 1
    assert "debugpy is not in this environment; `pip install debugpy` beside ground" in result.output
