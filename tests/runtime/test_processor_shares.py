"""A function's share of the processor: a weight by its memory, and all that it gets where its variable says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import invocation

BURN = """
    import time
    def handler(event, context):
        began, used = time.monotonic(), time.process_time()
        while time.process_time() - used < event:
            pass
        return (time.process_time() - used) / (time.monotonic() - began)
"""


@pytest.fixture
def shares(house: Any) -> Any:
    """`shares(memory_mb, variables)` -> which part of a processor a busy function got, and its sandbox's settings."""
    missing = house.pool.capabilities().missing
    if "control group cpu" in missing or "control groups" in missing:
        pytest.skip("needs control groups")

    def measure(sandbox: Any, memory_mb: int, **variables: str) -> tuple[float, tuple[int, str]]:
        spec = house.function(BURN, memory_mb=memory_mb, environment=variables)
        held = sandbox(spec)
        group = held.group
        path = group.paths["cpu"]
        weight, cap = ("cpu.shares", "cpu.cfs_quota_us") if group.version == 1 else ("cpu.weight", "cpu.max")
        settings = int((path / weight).read_text()), (path / cap).read_text().split()[0]
        result = house.run(held.invoke(invocation(0.02)))
        return float(json.loads(result.payload)), settings

    return measure


def test_more_memory_weighs_more_and_nothing_is_capped(shares: Any, sandbox: Any) -> None:
    (_, small), (_, large) = shares(sandbox, 128), shares(sandbox, 1769)
    assert large[0] > 10 * small[0]
    assert small[1] == large[1] and small[1] in ("-1", "max")


def test_a_function_that_says_so_gets_its_share_and_no_more(shares: Any, sandbox: Any) -> None:
    got, settings = shares(sandbox, 354, GROUND_CPU="limited")
    assert settings[1] == "4002", "a fifth of each 20 ms"
    assert got < 0.35
    # Its group is the next one's, who has no such limit.
    assert shares(sandbox, 354)[1][1] in ("-1", "max")
