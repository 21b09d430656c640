"""The lanes of a shard: with a ParallelizationFactor of N its records go by their key into N queues, each of which is worked off in its own time.

AWS: "Lambda still ensures in-order processing at the partition-key level" (of an item, in DynamoDB). A lane that is slow, or tries a batch again, holds up its own keys and no others,
as long as what has been read and is not done with stays below READ_AHEAD_BYTES_MAX: then reading waits.

Theory of the checkpoint: its number is that of the record before the oldest one that is not done with; beside it stands the last record that each lane is done with, for a lane is in order.
So what a reader finds again after that number is known to be done or not, whatever the number of lanes was (`is_done`); after a kill only the batches that were under way run again.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_.pollers import PAYLOAD_BYTES_MAX
from groundcloud.services.lambda_.state import Checkpoint
from groundcloud.services.lambda_.stream_sources import Item, Reader

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

READ_AHEAD_BYTES_MAX = 4 * PAYLOAD_BYTES_MAX
"""Of records of one shard in memory, but for the last read, which is of at most 10 MB (GetRecords)."""

WAIT_FOR_RECORDS_MS = 3_600_000
"""How long a reader waits before it looks up."""

Items = list[Item]


class _Entry(NamedTuple):
    order: int
    before: str
    """The number of the record before it in the shard."""
    read_ms: int
    item: Item


class _Lane:
    """Records of one lane that are not done with, oldest first; `running` of them are in the batch under way."""

    def __init__(self, done: str) -> None:
        self.entries: deque[_Entry] = deque()
        self.running = 0
        self.waiting_bytes = 0
        self.done = done
        self.works = False
        self.window: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self.entries) - self.running


class Lanes:
    """What is read of a shard and not done with. Pure."""

    def __init__(self, count: int, batch_size: int, checkpoint: Checkpoint | None) -> None:
        done = checkpoint.lanes if checkpoint is not None else ()
        self.lanes = [_Lane(number) for number in (done if len(done) == count else [""] * count)]
        self.batch_size = batch_size
        self.held_bytes = 0
        self.last = checkpoint.sequence_number if checkpoint is not None else ""
        """The number of the last record that was read."""
        self._done_before = done
        self._order = 0

    def add(self, item: Item, key: str, now_ms: int) -> None:
        """A record that is to be handled, unless it was before."""
        before, self.last = self.last, item.number
        if is_done(self._done_before, key, item.number):
            return
        self._order += 1
        lane = self.lanes[_hash(key) % len(self.lanes)]
        lane.entries.append(_Entry(self._order, before, now_ms, item))
        lane.waiting_bytes += item.size_bytes
        self.held_bytes += item.size_bytes

    def pass_over(self, item: Item) -> None:
        """A record that nobody wants."""
        self.last = item.number

    def has_room(self) -> bool:
        """Whether to read on: there is memory, and a lane without a whole batch that waits."""
        return self.held_bytes < READ_AHEAD_BYTES_MAX and any(lane.waiting < self.batch_size for lane in self.lanes)

    def is_full(self, lane: _Lane) -> bool:
        """Whether the lane's next batch can grow no more."""
        return lane.waiting >= self.batch_size or lane.waiting_bytes >= PAYLOAD_BYTES_MAX

    def take(self, lane: _Lane) -> Items:
        """The lane's next batch, which is under way from now on; at least one record."""
        batch: Items = []
        size_bytes = 0
        for entry in islice(lane.entries, self.batch_size):
            if batch and size_bytes + entry.item.size_bytes > PAYLOAD_BYTES_MAX:
                break
            batch.append(entry.item)
            size_bytes += entry.item.size_bytes
        lane.running = len(batch)
        lane.waiting_bytes -= size_bytes
        return batch

    def finish(self, lane: _Lane) -> None:
        """The lane's batch is done with."""
        for _ in range(lane.running):
            item = lane.entries.popleft().item
            self.held_bytes -= item.size_bytes
            lane.done = item.number
        lane.running = 0

    def is_empty(self) -> bool:
        return not any(lane.entries for lane in self.lanes)

    def checkpoint(self) -> tuple[str, tuple[str, ...]]:
        """The number before the oldest record that is not done with, and what each lane has done beyond it; nothing where there is nothing beyond it."""
        done = tuple(lane.done for lane in self.lanes)
        oldest = min((lane.entries[0] for lane in self.lanes if lane.entries), default=None)
        if oldest is not None:
            return oldest.before, done
        # After a restart a lane may have been done with records that are not read again yet.
        return self.last, done if any(int(number or 0) > int(self.last or 0) for number in done) else ()


class Workers:
    """The lanes at work: `handle` runs a batch until it is done with, `keep` writes down how far the shard is (number, lanes, whether that is its end)."""

    def __init__(
        self,
        call: Call,
        lanes: Lanes,
        window_ms: int,
        *,
        is_current: Callable[[], bool],
        handle: Callable[[Items], Awaitable[None]],
        keep: Callable[[str, tuple[str, ...], bool], None],
    ) -> None:
        self._call = call
        self._lanes = lanes
        self._window_ms = window_ms
        self._is_current, self._handle, self._keep = is_current, handle, keep
        self._moved = asyncio.Event()
        self._ended = False
        self._waking = ExitStack()
        """Settling waits for lanes whose window is over and that have not begun yet."""

    async def run(
        self,
        reader: Reader,
        reopen: Callable[[str], Awaitable[Reader]],
        add: Callable[[Items], None],
        trouble: Callable[[AwsError], Awaitable[None]],
    ) -> None:
        """Until the shard's end, or the mapping's. What cannot be read is `trouble` and read again after a while; raises the AwsError of a lane."""
        lanes, clock = self._lanes, self._call.clock
        current: Reader | None = reader
        try:
            async with asyncio.TaskGroup() as group:
                while self._is_current():
                    while not lanes.has_room():
                        self._moved.clear()
                        await self._moved.wait()
                    try:
                        current = current or await reopen(lanes.last)
                        limit = lanes.batch_size * len(lanes.lanes)
                        items = await current.read(limit, clock.now_ms() + WAIT_FOR_RECORDS_MS)
                    except AwsError as error:
                        if current is not None:
                            await current.close()
                            current = None
                        await trouble(error)
                        continue
                    if not self._is_current():
                        break
                    add(items)
                    self._ended = current.ended
                    if lanes.is_empty() and (items or self._ended):
                        self._write()
                    await self._start(group)
                    if self._ended:
                        break
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            self._waking.close()
            if current is not None:
                await current.close()

    async def _start(self, group: asyncio.TaskGroup) -> None:
        """Every lane that has something to do."""
        for lane in self._lanes.lanes:
            if not lane.works and lane.entries:
                lane.works = True
                group.create_task(self._work(lane))
            elif lane.window is not None and (self._ended or self._lanes.is_full(lane)):
                self._wake(lane.window)
        with self._call.busy():
            await asyncio.sleep(0)

    async def _work(self, lane: _Lane) -> None:
        """Batch by batch, until nothing is left."""
        try:
            while lane.entries and self._is_current():
                await self._window(lane)
                await self._handle(self._lanes.take(lane))
                if not self._is_current():
                    return
                self._lanes.finish(lane)
                self._write()
                self._moved.set()
        finally:
            lane.works = False

    def _write(self) -> None:
        number, done = self._lanes.checkpoint()
        self._keep(number, done, self._ended and self._lanes.is_empty())

    async def _window(self, lane: _Lane) -> None:
        """Until a batch is whole, or the batching window of its first record over."""
        until_ms = lane.entries[0].read_ms + self._window_ms
        if self._ended or self._lanes.is_full(lane) or self._call.clock.now_ms() >= until_ms:
            return
        loop = asyncio.get_running_loop()
        lane.window = loop.create_future()
        over = loop.create_task(self._close_window(lane.window, until_ms))
        try:
            await lane.window
        finally:
            over.cancel()
            lane.window = None
            loop.call_soon(self._waking.close)

    async def _close_window(self, window: asyncio.Future[None], until_ms: int) -> None:
        await self._call.sleep_until(until_ms)
        self._wake(window)

    def _wake(self, window: asyncio.Future[None]) -> None:
        if not window.done():
            self._waking.enter_context(self._call.busy())
            window.set_result(None)


def is_done(done: tuple[str, ...], key: str, number: str) -> bool:
    """Whether a record after a checkpoint was done with when that was written; `done` is the checkpoint's `lanes`."""
    last = done[_hash(key) % len(done)] if done else ""
    return bool(last) and int(number) <= int(last)


def _hash(key: str) -> int:
    return zlib.crc32(key.encode("utf-8", "surrogatepass"))
