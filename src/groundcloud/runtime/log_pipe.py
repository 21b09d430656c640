"""The server's end of a sandbox's log pipes: reads them no faster than their rate, and whole before an answer goes out."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

from groundcloud.runtime.log_lines import LineAssembler, Tail

_READ_BYTES = 64 * 1024
_DRAIN_BYTES_MAX = 1024 * 1024
_PAUSE_S = 0.1


class LogPipe:
    """`on_line` is called with every line, `rate` is in bytes per second."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_line: Callable[[bytes], None], rate: int) -> None:
        self._loop, self._on_line, self._rate = loop, on_line, rate
        self._fd = -1
        self._lines = LineAssembler()
        self._allowance = float(rate)
        self._paused: asyncio.TimerHandle | None = None

    def open(self) -> int:
        """Opens both ends; returns the sandbox's."""
        self._fd, write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._readable)
        return write

    def drain(self) -> None:
        """What was written before the answer is in the pipe by now; a thread that goes on writing does not hold it up."""
        budget = _DRAIN_BYTES_MAX
        while self._fd >= 0 and budget > 0:
            read = self._read()
            if read < _READ_BYTES:
                return
            budget -= read

    def flush(self) -> None:
        """What is there of an unfinished line is a line: the invocation has ended."""
        for rest in self._lines.flush():
            self._on_line(rest)

    def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        if self._paused is not None:
            self._paused.cancel()

    def _readable(self) -> None:
        read = self._read()
        if read == 0:
            self._loop.remove_reader(self._fd)
            return
        self._allowance -= max(read, 0)
        if self._allowance <= 0:
            # The pipe fills and the function's writes wait: the server's time is not the function's to take.
            self._loop.remove_reader(self._fd)
            self._paused = self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._paused = None
        self._allowance = min(self._rate, self._allowance + self._rate * _PAUSE_S)
        self._loop.add_reader(self._fd, self._readable)

    def _read(self) -> int:
        """Bytes read: 0 at the end, -1 if there is nothing now."""
        try:
            chunk = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return -1
        except OSError as error:
            if error.errno == errno.EBADF:
                return 0
            raise
        for line in self._lines.feed(chunk):
            self._on_line(line)
        return len(chunk)


class SandboxLog:
    """The function's pipe, and the extensions' where there are any. `on_line(line, source)`: "function" or "extension"."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_line: Callable[[bytes, str], None], rate: int) -> None:
        self.tail = Tail()
        self._on_line = on_line
        self._function = LogPipe(loop, self._function_line, rate)
        self._extensions = LogPipe(loop, self._extension_line, rate)

    def open(self) -> int:
        return self._function.open()

    def open_extensions(self) -> int:
        return self._extensions.open()

    def drain(self) -> None:
        self._extensions.drain()
        self._function.drain()

    def flush(self) -> None:
        self._function.flush()
        self._extensions.flush()

    def close(self) -> None:
        self._function.close()
        self._extensions.close()

    def _function_line(self, line: bytes) -> None:
        self.tail.add(line)
        self._on_line(line, "function")

    def _extension_line(self, line: bytes) -> None:
        self.tail.add(line)
        self._on_line(line, "extension")
