"""Engines: where the bytes rest. Each passes `tests/store/test_engines.py`.

An engine is used from the event loop's thread alone, but for `sync`, which runs in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class DiskFull(RuntimeError):
    """A write found no space. It did not happen; later ones may succeed."""


class Engine(Protocol):
    """An ordered map of bytes to bytes. `volatile`: nothing ever rests, so nothing waits for a sync."""

    volatile: bool

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in order. What is written while the scan is open may or may not be seen."""
        ...

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """All or none; visible at once; None deletes. Durable after the next `sync` that begins later. Raises DiskFull."""
        ...

    def sync(self) -> None:
        """Returns when every write that ended before the call is on disk. Called from another thread, without the lock of the interpreter."""
        ...

    def close(self) -> None: ...
