"""Provisioned concurrency, and the least environments of a version on a capacity provider: sandboxes that are initialised before anybody calls, and kept so.

A loop a configuration, durable as a background timer: it makes the sandboxes, looks at them again now and then (idle ones would be ended), and follows what the alias points to. It ends when
its generation of the configuration does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import concurrency, execution
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import ALIASES, PROVISIONED, VERSIONS, Provisioned
from groundcloud.store import Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

LOOK_AGAIN_S = 60
"""Below the idle time after which a sandbox is ended, on the machine's clock, which is the pool's."""

AT_ONCE = 8
"""Sandboxes that are initialised at the same time."""


INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"


class Warm:
    """What the loops of a server have reached, by account, region, function and qualifier."""

    def __init__(self) -> None:
        self.available: dict[FunctionName, int] = {}
        self.failures: dict[FunctionName, str] = {}


def of_server(call: Call) -> Warm:
    return call.own("warm", Warm)


async def keep(call: Call, function_name: str, qualifier: str, generation: str, *, table: Table[Provisioned] = PROVISIONED) -> None:
    """The loop, of a configuration in `table`."""
    name = FunctionName(call.account, call.region, function_name, qualifier)
    warm = of_server(call)
    while (config := _current(call, table, name, generation)) is not None:
        watches = (
            table.watch(call, function_name, qualifier),
            ALIASES.watch(call, function_name, qualifier),
            VERSIONS.watch(call, function_name),
        )
        with call.busy():
            try:
                warm.available[name] = await _provision(call, name, config.requested, counted=table is PROVISIONED)
                warm.failures.pop(name, None)
                if warm.available[name] < config.requested:
                    warm.failures[name] = INIT_FAILURE
            except AwsError as error:
                warm.available[name] = 0
                warm.failures[name] = error.message
        changed = asyncio.ensure_future(call.wait(*watches))
        try:
            # Real time: it is the machine that ends idle sandboxes.
            await asyncio.wait([changed], timeout=LOOK_AGAIN_S)
        finally:
            changed.cancel()
    if table.get(call.reading(), function_name, qualifier) is None:
        warm.available.pop(name, None)
        warm.failures.pop(name, None)
        if table is PROVISIONED:
            concurrency.of_server(call).of(call.reading()).provision(function_name, qualifier, "", 0)


def _current(call: Call, table: Table[Provisioned], name: FunctionName, generation: str) -> Provisioned | None:
    config = table.get(call.reading(), name.name, name.qualifier)
    return config if config is not None and config.generation == generation else None


async def _provision(call: Call, name: FunctionName, wanted: int, *, counted: bool) -> int:
    """Sandboxes of the version that are initialised and not busy elsewhere, `wanted` of them if it can be. Raises AwsError.

    `counted`: they are of the concurrency that the account or the function has.
    """
    executor = execution.of_server(call)
    target = execution.target(call, name)
    prepared = await executor.prepared(call, target)
    missing = wanted - (executor.pool.count(prepared.spec.key) - executor.pool.idle_count(prepared.spec.key))
    taken = []
    turns = asyncio.Semaphore(AT_ONCE)

    async def make() -> bool:
        async with turns:
            sandbox = await executor.acquire(call, prepared, provisioned=True)
            taken.append(sandbox)
            return await sandbox.ready()

    try:
        made = await asyncio.gather(*[make() for _ in range(max(0, missing))])
    finally:
        # All are held until the last is there, else one would serve for every turn.
        for sandbox in taken:
            executor.pool.release(sandbox)
    there = wanted - max(0, missing) + sum(made)
    if counted:
        executor.gates.of(call.reading()).provision(name.name, name.qualifier, target.version.text, there)
    return there
