"""Alarms on the test clock: metric, metric math, composite; history and actions; after a kill."""

import datetime
import json

import pytest
from botocore.exceptions import ClientError

from groundcloud.kernel.call import Call


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


def fails(code, function, **arguments):
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def settings(**changes):
    return {
        "AlarmName": "a",
        "Namespace": "n",
        "MetricName": "m",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        **changes,
    }


def put(cloudwatch, server, value=1.0, name="m"):
    moment = datetime.datetime.fromtimestamp(server.now_s(), datetime.UTC)
    cloudwatch.put_metric_data(Namespace="n", MetricData=[{"MetricName": name, "Value": value, "Timestamp": moment}])


def state(cloudwatch, name="a"):
    found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return (found["MetricAlarms"] + found["CompositeAlarms"])[0]["StateValue"]


def test_an_alarm_goes_off_and_comes_back(cloudwatch, clock):
    cloudwatch.put_metric_alarm(**settings(TreatMissingData="notBreaching"))
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    clock.advance("1m")
    assert state(cloudwatch) == "OK"
    put(cloudwatch, clock)
    clock.advance("2m")
    alarm = cloudwatch.describe_alarms()["MetricAlarms"][0]
    assert alarm["StateValue"] == "ALARM"
    assert alarm["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [1.0 (")
    assert alarm["StateReason"].endswith(
        ")] was greater than or equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert json.loads(alarm["StateReasonData"])["recentDatapoints"] == [1.0]
    clock.advance("5m")
    assert state(cloudwatch) == "OK"
    history = cloudwatch.describe_alarm_history(AlarmName="a", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        'Alarm "a" created',
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
    ]
    first = cloudwatch.describe_alarm_history(MaxRecords=1, HistoryItemType="StateUpdate")
    assert first["AlarmHistoryItems"][0]["HistorySummary"] == "Alarm updated from ALARM to OK"
    second = cloudwatch.describe_alarm_history(MaxRecords=1, HistoryItemType="StateUpdate", NextToken=first["NextToken"])
    assert second["AlarmHistoryItems"][0]["HistorySummary"] == "Alarm updated from OK to ALARM"


def test_an_alarm_without_values_sleeps_and_wakes_with_one(cloudwatch, clock, ground, account):
    from groundcloud.services.cloudwatch.state import ASLEEP

    cloudwatch.put_metric_alarm(**settings())
    clock.advance("1m")
    assert list(ASLEEP.keys(ground.ground.store.transaction(account, "us-east-1"))) == [("n", "m", "a")]
    clock.advance("30d")
    put(cloudwatch, clock)
    clock.advance("1m")
    assert state(cloudwatch) == "ALARM"
    clock.advance("10m")
    assert state(cloudwatch) == "INSUFFICIENT_DATA"


def test_two_of_three_periods(cloudwatch, clock):
    cloudwatch.put_metric_alarm(**settings(EvaluationPeriods=3, DatapointsToAlarm=2, Statistic="Maximum"))
    for value, expected in ((5, None), (0, "OK"), (5, "ALARM")):
        put(cloudwatch, clock, value)
        clock.advance("1m")
        if expected:
            assert state(cloudwatch) == expected


def test_an_alarm_on_metric_math(cloudwatch, clock):
    def metric(query_id, name):
        stat = {"Metric": {"Namespace": "n", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": query_id, "MetricStat": stat, "ReturnData": False}

    rate = {"Id": "rate", "Expression": "100 * errors / calls", "ReturnData": True}
    cloudwatch.put_metric_alarm(
        AlarmName="a",
        Metrics=[metric("errors", "e"), metric("calls", "c"), rate],
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    put(cloudwatch, clock, 1, "e")
    put(cloudwatch, clock, 100, "c")
    clock.advance("1m")
    assert state(cloudwatch) == "OK"
    put(cloudwatch, clock, 20, "e")
    put(cloudwatch, clock, 100, "c")
    clock.advance("1m")
    assert state(cloudwatch) == "ALARM"


def test_actions_are_delivered_with_the_state(cloudwatch, clock, account, monkeypatch):
    delivered = []

    def deliver(self, target, payload, **options):
        if ":events:" not in target:  # EventBridge hears of every change besides
            delivered.append((target, json.loads(payload), options))

    monkeypatch.setattr(Call, "deliver", deliver)
    function, topic = f"arn:aws:lambda:us-east-1:{account}:function:f", f"arn:aws:sns:us-east-1:{account}:t"
    cloudwatch.put_metric_alarm(**settings(AlarmActions=[function, topic], OKActions=[topic]))
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="trying", StateReasonData='{"a": 1}')
    (to_function, event, options), (to_topic, message, with_subject) = delivered
    assert (to_function, to_topic) == (function, topic)
    assert options["principal"] == "lambda.alarms.cloudwatch.amazonaws.com"
    assert options["source_arn"] == f"arn:aws:cloudwatch:us-east-1:{account}:alarm:a"
    assert event["alarmData"]["state"]["value"] == "ALARM"
    assert event["alarmData"]["state"]["reasonData"] == '{"a": 1}'
    assert event["alarmData"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert event["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"]["name"] == "m"
    assert (message["NewStateValue"], message["Trigger"]["Statistic"]) == ("ALARM", "SUM")
    assert with_subject["attributes"] == {"Subject": 'ALARM: "a" in US East (N. Virginia)'}
    cloudwatch.disable_alarm_actions(AlarmNames=["a"])
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="x")
    assert len(delivered) == 2
    cloudwatch.enable_alarm_actions(AlarmNames=["a"])
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="x")
    assert len(delivered) == 4
    assert "ssm" in fails(
        "NotImplementedException", cloudwatch.put_metric_alarm, **settings(AlarmActions=["arn:aws:ssm:us-east-1:1:opsitem:1"])
    )


def test_a_composite_alarm_follows_its_children(cloudwatch, clock, account):
    for name in ("a", "b"):
        cloudwatch.put_metric_alarm(**settings(AlarmName=name))
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule='ALARM("a") AND NOT (ALARM(b) OR OK(b))')
    cloudwatch.put_composite_alarm(AlarmName="d", AlarmRule=f"ALARM(arn:aws:cloudwatch:us-east-1:{account}:alarm:c)")
    assert (state(cloudwatch, "c"), state(cloudwatch, "d")) == ("OK", "OK")
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="x")
    assert (state(cloudwatch, "c"), state(cloudwatch, "d")) == ("ALARM", "ALARM")
    found = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])
    assert [alarm["AlarmName"] for alarm in found["CompositeAlarms"]] == ["c", "d"]
    assert found["CompositeAlarms"][0]["StateReason"].startswith(
        f"arn:aws:cloudwatch:us-east-1:{account}:alarm:a transitioned to ALARM at "
    )
    assert [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(ChildrenOfAlarmName="c")["MetricAlarms"]] == ["a", "b"]
    assert [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(ParentsOfAlarmName="a")["CompositeAlarms"]] == ["c"]
    cloudwatch.set_alarm_state(AlarmName="b", StateValue="OK", StateReason="x")
    assert (state(cloudwatch, "c"), state(cloudwatch, "d")) == ("OK", "OK")
    assert "depending on it: c" in fails("ValidationError", cloudwatch.delete_alarms, AlarmNames=["a"])
    assert "Invalid expression" in fails("ValidationError", cloudwatch.put_composite_alarm, AlarmName="e", AlarmRule="ALARM(a) AND")
    assert "do not exist" in fails("ValidationError", cloudwatch.put_composite_alarm, AlarmName="e", AlarmRule="ALARM(zz)")
    for name in ("d", "c"):
        cloudwatch.delete_alarms(AlarmNames=[name])
    cloudwatch.delete_alarms(AlarmNames=["a", "b"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_alarms_are_found_by_what_they_are(cloudwatch):
    for name in ("a1", "a2", "b1"):
        cloudwatch.put_metric_alarm(**settings(AlarmName=name))
    pages = cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]] == ["a1", "a2", "b1"]
    assert [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(AlarmNamePrefix="a")["MetricAlarms"]] == ["a1", "a2"]
    assert cloudwatch.describe_alarms(StateValue="OK")["MetricAlarms"] == []
    found = cloudwatch.describe_alarms_for_metric(Namespace="n", MetricName="m", Statistic="Sum")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == ["a1", "a2", "b1"]
    assert cloudwatch.describe_alarms_for_metric(Namespace="n", MetricName="m", Period=300)["MetricAlarms"] == []
    assert fails("ResourceNotFound", cloudwatch.delete_alarms, AlarmNames=["a1", "none"]) == "Alarm none does not exist"
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 3


def test_what_alarms_refuse(cloudwatch):
    put_alarm = cloudwatch.put_metric_alarm
    assert fails("ValidationError", put_alarm, **settings(Period=3600, EvaluationPeriods=200)) == (
        "Metrics cannot be checked across more than 7 days (EvaluationPeriods * Period must be <= 604800)."
    )
    assert fails("ValidationError", put_alarm, **settings(Period=300, EvaluationPeriods=300)) == (
        "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
    )
    assert "Period" in fails("ValidationError", put_alarm, **settings(Period=45))
    assert "DatapointsToAlarm" in fails("ValidationError", put_alarm, **settings(DatapointsToAlarm=2))
    assert "TreatMissingData" in fails("ValidationError", put_alarm, **settings(TreatMissingData="x"))
    assert "mutually exclusive" in fails("InvalidParameterCombination", put_alarm, **settings(ExtendedStatistic="p99"))
    missing = settings()
    del missing["Threshold"]
    assert fails("MissingParameter", put_alarm, **missing) == "The parameter Threshold is required."
    assert "EvaluateLowSampleCountPercentile" in fails(
        "NotImplementedException", put_alarm, **settings(EvaluateLowSampleCountPercentile="ignore")
    )
    assert "anomaly detection" in fails("NotImplementedException", put_alarm, **settings(ComparisonOperator="GreaterThanUpperThreshold"))
    assert fails("InvalidFormat", _set_state(cloudwatch), StateReasonData="{") == "StateReasonData is not valid JSON"


def _set_state(cloudwatch):
    cloudwatch.put_metric_alarm(**settings())
    return lambda **more: cloudwatch.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="x", **more)


def test_tags_of_alarms(cloudwatch, account):
    cloudwatch.put_metric_alarm(**settings(Tags=[{"Key": "k", "Value": "v"}]))
    arn = f"arn:aws:cloudwatch:us-east-1:{account}:alarm:a"
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "l", "Value": "w"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["k"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    fails("ResourceNotFoundException", cloudwatch.list_tags_for_resource, ResourceARN=arn + "x")


@pytest.mark.slow
def test_an_alarm_goes_off_after_a_kill(process):
    cloudwatch = process.client("cloudwatch")
    cloudwatch.put_metric_alarm(**settings())
    put(cloudwatch, process, 3.0)
    process.restart()
    process.advance("1m")
    alarm = process.client("cloudwatch").describe_alarms()["MetricAlarms"][0]
    assert (alarm["StateValue"], json.loads(alarm["StateReasonData"])["recentDatapoints"]) == ("ALARM", [3.0])
