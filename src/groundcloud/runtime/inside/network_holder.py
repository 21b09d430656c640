"""A process that holds a network of its own for a container, until the server's end of its standard input closes.

Arguments: the descriptor through which the listeners go out, beside one byte; a network that is there already, or ""; the ports to listen on. It prints its process id.
"""

from __future__ import annotations

import os
import sys

from groundcloud.runtime.inside import linux, network


def main() -> None:
    channel_fd, namespace, *ports = sys.argv[1:]
    if namespace:
        linux.call("setns", os.open(namespace, os.O_RDONLY | os.O_CLOEXEC), linux.CLONE_NEWNET)
    else:
        linux.call("unshare", linux.CLONE_NEWNET)
    network.set_up([int(port) for port in ports], int(channel_fd))
    os.close(int(channel_fd))
    print(os.getpid(), flush=True)
    while os.read(0, 1):
        pass


if __name__ == "__main__":
    main()
