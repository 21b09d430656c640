"""The first process of a sandbox, from its birth in new namespaces to the walls being up; then its life as init.

Order matters: control groups (their files are the host's), mounts (they need the capabilities), limits, user, capabilities, Landlock, seccomp,
and only then the fork of the process that runs the function's code. Init stays behind: it waits for that process, reaps
orphans, stops and continues everything on the server's signal, and writes how the runtime ended to the status pipe. When init ends, the
kernel kills what is left in its process namespace.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import landlock, linux, network, root, seccomp, small_init
from .control import LENGTH

# AWS: Lambda quotas, 1,024 file descriptors and 1,024 processes and threads.
FILES_MAX = 1024
WRITABLE = ("/tmp", "/dev", "/proc")
PROCESSES_MAX = 1024
_MESSAGE_QUEUES_MAX = 64  # of 16 KB each
_LOW_PIDS = 64  # which sandboxes' processes may have
_CHANNEL_FD_MIN = 1000  # out of the way of code that closes or writes to low descriptors
_HOST_NAME = b"169.254.100.6"
STOP_SIGNAL, CONTINUE_SIGNAL, END_SIGNAL = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM
SHUT_DOWN_SIGNAL = signal.SIGHUP  # the runtime is to end, and init when the extensions have
_INIT_SIGNALS = {signal.SIGCHLD, STOP_SIGNAL, CONTINUE_SIGNAL, END_SIGNAL, SHUT_DOWN_SIGNAL}
GO = b"\x01"  # before the first frame: the extensions have registered
# AWS: the function's handler, its log and where its code is are not told to extensions.
NOT_FOR_EXTENSIONS = frozenset(
    ("_HANDLER", "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT", "PYTHONPATH")
)
# As mounted on most hosts; a sandbox's own may not be freer than the one that it covers.
PROC_FLAGS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


@dataclass(frozen=True)
class Walls:
    """What the zygote found this machine to have."""

    namespaces: bool
    proc: bool
    seccomp: bytes | None
    landlock_abi: int
    small_init: bool = False
    zygote_pid: int = 0


@dataclass(frozen=True)
class Descriptors:
    channel: int
    log: int
    status: int
    control_groups: list[int]
    code: int = -1  # detached mounts
    layers: int = -1
    extensions_log: int = -1


def live(request: dict[str, Any], fds: Descriptors, walls: Walls, run: Callable[[int], None]) -> None:
    """Sets the sandbox up and is its init; `run(channel_fd)` is called in the runtime's process. Never returns."""
    try:
        begin_init()
        # Some systems drop a blocked signal that nobody handles, and init waits for this one.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if sys.platform == "linux" else _handled)
        # Not through the zygote: what it has held in its memory, the next sandbox could read there.
        request["environment"] = _environment(fds.channel)
        for group_fd in fds.control_groups:
            os.write(group_fd, b"0")
            os.close(group_fd)
        if walls.namespaces:
            if request["listeners"] is not None:
                network.set_up(request["listeners"], fds.channel)
            _mounts(request, fds, walls)
            linux.call("sethostname", _HOST_NAME, len(_HOST_NAME))
        _limits(request, walls)
        if walls.namespaces:
            if walls.zygote_pid < _LOW_PIDS:
                avoid_pid(walls.zygote_pid)
            _lose_privileges(request["uid"], walls, template=request["template"])
        # Whoever runs the function's code may write to init's memory: what the zygote holds must be gone from here before.
        _keep_only(fds.channel, fds.log, fds.status, fds.extensions_log)
        extensions = _start_extensions(request, fds)
        # A bare clone where there can be one: what Python does after a fork would write to pages that are shared with the zygote.
        child = linux.clone(0)[0] if walls.namespaces else os.fork()
    except BaseException as error:
        os.write(fds.status, f"setup {type(error).__name__}: {error}".encode())
        os._exit(1)
    if child == 0:
        _become_runtime(fds, run, waits=bool(request["extensions"]))
    be_init(child, fds.status, extensions, small=walls.small_init)


def _keep_only(*descriptors: int) -> None:
    """Closes all others but the first three."""
    last = 2
    for fd in sorted(fd for fd in descriptors if fd > last):
        os.closerange(last + 1, fd)
        last = fd
    os.closerange(last + 1, FILES_MAX)


def _environment(channel_fd: int) -> dict[str, str]:
    size = LENGTH.unpack(read_exactly(channel_fd, LENGTH.size))[0]
    variables: dict[str, str] = json.loads(read_exactly(channel_fd, size))
    return variables


def read_exactly(fd: int, size: int) -> bytes:
    """Ends the process where the server has closed the channel."""
    data = b""
    while len(data) < size:
        chunk = os.read(fd, size - len(data))
        if not chunk:
            os._exit(0)
        data += chunk
    return data


def _mounts(request: dict[str, Any], fds: Descriptors, walls: Walls) -> None:
    uid = request["uid"]
    if walls.proc:
        linux.mount("proc", "/proc", "proc", PROC_FLAGS)
        _system_settings(request)
    else:
        linux.mount("none", "/proc", "tmpfs", PROC_FLAGS | linux.MS_RDONLY, "size=4k")
    size_mb = request["ephemeral_mb"]
    options = f"size={size_mb}m,nr_inodes={size_mb * 256},mode=700,uid={uid},gid={uid}"
    linux.mount("tmp", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    if fds.code >= 0:
        linux.attach(fds.code, "/var/task")
        os.close(fds.code)
    if fds.layers >= 0:
        linux.attach(fds.layers, "/opt")
        os.close(fds.layers)


def _system_settings(request: dict[str, Any]) -> None:
    """Limits of the namespaces' own in /proc/sys, and a lock on it where the sandbox's user is the one who may write there."""
    shared_mb = request.get("shared_mb")
    for name, value in (("shmall", shared_mb << 8), ("msgmni", _MESSAGE_QUEUES_MAX)) if shared_mb else ():
        try:
            _write(f"/proc/sys/kernel/{name}", b"%d" % value)
        except OSError:  # a kernel before 5.19, for who is not its root
            continue
    if not request["uid"] and not request["template"]:  # its forks mount a /proc of their own, for which a whole one must be there
        linux.mount("/proc/sys", "/proc/sys", None, linux.MS_BIND)
        linux.mount("none", "/proc/sys", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | PROC_FLAGS)


def _limits(request: dict[str, Any], walls: Walls) -> None:
    # core(5): of the limits, only that of one byte keeps a crash from a program of the host that collects cores through a pipe.
    _limit(resource.RLIMIT_CORE, 1)
    _limit(resource.RLIMIT_NOFILE, FILES_MAX)
    if walls.namespaces and not request["template"]:
        # Counted per user; without a user of the sandbox's own it would count the host user's processes.
        _limit(resource.RLIMIT_NPROC, PROCESSES_MAX)
    address_space_mb = request.get("address_space_mb")
    if address_space_mb:
        _limit(resource.RLIMIT_AS, address_space_mb * 1024 * 1024)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):  # macOS refuses some
        pass


def _lose_privileges(uid: int, walls: Walls, *, template: bool) -> None:
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # or /proc/self would belong to root, and the maps below could not be written
    if walls.proc:
        try:
            linux.call("unshare", linux.CLONE_NEWUSER)
        except OSError:  # not allowed to make user namespaces; the user has no capabilities all the same
            pass
        else:
            _write("/proc/self/setgroups", b"deny")
            _write("/proc/self/uid_map", b"%d %d 1" % (root.SANDBOX_UID, uid))
            _write("/proc/self/gid_map", b"%d %d 1" % (root.SANDBOX_GID, uid))
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if template:
        # What it forks goes behind all of the walls; it must be able to build them. See `template`.
        landlock.restrict_scopes(walls.landlock_abi)
        if walls.seccomp is not None and (program := seccomp.program(linux.MACHINE, namespaces=True)) is not None:
            seccomp.install(program)
        return
    if walls.landlock_abi:
        landlock.restrict(walls.landlock_abi, WRITABLE if walls.proc else WRITABLE[:-1])
    if walls.seccomp is not None:
        seccomp.install(walls.seccomp)


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def avoid_pid(pid: int) -> None:
    """The next process gets another number than that: by their number libraries of cryptography find out that they were forked, and draw anew."""
    try:
        _write("/proc/sys/kernel/ns_last_pid", b"%d" % pid)
    except OSError:
        child = os.fork()  # takes a number
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)


def begin_init() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _INIT_SIGNALS)
    os.setsid()


def unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INIT_SIGNALS)


def _handled(number: int, frame: object) -> None:
    """Never called: the signal is blocked, and taken by sigwait."""


def _start_extensions(request: dict[str, Any], fds: Descriptors) -> dict[int, str]:
    """Runs the programs of /opt/extensions: their names by process."""
    started = {}
    for path in request["extensions"]:
        pid = os.fork()
        if pid == 0:
            _become_extension(path, request["environment"], fds)
        started[pid] = os.path.basename(path)
    return started


def _become_extension(path: str, environment: dict[str, str], fds: Descriptors) -> None:
    status = 127
    try:
        if sys.platform == "linux" and os.getppid() != 0:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        os.dup2(fds.extensions_log, 1)
        os.dup2(fds.extensions_log, 2)
        os.closerange(3, FILES_MAX)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INIT_SIGNALS)
        os.chdir("/")
        kept = {name: value for name, value in environment.items() if name not in NOT_FOR_EXTENSIONS}
        os.execve(path, [path], kept)
    except OSError as error:
        os.write(2, f"cannot start the extension {path}: {error.strerror}\n".encode())
    finally:
        os._exit(status)


def _become_runtime(fds: Descriptors, run: Callable[[int], None], *, waits: bool) -> None:
    if sys.platform == "linux" and os.getppid() != 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(fds.log, 1)
    os.dup2(fds.log, 2)
    channel = fcntl.fcntl(fds.channel, fcntl.F_DUPFD_CLOEXEC, min(_CHANNEL_FD_MIN, FILES_MAX - 2))
    os.closerange(3, channel)
    os.closerange(channel + 1, FILES_MAX)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INIT_SIGNALS)
    if waits and os.read(channel, 1) != GO:
        os._exit(0)
    run(channel)
    os._exit(0)


def be_init(child: int, status_fd: int, extensions: dict[int, str] | None = None, *, small: bool = False) -> None:
    """`small`: without the interpreter, where nothing but the runtime is waited for."""
    extensions = extensions or {}
    os.dup2(status_fd, 0)
    os.closerange(1, FILES_MAX)
    if small and not extensions:
        small_init.become(child)
    namespace = os.getpid() == 1
    last = b""
    shutting_down = told = False
    while True:
        number = signal.sigwait(_INIT_SIGNALS)
        if number == STOP_SIGNAL:
            _signal_all(child, namespace, signal.SIGSTOP)
        elif number == CONTINUE_SIGNAL:
            _signal_all(child, namespace, signal.SIGCONT)
        elif number == END_SIGNAL:
            _end(child, namespace, b"" if told else b"ended")
        elif number == SHUT_DOWN_SIGNAL:
            shutting_down = True
            if not last:
                os.kill(child, signal.SIGTERM)
        else:
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if pid == 0:
                    break
                if pid == child:
                    last = _how(status)
                elif pid in extensions:
                    name = extensions.pop(pid)
                    if not shutting_down and not last:
                        _end(child, namespace, b"extension %s %s" % (_how(status), name.encode()))
                if last and not extensions:
                    _end(child, namespace, b"" if told else last)
                if last and not shutting_down and not told:  # the extensions will be told, and have their time
                    told = True
                    os.write(0, last)


def _how(status: int) -> bytes:
    return b"signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else b"exit %d" % os.WEXITSTATUS(status)


def _end(child: int, namespace: bool, how: bytes) -> None:
    if not namespace:
        _signal_all(child, namespace, signal.SIGKILL)
    os.write(0, how)
    os._exit(0)


def _signal_all(child: int, namespace: bool, number: int) -> None:
    """To every process of the sandbox but this one; without a process namespace, to the runtime's process group."""
    try:
        if namespace:
            os.kill(-1, number)
        else:
            os.killpg(child, number)
    except (ProcessLookupError, PermissionError):
        pass
