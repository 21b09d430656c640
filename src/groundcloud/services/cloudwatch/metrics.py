"""Metrics below the operations: values into buckets, buckets into series, old buckets merged or dropped.

AWS keeps seconds for 3 hours, minutes for 15 days, five minutes for 63 days, hours for 455 days. Values of high resolution are written to a second's and a minute's
bucket; `roll_up` merges minutes that are too old into five minutes, and those into hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from groundcloud.services.cloudwatch.distributions import Distribution
from groundcloud.services.cloudwatch.state import BUCKETS, METRICS, Dimensions, Metric, text_of
from groundcloud.store import Transaction

HOUR_S, DAY_S = 3600, 86_400
KEPT_S = {1: 3 * HOUR_S, 60: 15 * DAY_S, 300: 63 * DAY_S, 3600: 455 * DAY_S}
"""Resolution -> how long. AWS: "Metrics retention"."""
MERGED_INTO = {60: 300, 300: 3600}
ACTIVE_STEP_MS = 300_000
NO_UNIT = "None"

Measured = dict[tuple[str, str, Dimensions, str, int], Distribution]
"""(namespace, name, dimensions, unit, start_s) -> the values of that minute; for `record`."""


def dimensions_of(given: Iterable[dict[str, str]] | None) -> Dimensions:
    """Of a request, in order of name."""
    return tuple(sorted((each["Name"], each["Value"]) for each in given)) if given else ()


def find(tx: Transaction, namespace: str, metric_name: str, dimensions: Dimensions) -> Metric | None:
    return METRICS.get(tx, namespace, metric_name, text_of(dimensions))


def record(tx: Transaction, measured: Measured, now_ms: int, resolution_s: int = 60) -> None:
    """Adds values to their buckets; a metric is made with its first."""
    numbers: dict[tuple[str, str, Dimensions], int] = {}
    for (namespace, name, dimensions, unit, start_s), found in measured.items():
        place = (namespace, name, dimensions)
        number = numbers.get(place)
        if number is None:
            number = numbers[place] = _touch(tx, place, now_ms, resolution_s)
        before = BUCKETS.get(tx, number, resolution_s, start_s, unit)
        if before is not None:
            found.merge(before)
        BUCKETS.put(tx, found.bucket(number, resolution_s, start_s, unit))


def _touch(tx: Transaction, place: tuple[str, str, Dimensions], now_ms: int, resolution_s: int) -> int:
    namespace, name, dimensions = place
    text = text_of(dimensions)
    metric = METRICS.get(tx, namespace, name, text)
    high = resolution_s < 60
    if metric is None:
        metric = Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_text=text,
            metric_number=tx.sequence("cloudwatch/metrics"),
            dimensions=dimensions,
            active_ms=now_ms,
            high_resolution=high,
        )
        METRICS.put(tx, metric)
    elif now_ms - metric.active_ms > ACTIVE_STEP_MS or (high and not metric.high_resolution):
        METRICS.put(tx, metric.replace(active_ms=max(now_ms, metric.active_ms), high_resolution=metric.high_resolution or high))
    return metric.metric_number


def series(
    tx: Transaction, metric_number: int, period_s: int, start_s: int, end_s: int, unit: str | None, now_s: int
) -> dict[int, Distribution]:
    """What each period holds, by its beginning: start_s, start_s + period_s, ... before end_s. `unit` None: of all units together."""
    found: dict[int, Distribution] = {}
    for resolution_s in (1,) if period_s < 60 else (60, 300, 3600):
        if resolution_s > period_s:
            break
        low = start_s if period_s >= 60 else max(start_s, now_s - KEPT_S[1])
        for bucket in BUCKETS.scan(tx, metric_number, resolution_s, start=low, stop=end_s):
            if unit is not None and bucket.unit != unit:
                continue
            at_s = start_s + (bucket.start_s - start_s) // period_s * period_s
            into = found.get(at_s)
            if into is None:
                into = found[at_s] = Distribution()
            into.merge(bucket)
    return found


def units_of(tx: Transaction, metric_number: int, period_s: int, start_s: int, end_s: int) -> list[str]:
    """The units in which a metric was put, in a time."""
    found: dict[str, None] = {}
    for resolution_s in (1,) if period_s < 60 else (60, 300, 3600):
        for key in BUCKETS.keys(tx, metric_number, resolution_s, start=start_s, stop=end_s):
            found[key[3]] = None
    return list(found)


def aligned(start_s: int, period_s: int, now_s: int) -> int:
    """Where the first period begins. AWS: GetMetricStatistics, StartTime: whole minutes, five minutes for what is older than 15 days, hours beyond 63."""
    age_s = now_s - start_s
    if period_s < 60:
        return start_s - start_s % period_s
    grain_s = 60 if age_s < KEPT_S[60] else 300 if age_s < KEPT_S[300] else 3600
    return start_s - start_s % grain_s


def roll_up(tx: Transaction, metric: Metric, now_s: int) -> bool:
    """Merges or drops what is older than its resolution is kept for; False if nothing is left of the metric."""
    number = metric.metric_number
    for resolution_s, kept_s in KEPT_S.items():
        into_s = MERGED_INTO.get(resolution_s)
        merged: dict[tuple[int, str], Distribution] = {}
        for bucket in BUCKETS.scan(tx, number, resolution_s, stop=now_s - kept_s):
            BUCKETS.delete(tx, number, resolution_s, bucket.start_s, bucket.unit)
            if into_s is not None:
                merged.setdefault((bucket.start_s - bucket.start_s % into_s, bucket.unit), Distribution()).merge(bucket)
        for (start_s, unit), found in merged.items():
            before = BUCKETS.get(tx, number, into_s or 0, start_s, unit)
            if before is not None:
                found.merge(before)
            BUCKETS.put(tx, found.bucket(number, into_s or 0, start_s, unit))
    if next(BUCKETS.keys(tx, number, limit=1), None) is None:
        METRICS.delete(tx, metric.namespace, metric.metric_name, metric.dimensions_text)
        return False
    return True


def listed(tx: Transaction, namespace: str | None, metric_name: str | None, after: tuple[Any, ...] | None) -> Iterable[Metric]:
    """Metrics in the order of their keys, from a place on."""
    if namespace is not None and metric_name is not None:
        return METRICS.scan(tx, namespace, metric_name, after=after[2:] if after else None)
    if namespace is not None:
        return METRICS.scan(tx, namespace, after=after[1:] if after else None)
    return METRICS.scan(tx, after=after)
