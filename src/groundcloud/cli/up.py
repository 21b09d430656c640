"""`ground up`: the server in the foreground."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from groundcloud.kernel.settings import Settings


def run(settings: Settings, on_ready: Callable[[Settings, tuple[str, str]], None]) -> None:
    """Serves until SIGINT or SIGTERM. Raises AddressInUse, DataDirectoryInUse, RuntimeError (the store)."""
    from groundcloud import app
    from groundcloud.http.server import Server, listen, new_event_loop

    listener = listen(settings.host, settings.port)
    settings.port = listener.getsockname()[1]

    async def serve() -> None:
        ground, front = app.create(settings)
        ground.start()

        def ready() -> None:
            port_file = os.environ.get("GROUND_PORT_FILE")
            if port_file:
                scratch = Path(port_file + ".new")
                scratch.write_text(str(settings.port))
                scratch.rename(port_file)
            on_ready(settings, ground.identities.root_credentials)

        try:
            await Server(front, ready).serve(sockets=[listener])
        finally:
            await ground.close()

    loop = new_event_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()
