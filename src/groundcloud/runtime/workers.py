"""Node.js processes that wait in finished sandboxes for a function to run: a new interpreter takes twenty milliseconds, one that waits two.

A worker is started like any sandbox, but with nothing at /var/task and /opt. When a function comes, the zygote puts its code there, the limits
become the function's, and the channel tells the process who it is. A worker serves one function and is never used for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from groundcloud.runtime import launch
from groundcloud.runtime.function import FunctionSpec
from groundcloud.runtime.interpreters import RuntimeChoice
from groundcloud.runtime.sandbox import Sandbox
from groundcloud.runtime.zygote import ZygoteFailed

_REFILL_S = 0.01
# What has to be there when the process starts.
_EARLY = frozenset(("AWS_LAMBDA_EXEC_WRAPPER", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "LD_PRELOAD", "LD_LIBRARY_PATH", "TZ"))
_NOBODY = Path("/nonexistent")


class Workers:
    """`make(choice)` starts one. At most `count` wait for each interpreter."""

    def __init__(self, make: Callable[[FunctionSpec, RuntimeChoice], Awaitable[Sandbox]], count: int) -> None:
        self._make = make
        self._count = count
        self._waiting: dict[Path, list[Sandbox]] = {}
        self._refills: dict[Path, asyncio.Task[None]] = {}

    def take(self, spec: FunctionSpec, choice: RuntimeChoice) -> Sandbox | None:
        """One that can become a sandbox of that function, if one waits; another takes its place soon."""
        if self._count == 0 or choice.program is None or not _EARLY.isdisjoint(spec.environment):
            return None
        if spec.layers and launch.extensions(spec, True):  # they begin before their runtime
            return None
        waiting = self._waiting.get(choice.program, [])
        found = None
        while waiting and found is None:
            worker = waiting.pop(0)
            found = None if worker.dead or worker.retired else worker
        self.refill(choice)
        return found

    def refill(self, choice: RuntimeChoice) -> None:
        assert choice.program is not None
        task = self._refills.get(choice.program)
        if task is None or task.done():
            self._refills[choice.program] = asyncio.get_running_loop().create_task(self._refill(choice))

    async def _refill(self, choice: RuntimeChoice) -> None:
        assert choice.program is not None
        waiting = self._waiting.setdefault(choice.program, [])
        await asyncio.sleep(_REFILL_S)  # the function that has just been started goes first
        while len(waiting) < self._count:
            blank = FunctionSpec(key="", runtime=f"nodejs{choice.version}.x", handler="", code_path=_NOBODY)
            try:
                worker = await self._make(blank, choice)
            except (ZygoteFailed, RuntimeError):
                return
            waiting.append(worker)

    def close(self) -> None:
        for task in self._refills.values():
            task.cancel()
        self._count = 0
        self._waiting.clear()
