"""SnapStart: the initialised process of a function is the template from which its sandboxes are forked.

The template runs the function's own code, so it may hold no power that a sandbox must not have. A new sandbox is cloned into namespaces of its
own, a user namespace among them, in which its first process may mount and nothing more: it covers /proc and /tmp (what the initialisation
left in /tmp is copied), drops every capability, and puts up the walls that a template goes without because they forbid that: the rules
of Landlock, and the refusal to make namespaces. A template's open sockets are dead in its forks, as connections are after a restore on AWS.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import resource
import shutil
import signal
import socket
import stat
import struct
import sys
from collections.abc import Callable
from typing import Any

from . import frames, landlock, linux, network, root, sandbox, seccomp

LENGTH = struct.Struct("!I")
_DESCRIPTORS_MAX = 3
_FORK_CHANNEL_FD_MIN = 1001

Restore = Callable[[dict[str, Any], int], None]


def serve(channel_fd: int, walls: sandbox.Walls, restore: Restore) -> None:
    """Until the server closes the channel; `restore(request, channel_fd)` goes on in a new sandbox. Never returns."""
    gc.collect()
    gc.freeze()
    filter_bytes = seccomp.program(linux.MACHINE) if walls.seccomp is not None else None
    own_pid = os.getpid()
    handled = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    channel = socket.socket(fileno=channel_fd)
    while True:
        head, descriptors, _, _ = socket.recv_fds(channel, LENGTH.size, _DESCRIPTORS_MAX)
        if len(head) < LENGTH.size:
            os._exit(0)
        request = json.loads(sandbox.read_exactly(channel_fd, LENGTH.unpack(head)[0]))
        flags = linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC
        if request["listeners"] is not None:
            flags |= linux.CLONE_NEWNET
        answer: dict[str, Any] = {"id": request["id"]}
        pidfd = -1
        try:
            pid, pidfd = linux.clone(flags)
            if pid == 0:
                signal.signal(signal.SIGCHLD, handled if handled is not None else signal.SIG_DFL)
                _live(request, descriptors, walls, filter_bytes, channel_fd, restore, own_pid)
        except OSError as error:
            answer["error"] = str(error)
        data = frames.frame(frames.FORKED, json.dumps(answer).encode())
        socket.send_fds(channel, [data], [pidfd] if pidfd >= 0 else [])
        for fd in (*descriptors, *([pidfd] if pidfd >= 0 else [])):
            os.close(fd)


def _live(
    request: dict[str, Any],
    descriptors: list[int],
    walls: sandbox.Walls,
    filter_bytes: bytes | None,
    template_fd: int,
    restore: Restore,
    template_pid: int,
) -> None:
    """The first process of the new sandbox; see `sandbox.live`."""
    channel, log, status = descriptors
    try:
        sandbox.begin_init()
        _map_user()
        if request["listeners"] is not None:
            network.set_up(request["listeners"], channel)
        _mounts(request["ephemeral_mb"])
        sandbox.avoid_pid(template_pid)
        linux.drop_capabilities()
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_NPROC, (sandbox.PROCESSES_MAX, sandbox.PROCESSES_MAX))
        if walls.landlock_abi:
            landlock.restrict(walls.landlock_abi, sandbox.WRITABLE)
        if filter_bytes is not None:
            seccomp.install(filter_bytes)
        if os.read(channel, 1) != sandbox.GO:  # it is in its control groups now
            os._exit(0)
        os.close(template_fd)  # before anybody may write to this process's memory
        child = os.fork()
    except BaseException as error:
        os.write(status, f"setup {type(error).__name__}: {error}".encode())
        os._exit(1)
    if child == 0:
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        own = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, _FORK_CHANNEL_FD_MIN)
        for fd in (channel, log, status):
            os.close(fd)
        _kill_connections(own)
        sandbox.unblock_signals()
        restore(request, own)
        os._exit(0)
    sandbox.be_init(child, status, small=walls.small_init)


def _map_user() -> None:
    for path, text in (
        ("setgroups", b"deny"),
        ("uid_map", b"%d %d 1" % (root.SANDBOX_UID, root.SANDBOX_UID)),
        ("gid_map", b"%d %d 1" % (root.SANDBOX_GID, root.SANDBOX_GID)),
    ):
        fd = os.open(f"/proc/self/{path}", os.O_WRONLY)
        os.write(fd, text)
        os.close(fd)


def _mounts(size_mb: int) -> None:
    linux.mount("proc", "/proc", "proc", sandbox.PROC_FLAGS)
    before = os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY)
    options = f"size={size_mb}m,nr_inodes={size_mb * 256},mode=700,uid={root.SANDBOX_UID},gid={root.SANDBOX_GID}"
    linux.mount("tmp", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    if os.listdir(before):
        shutil.copytree(f"/proc/self/fd/{before}", "/tmp", symlinks=True, dirs_exist_ok=True)
    os.close(before)


def _kill_connections(but: int) -> None:
    """Puts a dead socket in the place of every one that was open in the template: its peer must not hear from several."""
    names = [int(name) for name in os.listdir("/proc/self/fd")]
    dead, other = socket.socketpair()
    other.close()
    for fd in names:
        try:
            if fd not in (but, dead.fileno()) and stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.dup2(dead.fileno(), fd, inheritable=False)
        except OSError:  # the directory's own
            continue
    dead.close()
    sys.stdout.flush()
