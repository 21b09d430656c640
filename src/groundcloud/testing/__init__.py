"""For tests: a server in this process on a real socket, a server in a process of its own that can be killed, and clients of both.

The pytest fixtures are in `groundcloud.testing.fixtures`.
"""

from groundcloud.testing.servers import Process, Threaded

__all__ = ["Process", "Threaded"]
