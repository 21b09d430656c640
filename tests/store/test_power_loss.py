"""A computer that loses power keeps of each log file what was synced, and of the rest any beginning, or rubbish.

The store's directory is copied while a writer works; in the copy every log file is cut (or spoilt) at a random point at or after what had been
synced. What reopens must hold every synced batch, each batch whole, and no batch without all those before it.
"""

import itertools
import os
import random
import shutil
from pathlib import Path

import pytest

from groundcloud.store import keys
from groundcloud.store.engines import rocks, rocks_log
from groundcloud.store.engines.rocks import RocksEngine

COUNTER = keys.pack(("counter",))


class Writer:
    """Writes numbered batches and remembers what each holds, and how much of each log file a finished sync covers."""

    def __init__(self, folder: Path, source: random.Random) -> None:
        self.folder = folder
        self.source = source
        self.engine = RocksEngine(folder)
        self.batches: list[dict[bytes, bytes | None]] = []
        self.synced = 0
        self.synced_bytes: dict[str, int] = {}
        self.ends: dict[str, list[int]] = {}

    def write(self) -> None:
        number = len(self.batches) + 1
        batch: dict[bytes, bytes | None] = {}
        for part in range(self.source.randint(1, 6)):
            batch[keys.pack(("row", number, part))] = self.source.randbytes(self.source.choice([1, 50, 3000]))
        if number > 20 and self.source.random() < 0.3:
            batch[keys.pack(("row", self.source.randint(1, number - 1), 0))] = None
        batch[COUNTER] = number.to_bytes(8, "big")
        self.engine.write(batch)
        self.batches.append(batch)
        newest = max((self.folder / "log").glob("*.log"))
        self.ends.setdefault(newest.name, []).append(newest.stat().st_size)

    def sync(self) -> None:
        written = len(self.batches)
        self.engine.sync()
        self.synced = written

    def fdatasync(self, descriptor: int) -> None:
        """In place of the operating system's: what a file held when this was called is on disk."""
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        self.synced_bytes[name] = os.fstat(descriptor).st_size

    def lose_power(self, copy: Path) -> None:
        """The directory as it might be found afterwards, in the midst of a flush to a table file too."""
        while not self._copy(copy):
            shutil.rmtree(copy)
        for path in (copy / "log").glob("*.log"):
            whole = path.read_bytes()
            kept = self._cut(path.name, len(whole))
            rubbish = self.source.choice([b"", b"\x00" * (len(whole) - kept), self.source.randbytes(len(whole) - kept)])
            path.write_bytes(whole[:kept] + rubbish)

    def _cut(self, name: str, size: int) -> int:
        """Anywhere, or between two batches: a file grows by whole batches, so it is likeliest found so."""
        least = min(self.synced_bytes.get(name, 0), size)
        ends = [end for end in self.ends.get(name, ()) if end >= least]
        return self.source.choice(ends) if ends and self.source.random() < 0.5 else self.source.randint(least, size)

    def _copy(self, copy: Path) -> bool:
        """Logs (nobody writes to them now), then the list of table files, then those: a flush may end meanwhile. False if a file went away."""
        (copy / "log").mkdir(parents=True)
        try:
            for pattern in ("log/*.log", "CURRENT", "MANIFEST-*", "OPTIONS-*", "*.sst", "IDENTITY", "rocksdict*"):
                for path in self.folder.glob(pattern):
                    shutil.copy(path, copy / path.relative_to(self.folder))
        except FileNotFoundError:
            return False
        return True

    def check(self, copy: Path) -> None:
        found = RocksEngine(copy)
        try:
            count = int.from_bytes(found.get(COUNTER) or b"", "big")
            assert self.synced <= count <= len(self.batches), f"{self.synced} synced, {count} found"
            rows: dict[bytes, bytes | None] = {}
            for batch in self.batches[:count]:
                rows.update(batch)
            assert dict(found.scan(b"", b"\xff")) == {key: value for key, value in rows.items() if value is not None}
            found.write({b"after": b"1"})  # it goes on working
            found.sync()
        finally:
            found.close()


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, cuts: int) -> None:
    source = random.Random(seed)
    writer = Writer(tmp_path / "store", source)
    monkeypatch.setattr(rocks.os, "fdatasync", writer.fdatasync)
    try:
        for cut in range(cuts):
            for _ in range(source.randint(0, 40)):
                writer.write()
                if source.random() < 0.1:
                    writer.sync()
            copy = tmp_path / f"cut-{cut}"
            writer.lose_power(copy)
            writer.check(copy)
            shutil.rmtree(copy)
    finally:
        writer.engine.close()


def test_power_loss_takes_no_synced_batch_and_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch, seed=1, cuts=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_power_loss_at_many_moments(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rocks, "LOG_SWITCH_BYTES", 64 * 1024)  # a new log file every twenty batches or so
    run(tmp_path, monkeypatch, seed, cuts=40)


def test_no_batch_is_there_without_those_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new log file is on disk and the old one cut between two batches, while its write buffer becomes a table file."""
    monkeypatch.setattr(rocks, "LOG_SWITCH_BYTES", 12 * 1024 * 1024)
    writer = Writer(tmp_path / "store", random.Random(3))
    monkeypatch.setattr(rocks.os, "fdatasync", writer.fdatasync)
    try:
        for number in range(3):
            writer.engine.write({keys.pack(("bulk", number, part)): random.Random(part).randbytes(4000) for part in range(1000)})
            writer.write()
        while len(writer.ends) < 2:
            writer.write()
        writer.write()
        old, new = sorted(writer.ends)
        assert writer.synced_bytes[old] == writer.ends[old][-1]
        assert new not in writer.synced_bytes
        assert writer.engine.get(COUNTER) == len(writer.batches).to_bytes(8, "big")
    finally:
        writer.engine.close()


def test_rubbish_that_looks_like_a_recycled_record_does_not_hang_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RocksDB 9.8.4 by itself would read such a file for ever."""
    writer = Writer(tmp_path / "store", random.Random(1))
    monkeypatch.setattr(rocks.os, "fdatasync", writer.fdatasync)
    writer.engine.write({b"fill": bytes(100)})
    writer.write()
    writer.sync()
    copy = tmp_path / "cut"
    assert writer._copy(copy)
    writer.engine.close()
    log = max((copy / "log").glob("*.log"))
    whole = log.read_bytes()
    for kind in range(5, 12):
        log.write_bytes(whole + bytes([1, 2, 3, 4, 50, 0, kind]) + bytes(range(1, 100)))
        assert rocks_log.cut_to_whole_records(log) == 106
        assert log.read_bytes() == whole


@pytest.mark.parametrize("sizes", [[0], [1, 2, 3], [40_000], [32_768 - 7], [32_768 - 8, 5], [32_768 - 14, 5], [100_000, 1, 70_000]])
def test_a_log_that_ends_well_is_left_whole_and_any_cut_falls_back_to_the_record_before(tmp_path: Path, sizes: list[int]) -> None:
    engine = RocksEngine(tmp_path)
    ends = [0]
    log = max((tmp_path / "log").glob("*.log"))
    for number, size in enumerate(sizes):
        engine.write({b"%d" % number: random.Random(number).randbytes(size)})
        ends.append(log.stat().st_size)
    data = log.read_bytes()
    engine.close()
    assert rocks_log.whole_bytes(data) == len(data)
    for before, end in itertools.pairwise(ends):
        for cut in {before, before + 1, before + 7, (before + end) // 2, end - 1}:
            assert rocks_log.whole_bytes(data[:cut]) in (before, end if cut == end else before)
        spoilt = bytearray(data)
        spoilt[end - 1] ^= 1
        assert rocks_log.whole_bytes(bytes(spoilt)) == before
