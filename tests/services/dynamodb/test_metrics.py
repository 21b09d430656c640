"""What calls say of capacity, as CloudWatch shows it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("metric", "units"), [("ConsumedReadCapacityUnits", 5.5), ("ConsumedWriteCapacityUnits", 7.0)])
def test_consumed_units_are_metrics(client: Any, dynamodb: Any, make_table: Any, clock: Any, metric: str, units: float) -> None:
    make_table("metered", "pk")
    item, key = {"pk": {"S": "a"}, "v": {"S": "x" * 1000}}, {"pk": {"S": "a"}}
    dynamodb.put_item(TableName="metered", Item=item)  # 1 write
    dynamodb.update_item(TableName="metered", Key=key)  # 1
    dynamodb.batch_write_item(RequestItems={"metered": [{"PutRequest": {"Item": item}}]})  # 1
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "metered", "Item": item}}])  # 2
    dynamodb.execute_statement(Statement="UPDATE metered SET n = 1 WHERE pk = 'a'")  # 1
    dynamodb.get_item(TableName="metered", Key=key, ConsistentRead=True)  # 1 read
    dynamodb.query(TableName="metered", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "a"}})  # 0.5
    dynamodb.scan(TableName="metered", ConsistentRead=True)  # 1
    dynamodb.batch_get_item(RequestItems={"metered": {"Keys": [key]}})  # 0.5
    dynamodb.transact_get_items(TransactItems=[{"Get": {"TableName": "metered", "Key": key}}])  # 2
    dynamodb.execute_statement(Statement="SELECT * FROM metered WHERE pk = 'a'")  # 0.5
    dynamodb.delete_item(TableName="metered", Key=key)  # 1
    clock.settle()
    now_s = clock.now_s()
    answer = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/DynamoDB",
        MetricName=metric,
        Dimensions=[{"Name": "TableName", "Value": "metered"}],
        StartTime=now_s - 3600,
        EndTime=now_s + 60,
        Period=3600,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in answer["Datapoints"]) == units
