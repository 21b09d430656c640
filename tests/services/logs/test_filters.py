"""Metric filters, subscription filters, live tail, deliveries into groups."""

import base64
import gzip
import json
import threading

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from groundcloud.auth.principals import Principal
from groundcloud.services.logs import pipeline
from groundcloud.services.logs.state import MetricFilter


@pytest.fixture
def logs(client):
    found = client("logs", config=Config(inject_host_prefix=False))
    found.create_log_group(logGroupName="g")
    found.create_log_stream(logGroupName="g", logStreamName="s")
    return found


def put(logs, clock, *messages):
    now_ms = int(clock.now_s() * 1000)
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now_ms, "message": text} for text in messages])


def fails(code, function, **arguments):
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def transformation(**options):
    return [{"metricName": "m", "metricNamespace": "n", "metricValue": "1", **options}]


def test_metric_filters_are_kept_found_and_deleted(logs):
    for name in ("f1", "f2", "f3"):
        logs.put_metric_filter(logGroupName="g", filterName=name, filterPattern="ERROR", metricTransformations=transformation())
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 3
    pages = logs.get_paginator("describe_metric_filters").paginate(logGroupName="g", PaginationConfig={"PageSize": 2})
    assert [one["filterName"] for page in pages for one in page["metricFilters"]] == ["f1", "f2", "f3"]
    found = logs.describe_metric_filters(metricName="m", metricNamespace="n", filterNamePrefix="f2")["metricFilters"]
    assert [(one["logGroupName"], one["filterPattern"], one["metricTransformations"]) for one in found] == [
        ("g", "ERROR", transformation())
    ]
    logs.delete_metric_filter(logGroupName="g", filterName="f1")
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 2
    assert fails("ResourceNotFoundException", logs.delete_metric_filter, logGroupName="g", filterName="f1") == (
        "The specified metric filter does not exist."
    )


def test_what_metric_filters_refuse(logs):
    def refused(pattern="ERROR", **options):
        return fails(
            "InvalidParameterException",
            logs.put_metric_filter,
            logGroupName="g",
            filterName="f",
            filterPattern=pattern,
            metricTransformations=transformation(**options),
        )

    assert refused("{ $.a") == "If a filter pattern starts with '{' it must end with '}'"
    assert "'$.a'" in refused(metricValue="$.a")
    assert "'x'" in refused(metricValue="x")
    assert refused(dimensions={"a": "$.a"}) == "The specified filter pattern does not support dimensions"
    assert "mutually exclusive" in refused("{ $.a = * }", dimensions={"a": "$.a"}, defaultValue=0.0)


def test_a_pattern_is_tried_on_messages(logs):
    answer = logs.test_metric_filter(filterPattern="[w1 = ERROR, w2]", logEventMessages=["ERROR one", "INFO two", "ERROR three"])
    assert answer["matches"] == [
        {"eventNumber": 1, "eventMessage": "ERROR one", "extractedValues": {"$w1": "ERROR", "$w2": "one"}},
        {"eventNumber": 3, "eventMessage": "ERROR three", "extractedValues": {"$w1": "ERROR", "$w2": "three"}},
    ]


def test_matches_become_values_by_minute_and_dimensions():
    one = MetricFilter(group_number=1, filter_name="f", pattern="{ $.ms > 0 }", transformations=[], created_ms=0)
    events = [
        (60_000, '{"ms": 5, "r": "eu"}'),
        (60_001, '{"ms": 5, "r": "eu"}'),
        (60_002, '{"ms": 7, "r": "us"}'),
        (60_003, "no"),
        (120_000, '{"ms": 9}'),
    ]
    found = pipeline.points(one, {"metricName": "m", "metricValue": "$.ms", "dimensions": {"R": "$.r"}, "unit": "Milliseconds"}, events)
    assert found == [
        {
            "MetricName": "m",
            "Timestamp": 60.0,
            "Values": [5.0],
            "Counts": [2.0],
            "Dimensions": [{"Name": "R", "Value": "eu"}],
            "Unit": "Milliseconds",
        },
        {
            "MetricName": "m",
            "Timestamp": 60.0,
            "Values": [7.0],
            "Counts": [1.0],
            "Dimensions": [{"Name": "R", "Value": "us"}],
            "Unit": "Milliseconds",
        },
        {"MetricName": "m", "Timestamp": 120.0, "Values": [9.0], "Counts": [1.0], "Unit": "Milliseconds"},
    ]
    counted = pipeline.points(one, {"metricName": "m", "metricValue": "1", "defaultValue": 0.0}, events)
    assert [(datum["Timestamp"], datum["Values"], datum["Counts"]) for datum in counted] == [
        (60.0, [1.0, 0.0], [3.0, 1.0]),
        (120.0, [1.0], [1.0]),
    ]


def test_a_subscription_delivers_what_matches_packed(ground, logs, clock, account, monkeypatch):
    delivered = []
    from groundcloud.kernel.call import Call
    from groundcloud.services.logs.state import GROUPS, SUBSCRIPTIONS, Subscription

    monkeypatch.setattr(Call, "deliver", lambda self, target, payload, **options: delivered.append((target, payload, options)))
    target = f"arn:aws:lambda:us-east-1:{account}:function:f"
    with ground.ground.store.transaction(account, "us-east-1") as tx:
        group = GROUPS.get(tx, "g")
        GROUPS.put(tx, group.replace(subscriptions=1))
        SUBSCRIPTIONS.put(
            tx,
            Subscription(
                group_number=group.group_number,
                filter_name="f",
                pattern="ERROR",
                destination_arn=target,
                role_arn="",
                distribution="ByLogStream",
                created_ms=0,
            ),
        )
    put(logs, clock, "ERROR 1", "INFO", "ERROR 2")
    assert logs.describe_subscription_filters(logGroupName="g")["subscriptionFilters"][0]["destinationArn"] == target
    (where, payload, options) = delivered[0]
    batch = json.loads(gzip.decompress(base64.b64decode(json.loads(payload)["awslogs"]["data"])))
    assert where == target
    assert options == {"principal": "logs.amazonaws.com", "source_arn": f"arn:aws:logs:us-east-1:{account}:log-group:g:*"}
    assert (batch["messageType"], batch["owner"], batch["logGroup"], batch["logStream"]) == ("DATA_MESSAGE", account, "g", "s")
    assert batch["subscriptionFilters"] == ["f"]
    assert [event["message"] for event in batch["logEvents"]] == ["ERROR 1", "ERROR 2"]
    logs.delete_subscription_filter(logGroupName="g", filterName="f")
    put(logs, clock, "ERROR 3")
    assert len(delivered) == 1


def test_what_subscriptions_refuse(logs, account):
    def refused(code, destination, pattern=""):
        return fails(
            code, logs.put_subscription_filter, logGroupName="g", filterName="f", filterPattern=pattern, destinationArn=destination
        )

    assert "firehose" in refused("NotImplementedException", f"arn:aws:firehose:us-east-1:{account}:deliverystream/s")
    assert "without roleArn" in refused("InvalidParameterException", f"arn:aws:kinesis:us-east-1:{account}:stream/s")
    assert refused("InvalidParameterException", f"arn:aws:lambda:us-east-1:{account}:function:none").startswith(
        "Could not execute the lambda function."
    )
    assert refused("InvalidParameterException", f"arn:aws:lambda:us-east-1:{account}:function:none", "[a") == (
        "If a filter pattern starts with '[' it must end with ']'"
    )


def test_a_live_tail_sees_what_arrives(logs, clock, account):
    put(logs, clock, "before")
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:g"
    stream = logs.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="?ERROR ?WARN")["responseStream"]
    seen = []
    events = iter(stream)
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == [arn]
    writer = threading.Timer(0.05, put, (logs, clock, "ERROR one", "INFO two", "WARN three"))
    writer.start()
    for event in events:
        seen += event["sessionUpdate"]["sessionResults"]
        if len(seen) >= 2:
            break
    stream.close()
    writer.join()
    assert [result["message"] for result in seen] == ["ERROR one", "WARN three"]
    assert (seen[0]["logStreamName"], seen[0]["logGroupIdentifier"]) == ("s", f"{account}:g")
    assert fails("ResourceNotFoundException", logs.start_live_tail, logGroupIdentifiers=[arn + "x"]) == (
        "The specified log group does not exist."
    )
    assert fails("InvalidParameterException", logs.start_live_tail, logGroupIdentifiers=[arn], logEventFilterPattern='""') == (
        "Invalid filter pattern: Invalid character(s) in term '\"\"'"
    )


def test_a_delivery_becomes_an_event_where_a_policy_lets_it(ground, logs, clock, account):
    server = ground.ground
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:g"

    def send():
        call = server.background_call("logs", "test", account, "us-east-1", Principal("service", "events.amazonaws.com", account))
        with call.transaction():
            call.deliver(arn, '{"hello": 1}', principal="events.amazonaws.com", max_attempts=1)
        server.timers.poke()

    on_loop(server, send)
    clock.settle()
    assert logs.filter_log_events(logGroupName="g")["events"] == []
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": arn + ":*",
    }
    logs.put_resource_policy(policyName="p", policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    on_loop(server, send)
    clock.settle()
    assert [event["message"] for event in logs.filter_log_events(logGroupName="g")["events"]] == ['{"hello": 1}']


def on_loop(server, function):
    """Runs a function on the server's own thread."""
    done = threading.Event()
    server.timers._loop_task.get_loop().call_soon_threadsafe(lambda: (function(), done.set()))
    assert done.wait(5)
