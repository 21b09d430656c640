"""Who is at the other end of a TCP connection of this machine: the wall of the Runtime API where sandboxes share the host's network.

The kernel knows the user that made a socket (sock_diag(7); /proc/net/tcp where that is missing). Under root each sandbox has a user of its
own, and no sandbox can make a socket as another user, so the user decides. Where sandboxes share a user, the socket must be
among the open files of the sandbox's processes. Off Linux nobody can tell, and everyone of the machine is let in (`peers_known`).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

from groundcloud.runtime import memory

peers_known = sys.platform == "linux"

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_SOCKET_ID = struct.Struct("!HH16s16s")
_OWNER_AT = _HEADER.size + 4 + 48 + 12  # behind family, state, timer, retransmissions; the socket's id; expiry and both queues
_OWNER = struct.Struct("=II")
_ESTABLISHED = "01"


class Owner(NamedTuple):
    uid: int
    inode: int


def owner(connection: socket.socket) -> Owner | None:
    """Of the other end, None if it is gone already."""
    ours, theirs = connection.getsockname(), connection.getpeername()
    try:
        return _diagnosed(theirs, ours)
    except OSError:  # a kernel without tcp_diag
        return _listed(theirs, ours)


def belongs(connection: socket.socket, *, uid: int | None, pid: int, processes: Callable[[int], list[int]] = memory.tree) -> bool:
    """True if the other end is of that user, or without one, of the processes of `pid`: by default the tree below it."""
    if not peers_known:
        return True
    try:
        found = owner(connection)
    except OSError:  # closed meanwhile
        return False
    if found is None:
        return False
    if uid is not None:
        return found.uid == uid  # one that is closed already counts as root's, which no sandbox is
    if found.inode == 0:
        return False
    return any(_holds(process, found.inode) for process in processes(pid)) if pid else False


def _diagnosed(source: tuple[str, int], target: tuple[str, int]) -> Owner | None:
    identity = _SOCKET_ID.pack(source[1], target[1], socket.inet_aton(source[0]), socket.inet_aton(target[0])) + struct.pack(
        "=III", 0, ~0 & 0xFFFFFFFF, ~0 & 0xFFFFFFFF
    )
    body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + identity
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body)
        answer = netlink.recv(4096)
    kind = _HEADER.unpack_from(answer)[1]
    if kind != _SOCK_DIAG_BY_FAMILY:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if code == 2:  # ENOENT: no such connection
            return None
        raise OSError(code, os.strerror(code))
    return Owner(*_OWNER.unpack_from(answer, _OWNER_AT))


def _listed(source: tuple[str, int], target: tuple[str, int]) -> Owner | None:
    wanted = (_row(source), _row(target))
    with open("/proc/net/tcp") as table:
        next(table)
        for line in table:
            fields = line.split()
            if (fields[1], fields[2]) == wanted and fields[3] == _ESTABLISHED:
                return Owner(int(fields[7]), int(fields[9]))
    return None


def _row(address: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"


def _holds(pid: int, inode: int) -> bool:
    name = f"socket:[{inode}]"
    try:
        with os.scandir(f"/proc/{pid}/fd") as files:
            for file in files:
                try:
                    if os.readlink(file.path) == name:
                        return True
                except OSError:
                    continue
    except OSError:
        return False
    return False
