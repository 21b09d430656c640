"""Timestamps in the three forms that the protocols use. Inside they are seconds since the epoch, as int or float."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):?(\d\d):?(\d\d)(\.\d+)?\s*([Zz]|[+-]\d\d:?\d\d)?$")
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\.\d+)?(Z)$")


def parse(value: str | int | float) -> float:
    """Any of epoch seconds (number or text), ISO 8601, RFC 822. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = _ISO.match(value) or _BASIC.match(value)
    if match is not None:
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        zone = match[8]
        if zone and zone not in "Zz":
            digits = zone.replace(":", "")
            offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
            moment = moment - offset if digits[0] == "+" else moment + offset
        fraction = float(match[7]) if match[7] else 0
        whole = (moment - _EPOCH) // timedelta(seconds=1)
        return whole + fraction if fraction else whole
    try:
        number = float(value)
        return int(number) if number.is_integer() else number
    except ValueError:
        pass
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return parse(value + "T00:00:00Z")
    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, IndexError):
        raise ValueError(f"not a timestamp: {value!r}") from None


@lru_cache(maxsize=4096)
def iso8601(seconds: int | float) -> str:
    """`2026-11-21T00:00:00Z`, with milliseconds where there are any."""
    moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{moment.microsecond // 1000:03d}Z" if moment.microsecond else text + "Z"


@lru_cache(maxsize=4096)
def iso8601_milliseconds(seconds: int | float) -> str:
    """As S3 and CloudFormation write it: always three digits."""
    moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S').rjust(19, '0')}.{moment.microsecond // 1000:03d}Z"


@lru_cache(maxsize=4096)
def rfc822(seconds: int | float) -> str:
    return formatdate(int(seconds), usegmt=True)


def epoch(seconds: int | float) -> int | float:
    """As a JSON number: whole seconds without a fraction."""
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


FORMATS: dict[str, Callable[[int | float], Any]] = {"iso8601": iso8601, "rfc822": rfc822, "unixTimestamp": epoch}


def text_of(form: str) -> Callable[[int | float], str]:
    """The writer of a form, always as text (headers, XML)."""
    writer = FORMATS[form]
    return lambda seconds: str(writer(seconds))
