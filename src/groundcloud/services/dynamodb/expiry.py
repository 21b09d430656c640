"""Time to live: which item expires when, and the timer that removes it.

A table has one timer, set for the earliest expiry in it. AWS removes an expired item within days; here it goes as soon as the clock has
passed the moment. Until then reads show it, as on AWS. Source: Developer Guide, "Using time to live (TTL) in DynamoDB".
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb.state import EXPIRY, EXPIRY_DUE, TableDefinition
from groundcloud.services.dynamodb.values import Item

TIMER = "dynamodb.expire"
TOO_OLD_S = 5 * 365 * 86_400
"""A moment more than five years past is taken for a mistake and never expires."""
SECONDS_MAX = 1 << 53


def expires_s(attribute: str, item: Item | None, now_s: int) -> int | None:
    """The second after which an item is expired; None where it is not."""
    if item is None:
        return None
    value = item.get(attribute)
    if value is None:
        return None
    text = value.get("N")
    if text is None or len(text) > 40:
        return None
    seconds = int(text.partition(".")[0] or 0)
    return seconds if now_s - TOO_OLD_S <= seconds < SECONDS_MAX and seconds > 0 else None


def track(call: Any, tx: Any, table: TableDefinition, key: tuple[bytes, bytes], old: Item | None, new: Item | None) -> None:
    """Follows a change of an item in the list of what expires."""
    attribute = table.time_to_live_attribute
    if attribute is None:
        return
    before = None if old is None else _seconds(attribute, old)
    after = expires_s(attribute, new, call.now_s)
    if before == after:
        return
    if before is not None:
        EXPIRY.delete(tx, table.table_number, before, *key)
    if after is not None:
        EXPIRY.put(tx, table.table_number, after, *key)
        set_timer(call, tx, table, after)


def set_timer(call: Any, tx: Any, table: TableDefinition, at_s: int) -> None:
    """Sets the table's timer, unless it is set for no later already."""
    due_s = EXPIRY_DUE.get(tx, table.table_number)
    if due_s is not None and due_s <= at_s:
        return
    EXPIRY_DUE.put(tx, table.table_number, at_s)
    payload = {"table_name": table.table_name, "table_number": table.table_number}
    call.schedule((at_s + 1) * 1000, TIMER, payload, key=str(table.table_number), tx=tx)


def forget_timer(call: Any, tx: Any, table: TableDefinition) -> None:
    EXPIRY_DUE.delete(tx, table.table_number)
    call.unschedule(TIMER, str(table.table_number), tx=tx)


def _seconds(attribute: str, item: Item) -> int | None:
    """As `expires_s` when the item was written, however long ago that is."""
    return expires_s(attribute, item, 0)
