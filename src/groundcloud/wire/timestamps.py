"""Timestamps in the three forms that the protocols use. Inside they are seconds since the epoch, as int or float."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_PLAIN = datetime(1970, 1, 1)
SECONDS_MIN, SECONDS_MAX = -62_135_596_800, 253_402_300_799
_RFC_FRACTION = re.compile(r"(?<=:\d\d)\.\d+")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):?(\d\d):?(\d\d)(\.\d+)?\s*([Zz]|[+-]\d\d:?\d\d)?$")
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\.\d+)?(Z)$")


def parse(value: str | int | float) -> float:
    """Any of epoch seconds (number or text), ISO 8601, RFC 822. Raises ValueError, also for moments outside the years 1 to 9999."""
    if not isinstance(value, str):
        if not SECONDS_MIN <= value <= SECONDS_MAX:
            raise ValueError(f"not a timestamp: {value!r}")
        return value
    match = _ISO.match(value) or _BASIC.match(value)
    if match is not None:
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        zone, whole = match[8], 0
        if zone and zone not in "Zz":
            digits = zone.replace(":", "")
            offset_s = int(digits[1:3]) * 3600 + int(digits[3:5]) * 60
            whole = offset_s if digits[0] == "-" else -offset_s
        fraction = float(match[7]) if match[7] else 0
        whole += (moment - _EPOCH) // timedelta(seconds=1)
        return parse(whole + fraction if fraction else whole)
    try:
        number = float(value)
    except ValueError:
        pass
    else:
        return parse(int(number) if number.is_integer() else number)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return parse(value + "T00:00:00Z")
    after_second = _RFC_FRACTION.search(value)
    try:
        if after_second is not None:
            return parsedate_to_datetime(value.replace(after_second[0], "", 1)).timestamp() + float(after_second[0])
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        raise ValueError(f"not a timestamp: {value!r}") from None


@lru_cache(maxsize=4096)
def iso8601(seconds: int | float) -> str:
    """`2026-11-21T00:00:00Z`, with milliseconds where there are any."""
    milliseconds = round(seconds * 1000)
    moment = _EPOCH_PLAIN + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds") + "Z"


@lru_cache(maxsize=4096)
def iso8601_milliseconds(seconds: int | float) -> str:
    """As S3 and CloudFormation write it: always three digits."""
    return (_EPOCH_PLAIN + timedelta(milliseconds=round(seconds * 1000))).isoformat(timespec="milliseconds") + "Z"


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
