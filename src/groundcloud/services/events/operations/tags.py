"""Tags of buses and rules."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.events import buses, conditions, errors, tags
from groundcloud.services.events.buses import Request
from groundcloud.services.events.state import BUSES, DEFAULT_BUS, RULES, Bus, Rule
from groundcloud.store import Transaction


def _arn(call: Call, request: Request) -> str:
    return str(request["ResourceARN"])


@operation(resource=_arn, context=conditions.of_tagged)
def list_tags_for_resource(call: Call, request: Request) -> Request:
    _, found = _load(call, request)
    return {"Tags": [{"Key": key, "Value": value} for key, value in found.tags.items()]}


@operation(resource=_arn, context=conditions.of_tagged)
def tag_resource(call: Call, request: Request) -> Request:
    tx, found = _load(call, request)
    _refuse_managed(found)
    _save(tx, found, tags.checked(call, request["Tags"], found.tags))
    return {}


@operation(resource=_arn, context=conditions.of_tagged)
def untag_resource(call: Call, request: Request) -> Request:
    tx, found = _load(call, request)
    _refuse_managed(found)
    _save(tx, found, {key: value for key, value in found.tags.items() if key not in request["TagKeys"]})
    return {}


def _load(call: Call, request: Request) -> tuple[Transaction, Bus | Rule]:
    parts = request["ResourceARN"].split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "events":
        raise errors.not_valid("ResourceARN", "Provided Arn is not in correct format.")
    kind, _, name = parts[5].partition("/")
    tx = call.tx.at(parts[4], parts[3])
    if kind == "event-bus":
        bus = buses.find(tx, name)
        if bus is None:
            raise errors.no_bus(name)
        return tx, bus
    if kind != "rule":
        raise errors.not_valid("ResourceARN", "Only rules and event buses can be tagged.")
    bus_name, _, rule_name = name.rpartition("/")
    rule = RULES.get(tx, bus_name or DEFAULT_BUS, rule_name)
    if rule is None:
        raise errors.no_rule(rule_name, bus_name or DEFAULT_BUS)
    return tx, rule


def _refuse_managed(found: Bus | Rule) -> None:
    if isinstance(found, Rule) and found.managed_by:
        raise errors.managed_rule(found.rule_name)


def _save(tx: Transaction, found: Bus | Rule, changed: dict[str, str]) -> None:
    if isinstance(found, Bus):
        BUSES.put(tx, found.replace(tags=changed))
    else:
        RULES.put(tx, found.replace(tags=changed))
