"""What an idle sandbox holds for itself."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest


def private_kb(pid: int) -> int:
    rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    return sum(int(row[1]) for row in rows if row[0].startswith("Private_"))


def test_a_trivial_sandbox_holds_a_few_megabytes(house: Any, sandbox: Any) -> None:
    """Measured on CPython 3.11: 2.6 MB; 4.4 with holes between the zygote's objects and an interpreter as init."""
    if not house.pool.capabilities().namespaces or platform.machine() != "x86_64":
        pytest.skip(f"{platform.machine()}, {house.pool.capabilities().missing}")
    spec = house.function("def handler(event, context): return event")
    taken = [sandbox(spec) for _ in range(3)]
    for one in taken:
        assert house.run(one.ready())
    held = []
    for one in taken:
        children = Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()
        held.append(sum(private_kb(pid) for pid in (one.pid, *map(int, children))))
    assert min(held) < 3_500, held
