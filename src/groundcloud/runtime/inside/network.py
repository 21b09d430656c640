"""A network of a sandbox's own: the loopback device and nothing else, with listeners that the server answers from outside.

A listening socket belongs to the network it was made in, wherever its descriptor is: made here and handed out, it lets the server accept
connections from inside without any virtual device between the two.
"""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_UP = 1
_REQUEST = struct.Struct("16sh22x")
_BACKLOG = 128


def set_up(ports: list[int], channel_fd: int) -> None:
    """Brings the loopback device up and hands listeners on these ports out through the channel, in order, beside one byte."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, _REQUEST.pack(b"lo", 0))
        flags = _REQUEST.unpack(answer)[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, _REQUEST.pack(b"lo", flags | _UP))
    listeners = [socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) for port in ports]
    with socket.socket(fileno=_copy(channel_fd)) as channel:
        socket.send_fds(channel, [b"\x03"], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()


def _copy(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
