"""Time to live: an item goes once the clock has passed its moment."""

from __future__ import annotations

from typing import Any

from tests.services.dynamodb.asking import index, refusal


def put(dynamodb: Any, name: str, key: str, **more: Any) -> None:
    dynamodb.put_item(TableName=name, Item={"pk": {"S": key}, **more})


def names(dynamodb: Any, table_name: str) -> set[str]:
    return {item["pk"]["S"] for item in dynamodb.scan(TableName=table_name)["Items"]}


def enable(dynamodb: Any, table_name: str, enabled: bool = True) -> dict[str, Any]:
    specification = {"AttributeName": "ttl", "Enabled": enabled}
    found: dict[str, Any] = dynamodb.update_time_to_live(TableName=table_name, TimeToLiveSpecification=specification)
    return found["TimeToLiveSpecification"]


def test_items_expire_one_after_the_other(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("sessions", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    assert dynamodb.describe_time_to_live(TableName="sessions")["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    now = int(clock.now_s())
    put(dynamodb, "sessions", "before", ttl={"N": str(now + 600)}, g={"S": "g"})
    assert enable(dynamodb, "sessions") == {"AttributeName": "ttl", "Enabled": True}
    assert dynamodb.describe_time_to_live(TableName="sessions")["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "ttl",
    }
    put(dynamodb, "sessions", "soon", ttl={"N": str(now + 60)})
    put(dynamodb, "sessions", "later", ttl={"N": f"{now + 3600}.5"})
    put(dynamodb, "sessions", "moved", ttl={"N": str(now + 60)})
    put(dynamodb, "sessions", "text", ttl={"S": str(now + 60)})
    put(dynamodb, "sessions", "ages ago", ttl={"N": "1"})
    put(dynamodb, "sessions", "never")
    update = {
        "UpdateExpression": "SET #t = :t",
        "ExpressionAttributeNames": {"#t": "ttl"},
        "ExpressionAttributeValues": {":t": {"N": str(now + 86_400)}},
    }
    dynamodb.update_item(TableName="sessions", Key={"pk": {"S": "moved"}}, **update)
    clock.settle()
    assert len(names(dynamodb, "sessions")) == 7
    clock.advance("2m")
    assert names(dynamodb, "sessions") == {"before", "later", "moved", "text", "ages ago", "never"}
    clock.advance("10m")
    assert names(dynamodb, "sessions") == {"later", "moved", "text", "ages ago", "never"}
    assert dynamodb.scan(TableName="sessions", IndexName="by-g")["Count"] == 0
    clock.advance("1h")
    assert names(dynamodb, "sessions") == {"moved", "text", "ages ago", "never"}
    put(dynamodb, "sessions", "past", ttl={"N": str(int(clock.now_s()) - 100)})
    clock.advance("2s")
    assert "past" not in names(dynamodb, "sessions")
    enable(dynamodb, "sessions", False)
    clock.advance("2d")
    assert names(dynamodb, "sessions") == {"moved", "text", "ages ago", "never"}


def test_many_items_expire_at_one_moment(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("crowd", "pk")
    enable(dynamodb, "crowd")
    at = str(int(clock.now_s()) + 5)
    for start in range(0, 500, 25):
        writes = [{"PutRequest": {"Item": {"pk": {"S": str(number)}, "ttl": {"N": at}}}} for number in range(start, start + 25)]
        dynamodb.batch_write_item(RequestItems={"crowd": writes})
    clock.advance("10s")
    assert dynamodb.scan(TableName="crowd", Select="COUNT")["Count"] == 0
    assert dynamodb.describe_table(TableName="crowd")["Table"]["ItemCount"] == 0


def test_time_to_live_is_switched_once(dynamodb: Any, make_table: Any) -> None:
    make_table("switched", "pk")
    assert refusal(
        dynamodb.update_time_to_live, TableName="switched", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": False}
    ) == (
        "ValidationException",
        "TimeToLive is already disabled",
    )
    enable(dynamodb, "switched")
    assert refusal(
        dynamodb.update_time_to_live, TableName="switched", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True}
    ) == (
        "ValidationException",
        "TimeToLive is already enabled",
    )
    assert refusal(dynamodb.update_time_to_live, TableName="switched", TimeToLiveSpecification={"AttributeName": "x", "Enabled": True}) == (
        "ValidationException",
        "TimeToLive is active on a different AttributeName: current AttributeName is ttl",
    )
    assert refusal(dynamodb.describe_time_to_live, TableName="nowhere")[0] == "ResourceNotFoundException"


def test_time_to_live_is_changed_once_an_hour(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("hourly", "pk")
    enable(dynamodb, "hourly")
    off = {"AttributeName": "ttl", "Enabled": False}
    assert refusal(dynamodb.update_time_to_live, TableName="hourly", TimeToLiveSpecification=off) == (
        "ValidationException",
        "Time to live has been modified multiple times within a fixed interval",
    )
    clock.advance("1h")
    enable(dynamodb, "hourly", False)
    assert refusal(dynamodb.update_time_to_live, TableName="hourly", TimeToLiveSpecification=off)[1] == "TimeToLive is already disabled"
