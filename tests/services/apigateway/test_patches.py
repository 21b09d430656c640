"""Patch operations over documents."""

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.services.apigateway import patches

MEMBERS = {
    "name": patches.text,
    "on": patches.flag,
    "count": patches.integer,
    "types": patches.listed,
    "variables": patches.texts,
    "logs": patches.nested({"format": patches.text}),
}


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"name": "a"}, ("replace", "/name", "b"), {"name": "b"}),
        ({"name": "a"}, ("remove", "/name", None), {}),
        ({}, ("replace", "/on", "True"), {"on": True}),
        ({}, ("add", "/count", "7"), {"count": 7}),
        ({}, ("add", "/types/image~1png", None), {"types": ["image/png"]}),
        ({"types": ["a/b", "c/d"]}, ("remove", "/types/a~1b", None), {"types": ["c/d"]}),
        ({"types": ["a/b"]}, ("replace", "/types/a~1b", "x/y"), {"types": ["x/y"]}),
        ({"types": ["a/b"]}, ("add", "/types/a~1b", None), {"types": ["a/b"]}),
        ({"variables": {"a": "1"}}, ("replace", "/variables/b", "2"), {"variables": {"a": "1", "b": "2"}}),
        ({"variables": {"a": "1"}}, ("remove", "/variables/a", None), {"variables": {}}),
        ({}, ("replace", "/logs/format", "$x"), {"logs": {"format": "$x"}}),
        ({"logs": {"format": "f"}}, ("remove", "/logs", None), {}),
    ],
)
def test_one_operation(document, operation, expected):
    op, path, value = operation
    assert patches.apply(document, [{"op": op, "path": path, "value": value}], MEMBERS) == expected


@pytest.mark.parametrize(
    ("op", "path", "value", "sentence"),
    [
        ("replace", "/nothing", "x", "Invalid patch path  '/nothing' specified for op 'replace'. Must be one of: [/name, "),
        ("replace", "/logs/other", "x", "Invalid patch path  '/logs/other' specified"),
        ("replace", "/name/deeper", "x", "Invalid patch path  '/name/deeper' specified"),
        ("copy", "/name", "x", "Invalid patch operation specified"),
        ("replace", "/on", "maybe", "Invalid boolean value specified for on: maybe"),
        ("replace", "/count", "many", "Invalid integer value specified for count: many"),
        ("replace", "", "x", "Invalid patch path"),
    ],
)
def test_what_does_not_fit_is_named(op, path, value, sentence):
    with pytest.raises(AwsError) as refused:
        patches.apply({}, [{"op": op, "path": path, "value": value}], MEMBERS)
    assert refused.value.code == "BadRequestException"
    assert refused.value.message.startswith(sentence)
