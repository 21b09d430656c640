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
