"""Event buses: their lives, their policies, events from bus to bus and from account to account."""

from __future__ import annotations

import json


def test_a_bus_is_created_described_changed_and_deleted(events, account, fails):
    arn = events.create_event_bus(Name="own", Description="d")["EventBusArn"]
    assert arn == f"arn:aws:events:us-east-1:{account}:event-bus/own"
    found = events.describe_event_bus(Name="own")
    assert (found["Name"], found["Arn"], found["Description"]) == ("own", arn, "d") and "Policy" not in found
    assert events.describe_event_bus(Name=arn)["Arn"] == arn
    assert events.describe_event_bus()["Name"] == "default"
    assert events.update_event_bus(Name="own", Description="e")["Description"] == "e"
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default", "own"]
    assert [bus["Name"] for bus in events.list_event_buses(NamePrefix="o")["EventBuses"]] == ["own"]
    assert fails("ResourceAlreadyExistsException", events.create_event_bus, Name="own") == "Event bus own already exists."
    assert fails("ResourceAlreadyExistsException", events.create_event_bus, Name="default") == "Event bus default already exists."
    assert fails("ValidationException", events.create_event_bus, Name="a/b") == "Event bus name must not contain '/'."
    assert fails("ValidationException", events.delete_event_bus, Name="default") == "Cannot delete event bus default."
    events.put_rule(Name="r", EventBusName="own", EventPattern='{"source":["a"]}')
    assert fails("ValidationException", events.delete_event_bus, Name="own") == "Event bus own can't be deleted since it has rules."
    events.delete_rule(Name="r", EventBusName="own")
    events.delete_event_bus(Name="own")
    events.delete_event_bus(Name="own")
    assert fails("ResourceNotFoundException", events.describe_event_bus, Name="own") == "Event bus own does not exist."


def test_what_is_missing_is_refused_by_name(events, fails):
    assert "partner" in fails("NotImplementedException", events.create_event_bus, Name="x", EventSourceName="aws.partner/a/b")
    assert "KMS" in fails("NotImplementedException", events.create_event_bus, Name="x", KmsKeyIdentifier="alias/a")


def test_an_event_goes_to_the_rules_of_its_bus_alone(events, queue, rule, put, arrived):
    url, arn = queue()
    events.create_event_bus(Name="own")
    rule("r", {"source": ["app.orders"]}, arn, bus="own")
    put({"n": 1})
    put({"n": 2}, EventBusName="own")
    assert [event["detail"]["n"] for event in arrived(url)] == [2]


def test_permissions_are_put_and_removed(events, account, fails):
    events.put_permission(Action="events:PutEvents", Principal="111111111111", StatementId="one")
    events.put_permission(
        Action="events:PutEvents",
        Principal="*",
        StatementId="org",
        Condition={"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"},
    )
    policy = json.loads(events.describe_event_bus()["Policy"])
    arn = f"arn:aws:events:us-east-1:{account}:event-bus/default"
    assert policy["Statement"] == [
        {
            "Sid": "one",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": "events:PutEvents",
            "Resource": arn,
        },
        {
            "Sid": "org",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "events:PutEvents",
            "Resource": arn,
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        },
    ]
    assert fails("ResourceNotFoundException", events.remove_permission, StatementId="x") == "Statement with the provided id does not exist."
    events.remove_permission(StatementId="one")
    events.remove_permission(RemoveAllPermissions=True)
    assert fails("ResourceNotFoundException", events.remove_permission, StatementId="org") == "EventBus does not have a policy."
    fails("ValidationException", events.put_permission, Action="events:Other", Principal="111111111111", StatementId="x")
    assert fails("ValidationException", events.put_permission, Policy="{") == "This policy contains invalid Json"


def test_another_account_puts_events_where_the_policy_lets_it(events, ground, queue, rule, arrived, account, fails):
    url, arn = queue()
    other = str(int(account) + 50_000)
    bus_arn = events.create_event_bus(Name="shared")["EventBusArn"]
    rule("r", {"account": [other]}, arn, bus="shared")
    sender = ground.client("events", other)
    entry = {"Source": "far", "DetailType": "x", "Detail": "{}", "EventBusName": bus_arn}
    fails("AccessDeniedException", sender.put_events, Entries=[entry])
    events.put_permission(EventBusName="shared", Action="events:PutEvents", Principal=other, StatementId="s")
    assert sender.put_events(Entries=[entry])["FailedEntryCount"] == 0
    (event,) = arrived(url)
    assert event["account"] == other


def test_a_rule_hands_events_on_to_another_bus_and_account(events, ground, queue, rule, put, arrived, account):
    url, arn = queue()
    other = str(int(account) + 50_001)
    bus_arn = events.create_event_bus(Name="hub")["EventBusArn"]
    rule("r", {"source": ["far"]}, arn, bus="hub")
    events.put_permission(EventBusName="hub", Action="events:PutEvents", Principal=other, StatementId="s")
    sender = ground.client("events", other)
    sender.put_rule(Name="fwd", EventPattern='{"source":["far"]}')
    sender.put_targets(Rule="fwd", Targets=[{"Id": "hub", "Arn": bus_arn}])
    sent = sender.put_events(Entries=[{"Source": "far", "DetailType": "x", "Detail": '{"n": 1.50}'}])
    (message,) = arrived(url, raw=True)
    event = json.loads(message["Body"])
    assert event["id"] == sent["Entries"][0]["EventId"] and event["account"] == other and '"n":1.50' in message["Body"]


def test_a_circle_of_buses_ends(events, put, clock, account):
    one, two = (events.create_event_bus(Name=name)["EventBusArn"] for name in ("one", "two"))
    for bus, target in (("one", two), ("two", one)):
        events.put_rule(Name="r", EventBusName=bus, EventPattern='{"source":["app.orders"]}')
        events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "t", "Arn": target}])
    put({}, EventBusName="one")
    clock.settle()
    assert events.describe_event_bus(Name="one")["Name"] == "one"


def test_condition_keys_of_rules_and_targets(client, events, fails, account):
    iam = client("iam")
    iam.create_user(UserName="maker")
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    queue_arn = f"arn:aws:sqs:us-east-1:{account}:q"
    statements = [
        {"Action": "events:PutRule", "Condition": {"ForAllValues:StringEquals": {"events:source": ["app.mine"]}}},
        {"Action": "events:PutTargets", "Condition": {"ForAllValues:ArnEquals": {"events:TargetArn": [queue_arn]}}},
        {"Action": "events:DeleteRule", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}},
    ]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **one} for one in statements]}
    iam.put_user_policy(UserName="maker", PolicyName="p", PolicyDocument=json.dumps(policy))
    maker = client("events", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    maker.put_rule(Name="r", EventPattern='{"source":["app.mine"]}')
    fails("AccessDeniedException", maker.put_rule, Name="s", EventPattern='{"source":["app.other"]}')
    fails("AccessDeniedException", maker.put_rule, Name="s", EventPattern='{"source":["app.mine"]}', Tags=[{"Key": "a", "Value": "b"}])
    maker.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": queue_arn}])
    fails("AccessDeniedException", maker.put_targets, Rule="r", Targets=[{"Id": "1", "Arn": queue_arn + "x"}])
    events.remove_targets(Rule="r", Ids=["1"])
    fails("AccessDeniedException", maker.delete_rule, Name="r")
    events.tag_resource(ResourceARN=f"arn:aws:events:us-east-1:{account}:rule/r", Tags=[{"Key": "team", "Value": "a"}])
    maker.delete_rule(Name="r")


def test_operations_that_are_not_there_say_so(events, fails):
    assert "ListEndpoints" in fails("NotImplementedException", events.list_endpoints)
    assert "ListEventSources" in fails("NotImplementedException", events.list_event_sources)


def test_pages_of_buses_and_a_token_that_is_none(events, fails):
    for name in ("a", "b", "c"):
        events.create_event_bus(Name=name)
    first = events.list_event_buses(Limit=2)
    assert [bus["Name"] for bus in first["EventBuses"]] == ["a", "b"]
    assert [bus["Name"] for bus in events.list_event_buses(NextToken=first["NextToken"])["EventBuses"]] == ["c", "default"]
    fails("ValidationException", events.list_event_buses, NextToken="!")
