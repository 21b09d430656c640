"""Global tables: one table in several regions of this server, each of which takes writes.

EVENTUAL: a write is queued for every other replica and arrives there after the lag; of two writes of one item the later wins everywhere,
because every write has a number from one sequence for all regions. STRONG: a write is made in every region by its own transaction.
Where a fault plan leaves the region that is asked without a majority of a STRONG table's three, its witness counted, writes and strongly
consistent reads fail; with one of three lost they go on. A region without a majority still reads eventually, and then what the others
have written meanwhile too, which on AWS it would see later.
The lag is half a second of virtual time, or what the table's tag `groundcloud:replication-lag-ms` says.
Source: Developer Guide, "Global tables - multi-active, multi-Region replication".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcloud.services.dynamodb import errors, state, tags
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.store import Record, Table

TIMER = "dynamodb.replicate"
REPLICATION = "ReplicateItem"
"""As a fault plan names the work between two regions."""
LAG_MS = 500
LAG_TAG = "groundcloud:replication-lag-ms"
RETRY_MS = 1_000
LOST_RETRY_MS = 10_000
"""How long a write waits that is on its way from or to a region that a fault plan has taken away."""
BITE = 200


class Write(Record, frozen=True):
    """A write on its way to another region; `raw` is None for a deletion."""

    table_number: int
    target_region: str
    due_ms: int
    version: int
    table_name: str
    partition: bytes
    sort: bytes
    raw: bytes | None


WRITES = Table("dynamodb/replication", Write, key=("table_number", "target_region", "due_ms", "version"))
VERSIONS = Table("dynamodb/versions", int, key=3)
"""(table number, partition, sort) -> the number of the write that an item, or its absence, is from."""


def send(call: Any, tx: Any, table: TableDefinition, key: tuple[bytes, bytes], raw: bytes | None) -> list[tuple[Any, TableDefinition]]:
    """Passes a write of this region on to the others; gives the replicas (place, table) in which it must be made at once."""
    if table.consistency == "STRONG":
        places = [tx.at(tx.account, region) for region in table.replicas]
        found = [(place, state.find_table(place, table.table_name)) for place in places]
        return [(place, replica) for place, replica in found if replica is not None]
    version = tx.at(tx.account, "").sequence("dynamodb/replication")
    VERSIONS.put(tx, table.table_number, *key, version)
    due_ms = call.now_ms + lag_ms(tx, table)
    for region in table.replicas:
        first = next(WRITES.keys(tx, table.table_number, region, limit=1), None)
        WRITES.put(tx, Write(table.table_number, region, due_ms, version, table.table_name, *key, raw))
        if first is None or first[2] > due_ms:
            set_timer(call, tx, table.table_number, region, due_ms)
    return []


def require_majority(call: Any, place: Any, table: TableDefinition) -> None:
    """For writes and strongly consistent reads of a table with replicas; raises InternalServerError."""
    if not has_majority(call, place, table):
        raise errors.no_majority()


def has_majority(call: Any, place: Any, table: TableDefinition) -> bool:
    """Whether a region reaches more than half of those of a STRONG table; of others always."""
    if table.consistency != "STRONG" or not call.ground.faults.plan:
        return True
    others = (*table.replicas, table.witness) if table.witness else table.replicas
    strike = call.ground.faults.strike
    reached = 1
    if not strike("dynamodb", REPLICATION, place.region):
        reached += sum(not strike("dynamodb", REPLICATION, region) for region in others)
    return reached > (1 + len(others)) // 2


def arrivals(call: Any, table_number: int, region: str) -> Iterator[tuple[Any, TableDefinition, Write]]:
    """The writes that have reached a region and are the latest of their items there; sets the timer for the rest."""
    tx = call.tx
    if call.ground.faults.strike("dynamodb", REPLICATION, tx.region, region):
        set_timer(call, tx, table_number, region, call.now_ms + LOST_RETRY_MS)
        return
    place = tx.at(tx.account, region)
    left = BITE
    for write in list(WRITES.scan(tx, table_number, region, limit=BITE + 1)):
        if write.due_ms > call.now_ms or left == 0:
            set_timer(call, tx, table_number, region, max(write.due_ms, call.now_ms))
            return
        replica = state.find_table(place, write.table_name)
        if replica is not None and replica.status != "ACTIVE":
            set_timer(call, tx, table_number, region, call.now_ms + RETRY_MS)
            return
        left -= 1
        if _is_latest(tx, place, replica, write):
            assert replica is not None
            yield place, replica, write


def pending(tx: Any, table_number: int, region: str) -> Iterator[tuple[Any, TableDefinition, Write]]:
    """The same for all writes that are still on their way from here to a region, at once."""
    place = tx.at(tx.account, region)
    for write in list(WRITES.scan(tx, table_number, region)):
        replica = state.find_table(place, write.table_name)
        if _is_latest(tx, place, replica, write):
            assert replica is not None
            yield place, replica, write


def _is_latest(tx: Any, place: Any, replica: TableDefinition | None, write: Write) -> bool:
    """Takes a write out of its queue; whether it is to be made."""
    WRITES.delete(tx, write.table_number, write.target_region, write.due_ms, write.version)
    if replica is None or tx.region not in replica.replicas:
        return False
    known = VERSIONS.get(place, replica.table_number, write.partition, write.sort)
    if known is not None and known >= write.version:
        return False
    VERSIONS.put(place, replica.table_number, write.partition, write.sort, write.version)
    return True


def lag_ms(tx: Any, table: TableDefinition) -> int:
    text = tags.of(tx, state.table_arn(tx, table.table_name)).get(LAG_TAG, "")
    return int(text) if text.isdecimal() and len(text) < 10 else LAG_MS


def leave(tx: Any, table: TableDefinition) -> None:
    """Takes this region's replica out of the others' lists."""
    for region in table.replicas:
        place = tx.at(tx.account, region)
        replica = state.find_table(place, table.table_name)
        if replica is not None:
            state.put_table(place, replica.replace(replicas=tuple(other for other in replica.replicas if other != tx.region)))


def set_timer(call: Any, tx: Any, table_number: int, region: str, due_ms: int) -> None:
    payload = {"table_number": table_number, "region": region}
    call.schedule(due_ms, TIMER, payload, key=f"{table_number}/{region}", tx=tx)
