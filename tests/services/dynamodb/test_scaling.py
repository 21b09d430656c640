"""Settings of auto scaling by replica and index, and the settings of global tables of 2017."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal

UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}


@pytest.fixture
def world(client: Any, dynamodb: Any, clock: Any) -> Any:
    """A provisioned table here and in Europe; the client there."""
    dynamodb.create_table(
        TableName="world",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")],
        ProvisionedThroughput=UNITS,
        GlobalSecondaryIndexes=[{**index("by-g", "g"), "ProvisionedThroughput": UNITS}],
    )
    dynamodb.update_table(TableName="world", ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    clock.settle()
    return client("dynamodb", region="eu-west-1", parameter_validation=False)


def scaling(lowest: int, highest: int, target: float = 70.0) -> dict[str, Any]:
    policy = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": target}}
    return {"MinimumUnits": lowest, "MaximumUnits": highest, "ScalingPolicyUpdate": policy}


def test_auto_scaling_is_kept_for_each_replica(dynamodb: Any, world: Any, account: str) -> None:
    nothing = dynamodb.describe_table_replica_auto_scaling(TableName="world")["TableAutoScalingDescription"]["Replicas"]
    assert [replica["RegionName"] for replica in nothing] == ["us-east-1", "eu-west-1"]
    assert nothing[1]["ReplicaProvisionedReadCapacityAutoScalingSettings"] == {"AutoScalingDisabled": True}
    dynamodb.update_table_replica_auto_scaling(
        TableName="world",
        ProvisionedWriteCapacityAutoScalingUpdate=scaling(1, 10),
        GlobalSecondaryIndexUpdates=[{"IndexName": "by-g", "ProvisionedWriteCapacityAutoScalingUpdate": scaling(2, 20)}],
        ReplicaUpdates=[{"RegionName": "eu-west-1", "ReplicaProvisionedReadCapacityAutoScalingUpdate": scaling(3, 30, 50.5)}],
    )
    there = world.describe_table_replica_auto_scaling(TableName="world")["TableAutoScalingDescription"]
    assert (there["TableName"], there["TableStatus"]) == ("world", "ACTIVE")
    found = {replica["RegionName"]: replica for replica in there["Replicas"]}
    for replica in found.values():
        assert replica["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["MaximumUnits"] == 10
        assert replica["GlobalSecondaryIndexes"][0]["ProvisionedWriteCapacityAutoScalingSettings"]["MaximumUnits"] == 20
    assert found["us-east-1"]["ReplicaProvisionedReadCapacityAutoScalingSettings"] == {"AutoScalingDisabled": True}
    read = found["eu-west-1"]["ReplicaProvisionedReadCapacityAutoScalingSettings"]
    assert read["AutoScalingRoleArn"].startswith(f"arn:aws:iam::{account}:role/aws-service-role/")
    assert read["ScalingPolicies"] == [
        {
            "PolicyName": "DynamoDBReadCapacityUtilization:table/world",
            "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50.5},
        }
    ]
    dynamodb.update_table_replica_auto_scaling(TableName="world", ProvisionedWriteCapacityAutoScalingUpdate={"AutoScalingDisabled": True})
    after = world.describe_table_replica_auto_scaling(TableName="world")["TableAutoScalingDescription"]["Replicas"]
    assert all(replica["ReplicaProvisionedWriteCapacityAutoScalingSettings"] == {"AutoScalingDisabled": True} for replica in after)


def test_settings_of_a_global_table_take_effect(dynamodb: Any, world: Any) -> None:
    dynamodb.update_global_table_settings(
        GlobalTableName="world",
        GlobalTableProvisionedWriteCapacityUnits=9,
        GlobalTableGlobalSecondaryIndexSettingsUpdate=[{"IndexName": "by-g", "ProvisionedWriteCapacityUnits": 8}],
        ReplicaSettingsUpdate=[
            {
                "RegionName": "eu-west-1",
                "ReplicaProvisionedReadCapacityUnits": 7,
                "ReplicaTableClass": "STANDARD_INFREQUENT_ACCESS",
                "ReplicaGlobalSecondaryIndexSettingsUpdate": [{"IndexName": "by-g", "ProvisionedReadCapacityUnits": 6}],
            }
        ],
    )
    settings = {one["RegionName"]: one for one in world.describe_global_table_settings(GlobalTableName="world")["ReplicaSettings"]}

    def units(region: str) -> tuple[int, ...]:
        found = settings[region]
        (by_g,) = found["ReplicaGlobalSecondaryIndexSettings"]
        table = (found["ReplicaProvisionedReadCapacityUnits"], found["ReplicaProvisionedWriteCapacityUnits"])
        return (*table, by_g["ProvisionedReadCapacityUnits"], by_g["ProvisionedWriteCapacityUnits"])

    assert units("us-east-1") == (5, 9, 5, 8)
    assert units("eu-west-1") == (7, 9, 6, 8)
    assert world.describe_table(TableName="world")["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
    dynamodb.update_global_table_settings(GlobalTableName="world", GlobalTableBillingMode="PAY_PER_REQUEST")
    assert world.describe_table(TableName="world")["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_what_is_not_there(dynamodb: Any, world: Any, make_table: Any) -> None:
    make_table("alone", "pk")
    assert refusal(dynamodb.describe_global_table_settings, GlobalTableName="alone")[0] == "GlobalTableNotFoundException"
    nowhere = [{"RegionName": "eu-west-3", "ReplicaProvisionedReadCapacityUnits": 1}]
    found = refusal(dynamodb.update_global_table_settings, GlobalTableName="world", ReplicaSettingsUpdate=nowhere)
    assert found[0] == "ReplicaNotFoundException"
    unknown = [{"IndexName": "none", "ProvisionedWriteCapacityUnits": 1}]
    found = refusal(dynamodb.update_global_table_settings, GlobalTableName="world", GlobalTableGlobalSecondaryIndexSettingsUpdate=unknown)
    assert found[0] == "IndexNotFoundException"
    assert refusal(dynamodb.describe_table_replica_auto_scaling, TableName="none-such")[0] == "ResourceNotFoundException"
    upside_down = {"ProvisionedWriteCapacityAutoScalingUpdate": scaling(9, 1)}
    assert refusal(dynamodb.update_table_replica_auto_scaling, TableName="world", **upside_down)[0] == "ValidationException"
