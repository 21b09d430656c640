"""`ground up`: the server in the foreground. The one command that is not a client."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from groundcloud.kernel.settings import Settings

if TYPE_CHECKING:
    from groundcloud.kernel.ground import Ground


def start(
    port: int,
    host: str,
    data: Path,
    memory: bool,
    region: str,
    *,
    strict: bool = False,
    function_network: Literal["host", "isolated"] = "host",
    function_memory_mb: int = 0,
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Serves until SIGINT or SIGTERM; exits with a sentence where it cannot."""
    from groundcloud.http.server import AddressInUse
    from groundcloud.kernel.ground import DataDirectoryInUse, memory_settings

    began = time.monotonic()
    logging.basicConfig(
        level=os.environ.get("GROUND_LOG", "WARNING").upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of its own feature toggles
    settings = memory_settings(host=host, port=port, region=region) if memory else Settings(data.resolve(), host, port, region=region)
    settings.strict, settings.function_network, settings.function_memory_mb = strict, function_network, function_memory_mb
    if not memory:
        _check_directory(settings.data_dir)

    def ready(settings: Settings, root: tuple[str, str]) -> None:
        if as_json:
            click.echo(
                json.dumps(
                    {
                        "endpoint": settings.endpoint,
                        "data": None if memory else str(settings.data_dir),
                        "environment": environment(settings.endpoint, root, region),
                    }
                )
            )
        elif not quiet:
            _greet(settings, root, region, time.monotonic() - began)

    try:
        run(settings, ready)
    except AddressInUse as error:
        raise click.ClickException(f"{error} {_elsewhere(str(error))}") from None
    except DataDirectoryInUse as error:
        raise click.ClickException(f"{error} Stop it, or choose another directory with --data.") from None
    except KeyboardInterrupt:
        pass
    if not quiet and not as_json:
        click.echo("\nStopped. Everything that was acknowledged is on disk." if not memory else "\nStopped.")


def run(settings: Settings, on_ready: Callable[[Settings, tuple[str, str]], None]) -> None:
    """Serves until SIGINT or SIGTERM, both of which leave by KeyboardInterrupt. Raises AddressInUse, DataDirectoryInUse, RuntimeError (the store)."""
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
            _warm(ground)

        try:
            await Server(front, ready).serve(sockets=[listener])
        finally:
            await ground.close()

    # uvicorn sends itself again the signal that ended it: SIGTERM would end the process before the store, the sandboxes and the containers are closed.
    before = signal.signal(signal.SIGTERM, _interrupt)
    loop = new_event_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _warm(ground: Ground) -> None:
    """Functions of an earlier run are quick from their first call on; a server without any loads nothing for them."""
    functions = ground.settings.data_dir / "functions"
    if functions.is_dir() and any(functions.iterdir()):
        from groundcloud.services.lambda_ import warming

        warming.begin(ground)


def _elsewhere(error: str) -> str:
    """What to do about an address that cannot be listened on."""
    if os.strerror(errno.EADDRINUSE) in error:
        return "Another server may be running; choose a port with --port, or 0 for any free one."
    if os.strerror(errno.EACCES) in error:
        return "Choose a port above 1023 with --port."
    return "Choose an address of this machine with --host."


def _check_directory(data: Path) -> None:
    """Raises ClickException where no state can rest."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(data, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        reason = error.strerror
    if reason:
        raise click.ClickException(
            f"Cannot keep state in {data}: {reason}. Choose another directory with --data, or keep none with --memory."
        )


def environment(endpoint: str, root: tuple[str, str], region: str) -> dict[str, str]:
    """What points SDKs and tools at a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": root[0],
        "AWS_SECRET_ACCESS_KEY": root[1],
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }


def _greet(settings: Settings, root: tuple[str, str], region: str, seconds: float) -> None:
    from groundcloud import __version__, app

    elsewhere = "" if settings.port == 4566 and settings.loopback else f" --endpoint {settings.endpoint}"
    rests = "memory alone: it ends with the server" if settings.memory else str(settings.data_dir)
    served = click.wrap_text(", ".join(sorted(app.SERVICES)), _width(), initial_indent="  serves    ", subsequent_indent=" " * 12)
    click.echo(f"Groundcloud {__version__} is up on {click.style(settings.endpoint, bold=True)} ({seconds * 1000:.0f} ms)")
    click.echo(f"  state     {rests}")
    click.echo(served)
    click.echo("  point SDKs, the AWS CLI, sam and cdk here, in another terminal:\n")
    for name, value in environment(settings.endpoint, root, region).items():
        click.echo(f"    export {name}={value}")
    # `ground env` knows no generated credentials, so there is nothing to point at but the lines above.
    if settings.loopback:
        click.echo(f'\n  or        eval "$(ground env{elsewhere})"')
    click.echo(f"{'' if settings.loopback else chr(10)}  then      ground deploy     (Ctrl-C here stops the server)")


def _width() -> int:
    """Of a line of services: the terminal's; a file has no end."""
    return max(shutil.get_terminal_size().columns, 40) if sys.stdout.isatty() else 10_000
