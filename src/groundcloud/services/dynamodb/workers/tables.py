"""Work in the background: expiry, and clearing or surveying the items of a table in bites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import timer
from groundcloud.services.dynamodb import changes, expiry, history, indexes, items, replication, state, vectors
from groundcloud.services.dynamodb.operations.insights import INSIGHTS
from groundcloud.services.dynamodb.operations.scaling import SCALINGS
from groundcloud.services.dynamodb.operations.table_updates import BACKFILL_TIMER
from groundcloud.services.dynamodb.operations.tables import PURGE_TIMER
from groundcloud.services.dynamodb.operations.time_to_live import SURVEY_TIMER

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

BITE = 200
"""Items in one transaction of background work: a few milliseconds of the loop."""


@timer(expiry.TIMER)
def expire(call: Call, payload: dict[str, Any]) -> None:
    """Removes what has expired, then sets the timer for what expires next."""
    tx = call.tx
    table = state.find_table(tx, payload["table_name"])
    number = payload["table_number"]
    state.EXPIRY_DUE.delete(tx, number)
    if table is None or table.table_number != number or table.time_to_live_attribute is None:
        return
    if table.replicas and not replication.has_majority(call, tx, table):
        expiry.set_timer(call, tx, table, int(call.now_s) + replication.LOST_RETRY_MS // 1000)
        return
    left = BITE
    for _, at_s, partition, sort in list(state.EXPIRY.keys(tx, number, limit=BITE + 1)):
        if at_s >= call.now_s or left == 0:
            expiry.set_timer(call, tx, table, at_s)
            return
        left -= 1
        state.EXPIRY.delete(tx, number, at_s, partition, sort)
        key = (partition, sort)
        raw = items.read(tx, table, key)
        if raw is not None:
            items.write(call, tx, table, key, raw, None, user=changes.SERVICE_USER)


@timer(PURGE_TIMER)
def purge(call: Call, payload: dict[str, Any]) -> None:
    """Clears what deleted tables and indexes held, a bite at a time."""
    tx = call.tx
    left = BITE * 5
    rows = (
        (payload["tables"], (state.ITEMS, state.EXPIRY, state.COLLECTIONS, SCALINGS, INSIGHTS)),
        (payload["indexes"], (state.ENTRIES,)),
        (payload.get("vectors", ()), (state.VECTORS,)),
    )
    for numbers, tables in rows:
        for number in numbers:
            for table in tables:
                for key in list(table.keys(tx, number, limit=left)):  # type: ignore[attr-defined]
                    table.delete(tx, *key)  # type: ignore[attr-defined]
                    left -= 1
                if left <= 0:
                    call.schedule(call.now_ms, PURGE_TIMER, payload)
                    return
            state.COUNTERS.delete(tx, number)


@timer(SURVEY_TIMER)
def survey(call: Call, payload: dict[str, Any]) -> None:
    """Lists (or forgets) the expiries of the items that a table held when its time to live was switched on (or off)."""
    tx = call.tx
    table = state.find_table(tx, payload["table_name"])
    number = payload["table_number"]
    if table is None or table.table_number != number:
        return
    if not payload["enabled"]:
        if table.time_to_live_attribute is not None:
            return
        forgotten = list(state.EXPIRY.keys(tx, number, limit=BITE))
        for key in forgotten:
            state.EXPIRY.delete(tx, *key)
        if len(forgotten) == BITE:
            call.schedule(call.now_ms, SURVEY_TIMER, payload)
        return
    attribute = payload["attribute"]
    if table.time_to_live_attribute != attribute:
        return
    after = payload.get("after")
    looked_at = 0
    for key, raw in state.ITEMS.items(tx, number, after=tuple(after) if after else None, limit=BITE):
        looked_at += 1
        payload["after"] = list(key[1:])
        at_s = expiry.expires_s(attribute, state.unpack_item(raw), call.now_s)
        if at_s is not None:
            state.EXPIRY.put(tx, number, at_s, *key[1:])
            expiry.set_timer(call, tx, table, at_s)
    if looked_at == BITE:
        call.schedule(call.now_ms, SURVEY_TIMER, payload)


@timer(BACKFILL_TIMER)
def backfill(call: Call, payload: dict[str, Any]) -> None:
    """Fills a new index with what its table held already; writes meanwhile enter it by themselves. At the end it is ACTIVE."""
    tx = call.tx
    table = state.find_table(tx, payload["table_name"])
    number = payload["table_number"]
    if table is None or table.table_number != number:
        return
    both: tuple[state.Index | state.VectorIndex, ...] = (*table.indexes, *table.vectors)
    index = next((index for index in both if index.index_number == payload["index_number"]), None)
    if index is None:
        return
    after = payload.get("after")
    looked_at = count = size = 0
    for key, raw in state.ITEMS.items(tx, number, after=tuple(after) if after else None, limit=BITE):
        looked_at += 1
        partition, sort = key[1:]
        payload["after"] = [partition, sort]
        item = state.unpack_item(raw)
        entry: indexes.Entry | vectors.Entry | None
        if isinstance(index, state.VectorIndex):
            entry, rows = vectors.entry_of(index, table, (partition, sort), item), state.VECTORS
        else:
            entry, rows = indexes.entry_of(index, table, (partition, sort), item, state.item_size(raw)), state.ENTRIES
        if entry is not None and not rows.has(tx, *entry.key):
            rows.put(tx, *entry.key, entry.raw)
            count += 1
            size += entry.size
    if count:
        state.add_counts(tx, index.index_number, count, size)
    if looked_at == BITE:
        call.schedule(call.now_ms, BACKFILL_TIMER, payload)
        return
    done = index.replace(status="ACTIVE")
    state.put_table(
        tx,
        table.replace(
            indexes=tuple(done if one is index else one for one in table.indexes),
            vectors=tuple(done if one is index else one for one in table.vectors),
        ),
    )


@timer(changes.TRIM_TIMER)
def trim(call: Call, payload: dict[str, Any]) -> None:
    """Forgets records and closed shards after 24 hours, and a stream that has been off as long."""
    tx = call.tx
    number = payload["stream_number"]
    oldest_ms = call.now_ms - changes.RECORD_LIFE_MS
    stream = changes.STREAMS.get(tx, payload["table_name"], payload["label"])
    next_ms: int | None = None
    left = BITE * 5
    for shard in list(changes.SHARDS.scan(tx, number)):
        empty = True
        for key, raw in list(changes.CHANGES.items(tx, number, shard.shard_index, limit=left + 1)):
            made_ms = changes.made_ms(raw)
            if made_ms > oldest_ms or left == 0:
                next_ms = max(call.now_ms, made_ms + changes.RECORD_LIFE_MS)
                empty = False
                break
            changes.CHANGES.delete(tx, *key)
            left -= 1
        if not empty:
            break
        if shard.last is None:
            continue
        if shard.closed_ms <= oldest_ms:
            changes.SHARDS.delete(tx, number, shard.shard_index)
        else:
            next_ms = shard.closed_ms + changes.RECORD_LIFE_MS
            break
    if next_ms is None and stream is not None and stream.disabled_ms and stream.disabled_ms <= oldest_ms:
        changes.STREAMS.delete(tx, stream.table_name, stream.label)
        return
    if next_ms is not None:
        call.schedule(next_ms, changes.TRIM_TIMER, payload, key=str(number))


@timer(history.COPY_TIMER)
def copy(call: Call, payload: dict[str, Any]) -> None:
    """Goes on with a copy for a backup or a restored table."""
    under_way = history.COPIES.get(call.tx, payload["target_number"])
    if under_way is None:
        return
    left = history.step(call, call.tx, under_way)
    if left is None:
        history.COPIES.delete(call.tx, under_way.target_number)
        return
    history.COPIES.put(call.tx, left)
    call.schedule(call.now_ms, history.COPY_TIMER, payload)


@timer(history.FORGET_TIMER)
def forget(call: Call, payload: dict[str, Any]) -> None:
    """Clears old images: all of a table that keeps none any more, else those beyond the recovery period."""
    tx = call.tx
    number = payload["table_number"]
    table = state.find_table(tx, payload["table_name"])
    kept = table if table is not None and table.table_number == number and table.images_wanted else None
    if kept is not None and not kept.point_in_time_since_ms:
        return
    oldest_ms = call.now_ms - kept.point_in_time_days * history.DAY_MS if kept is not None else None
    taken = 0
    for key, image in list(history.IMAGES.items(tx, number, limit=history.BITE)):
        if oldest_ms is not None and image.made_ms >= oldest_ms:
            break
        history.IMAGES.delete(tx, *key)
        taken += 1
    if taken == history.BITE:
        call.schedule(call.now_ms, history.FORGET_TIMER, payload)
    elif kept is not None:
        history.schedule_trim(call, tx, kept)


@timer(replication.TIMER)
def replicate(call: Call, payload: dict[str, Any]) -> None:
    """Makes the writes that have reached another region."""
    for place, replica, write in replication.arrivals(call, payload["table_number"], payload["region"]):
        items.write_replicated(call, place, replica, write)
