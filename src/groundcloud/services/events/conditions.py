"""Condition keys of EventBridge's operations. Source: Service Authorization Reference, "Condition keys for Amazon EventBridge"."""

from __future__ import annotations

from typing import Any

from groundcloud.base.event_patterns import Pattern
from groundcloud.kernel.call import Call
from groundcloud.services.events import buses
from groundcloud.services.events.buses import Request
from groundcloud.services.events.state import DEFAULT_BUS, RULES, Rule

Facts = dict[str, Any]


def of_rule(call: Call, request: Request) -> Facts:
    """Of the rule that a request names: its tags, its creator, who manages it. An account's root needs none of it."""
    if call.principal.kind == "root":
        return {}
    account, region, bus_name = buses.place(call, request.get("EventBusName"))
    rule = RULES.get(call.reading().at(account, region), bus_name, request.get("Rule") or request["Name"])
    return _rule(rule) if rule is not None else {}


def of_targets(call: Call, request: Request) -> Facts:
    """events:TargetArn: every target that is put."""
    return {**of_rule(call, request), "events:TargetArn": [target["Arn"] for target in request["Targets"]]}


def of_new_rule(call: Call, request: Request) -> Facts:
    """Of PutRule: what its pattern asks for, as far as it names strings, and its tags."""
    facts = {**of_rule(call, request), **of_new_tags(call, request)}
    facts.setdefault("events:creatorAccount", call.account)
    try:
        exact = Pattern(request["EventPattern"]).exact if request.get("EventPattern") else {}
    except ValueError:
        return facts
    for name in ("source", "detail-type"):
        if name in exact:
            facts[f"events:{name}"] = sorted(exact[name])
    return facts


def of_new_tags(call: Call, request: Request) -> Facts:
    """aws:RequestTag and aws:TagKeys."""
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    facts: Facts = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if keys := [*tags, *request.get("TagKeys", ())]:
        facts["aws:TagKeys"] = keys
    return facts


def of_tagged(call: Call, request: Request) -> Facts:
    """Of the operations on tags: the new ones, and those that the resource has."""
    facts = of_new_tags(call, request)
    parts = request["ResourceARN"].split(":", 5)
    if call.principal.kind == "root" or len(parts) != 6:
        return facts
    kind, _, name = parts[5].partition("/")
    tx = call.reading().at(parts[4], parts[3])
    if kind == "rule":
        bus_name, _, rule_name = name.rpartition("/")
        rule = RULES.get(tx, bus_name or DEFAULT_BUS, rule_name)
        return {**facts, **(_rule(rule) if rule is not None else {})}
    bus = buses.find(tx, name)
    return {**facts, **(_tags(bus.tags) if bus is not None else {})}


def of_bus(call: Call, request: Request) -> Facts:
    """Of the bus that a request names: its tags."""
    if call.principal.kind == "root":
        return {}
    account, region, bus_name = buses.place(call, request.get("EventBusName") or request.get("Name"))
    bus = buses.find(call.reading().at(account, region), bus_name)
    return _tags(bus.tags) if bus is not None else {}


def _rule(rule: Rule) -> Facts:
    facts = _tags(rule.tags)
    if rule.created_by:
        facts["events:creatorAccount"] = rule.created_by
    if rule.managed_by:
        facts["events:ManagedBy"] = rule.managed_by
    return facts


def _tags(tags: dict[str, str]) -> Facts:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
