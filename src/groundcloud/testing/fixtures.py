"""pytest fixtures; a project's `conftest.py` says `from groundcloud.testing.fixtures import *`.

`ground` is shared by the whole session; each test has an account of its own in it, so tests do not see each other.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcloud.testing.servers import Process, Threaded

__all__ = ["account", "client", "clock", "ground", "process"]

_ACCOUNTS = itertools.count(100_000_000_000 + (os.getpid() % 100_000) * 100_000)


@pytest.fixture(scope="session")
def ground() -> Iterator[Threaded]:
    """A server in this process: memory store, real socket."""
    server = Threaded()
    yield server
    server.close()


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[str]:
    """An account of this test's own. What it left running in the shared server ends with the test: a schedule would go on whenever time moves."""
    name = str(next(_ACCOUNTS))
    yield name
    if "ground" in request.fixturenames:
        request.getfixturevalue("ground").forget(name)


@pytest.fixture
def client(ground: Threaded, account: str) -> Callable[..., Any]:
    """`client("sqs")` is boto3's, as the root of this test's account."""

    def make(service: str, **options: Any) -> Any:
        return ground.client(service, options.pop("account", account), **options)

    return make


@pytest.fixture
def clock(ground: Threaded) -> Threaded:
    """`clock.advance("15m")`, `clock.settle()`, `clock.now_s()`."""
    return ground


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """`ground up` on disk in a process of its own: `process.kill()`, `process.start()`, `process.restart()`."""
    server = Process(tmp_path / "ground")
    yield server
    server.close()
