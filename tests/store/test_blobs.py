"""Blobs: content by digest, kept as long as a record names it."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundcloud.store import Blob, Blobs, Store
from groundcloud.store.blobs import INLINE_BYTES_MAX, READ_BYTES, WRITE_BYTES
from groundcloud.store.engines.memory import MemoryEngine

LARGE = os.urandom(INLINE_BYTES_MAX + 1)
SIZES = [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, WRITE_BYTES - 1, WRITE_BYTES, 2 * WRITE_BYTES + 3]


@pytest.fixture
def blobs(store: Store, tmp_path: Path) -> Iterator[Blobs]:
    yield Blobs(tmp_path / "blobs", store)


def files(blobs: Blobs) -> list[str]:
    return sorted(str(path.relative_to(blobs._directory)) for path in blobs._directory.rglob("*") if path.is_file())


def store_of(blobs: Blobs) -> Store:
    return blobs._store


def put(blobs: Blobs, data: bytes) -> Blob:
    with store_of(blobs).transaction() as tx:
        return blobs.put(tx, data)


async def forget(blobs: Blobs, blob: Blob) -> None:
    with store_of(blobs).transaction() as tx:
        blobs.unlink(tx, blob)
    await settle(blobs)


async def settle(blobs: Blobs) -> None:
    await store_of(blobs).durable()
    for _ in range(5):
        await asyncio.sleep(0)


async def written(blobs: Blobs, data: bytes, chunk_bytes: int) -> Blob:
    async with blobs.writer() as writer:
        for start in range(0, len(data), chunk_bytes):
            await writer.write(data[start : start + chunk_bytes])
        content = await writer.finish()
    with store_of(blobs).transaction() as tx:
        return blobs.link(tx, content)


async def streamed(blobs: Blobs, blob: Blob, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.stream(blob, start, stop)])


@pytest.mark.parametrize("size", SIZES)
def test_content_comes_back_however_it_was_written(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)

    async def run() -> None:
        one, two = put(blobs, data), await written(blobs, data, 300_001)
        assert one == two == Blob(hashlib.sha256(data).hexdigest(), size, size <= INLINE_BYTES_MAX)
        assert blobs.read(store_of(blobs).transaction(), one) == data
        assert await streamed(blobs, one) == data
        assert blobs.path(one).read_bytes() == data
        assert len(files(blobs)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("size", [10, 3 * READ_BYTES])
@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (3, 9), (9, None), (10**9, None), (5, 10**9)])
def test_a_part_of_the_content_is_streamed(blobs: Blobs, size: int, start: int, stop: int | None) -> None:
    data = os.urandom(size)

    async def run() -> None:
        assert await streamed(blobs, put(blobs, data), start, stop) == data[start:stop]

    asyncio.run(run())


def test_small_content_makes_no_file_and_large_content_one(blobs: Blobs) -> None:
    put(blobs, b"small")
    assert files(blobs) == []
    put(blobs, LARGE)
    put(blobs, LARGE)
    assert len(files(blobs)) == 1


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_content_goes_with_its_last_name(blobs: Blobs, data: bytes) -> None:
    async def run() -> None:
        blob = put(blobs, data)
        with store_of(blobs).transaction() as tx:
            assert blobs.link(tx, blob) == blob
        await forget(blobs, blob)
        assert blobs.read(store_of(blobs).transaction(), blob) == data
        await forget(blobs, blob)
        with pytest.raises(KeyError):
            blobs.read(store_of(blobs).transaction(), blob)
        assert files(blobs) == []
        with pytest.raises(KeyError), store_of(blobs).transaction() as tx:
            blobs.link(tx, blob)
        await forget(blobs, blob)  # once more harms nothing

    asyncio.run(run())


def test_content_forgotten_and_named_again_in_one_transaction_stays(blobs: Blobs) -> None:
    async def run() -> None:
        blob = put(blobs, LARGE)
        with store_of(blobs).transaction() as tx:
            blobs.unlink(tx, blob)
            blobs.put(tx, LARGE)
        await settle(blobs)
        assert blobs.read(store_of(blobs).transaction(), blob) == LARGE

    asyncio.run(run())


def test_content_written_while_its_last_name_goes_stays(blobs: Blobs) -> None:
    async def run() -> None:
        blob = put(blobs, LARGE)
        async with blobs.writer() as writer:
            await writer.write(LARGE)
            content = await writer.finish()  # not yet named
            put(blobs, LARGE)
            await forget(blobs, blob)
            await forget(blobs, blob)
        with store_of(blobs).transaction() as tx:
            blob = blobs.link(tx, content)
        await settle(blobs)
        assert blobs.read(store_of(blobs).transaction(), blob) == LARGE
        await forget(blobs, blob)
        assert files(blobs) == []

    asyncio.run(run())


def test_a_reader_keeps_what_is_forgotten_meanwhile(blobs: Blobs) -> None:
    data = os.urandom(3 * READ_BYTES)

    async def run() -> None:
        blob = put(blobs, data)
        stream = blobs.stream(blob)
        got = await anext(stream)
        await forget(blobs, blob)
        assert files(blobs) == []
        assert got + b"".join([chunk async for chunk in stream]) == data

    asyncio.run(run())


def test_a_writer_that_is_given_up_leaves_nothing(blobs: Blobs) -> None:
    async def run() -> None:
        with pytest.raises(ConnectionError):
            async with blobs.writer() as writer:
                await writer.write(os.urandom(WRITE_BYTES + 1))
                await writer.write(os.urandom(WRITE_BYTES + 1))
                assert len(files(blobs)) == 1
                raise ConnectionError
        assert files(blobs) == []

    asyncio.run(run())


def test_finished_content_may_be_discarded(blobs: Blobs) -> None:
    async def run() -> None:
        writer = blobs.writer()
        await writer.write(LARGE)
        content = await writer.finish()
        writer.discard(content)
        await settle(blobs)
        assert files(blobs) == []

    asyncio.run(run())


def test_observers_see_every_byte_in_order(blobs: Blobs) -> None:
    data = os.urandom(WRITE_BYTES + 5)
    md5 = hashlib.md5(usedforsecurity=False)

    async def run() -> None:
        writer = blobs.writer((md5.update,))
        for start in range(0, len(data), 70_000):
            await writer.write(data[start : start + 70_000])
        await writer.finish()

    asyncio.run(run())
    assert md5.digest() == hashlib.md5(data, usedforsecurity=False).digest()


def test_a_sweep_removes_what_a_crash_left_and_nothing_else(tmp_path: Path) -> None:
    store = Store(MemoryEngine())
    blobs = Blobs(tmp_path, store)
    kept = put(blobs, LARGE)
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        blobs.put(tx, LARGE + b"2")
        raise ZeroDivisionError
    (tmp_path / "scratch" / "half").write_bytes(b"half")
    small = put(blobs, b"small")
    blobs.path(small)
    again = Blobs(tmp_path, store)
    assert again.sweep() == 3
    assert again.sweep() == 0
    assert again.read(store.transaction(), kept) == LARGE
    assert again.read(store.transaction(), small) == b"small"


def test_a_file_outside_the_digests_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README").write_text("mine")
    assert Blobs(tmp_path, Store(MemoryEngine())).sweep() == 0
    assert (tmp_path / "notes" / "README").exists()
