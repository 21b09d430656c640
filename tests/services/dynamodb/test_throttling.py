"""Provisioned throughput, enforced where the table's tag says so."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.dynamodb.asking import index, refusal

ON = [{"Key": "groundcloud:throttling", "Value": "on"}]
KEY = {"pk": {"S": "a"}}
EXCEEDED = "ProvisionedThroughputExceededException"


def make(dynamodb: Any, name: str, **options: Any) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"} for key in ("pk", *(["g"] if "GlobalSecondaryIndexes" in options else []))
        ],
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        Tags=ON,
        **options,
    )


def test_writes_use_up_the_burst_and_come_back_with_time(dynamodb: Any, clock: Any) -> None:
    make(dynamodb, "slow")
    big = {"pk": {"S": "a"}, "x": {"S": "x" * 300 * 1024}}
    dynamodb.put_item(TableName="slow", Item=big)
    code, sentence = refusal(dynamodb.put_item, TableName="slow", Item=KEY)
    assert code == EXCEEDED
    assert sentence.startswith("The level of configured provisioned throughput for the table was exceeded.")
    assert "Item" in dynamodb.get_item(TableName="slow", Key=KEY)
    clock.advance("5s")
    dynamodb.put_item(TableName="slow", Item=KEY)
    dynamodb.untag_resource(ResourceArn=dynamodb.describe_table(TableName="slow")["Table"]["TableArn"], TagKeys=[ON[0]["Key"]])
    for _ in range(10):
        dynamodb.put_item(TableName="slow", Item=KEY)


def test_reads_are_throttled_too(dynamodb: Any, clock: Any) -> None:
    make(dynamodb, "read")
    dynamodb.put_item(TableName="read", Item={"pk": {"S": "a"}, "x": {"S": "x" * 250 * 1024}})
    for _ in range(5):
        dynamodb.get_item(TableName="read", Key=KEY, ConsistentRead=True)
    assert refusal(dynamodb.get_item, TableName="read", Key=KEY)[0] == EXCEEDED
    assert refusal(dynamodb.scan, TableName="read")[0] == EXCEEDED
    assert refusal(dynamodb.batch_get_item, RequestItems={"read": {"Keys": [KEY]}})[0] == EXCEEDED


def test_an_on_demand_maximum_is_kept(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("bounded", "pk", OnDemandThroughput={"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 1}, Tags=ON)
    dynamodb.put_item(TableName="bounded", Item={"pk": {"S": "a"}, "x": {"S": "x" * 310 * 1024}})
    for operation, request in (
        (dynamodb.put_item, {"TableName": "bounded", "Item": KEY}),
        (dynamodb.batch_write_item, {"RequestItems": {"bounded": [{"PutRequest": {"Item": KEY}}]}}),
    ):
        with pytest.raises(ClientError) as error:
            operation(**request)
        found = error.value.response
        assert (found["Error"]["Code"], found["Error"]["Message"]) == (
            "ThrottlingException",
            "Throughput exceeds the maximum OnDemandThroughput configured on table or index",
        )
        arn = dynamodb.describe_table(TableName="bounded")["Table"]["TableArn"]
        assert found["throttlingReasons"] == [{"reason": "TableWriteMaxOnDemandThroughputExceeded", "resource": arn}]


def test_a_batch_leaves_what_is_not_admitted(dynamodb: Any, clock: Any) -> None:
    make(dynamodb, "batch")
    writes = [{"PutRequest": {"Item": {"pk": {"S": str(at)}, "x": {"S": "x" * 100 * 1024}}}} for at in range(5)]
    left = dynamodb.batch_write_item(RequestItems={"batch": writes})["UnprocessedItems"]["batch"]
    assert len(left) == 2
    assert refusal(dynamodb.batch_write_item, RequestItems={"batch": left})[0] == EXCEEDED
    clock.advance("10m")
    assert dynamodb.batch_write_item(RequestItems={"batch": left})["UnprocessedItems"] == {}
    assert dynamodb.scan(TableName="batch", Select="COUNT")["Count"] == 5


def test_a_full_index_holds_up_its_table(dynamodb: Any, clock: Any) -> None:
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    make(dynamodb, "held", GlobalSecondaryIndexes=[{**index("by-g", "g"), "ProvisionedThroughput": units}])
    dynamodb.update_table(TableName="held", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1000})
    dynamodb.put_item(TableName="held", Item={"pk": {"S": "a"}, "g": {"S": "g"}, "x": {"S": "x" * 310 * 1024}})
    code, sentence = refusal(dynamodb.put_item, TableName="held", Item=KEY)
    assert code == EXCEEDED
    assert "global secondary indexes" in sentence


def test_a_transaction_says_which_part_had_no_throughput(dynamodb: Any, make_table: Any) -> None:
    make(dynamodb, "slow")
    make_table("free", "pk")
    dynamodb.put_item(TableName="slow", Item={"pk": {"S": "a"}, "x": {"S": "x" * 350 * 1024}})
    parts = [{"Put": {"TableName": name, "Item": KEY}} for name in ("free", "slow")]
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as error:
        dynamodb.transact_write_items(TransactItems=parts)
    first, second = error.value.response["CancellationReasons"]
    assert first == {"Code": "None"}
    assert second["Code"] == "ProvisionedThroughputExceeded"
    assert second["Message"].startswith("The level of configured provisioned throughput for the table was exceeded.")
    assert dynamodb.scan(TableName="free")["Count"] == 0
