"""What the telemetry is told of invocations, whichever way they came: requests and GB-seconds are what AWS bills."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role
from tests.services.lambda_.test_function_urls import open_to_all

QUEUES = {"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], "Resource": "*"}
SOURCE = "import time\ndef handler(event, context): time.sleep(0.03)"
MEMORY_MB = 256


class Billed:
    """A function, the ways to invoke it, and what it cost."""

    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.lambda_, self.sqs, self.clock = client("lambda"), client("sqs"), clock
        self.endpoint = clock.endpoint
        self.role = make_role(client("iam"), "billed", QUEUES)
        self.name = make_function(self.lambda_, self.role, SOURCE, MemorySize=MEMORY_MB)

    def units(self) -> list[dict[str, float]]:
        self.clock.settle()
        self.clock.ground.flush_telemetry()
        records = self.clock.ground.telemetry.recent
        return [record.units for record in records if record.dimensions.get("FunctionName") == self.name and "requests" in record.units]

    def synchronously(self) -> None:
        self.lambda_.invoke(FunctionName=self.name)

    def asynchronously(self) -> None:
        self.lambda_.invoke(FunctionName=self.name, InvocationType="Event")

    def streaming(self) -> None:
        list(self.lambda_.invoke_with_response_stream(FunctionName=self.name)["EventStream"])

    def by_url(self) -> None:
        url = self.lambda_.create_function_url_config(FunctionName=self.name, AuthType="NONE")["FunctionUrl"]
        open_to_all(self.lambda_, self.name)
        urllib.request.urlopen(f"{self.endpoint}/_aws/lambda-url/{url.split('//')[1].split('.')[0]}/", timeout=10).read()

    def from_a_queue(self) -> None:
        url = self.sqs.create_queue(QueueName="billed")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.lambda_.create_event_source_mapping(FunctionName=self.name, EventSourceArn=arn)
        self.sqs.send_message(QueueUrl=url, MessageBody="1")


@pytest.fixture
def billed(client: Callable[..., Any], clock: Any) -> Billed:
    return Billed(client, clock)


@pytest.mark.parametrize("way", ["synchronously", "asynchronously", "streaming", "by_url", "from_a_queue"])
def test_every_way_to_invoke_is_billed_once(billed: Billed, way: str) -> None:
    getattr(billed, way)()
    (units,) = billed.units()
    assert units["requests"] == 1
    assert units["billed_ms"] >= 30
    assert units["billed_ms"] == int(units["billed_ms"])
    assert units["gb_s"] == pytest.approx(units["billed_ms"] / 1000 * MEMORY_MB / 1024)
    assert (units["errors"], units["concurrent"]) == (0, 1)


def test_what_does_not_run_is_not_billed(billed: Billed) -> None:
    billed.lambda_.invoke(FunctionName=billed.name, InvocationType="DryRun")
    billed.lambda_.put_function_concurrency(FunctionName=billed.name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded"):
        billed.synchronously()
    assert billed.units() == []


def test_an_error_is_billed_like_a_result(billed: Billed) -> None:
    billed.lambda_.update_function_configuration(FunctionName=billed.name, Handler="app.missing")
    billed.synchronously()
    (units,) = billed.units()
    assert (units["requests"], units["errors"]) == (1, 1)
    assert units["gb_s"] > 0


def test_concurrent_executions_are_a_metric(billed: Billed, client: Callable[..., Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as three:
        list(three.map(lambda _: billed.synchronously(), range(3)))
    billed.units()
    now_s = billed.clock.ground.clock.now_s()
    found = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="ConcurrentExecutions",
        Dimensions=[{"Name": "FunctionName", "Value": billed.name}],
        StartTime=now_s - 600,
        EndTime=now_s + 600,
        Period=1200,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert max(point["Maximum"] for point in found) == 3


def test_concurrency_is_a_metric_of_the_account_too(billed: Billed, client: Callable[..., Any]) -> None:
    billed.synchronously()
    billed.lambda_.put_function_concurrency(FunctionName=billed.name, ReservedConcurrentExecutions=5)
    billed.synchronously()
    billed.units()
    now_s = billed.clock.ground.clock.now_s()
    found = {}
    for name in ("Invocations", "ConcurrentExecutions", "UnreservedConcurrentExecutions"):
        points = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=name,
            StartTime=now_s - 600,
            EndTime=now_s + 600,
            Period=1200,
            Statistics=["Sum", "Maximum", "Minimum"],
        )["Datapoints"]
        found[name] = (
            sum(point["Sum"] for point in points),
            max(point["Maximum"] for point in points),
            min(point["Minimum"] for point in points),
        )
    assert found == {
        "Invocations": (2.0, 1.0, 1.0),
        "ConcurrentExecutions": (2.0, 1.0, 1.0),
        "UnreservedConcurrentExecutions": (1.0, 1.0, 0.0),
    }
