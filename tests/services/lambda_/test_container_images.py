"""Functions that are container images, in whatever engine this machine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_ import images
from tests.services.lambda_.conftest import RUNTIME, make_role, zipped

from groundcloud.runtime import memory
from groundcloud.runtime.control_groups import freezer_of
from groundcloud.testing.servers import Threaded

IMAGE = "localhost/groundcloud-test:first"
SECOND = "localhost/groundcloud-test:second"
ENTRY = "localhost/groundcloud-test:entry"
EXTENDED = "localhost/groundcloud-test:extended"
PYTHON = "localhost/groundcloud-test:python"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[images.Engine]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = images.engine(tmp_path_factory.mktemp("images"), monkeypatch)
        yield made
        made.remove()


@pytest.fixture(scope="module")
def digest(engine: images.Engine) -> str:
    return engine.compiled(IMAGE, "first")


@pytest.fixture
def image_function(lambda_: Any, role: str, digest: str) -> Callable[..., dict[str, Any]]:
    def make(**options: Any) -> dict[str, Any]:
        name = options.pop("FunctionName", "contained")
        arguments = {"PackageType": "Image", "Code": {"ImageUri": IMAGE}, "Role": role, "Timeout": 10, **options}
        answer: dict[str, Any] = lambda_.create_function(FunctionName=name, **arguments)
        return answer

    return make


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_image_runs_as_its_configuration_says(
    lambda_: Any, image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], digest: str
) -> None:
    made = image_function(
        Environment={"Variables": {"OWN": "two words=1", "PATH": "/mine"}},
        ImageConfig={"EntryPoint": ["/bootstrap"], "Command": ["app.other"], "WorkingDirectory": "/"},
    )
    assert (made["PackageType"], made["CodeSha256"], made["CodeSize"]) == ("Image", digest, 0)
    assert made["ImageConfigResponse"]["ImageConfig"] == {"EntryPoint": ["/bootstrap"], "Command": ["app.other"], "WorkingDirectory": "/"}
    assert {"Runtime", "Handler", "RuntimeVersionConfig"}.isdisjoint(made)
    code = lambda_.get_function(FunctionName="contained")["Code"]
    assert code == {"RepositoryType": "ECR", "ImageUri": IMAGE, "ResolvedImageUri": f"localhost/groundcloud-test@sha256:{digest}"}
    first = answer("contained", {"a": 1})
    assert first["event"] == {"a": 1}
    assert (first["argument"], first["handler"], first["directory"], first["variable"]) == ("app.other", "app.other", "/", "two words=1")
    assert first["key"].startswith("ASIA")
    assert first["user"] != 0
    assert not first["root"]
    # The next one finds the same container.
    assert (first["kept"], answer("contained", {})["kept"]) == ("1", "2")


def test_the_images_own_command_is_the_default(image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any]) -> None:
    made = image_function()
    assert "ImageConfigResponse" not in made
    found = answer("contained", {})
    assert (found["argument"], found["directory"]) == ("of-the-image", "/tmp")


def test_an_idle_container_is_stopped_and_goes_on(
    image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], engine: images.Engine
) -> None:
    image_function()
    answer("contained", {})
    name = engine.run("ps", "--format", "{{.Names}}").split()[0]
    pid = engine.run("inspect", "--format", "{{.State.Pid}}", name)

    def stands_still() -> bool:
        freezer = freezer_of(int(pid))
        if freezer is not None:
            return "frozen 1" in Path(freezer).with_name("cgroup.events").read_text()
        return memory.state(int(pid)) == "T"

    until = time.monotonic() + 10
    while not stands_still() and time.monotonic() < until:
        time.sleep(0.05)
    assert stands_still()
    assert answer("contained", {})["kept"] == "2"


@pytest.mark.parametrize(
    ("event", "error_type", "message"),
    [
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
        ("sleep", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("eat", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_container_that_ends_is_not_used_again(
    lambda_: Any, image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], event: str, error_type: str, message: str
) -> None:
    image_function(Timeout=1)
    failed = lambda_.invoke(FunctionName="contained", Payload=json.dumps(event).encode(), LogType="Tail")
    document = json.loads(failed["Payload"].read())
    assert (failed["FunctionError"], document["errorType"]) == ("Unhandled", error_type)
    assert document["errorMessage"].endswith(message)
    log = b64decode(failed["LogResult"]).decode()
    assert log.index("START RequestId") < log.index(f'event "{event}"') < log.index("END RequestId")
    assert answer("contained", {})["kept"] == "1"


def test_what_cannot_be_executed_is_no_entry_point(lambda_: Any, image_function: Callable[..., dict[str, Any]]) -> None:
    image_function(ImageConfig={"EntryPoint": ["/absent"]})
    failed = lambda_.invoke(FunctionName="contained")
    document = json.loads(failed["Payload"].read())
    assert document["errorType"] == "Runtime.InvalidEntrypoint"
    assert document["errorMessage"].endswith("Error: fork/exec /absent: no such file or directory")


def test_a_function_does_not_follow_its_tag(
    lambda_: Any, image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], engine: images.Engine, digest: str
) -> None:
    engine.run("tag", IMAGE, SECOND)
    image_function(Code={"ImageUri": SECOND}, Publish=True)
    assert answer("contained", {})["built"] == "first"
    other = engine.compiled(SECOND, "second")
    lambda_.update_function_configuration(FunctionName="contained", Description="anew")
    assert answer("contained", {})["built"] == "first"
    updated = lambda_.update_function_code(FunctionName="contained", ImageUri=SECOND)
    assert updated["CodeSha256"] == other != digest
    assert answer("contained", {})["built"] == "second"
    assert answer("contained", {}, Qualifier="1")["built"] == "first"


def test_what_an_image_cannot_have_is_refused(lambda_: Any, role: str, digest: str, image_function: Callable[..., dict[str, Any]]) -> None:
    common = {"FunctionName": "refused", "Role": role}
    code = {"ImageUri": IMAGE}
    for more in ({"Handler": "a.b"}, {"Runtime": RUNTIME}, {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:a:1"]}):
        assert refusal(lambda_.create_function, Code=code, PackageType="Image", **common, **more) == (
            "InvalidParameterValueException",
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
        )
    assert refusal(lambda_.create_function, Code=code, **common)[1] == (
        "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    )
    assert refusal(lambda_.create_function, Code={"ImageUri": "localhost/absent:1"}, PackageType="Image", **common) == (
        "InvalidParameterValueException",
        "Source image localhost/absent:1 does not exist. Provide a valid source image.",
    )
    image_function()
    assert refusal(lambda_.update_function_code, FunctionName="contained", ZipFile=zipped("")) == (
        "InvalidParameterValueException",
        "Please provide ImageUri when updating a function with packageType Image.",
    )
    assert "Handler or Runtime or Layer" in refusal(lambda_.update_function_configuration, FunctionName="contained", Handler="a.b")[1]


def test_a_zip_does_not_become_an_image(lambda_: Any, function: Callable[..., str], digest: str) -> None:
    name = function("def handler(event, context): return 1")
    assert refusal(lambda_.update_function_code, FunctionName=name, ImageUri=IMAGE) == (
        "InvalidParameterValueException",
        "Please don't provide ImageUri when updating a function with packageType Zip.",
    )
    assert "ImageConfig" in refusal(lambda_.update_function_configuration, FunctionName=name, ImageConfig={"Command": ["a"]})[1]


def test_a_stack_makes_changes_and_deletes_one(
    client: Callable[..., Any], lambda_: Any, role: str, digest: str, answer: Callable[..., Any]
) -> None:
    cloudformation = client("cloudformation")

    def template(kind: str, source: dict[str, Any], command: str) -> str:
        properties = {"FunctionName": "stacked", "PackageType": "Image", "Role": role, "ImageConfig": {"Command": [command]}, **source}
        document: dict[str, Any] = {"Resources": {"Function": {"Type": kind, "Properties": properties}}}
        if "Serverless" in kind:
            document["Transform"] = "AWS::Serverless-2016-10-31"
        return json.dumps(document)

    for stack, kind, source in (
        ("plain", "AWS::Lambda::Function", {"Code": {"ImageUri": IMAGE}}),
        ("sam", "AWS::Serverless::Function", {"ImageUri": IMAGE}),
    ):
        arguments = {"StackName": stack, "Capabilities": ["CAPABILITY_AUTO_EXPAND"]}
        cloudformation.create_stack(TemplateBody=template(kind, source, "one"), **arguments)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.1})
        assert answer("stacked", {})["argument"] == "one"
        cloudformation.update_stack(TemplateBody=template(kind, source, "two"), **arguments)
        cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.1})
        assert answer("stacked", {})["argument"] == "two"
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.1})
        assert refusal(lambda_.get_function, FunctionName="stacked")[0] == "ResourceNotFoundException"


def test_awss_own_client_runs_in_an_image(
    lambda_: Any, image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], engine: images.Engine, tmp_path: Path
) -> None:
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path, "awslambdaric"], capture_output=True, env=os.environ
    )
    if installed.returncode != 0:
        pytest.skip("awslambdaric cannot be installed here")
    engine.python(PYTHON, tmp_path)
    image_function(Code={"ImageUri": PYTHON}, ImageConfig={"Command": ["app.handler"]}, MemorySize=256)
    assert answer("contained", {"a": [1]}) == {"event": {"a": [1]}, "function": "contained", "left_ms": True, "modules": False}
    tail = b64decode(lambda_.invoke(FunctionName="contained", LogType="Tail")["LogResult"]).decode()
    assert tail.index("START RequestId") < tail.index("in a container") < tail.index("REPORT RequestId")


def test_an_isolated_container_reaches_the_platform_alone(engine: images.Engine, tmp_path: Path) -> None:
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path, "awslambdaric"], capture_output=True, env=os.environ
    )
    if installed.returncode != 0:
        pytest.skip("awslambdaric cannot be installed here")
    engine.python(PYTHON, tmp_path)
    server = Threaded(function_network="isolated")
    try:
        role_arn = make_role(server.client("iam"), "function-role")
        common = {"PackageType": "Image", "Code": {"ImageUri": PYTHON}, "ImageConfig": {"Command": ["app.handler"]}}
        server.client("lambda").create_function(FunctionName="alone", Role=role_arn, Timeout=20, MemorySize=256, **common)
        answer = server.client("lambda").invoke(FunctionName="alone", Payload=b'{"ask": true}')["Payload"].read()
    finally:
        server.close()
    assert json.loads(answer) == [200, ["lo"]]


def test_a_killed_servers_containers_are_removed_by_the_next(process: Any, engine: images.Engine, digest: str) -> None:
    def names() -> set[str]:
        return set(engine.run("ps", "--all", "--format", "{{.Names}}").split())

    role_arn = make_role(process.client("iam"), "function-role")
    process.client("lambda").create_function(
        FunctionName="contained", PackageType="Image", Code={"ImageUri": IMAGE}, Role=role_arn, Timeout=10
    )
    before = names()
    process.client("lambda").invoke(FunctionName="contained")
    left = names() - before
    assert len(left) == 1
    process.kill()
    process.start()
    again = process.client("lambda").invoke(FunctionName="contained", Payload=b"{}")
    assert json.loads(again["Payload"].read())["built"] == "first"
    assert left.isdisjoint(names())


def lines(client: Callable[..., Any], clock: Any, last: str, name: str = "contained") -> list[str]:
    """The function's log, once it has that line: the end of a sandbox with extensions takes a moment of the machine's time."""
    give_up = time.monotonic() + 10
    while True:
        clock.settle()
        events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        found = [event["message"].rstrip("\n") for event in events]
        if last in found or time.monotonic() > give_up:
            return found


def test_programs_in_the_images_extensions_directory_are_extensions(
    lambda_: Any, image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], engine: images.Engine, client: Any, clock: Any
) -> None:
    engine.compiled(EXTENDED, "extended", "first", "second")
    image_function(Code={"ImageUri": EXTENDED}, ImageConfig={"Command": ["app.other"], "WorkingDirectory": "/opt"})
    found = answer("contained", {})
    assert (found["argument"], found["handler"], found["directory"], found["root"]) == ("app.other", "app.other", "/opt", False)
    kept = int(answer("contained", {})["kept"])
    assert kept >= 4  # twice the runtime, once each of the extensions at least: they share /tmp
    lambda_.delete_function(FunctionName="contained")
    said = lines(client, clock, "first hears SHUTDOWN")
    for name in ("first", "second"):
        assert f"{name} is there, in /, handler '', key ASIA" in said
        assert said.count(f"{name} hears INVOKE") == 2
        assert f"{name} hears SHUTDOWN" in said
        assert said.index(f"{name} is there, in /, handler '', key ASIA") < said.index("begin")
    assert any(line.startswith("EXTENSION\tName: first\tState: Ready\tEvents: [INVOKE, SHUTDOWN]") for line in said), said


def test_an_images_extension_that_ends_ends_the_sandbox(
    lambda_: Any, image_function: Callable[..., dict[str, Any]], engine: images.Engine
) -> None:
    engine.compiled(EXTENDED, "extended", "broken")
    image_function(Code={"ImageUri": EXTENDED})
    document = json.loads(lambda_.invoke(FunctionName="contained")["Payload"].read())
    assert document["errorType"] == "Extension.Crash"
    assert document["errorMessage"].endswith("Error: exit status 9")


ENTRY_POINT = """#!/bin/sh
# As in AWS's own base images: with the emulator on a developer's machine, without it where the Runtime API is.
if [ -z "${AWS_LAMBDA_RUNTIME_API}" ]; then
  exec /usr/local/bin/aws-lambda-rie /bootstrap "$@"
fi
export _HANDLER="$1"
exec /bootstrap "$@" --from-$LAMBDA_RUNTIME_DIR
"""


def test_an_image_with_awss_entry_point_does_without_the_emulator(
    image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any], engine: images.Engine, tmp_path: Path
) -> None:
    shell = shutil.which("busybox")
    if shell is None:
        pytest.skip("needs a shell that is one file")
    archive = engine.archived(tmp_path / "entry.tar", "entry")
    script = tmp_path / "lambda-entrypoint.sh"
    script.write_text(ENTRY_POINT)
    script.chmod(0o755)
    with tarfile.open(archive, "a") as tar:
        tar.add(shell, "bin/sh")
        tar.add(script, "lambda-entrypoint.sh")
    changes = ('ENTRYPOINT ["/lambda-entrypoint.sh"]', 'CMD ["app.of_the_image"]', "WORKDIR /opt", "ENV LAMBDA_RUNTIME_DIR=/var/runtime")
    engine.imported(archive, ENTRY, *changes)
    image_function(Code={"ImageUri": ENTRY}, MemorySize=256)
    found = answer("contained", {})
    assert (found["argument"], found["handler"], found["directory"]) == ("app.of_the_image", "app.of_the_image", "/opt")
    image_function(FunctionName="other", Code={"ImageUri": ENTRY}, ImageConfig={"Command": ["app.other"], "WorkingDirectory": "/tmp"})
    found = answer("other", {})
    assert (found["argument"], found["handler"], found["directory"]) == ("app.other", "app.other", "/tmp")


def test_two_invocations_at_once_have_containers_of_their_own(
    image_function: Callable[..., dict[str, Any]], answer: Callable[..., Any]
) -> None:
    image_function()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda number: answer("contained", {"n": number}), range(3)))
    assert [one["event"]["n"] for one in found] == [0, 1, 2]
    assert len({one["user"] for one in found}) in (2, 3)  # one may have been free again


def test_without_an_engine_an_image_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUND_CONTAINER_ENGINE", "no-such-engine")
    server = Threaded()
    try:
        role_arn = make_role(server.client("iam"), "function-role")
        code, message = refusal(
            server.client("lambda").create_function, FunctionName="a", PackageType="Image", Code={"ImageUri": IMAGE}, Role=role_arn
        )
    finally:
        server.close()
    assert code == "InvalidParameterValueException"
    assert "Docker or Podman" in message and "no-such-engine: not found" in message and "Install or start one of them." in message
