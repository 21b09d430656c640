"""Rules: put, describe, list, enable, disable, delete."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.events import buses, conditions, errors, pages, routing, schedules, tags
from groundcloud.services.events.buses import Request
from groundcloud.services.events.operations.events import pattern_of
from groundcloud.services.events.state import DEFAULT_BUS, RULES, RULES_BY_TARGET, TARGETS, Rule, delete_target
from groundcloud.store import Transaction

RULES_MAX = 300
"""AWS: quota of rules on a bus, in most regions."""

ALL_MANAGEMENT_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


def _access(call: Call, request: Request) -> list[Access]:
    rule_arn = buses.named_rule(call, request)
    facts = conditions.of_new_rule(call, request)
    wanted = [Access("events:PutRule", rule_arn, facts)]
    if request.get("Tags"):
        wanted.append(Access("events:TagResource", rule_arn, facts))
    return wanted


@operation(access=_access)
def put_rule(call: Call, request: Request) -> Request:
    """What is left out of a rule that exists is taken away from it, but for its tags and targets."""
    name = request["Name"]
    tx, bus = buses.load(call, request.get("EventBusName"))
    pattern, expression = request.get("EventPattern", ""), request.get("ScheduleExpression", "")
    if not pattern and not expression:
        raise errors.validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    schedule = schedules.checked(expression, bus.bus_name) if expression else None
    if pattern:
        pattern_of(pattern)
    state = request.get("State", "ENABLED")
    if state == ALL_MANAGEMENT_EVENTS and bus.bus_name != DEFAULT_BUS:
        raise errors.validation(f"{ALL_MANAGEMENT_EVENTS} state is supported only on the default event bus.")
    if request.get("RoleArn"):
        call.authorize("iam:PassRole", request["RoleArn"], {"iam:PassedToService": "events.amazonaws.com"})
    before = RULES.get(tx, bus.bus_name, name)
    if before is not None and before.managed_by:
        raise errors.managed_rule(name)
    if before is None and sum(1 for _ in RULES.keys(tx, bus.bus_name, limit=RULES_MAX)) >= RULES_MAX:
        raise errors.limit_exceeded()
    rule = Rule(
        bus_name=bus.bus_name,
        rule_name=name,
        pattern=pattern,
        schedule=expression,
        state=state,
        description=request.get("Description", ""),
        role_arn=request.get("RoleArn", ""),
        tags=tags.checked(call, request.get("Tags", ())) if before is None else before.tags,
        created_by=before.created_by if before is not None else call.account,
        begun_ms=call.now_ms,
    )
    RULES.put(tx, rule)
    _arm(call, tx, rule, schedule)
    routing.changed(call, tx, bus.bus_name)
    return {"RuleArn": buses.arn_of_rule(tx, rule)}


def _arm(call: Call, tx: Transaction, rule: Rule, schedule: Any) -> None:
    if schedule is not None and rule.state != "DISABLED":
        schedules.arm(call, tx, rule, schedule)
    else:
        schedules.disarm(call, tx, rule)


@operation(resource=buses.named_rule, context=conditions.of_rule)
def describe_rule(call: Call, request: Request) -> Request:
    tx, rule = buses.load_rule(call, request.get("EventBusName"), request["Name"])
    return {**_shown(tx, rule), "CreatedBy": rule.created_by or tx.account}


def _rules_on_bus(call: Call, request: Request) -> str:
    account, region, bus_name = buses.place(call, request.get("EventBusName"))
    return buses.rule_arn(account, region, bus_name, "*")


@operation(resource=_rules_on_bus)
def list_rules(call: Call, request: Request) -> Request:
    tx, bus = buses.load(call, request.get("EventBusName"))
    found, token = pages.page(tx, RULES, request, bus.bus_name, prefix=request.get("NamePrefix", ""))
    return {"Rules": [_shown(tx, rule) for rule in found], "NextToken": token}


@operation(resource=_rules_on_bus)
def list_rule_names_by_target(call: Call, request: Request) -> Request:
    tx, bus = buses.load(call, request.get("EventBusName"))
    limit = request.get("Limit") or pages.LIMIT
    after = pages.after(request)
    names: list[str] = []
    for _, _, rule_name, _ in RULES_BY_TARGET.keys(tx, bus.bus_name, request["TargetArn"], after=after):
        if not names or names[-1] != rule_name:
            names.append(rule_name)
            if len(names) > limit:
                break
    return {"RuleNames": names[:limit], "NextToken": pages.token(names[limit - 1]) if len(names) > limit else None}


@operation(resource=buses.named_rule, context=conditions.of_rule)
def enable_rule(call: Call, request: Request) -> Request:
    return _switch(call, request, "ENABLED")


@operation(resource=buses.named_rule, context=conditions.of_rule)
def disable_rule(call: Call, request: Request) -> Request:
    return _switch(call, request, "DISABLED")


def _switch(call: Call, request: Request, state: str) -> Request:
    tx, rule = buses.load_rule(call, request.get("EventBusName"), request["Name"])
    if rule.managed_by:
        raise errors.managed_rule(rule.rule_name)
    if (rule.state == "DISABLED") is not (state == "DISABLED"):
        rule = rule.replace(state=state, begun_ms=call.now_ms)
        RULES.put(tx, rule)
        _arm(call, tx, rule, schedules.checked(rule.schedule, rule.bus_name) if rule.schedule else None)
        routing.changed(call, tx, rule.bus_name)
    return {}


@operation(resource=buses.named_rule, context=conditions.of_rule)
def delete_rule(call: Call, request: Request) -> Request:
    """Deleting what is not there succeeds."""
    tx, bus = buses.load(call, request.get("EventBusName"))
    rule = RULES.get(tx, bus.bus_name, request["Name"])
    if rule is None:
        return {}
    if rule.managed_by and not request.get("Force"):
        raise errors.managed_rule(rule.rule_name, forcible=True)
    targets = list(TARGETS.scan(tx, rule.bus_name, rule.rule_name))
    if targets and not rule.managed_by:
        raise errors.validation("Rule can't be deleted since it has targets.")
    for target in targets:
        delete_target(tx, target)
    RULES.delete(tx, rule.bus_name, rule.rule_name)
    schedules.disarm(call, tx, rule)
    routing.changed(call, tx, rule.bus_name)
    return {}


def _shown(tx: Transaction, rule: Rule) -> Request:
    return {
        "Name": rule.rule_name,
        "Arn": buses.arn_of_rule(tx, rule),
        "EventPattern": rule.pattern or None,
        "ScheduleExpression": rule.schedule or None,
        "State": rule.state,
        "Description": rule.description or None,
        "RoleArn": rule.role_arn or None,
        "ManagedBy": rule.managed_by or None,
        "EventBusName": rule.bus_name,
    }
