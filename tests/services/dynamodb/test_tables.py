"""Tables: made, described, listed, changed, deleted; what is refused and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.dynamodb.asking import index, refusal

HASH = [{"AttributeName": "pk", "KeyType": "HASH"}]
PK = {"AttributeName": "pk", "AttributeType": "S"}
INVALID = "One or more parameter values were invalid: "


def test_a_table_is_creating_in_the_answer_and_active_at_once(dynamodb: Any, account: str) -> None:
    created = dynamodb.create_table(
        TableName="orders",
        KeySchema=[*HASH, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[PK, {"AttributeName": "n", "AttributeType": "N"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        Tags=[{"Key": "team", "Value": "blue"}],
    )["TableDescription"]
    assert created["TableStatus"] == "CREATING"
    dynamodb.get_waiter("table_exists").wait(TableName="orders", WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    table = dynamodb.describe_table(TableName="orders")["Table"]
    arn = f"arn:aws:dynamodb:us-east-1:{account}:table/orders"
    assert table["TableStatus"] == "ACTIVE"
    assert table["TableArn"] == created["TableArn"] == arn
    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}]
    assert table["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    assert (table["ItemCount"], table["TableSizeBytes"], table["DeletionProtectionEnabled"]) == (0, 0, False)
    assert "BillingModeSummary" not in table
    assert dynamodb.describe_table(TableName=arn)["Table"]["TableId"] == created["TableId"]
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "blue"}]


def test_a_table_counts_its_items_and_bytes(dynamodb: Any, make_table: Any) -> None:
    make_table("counted", "pk")
    for key in "abc":
        dynamodb.put_item(TableName="counted", Item={"pk": {"S": key}, "x": {"S": "12345"}})
    dynamodb.put_item(TableName="counted", Item={"pk": {"S": "a"}, "x": {"S": "1"}})
    dynamodb.delete_item(TableName="counted", Key={"pk": {"S": "b"}})
    dynamodb.delete_item(TableName="counted", Key={"pk": {"S": "nobody"}})
    table = dynamodb.describe_table(TableName="counted")["Table"]
    assert (table["ItemCount"], table["TableSizeBytes"]) == (2, (3 + 2) + (3 + 6))


def test_tables_are_listed_in_pages_by_name(dynamodb: Any, make_table: Any) -> None:
    for name in ("ccc", "aaa", "bbb"):
        make_table(name, "pk")
    first = dynamodb.list_tables(Limit=2)
    assert first["TableNames"] == ["aaa", "bbb"]
    assert first["LastEvaluatedTableName"] == "bbb"
    second = dynamodb.list_tables(Limit=2, ExclusiveStartTableName="bbb")
    assert second["TableNames"] == ["ccc"]
    assert "LastEvaluatedTableName" not in second


def test_a_deleted_table_leaves_nothing_to_the_next_of_its_name(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("again", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    dynamodb.put_item(TableName="again", Item={"pk": {"S": "a"}, "g": {"S": "x"}})
    deleted = dynamodb.delete_table(TableName="again")["TableDescription"]
    assert (deleted["TableStatus"], deleted["TableName"]) == ("DELETING", "again")
    assert not {"KeySchema", "AttributeDefinitions", "CreationDateTime", "GlobalSecondaryIndexes"} & deleted.keys()
    dynamodb.get_waiter("table_not_exists").wait(TableName="again", WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    assert refusal(dynamodb.delete_table, TableName="again") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: again not found",
    )
    make_table("again", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    clock.settle()
    assert dynamodb.scan(TableName="again")["Items"] == []
    assert dynamodb.scan(TableName="again", IndexName="by-g")["Items"] == []
    assert dynamodb.describe_table(TableName="again")["Table"]["ItemCount"] == 0


def test_a_protected_table_is_not_deleted(dynamodb: Any, make_table: Any) -> None:
    make_table("kept", "pk", DeletionProtectionEnabled=True)
    assert refusal(dynamodb.delete_table, TableName="kept") == (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
    )
    dynamodb.update_table(TableName="kept", DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName="kept")


def test_a_name_is_taken_once(dynamodb: Any, make_table: Any) -> None:
    make_table("twice", "pk")
    request = {"TableName": "twice", "KeySchema": HASH, "AttributeDefinitions": [PK], "BillingMode": "PAY_PER_REQUEST"}
    assert refusal(dynamodb.create_table, **request) == ("ResourceInUseException", "Table already exists: twice")


def lsi(name: str, *key: str, **options: Any) -> dict[str, Any]:
    return {"LocalSecondaryIndexes": [index(name, *key, **options)]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TableName": None}, "The parameter 'TableName' is required but was not present in the request"),
        ({"TableName": "ab"}, "TableName must be at least 3 characters long and at most 255 characters long"),
        ({"TableName": "a b c"}, "1 validation error detected: Value 'a b c' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        ({"BillingMode": "FREE"}, "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]"),
        ({"BillingMode": None}, INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
        ({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
        ({"AttributeDefinitions": [{"AttributeName": "x", "AttributeType": "S"}]}, INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: [x]"),
        ({"KeySchema": [*HASH, {"AttributeName": "sk", "KeyType": "RANGE"}]}, "Invalid KeySchema: Some index key attribute have no definition"),
        ({"KeySchema": [*HASH, {"AttributeName": "pk", "KeyType": "RANGE"}], "AttributeDefinitions": [PK, {"AttributeName": "x", "AttributeType": "S"}]}, "Both the Hash Key and the Range Key element in the KeySchema have the same name"),
        ({"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]}, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        ({"AttributeDefinitions": [PK, {"AttributeName": "x", "AttributeType": "S"}]}, INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"),
        ({"LocalSecondaryIndexes": []}, INVALID + "List of LocalSecondaryIndexes is empty"),
        ({"GlobalSecondaryIndexes": []}, INVALID + "List of GlobalSecondaryIndexes is empty"),
        (lsi("by-x", "pk", "x"), INVALID + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"),
        ({"GlobalSecondaryIndexes": [index("by-x", "x")]}, INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [x], AttributeDefinitions: [pk]"),
        ({"GlobalSecondaryIndexes": [index("by-p", "pk", projection="KEYS_ONLY", include=["q"])]}, INVALID + "ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified"),
        ({"GlobalSecondaryIndexes": [index("by-p", "pk"), index("by-p", "pk")]}, INVALID + "Duplicate index name: by-p"),
        ({"GlobalSecondaryIndexes": [index(f"by-p{at}", "pk") for at in range(21)]}, INVALID + "GlobalSecondaryIndex count exceeds the per-table limit of 20"),
        ({"GlobalSecondaryIndexes": [{**index("by-p", "pk"), "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}]}, INVALID + "ProvisionedThroughput should not be specified for index: by-p when BillingMode is PAY_PER_REQUEST"),
        ({"AttributeDefinitions": [PK, {"AttributeName": "x", "AttributeType": "S"}], "GlobalSecondaryIndexes": [index("by-p", "pk")]}, INVALID + "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, x], keys used: [pk]"),
        ({"OnDemandThroughput": {"MaxReadRequestUnits": 0}}, INVALID + "MaxReadRequestUnits of OnDemandThroughput must be at least 1, or -1 for no maximum"),
        ({"WarmThroughput": {"WriteUnitsPerSecond": 3999}}, INVALID + "Requested WriteUnitsPerSecond for WarmThroughput for table is lower than current WarmThroughput, decreasing WarmThroughput is not supported"),
        ({"GlobalSecondaryIndexes": [{**index("by-p", "pk"), "WarmThroughput": {"ReadUnitsPerSecond": 1}}]}, INVALID + "Requested ReadUnitsPerSecond for WarmThroughput for index by-p is lower than current WarmThroughput, decreasing WarmThroughput is not supported"),
        ({"GlobalSecondaryIndexes": [{**index("by-p", "pk"), "Projection": {}}]}, INVALID + "Unknown ProjectionType: null"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be(dynamodb: Any, changes: dict[str, Any], sentence: str) -> None:
    request = {"TableName": "refused", "KeySchema": HASH, "AttributeDefinitions": [PK], "BillingMode": "PAY_PER_REQUEST", **changes}
    request = {name: value for name, value in request.items() if value is not None}
    assert refusal(dynamodb.create_table, **request) == ("ValidationException", sentence)


def test_what_is_not_implemented_is_refused_by_name(dynamodb: Any) -> None:
    code, sentence = refusal(
        dynamodb.create_table,
        TableName="shared",
        GlobalTableSourceArn="arn:aws:dynamodb:us-east-1:111122223333:table/theirs",
        KeySchema=HASH,
        AttributeDefinitions=[PK],
        BillingMode="PAY_PER_REQUEST",
    )
    assert code == "NotImplementedException"
    assert "GlobalTableSourceArn" in sentence


def test_capacity_changes_and_says_when_it_does_not(dynamodb: Any) -> None:
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    dynamodb.create_table(TableName="tuned", KeySchema=HASH, AttributeDefinitions=[PK], ProvisionedThroughput=units)
    assert refusal(dynamodb.update_table, TableName="tuned", ProvisionedThroughput=units) == (
        "ValidationException",
        "The provisioned throughput for the table will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. "
        "Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
    )
    changed = dynamodb.update_table(TableName="tuned", ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 7})
    assert changed["TableDescription"]["TableStatus"] == "UPDATING"
    found = dynamodb.describe_table(TableName="tuned")["Table"]["ProvisionedThroughput"]
    assert (found["ReadCapacityUnits"], found["WriteCapacityUnits"], found["NumberOfDecreasesToday"]) == (3, 7, 1)
    dynamodb.update_table(TableName="tuned", BillingMode="PAY_PER_REQUEST")
    table = dynamodb.describe_table(TableName="tuned")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    assert refusal(dynamodb.update_table, TableName="nowhere", BillingMode="PAY_PER_REQUEST")[0] == "ResourceNotFoundException"


def test_an_index_is_made_filled_and_removed_on_a_table_in_use(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("grown", "pk")
    for at in range(450):
        item = {"pk": {"S": str(at)}, "g": {"S": "even" if at % 2 == 0 else "odd"}} if at % 3 else {"pk": {"S": str(at)}}
        dynamodb.put_item(TableName="grown", Item=item)
    definitions = [{"AttributeName": "g", "AttributeType": "S"}, PK]
    dynamodb.update_table(
        TableName="grown", AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g", "pk")}]
    )
    dynamodb.put_item(TableName="grown", Item={"pk": {"S": "late"}, "g": {"S": "even"}})
    clock.settle()
    (found,) = dynamodb.describe_table(TableName="grown")["Table"]["GlobalSecondaryIndexes"]
    assert (found["IndexStatus"], found["ItemCount"]) == ("ACTIVE", 301)
    asked = {
        "TableName": "grown",
        "IndexName": "by-g",
        "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "even"}},
    }
    assert dynamodb.query(**asked, Select="COUNT")["Count"] == 151
    again = [{"Create": index("by-g", "g")}]
    assert refusal(dynamodb.update_table, TableName="grown", AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=again) == (
        "ValidationException",
        "Attempting to create an index which already exists",
    )
    dynamodb.update_table(TableName="grown", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    table = dynamodb.describe_table(TableName="grown")["Table"]
    assert "GlobalSecondaryIndexes" not in table
    assert table["AttributeDefinitions"] == [PK]
    assert refusal(dynamodb.query, **asked) == ("ValidationException", "The table does not have the specified index: by-g")


def test_tags_and_policies_of_a_table(dynamodb: Any, make_table: Any) -> None:
    make_table("tagged", "pk")
    arn = dynamodb.describe_table(TableName="tagged")["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["b", "nothing"])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    code, _ = refusal(dynamodb.tag_resource, ResourceArn=arn + "x", Tags=[{"Key": "a", "Value": "1"}])
    assert code == "ResourceNotFoundException"
    assert refusal(dynamodb.get_resource_policy, ResourceArn=arn)[0] == "PolicyNotFoundException"
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"dynamodb:PutItem","Resource":"*"}]}'
    revision = dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    found = dynamodb.get_resource_policy(ResourceArn=arn)
    assert (found["Policy"], found["RevisionId"]) == (policy, revision)
    code, sentence = refusal(dynamodb.put_item, TableName="tagged", Item={"pk": {"S": "a"}})
    assert code == "AccessDeniedException"
    assert "explicit deny" in sentence
    dynamodb.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=revision)
    dynamodb.put_item(TableName="tagged", Item={"pk": {"S": "a"}})


def test_limits_and_endpoints(dynamodb: Any, ground: Any) -> None:
    assert dynamodb.describe_limits()["TableMaxReadCapacityUnits"] == 40_000
    (endpoint,) = dynamodb.describe_endpoints()["Endpoints"]
    assert ground.endpoint.endswith(endpoint["Address"])


def test_a_table_class_changes_alone(dynamodb: Any, make_table: Any) -> None:
    make_table("classy", "pk")
    both = {"TableClass": "STANDARD_INFREQUENT_ACCESS", "DeletionProtectionEnabled": False}
    assert refusal(dynamodb.update_table, TableName="classy", **both) == (
        "ValidationException",
        INVALID + "TableClass modification must be the only operation in the request",
    )
    dynamodb.update_table(TableName="classy", TableClass="STANDARD_INFREQUENT_ACCESS")
    assert dynamodb.describe_table(TableName="classy")["Table"]["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"


def test_warm_throughput_only_grows(dynamodb: Any, make_table: Any) -> None:
    make_table("warm", "pk")
    dynamodb.update_table(TableName="warm", WarmThroughput={"ReadUnitsPerSecond": 13_000})
    found = refusal(dynamodb.update_table, TableName="warm", WarmThroughput={"ReadUnitsPerSecond": 12_500})
    assert found[1].endswith("decreasing WarmThroughput is not supported")
    warm = dynamodb.describe_table(TableName="warm")["Table"]["WarmThroughput"]
    assert (warm["ReadUnitsPerSecond"], warm["WriteUnitsPerSecond"]) == (13_000, 4_000)


def test_a_table_whose_index_is_made_is_not_deleted(ground: Any, dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("filling", "pk")
    for at in range(250):
        dynamodb.put_item(TableName="filling", Item={"pk": {"S": str(at)}, "g": {"S": "x"}})
    ground.admin("POST", "/_ground/clock", {"settle": True})
    dynamodb.update_table(
        TableName="filling",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")],
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}],
    )
    try:
        dynamodb.delete_table(TableName="filling")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceInUseException"
        assert "indexes are being created" in error.response["Error"]["Message"]
        clock.settle()
        dynamodb.delete_table(TableName="filling")
    assert "filling" not in dynamodb.list_tables()["TableNames"]


def test_throughput_is_lowered_four_times_a_day_and_then_once_an_hour(dynamodb: Any, clock: Any) -> None:
    clock.advance(f"{86_400 - int(clock.now_s()) % 86_400 + 60}s")
    units = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 5}
    dynamodb.create_table(TableName="lowered", KeySchema=HASH, AttributeDefinitions=[PK], ProvisionedThroughput=units)

    def to(reads: int) -> dict[str, Any]:
        request = {"ReadCapacityUnits": reads, "WriteCapacityUnits": 5}
        found: dict[str, Any] = dynamodb.update_table(TableName="lowered", ProvisionedThroughput=request)["TableDescription"]
        return found["ProvisionedThroughput"]

    for reads in (40, 30, 20, 10):
        lowered = to(reads)
    assert lowered["NumberOfDecreasesToday"] == 4
    assert "LastIncreaseDateTime" not in lowered
    assert to(60)["LastIncreaseDateTime"] >= lowered["LastDecreaseDateTime"]
    fifth = {"ReadCapacityUnits": 9, "WriteCapacityUnits": 5}
    code, sentence = refusal(dynamodb.update_table, TableName="lowered", ProvisionedThroughput=fifth)
    assert code == "LimitExceededException"
    assert sentence.startswith(
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 decreases, "
        "each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds. Number of decreases today: 4. "
        "Last decrease at "
    )
    assert "at 12:01:00 AM Coordinated Universal Time. Next decrease can be made at " in sentence
    clock.advance("1h")
    assert to(9)["NumberOfDecreasesToday"] == 5
    clock.advance("1d")
    assert dynamodb.describe_table(TableName="lowered")["Table"]["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0
    assert to(8)["NumberOfDecreasesToday"] == 1


def test_a_table_goes_on_demand_four_times_a_day(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("switched", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    provisioned = {"TableName": "switched", "BillingMode": "PROVISIONED", "ProvisionedThroughput": units}
    assert refusal(dynamodb.update_table, **provisioned)[1] == INVALID + "ProvisionedThroughput must be specified for index: by-g"
    of_index = [{"Update": {"IndexName": "by-g", "ProvisionedThroughput": units}}]
    assert refusal(dynamodb.update_table, TableName="switched", GlobalSecondaryIndexUpdates=of_index)[1] == (
        INVALID + "ProvisionedThroughput should not be specified for index: by-g when BillingMode is PAY_PER_REQUEST"
    )
    for _ in range(4):
        dynamodb.update_table(**provisioned, GlobalSecondaryIndexUpdates=of_index)
        dynamodb.update_table(TableName="switched", BillingMode="PAY_PER_REQUEST")
    dynamodb.update_table(**provisioned, GlobalSecondaryIndexUpdates=of_index)
    code, sentence = refusal(dynamodb.update_table, TableName="switched", BillingMode="PAY_PER_REQUEST")
    assert code == "LimitExceededException"
    assert sentence.startswith(
        "Subscriber limit exceeded: Update to PayPerRequest mode are limited to 4 times in 1 day(s). Last update at "
    )
    clock.advance("1d")
    dynamodb.update_table(TableName="switched", BillingMode="PAY_PER_REQUEST")


@pytest.mark.parametrize(
    ("definitions", "update", "sentence"),
    [
        ([], {"Create": index("by-p", "pk")}, "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: []"),
        (["g", "h"], {"Create": index("by-g", "g")}, "Some AttributeDefinitions are not used. AttributeDefinitions: [g, h], keys used: [g]"),
        (["g"], {"Create": index("by-g", "g"), "Delete": {"IndexName": "by-h"}}, "Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete can be specified"),
        ([], {}, "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null"),
    ],
)  # fmt: skip
def test_an_index_that_cannot_be_made(dynamodb: Any, make_table: Any, definitions: list[str], update: Any, sentence: str) -> None:
    """AWS: AttributeDefinitions must include the keys of the new index, whatever the table has."""
    make_table("made", "pk")
    defined = [{"AttributeName": name, "AttributeType": "S"} for name in definitions]
    request = {"TableName": "made", "AttributeDefinitions": defined, "GlobalSecondaryIndexUpdates": [update]}
    assert refusal(dynamodb.update_table, **request) == ("ValidationException", INVALID + sentence)
