"""Values with their counts: gathering, merging, rounding when there are too many, and the statistics of them.

Up to VALUES_MAX different values are kept as they are. Beyond, values are rounded to bins of one per cent (then more) of their size, so that a percentile of any number
of samples is within that of the truth.
"""

from __future__ import annotations

import math

from groundcloud.services.cloudwatch.state import Bucket

VALUES_MAX = 300
FIRST_STEP = 0.01


class Distribution:
    """What is gathered for a bucket before it is written, or from buckets when they are read."""

    __slots__ = ("count", "high", "low", "opaque", "step", "total", "values")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.opaque = 0.0
        self.step = 0.0
        self.values: dict[float, float] = {}

    def add(self, value: float, count: float = 1.0) -> None:
        self.count += count
        self.total += value * count
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        key = binned(value, self.step) if self.step else value
        values = self.values
        values[key] = values.get(key, 0.0) + count
        if len(values) > VALUES_MAX:
            self._coarser()

    def add_statistics(self, count: float, total: float, low: float, high: float) -> None:
        """A statistic set; where it stands for one value its distribution is known."""
        if low == high or count == 1:
            self.add(low, count)
            return
        self.count += count
        self.total += total
        self.low = min(self.low, low)
        self.high = max(self.high, high)
        self.opaque += count

    def merge(self, bucket: Bucket) -> None:
        self.count += bucket.count
        self.total += bucket.total
        self.low = min(self.low, bucket.low)
        self.high = max(self.high, bucket.high)
        self.opaque += bucket.opaque
        if bucket.step > self.step:
            self.step = bucket.step
            self._round()
        values, step = self.values, self.step
        rounding = step > bucket.step
        for value, count in bucket.values.items():
            key = binned(value, step) if rounding else value
            values[key] = values.get(key, 0.0) + count
        while len(values) > VALUES_MAX:
            self._coarser()
            values = self.values

    def bucket(self, metric_number: int, resolution_s: int, start_s: int, unit: str) -> Bucket:
        return Bucket(
            metric_number=metric_number,
            resolution_s=resolution_s,
            start_s=start_s,
            unit=unit,
            count=self.count,
            total=self.total,
            low=self.low,
            high=self.high,
            opaque=self.opaque,
            step=self.step,
            values=self.values,
        )

    def _coarser(self) -> None:
        self.step = self.step * 2 if self.step else FIRST_STEP
        self._round()

    def _round(self) -> None:
        rounded: dict[float, float] = {}
        for value, count in self.values.items():
            key = binned(value, self.step)
            rounded[key] = rounded.get(key, 0.0) + count
        self.values = rounded


def binned(value: float, step: float) -> float:
    """The middle of the bin that a value falls in; bins are `step` of their size wide."""
    if value == 0:
        return 0.0
    width = math.log1p(step)
    number = round(math.log(abs(value)) / width)
    # A bin's middle must be its own, however often it is rounded again: so it is rounded to the digits that tell bins apart.
    return math.copysign(float(f"{math.exp(number * width):.9g}"), value)


Counted = list[tuple[float, float]]
"""(value, count), by value."""


def percentile(values: Counted, count: float, share: float) -> float:
    """The value with `share` (0 to 1) of the samples below it; between two samples in proportion. `count` is the sum of the counts."""
    position = share * (count - 1)
    rank = math.floor(position)
    low = value_at(values, rank)
    part = position - rank
    return low if part == 0 else low + (value_at(values, rank + 1) - low) * part


def value_at(values: Counted, rank: float) -> float:
    """The value of the sample with so many before it."""
    before = 0.0
    for value, count in values:
        before += count
        if rank < before:
            return value
    return values[-1][0]


def middle(values: Counted, low_rank: float, high_rank: float) -> tuple[float, float]:
    """(count, sum) of the samples between two ranks; a value on a bound counts in part."""
    before = count = total = 0.0
    for value, number in values:
        part = min(high_rank, before + number) - max(low_rank, before)
        if part > 0:
            count += part
            total += part * value
        before += number
    return count, total
