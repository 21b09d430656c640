"""What was acknowledged is there after a kill: tables, items, index entries, expiries."""

from __future__ import annotations

from typing import Any

import pytest
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
