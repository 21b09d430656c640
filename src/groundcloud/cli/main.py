"""The commands and their options."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="groundcloud", prog_name="ground")
def main() -> None:
    """A serverless cloud on your own machine."""


@main.command()
@click.option("--port", default=4566, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=Path(".ground"), show_default=True)
@click.option("--memory", is_flag=True)
@click.option("--quiet", is_flag=True)
def up(port: int, host: str, data: Path, memory: bool, quiet: bool) -> None:
    """Start the server."""
    from groundcloud.cli import up as server
    from groundcloud.kernel.ground import memory_settings
    from groundcloud.kernel.settings import Settings

    settings = memory_settings(host=host, port=port) if memory else Settings(data.resolve(), host, port)
    server.run(settings, lambda s, c: None if quiet else click.echo(f"ready on {s.endpoint}"))


if __name__ == "__main__":
    main()
