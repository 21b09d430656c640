"""What metric math computes with: numbers, series of numbers by time, arrays of series."""

from __future__ import annotations

from typing import TypeAlias


class Series:
    """`points` by their beginning in seconds; `label` names it in an answer; `period_s` is what it was asked with."""

    __slots__ = ("label", "name", "period_s", "points")

    def __init__(self, points: dict[int, float], period_s: int, label: str = "", name: str = "") -> None:
        self.points = points
        self.period_s = period_s
        self.label = label
        self.name = name
        """The id of the query that it comes from, where it comes from one."""

    def with_points(self, points: dict[int, float]) -> Series:
        return Series(points, self.period_s, self.label, self.name)


Value: TypeAlias = float | str | Series | list[Series]
