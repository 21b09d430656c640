"""Vector indexes: creation, backfill, what enters them, SearchVectors."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.dynamodb.asking import refusal

from groundcloud.services.dynamodb import vectors


def vector(*numbers: float) -> list[dict[str, str]]:
    return [{"N": repr(float(number))} for number in numbers]


def vector_index(name: str = "near", dimensions: int = 3, distance: str = "COSINE", **more: Any) -> dict[str, Any]:
    return {
        "IndexName": name,
        "VectorAttribute": {"AttributeName": "v"},
        "Projection": {"ProjectionType": "ALL"},
        "Dimensions": dimensions,
        "DistanceFunction": distance,
        **more,
    }


HASHED = [
    {"AttributeName": "g", "SearchSchemaElementType": "HASH"},
    {"AttributeName": "h", "SearchSchemaElementType": "INLINE_FILTER"},
]


@pytest.fixture
def make(dynamodb: Any) -> Any:
    """`make("name", index, ..., g="S")`: a table with vector indexes, further attributes defined."""

    def create(name: str, *indexes: dict[str, Any], **types: str) -> str:
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": at, "AttributeType": kind} for at, kind in {"pk": "S", **types}.items()],
            BillingMode="PAY_PER_REQUEST",
            VectorIndexes=list(indexes),
        )
        return name

    return create


def put(dynamodb: Any, table: str, key: str, *numbers: float, **more: Any) -> Any:
    item: dict[str, Any] = {"pk": {"S": key}, **more}
    if numbers:
        item["v"] = {"L": vector(*numbers)}
    return dynamodb.put_item(TableName=table, Item=item, ReturnConsumedCapacity="INDEXES")


def search(dynamodb: Any, table: str, *numbers: float, top: int = 10, index: str = "near", **more: Any) -> list[tuple[str, float]]:
    found = dynamodb.search_vectors(TableName=table, IndexName=index, SearchVector=vector(*numbers), TopK=top, **more)
    return [(result["Item"]["pk"]["S"], result["Score"]) for result in found["SearchResults"]]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("COSINE", [("east", 0.0), ("north-east", 0.29289323), ("north", 1.0), ("west", 2.0)]),
        ("EUCLIDEAN", [("north-east", 1.0), ("north", 1.4142135), ("east", 1.5), ("west", 2.0)]),
        ("DOT_PRODUCT", [("east", 2.5), ("north-east", 1.0), ("north", 0.0), ("west", -1.0)]),
    ],
)
def test_the_nearest_come_first(dynamodb: Any, make: Any, distance: str, expected: list[tuple[str, float]]) -> None:
    table = make("measured", vector_index(distance=distance))
    for key, numbers in {"east": (2.5, 0, 0), "north": (0, 1, 0), "north-east": (1, 1, 0), "west": (-1, 0, 0)}.items():
        put(dynamodb, table, key, *numbers)
    assert search(dynamodb, table, 1, 0, 0) == expected
    assert search(dynamodb, table, 1, 0, 0, top=2) == expected[:2]


def test_a_description_tells_of_a_vector_index(dynamodb: Any, make: Any) -> None:
    make("told", vector_index(SearchSchema=HASHED), g="S", h="N")
    put(dynamodb, "told", "a", 1, 0, 0, g={"S": "x"})
    found = dynamodb.describe_table(TableName="told")["Table"]
    arn = found["TableArn"]
    assert found["VectorIndexes"] == [
        {
            **vector_index(SearchSchema=HASHED),
            "IndexStatus": "ACTIVE",
            "IndexSizeBytes": 12 + 1 + 3 + 2,
            "ItemCount": 1,
            "IndexArn": f"{arn}/index/near",
        }
    ]


def test_a_search_keeps_to_its_partition_and_filters(dynamodb: Any, make: Any) -> None:
    table = make("parted", vector_index(SearchSchema=HASHED), g="S", h="N")
    put(dynamodb, table, "a", 1, 0, 0, g={"S": "x"}, h={"N": "1"})
    put(dynamodb, table, "b", 1, 1, 0, g={"S": "x"}, h={"N": "2"})
    put(dynamodb, table, "c", 1, 0, 0, g={"S": "y"}, h={"N": "1"})
    put(dynamodb, table, "d", 0, 1, 0, g={"S": "x"})
    put(dynamodb, table, "without the partition key", 1, 0, 0, h={"N": "1"})
    put(dynamodb, table, "without a vector", g={"S": "x"})

    def keys(expression: str, **found: Any) -> list[str]:
        asked = {"SearchConditionExpression": expression, "ExpressionAttributeValues": {f":{name}": value for name, value in found.items()}}
        return [key for key, _ in search(dynamodb, table, 1, 0, 0, **asked)]

    assert keys("g = :g", g={"S": "x"}) == ["a", "b", "d"]
    assert keys("g = :g AND h = :h", g={"S": "x"}, h={"N": "2.0"}) == ["b"]
    assert keys("g = :g", g={"S": "z"}) == []


def test_the_index_follows_the_items(dynamodb: Any, make: Any) -> None:
    table = make("followed", vector_index(SearchSchema=HASHED), g="S", h="N")
    put(dynamodb, table, "a", 1, 0, 0, g={"S": "x"})
    asked = {"SearchConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "x"}}}
    change = {"TableName": table, "Key": {"pk": {"S": "a"}}}
    dynamodb.update_item(**change, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"L": vector(0, 1, 0)}})
    assert search(dynamodb, table, 1, 0, 0, **asked) == [("a", 1.0)]
    dynamodb.update_item(**change, UpdateExpression="SET v[0] = :n", ExpressionAttributeValues={":n": {"N": "1"}})
    assert search(dynamodb, table, 1, 1, 0, **asked) == [("a", 0.0)]
    dynamodb.update_item(**change, UpdateExpression="REMOVE g")
    assert search(dynamodb, table, 1, 0, 0, **asked) == []
    dynamodb.update_item(**change, UpdateExpression="SET g = :g", ExpressionAttributeValues={":g": {"S": "x"}})
    assert len(search(dynamodb, table, 1, 0, 0, **asked)) == 1
    dynamodb.delete_item(**change)
    assert search(dynamodb, table, 1, 0, 0, **asked) == []
    assert dynamodb.describe_table(TableName=table)["Table"]["VectorIndexes"][0]["ItemCount"] == 0


def test_an_answer_holds_what_is_projected_and_the_vector_where_it_is_asked_for(dynamodb: Any, make: Any) -> None:
    keep = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["kept"]}
    table = make("projected", vector_index(Projection=keep))
    put(dynamodb, table, "a", 0.1, 0.2, 0.30000000001, kept={"S": "k"}, dropped={"S": "d"})
    asked = {"TableName": table, "IndexName": "near", "SearchVector": vector(1, 0, 0), "TopK": 1}
    assert dynamodb.search_vectors(**asked)["SearchResults"][0]["Item"] == {"pk": {"S": "a"}, "kept": {"S": "k"}}
    found = dynamodb.search_vectors(**asked, ProjectionExpression="v, dropped")["SearchResults"][0]["Item"]
    assert found == {"v": {"L": [{"N": "0.1"}, {"N": "0.2"}, {"N": "0.3"}]}}


def test_what_a_write_and_a_search_consume(dynamodb: Any, make: Any) -> None:
    table = make("consumed", vector_index(dimensions=512))
    written = put(dynamodb, table, "a", *[0.5] * 512)["ConsumedCapacity"]
    assert written["VectorIndexes"] == {"near": {"VectorWriteRequestBytes": 4 * 512 + 1 + 3}}
    assert "VectorIndexes" not in put(dynamodb, table, "b")["ConsumedCapacity"]
    found = dynamodb.search_vectors(
        TableName=table, IndexName="near", SearchVector=vector(*[0.5] * 512), TopK=1, ReturnConsumedCapacity="TOTAL"
    )
    assert found["ConsumedCapacity"]["VectorSearchRequestBytes"] >= 2048


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"v": {"L": vector(1, 2)}}, "One or more parameter values were invalid. Invalid size for parameter v, Expected: 3, Actual: 2. IndexName: near"),
        ({"v": {"L": [{"N": "1"}, {"S": "x"}, {"N": "2"}]}}, "One or more parameter values were invalid. Invalid type for parameter v[1], Expected: 32-bit floating point number, Actual: S. IndexName: near"),
        ({"v": {"L": [{"N": "1"}, {"N": "1e39"}, {"N": "2"}]}}, "One or more parameter values were invalid. Invalid type for parameter v[1], Expected: 32-bit floating point number, Actual: N. IndexName: near"),
        ({"v": {"S": "x"}}, "One or more parameter values were invalid. Invalid type for parameter v, Expected: 32-bit floating point number list IndexName: near"),
        ({"g": {"N": "1"}}, "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: near"),
        ({"g": {"S": ""}}, "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: near, IndexKey: g"),
    ],
)  # fmt: skip
def test_a_write_that_an_index_cannot_take_is_refused(dynamodb: Any, make: Any, item: dict[str, Any], sentence: str) -> None:
    table = make("strict", vector_index(SearchSchema=HASHED), g="S", h="N")
    whole = {"pk": {"S": "a"}, **item}
    assert refusal(dynamodb.put_item, TableName=table, Item=whole) == ("ValidationException", sentence)
    assert refusal(dynamodb.batch_write_item, RequestItems={table: [{"PutRequest": {"Item": whole}}]}) == ("ValidationException", sentence)
    assert dynamodb.scan(TableName=table)["Count"] == 0


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"TopK": 101}, "Provided TopK value '101' is out of valid range. The value must be between 1 and 100 inclusive"),
        ({"TopK": 0}, "1 validation error detected: Value '0' at 'topK' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        ({"SearchVector": vector(1, 2)}, "Input search vector dimension 2 does not match vector index dimension 3"),
        ({"SearchVector": [{"L": vector(1, 2, 3)}]}, "Search vector contains invalid values. All values in the search vector must be a 32-bit floating-point number attribute"),
        ({"SearchVector": [{"N": "1e39"}] * 3}, "Search vector contains invalid values. All values in the search vector must be a 32-bit floating-point number attribute"),
        ({"IndexName": "other"}, "The table does not have the specified index: other"),
        ({}, "SearchConditionExpression must be provided when SearchSchema has a HASH key"),
        ({"SearchConditionExpression": "g < :g"}, "Invalid SearchConditionExpression: Invalid comparator used in SearchConditionExpression"),
        ({"SearchConditionExpression": "g BETWEEN :g AND :g"}, "Invalid SearchConditionExpression: Invalid operator used in SearchConditionExpression"),
        ({"SearchConditionExpression": "g = :g OR h = :g"}, "Invalid SearchConditionExpression: Invalid operator used in SearchConditionExpression"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_made_is_refused(dynamodb: Any, make: Any, asked: dict[str, Any], sentence: str) -> None:
    table = make("searched", vector_index(SearchSchema=HASHED), g="S", h="N")
    request = {"TableName": table, "IndexName": "near", "SearchVector": vector(1, 2, 3), "TopK": 1, **asked}
    if "SearchConditionExpression" in asked:
        request["ExpressionAttributeValues"] = {":g": {"S": "x"}}
    assert refusal(dynamodb.search_vectors, **request) == ("ValidationException", sentence)


def test_a_vector_index_is_read_by_searches_alone(dynamodb: Any, make: Any) -> None:
    table = make("alone", vector_index())
    assert refusal(dynamodb.scan, TableName=table, IndexName="near")[1] == "Scan operation not supported on this index type"
    asked = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}}}
    assert refusal(dynamodb.query, TableName=table, IndexName="near", **asked)[1] == "Query operation not supported on this index type"
    found = refusal(dynamodb.execute_statement, Statement='SELECT * FROM "alone"."near"')
    assert found[1] == "Scan operation not supported on this index type"


@pytest.mark.parametrize(
    ("indexes", "options", "sentence"),
    [
        ([vector_index()], {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, "Vector indexes are only supported for PAY_PER_REQUEST tables"),
        ([vector_index(f"near-{at}") for at in range(6)], {}, "VectorIndex count exceeds the per-table limit of 5"),
        ([vector_index(SearchSchema=HASHED)], {}, "One element in SearchSchema is not defined in attribute definitions"),
        ([vector_index(dimensions=4097)], {}, "Number of dimensions must be between 1 and 4096 inclusive."),
        ([vector_index(), vector_index("other", 4)], {}, "Conflicting attribute definition for 'v'. All VectorIndexes on the same vector attribute must use the same dimensions."),
        ([vector_index(), vector_index()], {}, "Duplicate index name: near"),
    ],
)  # fmt: skip
def test_an_index_that_cannot_be_is_refused(dynamodb: Any, indexes: list[Any], options: dict[str, Any], sentence: str) -> None:
    request = {
        "TableName": "refused",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "VectorIndexes": indexes,
        **options,
    }
    found = refusal(dynamodb.create_table, **request)
    assert found == ("ValidationException", f"One or more parameter values were invalid: {sentence}")


def test_an_index_is_made_and_deleted_on_a_table_in_use(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("live", "pk")
    for at in range(450):
        put(dynamodb, "live", f"{at:03d}", at, 1, 0)
    put(dynamodb, "live", "of old", 1, 2)
    made = dynamodb.update_table(TableName="live", VectorIndexUpdates=[{"Create": vector_index(distance="EUCLIDEAN")}])
    assert made["TableDescription"]["VectorIndexes"][0]["IndexStatus"] == "CREATING"
    clock.settle()
    assert dynamodb.describe_table(TableName="live")["Table"]["VectorIndexes"][0]["ItemCount"] == 450
    assert sorted(search(dynamodb, "live", 120, 1, 0, top=3)) == [("119", 1.0), ("120", 0.0), ("121", 1.0)]
    twice = [{"Create": vector_index("one")}, {"Create": vector_index("two")}]
    assert refusal(dynamodb.update_table, TableName="live", VectorIndexUpdates=twice) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
    )
    provisioned = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
    assert "PAY_PER_REQUEST tables" in refusal(dynamodb.update_table, TableName="live", **provisioned)[1]
    dynamodb.update_table(TableName="live", VectorIndexUpdates=[{"Delete": {"IndexName": "near"}}])
    clock.settle()
    assert "VectorIndexes" not in dynamodb.describe_table(TableName="live")["Table"]
    request = {"TableName": "live", "IndexName": "near", "SearchVector": vector(1, 2, 3), "TopK": 1}
    assert refusal(dynamodb.search_vectors, **request)[1] == "The table does not have the specified index: near"


def test_a_search_of_many_vectors_is_exact(dynamodb: Any, make: Any) -> None:
    """More than one turn looks at."""
    table = make("many", vector_index(dimensions=1000))
    chance = random.Random(5)
    held = {str(at): [chance.uniform(-1, 1) for _ in range(1000)] for at in range(180)}
    names = list(held)
    for start in range(0, len(names), 25):
        items = [{"pk": {"S": name}, "v": {"L": vector(*held[name])}} for name in names[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})
    wanted = [chance.uniform(-1, 1) for _ in range(1000)]

    def cosine(other: list[float]) -> float:
        return 1 - sum(a * b for a, b in zip(wanted, other, strict=True)) / (math.hypot(*wanted) * math.hypot(*other))

    expected = sorted(names, key=lambda name: cosine(held[name]))[:7]
    found = search(dynamodb, table, *wanted, top=7)
    assert [name for name, _ in found] == expected
    assert found[0][1] == pytest.approx(cosine(held[expected[0]]), abs=1e-6)


def test_a_restored_table_has_its_vectors(dynamodb: Any, make: Any, clock: Any) -> None:
    table = make("backed", vector_index(), vector_index("other", distance="EUCLIDEAN"))
    put(dynamodb, table, "a", 1, 0, 0)
    backup = dynamodb.create_backup(TableName=table, BackupName="all")["BackupDetails"]["BackupArn"]
    clock.settle()
    features = dynamodb.describe_backup(BackupArn=backup)["BackupDescription"]["SourceTableFeatureDetails"]
    assert [index["IndexName"] for index in features["VectorIndexes"]] == ["near", "other"]
    dynamodb.restore_table_from_backup(TargetTableName="restored", BackupArn=backup, VectorIndexOverride=[vector_index()])
    clock.settle()
    assert search(dynamodb, "restored", 1, 0, 0) == [("a", 0.0)]
    assert len(dynamodb.describe_table(TableName="restored")["Table"]["VectorIndexes"]) == 1


def test_another_region_has_the_vectors_too(client: Any, dynamodb: Any, make: Any, clock: Any) -> None:
    table = make("everywhere", vector_index())
    put(dynamodb, table, "before", 1, 0, 0)
    dynamodb.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    clock.settle()
    put(dynamodb, table, "after", 0, 1, 0)
    clock.advance("5s")
    europe = client("dynamodb", region="eu-west-1", parameter_validation=False)
    assert search(europe, table, 1, 0, 0) == [("before", 0.0), ("after", 1.0)]
    dynamodb.update_table(TableName=table, VectorIndexUpdates=[{"Create": vector_index("second", distance="EUCLIDEAN")}])
    clock.settle()
    assert search(europe, table, 1, 0, 0, index="second", top=1) == [("before", 0.0)]


def test_a_change_of_what_is_not_projected_costs_an_index_nothing(dynamodb: Any, make: Any) -> None:
    table = make("spared", vector_index(Projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["kept"]}))
    put(dynamodb, table, "a", 1, 0, 0, kept={"S": "k"})

    def written(name: str) -> Any:
        change = {"UpdateExpression": f"SET {name} = :x", "ExpressionAttributeValues": {":x": {"S": "new"}}}
        answer = dynamodb.update_item(TableName=table, Key={"pk": {"S": "a"}}, ReturnConsumedCapacity="INDEXES", **change)
        return answer["ConsumedCapacity"].get("VectorIndexes")

    assert written("loose") is None
    assert written("kept") == {"near": {"VectorWriteRequestBytes": 1024.0}}
    asked = {"TableName": table, "IndexName": "near", "SearchVector": vector(1, 0, 0), "TopK": 1}
    assert dynamodb.search_vectors(**asked)["SearchResults"][0]["Item"]["kept"] == {"S": "new"}


def test_vectors_of_a_transaction_are_there_together_or_not_at_all(dynamodb: Any, make: Any) -> None:
    table = make("together", vector_index())
    good = {"pk": {"S": "a"}, "v": {"L": vector(1, 0, 0)}}
    bad = {"pk": {"S": "b"}, "v": {"L": vector(1, 0)}}
    parts = [{"Put": {"TableName": table, "Item": item}} for item in (good, bad)]
    assert "[None, ValidationError]" in refusal(dynamodb.transact_write_items, TransactItems=parts)[1]
    assert search(dynamodb, table, 1, 0, 0) == []
    dynamodb.transact_write_items(TransactItems=parts[:1])
    assert search(dynamodb, table, 1, 0, 0) == [("a", 0.0)]


@pytest.mark.slow
def test_vectors_and_a_backfill_survive_a_kill(process: Any) -> None:
    dynamodb = process.client("dynamodb")
    dynamodb.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        VectorIndexes=[vector_index()],
    )
    for start in range(0, 3000, 25):
        writes = [{"PutRequest": {"Item": {"pk": {"S": str(at)}, "v": {"L": vector(at, 1, 0)}}}} for at in range(start, start + 25)]
        dynamodb.batch_write_item(RequestItems={"kept": writes})
    dynamodb.update_table(TableName="kept", VectorIndexUpdates=[{"Create": vector_index("later", distance="EUCLIDEAN")}])
    process.kill()
    process.start()
    dynamodb = process.client("dynamodb")
    process.advance("1s")
    table = dynamodb.describe_table(TableName="kept")["Table"]
    assert [(index["IndexStatus"], index["ItemCount"]) for index in table["VectorIndexes"]] == [("ACTIVE", 3000), ("ACTIVE", 3000)]
    assert search(dynamodb, "kept", 1234, 1, 0, top=1, index="later") == [("1234", 0.0)]
    assert len(search(dynamodb, "kept", 1, 0, 0, top=100)) == 100


def test_a_score_beyond_32_bits_is_told_as_it_is() -> None:
    assert vectors.single(1e60) == 1e60


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_score_is_the_shortest_decimal_of_its_32_bits(number: float) -> None:
    shown = vectors.single(number)
    assert vectors._FLOAT.unpack(vectors._FLOAT.pack(shown))[0] == number
    assert len(f"{shown!r}".replace("-", "").replace(".", "").partition("e")[0].strip("0")) <= 9
