"""Dynamic labels of metric data: `${PROP('Dim.FunctionName')} max ${MAX} at ${MAX_TIME}`.

Source: CloudWatch user guide, "Use dynamic labels".
"""

from __future__ import annotations

import re
import time
from typing import Any

from groundcloud.services.cloudwatch.expressions import Series

_PART = re.compile(r"\$\{\s*(?:PROP\('(?P<property>[^']*)'\)|(?P<name>[A-Z_]+))\s*\}")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")


def is_timezone(text: str) -> bool:
    return _OFFSET.fullmatch(text) is not None


def rendered(label: str, plain: str, series: Series, metric: dict[str, Any], place: dict[str, str], timezone: str) -> str:
    """`metric` is the MetricStat of the query, empty for an expression; `place` holds AccountId and Region."""
    if "${" not in label:
        return label
    items = sorted(series.points.items())

    def part(found: re.Match[str]) -> str:
        if found["property"] is not None:
            return _property(found["property"], metric, place, series)
        name = found["name"]
        if name == "LABEL":
            return plain
        if name.endswith("_TIME"):
            point = _point(name.removesuffix("_TIME"), items)
            return _time(point[0], timezone) if point is not None else "--"
        if name == "DATAPOINT_COUNT":
            return str(len(items))
        if not items:
            return "--" if name in ("AVG", "SUM", "MIN", "MAX", "FIRST", "LAST") else found.group()
        if name in ("AVG", "SUM"):
            total = sum(value for _, value in items)
            return f"{total / len(items) if name == 'AVG' else total:g}"
        point = _point(name, items)
        return f"{point[1]:g}" if point is not None else found.group()

    return _PART.sub(part, label)


def _point(name: str, items: list[tuple[int, float]]) -> tuple[int, float] | None:
    if not items:
        return None
    if name in ("MIN", "MAX"):
        return (min if name == "MIN" else max)(items, key=lambda item: item[1])
    return {"FIRST": items[0], "LAST": items[-1]}.get(name)


def _property(name: str, metric: dict[str, Any], place: dict[str, str], series: Series) -> str:
    if name in place:
        return place[name]
    if name == "Period":
        return str(series.period_s)
    if name == "Stat":
        return str(metric.get("Stat", "--"))
    of = metric.get("Metric", {})
    if name.startswith("Dim."):
        return next((each["Value"] for each in of.get("Dimensions", ()) if each["Name"] == name[4:]), "--")
    return str(of.get(name, "--"))


def _time(at_s: int, timezone: str) -> str:
    found = _OFFSET.fullmatch(timezone or "+0000")
    shift_s = 0
    if found is not None:
        shift_s = (int(found[2]) * 60 + int(found[3])) * 60 * (-1 if found[1] == "-" else 1)
    return (
        time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))
        if not shift_s
        else time.strftime(f"%Y-%m-%d %H:%M:%S {timezone}", time.gmtime(at_s + shift_s))
    )
