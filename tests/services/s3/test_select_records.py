"""Records are the same however their content comes in pieces, and what was written is read again."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.s3.errors import S3Error
from groundcloud.services.s3.select import settings, syntax
from groundcloud.services.s3.select.engine import Engine
from groundcloud.services.s3.select.records import CsvCutter, DocumentCutter, Inflated, LinesCutter
from groundcloud.services.s3.select.settings import CsvInput, Output
from groundcloud.services.s3.select.writers import block, record

FIELDS = st.lists(st.lists(st.text(st.sampled_from('ab,"\n;ü😀 #'), max_size=5), min_size=2, max_size=4), min_size=1, max_size=6)
FORM = CsvInput(quoted_record_delimiters=True, comment="")


def rows_of(batch: bytes | str, form: CsvInput = FORM) -> list[Any]:
    if isinstance(batch, str):
        return [line.split(form.field_delimiter) for line in batch.split(form.record_delimiter)]
    return list(msgspec.json.decode(b"[" + batch + b"]"))


def cut(cutter: Any, content: bytes, size: int) -> list[Any]:
    rows: list[Any] = []
    for at in range(0, len(content), size):
        batch = cutter.feed(content[at : at + size])
        rows += rows_of(batch) if batch else []
    batch = cutter.finish()
    return rows + (rows_of(batch) if batch else [])


@given(FIELDS, st.integers(1, 40))
def test_what_is_written_as_csv_is_read_again_in_any_pieces(rows: list[list[str]], size: int) -> None:
    output = Output(False)
    content = "".join(record(output, [""] * len(row), row) for row in rows).encode()
    assert cut(CsvCutter(FORM), content, size) == rows
    assert block(output, rows) in (None, content)


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.none(), max_size=3), max_size=5),
    st.integers(1, 30),
)
def test_values_of_json_are_the_same_in_any_pieces(values: list[Any], size: int) -> None:
    lines = "".join(json.dumps(value) + "\n" for value in values).encode()
    assert cut(LinesCutter(()), lines, size) == values
    assert cut(DocumentCutter(()), json.dumps(values, indent=1).encode(), size) == [values]
    assert cut(DocumentCutter((None,)), json.dumps(values).encode(), size) == values


@given(st.binary(max_size=3000), st.integers(1, 200))
def test_compressed_content_is_the_same_in_any_pieces(data: bytes, size: int) -> None:
    packed = gzip.compress(data) + gzip.compress(data)
    stream = Inflated("GZIP")
    assert b"".join(piece for at in range(0, len(packed), size) for piece in stream.pieces(packed[at : at + size])) == data * 2
    stream.finish()


def test_content_that_breaks_off_is_refused() -> None:
    stream = Inflated("GZIP")
    list(stream.pieces(gzip.compress(b"x" * 1000)[:-4]))
    with pytest.raises(S3Error) as caught:
        stream.finish()
    assert caught.value.code == "TruncatedInput"


def run(expression: str, content: bytes, **given_form: Any) -> str:
    request = {"ExpressionType": "SQL", "InputSerialization": given_form, "OutputSerialization": {"JSON": {}}}
    engine = Engine(settings.of_request(request, len(content)), syntax.parse(expression), datetime(2026, 1, 1))
    try:
        return b"".join(engine.feed(content) + engine.finish()).decode()
    finally:
        engine.close()


@given(st.text(st.sampled_from("ab\"'/~[]()*;-% "), min_size=1, max_size=8))
def test_no_name_and_no_text_is_taken_for_sql(text: str) -> None:
    name, value = text.replace('"', '""'), text.replace("'", "''")
    content = json.dumps({text: text}).encode()
    got = run(f"""SELECT s."{name}" AS x FROM S3Object s WHERE s."{name}" = '{value}'""", content, JSON={"Type": "LINES"})
    assert msgspec.json.decode(got) == {"x": text}


WORDS = (
    "s._1",
    "s.x",
    "'a'",
    "1",
    "-",
    "(",
    ")",
    ",",
    "*",
    "+",
    "=",
    "<",
    "AND",
    "NOT",
    "LIKE",
    "IN",
    "IS",
    "NULL",
    "COUNT",
    "LOWER",
    "NULLIF",
)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.lists(st.sampled_from(WORDS), max_size=6), st.text(max_size=3))
def test_any_expression_is_answered_or_refused_in_selects_words(items: list[str], condition: list[str], end: str) -> None:
    expression = f"SELECT {' '.join(items)} FROM S3Object s {'WHERE ' if condition else ''}{' '.join(condition)} {end}"
    try:
        run(expression, b"a,b\nc,d\n", CSV={})
    except S3Error as error:
        assert error.status == 400
