"""What CloudWatch does by itself: evaluates alarms, merges and drops what is old."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.cloudwatch import alarms, metrics
from groundcloud.services.cloudwatch.state import ALARMS, HISTORY, HISTORY_BY_TIME, METRICS

ROLLED_EVERY_MS = 6 * 3_600_000
METRICS_A_TURN = 50
HISTORY_KEPT_MS = 30 * 86_400_000  # AWS: DescribeAlarmHistory
HISTORY_A_TURN = 500


def keep_rolling(call: Call) -> None:
    """Sees to it that old buckets are merged in this account and region, from now on."""
    armed: set[tuple[str, str]] = call.own("rolling", set)
    place = (call.account, call.region)
    if place not in armed:
        armed.add(place)
        call.schedule(call.now_ms + ROLLED_EVERY_MS, "cloudwatch.roll-up", None, key="roll-up")


@timer(alarms.TIMER)
async def evaluate(call: Call, alarm_name: str) -> None:
    """The end of a period of a metric alarm."""
    # What was called before the period ended belongs to it, though it may still wait to be counted.
    call.ground.flush_telemetry()
    with call.transaction() as tx:
        alarm = ALARMS.get(tx, alarm_name)
        if alarm is not None and not alarm.is_composite:
            alarms.evaluate(call, alarm, call.clock.now_ms())


@timer("cloudwatch.roll-up")
def roll_up(call: Call, after: list[Any] | None) -> None:
    """Some metrics a turn, then again in a while; ends when there are none."""
    turn = list(METRICS.scan(call.tx, after=tuple(after) if after else None, limit=METRICS_A_TURN))
    for metric in turn:
        metrics.roll_up(call.tx, metric, call.now_s)
    for (at_ms, sequence), alarm_name in HISTORY_BY_TIME.items(call.tx, stop=call.now_ms - HISTORY_KEPT_MS, limit=HISTORY_A_TURN):
        HISTORY_BY_TIME.delete(call.tx, at_ms, sequence)
        HISTORY.delete(call.tx, alarm_name, at_ms, sequence)
    if len(turn) == METRICS_A_TURN:
        last = turn[-1]
        place = [last.namespace, last.metric_name, last.dimensions_text]
        call.schedule(call.now_ms, "cloudwatch.roll-up", place, key="roll-up")
    elif next(METRICS.keys(call.tx, limit=1), None) or next(HISTORY_BY_TIME.keys(call.tx, limit=1), None):
        call.schedule(call.now_ms + ROLLED_EVERY_MS, "cloudwatch.roll-up", None, key="roll-up")
    else:
        call.own("rolling", set).discard((call.account, call.region))
