"""How much memory the processes of a sandbox hold."""

from __future__ import annotations

import os

from groundcloud.runtime.control_groups import Group

_PROCESSES_MAX = 2048
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_mb(pid: int, group: Group | None) -> int:
    """From the control group where there is one, else summed over the tree below `pid` (pages shared with the zygote counted once)."""
    if group is not None and "memory" in group.paths:
        return group.resident_bytes() // (1024 * 1024)
    return _tree_bytes(pid) // (1024 * 1024) if pid else 0


def _tree_bytes(pid: int) -> int:
    total = 0
    waiting = [pid]
    seen = 0
    while waiting and seen < _PROCESSES_MAX:
        current = waiting.pop()
        seen += 1
        try:
            with open(f"/proc/{current}/statm") as file:
                _, resident, shared, *_ = map(int, file.read().split())
            with open(f"/proc/{current}/task/{current}/children") as file:
                waiting += map(int, file.read().split())
        except OSError:  # gone meanwhile, or a system without /proc
            continue
        total += max(0, resident - shared) * _PAGE_BYTES
    return total
