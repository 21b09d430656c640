"""One item: put, got, updated, deleted; conditions, returned values, consumed capacity, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal

INVALID = "One or more parameter values were invalid: "
ALL_TYPES: dict[str, Any] = {
    "pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": b"\x00\x01"}, "t": {"BOOL": True}, "z": {"NULL": True}, "e": {"S": ""}, "eb": {"B": b""},
    "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"a", b"b"]}, "l": {"L": [{"S": "1"}, {"L": []}]}, "m": {"M": {"k": {"M": {}}}},
}  # fmt: skip


def key(pk: str = "a", **more: Any) -> dict[str, Any]:
    return {"pk": {"S": pk}, **more}


def test_an_item_of_every_type_comes_back_as_it_was(dynamodb: Any, make_table: Any) -> None:
    make_table("things", "pk")
    assert "Attributes" not in dynamodb.put_item(TableName="things", Item=ALL_TYPES)
    assert dynamodb.get_item(TableName="things", Key=key())["Item"] == {**ALL_TYPES, "n": {"N": "1.5"}}
    assert "Item" not in dynamodb.get_item(TableName="things", Key=key("b"))


def test_keys_of_every_type(dynamodb: Any, make_table: Any) -> None:
    for attribute, value, same in (("n", {"N": "10"}, {"N": "1e1"}), ("b", {"B": b"\xff\x00"}, {"B": b"\xff\x00"})):
        name = make_table(f"by-{attribute}-key", attribute)
        dynamodb.put_item(TableName=name, Item={attribute: value, "x": {"S": "1"}})
        assert dynamodb.get_item(TableName=name, Key={attribute: same})["Item"] == {attribute: value, "x": {"S": "1"}}


def test_put_replaces_the_whole_item_and_can_return_the_old(dynamodb: Any, make_table: Any) -> None:
    make_table("replaced", "pk")
    dynamodb.put_item(TableName="replaced", Item=key(x={"S": "1"}))
    old = dynamodb.put_item(TableName="replaced", Item=key(y={"S": "2"}), ReturnValues="ALL_OLD")["Attributes"]
    assert old == key(x={"S": "1"})
    assert dynamodb.get_item(TableName="replaced", Key=key())["Item"] == key(y={"S": "2"})


def test_a_projection_cuts_an_item_down(dynamodb: Any, make_table: Any) -> None:
    make_table("cut", "pk")
    dynamodb.put_item(TableName="cut", Item=ALL_TYPES)
    found = dynamodb.get_item(TableName="cut", Key=key(), ProjectionExpression="#k, l[0], m.k, nope", ExpressionAttributeNames={"#k": "pk"})
    assert found["Item"] == {"pk": {"S": "a"}, "l": {"L": [{"S": "1"}]}, "m": {"M": {"k": {"M": {}}}}}
    assert dynamodb.get_item(TableName="cut", Key=key(), AttributesToGet=["t", "nope"])["Item"] == {"t": {"BOOL": True}}
    assert dynamodb.get_item(TableName="cut", Key=key(), ProjectionExpression="nope")["Item"] == {}


def test_a_condition_decides_whether_a_write_happens(dynamodb: Any, make_table: Any) -> None:
    make_table("guarded", "pk")
    dynamodb.put_item(TableName="guarded", Item=key(v={"N": "1"}, b={"B": b"x"}), ConditionExpression="attribute_not_exists(pk)")
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    assert refusal(dynamodb.put_item, TableName="guarded", Item=key(), ConditionExpression="attribute_not_exists(pk)") == failed
    values = {":v": {"N": "2"}}
    assert (
        refusal(dynamodb.delete_item, TableName="guarded", Key=key(), ConditionExpression="v = :v", ExpressionAttributeValues=values)
        == failed
    )
    update = {"UpdateExpression": "SET v = :v", "ConditionExpression": "v = :v", "ExpressionAttributeValues": values}
    assert refusal(dynamodb.update_item, TableName="guarded", Key=key(), **update) == failed
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as error:
        dynamodb.update_item(TableName="guarded", Key=key(), ReturnValuesOnConditionCheckFailure="ALL_OLD", **update)
    assert error.value.response["Item"] == key(v={"N": "1"}, b={"B": b"x"})
    assert dynamodb.get_item(TableName="guarded", Key=key())["Item"]["v"] == {"N": "1"}
    dynamodb.delete_item(TableName="guarded", Key=key(), ConditionExpression="v < :v", ExpressionAttributeValues=values)
    assert "Item" not in dynamodb.get_item(TableName="guarded", Key=key())


def test_the_legacy_expected_decides_too(dynamodb: Any, make_table: Any) -> None:
    make_table("expected", "pk")
    dynamodb.put_item(TableName="expected", Item=key(v={"N": "5"}), Expected={"pk": {"Exists": False}})
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    assert refusal(dynamodb.put_item, TableName="expected", Item=key(), Expected={"pk": {"Exists": False}}) == failed
    between = {"v": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "1"}, {"N": "4"}]}}
    assert refusal(dynamodb.put_item, TableName="expected", Item=key(), Expected=between) == failed
    either = {**between, "w": {"ComparisonOperator": "NULL"}}
    dynamodb.put_item(TableName="expected", Item=key(v={"N": "6"}), Expected=either, ConditionalOperator="OR")
    dynamodb.delete_item(TableName="expected", Key=key(), Expected={"v": {"Value": {"N": "6.0"}}})


def test_an_update_returns_what_it_is_asked_for(dynamodb: Any, make_table: Any) -> None:
    make_table("returned", "pk")
    dynamodb.put_item(TableName="returned", Item=key(a={"N": "1"}, m={"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, k={"S": "kept"}))
    update = {
        "TableName": "returned", "Key": key(), "UpdateExpression": "SET a = a + :one, m.x = :one REMOVE gone ADD c :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }  # fmt: skip
    assert dynamodb.update_item(**update, ReturnValues="UPDATED_OLD")["Attributes"] == {"a": {"N": "1"}, "m": {"M": {"x": {"N": "1"}}}}
    assert dynamodb.update_item(**update, ReturnValues="UPDATED_NEW")["Attributes"] == {
        "a": {"N": "3"},
        "m": {"M": {"x": {"N": "1"}}},
        "c": {"N": "2"},
    }
    assert dynamodb.update_item(**update, ReturnValues="ALL_OLD")["Attributes"]["a"] == {"N": "3"}
    assert dynamodb.update_item(**update, ReturnValues="ALL_NEW")["Attributes"]["c"] == {"N": "4"}
    assert "Attributes" not in dynamodb.update_item(**update)


def test_an_update_makes_an_item_where_there_is_none(dynamodb: Any, make_table: Any) -> None:
    make_table("made", "pk")
    dynamodb.update_item(TableName="made", Key=key("bare"))
    assert dynamodb.get_item(TableName="made", Key=key("bare"))["Item"] == key("bare")
    made = dynamodb.update_item(
        TableName="made", Key=key("new"), UpdateExpression="ADD c :c", ExpressionAttributeValues={":c": {"N": "3"}}, ReturnValues="ALL_NEW"
    )
    assert made["Attributes"] == key("new", c={"N": "3"})
    old = dynamodb.update_item(
        TableName="made",
        Key=key("newer"),
        UpdateExpression="SET c = :c",
        ExpressionAttributeValues={":c": {"N": "3"}},
        ReturnValues="ALL_OLD",
    )
    assert "Attributes" not in old


def test_the_legacy_updates_put_add_and_delete(dynamodb: Any, make_table: Any) -> None:
    make_table("legacy", "pk")
    dynamodb.put_item(TableName="legacy", Item=key(n={"N": "1"}, s={"SS": ["a", "b"]}, l={"L": [{"S": "x"}]}, gone={"S": "1"}))
    updates = {
        "n": {"Action": "ADD", "Value": {"N": "2"}}, "s": {"Action": "DELETE", "Value": {"SS": ["a"]}}, "l": {"Action": "ADD", "Value": {"L": [{"S": "y"}]}},
        "gone": {"Action": "DELETE"}, "p": {"Value": {"S": "put"}},
    }  # fmt: skip
    found = dynamodb.update_item(TableName="legacy", Key=key(), AttributeUpdates=updates, ReturnValues="ALL_NEW")["Attributes"]
    assert found == key(n={"N": "3"}, s={"SS": ["b"]}, l={"L": [{"S": "x"}, {"S": "y"}]}, p={"S": "put"})
    dynamodb.update_item(TableName="legacy", Key=key("none"), AttributeUpdates={"x": {"Action": "DELETE"}})
    assert "Item" not in dynamodb.get_item(TableName="legacy", Key=key("none"))
    assert refusal(dynamodb.update_item, TableName="legacy", Key=key(), AttributeUpdates={"p": {"Action": "ADD", "Value": {"N": "1"}}}) == (
        "ValidationException",
        "Type mismatch for attribute to update",
    )


@pytest.mark.parametrize(
    ("operation", "request_", "sentence"),
    [
        ("get_item", {"Key": {}}, "The provided key element does not match the schema"),
        ("get_item", {"Key": {"pk": {"N": "1"}}}, "The provided key element does not match the schema"),
        ("get_item", {"Key": {"pk": {"S": "a"}, "x": {"S": "a"}}}, "The provided key element does not match the schema"),
        ("get_item", {"Key": {"pk": {"S": ""}}}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
        ("get_item", {"Key": {"pk": {"S": "a" * 2049}}}, INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ("get_item", {"Key": key(), "ProjectionExpression": "pk.x"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"),
        ("get_item", {"Key": key(), "AttributesToGet": ["a", "a"]}, INVALID + "Duplicate value in attribute name: a"),
        ("get_item", {"Key": key(), "AttributesToGet": ["a"], "ProjectionExpression": "a"}, "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"),
        ("get_item", {"Key": key(), "ExpressionAttributeNames": {"#a": "a"}}, "ExpressionAttributeNames can only be specified when using expressions"),
        ("put_item", {"Item": {"x": {"S": "a"}}}, INVALID + "Missing the key pk in the item"),
        ("put_item", {"Item": {"pk": {"N": "1"}}}, INVALID + "Type mismatch for key pk expected: S actual: N"),
        ("put_item", {"Item": key(x={"SS": []})}, INVALID + "An string set  may not be empty"),
        ("put_item", {"Item": key(x={"S": "a" * 400 * 1024})}, "Item size has exceeded the maximum allowed size"),
        ("put_item", {"Item": key(), "ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
        ("put_item", {"Item": key(), "ReturnValues": "SOME"}, "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"),
        ("put_item", {}, "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null"),
        ("put_item", {"Item": key(), "ExpressionAttributeValues": {":a": {"S": "a"}}}, "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"),
        ("put_item", {"Item": key(g={"N": "1"})}, INVALID + "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g"),
        ("put_item", {"Item": key(g={"S": ""})}, "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-g, IndexKey: g"),
        ("put_item", {"Item": key(**{"": {"S": "x"}})}, INVALID + "Empty attribute name"),
        ("put_item", {"Item": key(x={"M": {"": {"S": "x"}}})}, INVALID + "Empty attribute name"),
        ("put_item", {"Item": key(**{"x" * 65536: {"S": "x"}})}, INVALID + "Attribute name is too large, must be less than 65536 bytes"),
        ("put_item", {"Item": key(x={"S": None})}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ("put_item", {"Item": key(), "ConditionExpression": "attribute_exists(#a)", "ExpressionAttributeNames": {"#a": ""}}, "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a"),
        ("put_item", {"Item": key(), "ConditionExpression": "attribute_exists(pk.x)"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"),
        ("delete_item", {"Key": key(), "ConditionExpression": "attribute_exists(g[1])"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g"),
        ("update_item", {"Key": key(), "UpdateExpression": "REMOVE g.x"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g"),
        ("update_item", {"Key": key(), "UpdateExpression": "REMOVE pk.x"}, INVALID + "Cannot update attribute pk. This attribute is part of the key"),
        ("put_item", {"Item": key(), "Expected": {"x": {}}}, INVALID + "Value must be provided when Exists is null for Attribute: x"),
        ("put_item", {"Item": key(), "Expected": {"x": {"Exists": True, "ComparisonOperator": "NULL"}}}, INVALID + "Exists and ComparisonOperator cannot be used together for Attribute: x"),
        ("put_item", {"Item": key(), "Expected": {"x": {"ComparisonOperator": "LT", "AttributeValueList": [{"SS": ["a"]}]}}}, INVALID + "ComparisonOperator LT is not valid for SS AttributeValue type"),
        ("update_item", {"Key": key(), "UpdateExpression": "SET pk = :a", "ExpressionAttributeValues": {":a": {"S": "b"}}}, INVALID + "Cannot update attribute pk. This attribute is part of the key"),
        ("update_item", {"Key": key(), "AttributeUpdates": {"pk": {"Value": {"S": "b"}}}}, INVALID + "Cannot update attribute pk. This attribute is part of the key"),
        ("update_item", {"Key": key(), "AttributeUpdates": {"x": {"Action": "ADD", "Value": {"S": "b"}}}}, INVALID + "ADD action is not supported for the type S"),
        ("update_item", {"Key": key(), "UpdateExpression": "SET x = y"}, "The provided expression refers to an attribute that does not exist in the item"),
        ("update_item", {"Key": key(), "UpdateExpression": "SET g = :a", "ExpressionAttributeValues": {":a": {"N": "1"}}}, "The update expression attempted to update the secondary index key to unsupported type"),
        ("update_item", {"Key": key(), "UpdateExpression": "SET g = if_not_exists(g, :a)", "ExpressionAttributeValues": {":a": {"S": "x" * 2049}}}, "The update expression attempted to update the secondary index key beyond allowed size limits"),
        ("update_item", {"Key": key(), "UpdateExpression": "SET g = :a", "ExpressionAttributeValues": {":a": {"S": ""}}}, "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value."),
        ("update_item", {"Key": key(), "AttributeUpdates": {"g": {"Value": {"N": "1"}}}}, INVALID + "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g"),
        ("delete_item", {"Key": key(), "ReturnValues": "UPDATED_OLD"}, "ReturnValues can only be ALL_OLD or NONE"),
    ],
)  # fmt: skip
def test_what_is_refused_and_in_which_words(
    dynamodb: Any, make_table: Any, operation: str, request_: dict[str, Any], sentence: str
) -> None:
    make_table("strict", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    assert refusal(getattr(dynamodb, operation), TableName="strict", **request_) == ("ValidationException", sentence)


def test_several_errors_come_in_one_message(dynamodb: Any) -> None:
    code, sentence = refusal(dynamodb.get_item, TableName="a;b", ReturnConsumedCapacity="ALL")
    assert code == "ValidationException"
    assert sentence.startswith("3 validation errors detected: ")
    assert (
        "Value 'a;b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        in sentence
    )
    assert "Value null at 'key' failed to satisfy constraint: Member must not be null" in sentence
    assert (
        "Value 'ALL' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
        in sentence
    )


def test_a_table_that_is_not_there(dynamodb: Any) -> None:
    wanted = ("ResourceNotFoundException", "Requested resource not found")
    assert refusal(dynamodb.get_item, TableName="nowhere", Key=key()) == wanted
    assert refusal(dynamodb.put_item, TableName="nowhere", Item=key()) == wanted
    assert refusal(dynamodb.update_item, TableName="nowhere", Key=key()) == wanted
    assert refusal(dynamodb.delete_item, TableName="nowhere", Key=key()) == wanted


def test_an_update_may_not_make_an_item_too_large(dynamodb: Any, make_table: Any) -> None:
    make_table("large", "pk")
    dynamodb.put_item(TableName="large", Item=key(x={"S": "a" * 300 * 1024}))
    values = {":y": {"S": "a" * 150 * 1024}}
    assert refusal(dynamodb.update_item, TableName="large", Key=key(), UpdateExpression="SET y = :y", ExpressionAttributeValues=values) == (
        "ValidationException",
        "Item size to update has exceeded the maximum allowed size",
    )


def test_consumed_capacity_adds_up(dynamodb: Any, make_table: Any) -> None:
    make_table("metered", "pk", GlobalSecondaryIndexes=[index("by-g", "g", projection="KEYS_ONLY")])

    def units(operation: Any, **request: Any) -> Any:
        found = operation(TableName="metered", ReturnConsumedCapacity="INDEXES", **request)["ConsumedCapacity"]
        assert found["TableName"] == "metered"
        return (
            found["CapacityUnits"],
            found["Table"]["CapacityUnits"],
            found.get("GlobalSecondaryIndexes", {}).get("by-g", {}).get("CapacityUnits"),
        )

    big = {"S": "x" * 3000}
    assert units(dynamodb.put_item, Item=key(x=big)) == (3, 3, None)
    assert units(dynamodb.put_item, Item=key(x=big, g={"S": "1"})) == (4, 3, 1)
    assert units(dynamodb.put_item, Item=key(g={"S": "1"})) == (3, 3, None)
    assert units(dynamodb.put_item, Item=key(g={"S": "2"})) == (3, 1, 2)
    assert units(dynamodb.delete_item, Key=key()) == (2, 1, 1)
    assert units(dynamodb.delete_item, Key=key()) == (1, 1, None)
    dynamodb.put_item(TableName="metered", Item=key(x={"S": "x" * 5000}))
    assert units(dynamodb.get_item, Key=key()) == (1, 1, None)
    assert units(dynamodb.get_item, Key=key(), ConsistentRead=True) == (2, 2, None)
    assert units(dynamodb.get_item, Key=key("none")) == (0.5, 0.5, None)
    total = dynamodb.get_item(TableName="metered", Key=key(), ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert total == {"TableName": "metered", "CapacityUnits": 1}


def test_item_collection_metrics_are_for_tables_with_local_indexes(dynamodb: Any, make_table: Any) -> None:
    make_table("collected", "pk", "sk", LocalSecondaryIndexes=[index("by-n", "pk", "n")])
    found = dynamodb.put_item(TableName="collected", Item=key(sk={"S": "1"}, n={"N": "1"}), ReturnItemCollectionMetrics="SIZE")
    assert found["ItemCollectionMetrics"] == {"ItemCollectionKey": {"pk": {"S": "a"}}, "SizeEstimateRangeGB": [0.0, 1.0]}


def test_an_item_that_does_not_fit_an_index_made_later_cannot_be_changed(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("older", "pk")
    dynamodb.put_item(TableName="older", Item=key(g={"N": "1"}))
    dynamodb.update_table(
        TableName="older",
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}, {"AttributeName": "pk", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}],
    )
    clock.settle()
    assert dynamodb.scan(TableName="older", IndexName="by-g")["Count"] == 0
    update = {"UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "y"}}}
    assert refusal(dynamodb.update_item, TableName="older", Key=key(), **update) == (
        "ValidationException",
        INVALID + "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
    )
    dynamodb.update_item(TableName="older", Key=key(), UpdateExpression="REMOVE g")
    dynamodb.update_item(TableName="older", Key=key(), **update)
