"""What an alarm's datapoints mean: pure, values in, a verdict out.

More periods are looked at than are evaluated (EXTRA_PERIODS), so that a late or missing datapoint need not count as missing. If there are as many datapoints as are
evaluated, the latest of them decide. If there are fewer, TreatMissingData decides for the rest:

    breaching, notBreaching   the missing ones count so
    ignore                    unless those that are there are decisive, the state stays
    missing                   none there: INSUFFICIENT_DATA; all that are there breach: ALARM once the oldest is DatapointsToAlarm periods old, until then the state stays

Source: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data", its tables (tests hold them).
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import NamedTuple

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA_PERIODS = 2

Points = list[tuple[int, float | None]]
"""(beginning of the period, its value or None), the oldest first."""

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


class Verdict(NamedTuple):
    """`state` None: it stays as it is. `used` are the datapoints that were there and decided."""

    state: str | None
    used: list[tuple[int, float]]
    missing: int


def judge(points: Points, periods: int, to_alarm: int, breaches: Callable[[float], bool], treatment: str) -> Verdict:
    """`points` are of `periods` + EXTRA_PERIODS periods. `to_alarm` is DatapointsToAlarm."""
    there = [(at_s, value) for at_s, value in points if value is not None]
    used = there[-periods:]
    missing = periods - len(used)
    breaching = [at_s for at_s, value in used if breaches(value)]
    if missing and treatment == "breaching":
        return Verdict(ALARM if len(breaching) + missing >= to_alarm else OK, used, missing)
    if len(breaching) >= to_alarm:
        return Verdict(ALARM, used, missing)
    if not missing or treatment == "notBreaching":
        return Verdict(OK, used, missing)
    if len(breaching) < len(used):
        return Verdict(OK, used, missing)
    if treatment == "ignore":
        return Verdict(None, used, missing)
    if not used:
        return Verdict(INSUFFICIENT, used, missing)
    oldest = next(age for age, (at_s, _) in enumerate(reversed(points), 1) if at_s == breaching[0])
    return Verdict(ALARM if oldest >= to_alarm else None, used, missing)


def reason(verdict: Verdict, before: str, periods: int, to_alarm: int, comparison: str, threshold: float, treatment: str) -> str:
    """AWS's sentence for a new state."""
    if verdict.state == INSUFFICIENT:
        were = "was" if verdict.missing == 1 else "were"
        return f"Insufficient Data: {_count(verdict.missing)} {were} unknown."
    test, words = COMPARISONS[comparison]
    crossed = [(at_s, value) for at_s, value in verdict.used if test(value, threshold) is (verdict.state == ALARM)]
    treated = ""
    if verdict.missing and treatment in ("breaching", "notBreaching"):
        treated = f"{verdict.missing} missing {'datapoint was' if verdict.missing == 1 else 'datapoints were'} treated as "
        treated += "[Breaching]" if treatment == "breaching" else "[NonBreaching]"
    if not verdict.used:
        return f"Threshold Crossed: no datapoints were received for {verdict.missing} period{'s' if verdict.missing > 1 else ''} and {treated}."
    shown = ", ".join(f"{value} ({time.strftime('%d/%m/%y %H:%M:%S', time.gmtime(at_s))})" for at_s, value in reversed(crossed))
    were = ("was" if len(crossed) == 1 else "were") + ("" if verdict.state == ALARM else " not")
    minimum = to_alarm if verdict.state == ALARM else periods - to_alarm + 1
    return (
        f"Threshold Crossed: {len(crossed)} out of the last {periods} datapoints [{shown}] {were} {words} the threshold ({threshold})"
        + (f" and {treated}" if treated else "")
        + f" (minimum {_count(minimum)} for {before} -> {verdict.state} transition)."
    )


def _count(number: int) -> str:
    return f"{number} datapoint{'' if number == 1 else 's'}"
