"""A process that holds a network of its own for a container, until the server's end of its standard input closes.

Arguments: the descriptor through which the listeners go out, beside one byte, then the ports to listen on. It prints its process id.
"""

from __future__ import annotations

import os
import sys

from groundcloud.runtime.inside import linux, network

_CLONE_NEWNET = 0x4000_0000


def main() -> None:
    channel_fd, *ports = map(int, sys.argv[1:])
    linux.call("unshare", _CLONE_NEWNET)
    network.set_up(ports, channel_fd)
    os.close(channel_fd)
    print(os.getpid(), flush=True)
    while os.read(0, 1):
        pass


if __name__ == "__main__":
    main()
