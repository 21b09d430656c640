"""System calls that Python does not wrap, through ctypes; and what the errors of a failed one say.

Numbers: the kernel's include/uapi headers. Calls above 424 have one number on every architecture.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import signal

MACHINE = platform.machine()

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_PIDFD = 0x00001000
CLONE_CHILD_SETTID = 0x01000000
CLONE_INTO_CGROUP = 0x200000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
CAP_LAST = 40

_BY_MACHINE = {
    "x86_64": {"pivot_root": 155, "capset": 126, "setns": 308, "unshare": 272, "clone": 56, "sethostname": 170},
    "aarch64": {"pivot_root": 41, "capset": 91, "setns": 268, "unshare": 97, "clone": 220, "sethostname": 161},
}
_EVERYWHERE = {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "clone3": 435,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
NUMBERS: dict[str, int] = {**_BY_MACHINE.get(MACHINE, {}), **_EVERYWHERE}

# PyDLL keeps the interpreter's lock through the call: a raw clone must not come back to another thread state.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | ctypes.Structure | None) -> int:
    """The system call of that name; raises OSError, ENOSYS where this architecture's number is not known."""
    number = NUMBERS.get(name)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name}: no number known for {MACHINE}")
    passed = [ctypes.c_long(a) if isinstance(a, int) else ctypes.byref(a) if isinstance(a, ctypes.Structure) else a for a in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *passed), name)


def prctl(option: int, *arguments: int) -> int:
    passed = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    return _check(_libc.prctl(ctypes.c_int(option), *passed), f"prctl({option})")


def prctl_pointer(option: int, first: int, structure: ctypes.Structure) -> int:
    return _check(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(first), ctypes.byref(structure), 0, 0), f"prctl({option})")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), options.encode() if options else None
    )
    _check(result, f"mount {kind or source} on {target}")


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(target.encode(), ctypes.c_int(flags)), f"umount {target}")


class _MountAttributes(ctypes.Structure):
    _fields_ = [("set", ctypes.c_uint64), ("clear", ctypes.c_uint64), ("propagation", ctypes.c_uint64), ("userns_fd", ctypes.c_uint64)]


def set_mount_attributes(directory_fd: int, path: str, attributes: int) -> None:
    """Adds attributes to the mount at `path` and those below it (to the one of `directory_fd` if `path` is empty)."""
    flags = AT_RECURSIVE | (0 if path else AT_EMPTY_PATH)
    structure = _MountAttributes(attributes, 0, 0, 0)
    call("mount_setattr", directory_fd, path.encode(), flags, structure, ctypes.sizeof(structure))


def detached_bind(path: str, *, read_only: bool) -> int:
    """A file descriptor of a mount of the directory, attached nowhere, that `attach` puts in place in any mount namespace."""
    tree = call("open_tree", AT_FDCWD, path.encode(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    if read_only:
        set_mount_attributes(tree, "", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    return tree


def detached_overlay(lower: list[str]) -> int:
    """As `detached_bind`, for a read-only union of at least two directories; the first one wins."""
    context = call("fsopen", b"overlay", 1)
    try:
        call("fsconfig", context, FSCONFIG_SET_STRING, b"source", b"overlay", 0)
        call("fsconfig", context, FSCONFIG_SET_STRING, b"lowerdir", ":".join(lower).encode(), 0)
        call("fsconfig", context, FSCONFIG_CMD_CREATE, None, None, 0)
        return call("fsmount", context, 1, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    finally:
        os.close(context)


def attach(tree_fd: int, target: str) -> None:
    call("move_mount", tree_fd, b"", AT_FDCWD, target.encode(), MOVE_MOUNT_F_EMPTY_PATH)


def drop_capabilities() -> None:
    """Empties the effective, permitted, inheritable, ambient and bounding sets."""
    for capability in range(CAP_LAST + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            # EINVAL: this kernel knows fewer; EPERM: never had the right to, and no_new_privs makes the bounding set moot.
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise
    try:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError:
        pass
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, sets), "capset")


class _CloneArguments(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    ]


@functools.cache
def _own_tid_address() -> int:
    """Where glibc keeps the thread's id (0 if not found), so that a raw clone can correct it in the child as fork would."""
    _libc.pthread_self.restype = ctypes.c_void_p
    start = _libc.pthread_self()
    if not start or platform.libc_ver()[0] != "glibc":
        return 0
    words = (ctypes.c_int32 * 256).from_address(start)
    found = [i for i, word in enumerate(words) if word == os.getpid()]
    return start + 4 * found[0] if len(found) == 1 else 0


def clone(flags: int, *, cgroup_fd: int | None = None) -> tuple[int, int]:
    """Forks into new namespaces: (0, -1) in the child, (pid, pidfd) in the parent. Single-threaded callers only.

    clone3, or clone where a container's filter forbids it (then `cgroup_fd` is refused with ENOSYS). None of what Python does after a fork
    is done here, which costs memory and time on both sides: a child that runs more than the walls' code has to see to its random numbers and to the
    identifier of its main thread.
    """
    pidfd = ctypes.c_int(-1)
    tid_address = _own_tid_address()
    flags |= CLONE_PIDFD | (CLONE_CHILD_SETTID if tid_address else 0)
    arguments = _CloneArguments(flags, ctypes.addressof(pidfd), tid_address, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    if cgroup_fd is not None:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    pid = _libc.syscall(ctypes.c_long(NUMBERS["clone3"]), ctypes.byref(arguments), ctypes.c_long(ctypes.sizeof(arguments)))
    if pid < 0 and ctypes.get_errno() in (errno.ENOSYS, errno.EPERM) and cgroup_fd is None and "clone" in NUMBERS:
        tail = (0, tid_address) if MACHINE == "aarch64" else (tid_address, 0)
        number, combined = ctypes.c_long(NUMBERS["clone"]), ctypes.c_long(flags | signal.SIGCHLD)
        pid = _libc.syscall(number, combined, ctypes.c_long(0), ctypes.byref(pidfd), *map(ctypes.c_long, tail))
    if pid == 0:
        return 0, -1
    return _check(pid, "clone"), pidfd.value
