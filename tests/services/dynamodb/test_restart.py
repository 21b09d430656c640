"""What was acknowledged is there after a kill: tables, items, index entries, expiries."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.services.dynamodb.asking import index


@pytest.mark.slow
def test_everything_acknowledged_survives_a_kill(process: Any) -> None:
    dynamodb = process.client("dynamodb")
    dynamodb.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[index("by-g", "g")],
    )
    dynamodb.update_time_to_live(TableName="kept", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True})
    now = int(process.now_s())
    for at in range(50):
        item: dict[str, Any] = {"pk": {"S": str(at)}, "g": {"S": str(at % 2)}, "n": {"N": "0"}}
        if at < 10:
            item["ttl"] = {"N": str(now + 3600)}
        dynamodb.put_item(TableName="kept", Item=item)
    add = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    for _ in range(20):
        dynamodb.update_item(TableName="kept", Key={"pk": {"S": "49"}}, **add)
    dynamodb.delete_item(TableName="kept", Key={"pk": {"S": "48"}})
    process.kill()
    process.start()
    dynamodb = process.client("dynamodb")
    assert dynamodb.get_item(TableName="kept", Key={"pk": {"S": "49"}})["Item"]["n"] == {"N": "20"}
    assert dynamodb.scan(TableName="kept")["Count"] == 49
    asked = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "0"}}}
    assert dynamodb.query(TableName="kept", IndexName="by-g", **asked)["Count"] == 24
    assert dynamodb.describe_table(TableName="kept")["Table"]["ItemCount"] == 49
    process.advance("2h")
    assert dynamodb.scan(TableName="kept")["Count"] == 39


@pytest.mark.slow
def test_conditional_writes_and_transactions_stay_right_under_clients_and_kills(process: Any) -> None:
    """Counters moved by compare-and-set, and money moved by transactions, while the server is killed: what was acknowledged is there, and no more than was tried."""
    dynamodb = process.client("dynamodb")
    dynamodb.create_table(
        TableName="right",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    names = ["x", "y", "z"]
    for name in names:
        dynamodb.put_item(TableName="right", Item={"pk": {"S": name}, "n": {"N": "100"}})
    dynamodb.put_item(TableName="right", Item={"pk": {"S": "counter"}, "v": {"N": "0"}})
    acknowledged, tried = [0], [0]
    lock = threading.Lock()
    stop = threading.Event()

    def count() -> None:
        own = process.client("dynamodb")
        while not stop.is_set():
            try:
                found = own.get_item(TableName="right", Key={"pk": {"S": "counter"}}, ConsistentRead=True)["Item"]["v"]["N"]
                values = {":old": {"N": found}, ":new": {"N": str(int(found) + 1)}}
                with lock:
                    tried[0] += 1
                own.update_item(
                    TableName="right",
                    Key={"pk": {"S": "counter"}},
                    UpdateExpression="SET v = :new",
                    ConditionExpression="v = :old",
                    ExpressionAttributeValues=values,
                )
            except own.exceptions.ConditionalCheckFailedException:
                with lock:
                    tried[0] -= 1
            except (BotoCoreError, ClientError):
                if not stop.is_set():
                    own = process.client("dynamodb")
            else:
                with lock:
                    acknowledged[0] += 1

    def move(seed: int) -> None:
        own = process.client("dynamodb")
        chance = random.Random(seed)
        while not stop.is_set():
            source, target = chance.sample(names, 2)
            amount = {":n": {"N": "3"}}
            parts = [
                {
                    "Update": {
                        "TableName": "right",
                        "Key": {"pk": {"S": name}},
                        "UpdateExpression": f"SET n = n {sign} :n",
                        "ConditionExpression": "n >= :n",
                        "ExpressionAttributeValues": amount,
                    }
                }
                for name, sign in ((source, "-"), (target, "+"))
            ]
            try:
                own.transact_write_items(TransactItems=parts)
            except (BotoCoreError, ClientError):
                if not stop.is_set():
                    own = process.client("dynamodb")

    threads = [threading.Thread(target=count) for _ in range(2)] + [threading.Thread(target=move, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    chance = random.Random(7)
    for _ in range(4):
        stop.wait(chance.uniform(0.3, 0.8))
        process.kill()
        process.start()
    stop.wait(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    dynamodb = process.client("dynamodb")
    counted = int(dynamodb.get_item(TableName="right", Key={"pk": {"S": "counter"}})["Item"]["v"]["N"])
    assert 0 < acknowledged[0] <= counted <= tried[0]
    amounts = [int(dynamodb.get_item(TableName="right", Key={"pk": {"S": name}})["Item"]["n"]["N"]) for name in names]
    assert sum(amounts) == 300
    assert min(amounts) >= 0
