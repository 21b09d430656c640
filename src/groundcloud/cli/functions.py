"""`ground invoke` and `ground logs`."""

from __future__ import annotations

import json
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import click

from groundcloud.base.clock import duration_ms
from groundcloud.cli.connection import Connection
from groundcloud.cli.sources import Sources

POLL_S = 0.25
NAMES_SHOWN_MAX = 8
ERROR_SIGNS = ("[ERROR]", '"level": "ERROR"', '"level":"ERROR"', "\tERROR\t", "Task timed out", "Error: Runtime exited")


class Line(NamedTuple):
    """`name` is the function's."""

    timestamp: int
    group: str
    name: str
    message: str


def invoke(
    connection: Connection, function: str, event: str | None, stack: str | None, asynchronous: bool, as_json: bool, debug: bool = False
) -> None:
    """Exit status 1 if the function raised. With `debug` it waits for a debugger first."""
    if debug and asynchronous:
        raise click.ClickException("--debug waits for the function, --async does not: give one of them.")
    waits: Callable[..., AbstractContextManager[str]] = _at_once
    if debug:
        from groundcloud.cli.debugging import waiting as waits
    payload = _payload(event)
    connection.check()
    with connection.in_words():
        name = resolve(connection, function, stack)
        options: dict[str, Any] = {"InvocationType": "Event"} if asynchronous else {"LogType": "Tail"}
        lambda_ = connection.client("lambda")
        with waits(lambda_, name) as sentence:
            if sentence:
                click.echo(sentence, err=True)
            answer = lambda_.invoke(FunctionName=name, Payload=payload, **options)
    if asynchronous:
        click.echo(json.dumps({"status": answer["StatusCode"]}) if as_json else f"queued; `ground logs -t {function}` shows it run")
        return
    body = answer["Payload"].read().decode(errors="replace")
    log = b64decode(answer.get("LogResult", "")).decode(errors="replace")
    failed = "FunctionError" in answer
    sources = Sources(connection)
    log, body = sources.named(name, log), sources.named(name, body) if failed else body
    if as_json:
        click.echo(
            json.dumps(
                {"status": answer["StatusCode"], "error": answer.get("FunctionError"), "payload": _parsed(body), "log": log}, indent=2
            )
        )
    else:
        for line in log.rstrip("\n").split("\n"):
            click.echo(_styled(line), err=True)
        parsed = _parsed(body)
        click.echo(json.dumps(parsed, indent=2, ensure_ascii=False) if isinstance(parsed, (dict, list)) else body)
    if failed:
        sys.exit(1)


def _at_once(lambda_: Any, function_name: str) -> AbstractContextManager[str]:
    return nullcontext("")


def logs(connection: Connection, function: str | None, tail: bool, stack: str | None, since: str, pattern: str, as_json: bool) -> None:
    try:
        back_ms = duration_ms(since)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    now_ms = connection.admin("GET", "/_ground/clock")["now_ms"]
    client = connection.client("logs")
    sources = Sources(connection)
    try:
        with connection.in_words():
            _follow(connection, client, sources, function, tail, stack, now_ms - back_ms, pattern, as_json)
    except KeyboardInterrupt:
        return


def _follow(
    connection: Connection,
    client: Any,
    sources: Sources,
    function: str | None,
    tail: bool,
    stack: str | None,
    start_ms: int,
    pattern: str,
    as_json: bool,
) -> None:
    names, groups = _groups(connection, client, function, stack)
    if stack and not groups:
        raise click.ClickException(f"There is no function of a stack {stack!r}.")
    printed: dict[str, set[str]] = {group: set() for group in groups}
    while True:
        lines: list[Line] = []
        for group in groups:
            lines += _fresh(client, group, start_ms, pattern, printed[group])
        for line in sorted(lines, key=lambda line: line.timestamp):
            if names is None or line.name in names:
                _print(line._replace(message=sources.named(line.name, line.message)), not function, as_json)
        if not tail:
            if not lines and not as_json:
                click.echo("No lines in that time; --since 1d looks further back, -t waits for some.", err=True)
            return
        time.sleep(POLL_S)
        if not function:
            names, groups = _groups(connection, client, function, stack)
            for group in groups:
                printed.setdefault(group, set())


def resolve(connection: Connection, function: str, stack: str | None) -> str:
    """A function's name from its name, ARN, or the logical id it has in a stack (in any stack, where that is unique); with :VERSION or :ALIAS after it, if given."""
    from botocore.exceptions import ClientError

    logical_id, colon, qualifier = function.partition(":")
    if stack is not None:
        resources = connection.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        known = {
            resource["LogicalResourceId"]: str(resource["PhysicalResourceId"])
            for resource in resources
            if resource["ResourceType"] == "AWS::Lambda::Function" and resource.get("PhysicalResourceId")
        }
        if logical_id not in known:
            raise click.ClickException(
                f"The stack {stack} has no function {logical_id!r}; {_there_are(logical_id, sorted(known), 'it has')}"
            )
        return known[logical_id] + colon + qualifier
    client = connection.client("lambda")
    try:
        client.get_function_configuration(FunctionName=function)
        return function
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "ValidationException"):
            raise
        refusal = error
    names: list[str] = [found["FunctionName"] for page in client.get_paginator("list_functions").paginate() for found in page["Functions"]]
    if logical_id in names or function.rpartition(":function:")[2].partition(":")[0] in names:
        raise refusal  # it is there, but not that version or alias, or not in that account or region
    matching = [name for name in names if f"-{logical_id}-" in name]
    if len(matching) == 1:
        return matching[0] + colon + qualifier
    if matching:
        raise click.ClickException(
            f"{logical_id!r} is in more than one stack; say which with --stack, or give the whole name: {', '.join(matching)}"
        )
    raise click.ClickException(f"There is no function {function!r}; {_there_are(logical_id, names, 'there are')}")


def _there_are(wanted: str, names: list[str], word: str) -> str:
    """The nearest names if some are near, else the first few."""
    near = get_close_matches(wanted.lower(), {name.lower(): name for name in names}, NAMES_SHOWN_MAX, 0.6)
    near += [name.lower() for name in names if wanted.lower() in name.lower() and name.lower() not in near]
    if near:
        return f"did you mean {' or '.join(name for name in names if name.lower() in near[:NAMES_SHOWN_MAX])}?"
    more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
    return f"{word}: {', '.join(names[:NAMES_SHOWN_MAX]) or 'none; `ground deploy` makes some'}{more}."


def _groups(connection: Connection, client: Any, function: str | None, stack: str | None) -> tuple[set[str] | None, list[str]]:
    """Names of the functions whose lines are wanted (None: of all), and the groups that these are in, a function's own choice of one included."""
    lambda_ = connection.client("lambda")
    if function:
        config = lambda_.get_function_configuration(FunctionName=resolve(connection, function, stack))
        return {config["FunctionName"]}, [config["LoggingConfig"]["LogGroup"]]
    prefix = f"/aws/lambda/{stack}-" if stack else "/aws/lambda/"
    groups = {
        group["logGroupName"]: None  # of functions that are gone too
        for page in client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        for group in page["logGroups"]
    }
    names = {group.removeprefix("/aws/lambda/") for group in groups}
    for page in lambda_.get_paginator("list_functions").paginate():
        for config in page["Functions"]:
            if not stack or config["FunctionName"].startswith(f"{stack}-"):
                names.add(config["FunctionName"])
                groups[config["LoggingConfig"]["LogGroup"]] = None
    return names if stack else None, list(groups)


def _fresh(client: Any, group: str, start_ms: int, pattern: str, printed: set[str]) -> list[Line]:
    from botocore.exceptions import ClientError

    found = []
    options = {"filterPattern": pattern} if pattern else {}
    try:
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms, **options):
            for event in page["events"]:
                if event["eventId"] not in printed:
                    printed.add(event["eventId"])
                    # In a group of the function's choice streams are named 2026/11/21/FUNCTION[VERSION]ID, in its own 2026/11/21/[VERSION]ID.
                    name = event["logStreamName"].rpartition("/")[2].partition("[")[0] or group.rpartition("/")[2]
                    found.append(Line(event["timestamp"], group, name, event["message"]))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":  # a function that has not run yet has no group
            raise
    return found


def _print(line: Line, many: bool, as_json: bool) -> None:
    text = line.message.rstrip("\n")
    if as_json:
        click.echo(json.dumps({"timestamp": line.timestamp, "group": line.group, "message": text}))
        return
    moment = time.strftime("%H:%M:%S", time.gmtime(line.timestamp / 1000)) + f".{line.timestamp % 1000:03d}"
    text = _styled(text)
    name = f"{click.style(line.name, fg='cyan')}  " if many else ""
    click.echo(f"{click.style(moment, dim=True)}  {name}{text}")


def _styled(text: str) -> str:
    if text.startswith(("START ", "END ", "REPORT ", "INIT_START ")):
        return click.style(text.rstrip(), dim=True)
    if any(sign in text for sign in ERROR_SIGNS):
        return click.style(text, fg="red")
    return text


def _payload(event: str | None) -> bytes:
    if event is None:
        return b"{}"
    text = sys.stdin.read() if event == "-" else _read(event)
    try:
        json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"The event is not JSON: {error}") from None
    return text.encode()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise click.ClickException(f"Cannot read {path}: {error.strerror}.") from None


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
