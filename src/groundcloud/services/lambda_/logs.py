"""What functions and the platform write to CloudWatch Logs: one stream a sandbox, in order, in batches, never in the way of an answer.

A line goes to its stream's list; a moment later everything that waits is put with PutLogEvents as the function's role. A role that may not is left alone: as on AWS, its
function then has no logs. Groups and streams are made with the first batch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.kernel.ground import Ground
    from groundcloud.runtime import Invocation, InvokeResult, SandboxStart

FLUSH_AFTER_S = 0.02
PENDING_BYTES_MAX = 16 * 1024 * 1024
"""Of one stream; what is beyond is dropped, and a line says so."""

# AWS: PutLogEvents: a batch holds at most 10,000 events and 1,048,576 bytes, each event counting 26 bytes more than its text.
# An event may hold as much; the runtime cuts lines at 256 KB.
BATCH_EVENTS_MAX = 10_000
BATCH_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26 + len("\n")

_log = logging.getLogger("groundcloud.lambda")

_LEVELS = {"DEBUG": 0, "INFO": 1, "WARN": 2}
_INFO = 2
_APPLICATION_LEVELS = {"TRACE": 0, "DEBUG": 1, "INFO": _INFO, "WARN": 3, "WARNING": 3, "ERROR": 4, "FATAL": 5, "CRITICAL": 5}


class _Printed(msgspec.Struct):
    """What the platform reads of a function's own record."""

    level: Any = None
    timestamp: Any = None
    time: Any = None
    aws: Any = msgspec.field(default=None, name="_aws")


_read_record = msgspec.json.Decoder(_Printed).decode


class Stream:
    """The log stream of one sandbox. Lines keep their order."""

    def __init__(self, writer: LogWriter, account: str, region: str, role_arn: str, group_name: str, stream_name: str) -> None:
        self.account = account
        self.region = region
        self.role_arn = role_arn
        self.group_name = group_name
        self.stream_name = stream_name
        self.expires_s = 0
        """When the credentials that its sandbox was started with end."""
        self.pending: deque[tuple[int, str]] = deque()
        self.pending_bytes = 0
        self.dropped = 0
        self.made = False
        self.refused = False
        self.lines: PlatformLines
        self.start: SandboxStart | None = None
        """What its first sandbox was started with."""
        self.restored = False
        """Its sandbox was forked from an initialised one."""
        self.opening: Callable[[], None] | None = None
        """Writes the first line. It waits until it is known which kind of start this is, or something is printed."""
        self._writer = writer

    def open(self) -> None:
        if self.opening is not None:
            opening, self.opening = self.opening, None
            opening()

    def line(self, text: str) -> None:
        if self.refused:
            return
        size = len(text) + EVENT_OVERHEAD_BYTES
        if self.pending_bytes + size > PENDING_BYTES_MAX:
            self.dropped += 1
            return
        self.pending_bytes += size
        self.pending.append((self._writer.now_ms(), text))
        self._writer.wake(self)

    def printed(self, line: bytes, request_id: str | None) -> None:
        """A line of the function's."""
        if self.opening is not None:
            self.open()
        if not line.startswith(b"{") or self.lines.takes(line):
            self.line(line.decode("utf-8", "replace"))

    def told(self, event: str, record: Mapping[str, Any], at_ms: int) -> None:
        """What the platform says of the initialisation."""
        if self.opening is not None:
            self.open()
        self.lines.event(event, record, at_ms)

    def batch(self) -> list[dict[str, Any]]:
        """The next events for PutLogEvents; they are no longer pending."""
        events: list[dict[str, Any]] = []
        size = 0
        pending = self.pending
        while pending and len(events) < BATCH_EVENTS_MAX:
            at_ms, text = pending[0]
            # Characters of up to four bytes: count bytes only where they can matter.
            bytes_here = (len(text) if text.isascii() else len(text.encode())) + EVENT_OVERHEAD_BYTES
            if size + bytes_here > BATCH_BYTES_MAX and events:
                break
            pending.popleft()
            self.pending_bytes -= len(text) + EVENT_OVERHEAD_BYTES
            size += bytes_here
            events.append({"timestamp": at_ms, "message": f"{text}\n"})
        if not events and self.dropped:  # a batch of its own: the last one may be full
            events.append({"timestamp": self._writer.now_ms(), "message": f"Groundcloud dropped {self.dropped} lines: they came too fast."})
            self.dropped = 0
        return events


class LogWriter:
    """Puts the lines of every stream of a server."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._dirty: dict[Stream, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._warned = False
        self.now_ms = ground.clock.now_ms

    def stream(self, account: str, region: str, role_arn: str, group_name: str, stream_name: str) -> Stream:
        return Stream(self, account, region, role_arn, group_name, stream_name)

    def wake(self, stream: Stream) -> None:
        self._dirty[stream] = None
        if self._task is None:
            self._ground.timers.busy += 1
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._dirty:
                await asyncio.sleep(FLUSH_AFTER_S)
                await self.flush()
        finally:
            self._ground.timers.busy -= 1
            self._task = None

    async def flush(self) -> None:
        """Everything that waits now."""
        dirty, self._dirty = self._dirty, {}
        await asyncio.gather(*[self._put(stream) for stream in dirty])

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._dirty:
            await self.flush()

    async def _put(self, stream: Stream) -> None:
        if "logs" not in self._ground.rooms:
            self._refuse(stream, "there is no room for CloudWatch Logs")
            return
        call = self._ground.background_call(
            "lambda", "WriteLogs", stream.account, stream.region, Principal("service", "lambda.amazonaws.com", stream.account)
        )
        while events := stream.batch():
            try:
                await self._put_batch(call, stream, events)
            except AwsError as error:
                if error.code in ("NotImplementedException", "AccessDeniedException", "AccessDenied"):
                    self._refuse(stream, "" if error.code.startswith("AccessDenied") else error.message)
                    return
                call.log.warning("cannot write the log of %s: %s", stream.stream_name, error)
            except Exception:
                call.log.exception("cannot write the log of %s", stream.stream_name)

    async def _put_batch(self, call: Call, stream: Stream, events: list[dict[str, Any]]) -> None:
        if not stream.made:
            await self._make(call, stream)
        params = {"logGroupName": stream.group_name, "logStreamName": stream.stream_name, "logEvents": events}
        try:
            await call.request("logs", "PutLogEvents", params, as_=stream.role_arn)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            # Somebody deleted it under a living sandbox: as on AWS it comes back.
            await self._make(call, stream)
            await call.request("logs", "PutLogEvents", params, as_=stream.role_arn)

    async def _make(self, call: Call, stream: Stream) -> None:
        """The stream, and the group where it is missing and the role may make it."""
        names = {"logGroupName": stream.group_name, "logStreamName": stream.stream_name}
        for again in (True, False):
            try:
                await call.request("logs", "CreateLogStream", names, as_=stream.role_arn)
            except AwsError as error:
                if error.code == "ResourceNotFoundException" and again:
                    try:
                        await call.request("logs", "CreateLogGroup", {"logGroupName": stream.group_name}, as_=stream.role_arn)
                    except AwsError as refused:
                        if refused.code != "ResourceAlreadyExistsException":
                            raise
                    continue
                if error.code != "ResourceAlreadyExistsException":
                    raise
            stream.made = True
            return

    def _refuse(self, stream: Stream, why: str) -> None:
        stream.refused = True
        stream.pending.clear()
        stream.pending_bytes = 0
        if why and not self._warned:
            self._warned = True
            _log.warning("the logs of functions are not kept: %s", why)


# The platform's lines. AWS: "Understanding the Lambda log" (text), "Telemetry API schema reference" (JSON), "System log level event mapping".

_TEXTS = {"platform.initReport": "INIT_REPORT Init", "platform.restoreReport": "RESTORE_REPORT Restore"}
_INFO_IF_GOOD = frozenset(("platform.restoreReport", "platform.extension", "platform.telemetrySubscription", "platform.logsSubscription"))


class PlatformLines:
    """The platform's lines in one stream, in the function's log format."""

    __slots__ = ("_application_level", "_function_name", "_json", "_level", "_memory_mb", "_stream", "_version")

    def __init__(self, stream: Stream, function_name: str, version: str, memory_mb: int, logging_config: dict[str, str]) -> None:
        self._stream = stream
        self._function_name = function_name
        self._version = version
        self._memory_mb = memory_mb
        self._json = logging_config.get("LogFormat") == "JSON"
        self._level = _LEVELS.get(logging_config.get("SystemLogLevel", "INFO"), 1)
        self._application_level = _APPLICATION_LEVELS.get(logging_config.get("ApplicationLogLevel", "INFO"), _INFO) if self._json else 0

    def takes(self, line: bytes) -> bool:
        """Whether a line of the function's that looks like JSON is of a level that is wanted; what is no log record of the function's is.

        AWS: Log-level filtering: an object without a valid level and time is of INFO. Metrics (EMF) are no log records.
        """
        if not self._application_level:
            return True
        try:
            record = _read_record(line)
        except msgspec.MsgspecError:
            return True
        timed = _is_time(record.timestamp) or _is_time(record.time)
        level = _APPLICATION_LEVELS.get(str(record.level).upper(), _INFO) if timed else _INFO
        return record.aws is not None or level >= self._application_level

    def init_start(self, runtime_version: str, runtime_version_arn: str, at_ms: int, kind: str) -> None:
        """`kind`: on-demand, provisioned-concurrency, snap-start, lambda-managed-instances; or "restore"."""
        if self._json:
            record = {
                "runtimeVersion": runtime_version,
                "runtimeVersionArn": runtime_version_arn,
                "functionName": self._function_name,
                "functionVersion": self._version,
            }
            if kind == "restore":
                self._platform("platform.restoreStart", record, at_ms)
            else:
                self._platform("platform.initStart", {"initializationType": kind, "phase": "init", **record}, at_ms)
        else:
            word = "RESTORE_START" if kind == "restore" else "INIT_START"
            self._stream.line(f"{word} Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_version_arn}")

    def event(self, event: str, record: Mapping[str, Any], at_ms: int) -> None:
        """Of the initialisation, as the runtime tells it."""
        status, kind = record.get("status"), record.get("initializationType", "on-demand")
        if self._json:
            good = status == "success" or (status is None and "errorType" not in record)
            info = event in _INFO_IF_GOOD or (event == "platform.initReport" and kind != "on-demand")
            self._platform(event, record, at_ms, level=2 if not good else 1 if info else 0)
        elif event in _TEXTS:
            if status == "success" and event == "platform.initReport" and kind == "on-demand":
                return  # REPORT says it
            text = f"{_TEXTS[event]} Duration: {record['metrics']['durationMs']:.2f} ms"
            if status != "success":
                text += f"\tPhase: {record['phase']}" if "phase" in record else ""
                text += f"\tStatus: {status}" + _error_type(record)
            self._stream.line(text)
        elif event == "platform.extension":
            events = ", ".join(record["events"])
            self._stream.line(f"EXTENSION\tName: {record['name']}\tState: {record['state']}\tEvents: [{events}]{_error_type(record)}")
        elif event.endswith("Subscription"):
            word = "TELEMETRY" if event == "platform.telemetrySubscription" else "LOGS"
            types = ", ".join(kind.capitalize() for kind in record["types"])
            self._stream.line(f"{word}\tName: {record['name']}\tState: Subscribed\tTypes: [{types}]")

    def start(self, request_id: str, at_ms: int) -> str:
        if self._json:
            return self._platform("platform.start", {"requestId": request_id, "version": self._version}, at_ms)
        text = f"START RequestId: {request_id} Version: {self._version}"
        self._stream.line(text)
        return text

    def end(self, invocation: Invocation, result: InvokeResult, at_ms: int, *, restored: bool = False) -> tuple[list[str], int]:
        """END and REPORT, and what the platform says of a crash; with the billed milliseconds."""
        request_id = invocation.request_id
        total_ms = billed(result)
        # The restore is billed by itself.
        restore_ms = total_ms - whole_ms(result.duration_ms) if restored and result.init_ms is not None else 0
        billed_ms = total_ms - restore_ms
        status = "success" if result.kind == "ok" or result.kind == "error" else "timeout" if result.kind == "timeout" else "error"
        if self._json:
            return self._end_json(invocation, result, at_ms, status, billed_ms, restore_ms, restored=restored), total_ms
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {result.duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
            f"Memory Size: {self._memory_mb} MB\tMax Memory Used: {result.max_memory_mb} MB\t"
        )
        if result.init_ms is not None and restored:
            report += f"Restore Duration: {result.init_ms:.2f} ms\tBilled Restore Duration: {restore_ms} ms\t"
        elif result.init_ms is not None:
            report += f"Init Duration: {result.init_ms:.2f} ms\t"
        if status == "timeout":
            report += "Status: timeout"
        elif status == "error":
            report += f"Status: error\tError Type: {result.error_type}"
        if traced := _traced(invocation):
            report += f"\nXRAY TraceId: {traced[0]}\tSegmentId: {traced[1]}\tSampled: true\t"
        lines = [] if result.platform_line is None else [result.platform_line + "\n"]
        lines += [f"END RequestId: {request_id}", report]
        for text in lines:
            self._stream.line(text)
        return lines, total_ms

    def _end_json(
        self, invocation: Invocation, result: InvokeResult, at_ms: int, status: str, billed_ms: int, restore_ms: int, *, restored: bool
    ) -> list[str]:
        metrics: dict[str, Any] = {
            "durationMs": round(result.duration_ms, 3),
            "billedDurationMs": billed_ms,
            "memorySizeMB": self._memory_mb,
            "maxMemoryUsedMB": result.max_memory_mb,
        }
        if result.init_ms is not None:
            metrics["restoreDurationMs" if restored else "initDurationMs"] = round(result.init_ms, 3)
        if restore_ms:
            metrics["billedRestoreDurationMs"] = restore_ms
        record: dict[str, Any] = {"requestId": invocation.request_id}
        ending: dict[str, Any] = {"status": status if result.kind != "error" else "error"}
        if result.error_type and status != "timeout":
            ending["errorType"] = result.error_type
        if traced := _traced(invocation):
            ending["tracing"] = {"spanId": traced[1], "type": "X-Amzn-Trace-Id", "value": invocation.trace_id}
        done = {"durationMs": metrics["durationMs"], "producedBytes": len(result.payload)}
        level = 1 if ending["status"] == "success" else 2
        return [
            self._platform("platform.runtimeDone", {**record, **ending, "metrics": done}, at_ms, level=0 if level == 1 else 2),
            self._platform("platform.report", {**record, "metrics": metrics, **ending}, at_ms, level=level),
        ]

    def _platform(self, event: str, record: Mapping[str, Any], at_ms: int, *, level: int = 1) -> str:
        if level < self._level:
            return ""
        text = json.dumps({"time": _iso(at_ms), "type": event, "record": record}, separators=(",", ":"))
        self._stream.line(text)
        return text


def _is_time(text: Any) -> bool:
    """Whether it is one in the words of RFC 3339."""
    try:
        datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return False
    return len(text) >= len("2026-01-01T00:00:00Z")


def _error_type(record: Mapping[str, Any]) -> str:
    return f"\tError Type: {record['errorType']}" if record.get("errorType") else ""


def _traced(invocation: Invocation) -> tuple[str, str] | None:
    """The trace and the segment of an invocation that X-Ray samples. A segment's id is any 16 digits: here the request's last."""
    trace = invocation.trace_id or ""
    if "Sampled=1" not in trace:
        return None
    root = next((part[5:] for part in trace.split(";") if part.startswith("Root=")), "")
    return (root, invocation.request_id.replace("-", "")[-16:]) if root else None


def billed(result: InvokeResult) -> int:
    """Milliseconds, rounded up; the initialisation of a sandbox that was started for the invocation is billed with it."""
    return whole_ms(result.duration_ms + (result.init_ms or 0.0))


def whole_ms(duration_ms: float) -> int:
    return max(1, math.ceil(duration_ms))


def stream_name(at_ms: int, function_name: str, version: str, sandbox_id: str, *, own_group: bool) -> str:
    """`2026/11/21/[$LATEST]<id>`; in a log group that the user chose, the function's name is in it."""
    day = time.strftime("%Y/%m/%d/", time.gmtime(at_ms // 1000))
    return f"{day}{function_name}[{version}]{sandbox_id}" if own_group else f"{day}[{version}]{sandbox_id}"


def _iso(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03d}Z"
