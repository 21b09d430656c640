"""The system call filter of a sandbox: a BPF program that lets everything through but what reaches outside of it.

A list of what is denied, not of what is allowed: functions bring native code of every kind. Denied calls fail with EPERM, except
clone3, whose flags a filter cannot see, which fails with ENOSYS so that the C library falls back to clone. Pure but for `install`.
Sources: seccomp(2), Docker's default profile (what it withholds from processes without capabilities).
"""

from __future__ import annotations

import ctypes
import errno
import struct

from . import linux

# name: (x86_64, aarch64); None where the architecture has no such call
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "fanotify_init": (300, 262),
    "personality": (135, 92),
    "mbind": (237, 235),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_CLONE3 = 435
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_NAMESPACE_FLAGS = 0x7E020080  # every CLONE_NEW*, time namespaces included
_DENIED_FAMILIES = (38, 40)  # AF_ALG, AF_VSOCK
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16


def program(machine: str, *, namespaces: bool = False) -> bytes | None:
    """The filter for that architecture, or None where its numbers are not known. `namespaces`: new ones may be cloned, and mounts made there."""
    if machine not in _AUDIT_ARCHITECTURE:
        return None
    column = 0 if machine == "x86_64" else 1
    denied = _ERRNO | errno.EPERM
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, denied)]
    for name, numbers in _DENIED.items():
        number = numbers[column]
        if number is not None and not (namespaces and name == "mount"):
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, denied)]
    code += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    if not namespaces:
        code += _argument_rule(_CLONE[machine], 0, [(_ANY_BIT, _NAMESPACE_FLAGS)], denied)
    code += _argument_rule(_SOCKET[machine], 0, [(_EQUAL, family) for family in _DENIED_FAMILIES], denied)
    code += _argument_rule(_IOCTL[machine], 1, [(_EQUAL, _TIOCSTI), (_EQUAL, _TIOCLINUX)], denied)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _argument_rule(number: int, argument: int, tests: list[tuple[int, int]], denied: int) -> list[tuple[int, int, int, int]]:
    """If the call is `number` and the low word of its argument passes any test: denied. Leaves the accumulator with the number."""
    body = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument)]
    for kind, value in tests:
        body += [(kind, 0, 1, value), (_RETURN, 0, 0, denied)]
    body.append((_RETURN, 0, 0, _ALLOW))
    return [(_EQUAL, 0, len(body), number), *body]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install(filter_bytes: bytes) -> None:
    """Applies the filter to this process and what it starts; no_new_privs must be set."""
    buffer = ctypes.create_string_buffer(filter_bytes, len(filter_bytes))
    structure = _Program(len(filter_bytes) // 8, ctypes.addressof(buffer))
    linux.prctl_pointer(linux.PR_SET_SECCOMP, linux.SECCOMP_MODE_FILTER, structure)
