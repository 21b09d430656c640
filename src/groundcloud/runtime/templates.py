"""SnapStart: one initialised process for each version of a function, from which its sandboxes are forked.

The forks live in namespaces below their template's, so that its end is theirs: it is ended when it is retired and the last of them is gone.
A template is made anew after three hours, because clients made during the initialisation hold its credentials; the old one serves until the new one
is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from groundcloud.runtime.function import FunctionSpec, PrepareStart
from groundcloud.runtime.sandbox import Sandbox

_AGE_S_MAX = 10_800.0
_LENGTH = struct.Struct("!I")


class Template:
    """A sandbox that has initialised the function and only forks."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.born_at = time.monotonic()
        self.forks: set[str] = set()
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._number = 0
        sandbox.be_template(self._forked)

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self.born_at >= _AGE_S_MAX

    async def fork(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """A process descriptor of the new sandbox's init. Raises OSError."""
        self._number += 1
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        text = json.dumps({"id": self._number, **request}).encode()
        self.sandbox.send_descriptors(_LENGTH.pack(len(text)) + text, descriptors)
        return await answer

    def _forked(self, head: dict[str, Any], pidfd: int | None) -> None:
        number = head.get("id")
        answer = self._waiting.pop(number, None) if isinstance(number, int) else None
        if answer is None or answer.done():
            if pidfd is not None:
                os.close(pidfd)
        elif pidfd is None:
            answer.set_exception(OSError(str(head.get("error"))))
        elif process_of(pidfd) <= 0:  # the function's code can write to the template's channel, too
            os.close(pidfd)
            answer.set_exception(OSError("the template has sent something else than a process"))
            self.sandbox.kill()
        else:
            answer.set_result(pidfd)

    def died(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(OSError("the template is gone"))


class Templates:
    """`make(spec, prepare)` starts a sandbox that becomes a template."""

    def __init__(self, make: Callable[[FunctionSpec, PrepareStart | None], Awaitable[Sandbox]]) -> None:
        self._make = make
        self._making: dict[str, asyncio.Task[Template | None]] = {}
        self._renewing: dict[str, asyncio.Task[Template | None]] = {}
        self._all: list[Template] = []

    async def of(self, spec: FunctionSpec, prepare: PrepareStart | None) -> Template | None:
        """That of the function, initialised; None if its initialisation fails."""
        loop, task = asyncio.get_running_loop(), self._making.get(spec.key)
        made = task.result() if task is not None and task.done() and task.exception() is None else None
        if task is None or (task.done() and (made is None or made.sandbox.retired)):
            task = self._making[spec.key] = loop.create_task(self._start(spec, prepare))
        elif made is not None and made.is_old and spec.key not in self._renewing:
            self._renewing[spec.key] = loop.create_task(self._renew(spec, prepare, made))
        return await asyncio.shield(task)

    async def _renew(self, spec: FunctionSpec, prepare: PrepareStart | None, old: Template) -> Template | None:
        try:
            made = await self._start(spec, prepare)
        finally:
            del self._renewing[spec.key]
        task = asyncio.current_task()
        if made is None or task is None:
            old.born_at = time.monotonic()  # it serves on, until this is tried again
        elif spec.key in self._making:
            self._making[spec.key] = task
        else:  # the function was replaced meanwhile
            self.retire(made)
        return made

    async def _start(self, spec: FunctionSpec, prepare: PrepareStart | None) -> Template | None:
        previous = [template for template in self._all if template.sandbox.spec.key == spec.key]
        sandbox = await self._make(spec, prepare)
        template = Template(sandbox)
        self._all.append(template)
        if not await sandbox.ready():
            if template in self._all:
                self._all.remove(template)
            return None
        for old in previous:
            self.retire(old)
        return template

    def retire_key(self, key: str) -> None:
        self._making.pop(key, None)
        for template in list(self._all):
            if template.sandbox.spec.key == key:
                self.retire(template)

    def retire(self, template: Template) -> None:
        template.sandbox.retired = True
        if not template.forks:
            template.sandbox.kill()

    def forget(self, sandbox: Sandbox) -> None:
        """A sandbox has ended: a fork, or a template."""
        for template in list(self._all):
            if template.sandbox is sandbox:
                self._all.remove(template)
                template.died()
            elif sandbox.id in template.forks:
                template.forks.discard(sandbox.id)
                if template.sandbox.retired and not template.forks:
                    template.sandbox.kill()


def process_of(pidfd: int) -> int:
    """The process that a descriptor stands for, by the number that it has here."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return 0
