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


def metric(query_id, stat="Sum", period=60, **options):
    found = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": period, "Stat": stat}
    return {"Id": query_id, "MetricStat": found, **options}


def data(cloudwatch, start, end, *queries, **options):
    return cloudwatch.get_metric_data(StartTime=at(start), EndTime=at(end), MetricDataQueries=list(queries), **options)


def test_values_with_counts_and_statistic_sets(cloudwatch, minute):
    put(cloudwatch, {"Timestamp": at(minute), "Values": [1.0, 5.0], "Counts": [9.0, 1.0], "Unit": "Count"})
    names = {"ExtendedStatistics": ["p50", "p100", "tm90"], "Unit": "Count"}
    point = statistics(cloudwatch, minute, minute + 60, "Sum", **names)[0]
    assert (point["Sum"], point["ExtendedStatistics"]) == (14.0, {"p50": 1.0, "p100": 5.0, "tm90": 1.0})
    sets = {"SampleCount": 4.0, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0}
    put(cloudwatch, {"Timestamp": at(minute + 60), "StatisticValues": sets})
    point = statistics(cloudwatch, minute + 60, minute + 120, "Average", ExtendedStatistics=["p50"])[0]
    assert (point["Average"], point["Unit"], point.get("ExtendedStatistics", {})) == (2.5, "None", {})


def test_dimensions_make_metrics_of_their_own(cloudwatch, minute):
    pairs = [{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}]
    put(cloudwatch, {"Timestamp": at(minute), "Value": 1, "Dimensions": pairs}, {"Timestamp": at(minute), "Value": 5})
    assert statistics(cloudwatch, minute, minute + 60, "Sum", Dimensions=pairs[::-1])[0]["Sum"] == 1.0
    assert statistics(cloudwatch, minute, minute + 60, "Sum")[0]["Sum"] == 5.0
    found = cloudwatch.list_metrics(Namespace="n", Dimensions=[{"Name": "a"}])["Metrics"]
    assert found == [{"Namespace": "n", "MetricName": "m", "Dimensions": pairs[::-1]}]
    assert cloudwatch.list_metrics(Namespace="n", Dimensions=[{"Name": "a", "Value": "x"}])["Metrics"] == []
    assert len(cloudwatch.list_metrics()["Metrics"]) == 2


def test_metrics_are_listed_page_by_page_while_they_are_active(cloudwatch, clock):
    for begin in range(0, 600, 300):
        cloudwatch.put_metric_data(Namespace="n", MetricData=[{"MetricName": f"m{n:03d}", "Value": 1} for n in range(begin, begin + 300)])
    pages = [page["Metrics"] for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace="n")]
    assert [len(page) for page in pages] == [500, 100]
    assert len({metric["MetricName"] for page in pages for metric in page}) == 600
    clock.advance("4h")
    put(cloudwatch, {"Value": 1})
    assert [metric["MetricName"] for metric in cloudwatch.list_metrics(RecentlyActive="PT3H")["Metrics"]] == ["m"]


def test_seconds_are_kept_where_the_resolution_asks_for_them(cloudwatch, minute):
    put(cloudwatch, *[{"Timestamp": at(minute + n), "Value": 1, "StorageResolution": 1} for n in range(20)])
    assert [point["Sum"] for point in statistics(cloudwatch, minute, minute + 60, "Sum", period=10)] == [10.0, 10.0]
    assert [point["Sum"] for point in statistics(cloudwatch, minute, minute + 60, "Sum")] == [20.0]


def test_queries_and_expressions_answer_together(cloudwatch, minute):
    put(cloudwatch, *[{"Timestamp": at(minute + 60 * n), "Value": n + 1} for n in range(4)])
    double = {"Id": "e1", "Expression": "m1 * 2", "Label": "twice ${MAX}"}
    answer = data(
        cloudwatch, minute, minute + 240, metric("m1", ReturnData=False), double, metric("m2", "Average", 120), ScanBy="TimestampAscending"
    )
    first, second = answer["MetricDataResults"]
    assert (first["Id"], first["Label"], first["Values"], first["StatusCode"]) == ("e1", "twice 8", [2.0, 4.0, 6.0, 8.0], "Complete")
    assert (second["Id"], second["Label"], second["Values"]) == ("m2", "m", [1.5, 3.5])
    assert first["Timestamps"] == [at(minute + 60 * n) for n in range(4)]
    assert data(cloudwatch, minute, minute + 240, metric("m1"))["MetricDataResults"][0]["Values"] == [4.0, 3.0, 2.0, 1.0]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        StartTime=at(minute), EndTime=at(minute + 240), MetricDataQueries=[metric("a1"), metric("b1")], MaxDatapoints=3
    )
    values = [(result["Id"], value) for page in pages for result in page["MetricDataResults"] for value in result["Values"]]
    assert values == [(name, value) for name in ("a1", "b1") for value in (4.0, 3.0, 2.0, 1.0)]


def test_what_puts_refuse(cloudwatch, clock):
    def refused(code, **datum):
        return fails(code, cloudwatch.put_metric_data, Namespace="n", MetricData=[{"MetricName": "m", **datum}])

    now = clock.now_s()
    assert "two weeks in the past" in refused("InvalidParameterValue", Value=1, Timestamp=at(now - 15 * 86_400))
    assert "two hours in the future" in refused("InvalidParameterValue", Value=1, Timestamp=at(now + 3 * 3600))
    assert refused("MissingParameter") == "The parameter MetricData.member.1.Value is required."
    assert refused("InvalidParameterValue", Values=[1.0, 2.0], Counts=[1.0]) == (
        "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."
    )
    assert refused("InvalidParameterCombination", Value=1, Values=[1.0]) == (
        "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both."
    )
    assert "size greater than 150" in refused("InvalidParameterValue", Values=[1.0] * 151)
    assert refused("InvalidParameterValue", Value=float("nan")).endswith("for parameter MetricData.member.1.Value is invalid.")
    assert "StorageResolution" in refused("InvalidParameterValue", Value=1, StorageResolution=5)
    assert fails("InvalidParameterValue", cloudwatch.put_metric_data, Namespace="AWS/X", MetricData=[{"MetricName": "m", "Value": 1}]) == (
        "The value AWS/ for parameter Namespace is invalid."
    )


def test_what_reads_refuse(cloudwatch, minute):
    base = {"Namespace": "n", "MetricName": "m", "StartTime": at(minute), "EndTime": at(minute + 60 * 1441), "Period": 60}
    assert fails("InvalidParameterCombination", cloudwatch.get_metric_statistics, **base, Statistics=["Sum"]) == (
        "You have requested up to 1,441 datapoints, which exceeds the limit of 1,440. "
        "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
    )

    def refused(*queries):
        return fails(
            "ValidationError", cloudwatch.get_metric_data, StartTime=at(minute), EndTime=at(minute + 60), MetricDataQueries=list(queries)
        )

    assert "not matching the expected pattern [a-z][a-zA-Z0-9_]*" in refused(metric("M1"))
    assert "not unique" in refused(metric("m1"), metric("m1"))
    assert refused({"Id": "e1", "Expression": "m9 + 1"}) == "Error in expression 'e1': Undefined variable 'm9'"
    assert refused({"Id": "e1", "Expression": "e2"}, {"Id": "e2", "Expression": "e1"}) == "Error in expression 'e1': Circular reference"
    assert "must return a time series" in refused({"Id": "e1", "Expression": "1 + 1"})
    assert "median" in refused(metric("m1", "median"))
    assert (
        fails("InvalidParameterValue", cloudwatch.get_metric_statistics, **{**base, "EndTime": at(minute)}, Statistics=["Sum"])
        == "The parameter StartTime must be less than the parameter EndTime."
    )


@pytest.mark.slow
def test_old_minutes_are_merged_and_nothing_is_lost(cloudwatch, clock, minute):
    put(cloudwatch, *[{"Timestamp": at(minute + 60 * n), "Value": 1} for n in range(10)])
    clock.advance("16d")
    assert statistics(cloudwatch, minute, minute + 600, "Sum", period=60) == []
    start = minute - minute % 300
    assert sum(point["Sum"] for point in statistics(cloudwatch, start, start + 900, "Sum", period=300)) == 10.0


def test_dashboards_are_kept_as_they_are(cloudwatch, account):
    body = '{"widgets": []}'
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)
    found = cloudwatch.get_dashboard(DashboardName="d")
    assert (found["DashboardBody"], found["DashboardArn"]) == (body, f"arn:aws:cloudwatch::{account}:dashboard/d")
    assert [(entry["DashboardName"], entry["Size"]) for entry in cloudwatch.list_dashboards()["DashboardEntries"]] == [("d", 15)]
    assert fails("InvalidParameterInput", cloudwatch.put_dashboard, DashboardName="d", DashboardBody="{") == (
        "The field DashboardBody must be a valid JSON object"
    )
    cloudwatch.delete_dashboards(DashboardNames=["d"])
    assert fails("ResourceNotFound", cloudwatch.get_dashboard, DashboardName="d") == "Dashboard d does not exist"


def test_what_is_not_there_is_refused_by_name(cloudwatch):
    assert "PutMetricStream" in fails(
        "NotImplementedException", cloudwatch.put_metric_stream, Name="s", FirehoseArn="f", RoleArn="r", OutputFormat="json"
    )


def test_metric_filters_of_logs_put_metrics(client, cloudwatch, clock):
    logs = client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    transformation = {"metricName": "m", "metricNamespace": "n", "metricValue": "$.ms"}
    logs.put_metric_filter(logGroupName="g", filterName="f", filterPattern="{ $.ms > 1 }", metricTransformations=[transformation])
    now = int(clock.now_s())
    lines = ['{"ms": 5}', '{"ms": 7}', '{"ms": 1}', "no"]
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now * 1000, "message": line} for line in lines])
    clock.settle()
    point = statistics(cloudwatch, now - now % 60, now - now % 60 + 60, "Sum", "SampleCount")[0]
    assert (point["Sum"], point["SampleCount"]) == (12.0, 2.0)
