"""What expressions mean: conditions that hold or not, updates against a simple model, projections."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.dynamodb import values as attribute_values
from groundcloud.services.dynamodb.expressions import read_expressions

ITEM: dict[str, Any] = {
    "n": {"N": "10"}, "s": {"S": "banana"}, "b": {"B": "AAEC"}, "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": ["AAE=", "AA=="]},
    "l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"k": {"S": "v"}}}]}, "m": {"M": {"x": {"N": "1"}, "y": {"L": [{"S": "deep"}]}}},
    "t": {"BOOL": True}, "z": {"NULL": True}, "blank": {"S": ""},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found", "holds"),
    [
        ("n = :a", {":a": {"N": "10.0"}}, True),
        ("n = :a", {":a": {"S": "10"}}, False),
        ("n <> :a", {":a": {"S": "10"}}, True),
        ("absent <> :a", {":a": {"S": "10"}}, True),
        ("absent = :a", {":a": {"S": "10"}}, False),
        ("n > :a", {":a": {"N": "9"}}, True),
        ("n < :a", {":a": {"N": "9"}}, False),
        ("n < :a", {":a": {"N": "100"}}, True),
        ("s < :a", {":a": {"S": "c"}}, True),
        ("s >= :a", {":a": {"S": "banana"}}, True),
        ("s <= :a", {":a": {"N": "1"}}, False),
        ("b > :a", {":a": {"B": "AAA="}}, True),
        ("n BETWEEN :a AND :b", {":a": {"N": "9"}, ":b": {"N": "10"}}, True),
        ("s BETWEEN :a AND :b", {":a": {"N": "9"}, ":b": {"N": "10"}}, False),
        ("n IN (:a, :b)", {":a": {"S": "x"}, ":b": {"N": "10"}}, True),
        ("n IN (:a)", {":a": {"S": "x"}}, False),
        (":a IN (n, s)", {":a": {"S": "banana"}}, True),
        ("ss = :a", {":a": {"SS": ["y", "x"]}}, True),
        ("attribute_exists(m.y[0])", {}, True),
        ("attribute_exists(m.y[1])", {}, False),
        ("attribute_not_exists(m.q.r)", {}, True),
        ("attribute_not_exists(l[9])", {}, True),
        ("attribute_exists(s.x)", {}, False),
        ("attribute_type(l, :a)", {":a": {"S": "L"}}, True),
        ("attribute_type(t, :a)", {":a": {"S": "S"}}, False),
        ("begins_with(s, :a)", {":a": {"S": "ban"}}, True),
        ("begins_with(b, :a)", {":a": {"B": "AAE="}}, True),
        ("begins_with(n, :a)", {":a": {"S": "1"}}, False),
        ("begins_with(s, blank)", {}, True),
        ("contains(s, :a)", {":a": {"S": "nan"}}, True),
        ("contains(b, :a)", {":a": {"B": "AQ=="}}, True),
        ("contains(ss, :a)", {":a": {"S": "x"}}, True),
        ("contains(ns, :a)", {":a": {"N": "2.0"}}, True),
        ("contains(bs, :a)", {":a": {"B": "AA=="}}, True),
        ("contains(ss, :a)", {":a": {"N": "1"}}, False),
        ("contains(l, :a)", {":a": {"M": {"k": {"S": "v"}}}}, True),
        ("contains(l, :a)", {":a": {"S": "tw"}}, False),
        ("contains(n, :a)", {":a": {"N": "1"}}, False),
        ("size(s) = :a", {":a": {"N": "6"}}, True),
        ("size(b) = :a", {":a": {"N": "3"}}, True),
        ("size(l) > size(ss)", {}, True),
        ("size(m) = size(ns)", {}, True),
        ("size(n) = :a", {":a": {"N": "2"}}, False),
        ("size(absent) > :a", {":a": {"N": "0"}}, False),
        ("m.x = l[0]", {}, True),
        ("l[2].k = :a", {":a": {"S": "v"}}, True),
        ("NOT n = :a", {":a": {"N": "10"}}, False),
        ("NOT NOT n = :a", {":a": {"N": "10"}}, True),
        ("n = :a OR s = :a AND t = :a", {":a": {"N": "10"}}, True),
        ("(n = :a OR s = :a) AND t = :a", {":a": {"N": "10"}}, False),
        ("not n = :a or n = :a", {":a": {"N": "10"}}, True),
        ("NOT (n = :a AND s = :a)", {":a": {"N": "10"}}, True),
        ("(n) = (:a)", {":a": {"N": "10"}}, True),
        ("((n = :a) AND (t = t2)) OR n = :a", {":a": {"N": "10"}}, True),
        ("n between :a and :a and n = :a", {":a": {"N": "10"}}, True),
        ("n=:a AND s<>:a\n\tAND\r attribute_exists ( n )", {":a": {"N": "10"}}, True),
        ("z = :a", {":a": {"NULL": True}}, True),
        ("t <> :a", {":a": {"BOOL": False}}, True),
    ],
)
def test_a_condition_holds_or_not(text: str, found: dict[str, Any], holds: bool) -> None:
    request: dict[str, Any] = {"ConditionExpression": text}
    if found:
        request["ExpressionAttributeValues"] = copy.deepcopy(found)
    expressions, checked = read_expressions(request)
    assert expressions.condition is not None
    assert expressions.condition.test(ITEM, checked) is holds


def updated(text: str, found: dict[str, Any] | None = None, item: dict[str, Any] | None = None) -> dict[str, Any]:
    request: dict[str, Any] = {"UpdateExpression": text}
    if found:
        request["ExpressionAttributeValues"] = copy.deepcopy(found)
    expressions, checked = read_expressions(request)
    assert expressions.update is not None
    before = copy.deepcopy(ITEM if item is None else item)
    kept = copy.deepcopy(before)
    after = expressions.update.apply(before, checked)
    assert before == kept, "an update changed the original"
    return after


N = {":n": {"N": "5"}}


@pytest.mark.parametrize(
    ("text", "found", "changes"),
    [
        ("SET fresh = :n", N, {"fresh": {"N": "5"}}),
        ("SET n = n + :n, s = n", N, {"n": {"N": "15"}, "s": {"N": "10"}}),
        ("SET n = :n - n", N, {"n": {"N": "-5"}}),
        ("SET n = (n + :n)", N, {"n": {"N": "15"}}),
        ("SET n = if_not_exists(n, :n), q = if_not_exists(q, :n)", N, {"q": {"N": "5"}}),
        ("SET q = if_not_exists(q, :n) + :n", N, {"q": {"N": "10"}}),
        ("SET l = list_append(l, :l)", {":l": {"L": [{"S": "end"}]}}, {"l": {"L": [*ITEM["l"]["L"], {"S": "end"}]}}),
        ("SET l = list_append(:l, l)", {":l": {"L": []}}, {}),
        ("SET q = list_append(if_not_exists(q, :l), :l)", {":l": {"L": [{"S": "a"}]}}, {"q": {"L": [{"S": "a"}, {"S": "a"}]}}),
        ("SET l[1] = :n", N, {"l": {"L": [{"N": "1"}, {"N": "5"}, ITEM["l"]["L"][2]]}}),
        ("SET l[9] = :n, l[7] = s", N, {"l": {"L": [*ITEM["l"]["L"], {"S": "banana"}, {"N": "5"}]}}),
        ("SET l[2].k = :n", N, {"l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"k": {"N": "5"}}}]}}),
        ("SET m.y[0] = :n, m.q = :n", N, {"m": {"M": {"x": {"N": "1"}, "y": {"L": [{"N": "5"}]}, "q": {"N": "5"}}}}),
        ("REMOVE n, absent", {}, {"n": None}),
        ("REMOVE l[0], l[1]", {}, {"l": {"L": [ITEM["l"]["L"][2]]}}),
        ("REMOVE l[7]", {}, {}),
        ("REMOVE m.x, m.nope", {}, {"m": {"M": {"y": ITEM["m"]["M"]["y"]}}}),
        ("SET l[0] = :n REMOVE l[1]", N, {"l": {"L": [{"N": "5"}, ITEM["l"]["L"][2]]}}),
        ("ADD n :n, q :n", N, {"n": {"N": "15"}, "q": {"N": "5"}}),
        ("ADD ss :x, fresh :x", {":x": {"SS": ["y", "z"]}}, {"ss": {"SS": ["x", "y", "z"]}, "fresh": {"SS": ["y", "z"]}}),
        ("ADD m.x :n", N, {"m": {"M": {"x": {"N": "6"}, "y": ITEM["m"]["M"]["y"]}}}),
        ("DELETE ss :x, gone :x", {":x": {"SS": ["y", "q"]}}, {"ss": {"SS": ["x"]}}),
        ("DELETE ns :x", {":x": {"NS": ["1", "2.0"]}}, {"ns": None}),
        (
            "SET a1 = n REMOVE n ADD a2 :n DELETE ss :x",
            {**N, ":x": {"SS": ["x"]}},
            {"a1": {"N": "10"}, "n": None, "a2": {"N": "5"}, "ss": {"SS": ["y"]}},
        ),
    ],
)
def test_an_update_changes_what_it_names(text: str, found: dict[str, Any], changes: dict[str, Any]) -> None:
    wanted = {name: value for name, value in {**ITEM, **changes}.items() if value is not None}
    assert updated(text, found) == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SET q = absent", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET q = absent + :n", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET q = s + :n", "An operand in the update expression has an incorrect data type"),
        ("SET q = list_append(s, l) REMOVE z ADD q2 :n", "An operand in the update expression has an incorrect data type"),
        ("ADD s :n", "An operand in the update expression has an incorrect data type"),
        ("SET absent.x = :n", "The document path provided in the update expression is invalid for update"),
        ("SET s.x = :n", "The document path provided in the update expression is invalid for update"),
        ("SET m[0] = :n", "The document path provided in the update expression is invalid for update"),
        ("SET l.x = :n", "The document path provided in the update expression is invalid for update"),
        ("SET l[9].x = :n", "The document path provided in the update expression is invalid for update"),
        ("REMOVE absent.x ADD q :n", "The document path provided in the update expression is invalid for update"),
    ],
)
def test_an_update_that_the_item_does_not_allow(text: str, sentence: str) -> None:
    with pytest.raises(AwsError) as refusal:
        updated(text, N if ":n" in text else None)
    assert (refusal.value.code, refusal.value.message) == ("ValidationException", sentence)


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("n, absent", {"n": ITEM["n"]}),
        ("m.x", {"m": {"M": {"x": {"N": "1"}}}}),
        ("m.y[0], m.x", {"m": {"M": {"y": {"L": [{"S": "deep"}]}, "x": {"N": "1"}}}}),
        ("l[2], l[0]", {"l": {"L": [{"N": "1"}, ITEM["l"]["L"][2]]}}),
        ("l[2].k, l[5]", {"l": {"L": [{"M": {"k": {"S": "v"}}}]}}),
        ("m.q, s.x, l.x, n[0]", {}),
    ],
)
def test_a_projection_keeps_the_paths_alone(text: str, picked: dict[str, Any]) -> None:
    expressions, _ = read_expressions({"ProjectionExpression": text})
    assert expressions.projection is not None
    assert expressions.projection.apply(ITEM) == picked


# --- updates against a model: plain Python lists, sets and integers ----------------------------------------------------------------

attribute_names = st.sampled_from(["a1", "b1", "c1"])
small = st.integers(min_value=-50, max_value=50)


@st.composite
def plain_updates(draw: st.DrawFn) -> tuple[dict[str, int | set[str]], list[tuple[str, str, Any]]]:
    """An item of numbers and sets, and one action for some of its attributes."""
    item: dict[str, Any] = draw(st.dictionaries(attribute_names, small | st.sets(st.sampled_from("xyz"), min_size=1), max_size=3))
    actions = []
    for name in draw(st.lists(attribute_names, unique=True, min_size=1)):
        current = item.get(name)
        if isinstance(current, set):
            actions.append((name, draw(st.sampled_from(["ADD", "DELETE"])), draw(st.sets(st.sampled_from("xyz"), min_size=1))))
        else:
            actions.append((name, draw(st.sampled_from(["SET", "ADD", "REMOVE"])), draw(small)))
    return item, actions


def wire(value: Any) -> dict[str, Any]:
    return {"SS": sorted(value)} if isinstance(value, set) else {"N": str(value)}


@given(plain_updates())
def test_updates_do_what_a_plain_model_does(case: tuple[dict[str, Any], list[tuple[str, str, Any]]]) -> None:
    item, actions = case
    model = dict(item)
    sections: dict[str, list[str]] = {}
    found = {}
    for position, (name, action, operand) in enumerate(actions):
        placeholder = f":v{position}"
        if action == "SET":
            model[name] = operand
            sections.setdefault("SET", []).append(f"{name} = {placeholder}")
        elif action == "REMOVE":
            model.pop(name, None)
            sections.setdefault("REMOVE", []).append(name)
            continue
        elif action == "ADD":
            model[name] = (item[name] | operand if isinstance(operand, set) else item[name] + operand) if name in item else operand
            sections.setdefault("ADD", []).append(f"{name} {placeholder}")
        else:
            left = item[name] - operand
            model[name] = left
            if not left:
                del model[name]
            sections.setdefault("DELETE", []).append(f"{name} {placeholder}")
        found[placeholder] = wire(operand)
    text = " ".join(f"{section} {', '.join(parts)}" for section, parts in sections.items())
    after = updated(text, found, {name: wire(value) for name, value in item.items()})
    assert after.keys() == model.keys()
    assert all(attribute_values.equal(after[name], wire(value)) for name, value in model.items())


list_actions = st.dictionaries(st.integers(min_value=0, max_value=7), st.sampled_from(["SET", "REMOVE"]), min_size=1)


@given(st.integers(min_value=0, max_value=5), list_actions)
def test_lists_keep_their_original_indexes_during_one_update(length: int, actions: dict[int, str]) -> None:
    model: list[str | None] = [str(index) for index in range(length)]
    beyond = []
    for index, action in sorted(actions.items()):
        if action == "SET" and index < length:
            model[index] = f"set{index}"
        elif action == "SET":
            beyond.append(f"set{index}")
        elif index < length:
            model[index] = None
    wanted = [element for element in model if element is not None] + beyond
    sets = [f"q[{index}] = :v{index}" for index, action in actions.items() if action == "SET"]
    removes = [f"q[{index}]" for index, action in actions.items() if action == "REMOVE"]
    text = ("SET " + ", ".join(sets) if sets else "") + (" REMOVE " + ", ".join(removes) if removes else "")
    found = {f":v{index}": {"S": f"set{index}"} for index, action in actions.items() if action == "SET"}
    after = updated(text, found, {"q": {"L": [{"S": str(index)} for index in range(length)]}})
    assert after == {"q": {"L": [{"S": element} for element in wanted]}}
