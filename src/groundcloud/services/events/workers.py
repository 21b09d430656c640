"""What EventBridge does by itself: schedules, deliveries, replays, the end of archived events' retention; and events that come from other services."""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.base import arn as arns
from groundcloud.base.schedule_expressions import parse
from groundcloud.kernel.call import Call
from groundcloud.kernel.call import Delivery as Handed
from groundcloud.kernel.service import target, timer
from groundcloud.services.events import (
    archives,
    buses,
    connections,
    deliveries,
    envelopes,
    errors,
    http_targets,
    metrics,
    routing,
    schedules,
)
from groundcloud.services.events.deliveries import Delivery
from groundcloud.services.events.state import RULES


@timer("events.schedule")
def schedule(call: Call, rule: list[str]) -> None:
    """One run of a rule's schedule, and the next one's timer."""
    bus_name, rule_name = rule
    found = RULES.get(call.tx, bus_name, rule_name)
    if found is None or not found.schedule or found.state == "DISABLED":
        return
    compiled = routing.compile_rule(call.tx, found)
    routing.trigger(call, call.tx, compiled, envelopes.scheduled(call, compiled.rule_arn))
    schedules.arm(call, call.tx, found, parse(found.schedule))


@timer("events.deliver")
def deliver(call: Call, raw: Any) -> None:
    """One attempt, in the transaction that removes it."""
    delivery = msgspec.convert(raw, Delivery)
    tx = call.tx
    savepoint = tx.savepoint()
    try:
        call.ground.outbox.take(call, deliveries.handed(call, delivery))
    except Exception as error:  # whatever the target's room raises is this attempt's failure
        tx.roll_back_to(savepoint)
        deliveries.failed(call, tx, delivery, error)
    else:
        metrics.measure(call, tx, delivery.rule_arn, metrics.DELIVERED)


@timer("events.deliver-async")
async def deliver_async(call: Call, raw: Any) -> None:
    delivery = msgspec.convert(raw, Delivery)
    try:
        waiting = call.ground.outbox.take(call, deliveries.handed(call, delivery))
        if waiting is not None:
            await waiting
    except Exception as error:  # whatever the target's room raises is this attempt's failure
        with call.transaction() as tx:
            deliveries.failed(call, tx, delivery, error)
    else:
        with call.transaction() as tx:
            metrics.measure(call, tx, delivery.rule_arn, metrics.DELIVERED)


@timer("events.call")
async def call_out(call: Call, raw: Any) -> None:
    """One attempt at a target that is called over HTTP: an API destination, an API of API Gateway."""
    delivery = msgspec.convert(raw, Delivery)
    try:
        sent = await http_targets.send(call, delivery)
    except Exception as error:  # whatever happens to the call is this attempt's failure
        with call.transaction() as tx:
            deliveries.failed(call, tx, delivery, error)
    else:
        if sent:
            with call.transaction() as tx:
                metrics.measure(call, tx, delivery.rule_arn, metrics.DELIVERED)


@timer("events.authorize")
async def authorize(call: Call, connection: list[str]) -> None:
    """A new OAuth connection's first token."""
    await connections.authorize(call, *connection)


@timer("events.replay")
def replay(call: Call, replay_name: str) -> None:
    archives.replay_some(call, replay_name)


@timer("events.expire")
def expire(call: Call, archive_name: str) -> None:
    archives.expire(call, archive_name)


@timer("events.clear")
def clear(call: Call, archive_id: str) -> None:
    archives.clear(call, archive_id)


@target("events")
def into_bus(call: Call, delivery: Handed) -> None:
    """An event from a service of AWS (to the default bus, without asking), from a role (a function's destination), or from a rule of another bus."""
    arn = arns.parse(delivery.target_arn)
    kind, _, bus_name = arn.resource.partition("/")
    if kind != "event-bus":
        raise errors.not_valid("Arn", f"{delivery.target_arn} takes no events.")
    hops = int(delivery.attributes.get("hops", "0"))
    if hops > deliveries.HOPS_MAX:
        raise deliveries.Failed("THIRD_ACCOUNT_HOP_DETECTED", f"the event went through more than {deliveries.HOPS_MAX} buses", final=True)
    if buses.find(call.tx, bus_name) is None:
        raise errors.no_bus(bus_name)
    sender = delivery.source_arn.split(":")[4] if delivery.source_arn.startswith("arn:aws:events:") else ""
    if call.principal.kind != "service":
        call.authorize("events:PutEvents", delivery.target_arn)
    elif sender and sender != arn.account:
        root = Principal("root", f"arn:aws:iam::{sender}:root", sender, "", sender)
        call.as_principal(root).authorize("events:PutEvents", delivery.target_arn)
    if hops:
        event = envelopes.from_bus(delivery.payload, call.now_ms)._replace(hops=hops)
    else:
        account = sender or call.source_account or call.account
        event = envelopes.from_service(call, delivery.payload, delivery.delivery_id or call.new_id(), account)
    routing.publish(call, call.tx, bus_name, event)
