"""Durable timers, and everything else that waits for virtual time.

A timer is a row ordered by its due time. States and transitions:

    waiting (row in TIMERS) --due, `def` handler--> handler and removal commit together --> gone
    waiting --due, `async def` handler--> running (row moved to RUNNING) --returns--> gone
    running --raises--> waiting again, later, up to RETRIES_MAX      running --server dies--> running again at the next start

So a `def` handler runs exactly once and an `async def` one at least once. Callers of `wait` sleep in memory on the same clock; `advance` moves the clock from one due
moment to the next, running what falls due and settling before it goes on, so that minutes pass in their right order.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.kernel.identity import Session
from groundcloud.store import Record, Store, Table, Transaction, Watch

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.kernel.ground import Ground

RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 300_000
RETRIES_MAX = 50
NEVER_MS = 1 << 62
BATCH = 256
"""Timers run in one turn of the loop before others have theirs."""

_log = logging.getLogger("groundcloud.timers")


class TimerRow(Record):
    due_ms: int
    timer_id: str
    name: str
    payload: bytes
    account: str
    region: str
    principal: tuple[str, ...]
    session: bytes = b""
    key: str = ""
    attempt: int = 1


class RunningRow(Record):
    timer_id: str
    row: TimerRow


class KeyRow(Record):
    """Where the timer of a key is, so that the next one replaces it."""

    name: str
    key: str
    due_ms: int
    timer_id: str


TIMERS = Table("kernel/timers", TimerRow, key=("due_ms", "timer_id"), scope="global")
RUNNING = Table("kernel/running", RunningRow, key=("timer_id",), scope="global")
KEYS = Table("kernel/timer-keys", KeyRow, key=("name", "key"))


class Timers:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._wake = asyncio.Event()
        self._order = itertools.count(time.time_ns())
        """Timers that are due at once run in the order in which they were put, also across a restart."""
        self._sleepers: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._count = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._foreground: set[str] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self.busy = 0
        self._first_ms = 0
        """No timer is due before this: a scan that began at the table's start would step over every timer that ever ran until the engine forgets them."""

    # Rooms' side

    def put(self, tx: Transaction, call: Call, due_ms: int, name: str, payload: Any, key: str | None) -> None:
        session = msgspec.msgpack.encode(call.session) if call.session is not None else b""
        row = TimerRow(
            due_ms,
            f"{next(self._order):016x}",
            name,
            payload if isinstance(payload, bytes) else msgspec.msgpack.encode(payload),
            tx.account,
            tx.region,
            tuple(call.principal),
            session,
            key or "",
        )
        if key is not None:
            self.remove(tx, name, key)
            KEYS.put(tx, KeyRow(name, key, due_ms, row.timer_id))
        TIMERS.put(tx, row)
        self._first_ms = min(self._first_ms, due_ms)
        tx.after_commit(self._wake.set)

    def remove(self, tx: Transaction, name: str, key: str) -> None:
        known = KEYS.get(tx, name, key)
        if known is not None:
            TIMERS.delete(tx, known.due_ms, known.timer_id)
            KEYS.delete(tx, name, key)

    async def wait(self, store: Store, watches: tuple[Watch, ...], until_ms: int | None) -> bool:
        loop = asyncio.get_running_loop()
        awaited: list[asyncio.Future[Any]] = []
        registered = []
        sleeper: asyncio.Future[bool] | None = None
        try:
            for watch in watches:
                future = store.watch(watch.prefix)
                registered.append((watch.prefix, future))
                awaited.append(future)
            if until_ms is not None:
                if self._ground.clock.now_ms() >= until_ms:
                    await asyncio.sleep(0)
                    return any(future.done() for _, future in registered)
                sleeper = loop.create_future()
                self._count += 1
                heapq.heappush(self._sleepers, (until_ms, self._count, sleeper))
                awaited.append(sleeper)
                if self._sleepers[0][2] is sleeper:
                    self._wake.set()
            if not awaited:
                raise ValueError("wait for what? neither a watch nor a time was given")
            if len(awaited) == 1:
                await awaited[0]
            else:
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            return any(future.done() for _, future in registered)
        finally:
            for prefix, future in registered:
                store.unwatch(prefix, future)
            if sleeper is not None and not sleeper.done():
                sleeper.cancel()

    # The kernel's side

    def start(self) -> None:
        """Takes up what was running when the server last ended, then runs what is due."""
        with self._ground.store.transaction() as tx:
            for running in list(RUNNING.scan(tx)):
                RUNNING.delete(tx, running.timer_id)
                TIMERS.put(tx, running.row)
        self._loop_task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        if self._loop_task is not None:
            tasks.append(self._loop_task)
        if self._alarm is not None:
            self._alarm.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def forget(self, account: str) -> None:
        """Ends everything of an account that waits or runs. For tests: nobody uses their accounts again, and their schedules would go on."""
        self._ground.flush_telemetry()  # which may schedule something
        store = self._ground.store
        running = [found.row for found in RUNNING.scan(store.transaction()) if found.row.account == account]
        tasks = [self._tasks[row.timer_id] for row in running if row.timer_id in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with store.transaction() as tx:
            for row in [*running, *(row for row in TIMERS.scan(tx, start=self._first_ms) if row.account == account)]:
                RUNNING.delete(tx, row.timer_id)
                self._forget(tx.at(row.account, row.region), row)

    def next_due_ms(self) -> int | None:
        """The next moment at which something waits, for timers and sleepers alike."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        first = next(TIMERS.keys(self._ground.store.transaction(), start=self._first_ms, limit=1), None)
        self._first_ms = first[0] if first is not None else NEVER_MS
        candidates = [
            moment for moment in (first[0] if first else None, self._sleepers[0][0] if self._sleepers else None) if moment is not None
        ]
        return min(candidates, default=None)

    def run_due(self) -> int:
        """Starts or runs everything that is due now; how many."""
        now_ms = self._ground.clock.now_ms()
        count = 0
        while self._sleepers and (self._sleepers[0][0] <= now_ms or self._sleepers[0][2].done()):
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(False)
                count += 1
        due = self._first_ms <= now_ms
        rows = list(TIMERS.scan(self._ground.store.transaction(), start=self._first_ms, stop=now_ms + 1, limit=BATCH)) if due else []
        for row in rows:
            self._fire(row)
        return count + len(rows)

    async def settle(self, timeout_s: float = 60) -> bool:
        """Returns when nothing is due and nothing but background loops runs; False if `timeout_s` of real time passed first."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout_s
        calm = 0
        while calm < 3:
            if self.run_due() or self._foreground or self.busy or self._ground.store.syncing:
                calm = 0
                tasks = [self._tasks[timer_id] for timer_id in self._foreground if timer_id in self._tasks]
                if tasks:
                    await asyncio.wait(tasks, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(0.001 if self.busy or self._ground.store.syncing else 0)
            else:
                calm += 1
                await asyncio.sleep(0)
            if loop.time() > give_up:
                return False
        self._ground.flush_telemetry()
        return True

    async def advance_to(self, target_ms: int, timeout_s: float = 60) -> bool:
        """Moves the clock to `target_ms` by way of every due moment before it, settling at each."""
        await self.settle(timeout_s)
        while (due_ms := self.next_due_ms()) is not None and due_ms <= target_ms:
            self._ground.clock.advance_to(due_ms)
            if not await self.settle(timeout_s):
                return False
        self._ground.clock.advance_to(target_ms)
        return await self.settle(timeout_s)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if self.run_due() >= BATCH:
                await asyncio.sleep(0)
                continue
            due_ms = self.next_due_ms()
            if due_ms is not None and self._ground.clock.frozen_ns is None:
                ahead_s = (due_ms - self._ground.clock.now_ms()) / 1000
                if ahead_s <= 0:
                    await asyncio.sleep(0)
                    continue
                # Never longer than an hour: the system's clock may be set meanwhile.
                self._alarm = loop.call_later(min(ahead_s, 3600), self._wake.set)
            await self._wake.wait()
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    def poke(self) -> None:
        """The clock was changed: look again."""
        self._wake.set()

    def _fire(self, row: TimerRow) -> None:
        ground = self._ground
        try:
            handler = ground.timer_handler(row.name)
        except Exception:
            _log.exception("no handler for timer %s", row.name)
            self._retry(row)
            return
        principal = Principal(*row.principal)  # type: ignore[arg-type]
        call = ground.background_call(row.name.partition(".")[0], row.name, row.account, row.region, principal, _session(row.session))
        payload = msgspec.msgpack.decode(row.payload)
        if handler.is_async:
            with ground.store.transaction() as tx:
                TIMERS.delete(tx, row.due_ms, row.timer_id)
                RUNNING.put(tx, RunningRow(row.timer_id, row))
            self._tasks[row.timer_id] = asyncio.get_running_loop().create_task(self._run_async(row, handler.function, call, payload))
            if not handler.background:
                self._foreground.add(row.timer_id)
            return
        try:
            with call.transaction() as tx:
                self._forget(tx, row)
                handler.function(call, payload)
        except Exception:
            _log.exception("timer %s failed", row.name)
            self._retry(row)

    async def _run_async(self, row: TimerRow, function: Any, call: Call, payload: Any) -> None:
        try:
            # What the handler does to the world must not be ahead of the disk.
            await self._ground.store.durable()
            await function(call, payload)
        except asyncio.CancelledError:
            raise
        except Exception:
            _log.exception("timer %s failed", row.name)
            self._retry(row)
        else:
            with self._ground.store.transaction(row.account, row.region) as tx:
                RUNNING.delete(tx, row.timer_id)
                if row.key:
                    known = KEYS.get(tx, row.name, row.key)
                    if known is not None and known.timer_id == row.timer_id:
                        KEYS.delete(tx, row.name, row.key)
        finally:
            self._tasks.pop(row.timer_id, None)
            self._foreground.discard(row.timer_id)

    def _forget(self, tx: Transaction, row: TimerRow) -> None:
        TIMERS.delete(tx, row.due_ms, row.timer_id)
        if row.key:
            known = KEYS.get(tx, row.name, row.key)
            if known is not None and known.timer_id == row.timer_id:
                KEYS.delete(tx, row.name, row.key)

    def _retry(self, row: TimerRow) -> None:
        """Later again; given up after RETRIES_MAX, with a line in the log."""
        with self._ground.store.transaction(row.account, row.region) as tx:
            TIMERS.delete(tx, row.due_ms, row.timer_id)
            RUNNING.delete(tx, row.timer_id)
            if row.attempt >= RETRIES_MAX:
                _log.error("timer %s given up after %d attempts", row.name, row.attempt)
                return
            wait_ms = min(RETRY_FIRST_MS << min(row.attempt - 1, 20), RETRY_MS_MAX)
            later = row.replace(due_ms=self._ground.clock.now_ms() + wait_ms, attempt=row.attempt + 1)
            TIMERS.put(tx, later)
            self._first_ms = min(self._first_ms, later.due_ms)
            if row.key:
                KEYS.put(tx, KeyRow(row.name, row.key, later.due_ms, row.timer_id))
        self._wake.set()


def _session(raw: bytes) -> Session | None:
    return msgspec.msgpack.decode(raw, type=Session) if raw else None
