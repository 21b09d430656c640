"""What an alarm does when its state changes: a message to a topic, a call of a function. Both go through the outbox.

Source: CloudWatch user guide, "Notifying users on alarm changes", "Alarms and Lambda functions": the documents that they are given.
"""

from __future__ import annotations

import json
import time
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.services.cloudwatch import errors
from groundcloud.services.cloudwatch.state import Alarm

KINDS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
ATTEMPTS_MAX = 5
REGION_NAMES = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-west-3": "EU (Paris)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-north-1": "EU (Stockholm)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "sa-east-1": "South America (Sao Paulo)",
    "ca-central-1": "Canada (Central)",
}

Document = dict[str, Any]


def check(request: Document) -> None:
    """Raises for an action that no alarm here can take."""
    for member in KINDS.values():
        for action in request.get(member, ()):
            if not arns.is_arn(action):
                raise errors.validation(f"Invalid arn syntax: {action}")
            service = arns.parse(action).service
            if service not in ("lambda", "sns"):
                raise not_implemented(f"alarm actions of {service} ({action})")


def take(call: Call, before: Alarm, alarm: Alarm) -> list[tuple[str, str]]:
    """Delivers to every action of the new state; (action, document) of each."""
    taken = []
    alarm_arn = call.arn("cloudwatch", f"alarm:{alarm.alarm_name}")
    for action in alarm.request.get(KINDS[alarm.state], ()):
        if arns.parse(action).service == "lambda":
            document = json.dumps(event(call, before, alarm))
            call.deliver(
                action, document, principal="lambda.alarms.cloudwatch.amazonaws.com", source_arn=alarm_arn, max_attempts=ATTEMPTS_MAX
            )
        else:
            document = json.dumps(notification(call, before, alarm))
            subject = f'{alarm.state}: "{alarm.alarm_name}" in {REGION_NAMES.get(call.region, call.region)}'
            call.deliver(
                action,
                document,
                principal="cloudwatch.amazonaws.com",
                source_arn=alarm_arn,
                attributes={"Subject": subject[:100]},
                max_attempts=ATTEMPTS_MAX,
            )
        taken.append((action, document))
    return taken


def tell_eventbridge(call: Call, before: Alarm, alarm: Alarm) -> None:
    """Every change of state is an event on the default bus. AWS: "Alarm events and EventBridge"."""
    alarm_arn = call.arn("cloudwatch", f"alarm:{alarm.alarm_name}")
    payload = {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [alarm_arn],
        "detail": event(call, before, alarm)["alarmData"],
    }
    call.deliver(call.arn("events", "event-bus/default"), json.dumps(payload), principal="cloudwatch.amazonaws.com", source_arn=alarm_arn)


def event(call: Call, before: Alarm, alarm: Alarm) -> Document:
    """What a function is called with."""
    request = alarm.request
    configuration: Document = {"description": request.get("AlarmDescription")}
    if alarm.is_composite:
        configuration["alarmRule"] = alarm.rule
    else:
        configuration["metrics"] = [_metric(one) for one in request["Metrics"]] if request.get("Metrics") else [_metric(_as_query(request))]
    return {
        "source": "aws.cloudwatch",
        "alarmArn": call.arn("cloudwatch", f"alarm:{alarm.alarm_name}"),
        "accountId": call.account,
        "time": moment(alarm.updated_ms),
        "region": call.region,
        "alarmData": {
            "alarmName": alarm.alarm_name,
            "state": _state(alarm),
            "previousState": _state(before),
            "configuration": {name: value for name, value in configuration.items() if value is not None},
        },
    }


def notification(call: Call, before: Alarm, alarm: Alarm) -> Document:
    """The message that a topic gets."""
    request = alarm.request
    document: Document = {
        "AlarmName": alarm.alarm_name,
        "AlarmDescription": request.get("AlarmDescription"),
        "AWSAccountId": call.account,
        "AlarmConfigurationUpdatedTimestamp": moment(alarm.configured_ms),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": moment(alarm.updated_ms),
        "Region": REGION_NAMES.get(call.region, call.region),
        "AlarmArn": call.arn("cloudwatch", f"alarm:{alarm.alarm_name}"),
        "OldStateValue": before.state,
        "OKActions": request.get("OKActions", []),
        "AlarmActions": request.get("AlarmActions", []),
        "InsufficientDataActions": request.get("InsufficientDataActions", []),
    }
    if alarm.is_composite:
        document["AlarmRule"] = alarm.rule
        if alarm.reason_data:
            document["TriggeringChildren"] = [
                {"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}}
                for child in json.loads(alarm.reason_data).get("triggeringAlarms", [])
            ]
        return document
    trigger: Document = {
        "Period": request.get("Period"),
        "EvaluationPeriods": request["EvaluationPeriods"],
        "DatapointsToAlarm": request.get("DatapointsToAlarm"),
        "ComparisonOperator": request["ComparisonOperator"],
        "Threshold": request["Threshold"],
        "TreatMissingData": request.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": request.get("EvaluateLowSampleCountPercentile", ""),
    }
    if request.get("Metrics"):
        trigger["Metrics"] = request["Metrics"]
    else:
        extended = request.get("ExtendedStatistic")
        trigger.update(
            {
                "MetricName": request["MetricName"],
                "Namespace": request["Namespace"],
                "StatisticType": "ExtendedStatistic" if extended else "Statistic",
                ("ExtendedStatistic" if extended else "Statistic"): extended or request["Statistic"].upper(),
                "Unit": request.get("Unit"),
                "Dimensions": [{"value": each["Value"], "name": each["Name"]} for each in request.get("Dimensions", [])],
            }
        )
    document["Trigger"] = {name: value for name, value in trigger.items() if value is not None or name == "Unit"}
    return document


def moment(at_ms: int) -> str:
    """As alarms write times: 2026-11-21T01:25:00.000+0000."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03d}+0000"


def _state(alarm: Alarm) -> Document:
    found = {"value": alarm.state, "reason": alarm.reason, "timestamp": moment(alarm.updated_ms)}
    if alarm.reason_data:
        found["reasonData"] = alarm.reason_data
    return found


def _as_query(request: Document) -> Document:
    """A metric alarm without metric math, as a query."""
    metric = {"Namespace": request["Namespace"], "MetricName": request["MetricName"], "Dimensions": request.get("Dimensions", [])}
    stat = {"Metric": metric, "Period": request["Period"], "Stat": request.get("ExtendedStatistic") or request["Statistic"]}
    return {"Id": "m1", "MetricStat": stat, "ReturnData": True}


def _metric(query: Document) -> Document:
    found: Document = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if query.get("Label"):
        found["label"] = query["Label"]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        found["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])},
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
        if stat.get("Unit"):
            found["metricStat"]["unit"] = stat["Unit"]
    else:
        found["expression"] = query["Expression"]
        if query.get("Period"):
            found["period"] = query["Period"]
    return found
