"""The loop that sends a table's change records on to its Kinesis stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import timer
from groundcloud.services.dynamodb.destinations import DESTINATIONS, QUEUE, SENDER, TIMER, Waiting

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

RECORDS_MAX = 500
BYTES_MAX = 4 * 1024 * 1024
"""Of one PutRecords, whose own limits are above."""
RETRY_FIRST_MS = 200
RETRY_MS_MAX = 60_000
AGE_MS_MAX = 24 * 3600 * 1000
"""AWS: records that cannot be sent for 24 hours are dropped."""

Row = tuple[tuple[Any, ...], Waiting]


@timer(TIMER, background=True)
async def to_kinesis(call: Call, payload: list[Any]) -> None:
    """One generation of a destination, from its start until it is disabled and its queue is empty."""
    table_number, stream_arn, generation = payload
    store, wait_ms, one_by_one = call.ground.store, RETRY_FIRST_MS, False
    watch = QUEUE.watch(call, generation)
    while True:
        # Before looking: what is committed meanwhile must not be missed.
        changed = store.watch(watch.prefix)
        try:
            destination = DESTINATIONS.get(call.reading(), table_number, stream_arn)
            rows = _first(call, generation, 1 if one_by_one else RECORDS_MAX)
            if not rows:
                if destination is None or not destination.active or destination.generation != generation:
                    return
                one_by_one = False
                if not changed.done():
                    await call.wait(watch, DESTINATIONS.watch(call, table_number))
                continue
        finally:
            store.unwatch(watch.prefix, changed)
        with call.busy():
            sent, error = await _send(call, stream_arn, rows)
            if error is not None and error.code in ("ValidationException", "InvalidArgumentException"):
                if len(rows) == 1:
                    call.log.warning("a change record of table %d was dropped: %s", table_number, error.message)
                    sent = rows
                one_by_one = len(rows) > 1
            elif error is not None:
                sent = [row for row in rows if row[1].made_ms < call.clock.now_ms() - AGE_MS_MAX]
            if sent:
                with call.transaction() as tx:
                    for key, _ in sent:
                        QUEUE.delete(tx, *key)
        if len(sent) == len(rows) or one_by_one:
            wait_ms = RETRY_FIRST_MS
            continue
        await call.sleep_until(call.clock.now_ms() + wait_ms)
        wait_ms = min(wait_ms * 2, RETRY_MS_MAX)


def _first(call: Call, generation: str, limit: int) -> list[Row]:
    """The records that have waited longest, as many as one request takes."""
    found: list[Row] = []
    size = 0
    for row in QUEUE.items(call.reading(), generation, limit=limit):
        size += len(row[1].content)
        if size > BYTES_MAX and found:
            break
        found.append(row)
    return found


async def _send(call: Call, stream_arn: str, rows: list[Row]) -> tuple[list[Row], AwsError | None]:
    """Those that the stream took."""
    entries = [{"Data": waiting.content, "PartitionKey": waiting.partition_key} for _, waiting in rows]
    try:
        answer = await call.request("kinesis", "PutRecords", {"StreamARN": stream_arn, "Records": entries}, as_=SENDER)
    except AwsError as error:
        return [], error
    return [row for row, result in zip(rows, answer["Records"], strict=True) if "ErrorCode" not in result], None
