"""Global tables: replicas in other regions, the lag, the last writer, strong consistency."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


@pytest.fixture
def europe(client: Any) -> Any:
    return client("dynamodb", region="eu-west-1")


@pytest.fixture
def asia(client: Any) -> Any:
    return client("dynamodb", region="ap-south-1")


def item(pk: str, v: int) -> dict[str, Any]:
    return {"pk": {"S": pk}, "v": {"N": str(v)}, "g": {"S": "g"}}


def items(dynamodb: Any, name: str) -> dict[str, str]:
    return {found["pk"]["S"]: found["v"]["N"] for found in dynamodb.scan(TableName=name)["Items"]}


def create(*regions: str) -> list[dict[str, Any]]:
    return [{"Create": {"RegionName": region}} for region in regions]


def test_a_write_reaches_the_other_regions_after_the_lag(dynamodb: Any, europe: Any, asia: Any, make_table: Any, clock: Any) -> None:
    make_table(
        "world", "pk", GlobalSecondaryIndexes=[index("by-g", "g")], Tags=[{"Key": "groundcloud:replication-lag-ms", "Value": "5000"}]
    )
    for at in range(3):
        dynamodb.put_item(TableName="world", Item=item(str(at), at))
    dynamodb.update_table(TableName="world", ReplicaUpdates=create("eu-west-1", "ap-south-1"))
    clock.settle()
    table = dynamodb.describe_table(TableName="world")["Table"]
    assert table["Replicas"] == [
        {"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"},
        {"RegionName": "ap-south-1", "ReplicaStatus": "ACTIVE"},
    ]
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    there = europe.describe_table(TableName="world")["Table"]
    assert {replica["RegionName"] for replica in there["Replicas"]} == {"us-east-1", "ap-south-1"}
    assert ":eu-west-1:" in there["TableArn"]
    assert items(europe, "world") == items(asia, "world") == {"0": "0", "1": "1", "2": "2"}
    dynamodb.put_item(TableName="world", Item=item("new", 1))
    dynamodb.delete_item(TableName="world", Key={"pk": {"S": "0"}})
    clock.advance("4s")
    assert items(europe, "world") == {"0": "0", "1": "1", "2": "2"}
    clock.advance("2s")
    assert items(europe, "world") == items(asia, "world") == items(dynamodb, "world") == {"1": "1", "2": "2", "new": "1"}
    asked = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}}
    assert europe.query(TableName="world", IndexName="by-g", **asked)["Count"] == 3
    asia.put_item(TableName="world", Item=item("asia", 7))
    clock.advance("6s")
    assert items(dynamodb, "world")["asia"] == items(europe, "world")["asia"] == "7"


def test_the_last_writer_wins_everywhere(dynamodb: Any, europe: Any, make_table: Any, clock: Any) -> None:
    make_table("contested", "pk")
    dynamodb.update_table(TableName="contested", ReplicaUpdates=create("eu-west-1"))
    clock.settle()
    dynamodb.put_item(TableName="contested", Item=item("a", 1))
    europe.put_item(TableName="contested", Item=item("a", 2))
    europe.put_item(TableName="contested", Item=item("b", 1))
    dynamodb.put_item(TableName="contested", Item=item("b", 2))
    dynamodb.put_item(TableName="contested", Item=item("c", 1))
    europe.put_item(TableName="contested", Item=item("c", 2))
    europe.delete_item(TableName="contested", Key={"pk": {"S": "c"}})
    clock.advance("2s")
    assert items(dynamodb, "contested") == items(europe, "contested") == {"a": "2", "b": "2"}


def test_strong_consistency_has_no_lag(client: Any, dynamodb: Any, make_table: Any, clock: Any) -> None:
    ohio, oregon = client("dynamodb", region="us-east-2"), client("dynamodb", region="us-west-2")
    make_table("strong", "pk")
    assert (
        refusal(dynamodb.update_table, TableName="strong", MultiRegionConsistency="STRONG", ReplicaUpdates=create("us-east-2"))[0]
        == "ValidationException"
    )
    far = refusal(
        dynamodb.update_table, TableName="strong", MultiRegionConsistency="STRONG", ReplicaUpdates=create("us-east-2", "eu-west-1")
    )
    assert "Region set" in far[1]
    dynamodb.update_table(TableName="strong", MultiRegionConsistency="STRONG", ReplicaUpdates=create("us-east-2", "us-west-2"))
    clock.settle()
    ohio.put_item(TableName="strong", Item=item("a", 1))
    assert items(dynamodb, "strong") == items(oregon, "strong") == {"a": "1"}
    failed = refusal(oregon.put_item, TableName="strong", Item=item("a", 2), ConditionExpression="attribute_not_exists(pk)")
    assert failed[0] == "ConditionalCheckFailedException"
    assert dynamodb.describe_table(TableName="strong")["Table"]["MultiRegionConsistency"] == "STRONG"


def test_what_strong_consistency_does_not_go_with(dynamodb: Any, make_table: Any, clock: Any) -> None:
    strong = {"MultiRegionConsistency": "STRONG", "ReplicaUpdates": create("us-east-2", "us-west-2")}
    make_table("local", "pk", "sk", LocalSecondaryIndexes=[index("by-g", "pk", "g")])
    assert "Local secondary indexes are not supported" in refusal(dynamodb.update_table, TableName="local", **strong)[1]
    make_table("plain", "pk")
    dynamodb.update_table(TableName="plain", **strong)
    clock.settle()
    sentence = ("ValidationException", "Transactions are not supported on global tables with MultiRegionConsistency STRONG")
    key = {"TableName": "plain", "Key": {"pk": {"S": "a"}}}
    assert refusal(dynamodb.transact_write_items, TransactItems=[{"Delete": key}]) == sentence
    assert refusal(dynamodb.transact_get_items, TransactItems=[{"Get": key}]) == sentence
    statement = {"Statement": "INSERT INTO plain VALUE {'pk': 'a'}"}
    assert refusal(dynamodb.execute_transaction, TransactStatements=[statement]) == sentence
    lives = {"Enabled": True, "AttributeName": "until"}
    assert "Time to live is not supported" in refusal(dynamodb.update_time_to_live, TableName="plain", TimeToLiveSpecification=lives)[1]


def test_a_replica_has_settings_of_its_own(dynamodb: Any, europe: Any, make_table: Any, clock: Any) -> None:
    make_table("own", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    key = "arn:aws:kms:eu-west-1:111122223333:key/own"
    of_index = {"IndexName": "by-g", "OnDemandThroughputOverride": {"MaxReadRequestUnits": 7}}
    spec = {
        "RegionName": "eu-west-1",
        "KMSMasterKeyId": key,
        "TableClassOverride": "STANDARD_INFREQUENT_ACCESS",
        "OnDemandThroughputOverride": {"MaxReadRequestUnits": 9},
        "GlobalSecondaryIndexes": [of_index],
    }
    dynamodb.update_table(TableName="own", ReplicaUpdates=[{"Create": spec}])
    clock.settle()
    assert dynamodb.describe_table(TableName="own")["Table"]["Replicas"] == [
        {
            "RegionName": "eu-west-1",
            "ReplicaStatus": "ACTIVE",
            "KMSMasterKeyId": key,
            "OnDemandThroughputOverride": {"MaxReadRequestUnits": 9},
            "GlobalSecondaryIndexes": [of_index],
            "ReplicaTableClassSummary": {"TableClass": "STANDARD_INFREQUENT_ACCESS"},
        }
    ]
    there = europe.describe_table(TableName="own")["Table"]
    assert there["SSEDescription"]["KMSMasterKeyArn"] == key
    assert there["OnDemandThroughput"] == {"MaxReadRequestUnits": 9}
    assert there["GlobalSecondaryIndexes"][0]["OnDemandThroughput"] == {"MaxReadRequestUnits": 7}
    dynamodb.update_table(TableName="own", ReplicaUpdates=[{"Update": {**spec, "OnDemandThroughputOverride": {"MaxReadRequestUnits": 3}}}])
    assert europe.describe_table(TableName="own")["Table"]["OnDemandThroughput"] == {"MaxReadRequestUnits": 3}


def test_two_replicas_and_a_witness(client: Any, dynamodb: Any, make_table: Any, clock: Any) -> None:
    ohio = client("dynamodb", region="us-east-2")
    make_table("witnessed", "pk")
    witness = [{"Create": {"RegionName": "us-west-2"}}]
    strong = {"TableName": "witnessed", "MultiRegionConsistency": "STRONG", "GlobalTableWitnessUpdates": witness}
    assert refusal(dynamodb.update_table, **strong, ReplicaUpdates=create("us-west-2"))[0] == "ValidationException"
    dynamodb.update_table(**strong, ReplicaUpdates=create("us-east-2"))
    clock.settle()
    for place in (dynamodb, ohio):
        table = place.describe_table(TableName="witnessed")["Table"]
        assert table["GlobalTableWitnesses"] == [{"RegionName": "us-west-2", "WitnessStatus": "ACTIVE"}]
        assert len(table["Replicas"]) == 1
    ohio.put_item(TableName="witnessed", Item=item("a", 1))
    assert items(dynamodb, "witnessed") == {"a": "1"}
    there = client("dynamodb", region="us-west-2")
    assert refusal(there.describe_table, TableName="witnessed")[0] == "ResourceNotFoundException"
    gone = [{"Delete": {"RegionName": "us-west-2"}}]
    assert refusal(dynamodb.update_table, TableName="witnessed", GlobalTableWitnessUpdates=gone)[0] == "ValidationException"
    leave = [{"Delete": {"RegionName": "us-east-2"}}]
    dynamodb.update_table(TableName="witnessed", GlobalTableWitnessUpdates=gone, ReplicaUpdates=leave)
    table = dynamodb.describe_table(TableName="witnessed")["Table"]
    assert not {"GlobalTableWitnesses", "Replicas", "MultiRegionConsistency"} & set(table)


def test_replicas_share_indexes_and_expiry_and_leave(dynamodb: Any, europe: Any, make_table: Any, clock: Any) -> None:
    make_table("shared", "pk")
    dynamodb.update_table(TableName="shared", ReplicaUpdates=create("eu-west-1"))
    clock.settle()
    dynamodb.update_table(
        TableName="shared",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")],
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}],
    )
    dynamodb.update_time_to_live(TableName="shared", TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True})
    clock.settle()
    assert europe.describe_table(TableName="shared")["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert europe.describe_time_to_live(TableName="shared")["TimeToLiveDescription"]["AttributeName"] == "ttl"
    dynamodb.put_item(TableName="shared", Item={**item("a", 1), "ttl": {"N": str(int(clock.now_s()) + 10)}})
    clock.advance("5s")
    assert items(europe, "shared") == {"a": "1"}
    clock.advance("30s")
    assert items(europe, "shared") == items(dynamodb, "shared") == {}
    europe.delete_table(TableName="shared")
    assert "Replicas" not in dynamodb.describe_table(TableName="shared")["Table"]
    dynamodb.put_item(TableName="shared", Item=item("b", 1))
    clock.advance("5s")


def test_what_a_replica_update_refuses(dynamodb: Any, europe: Any, make_table: Any) -> None:
    make_table("refused", "pk")
    assert refusal(dynamodb.update_table, TableName="refused", ReplicaUpdates=create("us-east-1"))[1].startswith(
        "Cannot add, delete, or update the local region"
    )
    absent = [{"Delete": {"RegionName": "eu-west-1"}}]
    assert refusal(dynamodb.update_table, TableName="refused", ReplicaUpdates=absent) == (
        "ValidationException",
        "Replica specified in the Replica Update or Replica Delete action of the request was not found.",
    )
    europe.create_table(
        TableName="refused",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert refusal(dynamodb.update_table, TableName="refused", ReplicaUpdates=create("eu-west-1"))[0] == "ValidationException"


def test_the_older_operations_join_tables(dynamodb: Any, europe: Any, clock: Any) -> None:
    for region in (dynamodb, europe):
        region.create_table(
            TableName="joined",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
    group = [{"RegionName": "us-east-1"}, {"RegionName": "eu-west-1"}]
    dynamodb.create_global_table(GlobalTableName="joined", ReplicationGroup=group)
    assert dynamodb.describe_global_table(GlobalTableName="joined")["GlobalTableDescription"]["GlobalTableStatus"] == "ACTIVE"
    assert dynamodb.list_global_tables()["GlobalTables"] == [{"GlobalTableName": "joined", "ReplicationGroup": group}]
    dynamodb.put_item(TableName="joined", Item=item("a", 1))
    clock.advance("2s")
    assert items(europe, "joined") == {"a": "1"}
    assert refusal(dynamodb.describe_global_table, GlobalTableName="nothing")[0] == "GlobalTableNotFoundException"


def test_a_replica_leaves_and_keeps_what_it_has(dynamodb: Any, europe: Any, make_table: Any, clock: Any) -> None:
    make_table("parting", "pk", Tags=[{"Key": "groundcloud:replication-lag-ms", "Value": "60000"}])
    dynamodb.update_table(TableName="parting", ReplicaUpdates=create("eu-west-1"))
    clock.settle()
    table = dynamodb.describe_table(TableName="parting")["Table"]
    assert (table["DisassociationProtectionEnabled"], table["GlobalTableSettingsReplicationMode"]) == (True, "ENABLED_WITH_OVERRIDES")
    dynamodb.put_item(TableName="parting", Item=item("here", 1))
    europe.put_item(TableName="parting", Item=item("there", 2))
    leave = [{"Disassociate": {"RegionName": "us-east-1", "DisassociationMode": "WAIT_FOR_REPLICATION"}}]
    assert "protected against disassociation" in refusal(dynamodb.update_table, TableName="parting", ReplicaUpdates=leave)[1]
    both = {"DisassociationProtectionEnabled": False, "DeletionProtectionEnabled": False}
    assert refusal(dynamodb.update_table, TableName="parting", **both)[1].endswith("must be the only operation in the request")
    dynamodb.update_table(TableName="parting", DisassociationProtectionEnabled=False)
    elsewhere = [{"Disassociate": {"RegionName": "eu-west-1", "DisassociationMode": "WAIT_FOR_REPLICATION"}}]
    assert refusal(dynamodb.update_table, TableName="parting", ReplicaUpdates=elsewhere)[0] == "ValidationException"
    dynamodb.update_table(TableName="parting", ReplicaUpdates=leave)
    for client in (dynamodb, europe):
        assert "Replicas" not in client.describe_table(TableName="parting")["Table"]
        assert items(client, "parting") == {"here": "1", "there": "2"}
    dynamodb.put_item(TableName="parting", Item=item("late", 3))
    clock.advance("5m")
    assert "late" not in items(europe, "parting")


def test_a_region_must_be_one_of_aws(dynamodb: Any, make_table: Any) -> None:
    make_table("earthly", "pk")
    assert refusal(dynamodb.update_table, TableName="earthly", ReplicaUpdates=create("mars-1"))[0] == "ValidationException"


def test_the_mode_of_settings_is_kept_for_a_table_of_one_region(dynamodb: Any, make_table: Any) -> None:
    make_table("modal", "pk")
    dynamodb.update_table(TableName="modal", GlobalTableSettingsReplicationMode="ENABLED")
    assert dynamodb.describe_table(TableName="modal")["Table"]["GlobalTableSettingsReplicationMode"] == "ENABLED"
    code, _ = refusal(dynamodb.update_table, TableName="modal", GlobalTableSettingsReplicationMode="ENABLED_WITH_OVERRIDES")
    assert code == "ValidationException"
