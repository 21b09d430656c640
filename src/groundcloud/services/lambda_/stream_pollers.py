"""Event source mappings of DynamoDB streams: a loop a shard, in the order of the shard, from a checkpoint that is kept.

A batch is run until it succeeds, until its retries or its age are used up (then its failure destination is told), or until halves of it do. Only then the shard's checkpoint moves, in a
commit: a batch under way when the server dies is run again. A shard is read once its parent is read to the end.

Nothing here polls by the clock: a commit by the source's room wakes the loop, which then asks with GetRecords.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import batches, destinations, execution, filters, tumbling
from groundcloud.services.lambda_.pollers import PAYLOAD_BYTES_MAX, Poller
from groundcloud.services.lambda_.state import CHECKPOINTS, Checkpoint, Mapping
from groundcloud.services.lambda_.tumbling import Window

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

RECORDS_MAX = 1000
"""Of one GetRecords."""

LOOK_AGAIN_MS = 600_000
"""For new shards; and an iterator is good for fifteen minutes."""

RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 60_000

Records = list[dict[str, Any]]


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
        self._source = self.commits_of("dynamodb")
        self._shards: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while self.is_current():
                try:
                    await self._start_shards()
                except AwsError as error:
                    await self.problem(error)
                    continue
                self.no_problem()
                await self._wait()
        finally:
            for task in self._shards.values():
                task.cancel()
            await asyncio.gather(*self._shards.values(), return_exceptions=True)

    async def _wait(self) -> None:
        """Until a shard ends, the mapping changes, or it is time to look for new shards."""
        call = self.call
        looked = asyncio.get_running_loop().create_task(call.wait(self.changes(), until_ms=call.clock.now_ms() + LOOK_AGAIN_MS))
        try:
            await asyncio.wait([looked, *self._shards.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            looked.cancel()
        for shard_id, task in list(self._shards.items()):
            if task.done():
                del self._shards[shard_id]
                if not task.cancelled() and task.exception() is not None:
                    call.log.error("event source mapping %s failed on %s", self.mapping.mapping_id, shard_id, exc_info=task.exception())

    async def _start_shards(self) -> None:
        """A loop for every shard that is not read to its end and whose parent is."""
        shards: list[dict[str, Any]] = []
        params: dict[str, Any] = {"StreamArn": self.mapping.source_arn}
        while True:
            description = (await self.request("dynamodbstreams", "DescribeStream", params))["StreamDescription"]
            shards += description["Shards"]
            if not description.get("LastEvaluatedShardId"):
                break
            params["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]
        known = {shard["ShardId"] for shard in shards}
        tx = self.call.reading()
        # Only at the very beginning: shards that come later are children of those, and read from their start.
        fresh = next(CHECKPOINTS.keys(tx, self.mapping.mapping_id, limit=1), None) is None
        latest = fresh and self.mapping.settings["StartingPosition"] == "LATEST"
        for shard in shards:
            shard_id = shard["ShardId"]
            checkpoint = CHECKPOINTS.get(tx, self.mapping.mapping_id, shard_id)
            if shard_id in self._shards or (checkpoint is not None and checkpoint.finished):
                continue
            parent_id = shard.get("ParentShardId")
            if parent_id is not None and parent_id in known and not latest:
                parent = CHECKPOINTS.get(tx, self.mapping.mapping_id, parent_id)
                if parent is None or not parent.finished:
                    continue
            if checkpoint is None and latest and "EndingSequenceNumber" in shard["SequenceNumberRange"]:
                self._keep(shard_id, "", finished=True)
                continue
            iterator = await self._iterator(shard_id, checkpoint, latest)
            if latest:
                # Where LATEST is, holds from now on, whatever happens before the first record.
                self._keep(shard_id, "", since_ms=self.call.clock.now_ms())
            self._shards[shard_id] = asyncio.get_running_loop().create_task(self._read(shard_id, iterator))

    async def _iterator(self, shard_id: str, checkpoint: Checkpoint | None, latest: bool) -> str:
        params = {"StreamArn": self.mapping.source_arn, "ShardId": shard_id}
        if checkpoint is not None and checkpoint.sequence_number:
            params |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": checkpoint.sequence_number}
        else:
            params["ShardIteratorType"] = "LATEST" if latest else "TRIM_HORIZON"
        try:
            answer = await self.request("dynamodbstreams", "GetShardIterator", params)
        except AwsError as error:
            if error.code != "TrimmedDataAccessException":
                raise
            trimmed = {"StreamArn": self.mapping.source_arn, "ShardId": shard_id, "ShardIteratorType": "TRIM_HORIZON"}
            answer = await self.request("dynamodbstreams", "GetShardIterator", trimmed)
        return str(answer["ShardIterator"])

    def _keep(self, shard_id: str, sequence_number: str, *, finished: bool = False, since_ms: int = 0) -> None:
        window = self._windows.get(shard_id)
        checkpoint = Checkpoint(
            mapping_id=self.mapping.mapping_id,
            shard_id=shard_id,
            sequence_number=sequence_number,
            finished=finished,
            since_ms=since_ms,
            window_start_s=window.start_s if window is not None else 0,
            state=window.state if window is not None else {},
        )
        with self.call.transaction() as tx:
            CHECKPOINTS.put(tx, checkpoint)

    # One shard

    async def _read(self, shard_id: str, iterator: str) -> None:
        """Until the shard's end, or the mapping's."""
        checkpoint = CHECKPOINTS.get(self.call.reading(), self.mapping.mapping_id, shard_id)
        since_ms = checkpoint.since_ms if checkpoint is not None else 0
        done = checkpoint.sequence_number if checkpoint is not None else ""
        if checkpoint is not None and checkpoint.window_start_s and self._width_s:
            start_s = checkpoint.window_start_s
            self._windows[shard_id] = Window(start_s, start_s + self._width_s, checkpoint.state)
        while self.is_current():
            try:
                records, following = await self._collect(iterator, self._windows.get(shard_id))
            except AwsError as error:
                await self.problem(error)
                iterator = await self._iterator(shard_id, CHECKPOINTS.get(self.call.reading(), self.mapping.mapping_id, shard_id), False)
                continue
            if records:
                # The stream tells seconds.
                await self._handle(
                    shard_id, [one for one in records if one["dynamodb"]["ApproximateCreationDateTime"] * 1000 + 999 >= since_ms]
                )
                if not self.is_current():
                    return
                done = records[-1]["dynamodb"]["SequenceNumber"]
                self._keep(shard_id, done)
                if not self.mapping.last_result:
                    self.say("OK")
            window = self._windows.get(shard_id)
            if window is not None and (following is None or self.call.clock.now_s() >= window.end_s):
                await self._close_window(shard_id)
                if not self.is_current():
                    return
                self._keep(shard_id, done)
            if following is None:
                self._keep(shard_id, done, finished=True)
                return
            iterator = following

    async def _collect(self, iterator: str, window: Window | None) -> tuple[Records, str | None]:
        """The next records, at least one unless the shard or the window ends or an hour has passed; and the iterator behind them."""
        until_ms = self.call.clock.now_ms() + LOOK_AGAIN_MS * 6 if window is None else window.end_s * 1000
        records, following = await self._next(iterator, wait_until_ms=until_ms)
        if not records or following is None or not self._window_ms:
            return records, following
        until_ms = self.call.clock.now_ms() + self._window_ms
        while len(records) < self._batch_size and following is not None and self.call.clock.now_ms() < until_ms:
            more, following = await self._next(following, wait_until_ms=until_ms, limit=self._batch_size - len(records))
            records += more
        return records, following

    async def _next(self, iterator: str, *, wait_until_ms: int, limit: int | None = None) -> tuple[Records, str | None]:
        """What GetRecords gives; where that is nothing, what it gives once the source has changed."""
        call = self.call
        store = call.ground.store
        following: str | None = iterator
        while True:
            # Before asking: what is committed meanwhile must not be missed.
            changed = store.watch(self._source.prefix)
            try:
                params = {"ShardIterator": following, "Limit": min(limit or self._batch_size, RECORDS_MAX)}
                answer = await self.request("dynamodbstreams", "GetRecords", params)
                following = answer.get("NextShardIterator")
                if answer["Records"] or following is None or call.clock.now_ms() >= wait_until_ms or not self.is_current():
                    return answer["Records"], following
                if not changed.done():
                    look_again_ms = min(wait_until_ms, call.clock.now_ms() + LOOK_AGAIN_MS)
                    await call.wait(self._source, self.changes(), until_ms=look_again_ms)
            finally:
                store.unwatch(self._source.prefix, changed)

    # One batch

    async def _handle(self, shard_id: str, records: Records) -> None:
        """Runs the function on what the filters let through; returns when every record is done with, one way or another."""
        with self.call.busy():
            seen = [{**record, "eventSourceARN": self.mapping.source_arn} for record in records]
            if self.filters:
                seen = [record for record in seen if filters.passes(self.filters, record, "data")]
        self.count(PolledEventCount=len(records), FilteredOutEventCount=len(records) - len(seen))
        if self._width_s:
            await self._handle_windows(shard_id, seen)
            return
        if self._lanes == 1 or len(seen) < 2:
            await self._until_done(shard_id, seen, 0)
            return
        lanes: list[Records] = [[] for _ in range(self._lanes)]
        for record in seen:
            key = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            lanes[zlib.crc32(key.encode()) % self._lanes].append(record)
        await asyncio.gather(*[self._until_done(shard_id, lane, 0) for lane in lanes])

    async def _handle_windows(self, shard_id: str, records: Records) -> None:
        for start_s, part in tumbling.split(records, self._width_s):
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

    async def _until_done(self, shard_id: str, records: Records, attempts: int) -> None:
        wait_ms = RETRY_FIRST_MS
        while records and self.is_current():
            failure = await self._attempt(shard_id, records)
            if failure is None:
                return
            attempts += 1
            records = records[failure.start :]
            condition = self._given_up(records, attempts)
            if condition is not None:
                self._tell(shard_id, records, attempts, failure, condition)
                return
            if self._bisects and len(records) > 1 and failure.start == 0:
                # Splitting is no retry of its own.
                middle = len(records) // 2
                await self._until_done(shard_id, records[:middle], attempts - 1)
                records, attempts = records[middle:], attempts - 1
                continue
            await self.call.sleep_until(self.call.clock.now_ms() + wait_ms)
            wait_ms = min(wait_ms * 2, RETRY_MS_MAX)

    async def _attempt(self, shard_id: str, records: Records) -> _Failure | None:
        """One invocation a part that fits the payload's limit; None once all have succeeded."""
        start = 0
        while start < len(records):
            end = _fitting(records, start)
            part = records[start:end]
            window = self._windows.get(shard_id)
            document: dict[str, Any] = {"Records": part}
            if window is not None:
                document = tumbling.event(window, part, shard_id, self.mapping.source_arn, final=False)
            payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
            outcome, error = await self.invoke(payload, None)
            self.count(InvokedEventCount=len(part))
            if outcome is None or outcome.failed:
                self.count(FailedInvokeEventCount=len(part))
                return _Failure(start, outcome, error)
            if window is not None:
                self._windows[shard_id] = tumbling.after(window, outcome.payload)
            if self.partial:
                numbers = [record["dynamodb"]["SequenceNumber"] for record in part]
                failed = batches.failed_items(outcome.payload, numbers)
                if failed is None:
                    self.count(FailedInvokeEventCount=len(part))
                    return _Failure(start, outcome, None)
                if failed:
                    self.count(FailedInvokeEventCount=len(failed))
                    return _Failure(start + min(numbers.index(number) for number in failed), outcome, None)
            start = end
        return None

    def _given_up(self, records: Records, attempts: int) -> str | None:
        if 0 <= self._retries_max < attempts:
            return "RetryAttemptsExhausted"
        oldest_ms = records[0]["dynamodb"]["ApproximateCreationDateTime"] * 1000
        if self._age_ms_max >= 0 and self.call.clock.now_ms() - oldest_ms > self._age_ms_max:
            return "MaximumRecordAgeExceeded"
        return None

    def _tell(self, shard_id: str, records: Records, attempts: int, failure: _Failure, condition: str) -> None:
        """The failure destination. AWS: "Retaining discarded records": where the records are, not what is in them."""
        self.count(DroppedEventCount=len(records))
        if not self._destination:
            return
        target = execution.target(self.call, self.name)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        response: dict[str, Any] = {"statusCode": 200, "executedVersion": target.version.text, "functionError": None}
        if failure.outcome is not None and failure.outcome.failed:
            response["functionError"] = "Unhandled"
        elif failure.error is not None:
            response = {"statusCode": 429, "executedVersion": target.version.text, "functionError": None}
        record = {
            "requestContext": {
                "requestId": self.call.new_id(),
                "functionArn": self.name.qualified_arn,
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "responseContext": response,
            "version": "1.0",
            "timestamp": _moment(self.call.clock.now_ms() / 1000, ".000Z"),
            "DDBStreamBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": numbers[0],
                "endSequenceNumber": numbers[-1],
                "approximateArrivalOfFirstRecord": _moment(records[0]["dynamodb"]["ApproximateCreationDateTime"], "Z"),
                "approximateArrivalOfLastRecord": _moment(records[-1]["dynamodb"]["ApproximateCreationDateTime"], "Z"),
                "batchSize": len(records),
                "streamArn": self.mapping.source_arn,
            },
        }
        if self._destination.split(":")[2] == "s3":
            # A bucket has room for the records themselves.
            record["payload"] = json.dumps({"Records": records}, ensure_ascii=False)
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
        self.count(OnFailureDestinationDeliveredEventCount=len(records))


def _fitting(records: Records, start: int) -> int:
    """The end of the longest run of records from `start` that fits into one payload; at least one."""
    size = 0
    for at in range(start, len(records)):
        size += records[at]["dynamodb"].get("SizeBytes", 0) * 2 + 1024
        if size > PAYLOAD_BYTES_MAX and at > start:
            return at
    return len(records)


def _moment(at_s: float, ending: str) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + ending
