"""Random writes of every kind against a plain dictionary: the table, its indexes, its counts and its stream must all tell the same story."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.services.dynamodb.asking import index

STEPS = 250


def key(item: dict[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def everything(operation: Any, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = operation(Limit=17, **request)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def write_at_random(dynamodb: Any, chance: random.Random, model: dict[tuple[str, str], dict[str, Any]]) -> None:
    def some_key() -> dict[str, Any]:
        return {"pk": {"S": chance.choice("abc")}, "sk": {"S": str(chance.randrange(6))}}

    def some_item() -> dict[str, Any]:
        item = {**some_key(), "v": {"N": str(chance.randrange(100))}}
        if chance.random() < 0.7:
            item["g"] = {"S": chance.choice("xy")}
        if chance.random() < 0.7:
            item["n"] = {"N": str(chance.randrange(-5, 5))}
        return item

    def update(where: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        after = dict(model.get(key(where), where))
        kind = chance.randrange(4)
        if kind == 0:
            after["g"] = {"S": "z"}
            return {"UpdateExpression": "SET g = :g", "ExpressionAttributeValues": {":g": {"S": "z"}}}, after
        if kind == 1:
            after.pop("g", None)
            return {"UpdateExpression": "REMOVE g"}, after
        if kind == 2:
            after["n"] = {"N": str(int(after.get("n", {"N": "0"})["N"]) + 3)}
            return {"UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "3"}}}, after
        after["v"] = {"N": "7"}
        after.pop("n", None)
        return {"UpdateExpression": "SET v = :v REMOVE n", "ExpressionAttributeValues": {":v": {"N": "7"}}}, after

    step = chance.randrange(5)
    if step == 0:
        item = some_item()
        dynamodb.put_item(TableName="model", Item=item)
        model[key(item)] = item
    elif step == 1:
        where = some_key()
        old = dynamodb.delete_item(TableName="model", Key=where, ReturnValues="ALL_OLD").get("Attributes")
        assert old == model.pop(key(where), None)
    elif step == 2:
        where = some_key()
        expression, after = update(where)
        found = dynamodb.update_item(TableName="model", Key=where, ReturnValues="ALL_NEW", **expression)["Attributes"]
        model[key(where)] = after
        assert found == after
    elif step == 3:
        items = {key(item): item for item in (some_item() for _ in range(4))}
        dynamodb.batch_write_item(RequestItems={"model": [{"PutRequest": {"Item": item}} for item in items.values()]})
        model.update(items)
    else:
        item, where = some_item(), some_key()
        if key(item) == key(where):
            return
        condition = "attribute_exists(pk)" if chance.random() < 0.5 else "attribute_not_exists(pk)"
        expression, after = update(where)
        parts = [
            {"Put": {"TableName": "model", "Item": item, "ConditionExpression": condition}},
            {"Update": {"TableName": "model", "Key": where, **expression}},
        ]
        holds = (key(item) in model) is (condition == "attribute_exists(pk)")
        try:
            dynamodb.transact_write_items(TransactItems=parts)
        except dynamodb.exceptions.TransactionCanceledException:
            assert not holds
        else:
            assert holds
            model[key(item)] = item
            model[key(where)] = after


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_everything_tells_the_same_story(dynamodb: Any, client: Any, make_table: Any, seed: int) -> None:
    make_table(
        "model",
        "pk",
        "sk",
        GlobalSecondaryIndexes=[index("by-g", "g", "n"), index("by-g-only", "g", projection="KEYS_ONLY")],
        LocalSecondaryIndexes=[index("by-n", "pk", "n", projection="INCLUDE", include=["v"])],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    chance = random.Random(seed)
    model: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(STEPS):
        write_at_random(dynamodb, chance, model)

    assert {key(item): item for item in everything(dynamodb.scan, TableName="model")} == model
    for pk in "abc":
        asked = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": pk}}}
        in_order = [item for place, item in sorted(model.items()) if place[0] == pk]
        assert everything(dynamodb.query, TableName="model", **asked) == in_order
        local = everything(dynamodb.query, TableName="model", IndexName="by-n", **asked)
        with_n = [item for item in in_order if "n" in item]
        assert local == [
            {name: value for name, value in item.items() if name in ("pk", "sk", "n", "v")}
            for item in sorted(with_n, key=lambda item: (int(item["n"]["N"]), item["sk"]["S"]))
        ]
    for g in "xyz":
        asked = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": g}}}
        wanted = {key(item): item for item in model.values() if item.get("g") == {"S": g}}
        found = everything(dynamodb.query, TableName="model", IndexName="by-g", **asked)
        assert {key(item): item for item in found} == {place: item for place, item in wanted.items() if "n" in item}
        assert [int(item["n"]["N"]) for item in found] == sorted(int(item["n"]["N"]) for item in found)
        keys_only = everything(dynamodb.query, TableName="model", IndexName="by-g-only", **asked)
        assert {key(item) for item in keys_only} == set(wanted)
        assert all(set(item) == {"pk", "sk", "g"} for item in keys_only)

    table = dynamodb.describe_table(TableName="model")["Table"]
    assert table["ItemCount"] == len(model)
    counts = {found["IndexName"]: found["ItemCount"] for found in table["GlobalSecondaryIndexes"] + table["LocalSecondaryIndexes"]}
    assert counts == {
        "by-g": sum("g" in item and "n" in item for item in model.values()),
        "by-g-only": sum("g" in item for item in model.values()),
        "by-n": sum("n" in item for item in model.values()),
    }
    for place in list(model):
        dynamodb.delete_item(TableName="model", Key={"pk": {"S": place[0]}, "sk": {"S": place[1]}})
    table = dynamodb.describe_table(TableName="model")["Table"]
    assert table["ItemCount"] == table["TableSizeBytes"] == 0
    assert all(
        found["ItemCount"] == found["IndexSizeBytes"] == 0 for found in table["GlobalSecondaryIndexes"] + table["LocalSecondaryIndexes"]
    )

    streams = client("dynamodbstreams")
    (shard,) = streams.describe_stream(StreamArn=table["LatestStreamArn"])["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(StreamArn=table["LatestStreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    replayed: dict[tuple[str, str], dict[str, Any]] = {}
    while records := (answer := streams.get_records(ShardIterator=iterator))["Records"]:
        iterator = answer["NextShardIterator"]
        for record in records:
            change = record["dynamodb"]
            assert change.get("OldImage") == replayed.get(key(change["Keys"]))
            if "NewImage" in change:
                replayed[key(change["Keys"])] = change["NewImage"]
            else:
                del replayed[key(change["Keys"])]
    assert replayed == {}
