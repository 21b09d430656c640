"""What every engine does: an ordered map, changed a batch at a time."""

import os
import threading
from pathlib import Path

import pytest

from groundcloud.store.engines import Engine, rocks
from groundcloud.store.engines.rocks import RocksEngine

PAIRS = [(bytes([n]), b"v%d" % n) for n in range(10)]


def fill(engine: Engine) -> None:
    engine.write(dict(PAIRS))


def test_what_was_written_is_read(engine: Engine) -> None:
    engine.write({b"a": b"1"})
    assert engine.get(b"a") == b"1"
    assert engine.get(b"b") is None


def test_an_empty_value_is_a_value(engine: Engine) -> None:
    engine.write({b"a": b"", b"": b"key"})
    assert engine.get(b"a") == b""
    assert engine.get(b"") == b"key"


def test_none_deletes(engine: Engine) -> None:
    fill(engine)
    engine.write({b"\x03": None})
    engine.write({b"\x04": None, b"\x05": b"new", b"absent": None})
    assert engine.get(b"\x03") is None
    assert [key for key, _ in engine.scan(b"", b"\xff")] == [key for key, _ in PAIRS if key not in (b"\x03", b"\x04")]


def test_a_scan_is_in_order_from_start_to_before_stop(engine: Engine) -> None:
    engine.write(dict(reversed(PAIRS)))
    assert list(engine.scan(b"\x02", b"\x05")) == PAIRS[2:5]
    assert list(engine.scan(b"", b"\xff")) == PAIRS


def test_a_scan_in_reverse_has_the_same_bounds(engine: Engine) -> None:
    fill(engine)
    assert list(engine.scan(b"\x02", b"\x05", True)) == PAIRS[2:5][::-1]
    assert list(engine.scan(b"\x02", b"\x04\x00", True)) == PAIRS[2:5][::-1]
    assert list(engine.scan(b"", b"\xff", True)) == PAIRS[::-1]


@pytest.mark.parametrize("reverse", [False, True])
def test_an_empty_range_is_empty(engine: Engine, reverse: bool) -> None:
    assert list(engine.scan(b"", b"\xff", reverse)) == []
    fill(engine)
    assert list(engine.scan(b"\x05", b"\x05", reverse)) == []
    assert list(engine.scan(b"\x05", b"\x02", reverse)) == []
    assert list(engine.scan(b"\x20", b"\x30", reverse)) == []


@pytest.mark.parametrize("reverse", [False, True])
def test_a_long_scan_is_whole(engine: Engine, reverse: bool) -> None:
    rows = {b"%06d" % n: b"x" for n in range(1000)}
    engine.write(rows)
    assert [key for key, _ in engine.scan(b"", b"\xff", reverse)] == sorted(rows, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_may_go_while_a_scan_is_open(engine: Engine, reverse: bool) -> None:
    fill(engine)
    scan = engine.scan(b"", b"\xff", reverse)
    first = next(scan)
    engine.write({b"\x05": None, b"\x06": None})
    assert [first, *scan] == sorted([first, *[pair for pair in PAIRS if pair != first]], reverse=reverse) or (b"\x05", b"v5") not in [*scan]


def test_sync_may_be_called_at_any_time(engine: Engine) -> None:
    engine.sync()
    fill(engine)
    engine.sync()
    engine.sync()


def test_rocks_keeps_what_was_written_through_a_restart(tmp_path: Path) -> None:
    engine = RocksEngine(tmp_path)
    fill(engine)
    engine.close()
    again = RocksEngine(tmp_path)
    assert list(again.scan(b"", b"\xff")) == PAIRS
    again.close()


def test_rocks_refuses_a_second_server_on_the_same_directory(tmp_path: Path) -> None:
    engine = RocksEngine(tmp_path)
    with pytest.raises(RuntimeError, match="cannot open the store"):
        RocksEngine(tmp_path)
    engine.close()


def test_rocks_syncs_a_log_file_that_was_made_right_after_the_last_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory's time of change is coarse: the new file may bear the same."""
    monkeypatch.setattr(rocks, "LOG_SWITCH_BYTES", 0)
    synced: list[str] = []
    real = os.fdatasync
    monkeypatch.setattr(
        rocks.os, "fdatasync", lambda descriptor: (synced.append(os.readlink(f"/proc/self/fd/{descriptor}")), real(descriptor))
    )
    engine = RocksEngine(tmp_path)
    for number in range(60):
        engine.write({b"%d" % number: b"x"})
        if number % 2:
            threading.Event().wait(0.003)
        engine.sync()
        newest = max((tmp_path / "log").glob("*.log"))
        assert synced[-1] == str(newest)
    engine.close()


def test_rocks_lets_the_next_server_in_once_it_is_closed_or_failed_to_open(tmp_path: Path) -> None:
    RocksEngine(tmp_path).close()
    (tmp_path / "CURRENT").write_text("MANIFEST-999999\n")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"cannot open the store in .*MANIFEST"):
            RocksEngine(tmp_path)


def test_rocks_reads_indexes_and_filters_of_large_files_in_parts(tmp_path: Path) -> None:
    """Whole, they outgrow a shard of the cache: at a million rows a get took over a millisecond of CPU."""
    engine = RocksEngine(tmp_path / "store")
    engine.close()
    chosen = next((tmp_path / "store").glob("OPTIONS-*")).read_text()
    assert "partition_filters=true" in chosen
    assert "index_type=kTwoLevelIndexSearch" in chosen
