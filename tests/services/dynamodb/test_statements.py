"""PartiQL: statements, batches of them, transactions of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


def run(dynamodb: Any, statement: str, *parameters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    request: dict[str, Any] = {"Statement": statement, **more}
    if parameters:
        request["Parameters"] = list(parameters)
    found: list[dict[str, Any]] = dynamodb.execute_statement(**request)["Items"]
    return found


def test_items_are_inserted_once_read_updated_and_deleted(dynamodb: Any, make_table: Any) -> None:
    make_table("music", "pk", "n")
    item = """{'pk': 'a', 'n': 1, 'title': 'It''s', 'tags': <<'x', 'y'>>, 'list': [1, 'two', {'k': true}], 'none': null, 'score': -1.50}"""
    assert run(dynamodb, f"INSERT INTO music VALUE {item}") == []
    wanted = {
        "pk": {"S": "a"}, "n": {"N": "1"}, "title": {"S": "It's"}, "tags": {"SS": ["x", "y"]}, "none": {"NULL": True}, "score": {"N": "-1.5"},
        "list": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"k": {"BOOL": True}}}]},
    }  # fmt: skip
    assert run(dynamodb, "SELECT * FROM \"music\" WHERE pk = 'a' AND n = ?", {"N": "1"}) == [wanted]
    assert refusal(dynamodb.execute_statement, Statement=f"insert into music value {item}") == (
        "DuplicateItemException",
        "Duplicate primary key exists in table",
    )
    assert run(dynamodb, 'SELECT title, list[2].k, "score" FROM music WHERE pk = ? and n = 1', {"S": "a"}) == [
        {"title": wanted["title"], "list": {"L": [{"M": {"k": {"BOOL": True}}}]}, "score": wanted["score"]}
    ]
    update = "UPDATE music SET title = ? SET score = score + 2, tags = set_add(tags, <<'z'>>), list = list_append(list, [5]) REMOVE none WHERE pk = 'a' AND n = 1 RETURNING ALL NEW *"
    (changed,) = run(dynamodb, update, {"S": "new"})
    assert changed == {
        **{name: value for name, value in wanted.items() if name != "none"},
        "title": {"S": "new"}, "score": {"N": "0.5"}, "tags": {"SS": ["x", "y", "z"]}, "list": {"L": [*wanted["list"]["L"], {"N": "5"}]},
    }  # fmt: skip
    modified = run(dynamodb, "UPDATE music SET title = 'newer' WHERE pk = 'a' AND n = 1 AND score > 0 RETURNING MODIFIED OLD *")
    assert modified == [{"title": {"S": "new"}}]
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    assert refusal(dynamodb.execute_statement, Statement="UPDATE music SET title = 'x' WHERE pk = 'a' AND n = 1 AND score > 10") == failed
    assert refusal(dynamodb.execute_statement, Statement="UPDATE music SET title = 'x' WHERE pk = 'nobody' AND n = 1") == failed
    assert run(dynamodb, "DELETE FROM music WHERE pk = 'nobody' AND n = 1") == []
    assert run(dynamodb, "DELETE FROM music WHERE pk = 'a' AND n = 1 RETURNING ALL OLD *")[0]["title"] == {"S": "newer"}
    assert run(dynamodb, "SELECT * FROM music") == []


def numbers(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["n"]["N"]) for item in items]


def test_a_select_reads_a_range_or_the_whole_table(dynamodb: Any, make_table: Any) -> None:
    make_table("many", "pk", "n", GlobalSecondaryIndexes=[index("by-g", "g", "n")])
    for pk in "ab":
        for n in range(10):
            dynamodb.put_item(
                TableName="many",
                Item={"pk": {"S": pk}, "n": {"N": str(n)}, "g": {"S": "odd" if n % 2 else "even"}, "m": {"M": {"x": {"N": str(n)}}}},
            )
    assert numbers(run(dynamodb, "SELECT n FROM many WHERE pk = 'a' AND n BETWEEN 2 AND 4")) == [2, 3, 4]
    assert numbers(run(dynamodb, "SELECT n FROM many WHERE pk = 'a' AND 7 < n ORDER BY n DESC")) == [9, 8]
    assert numbers(run(dynamodb, "SELECT n FROM many WHERE pk = 'a' AND (n = 1 OR n = 5)")) == [1, 5]
    assert numbers(run(dynamodb, "SELECT n FROM many WHERE pk IN ['b', 'a'] AND n >= 9")) == [9, 9]
    assert numbers(run(dynamodb, "SELECT n FROM many WHERE pk = 'a' AND n NOT IN (0,1,2,3,4,5,6)")) == [7, 8, 9]
    assert sorted(numbers(run(dynamodb, "SELECT n FROM many WHERE m.x = 3"))) == [3, 3]
    assert numbers(run(dynamodb, "SELECT n FROM many WHERE pk = 'a' AND contains(g, 'dd') AND NOT n > 3")) == [1, 3]
    assert numbers(
        run(
            dynamodb,
            "SELECT n FROM many WHERE pk = 'a' AND attribute_type(m, 'M') AND begins_with(g, 'ev') AND size(g) = 4 AND nope IS MISSING AND m IS NOT NULL",
        )
    ) == [0, 2, 4, 6, 8]
    assert numbers(run(dynamodb, 'SELECT * FROM "many"."by-g" WHERE g = ? AND n < 4', {"S": "odd"})) == [1, 1, 3, 3]
    used = dynamodb.execute_statement(Statement="SELECT * FROM many WHERE pk = 'a' AND n = 3", ReturnConsumedCapacity="TOTAL")[
        "ConsumedCapacity"
    ]
    assert used["CapacityUnits"] == 0.5


SEVERAL = (
    'Unsupported operation: Inserting multiple items in a single statement is not supported, use "INSERT INTO tableName VALUE item" instead'
)


@pytest.mark.parametrize(
    "statement",
    ["SELECT n FROM many", "SELECT n FROM many WHERE pk IN ['a', 'b', 'c']", 'SELECT n FROM "many"."by-g" WHERE g = \'x\' ORDER BY n DESC'],
)
def test_a_select_is_paged(dynamodb: Any, make_table: Any, statement: str) -> None:
    make_table("many", "pk", "n", GlobalSecondaryIndexes=[index("by-g", "g", "n")])
    for pk in "abc":
        for n in range(5):
            dynamodb.put_item(TableName="many", Item={"pk": {"S": pk}, "n": {"N": str(n)}, "g": {"S": "x"}})
    found: list[int] = []
    request: dict[str, Any] = {"Statement": statement, "Limit": 4}
    while True:
        page = dynamodb.execute_statement(**request)
        assert len(page["Items"]) <= 4
        found += numbers(page["Items"])
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
    assert sorted(found) == sorted(list(range(5)) * 3)
    if "DESC" in statement:
        assert found == sorted(found, reverse=True)


def test_a_batch_tells_each_result(dynamodb: Any, make_table: Any) -> None:
    make_table("batch", "pk")
    writes = [
        {"Statement": "INSERT INTO batch VALUE {'pk': 'a'}"},
        {"Statement": "INSERT INTO batch VALUE {'pk': ?}", "Parameters": [{"S": "a"}]},
        {"Statement": "UPDATE nowhere SET x = 1 WHERE pk = 'a'"},
        {"Statement": "GIBBERISH"},
    ]
    first, second, third, fourth = dynamodb.batch_execute_statement(Statements=writes)["Responses"]
    assert first == {"TableName": "batch"}
    assert second["Error"] == {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
    assert third["Error"]["Code"] == "ResourceNotFound"
    assert fourth["Error"]["Code"] == "ValidationError"
    reads = [
        {"Statement": "SELECT * FROM batch WHERE pk = 'a'"},
        {"Statement": "SELECT * FROM batch WHERE pk = 'none'"},
        {"Statement": "SELECT * FROM batch"},
    ]
    first, second, third = dynamodb.batch_execute_statement(Statements=reads)["Responses"]
    assert first == {"TableName": "batch", "Item": {"pk": {"S": "a"}}}
    assert second == {"TableName": "batch"}
    assert third["Error"]["Message"] == "Select statements within BatchExecuteStatement must specify the primary key in the where clause."


def test_a_transaction_of_statements(dynamodb: Any, make_table: Any) -> None:
    make_table("trans", "pk")
    dynamodb.put_item(TableName="trans", Item={"pk": {"S": "a"}, "v": {"N": "1"}})
    statements = [
        {"Statement": "EXISTS(SELECT * FROM trans WHERE pk = 'a' AND v = 1)"},
        {"Statement": "INSERT INTO trans VALUE {'pk': 'b'}"},
    ]
    dynamodb.execute_transaction(TransactStatements=statements)
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as error:
        dynamodb.execute_transaction(
            TransactStatements=[
                {"Statement": "UPDATE trans SET v = 2 WHERE pk = 'a'"},
                {"Statement": "INSERT INTO trans VALUE {'pk': 'b'}"},
            ]
        )
    assert [reason["Code"] for reason in error.value.response["CancellationReasons"]] == ["None", "DuplicateItem"]
    reads = [{"Statement": "SELECT v FROM trans WHERE pk = 'a'"}, {"Statement": "SELECT * FROM trans WHERE pk = 'c'"}]
    assert dynamodb.execute_transaction(TransactStatements=reads)["Responses"] == [{"Item": {"v": {"N": "1"}}}, {}]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT * FROM strict WHERE", "Statement wasn't well formed, can't be processed: Expected a value"),
        ("SELECT * FROM", "Statement wasn't well formed, can't be processed: Expected identifier for simple path"),
        (
            "DROP TABLE strict",
            "Statement wasn't well formed, can't be processed: Expected SELECT, INSERT, UPDATE, DELETE or EXISTS at 1:1:4",
        ),
        (
            "SELECT * FROM strict WHERE pk = 'a' extra",
            "Statement wasn't well formed, can't be processed: Unexpected term after the end of the statement at 1:37:5",
        ),
        ("SELECT * FROM strict WHERE pk = ?", "Number of parameters in request and statement don't match."),
        ("UPDATE strict SET a = 1 WHERE b = 2", "Where clause does not contain a mandatory equality on all key attributes"),
        (
            "UPDATE strict SET pk = 'b' WHERE pk = 'a'",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        ("DELETE FROM strict WHERE pk = 1", "The provided key element does not match the schema"),
        ("INSERT INTO strict VALUE {'x': 1}", "One or more parameter values were invalid: Missing the key pk in the item"),
        ("SELECT * FROM strict ORDER BY pk", "Must have WHERE clause in the statement when using ORDER BY clause."),
        (
            "SELECT * FROM strict WHERE x = 1 ORDER BY pk",
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ),
        ("SELECT COUNT(*) FROM strict", "Unexpected path component at 1:8:5"),
        ("SELECT * FROM strict WHERE pk = 'a' LIMIT 1", "Unsupported clause: LIMIT at 1:37:5"),
        ("SELECT * FROM strict, other", "Only select from a single table or index is supported."),
        ("SELECT * FROM strict JOIN other", "Only select from a single table or index is supported."),
        ("INSERT INTO strict VALUES {'pk': 'a'}", SEVERAL),
        ("INSERT INTO strict VALUE <<{'pk': 'a'}>>", SEVERAL),
        ("SELECT * FROM strict.nope", "The table does not have the specified index: nope"),
        (
            "SELECT * FROM strict WHERE x IN [" + "[" * 100 + "]" * 100 + "]",
            "Statement wasn't well formed, can't be processed: The statement is nested too deep at 1:95:1",
        ),
    ],
)
def test_a_statement_that_is_refused(dynamodb: Any, make_table: Any, statement: str, sentence: str) -> None:
    make_table("strict", "pk")
    assert refusal(dynamodb.execute_statement, Statement=statement) == ("ValidationException", sentence)


def test_a_select_of_thousands_of_items_is_read_in_turns_and_is_whole(dynamodb: Any, make_table: Any) -> None:
    make_table("many", "pk", "n")
    for partition in ("a", "b"):
        for first in range(0, 1500, 25):
            puts = [{"PutRequest": {"Item": {"pk": {"S": partition}, "n": {"N": str(one)}}}} for one in range(first, first + 25)]
            dynamodb.batch_write_item(RequestItems={"many": puts})

    def select(where: str, **more: Any) -> tuple[list[tuple[str, int]], dict[str, Any]]:
        page = dynamodb.execute_statement(Statement=f"SELECT * FROM many WHERE {where}", **more)
        return [(item["pk"]["S"], int(item["n"]["N"])) for item in page["Items"]], page

    both = [(partition, number) for partition in ("a", "b") for number in range(1500)]
    assert select("pk IN ['a', 'b']")[0] == both
    assert sorted(select("n >= 0")[0]) == both
    found, page = select("pk IN ['a', 'b']", Limit=2100)
    assert found == both[:2100]
    assert select("pk IN ['a', 'b']", NextToken=page["NextToken"])[0] == both[2100:]
