"""What CloudWatch keeps: metrics and their buckets, alarms and their history, dashboards; each key spelled out."""

from __future__ import annotations

from typing import Any

from groundcloud.store import Record, Table

Dimensions = tuple[tuple[str, str], ...]
"""Pairs of name and value, ordered."""


class Metric(Record, frozen=True, kw_only=True):
    """`dimensions_text` is `text_of(dimensions)`; `active_ms` is when it was last given values, within `metrics.ACTIVE_STEP_MS`."""

    namespace: str
    metric_name: str
    dimensions_text: str
    metric_number: int
    dimensions: Dimensions
    active_ms: int
    high_resolution: bool = False


class Bucket(Record, frozen=True, kw_only=True):
    """The values of a metric in `resolution_s` from `start_s` on. `values` counts each value, but for `opaque` samples that came as statistics alone.

    `step` is how far values were rounded together: 0 not at all, else the relative width of a bin.
    """

    metric_number: int
    resolution_s: int
    start_s: int
    unit: str
    count: float
    total: float
    low: float
    high: float
    opaque: float
    step: float
    values: dict[float, float]


class Alarm(Record, frozen=True, kw_only=True):
    """`request` is what it was put with, tags apart. A composite alarm has a rule, a metric alarm has none. Times are in milliseconds."""

    alarm_name: str
    request: dict[str, Any]
    rule: str = ""
    tags: dict[str, str] = {}
    configured_ms: int
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = ""
    updated_ms: int
    transitioned_ms: int
    actions_enabled: bool = True

    @property
    def is_composite(self) -> bool:
        return bool(self.rule)


class HistoryItem(Record, frozen=True, kw_only=True):
    alarm_name: str
    at_ms: int
    sequence: int
    alarm_type: str
    kind: str
    summary: str
    content: str


class Dashboard(Record, frozen=True, kw_only=True):
    name: str
    body: str
    modified_ms: int
    tags: dict[str, str] = {}


METRICS = Table("cloudwatch/metrics", Metric, key=("namespace", "metric_name", "dimensions_text"))
BUCKETS = Table("cloudwatch/buckets", Bucket, key=("metric_number", "resolution_s", "start_s", "unit"))
ALARMS = Table("cloudwatch/alarms", Alarm, key=("alarm_name",))
ALARMS_OF_METRIC: Table[None] = Table("cloudwatch/alarms-of-metric", None, key=("namespace", "metric_name", "alarm_name"))
ASLEEP: Table[None] = Table("cloudwatch/asleep", None, key=("namespace", "metric_name", "alarm_name"))
"""Metric alarms that wait for values of their metrics; see `alarms`."""

PARENTS: Table[None] = Table("cloudwatch/parents", None, key=("child_name", "alarm_name"))
"""Composite alarms by the alarms that their rules name."""

HISTORY = Table("cloudwatch/history", HistoryItem, key=("alarm_name", "at_ms", "sequence"))
HISTORY_BY_TIME: Table[str] = Table("cloudwatch/history-by-time", str, key=2)
"""(at_ms, sequence) -> alarm name."""

DASHBOARDS = Table("cloudwatch/dashboards", Dashboard, key=("name",), scope="account")

HIGHEST = "\U0010ffff"


def text_of(dimensions: Dimensions) -> str:
    """One text for one set of dimensions."""
    return "\x1e".join([f"{name}\x1f{value}" for name, value in dimensions])
