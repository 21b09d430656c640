"""How much memory the processes of a sandbox hold."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from groundcloud.runtime.control_groups import Group

_PROCESSES_MAX = 2048
_DESCRIPTORS_MAX = 4096  # looked at, of one sandbox
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MB = 1024 * 1024


def tree(pid: int) -> list[int]:
    """The process and its descendants. Orphans are children of init, so none is missed."""
    found = [pid]
    for current in found:
        if len(found) > _PROCESSES_MAX:
            break
        try:
            # A child is the thread's that started it.
            for thread in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{thread}/children") as file:
                    found += map(int, file.read().split())
        except OSError:  # gone meanwhile, or a system without /proc
            continue
    return found


def namespace(pid: int) -> list[int]:
    """The process and all others of its process namespace; the server's own is nobody's."""
    try:
        wanted = os.stat(f"/proc/{pid}/ns/pid").st_ino
        if wanted == os.stat("/proc/self/ns/pid").st_ino:
            return [pid]
        names = os.listdir("/proc")
    except OSError:
        return []
    found = []
    for name in names:
        if name.isdecimal():
            try:
                if os.stat(f"/proc/{name}/ns/pid").st_ino == wanted:
                    found.append(int(name))
            except OSError:  # gone meanwhile, or not ours to see
                continue
    return found


def state(pid: int) -> str:
    """One letter, as proc(5) has it; X for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def parent(pid: int) -> int:
    """0 where nobody can tell."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def resident_mb(pid: int, group: Group | None, limit_mb: int, processes_of: Callable[[int], list[int]] = tree) -> int:
    """From the control group where there is one, else over the tree below `pid`.

    Shared memory counts, but for files in /tmp, which have a limit of their own. Without a group pages that processes share are counted for each,
    unless that makes more than `limit_mb`: then they are divided, which takes the kernel a walk over every page.
    """
    if group is not None and "memory" in group.paths:
        own, shared = group.resident_bytes()
        return (own + _beside_tmp(pid, shared)) // _MB
    if not pid:
        return 0
    processes = processes_of(pid)
    sizes = [_resident_bytes(process) for process in processes]
    nameless = _nameless_bytes(processes)
    if sum(own for own, _ in sizes) + max(nameless, sum(shared for _, shared in sizes)) <= limit_mb * _MB:
        return (sum(own for own, _ in sizes) + nameless) // _MB
    parts = [_proportional_bytes(process) for process in processes]
    shared = _beside_tmp(pid, sum(shared for _, shared in parts))
    return (sum(own for own, _ in parts) + max(nameless, shared)) // _MB


def tmp_mb(pid: int) -> int:
    """What /tmp of a sandbox with a root of its own holds."""
    try:
        if not pid or os.stat(f"/proc/{pid}/root/tmp").st_dev == os.stat("/tmp").st_dev:
            return 0
        return _tmp_bytes(pid) // _MB
    except OSError:  # gone, or not ours to see
        return 0


def machine_mb() -> int:
    """The machine's memory, or what the server's control group may have of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdecimal():
            found.append(int(text))
    return min(found) // _MB


def _beside_tmp(pid: int, shared_bytes: int) -> int:
    """What of the shared memory is no content of /tmp."""
    if shared_bytes < _MB:
        return 0
    try:
        return max(0, shared_bytes - _tmp_bytes(pid))
    except OSError:  # gone, or not ours to see
        return 0


def _tmp_bytes(pid: int) -> int:
    tmp = os.statvfs(f"/proc/{pid}/root/tmp")
    return (tmp.f_blocks - tmp.f_bfree) * tmp.f_frsize


def _nameless_bytes(processes: list[int]) -> int:
    """What files of memfd_create(2) hold, mapped or not: no process's own, and in no file system that has a limit."""
    device, found, left = _nameless_device(), {}, _DESCRIPTORS_MAX
    for pid in processes if device else ():
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names[:left]:
            try:
                stat = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if stat.st_dev == device:
                found[stat.st_ino] = stat.st_blocks * 512
        left -= len(names)
        if left <= 0:
            break
    return sum(found.values())


@functools.cache
def _nameless_device() -> int:
    if not hasattr(os, "memfd_create"):
        return 0
    fd = os.memfd_create("groundcloud")
    try:
        return os.fstat(fd).st_dev
    finally:
        os.close(fd)


def _resident_bytes(pid: int) -> tuple[int, int]:
    """Of its own; of files, programs and memory that others may share."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0, 0
    return max(0, resident - shared) * _PAGE_BYTES, shared * _PAGE_BYTES


def _proportional_bytes(pid: int) -> tuple[int, int]:
    """Of its own; of shared memory."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            parts = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in file if line.startswith("Pss_")}
    except OSError:
        return _resident_bytes(pid)[0], 0
    return parts.get("Pss_Anon", 0), parts.get("Pss_Shmem", 0)
