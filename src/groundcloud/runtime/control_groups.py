"""Control groups for sandboxes: memory, CPU share and number of processes, on version 2 where it is delegated, else on version 1.

A group is made once and used by one sandbox after another: making and removing one costs more than starting a process. Without a
writable hierarchy there are none, and the sandbox falls back to limits per process and a watch on its memory.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "groundcloud-"
_CONTROLLERS = ("memory", "pids", "cpu")
_UNIFIED = _ROOT / "unified"  # systemd: the hierarchy of version 2 beside those of version 1, without controllers
_FREEZER, _FREEZER_FILE = "freezer", "cgroup.freeze"  # of version 2; what version 1 freezes cannot be killed
# AWS: Lambda quotas, 1,024 processes and threads; two more for init and the runtime.
_PROCESSES_MAX = 1026
# AWS: "Configure Lambda function memory": 1,769 MB are one virtual CPU.
_MB_PER_CPU = 1769
_SHARES_PER_CPU = 1024
_PERIOD_US = 20_000
_QUOTA_US_MIN = 1_000
# Charged once, to the zygote, and not again to the sandboxes that share it; a Python function on AWS pays about as much.
_SHARED_MB = 32
_SERIAL = itertools.count()


@dataclass(eq=False)
class Group:
    """One sandbox's group. `paths`: directory by controller (one directory under every name on version 2)."""

    version: int
    paths: dict[str, Path]
    _limits: tuple[int, int, bool] = (0, 0, False)
    _kills: int = 0
    _frozen: bool = False
    _freezes: bool = False

    def limit(self, memory_mb: int, ephemeral_mb: int, capped: bool = False) -> None:
        """/tmp is memory too and counts; what the function's processes hold beyond memory_mb is left to `resident_bytes`.

        The share of the processor is a weight; `capped`, it is all that there is, as on AWS, however idle the machine.
        """
        if self._frozen:
            self.set_frozen(False)
        self._kills = self._count_kills()
        if self._limits == (memory_mb, ephemeral_mb, capped):
            return  # as the sandbox before
        self._limits = (memory_mb, ephemeral_mb, capped)
        limit_bytes = (max(memory_mb - _SHARED_MB, 16) + ephemeral_mb) * 1024 * 1024
        cpu = max(memory_mb / _MB_PER_CPU, 0.02)
        quota_us = max(_QUOTA_US_MIN, int(cpu * _PERIOD_US))
        if self.version == 1:
            self._write("memory", "memory.limit_in_bytes", str(limit_bytes))
            self._write("cpu", "cpu.shares", str(int(cpu * _SHARES_PER_CPU)))
            self._write("cpu", "cpu.cfs_period_us", str(_PERIOD_US))
            self._write("cpu", "cpu.cfs_quota_us", str(quota_us if capped else -1))
            self._write("pids", "pids.max", str(_PROCESSES_MAX))
        else:
            self._write("memory", "memory.max", str(limit_bytes))
            self._write("memory", "memory.oom.group", "0")
            self._write("cpu", "cpu.weight", str(min(10_000, max(1, int(cpu * 100)))))
            self._write("cpu", "cpu.max", f"{quota_us if capped else 'max'} {_PERIOD_US}")
            self._write("pids", "pids.max", str(_PROCESSES_MAX))

    def descriptors(self) -> tuple[list[int], bool]:
        """What the new process needs to enter; True if it is to be born inside (the last descriptor is the directory)."""
        if self.version == 1:
            files = [path / "tasks" for name, path in self.paths.items() if name != _FREEZER]
            opened = [os.open(file, os.O_WRONLY | os.O_CLOEXEC) for file in files]
            self._freezes = _FREEZER in self.paths
            if self._freezes:
                opened.append(os.open(self.paths[_FREEZER], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            return opened, self._freezes
        self._freezes = _FREEZER in self.paths
        return [os.open(next(iter(self.paths.values())), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)], True

    def enter(self, pid: int) -> None:
        """Moves a process in, of one thread, that could not be started inside."""
        if pid <= 0:  # which would be this one
            raise ValueError(pid)
        # Version 2 makes everything that forks wait for a move: ten milliseconds were measured.
        self._freezes = self.version == 2 and _FREEZER in self.paths
        files = {path / "tasks" for name, path in self.paths.items() if name != _FREEZER}
        for file in files if self.version == 1 else {path / "cgroup.procs" for path in self.paths.values()}:
            try:
                file.write_text(str(pid))
            except OSError:  # gone already
                pass

    def set_frozen(self, frozen: bool) -> bool:
        """False if the kernel cannot."""
        if not self._freezes:
            return False
        try:
            (self.paths[_FREEZER] / _FREEZER_FILE).write_text("1" if frozen else "0")
        except OSError:
            return False
        self._frozen = frozen
        return True

    def resident_bytes(self) -> tuple[int, int]:
        """Memory of the processes' own, and what they share, the content of /tmp included; without the page cache."""
        path = self.paths.get("memory")
        if path is None:
            return 0, 0
        try:
            text = (path / "memory.stat").read_text()
        except OSError:
            return 0, 0
        found = {line.partition(" ")[0]: line.partition(" ")[2] for line in text.splitlines()}
        own, shared = (("total_rss", "rss"), ("total_shmem", "shmem")) if self.version == 1 else (("anon",), ("shmem",))
        return int(next((found[name] for name in own if name in found), 0)), int(next((found[name] for name in shared if name in found), 0))

    def ran_out(self) -> bool:
        """True if the kernel has killed for memory since `limit`."""
        return self._count_kills() > self._kills

    def _count_kills(self) -> int:
        path = self.paths.get("memory")
        if path is None:
            return 0
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        try:
            text = (path / name).read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)

    def _write(self, controller: str, file: str, text: str) -> None:
        path = self.paths.get(controller)
        if path is not None:
            try:
                (path / file).write_text(text)
            except OSError:  # a controller without this knob
                pass

    def remove(self) -> bool:
        """False while a process is still inside."""
        done = True
        for path in dict.fromkeys(self.paths.values()):
            try:
                path.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                done = False
        return done


class ControlGroups:
    """The groups of one server: `missing` names what there is not, and why."""

    def __init__(self, *, switched_off: bool = False) -> None:
        self.missing: dict[str, str] = {}
        self._parents: dict[str, Path] = {}
        self._version = 0
        self._free: list[Group] = []
        self._all: list[Group] = []
        self._name = f"{_PREFIX}{os.getpid()}-{next(_SERIAL)}"  # a process may hold several pools
        if switched_off:
            self.missing["control groups"] = "switched off"
        else:
            self._detect()

    @property
    def available(self) -> bool:
        return "memory" in self._parents

    def take(self, memory_mb: int, ephemeral_mb: int, capped: bool = False) -> Group | None:
        if not self._parents:
            return None
        group = self._free.pop() if self._free else self._make()
        if group is not None:
            group.limit(memory_mb, ephemeral_mb, capped)
        return group

    def give_back(self, group: Group) -> None:
        self._free.append(group)

    def _make(self) -> Group | None:
        number = len(self._all)
        paths = {controller: parent / str(number) for controller, parent in self._parents.items()}
        try:
            for path in dict.fromkeys(paths.values()):
                path.mkdir(exist_ok=True)
        except OSError:
            return None
        group = Group(self._version, paths)
        self._all.append(group)
        return group

    def _detect(self) -> None:
        try:
            lines = Path("/proc/self/cgroup").read_text().splitlines()
        except OSError:
            self.missing["control groups"] = "this system has none"
            return
        own = {name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}
        if any(controller in own for controller in _CONTROLLERS):
            self._detect_v1(own)
        elif "" in own:
            self._detect_v2(_ROOT / own[""].lstrip("/"))
        for controller in _CONTROLLERS:
            if controller not in self._parents:
                self.missing.setdefault(f"control group {controller}", "no writable hierarchy")
        if _FREEZER not in self._parents:
            self.missing["control group freezer"] = "no writable hierarchy of version 2: idle functions are stopped by signals"

    def _detect_v1(self, own: dict[str, str]) -> None:
        self._version = 1
        for controller in _CONTROLLERS:
            base = _ROOT / controller / own.get(controller, "").lstrip("/")
            if controller not in own or not base.is_dir():
                continue
            _sweep(base)
            parent = base / self._name
            try:
                parent.mkdir(exist_ok=True)
            except OSError as error:
                self.missing[f"control group {controller}"] = str(error.strerror)
            else:
                self._parents[controller] = parent
        base = _UNIFIED / own.get("", "").lstrip("/")
        if self._parents and "" in own and base.is_dir():
            _sweep(base)
            parent = base / self._name
            try:
                parent.mkdir(exist_ok=True)
            except OSError:
                return
            if (parent / _FREEZER_FILE).exists():  # of a kernel from 5.2
                self._parents[_FREEZER] = parent
            else:
                parent.rmdir()

    def _detect_v2(self, base: Path) -> None:
        """The server moves into a leaf of its own group, which must be delegated to it and hold no other process."""
        self._version = 2
        leaf = base / f"{self._name}-server"
        try:
            _sweep(base)
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
            offered = (base / "cgroup.controllers").read_text().split()
            wanted = [c for c in _CONTROLLERS if c in offered]
            (base / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in wanted))
            parent = base / self._name
            parent.mkdir(exist_ok=True)
            (parent / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in wanted))
        except OSError as error:
            self.missing["control groups"] = f"not delegated to this user: {error.strerror}"
            try:
                (base / "cgroup.procs").write_text(str(os.getpid()))
                leaf.rmdir()
            except OSError:
                pass
            return
        self._parents = dict.fromkeys([*wanted, *([_FREEZER] if (parent / _FREEZER_FILE).exists() else [])], parent)

    def close(self) -> bool:
        """Removes them; False if processes that are still ending keep some (a later server sweeps those)."""
        done = True
        for group in self._all:
            done = group.remove() and done
        for parent in dict.fromkeys(self._parents.values()):
            try:
                parent.rmdir()
            except OSError:
                done = False
        return done


def freezer_of(pid: int) -> str | None:
    """The file that freezes the group of version 2 of a process, where that is not the server's own."""
    own, other = (_unified_path(process) for process in ("self", str(pid)))
    if other in ("", "/", own):
        return None
    return next(
        (f"{base}{other}/{_FREEZER_FILE}" for base in (_ROOT, _UNIFIED) if os.access(f"{base}{other}/{_FREEZER_FILE}", os.W_OK)), None
    )


def _unified_path(process: str) -> str:
    try:
        with open(f"/proc/{process}/cgroup") as file:
            return next((line[3:].strip() for line in file if line.startswith("0::")), "")
    except OSError:
        return ""


def _sweep(base: Path) -> None:
    """Removes the groups of servers that are dead."""
    for parent in base.glob(f"{_PREFIX}*"):
        pid = parent.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            for child in [*(c for c in parent.iterdir() if c.is_dir()), parent]:
                try:
                    child.rmdir()
                except OSError:
                    continue
