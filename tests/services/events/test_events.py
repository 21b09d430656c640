"""PutEvents, the envelope, and what arrives at targets."""

from __future__ import annotations

import datetime
import json

import pytest


def test_an_event_reaches_the_queue_of_a_rule_that_it_meets(events, queue, rule, put, arrived, account, clock):
    url, arn = queue()
    rule("orders", {"source": ["app.orders"], "detail": {"total": [{"numeric": [">", 10]}]}}, arn)
    event_id = put({"total": 12.50, "who": "é"}, Resources=["arn:aws:x:::y"])
    put({"total": 9})
    put({"total": 12}, source="app.offers")
    (event,) = arrived(url)
    assert datetime.datetime.strptime(event.pop("time"), "%Y-%m-%dT%H:%M:%SZ")
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": "Order placed",
        "source": "app.orders",
        "account": account,
        "region": "us-east-1",
        "resources": ["arn:aws:x:::y"],
        "detail": {"total": 12.5, "who": "é"},
    }
    assert list(event) == ["version", "id", "detail-type", "source", "account", "region", "resources", "detail"]


def test_an_event_may_have_a_time_of_its_own(queue, rule, put, arrived):
    url, arn = queue()
    rule("all", {"source": [{"prefix": "app."}]}, arn)
    put({}, Time=datetime.datetime(2020, 2, 3, 4, 5, 6, tzinfo=datetime.UTC))
    assert arrived(url)[0]["time"] == "2020-02-03T04:05:06Z"


def test_each_entry_is_taken_or_refused_by_itself(events):
    good = {"Source": "a", "DetailType": "b", "Detail": "{}"}
    entries = [
        good,
        {**good, "Source": "aws.s3"},
        {**good, "Detail": "{"},
        {**good, "Detail": '"text"'},
        {name: value for name, value in good.items() if name != "DetailType"},
        {name: value for name, value in good.items() if name != "Source"},
        {name: value for name, value in good.items() if name != "Detail"},
        {**good, "EventBusName": "not-there"},
    ]
    answer = events.put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 6
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        None,
        "NotAuthorizedForSourceException",
        "MalformedDetail",
        "MalformedDetail",
        "InvalidArgument",
        "InvalidArgument",
        "InvalidArgument",
        None,
    ]
    assert [entry.get("ErrorMessage") for entry in answer["Entries"]][1:5] == [
        "Not authorized for the source.",
        "Detail is malformed.",
        "Detail is malformed.",
        "Parameter DetailType is not valid. Reason: DetailType is a required argument.",
    ]


def test_ten_entries_and_a_megabyte_are_the_limits(events, fails):
    entry = {"Source": "a", "DetailType": "b", "Detail": "{}"}
    assert "less than or equal to 10" in fails("ValidationException", events.put_events, Entries=[entry] * 11)
    big = {**entry, "Detail": json.dumps({"x": "y" * 600_000})}
    assert events.put_events(Entries=[big])["FailedEntryCount"] == 0
    assert (
        fails("ValidationException", events.put_events, Entries=[big, big]) == "Total size of the entries in the request is over the limit."
    )


def test_a_deep_detail_is_refused_not_fatal(events):
    answer = events.put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": '{"a":' * 5000 + "1" + "}" * 5000}])
    assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"


def test_a_pattern_is_tried_on_an_event(events, fails):
    event = {
        "id": "1",
        "account": "2",
        "source": "s",
        "time": "2026-11-21T00:00:00Z",
        "region": "r",
        "resources": [],
        "detail-type": "d",
        "detail": {"x": 1},
    }
    assert events.test_event_pattern(EventPattern='{"detail":{"x":[1]}}', Event=json.dumps(event))["Result"] is True
    assert events.test_event_pattern(EventPattern='{"detail":{"x":[2]}}', Event=json.dumps(event))["Result"] is False
    sentence = fails("InvalidEventPatternException", events.test_event_pattern, EventPattern='{"source":"x"}', Event=json.dumps(event))
    assert sentence.startswith(
        'Event pattern is not valid. Reason: "source" must be an object or an array\n at [Source: (String)"{"source":"x"}"'
    )
    assert "Event is not valid" in fails("ValidationException", events.test_event_pattern, EventPattern='{"a":[1]}', Event="{")
    del event["id"]
    assert "id is a required" in fails("ValidationException", events.test_event_pattern, EventPattern='{"a":[1]}', Event=json.dumps(event))


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ({}, None),
        ({"Input": '{"fixed": 1}'}, '{"fixed": 1}'),
        ({"InputPath": "$.detail"}, '{"n":1,"name":"Ann \\"A\\"","tags":["x","y"]}'),
        ({"InputPath": "$.detail.tags[1]"}, '"y"'),
        ({"InputPath": "$.detail.missing"}, "null"),
        ({"InputTransformer": {"InputPathsMap": {"n": "$.detail.n", "who": "$.detail.name"}, "InputTemplate": '{"a": <n>, "b": <who>, "c": "n=<n>, <who>"}'}},
         '{"a": 1, "b": "Ann \\"A\\"", "c": "n=1, Ann \\"A\\""}'),
        ({"InputTransformer": {"InputPathsMap": {"d": "$.detail.tags"}, "InputTemplate": '{"a": <d>, "b": "<d>"}'}}, '{"a": ["x","y"], "b": "[x,y]"}'),
        ({"InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '"n is <n> in <aws.events.rule-name>"'}}, '"n is 1 in shaped"'),
        ({"InputTransformer": {"InputPathsMap": {"m": "$.detail.missing"}, "InputTemplate": '{"m": <m>, "t": "<m>"}'}}, '{"m": "", "t": ""}'),
        ({"InputTransformer": {"InputPathsMap": {"k": "$.detail-type"}, "InputTemplate": "plain <k>"}}, "plain Order placed"),
    ],
)  # fmt: skip
def test_what_a_target_is_given(queue, rule, put, arrived, target, body):
    url, arn = queue()
    rule("shaped", {"source": ["app.orders"]}, arn, **target)
    event_id = put({"n": 1, "name": 'Ann "A"', "tags": ["x", "y"]})
    (message,) = arrived(url, raw=True)
    assert message["Body"] == body if body is not None else json.loads(message["Body"])["id"] == event_id


def test_a_template_may_hold_the_whole_event(queue, rule, put, arrived):
    url, arn = queue()
    template = '{"all": <aws.events.event.json>, "some": <aws.events.event>, "at": <aws.events.event.ingestion-time>, "rule": <aws.events.rule-arn>}'
    rule_arn = rule("whole", {"source": ["app.orders"]}, arn, InputTransformer={"InputTemplate": template})
    put({"n": 1})
    (given,) = arrived(url)
    assert given["all"]["detail"] == {"n": 1}
    assert "detail" not in given["some"] and given["some"]["source"] == "app.orders"
    assert given["rule"] == rule_arn and given["at"].endswith("Z")


def test_a_fifo_queue_gets_its_group(queue, rule, put, sqs, clock, events, fails):
    url, arn = queue("events.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    events.put_rule(Name="fifo", EventPattern='{"source":["app.orders"]}')
    sentence = fails("ValidationException", events.put_targets, Rule="fifo", Targets=[{"Id": "q", "Arn": arn}])
    assert sentence == "Parameter(s) SqsParameters must be specified for target: q."
    events.put_targets(Rule="fifo", Targets=[{"Id": "q", "Arn": arn, "SqsParameters": {"MessageGroupId": "g"}}])
    put({})
    clock.settle()
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "g"


def test_events_go_by_iam(client, ground, account, events, put, fails):
    iam = client("iam")
    iam.create_user(UserName="sender")
    key = iam.create_access_key(UserName="sender")["AccessKey"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*", "Condition": {"StringEquals": {"events:source": "app.mine"}}}
        ],
    }
    iam.put_user_policy(UserName="sender", PolicyName="p", PolicyDocument=json.dumps(policy))
    sender = client("events", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    entry = {"Source": "app.mine", "DetailType": "b", "Detail": "{}"}
    assert sender.put_events(Entries=[entry])["FailedEntryCount"] == 0
    sentence = fails("AccessDeniedException", sender.put_events, Entries=[entry, {**entry, "Source": "app.other"}])
    assert "events:PutEvents" in sentence and "event-bus/default" in sentence
