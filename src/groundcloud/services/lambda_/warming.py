"""Right after a server has started: what runs the functions that are in its store starts too, so that the first call of the day is quick.

Apart from the room's other modules because a server without functions never imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.auth.principals import Principal
from groundcloud.services.lambda_ import execution
from groundcloud.services.lambda_.state import PACKAGES, RUNTIMES

if TYPE_CHECKING:
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
