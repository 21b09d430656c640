"""Records as they are answered: CSV with quoting, or a JSON object each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from groundcloud.services.s3.select.settings import RECORD_CHARACTERS_MAX, Output

WHOLE_MAX = 10**15
"""Doubles up to here that are whole numbers are written as such."""


class Json(str):
    """A value that is JSON already."""

    __slots__ = ()


def record(output: Output, names: Sequence[str], values: Sequence[Any]) -> str:
    """None is a value that is missing."""
    if output.json:
        members = [f"{_string(name)}:{_json(value)}" for name, value in zip(names, values, strict=True) if value is not None]
        return "{" + ",".join(members) + "}" + output.record_delimiter
    return output.field_delimiter.join([_field(output, _text(value)) for value in values]) + output.record_delimiter


def block(output: Output, rows: Sequence[Sequence[Any]]) -> bytes | None:
    """Records of CSV, all at once; None unless all values are texts and none of them needs quotes or is too long."""
    between, after = output.field_delimiter, output.record_delimiter
    if output.always_quoted or not between or not after:
        return None
    try:
        lines = [between.join(row) for row in rows]
    except TypeError:
        return None
    text = after.join(lines) + after
    fields = sum(len(row) - 1 for row in rows)
    if output.quote in text or text.count(between) != fields or text.count(after) != len(lines):
        return None
    if len(text) > RECORD_CHARACTERS_MAX and max(len(line) for line in lines) > RECORD_CHARACTERS_MAX:
        return None
    return text.encode(errors="surrogatepass")


def _string(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _json(value: Any) -> str:
    if isinstance(value, Json):
        return str(value)
    if isinstance(value, (bool, str)):
        return msgspec.json.encode(value).decode()
    if isinstance(value, (int, float, Decimal)):
        return _text(value)
    return _string(_text(value))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Json):
        if value.startswith('"'):
            text: str = msgspec.json.decode(str(value))
            return text
        return "" if value == "null" else str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < WHOLE_MAX else repr(value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return value.decode(errors="replace")
    return str(value)


def _field(output: Output, text: str) -> str:
    quote = output.quote
    if not output.always_quoted and not (
        quote in text
        or (output.field_delimiter and output.field_delimiter in text)
        or (output.record_delimiter and output.record_delimiter in text)
    ):
        return text
    return quote + text.replace(quote, output.escape + quote) + quote
