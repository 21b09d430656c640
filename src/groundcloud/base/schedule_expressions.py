"""Schedule expressions: `rate(5 minutes)`, `cron(0 12 * * ? *)`; and the next moment of one. Pure, in UTC.

A cron expression is six sets: minutes, hours, days of the month, months, days of the week (Sunday is 1), years. One of the two kinds of days is `?`. The next moment is found
by walking down from the year, so that a schedule of every leap day costs no more than one of every minute.

Source: EventBridge user guide, "Schedule expressions" (cron expressions reference, rate expressions reference).
"""

from __future__ import annotations

import calendar
import re
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_RATE = re.compile(r"rate\(\s*([0-9]+)\s+(minute|minutes|hour|hours|day|days)\s*\)")
_CRON = re.compile(r"cron\(\s*(.*?)\s*\)", re.DOTALL)
_UNITS_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_MONTHS = {
    name: number for number, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)
}
_WEEKDAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
YEAR_FIRST, YEAR_LAST = 1970, 2199

Days = Callable[[int, int], list[int]]
"""(year, month) -> the days that are meant, in order."""


class InvalidExpression(ValueError):
    pass


class Rate:
    """Every so often from a beginning on."""

    def __init__(self, period_ms: int) -> None:
        self.period_ms = period_ms

    def next_ms(self, begun_ms: int, after_ms: int) -> int | None:
        """The first moment after `after_ms` of a schedule that began at `begun_ms`."""
        return begun_ms + (max(0, after_ms - begun_ms) // self.period_ms + 1) * self.period_ms


class Cron:
    def __init__(self, fields: list[str]) -> None:
        self._minutes = _numbers(fields[0], 0, 59, {})
        self._hours = _numbers(fields[1], 0, 23, {})
        self._days = _days(fields[2], fields[4])
        self._months = _numbers(fields[3], 1, 12, _MONTHS)
        self._years = _numbers(fields[5], YEAR_FIRST, YEAR_LAST, {})

    def next_ms(self, begun_ms: int, after_ms: int) -> int | None:
        """The first moment after `after_ms`, None if there is none any more."""
        start = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=after_ms)).replace(second=0, microsecond=0) + timedelta(
            minutes=1
        )
        found = self._from(start)
        return int(found.timestamp()) * 1000 if found is not None else None

    def _from(self, start: datetime) -> datetime | None:
        for year in self._years[bisect_left(self._years, start.year) :]:
            for month in self._months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in self._days(year, month):
                    date = (year, month, day)
                    if date < (start.year, start.month, start.day):
                        continue
                    today = date == (start.year, start.month, start.day)
                    time = self._time(start.hour, start.minute) if today else (self._hours[0], self._minutes[0])
                    if time is not None:
                        return datetime(year, month, day, *time, tzinfo=UTC)
        return None

    def _time(self, hour: int, minute: int) -> tuple[int, int] | None:
        """The first time of day that is not before this one."""
        for candidate in self._hours[bisect_left(self._hours, hour) :]:
            if candidate > hour:
                return candidate, self._minutes[0]
            left = self._minutes[bisect_left(self._minutes, minute) :]
            if left:
                return candidate, left[0]
        return None


def parse(text: str) -> Rate | Cron:
    """Raises InvalidExpression."""
    rate = _RATE.fullmatch(text)
    if rate is not None:
        count, unit = int(rate[1]), rate[2]
        if count < 1 or (count == 1) == unit.endswith("s"):
            raise InvalidExpression("a rate of one takes the singular, any other the plural")
        return Rate(count * _UNITS_MS[unit.removesuffix("s")])
    cron = _CRON.fullmatch(text)
    fields = cron[1].split() if cron is not None else []
    if len(fields) != 6:
        raise InvalidExpression("neither a rate nor a cron expression of six fields")
    return Cron([field.upper() for field in fields])


def _numbers(field: str, low: int, high: int, names: dict[str, int]) -> list[int]:
    """The values of a field like `1,5-10,*/15`, in order."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, {}) if slash else 1
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        elif dash:
            begin, end = _number(first, low, high, names), _number(last, low, high, names)
        else:
            begin = _number(first, low, high, names)
            end = high if slash else begin
        if begin <= end:
            found.update(range(begin, end + 1, step))
        else:  # FRI-MON goes round
            round_trip = [*range(begin, high + 1), *range(low, end + 1)]
            found.update(round_trip[::step])
    return sorted(found)


def _number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text, -1)
    if text.isascii() and text.isdecimal() and len(text) <= 4:
        value = int(text)
    if not low <= value <= high:
        raise InvalidExpression(f"{text!r} is not within {low} and {high}")
    return value


def _days(of_month: str, of_week: str) -> Days:
    if (of_month == "?") is (of_week == "?"):
        raise InvalidExpression("one of day-of-month and day-of-week is ?")
    return _days_of_month(of_month) if of_week == "?" else _days_of_week(of_week)


def _days_of_month(field: str) -> Days:
    if field == "L":
        return lambda year, month: [calendar.monthrange(year, month)[1]]
    if field == "LW":
        return lambda year, month: [_nearest_weekday(year, month, calendar.monthrange(year, month)[1])]
    if field.startswith("L-"):
        back = _number(field[2:], 1, 30, {})
        return lambda year, month: [day for day in (calendar.monthrange(year, month)[1] - back,) if day > 0]
    if field.endswith("W"):
        wanted = _number(field[:-1], 1, 31, {})
        return lambda year, month: [_nearest_weekday(year, month, wanted)] if wanted <= calendar.monthrange(year, month)[1] else []
    days = _numbers(field, 1, 31, {})
    return lambda year, month: [day for day in days if day <= calendar.monthrange(year, month)[1]]


def _days_of_week(field: str) -> Days:
    weekday, number_sign, which = field.partition("#")
    if number_sign:
        wanted, place = _number(weekday, 1, 7, _WEEKDAYS), _number(which, 1, 5, {})
        return lambda year, month: _on(year, month, {wanted})[place - 1 : place]
    if field == "L":
        return lambda year, month: _on(year, month, {7})
    if field.endswith("L") and field not in _WEEKDAYS:
        last = _number(field[:-1], 1, 7, _WEEKDAYS)
        return lambda year, month: _on(year, month, {last})[-1:]
    chosen = set(_numbers(field, 1, 7, _WEEKDAYS))
    return lambda year, month: _on(year, month, chosen)


def _on(year: int, month: int, weekdays: set[int]) -> list[int]:
    first, length = calendar.monthrange(year, month)  # Monday is 0 here, Sunday 1 there
    return [day for day in range(1, length + 1) if (first + day) % 7 + 1 in weekdays]


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The weekday nearest to a day, within its month."""
    length = calendar.monthrange(year, month)[1]
    weekday = calendar.weekday(year, month, day)
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day
