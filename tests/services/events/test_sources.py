"""Events that services of AWS put on the default bus by themselves: alarms, stacks. Objects' are tested with S3, invocations' with Lambda."""

from __future__ import annotations


def test_an_alarms_change_of_state_is_an_event(client, queue, rule, arrived, account):
    url, arn = queue()
    rule("alarms", {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}, arn)
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="a", AlarmDescription="d", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold", Dimensions=[{"Name": "x", "Value": "y"}],
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="because", StateReasonData='{"n": 1}')
    event = next(one for one in arrived(url) if one["detail"]["state"]["value"] == "ALARM")
    assert event["account"] == account and event["resources"] == [f"arn:aws:cloudwatch:us-east-1:{account}:alarm:a"]
    detail = event["detail"]
    assert detail["alarmName"] == "a" and detail["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert detail["state"]["reason"] == "because" and detail["state"]["reasonData"] == '{"n": 1}'
    assert detail["configuration"]["description"] == "d"
    (metric,) = detail["configuration"]["metrics"]
    assert metric["metricStat"]["metric"] == {"namespace": "n", "name": "m", "dimensions": {"x": "y"}}


def test_a_stacks_changes_of_status_are_events(client, queue, rule, arrived, clock):
    url, arn = queue()
    rule("stacks", {"source": ["aws.cloudformation"]}, arn)
    cloudformation = client("cloudformation")
    template = '{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}'
    stack_id = cloudformation.create_stack(StackName="s", TemplateBody=template, ClientRequestToken="t")["StackId"]
    clock.settle()
    found = [(event["detail-type"], event["detail"]) for event in arrived(url)]
    details = [detail for kind, detail in found if kind == "CloudFormation Stack Status Change"]
    assert {detail["status-details"]["status"] for detail in details} == {"CREATE_IN_PROGRESS", "CREATE_COMPLETE"}
    assert all(detail["stack-id"] == stack_id and detail["client-request-token"] == "t" for detail in details)
    done = next(
        detail
        for kind, detail in found
        if kind == "CloudFormation Resource Status Change" and detail["status-details"]["status"] == "CREATE_COMPLETE"
    )
    assert (done["logical-resource-id"], done["resource-type"]) == ("Q", "AWS::SQS::Queue") and done["physical-resource-id"]


def test_an_event_that_no_rule_could_meet_leaves_no_delivery(client, queue, rule, arrived, events, ground, monkeypatch):
    from groundcloud.kernel.outbox import Outbox

    written = []
    schedule = Outbox._schedule
    monkeypatch.setattr(
        Outbox, "_schedule", lambda self, tx, call, delivery, due: (written.append(delivery), schedule(self, tx, call, delivery, due))[1]
    )
    s3 = client("s3")
    s3.create_bucket(Bucket="b-unheard")
    s3.put_bucket_notification_configuration(Bucket="b-unheard", NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket="b-unheard", Key="k")
    assert not written
    url, arn = queue()
    rule("objects", {"source": ["aws.s3"]}, arn)
    s3.put_object(Bucket="b-unheard", Key="heard")
    assert [event["detail"]["object"]["key"] for event in arrived(url)] == ["heard"]
    assert len(written) == 1
    events.remove_targets(Rule="objects", Ids=[target["Id"] for target in events.list_targets_by_rule(Rule="objects")["Targets"]])
    events.delete_rule(Name="objects")
    s3.put_object(Bucket="b-unheard", Key="k")
    assert len(written) == 1
