"""Conditional writes and transactions under concurrent clients and kills: as if one came after the other."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.histories import Killer, Unheard, is_linearizable, record

CLIENTS = 4
ACCOUNTS = 5
START = 100


class Item:
    """A register in an item. `client` gives the client to use now: a killed server comes back on another port."""

    def __init__(self, client: Callable[[], Any], key: str) -> None:
        self._client = client
        self._key = {"pk": {"S": key}}

    def _ask(self, operation: str, **request: Any) -> Any:
        try:
            return getattr(self._client(), operation)(TableName="registers", **request)
        except BotoCoreError as error:
            raise Unheard from error

    def read(self) -> Any:
        item = self._ask("get_item", Key=self._key, ConsistentRead=True).get("Item")
        return item["v"]["S"] if item else None

    def write(self, value: Any) -> None:
        self._ask("put_item", Item={**self._key, "v": {"S": value}})

    def swap(self, expected: Any, value: Any) -> bool:
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        values = {} if value is None else {":new": {"S": value}}
        if expected is not None:
            condition = {"ConditionExpression": "v = :old"}
            values[":old"] = {"S": expected}
        try:
            if value is None:
                self._ask("delete_item", Key=self._key, ExpressionAttributeValues=values, **condition)
            else:
                self._ask("update_item", Key=self._key, UpdateExpression="SET v = :new", ExpressionAttributeValues=values, **condition)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return False
        return True


def make_table(dynamodb: Any, table_name: str) -> None:
    dynamodb.create_table(
        TableName=table_name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )


def test_conditional_writes_and_deletes_are_linearizable(client: Any, dynamodb: Any) -> None:
    make_table(dynamodb, "registers")
    clients = [client("dynamodb") for _ in range(CLIENTS)]
    for seed in range(2):
        history = record([Item(lambda own=own: own, f"r{seed}") for own in clients], 30, seed)  # type: ignore[misc]
        assert any(step.result is True for step in history)
        assert is_linearizable(history)


@pytest.mark.slow
def test_conditional_writes_and_deletes_are_linearizable_through_kills(process: Any) -> None:
    make_table(process.client("dynamodb"), "registers")
    for seed in range(3):
        with Killer(process, times=3, every_s=0.4) as killer:
            history = record([Item(lambda: process.client("dynamodb"), f"r{seed}") for _ in range(CLIENTS)], 80, seed, killer.wait)
        assert is_linearizable(history)


def transfer(dynamodb: Any, source: int, target: int, amount: int, token: str) -> bool:
    """Whether it was done. Raises Unheard."""

    def change(account: int, by: int, **condition: Any) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": "accounts",
                "Key": {"pk": {"S": str(account)}},
                "UpdateExpression": "SET balance = balance + :by ADD moves :one",
                "ExpressionAttributeValues": {":by": {"N": str(by)}, ":one": {"N": "1"}, **condition.pop("values", {})},
                **condition,
            }
        }

    taking = change(source, -amount, ConditionExpression="balance >= :least", values={":least": {"N": str(amount)}})
    try:
        dynamodb.transact_write_items(TransactItems=[taking, change(target, amount)], ClientRequestToken=token)
    except BotoCoreError as error:
        raise Unheard from error
    except ClientError as error:
        assert error.response["Error"]["Code"] == "TransactionCanceledException", error
        return False
    return True


def balances(dynamodb: Any) -> tuple[int, int]:
    """(sum of balances, sum of moves) in one transaction."""
    wanted = [{"Get": {"TableName": "accounts", "Key": {"pk": {"S": str(account)}}}} for account in range(ACCOUNTS)]
    found = [response["Item"] for response in dynamodb.transact_get_items(TransactItems=wanted)["Responses"]]
    assert all(int(item["balance"]["N"]) >= 0 for item in found)
    return sum(int(item["balance"]["N"]) for item in found), sum(int(item.get("moves", {"N": "0"})["N"]) for item in found)


def run_transfers(client: Callable[[], Any], transfers_each: int, wait: Callable[[], None] = lambda: None) -> None:
    """Clients move amounts about while others look: the sum stays, each transfer is done once, and nobody sees half of one."""
    dynamodb = client()
    make_table(dynamodb, "accounts")
    for account in range(ACCOUNTS):
        dynamodb.put_item(TableName="accounts", Item={"pk": {"S": str(account)}, "balance": {"N": str(START)}})
    done: list[int] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def move(worker: int) -> None:
        choose = random.Random(worker)
        own, count = client(), 0
        for number in range(transfers_each):
            source, target = choose.sample(range(ACCOUNTS), 2)
            amount = choose.randint(1, 60)
            while True:
                try:
                    count += transfer(own, source, target, amount, f"{worker}-{number}")
                    break
                except Unheard:  # the token makes it one transfer, however often it is sent
                    wait()
                    own = client()
        done.append(count)

    def look() -> None:
        own = client()
        while not ended.is_set():
            try:
                total, moves = balances(own)
            except BotoCoreError:
                wait()
                own = client()
                continue
            assert total == ACCOUNTS * START
            assert moves % 2 == 0

    def guarded(function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:  # for the thread that waits
            failures.append(error)

    movers = [threading.Thread(target=guarded, args=(move, worker), daemon=True) for worker in range(CLIENTS)]
    watcher = threading.Thread(target=guarded, args=(look,), daemon=True)
    for thread in (*movers, watcher):
        thread.start()
    for thread in movers:
        thread.join()
    ended.set()
    watcher.join()
    if failures:
        raise failures[0]
    assert balances(client()) == (ACCOUNTS * START, 2 * sum(done))


def test_transfers_keep_the_sum_and_nobody_sees_half_of_one(client: Any) -> None:
    run_transfers(lambda: client("dynamodb"), 20)


@pytest.mark.slow
def test_transfers_are_done_once_through_kills(process: Any) -> None:
    with Killer(process, times=4, every_s=0.7) as killer:
        run_transfers(lambda: process.client("dynamodb"), 150, killer.wait)
    assert killer.kills
