"""Filter patterns, batch answers and function names: tables of cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import batches, filters, names

RECORD = {
    "body": '{"kind": "order", "total": 12.5, "city": "Bonn", "tags": ["new", "big"], "note": null, "deep": {"x": 1}}',
    "messageAttributes": {"color": {"stringValue": "red"}},
    "eventSourceARN": "arn:aws:sqs:us-east-1:1:q",
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"body": {"kind": ["order"]}}, True),
        ({"body": {"kind": ["order", "offer"]}}, True),
        ({"body": {"kind": ["offer"]}}, False),
        ({"body": {"kind": ["order"], "city": ["Rome"]}}, False),
        ({"body": {"total": [12.5]}}, True),
        ({"body": {"total": [{"numeric": [">", 10, "<=", 12.5]}]}}, True),
        ({"body": {"total": [{"numeric": ["<", 10]}]}}, False),
        ({"body": {"city": [{"prefix": "Bo"}]}}, True),
        ({"body": {"city": [{"prefix": {"equals-ignore-case": "bO"}}]}}, True),
        ({"body": {"city": [{"suffix": "nn"}]}}, True),
        ({"body": {"city": [{"equals-ignore-case": "BONN"}]}}, True),
        ({"body": {"city": [{"anything-but": ["Rome"]}]}}, True),
        ({"body": {"city": [{"anything-but": ["Bonn"]}]}}, False),
        ({"body": {"city": [{"anything-but": {"prefix": "Bo"}}]}}, False),
        ({"body": {"city": [{"wildcard": "B*n"}]}}, True),
        ({"body": {"city": [{"wildcard": "*o*x*"}]}}, False),
        ({"body": {"tags": ["big"]}}, True),
        ({"body": {"tags": ["old"]}}, False),
        ({"body": {"note": [None]}}, True),
        ({"body": {"missing": [{"exists": False}]}}, True),
        ({"body": {"missing": [{"exists": True}]}}, False),
        ({"body": {"kind": [{"exists": True}]}}, True),
        ({"body": {"deep": {"x": [1]}}}, True),
        ({"body": {"deep": {"y": {"z": [{"exists": False}]}}}}, True),
        ({"body": {"$or": [{"kind": ["offer"]}, {"total": [{"numeric": [">", 12]}]}]}}, True),
        ({"messageAttributes": {"color": {"stringValue": ["red"]}}}, True),
        ({"eventSourceARN": [{"suffix": ":q"}]}, True),
        ({"body": ["plain text"]}, False),
    ],
)
def test_a_pattern_matches_what_eventbridge_says(pattern: dict[str, Any], matches: bool) -> None:
    assert filters.passes([filters.Filter(json.dumps(pattern))], RECORD, "body") is matches


def test_a_plain_body_is_matched_as_text() -> None:
    assert filters.passes([filters.Filter('{"body": ["hello"]}')], {"body": "hello"}, "body")
    assert not filters.passes([filters.Filter('{"body": {"a": ["hello"]}}')], {"body": "hello"}, "body")


def test_one_matching_filter_of_several_is_enough_and_none_lets_all_through() -> None:
    two = filters.compile_all({"Filters": [{"Pattern": '{"body": {"kind": ["x"]}}'}, {"Pattern": '{"body": {"kind": ["order"]}}'}]})
    assert filters.passes(two, RECORD, "body")
    assert filters.passes([], RECORD, "body")


@pytest.mark.parametrize(
    "pattern",
    ["", "[]", "{", '{"body": "x"}', '{"body": []}', '{"body": [{"prefix": 1}]}', '{"body": [{"near": "x"}]}', '{"a": [{"numeric": [">"]}]}',
     '{"a": [{"exists": "yes"}]}', '{"a": [["x"]]}', '{"$or": [{"a": ["x"]}]}', '{"a":' * 40 + '["x"]' + "}" * 40],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        filters.Filter(pattern)


@settings(suppress_health_check=[HealthCheck.too_slow])  # its first text waits for a table of Unicode
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_no_record_breaks_a_filter(record: Any) -> None:
    pattern = {"a": [{"prefix": "x"}, {"numeric": [">", 1]}, {"anything-but": 5}], "b": {"c": [{"wildcard": "*x*"}, {"exists": False}]}}
    assert filters.Filter(json.dumps(pattern)).matches({"a": record, "b": record}) in (True, False)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", set()),
        (b"null", set()),
        (b"{}", set()),
        (b'"text"', set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', None),
        (b'{"batchItemFailures": [{"wrong": "a"}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": "other"}]}', None),
        (b'{"batchItemFailures": "a"}', None),
        (b"not json", None),
    ],
)
def test_a_batch_answer_says_what_failed(answer: bytes, failed: set[str] | None) -> None:
    assert batches.failed_items(answer, ["a", "b", "c"]) == failed


ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders"


@pytest.mark.parametrize(
    ("text", "qualifier", "name"),
    [
        ("orders", "", ("123456789012", "us-east-1", "orders", "")),
        ("orders:live", "", ("123456789012", "us-east-1", "orders", "live")),
        ("orders", "7", ("123456789012", "us-east-1", "orders", "7")),
        ("function:orders", "", ("123456789012", "us-east-1", "orders", "")),
        ("210987654321:function:orders:1", "", ("210987654321", "us-east-1", "orders", "1")),
        (ARN, "$LATEST", ("123456789012", "us-east-1", "orders", "$LATEST")),
        (f"{ARN}:live", "live", ("123456789012", "us-east-1", "orders", "live")),
    ],
)
def test_a_name_is_read_in_every_form(text: str, qualifier: str, name: tuple[str, ...]) -> None:
    assert names.parse(text, qualifier, "123456789012", "us-east-1") == name


@given(st.text(max_size=200), st.text(max_size=20))
def test_no_text_breaks_the_reading_of_names(text: str, qualifier: str) -> None:
    try:
        assert names.parse(text, qualifier, "123456789012", "us-east-1").name
    except AwsError as error:
        assert error.code in ("ValidationException", "ResourceNotFoundException", "InvalidParameterValueException")
