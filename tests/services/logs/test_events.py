"""Log events: put, get, filter, as boto3 sees them."""

import pytest
from botocore.exceptions import ClientError

HOUR_MS = 3_600_000
DAY_MS = 86_400_000


@pytest.fixture
def logs(client):
    return client("logs")


@pytest.fixture
def now_ms(clock):
    return int(clock.now_s() * 1000)


@pytest.fixture
def stream(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    return {"logGroupName": "g", "logStreamName": "s"}


def put(logs, where, *events):
    return logs.put_log_events(**where, logEvents=[{"timestamp": at, "message": message} for at, message in events])


def fails(code, function, **arguments):
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_what_was_put_comes_back_in_the_order_of_time(logs, stream, now_ms):
    put(logs, stream, (now_ms - 20, "b"), (now_ms - 10, "c"))
    put(logs, stream, (now_ms - 30, "a"), (now_ms - 20, "b again"), (now_ms, "d"))
    answer = logs.get_log_events(**stream, startFromHead=True)
    assert messages(answer) == ["a", "b", "b again", "c", "d"]
    assert answer["events"][0]["timestamp"] == now_ms - 30
    assert answer["events"][0]["ingestionTime"] >= now_ms
    found = logs.filter_log_events(logGroupName="g")
    assert messages(found) == ["a", "b", "b again", "c", "d"]
    assert found["searchedLogStreams"] == []
    assert [len(event["eventId"]) for event in found["events"]] == [56] * 5
    assert len({event["eventId"] for event in found["events"]}) == 5


def test_tokens_lead_forward_and_backward_and_repeat_at_the_end(logs, stream, now_ms):
    put(logs, stream, *[(now_ms - 100 + n, str(n)) for n in range(10)])
    first = logs.get_log_events(**stream, startFromHead=True, limit=4)
    assert messages(first) == ["0", "1", "2", "3"]
    second = logs.get_log_events(**stream, limit=4, nextToken=first["nextForwardToken"])
    third = logs.get_log_events(**stream, limit=4, nextToken=second["nextForwardToken"])
    assert messages(second) + messages(third) == ["4", "5", "6", "7", "8", "9"]
    end = logs.get_log_events(**stream, limit=4, nextToken=third["nextForwardToken"])
    assert messages(end) == []
    assert end["nextForwardToken"] == third["nextForwardToken"]
    put(logs, stream, (now_ms, "new"))
    assert messages(logs.get_log_events(**stream, nextToken=end["nextForwardToken"])) == ["new"]
    back = logs.get_log_events(**stream, limit=4, nextToken=second["nextBackwardToken"])
    assert messages(back) == ["0", "1", "2", "3"]
    begin = logs.get_log_events(**stream, nextToken=back["nextBackwardToken"])
    assert messages(begin) == []
    assert begin["nextBackwardToken"] == back["nextBackwardToken"]
    assert messages(logs.get_log_events(**stream, nextToken=begin["nextForwardToken"], limit=2)) == ["0", "1"]
    assert messages(logs.get_log_events(**stream, limit=3)) == ["8", "9", "new"]


def test_a_tail_of_an_empty_stream_finds_what_comes(logs, stream, now_ms):
    empty = logs.get_log_events(**stream)
    assert empty["events"] == []
    put(logs, stream, (now_ms, "a"))
    assert messages(logs.get_log_events(**stream, nextToken=empty["nextForwardToken"])) == ["a"]


def test_bounds_of_time(logs, stream, now_ms):
    put(logs, stream, *[(now_ms + n, str(n)) for n in range(5)])
    assert messages(logs.get_log_events(**stream, startTime=now_ms + 1, endTime=now_ms + 3)) == ["1", "2"]
    assert messages(logs.filter_log_events(logGroupName="g", startTime=now_ms + 1, endTime=now_ms + 3)) == ["1", "2", "3"]


def test_streams_are_interleaved_in_the_order_of_time_and_paged(logs, stream, now_ms):
    for name in ("t", "u"):
        logs.create_log_stream(logGroupName="g", logStreamName=name)
    for place, name in enumerate(("s", "t", "u")):
        put(logs, {"logGroupName": "g", "logStreamName": name}, *[(now_ms - 60_000 + 3000 * n + place, f"{name}{n}") for n in range(20)])
    expected = [f"{name}{n}" for n in range(20) for name in ("s", "t", "u")]
    assert messages(logs.filter_log_events(logGroupName="g")) == expected
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="g", PaginationConfig={"PageSize": 7})
    assert [message for page in pages for message in messages(page)] == expected
    assert messages(logs.filter_log_events(logGroupName="g", logStreamNames=["t", "u"], limit=4)) == ["t0", "u0", "t1", "u1"]
    assert messages(logs.filter_log_events(logGroupName="g", logStreamNamePrefix="u"))[:2] == ["u0", "u1"]
    assert messages(logs.filter_log_events(logGroupName="g", logStreamNamePrefix="x")) == []
    assert messages(logs.filter_log_events(logGroupName="g", filterPattern="?s1 ?u2", logStreamNames=["s"]))[0] == "s1"
    assert logs.filter_log_events(logGroupName="g")["events"][1]["logStreamName"] == "t"


def test_old_and_new_events_are_rejected_and_the_others_kept(logs, stream, now_ms):
    answer = put(logs, stream, (now_ms - 1000, "kept"), (now_ms + 3 * HOUR_MS, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    answer = put(logs, stream, (now_ms - 14 * DAY_MS - 60_000, "old"), (now_ms - 14 * DAY_MS + 60_000, "kept too"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    logs.put_retention_policy(logGroupName="g", retentionInDays=1)
    answer = put(logs, stream, (now_ms - DAY_MS - 60_000, "expired"), (now_ms - HOUR_MS, "kept as well"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    logs.delete_retention_policy(logGroupName="g")
    assert messages(logs.get_log_events(**stream)) == ["kept too", "kept as well", "kept"]


def test_what_puts_refuse(logs, stream, now_ms, client):
    one = {"logEvents": [{"timestamp": now_ms, "message": "x"}]}
    assert (
        fails("ResourceNotFoundException", logs.put_log_events, logGroupName="none", logStreamName="s", **one)
        == "The specified log group does not exist."
    )
    assert (
        fails("ResourceNotFoundException", logs.put_log_events, logGroupName="g", logStreamName="none", **one)
        == "The specified log stream does not exist."
    )

    def refused(*events):
        return fails(
            "InvalidParameterException", logs.put_log_events, **stream, logEvents=[{"timestamp": t, "message": m} for t, m in events]
        )

    assert refused((now_ms, "b"), (now_ms - 1, "a")) == "Log events in a single PutLogEvents request must be in chronological order."
    assert refused((now_ms - DAY_MS - 1, "b"), (now_ms, "a")) == (
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    )
    assert refused((now_ms, "x" * 1_048_551)) == "Log event too large: 1048577 bytes exceeds limit of 1048576"
    assert refused(*[(now_ms, "é" * 262_144)] * 3) == "Upload too large: 1572942 bytes exceeds limit of 1048576"
    free = client("logs", parameter_validation=False)
    empty = [{"timestamp": now_ms, "message": ""}]
    assert fails("InvalidParameterException", free.put_log_events, **stream, logEvents=empty) == (
        "1 validation error detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    put(logs, stream, (now_ms, "y" * 1_048_550))
    assert len(messages(logs.get_log_events(**stream))[0]) == 1_048_550


def test_sequence_tokens_are_given_and_ignored(logs, stream, now_ms):
    token = put(logs, stream, (now_ms, "a"))["nextSequenceToken"]
    assert len(token) == 56
    logs.put_log_events(**stream, logEvents=[{"timestamp": now_ms, "message": "b"}], sequenceToken="wrong")
    assert messages(logs.get_log_events(**stream)) == ["a", "b"]


def test_what_reads_refuse(logs, stream):
    assert fails("ResourceNotFoundException", logs.filter_log_events, logGroupName="none") == "The specified log group does not exist."
    assert (
        fails("ResourceNotFoundException", logs.filter_log_events, logGroupName="g", logStreamNames=["none"])
        == "The specified log stream does not exist."
    )
    assert (
        fails("InvalidParameterException", logs.filter_log_events, logGroupName="g", nextToken="bad")
        == "The specified nextToken is invalid."
    )
    assert fails("InvalidParameterException", logs.get_log_events, **stream, nextToken="bad") == "The specified nextToken is invalid."
    assert "mutually exclusive" in fails(
        "InvalidParameterException", logs.filter_log_events, logGroupName="g", logStreamNames=["s"], logStreamNamePrefix="s"
    )
    assert fails("InvalidParameterException", logs.filter_log_events, logGroupName="g", filterPattern="a-b") == (
        "Invalid character(s) in term 'a-b'"
    )


def test_many_events_come_back_page_by_page(logs, stream, now_ms):
    for batch in range(3):
        put(logs, stream, *[(now_ms - 30_000 + batch * 10_000 + n, f"{batch}.{n}") for n in range(9_000)])
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName="g"))
    assert [len(page["events"]) for page in pages] == [10_000, 10_000, 7_000]
    assert [len(page["events"]) for page in logs.get_paginator("filter_log_events").paginate(logGroupName="g", filterPattern="none")] == [
        0,
        0,
    ]
    ids = [event["eventId"] for page in pages for event in page["events"]]
    assert ids == sorted(set(ids))
    assert len(ids) == 27_000


def test_retention_ends_events_to_the_moment_and_removes_them(logs, stream, clock, ground, account):
    now_ms = int(clock.now_s() * 1000)
    logs.put_retention_policy(logGroupName="g", retentionInDays=1)
    put(logs, stream, (now_ms - 1000, "first"), (now_ms, "second"))
    clock.advance("23h")
    assert messages(logs.get_log_events(**stream)) == ["first", "second"]
    clock.advance("62m")
    assert messages(logs.filter_log_events(logGroupName="g")) == []
    clock.advance("25h")
    from groundcloud.services.logs.state import CHUNKS, GROUPS

    tx = ground.ground.store.transaction(account, "us-east-1")
    assert list(CHUNKS.scan(tx, GROUPS.get(tx, "g").group_number)) == []


def test_a_deleted_stream_is_gone_with_its_events(logs, stream, now_ms, clock):
    put(logs, stream, (now_ms, "a"))
    logs.delete_log_stream(**stream)
    assert messages(logs.filter_log_events(logGroupName="g")) == []
    logs.create_log_stream(**stream)
    assert messages(logs.get_log_events(**stream)) == []
    clock.settle()
    put(logs, stream, (now_ms, "b"))
    assert messages(logs.get_log_events(**stream)) == ["b"]


def test_what_was_acknowledged_is_there_after_a_kill(process):
    logs = process.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    now_ms = int(process.now_s() * 1000)
    put(logs, {"logGroupName": "g", "logStreamName": "s"}, (now_ms, "a"), (now_ms + 1, "b"))
    process.restart()
    logs = process.client("logs")
    assert messages(logs.get_log_events(logGroupName="g", logStreamName="s")) == ["a", "b"]
    assert messages(logs.filter_log_events(logGroupName="g", filterPattern="b")) == ["b"]
    assert logs.describe_log_streams(logGroupName="g")["logStreams"][0]["lastEventTimestamp"] == now_ms + 1
