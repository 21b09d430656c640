"""The processes of one sandbox, through their init: a process descriptor, signals that init passes on, and a pipe for its last words."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable

from groundcloud.runtime.inside.small_init import STATUS_MARK

_STATUS_BYTES_MAX = 4096
_WORDS = re.compile(rb"(exit|signal) \d{1,3}|extension (exit|signal) \d{1,3} [^\n]+|setup .*|ended", re.DOTALL)
STOP, CONTINUE, SHUT_DOWN = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP


class ProcessTree:
    """`ended` is called when all of it is dead, `runtime_ended` when the runtime is and extensions are not. `status` says how it ended, as init put it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None], runtime_ended: Callable[[], None]) -> None:
        self.pid = 0
        self.pidfd = -1
        self.status = b""
        self._loop, self._on_end, self._on_runtime_end = loop, ended, runtime_ended
        self._status_fd = -1
        self._kill_wanted = False

    def open(self) -> int:
        """Opens the status pipe; returns init's end."""
        self._status_fd, write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(self._status_fd, False)
        return write

    def born(self, pid: int, pidfd: int) -> None:
        """The processes are there; nobody in the server holds init's end of the pipe any more."""
        self.pid, self.pidfd = pid, pidfd
        # A process descriptor becomes readable when init and all it stood for are gone; without one, the end of the pipe must do.
        if pidfd >= 0:
            self._loop.add_reader(pidfd, self._on_end)
        self._loop.add_reader(self._status_fd, self._said)
        if self._kill_wanted:
            self.kill()

    def kill(self) -> None:
        self._kill_wanted = True
        if self.pidfd >= 0:
            self.signal(signal.SIGKILL)
        elif self.pid:
            self.signal(signal.SIGTERM)  # init ends its process group, then itself

    def signal(self, number: int) -> None:
        try:
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, number)
            elif self.pid and self._status_fd >= 0:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """Takes in what init said last."""
        self._read_status()
        if self.status.startswith(STATUS_MARK):
            self.status = words_of(self.status[len(STATUS_MARK) :])
        if not _WORDS.fullmatch(self.status):
            self.status = b""  # without root the function can write there, too
        for fd in (self._status_fd, self.pidfd):
            if fd >= 0:
                self._loop.remove_reader(fd)
                os.close(fd)
        self._status_fd = self.pidfd = -1

    def _said(self) -> None:
        if not self._read_status():
            if self.status and not self.status.startswith(STATUS_MARK):
                self._on_runtime_end()
        elif self.pidfd < 0:
            self._on_end()
        else:  # its descriptor says when the processes are gone
            self._loop.remove_reader(self._status_fd)

    def _read_status(self) -> bool:
        """True at the end of the pipe."""
        if self._status_fd < 0:
            return True
        try:
            while chunk := os.read(self._status_fd, _STATUS_BYTES_MAX):
                self.status = (self.status + chunk)[-_STATUS_BYTES_MAX:]
        except BlockingIOError:
            return False
        return True


def words_of(digits: bytes) -> bytes:
    """What `inside.sandbox` says in words: the status of wait(2), in four digits from A to P."""
    if len(digits) < 4 or not all(ord("A") <= digit <= ord("P") for digit in digits[:4]):
        return b""
    status = 0
    for digit in digits[:4]:
        status = status << 4 | (digit - ord("A"))
    return b"signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else b"exit %d" % os.WEXITSTATUS(status)
