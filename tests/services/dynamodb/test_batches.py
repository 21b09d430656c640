"""BatchGetItem and BatchWriteItem."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal

INVALID = "One or more parameter values were invalid: "


def put(pk: str, **more: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"pk": {"S": pk}, **more}}}


def delete(pk: str) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": {"pk": {"S": pk}}}}


def keys(*names: str) -> list[dict[str, Any]]:
    return [{"pk": {"S": name}} for name in names]


def test_a_batch_writes_to_several_tables(dynamodb: Any, make_table: Any) -> None:
    make_table("one", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    make_table("two", "pk")
    dynamodb.put_item(TableName="two", Item={"pk": {"S": "old"}})
    answer = dynamodb.batch_write_item(
        RequestItems={"one": [put("a", g={"S": "1"}), put("b")], "two": [delete("old"), delete("none"), put("c")]},
        ReturnConsumedCapacity="INDEXES",
    )
    assert answer["UnprocessedItems"] == {}
    consumed = {found["TableName"]: found["CapacityUnits"] for found in answer["ConsumedCapacity"]}
    assert consumed == {"one": 3, "two": 3}
    found = dynamodb.batch_get_item(
        RequestItems={
            "one": {"Keys": keys("a", "b", "x"), "ProjectionExpression": "pk"},
            "two": {"Keys": keys("old", "c"), "ConsistentRead": True},
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert found["Responses"] == {"one": keys("a", "b"), "two": keys("c")}
    assert found["UnprocessedKeys"] == {}
    assert {found["TableName"]: found["CapacityUnits"] for found in found["ConsumedCapacity"]} == {"one": 1.5, "two": 2}


def test_a_batch_stops_reading_at_16_megabytes(dynamodb: Any, make_table: Any) -> None:
    make_table("big", "pk")
    for at in range(45):
        dynamodb.put_item(TableName="big", Item={"pk": {"S": str(at)}, "x": {"S": "x" * 399_000}})
    found = dynamodb.batch_get_item(RequestItems={"big": {"Keys": keys(*map(str, range(45)))}})
    rest = found["UnprocessedKeys"]["big"]["Keys"]
    assert len(found["Responses"]["big"]) == 43
    assert [key["pk"]["S"] for key in rest] == ["43", "44"]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ({"batch": [put("a"), put("a")]}, "Provided list of item keys contains duplicates"),
        ({"batch": [put("a"), delete("a")]}, "Provided list of item keys contains duplicates"),
        ({"batch": [put(str(at)) for at in range(26)]}, "1 validation error detected: Value '{batch=["),
        ({"batch": [{}]}, "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"),
        ({"batch": [{"PutRequest": {"Item": {"x": {"S": "a"}}}}]}, INVALID + "Missing the key pk in the item"),
        ({"batch": [{"DeleteRequest": {"Key": {"pk": {"N": "1"}}}}]}, "The provided key element does not match the schema"),
    ],
)  # fmt: skip
def test_a_batch_of_writes_that_is_refused(dynamodb: Any, make_table: Any, request_: dict[str, Any], sentence: str) -> None:
    make_table("batch", "pk")
    code, found = refusal(dynamodb.batch_write_item, RequestItems=request_)
    assert code == "ValidationException"
    assert found.startswith(sentence)
    assert dynamodb.scan(TableName="batch")["Count"] == 0


def test_a_batch_of_reads_that_is_refused(dynamodb: Any, make_table: Any) -> None:
    make_table("batch", "pk")
    make_table("other", "pk")
    assert refusal(dynamodb.batch_get_item, RequestItems={"batch": {"Keys": keys("a", "a")}}) == (
        "ValidationException",
        "Provided list of item keys contains duplicates",
    )
    many = {"batch": {"Keys": keys(*map(str, range(60)))}, "other": {"Keys": keys(*map(str, range(60)))}}
    assert refusal(dynamodb.batch_get_item, RequestItems=many) == (
        "ValidationException",
        "Too many items requested for the BatchGetItem call",
    )
    assert refusal(dynamodb.batch_get_item, RequestItems={"nowhere": {"Keys": keys("a")}}) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )
