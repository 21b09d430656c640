"""Items from and to Ion text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundcloud.services.dynamodb import binary_ion, ion, values


def read(text: str) -> list[Any]:
    return list(binary_ion.read_items(text.encode()))


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


MARK = bytes.fromhex("e0 01 00 ea")


def of(kind: int, *content: bytes) -> bytes:
    """A binary value: its type, its length, its content."""
    whole = b"".join(content)
    assert len(whole) < 128
    return bytes([kind << 4 | len(whole)]) + whole if 1 < len(whole) < 14 else bytes([kind << 4 | 14, 0x80 | len(whole)]) + whole


def text(content: str) -> bytes:
    return of(8, content.encode())


def symbols(*texts: str, appended: bool = False) -> bytes:
    """A local symbol table; the first symbol is number 10."""
    imports = b"\x86\x71\x03" if appended else b""
    return of(14, b"\x81\x83", of(13, imports, b"\x87", of(11, *map(text, texts))))


def record(value: bytes) -> bytes:
    """{Item: {a: value}}"""
    return of(13, b"\x8a", of(13, b"\x8b", value))


def binary(*parts: bytes) -> list[Any]:
    return list(binary_ion.read_items(b"".join(parts)))


FIVE = b"\x21\x05"
NAMES = symbols("Item", "a", "$dynamodb_NS")


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("0f", {"NULL": True}),
        ("2f", {"NULL": True}),
        ("10", {"BOOL": False}),
        ("11", {"BOOL": True}),
        ("20", {"N": "0"}),
        ("22 01 00", {"N": "256"}),
        ("31 07", {"N": "-7"}),
        ("40", {"N": "0"}),
        ("48 bf f8 00 00 00 00 00 00", {"N": "-1.5"}),
        ("50", {"N": "0"}),
        ("52 c1 0f", {"N": "15e-1"}),
        ("52 c2 8f", {"N": "-15e-2"}),
        ("52 82 03", {"N": "3e2"}),
        ("82 68 69", {"S": "hi"}),
        ("80", {"S": ""}),
        ("a2 00 ff", {"B": "AP8="}),
        ("b3 11 21 05", {"L": [{"BOOL": True}, {"N": "5"}]}),
        ("d3 8b 21 05", {"M": {"a": {"N": "5"}}}),
        ("d1 83 8b 21 05", {"M": {"a": {"N": "5"}}}),
        ("e4 81 8b 21 05", {"N": "5"}),
        ("e8 81 8c b5 21 01 22 01 00", {"NS": ["1", "256"]}),
    ],
)
def test_a_binary_value_is_read(octets: str, value: Any) -> None:
    assert binary(MARK, NAMES, record(bytes.fromhex(octets))) == [{"a": value}]


def test_symbols_are_appended_and_begin_anew_after_a_mark() -> None:
    more = of(13, b"\x8a", of(13, b"\x8d", FIVE))
    assert binary(MARK, NAMES, symbols("new", appended=True), more) == [{"new": {"N": "5"}}]
    assert binary(MARK, NAMES, record(FIVE), MARK, record(FIVE)) == [{"a": {"N": "5"}}, None]
    assert binary(MARK, NAMES, symbols("other"), record(FIVE)) == [None]


@pytest.mark.parametrize(
    "octets", ["62 80 8f", "71 0a", "91 00", "c1 11", "f0", "81 ff", "43 00 00 00", "d3 9f 21 05", "e8 81 8c b5 81 31 22 01 00"]
)
def test_what_dynamodb_has_not_spoils_its_binary_record_alone(octets: str) -> None:
    assert binary(MARK, NAMES, record(bytes.fromhex(octets)), record(FIVE)) == [None, {"a": {"N": "5"}}]


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_end_in_an_answer(data: bytes) -> None:
    try:
        found = binary(MARK, NAMES, data)
    except ion.NotIon:
        return
    assert all(item is None or isinstance(item, dict) for item in found)


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
    (found,) = binary_ion.read_items(ion.write_record({"Item": item}))
    assert found is not None
    values.check_item(found)
    assert found == item
