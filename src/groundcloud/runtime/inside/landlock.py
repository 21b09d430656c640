"""Landlock rules of a sandbox: writes only below /tmp, /proc and /dev; no abstract socket and no signal beyond the sandbox.

A second wall behind the mount namespace; the scopes (ABI 6) are the only wall to the host's abstract sockets while the
network is the host's. Source: landlock(7).
"""

from __future__ import annotations

import ctypes
import os

from . import linux

_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_WRITE_FILE = 1 << 1
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE = sum(1 << bit for bit in range(6, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_SCOPE_ABSTRACT_SOCKET, _SCOPE_SIGNAL = 1, 2


class _Ruleset(ctypes.Structure):
    _fields_ = [("access_fs", ctypes.c_uint64), ("access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def version() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    try:
        return linux.call("landlock_create_ruleset", None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(abi: int, writable: tuple[str, ...]) -> None:
    """Confines this process and its descendants; no_new_privs must be set."""
    handled = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE
    if abi >= 2:
        handled |= _REFER
    if abi >= 3:
        handled |= _TRUNCATE
    ruleset = _Ruleset(handled, 0, (_SCOPE_ABSTRACT_SOCKET | _SCOPE_SIGNAL) if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset_fd = linux.call("landlock_create_ruleset", ruleset, size, 0)
    try:
        for path in writable:
            path_fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                linux.call("landlock_add_rule", ruleset_fd, _RULE_PATH_BENEATH, _PathRule(handled, path_fd), 0)
            finally:
                os.close(path_fd)
        linux.call("landlock_restrict_self", ruleset_fd, 0)
    finally:
        os.close(ruleset_fd)


def restrict_scopes(abi: int) -> None:
    """Only the wall to abstract sockets and signals, which leaves mounting possible."""
    if abi < 6:
        return
    ruleset_fd = linux.call("landlock_create_ruleset", _Ruleset(0, 0, _SCOPE_ABSTRACT_SOCKET | _SCOPE_SIGNAL), 24, 0)
    try:
        linux.call("landlock_restrict_self", ruleset_fd, 0)
    finally:
        os.close(ruleset_fd)
