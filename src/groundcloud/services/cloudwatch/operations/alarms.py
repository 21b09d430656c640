"""Alarms: put, describe, set, switch their actions, delete."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudwatch import actions, alarms, errors, evaluation, queries, statistics, tokens
from groundcloud.services.cloudwatch.metrics import dimensions_of
from groundcloud.services.cloudwatch.rules import parse
from groundcloud.services.cloudwatch.state import ALARMS, ALARMS_OF_METRIC, ASLEEP, HIGHEST, PARENTS, Alarm
from groundcloud.services.cloudwatch.workers import keep_rolling

DESCRIBED_MAX = 50  # AWS: DescribeAlarms, MaxRecords
TAGS_MAX = 50
TREATMENTS = ("breaching", "ignore", "missing", "notBreaching")
DAY_S, WEEK_S = 86_400, 604_800
NOT_KEPT = {"Tags", "AlarmName", "AlarmRule"}

Request = dict[str, Any]


def alarm_arn(call: Call, request: Request) -> str:
    return call.arn("cloudwatch", f"alarm:{request['AlarmName']}")


def alarm_arns(call: Call, request: Request) -> list[str]:
    return [call.arn("cloudwatch", f"alarm:{name}") for name in request["AlarmNames"]] or [call.arn("cloudwatch", "alarm:*")]


@operation(resource=alarm_arn)
def put_metric_alarm(call: Call, request: Request) -> Request:
    _check(call, request)
    actions.check(request)
    alarm = keep(call, request, "")
    for place in alarms.metrics_of(alarm.request):
        ALARMS_OF_METRIC.put(call.tx, *place, alarm.alarm_name)
    alarms.awake(call, alarm, call.now_ms)
    return {}


def keep(call: Call, request: Request, rule: str) -> Alarm:
    """Writes an alarm that was put: a new one, or the settings of the one that is there, whose state stays."""
    tx, name, now_ms = call.tx, request["AlarmName"], call.now_ms
    before = ALARMS.get(tx, name)
    if before is not None and before.is_composite != bool(rule):
        raise errors.validation(f"An alarm of another type with the name {name} exists already")
    kept = {member: value for member, value in request.items() if member not in NOT_KEPT}
    enabled = request.get("ActionsEnabled", True)
    if before is not None:
        forget_places(tx, before)
        alarm = before.replace(request=kept, rule=rule, configured_ms=now_ms, actions_enabled=enabled)
    else:
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
        if len(tags) > TAGS_MAX:
            raise errors.limit_exceeded("An alarm has at most 50 tags")
        alarm = Alarm(
            alarm_name=name,
            request=kept,
            rule=rule,
            tags=tags,
            configured_ms=now_ms,
            updated_ms=now_ms,
            transitioned_ms=now_ms,
            actions_enabled=enabled,
        )
    ALARMS.put(tx, alarm)
    kind = "Create" if before is None else "Update"
    content = {"version": "1.0", "type": kind, ("createdAlarm" if before is None else "updatedAlarm"): _plain(call, alarm)}
    alarms.remember(call, alarm, "ConfigurationUpdate", f'Alarm "{name}" {"created" if before is None else "updated"}', content, now_ms)
    keep_rolling(call)
    return alarm


def forget_places(tx: Any, alarm: Alarm) -> None:
    """Takes an alarm out of the tables that lead to it."""
    if alarm.is_composite:
        for child in parse(alarm.rule).children:
            PARENTS.delete(tx, child, alarm.alarm_name)
        return
    for place in alarms.metrics_of(alarm.request):
        ALARMS_OF_METRIC.delete(tx, *place, alarm.alarm_name)
        ASLEEP.delete(tx, *place, alarm.alarm_name)


def _check(call: Call, request: Request) -> None:
    """Raises AWS's ValidationError and its like for a metric alarm that cannot be."""
    for member in (
        "ThresholdMetricId",
        "EvaluationWindow",
        "WarmUpConfiguration",
        "EvaluationCriteria",
        "EvaluationInterval",
        "ActionConfiguration",
    ):
        if request.get(member):
            raise not_implemented(f"alarms with {member}")
    for member in ("EvaluationPeriods", "ComparisonOperator"):
        if request.get(member) is None:
            raise errors.missing_parameter(member)
    if request["ComparisonOperator"] not in evaluation.COMPARISONS:
        raise not_implemented(f"alarms on anomaly detection ({request['ComparisonOperator']})")
    if request.get("Threshold") is None:
        raise errors.missing_parameter("Threshold")
    treatment = request.get("TreatMissingData", "missing")
    if treatment not in TREATMENTS:
        raise errors.validation(f"Invalid value for TreatMissingData: {treatment}. Valid values: {', '.join(TREATMENTS)}")
    low_count = request.get("EvaluateLowSampleCountPercentile")
    if low_count not in (None, "evaluate", "ignore"):
        raise errors.validation(f"Invalid value for EvaluateLowSampleCountPercentile: {low_count}. Valid values: evaluate, ignore")
    if low_count == "ignore":
        raise not_implemented("alarms that ignore percentiles of few samples (EvaluateLowSampleCountPercentile: ignore)")
    periods, to_alarm = request["EvaluationPeriods"], request.get("DatapointsToAlarm")
    if to_alarm is not None and to_alarm > periods:
        raise errors.validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if request.get("Metrics"):
        for member in ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic"):
            if request.get(member):
                raise errors.invalid_combination(f"The parameters Metrics and {member} are mutually exclusive and you have specified both.")
        if len(request["Metrics"]) > 20:
            raise errors.validation("The collection Metrics must not have a size greater than 20.")
        queries.checked(request["Metrics"], call.account, of_alarm=True)
    else:
        for member in ("MetricName", "Namespace", "Period"):
            if request.get(member) is None:
                raise errors.missing_parameter(member)
        statistic, extended = request.get("Statistic"), request.get("ExtendedStatistic")
        if statistic is not None and extended is not None:
            raise errors.invalid_combination(
                "The parameters Statistic and ExtendedStatistic are mutually exclusive and you have specified both."
            )
        if statistic is None and extended is None:
            raise errors.missing_parameter("Statistic")
        if extended is not None and not statistics.is_extended(extended):
            raise errors.validation(f"The value {extended} for parameter ExtendedStatistic is not supported.")
        if request["Period"] not in (10, 20, 30) and (request["Period"] < 60 or request["Period"] % 60):
            raise errors.validation("Period must be 10, 20, 30, or a multiple of 60.")
    period_s = alarms.period_of(request)
    longest_s = DAY_S if period_s < 3600 else WEEK_S
    if period_s * periods > longest_s:
        what = "a day" if longest_s == DAY_S else "7 days"
        raise errors.validation(f"Metrics cannot be checked across more than {what} (EvaluationPeriods * Period must be <= {longest_s}).")


@operation(resource=alarm_arns)
def delete_alarms(call: Call, request: Request) -> Request:
    """All or none. An alarm that a composite alarm looks at stays while that one is there."""
    names = request["AlarmNames"]
    found = [load(call, name) for name in names]
    if len(found) > 1 and any(alarm.is_composite for alarm in found):
        raise errors.validation("A composite alarm can only be deleted on its own")
    for alarm in found:
        parents = [parent for _, parent in PARENTS.keys(call.tx, alarm.alarm_name) if parent not in names]
        if parents:
            raise errors.validation(
                f"Cannot delete {alarm.alarm_name} as there are composite alarm(s) depending on it: {', '.join(parents)}"
            )
    for alarm in found:
        forget_places(call.tx, alarm)
        ALARMS.delete(call.tx, alarm.alarm_name)
        call.unschedule(alarms.TIMER, alarm.alarm_name)
        content = {"version": "1.0", "type": "Delete", "deletedAlarm": _plain(call, alarm)}
        alarms.remember(call, alarm, "ConfigurationUpdate", f'Alarm "{alarm.alarm_name}" deleted', content, call.now_ms)
    return {}


def load(call: Call, alarm_name: str) -> Alarm:
    """Raises ResourceNotFound."""
    alarm = ALARMS.get(call.tx, alarm_name)
    if alarm is None:
        raise errors.alarm_not_found(alarm_name)
    return alarm


@operation(resource=alarm_arn)
def set_alarm_state(call: Call, request: Request) -> Request:
    alarm = load(call, request["AlarmName"])
    data = request.get("StateReasonData", "")
    if data:
        try:
            json.loads(data)
        except ValueError:
            raise errors.invalid_format("StateReasonData is not valid JSON") from None
    alarm = alarms.change(call, alarm, request["StateValue"], request["StateReason"], data, call.now_ms)
    if not alarm.is_composite:
        alarms.awake(call, alarm, call.now_ms)
    return {}


@operation(resource=alarm_arns)
def enable_alarm_actions(call: Call, request: Request) -> Request:
    return _switch(call, request["AlarmNames"], True)


@operation(resource=alarm_arns)
def disable_alarm_actions(call: Call, request: Request) -> Request:
    return _switch(call, request["AlarmNames"], False)


def _switch(call: Call, names: list[str], enabled: bool) -> Request:
    """AWS passes over names that are none."""
    for name in names:
        alarm = ALARMS.get(call.tx, name)
        if alarm is not None and alarm.actions_enabled is not enabled:
            ALARMS.put(call.tx, alarm.replace(actions_enabled=enabled, configured_ms=call.now_ms))
            summary = f'Alarm "{name}" updated'
            content = {"version": "1.0", "type": "Update", "updatedAlarm": {"alarmName": name, "actionsEnabled": enabled}}
            alarms.remember(call, alarm, "ConfigurationUpdate", summary, content, call.now_ms)
    return {}


@operation(resource=lambda call, request: call.arn("cloudwatch", "alarm:*"))
def describe_alarms(call: Call, request: Request) -> Request:
    """By name, by prefix, by what composite alarms they belong to; metric alarms alone unless AlarmTypes says otherwise."""
    types = request.get("AlarmTypes") or ["MetricAlarm"]
    names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix")
    if names and prefix:
        raise errors.invalid_combination(
            "The parameters AlarmNames and AlarmNamePrefix are mutually exclusive and you have specified both."
        )
    children, parents = request.get("ChildrenOfAlarmName"), request.get("ParentsOfAlarmName")
    after = tokens.parts(request["NextToken"], str)[0] if request.get("NextToken") else None
    if children:
        named = sorted(parse(load(call, children).rule).children) if load(call, children).is_composite else []
        return _briefly(call, named)
    if parents:
        return _briefly(call, [parent for _, parent in PARENTS.keys(call.tx, parents)])
    if names:
        source: Iterable[Alarm] = [alarm for alarm in (ALARMS.get(call.tx, name) for name in names) if alarm is not None]
    else:
        source = ALARMS.scan(call.tx, start=prefix, stop=prefix + HIGHEST if prefix else None, after=after)
    limit = request.get("MaxRecords", DESCRIBED_MAX) if not names else len(names)
    state, action = request.get("StateValue"), request.get("ActionPrefix")
    answer: Request = {"MetricAlarms": [], "CompositeAlarms": []}
    last = ""
    for alarm in source:
        kind = "CompositeAlarm" if alarm.is_composite else "MetricAlarm"
        if kind not in types or (state and alarm.state != state) or (action and not _acts(alarm, action)):
            continue
        if len(answer["MetricAlarms"]) + len(answer["CompositeAlarms"]) == limit:
            answer["NextToken"] = tokens.token(last)
            break
        answer[kind + "s"].append(described(call, alarm))
        last = alarm.alarm_name
    return answer


def _briefly(call: Call, names: list[str]) -> Request:
    """AWS gives name, ARN, state and its times of children and parents."""
    answer: Request = {"MetricAlarms": [], "CompositeAlarms": []}
    members = ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
    for name in names:
        alarm = ALARMS.get(call.tx, name)
        if alarm is not None:
            shown = described(call, alarm)
            answer["CompositeAlarms" if alarm.is_composite else "MetricAlarms"].append({member: shown[member] for member in members})
    return answer


def _acts(alarm: Alarm, prefix: str) -> bool:
    return any(action.startswith(prefix) for member in actions.KINDS.values() for action in alarm.request.get(member, ()))


@operation()
def describe_alarms_for_metric(call: Call, request: Request) -> Request:
    """Alarms on exactly this metric; those of metric math are not among them (AWS)."""
    wanted = dimensions_of(request.get("Dimensions"))
    found = []
    for _, _, name in ALARMS_OF_METRIC.keys(call.tx, request["Namespace"], request["MetricName"]):
        alarm = ALARMS.get(call.tx, name)
        if alarm is None or alarm.request.get("Metrics") or dimensions_of(alarm.request.get("Dimensions")) != wanted:
            continue
        members = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        if all(member not in request or alarm.request.get(member) == request[member] for member in members):
            found.append(described(call, alarm))
    return {"MetricAlarms": found}


def described(call: Call, alarm: Alarm) -> Request:
    """An alarm as DescribeAlarms shows it."""
    request = alarm.request
    answer: Request = {
        "AlarmName": alarm.alarm_name,
        "AlarmArn": call.arn("cloudwatch", f"alarm:{alarm.alarm_name}"),
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_ms / 1000,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        **request,
        "ActionsEnabled": alarm.actions_enabled,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data or None,
        "StateUpdatedTimestamp": alarm.updated_ms / 1000,
        "StateTransitionedTimestamp": alarm.transitioned_ms / 1000,
    }
    if alarm.is_composite:
        answer["AlarmRule"] = alarm.rule
    elif not request.get("Metrics"):
        answer.setdefault("Dimensions", [])
    return answer


def _plain(call: Call, alarm: Alarm) -> Request:
    """An alarm as its history tells it."""
    found = {name[:1].lower() + name[1:]: value for name, value in alarm.request.items()}
    return {
        "alarmName": alarm.alarm_name,
        "alarmArn": call.arn("cloudwatch", f"alarm:{alarm.alarm_name}"),
        "stateValue": alarm.state,
        **found,
    }
