"""The attribute of a table that says when an item expires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, errors, expiry, shapes, state
from groundcloud.services.dynamodb.operations.tables import load

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

SURVEY_TIMER = "dynamodb.survey"
CHANGE_DISTANCE_MS = 3_600_000
"""AWS takes up to an hour for a change and refuses another meanwhile. Source: API_UpdateTimeToLive."""


@operation(raw=True, resource=access.table_of_request)
def update_time_to_live(call: Call, request: Request) -> dict[str, Any]:
    """Takes effect for new writes at once; items that are there already are surveyed in the background."""
    shapes.check("UpdateTimeToLive", request)
    wanted = request["TimeToLiveSpecification"]
    tx, table = load(call, request["TableName"])
    attribute, enabled = wanted["AttributeName"], wanted["Enabled"]
    current = table.time_to_live_attribute
    if enabled and table.consistency == "STRONG":
        raise errors.not_of_strong_tables("Time to live is")
    if enabled:
        if current is not None:
            if current == attribute:
                raise errors.validation("TimeToLive is already enabled")
            raise errors.validation(f"TimeToLive is active on a different AttributeName: current AttributeName is {current}")
        if attribute in dict(table.key):
            raise errors.validation("TimeToLive attribute cannot be a key attribute of the table")
    else:
        if current is None:
            raise errors.validation("TimeToLive is already disabled")
        if current != attribute:
            raise errors.validation(f"TimeToLive is active on a different AttributeName: current AttributeName is {current}")
    # Stacks are not held to it: a change of the attribute is two calls in a row.
    if call.http is not None and call.now_ms < table.time_to_live_changed_ms + CHANGE_DISTANCE_MS:
        raise errors.validation("Time to live has been modified multiple times within a fixed interval")
    _switch(call, tx, table, attribute, enabled)
    for region in table.replicas:
        place = tx.at(tx.account, region)
        replica = state.find_table(place, table.table_name)
        if replica is not None:
            _switch(call, place, replica, attribute, enabled)
    return {"TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute}}


@operation(raw=True, resource=access.table_of_request)
def describe_time_to_live(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeTimeToLive", request)
    _, table = load(call, request["TableName"])
    if table.time_to_live_attribute is None:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": table.time_to_live_attribute}}


def _switch(call: Call, tx: Any, table: state.TableDefinition, attribute: str, enabled: bool) -> None:
    changed = table.replace(time_to_live_attribute=attribute if enabled else None, time_to_live_changed_ms=call.now_ms)
    state.put_table(tx, changed)
    if not enabled:
        expiry.forget_timer(call, tx, table)
    payload = {"table_name": table.table_name, "table_number": table.table_number, "attribute": attribute, "enabled": enabled}
    call.schedule(call.now_ms, SURVEY_TIMER, payload, tx=tx)
