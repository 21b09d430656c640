"""Stops a sandbox between invocations: its control group, where the kernel can freeze one, else all of its processes by signal.

A stopped process can have prepared its own SIGCONT (a timer, a socket with F_SETSIG); a frozen one cannot move. Where there are signals alone, the
processes are looked at from time to time, and a sandbox that does not stand still is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from groundcloud.runtime import memory
from groundcloud.runtime.control_groups import Group
from groundcloud.runtime.process_tree import CONTINUE, STOP

_LOOK_S_MIN, _LOOK_S_MAX = 0.5, 30.0
_STANDING = frozenset("TtZX")  # proc(5): stopped, traced, zombie, dead


class Freezing:
    """Of one sandbox. `send` signals its init, `stopped` are the processes that stand still once it has been sent STOP, `end` ends it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[int], None],
        stopped: Callable[[], list[int]],
        end: Callable[[], None],
    ) -> None:
        self.on = False
        self._loop, self._send, self._stopped, self._end = loop, send, stopped, end
        self._look: asyncio.TimerHandle | None = None

    def freeze(self, group: Group | None) -> None:
        if not self.on:
            self.on = True
            if group is None or not group.set_frozen(True):
                self._send(STOP)
                self._look = self._loop.call_later(_LOOK_S_MIN, self._look_after, _LOOK_S_MIN)

    def thaw(self, group: Group | None) -> None:
        self.on = False
        self.close()
        if group is None or not group.set_frozen(False):
            self._send(CONTINUE)

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _look_after(self, waited_s: float) -> None:
        if any(memory.state(pid) not in _STANDING for pid in self._stopped()):
            self._end()
            return
        again_s = min(waited_s * 2, _LOOK_S_MAX)
        self._look = self._loop.call_later(again_s, self._look_after, again_s)
