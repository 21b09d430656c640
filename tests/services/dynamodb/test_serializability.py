"""Transactions that read and write several items, beside plain calls, under concurrent clients and kills: as if one came after the other."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.histories import Killer, Step, is_linearizable
from tests.services.dynamodb.test_concurrency import make_table

CLIENTS = 4
KEYS = ("a", "b", "c")
Values = tuple[str | None, ...]


def on_a_table(step: Step, held: Values) -> tuple[bool, Values]:
    """`expected` and `value` are (index, value) pairs: what a transaction looks at, and what it writes."""
    if step.kind == "read":
        return step.result == held, held
    if step.kind == "look":
        (at,) = step.expected
        return step.result == held[at], held
    if step.result == "conflict":
        return True, held
    done = all(held[at] == value for at, value in step.expected)
    if step.heard and step.result != done:
        return False, held
    if not done:
        return True, held
    after = list(held)
    for at, value in step.value:
        after[at] = value
    return True, tuple(after)


class Table:
    """One client's way to the items."""

    def __init__(self, client: Callable[[], Any], name: str) -> None:
        self._client, self._name = client, name

    def _of(self, at: int) -> dict[str, Any]:
        return {"TableName": "registers", "Key": {"pk": {"S": f"{self._name}/{KEYS[at]}"}}}

    def read(self) -> Values:
        found = self._client().transact_get_items(TransactItems=[{"Get": self._of(at)} for at in range(len(KEYS))])["Responses"]
        return tuple(one["Item"]["v"]["S"] if "Item" in one else None for one in found)

    def look(self, at: int) -> str | None:
        item = self._client().get_item(**self._of(at), ConsistentRead=True).get("Item")
        return str(item["v"]["S"]) if item else None

    def write(self, expected: list[tuple[int, Any]], writes: list[tuple[int, Any]]) -> bool | str:
        """What is looked at and not written is a ConditionCheck, what is written without a look an unconditional Put or Delete."""
        looks, wanted = dict(expected), dict(writes)
        items = []
        for at in sorted({*looks, *wanted}):
            request = self._of(at)
            if at in looks:
                request["ConditionExpression"] = "attribute_not_exists(pk)" if looks[at] is None else "v = :old"
                if looks[at] is not None:
                    request["ExpressionAttributeValues"] = {":old": {"S": looks[at]}}
            if at not in wanted:
                items.append({"ConditionCheck": request})
            elif wanted[at] is None:
                items.append({"Delete": request})
            else:
                items.append({"Put": {**request, "Item": {**request.pop("Key"), "v": {"S": wanted[at]}}}})
                items[-1]["Put"].pop("Key", None)
        try:
            self._client().transact_write_items(TransactItems=items)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "TransactionCanceledException", error
            codes = {reason["Code"] for reason in error.response["CancellationReasons"]}
            assert codes <= {"None", "ConditionalCheckFailed", "TransactionConflict"}, codes
            return "conflict" if "TransactionConflict" in codes else False
        return True


def run(client: Callable[[], Any], name: str, steps_each: int, seed: int, wait: Callable[[], None] = lambda: None) -> list[Step]:
    history: list[Step] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        choose, table = random.Random(f"{seed}/{number}"), Table(client, name)
        known: list[str | None] = [None] * len(KEYS)
        for count in range(steps_each):
            kind = choose.choice(("read", "look", "write", "write", "skew", "blind"))
            first, second = choose.sample(range(len(KEYS)), 2)
            value = None if choose.random() < 0.15 else f"{number}/{count}"
            expected: list[tuple[int, Any]] = []
            writes: list[tuple[int, Any]] = []
            result: Any = None
            if kind == "write":  # both, if both are as they were seen
                expected, writes = [(first, known[first]), (second, known[second])], [(first, value), (second, value)]
            elif kind == "skew":  # one, if the other is as it was seen
                expected, writes = [(first, known[first])], [(second, value)]
            elif kind == "blind":
                writes = [(first, value), (second, value)]
            began, ended = time.perf_counter(), inf
            try:
                if kind == "read":
                    result = table.read()
                    known = list(result)
                elif kind == "look":
                    expected, result = [first], table.look(first)  # type: ignore[list-item]
                    known[first] = result
                else:
                    result = table.write(expected, writes)
                    for at, new in writes if result is True else ():
                        known[at] = new
                ended = time.perf_counter()
            except BotoCoreError:
                if kind == "look":
                    continue
                wait()
            except BaseException as error:  # for the thread that waits
                failures.append(error)
                return
            history.append(Step(kind if kind in ("read", "look") else "write", began, ended, tuple(expected), tuple(writes), result))

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return history


NOTHING: Values = (None,) * len(KEYS)


def test_the_checker_finds_write_skew() -> None:
    seen = [Step("write", 0, 1, (), ((0, "x"), (1, "x")), True)]
    skew = [Step("write", 2, 5, ((0, "x"),), ((1, "p"),), True), Step("write", 2, 5, ((1, "x"),), ((0, "q"),), True)]
    assert is_linearizable([*seen, skew[0]], NOTHING, on_a_table)
    assert not is_linearizable([*seen, *skew], NOTHING, on_a_table)


def test_transactions_are_serializable(client: Any, dynamodb: Any) -> None:
    make_table(dynamodb, "registers")
    history = run(lambda: client("dynamodb"), "quick", 15, 1)
    assert any(step.result is True for step in history) and any(step.result is False for step in history)
    assert is_linearizable(history, NOTHING, on_a_table)


@pytest.mark.slow
def test_transactions_are_serializable_through_kills(process: Any) -> None:
    make_table(process.client("dynamodb"), "registers")
    for seed in range(3):
        with Killer(process, times=3, every_s=0.5) as killer:
            history = run(lambda: process.client("dynamodb"), f"r{seed}", 60, seed, killer.wait)
        assert killer.kills
        assert is_linearizable(history, NOTHING, on_a_table)
