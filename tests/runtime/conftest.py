"""A pool for the tests of a module on an event loop of its own, and functions written as text."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from groundcloud.runtime import FunctionSpec, Invocation, InvokeResult, Pool, PoolSettings, Sandbox, SandboxStart

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Of the interpreter that runs the tests: it is on every machine that runs them."""

_numbers = itertools.count()


@dataclass
class House:
    """One pool and its loop. `lines` holds (line, request id) of what this test's sandboxes logged."""

    runner: asyncio.Runner
    pool: Pool
    now: list[float]
    directory: Path
    lines: list[tuple[str, str | None]] = field(default_factory=list)

    def function(self, source: str, *, files: dict[str, str] | None = None, handler: str = "app.handler", **options: Any) -> FunctionSpec:
        number = next(_numbers)
        code = self.directory / f"code{number}"
        code.mkdir()
        for name, text in {"app.py": source, **(files or {})}.items():
            path = code / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        options.setdefault("runtime", RUNTIME)
        return FunctionSpec(key=f"function{number}", handler=handler, code_path=code, function_name=f"function{number}", **options)

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    def prepare(self, sandbox_id: str) -> SandboxStart:
        environment = {"AWS_LAMBDA_LOG_STREAM_NAME": f"2026/01/01/[$LATEST]{sandbox_id}"}
        lines = self.lines
        return SandboxStart(environment=environment, on_log=lambda line, request: lines.append((line.decode("utf-8", "replace"), request)))

    def invoke(self, spec: FunctionSpec, event: Any = None, **options: Any) -> InvokeResult:
        async def once() -> InvokeResult:
            async with self.pool.using(spec, self.prepare) as sandbox:
                return await sandbox.invoke(invocation(event, **options))

        result: InvokeResult = self.run(once())
        return result

    def answer(self, spec: FunctionSpec, event: Any = None, **options: Any) -> Any:
        result = self.invoke(spec, event, **options)
        assert result.kind == "ok", result
        return json.loads(result.payload)

    async def until(self, condition: Callable[[], bool]) -> None:
        """What the kernel does next to a process takes a moment of the machine's own time."""
        for _ in range(500):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not happen within five seconds")

    def still_serves(self) -> bool:
        return bool(self.answer(self.function("def handler(event, context): return event + 1"), 1) == 2)


def invocation(event: Any = None, request_id: str = "11111111-2222-3333-4444-555555555555", **options: Any) -> Invocation:
    return Invocation(request_id=request_id, payload=json.dumps(event).encode(), **options)


def open_house(directory: Path, **settings: Any) -> Iterator[House]:
    now = [1000.0]
    with asyncio.Runner() as runner:
        house = House(runner, Pool(PoolSettings(clock=lambda: now[0], wall_ms=lambda: 1_767_225_600_000, **settings)), now, directory)
        runner.run(house.pool.prewarm(RUNTIME))
        yield house
        runner.run(house.pool.close())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from open_house(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def lines_of_this_test_alone(request: pytest.FixtureRequest) -> None:
    """What sandboxes of earlier tests still have to say goes where they began to say it."""
    if "house" in request.fixturenames:
        request.getfixturevalue("house").lines = []


@pytest.fixture
def sandbox(house: House) -> Iterator[Callable[[FunctionSpec], Sandbox]]:
    """Starts sandboxes that stay with the test, to look at between invocations."""
    taken: list[Sandbox] = []

    def take(spec: FunctionSpec) -> Sandbox:
        taken.append(house.run(house.pool.acquire(spec, house.prepare)))
        return taken[-1]

    yield take
    for one in taken:
        one.kill()
