"""Statistics by name: `Average`, `p99.9`, `tm95`, `TM(10%:90%)`, `PR(:300)`. Each is a function of a distribution; None where it cannot be told.

Source: CloudWatch user guide, "CloudWatch statistics definitions".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from groundcloud.services.cloudwatch.distributions import Counted, Distribution, middle, percentile, value_at

Statistic = Callable[[Distribution], float | None]

SIMPLE: dict[str, Statistic] = {
    "SampleCount": lambda found: found.count,
    "Sum": lambda found: found.total,
    "Average": lambda found: found.total / found.count if found.count else None,
    "Minimum": lambda found: found.low,
    "Maximum": lambda found: found.high,
}

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
_SHORT = re.compile(r"(tm|wm|tc|ts)(\d{1,2}(?:\.\d{1,10})?|100)")
_RANGE = re.compile(
    r"(TM|WM|TC|TS|PR)\((?:(?P<low>-?\d+(?:\.\d+)?)(?P<low_percent>%)?)?:(?:(?P<high>-?\d+(?:\.\d+)?)(?P<high_percent>%)?)?\)"
)


@lru_cache(maxsize=512)
def named(name: str) -> Statistic | None:
    """None for what is no statistic."""
    if name in SIMPLE:
        return SIMPLE[name]
    if name == "IQM":
        return _by_rank("TM", 0.25, 0.75)
    if found := _PERCENTILE.fullmatch(name):
        return _percentile(float(found[1]) / 100)
    if found := _SHORT.fullmatch(name):
        return _by_rank(found[1].upper(), 0.0, float(found[2]) / 100)
    found = _RANGE.fullmatch(name)
    if found is None or (found["low"] is None and found["high"] is None):
        return None
    percents = [found[f"{bound}_percent"] is not None for bound in ("low", "high") if found[bound] is not None]
    if len(set(percents)) > 1:
        return None
    low, high = (float(found[bound]) if found[bound] is not None else None for bound in ("low", "high"))
    if low is not None and high is not None and low >= high:
        return None
    if not percents[0]:
        return _by_value(found[1], low, high)
    if found[1] == "PR" or any(bound is not None and not 0 <= bound <= 100 for bound in (low, high)):
        return None
    return _by_rank(found[1], (low or 0.0) / 100, 1.0 if high is None else high / 100)


def is_extended(name: str) -> bool:
    return name not in SIMPLE and named(name) is not None


def _counted(found: Distribution) -> Counted | None:
    """None where samples are missing that came as statistics alone."""
    return None if found.opaque or not found.values else sorted(found.values.items())


def _percentile(share: float) -> Statistic:
    def statistic(found: Distribution) -> float | None:
        values = _counted(found)
        # The bounds are exact even where values were rounded.
        return None if values is None else min(max(percentile(values, found.count, share), found.low), found.high)

    return statistic


def _by_rank(kind: str, low: float, high: float) -> Statistic:
    def statistic(found: Distribution) -> float | None:
        values = _counted(found)
        if values is None:
            return None
        low_rank, high_rank = low * found.count, high * found.count
        count, total = middle(values, low_rank, high_rank)
        if kind == "TC":
            return count
        if kind == "TS":
            return total
        if kind == "WM":
            total += low_rank * value_at(values, low_rank) + (found.count - high_rank) * value_at(values, max(high_rank - 1, 0))
            return total / found.count
        return total / count if count else None

    return statistic


def _by_value(kind: str, low: float | None, high: float | None) -> Statistic:
    """AWS: the lower bound is outside, the upper one inside."""

    def statistic(found: Distribution) -> float | None:
        values = _counted(found)
        if values is None:
            return None
        inside = [(value, count) for value, count in values if (low is None or value > low) and (high is None or value <= high)]
        count = sum(number for _, number in inside)
        total = sum(value * number for value, number in inside)
        if kind == "TC":
            return count
        if kind == "TS":
            return total
        if kind == "PR":
            return 100 * count / found.count
        if kind == "WM":
            total += sum(low * number for value, number in values if low is not None and value <= low)
            total += sum(high * number for value, number in values if high is not None and value > high)
            return total / found.count
        return total / count if count else None

    return statistic
