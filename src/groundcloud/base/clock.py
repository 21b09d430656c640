"""Virtual time. The whole server reads one clock, so that minutes can pass in an instant and every run can be replayed.

A clock is the system's clock plus an offset, or frozen at a moment. It only ever goes forward.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

MOVES_KEPT = 10_000
FURTHEST_MS = 9_214_646_400_000
"""2262-01-01. The store keeps nanoseconds since the epoch in 64 bits, which end in April of that year."""

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


class Clock:
    """`source_ns` gives nanoseconds since the epoch; `frozen_ns` is the moment at which time stands, or None while it runs."""

    __slots__ = ("_moves", "_source_ns", "frozen_ns", "offset_ns")

    def __init__(self, source_ns: Callable[[], int] = time.time_ns) -> None:
        self._source_ns = source_ns
        self.offset_ns = 0
        self.frozen_ns: int | None = None
        self._moves: list[tuple[int, int, bool]] = []

    def now_ns(self) -> int:
        if self.frozen_ns is not None:
            return self.frozen_ns
        return self._source_ns() + self.offset_ns

    def now_ms(self) -> int:
        return self.now_ns() // 1_000_000

    def now_s(self) -> int:
        return self.now_ns() // 1_000_000_000

    def restore(self, offset_ns: int, frozen_ns: int | None) -> None:
        """Takes up where an earlier process left off."""
        self.offset_ns, self.frozen_ns = offset_ns, frozen_ns
        self._moves = [(0, offset_ns, False)]

    def real_ns(self) -> int:
        """What the machine's clock says."""
        return self._source_ns()

    def virtual_s(self, real_s: float) -> float:
        """What this clock showed when the machine's showed `real_s`, as far as it remembers; for times that clients wrote down by theirs."""
        real_ns = int(real_s * 1e9)
        for moved_at_ns, offset_ns, frozen in reversed(self._moves):
            if moved_at_ns <= real_ns:
                return (moved_at_ns + offset_ns if frozen else real_ns + offset_ns) / 1e9
        return real_s

    def aged_s(self, written_s: float) -> float:
        """Now, for what a client wrote down by the machine's clock at `written_s` (a presigned URL): that moment plus what this clock says has passed since."""
        real_s = self._source_ns() / 1e9
        if not self.offset_ns and self.frozen_ns is None:
            return real_s
        # Clients write whole seconds: a move of the clock within that second is taken to come before.
        return max(real_s, written_s + self.now_ns() / 1e9 - self.virtual_s(written_s + 1))

    def _moved(self) -> None:
        frozen = self.frozen_ns is not None
        now_ns = self._source_ns()
        offset_ns = self.frozen_ns - now_ns if self.frozen_ns is not None else self.offset_ns
        self._moves.append((now_ns, offset_ns, frozen))
        del self._moves[:-MOVES_KEPT]

    def advance_to(self, at_ms: int) -> None:
        """Moves to `at_ms` (milliseconds since the epoch); does nothing if that is in the past."""
        now_ns = self.now_ns()
        ahead_ns = at_ms * 1_000_000 - now_ns
        if ahead_ns <= 0:
            return
        if self.frozen_ns is not None:
            self.frozen_ns += ahead_ns
        else:
            self.offset_ns += ahead_ns
        self._moved()

    def freeze(self) -> None:
        if self.frozen_ns is None:
            self.frozen_ns = self.now_ns()
            self._moved()

    def resume(self) -> None:
        """Time runs again, from where it stood."""
        if self.frozen_ns is not None:
            self.offset_ns = self.frozen_ns - self._source_ns()
            self.frozen_ns = None
            self._moved()


def duration_ms(text: str) -> int:
    """`15m`, `1h30m`, `250ms`, `2d`, or plain seconds -> milliseconds. Raises ValueError naming the forms that are accepted."""
    compact = text.strip().lower()
    if compact.startswith("-"):
        raise ValueError("time only goes forward")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return int(float(compact) * 1000)
    total, end = 0.0, 0
    for match in _DURATION.finditer(compact):
        if match.start() != end:
            break
        total += float(match[1]) * _UNITS_MS[match[2]]
        end = match.end()
    if end != len(compact) or not compact:
        raise ValueError(f"not a duration: {text!r}; write it like 90s, 15m, 1h30m, 2d or 250ms")
    return int(total)
