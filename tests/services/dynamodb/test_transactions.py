"""Transactions: all or nothing, reasons for each part, tokens."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def put(table_name: str, pk: str, **more: Any) -> dict[str, Any]:
    condition = more.pop("condition", None)
    return {"Put": {"TableName": table_name, "Item": {**key(pk), **more}, **({"ConditionExpression": condition} if condition else {})}}


def test_a_transaction_writes_all_or_nothing(dynamodb: Any, make_table: Any) -> None:
    make_table("one", "pk")
    make_table("two", "pk")
    dynamodb.put_item(TableName="one", Item={**key("a"), "n": {"N": "1"}})
    dynamodb.put_item(TableName="two", Item=key("gone"))
    values = {":n": {"N": "1"}}
    parts: list[dict[str, Any]] = [
        {"Update": {"TableName": "one", "Key": key("a"), "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": values}},
        {"Delete": {"TableName": "two", "Key": key("gone")}},
        {"ConditionCheck": {"TableName": "two", "Key": key("b"), "ConditionExpression": "attribute_not_exists(pk)"}},
        put("two", "c", condition="attribute_not_exists(pk)"),
    ]
    answer = dynamodb.transact_write_items(TransactItems=parts, ReturnConsumedCapacity="TOTAL")
    assert {found["TableName"]: (found["CapacityUnits"], found["WriteCapacityUnits"]) for found in answer["ConsumedCapacity"]} == {
        "one": (2, 2),
        "two": (6, 6),
    }
    assert dynamodb.get_item(TableName="one", Key=key("a"))["Item"]["n"] == {"N": "2"}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as error:
        parts[3]["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        dynamodb.transact_write_items(TransactItems=parts)
    assert error.value.response["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, None, None, ConditionalCheckFailed]"
    )
    assert error.value.response["CancellationReasons"][3] == {
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
        "Item": key("c"),
    }
    assert dynamodb.get_item(TableName="one", Key=key("a"))["Item"]["n"] == {"N": "2"}


def test_user_errors_of_a_part_are_reasons_too(dynamodb: Any, make_table: Any) -> None:
    make_table("typed", "pk")
    dynamodb.put_item(TableName="typed", Item={**key("a"), "s": {"S": "text"}})
    values = {":n": {"N": "1"}}
    parts = [
        {"Update": {"TableName": "typed", "Key": key("a"), "UpdateExpression": "ADD s :n", "ExpressionAttributeValues": values}},
        {"Delete": {"TableName": "typed", "Key": {"pk": {"N": "1"}}}},
        put("typed", "c"),
    ]
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as error:
        dynamodb.transact_write_items(TransactItems=parts)
    assert error.value.response["CancellationReasons"] == [
        {"Code": "ValidationError", "Message": "An operand in the update expression has an incorrect data type"},
        {"Code": "ValidationError", "Message": "The provided key element does not match the schema"},
        {"Code": "None"},
    ]
    assert dynamodb.scan(TableName="typed")["Count"] == 1


def test_a_token_makes_a_transaction_happen_once(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("once", "pk")
    update = {"TableName": "once", "Key": key("a"), "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}
    for _ in range(3):
        dynamodb.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="token-1")
    assert dynamodb.get_item(TableName="once", Key=key("a"))["Item"]["n"] == {"N": "1"}
    assert (
        refusal(dynamodb.transact_write_items, TransactItems=[put("once", "b")], ClientRequestToken="token-1")[0]
        == "IdempotentParameterMismatchException"
    )
    clock.advance("11m")
    dynamodb.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="token-1")
    assert dynamodb.get_item(TableName="once", Key=key("a"))["Item"]["n"] == {"N": "2"}


def test_a_transaction_reads_in_order(dynamodb: Any, make_table: Any) -> None:
    make_table("read", "pk")
    dynamodb.put_item(TableName="read", Item={**key("a"), "x": {"S": "1"}})
    gets = [{"Get": {"TableName": "read", "Key": key(pk)}} for pk in ("none", "a")] + [
        {"Get": {"TableName": "read", "Key": key("b"), "ProjectionExpression": "x"}}
    ]
    answer = dynamodb.transact_get_items(TransactItems=gets, ReturnConsumedCapacity="TOTAL")
    assert answer["Responses"] == [{}, {"Item": {**key("a"), "x": {"S": "1"}}}, {}]
    assert answer["ConsumedCapacity"] == [{"TableName": "read", "CapacityUnits": 6, "ReadCapacityUnits": 6}]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([put("strict", "a"), put("strict", "a")], "Transaction request cannot include multiple operations on one item"),
        ([{**put("strict", "a"), "Delete": {"TableName": "strict", "Key": key("b")}}], "TransactItems can only contain one of Check, Put, Update or Delete"),
        ([{}], "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"),
        ([], "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ([put("strict", "a", condition="foo(pk)")], "Invalid ConditionExpression: Invalid function name; function: foo"),
        ([put("strict", "a", x={"N": "x"})], "The parameter cannot be converted to a numeric value: x"),
    ],
)  # fmt: skip
def test_a_transaction_that_is_refused_whole(dynamodb: Any, make_table: Any, parts: list[Any], sentence: str) -> None:
    make_table("strict", "pk")
    assert refusal(dynamodb.transact_write_items, TransactItems=parts) == ("ValidationException", sentence)


def test_a_hundred_parts_and_no_more(dynamodb: Any, make_table: Any) -> None:
    make_table("many", "pk")
    dynamodb.transact_write_items(TransactItems=[put("many", str(at)) for at in range(100)])
    assert dynamodb.scan(TableName="many", Select="COUNT")["Count"] == 100
    code, sentence = refusal(dynamodb.transact_write_items, TransactItems=[put("many", str(at)) for at in range(101)])
    assert code == "ValidationException"
    assert sentence.endswith("Member must have length less than or equal to 100")


def test_concurrent_transfers_keep_the_sum(client: Any, dynamodb: Any, make_table: Any) -> None:
    make_table("bank", "pk")
    accounts = [str(at) for at in range(4)]
    for account in accounts:
        dynamodb.put_item(TableName="bank", Item={**key(account), "n": {"N": "100"}})
    failures: list[BaseException] = []

    def transfer(worker: int) -> None:
        own = client("dynamodb")
        for at in range(15):
            source, target = accounts[(worker + at) % 4], accounts[(worker * 3 + at + 1) % 4]
            if source == target:
                continue
            amount = {":n": {"N": "7"}}
            parts = [
                {
                    "Update": {
                        "TableName": "bank",
                        "Key": key(source),
                        "UpdateExpression": "SET n = n - :n",
                        "ConditionExpression": "n >= :n",
                        "ExpressionAttributeValues": amount,
                    }
                },
                {
                    "Update": {
                        "TableName": "bank",
                        "Key": key(target),
                        "UpdateExpression": "SET n = n + :n",
                        "ExpressionAttributeValues": amount,
                    }
                },
            ]
            try:
                own.transact_write_items(TransactItems=parts)
            except own.exceptions.TransactionCanceledException:
                pass
            except BaseException as failure:
                failures.append(failure)
            gets = [{"Get": {"TableName": "bank", "Key": key(account)}} for account in accounts]
            seen = own.transact_get_items(TransactItems=gets)["Responses"]
            if sum(int(found["Item"]["n"]["N"]) for found in seen) != 400:
                failures.append(AssertionError(seen))

    threads = [threading.Thread(target=transfer, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_transaction_pays_twice_for_its_tables_and_once_for_their_indexes(dynamodb: Any, make_table: Any) -> None:
    make_table("paid", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    item = {"pk": {"S": "a"}, "g": {"S": "g"}, "x": {"S": "x" * 1500}}
    request = {
        "TransactItems": [{"Put": {"TableName": "paid", "Item": item}}],
        "ReturnConsumedCapacity": "INDEXES",
        "ClientRequestToken": "t",
    }
    (first,) = dynamodb.transact_write_items(**request)["ConsumedCapacity"]
    assert (first["CapacityUnits"], first["WriteCapacityUnits"], first["Table"]["CapacityUnits"]) == (6.0, 6.0, 4.0)
    assert first["GlobalSecondaryIndexes"]["by-g"] == {"CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}
    (again,) = dynamodb.transact_write_items(**request)["ConsumedCapacity"]
    assert (again["CapacityUnits"], again["ReadCapacityUnits"]) == (2.0, 2.0)


@pytest.mark.parametrize(
    "part",
    [
        {"Put": {"TableName": "strict", "Item": {"pk": {"S": ""}}}},
        {"Delete": {"TableName": "strict", "Key": {"pk": {"S": ""}}}},
        {"Put": {"TableName": "strict", "Item": {"pk": {"S": "a"}, "g": {"S": ""}}}},
        {
            "Update": {
                "TableName": "strict",
                "Key": {"pk": {"S": "a"}},
                "UpdateExpression": "SET g = :e",
                "ExpressionAttributeValues": {":e": {"S": ""}},
            }
        },
    ],
)
def test_an_empty_key_refuses_the_whole_transaction(dynamodb: Any, make_table: Any, part: dict[str, Any]) -> None:
    make_table("strict", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    code, sentence = refusal(dynamodb.transact_write_items, TransactItems=[part])
    assert code == "ValidationException"
    assert sentence.startswith("One or more parameter values are not valid. ")
