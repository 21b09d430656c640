"""The engine of tests and of `--memory`: nothing rests anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sortedcontainers import SortedDict


class MemoryEngine:
    volatile = True

    def __init__(self) -> None:
        self._rows: SortedDict = SortedDict()

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._rows.get(key)
        return value

    def scan(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        # In steps, so that a scan which is left open while rows change neither fails nor sees half a change of order.
        rows, step = self._rows, 64
        while True:
            keys = []
            for key in rows.irange(start, stop, (True, False), reverse):
                keys.append(key)
                if len(keys) == step:
                    break
            for key in keys:
                value = rows.get(key)
                if value is not None:
                    yield key, value
            if len(keys) < step:
                return
            if reverse:
                stop = keys[-1]
            else:
                start = keys[-1] + b"\x00"

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        rows = self._rows
        for key, value in changes.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value

    def sync(self) -> None:
        pass

    def close(self) -> None:
        self._rows.clear()
