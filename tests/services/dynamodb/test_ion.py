"""Items from and to Ion text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundcloud.services.dynamodb import ion, values


def read(text: str) -> list[Any]:
    return list(ion.read_items(text.encode()))


def test_the_example_of_the_guide() -> None:
    text = """$ion_1_0 {
        Item:{
            Authors:$dynamodb_SS::["Author1","Author2"],
            Dimensions:"8.5 x 11.0 x 1.5",
            Id:103.,
            InPublication:false,
            PageCount:6d2,
            Price:2d3,
        }
    }"""
    (item,) = read(text)
    values.check_item(item)
    assert item == {
        "Authors": {"SS": ["Author1", "Author2"]},
        "Dimensions": {"S": "8.5 x 11.0 x 1.5"},
        "Id": {"N": "103"},
        "InPublication": {"BOOL": False},
        "PageCount": {"N": "600"},
        "Price": {"N": "2000"},
    }
    assert ion.write_record({"Item": item}) == (
        b'$ion_1_0 {Item:{Authors:$dynamodb_SS::["Author1","Author2"],Dimensions:"8.5 x 11.0 x 1.5",Id:103.,InPublication:false,'
        b"PageCount:6d2,Price:2d3}}\n"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'''one''' '''two'''", {"S": "onetwo"}),
        (r'"a\tb\x41\u00e9\U0001F600\"\\"', {"S": 'a\tbAé😀"\\'}),
        ("{{ aGVs bG8= }}", {"B": "aGVsbG8="}),
        ("null", {"NULL": True}),
        ("-1_000.50e-3", {"N": "-1000.50e-3"}),
        ("[1, [true], {a: \"b\", 'c d': 1, \"e\": null}] // end", {"L": [{"N": "1"}, {"L": [{"BOOL": True}]}, {"M": {"a": {"S": "b"}, "c d": {"N": "1"}, "e": {"NULL": True}}}]}),
        ("$dynamodb_NS::[1., 2d1]", {"NS": ["1.", "2e1"]}),
        ("$dynamodb_BS::[{{AA==}}]", {"BS": ["AA=="]}),
        ("/* nothing */ other::5", {"N": "5"}),
    ],
)  # fmt: skip
def test_a_value_is_read(text: str, value: Any) -> None:
    assert read(f"{{Item: {{a: {text}\n}}}}") == [{"a": value}]


@pytest.mark.parametrize("text", ["2007-01-01T00:00Z", "(a b)", "{{\"clob\"}}", "[1", "{a 1}", '"open', "$dynamodb_SS::[1]", "symbol", r'"\q"', "0x1F" ])  # fmt: skip
def test_what_is_no_value_spoils_its_record_alone(text: str) -> None:
    assert read(f"$ion_1_0 {{Item:{{a:{text}}}}}\n$ion_1_0 {{Item:{{b:1}}}}") == [None, {"b": {"N": "1"}}]


def test_binary_ion_is_told() -> None:
    with pytest.raises(ion.NotIon):
        read_binary = ion.read_items(b"\xe0\x01\x00\xea\x21\x01")
        list(read_binary)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAMES = _TEXT.filter(bool)
_NUMBERS = st.integers(-(10**20), 10**20).map(str) | st.decimals(-1000, 1000, places=3).map(lambda number: format(number, "f"))
_VALUES = st.recursive(
    st.one_of(
        _TEXT.map(lambda text: {"S": text}),
        _NUMBERS.map(lambda text: {"N": text}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
        st.just({"NULL": True}),
        st.just({"B": "aGVsbG8="}),
        st.sets(_TEXT.filter(bool), min_size=1, max_size=3).map(lambda texts: {"SS": sorted(texts)}),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda found: {"L": found}) | st.dictionaries(_NAMES, inner, max_size=3).map(lambda found: {"M": found}),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_what_is_written_is_read_again(item: Any) -> None:
    values.check_item(item)
    (found,) = ion.read_items(ion.write_record({"Item": item}))
    assert found is not None
    values.check_item(found)
    assert found == item
