"""One sandbox as the server sees it: a process tree reached by a channel, a log pipe, a status pipe and a process descriptor.

States and what moves them:

    starting --READY--> ready --invoke--> busy --RESPONSE/ERROR--> ready
    ready <--thaw/freeze--> frozen
    any --INIT_ERROR, status pipe closes, kill--> dead

The process descriptor is init's: it tells when the whole tree is dead. The status pipe is held by init alone; the last thing in it says how the
runtime ended.
A time limit, a broken frame, a channel closed by the function: the tree is killed, the invocation gets AWS's error.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from groundcloud.runtime import memory
from groundcloud.runtime.control_groups import Group
from groundcloud.runtime.endings import ending_words, error_payload, stamp, with_request_id
from groundcloud.runtime.function import (
    INIT_MS_MAX,
    PROVISIONED_INIT_S_MAX,
    FunctionSpec,
    Invocation,
    InvokeKind,
    InvokeResult,
    SandboxStart,
)
from groundcloud.runtime.inside import frames
from groundcloud.runtime.log_lines import LineAssembler, Tail

_READ_BYTES = 256 * 1024
_LOG_READ_BYTES = 64 * 1024
_DRAIN_BYTES_MAX = 1024 * 1024
_WATCH_S = 0.1
_EXIT_GRACE_S = 0.5  # between the end of the channel and the end of the process
_STOP, _CONTINUE = signal.SIGUSR1, signal.SIGUSR2


class Sandbox:
    """Made by the pool. `tag` is the user's own; `id` is 32 hex digits."""

    def __init__(self, spec: FunctionSpec, start: SandboxStart, sandbox_id: str, *, wall_ms: Callable[[], int], log_rate: int) -> None:
        self.spec = spec
        self.id = sandbox_id
        self.tag: object = None
        self.retired = False
        self.dead = False
        self.frozen = False
        self.init_ms: float | None = None
        self.idle_since = 0.0
        self.pid = 0
        self.group: Group | None = None
        self.on_death: Callable[[Sandbox], None] | None = None
        self._on_log = start.on_log
        self._wall_ms = wall_ms
        self._log_rate = log_rate
        self._loop = asyncio.get_running_loop()
        self._started_at = time.perf_counter()
        self._ready = False
        self._init_reported = False
        self._ready_waiters: list[asyncio.Future[None]] = []
        self._pidfd = -1
        self._kill_wanted = False
        self._invocation: Invocation | None = None
        self._answer: asyncio.Future[InvokeResult] | None = None
        self._invoked_at = 0.0
        self._idle_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._why: InvokeKind | None = None
        self._init_error: tuple[str, bytes] | None = None
        self._rss_mb = 0
        self._incoming = bytearray()
        self._outgoing: memoryview | None = None
        self._lines = LineAssembler()
        self._tail = Tail()
        self._log_allowance = float(log_rate)
        self._log_paused: asyncio.TimerHandle | None = None
        self._status = b""

    # -- birth ------------------------------------------------------------------------------------------------------

    def open(self) -> list[int]:
        """Opens the ends of both sides; returns those of the sandbox, for the zygote."""
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        log_read, log_write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        status_read, status_write = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(log_read, False)
        os.set_blocking(status_read, False)
        self._log_fd, self._status_fd = log_read, status_read
        self._loop.add_reader(self._channel.fileno(), self._channel_readable)
        self._loop.add_reader(log_read, self._log_readable)
        return [theirs.detach(), log_write, status_write]

    def born(self, pid: int, pidfd: int) -> None:
        """The zygote has started it, and the server holds no end of the sandbox's own any more."""
        self.pid, self._pidfd = pid, pidfd
        # A process descriptor becomes readable when init and all it stood for are gone; without one, the end of the status pipe must do.
        self._loop.add_reader(pidfd if pidfd >= 0 else self._status_fd, self._ended)
        if self._kill_wanted:
            self.kill()

    @property
    def busy(self) -> bool:
        return self._answer is not None

    def released_before(self, loop_time: float) -> bool:
        return not self.busy and self._idle_at <= loop_time

    async def ready(self, limit_s: float = PROVISIONED_INIT_S_MAX) -> bool:
        """Waits for the end of the initialisation; False if it failed, or was ended after `limit_s`."""
        if not self._ready and not self.dead:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._ready_waiters.append(waiter)
            limit = self._loop.call_later(limit_s, self.kill)
            try:
                await waiter
            finally:
                limit.cancel()
        return self._ready and not self.dead

    # -- one invocation ------------------------------------------------------------------------------------------------

    async def invoke(self, invocation: Invocation) -> InvokeResult:
        """Runs the handler on one event. One at a time. Whatever the function does, this returns within its limits."""
        if self._answer is not None:
            raise RuntimeError("a sandbox runs one invocation at a time")
        if self.frozen:
            self.thaw()
        answer = self._answer = self._loop.create_future()
        self._invocation = invocation
        self._invoked_at = time.perf_counter()
        if self.dead:
            self._died()
        elif self._ready:
            self._begin()
        elif self._timer is None:
            spent_ms = (self._invoked_at - self._started_at) * 1000
            limit_s = max(0.0, INIT_MS_MAX - spent_ms) / 1000 + self.spec.timeout_s
            self._timer = self._loop.call_later(limit_s, self._time_out)
        self._watch = self._loop.call_later(_WATCH_S, self._watch_memory)
        try:
            result: InvokeResult = await answer
            return result
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            self._answer = None
            self._invocation = None
            self._idle_at = self._loop.time()
            self._cancel_timers()

    def _begin(self) -> None:
        """Sends the event; the time limit starts."""
        invocation = self._invocation
        assert invocation is not None
        self._invoked_at = time.perf_counter()
        if self._timer is not None:
            self._timer.cancel()
        now_ms = time.time() * 1000
        timeout_s = self.spec.timeout_s
        if invocation.deadline_ms is None:
            deadline_ms = int(now_ms + timeout_s * 1000)
        else:
            deadline_ms = invocation.deadline_ms
            timeout_s = max(0.0, (deadline_ms - now_ms) / 1000)
        self._timer = self._loop.call_later(timeout_s, self._time_out)
        head: dict[str, Any] = {"request_id": invocation.request_id, "deadline_ms": deadline_ms, "function_arn": invocation.function_arn}
        for name in ("trace_id", "client_context", "identity", "tenant_id", "environment"):
            value = getattr(invocation, name)
            if value:
                head[name] = value if isinstance(value, str) else dict(value)
        self._send(frames.frame(frames.INVOKE, json.dumps(head).encode(), invocation.payload))

    def _send(self, data: bytes) -> None:
        try:
            sent = self._channel.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # closed by the function: the reader sees it too
            return
        if sent < len(data):
            self._outgoing = memoryview(data)[sent:]
            self._loop.add_writer(self._channel.fileno(), self._channel_writable)

    def _channel_writable(self) -> None:
        assert self._outgoing is not None
        try:
            sent = self._channel.send(self._outgoing)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._outgoing)
        self._outgoing = self._outgoing[sent:]
        if not self._outgoing:
            self._outgoing = None
            self._loop.remove_writer(self._channel.fileno())

    def _channel_readable(self) -> None:
        try:
            chunk = self._channel.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._loop.remove_reader(self._channel.fileno())
            if not self.dead and not self._kill_wanted:
                self._loop.call_later(_EXIT_GRACE_S, self.kill)
            return
        self._incoming += chunk
        size = frames.HEADER.size
        while len(self._incoming) >= size:
            kind, head_length, payload_length = frames.HEADER.unpack_from(self._incoming)
            if head_length > frames.HEAD_BYTES_MAX or payload_length > frames.RESPONSE_BYTES_MAX + 1024:
                self._broken()
                return
            end = size + head_length + payload_length
            if len(self._incoming) < end:
                return
            head_text = bytes(self._incoming[size : size + head_length])
            payload = bytes(self._incoming[size + head_length : end])
            del self._incoming[:end]
            try:
                head = json.loads(head_text)
                rss_kb = int(head.get("rss_kb", 0))
            except (ValueError, AttributeError, TypeError, RecursionError):
                self._broken()
                return
            self._rss_mb = max(self._rss_mb, min(rss_kb // 1024, self.spec.memory_mb))
            self._received(kind, head, payload)

    def _received(self, kind: int, head: dict[str, Any], payload: bytes) -> None:
        if kind == frames.READY and not self._ready:
            self._ready = True
            self.init_ms = (time.perf_counter() - self._started_at) * 1000
            self._drain_log()
            self._release_waiters()
            if self._invocation is not None:
                self._begin()
        elif kind == frames.INIT_ERROR and not self._ready:
            self._init_error = (str(head.get("error_type")), payload)
            self._why = "init_error"
            self.kill()
        elif (
            kind in (frames.RESPONSE, frames.ERROR)
            and self._invocation is not None
            and head.get("request_id") == self._invocation.request_id
        ):
            error_type = str(head.get("error_type")) if kind == frames.ERROR else None
            self._finish("error" if kind == frames.ERROR else "ok", payload, error_type=error_type)
        else:
            self._broken()

    def _broken(self) -> None:
        """Something else than the runtime has written to the channel."""
        self._incoming.clear()
        self.kill()

    def _finish(self, kind: InvokeKind, payload: bytes, *, error_type: str | None = None, line: str | None = None) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        now = time.perf_counter()
        self._drain_log()
        for rest in self._lines.flush():
            self._line(rest)
        init_ms = None if self._init_reported else self.init_ms
        self._init_reported = True
        answer.set_result(
            InvokeResult(
                kind=kind,
                payload=payload,
                log=self._tail.take(),
                duration_ms=(now - self._invoked_at) * 1000,
                max_memory_mb=max(1, self._rss_mb),
                error_type=error_type,
                init_ms=init_ms,
                platform_line=line,
            )
        )

    # -- limits and death ------------------------------------------------------------------------------------------------

    def _time_out(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._why = "timeout"
            self.kill()
            self._died()

    def _watch_memory(self) -> None:
        used_mb = memory.resident_mb(self.pid, self.group, self.spec.memory_mb)
        self._rss_mb = max(self._rss_mb, min(used_mb, self.spec.memory_mb))
        if used_mb > self.spec.memory_mb:
            self._why = "oom"
            self.kill()
            return
        self._watch = self._loop.call_later(_WATCH_S, self._watch_memory)

    def kill(self) -> None:
        """Ends the whole tree. `on_death` tells when it is done."""
        if self.dead:
            return
        self._kill_wanted = True
        self.retired = True
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
        elif self.pid:
            self._signal(signal.SIGTERM)  # init ends its process group, then itself

    def freeze(self) -> None:
        if not self.dead and not self.frozen:
            self.frozen = True
            self._signal(_STOP)

    def thaw(self) -> None:
        self.frozen = False
        self._signal(_CONTINUE)

    def _signal(self, number: int) -> None:
        try:
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, number)
            elif self.pid and not self.dead:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def _ended(self) -> None:
        if self._pidfd < 0 and not self._read_status():
            return
        self.close()

    def _read_status(self) -> bool:
        """Takes in what init said last; True at the end of the pipe."""
        try:
            while chunk := os.read(self._status_fd, 4096):
                self._status = (self._status + chunk)[-4096:]
        except BlockingIOError:
            return False
        return True

    def start_failed(self, reason: str) -> None:
        """The zygote could not start it."""
        self._status = f"setup {reason}".encode()
        self.close()

    def close(self) -> None:
        """The tree is dead: reads what is left of the log, answers who waits, closes the descriptors."""
        if self.dead:
            return
        self._drain_log()
        self._read_status()
        self.dead = self.retired = True
        if self._why is None and self.group is not None and self.group.ran_out():
            self._why = "oom"
        for fd in (self._log_fd, self._status_fd, self._channel.fileno(), *([self._pidfd] if self._pidfd >= 0 else [])):
            self._loop.remove_reader(fd)
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()
        for fd in (self._log_fd, self._status_fd, *([self._pidfd] if self._pidfd >= 0 else [])):
            os.close(fd)
        self._log_fd = self._status_fd = self._pidfd = -1
        if self._log_paused is not None:
            self._log_paused.cancel()
        self._died()
        self._release_waiters()
        if self.on_death is not None:
            self.on_death(self)

    def _died(self) -> None:
        """Answers the invocation, if there is one, with AWS's error for this kind of death."""
        invocation = self._invocation
        if invocation is None or self._answer is None or self._answer.done():
            return
        request_id = invocation.request_id
        if self._why == "init_error" and self._init_error is not None:
            error_type, payload = self._init_error
            self._finish("init_error", with_request_id(payload, request_id), error_type=error_type)
            return
        if self._why == "timeout":
            sentence = f"Task timed out after {self.spec.timeout_s:.2f} seconds"
            line = f"{stamp(self._wall_ms())} {request_id} {sentence}"
            self._finish(
                "timeout",
                error_payload("Sandbox.Timedout", f"RequestId: {request_id} Error: {sentence}"),
                error_type="Sandbox.Timedout",
                line=line,
            )
            return
        message = f"RequestId: {request_id} Error: {ending_words(self._status.decode(errors='replace'), killed=self._why == 'oom')}"
        kind: InvokeKind = "oom" if self._why == "oom" else "exit"
        if kind == "oom":
            self._rss_mb = self.spec.memory_mb
        self._finish(
            kind,
            error_payload("Runtime.ExitError", message),
            error_type="Runtime.OutOfMemory" if kind == "oom" else "Runtime.ExitError",
            line=f"{message}\nRuntime.ExitError",
        )

    def _release_waiters(self) -> None:
        waiters, self._ready_waiters = self._ready_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()
        self._timer = self._watch = None

    # -- log ------------------------------------------------------------------------------------------------------------

    def _log_readable(self) -> None:
        read = self._read_log(_LOG_READ_BYTES)
        if read == 0:
            self._loop.remove_reader(self._log_fd)
            return
        self._log_allowance -= max(read, 0)
        if self._log_allowance <= 0:
            # The pipe fills and the function's writes wait: the server's time is not the function's to take.
            self._loop.remove_reader(self._log_fd)
            self._log_paused = self._loop.call_later(_WATCH_S, self._resume_log)

    def _resume_log(self) -> None:
        self._log_paused = None
        self._log_allowance = min(self._log_rate, self._log_allowance + self._log_rate * _WATCH_S)
        self._loop.add_reader(self._log_fd, self._log_readable)

    def _read_log(self, size: int) -> int:
        """Bytes read: 0 at the end, -1 if there is nothing now."""
        try:
            chunk = os.read(self._log_fd, size)
        except BlockingIOError:
            return -1
        except OSError as error:
            if error.errno == errno.EBADF:
                return 0
            raise
        for line in self._lines.feed(chunk):
            self._line(line)
        return len(chunk)

    def _drain_log(self) -> None:
        """What was written before the answer is in the pipe by now; a thread that goes on writing does not hold it up."""
        if self._log_fd < 0:
            return
        budget = _DRAIN_BYTES_MAX
        while budget > 0:
            read = self._read_log(_LOG_READ_BYTES)
            if read < _LOG_READ_BYTES:
                return
            budget -= read

    def _line(self, line: bytes) -> None:
        self._tail.add(line)
        if self._on_log is not None:
            self._on_log(line, self._invocation.request_id if self._invocation is not None and self._ready else None)


def new_id() -> str:
    return secrets.token_hex(16)
