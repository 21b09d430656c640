"""Strongly consistent global tables while a fault plan has taken regions away: a majority of three goes on, one alone does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.services.dynamodb.asking import refusal

NO_MAJORITY = ("InternalServerError", "Internal server error")
KEY = {"pk": {"S": "a"}}


@pytest.fixture
def lose(ground: Any) -> Iterator[Callable[..., None]]:
    """`lose(region, ...)` takes whole regions away, and gives back those that it does not name."""

    def plan(*regions: str, **more: str) -> None:
        ground.admin(
            "PUT", "/_ground/faults", [{"region": region, "code": "ServiceUnavailable", "status": 503, **more} for region in regions]
        )

    yield plan
    ground.admin("PUT", "/_ground/faults", [])


@pytest.fixture
def ohio(client: Any) -> Any:
    return client("dynamodb", region="us-east-2")


@pytest.fixture(params=["replica", "witness"])
def strong(request: Any, dynamodb: Any, make_table: Any, clock: Any) -> str:
    """A table in Virginia and Ohio with a replica or a witness in Oregon, and one item."""
    make_table("strong", "pk")
    asked: dict[str, Any] = {"ReplicaUpdates": [{"Create": {"RegionName": "us-east-2"}}]}
    if request.param == "witness":
        asked["GlobalTableWitnessUpdates"] = [{"Create": {"RegionName": "us-west-2"}}]
    else:
        asked["ReplicaUpdates"].append({"Create": {"RegionName": "us-west-2"}})
    dynamodb.update_table(TableName="strong", MultiRegionConsistency="STRONG", **asked)
    clock.settle()
    dynamodb.put_item(TableName="strong", Item={**KEY, "v": {"N": "0"}})
    return "strong"


WRITES: dict[str, Callable[[Any, str], Any]] = {
    "put": lambda d, t: (d.put_item, {"TableName": t, "Item": {**KEY, "v": {"N": "1"}}}),
    "condition": lambda d, t: (d.put_item, {"TableName": t, "Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"}),
    "update": lambda d, t: (d.update_item, {"TableName": t, "Key": KEY, "UpdateExpression": "REMOVE v"}),
    "delete": lambda d, t: (d.delete_item, {"TableName": t, "Key": KEY}),
    "nothing": lambda d, t: (d.delete_item, {"TableName": t, "Key": {"pk": {"S": "none"}}}),
    "batch": lambda d, t: (d.batch_write_item, {"RequestItems": {"alone": [put("b")], t: [put("b"), {"DeleteRequest": {"Key": KEY}}]}}),
    "statement": lambda d, t: (d.execute_statement, {"Statement": f"DELETE FROM {t} WHERE pk = 'a'"}),
}
READS: dict[str, Callable[[Any, str, bool], Any]] = {
    "get": lambda d, t, strongly: (d.get_item, {"TableName": t, "Key": KEY, "ConsistentRead": strongly}),
    "query": lambda d, t, strongly: (
        d.query,
        {
            "TableName": t,
            "KeyConditionExpression": "pk = :a",
            "ExpressionAttributeValues": {":a": {"S": "a"}},
            "ConsistentRead": strongly,
        },
    ),
    "scan": lambda d, t, strongly: (d.scan, {"TableName": t, "ConsistentRead": strongly}),
    "batch": lambda d, t, strongly: (d.batch_get_item, {"RequestItems": {t: {"Keys": [KEY], "ConsistentRead": strongly}}}),
    "statement": lambda d, t, strongly: (d.execute_statement, {"Statement": f"SELECT * FROM {t}", "ConsistentRead": strongly}),
}


def put(pk: str) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"pk": {"S": pk}}}}


def test_a_majority_writes_and_reads_strongly(dynamodb: Any, ohio: Any, strong: str, lose: Any) -> None:
    for at, (lost, asked) in enumerate((("us-west-2", dynamodb), ("us-west-2", ohio), ("us-east-2", dynamodb), ("us-east-1", ohio)), 1):
        lose(lost)
        value = {"N": str(at)}
        asked.put_item(TableName=strong, Item={**KEY, "v": value})
        assert asked.get_item(TableName=strong, Key=KEY, ConsistentRead=True)["Item"]["v"] == value
        lose()
        for one in (dynamodb, ohio):
            assert one.get_item(TableName=strong, Key=KEY, ConsistentRead=True)["Item"]["v"] == value, "back, it has what it missed"


def test_one_region_alone_writes_nothing(dynamodb: Any, make_table: Any, ohio: Any, strong: str, lose: Any) -> None:
    make_table("alone", "pk")
    lose("us-east-2", "us-west-2")
    for name, write in WRITES.items():
        operation, asked = write(dynamodb, strong)
        assert refusal(operation, **asked)[:2] == NO_MAJORITY, name
    batch = dynamodb.batch_execute_statement(Statements=[{"Statement": f"DELETE FROM {strong} WHERE pk = 'a'"}])
    assert batch["Responses"][0]["Error"]["Code"] == "InternalServerError"
    with pytest.raises(dynamodb.exceptions.InternalServerError) as caught:
        dynamodb.put_item(TableName=strong, Item=KEY)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    dynamodb.put_item(TableName="alone", Item={"pk": {"S": "other tables go on"}})
    lose()
    assert dynamodb.scan(TableName="alone")["Count"] == 1
    for one in (dynamodb, ohio):
        assert one.scan(TableName=strong, ConsistentRead=True)["Items"] == [{**KEY, "v": {"N": "0"}}]
    for name, write in WRITES.items():
        operation, asked = write(dynamodb, strong)
        if name != "condition":
            assert operation(**asked)["ResponseMetadata"]["HTTPStatusCode"] == 200, name


def test_one_region_alone_reads_eventually(dynamodb: Any, strong: str, lose: Any) -> None:
    lose("us-east-2", "us-west-2")
    for name, read in READS.items():
        operation, asked = read(dynamodb, strong, True)
        assert refusal(operation, **asked)[:2] == NO_MAJORITY, name
        operation, asked = read(dynamodb, strong, False)
        answer = operation(**asked)
        assert "'N': '0'" in str(answer), name


def test_an_isolated_region_is_the_one_that_stops(dynamodb: Any, ohio: Any, strong: str, lose: Any) -> None:
    lose("us-east-1", service="dynamodb", operation="ReplicateItem")
    assert refusal(dynamodb.put_item, TableName=strong, Item=KEY)[:2] == NO_MAJORITY
    ohio.put_item(TableName=strong, Item={**KEY, "v": {"N": "7"}})
    assert ohio.get_item(TableName=strong, Key=KEY, ConsistentRead=True)["Item"]["v"] == {"N": "7"}
    assert refusal(dynamodb.get_item, TableName=strong, Key=KEY, ConsistentRead=True)[:2] == NO_MAJORITY


def test_what_is_asked_wrongly_is_told_so_all_the_same(dynamodb: Any, strong: str, lose: Any) -> None:
    lose("us-east-2", "us-west-2")
    assert refusal(dynamodb.put_item, TableName=strong, Item={"other": {"S": "a"}})[0] == "ValidationException"


def test_eventual_replicas_go_on_alone(dynamodb: Any, make_table: Any, clock: Any, lose: Any) -> None:
    make_table("eventual", "pk")
    dynamodb.update_table(TableName="eventual", ReplicaUpdates=[{"Create": {"RegionName": "us-east-2"}}])
    clock.settle()
    lose("us-east-2")
    dynamodb.put_item(TableName="eventual", Item=KEY)
    assert dynamodb.get_item(TableName="eventual", Key=KEY, ConsistentRead=True)["Item"] == KEY
