"""Sequences, watches, the group commit, and what happens when the disk fails."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from groundcloud.store import Store, Table
from groundcloud.store.engines import Engine
from groundcloud.store.engines.memory import MemoryEngine
from groundcloud.store.engines.rocks import RocksEngine

ROWS = Table("test/rows", bytes, key=2)


class SlowDisk(MemoryEngine):
    """Counts its syncs; each waits for `gate`, and fails if `broken`."""

    volatile = False

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False
        self.written_at_sync: list[int] = []

    def sync(self) -> None:
        self.written_at_sync.append(len(self._rows))
        self.gate.wait(5)
        if self.broken:
            raise OSError(5, "Input/output error")
        self.syncs += 1


def put(store: Store, name: str, number: int) -> None:
    with store.transaction("1", "r") as tx:
        ROWS.put(tx, name, number, b"x")


def test_a_sequence_counts_up_from_one_in_each_account_and_region(store: Store) -> None:
    with store.transaction("1", "r") as tx:
        assert [tx.sequence("s") for _ in range(3)] == [1, 2, 3]
        assert tx.sequence("other") == 1
        assert tx.at("2", "r").sequence("s") == 1
    with store.transaction("1", "r") as tx:
        assert tx.sequence("s") == 4
        raise_away = store.transaction("1", "r")
        assert raise_away.sequence("s") == 4


def test_a_number_of_a_transaction_that_failed_is_given_again(store: Store) -> None:
    with pytest.raises(KeyError), store.transaction("1", "r") as tx:
        assert tx.sequence("s") == 1
        raise KeyError
    with store.transaction("1", "r") as tx:
        assert tx.sequence("s") == 1


def test_a_savepoint_undoes_what_came_after_it(store: Store) -> None:
    with store.transaction("1", "r") as tx:
        ROWS.put(tx, "a", 1, b"kept")
        savepoint = tx.savepoint()
        ROWS.put(tx.at("1", "r"), "a", 1, b"lost")
        ROWS.put(tx, "a", 2, b"lost")
        tx.roll_back_to(savepoint)
        ROWS.put(tx, "a", 3, b"kept")
    assert list(ROWS.items(store.transaction("1", "r"))) == [(("a", 1), b"kept"), (("a", 3), b"kept")]


def test_callbacks_run_after_the_writes_are_visible_and_never_after_a_failure(store: Store) -> None:
    seen: list[bytes | None] = []
    with store.transaction("1", "r") as tx:
        ROWS.put(tx, "a", 1, b"x")
        tx.after_commit(lambda: seen.append(ROWS.get(store.transaction("1", "r"), "a", 1)))
        assert seen == []
    assert seen == [b"x"]
    with pytest.raises(KeyError), store.transaction("1", "r") as tx:
        tx.after_commit(lambda: seen.append(None))
        raise KeyError
    assert seen == [b"x"]


def test_a_commit_wakes_those_who_watch_a_key_it_touched_and_nobody_else(store: Store) -> None:
    async def run() -> list[bool]:
        here = store.transaction("1", "r")
        watches = [
            ROWS.watch(here, "q"),
            ROWS.watch(here, "q", 1),
            ROWS.watch(here, "q", 2),
            ROWS.watch(here),
            ROWS.watch(store.transaction("2", "r")),
        ]
        futures = [store.watch(watch.prefix) for watch in watches]
        put(store, "q", 1)
        woken = [future.done() for future in futures]
        for watch, future in zip(watches, futures, strict=True):
            store.unwatch(watch.prefix, future)
            store.unwatch(watch.prefix, future)
        assert store._watches == {}
        return woken

    assert asyncio.run(run()) == [True, True, False, True, False]


def test_a_deletion_wakes_too_and_what_is_rolled_back_does_not(store: Store) -> None:
    put(store, "q", 1)

    async def run() -> None:
        future = store.watch(ROWS.watch(store.transaction("1", "r"), "q").prefix)
        with pytest.raises(KeyError), store.transaction("1", "r") as tx:
            ROWS.delete(tx, "q", 1)
            raise KeyError
        assert not future.done()
        with store.transaction("1", "r") as tx:
            ROWS.delete(tx, "q", 1)
        assert future.done()

    asyncio.run(run())


def test_calls_that_commit_together_share_one_sync() -> None:
    disk = SlowDisk()

    async def call(store: Store, number: int) -> None:
        put(store, "q", number)
        await store.durable()

    async def run() -> None:
        store = Store(disk)
        await asyncio.gather(*(call(store, number) for number in range(100)))
        store.close()

    asyncio.run(run())
    assert disk.syncs <= 2


def test_durable_waits_for_a_sync_that_began_after_the_commit() -> None:
    disk = SlowDisk()

    async def run() -> None:
        store = Store(disk)
        disk.gate.clear()
        put(store, "q", 1)
        first = asyncio.ensure_future(store.durable())
        while not disk.written_at_sync:
            await asyncio.sleep(0)
        put(store, "q", 2)  # while the first sync is under way: it may have missed this
        position = store.position
        second = asyncio.ensure_future(store.durable())
        assert not store.is_durable(position)
        disk.gate.set()
        await first
        assert not second.done()
        await second
        assert store.is_durable(position)
        assert disk.written_at_sync == [1, 2]
        await store.durable()
        assert disk.syncs == 2  # nothing new: no sync
        store.close()

    asyncio.run(run())


def test_a_caller_that_gives_up_waiting_harms_nobody() -> None:
    disk = SlowDisk()

    async def run() -> None:
        store = Store(disk)
        disk.gate.clear()
        put(store, "q", 1)
        gone, other = asyncio.ensure_future(store.durable()), asyncio.ensure_future(store.durable())
        while not disk.written_at_sync:
            await asyncio.sleep(0)
        gone.cancel()
        disk.gate.set()
        await other
        store.close()

    asyncio.run(run())


def test_after_a_failed_sync_the_store_takes_no_more_writes() -> None:
    disk = SlowDisk()
    disk.broken = True

    async def run() -> None:
        store = Store(disk)
        put(store, "q", 1)
        with pytest.raises(RuntimeError, match="cannot sync the store"):
            await asyncio.wait_for(store.durable(), 5)
        disk.broken = False
        with pytest.raises(RuntimeError, match="takes no more writes"):
            put(store, "q", 2)
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(store.durable(), 5)  # what was not synced then is not durable now
        assert ROWS.get(store.transaction("1", "r"), "q", 1) == b"x"
        store.close()

    asyncio.run(run())


def test_memory_never_makes_anyone_wait() -> None:
    async def run() -> None:
        store = Store(MemoryEngine())
        put(store, "q", 1)
        await store.durable()
        assert store._thread is None

    asyncio.run(run())


def test_rocks_syncs_its_log_from_a_thread(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(RocksEngine(tmp_path))
        for number in range(20):
            put(store, "q", number)
            await store.durable()
        assert store.is_durable(store.position)
        store.close()

    asyncio.run(run())
    again = Store(RocksEngine(tmp_path))
    assert len(list(ROWS.keys(again.transaction("1", "r")))) == 20
    again.close()


def test_rocks_stops_when_its_log_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    async def run() -> None:
        store = Store(RocksEngine(tmp_path))
        put(store, "q", 1)
        monkeypatch.setattr("groundcloud.store.engines.rocks.os.fdatasync", full)
        with pytest.raises(RuntimeError, match="No space left"):
            await asyncio.wait_for(store.durable(), 5)
        with pytest.raises(RuntimeError):
            put(store, "q", 2)
        monkeypatch.undo()
        store.close()

    asyncio.run(run())


class Reading(MemoryEngine):
    """Counts the rows that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def scan(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for pair in super().scan(start, stop, reverse):
            self.read += 1
            yield pair

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        super().write(changes)


def test_a_scan_that_stops_early_reads_no_further() -> None:
    engine = Reading()
    store = Store(engine)
    with store.transaction("1", "r") as tx:
        for number in range(1000):
            ROWS.put(tx, "q", number, b"x")
    with store.transaction("1", "r") as tx:
        ROWS.put(tx, "q", 5000, b"x")
        assert len(list(ROWS.keys(tx, "q", limit=3))) == 3
    assert engine.read <= 5


def test_engines_are_engines() -> None:
    engines: list[type[Engine]] = [MemoryEngine, RocksEngine]
    assert [engine.volatile for engine in engines] == [True, False]


def test_closing_ends_the_thread(tmp_path: Path) -> None:
    async def run() -> Store:
        store = Store(RocksEngine(tmp_path))
        put(store, "q", 1)
        await store.durable()
        return store

    store = asyncio.run(run())
    store.close()
    deadline = time.monotonic() + 5
    while store._thread is not None and store._thread.is_alive() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert store._thread is None or not store._thread.is_alive()
