"""Requests that no SDK would send: each gets an error of the caller's, none a 500, and nothing is written."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest
from tests.services.dynamodb.asking import refusal


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


PK = {"pk": {"S": "a"}}


@pytest.mark.parametrize(
    ("operation", "body", "kind"),
    [
        ("PutItem", b"{", "SerializationException"),
        ("PutItem", b"[]", "SerializationException"),
        ("PutItem", b"", "ValidationException"),
        ("PutItem", b"\xff\xfe", "SerializationException"),
        ("PutItem", {"TableName": 5, "Item": PK}, "SerializationException"),
        ("PutItem", {"TableName": "bad", "Item": []}, "SerializationException"),
        ("PutItem", {"TableName": "bad", "Item": "x"}, "SerializationException"),
        ("PutItem", {"TableName": "bad", "Item": {"pk": "x"}}, "SerializationException"),
        ("PutItem", {"TableName": "bad", "Item": {**PK, "d": deep(60)}}, "ValidationException"),
        ("PutItem", b'{"TableName":"bad","Item":{"pk":' + b'{"L":[' * 5000 + b"]}" * 5000 + b"}}", "SerializationException"),
        ("PutItem", b'{"TableName":"bad","Item":{"pk":{"S":"\\ud800"}}}', "SerializationException"),
        ("PutItem", {"TableName": "arn:foo", "Item": PK}, "ValidationException"),
        ("PutItem", {"TableName": "arn:aws:s3:::bucket", "Item": PK}, "ValidationException"),
        ("GetItem", {"TableName": "bad", "Key": {"pk": None}}, "SerializationException"),
        ("Query", {"TableName": "bad", "KeyConditions": {"pk": {"ComparisonOperator": "EQ"}}}, "ValidationException"),
        ("Query", {"TableName": "bad", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": "x"}}, "SerializationException"),
        ("Query", {"TableName": "bad", "KeyConditionExpression": "pk = #p", "ExpressionAttributeNames": {"#p": ["a"]}}, "SerializationException"),
        ("Scan", {"TableName": "bad", "Limit": "1"}, "SerializationException"),
        ("UpdateItem", {"TableName": "bad", "Key": PK, "AttributeUpdates": {"x": {"Value": 5}}}, "SerializationException"),
        ("TransactWriteItems", {"TransactItems": 5}, "SerializationException"),
        ("TransactWriteItems", {"TransactItems": [{"Put": 5}]}, "SerializationException"),
        ("TransactGetItems", {"TransactItems": [None]}, "SerializationException"),
        ("BatchGetItem", {"RequestItems": {"bad": {"Keys": [5]}}}, "SerializationException"),
        ("BatchWriteItem", {"RequestItems": {"bad": [{"PutRequest": {}}]}}, "ValidationException"),
        ("ExecuteStatement", {"Statement": 5}, "SerializationException"),
        ("ExecuteStatement", {"Statement": "SELECT * FROM bad WHERE x = ?", "Parameters": [5]}, "SerializationException"),
        ("CreateTable", {"TableName": "other", "KeySchema": [5]}, "SerializationException"),
        ("CreateTable", {"TableName": "other", "VectorIndexes": [{"VectorAttribute": 5}]}, "SerializationException"),
        ("CreateTable", {"TableName": "other", "VectorIndexes": 5}, "SerializationException"),
        ("UpdateTable", {"TableName": "bad", "VectorIndexUpdates": [{}]}, "ValidationException"),
        ("UpdateTable", {"TableName": "bad", "VectorIndexUpdates": [None]}, "SerializationException"),
        ("UpdateTable", {"TableName": "bad", "GlobalTableWitnessUpdates": [{}]}, "ValidationException"),
        ("SearchVectors", {"TableName": "bad", "IndexName": "near", "SearchVector": [5], "TopK": 1}, "SerializationException"),
        ("SearchVectors", {"TableName": "bad", "IndexName": "near", "SearchVector": {"L": []}, "TopK": 1}, "SerializationException"),
        ("SearchVectors", {"TableName": "bad", "IndexName": "near", "SearchVector": [{"N": 5}], "TopK": 1}, "ValidationException"),
        ("SearchVectors", {"TableName": "bad", "IndexName": "near", "SearchVector": [], "TopK": 1}, "ValidationException"),
        ("SearchVectors", {"TableName": "bad", "IndexName": "near", "SearchVector": [{"N": "1"}], "TopK": "1"}, "SerializationException"),
        ("StartBulkPutItems", {"TableName": "bad", "InputS3Configuration": 5, "OutputS3Configuration": {}}, "SerializationException"),
        ("ListBulkOperations", {"NextToken": "junk"}, "ValidationException"),
        ("ListContributorInsights", {"NextToken": "junk"}, "ValidationException"),
        ("DescribeBulkOperation", {"BulkOperationArn": "arn:foo" + "x" * 40}, "ValidationException"),
        ("UpdateTableReplicaAutoScaling", {"TableName": "bad", "ReplicaUpdates": [{}]}, "ValidationException"),
        ("UpdateGlobalTableSettings", {"GlobalTableName": 5}, "SerializationException"),
        ("TagResource", {"ResourceArn": "arn:foo", "Tags": []}, "ValidationException"),
        ("PutResourcePolicy", {"ResourceArn": "bad", "Policy": "{}"}, "ValidationException"),
        ("BatchWriteItem", {"RequestItems": {"sk": [[]]}}, "SerializationException"),
        ("BatchGetItem", {"RequestItems": {"x": {"Keys": "a"}}}, "SerializationException"),
        ("BatchGetItem", {"RequestItems": {"x": {"Keys": [1.5]}, "y": 5}}, "SerializationException"),
        ("Scan", {"IndexName": "gsi"}, "ValidationException"),
        ("DescribeContributorInsights", {"IndexName": "gsi"}, "ValidationException"),
        ("Scan", {"TableName": "bad", "ExclusiveStartKey": ["x"]}, "SerializationException"),
        ("CreateGlobalTable", {"GlobalTableName": "bad", "ReplicationGroup": [{}]}, "ValidationException"),
        ("CreateGlobalTable", {"GlobalTableName": "bad", "ReplicationGroup": [{"RegionName": "us-east-1"}] * 2}, "ValidationException"),
        ("DescribeBackup", {"BackupArn": "arn:foo" + "x" * 40}, "ValidationException"),
    ],
)  # fmt: skip
def test_a_bad_request_is_the_callers_fault(send: Any, dynamodb: Any, make_table: Any, operation: str, body: Any, kind: str) -> None:
    make_table("bad", "pk")
    status, found, message = send(operation, body)
    assert (status, found) == (400, kind), message
    assert dynamodb.scan(TableName="bad")["Count"] == 0


@pytest.mark.parametrize("number", ["9" * 40, "9" * 25, "x" * 21])
def test_a_sequence_number_that_no_record_has(send: Any, dynamodb: Any, make_table: Any, number: str) -> None:
    make_table("streamed", "pk", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    arn = dynamodb.describe_table(TableName="streamed")["Table"]["LatestStreamArn"]
    target = "DynamoDBStreams_20120810"
    _, _, found = send("DescribeStream", {"StreamArn": arn}, target)
    request = {
        "StreamArn": arn,
        "ShardId": json.loads(found)["StreamDescription"]["Shards"][0]["ShardId"],
        "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
        "SequenceNumber": number,
    }
    assert send("GetShardIterator", request, target) == (400, "ValidationException", "Invalid SequenceNumber")


def test_every_answer_carries_the_checksum_of_its_body(ground: Any, dynamodb: Any, make_table: Any) -> None:
    found: list[tuple[str, bytes]] = []
    dynamodb.meta.events.register(
        "response-received.dynamodb",
        lambda response_dict, **_: found.append((response_dict["headers"]["x-amz-crc32"], response_dict["body"])),
    )
    make_table("summed", "pk")
    dynamodb.put_item(TableName="summed", Item=PK)
    assert "Item" in dynamodb.get_item(TableName="summed", Key=PK)
    assert refusal(dynamodb.get_item, TableName="nowhere", Key=PK)[0] == "ResourceNotFoundException"
    assert len(found) == 4
    assert all(int(checksum) == crc32(body) for checksum, body in found)
