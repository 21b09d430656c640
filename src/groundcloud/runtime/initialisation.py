"""The initialisation of one sandbox: when it began, in which phase, how it ended, who waits for that, and what the platform says of it.

An initialisation that fails in the init phase is done once more in the invoke phase, by a sandbox that is started with `SandboxStart.phase` "invoke".
Of a fork of an initialised process it is the restore. AWS: "Understanding the Lambda execution environment lifecycle", "Telemetry API Event schema
reference".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from groundcloud.runtime.extensions import Extensions
from groundcloud.runtime.function import FunctionSpec, SandboxStart

# AWS: "The Init phase is limited to 10 seconds"; with provisioned concurrency or SnapStart "130 seconds or the configured function timeout, whichever is
# higher". Restore phase: "If the after-restore hooks take more than 10 seconds ...".
INIT_S_MAX = 10.0
UNHURRIED_INIT_S_MAX = 130.0
RESTORE_S_MAX = 10.0


class InitFailure(NamedTuple):
    status: Literal["timeout", "error"]
    error_type: str | None
    duration_ms: float


class Initialisation:
    """`emit(event, record)` takes the platform's events."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, spec: FunctionSpec, start: SandboxStart, emit: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self.restores = False
        self.runtime_is_done = False
        """The runtime is; extensions may not be."""
        self.duration_ms: float | None = None
        self.failure: InitFailure | None = None
        self._loop, self._emit = loop, emit
        self._waiters: list[asyncio.Future[None]] = []
        self.begin(spec, start)

    def begin(self, spec: FunctionSpec, start: SandboxStart) -> None:
        """Now, of that function."""
        self._began_at = time.perf_counter()
        self._spec, self._phase = spec, start.phase
        self._kind = start.environment.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")

    @property
    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._began_at) * 1000

    @property
    def limit_s(self) -> float:
        """How much of its time is left."""
        if self.restores:
            limit_s = RESTORE_S_MAX
        elif self._phase == "invoke" or self._spec.debugged:
            limit_s = self._spec.timeout_s
        else:
            limit_s = INIT_S_MAX if self._kind == "on-demand" else max(UNHURRIED_INIT_S_MAX, self._spec.timeout_s)
        return max(0.0, limit_s - self.elapsed_ms / 1000)

    async def over(self, limit_s: float, on_limit: Callable[[], None]) -> None:
        """Waits for its end."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        limit = self._loop.call_later(limit_s, on_limit)
        try:
            await waiter
        finally:
            limit.cancel()

    def release(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- what the platform says ------------------------------------------------------------------------------------------

    def tell_start(self) -> None:
        spec, runtime = self._spec, {}
        if spec.runtime_version:
            runtime = {"runtimeVersion": spec.runtime_version, "runtimeVersionArn": spec.runtime_version_arn}
        names = {"functionName": spec.function_name, "functionVersion": spec.function_version}
        self._emit("platform.initStart", {**self._which(), **runtime, **names})

    def end_runtime(self, status: str = "success", error_type: str | None = None) -> None:
        """The runtime has finished with it, one way or the other."""
        if not self.runtime_is_done:
            self.runtime_is_done = True
            self._tell("RuntimeDone", {"status": status}, error_type)

    def succeed(self, extensions: Extensions | None) -> None:
        self.duration_ms = self.elapsed_ms
        self._tell_extensions(extensions)
        self._tell("Report", {"status": "success", "metrics": {"durationMs": round(self.duration_ms, 3)}})

    def fail(self, status: Literal["timeout", "error"], error_type: str | None, extensions: Extensions | None) -> None:
        failure = self.failure = InitFailure(status, None if status == "timeout" else error_type, self.elapsed_ms)
        if self._waiters:  # else it was ended by who wanted it no more
            self.end_runtime(status, failure.error_type)
            self._tell_extensions(extensions)
            self._tell("Report", {"status": status, "metrics": {"durationMs": round(failure.duration_ms, 3)}}, failure.error_type)

    def _which(self) -> dict[str, Any]:
        return {} if self.restores else {"initializationType": self._kind, "phase": self._phase}

    def _tell(self, what: str, record: dict[str, Any], error_type: str | None = None) -> None:
        if error_type:
            record["errorType"] = error_type
        self._emit(f"platform.{'restore' if self.restores else 'init'}{what}", {**self._which(), **record})

    def _tell_extensions(self, extensions: Extensions | None) -> None:
        for record in extensions.states() if extensions is not None else ():
            self._emit("platform.extension", record)
