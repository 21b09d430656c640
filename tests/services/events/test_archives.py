"""Archives and replays."""

from __future__ import annotations

import datetime
import json

import pytest


@pytest.fixture
def bus(events):
    return events.create_event_bus(Name="own")["EventBusArn"]


def at(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def test_an_archive_keeps_what_meets_its_pattern_and_replays_it(events, bus, queue, rule, put, arrived, clock, account):
    url, arn = queue()
    rule("r", {"source": ["app.orders"]}, arn, bus="own", InputPath="$")
    other_url, other_arn = queue("other")
    other_rule = rule("o", {"source": ["app.orders"]}, other_arn, bus="own")
    created = events.create_archive(ArchiveName="kept", EventSourceArn=bus, EventPattern='{"detail":{"keep":[true]}}')
    assert created["ArchiveArn"] == f"arn:aws:events:us-east-1:{account}:archive/kept" and created["State"] == "ENABLED"
    begun_s = clock.now_s()
    for n in range(120):
        put({"n": n, "keep": n % 2 == 0}, EventBusName="own")
    assert len(arrived(url)) == len(arrived(other_url)) == 120
    found = events.describe_archive(ArchiveName="kept")
    assert found["EventCount"] == 60 and found["SizeBytes"] > 60 * 100 and found["EventPattern"] == '{"detail":{"keep":[true]}}'
    started = events.start_replay(
        ReplayName="again",
        EventSourceArn=created["ArchiveArn"],
        EventStartTime=at(begun_s - 10),
        EventEndTime=at(begun_s + 3600),
        Destination={"Arn": bus, "FilterArns": [other_rule]},
    )
    assert started["State"] == "STARTING" and started["ReplayArn"].endswith(":replay/again")
    again = arrived(other_url)
    assert sorted(event["detail"]["n"] for event in again) == list(range(0, 120, 2))
    assert {event["replay-name"] for event in again} == {"again"}
    assert arrived(url) == []
    replay = events.describe_replay(ReplayName="again")
    assert replay["State"] == "COMPLETED" and replay["Destination"] == {"Arn": bus, "FilterArns": [other_rule]}
    assert replay["EventLastReplayedTime"] and replay["ReplayEndTime"]
    assert events.describe_archive(ArchiveName="kept")["EventCount"] == 60
    assert [one["ReplayName"] for one in events.list_replays(EventSourceArn=created["ArchiveArn"])["Replays"]] == ["again"]


def test_a_replay_takes_the_events_of_its_time(events, bus, queue, rule, put, arrived, clock):
    url, arn = queue()
    rule("r", {"source": ["app.orders"]}, arn, bus="own")
    archive = events.create_archive(ArchiveName="all", EventSourceArn=bus)["ArchiveArn"]
    begun_s = int(clock.now_s())
    for n in range(4):
        put({"n": n}, EventBusName="own", Time=at(begun_s + n * 60))
    arrived(url)
    events.start_replay(
        ReplayName="part", EventSourceArn=archive, EventStartTime=at(begun_s + 60), EventEndTime=at(begun_s + 120), Destination={"Arn": bus}
    )
    assert sorted(event["detail"]["n"] for event in arrived(url)) == [1, 2]


def test_archived_events_end_with_their_retention(events, bus, put, clock):
    events.create_archive(ArchiveName="short", EventSourceArn=bus, RetentionDays=2)
    put({}, EventBusName="own")
    clock.advance("1d")
    put({}, EventBusName="own")
    clock.advance("1d2m")
    assert events.describe_archive(ArchiveName="short")["EventCount"] == 1
    events.update_archive(ArchiveName="short", RetentionDays=0)
    clock.advance("30d")
    assert events.describe_archive(ArchiveName="short")["EventCount"] == 1


def test_an_archive_shows_as_a_managed_rule(events, bus, fails):
    events.create_archive(ArchiveName="a", EventSourceArn=bus)
    (rule,) = events.list_rules(EventBusName="own")["Rules"]
    assert rule["Name"] == "Events-Archive-a" and rule["ManagedBy"] == "prod.vhs.events.aws.internal"
    assert json.loads(rule["EventPattern"]) == {"replay-name": [{"exists": False}]}
    name = {"Name": rule["Name"], "EventBusName": "own"}
    fails("ManagedRuleException", events.put_rule, EventPattern='{"source":["x"]}', **name)
    fails("ManagedRuleException", events.disable_rule, **name)
    sentence = fails("ManagedRuleException", events.delete_rule, **name)
    assert sentence == "Events-Archive-a is a managed rule. Set 'force' parameter to true to override."
    events.delete_archive(ArchiveName="a")
    assert events.list_rules(EventBusName="own")["Rules"] == []


def test_archives_are_listed_changed_and_deleted(events, bus, fails, account):
    for name in ("aa", "ab", "b"):
        events.create_archive(ArchiveName=name, EventSourceArn=bus)
    assert [one["ArchiveName"] for one in events.list_archives(NamePrefix="a")["Archives"]] == ["aa", "ab"]
    assert len(events.list_archives(EventSourceArn=bus)["Archives"]) == 3
    assert events.list_archives(State="DISABLED")["Archives"] == []
    sentence = fails("ValidationException", events.list_archives, NamePrefix="a", State="ENABLED")
    assert sentence == "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix."
    assert (
        fails("ResourceAlreadyExistsException", events.create_archive, ArchiveName="b", EventSourceArn=bus) == "Archive b already exists."
    )
    fails("InvalidEventPatternException", events.update_archive, ArchiveName="b", EventPattern="{}")
    events.delete_archive(ArchiveName="b")
    assert fails("ResourceNotFoundException", events.describe_archive, ArchiveName="b") == "Archive b does not exist."
    missing = f"arn:aws:events:us-east-1:{account}:event-bus/none"
    assert (
        fails("ResourceNotFoundException", events.create_archive, ArchiveName="x", EventSourceArn=missing)
        == "Event bus none does not exist."
    )


def test_a_replay_that_cannot_be(events, bus, fails, account):
    archive = events.create_archive(ArchiveName="a", EventSourceArn=bus)["ArchiveArn"]
    given = {
        "ReplayName": "r",
        "EventSourceArn": archive,
        "EventStartTime": at(1000),
        "EventEndTime": at(2000),
        "Destination": {"Arn": bus},
    }
    default = f"arn:aws:events:us-east-1:{account}:event-bus/default"
    for change, code, sentence in [
        ({"EventEndTime": at(500)}, "ValidationException", "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."),
        ({"EventSourceArn": bus}, "ValidationException", "Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN."),
        ({"EventSourceArn": archive + "x"}, "ResourceNotFoundException", "Archive ax does not exist."),
        ({"Destination": {"Arn": default}}, "ValidationException", "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."),
    ]:  # fmt: skip
        assert fails(code, events.start_replay, **{**given, **change}) == sentence
    events.start_replay(**given)
    assert fails("ResourceAlreadyExistsException", events.start_replay, **given) == "Replay r already exists."
    fails("ResourceNotFoundException", events.describe_replay, ReplayName="none")


def test_an_ended_replay_is_not_cancelled(events, bus, fails, clock):
    archive = events.create_archive(ArchiveName="a", EventSourceArn=bus)["ArchiveArn"]
    events.start_replay(ReplayName="r", EventSourceArn=archive, EventStartTime=at(1), EventEndTime=at(2), Destination={"Arn": bus})
    clock.settle()
    fails("IllegalStatusException", events.cancel_replay, ReplayName="r")
