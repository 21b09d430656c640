"""What targets are given: paths and templates, as pure functions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.events import inputs
from groundcloud.services.events.envelopes import Event
from groundcloud.services.events.inputs import InvalidInput, Source

DOCUMENT = {
    "id": "1",
    "source": "a",
    "resources": ["r0", "r1"],
    "detail": {"n": 1.5, "yes": True, "none": None, "deep": [{"x": 1}, {"x": 2}], "a-b": "dash", "quote": 'say "hi"\n'},
}
SOURCE = Source(Event("1", json.dumps(DOCUMENT), DOCUMENT, 0), "arn:rule", "rule", 1_795_000_000_000)


def made(**target: Any) -> str:
    return inputs.compiled({"Id": "t", **target})(SOURCE)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.detail.n", 1.5),
        ("$.resources[1]", "r1"),
        ("$.resources[9]", None),
        ("$.detail.deep[*].x", [1, 2]),
        ("$.detail.deep[0].x", 1),
        ("$.detail['a-b']", "dash"),
        ("$.detail.a-b", "dash"),
        ("$.detail.none", None),
        ("$.detail.n.more", None),
        ("$", DOCUMENT),
    ],
)
def test_a_path_finds_its_value(path: str, found: Any) -> None:
    assert inputs.path(path, "path")(DOCUMENT) == found


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{"n": <n>}', '{"n": 1.5}'),
        ('{"n": "<n>"}', '{"n": "1.5"}'),
        ('{"y": <yes>, "z": <none>}', '{"y": true, "z": null}'),
        ('{"q": <quote>}', '{"q": "say \\"hi\\"\\n"}'),
        ('{"q": "I <quote>"}', '{"q": "I say \\"hi\\"\\n"}'),
        ('{"d": <deep>}', '{"d": [{"x":1},{"x":2}]}'),
        ('{"d": "<deep>"}', '{"d": "[{x:1},{x:2}]"}'),
        ("[<n>, <n>]", "[1.5, 1.5]"),
        ('"<n>"\n"<yes>"', '"1.5"\n"true"'),
        ("n=<n> of <deep>", "n=1.5 of [{x:1},{x:2}]"),
        ("<unknown>", ""),
        ("a < b > c", "a < b > c"),
    ],
)
def test_a_template_is_filled(template: str, text: str) -> None:
    paths = {name: f"$.detail.{name}" for name in ("n", "yes", "none", "deep", "quote")}
    assert made(InputTransformer={"InputPathsMap": paths, "InputTemplate": template}) == text


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_a_json_template_stays_json_whatever_the_value(value: Any) -> None:
    make = inputs.compiled({"Id": "t", "InputTransformer": {"InputPathsMap": {"v": "$.v"}, "InputTemplate": '{"v": <v>, "t": [<v>]}'}})
    text = make(SOURCE._replace(event=SOURCE.event._replace(document={"v": value})))
    assert json.loads(text) == {"v": value, "t": [value]}


@given(st.text("$.[]*'\"ab0 ", max_size=20))
def test_no_path_breaks_the_reading(text: str) -> None:
    try:
        inputs.path(text, "path")(DOCUMENT)
    except InvalidInput as error:
        assert str(error).startswith("path : ")


@given(st.text('<>{}"ab.,: \\', max_size=30))
def test_no_template_breaks_the_filling(template: str) -> None:
    try:
        assert isinstance(made(InputTransformer={"InputPathsMap": {"a": "$.source"}, "InputTemplate": template}), str)
    except InvalidInput as error:
        assert "for target t" in str(error)
