"""One sandbox as the server sees it: a process tree reached by a channel, a log pipe, a status pipe and a process descriptor.

States and what moves them:

    starting --READY--> ready --invoke--> busy --RESPONSE/ERROR--> ready
    ready <--thaw/freeze--> frozen
    any --INIT_ERROR, status pipe closes, kill--> dead

Runtimes of our own (Python, Node.js) speak frames over the channel; a `bootstrap` speaks the Runtime API, and the same states are moved by
what it asks for. The process descriptor is init's: it tells when the whole tree is dead. The status pipe is held by init alone; the
last thing in it says how the runtime ended.
A time limit, a broken frame, a channel closed by the function: the tree is killed, the invocation gets AWS's error.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from groundcloud.runtime import endings, launch, memory, peers, telemetry_api
from groundcloud.runtime.channel import Channel
from groundcloud.runtime.control_groups import Group
from groundcloud.runtime.endings import error_payload
from groundcloud.runtime.extensions import SHUTDOWN_S
from groundcloud.runtime.freezing import Freezing
from groundcloud.runtime.function import FunctionSpec, Invocation, InvokeKind, InvokeResult, SandboxStart
from groundcloud.runtime.initialisation import INIT_S_MAX, InitFailure, Initialisation
from groundcloud.runtime.inside import frames
from groundcloud.runtime.inside.control import LENGTH
from groundcloud.runtime.log_pipe import SandboxLog
from groundcloud.runtime.process_tree import SHUT_DOWN, ProcessTree
from groundcloud.runtime.relay import Relay
from groundcloud.runtime.runtime_api import Outcome, RuntimeApi
from groundcloud.runtime.sandbox_api import SandboxApi
from groundcloud.runtime.streaming import TOO_LARGE, Response, ResponseStream
from groundcloud.runtime.told import Told

_WATCH_S = 0.1
NEW_SANDBOX_MB = 4
"""What one that nobody has looked at yet counts for: a trivial function's, and its init."""
_EXIT_GRACE_S = 0.5  # between the end of the channel and the end of the process
_GO = b"\x01"


class Sandbox:
    """Made by the pool. `tag` is the user's own; `id` is 32 hex digits."""

    def __init__(
        self,
        spec: FunctionSpec,
        start: SandboxStart,
        sandbox_id: str,
        *,
        wall_ms: Callable[[], int],
        log_rate: int,
        speaks_api: bool = False,
        may_speak_api: bool = False,
    ) -> None:
        """`speaks_api`: its runtime is a program that uses the Runtime API; `may_speak_api`: that, or the channel, as it turns out."""
        self.spec = spec
        self.id = sandbox_id
        self.tag: object = None
        self.retired = False
        self.dead = False
        self.idle_since = 0.0
        self.held_mb = NEW_SANDBOX_MB
        """What its processes and its /tmp held when it was last looked at: during an invocation, and when it was frozen."""
        self.uid: int | None = None
        """The host's user that no other sandbox has, if there is one."""
        self.group: Group | None = None
        self.on_death: Callable[[Sandbox], None] | None = None
        self._on_log = start.on_log
        self._wall_ms = wall_ms
        self._loop = asyncio.get_running_loop()
        self._on_platform = start.on_platform
        self._initialisation = Initialisation(self._loop, spec, start, self._emit)
        self._ready = False
        self._init_reported = False
        self._kill_wanted = False
        self._ending = False
        self._invocation: Invocation | None = None
        self._answer: asyncio.Future[InvokeResult] | None = None
        self._stream: ResponseStream | None = None
        self._told: Told | None = None
        self._response = Response()
        self._invoked_at = 0.0
        self._idle_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._why: InvokeKind | None = None
        self._init_error: tuple[str, bytes] | None = None
        self._platform_error = False
        self._rss_mb = 0
        self._tree = ProcessTree(self._loop, self.close, self._runtime_ended)
        self._freezing = Freezing(self._loop, lambda number: self._tree.signal(number), self._stopped_processes, self.kill)
        self._relay: Relay | None = None
        self.is_template = False
        self._forked: Callable[[dict[str, Any], int | None], None] | None = None
        self._speaks_api = speaks_api
        self._turn: asyncio.Task[None] | None = None
        self._channel = Channel(self._loop, self._received, self.kill, self._channel_ended)
        self._log = SandboxLog(self._loop, self._line, log_rate)
        self.api = SandboxApi(self._loop, self._is_own, self._extensions_moved, wall_ms, self._tell)
        self.api.about = launch.about(spec)
        self._may_speak_api = may_speak_api or speaks_api
        if self._may_speak_api:
            self.api.runtime = RuntimeApi(self._runtime_asked)
        self._going = True  # False while the runtime waits for the extensions to register
        self._held: list[bytes] = []
        self._outcome: _Outcome | None = None

    # -- birth ------------------------------------------------------------------------------------------------------

    def open(self) -> list[int]:
        """Opens the ends of both sides; returns those of the sandbox, for the zygote."""
        if self.isolated:
            self._channel.expect_listeners(self._listen_inside)
        else:
            self.api.listen()
        ends = [self._channel.open(), self._log.open(), self._tree.open()]
        return ends if self._going else [*ends, self._log.open_extensions()]

    def born(self, pid: int, pidfd: int) -> None:
        """The zygote has started it, and the server holds no end of the sandbox's own any more."""
        self._tree.born(pid, pidfd)
        self.api.serve()

    @property
    def pid(self) -> int:
        """Of init; 0 before it is there."""
        return self._tree.pid

    @property
    def pidfd(self) -> int:
        return self._tree.pidfd

    @property
    def isolated(self) -> bool:
        return self.spec.network == "isolated"

    def _listen_inside(self, listeners: list[socket.socket]) -> None:
        if listeners:
            self.api.listen_inside(listeners[0])
        for listener in listeners[1:]:
            self._relay = Relay(self._loop, listener, launch.endpoint(self.spec))

    def tell_environment(self, variables: Mapping[str, str]) -> None:
        """What comes first through the channel; the function's credentials are among them."""
        text = json.dumps(dict(variables)).encode()
        self._channel.send(LENGTH.pack(len(text)) + text)

    def set_up(self, head: dict[str, Any]) -> None:
        """Tells a runtime that was started without its function which one it is."""
        data = frames.frame(frames.SET_UP, json.dumps(head).encode())
        (self._channel.send if self._going else self._held.append)(data)

    def expect_extensions(self, names: tuple[str, ...]) -> None:
        """External ones, which are started before the runtime."""
        if names:
            self.api.expect(names)
            self._initialisation.tell_start()
            self._going = False

    def assume(self, spec: FunctionSpec, start: SandboxStart) -> None:
        """A waiting worker becomes a sandbox of that function."""
        self.spec, self._on_log, self._on_platform = spec, start.on_log, start.on_platform
        self._initialisation.begin(spec, start)
        self.api.about = launch.about(spec)

    def be_template(self, forked: Callable[[dict[str, Any], int | None], None]) -> None:
        """`forked(head, process descriptor)` is called for each fork."""
        self.is_template = True
        self._forked = forked
        self._channel.descriptors = []

    def send_descriptors(self, data: bytes, descriptors: list[int]) -> None:
        self._channel.send_descriptors(data, descriptors)

    def go(self) -> None:
        """Lets a fork run: it is in its control groups."""
        self._channel.send(_GO)

    def _is_own(self, connection: socket.socket) -> bool:
        return peers.belongs(connection, uid=self.uid, pid=self.pid)

    @property
    def busy(self) -> bool:
        return self._answer is not None

    def released_before(self, loop_time: float) -> bool:
        return not self.busy and self._idle_at <= loop_time

    @property
    def init_ms(self) -> float | None:
        """None until it is initialised."""
        return self._initialisation.duration_ms

    @property
    def init_failure(self) -> InitFailure | None:
        return self._initialisation.failure

    @property
    def forked(self) -> bool:
        """From an initialised process (SnapStart): init_ms is the time of the restore."""
        return self._initialisation.restores

    @forked.setter
    def forked(self, value: bool) -> None:
        self._initialisation.restores = value

    async def ready(self, limit_s: float | None = None) -> bool:
        """Waits for the end of the initialisation; False if it failed, or was ended after `limit_s`: by default AWS's limit for its kind."""
        if not self._ready and not self.dead:
            await self._initialisation.over(self._initialisation.limit_s if limit_s is None else limit_s, self._init_too_long)
        return self._ready and not self.dead

    def _init_too_long(self) -> None:
        self._why = "timeout"
        self.kill()

    # -- one invocation ------------------------------------------------------------------------------------------------

    def stream(self, invocation: Invocation) -> ResponseStream:
        """As `invoke`, for a response that is read while it is written."""
        stream = ResponseStream()
        stream.run(self.invoke(invocation, stream))
        return stream

    async def invoke(self, invocation: Invocation, stream: ResponseStream | None = None) -> InvokeResult:
        """Runs the handler on one event. One at a time. Whatever the function does, this returns within its limits.

        A streamed response is put together, up to 6 MB, unless it is to go into a `stream` (200 MB).
        """
        if self._answer is not None:
            raise RuntimeError("a sandbox runs one invocation at a time")
        if self.frozen:
            self.thaw()
        answer = self._answer = self._loop.create_future()
        self._invocation, self._stream = invocation, stream
        self._invoked_at = time.perf_counter()
        if self.dead:
            self._died()
        elif self._ready:
            self._begin()
        elif self._timer is None:
            limit_s = max(0.0, INIT_S_MAX - self._initialisation.elapsed_ms / 1000) + self.spec.timeout_s
            self._timer = self._loop.call_later(limit_s, self._time_out)
        self._watch = self._loop.call_later(_WATCH_S, self._watch_memory)
        try:
            result: InvokeResult = await answer
            return result
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            self._answer = self._invocation = self._stream = self._told = None
            self._response = Response()
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
        if self.api.extensions is not None:
            self.api.extensions.invoked(invocation, deadline_ms)
            self._told = Told(self.api.emit, invocation, self.spec.function_version, self._wall_ms)
        if self._speaks_api:
            self._turn = self._loop.create_task(self._converse(invocation, deadline_ms))
            return
        head: dict[str, Any] = {"request_id": invocation.request_id, "deadline_ms": deadline_ms, "function_arn": invocation.function_arn}
        for name in ("trace_id", "client_context", "identity", "tenant_id", "environment"):
            value = getattr(invocation, name)
            if value:
                head[name] = value if isinstance(value, str) else dict(value)
        self._channel.send(frames.frame(frames.INVOKE, json.dumps(head).encode(), invocation.payload))

    async def _converse(self, invocation: Invocation, deadline_ms: int) -> None:
        """The same through the Runtime API."""
        put = self._stream.put_and_wait if self._stream is not None else None
        assert self.api.runtime is not None
        outcome: Outcome = await self.api.runtime.invoke(invocation, deadline_ms, put)
        if not self._rss_mb:  # nothing tells what it holds, and it was faster than the watch
            self._rss_mb = min(memory.resident_mb(self.pid, self.group, self.spec.memory_mb), self.spec.memory_mb)
        self._answered("ok" if outcome.kind == "response" else "error", outcome.payload, error_type=outcome.error_type)

    def _runtime_asked(self) -> None:
        """A program's first request to the Runtime API: it is ready, or says why it cannot be."""
        assert self.api.runtime is not None
        self._speaks_api = True
        failed = self.api.runtime.init_error
        if failed is None:
            self._become_ready()
        else:
            self._fail_init(failed.error_type or "Runtime.Unknown", failed.payload)

    def _channel_ended(self) -> None:
        if not (self._may_speak_api or self.dead or self._kill_wanted or self._ending):
            self._loop.call_later(_EXIT_GRACE_S, self.kill)

    def _received(self, kind: int, head: dict[str, Any], payload: bytes) -> None:
        self._rss_mb = max(self._rss_mb, min(int(head.get("rss_kb", 0)) // 1024, self.spec.memory_mb))
        if kind == frames.READY and not self._initialisation.runtime_is_done and not self._speaks_api:
            self._become_ready()
        elif kind == frames.INIT_ERROR and not self._ready:
            self._platform_error = bool(head.get("platform"))
            self._fail_init(str(head.get("error_type")), payload)
        elif kind == frames.FORKED and self._forked is not None:
            self._forked(head, self._channel.descriptors.pop(0) if self._channel.descriptors else None)
        elif self._invocation is None or head.get("request_id") != self._invocation.request_id:
            self.kill()  # something else than the runtime has written to the channel
        elif kind == frames.CHUNK:
            self._take_piece(payload, str(head.get("content_type") or "application/octet-stream"))
        elif kind in (frames.RESPONSE, frames.ERROR):
            if head.get("last"):
                self.retired = True
            error_type = str(head.get("error_type")) if kind == frames.ERROR else None
            self._answered("error" if kind == frames.ERROR else "ok", payload, error_type=error_type)
        else:
            self.kill()

    def _take_piece(self, piece: bytes, content_type: str) -> None:
        refused = self._response.take(piece, content_type, self._stream, self._channel)
        if refused is not None:
            self._finish("error", refused, error_type=TOO_LARGE)
            self.kill()  # it may go on writing for long

    def _answered(self, kind: InvokeKind, payload: bytes, *, error_type: str | None) -> None:
        """The runtime has; the invocation ends when the extensions wait for the next event, too."""
        if self._told is not None:
            self._told.runtime_done(kind, error_type, self._response.size_bytes + len(payload), self._response.first_s)
        if self.api.settled:
            self._finish(kind, payload, error_type=error_type)
        else:
            self._outcome = _Outcome(kind, payload, error_type)

    def _extensions_moved(self) -> None:
        extensions = self.api.extensions
        if extensions is None or self._kill_wanted:
            return
        if extensions.failure is not None:
            named, document = extensions.failure
            self._platform_error = True
            self._fail_init(named, error_payload(named, document.decode(errors="replace")))
            return
        if not self._going and extensions.all_registered:
            self._going = True
            held, self._held = self._held, []
            for data in (_GO, *held):
                self._channel.send(data)
        if self._initialisation.runtime_is_done and not self._ready and extensions.settled:
            self._become_ready()
        elif self._outcome is not None and extensions.settled:
            kind, payload, error_type = self._outcome
            self._outcome = None
            self._finish(kind, payload, error_type=error_type)

    def _become_ready(self) -> None:
        self._initialisation.end_runtime()
        if not self.api.settled:
            return
        self._ready = True
        self._log.drain()
        self._initialisation.succeed(self.api.extensions)
        self.api.close_registration()
        self._initialisation.release()
        if self._invocation is not None:
            self._begin()

    def _fail_init(self, error_type: str, payload: bytes) -> None:
        self._init_error = (error_type, payload)
        self._why = "init_error"
        self.kill()

    def _finish(self, kind: InvokeKind, payload: bytes, *, error_type: str | None = None, line: str | None = None) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        now = time.perf_counter()
        if kind == "ok":
            payload = self._response.end(payload, self._stream)
        self._log.drain()
        self._log.flush()
        init_ms = None if self._init_reported else self.init_ms
        self._init_reported = True
        if self._told is not None:
            self._told.end(kind, error_type, self.spec.memory_mb, max(1, self._rss_mb), init_ms, line)
        answer.set_result(
            InvokeResult(
                kind=kind,
                payload=payload,
                log=self._log.tail.take(),
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
            self._died()
            self.end("TIMEOUT")

    def _used_mb(self) -> int:
        return memory.resident_mb(self.pid, self.group, self.spec.memory_mb)

    def _stopped_processes(self) -> list[int]:
        return memory.tree(self.pid)[1:] if self.pid else []

    def _watch_memory(self) -> None:
        used_mb = self._used_mb()
        self._rss_mb = max(self._rss_mb, min(used_mb, self.spec.memory_mb))
        self.held_mb = max(NEW_SANDBOX_MB, used_mb)
        if used_mb > self.spec.memory_mb:
            self._why = "oom"
            self.kill()
            return
        self._watch = self._loop.call_later(_WATCH_S, self._watch_memory)

    def end(self, reason: str = "SPINDOWN") -> None:
        """Ends it as AWS does: extensions that asked for it are told, and have two seconds. Without any, at once."""
        self.retired = True
        extensions = self.api.extensions
        if self.dead or self._kill_wanted or self._ending:
            return
        if extensions is None or not extensions.external or not extensions.shut_down(reason, self._wall_ms() + int(SHUTDOWN_S * 1000)):
            self.kill()
            return
        self._ending = True
        self.thaw()
        self._tree.signal(SHUT_DOWN)
        if self.api.telemetry is not None:
            self.api.telemetry.flush()
        self._loop.call_later(SHUTDOWN_S, self.kill)

    def _runtime_ended(self) -> None:
        """Extensions outlive it, to hear of it."""
        if self._ready and self.api.extensions is not None and self.api.extensions.external:
            self._log.drain()
            self._died()
            self.end("FAILURE")
        else:
            self.kill()

    def kill(self) -> None:
        """Ends the whole tree. `on_death` tells when it is done."""
        if self.dead:
            return
        self._kill_wanted = True
        self.retired = True
        self._tree.kill()

    @property
    def frozen(self) -> bool:
        return self._freezing.on

    def freeze(self) -> None:
        if not self.dead and not self.frozen:
            self._freezing.freeze(self.group)
            self.held_mb = max(NEW_SANDBOX_MB, self._used_mb() + memory.tmp_mb(self.pid))

    def thaw(self) -> None:
        self._freezing.thaw(self.group)

    def start_failed(self, reason: str) -> None:
        """The zygote could not start it."""
        self._tree.status = f"setup {reason}".encode()
        self.close()

    def close(self) -> None:
        """The tree is dead: reads what is left of the log, answers who waits, closes the descriptors."""
        if self.dead:
            return
        self._log.drain()
        self.dead = self.retired = True
        self._tree.close()
        self._freezing.close()
        self._channel.close()
        self._log.close()
        self.api.close()
        if self._relay is not None:
            self._relay.close()
        if self._turn is not None:
            self._turn.cancel()
        if not self._ready:
            self._initialisation.fail(
                "timeout" if self._why == "timeout" else "error", self._how_it_ended("").error_type, self.api.extensions
            )
        self._died()
        self._initialisation.release()
        if self.on_death is not None:
            self.on_death(self)

    def _died(self) -> None:
        """Answers the invocation, if there is one, with AWS's error for this kind of death."""
        invocation = self._invocation
        if invocation is None or self._answer is None or self._answer.done():
            return
        ending = self._how_it_ended(invocation.request_id)
        if self._why == "oom":
            self._rss_mb = self.spec.memory_mb
        self._finish(ending.kind, ending.payload, error_type=ending.error_type, line=ending.platform_line)

    def _how_it_ended(self, request_id: str) -> endings.Ending:
        if self._why is None and self.group is not None and self.group.ran_out():
            self._why = "oom"
        if self._why == "init_error" and self._init_error is not None:
            return endings.of_initialisation(*self._init_error, request_id, platform=self._platform_error)
        if self._why == "timeout":
            return endings.of_time_limit(self.spec.timeout_s, request_id, self._wall_ms())
        status = self._tree.status.decode(errors="replace")
        return endings.of_process(status, request_id, ran_out_of_memory=self._why == "oom")

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()
        self._timer = self._watch = None

    def _emit(self, event: str, record: Mapping[str, Any]) -> None:
        self.api.emit(event, record)
        self._tell(event, record)

    def _tell(self, event: str, record: Mapping[str, Any]) -> None:
        if self._on_platform is not None:
            self._on_platform(event, record)

    def _line(self, line: bytes, source: str) -> None:
        if self.api.extensions is not None:
            self.api.emit(source, telemetry_api.record_of(line.decode("utf-8", "replace"), source, self.spec.environment))
        if self._on_log is not None:
            self._on_log(line, self._invocation.request_id if self._invocation is not None and self._ready else None)


class _Outcome(NamedTuple):
    """What the runtime has answered while extensions are still at work."""

    kind: InvokeKind
    payload: bytes
    error_type: str | None
