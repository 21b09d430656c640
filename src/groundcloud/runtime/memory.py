"""How much memory the processes of a sandbox hold."""

from __future__ import annotations

import os

from groundcloud.runtime.control_groups import Group

_PROCESSES_MAX = 2048
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MB = 1024 * 1024


def resident_mb(pid: int, group: Group | None, limit_mb: int) -> int:
    """From the control group where there is one, else over the tree below `pid`.

    Without a group pages that processes share are counted for each, unless that makes more than `limit_mb`: then they are divided, which takes
    the kernel a walk over every page.
    """
    if group is not None and "memory" in group.paths:
        return group.resident_bytes() // _MB
    if not pid:
        return 0
    processes = tree(pid)
    total = sum(map(_resident_bytes, processes)) // _MB
    return total if total <= limit_mb else sum(map(_proportional_bytes, processes)) // _MB


def tree(pid: int) -> list[int]:
    """The process and its descendants. Orphans are children of init, so none is missed."""
    found = [pid]
    for current in found:
        if len(found) > _PROCESSES_MAX:
            break
        try:
            with open(f"/proc/{current}/task/{current}/children") as file:
                found += map(int, file.read().split())
        except OSError:  # gone meanwhile, or a system without /proc
            continue
    return found


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return max(0, resident - shared) * _PAGE_BYTES


def _proportional_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss_Anon:"))
    except OSError:
        return _resident_bytes(pid)
