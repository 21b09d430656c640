"""The commands and their options. What a command does is in the module of its name, imported when it runs: `ground --help` is quick."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

import click

from groundcloud.cli.connection import ROOT, Connection

_endpoint = click.option(
    "--endpoint", metavar="URL", help="The server. Default: $GROUND_ENDPOINT, $AWS_ENDPOINT_URL, then http://localhost:4566."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="groundcloud", prog_name="ground")
@click.pass_context
def main(context: click.Context) -> None:
    """A serverless cloud on your own machine: AWS's protocols, real functions, enforced permissions, durable state.

    \b
    ground up                     start the server (state in ./.ground)
    ground deploy                 build and deploy ./template.yaml
    ground invoke FUNCTION        call a function
    ground logs -t FUNCTION       follow its log
    ground clock advance 15m      let virtual time pass
    ground why REQUEST_ID         explain a denied request
    """
    if os.environ.get("NO_COLOR"):  # no-color.org
        context.color = False


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", default=4566, show_default=True, help="0 takes any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Any address but loopback demands the generated root credentials.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=Path(".ground"), show_default=True, help="Where state rests; one server a directory."
)
@click.option("--memory", is_flag=True, help="Keep nothing: state ends with the server.")
@click.option("--region", default="us-east-1", show_default=True, help="For requests that name none.")
@click.option("--strict-runtimes", is_flag=True, help="Refuse a function's runtime unless that very version is present.")
@click.option(
    "--function-network",
    type=click.Choice(["host", "isolated"]),
    default="host",
    show_default=True,
    help="What functions reach: all that this machine does, or the server's endpoint alone.",
)
@click.option(
    "--function-memory",
    type=click.IntRange(64),
    metavar="MB",
    help="What all functions together may hold before the longest idle are ended. Default: three quarters of the machine's.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@_json
def up(
    port: int,
    host: str,
    data: Path,
    memory: bool,
    region: str,
    strict_runtimes: bool,
    function_network: Literal["host", "isolated"],
    function_memory: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Start the server and stay in the foreground until Ctrl-C."""
    from groundcloud.cli import up as server

    server.start(
        port,
        host,
        data,
        memory,
        region,
        strict=strict_runtimes,
        function_network=function_network,
        function_memory_mb=function_memory or 0,
        quiet=quiet,
        as_json=as_json,
    )


@main.command(short_help="Print what points SDKs and tools here.")
@_endpoint
@click.option("--unset", is_flag=True, help="Print what takes the variables away again.")
@_json
def env(endpoint: str | None, unset: bool, as_json: bool) -> None:
    """Print the environment that points SDKs, the AWS CLI, sam and cdk here: eval "$(ground env)"."""
    from groundcloud.cli.up import environment

    connection = Connection.from_environment(endpoint)
    root = (connection.access_key_id, connection.secret)
    if root != (ROOT, ROOT) and not unset and connection.loopback and not connection.known():
        click.echo(
            f"{connection.endpoint} does not know the environment's {connection.access_key_id}; {ROOT}/{ROOT} is its root.", err=True
        )
        root = (ROOT, ROOT)
        stale = ("AWS_SESSION_TOKEN",) if connection.session_token else ()
    else:
        stale = ()
    variables = environment(connection.endpoint, root, connection.region)
    if as_json:
        click.echo(json.dumps(variables, indent=2))
    else:
        for name, value in variables.items():
            click.echo(f"unset {name}" if unset else f"export {name}={value}")
        for name in stale:
            click.echo(f"unset {name}")


@main.command(short_help="Build and deploy a template.")
@click.argument("template", type=click.Path(path_type=Path), required=False)
@click.option("--stack", "-s", metavar="NAME", help="Name of the stack. Default: the configuration file's, then the template's folder.")
@click.option("--parameter", "-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A template parameter; may be repeated.")
@click.option("--watch", "-w", is_flag=True, help="Deploy again whenever the template or a function's code is saved.")
@click.option(
    "--debug", metavar="FUNCTION", help="Let this function (a logical id) wait for debugpy or Node's inspector when it is invoked."
)
@click.option("--no-build", is_flag=True, help="Package the code as it lies there, without installing requirements.")
@click.option("--region", metavar="NAME", help="Default: the configuration file's, then $AWS_REGION.")
@click.option("--config-file", metavar="FILE", help="SAM's configuration file. Default: samconfig.toml (or .yaml) beside the template.")
@click.option("--config-env", metavar="NAME", help="The environment in that file. Default: default.")
@_endpoint
@_json
def deploy(
    template: Path | None,
    stack: str | None,
    parameters: tuple[str, ...],
    watch: bool,
    debug: str | None,
    no_build: bool,
    region: str | None,
    config_file: str | None,
    config_env: str | None,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Build, package and deploy TEMPLATE (default: template.yaml), showing each resource as it is made.

    What is not given comes from samconfig.toml, if there is one, as `sam deploy` reads it: stack_name, template_file,
    parameter_overrides (each that -p does not give), region, capabilities, tags, role_arn and disable_rollback.
    """
    from groundcloud.cli import deploy as deployment

    deployment.run(endpoint, region, template, stack, parameters, watch, no_build, as_json, debug, config_file, config_env)


@main.command(short_help="Call a function.")
@click.argument("function")
@click.option("--event", "-e", "event", type=click.Path(allow_dash=True), help="A JSON file, or - for standard input. Default: {}.")
@click.option("--stack", "-s", metavar="NAME", help="Take FUNCTION as a logical id of this stack.")
@click.option("--async", "asynchronous", is_flag=True, help="Queue the event and return.")
@click.option("--debug", is_flag=True, help="Let FUNCTION wait for debugpy or Node's inspector first, this once.")
@_endpoint
@_json
def invoke(
    function: str, event: str | None, stack: str | None, asynchronous: bool, debug: bool, endpoint: str | None, as_json: bool
) -> None:
    """Call FUNCTION (its name, its ARN, or a logical id); prints its result, and its log to standard error."""
    from groundcloud.cli import functions

    functions.invoke(Connection.from_environment(endpoint), function, event, stack, asynchronous, as_json, debug)


@main.command(short_help="Print log lines of functions.")
@click.argument("function", required=False)
@click.option("--tail", "-t", is_flag=True, help="Stay and print lines as they come.")
@click.option("--stack", "-s", metavar="NAME", help="Functions of this stack.")
@click.option("--since", default="15m", show_default=True, help="How far back to begin.")
@click.option("--filter", "pattern", default="", help="A CloudWatch Logs filter pattern.")
@_endpoint
@_json
def logs(function: str | None, tail: bool, stack: str | None, since: str, pattern: str, endpoint: str | None, as_json: bool) -> None:
    """Print log lines of FUNCTION, or of every function."""
    from groundcloud.cli import functions

    functions.logs(Connection.from_environment(endpoint), function, tail, stack, since, pattern, as_json)


@main.command(short_help="Delete a stack.")
@click.argument("stack")
@click.option("--empty-buckets", is_flag=True, help="Empty the stack's buckets first; AWS refuses to delete a bucket with objects.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_endpoint
@_json
def delete(stack: str, empty_buckets: bool, yes: bool, endpoint: str | None, as_json: bool) -> None:
    """Delete STACK and everything in it."""
    from groundcloud.cli import deploy as deployment

    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete the stack {stack} and all its resources?", abort=True)
    deployment.delete(Connection.from_environment(endpoint), stack, empty_buckets, as_json)


@main.group(invoke_without_command=True, short_help="Show or move virtual time.")
@_endpoint
@_json
@click.pass_context
def clock(context: click.Context, endpoint: str | None, as_json: bool) -> None:
    """Show virtual time, or move it: schedules, visibility, TTL, retries, waits, alarms and token expiry move with it."""
    context.obj = (Connection.from_environment(endpoint), as_json)
    if context.invoked_subcommand is None:
        _show_clock(context.obj, context.obj[0].admin("GET", "/_ground/clock"))


@clock.command(context_settings={"ignore_unknown_options": True})  # so that -5m is told that time only goes forward
@click.argument("duration")
@click.pass_obj
def advance(connection: Any, duration: str) -> None:
    """Move on by DURATION (90s, 15m, 1h30m, 2d), running everything that falls due on the way."""
    _show_clock(connection, connection[0].admin("POST", "/_ground/clock", {"advance": duration}))


@clock.command()
@click.argument("time")
@click.pass_obj
def to(connection: Any, time: str) -> None:
    """Move on to TIME (2026-12-24T18:00:00Z)."""
    from groundcloud.wire import timestamps

    try:
        timestamps.parse(time)
    except ValueError:
        raise click.ClickException(f"{time!r} is no time; write it like 2026-12-24T18:00:00Z.") from None
    _show_clock(connection, connection[0].admin("POST", "/_ground/clock", {"to": time}))


@clock.command()
@click.pass_obj
def freeze(connection: Any) -> None:
    """Let virtual time stand still."""
    _show_clock(connection, connection[0].admin("POST", "/_ground/clock", {"freeze": True}))


@clock.command()
@click.pass_obj
def resume(connection: Any) -> None:
    """Let virtual time run again, from where it stands."""
    _show_clock(connection, connection[0].admin("POST", "/_ground/clock", {"resume": True}))


@clock.command()
@click.pass_obj
def settle(connection: Any) -> None:
    """Wait until everything that is due has been done."""
    _show_clock(connection, connection[0].admin("POST", "/_ground/clock", {"settle": True}))


@main.command(short_help="Explain how a request was allowed or denied.")
@click.argument("request_id")
@_endpoint
@_json
def why(request_id: str, endpoint: str | None, as_json: bool) -> None:
    """Print how the permission of a request was decided: each policy, each statement, and what did not match."""
    found = Connection.from_environment(endpoint).admin("GET", f"/_ground/why/{request_id}")
    click.echo(json.dumps(found, indent=2) if as_json else found["text"])


@main.command(short_help="List services and what is implemented.")
@_endpoint
@_json
def services(endpoint: str | None, as_json: bool) -> None:
    """List the services of a server and how many of their operations it implements."""
    found = Connection.from_environment(endpoint).admin("GET", "/_ground/services")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, operations in sorted(found.items()):
        click.echo(f"{name:<18} {sum(operations.values()):>4} of {len(operations)} operations")


def _show_clock(target: tuple[Connection, bool], state: dict[str, Any]) -> None:
    if target[1]:
        click.echo(json.dumps(state))
        return
    ahead_s = state["offset_ms"] / 1000
    standing = ", standing still" if state["frozen"] else ""
    offset = f" ({ahead_s:+,.0f} s from real time{standing})" if abs(ahead_s) >= 1 or state["frozen"] else ""
    click.echo(f"{state['now']}{offset}")
    if state.get("settled") is False:
        raise click.ClickException("something that was due is still running; `ground clock settle` waits for it")


if __name__ == "__main__":
    main()
