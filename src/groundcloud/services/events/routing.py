"""From an event to the targets that it meets: each bus's enabled rules, compiled once and looked up by their source.

The compiled rules of a bus are forgotten when a rule, a target or an archive of it changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from groundcloud.base import arn as arns
from groundcloud.base.event_patterns import Pattern
from groundcloud.kernel.call import Call
from groundcloud.kernel.call import Delivery as Handed
from groundcloud.services.events import buses, deliveries, inputs, metrics
from groundcloud.services.events.envelopes import Event
from groundcloud.services.events.inputs import Source
from groundcloud.services.events.state import ARCHIVES, DEFAULT_BUS, RULES, TARGETS, Archive, Rule, Target, put_archived
from groundcloud.store import Transaction

BUSES_COMPILED_MAX = 4096


class CompiledTarget(NamedTuple):
    make: inputs.Make
    target: Target


class CompiledRule(NamedTuple):
    rule: Rule
    rule_arn: str
    pattern: Pattern | None
    targets: tuple[CompiledTarget, ...]


class CompiledArchive(NamedTuple):
    archive: Archive
    pattern: Pattern | None


class CompiledBus:
    """`by_source`: rules that name the sources they want; `others`: those that must be looked at for every event."""

    def __init__(self, rules: list[CompiledRule], archives: list[CompiledArchive]) -> None:
        self.by_source: dict[str, list[CompiledRule]] = {}
        self.others: list[CompiledRule] = []
        self.archives = archives
        for rule in rules:
            sources = rule.pattern.exact.get("source") if rule.pattern is not None else None
            if sources is None:
                self.others.append(rule)
            for source in sources or ():
                self.by_source.setdefault(source, []).append(rule)

    def meeting(self, event: Event) -> Iterable[CompiledRule]:
        document = event.document
        for rule in (*self.by_source.get(document["source"], ()), *self.others):
            if rule.pattern is not None and rule.pattern.matches(document):
                yield rule


def publish(call: Call, tx: Transaction, bus_name: str, event: Event) -> None:
    """Writes the deliveries to every target that the event meets on this bus, and the archives' copies. `tx` is seen from the bus's account."""
    bus = compiled(call, tx, bus_name)
    for rule in bus.meeting(event):
        trigger(call, tx, rule, event)
    if bus.archives and "replay-name" not in event.document:
        for archive, pattern in bus.archives:
            if pattern is None or pattern.matches(event.document):
                put_archived(tx, archive.archive_id, event.at_ms, call.now_ms, event.text.encode())


def interested(call: Call, tx: Transaction, delivery: Handed) -> bool:
    """False for a service's event to a default bus that has neither rules nor archives. What a role sends is authorised on arrival, heard or not."""
    arn = arns.parse(delivery.target_arn)
    if delivery.principal.startswith("arn:") or arn.resource != f"event-bus/{DEFAULT_BUS}":
        return True
    bus = compiled(call, tx.at(arn.account or call.account, arn.region or call.region), DEFAULT_BUS)
    return bool(bus.by_source or bus.others or bus.archives)


def replay(call: Call, tx: Transaction, bus_name: str, event: Event, rule_arns: tuple[str, ...]) -> None:
    """A replayed event goes to the chosen rules, or to all."""
    for rule in compiled(call, tx, bus_name).meeting(event):
        if not rule_arns or rule.rule_arn in rule_arns:
            trigger(call, tx, rule, event)


def trigger(call: Call, tx: Transaction, rule: CompiledRule, event: Event) -> None:
    source = Source(event, rule.rule_arn, rule.rule.rule_name, call.now_ms)
    metrics.measure(call, tx, rule.rule_arn, {"TriggeredRules": 1.0} if rule.pattern is None else metrics.MATCHED)
    for make, target in rule.targets:
        deliveries.begin(call, tx, target, rule.rule_arn, event, make(source))


def compiled(call: Call, tx: Transaction, bus_name: str) -> CompiledBus:
    known: dict[tuple[str, str, str], CompiledBus] = call.ground.own("events/buses", dict)
    place = (tx.account, tx.region, bus_name)
    found = known.get(place)
    if found is None:
        if len(known) >= BUSES_COMPILED_MAX:
            known.clear()
        rules = [compile_rule(tx, rule) for rule in RULES.scan(tx, bus_name) if rule.state != "DISABLED" and not rule.managed_by]
        bus_arn = buses.bus_arn(tx.account, tx.region, bus_name)
        archives = [
            CompiledArchive(archive, Pattern(archive.pattern) if archive.pattern else None)
            for archive in ARCHIVES.scan(tx)
            if archive.bus_arn == bus_arn
        ]
        found = known[place] = CompiledBus(rules, archives)
    return found


def compile_rule(tx: Transaction, rule: Rule) -> CompiledRule:
    targets = tuple(CompiledTarget(inputs.compiled(target.document), target) for target in TARGETS.scan(tx, rule.bus_name, rule.rule_name))
    return CompiledRule(rule, buses.arn_of_rule(tx, rule), Pattern(rule.pattern) if rule.pattern else None, targets)


def changed(call: Call, tx: Transaction, bus_name: str) -> None:
    """Forgets what is compiled of a bus, once the change is committed."""
    known: dict[tuple[str, str, str], Any] = call.ground.own("events/buses", dict)
    place = (tx.account, tx.region, bus_name)

    def forget() -> None:
        known.pop(place, None)

    tx.after_commit(forget)
