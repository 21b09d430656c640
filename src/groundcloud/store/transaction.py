"""Transactions over an engine, and the group commit.

A transaction keeps its writes aside and hands them to the engine in one batch when it commits. All transactions run on the event
loop's thread and none awaits while it is open, so they are serial by construction: there is nothing to lock and nothing to conflict.
`Store.durable` waits until what has been committed is on disk; whoever commits while a sync is under way shares the next one.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable, Iterator
from operator import itemgetter
from queue import SimpleQueue
from typing import Any

from groundcloud.store import keys
from groundcloud.store.engines import Engine

_FIRST = itemgetter(0)


class Transaction:
    """A view on the store from one account and region. Siblings made by `at` share the writes and commit together."""

    __slots__ = ("_callbacks", "_engine", "_writes", "account", "region", "store")

    def __init__(self, store: Store, account: str, region: str) -> None:
        self.store = store
        self.account = account
        self.region = region
        self._engine = store.engine
        self._writes: dict[bytes, bytes | None] = {}
        self._callbacks: list[Callable[[], None]] = []

    def at(self, account: str, region: str) -> Transaction:
        """The same transaction, seen from another account or region."""
        other = Transaction.__new__(Transaction)
        other.store = self.store
        other.account = account
        other.region = region
        other._engine = self._engine
        other._writes = self._writes
        other._callbacks = self._callbacks
        return other

    def get(self, key: bytes) -> bytes | None:
        writes = self._writes
        if writes and key in writes:
            return writes[key]
        return self._engine.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._writes[key] = value

    def delete(self, key: bytes) -> None:
        self._writes[key] = None

    def scan(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, as they are when the scan begins: later writes of this transaction are not seen by it."""
        stored = self._engine.scan(start, stop, reverse)
        if not self._writes:
            return stored
        own = [(key, value) for key, value in self._writes.items() if start <= key < stop]
        if not own:
            return stored
        own.sort(reverse=reverse)
        return _merge(stored, own, reverse)

    def sequence(self, name: str) -> int:
        """The next integer of that name in this account and region, from 1 on."""
        key = keys.pack((self.account, self.region, "store/sequences", name))
        raw = self.get(key)
        value = int.from_bytes(raw, "big") + 1 if raw else 1
        self._writes[key] = value.to_bytes(8, "big")
        return value

    def savepoint(self) -> tuple[dict[bytes, bytes | None], int]:
        """What has been written and is to be called so far; `roll_back_to` it undoes what comes after."""
        return dict(self._writes), len(self._callbacks)

    def roll_back_to(self, savepoint: tuple[dict[bytes, bytes | None], int]) -> None:
        writes, callbacks = savepoint
        self._writes.clear()
        self._writes.update(writes)
        del self._callbacks[callbacks:]

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Called on the loop once the writes are visible; for waking and caches, never for state."""
        self._callbacks.append(callback)

    def commit(self) -> None:
        if self._writes:
            self.store.apply(self._writes)
            self._writes.clear()  # in place: siblings share it
        if self._callbacks:
            callbacks = self._callbacks[:]
            self._callbacks.clear()
            for callback in callbacks:
                callback()

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        if kind is None:
            self.commit()
        else:
            self._writes.clear()
            self._callbacks.clear()


def _merge(stored: Iterator[tuple[bytes, bytes]], own: list[tuple[bytes, bytes | None]], reverse: bool) -> Iterator[tuple[bytes, bytes]]:
    own_keys = {key for key, _ in own}
    rest = (pair for pair in stored if pair[0] not in own_keys)
    mine = [(key, value) for key, value in own if value is not None]
    return heapq.merge(rest, mine, key=_FIRST, reverse=reverse)


class Store:
    """An engine with its watches and its group commit. Made on, and used from, the event loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._applied = 0
        self._synced = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._orders: SimpleQueue[int | None] = SimpleQueue()
        """Positions to sync up to, for the thread; None ends it. A SimpleQueue waits in C: an Event cost the loop 7 % of its time."""
        self._syncing = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watches: dict[int, dict[bytes, set[asyncio.Future[None]]]] = {}

    def transaction(self, account: str = "", region: str = "") -> Transaction:
        return Transaction(self, account, region)

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        """Writes at once, wakes whoever watches a key that changed. Durable later: see `durable`."""
        if self._failure is not None:
            raise RuntimeError("the store failed to write to disk and takes no more writes") from self._failure
        try:
            self.engine.write(changes)
        except OSError as error:  # the engine could not sync what came before
            self._failure = error
            raise
        self._applied += 1
        if self._watches:
            self._wake(changes)

    @property
    def position(self) -> int:
        """Counts commits; `durable(position)` waits for what is visible now."""
        return self._applied

    @property
    def syncing(self) -> bool:
        """Whether somebody waits for the disk."""
        return bool(self._waiting)

    def is_durable(self, position: int) -> bool:
        return self._synced >= position or self.engine.volatile

    async def durable(self, position: int | None = None) -> None:
        """Returns when every commit up to `position` (default: all so far) is on disk. Raises RuntimeError once a sync has failed."""
        wanted = self._applied if position is None else position
        if self._synced >= wanted or self.engine.volatile:
            return
        if self._failure is not None:
            # A second sync may succeed though the first lost what it should have written.
            raise self._cannot_sync() from self._failure
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((wanted, future))
        if not self._syncing:
            self._begin_sync(loop)
        await future

    def _begin_sync(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._thread is None:
            self._loop = loop
            self._thread = threading.Thread(target=self._sync_forever, name="store-sync", daemon=True)
            self._thread.start()
        self._syncing = True
        # Let the calls that are ready now write first, so that they share this sync.
        loop.call_soon(self._order_sync)

    def _order_sync(self) -> None:
        self._orders.put(self._applied)

    def _sync_forever(self) -> None:
        while (target := self._orders.get()) is not None:
            failure: BaseException | None = None
            try:
                self.engine.sync()
            except Exception as error:  # whatever it is: those who wait must hear of it
                failure = error
            if self._loop is None or self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._sync_done, target, failure)

    def _sync_done(self, target: int, failure: BaseException | None) -> None:
        waiting, self._waiting = self._waiting, []
        if failure is not None:
            # After a failed sync nobody knows what the disk holds: refuse everything until a restart reads the log again.
            self._failure = failure
            self._syncing = False
            for _, future in waiting:
                if not future.done():
                    future.set_exception(self._cannot_sync())
            return
        self._synced = max(self._synced, target)
        for wanted, future in waiting:
            if wanted > target:
                self._waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)
        if self._waiting:
            assert self._loop is not None
            self._loop.call_soon(self._order_sync)
        else:
            self._syncing = False

    def _cannot_sync(self) -> RuntimeError:
        return RuntimeError(f"cannot sync the store: {self._failure}")

    def watch(self, prefix: bytes) -> asyncio.Future[None]:
        """A future that is set when a commit touches a key that begins with `prefix`. Give it back with `unwatch`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watches.setdefault(len(prefix), {}).setdefault(prefix, set()).add(future)
        return future

    def unwatch(self, prefix: bytes, future: asyncio.Future[None]) -> None:
        by_prefix = self._watches.get(len(prefix))
        if by_prefix is None or (futures := by_prefix.get(prefix)) is None:
            return
        futures.discard(future)
        if not futures:
            del by_prefix[prefix]
            if not by_prefix:
                del self._watches[len(prefix)]

    def _wake(self, changes: dict[bytes, bytes | None]) -> None:
        for length, by_prefix in self._watches.items():
            for key in changes:
                futures = by_prefix.get(key[:length])
                if futures:
                    for future in futures:
                        if not future.done():
                            future.set_result(None)

    def close(self) -> None:
        self._orders.put(None)
        if self._thread is not None:
            self._thread.join(timeout=10)
        self.engine.close()
