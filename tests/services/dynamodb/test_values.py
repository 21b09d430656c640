"""Attribute values: what is refused and in which words, what a value counts, when two are equal."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.services.dynamodb import keys, values

INVALID = "One or more parameter values were invalid: "


def nested(depth: int, kind: str) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "leaf"}
    for _ in range(depth):
        value = {"M": {"n": value}} if kind == "M" else {"L": [value]}
    return value


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ({"Q": "x"}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"S": "a", "N": "1"},
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        ({"S": "a", "N": "x"}, "The parameter cannot be converted to a numeric value: x"),
        ({"NULL": False}, INVALID + "Null attribute value types must have the value of true"),
        ({"SS": []}, INVALID + "An string set  may not be empty"),
        ({"NS": []}, INVALID + "An number set  may not be empty"),
        ({"BS": []}, INVALID + "Binary sets should not be empty"),
        ({"SS": ["a", ""]}, INVALID + "An string set may not have a empty string as a member"),
        ({"BS": ["Yg==", ""]}, INVALID + "Binary sets may not contain null or empty values"),
        ({"NS": ["1", "b"]}, "The parameter cannot be converted to a numeric value: b"),
        ({"SS": ["a", "b", "a"]}, INVALID + "Input collection [a, b, a] contains duplicates."),
        ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        ({"BS": ["Yg==", "Yg=="]}, INVALID + "Input collection [Yg==, Yg==]of type BS contains duplicates."),
        ({"L": [{"M": {"a": {"N": ""}}}]}, "The parameter cannot be converted to a numeric value"),
        (
            nested(32, "M"),
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
        ),
        (
            nested(32, "L"),
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
        ),
    ],
)
def test_an_invalid_value_is_refused_in_the_words_of_aws(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AwsError) as refusal:
        values.check(value)
    assert (refusal.value.code, refusal.value.message) == ("ValidationException", sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"S": 23}, "NUMBER_VALUE cannot be converted to String"),
        ({"S": 2.5}, "DECIMAL_VALUE cannot be converted to String"),
        ({"N": True}, "TRUE_VALUE cannot be converted to String"),
        ({"S": []}, "Unrecognized collection type class java.lang.String"),
        ({"N": {}}, "Start of structure or map found where not expected"),
        ({"BOOL": "true"}, "Unexpected token received from parser"),
        ({"B": 1}, "only base-64-encoded strings are convertible to bytes"),
        ({"B": "23456"}, "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
        ({"B": "ab_="}, "Invalid Base64 character: '_'"),
        ({"B": "=+/="}, "Invalid last non-pad Base64 character dectected"),
        ({"B": "+/+="}, "Invalid last non-pad Base64 character dectected"),
        ({"SS": "a"}, "Unexpected field type"),
        ({"M": []}, "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"),
        ({"L": ["x"]}, "Unexpected value type in payload"),
    ],
)
def test_a_member_of_the_wrong_json_type_is_a_serialization_error(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AwsError) as refusal:
        values.check(value)
    assert (refusal.value.code, refusal.value.message) == ("SerializationException", sentence)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0), ({"S": "añ"}, 3), ({"N": "5"}, 2), ({"BOOL": False}, 1), ({"NULL": True}, 1), ({"B": "AAE="}, 2), ({"B": ""}, 0),
        ({"SS": ["a", "bc"]}, 3), ({"NS": ["1", "22"]}, 4), ({"BS": ["AAE=", "AA=="]}, 3), ({"L": []}, 3), ({"L": [{"S": "ab"}]}, 6),
        ({"M": {}}, 3), ({"M": {"k": {"S": "v"}}}, 6), (nested(31, "M"), 4 + 31 * 5),
    ],
)  # fmt: skip
def test_a_value_counts_what_aws_counts(value: dict[str, Any], size: int) -> None:
    assert values.check(value) == size
    assert values.size_of(value) == size
    assert values.check_item({"nm": value}) == 2 + size == values.item_size({"nm": value})


def test_checking_normalises_numbers_where_they_stand() -> None:
    item: dict[str, Any] = {"a": {"N": "1.50"}, "b": {"L": [{"NS": ["01", "2e1"]}]}, "c": {"S": None, "N": "+7"}}
    values.check_item(item)
    assert item == {"a": {"N": "1.5"}, "b": {"L": [{"NS": ["1", "20"]}]}, "c": {"N": "7"}}


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"S": "a"}, {"S": "a"}, True), ({"S": "1"}, {"N": "1"}, False), ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}, True),
        ({"SS": ["a"]}, {"SS": ["a", "b"]}, False), ({"L": [{"SS": ["a", "b"]}]}, {"L": [{"SS": ["b", "a"]}]}, True),
        ({"M": {"x": {"NS": ["1", "2"]}}}, {"M": {"x": {"NS": ["2", "1"]}}}, True), ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}, False),
    ],
)  # fmt: skip
def test_equality_ignores_the_order_of_sets_only(left: dict[str, Any], right: dict[str, Any], same: bool) -> None:
    assert values.equal(left, right) is same


def test_segments_cover_every_partition_once() -> None:
    total = 7
    bounds = [keys.segment_bounds(segment, total) for segment in range(total)]
    assert bounds[0][0] == b"\x00" * 4
    assert bounds[-1][1] is None
    assert all(bounds[at][1] == bounds[at + 1][0] for at in range(total - 1))


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [((b"a", b"b"), (b"a", b"c")), ((b"a", b"\xff"), (b"a\x00", b"a")), ((b"", b"z"), (b"\x00", b"")), ((b"a", b""), (b"a", b"\x00"))],
)
def test_joined_sort_keys_order_part_by_part(lesser: tuple[bytes, bytes], greater: tuple[bytes, bytes]) -> None:
    assert lesser < greater
    assert keys.join(lesser) < keys.join(greater)


def test_keys_that_do_not_match_the_schema_are_refused() -> None:
    schema = (("pk", "S"), ("sk", "N"))
    for key in (
        {"pk": {"S": "a"}},
        {"pk": {"S": "a"}, "sk": {"S": "1"}},
        {"pk": {"S": "a"}, "x": {"N": "1"}},
        {"pk": {"S": "a"}, "sk": {"N": "1"}, "x": {"N": "1"}},
    ):
        with pytest.raises(AwsError, match="The provided key element does not match the schema"):
            keys.of_key(schema, key)
    with pytest.raises(AwsError, match="limit of2048 bytes"):
        keys.of_key(schema, {"pk": {"S": "a" * 2049}, "sk": {"N": "1"}})
    with pytest.raises(AwsError, match=r"cannot contain an empty string value\. Key: pk"):
        keys.of_key(schema, {"pk": {"S": ""}, "sk": {"N": "1"}})
