"""What CloudWatch does by itself: merges and drops what is old."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.cloudwatch import metrics
from groundcloud.services.cloudwatch.state import METRICS

ROLLED_EVERY_MS = 6 * 3_600_000
METRICS_A_TURN = 50


def keep_rolling(call: Call) -> None:
    """Sees to it that old buckets are merged in this account and region, from now on."""
    armed: set[tuple[str, str]] = call.own("rolling", set)
    place = (call.account, call.region)
    if place not in armed:
        armed.add(place)
        call.schedule(call.now_ms + ROLLED_EVERY_MS, "cloudwatch.roll-up", None, key="roll-up")


@timer("cloudwatch.roll-up")
def roll_up(call: Call, after: list[Any] | None) -> None:
    """Some metrics a turn, then again in a while; ends when there are none."""
    turn = list(METRICS.scan(call.tx, after=tuple(after) if after else None, limit=METRICS_A_TURN))
    for metric in turn:
        metrics.roll_up(call.tx, metric, call.now_s)
    if len(turn) == METRICS_A_TURN:
        last = turn[-1]
        place = [last.namespace, last.metric_name, last.dimensions_text]
        call.schedule(call.now_ms, "cloudwatch.roll-up", place, key="roll-up")
    elif next(METRICS.keys(call.tx, limit=1), None) is not None:
        call.schedule(call.now_ms + ROLLED_EVERY_MS, "cloudwatch.roll-up", None, key="roll-up")
    else:
        call.own("rolling", set).discard((call.account, call.region))
