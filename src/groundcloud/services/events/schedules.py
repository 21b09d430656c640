"""Rules' schedules on the clock: one durable timer a rule."""

from __future__ import annotations

from groundcloud.base.schedule_expressions import Cron, InvalidExpression, Rate, parse
from groundcloud.kernel.call import Call
from groundcloud.services.events import errors
from groundcloud.services.events.state import DEFAULT_BUS, Rule
from groundcloud.store import Transaction

TIMER = "events.schedule"


def checked(expression: str, bus_name: str) -> Rate | Cron:
    """Raises ValidationException for an expression that is none, or not on the default bus."""
    if bus_name != DEFAULT_BUS:
        raise errors.validation("ScheduleExpression is supported only on the default event bus.")
    try:
        return parse(expression)
    except InvalidExpression:
        raise errors.not_valid("ScheduleExpression") from None


def arm(call: Call, tx: Transaction, rule: Rule, schedule: Rate | Cron) -> None:
    """The timer of the rule's next run."""
    due_ms = schedule.next_ms(rule.begun_ms, call.now_ms)
    if due_ms is not None:
        call.schedule(due_ms, TIMER, [rule.bus_name, rule.rule_name], key=key(rule), tx=tx)


def disarm(call: Call, tx: Transaction, rule: Rule) -> None:
    call.unschedule(TIMER, key(rule), tx=tx)


def key(rule: Rule) -> str:
    return f"{rule.bus_name}/{rule.rule_name}"
