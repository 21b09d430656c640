"""Event source mappings: provisioned pollers, and the metrics that a mapping may have of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.test_event_source_mappings import Line
from tests.services.lambda_.test_stream_mappings import Stream

HOUR_S = 3600


@pytest.fixture
def line(client: Callable[..., Any], clock: Any) -> Any:
    made = Line(client, clock)
    yield made
    if made.mapping_id:
        made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


@pytest.fixture
def stream(client: Callable[..., Any], clock: Any) -> Any:
    made = Stream(client, clock)
    yield made
    made.lambda_.delete_event_source_mapping(UUID=made.mapping_id)


def sums(client: Callable[..., Any], clock: Any, mapping_id: str) -> dict[str, float]:
    """Every metric of the mapping over the last hour."""
    clock.settle()
    cloudwatch = client("cloudwatch")
    dimensions = [{"Name": "EventSourceMappingUUID", "Value": mapping_id}]
    now_s = clock.now_s() // 60 * 60
    found = {}
    for metric in cloudwatch.list_metrics(Namespace="AWS/Lambda", Dimensions=dimensions)["Metrics"]:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric["MetricName"],
            Dimensions=dimensions,
            StartTime=now_s - HOUR_S,
            EndTime=now_s + HOUR_S,
            Period=2 * HOUR_S,
            Statistics=["Sum"],
        )["Datapoints"]
        found[metric["MetricName"]] = sum(point["Sum"] for point in points)
    return found


def test_a_mapping_counts_its_events_where_that_is_wanted(line: Line, client: Callable[..., Any], clock: Any) -> None:
    criteria = {"Filters": [{"Pattern": '{"body": [{"prefix": "b"}, {"prefix": "g"}]}'}]}
    line.connect(partial=True, MetricsConfig={"Metrics": ["EventCount"]}, FilterCriteria=criteria)
    assert line.mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}
    for body in ("bad", "good", "other"):
        line.send(body)
    assert line.bodies() == ["bad", "good"]
    assert sums(client, clock, line.mapping_id) == {
        "PolledEventCount": 3.0,
        "FilteredOutEventCount": 1.0,
        "InvokedEventCount": 2.0,
        "FailedInvokeEventCount": 1.0,
        "DeletedEventCount": 1.0,
    }
    changed = line.lambda_.update_event_source_mapping(UUID=line.mapping_id, MetricsConfig={})
    assert "MetricsConfig" not in changed


def test_a_mapping_counts_nothing_unless_it_is_asked_to(line: Line, client: Callable[..., Any], clock: Any) -> None:
    line.connect()
    line.send("good")
    assert line.bodies() == ["good"]
    assert sums(client, clock, line.mapping_id) == {}


def test_a_stream_counts_what_it_drops_and_how_old_its_records_are(stream: Stream, client: Callable[..., Any], clock: Any) -> None:
    stream.connect(MaximumRetryAttempts=1, MetricsConfig={"Metrics": ["EventCount"]})
    stream.put("good")
    assert stream.seen() == [["good"]]
    stream.put("bad")
    clock.settle()
    clock.advance("1m")
    assert stream.seen() == [["bad"], ["bad"]]
    assert sums(client, clock, stream.mapping_id) == {
        "PolledEventCount": 2.0,
        "InvokedEventCount": 3.0,
        "FailedInvokeEventCount": 2.0,
        "DroppedEventCount": 1.0,
    }
    dimensions = [{"Name": "FunctionName", "Value": stream.name}]
    assert client("cloudwatch").list_metrics(Namespace="AWS/Lambda", MetricName="IteratorAge", Dimensions=dimensions)["Metrics"]


def test_provisioned_pollers_read_side_by_side(line: Line, client: Callable[..., Any], clock: Any) -> None:
    line.connect(ProvisionedPollerConfig={"MinimumPollers": 3})
    assert line.mapping["ProvisionedPollerConfig"] == {"MinimumPollers": 3, "MaximumPollers": 200}
    for number in range(8):
        line.send(f"good {number}")
    assert len(line.bodies()) == 8
    assert sums(client, clock, line.mapping_id)["ProvisionedPollers"] == 3.0
    changed = line.lambda_.update_event_source_mapping(UUID=line.mapping_id, ProvisionedPollerConfig={})
    assert "ProvisionedPollerConfig" not in changed
    line.send("good at last")
    assert line.bodies() == ["good at last"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 1}},
            "MinimumPollers and MaximumPollers must be at least 2 for Amazon SQS event sources.",
        ),
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 5, "MaximumPollers": 4}},
            "MinimumPollers must be less than or equal to MaximumPollers.",
        ),
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 2}, "ScalingConfig": {"MaximumConcurrency": 2}},
            "ProvisionedPollerConfig cannot be used together with ScalingConfig MaximumConcurrency.",
        ),
        ({"MetricsConfig": {"Metrics": ["KafkaMetrics"]}}, "Unsupported metrics for event source mappings of sqs: KafkaMetrics."),
        ({"LoggingConfig": {"SystemLogLevel": "INFO"}}, "Groundcloud does not support LoggingConfig for event source mappings of sqs."),
    ],
)
def test_options_that_cannot_be_are_refused(line: Line, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        line.connect(**options)
    assert caught.value.response["Error"] == {"Code": "InvalidParameterValueException", "Message": message}


@pytest.mark.parametrize(
    ("source", "service"),
    [
        ("arn:aws:kafka:us-east-1:000000000000:cluster/c/11111111-2222-3333-4444-555555555555-1", "kafka"),
        ("arn:aws:mq:us-east-1:000000000000:broker:b:b-1", "mq"),
        ("arn:aws:rds:us-east-1:000000000000:cluster:documents", "rds"),
    ],
)
def test_sources_that_are_not_implemented_are_refused_by_name(line: Line, source: str, service: str) -> None:
    line.connect()
    with pytest.raises(ClientError) as caught:
        line.lambda_.create_event_source_mapping(FunctionName=line.name, EventSourceArn=source)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert f"Groundcloud does not implement event source mappings of {service} yet" in caught.value.response["Error"]["Message"]
