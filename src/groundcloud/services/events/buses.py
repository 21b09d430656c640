"""Names, ARNs and policies of buses and rules: how a request names them, and finding them."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.events import errors
from groundcloud.services.events.state import BUSES, DEFAULT_BUS, RULES, Bus, Rule
from groundcloud.store import Transaction

Request = dict[str, Any]
Place = tuple[str, str, str]
"""(account, region, bus name)."""


def place(call: Call, name_or_arn: str | None) -> Place:
    """Where the bus is that a request names."""
    if not name_or_arn:
        return call.account, call.region, DEFAULT_BUS
    if name_or_arn.startswith("arn:"):
        parts = name_or_arn.split(":", 5)
        return parts[4], parts[3], parts[5].partition("/")[2]
    return call.account, call.region, name_or_arn


def bus_arn(account: str, region: str, bus_name: str) -> str:
    return f"arn:aws:events:{region}:{account}:event-bus/{bus_name}"


def rule_arn(account: str, region: str, bus_name: str, rule_name: str) -> str:
    middle = "" if bus_name == DEFAULT_BUS else f"{bus_name}/"
    return f"arn:aws:events:{region}:{account}:rule/{middle}{rule_name}"


def find(tx: Transaction, bus_name: str) -> Bus | None:
    """The default bus is there without having been created."""
    found = BUSES.get(tx, bus_name)
    return Bus(bus_name=DEFAULT_BUS) if found is None and bus_name == DEFAULT_BUS else found


def load(call: Call, name_or_arn: str | None) -> tuple[Transaction, Bus]:
    """The bus that a request names, and the transaction seen from its account. Raises ResourceNotFoundException."""
    account, region, bus_name = place(call, name_or_arn)
    tx = call.tx.at(account, region)
    found = find(tx, bus_name)
    if found is None:
        raise errors.no_bus(bus_name)
    return tx, found


def load_rule(call: Call, name_or_arn: str | None, rule_name: str) -> tuple[Transaction, Rule]:
    """Raises ResourceNotFoundException for a missing bus or rule."""
    tx, bus = load(call, name_or_arn)
    found = RULES.get(tx, bus.bus_name, rule_name)
    if found is None:
        raise errors.no_rule(rule_name, bus.bus_name)
    return tx, found


def arn_of_rule(tx: Transaction, rule: Rule) -> str:
    return rule_arn(tx.account, tx.region, rule.bus_name, rule.rule_name)


def named_bus(call: Call, request: Request) -> str:
    """The bus of a request's EventBusName; for authorisation."""
    return bus_arn(*place(call, request.get("EventBusName")))


def bus_of_name(call: Call, request: Request) -> str:
    return bus_arn(*place(call, request.get("Name")))


def named_rule(call: Call, request: Request) -> str:
    """The rule of a request's Name or Rule; for authorisation."""
    account, region, bus_name = place(call, request.get("EventBusName"))
    return rule_arn(account, region, bus_name, request.get("Rule") or request["Name"])


def policy_of_resource(call: Call, resource_arn: str) -> str | None:
    """The policy that decides about a bus or a rule on it."""
    parts = resource_arn.split(":", 5)
    if len(parts) != 6:
        return None
    kind, _, name = parts[5].partition("/")
    if kind == "rule":
        bus_name = name.rpartition("/")[0] or DEFAULT_BUS
    elif kind == "event-bus":
        bus_name = name
    else:
        return None
    bus = BUSES.get(call.reading().at(parts[4], parts[3]), bus_name)
    return bus.policy or None if bus is not None else None
