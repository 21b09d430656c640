"""The embedded engine: RocksDB through rocksdict.

A synced write would hold the interpreter's lock for as long as the disk takes. So writes go to the log unsynced (the operating system
has them: a killed process loses nothing), and `sync` calls fdatasync on the log files by descriptors of its own, from a thread.
RocksDB appends a batch to its log with one write call before it returns, syncs a table file before it drops the log that it replaces,
and on opening replays the log up to the first record that is not whole: a batch is there entirely or not at all.

Nor may a batch be there without those before it. RocksDB would begin a new log file whenever its write buffer is full, and a loss of power
could then keep the new file and cut the old one short between two batches, which nothing notices. So its buffer never fills: the engine
itself begins the new file every LOG_SWITCH_BYTES, after it has synced the old one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundcloud.store.engines import DiskFull
from groundcloud.store.engines.rocks_log import cut_to_whole_records

BLOCK_CACHE_BYTES = 32 * 1024 * 1024
LOG_SWITCH_BYTES = 24 * 1024 * 1024
ENTRY_BYTES = 96
"""What an entry takes in the write buffer beside its key and value, more or less."""
WRITE_BUFFER_BYTES = 512 * 1024 * 1024
"""Never reached, see above; nothing is set aside for it."""
WRITE_BUFFERS_MAX = 3
LOG_BYTES_MAX = 1024 * 1024 * 1024
"""RocksDB would begin a new log file past this: not reached either."""
OPEN_FILES_MAX = 512
FREE_BYTES_MIN = 4 * 1024 * 1024
"""A store that failed is not opened anew on a disk with less than this."""
DIRECTORY_TICK_NS = 100_000_000

_log = logging.getLogger("groundcloud.store")


class RocksEngine:
    volatile = False

    def __init__(self, directory: Path) -> None:
        """Opens or creates `directory`. Raises RuntimeError if another process holds it."""
        import rocksdict

        directory.mkdir(parents=True, exist_ok=True)
        self._log_directory = directory / "log"
        self._log_directory.mkdir(exist_ok=True)
        self._rocksdict: Any = rocksdict
        self._directory = directory
        self._lock = _lock(directory)
        self._read_options = rocksdict.ReadOptions()
        self._failed = False
        try:
            self._open()
        except RuntimeError:
            os.close(self._lock)
            raise
        self._unflushed_bytes = 0
        self._synced_log = ""
        self._listed_ns = 0
        self._descriptors: dict[str, int] = {}
        self._sync_lock = threading.Lock()

    def _open(self) -> None:
        self._cut_log()
        try:
            self._db = self._rocksdict.Rdict(str(self._directory), self._options(self._rocksdict))
        except Exception as error:  # rocksdict raises bare Exception
            raise RuntimeError(f"cannot open the store in {self._directory}: {error}") from error
        self._get = self._db.get

    def _options(self, rocksdict: Any) -> Any:
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_wal_dir(str(self._log_directory))
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(WRITE_BUFFERS_MAX)
        options.set_max_total_wal_size(LOG_BYTES_MAX)
        options.set_max_open_files(OPEN_FILES_MAX)
        options.set_max_background_jobs(2)
        options.set_keep_log_file_num(2)
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
        options.set_wal_recovery_mode(rocksdict.DBRecoveryMode.point_in_time())
        # Point reads of keys still in the write buffer skip the tables below it.
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(0.02)
        table = rocksdict.BlockBasedOptions()
        table.set_block_cache(rocksdict.Cache(BLOCK_CACHE_BYTES))
        table.set_bloom_filter(10.0, False)
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        # Whole, the filter and index of a large table file outgrow a shard of the cache, and every read would unpack them anew.
        table.set_index_type(rocksdict.BlockBasedIndexType.two_level_index_search())
        table.set_partition_filters(True)
        table.set_pin_top_level_index_and_filter(True)
        table.set_data_block_index_type(rocksdict.DataBlockIndexType.binary_and_hash())
        options.set_block_based_table_factory(table)
        return options

    def _cut_log(self) -> None:
        """Only the newest file can end in the middle of a record, see `_switch_log`."""
        newest = max(self._log_directory.glob("*.log"), key=lambda path: int(path.stem), default=None)
        if newest is not None and newest.stat().st_size:
            cut_to_whole_records(newest)

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._get(key)
        return value

    def scan(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        cursor = self._db.iter(self._read_options)
        valid, key, value = cursor.valid, cursor.key, cursor.value
        if reverse:
            cursor.seek_for_prev(stop)
            if valid() and key() == stop:
                cursor.prev()
            while valid() and (found := key()) >= start:
                yield found, value()
                cursor.prev()
        else:
            cursor.seek(start)
            while valid() and (found := key()) < stop:
                yield found, value()
                cursor.next()

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        if self._failed:
            self._reopen()
        try:
            self._write(changes)
        except OSError:  # from `sync`
            raise
        except Exception as error:
            # The disk is full, most likely. RocksDB takes no more writes from here on: it is opened anew when one may succeed.
            self._failed = True
            if "No space left" in str(error):
                raise self._full() from error
            raise

    def _reopen(self) -> None:
        """As after a crash: what was written before the write that failed is in the log, which is cut to whole records."""
        free = os.statvfs(self._directory)
        if free.f_bavail * free.f_frsize < FREE_BYTES_MIN:
            raise self._full()
        self.sync()
        try:
            self._db.close()
        except Exception as error:  # it could not flush, which the log makes good
            _log.warning("closing the store that failed: %s", error)
        self._open()
        self._failed = False
        self._listed_ns = self._unflushed_bytes = 0

    def _full(self) -> DiskFull:
        return DiskFull(f"the disk of {self._directory} is full")

    def _write(self, changes: Mapping[bytes, bytes | None]) -> None:
        if self._unflushed_bytes >= LOG_SWITCH_BYTES:
            self._switch_log()
        written = ENTRY_BYTES * len(changes)
        if len(changes) == 1:
            for key, value in changes.items():
                if value is None:
                    self._db.delete(key)
                else:
                    self._db.put(key, value)
                    written += len(value)
            self._unflushed_bytes += written + len(key)
            return
        batch = self._rocksdict.WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in changes.items():
            written += len(key)
            if value is None:
                delete(key)
            else:
                put(key, value)
                written += len(value)
        self._db.write(batch)
        self._unflushed_bytes += written

    def _switch_log(self) -> None:
        """Begins a new log file once the old one is on disk, and has the write buffer made into a table file meanwhile."""
        self.sync()
        self._db.flush(wait=False)
        self._listed_ns = 0
        self._unflushed_bytes = 0

    def sync(self) -> None:
        with self._sync_lock:
            changed_ns = os.stat(self._log_directory).st_mtime_ns
            # A directory's time is coarse: a log made after a listing but in the same tick would not show, so a listing counts only if the
            # directory's last change was a tick ago by then.
            settled = time.time_ns() - changed_ns > DIRECTORY_TICK_NS
            if changed_ns == self._listed_ns and (descriptor := self._descriptors.get(self._synced_log)) is not None:
                os.fdatasync(descriptor)
                return
            names = sorted(name for name in os.listdir(self._log_directory) if name.endswith(".log"))
            fresh = [name for name in names if name >= self._synced_log]
            for name in fresh:
                descriptor = self._descriptors.get(name)
                if descriptor is None:
                    try:
                        descriptor = os.open(self._log_directory / name, os.O_RDONLY)
                    except FileNotFoundError:  # flushed to a (synced) table file meanwhile
                        continue
                    self._descriptors[name] = descriptor
                    _sync_directory(self._log_directory)
                os.fdatasync(descriptor)
            if fresh:
                self._synced_log = fresh[-1]
                for name in [name for name in self._descriptors if name < self._synced_log]:
                    os.close(self._descriptors.pop(name))
            self._listed_ns = changed_ns if settled else 0

    def close(self) -> None:
        self.sync()
        if self._unflushed_bytes:
            self._db.flush()  # so that the next start has no log to read
        self._db.close()
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        os.close(self._lock)


def _lock(directory: Path) -> int:
    """Holds the directory for this engine: RocksDB's own lock comes too late, its log is changed before."""
    descriptor = os.open(directory / "held", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RuntimeError(f"cannot open the store in {directory}: another server holds it") from None
    return descriptor


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
