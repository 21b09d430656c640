"""Event source mappings of DynamoDB and Kinesis streams: a loop a shard, in the order of the shard, from a checkpoint that is kept.

A batch is run until it succeeds, until its retries or its age are used up or its records have left the stream (then its failure destination is told), or until halves of it do. Only then the shard's checkpoint moves, in a
commit: a batch under way when the server dies is run again. A shard is read once its parents are read to the end. With a ParallelizationFactor see `stream_lanes`.

Nothing here polls by the clock: see `stream_sources`.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import batches, destinations, execution, filters, metrics, tumbling
from groundcloud.services.lambda_.pollers import PAYLOAD_BYTES_MAX, Poller
from groundcloud.services.lambda_.state import CHECKPOINTS, Checkpoint, Mapping
from groundcloud.services.lambda_.stream_lanes import WAIT_FOR_RECORDS_MS, Lanes, Workers, is_done
from groundcloud.services.lambda_.stream_sources import Item, Position, Reader, source_of
from groundcloud.services.lambda_.tumbling import Window

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 60_000
THROTTLED_MS = 1_000
"""Before a shard that was read too often is asked again."""

Items = list[Item]


class _Failure(NamedTuple):
    """A batch that did not succeed: why, and from which record on it is to be tried again."""

    start: int
    outcome: execution.Outcome | None
    error: AwsError | None


class StreamPoller(Poller):
    """Reads every shard of one stream."""

    def __init__(self, call: Call, mapping: Mapping) -> None:
        super().__init__(call, mapping)
        settings = mapping.settings
        self._batch_size: int = settings["BatchSize"]
        self._window_ms: int = settings["MaximumBatchingWindowInSeconds"] * 1000
        self._width_s: int = settings.get("TumblingWindowInSeconds", 0)
        self._windows: dict[str, Window] = {}
        self._lanes: int = settings.get("ParallelizationFactor", 1)
        self._retries_max: int = settings.get("MaximumRetryAttempts", -1)
        self._age_ms_max: int = settings.get("MaximumRecordAgeInSeconds", -1) * 1000
        self._bisects = bool(settings.get("BisectBatchOnFunctionError"))
        self._destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination") or ""
        self._source = source_of(self)
        self._kept_ms = 0
        """How long the stream keeps a record; 0 while nobody has had to ask."""
        self._shards: dict[str, asyncio.Task[None]] = {}
        self._ending = ExitStack()
        """Settling waits for the children of a shard that has ended, if `_waits` says that somebody looks for them."""
        self._waits = False

    async def run(self) -> None:
        try:
            while self.is_current():
                try:
                    await self._start_shards()
                except AwsError as error:
                    self._ending.close()
                    await self.problem(error)
                    continue
                self._ending.close()
                self.no_problem()
                await self._wait()
        finally:
            self._ending.close()
            for task in self._shards.values():
                task.cancel()
            await asyncio.gather(*self._shards.values(), return_exceptions=True)

    async def _wait(self) -> None:
        """Until a shard ends, the mapping changes, or it is time to look for new shards."""
        call = self.call
        looked = asyncio.get_running_loop().create_task(
            call.wait(self.changes(), until_ms=call.clock.now_ms() + self._source.look_again_ms)
        )
        self._waits = True
        try:
            await asyncio.wait([looked, *self._shards.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waits = False
            looked.cancel()
        for shard_id, task in list(self._shards.items()):
            if task.done():
                del self._shards[shard_id]
                if not task.cancelled() and task.exception() is not None:
                    call.log.error("event source mapping %s failed on %s", self.mapping.mapping_id, shard_id, exc_info=task.exception())

    async def _start_shards(self) -> None:
        """A loop for every shard that is not read to its end and whose parents are."""
        shards = await self._source.shards()
        known = {shard.shard_id for shard in shards}
        tx = self.call.reading()
        # Only at the very beginning: shards that come later are children of those, and read from their start.
        fresh = next(CHECKPOINTS.keys(tx, self.mapping.mapping_id, limit=1), None) is None
        latest = fresh and self.mapping.settings["StartingPosition"] == "LATEST"
        for shard in shards:
            shard_id = shard.shard_id
            checkpoint = CHECKPOINTS.get(tx, self.mapping.mapping_id, shard_id)
            if shard_id in self._shards or (checkpoint is not None and checkpoint.finished):
                continue
            if not latest and not all(self._is_finished(parent_id) for parent_id in shard.parents if parent_id in known):
                continue
            if checkpoint is None and latest and shard.closed:
                self._keep(shard_id, "", finished=True)
                continue
            reader = await self._source.open(shard_id, self._position(checkpoint, latest))
            if latest:
                # Where LATEST is, holds from now on, whatever happens before the first record.
                self._keep(shard_id, "", since_ms=self.call.clock.now_ms())
            read = self._read if self._lanes == 1 or self._width_s else self._read_in_lanes
            self._shards[shard_id] = asyncio.get_running_loop().create_task(read(shard_id, reader))

    def _is_finished(self, shard_id: str) -> bool:
        checkpoint = CHECKPOINTS.get(self.call.reading(), self.mapping.mapping_id, shard_id)
        return checkpoint is not None and checkpoint.finished

    def _position(self, checkpoint: Checkpoint | None, latest: bool) -> Position:
        """Where a shard is to be read from."""
        if checkpoint is not None and checkpoint.sequence_number:
            return Position("AFTER_SEQUENCE_NUMBER", checkpoint.sequence_number)
        if latest:
            return Position("LATEST")
        if checkpoint is not None and checkpoint.since_ms and self._source.has_moments:
            return Position("AT_TIMESTAMP", moment_s=checkpoint.since_ms / 1000)
        moment_s = self.mapping.settings.get("StartingPositionTimestamp")
        return Position("TRIM_HORIZON") if moment_s is None else Position("AT_TIMESTAMP", moment_s=moment_s)

    async def _again(self, shard_id: str, after: str = "") -> Reader:
        """A reader from the record `after` on, or from the shard's checkpoint on."""
        if after:
            return await self._source.open(shard_id, Position("AFTER_SEQUENCE_NUMBER", after))
        checkpoint = CHECKPOINTS.get(self.call.reading(), self.mapping.mapping_id, shard_id)
        return await self._source.open(shard_id, self._position(checkpoint, False))

    def _keep(self, shard_id: str, sequence_number: str, *, finished: bool = False, since_ms: int = 0, lanes: tuple[str, ...] = ()) -> None:
        if finished and self._waits:
            self._ending.enter_context(self.call.busy())
        window = self._windows.get(shard_id)
        checkpoint = Checkpoint(
            mapping_id=self.mapping.mapping_id,
            shard_id=shard_id,
            sequence_number=sequence_number,
            finished=finished,
            since_ms=since_ms,
            window_start_s=window.start_s if window is not None else 0,
            state=window.state if window is not None else {},
            lanes=lanes,
        )
        with self.call.transaction() as tx:
            CHECKPOINTS.put(tx, checkpoint)

    # One shard

    async def _read(self, shard_id: str, reader: Reader) -> None:
        """Until the shard's end, or the mapping's."""
        try:
            while self.is_current() and not reader.ended:
                try:
                    await self._follow(shard_id, reader)
                except AwsError as error:
                    await reader.close()
                    await self._trouble(error)
                    reader = await self._again(shard_id)
        finally:
            await reader.close()

    async def _trouble(self, error: AwsError) -> None:
        """Before a shard is read again."""
        if error.code == "ProvisionedThroughputExceededException":
            await self.call.sleep_until(self.call.clock.now_ms() + THROTTLED_MS)
        elif error.code != "ExpiredIteratorException":
            await self.problem(error)

    async def _read_in_lanes(self, shard_id: str, reader: Reader) -> None:
        """The same, where batches of several keys run at once."""
        while True:
            try:
                await self._follow_in_lanes(shard_id, reader)
                return
            except AwsError as error:
                await self.problem(error)
                if not self.is_current():
                    return
                reader = await self._again(shard_id)

    async def _follow_in_lanes(self, shard_id: str, reader: Reader) -> None:
        """Raises AwsError where a batch cannot be run; what is done with by then is kept."""
        checkpoint = CHECKPOINTS.get(self.call.reading(), self.mapping.mapping_id, shard_id)
        since_ms = checkpoint.since_ms if checkpoint is not None else 0
        lanes = Lanes(self._lanes, self._batch_size, checkpoint)

        def add(items: Items) -> None:
            now_ms = self.call.clock.now_ms()
            wanted = {item.number for item in self._wanted([item for item in items if self._is_since(item, since_ms)])}
            for item in items:
                if item.number in wanted:
                    lanes.add(item, self._source.key(item), now_ms)
                else:
                    lanes.pass_over(item)

        def keep(number: str, done: tuple[str, ...], finished: bool) -> None:
            self._keep(shard_id, number, finished=finished, since_ms=0 if number else since_ms, lanes=done)
            if (number or done) and not self.mapping.last_result:
                self.say("OK")

        workers = Workers(
            self.call,
            lanes,
            self._window_ms,
            is_current=self.is_current,
            handle=lambda batch: self._until_done(shard_id, batch, 0),
            keep=keep,
        )
        await workers.run(reader, lambda after: self._again(shard_id, after), add, self._trouble)

    async def _follow(self, shard_id: str, reader: Reader) -> None:
        """Batch by batch. Raises AwsError where the shard cannot be read; what is done with by then is kept."""
        checkpoint = CHECKPOINTS.get(self.call.reading(), self.mapping.mapping_id, shard_id)
        since_ms = checkpoint.since_ms if checkpoint is not None else 0
        done = checkpoint.sequence_number if checkpoint is not None else ""
        beyond = checkpoint.lanes if checkpoint is not None else ()
        if checkpoint is not None and checkpoint.window_start_s and self._width_s:
            start_s = checkpoint.window_start_s
            self._windows[shard_id] = Window(start_s, start_s + self._width_s, checkpoint.state)
        while self.is_current():
            items = await self._collect(reader, self._windows.get(shard_id))
            if items:
                await self._handle(shard_id, [item for item in items if self._is_since(item, since_ms) and not self._is_done(beyond, item)])
                if not self.is_current():
                    return
                done = items[-1].number
                self._keep(shard_id, done)
                if not self.mapping.last_result:
                    self.say("OK")
            window = self._windows.get(shard_id)
            if window is not None and (reader.ended or self.call.clock.now_s() >= window.end_s):
                await self._close_window(shard_id)
                if not self.is_current():
                    return
                self._keep(shard_id, done)
            if reader.ended:
                self._keep(shard_id, done, finished=True)
                return

    async def _collect(self, reader: Reader, window: Window | None) -> Items:
        """The next records, at least one unless the shard or the window ends or an hour has passed."""
        until_ms = self.call.clock.now_ms() + WAIT_FOR_RECORDS_MS if window is None else window.end_s * 1000
        items = await reader.read(self._batch_size, until_ms)
        if not items or not self._window_ms:
            return items
        until_ms = self.call.clock.now_ms() + self._window_ms
        size_bytes = sum(item.size_bytes for item in items)
        # AWS: MaximumBatchingWindowInSeconds: until the window is over, the batch whole or the payload's limit reached.
        while len(items) < self._batch_size and size_bytes < PAYLOAD_BYTES_MAX and not reader.ended and self.call.clock.now_ms() < until_ms:
            more = await reader.read(self._batch_size - len(items), until_ms)
            size_bytes += sum(item.size_bytes for item in more)
            items += more
        return items

    def _is_since(self, item: Item, since_ms: int) -> bool:
        return item.arrived_ms + self._source.grain_ms >= since_ms

    def _is_done(self, lanes: tuple[str, ...], item: Item) -> bool:
        """Of a mapping that had lanes until lately."""
        return bool(lanes) and is_done(lanes, self._source.key(item), item.number)

    # One batch

    async def _handle(self, shard_id: str, items: Items) -> None:
        """Runs the function on what the filters let through; returns when every record is done with, one way or another."""
        seen = self._wanted(items)
        if self._width_s:
            await self._handle_windows(shard_id, seen)
        else:
            await self._until_done(shard_id, seen, 0)

    def _wanted(self, items: Items) -> Items:
        """What the filters let through."""
        seen = items
        if self.filters:
            with self.call.busy():
                seen = [item for item in items if filters.passes(self.filters, self._source.seen(item.document), "data")]
        self.count(PolledEventCount=len(items), FilteredOutEventCount=len(items) - len(seen))
        return seen

    async def _handle_windows(self, shard_id: str, items: Items) -> None:
        for start_s, part in tumbling.split(items, self._width_s):
            window = self._windows.get(shard_id)
            if window is not None and window.start_s != start_s:
                await self._close_window(shard_id)
            if shard_id not in self._windows:
                self._windows[shard_id] = Window(start_s, start_s + self._width_s, {})
            await self._until_done(shard_id, part, 0)
            if self._windows[shard_id].early:
                await self._close_window(shard_id)

    async def _close_window(self, shard_id: str) -> None:
        """The window's last invocation, tried like a batch."""
        wait_ms, attempts = RETRY_FIRST_MS, 0
        while self.is_current():
            document = tumbling.event(self._windows[shard_id], [], shard_id, self.mapping.source_arn, final=True)
            outcome, _ = await self.invoke(json.dumps(document, separators=(",", ":")).encode(), None)
            attempts += 1
            if (outcome is not None and not outcome.failed) or 0 <= self._retries_max < attempts:
                del self._windows[shard_id]
                return
            await self.call.sleep_until(self.call.clock.now_ms() + wait_ms)
            wait_ms = min(wait_ms * 2, RETRY_MS_MAX)

    async def _until_done(self, shard_id: str, items: Items, attempts: int) -> None:
        wait_ms = RETRY_FIRST_MS
        while (items := self._young(shard_id, items, attempts)) and self.is_current():
            if attempts and self.call.clock.now_ms() - items[0].arrived_ms > self._source.kept_ms_min:
                self._kept_ms = await self._source.kept_ms()
                if self._is_old(items[0]):
                    continue
            failure = await self._attempt(shard_id, items)
            if failure is None:
                return
            attempts += 1
            items = items[failure.start :]
            condition = self._given_up(items, attempts)
            if condition is not None:
                self._tell(shard_id, items, attempts, failure, condition)
                return
            if self._bisects and len(items) > 1 and failure.start == 0:
                # Splitting is no retry of its own.
                middle = len(items) // 2
                await self._until_done(shard_id, items[:middle], attempts - 1)
                items, attempts = items[middle:], attempts - 1
                continue
            await self.call.sleep_until(self.call.clock.now_ms() + wait_ms)
            wait_ms = min(wait_ms * 2, RETRY_MS_MAX)

    def _young(self, shard_id: str, items: Items, attempts: int) -> Items:
        """Without the first ones, of those whose age is used up; their destination is told of them."""
        if not items or not self._is_old(items[0]):
            return items
        count = next((at for at, item in enumerate(items) if not self._is_old(item)), len(items))
        self._tell(shard_id, items[:count], attempts, None, "MaximumRecordAgeExceeded")
        return items[count:]

    def _is_old(self, item: Item) -> bool:
        age_ms = self.call.clock.now_ms() - item.arrived_ms - self._source.grain_ms
        return 0 <= self._age_ms_max < age_ms or 0 < self._kept_ms < age_ms

    async def _attempt(self, shard_id: str, items: Items) -> _Failure | None:
        """One invocation a part that fits the payload's limit; None once all have succeeded."""
        start = 0
        while start < len(items):
            end = _fitting(items, start)
            part = items[start:end]
            window = self._windows.get(shard_id)
            records = [item.document for item in part]
            document: dict[str, Any] = {"Records": records}
            if window is not None:
                document = tumbling.event(window, records, shard_id, self.mapping.source_arn, final=False)
            payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
            age_ms = max(0, self.call.clock.now_ms() - part[-1].arrived_ms)
            metrics.measure(self.call, self.name.account, self.name.region, {"FunctionName": self.name.name}, IteratorAge=age_ms)
            outcome, error = await self.invoke(payload, None)
            self.count(InvokedEventCount=len(part))
            if outcome is None or outcome.failed:
                self.count(FailedInvokeEventCount=len(part))
                return _Failure(start, outcome, error)
            if window is not None:
                self._windows[shard_id] = tumbling.after(window, outcome.payload)
            if self.partial:
                numbers = [item.number for item in part]
                failed = batches.failed_items(outcome.payload, numbers)
                if failed is None:
                    self.count(FailedInvokeEventCount=len(part))
                    return _Failure(start, outcome, None)
                if failed:
                    self.count(FailedInvokeEventCount=len(failed))
                    return _Failure(start + min(numbers.index(number) for number in failed), outcome, None)
            start = end
        return None

    def _given_up(self, items: Items, attempts: int) -> str | None:
        if 0 <= self._retries_max < attempts:
            return "RetryAttemptsExhausted"
        return "MaximumRecordAgeExceeded" if self._is_old(items[0]) else None

    def _tell(self, shard_id: str, items: Items, attempts: int, failure: _Failure | None, condition: str) -> None:
        """The failure destination. AWS: "Retaining discarded records": where the records are, not what is in them. `failure` None: they were not tried."""
        self.count(DroppedEventCount=len(items))
        if not self._destination:
            return
        target = execution.target(self.call, self.name)
        now_ms = self.call.clock.now_ms()
        record: dict[str, Any] = {
            "requestContext": {
                "requestId": self.call.new_id(),
                "functionArn": self.name.qualified_arn,
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "version": "1.0",
            "timestamp": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now_ms // 1000))}.{now_ms % 1000:03d}Z",
            self._source.batch_info: {
                "shardId": shard_id,
                "startSequenceNumber": items[0].number,
                "endSequenceNumber": items[-1].number,
                "approximateArrivalOfFirstRecord": self._source.moment(items[0].arrived_ms),
                "approximateArrivalOfLastRecord": self._source.moment(items[-1].arrived_ms),
                "batchSize": len(items),
                "streamArn": self.mapping.source_arn,
            },
        }
        if failure is not None:
            throttled = failure.error is not None
            record["responseContext"] = {
                "statusCode": 429 if throttled else 200,
                "executedVersion": target.version.text,
                "functionError": "Unhandled" if failure.outcome is not None and failure.outcome.failed else None,
            }
        if self._destination.split(":")[2] == "s3":
            # A bucket has room for the records themselves.
            record["payload"] = json.dumps({"Records": [item.document for item in items]}, ensure_ascii=False)
        with self.call.transaction() as tx:
            destinations.deliver(
                self.call,
                tx,
                self._destination,
                json.dumps(record),
                role_arn=target.version.role,
                source_arn=self.name.arn,
                folder=f"{self.mapping.mapping_id}/{shard_id}",
            )
        self.count(OnFailureDestinationDeliveredEventCount=len(items))


def _fitting(items: Items, start: int) -> int:
    """The end of the longest run of records from `start` that fits into one payload; at least one."""
    size = 0
    for at in range(start, len(items)):
        size += items[at].size_bytes
        if size > PAYLOAD_BYTES_MAX and at > start:
            return at
    return len(items)
