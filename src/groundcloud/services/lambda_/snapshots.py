"""SnapStart: a published version is initialised once, when it is published; its sandboxes are forked from that process.

A version's states: Pending --initialised--> Active, Pending --its initialisation failed--> Failed, Active --not invoked for 14 days (since the server
started)--> Inactive, its process gone, Inactive --a call, which is refused--> Pending. A durable timer does the work and stays with the
version: a restart in the middle begins again, and after a restart a version that is Active is initialised anew in the background, a few of them at a
time; its first invocation waits for what is left of that. Those beyond a limit wait for their first invocation.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import encryption, errors, execution, reclaiming
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import VERSIONS, Version
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

EPHEMERAL_MB_MAX = 512
"""AWS: "Improving startup performance with Lambda SnapStart", limitations."""

REBUILT_MAX = 32
"""Versions that are initialised again when the server starts: each is a process that stays."""

AT_ONCE = 2
"""Of those; the server has other things to do then."""

_OLDEST = (3, 12)  # AWS: SnapStart, supported runtimes: "Python 3.12 and later", Java and .NET


def wanted(members: dict[str, Any]) -> bool:
    """Of a request, or of what a version keeps."""
    return bool((members.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions")


def check(runtime: str, request: dict[str, Any]) -> None:
    """Raises InvalidParameterValueException where AWS has no SnapStart for such a function."""
    if not wanted(request):
        return
    language, _, version = runtime.partition("python")
    if language or not version or tuple(int(part) for part in version.split(".")) < _OLDEST:
        raise errors.invalid_parameter(f"{runtime} is not supported for SnapStart enabled functions.")
    if (request.get("EphemeralStorage") or {}).get("Size", 0) > EPHEMERAL_MB_MAX:
        raise errors.invalid_parameter(f"SnapStart does not support ephemeral storage greater than {EPHEMERAL_MB_MAX} MB.")


def begin(tx: Transaction, call: Call, version: Version) -> Version:
    """In the transaction that publishes it."""
    if not version.snap_start:
        return version
    call.schedule(call.now_ms, "lambda.snapshot", [version.function_name, version.number], tx=tx)
    return version.replace(state="Pending")


class Rebuilding:
    """What has been initialised again since the server started."""

    def __init__(self) -> None:
        self.count = 0
        self.turns = asyncio.Semaphore(AT_ONCE)


async def keep(call: Call, function_name: str, number: int) -> None:
    """Initialises the version, and again at each start of the server while there is the version."""
    version = VERSIONS.get(call.reading(), function_name, number)
    if version is not None and version.state == "Pending":
        with call.busy():
            await _take(call, function_name, number)
    elif version is not None and version.state == "Active":
        await _rebuild(call, function_name, number)
    began_ms, name = call.clock.now_ms(), FunctionName(call.account, call.region, function_name, str(number))
    while True:
        watch = VERSIONS.watch(call, function_name, number)
        version = VERSIONS.get(call.reading(), function_name, number)
        if version is None or version.state != "Active":
            return
        idle_at_ms = max(began_ms, execution.of_server(call).used_ms(name, version)) + reclaiming.IDLE_MS
        if call.clock.now_ms() >= idle_at_ms:
            with call.transaction() as tx:
                VERSIONS.put(tx, reclaiming.idle(version))
            await execution.of_server(call).retire(name, version)
            return
        await call.wait(watch, until_ms=idle_at_ms)


async def _take(call: Call, function_name: str, number: int) -> None:
    reason = code = ""
    try:
        if not await _initialise(call, function_name, number):
            reason = "The function failed to initialize: see its log."
    except AwsError as error:
        reason, code = error.message, encryption.STATE_REASON_CODES.get(error.code, "")
    with call.transaction() as tx:
        version = VERSIONS.get(tx, function_name, number)
        if version is not None:
            VERSIONS.put(tx, version.replace(state="Failed" if reason else "Active", state_reason=reason, state_reason_code=code))


async def _rebuild(call: Call, function_name: str, number: int) -> None:
    rebuilding = call.own("snapshots", Rebuilding)
    if rebuilding.count >= REBUILT_MAX:
        return
    rebuilding.count += 1
    async with rebuilding.turns:
        try:
            done = await _initialise(call, function_name, number)
        except AwsError as error:
            call.log.warning("cannot initialise version %s of %s again: %s", number, function_name, error.message)
        else:
            if not done:
                call.log.warning("version %s of %s failed to initialise again: see its log", number, function_name)


async def _initialise(call: Call, function_name: str, number: int) -> bool:
    executor = execution.of_server(call)
    name = FunctionName(call.account, call.region, function_name, str(number))
    return await executor.snapshot(call, await executor.prepared(call, execution.target(call, name)))


async def settled(call: Call, function_name: str, number: int) -> None:
    """Waits until a version is no longer Pending. Raises AwsError where it failed."""
    while True:
        watch = VERSIONS.watch(call, function_name, number)
        version = VERSIONS.get(call.reading(), function_name, number)
        if version is None or version.state == "Active":
            return
        if version.state == "Failed":
            raise AwsError("GeneralServiceException", f"Version {number} of {function_name} is Failed: {version.state_reason}")
        await call.wait(watch)
