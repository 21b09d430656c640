"""What is asked of the runtime and what it answers: frozen records, no behaviour beyond the environment of a function."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

# AWS: Lambda quotas, response streaming.
STREAM_BYTES_MAX = 209_715_200
LOG_TAIL_BYTES_MAX = 4096
LOG_LINE_BYTES_MAX = 256 * 1024

DEBUG = "GROUND_DEBUG"
"""A function's variable that says that it waits for a debugger."""
CPU = "GROUND_CPU"
"""A function's variable; `limited`: it gets its memory's share of the processor and no more, as on AWS, even of a machine that has nothing else to do."""

Network = Literal["host", "isolated"]


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One version of a function's code and configuration. Sandboxes whose `key` is the same are interchangeable."""

    key: str
    runtime: str
    handler: str
    code_path: Path
    """A directory that holds the unpacked package; other users must be able to read what is in it (`unpack` sees to that)."""
    layers: tuple[Path, ...] = ()
    """Unpacked layers in the order of the configuration: a later one covers an earlier one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 128
    timeout_s: float = 3
    ephemeral_mb: int = 512
    network: Network = "host"
    snap_start: bool = False
    """Sandboxes are forked from a process that has initialised the function (Python)."""
    function_name: str = "function"
    function_version: str = "$LATEST"
    runtime_version: str = ""
    runtime_version_arn: str = ""
    """Told to subscribers of the Telemetry API."""
    account_id: str = ""
    """Told to extensions that ask for it."""
    log_group_name: str = ""
    region: str = "us-east-1"
    endpoint_url: str | None = None

    @property
    def debugged(self) -> bool:
        """It waits for a debugger: its initialisation may take as long as an invocation, and it is not stopped between two."""
        return DEBUG in self.environment or "--inspect" in self.environment.get("NODE_OPTIONS", "")

    @property
    def capped(self) -> bool:
        return self.environment.get(CPU) == "limited"


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One event for a function. `payload` is JSON text, passed on as it is."""

    request_id: str
    payload: bytes
    deadline_ms: int | None = None
    """Milliseconds since the epoch, of the machine's clock; None: the function's timeout from now."""
    function_arn: str = ""
    trace_id: str | None = None
    client_context: Mapping[str, Any] | None = None
    """The decoded document of X-Amz-Client-Context."""
    identity: Mapping[str, str] | None = None
    """cognitoIdentityId and cognitoIdentityPoolId."""
    tenant_id: str | None = None
    environment: Mapping[str, str] | None = None
    """Variables to replace first: refreshed credentials."""


InvokeKind = Literal["ok", "error", "init_error", "exit", "timeout", "oom"]


@dataclass(frozen=True, kw_only=True)
class InvokeResult:
    """How an invocation ended.

    `ok`: payload is the result. `error`: the function raised or its result was refused; the sandbox lives. `init_error`,
    `exit`, `timeout`, `oom`: the sandbox is gone. But for `ok`, payload is AWS's error document and `error_type` its errorType.
    """

    kind: InvokeKind
    payload: bytes
    log: bytes
    """The last 4 KB of what was logged during the invocation (and the initialisation, if that was part of it)."""
    duration_ms: float
    max_memory_mb: int
    error_type: str | None = None
    init_ms: float | None = None
    """Of a sandbox that was started for this invocation."""
    platform_line: str | None = None
    """What AWS's platform writes to the log after the REPORT line of a timeout or a crash."""


@dataclass(frozen=True, kw_only=True)
class SandboxStart:
    """What is particular to one sandbox, asked for when it is started."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Credentials, log stream name."""
    on_log: Callable[[bytes, str | None], None] | None = None
    """Called with every line (no newline at its end, at most 256 KB) and the id of the request that it belongs to, None before the first."""
    on_platform: Callable[[str, Mapping[str, Any]], None] | None = None
    """Called with the platform's events of the initialisation and their records: platform.initReport, platform.extension ..."""
    phase: Literal["init", "invoke"] = "init"
    """In which the sandbox initialises the function: "invoke" after a sandbox that failed to."""


PrepareStart = Callable[[str], SandboxStart]


MEMORY_SHARE = 0.75


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    sandboxes_max: int = 1000
    memory_mb_max: int = 0
    """What all sandboxes together may hold before those that have been idle longest are ended; 0 for MEMORY_SHARE of the machine's."""
    idle_s_max: float = 300.0
    """An idle sandbox is ended after this time."""
    freeze_after_s: float = 0.2
    """An idle sandbox is stopped after this time (of the machine's clock)."""
    log_bytes_per_s_max: int = 8 * 1024 * 1024
    """What one sandbox may log before its writes are made to wait."""
    node_workers: int = 3
    """Node.js processes that wait for a function; each holds about 12 MB of its own, once a Node.js function exists."""
    fetch_node_sdk: bool = False
    """Fetch AWS's SDK for JavaScript with npm when a function imports it, does not bring it and the machine has none; that function waits for it."""
    plain: bool = False
    """Use no namespaces even where there are some."""
    control_groups: bool = True
    """Use control groups where they are writable."""
    clock: Callable[[], float] = time.monotonic
    """Seconds; decides idleness alone. Time limits of invocations are the machine's."""
    wall_ms: Callable[[], int] = lambda: int(time.time() * 1000)
    """Stamps the line of a timeout."""
