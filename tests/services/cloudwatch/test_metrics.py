"""Metrics put and read, as boto3 sees them."""

import datetime

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


@pytest.fixture
def minute(clock):
    """The beginning of the minute an hour ago."""
    return int(clock.now_s()) // 60 * 60 - 3600


def at(second):
    return datetime.datetime.fromtimestamp(second, datetime.UTC)


def put(cloudwatch, *data, namespace="n"):
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", **datum} for datum in data])


def fails(code, function, **arguments):
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def statistics(cloudwatch, start, end, *names, period=60, **options):
    return cloudwatch.get_metric_statistics(
        Namespace="n", MetricName="m", StartTime=at(start), EndTime=at(end), Period=period, Statistics=list(names), **options
    )["Datapoints"]


def test_values_become_statistics(cloudwatch, minute):
    put(
        cloudwatch,
        *[{"Timestamp": at(minute + second), "Value": float(second)} for second in (1, 2, 3)],
        {"Timestamp": at(minute + 61), "Value": 9},
    )
    points = statistics(cloudwatch, minute, minute + 120, "Sum", "Average", "Minimum", "Maximum", "SampleCount")
    assert points == [
        {"Timestamp": at(minute), "Unit": "None", "Sum": 6.0, "Average": 2.0, "Minimum": 1.0, "Maximum": 3.0, "SampleCount": 3.0},
        {"Timestamp": at(minute + 60), "Unit": "None", "Sum": 9.0, "Average": 9.0, "Minimum": 9.0, "Maximum": 9.0, "SampleCount": 1.0},
    ]
    assert [(point["Timestamp"], point["Sum"]) for point in statistics(cloudwatch, minute, minute + 120, "Sum", period=120)] == [
        (at(minute), 15.0)
    ]
