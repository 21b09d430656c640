"""Right after a server has started: what runs the functions that are in its store starts too, so that the first call of the day is quick.

Apart from the room's other modules because a server without functions never imports it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import execution
from groundcloud.services.lambda_.state import PACKAGES, RUNTIMES

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.kernel.ground import Ground

RUNTIMES_MAX = 4
"""Started in advance; the others start with their first function."""


def begin(ground: Ground) -> None:
    """Starts them in the background, where there are functions."""
    tx = ground.store.transaction()
    if not any(True for _ in PACKAGES.keys(tx)):
        return
    call = ground.background_call("lambda", "Warm", "", ground.settings.region, Principal("service", "lambda.amazonaws.com"))
    executor = execution.of_server(call)
    for (runtime,) in list(RUNTIMES.keys(tx, limit=RUNTIMES_MAX)):
        executor.warm(call, runtime)
    executor.in_background(_rooms(call))


async def _rooms(call: Call) -> None:
    """Loads what a first invocation meets on its way: the rooms, and the rules of their shapes. A turn of the loop between two."""
    rooms = call.ground.rooms
    for service in ("lambda", "iam", "logs"):
        if service in rooms:
            await asyncio.sleep(0)
            rooms.get(service).operations  # noqa: B018  (a cached property)
    for operation in ("CreateLogGroup", "CreateLogStream", "PutLogEvents"):
        await asyncio.sleep(0)
        try:
            await call.request("logs", operation, {})
        except AwsError:  # nothing is asked for: what is wanted are the rules by which that is found out
            continue
