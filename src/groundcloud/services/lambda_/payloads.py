"""What AWS says of a payload that is no JSON: the words of its parser (Jackson), at the place where it stops. Pure."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r"[^\W\d][\w.]*")
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

# What Python's parser says -> what Jackson was expecting.
_EXPECTED = {
    "Expecting value": f"expected a valid value {_VALUES}",
    "Expecting property name enclosed in double quotes": "was expecting double-quote to start field name",
    "Illegal trailing comma before end of object": "was expecting double-quote to start field name",
    "Illegal trailing comma before end of array": f"expected a valid value {_VALUES}",
    "Expecting ':' delimiter": "was expecting a colon to separate field name and value",
}


def reason(payload: bytes) -> str:
    """Why `payload` cannot be parsed, with line and column."""
    try:
        text = payload.decode()
        json.loads(text)
    except UnicodeDecodeError as malformed:
        return f"Invalid UTF-8 start byte 0x{payload[malformed.start]:02x}" + _place(
            payload[: malformed.start].decode() + " ", malformed.start
        )
    except RecursionError:
        return "Document nesting depth exceeds the maximum allowed"
    except json.JSONDecodeError as stopped:
        return _reason(text, stopped)
    return "Unexpected character"


def _reason(text: str, stopped: json.JSONDecodeError) -> str:
    at = stopped.pos
    if not text.strip():
        return "No content to map due to end-of-input" + _place(text, 0)
    if at >= len(text) or stopped.msg.startswith("Unterminated"):
        return "Unexpected end-of-input" + _place(text, len(text))
    token = _TOKEN.match(text, at)
    if token is not None and stopped.msg == "Expecting value":
        return f"Unrecognized token '{token[0]}': was expecting {_VALUES}" + _place(text, token.end())
    expected = _EXPECTED.get(stopped.msg)
    if expected is None:
        opened = [character for character in text[:at] if character in "{["]
        expected = f"was expecting comma to separate {'Array' if opened and opened[-1] == '[' else 'Object'} entries"
    return f"Unexpected character ('{text[at]}' (code {ord(text[at])})): {expected}" + _place(text, at + 1)


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
