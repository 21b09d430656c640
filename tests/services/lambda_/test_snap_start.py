"""SnapStart: published versions whose sandboxes are forked from an initialised process."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_role, zipped

ON = {"SnapStart": {"ApplyOn": "PublishedVersions"}, "Runtime": "python3.12"}
SOURCE = """
import os, time, uuid
made = str(uuid.uuid4())
time.sleep(0.4)
def handler(event, context):
    return [made, str(uuid.uuid4()), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""


def invoke(lambda_: Any, name: str, qualifier: str) -> tuple[Any, str]:
    response = lambda_.invoke(FunctionName=name, Qualifier=qualifier, LogType="Tail")
    return json.loads(response["Payload"].read()), base64.b64decode(response["LogResult"]).decode()


def test_a_version_is_pending_while_it_initialises_and_its_sandboxes_are_restored(
    lambda_: Any, function: Callable[..., str], client: Callable[..., Any], clock: Any
) -> None:
    name = function(SOURCE, **ON)
    published = lambda_.publish_version(FunctionName=name)
    assert (published["State"], published["StateReasonCode"]) == ("Pending", "Creating")
    assert published["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    with pytest.raises(ClientError, match="currently in the following state: Pending") as refused:
        lambda_.invoke(FunctionName=name, Qualifier="1")
    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"
    clock.settle()
    shown = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (shown["State"], shown["SnapStart"]["OptimizationStatus"]) == ("Active", "On")
    (made, own, kind), tail = invoke(lambda_, name, "1")
    assert kind == "snap-start"
    restored = re.search(r"\tRestore Duration: ([\d.]+) ms\tBilled Restore Duration: (\d+) ms\t", tail)
    assert restored and float(restored[1]) < 400 and "Init Duration" not in tail
    again, tail = invoke(lambda_, name, "1")
    assert again[0] == made and again[1] != own and "Restore" not in tail
    clock.settle()
    logs = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    streams: dict[str, list[str]] = {}
    for event in logs:
        if not event["message"].startswith("Groundcloud: "):  # that another version stands in for one that is not here
            streams.setdefault(event["logStreamName"], []).append(event["message"].split()[0])
    restore = ["RESTORE_START", "RESTORE_REPORT", "START", "END", "REPORT", "START", "END", "REPORT"]
    assert sorted(streams.values()) == [["INIT_START", "INIT_REPORT"], restore]


def test_latest_is_not_restored(lambda_: Any, function: Callable[..., str]) -> None:
    name = function("import os\ndef handler(e, c): return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']", **ON)
    result, tail = invoke(lambda_, name, "$LATEST")
    assert result == "on-demand" and "Init Duration" in tail
    shown = lambda_.get_function_configuration(FunctionName=name)["SnapStart"]
    assert shown == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}


def test_a_version_whose_initialisation_fails_is_failed(lambda_: Any, function: Callable[..., str], clock: Any) -> None:
    name = function("1 / 0\ndef handler(e, c): return 1", Publish=True, **ON)
    clock.settle()
    shown = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError.RuntimeInitError")
    with pytest.raises(ClientError, match="currently in the following state: Failed"):
        lambda_.invoke(FunctionName=name, Qualifier="1")


def test_versions_of_the_same_code_are_published_once(lambda_: Any, function: Callable[..., str], clock: Any) -> None:
    name = function("def handler(e, c): return 1", **ON)
    assert lambda_.publish_version(FunctionName=name)["Version"] == "1"
    clock.settle()
    assert lambda_.publish_version(FunctionName=name)["Version"] == "1"
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped("def handler(e, c): return 2"), Publish=True)
    clock.settle()
    assert invoke(lambda_, name, "2")[0] == 2
    lambda_.delete_function(FunctionName=name, Qualifier="1")
    assert invoke(lambda_, name, "2")[0] == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"Runtime": "python3.11"}, "python3.11 is not supported for SnapStart enabled functions."),
        ({"Runtime": "provided.al2023"}, "provided.al2023 is not supported for SnapStart"),
        ({"Runtime": "nodejs20.x"}, "nodejs20.x is not supported for SnapStart enabled functions."),
        ({"EphemeralStorage": {"Size": 1024}}, "ephemeral storage"),
    ],
)
def test_what_has_no_snap_start_is_refused(function: Callable[..., str], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClientError) as refused:
        function("def handler(e, c): return 1", **{**ON, **options})
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert sentence in refused.value.response["Error"]["Message"]


def test_what_has_no_snap_start_is_refused_by_an_update(lambda_: Any, function: Callable[..., str]) -> None:
    large = function("def handler(e, c): return 1", Runtime="python3.12", EphemeralStorage={"Size": 1024})
    with pytest.raises(ClientError, match="ephemeral storage greater than 512"):
        lambda_.update_function_configuration(FunctionName=large, SnapStart=ON["SnapStart"])
    started = function("def handler(e, c): return 1", **ON)
    with pytest.raises(ClientError, match=r"python3\.11 is not supported for SnapStart enabled functions"):
        lambda_.update_function_configuration(FunctionName=started, Runtime="python3.11")


def test_provisioned_concurrency_is_refused(lambda_: Any, function: Callable[..., str]) -> None:
    name = function("def handler(e, c): return 1", Publish=True, **ON)
    with pytest.raises(ClientError, match="SnapStart"):
        lambda_.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)


@pytest.mark.slow
def test_a_stack_waits_for_the_snapshot(client: Callable[..., Any], role: str, lambda_: Any) -> None:
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Code": {"ZipFile": SOURCE}, "Handler": "index.handler", "Role": role, **ON},
    }
    version = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}}
    template = {"Resources": {"F": function, "V": version}, "Outputs": {"Arn": {"Value": {"Ref": "V"}}}}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="snap", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="snap", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    arn = cloudformation.describe_stacks(StackName="snap")["Stacks"][0]["Outputs"][0]["OutputValue"]
    assert lambda_.get_function_configuration(FunctionName=arn)["State"] == "Active"
    assert json.loads(lambda_.invoke(FunctionName=arn)["Payload"].read())[2] == "snap-start"


@pytest.mark.slow
def test_a_version_is_initialised_again_when_the_server_starts_before_anybody_calls(process: Any) -> None:
    def initialised() -> int:
        events = process.client("logs").filter_log_events(logGroupName="/aws/lambda/rebuilt")["events"]
        return sum(event["message"].startswith("INIT_REPORT") for event in events)

    role = make_role(process.client("iam"), "rebuilt")
    client = process.client("lambda")
    package = {"ZipFile": zipped(SOURCE)}
    client.create_function(FunctionName="rebuilt", Role=role, Handler="app.handler", Code=package, Publish=True, **ON)
    client.get_waiter("published_version_active").wait(FunctionName="rebuilt", Qualifier="1", WaiterConfig={"Delay": 1})
    first, _ = invoke(client, "rebuilt", "1")
    process.kill()
    process.start()
    give_up = time.monotonic() + 20
    while initialised() < 2 and time.monotonic() < give_up:
        time.sleep(0.1)
    second, tail = invoke(process.client("lambda"), "rebuilt", "1")
    restored = re.search(r"\tRestore Duration: ([\d.]+) ms\t", tail)
    assert restored and first[0] != second[0]
    assert initialised() == 2


def test_a_version_that_is_not_invoked_for_two_weeks_becomes_inactive_until_it_is_called(
    lambda_: Any, function: Callable[..., str], clock: Any
) -> None:
    name = function("def handler(e, c): return 1", Publish=True, **ON)
    clock.settle()
    clock.advance("13d")
    assert invoke(lambda_, name, "1")[0] == 1
    clock.advance("13d")
    assert lambda_.get_function_configuration(FunctionName=name, Qualifier="1")["State"] == "Active"
    clock.advance("2d")
    shown = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (shown["State"], shown["StateReasonCode"]) == ("Inactive", "Idle")
    with pytest.raises(lambda_.exceptions.SnapStartNotReadyException):
        lambda_.invoke(FunctionName=name, Qualifier="1")
    clock.settle()
    assert lambda_.get_function_configuration(FunctionName=name, Qualifier="1")["State"] == "Active"
    assert invoke(lambda_, name, "1")[0] == 1
