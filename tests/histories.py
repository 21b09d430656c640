"""Histories of concurrent clients, and whether one register, or whatever else `apply` describes, could have answered so.

A history is linearisable if every step can be given a moment between its beginning and its end such that, done one after the other at these moments,
the steps give the answers that were given. The search is Wing and Gong's, with Lowe's memory of (steps done, value): a step may come next if no other
step ended before it began. A step whose answer nobody heard (the server was killed) may come at any moment after its beginning, or never.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol


class Unheard(Exception):
    """No answer came: the step may have been done or not."""


@dataclass(frozen=True)
class Step:
    """`kind` is read (result: the value), write, or swap (from `expected` to `value`; result: whether it was done). None is no value: a swap to it deletes."""

    kind: str
    began: float
    ended: float
    expected: Any = None
    value: Any = None
    result: Any = None

    @property
    def heard(self) -> bool:
        return self.ended < inf


Apply = Callable[[Step, Any], tuple[bool, Any]]
"""(step, value before) -> whether it may have come then with its result, and the value after. Values are hashable."""


def is_linearizable(steps: list[Step], initial: Any = None, apply: Apply | None = None) -> bool:
    """Whether the steps are, on one register unless `apply` says on what."""
    apply = apply or on_a_register
    steps = sorted((step for step in steps if step.heard or step.kind != "read"), key=lambda step: step.began)
    wanted = sum(1 << number for number, step in enumerate(steps) if step.heard)
    seen: set[tuple[int, Any]] = set()
    open_states = [(0, initial)]
    while open_states:
        done, held = open_states.pop()
        if done & wanted == wanted:
            return True
        if (done, held) in seen:
            continue
        seen.add((done, held))
        first_end = inf
        for number, step in enumerate(steps):
            if done >> number & 1:
                continue
            if step.began > first_end:
                break
            first_end = min(first_end, step.ended)
            possible, after = apply(step, held)
            if possible:
                open_states.append((done | 1 << number, after))
    return False


def on_a_register(step: Step, held: Any) -> tuple[bool, Any]:
    if step.kind == "read":
        return step.result == held, held
    if step.kind == "write":
        return True, step.value
    done = held == step.expected
    return (not step.heard or step.result == done), step.value if done else held


class Register(Protocol):
    """One client's way to the register. Each raises Unheard where no answer comes."""

    def read(self) -> Any: ...

    def write(self, value: Any) -> None: ...

    def swap(self, expected: Any, value: Any) -> bool:
        """`value` None: a conditional delete."""


def record(registers: list[Register], steps_each: int, seed: int, wait: Callable[[], None] = lambda: None) -> list[Step]:
    """Lets every register's client do its steps at once. `wait` is called after an answer that did not come."""
    history: list[Step] = []
    failures: list[BaseException] = []

    def run(client: int, register: Register) -> None:
        choose = random.Random(f"{seed}/{client}")
        known: Any = None
        for number in range(steps_each):
            kind = choose.choice(("read", "swap", "swap", "swap", "write", "delete"))
            value: Any = f"{client}/{number}"
            if kind == "delete":
                kind, value = ("swap", None) if known is not None else ("read", None)
            result, expected = None, known
            began, ended = time.perf_counter(), inf
            try:
                if kind == "read":
                    result = known = register.read()
                elif kind == "write":
                    register.write(value)
                    known = value
                else:
                    result = register.swap(expected, value)
                    known = value if result else known
                ended = time.perf_counter()
            except Unheard:
                wait()
            except BaseException as error:  # for the thread that waits
                failures.append(error)
                return
            history.append(Step(kind, began, ended, expected, None if kind == "read" else value, result))

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(registers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return history


class Killer:
    """Kills a server now and then while it is used; `wait` is for its clients."""

    def __init__(self, process: Any, times: int, every_s: float) -> None:
        self._process, self._times, self._every_s = process, times, every_s
        self._up = threading.Event()
        self._up.set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills = 0

    def wait(self) -> None:
        self._up.wait(30)

    def _run(self) -> None:
        while self.kills < self._times and not self._ended.wait(self._every_s):
            self._up.clear()
            self._process.restart()
            self.kills += 1
            self._up.set()

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()
