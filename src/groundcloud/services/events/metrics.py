"""Metrics of AWS/Events: what rules do with events. What reads the telemetry turns them into points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.kernel.telemetry import CallRecord
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

MATCHED = {"MatchedEvents": 1.0, "TriggeredRules": 1.0}
DELIVERED = {"Invocations": 1.0}


def measure(call: Call, tx: Transaction, rule_arn: str, figures: dict[str, float]) -> None:
    """Once the transaction is committed. `figures` by AWS's names of the metrics; a rule of the default bus is named by itself, another with its bus."""
    _, _, _, region, account, resource = rule_arn.split(":", 5)
    bus_name, _, rule_name = resource.partition("/")[2].rpartition("/")
    dimensions = {"EventBusName": bus_name, "RuleName": rule_name} if bus_name else {"RuleName": rule_name}
    record = CallRecord(
        call.request_id,
        call.clock.now_ms(),
        account,
        region,
        "events",
        "Measure",
        rule_arn,
        "events.amazonaws.com",
        200,
        "",
        0,
        units=figures,
        dimensions=dimensions,
    )
    tx.after_commit(lambda: call.ground.telemetry.emit(record))
