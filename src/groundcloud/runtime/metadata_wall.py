"""The way from sandboxes on the host's network to the cloud's metadata service, which would hand out the credentials of the machine itself.

On Lambda there is no such way. Rules of routing for the users that no one but sandboxes and containers is make the service unreachable for them (for
its port alone: some clouds serve names at the same address). They are the machine's: the last server that ends takes them away, and servers know of
each other by a lock on a file. Source: rtnetlink(7), linux/fib_rules.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path

from groundcloud.base.limits import METADATA_ADDRESSES

NEEDS_ROOT = "needs root, and users of the sandboxes' own"
_PORT = 80
_PRIORITY = 0x2900  # before the main table
_NETLINK_ROUTE = 0
_NEW_RULE, _DELETE_RULE, _ERROR = 32, 33, 2
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 1, 4, 0x200, 0x400
_DESTINATION, _PRIORITY_OF, _USERS, _PROTOCOL, _PORTS = 1, 6, 20, 22, 24
_UNREACHABLE = 7
_HEADER = struct.Struct("=IHHII")
_RULE = struct.Struct("=8BI")
_LOCK = Path(tempfile.gettempdir()) / "groundcloud-metadata-wall"


class MetadataWall:
    """For the users from `first_uid` to `last_uid`."""

    def __init__(self, first_uid: int, last_uid: int) -> None:
        self._users = struct.pack("=II", first_uid, last_uid)
        self._lock_fd = -1

    def build(self) -> str | None:
        """Why there is none, or None."""
        if sys.platform != "linux" or os.geteuid() != 0:
            return NEEDS_ROOT
        try:
            for address in METADATA_ADDRESSES:
                try:
                    self._ask(_NEW_RULE, _CREATE | _EXCLUSIVE, address)
                except FileExistsError:  # another server's, for the same users
                    continue
                except OSError as error:
                    if ":" in address and error.errno in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):  # a kernel without IPv6
                        continue
                    raise
        except OSError as error:
            return f"rules of routing: {error.strerror}"
        try:
            self._lock_fd = os.open(_LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._lock_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # then it stays
            self._close()
        return None

    def take_down(self) -> None:
        """If no other server needs it."""
        if self._lock_fd < 0:
            return
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for address in METADATA_ADDRESSES:
                try:
                    self._ask(_DELETE_RULE, 0, address)
                except OSError:
                    continue
        except BlockingIOError:
            pass
        finally:
            self._close()

    def _close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _ask(self, kind: int, flags: int, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        destination = socket.inet_pton(family, address)
        body = _RULE.pack(family, len(destination) * 8, 0, 0, 0, 0, 0, _UNREACHABLE, 0)
        for name, value in (
            (_DESTINATION, destination),
            (_PRIORITY_OF, struct.pack("=I", _PRIORITY)),
            (_USERS, self._users),
            (_PROTOCOL, bytes([socket.IPPROTO_TCP])),
            (_PORTS, struct.pack("=HH", _PORT, _PORT)),
        ):
            attribute = struct.pack("=HH", 4 + len(value), name) + value
            body += attribute + bytes(-len(attribute) % 4)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as netlink:
            netlink.settimeout(1)
            netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACKNOWLEDGE | flags, 1, 0) + body)
            answer = netlink.recv(4096)
        if _HEADER.unpack_from(answer)[1] == _ERROR and (code := -struct.unpack_from("=i", answer, _HEADER.size)[0]):
            raise OSError(code, os.strerror(code))
