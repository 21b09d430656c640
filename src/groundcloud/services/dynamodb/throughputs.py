"""Changes of provisioned throughput and billing mode: what AWS lets a table do in a day.

Pure. Source: Developer Guide, "Quotas" > Decreasing provisioned throughput; "Considerations when switching capacity modes".
"""

from __future__ import annotations

from time import gmtime, strftime
from typing import Any, TypeVar

from groundcloud.services.dynamodb import descriptions, errors
from groundcloud.services.dynamodb.state import Index, TableDefinition

FREE_DECREASES = 4
"""Decreases of a UTC day that need not keep a distance; the later ones come an hour apart."""
DECREASE_DISTANCE_MS = 3_600_000
ON_DEMAND_SWITCHES_MAX = 4
"""Switches to on-demand within 24 hours."""

Holder = TypeVar("Holder", TableDefinition, Index)


def changed(of: Holder, throughput: dict[str, Any], noun: str, now_ms: int) -> Holder:
    """The table or index with another throughput. Raises where it is the same, or lowered too often."""
    reads, writes = throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]
    if (reads, writes) == (of.read_units, of.write_units):
        raise errors.validation(
            f"The provisioned throughput for {noun} will not change. The requested value equals the current value. "
            f"Current ReadCapacityUnits provisioned for {_bare(noun)}: {reads}. Requested ReadCapacityUnits: {reads}. "
            f"Current WriteCapacityUnits provisioned for {_bare(noun)}: {writes}. Requested WriteCapacityUnits: {writes}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )
    found: Holder = of.replace(read_units=reads, write_units=writes)
    if reads < of.read_units or writes < of.write_units:
        before = descriptions.decreases_today(of, now_ms)
        next_ms = of.units_decreased_ms + DECREASE_DISTANCE_MS
        if before >= FREE_DECREASES and now_ms < next_ms:
            raise errors.limit_exceeded(
                "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. "
                f"After the first {FREE_DECREASES} decreases, each subsequent decrease in the same UTC day can be performed at most once "
                f"every {DECREASE_DISTANCE_MS // 1000} seconds. Number of decreases today: {before}. "
                f"Last decrease at {_long(of.units_decreased_ms)}. Next decrease can be made at {_long(next_ms)}"
            )
        found = found.replace(units_decreased_ms=now_ms, units_decreases=before + 1)
    if reads > of.read_units or writes > of.write_units:
        found = found.replace(units_changed_ms=now_ms)
    return found


def switched_to_on_demand(table: TableDefinition, now_ms: int) -> TableDefinition:
    recent = tuple(at_ms for at_ms in table.on_demand_switches_ms if at_ms > now_ms - descriptions.DAY_MS)
    if len(recent) >= ON_DEMAND_SWITCHES_MAX:
        raise errors.limit_exceeded(
            f"Subscriber limit exceeded: Update to PayPerRequest mode are limited to {ON_DEMAND_SWITCHES_MAX} times in 1 day(s). "
            f"Last update at {_short(recent[-1])}. Next update can be made at {_short(recent[0] + descriptions.DAY_MS)}"
        )
    indexes = tuple(index.replace(read_units=0, write_units=0) for index in table.indexes)
    return table.replace(  # type: ignore[no-any-return]
        billing_mode="PAY_PER_REQUEST",
        billing_changed_ms=now_ms,
        on_demand_switches_ms=(*recent, now_ms),
        read_units=0,
        write_units=0,
        indexes=indexes,
    )


def warmer(wanted: dict[str, int], of: TableDefinition | Index, billing_mode: str, noun: str) -> dict[str, int]:
    """The warm throughput that is asked for. AWS: it can be increased only."""
    for member, units in wanted.items():
        if units < descriptions.warm_units(billing_mode, of)[member]:
            raise errors.invalid_parameters(
                f"Requested {member} for WarmThroughput for {noun} is lower than current WarmThroughput, "
                "decreasing WarmThroughput is not supported"
            )
    return {**of.warm_throughput, **wanted}


def on_demand_limits(wanted: dict[str, int], current: dict[str, int]) -> dict[str, int]:
    """The most that an on-demand table or index takes a second; -1 takes a limit away. Source: API_OnDemandThroughput."""
    for member, units in wanted.items():
        if units < 1 and units != -1:
            raise errors.invalid_parameters(f"{member} of OnDemandThroughput must be at least 1, or -1 for no maximum")
    return {name: units for name, units in {**current, **wanted}.items() if units != -1}


def _bare(noun: str) -> str:
    return "the index" if noun.startswith("the index") else noun


def _long(at_ms: int) -> str:
    at = gmtime(at_ms // 1000)
    return f"{strftime('%A, %B', at)} {at.tm_mday}, {at.tm_year} at {at.tm_hour % 12 or 12}:{strftime('%M:%S %p', at)} Coordinated Universal Time"


def _short(at_ms: int) -> str:
    return strftime("%a %b %d %H:%M:%S UTC %Y", gmtime(at_ms // 1000))
