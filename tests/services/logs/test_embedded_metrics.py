"""The embedded metric format: from a log event to a metric."""

import json

import pytest

from groundcloud.services.logs import embedded_metrics

METADATA = {
    "Namespace": "shop",
    "Dimensions": [["service"], []],
    "Metrics": [{"Name": "orders", "Unit": "Count"}, {"Name": "ms", "StorageResolution": 1}],
}


def message(**members):
    return json.dumps({"_aws": {"Timestamp": 1_700_000_000_000, "CloudWatchMetrics": [METADATA]}, "service": "checkout", **members})


def test_each_set_of_dimensions_has_each_metric():
    found = embedded_metrics.found_in([(5, message(orders=3, ms=[1.5, 2]))])
    where = [{"Name": "service", "Value": "checkout"}]
    orders = {"MetricName": "orders", "Timestamp": 1_700_000_000.0, "Values": [3.0], "Unit": "Count"}
    times = {"MetricName": "ms", "Timestamp": 1_700_000_000.0, "Values": [1.5, 2.0], "Unit": "None", "StorageResolution": 1}
    assert found == {"shop": [{**orders, "Dimensions": where}, {**times, "Dimensions": where}, orders, times]}


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        'text with "_aws" in it',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "n"}]}}',
        '{"_aws": {"CloudWatchMetrics": "none"}, "orders": 1}',
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}}',
        message(),
        message(orders="three", ms=True),
        message(orders=[], ms=[1] * 101),
    ],
)
def test_what_breaks_the_format_is_a_log_event_and_no_more(text):
    assert embedded_metrics.found_in([(5, text)]) == {}


def test_a_set_that_names_an_absent_member_is_left_out():
    broken = json.dumps({"_aws": {"CloudWatchMetrics": [{**METADATA, "Dimensions": [["nobody"]]}]}, "orders": 1})
    assert embedded_metrics.found_in([(5, broken)]) == {}


def test_an_event_becomes_a_metric(client, clock):
    logs, cloudwatch = client("logs"), client("cloudwatch")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    now_ms = int(clock.now_s() * 1000)
    text = json.dumps({"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [METADATA]}, "service": "checkout", "orders": 3})
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now_ms, "message": text}] * 2)
    clock.settle()
    statistics = cloudwatch.get_metric_statistics(
        Namespace="shop",
        MetricName="orders",
        Dimensions=[{"Name": "service", "Value": "checkout"}],
        StartTime=now_ms / 1000 - 300,
        EndTime=now_ms / 1000 + 300,
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )
    assert [(point["Sum"], point["SampleCount"]) for point in statistics["Datapoints"]] == [(6.0, 2.0)]
