"""The phases of one invocation: the initialisation where the sandbox is new, once more within the invocation's time if that fails, then the handler.

    new --ready within its limit--> START, handler --> END, REPORT
    new --fails or takes too long--> INIT_REPORT; a second sandbox, under the function's timeout --ready--> START, handler --> END, REPORT
                                                                                            --fails--> INIT_REPORT, START, END, REPORT
    restored --fails--> SnapStartException, SnapStartTimeoutException

The lines between (INIT_REPORT, RESTORE_REPORT, EXTENSION, TELEMETRY) are the runtime's events, see `logs.PlatformLines.event`. Differs from AWS: the second sandbox
has a /tmp of its own. AWS: "Understanding the Lambda execution environment lifecycle", failures during the init phase.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from groundcloud.runtime import Invocation, InvokeResult, Sandbox
from groundcloud.runtime.streaming import ResponseStream
from groundcloud.services.lambda_ import errors, logs

Acquire = Callable[[Sandbox | None], Awaitable[Sandbox]]
"""A sandbox of the version; of one that failed to initialise, the next."""


class Ran(NamedTuple):
    """`tail` is the end of the log, 4 KB."""

    result: InvokeResult
    tail: bytes
    billed_ms: int


async def run(
    acquire: Acquire, release: Callable[[Sandbox], None], now_ms: Callable[[], int], invocation: Invocation, into: ResponseStream | None
) -> Ran:
    """Raises AwsError for what keeps the function from starting."""
    sandbox = await acquire(None)
    try:
        if sandbox.init_ms is not None or await sandbox.ready():
            return await _handle(sandbox, now_ms, invocation, into)
    except asyncio.CancelledError:
        sandbox.kill()
        raise
    finally:
        release(sandbox)
    if sandbox.forked:
        failure = sandbox.init_failure
        raise errors.restore_timed_out() if failure is not None and failure.status == "timeout" else errors.restore_failed()
    return await _again(sandbox, acquire, release, now_ms, invocation, into)


async def _again(
    failed: Sandbox,
    acquire: Acquire,
    release: Callable[[Sandbox], None],
    now_ms: Callable[[], int],
    invocation: Invocation,
    into: ResponseStream | None,
) -> Ran:
    began_at, deadline_ms = time.perf_counter(), int((time.time() + failed.spec.timeout_s) * 1000)
    sandbox = await acquire(failed)
    try:
        await sandbox.ready()
        spent_ms = (time.perf_counter() - began_at) * 1000
        return await _handle(sandbox, now_ms, dataclasses.replace(invocation, deadline_ms=deadline_ms), into, spent_ms)
    except asyncio.CancelledError:
        sandbox.kill()
        raise
    finally:
        release(sandbox)


async def _handle(
    sandbox: Sandbox, now_ms: Callable[[], int], invocation: Invocation, into: ResponseStream | None, spent_ms: float | None = None
) -> Ran:
    """`spent_ms`: what the initialisation has taken of the invocation's own time."""
    stream = sandbox.tag
    assert isinstance(stream, logs.Stream)
    lines = stream.lines
    before = lines.start(invocation.request_id, now_ms())
    result = await sandbox.invoke(invocation, into)
    if spent_ms is not None:
        result = dataclasses.replace(result, duration_ms=result.duration_ms + spent_ms, init_ms=None)
    after, billed_ms = lines.end(invocation, result, now_ms(), restored=sandbox.forked)
    tail = b"".join((before.encode(), b"\n", result.log, "\n".join(after).encode(), b"\n"))[-4096:]
    return Ran(result, tail, billed_ms)
