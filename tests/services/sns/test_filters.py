"""Filter policies: what passes, what is refused and in which words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.sns.filters import Filter, PolicyError, document_of

ATTRIBUTES, BODY = "MessageAttributes", "MessageBody"


def text(value):
    return {"DataType": "String", "StringValue": value}


def number(value):
    return {"DataType": "Number", "StringValue": value}


def array(*values):
    return {"DataType": "String.Array", "StringValue": json.dumps(values)}


BY_ATTRIBUTES = [
    ({"a": ["x"]}, {"a": text("x")}, True),
    ({"a": ["x"]}, {"a": text("X")}, False),
    ({"a": ["x"]}, {}, False),
    ({"a": ["x", "y"], "b": ["z"]}, {"a": text("y"), "b": text("z")}, True),
    ({"a": ["x"], "b": ["z"]}, {"a": text("x")}, False),
    ({"a": ["x"]}, {"a": array("w", "x")}, True),
    ({"a": [True, None]}, {"a": array(None)}, True),
    ({"a": [True]}, {"a": array(1)}, False),
    ({"a": [1]}, {"a": number("1.0")}, True),
    ({"a": ["1"]}, {"a": number("1")}, False),
    ({"a": [1]}, {"a": text("1")}, False),
    ({"a": ["x"]}, {"a": {"DataType": "Binary", "BinaryValue": b"x"}}, False),
    ({"a": [{"exists": True}]}, {"a": text("x")}, True),
    ({"a": [{"exists": True}]}, {}, False),
    ({"a": [{"exists": False}]}, {}, True),
    ({"a": [{"exists": False}]}, {"a": text("x")}, False),
    ({"a": [{"prefix": "bas"}]}, {"a": text("baseball")}, True),
    ({"a": [{"suffix": "ball"}]}, {"a": text("baseball")}, True),
    ({"a": [{"suffix": "ball"}]}, {"a": text("rugby")}, False),
    ({"a": [{"equals-ignore-case": "Tennis"}]}, {"a": text("TENNIS")}, True),
    ({"a": [{"wildcard": "*ball*x"}]}, {"a": text("footballx")}, True),
    ({"a": [{"anything-but": ["x", "y"]}]}, {"a": text("z")}, True),
    ({"a": [{"anything-but": ["x", "y"]}]}, {"a": text("x")}, False),
    ({"a": [{"anything-but": ["x"]}]}, {}, False),
    ({"a": [{"anything-but": [100, 500]}]}, {"a": number("101")}, True),
    ({"a": [{"anything-but": 100}]}, {"a": number("100")}, False),
    ({"a": [{"anything-but": {"prefix": "order-"}}]}, {"a": text("data")}, True),
    ({"a": [{"anything-but": {"prefix": "order-"}}]}, {"a": text("order-1")}, False),
    ({"a": [{"numeric": ["=", 3.015e2]}]}, {"a": number("301.5")}, True),
    ({"a": [{"numeric": [">", 0, "<=", 150]}]}, {"a": number("150")}, True),
    ({"a": [{"numeric": [">", 0, "<", 150]}]}, {"a": number("150")}, False),
    ({"a": [{"numeric": ["<", 0]}]}, {"a": text("-1")}, False),
    ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": text("10.0.0.255")}, True),
    ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": text("10.0.1.0")}, False),
    ({"a": ["x", {"prefix": "y"}]}, {"a": text("yes")}, True),
    ({"$or": [{"a": ["x"]}, {"b": [{"exists": True}]}]}, {"b": text("1")}, True),
    ({"c": ["z"], "$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"a": text("x"), "c": text("w")}, False),
]


@pytest.mark.parametrize(("policy", "attributes", "passes"), BY_ATTRIBUTES)
def test_attributes_pass(policy, attributes, passes):
    assert Filter(json.dumps(policy), ATTRIBUTES).matches(document_of(attributes)) is passes


BY_BODY = [
    ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
    ({"a": {"b": ["x"]}}, {"a": "x"}, False),
    ({"a": {"b": ["x"]}}, {"a": [{"b": "w"}, {"b": "x"}]}, True),
    ({"a": {"b": ["x"], "c": [1]}}, {"a": [{"b": "x", "c": 2}, {"b": "w", "c": 1}]}, False),
    ({"a": {"b": [{"exists": False}]}}, {"a": {}}, True),
    ({"a": {"b": [{"exists": False}]}}, {}, True),
    ({"a": [{"exists": True}]}, {"a": None}, True),
    ({"a": [None]}, {"a": None}, True),
    ({"a": [None]}, {}, False),
    ({"a": [1]}, {"a": [3, [2, 1]]}, True),
    ({"a": ["x"]}, [{"a": "y"}, {"a": "x"}], True),
    ({"a": [True]}, {"a": True}, True),
    ({"a": [1]}, {"a": True}, False),
]


@pytest.mark.parametrize(("policy", "body", "passes"), BY_BODY)
def test_bodies_pass(policy, body, passes):
    assert Filter(json.dumps(policy), BODY).matches(body) is passes


REFUSED = [
    ("[1]", "Filter is not an object"),
    ("{", "failed to parse JSON."),
    ({"a": "x"}, '"a" must be an object or an array'),
    ({"a": []}, "Empty arrays are not allowed"),
    ({"a": {"b": ["x"]}}, "Filter policy scope MessageAttributes does not support nested filter policy"),
    ({name: ["x"] for name in "abcdef"}, "Filter policy can not have more than 5 keys"),
    ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
    ({"a": [{"exist": True}]}, "Unrecognized match type exist"),
    ({"a": [{"exists": "yes"}]}, "exists match pattern must be either true or false."),
    ({"a": [{"prefix": "x", "suffix": "y"}]}, "Only one key allowed in match expression"),
    ({"a": [{"prefix": 1}]}, "prefix match pattern must be a string"),
    ({"a": [{"numeric": 1}]}, "Value of numeric must be an array."),
    ({"a": [{"numeric": []}]}, "Invalid member in numeric match: ]"),
    ({"a": [{"numeric": [1, ">"]}]}, "Invalid member in numeric match: 1"),
    ({"a": [{"numeric": ["<>", 1]}]}, "Unrecognized numeric range operator: <>"),
    ({"a": [{"numeric": [">", "1"]}]}, "Value of > must be numeric"),
    ({"a": [{"numeric": ["=", "1"]}]}, "Value of equals must be numeric"),
    ({"a": [{"numeric": [">", 2, "<", 1]}]}, "Bottom must be less than top"),
    ({"a": [{"numeric": [">", 2, ">", 3]}]}, "Bad numeric range operator: >"),
    ({"a": [{"numeric": ["=", 2, "<", 3]}]}, "Too many elements in numeric expression"),
    ({"a": [{"anything-but": True}]}, "Value of anything-but must be an array or single string/number value."),
    ({"a": [{"anything-but": [None]}]}, "Inside anything but list, start|null|boolean is not supported."),
    (
        {"a": [{"anything-but": ["x", 1]}]},
        "Inside anything but list, either all values are number or string, mixed type is not supported",
    ),
    ({"a": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
    ({name: [str(number) for number in range(6)] for name in "abc"}, "Filter policy is too complex"),
]


@pytest.mark.parametrize(("policy", "sentence"), REFUSED)
def test_what_is_no_policy_is_refused_in_awss_words(policy, sentence):
    with pytest.raises(PolicyError) as caught:
        Filter(policy if isinstance(policy, str) else json.dumps(policy), ATTRIBUTES)
    assert str(caught.value) == sentence


def test_nesting_counts_for_the_combinations_of_bodies():
    deep = {"a": {"b": {"c": ["1", "2", "3", "4"]}}, "d": {"e": ["1", "2", "3"]}, "f": ["1", "2"]}
    assert 4 * 3 * 3 * 2 * 2 == 144
    Filter(json.dumps(deep), BODY)
    deep["f"] = ["1", "2", "3"]
    with pytest.raises(PolicyError, match="too complex"):
        Filter(json.dumps(deep), BODY)


@given(st.text(min_size=1), st.text(), st.text())
def test_prefix_suffix_and_wildcard_agree(middle, before, after):
    """With what Python says of the same."""
    value = before + middle + after
    assert Filter(json.dumps({"a": [{"prefix": before}]}), BODY).matches({"a": value})
    assert Filter(json.dumps({"a": [{"suffix": after}]}), BODY).matches({"a": value})
    if "*" not in middle:
        assert Filter(json.dumps({"a": [{"wildcard": f"*{middle}*"}]}), BODY).matches({"a": value})


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_document_is_answered(document):
    for policy in ({"a": {"b": [{"exists": False}]}}, {"": [{"anything-but": ["x"]}]}):
        assert Filter(json.dumps(policy), BODY).matches(document) in (True, False)
