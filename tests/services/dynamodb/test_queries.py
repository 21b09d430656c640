"""Query and Scan: order, ranges, pages, filters, indexes, segments, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal

INVALID = "One or more parameter values were invalid: "


def fill(dynamodb: Any, table_name: str, items: list[dict[str, Any]]) -> None:
    for at in range(0, len(items), 25):
        dynamodb.batch_write_item(RequestItems={table_name: [{"PutRequest": {"Item": item}} for item in items[at : at + 25]]})


def ask(text: str, **values: Any) -> dict[str, Any]:
    """KeyConditionExpression with its values; `n` and `b` stand for themselves, other names for strings."""
    kinds = {int: "N", bytes: "B", str: "S"}
    found = {f":{name}": {kinds[type(value)]: str(value) if isinstance(value, int) else value} for name, value in values.items()}
    return {"KeyConditionExpression": text, "ExpressionAttributeValues": found}


def everything(operation: Any, **request: Any) -> tuple[list[dict[str, Any]], int]:
    """All items over all pages, and the number of pages."""
    found, pages = [], 0
    while True:
        page = operation(**request)
        pages += 1
        found += page["Items"]
        assert page["Count"] == len(page["Items"])
        if "LastEvaluatedKey" not in page:
            return found, pages
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("pk = :p", {}, [-10, -2, 0, 1, 2, 10, 100]),
        ("pk = :p AND n = :a", {"a": 2}, [2]),
        ("pk = :p AND n < :a", {"a": 1}, [-10, -2, 0]),
        ("pk = :p AND n <= :a", {"a": 1}, [-10, -2, 0, 1]),
        ("n > :a AND pk = :p", {"a": 1}, [2, 10, 100]),
        ("pk = :p AND n >= :a", {"a": 1}, [1, 2, 10, 100]),
        ("pk = :p AND :a < n", {"a": 2}, [10, 100]),
        ("(pk = :p) AND (n BETWEEN :a AND :c)", {"a": -2, "c": 2}, [-2, 0, 1, 2]),
        ("pk = :p AND n > :a", {"a": 1000}, []),
    ],
)
def test_numbers_are_found_by_amount(dynamodb: Any, make_table: Any, text: str, values: dict[str, Any], wanted: list[int]) -> None:
    make_table("amounts", "pk", "n")
    fill(dynamodb, "amounts", [{"pk": {"S": pk}, "n": {"N": str(n)}} for pk in "ab" for n in (100, -10, 2, 1, 0, 10, -2)])
    asked = ask(text, p="a", **values)
    assert [int(item["n"]["N"]) for item in dynamodb.query(TableName="amounts", **asked)["Items"]] == wanted
    backwards = dynamodb.query(TableName="amounts", ScanIndexForward=False, **asked)["Items"]
    assert [int(item["n"]["N"]) for item in backwards] == wanted[::-1]


def test_texts_and_bytes_are_found_by_bytes(dynamodb: Any, make_table: Any) -> None:
    texts = ["", "a", "a\x00b", "ab", "b", "é", "z", "𝄞"]
    make_table("texts", "pk", "sk")
    fill(dynamodb, "texts", [{"pk": {"S": "p"}, "sk": {"S": text}} for text in reversed(texts) if text])
    found = dynamodb.query(TableName="texts", **ask("pk = :p", p="p"))["Items"]
    assert [item["sk"]["S"] for item in found] == sorted(texts[1:], key=str.encode)
    found = dynamodb.query(TableName="texts", **ask("pk = :p AND begins_with(sk, :s)", p="p", s="a"))["Items"]
    assert [item["sk"]["S"] for item in found] == ["a", "a\x00b", "ab"]
    make_table("blobs", "pk", "b")
    blobs = [b"\x00", b"\x00\xff", b"\x01", b"\xff", b"\xff\xff"]
    fill(dynamodb, "blobs", [{"pk": {"S": "p"}, "b": {"B": blob}} for blob in reversed(blobs)])
    found = dynamodb.query(TableName="blobs", **ask("pk = :p AND b >= :b", p="p", b=b"\x00\xff"))["Items"]
    assert [item["b"]["B"] for item in found] == blobs[1:]
    found = dynamodb.query(TableName="blobs", **ask("pk = :p AND begins_with(b, :b)", p="p", b=b"\xff"))["Items"]
    assert [item["b"]["B"] for item in found] == [b"\xff", b"\xff\xff"]


def test_a_page_ends_at_the_limit_and_goes_on_from_its_key(dynamodb: Any, make_table: Any) -> None:
    make_table("paged", "pk", "n")
    fill(dynamodb, "paged", [{"pk": {"S": "p"}, "n": {"N": str(n)}, "odd": {"BOOL": n % 2 == 1}} for n in range(10)])
    page = dynamodb.query(TableName="paged", Limit=4, **ask("pk = :p", p="p"))
    assert (page["Count"], page["ScannedCount"], page["LastEvaluatedKey"]) == (4, 4, {"pk": {"S": "p"}, "n": {"N": "3"}})
    for forward in (True, False):
        found, pages = everything(dynamodb.query, TableName="paged", Limit=4, ScanIndexForward=forward, **ask("pk = :p", p="p"))
        assert [int(item["n"]["N"]) for item in found] == (list(range(10)) if forward else list(range(9, -1, -1)))
        assert pages == 3
    whole = dynamodb.query(TableName="paged", Limit=10, **ask("pk = :p", p="p"))
    assert whole["LastEvaluatedKey"]["n"] == {"N": "9"}
    asked = ask("pk = :p AND n > :n", p="p", n=2)
    asked["ExpressionAttributeValues"][":t"] = {"BOOL": True}
    page = dynamodb.query(TableName="paged", FilterExpression="odd = :t", Limit=4, **asked)
    assert (page["Count"], page["ScannedCount"], [item["n"]["N"] for item in page["Items"]]) == (2, 4, ["3", "5"])
    counted = dynamodb.query(TableName="paged", Select="COUNT", **ask("pk = :p", p="p"))
    assert (counted["Count"], "Items" in counted) == (10, False)


def test_a_page_ends_at_a_megabyte(dynamodb: Any, make_table: Any) -> None:
    make_table("heavy", "pk", "n")
    fill(dynamodb, "heavy", [{"pk": {"S": "p"}, "n": {"N": str(n)}, "x": {"S": "x" * 100_000}} for n in range(25)])
    page = dynamodb.query(TableName="heavy", ReturnConsumedCapacity="TOTAL", **ask("pk = :p", p="p"))
    assert page["Count"] == 11
    assert page["ConsumedCapacity"]["CapacityUnits"] == 134.5  # eleven items of 100,007 bytes, at half a unit for 4 KB
    found, pages = everything(dynamodb.scan, TableName="heavy")
    assert (len(found), pages) == (25, 3)
    counted = dynamodb.query(TableName="heavy", Select="COUNT", **ask("pk = :p", p="p"))
    assert counted["Count"] == 11
    assert "Items" not in counted


def test_a_scan_in_segments_sees_every_item_once(dynamodb: Any, make_table: Any) -> None:
    make_table("parts", "pk")
    fill(dynamodb, "parts", [{"pk": {"S": str(at)}} for at in range(100)])
    whole, _ = everything(dynamodb.scan, TableName="parts")
    order = [item["pk"]["S"] for item in whole]
    assert sorted(order, key=int) == [str(at) for at in range(100)]
    assert order != sorted(order) and order != sorted(order, key=int)
    parts: list[str] = []
    sizes = []
    for segment in range(4):
        found, _ = everything(dynamodb.scan, TableName="parts", Segment=segment, TotalSegments=4, Limit=7)
        parts += [item["pk"]["S"] for item in found]
        sizes.append(len(found))
    assert parts == order
    assert min(sizes) > 5


def test_a_scan_filters_and_projects(dynamodb: Any, make_table: Any) -> None:
    make_table("sieve", "pk")
    fill(dynamodb, "sieve", [{"pk": {"S": str(at)}, "v": {"N": str(at)}, "w": {"S": "w"}} for at in range(20)])
    found = dynamodb.scan(
        TableName="sieve",
        FilterExpression="v >= :v AND pk <> :p",
        ProjectionExpression="v",
        ExpressionAttributeValues={":v": {"N": "17"}, ":p": {"S": "18"}},
    )
    assert sorted(item["v"]["N"] for item in found["Items"]) == ["17", "19"]
    assert all(set(item) == {"v"} for item in found["Items"])
    assert (found["Count"], found["ScannedCount"]) == (2, 20)
    legacy = {"v": {"ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}, {"N": "2"}]}, "w": {"ComparisonOperator": "NOT_NULL"}}
    assert dynamodb.scan(TableName="sieve", ScanFilter=legacy, AttributesToGet=["w"])["Items"] == [{"w": {"S": "w"}}] * 2


def test_the_legacy_key_conditions_and_filter(dynamodb: Any, make_table: Any) -> None:
    make_table("old", "pk", "n")
    fill(dynamodb, "old", [{"pk": {"S": "p"}, "n": {"N": str(n)}, "v": {"N": str(n % 3)}} for n in range(10)])
    conditions = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]}, "n": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "2"}, {"N": "7"}]},
    }  # fmt: skip
    sieve = {"v": {"ComparisonOperator": "NE", "AttributeValueList": [{"N": "0"}]}}
    found = dynamodb.query(TableName="old", KeyConditions=conditions, QueryFilter=sieve)
    assert [item["n"]["N"] for item in found["Items"]] == ["2", "4", "5", "7"]


def test_a_global_index_is_sparse_ordered_and_paged(dynamodb: Any, make_table: Any) -> None:
    make_table(
        "indexed",
        "pk",
        GlobalSecondaryIndexes=[
            index("by-g", "g", "n"),
            index("keys", "g", projection="KEYS_ONLY"),
            index("some", "g", projection="INCLUDE", include=["v"]),
        ],
    )
    items = [{"pk": {"S": str(at)}, "g": {"S": "g"}, "n": {"N": str(at % 5)}, "v": {"S": "v"}, "w": {"S": "w"}} for at in range(20)]
    fill(dynamodb, "indexed", [*items, {"pk": {"S": "no g"}, "n": {"N": "1"}}, {"pk": {"S": "no n"}, "g": {"S": "g"}}])
    found, pages = everything(dynamodb.query, TableName="indexed", IndexName="by-g", Limit=6, **ask("g = :g AND n < :n", g="g", n=3))
    assert [int(item["n"]["N"]) for item in found] == [0] * 4 + [1] * 4 + [2] * 4
    assert len({item["pk"]["S"] for item in found}) == 12
    assert pages == 3
    backwards, _ = everything(
        dynamodb.query, TableName="indexed", IndexName="by-g", Limit=5, ScanIndexForward=False, **ask("g = :g AND n < :n", g="g", n=3)
    )
    assert backwards == found[::-1]
    keys_only = dynamodb.query(TableName="indexed", IndexName="keys", Limit=1, **ask("g = :g", g="g"))
    assert set(keys_only["Items"][0]) == {"pk", "g"}
    assert set(keys_only["LastEvaluatedKey"]) == {"pk", "g"}
    assert all(
        set(item) <= {"pk", "g", "v"} for item in dynamodb.query(TableName="indexed", IndexName="some", **ask("g = :g", g="g"))["Items"]
    )
    scanned, _ = everything(dynamodb.scan, TableName="indexed", IndexName="by-g", Limit=3)
    assert len(scanned) == 20
    described = {
        found["IndexName"]: found["ItemCount"] for found in dynamodb.describe_table(TableName="indexed")["Table"]["GlobalSecondaryIndexes"]
    }
    assert described == {"by-g": 20, "keys": 21, "some": 21}


def test_an_index_follows_its_items(dynamodb: Any, make_table: Any) -> None:
    make_table("followed", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])

    def found(g: str) -> list[str]:
        return [item["pk"]["S"] for item in dynamodb.query(TableName="followed", IndexName="by-g", **ask("g = :g", g=g))["Items"]]

    dynamodb.put_item(TableName="followed", Item={"pk": {"S": "a"}, "g": {"S": "1"}})
    assert (found("1"), found("2")) == (["a"], [])
    dynamodb.update_item(
        TableName="followed", Key={"pk": {"S": "a"}}, UpdateExpression="SET g = :g", ExpressionAttributeValues={":g": {"S": "2"}}
    )
    assert (found("1"), found("2")) == ([], ["a"])
    dynamodb.update_item(TableName="followed", Key={"pk": {"S": "a"}}, UpdateExpression="REMOVE g")
    assert found("2") == []
    dynamodb.update_item(
        TableName="followed", Key={"pk": {"S": "a"}}, UpdateExpression="SET g = :g", ExpressionAttributeValues={":g": {"S": "3"}}
    )
    dynamodb.delete_item(TableName="followed", Key={"pk": {"S": "a"}})
    assert found("3") == []


def test_an_index_with_several_key_attributes(dynamodb: Any) -> None:
    def part(name: str, kind: str) -> dict[str, str]:
        return {"AttributeName": name, "KeyType": kind}

    dynamodb.create_table(
        TableName="matches",
        KeySchema=[part("pk", "HASH")],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("cup", "S"), ("area", "S"), ("round", "N"), ("team", "S"))],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[{"IndexName": "by-round", "KeySchema": [part("cup", "HASH"), part("area", "HASH"), part("round", "RANGE"), part("team", "RANGE")], "Projection": {"ProjectionType": "ALL"}}],
    )  # fmt: skip
    fill(
        dynamodb,
        "matches",
        [
            {"pk": {"S": f"{area}{number}{team}"}, "cup": {"S": "world"}, "area": {"S": area}, "round": {"N": str(number)}, "team": {"S": team}}
            for area in ("eu", "us") for number in (1, 2, 10) for team in ("a", "ab", "b")
        ],
    )  # fmt: skip
    asked = {"TableName": "matches", "IndexName": "by-round", "ExpressionAttributeNames": {"#r": "round", "#a": "area"}}

    def found(text: str, **values: Any) -> list[str]:
        items, _ = everything(dynamodb.query, Limit=2, **asked, **ask(text, **values))
        return [item["pk"]["S"] for item in items]

    both = "cup = :c AND #a = :a"
    assert found(f"{both} AND #r > :r", c="world", a="eu", r=1) == ["eu2a", "eu2ab", "eu2b", "eu10a", "eu10ab", "eu10b"]
    assert found(f"{both} AND #r = :r AND begins_with(team, :t)", c="world", a="us", r=2, t="a") == ["us2a", "us2ab"]
    assert found(f"{both} AND #r = :r AND team <= :t", c="world", a="us", r=10, t="ab") == ["us10a", "us10ab"]
    code, sentence = refusal(dynamodb.query, TableName="matches", IndexName="by-round", **ask("cup = :c", c="world"))
    assert (code, sentence) == ("ValidationException", "Query condition missed key schema element: area")


def test_a_local_index_reads_the_table_for_what_it_lacks(dynamodb: Any, make_table: Any) -> None:
    make_table("local", "pk", "sk", LocalSecondaryIndexes=[index("by-n", "pk", "n", projection="KEYS_ONLY")])
    fill(dynamodb, "local", [{"pk": {"S": "p"}, "sk": {"S": str(at)}, "n": {"N": str(-at)}, "v": {"S": "v" * 5000}} for at in range(3)])
    asked = {"TableName": "local", "IndexName": "by-n", "ConsistentRead": True, **ask("pk = :p", p="p")}
    assert [set(item) for item in dynamodb.query(**asked)["Items"]] == [{"pk", "sk", "n"}] * 3
    whole = dynamodb.query(Select="ALL_ATTRIBUTES", ReturnConsumedCapacity="INDEXES", **asked)
    assert [item["sk"]["S"] for item in whole["Items"]] == ["2", "1", "0"]
    assert all("v" in item for item in whole["Items"])
    assert whole["ConsumedCapacity"]["LocalSecondaryIndexes"] == {"by-n": {"CapacityUnits": 1}}
    assert whole["ConsumedCapacity"]["Table"] == {"CapacityUnits": 6}
    assert [set(item) for item in dynamodb.query(ProjectionExpression="v", **asked)["Items"]] == [{"v"}] * 3


QUERY_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
    (ask("sk = :s", s="x"), "Query condition missed key schema element: pk"),
    (ask("pk = :p AND x = :s", p="p", s="x"), "Query condition missed key schema element: sk"),
    (ask("pk > :p", p="p"), "Query key condition not supported"),
    (ask("pk = :p AND sk = :s", p=1, s="x"), INVALID + "Condition parameter type does not match schema type"),
    (ask("pk = :p AND sk = :s", p="p", s=1), INVALID + "Condition parameter type does not match schema type"),
    ({**ask("pk = :p", p="p"), "IndexName": "none"}, "The table does not have the specified index: none"),
    ({**ask("g = :p", p="p"), "IndexName": "by-g", "ConsistentRead": True}, "Consistent reads are not supported on global secondary indexes"),
    ({**ask("g = :p", p="p"), "IndexName": "by-g", "Select": "ALL_ATTRIBUTES"}, INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index by-g because its projection type is not ALL"),
    ({**ask("g = :p", p="p"), "IndexName": "by-g", "ProjectionExpression": "v, w"}, INVALID + "Global secondary index by-g does not project [v, w]"),
    ({**ask("pk = :p", p="p"), "Select": "ALL_PROJECTED_ATTRIBUTES"}, INVALID + "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"),
    ({**ask("pk = :p", p="p"), "Select": "SPECIFIC_ATTRIBUTES"}, INVALID + "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"),
    ({**ask("pk = :p", p="p"), "Select": "COUNT", "ProjectionExpression": "v"}, INVALID + "Cannot specify the ProjectionExpression when choosing to get only the Count"),
    ({**ask("pk = :p", p="p"), "FilterExpression": "sk = :p"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"),
    ({**ask("pk = :p", p="p"), "ExclusiveStartKey": {"pk": {"S": "p"}}}, "The provided starting key is invalid"),
    ({**ask("pk = :p", p="p"), "ExclusiveStartKey": {"pk": {"S": "q"}, "sk": {"S": "1"}}}, "The provided starting key is outside query boundaries based on provided conditions"),
    ({**ask("pk = :p AND sk > :s", p="p", s="b"), "ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"S": "a"}}}, "The provided starting key does not match the range key predicate"),
    ({**ask("pk = :p AND sk = :s", p="p", s="b"), "ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"S": "b"}}}, "The query can return at most one row and cannot be restarted"),
    ({**ask("pk = :p AND sk > :s", p="p", s="b"), "ExclusiveStartKey": {"pk": {"S": "q"}, "sk": {"S": "c"}}}, "The provided starting key is outside query boundaries based on provided conditions"),
    (ask("pk = :p AND sk = :s", p="p", s=""), "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: sk"),
    (ask("pk = :p AND begins_with(sk, :s)", p="p", s=""), "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: sk"),
    ({**ask("g = :p", p=""), "IndexName": "by-g"}, "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-g, IndexKey: g"),
    ({**ask("pk = :p", p="p"), "ProjectionExpression": "g[0]"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g"),
    ({**ask("pk = :p", p="p"), "ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"N": "x"}}}, "The provided starting key is invalid: The parameter cannot be converted to a numeric value: x"),
    ({**ask("pk = :p", p="p"), "Limit": 0}, "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
    ({"KeyConditions": {"pk": {"ComparisonOperator": "NE", "AttributeValueList": [{"S": "p"}]}}}, "Attempted conditional constraint is not an indexable operation"),
    ({"KeyConditions": {}}, "Conditions can be of length 1 or 2 only"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "sentence"), QUERY_ERRORS)
def test_a_query_that_is_refused(dynamodb: Any, make_table: Any, request_: dict[str, Any], sentence: str) -> None:
    make_table("asked", "pk", "sk", GlobalSecondaryIndexes=[index("by-g", "g", projection="KEYS_ONLY")])
    assert refusal(dynamodb.query, TableName="asked", **request_) == ("ValidationException", sentence)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"Segment": 1}, "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"),
        ({"TotalSegments": 1}, "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"),
        ({"Segment": 2, "TotalSegments": 2}, "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than TotalSegments: 2"),
        ({"FilterExpression": "pk.x = pk"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"),
        ({"ExclusiveStartKey": {"x": {"S": "1"}}}, "The provided starting key is invalid"),
        ({"ScanFilter": {"x": {"ComparisonOperator": "EQ"}}}, INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator"),
    ],
)  # fmt: skip
def test_a_scan_that_is_refused(dynamodb: Any, make_table: Any, request_: dict[str, Any], sentence: str) -> None:
    make_table("walked", "pk")
    assert refusal(dynamodb.scan, TableName="walked", **request_) == ("ValidationException", sentence)


def test_a_table_that_is_not_there(dynamodb: Any) -> None:
    wanted = ("ResourceNotFoundException", "Requested resource not found")
    assert refusal(dynamodb.query, TableName="nowhere", **ask("pk = :p", p="p")) == wanted
    assert refusal(dynamodb.scan, TableName="nowhere") == wanted


def test_a_scan_is_read_in_turns_and_is_whole(dynamodb: Any, make_table: Any) -> None:
    make_table("turns", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    count = 2_300
    for first in range(0, count, 25):
        puts = [{"PutRequest": {"Item": {"pk": {"S": f"{number}"}, "g": {"S": f"{number % 7}"}}}} for number in range(first, first + 25)]
        dynamodb.batch_write_item(RequestItems={"turns": puts})
    for options in ({}, {"IndexName": "by-g"}, {"FilterExpression": "attribute_exists(g)"}):
        page = dynamodb.scan(TableName="turns", **options)
        assert (page["Count"], page["ScannedCount"], len({item["pk"]["S"] for item in page["Items"]})) == (count, count, count)
        assert "LastEvaluatedKey" not in page
    limited = dynamodb.scan(TableName="turns", Limit=1_500, Select="COUNT")
    rest = dynamodb.scan(TableName="turns", ExclusiveStartKey=limited["LastEvaluatedKey"], Select="COUNT")
    assert (limited["Count"], rest["Count"]) == (1_500, count - 1_500)


def test_a_query_of_thousands_of_items_is_read_in_turns_and_is_whole(dynamodb: Any, make_table: Any) -> None:
    make_table("long", "pk", "n")
    numbers = [*range(2500)]
    for first in range(0, len(numbers), 25):
        puts = [
            {"PutRequest": {"Item": {"pk": {"S": "p"}, "n": {"N": str(one)}, "odd": {"BOOL": one % 2 == 1}}}}
            for one in numbers[first : first + 25]
        ]
        dynamodb.batch_write_item(RequestItems={"long": puts})

    def read(**more: Any) -> tuple[list[int], dict[str, Any]]:
        page = dynamodb.query(TableName="long", ReturnConsumedCapacity="TOTAL", **more)
        return [int(item["n"]["N"]) for item in page["Items"]], page

    found, page = read(**ask("pk = :p", p="p"))
    assert found == numbers
    assert (page["Count"], page["ScannedCount"], "LastEvaluatedKey" in page) == (2500, 2500, False)
    found, page = read(ScanIndexForward=False, Limit=2100, **ask("pk = :p", p="p"))
    assert found == numbers[:-2101:-1]
    assert page["LastEvaluatedKey"] == {"pk": {"S": "p"}, "n": {"N": "400"}}
    asked = ask("pk = :p AND n > :low", p="p", low=99)
    asked["ExpressionAttributeValues"][":odd"] = {"BOOL": True}
    found, page = read(FilterExpression="odd = :odd", **asked)
    assert found == [one for one in numbers if one > 99 and one % 2]
    assert page["ScannedCount"] == 2400
