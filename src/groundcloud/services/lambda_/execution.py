"""Runs one version of a function on one event: finds which version, counts it, takes a sandbox, writes the log's lines, says how it ended.

Synchronous and asynchronous invocations, event source mappings and function URLs all come here. Nothing is written to the store but, once a day,
that a version was used which could become Inactive.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.kernel.telemetry import CallRecord
from groundcloud.runtime import (
    Invocation,
    Pool,
    PoolFull,
    PoolSettings,
    RuntimeNotAvailable,
    Sandbox,
    SandboxStart,
    ZygoteFailed,
)
from groundcloud.runtime.streaming import ResponseStream
from groundcloud.services.lambda_ import (
    capacity,
    concurrency,
    encryption,
    errors,
    lineage,
    logs,
    metrics,
    packages,
    phases,
    reclaiming,
)
from groundcloud.services.lambda_.names import LATEST, PUBLISHED_NUMBER, FunctionName, number_of
from groundcloud.services.lambda_.prepared import Prepared, key_of, prepare
from groundcloud.services.lambda_.state import ALIASES, FUNCTIONS, VERSIONS, Function, Version
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

CREDENTIALS_S = 43_200
CREDENTIALS_LEFT_S_MIN = 1_800
"""A sandbox whose credentials end sooner than this (the longest invocation, twice) is not used again."""

PREPARED_MAX = 4096


class Target(NamedTuple):
    """What an invocation of a name runs."""

    name: FunctionName
    function: Function
    version: Version


class Outcome(NamedTuple):
    """`payload` is the answer or AWS's error document; `failed` tells which. `tail` is the end of the log, 4 KB.

    `concurrent`: how many invocations ran when this one began; None at a durable execution's end, which is none itself.
    """

    payload: bytes
    failed: bool
    version: str
    tail: bytes
    billed_ms: int
    duration_ms: float
    gb_s: float
    concurrent: concurrency.Running | None
    error_type: str = ""


class Executor:
    """The pool of one server, with what is kept at hand for each version."""

    def __init__(self, call: Call) -> None:
        self.pool = Pool(PoolSettings(wall_ms=call.clock.now_ms, fetch_node_sdk=True, memory_mb_max=call.settings.function_memory_mb))
        self.writer: logs.LogWriter = call.own("log-writer", lambda: logs.LogWriter(call.ground))
        self.gates = concurrency.of_server(call)
        self._packages = packages.of_server(call)
        self._prepared: dict[tuple[str, str, str, int], Prepared] = {}
        self._warming: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        for task in self._warming:
            task.cancel()
        await self.pool.close()

    def warm(self, call: Call, runtime: str) -> None:
        """Starts the zygote of a runtime in the background, so that the first invocation finds it. An image has none."""
        if not runtime:
            return

        async def prewarm() -> None:
            try:
                await self.pool.prewarm(runtime)
            except (RuntimeNotAvailable, ZygoteFailed) as failure:
                call.log.warning("cannot warm %s: %s", runtime, failure)

        self.in_background(prewarm())

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Cancelled when the server ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def prepared(self, call: Call, target: Target) -> Prepared:
        """Of the target's version, or of what replaced it meanwhile. Raises AwsError."""
        name, _, version = target
        key = (name.account, name.region, name.name, version.number)
        found = self._prepared.get(key)
        if found is not None and found.version.generation == version.generation:
            return found
        made = await prepare(call, self.pool, name, version)
        while made is None:
            made = await prepare(call, self.pool, name, _again(call, name, version.number))
        if len(self._prepared) >= PREPARED_MAX:
            self._prepared.clear()
        self._prepared[key] = made
        return made

    def used_ms(self, name: FunctionName, version: Version) -> int:
        """When it was last invoked, as far as this server knows."""
        prepared = self._prepared.get((name.account, name.region, name.name, version.number))
        return prepared.used_ms if prepared is not None else 0

    async def retire(self, name: FunctionName, version: Version) -> None:
        """Code or configuration was replaced: sandboxes of `version` take no further invocation, and end when they are idle."""
        prepared = self._prepared.pop((name.account, name.region, name.name, version.number), None)
        for own in prepared.tenants.values() if prepared is not None else ():
            await self.pool.retire(own.spec.key)
        key = key_of(name, version)
        await self.pool.retire(key)
        if not self.pool.count(key):
            for code in (version.code, *(layer.code for layer in version.layers)):
                self._packages.release(code.digest, key)

    async def acquire(self, call: Call, prepared: Prepared, *, provisioned: bool = False, after: Sandbox | None = None) -> Sandbox:
        """A sandbox with credentials that last; a new one takes the place of `after`, whose initialisation failed. Raises AwsError where there is none."""

        def prepare(sandbox_id: str) -> SandboxStart:
            if after is not None and isinstance(after.tag, logs.Stream) and after.tag.start is not None:
                made.append(after.tag)
                return dataclasses.replace(after.tag.start, phase="invoke")
            return self._start(call, prepared, sandbox_id, made, kind)

        kind = "snap-start" if prepared.spec.snap_start else "provisioned-concurrency" if provisioned else "on-demand"
        if capacity.config_of(prepared.version) is not None:
            kind = "lambda-managed-instances"

        made: list[logs.Stream] = []
        now_s = call.clock.now_s()
        while True:
            if prepared.version.sealed is not None:
                await self._open(call, prepared)
            try:
                sandbox = await self.pool.acquire(prepared.spec, prepare)
            except PoolFull as full:
                call.log.warning("%s is throttled: %s", prepared.name.arn, full)
                raise errors.throttled("ConcurrentInvocationLimitExceeded") from None
            except (RuntimeNotAvailable, ZygoteFailed) as failure:
                raise errors.cannot_run(str(failure)) from failure
            if made:
                own = sandbox.tag = made.pop()
                own.restored = sandbox.forked
                for opened in (own, *made):  # what else was made belongs to the process that it was forked from
                    opened.open()
            stream = sandbox.tag
            assert isinstance(stream, logs.Stream)
            if stream.expires_s - now_s >= CREDENTIALS_LEFT_S_MIN:
                return sandbox
            sandbox.kill()

    async def _open(self, call: Call, prepared: Prepared) -> None:
        """The key is asked whenever an environment starts; one that is warm goes on without it."""
        if not prepared.opened or not self.pool.idle_count(prepared.spec.key):
            prepared.open(await encryption.opened(call, prepared.name, prepared.version))

    async def snapshot(self, call: Call, prepared: Prepared) -> bool:
        """Initialises the process from which a version's sandboxes are forked; False if that fails. Raises AwsError where it cannot be tried."""
        made: list[logs.Stream] = []
        if prepared.version.sealed is not None:
            prepared.open(await encryption.opened(call, prepared.name, prepared.version))
        try:
            done = await self.pool.snapshot(prepared.spec, lambda sandbox_id: self._start(call, prepared, sandbox_id, made, "snap-start"))
        except (RuntimeNotAvailable, ZygoteFailed) as failure:
            raise errors.cannot_run(str(failure)) from failure
        for stream in made:
            stream.open()
        return done

    def _start(self, call: Call, prepared: Prepared, sandbox_id: str, made: list[logs.Stream], initialization: str) -> SandboxStart:
        name, version = prepared.name, prepared.version
        try:
            credentials = call.assume_role(
                version.role,
                name.name,
                service_principal="lambda.amazonaws.com",
                duration_s=CREDENTIALS_S,
                source_arn=name.arn,
                context={"lambda:SourceFunctionArn": name.arn},
            )
        except AwsError as error:
            raise errors.role_gone() from error
        now_ms = call.clock.now_ms()
        stream_name = logs.stream_name(now_ms, name.name, version.text, sandbox_id, own_group=prepared.own_group)
        stream = self.writer.stream(name.account, name.region, version.role, prepared.group_name, stream_name)
        stream.expires_s = credentials.expires_s
        made.append(stream)

        lines = stream.lines = logs.PlatformLines(stream, name.name, version.text, version.memory_mb, version.logging)

        def open_stream() -> None:
            if prepared.runtime_version:  # of an image nobody knows
                lines.init_start(prepared.runtime_version, prepared.runtime_arn, now_ms, "restore" if stream.restored else initialization)
            if prepared.warning:
                stream.line(f"Groundcloud: {prepared.warning}")

        stream.opening = open_stream
        stream.start = SandboxStart(
            environment={
                "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
                "AWS_SESSION_TOKEN": credentials.session_token,
                "AWS_LAMBDA_LOG_STREAM_NAME": stream_name,
                "AWS_LAMBDA_INITIALIZATION_TYPE": initialization,
            },
            on_log=stream.printed,
            on_platform=lambda event, record: stream.told(event, record, call.clock.now_ms()),
        )
        return stream.start


def of_server(call: Call) -> Executor:
    """In the room's own name, whichever operation asks."""
    found = call.own("executor", lambda: Executor(call))
    return found


def target(call: Call, name: FunctionName) -> Target:
    """The version that an invocation of `name` runs: of a weighted alias, by chance. Raises ResourceNotFoundException."""
    tx = call.reading().at(name.account, name.region)
    function = FUNCTIONS.get(tx, name.name)
    if function is None:
        raise errors.function_not_found(name.qualified_arn)
    number = 0
    if name.qualifier and name.qualifier != LATEST:
        if not name.is_alias:
            number = number_of(name.qualifier)
        else:
            alias = ALIASES.get(tx, name.name, name.qualifier)
            if alias is None:
                raise errors.function_not_found(name.qualified_arn)
            number = alias.version
            if alias.weights:
                chance = call.random.random()
                for other, weight in alias.weights.items():
                    if chance < weight:
                        number = int(other)
                        break
                    chance -= weight
    version = VERSIONS.get(tx, name.name, number)
    if version is None:
        raise errors.function_not_found(name.qualified_arn)
    if number == 0 and version.kept and version.kept.get("CapacityProviderConfig"):
        version = _published(tx, name, function)
    return Target(name, function, version)


def _published(tx: Transaction, name: FunctionName, function: Function) -> Version:
    """What runs for a function with a capacity provider where no published version is named."""
    if name.qualifier:
        raise errors.conflict(
            "The operation cannot be performed at this time. The function is currently in the following state: ActiveNonInvocable"
        )
    version = VERSIONS.get(tx, function.function_name, PUBLISHED_NUMBER)
    if version is None:
        raise errors.no_published_version()
    return version


async def run(
    call: Call,
    target: Target,
    payload: bytes,
    request_id: str,
    *,
    client_context: dict[str, Any] | None = None,
    trace: str = "",
    tenant_id: str = "",
    into: ResponseStream | None = None,
    is_event: bool = False,
) -> Outcome:
    """Runs the handler; what it streams goes `into` a stream, or else is the payload. `is_event`: no rate of requests holds, as nobody waits.

    Raises TooManyRequestsException, RecursiveInvocationException, what `reclaiming.check_ready` raises, and AwsError for what keeps the function from starting.
    """
    executor = of_server(call)
    name, function, _ = target
    check_tenant(target.version, tenant_id)
    if target.version.state != "Active":
        reclaiming.check_ready(call, name, target.version)
    trace, loops = lineage.advance(trace, name.arn)
    if loops > lineage.LOOPS_MAX and function.recursion == "Terminate":
        metrics.measure(call, name.account, name.region, {"FunctionName": name.name}, RecursiveInvocationsDropped=1)
        raise errors.recursive()
    gate = executor.gates.of(call.reading().at(name.account, name.region))
    name_call(call, target)
    version = target.version
    ceiling = capacity.ceiling(function, version) if function.scaling else None
    if not is_event:
        gate.count_request(function, call.now_ms)
    concurrent = gate.enter(function, version.text, ceiling)
    try:
        prepared = await executor.prepared(call, target)
        prepared.used_ms = call.now_ms
        if call.now_ms - prepared.noted_ms >= reclaiming.NOTED_MS:
            prepared.noted_ms = call.now_ms
            reclaiming.note_use(call, name, version)
        prepared = prepared.of_tenant(tenant_id)
        version = prepared.version
        if not executor.pool.idle_count(prepared.spec.key):
            gate.count_start(function, call.now_ms)
        invocation = Invocation(
            request_id=request_id,
            payload=payload,
            function_arn=name.qualified_arn,
            trace_id=trace or None,
            client_context=client_context,
            tenant_id=tenant_id or None,
        )
        result, tail, billed_ms = await phases.run(
            lambda failed: executor.acquire(call, prepared, after=failed), executor.pool.release, call.clock.now_ms, invocation, into
        )
    finally:
        gate.leave(function, target.version.text)
    return Outcome(
        result.payload,
        result.kind != "ok",
        version.text,
        tail,
        billed_ms,
        result.duration_ms,
        billed_ms * version.memory_mb / 1_024_000,
        concurrent,
        result.error_type or "",
    )


def check_tenant(version: Version, tenant_id: str) -> None:
    """A function with tenant isolation is invoked for a tenant, another is not. Raises InvalidParameterValueException."""
    if tenant_id and not isolates_tenants(version):
        raise errors.invalid_parameter(
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."
        )
    if not tenant_id and version.kept and isolates_tenants(version):
        raise errors.invalid_parameter(
            "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
        )


def isolates_tenants(version: Version) -> bool:
    return bool((version.kept.get("TenancyConfig") or {}).get("TenantIsolationMode") == "PER_TENANT")


def stream(
    call: Call,
    target: Target,
    payload: bytes,
    request_id: str,
    *,
    client_context: dict[str, Any] | None = None,
    trace: str = "",
    tenant_id: str = "",
) -> ResponseStream:
    """Runs the handler, its answer to be read while it is written. `await stream.result()` gives the Outcome, or raises as `run` does.

    The reader may go away: the function goes on, as on AWS. The telemetry's record is left at the end.
    """
    pieces = ResponseStream()

    async def whole() -> Any:
        began_ns = time.perf_counter_ns()
        outcome, error = None, None
        try:
            outcome = await run(
                call, target, payload, request_id, client_context=client_context, trace=trace, tenant_id=tenant_id, into=pieces
            )
        except AwsError as refused:
            error = refused
            raise
        finally:
            record(call, target, began_ns, outcome, error, call.principal.arn)
        return outcome

    pieces.run(whole())
    return pieces


def name_call(call: Call, target: Target) -> None:
    """Tells the readers of the telemetry which function a call is about, however it ends."""
    call.dimensions["FunctionName"] = target.name.name
    if target.name.qualifier:
        call.dimensions["Resource"] = f"{target.name.name}:{target.name.qualifier}"


def count(call: Call, target: Target, outcome: Outcome) -> None:
    """What the readers of the telemetry are told of an invocation, on the call's own record."""
    if target.name.is_alias:
        call.dimensions["ExecutedVersion"] = outcome.version
    call.units.update(_units(outcome))


def _units(outcome: Outcome) -> dict[str, float]:
    """ "requests" and "gb_s" are what AWS bills. Nothing of a durable execution's end: its own invocations have been counted."""
    if outcome.concurrent is None:
        return {}
    return {
        "requests": 1.0,
        "billed_ms": outcome.billed_ms,
        "duration_ms": outcome.duration_ms,
        "gb_s": outcome.gb_s,
        "concurrent": outcome.concurrent.function,
        "concurrent_account": outcome.concurrent.account,
        "concurrent_unreserved": outcome.concurrent.unreserved,
        "errors": 1.0 if outcome.failed else 0.0,
    } | _units_of_provisioned(outcome.concurrent)


def _units_of_provisioned(concurrent: concurrency.Running) -> dict[str, float]:
    if not concurrent.provisioned:
        return {}
    return {"provisioned_used": min(concurrent.version, concurrent.provisioned), "provisioned": concurrent.provisioned} | (
        {"provisioned_spilled": 1.0} if concurrent.version > concurrent.provisioned else {}
    )


def record(call: Call, target: Target, began_ns: int, outcome: Outcome | None, error: AwsError | None, source: str) -> None:
    """The telemetry's record of an invocation that is no operation's own: by the asynchronous queue, an event source mapping, a URL, a stream."""
    name_call(call, target)
    if outcome is not None and target.name.is_alias:
        call.dimensions["ExecutedVersion"] = outcome.version
    call.ground.telemetry.emit(
        CallRecord(
            call.request_id,
            call.clock.now_ms(),
            target.name.account,
            target.name.region,
            "lambda",
            "Invoke",
            target.name.qualified_arn,
            source,
            200 if error is None else error.status or (429 if error.code == "TooManyRequestsException" else 400),
            error.code if error is not None else "",
            (time.perf_counter_ns() - began_ns) // 1000,
            units={} if outcome is None else _units(outcome),
            dimensions=dict(call.dimensions),
        )
    )


def _again(call: Call, name: FunctionName, number: int) -> Version:
    version = VERSIONS.get(call.reading().at(name.account, name.region), name.name, number)
    if version is None:
        raise errors.function_not_found(name.qualified_arn)
    return version
