"""AWS/Events: what CloudWatch shows of rules."""

from __future__ import annotations

import pytest


@pytest.fixture
def total(client, clock):
    """`total("Invocations", RuleName="r")`: the sum of the last minutes."""

    def read(metric, **dimensions):
        clock.settle()
        now = int(clock.now_s())
        points = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - 600,
            EndTime=now + 60,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    return read


def test_an_event_that_is_delivered_is_counted(rule, put, queue, arrived, total):
    url, arn = queue()
    rule("counted", {"source": ["app.orders"]}, arn)
    put({})
    put({})
    assert len(arrived(url)) == 2
    figures = {name: total(name, RuleName="counted") for name in ("MatchedEvents", "TriggeredRules", "Invocations", "FailedInvocations")}
    assert figures == {"MatchedEvents": 2, "TriggeredRules": 2, "Invocations": 2, "FailedInvocations": 0}


def test_an_event_that_cannot_be_delivered_is_counted_with_its_dead_letter(rule, put, queue, arrived, account, total):
    dead_url, dead_arn = queue("dead")
    rule("lost", {"source": ["app.orders"]}, f"arn:aws:sqs:us-east-1:{account}:gone", DeadLetterConfig={"Arn": dead_arn})
    put({})
    assert len(arrived(dead_url, raw=True)) == 1
    figures = {name: total(name, RuleName="lost") for name in ("Invocations", "FailedInvocations", "InvocationsSentToDlq")}
    assert figures == {"Invocations": 1, "FailedInvocations": 1, "InvocationsSentToDlq": 1}


def test_a_rule_of_a_bus_of_ones_own_is_counted_with_its_bus(events, rule, queue, arrived, total):
    events.create_event_bus(Name="orders")
    url, arn = queue()
    rule("r", {"source": ["app"]}, arn, bus="orders")
    events.put_events(Entries=[{"Source": "app", "DetailType": "t", "Detail": "{}", "EventBusName": "orders"}])
    assert len(arrived(url)) == 1
    assert total("Invocations", EventBusName="orders", RuleName="r") == 1
