"""Rules and targets, as boto3 sees them; schedules on the virtual clock."""

from __future__ import annotations

import json

import pytest

PATTERN = '{"source":["app.orders"]}'


def test_a_rule_is_put_described_listed_and_deleted(events, account, fails):
    arn = events.put_rule(Name="one", EventPattern=PATTERN, Description="d", Tags=[{"Key": "a", "Value": "b"}])["RuleArn"]
    assert arn == f"arn:aws:events:us-east-1:{account}:rule/one"
    found = events.describe_rule(Name="one")
    del found["ResponseMetadata"]
    assert found == {
        "Name": "one",
        "Arn": arn,
        "EventPattern": PATTERN,
        "State": "ENABLED",
        "Description": "d",
        "EventBusName": "default",
        "CreatedBy": account,
    }
    events.put_rule(Name="one", ScheduleExpression="rate(1 day)", State="DISABLED")
    found = events.describe_rule(Name="one")
    assert "EventPattern" not in found and "Description" not in found and found["State"] == "DISABLED"
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    events.put_rule(Name="two", EventPattern=PATTERN)
    assert [rule["Name"] for rule in events.list_rules(NamePrefix="t")["Rules"]] == ["two"]
    first = events.list_rules(Limit=1)
    assert [rule["Name"] for rule in first["Rules"]] == ["one"]
    assert [rule["Name"] for rule in events.list_rules(NextToken=first["NextToken"])["Rules"]] == ["two"]
    events.delete_rule(Name="one")
    events.delete_rule(Name="one")
    assert fails("ResourceNotFoundException", events.describe_rule, Name="one") == "Rule one does not exist on EventBus default."


@pytest.mark.parametrize(
    ("request_", "code", "sentence"),
    [
        ({}, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ({"ScheduleExpression": "rate(1 minutes)"}, "ValidationException", "Parameter ScheduleExpression is not valid."),
        (
            {"EventPattern": '{"source":"x"}'},
            "InvalidEventPatternException",
            'Event pattern is not valid. Reason: "source" must be an object',
        ),
        ({"EventPattern": PATTERN, "EventBusName": "none"}, "ResourceNotFoundException", "Event bus none does not exist."),
        ({"EventPattern": PATTERN, "Name": "a b"}, "ValidationException", "1 validation error detected: Value 'a b' at 'name' failed"),
    ],
)
def test_a_rule_that_cannot_be(events, fails, request_, code, sentence):
    assert fails(code, events.put_rule, **{"Name": "bad", **request_}).startswith(sentence)


def test_schedules_are_for_the_default_bus(events, fails):
    events.create_event_bus(Name="own")
    sentence = fails("ValidationException", events.put_rule, Name="s", EventBusName="own", ScheduleExpression="rate(1 hour)")
    assert sentence == "ScheduleExpression is supported only on the default event bus."


def test_a_disabled_rule_matches_nothing(events, queue, rule, put, arrived, fails):
    url, arn = queue()
    rule("switch", {"source": ["app.orders"]}, arn)
    events.disable_rule(Name="switch")
    put({"n": 1})
    assert arrived(url) == []
    events.enable_rule(Name="switch")
    put({"n": 2})
    assert [event["detail"] for event in arrived(url)] == [{"n": 2}]
    fails("ResourceNotFoundException", events.enable_rule, Name="none")


def test_targets_are_put_listed_and_removed(events, queue, fails, put, arrived):
    url, arn = queue()
    events.put_rule(Name="r", EventPattern=PATTERN)
    targets = [{"Id": str(n), "Arn": arn, "Input": f'"{n}"'} for n in range(5)]
    assert events.put_targets(Rule="r", Targets=targets)["FailedEntryCount"] == 0
    sentence = fails("LimitExceededException", events.put_targets, Rule="r", Targets=[{"Id": "6", "Arn": arn}])
    assert sentence == "The requested resource exceeds the maximum number allowed."
    events.put_targets(Rule="r", Targets=[{"Id": "4", "Arn": arn, "Input": '"again"'}])
    listed = events.list_targets_by_rule(Rule="r")["Targets"]
    assert listed == [*targets[:4], {"Id": "4", "Arn": arn, "Input": '"again"'}]
    page = events.list_targets_by_rule(Rule="r", Limit=2)
    assert [target["Id"] for target in events.list_targets_by_rule(Rule="r", NextToken=page["NextToken"])["Targets"]] == ["2", "3", "4"]
    assert events.list_rule_names_by_target(TargetArn=arn)["RuleNames"] == ["r"]
    assert fails("ValidationException", events.delete_rule, Name="r") == "Rule can't be deleted since it has targets."
    put({})
    assert sorted(arrived(url)) == ["0", "1", "2", "3", "again"]
    events.remove_targets(Rule="r", Ids=["0", "1", "2", "3", "4", "none"])
    assert events.list_targets_by_rule(Rule="r")["Targets"] == []
    assert events.list_rule_names_by_target(TargetArn=arn)["RuleNames"] == []
    put({})
    assert arrived(url) == []
    assert fails("ResourceNotFoundException", events.put_targets, Rule="x", Targets=targets) == "Rule x does not exist on EventBus default."


@pytest.mark.parametrize(
    ("target", "code", "sentence"),
    [
        ({"Arn": "queue"}, "ValidationException", "Parameter queue is not valid. Reason: Provided Arn is not in correct format."),
        ({"Input": "{"}, "ValidationException", "JSON syntax error in input for target 1 : {"),
        ({"Input": "{}", "InputPath": "$.detail"}, "ValidationException", "Only one of Input, InputPath, or InputTransformer must be provided for target 1."),
        ({"InputPath": "detail"}, "ValidationException", "Invalid JSON Path for target 1 : detail"),
        ({"InputTransformer": {"InputTemplate": '{"a": <b}'}}, "ValidationException", "Invalid InputTemplate for target 1 : "),
        ({"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}, "ValidationException", "RoleArn is required for target arn:aws:kinesis:"),
        ({"KinesisParameters": {"PartitionKeyPath": "$.id"}}, "ValidationException", "Parameter(s) KinesisParameters not valid for target: 1."),
        ({"Arn": "arn:aws:inspector:us-east-1:000000000000:x", "RoleArn": "arn:aws:iam::000000000000:role/r"}, "NotImplementedException",
         "Groundcloud does not implement targets of inspector"),
        ({"DeadLetterConfig": {"Arn": "arn:aws:sns:us-east-1:000000000000:t"}}, "ValidationException", "Parameter DeadLetterConfig.Arn is not valid."),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be(events, fails, target, code, sentence):
    events.put_rule(Name="r", EventPattern=PATTERN)
    given = {"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:q", **target}
    assert fails(code, events.put_targets, Rule="r", Targets=[given]).startswith(sentence)


def test_a_schedule_runs_on_the_clock(events, queue, clock, arrived, account):
    url, arn = queue()
    rule_arn = events.put_rule(Name="every", ScheduleExpression="rate(5 minutes)")["RuleArn"]
    events.put_targets(Rule="every", Targets=[{"Id": "q", "Arn": arn}])
    clock.advance("4m59s")
    assert arrived(url) == []
    clock.advance("2s")
    (event,) = arrived(url)
    assert event["detail-type"] == "Scheduled Event" and event["source"] == "aws.events" and event["resources"] == [rule_arn]
    assert event["account"] == account and event["detail"] == {}
    clock.advance("15m")
    assert len(arrived(url)) == 3
    events.disable_rule(Name="every")
    clock.advance("30m")
    assert arrived(url) == []
    events.enable_rule(Name="every")
    clock.advance("5m1s")
    assert len(arrived(url)) == 1
    events.put_rule(Name="every", ScheduleExpression="cron(0 12 * * ? *)")
    clock.advance("24h")
    (event,) = arrived(url)
    assert event["time"].endswith("T12:00:00Z")
    events.remove_targets(Rule="every", Ids=["q"])
    events.delete_rule(Name="every")
    clock.advance("24h")
    assert arrived(url) == []


def test_tags_of_rules_and_buses(events, fails, account):
    bus_arn = events.create_event_bus(Name="own", Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"]
    rule_arn = events.put_rule(Name="r", EventBusName="own", EventPattern=PATTERN)["RuleArn"]
    assert rule_arn.endswith(":rule/own/r")
    for arn in (bus_arn, rule_arn):
        events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
        events.untag_resource(ResourceARN=arn, TagKeys=["a"])
        assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "3"}]
    fails("ResourceNotFoundException", events.list_tags_for_resource, ResourceARN=f"arn:aws:events:us-east-1:{account}:rule/none")
    fails("LimitExceededException", events.tag_resource, ResourceARN=bus_arn, Tags=[{"Key": str(n), "Value": ""} for n in range(51)])


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(queue, rule, put, arrived, account):
    dead_url, dead_arn = queue("dead")
    missing = f"arn:aws:logs:us-east-1:{account}:log-group:/aws/events/missing"
    rule_arn = rule("lost", {"source": ["app.orders"]}, missing, DeadLetterConfig={"Arn": dead_arn})
    put({"n": 1})
    (message,) = arrived(dead_url, raw=True)
    assert json.loads(message["Body"])["detail"] == {"n": 1}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes.pop("ERROR_MESSAGE")
    assert attributes == {"RULE_ARN": rule_arn, "TARGET_ARN": missing, "ERROR_CODE": "NO_RESOURCE", "RETRY_ATTEMPTS": "0"}


def test_a_target_that_does_not_let_events_in_is_no_permission(events, sqs, queue, rule, put, arrived, account):
    dead_url, dead_arn = queue("dead")
    sqs.create_queue(QueueName="closed")
    rule("closed", {"source": ["app.orders"]}, f"arn:aws:sqs:us-east-1:{account}:closed", DeadLetterConfig={"Arn": dead_arn})
    put({})
    (message,) = arrived(dead_url, raw=True)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_a_policy_may_name_the_rule(events, sqs, put, rule, arrived, account):
    url = sqs.create_queue(QueueName="strict")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{account}:strict"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:events:us-east-1:{account}:rule/chosen"}},
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    rule("chosen", {"source": ["app.orders"]}, arn)
    rule("other", {"source": ["app.orders"]}, arn)
    put({})
    assert len(arrived(url)) == 1


def test_events_and_schedules_survive_a_kill(process, tmp_path):
    events, sqs = process.client("events"), process.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]})})["QueueUrl"]  # fmt: skip
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="r", EventPattern=PATTERN, ScheduleExpression="rate(1 hour)")
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": arn, "InputPath": "$.source"}])
    for _ in range(3):
        events.put_events(Entries=[{"Source": "app.orders", "DetailType": "x", "Detail": "{}"}])
    process.restart()
    process.advance("1h1s")
    sqs = process.client("sqs")
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
    assert sorted(bodies) == ['"app.orders"'] * 3 + ['"aws.events"']
