"""Provisioned concurrency: sandboxes that are there before the first call."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_.concurrency import ACCOUNT_CONCURRENCY, Gate
from groundcloud.services.lambda_.state import Function

KIND = "import os, time\ndef handler(event, context):\n time.sleep(0.2)\n return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']"


def invoke(lambda_: Any, name: str, qualifier: str = "1") -> tuple[str, bool]:
    """The kind of its initialisation, and whether the sandbox was started for the call."""
    response = lambda_.invoke(FunctionName=name, Qualifier=qualifier, LogType="Tail")
    return json.loads(response["Payload"].read()), b"Init Duration" in base64.b64decode(response["LogResult"])


@pytest.fixture
def published(function: Callable[..., str], lambda_: Any) -> str:
    name = function(KIND)
    lambda_.publish_version(FunctionName=name)
    return name


def test_provisioned_sandboxes_wait_for_their_calls(published: str, lambda_: Any, clock: Any) -> None:
    put = lambda_.put_provisioned_concurrency_config(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=3)
    assert (put["Status"], put["AvailableProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 0)
    clock.settle()
    shown = lambda_.get_provisioned_concurrency_config(FunctionName=published, Qualifier="1")
    assert (shown["Status"], shown["AvailableProvisionedConcurrentExecutions"]) == ("READY", 3)
    with ThreadPoolExecutor(3) as three:
        results = list(three.map(lambda _: invoke(lambda_, published)[0], range(3)))
    assert results == ["provisioned-concurrency"] * 3


def test_an_alias_takes_its_provisioned_concurrency_to_the_version_it_is_moved_to(published: str, lambda_: Any, clock: Any) -> None:
    lambda_.create_alias(FunctionName=published, Name="live", FunctionVersion="1")
    lambda_.put_provisioned_concurrency_config(FunctionName=published, Qualifier="live", ProvisionedConcurrentExecutions=1)
    clock.settle()
    assert invoke(lambda_, published, "live")[0] == "provisioned-concurrency"
    lambda_.update_function_configuration(FunctionName=published, Description="second")
    lambda_.publish_version(FunctionName=published)
    lambda_.update_alias(FunctionName=published, Name="live", FunctionVersion="2")
    clock.settle()
    assert invoke(lambda_, published, "live")[0] == "provisioned-concurrency"


def test_a_configuration_is_listed_and_removed(published: str, lambda_: Any, account: str) -> None:
    lambda_.put_provisioned_concurrency_config(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=1)
    (listed,) = lambda_.list_provisioned_concurrency_configs(FunctionName=published)["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:{published}:1"
    lambda_.delete_provisioned_concurrency_config(FunctionName=published, Qualifier="1")
    with pytest.raises(ClientError, match="No Provisioned Concurrency Config found for this function"):
        lambda_.get_provisioned_concurrency_config(FunctionName=published, Qualifier="1")


def test_a_function_that_does_not_initialise_fails_its_provisioning(function: Callable[..., str], lambda_: Any, clock: Any) -> None:
    name = function("raise ValueError('no')")
    lambda_.publish_version(FunctionName=name)
    lambda_.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2)
    clock.settle()
    shown = lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert (shown["Status"], shown["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")


def test_what_cannot_be_provisioned_is_refused(published: str, lambda_: Any) -> None:
    for qualifier, wanted, sentence in (
        ("$LATEST", 1, "cannot be applied to unpublished function versions"),
        ("1", 901, "unreserved concurrency"),
    ):
        with pytest.raises(ClientError, match=sentence):
            lambda_.put_provisioned_concurrency_config(FunctionName=published, Qualifier=qualifier, ProvisionedConcurrentExecutions=wanted)


def test_a_streamed_answer_comes_in_pieces_and_is_completed(function: Callable[..., str], lambda_: Any) -> None:
    name = function("def handler(event, context): return {'sum': 1 / event['n']}")
    good = list(lambda_.invoke_with_response_stream(FunctionName=name, Payload=b'{"n": 2}', LogType="Tail")["EventStream"])
    assert good[0] == {"PayloadChunk": {"Payload": b'{"sum": 0.5}'}}
    assert base64.b64decode(good[1]["InvokeComplete"]["LogResult"]).startswith(b"START RequestId: ")
    (bad,) = lambda_.invoke_with_response_stream(FunctionName=name, Payload=b'{"n": 0}')["EventStream"]
    assert bad["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(bad["InvokeComplete"]["ErrorDetails"])["errorType"] == "ZeroDivisionError"


def test_what_is_provisioned_is_for_its_version_alone(published: str, lambda_: Any, clock: Any) -> None:
    lambda_.put_function_concurrency(FunctionName=published, ReservedConcurrentExecutions=2)
    lambda_.put_provisioned_concurrency_config(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=2)
    clock.settle()
    with pytest.raises(lambda_.exceptions.TooManyRequestsException) as refused:
        invoke(lambda_, published, "$LATEST")
    response: Any = refused.value.response
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert invoke(lambda_, published, "1")[0] == "provisioned-concurrency"
    lambda_.delete_provisioned_concurrency_config(FunctionName=published, Qualifier="1")
    clock.settle()
    assert invoke(lambda_, published, "$LATEST")[0] == "on-demand"


def test_what_all_versions_have_provisioned_is_of_what_is_reserved(published: str, lambda_: Any) -> None:
    lambda_.update_function_configuration(FunctionName=published, Description="second")
    lambda_.publish_version(FunctionName=published)
    lambda_.put_function_concurrency(FunctionName=published, ReservedConcurrentExecutions=3)
    put = lambda_.put_provisioned_concurrency_config
    put(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=2)
    with pytest.raises(ClientError, match="should not be greater than the reservedConcurrentExecution"):
        put(FunctionName=published, Qualifier="2", ProvisionedConcurrentExecutions=2)
    put(FunctionName=published, Qualifier="2", ProvisionedConcurrentExecutions=1)
    put(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=1)  # its own is not counted twice


def test_beyond_what_is_provisioned_a_version_takes_what_is_left() -> None:
    gate, function = Gate({"f": 3}), Function(function_name="f", created_ms=0, reserved_concurrency=3)
    gate.provision("f", "live", "1", 1)
    assert [gate.enter(function, "1")[3:], gate.enter(function, "1")[3:]] == [(1, 1), (2, 1)]
    gate.enter(function, "2")
    for version in ("1", "2"):
        with pytest.raises(AwsError, match="Rate Exceeded"):
            gate.enter(function, version)
    gate.leave(function, "1")
    gate.leave(function, "1")
    gate.enter(function, "2")
    with pytest.raises(AwsError, match="Rate Exceeded"):
        gate.enter(function, "2")  # the third is provisioned for version 1
    gate.enter(function, "1")


def test_the_account_holds_what_functions_without_reservation_have_provisioned() -> None:
    gate = Gate({"reserved": 100})
    warm, other = (Function(function_name=name, created_ms=0) for name in ("warm", "other"))
    gate.provision("warm", "1", "1", ACCOUNT_CONCURRENCY - 101)
    gate.provision("reserved", "1", "1", 100)
    gate.enter(other, "1")
    with pytest.raises(AwsError, match="Rate Exceeded"):
        gate.enter(other, "1")
    gate.enter(warm, "1")
    gate.provision("warm", "1", "", 0)
    gate.enter(other, "1")


def test_metrics_tell_what_ran_beyond_what_is_provisioned(published: str, lambda_: Any, client: Callable[..., Any], clock: Any) -> None:
    lambda_.put_provisioned_concurrency_config(FunctionName=published, Qualifier="1", ProvisionedConcurrentExecutions=1)
    clock.settle()
    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(lambda _: invoke(lambda_, published)[0], range(2))) == ["on-demand", "provisioned-concurrency"]
    clock.advance("1m")
    of = [{"Name": "FunctionName", "Value": published}, {"Name": "Resource", "Value": f"{published}:1"}]
    now_s = clock.ground.clock.now_s()
    seen = {}
    for name in ("Invocations", "SpilloverInvocations", "Utilization"):
        (point,) = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=f"ProvisionedConcurrency{name}",
            Dimensions=of,
            StartTime=now_s - 3600,
            EndTime=now_s + 3600,
            Period=7200,
            Statistics=["Sum", "Maximum"],
        )["Datapoints"]
        seen[name] = point["Maximum"] if name == "Utilization" else point["Sum"]
    assert seen == {"Invocations": 1.0, "SpilloverInvocations": 1.0, "Utilization": 1.0}
