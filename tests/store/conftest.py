"""A store on each engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundcloud.store import Store
from groundcloud.store.engines import Engine
from groundcloud.store.engines.memory import MemoryEngine
from groundcloud.store.engines.rocks import RocksEngine


@pytest.fixture(params=["memory", "rocks"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made: Engine = MemoryEngine() if request.param == "memory" else RocksEngine(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine)
