"""Archives at work: what replays them, what ends their events' retention, what clears deleted ones.

A replay's states: STARTING --first turn--> RUNNING --every event replayed--> COMPLETED; CANCELLING (asked for) --next turn--> CANCELLED.
"""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.services.events import envelopes, routing
from groundcloud.services.events.state import (
    ARCHIVE_SIZES,
    ARCHIVED,
    ARCHIVED_DUE,
    ARCHIVES,
    REPLAYS,
    Archive,
    delete_archived,
)
from groundcloud.store import Transaction

DAY_MS = 86_400_000
REPLAYED_A_TURN = 100
DELETED_A_TURN = 500
ENDED = ("COMPLETED", "CANCELLED", "FAILED")


def replay_some(call: Call, replay_name: str) -> None:
    """One turn of a replay; schedules the next."""
    tx = call.tx
    replay = REPLAYS.get(tx, replay_name)
    if replay is None or replay.state in ENDED:
        return
    if replay.state == "CANCELLING":
        REPLAYS.put(tx, replay.replace(state="CANCELLED", ended_ms=call.now_ms))
        return
    after = tuple(replay.cursor) if replay.cursor is not None else None
    bounds = {"after": after} if after is not None else {"start": replay.start_ms}
    bus_name = replay.bus_arn.partition("/")[2]
    count, cursor, last_ms = 0, replay.cursor, replay.last_ms
    found = list(ARCHIVED.items(tx, replay.archive_id, stop=replay.end_ms + 1, limit=REPLAYED_A_TURN, **bounds))
    for (_, event_ms, sequence), raw in found:
        event = envelopes.replayed(raw, replay_name, call.now_ms)
        routing.replay(call, tx, bus_name, event, replay.rule_arns)
        count, cursor, last_ms = count + 1, (event_ms, sequence), event_ms
    if count == REPLAYED_A_TURN:
        REPLAYS.put(tx, replay.replace(state="RUNNING", cursor=cursor, last_ms=last_ms))
        call.schedule(call.now_ms, "events.replay", replay_name)
        return
    REPLAYS.put(tx, replay.replace(state="COMPLETED", cursor=cursor, last_ms=last_ms, ended_ms=call.now_ms))


def arm(call: Call, tx: Transaction, archive: Archive) -> None:
    """The timer of the next end of retention."""
    if not archive.retention_days:
        call.unschedule("events.expire", archive.archive_name, tx=tx)
        return
    oldest = next(ARCHIVED_DUE.keys(tx, archive.archive_id, limit=1), None)
    begun_ms = oldest[1] if oldest is not None else call.now_ms
    due_ms = max(begun_ms + archive.retention_days * DAY_MS, call.now_ms)
    call.schedule(due_ms, "events.expire", archive.archive_name, key=archive.archive_name, tx=tx)


def expire(call: Call, archive_name: str) -> None:
    """Deletes what is past the archive's retention, a bounded number a turn."""
    archive = ARCHIVES.get(call.tx, archive_name)
    if archive is None or not archive.retention_days:
        return
    limit_ms = call.now_ms - archive.retention_days * DAY_MS
    for key in list(ARCHIVED_DUE.keys(call.tx, archive.archive_id, stop=limit_ms + 1, limit=DELETED_A_TURN)):
        archive_id, arrived_ms, event_ms, sequence = key
        delete_archived(call.tx, archive_id, arrived_ms, event_ms, sequence)
    arm(call, call.tx, archive)


def clear(call: Call, archive_id: str) -> None:
    """One turn of removing what a deleted archive held."""
    keys = list(ARCHIVED_DUE.keys(call.tx, archive_id, limit=DELETED_A_TURN))
    for _, arrived_ms, event_ms, sequence in keys:
        delete_archived(call.tx, archive_id, arrived_ms, event_ms, sequence)
    if keys:
        call.schedule(call.now_ms, "events.clear", archive_id)
    else:
        ARCHIVE_SIZES.delete(call.tx, archive_id)
