"""Alarms at work: when they are evaluated, what a change of state entails.

A metric alarm, by its timer:
    awake --end of a period, datapoints in sight--> evaluated, awake        awake --end of a period, none in sight--> evaluated, asleep
    asleep --values of one of its metrics are written, its state is set, it is put--> awake
An alarm asleep needs no timer: nothing would come of evaluating it again. A composite alarm is evaluated when one of its children changes state, in the same transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.cloudwatch import actions, evaluation, queries, rules
from groundcloud.services.cloudwatch.actions import moment
from groundcloud.services.cloudwatch.evaluation import ALARM, EXTRA_PERIODS, INSUFFICIENT, OK, Verdict
from groundcloud.services.cloudwatch.metrics import Measured
from groundcloud.services.cloudwatch.state import ALARMS, ASLEEP, HISTORY, HISTORY_BY_TIME, PARENTS, Alarm, HistoryItem

TIMER = "cloudwatch.evaluate"
CASCADE_MAX = 20
"""Composite alarms above one another; rules may go in circles."""


def evaluated_every_s(alarm: Alarm) -> int:
    """AWS: "Evaluating an alarm": each minute, each ten seconds for shorter periods, each hour for those longer than that."""
    period_s = period_of(alarm.request)
    return 10 if period_s < 60 else 60 if period_s <= 3600 else 3600


def period_of(request: dict[str, Any]) -> int:
    if not request.get("Metrics"):
        return int(request["Period"])
    periods = [query["MetricStat"]["Period"] for query in request["Metrics"] if query.get("MetricStat")]
    returned: dict[str, Any] = next((query for query in request["Metrics"] if query.get("ReturnData", True)), {})
    return int(returned.get("Period") or max(periods, default=60))


def metrics_of(request: dict[str, Any]) -> set[tuple[str, str]]:
    """(namespace, name) of every metric that an alarm watches."""
    if not request.get("Metrics"):
        return {(request["Namespace"], request["MetricName"])}
    watched = (query["MetricStat"]["Metric"] for query in request["Metrics"] if query.get("MetricStat"))
    return {(metric.get("Namespace", ""), metric.get("MetricName", "")) for metric in watched}


def awake(call: Call, alarm: Alarm, now_ms: int) -> None:
    """Sets the timer for the end of the period that runs."""
    step_ms = evaluated_every_s(alarm) * 1000
    for place in metrics_of(alarm.request):
        ASLEEP.delete(call.tx, *place, alarm.alarm_name)
    call.schedule(now_ms - now_ms % step_ms + step_ms, TIMER, alarm.alarm_name, key=alarm.alarm_name)


def written(call: Call, measured: Iterable[Measured]) -> None:
    """Values were written: alarms that sleep for want of them are woken."""
    if next(ASLEEP.keys(call.tx, limit=1), None) is None:
        return
    places = {(namespace, name) for each in measured for namespace, name, *_ in each}
    for place in places:
        for _, _, alarm_name in list(ASLEEP.keys(call.tx, *place)):
            alarm = ALARMS.get(call.tx, alarm_name)
            if alarm is not None:
                awake(call, alarm, call.clock.now_ms())


def evaluate(call: Call, alarm: Alarm, now_ms: int) -> None:
    """One evaluation of a metric alarm, and what follows from it."""
    request = alarm.request
    periods = request["EvaluationPeriods"]
    to_alarm = request.get("DatapointsToAlarm") or periods
    treatment = request.get("TreatMissingData", "missing")
    test, _ = evaluation.COMPARISONS[request["ComparisonOperator"]]
    threshold = request["Threshold"]
    points = _points(call, request, periods + EXTRA_PERIODS, now_ms // 1000, evaluated_every_s(alarm))
    verdict = evaluation.judge(points, periods, to_alarm, lambda value: test(value, threshold), treatment)
    if verdict.state is not None and verdict.state != alarm.state:
        reason = evaluation.reason(verdict, alarm.state, periods, to_alarm, request["ComparisonOperator"], threshold, treatment)
        change(call, alarm, verdict.state, reason, _reason_data(request, verdict, points, now_ms), now_ms)
    if all(value is None for _, value in points):
        for place in metrics_of(request):
            ASLEEP.put(call.tx, *place, alarm.alarm_name)
    else:
        awake(call, alarm, now_ms)


def _points(call: Call, request: dict[str, Any], count: int, now_s: int, step_s: int) -> evaluation.Points:
    """The last `count` periods, which end with the last step of the alarm's clock."""
    period_s = period_of(request)
    end_s = now_s - now_s % step_s
    begin_s = end_s - count * period_s
    window = queries.Window(lambda _: begin_s, end_s, now_s)
    if request.get("Metrics"):
        asked = queries.checked(request["Metrics"], call.account)
        returned = next(query for query in asked if query.returned)
        found = queries.Answers(call.tx, asked, window).of(returned.query_id)
        values = found[0].points if found else {}
    else:
        stat = request.get("ExtendedStatistic") or request["Statistic"]
        values = queries.read(call.tx, request, stat, period_s, window, request.get("Unit"))
    return [(at_s, values.get(at_s)) for at_s in range(begin_s, end_s, period_s)]


def _reason_data(request: dict[str, Any], verdict: Verdict, points: evaluation.Points, now_ms: int) -> str:
    data: dict[str, Any] = {"version": "1.0", "queryDate": moment(now_ms)}
    if verdict.used:
        data["startDate"] = moment(verdict.used[0][0] * 1000)
    if not request.get("Metrics"):
        if request.get("Unit"):
            data["unit"] = request["Unit"]
        data["statistic"] = request.get("ExtendedStatistic") or request["Statistic"]
    data["period"] = period_of(request)
    data["recentDatapoints"] = [value for _, value in verdict.used]
    data["threshold"] = request["Threshold"]
    data["evaluatedDatapoints"] = [
        {"timestamp": moment(at_s * 1000), "value": value} if value is not None else {"timestamp": moment(at_s * 1000)}
        for at_s, value in reversed(points[-request["EvaluationPeriods"] :])
    ][:50]
    return json.dumps(data, separators=(",", ":"))[:4000]


def change(call: Call, before: Alarm, state: str, reason: str, reason_data: str, now_ms: int, depth: int = 0) -> Alarm:
    """A new state: kept, written to the history, acted upon; then the composite alarms that look at it."""
    alarm = before.replace(
        state=state,
        reason=reason[:1023],
        reason_data=reason_data,
        updated_ms=now_ms,
        transitioned_ms=now_ms if state != before.state else before.transitioned_ms,
    )
    ALARMS.put(call.tx, alarm)
    if state == before.state:
        return alarm
    remember(
        call,
        alarm,
        "StateUpdate",
        f"Alarm updated from {before.state} to {state}",
        {"version": "1.0", "oldState": _shown(before), "newState": _shown(alarm)},
        now_ms,
    )
    actions.tell_eventbridge(call, before, alarm)
    if alarm.actions_enabled:
        for action, document in actions.take(call, before, alarm):
            content = {"actionState": "Succeeded", "notificationResource": action, "stateUpdateTimestamp": now_ms}
            if len(document) < 3000:
                content["publishedMessage"] = document
            remember(call, alarm, "Action", f"Successfully executed action {action}", content, now_ms)
    if depth < CASCADE_MAX:
        for _, parent_name in list(PARENTS.keys(call.tx, alarm.alarm_name)):
            parent = ALARMS.get(call.tx, parent_name)
            if parent is not None:
                combine(call, parent, now_ms, alarm, depth + 1)
    return alarm


def combine(call: Call, alarm: Alarm, now_ms: int, trigger: Alarm | None = None, depth: int = 0) -> Alarm:
    """One evaluation of a composite alarm: ALARM where its rule holds, else OK."""
    rule = rules.parse(alarm.rule)
    children = {name: ALARMS.get(call.tx, name) for name in rule.children}

    def state_of(name: str) -> str:
        child = children[name]
        return child.state if child is not None else INSUFFICIENT

    state = ALARM if rule.holds(state_of) else OK
    if state == alarm.state:
        return alarm
    if trigger is None:
        trigger = next((child for child in children.values() if child is not None), None)
    if trigger is None:
        return change(call, alarm, state, "The rule was evaluated.", "", now_ms, depth)
    when = time.strftime("%A %d %B, %Y %H:%M:%S UTC", time.gmtime(now_ms // 1000))
    arn = partial(call.arn, "cloudwatch")
    reason = f"{arn(f'alarm:{trigger.alarm_name}')} transitioned to {trigger.state} at {when}"
    triggering = [
        {"arn": arn(f"alarm:{trigger.alarm_name}"), "state": {"value": trigger.state, "timestamp": moment(trigger.transitioned_ms)}}
    ]
    return change(call, alarm, state, reason, json.dumps({"triggeringAlarms": triggering}, separators=(",", ":")), now_ms, depth)


def remember(call: Call, alarm: Alarm, kind: str, summary: str, content: dict[str, Any], now_ms: int) -> None:
    """A line of an alarm's history."""
    item = HistoryItem(
        alarm_name=alarm.alarm_name,
        at_ms=now_ms,
        sequence=call.tx.sequence("cloudwatch/history"),
        alarm_type="CompositeAlarm" if alarm.is_composite else "MetricAlarm",
        kind=kind,
        summary=summary[:255],
        content=json.dumps(content, separators=(",", ":"))[:4095],
    )
    HISTORY.put(call.tx, item)
    HISTORY_BY_TIME.put(call.tx, item.at_ms, item.sequence, alarm.alarm_name)


def _shown(alarm: Alarm) -> dict[str, Any]:
    found: dict[str, Any] = {"stateValue": alarm.state, "stateReason": alarm.reason}
    if alarm.reason_data:
        try:
            found["stateReasonData"] = json.loads(alarm.reason_data)
        except ValueError:
            found["stateReasonData"] = alarm.reason_data
    return found
