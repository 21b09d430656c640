"""Composite alarms: put. What they share with metric alarms is in `alarms.py`."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudwatch import actions, alarms, errors, rules
from groundcloud.services.cloudwatch.operations.alarms import alarm_arn, keep
from groundcloud.services.cloudwatch.state import ALARMS, PARENTS

Request = dict[str, Any]


@operation(resource=alarm_arn)
def put_composite_alarm(call: Call, request: Request) -> Request:
    for member in ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod", "ActionConfiguration"):
        if request.get(member):
            raise not_implemented(f"composite alarms with {member}")
    name = request["AlarmName"]
    try:
        rule = rules.parse(request["AlarmRule"])
    except rules.RuleError as error:
        raise errors.validation(f"AlarmRule is invalid: {error}") from None
    if name in rule.children:
        raise errors.validation("AlarmRule is invalid: a composite alarm cannot refer to itself")
    unknown = [child for child in rule.children if not ALARMS.has(call.tx, child)]
    if unknown:
        raise errors.validation(f"AlarmRule is invalid: the alarms {', '.join(unknown)} do not exist")
    actions.check(request)
    alarm = keep(call, request, request["AlarmRule"])
    for child in rule.children:
        PARENTS.put(call.tx, child, name)
    alarms.combine(call, alarm, call.now_ms)
    return {}
