"""What the subscribers of the Telemetry and the Logs API are told of one invocation: its start, its runtime's end, its report.

AWS: "Lambda Telemetry API Event schema reference". The Logs API knows platform.end and platform.fault besides, and the Telemetry API does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from groundcloud.runtime.endings import stamp
from groundcloud.runtime.function import Invocation, InvokeKind

_STATUS = {"ok": "success", "timeout": "timeout"}


class Told:
    """Made when the invocation begins, which it tells. `emit(event, record)` takes the events."""

    def __init__(
        self, emit: Callable[[str, Mapping[str, Any] | str], None], invocation: Invocation, version: str, wall_ms: Callable[[], int]
    ) -> None:
        self._emit, self._wall_ms = emit, wall_ms
        self._began_ms, self._began_s = wall_ms(), time.perf_counter()
        self._which = {"requestId": invocation.request_id}
        self._tracing = tracing(invocation)
        self._spans: dict[str, Any] = {}
        self._done = False
        emit("platform.start", {**self._which, "version": version, **self._tracing})

    def runtime_done(self, kind: InvokeKind, error_type: str | None, produced_bytes: int, first_s: float | None = None) -> None:
        """`first_s`: when the first piece of a streamed response came, by time.perf_counter."""
        if self._done:
            return
        self._done = True
        now_s = time.perf_counter()
        latency_ms = ((first_s or now_s) - self._began_s) * 1000
        spans = [("responseLatency", self._began_ms, latency_ms)]
        if kind == "ok":
            spans.append(("responseDuration", self._began_ms + int(latency_ms), (now_s - (first_s or now_s)) * 1000))
        self._spans = {"spans": [{"name": name, "start": stamp(at_ms), "durationMs": round(ms, 3)} for name, at_ms, ms in spans]}
        metrics = {"durationMs": round((now_s - self._began_s) * 1000, 3), "producedBytes": produced_bytes}
        self._emit("platform.runtimeDone", {**self._which, **_ending(kind, error_type), **self._tracing, **self._spans, "metrics": metrics})

    def end(self, kind: InvokeKind, error_type: str | None, memory_mb: int, used_mb: int, init_ms: float | None, fault: str | None) -> None:
        """`fault`: the platform's line about a death."""
        self.runtime_done(kind, error_type, 0)
        if fault is not None:
            self._emit("platform.fault", fault)
        self._emit("platform.end", self._which)
        duration_ms = (time.perf_counter() - self._began_s) * 1000
        metrics: dict[str, Any] = {
            "durationMs": round(duration_ms, 3),
            "billedDurationMs": math.ceil(duration_ms + (init_ms or 0.0)),
            "memorySizeMB": memory_mb,
            "maxMemoryUsedMB": used_mb,
        }
        if init_ms is not None:
            metrics["initDurationMs"] = round(init_ms, 3)
        self._emit("platform.report", {**self._which, **_ending(kind, error_type), **self._tracing, **self._spans, "metrics": metrics})


def tracing(invocation: Invocation) -> dict[str, Any]:
    """The member `tracing`, of an invocation that X-Ray samples. A segment's id is any 16 digits: here the request's last."""
    trace = invocation.trace_id or ""
    if "Sampled=1" not in trace:
        return {}
    span_id = invocation.request_id.replace("-", "")[-16:]
    return {"tracing": {"spanId": span_id, "type": "X-Amzn-Trace-Id", "value": trace}}


def _ending(kind: InvokeKind, error_type: str | None) -> dict[str, str]:
    status = _STATUS.get(kind, "error")
    return {"status": status, "errorType": error_type} if error_type and status == "error" else {"status": status}
