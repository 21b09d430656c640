"""What AWS looks at first: JSON types, then shapes, then placeholders of expressions, then values, then the table."""

from __future__ import annotations

from typing import Any

import pytest

EMPTY = {"a": {}}
NO_TYPE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
NULL = "failed to satisfy constraint: Member must not be null"
WRITES = "java.util.Map<java.lang.String, java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>>"


@pytest.mark.parametrize(
    ("operation", "body", "sentence"),
    [
        ("PutItem", {"Item": {"a": {"S": 23}}}, "NUMBER_VALUE cannot be converted to String"),
        ("PutItem", {"Item": {"a": {"M": {"b": {"BOOL": 1}}}}}, "NUMBER_VALUE cannot be converted to Boolean"),
        ("PutItem", {"Item": {"a": {"B": "ab_="}}}, "Invalid Base64 character: '_'"),
        ("PutItem", {"TableName": "a", "Expected": {"a": {"Value": {"L": {}}}}}, "Start of structure or map found where not expected"),
        ("PutItem", {"ConditionExpression": "", "Expected": {}, "ExpressionAttributeValues": {":a": {"SS": 1}}}, "Unexpected field type"),
        ("UpdateItem", {"Key": {"a": {"NULL": "x"}}}, "Unexpected token received from parser"),
        ("BatchWriteItem", {"RequestItems": []}, f"Unrecognized collection type {WRITES}"),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": {"a": {"N": 1.5}}}}]}, "DECIMAL_VALUE cannot be converted to String"),
        ("ExecuteStatement", {"Parameters": [{"S": []}]}, "Unrecognized collection type class java.lang.String"),
        ("RestoreTableToPointInTime", {"RestoreDateTime": "x"}, "STRING_VALUE cannot be converted to milliseconds since epoch"),
        ("DescribeTable", {"TableName": {}}, "Start of structure or map found where not expected"),
    ],
)
def test_json_types_come_before_all_else(send: Any, operation: str, body: dict[str, Any], sentence: str) -> None:
    assert send(operation, body) == (400, "SerializationException", sentence)


@pytest.mark.parametrize(
    ("operation", "body", "sentence"),
    [
        ("PutItem", {}, f"2 validation errors detected: Value null at 'tableName' {NULL}; Value null at 'item' {NULL}"),
        ("CreateTable", {"TableName": "abc"}, f"2 validation errors detected: Value null at 'attributeDefinitions' {NULL}; Value null at 'keySchema' {NULL}"),
        ("PutItem", {"Item": EMPTY, "ConditionExpression": "", "ExpressionAttributeNames": {}, "ExpressionAttributeValues": {}}, "ExpressionAttributeNames must not be empty"),
        ("PutItem", {"Item": EMPTY, "ConditionExpression": "", "ExpressionAttributeNames": {"a": "b"}}, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"'),
        ("PutItem", {"Item": EMPTY, "ConditionExpression": "", "ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty"),
        ("DeleteItem", {"Key": EMPTY, "ConditionExpression": "", "ExpressionAttributeValues": {":b": {}, "b": {}}}, 'ExpressionAttributeValues contains invalid key: Syntax error; key: "b"'),
        ("UpdateItem", {"Key": EMPTY, "UpdateExpression": "", "ExpressionAttributeValues": {":b": {}}}, f"ExpressionAttributeValues contains invalid value: {NO_TYPE} for key :b"),
        ("UpdateItem", {"Key": EMPTY, "ExpressionAttributeValues": {}}, "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"),
        ("PutItem", {"Item": EMPTY, "ConditionExpression": ""}, NO_TYPE),
        ("PutItem", {"Item": {}, "ConditionExpression": "", "ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
        ("PutItem", {"Item": {}, "ConditionExpression": ""}, "Invalid ConditionExpression: The expression can not be empty;"),
        ("GetItem", {"Key": EMPTY, "ExpressionAttributeNames": {}}, "ExpressionAttributeNames can only be specified when using expressions"),
        ("GetItem", {"Key": EMPTY, "ProjectionExpression": "", "ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty"),
        ("GetItem", {"Key": EMPTY, "ProjectionExpression": ""}, NO_TYPE),
        ("BatchGetItem", {"RequestItems": {"nowhere": {"Keys": [EMPTY], "ProjectionExpression": "", "ExpressionAttributeNames": {}}}}, "ExpressionAttributeNames must not be empty"),
        ("BatchGetItem", {"RequestItems": {"nowhere": {"Keys": [{"a": {"N": "1"}}, {"a": {"N": "1.0"}}]}}}, "Provided list of item keys contains duplicates"),
        ("TransactWriteItems", {"TransactItems": [{"Update": {"TableName": "nowhere", "Key": EMPTY, "UpdateExpression": "x", "ExpressionAttributeNames": {}}}]}, "ExpressionAttributeNames must not be empty"),
        ("Query", {"ExclusiveStartKey": EMPTY, "KeyConditionExpression": "("}, f"The provided starting key is invalid: {NO_TYPE}"),
        ("Scan", {"ExclusiveStartKey": EMPTY, "FilterExpression": "("}, f"The provided starting key is invalid: {NO_TYPE}"),
        ("UpdateTable", {"GlobalSecondaryIndexUpdates": []}, "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"),
        ("BatchWriteItem", {"RequestItems": {"nowhere": []}}, "1 validation error detected: Value '{nowhere=[]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"),
        ("TransactGetItems", {"TransactItems": []}, "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_without_a_table_is_told_before_the_table_is_missed(send: Any, operation: str, body: Any, sentence: str) -> None:
    named = operation in ("GetItem", "DeleteItem", "UpdateItem", "Query", "Scan", "UpdateTable") or (operation == "PutItem" and body)
    assert send(operation, {"TableName": "nowhere", **body} if named else body) == (400, "ValidationException", sentence)


def test_a_list_that_is_too_long_is_shown_as_java_would(send: Any) -> None:
    _, _, message = send("BatchWriteItem", {"RequestItems": {"abc": [{"DeleteRequest": {"Key": {"a": {"S": "x"}}}}] * 26}})
    one = "WriteRequest(putRequest=null, deleteRequest=DeleteRequest(key={a=AttributeValue(s=x, n=null, b=null, "
    assert message.startswith(f"1 validation error detected: Value '{{abc=[{one}"), message


def test_a_whole_number_loses_its_fraction(send: Any, make_table: Any) -> None:
    for name in ("aaa", "bbb"):
        make_table(name, "pk")
    assert send("ListTables", {"Limit": 1.9}) == (200, "", '{"TableNames":["aaa"],"LastEvaluatedTableName":"aaa"}')


def test_tags_come_before_the_table(send: Any, account: str) -> None:
    arn = f"arn:aws:dynamodb:us-east-1:{account}:table/nowhere"
    assert send("TagResource", {"ResourceArn": arn, "Tags": []})[2] == "Atleast one Tag needs to be provided as Input."
    assert send("UntagResource", {"ResourceArn": arn, "TagKeys": []})[2] == "Atleast one Tag Key needs to be provided as Input."
    missing = f"Requested resource not found: ResourcArn: {arn} not found"
    assert send("UntagResource", {"ResourceArn": arn, "TagKeys": ["a"]})[1:] == ("ResourceNotFoundException", missing)


@pytest.mark.parametrize("rest", ["/index/by-g", "/stream/2026-01-01T00:00:00.000"])
def test_only_the_arn_of_a_table_stands_for_it(send: Any, account: str, make_table: Any, rest: str) -> None:
    make_table("named", "pk")
    arn = f"arn:aws:dynamodb:us-east-1:{account}:table/named"
    assert send("GetItem", {"TableName": arn, "Key": {"pk": {"S": "a"}}}) == (200, "", "{}")
    assert send("GetItem", {"TableName": arn + rest, "Key": {"pk": {"S": "a"}}}) == (
        400,
        "ValidationException",
        f"Invalid TableArn: Invalid ResourceArn provided as input {arn}{rest}",
    )
