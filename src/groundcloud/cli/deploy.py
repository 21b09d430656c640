"""`ground deploy` and `ground delete`: a change set through the public API, with each resource shown as it is made.

The same calls that `aws cloudformation deploy` makes; nothing here knows the server's inside.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from groundcloud.cli import samconfig
from groundcloud.cli.addresses import by_path, local_url
from groundcloud.cli.build import Package, package
from groundcloud.cli.connection import Connection, explained

POLL_S = 0.04
STACK_NAME_MAX = 128
SAVED_SHOWN_MAX = 3
DONE = ("_COMPLETE", "_FAILED")
_MISSING = re.compile(r"Parameters: \[([^\]]+)\] must have values")
_LAYER = re.compile(
    r"lambda:GetLayerVersion on resource: arn:[^:]+:lambda:[^:]+:(\d{12}):layer:([\w-]+):\d+ because no resource-based policy"
)
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
NO_SETTINGS = samconfig.Settings()
TEMPLATES = ("template.yaml", "template.yml", "template.json")


def run(
    endpoint: str | None,
    region: str | None,
    template: Path | None,
    stack: str | None,
    parameters: tuple[str, ...],
    watch: bool,
    no_build: bool,
    as_json: bool,
    debug: str | None = None,
    config_file: str | None = None,
    config_env: str | None = None,
) -> None:
    """What is not given is what the configuration file says; a parameter that is given goes before the file's of that name."""
    folder = Path(".") if template is None else template if template.is_dir() else template.parent
    settings = samconfig.read(folder, config_file, config_env)
    if config_env is not None and not settings.used and not stack:
        raise click.ClickException(
            f"No configuration file in {folder.resolve()} has an environment {config_env!r}; name a stack with --stack."
        )
    if settings.template and (template is None or template.is_dir()):
        template = folder / settings.template
    template = _find(template)
    name = stack or settings.stack or _stack_name(template)
    given = _parameters(parameters)
    connection = Connection.from_environment(endpoint, region or settings.region or None)
    connection.check()
    if settings.used and not as_json:
        click.echo(f"  {settings.used}: stack {name} in {connection.region}")
    shown: dict[str, str] = {}
    try:
        with connection.in_words():
            outcome = deploy(connection, template, name, given, shown, install=not no_build, quiet=as_json, debug=debug, settings=settings)
    except click.ClickException as error:
        if not watch:
            raise
        error.show()
        outcome = {"succeeded": False}
    if as_json and "stack" in outcome:
        click.echo(json.dumps(outcome, indent=2))
    if watch:
        _watch(connection, template, name, given, shown, no_build, debug, settings)
    elif not outcome["succeeded"]:
        sys.exit(1)


def deploy(
    connection: Connection,
    template: Path,
    stack: str,
    parameters: dict[str, str],
    shown: dict[str, str],
    *,
    install: bool,
    quiet: bool,
    debug: str | None = None,
    settings: samconfig.Settings = NO_SETTINGS,
) -> dict[str, Any]:
    """Packages, uploads, and carries out a change set. The outcome: stack, config, succeeded, changed (logical id -> action), outputs, warnings, seconds, reason.

    `shown`: the outputs that were printed before and need not be again.
    """
    from botocore.exceptions import ClientError

    began = time.monotonic()
    say = (lambda *_: None) if quiet else click.echo
    account = connection.client("sts").get_caller_identity()["Account"]
    bucket = f"ground-artifacts-{account}-{connection.region}"
    built = package(template, bucket, install=install, say=lambda sentence: say(f"  {sentence}"))
    waits = None
    if debug is not None:
        from groundcloud.cli import debugging

        waits = debugging.prepare(built, debug)
    _upload(connection, bucket, built)
    cloudformation = connection.client("cloudformation")
    existing = _status(cloudformation, stack)
    if existing in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "DELETE_FAILED", "ROLLBACK_FAILED"):
        say(f"  the stack is {existing}: deleting what is left of it")
        cloudformation.delete_stack(StackName=stack)
        _await_end(cloudformation, stack, None, say)
        existing = None
    known = set()
    if existing is not None:
        known = {
            parameter["ParameterKey"] for parameter in cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Parameters", [])
        }
    declared = built.template.get("Parameters") or {}
    # sam passes over what a file says of parameters that the template has not; a name that was typed is an error
    parameters = {key: value for key, value in settings.parameters.items() if key in declared} | parameters
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        raise click.ClickException(f"The template has no parameter {unknown[0]!r}; it has: {', '.join(declared) or 'none'}.")
    passed: list[dict[str, Any]] = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    passed += [{"ParameterKey": key, "UsePreviousValue": True} for key in declared if key in known and key not in parameters]
    body = json.dumps(built.template, separators=(",", ":"))
    place: dict[str, str] = {"TemplateBody": body}
    if len(body.encode()) > 51_200:
        key = "templates/" + template.stem + f"-{int(time.time() * 1000)}.json"
        connection.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
        place = {"TemplateURL": f"https://s3.amazonaws.com/{bucket}/{key}"}
    change_set = f"ground-{int(time.time() * 1000)}"
    try:
        cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=change_set,
            ChangeSetType="CREATE" if existing is None else "UPDATE",
            Parameters=passed,
            Capabilities=list(CAPABILITIES if settings.capabilities is None else settings.capabilities),
            **place,
            **_of_stack(settings),
        )
    except ClientError as error:
        advice = _advice(explained(error))
        if not advice:
            raise
        raise click.ClickException(explained(error) + advice) from None
    described = _await_change_set(cloudformation, stack, change_set)
    outcome: dict[str, Any] = {"stack": stack, "config": settings.used, "succeeded": True, "changed": {}, "outputs": {}, "reason": ""}
    if described["Status"] == "FAILED":
        reason = described.get("StatusReason", "")
        if "didn't contain changes" not in reason and "No updates are to be performed" not in reason:
            try:
                cloudformation.delete_change_set(StackName=stack, ChangeSetName=change_set)
                if existing is None:
                    cloudformation.delete_stack(StackName=stack)
            except ClientError:
                pass
            raise click.ClickException(f"{stack}: {reason}{_advice(reason)}")
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=change_set)
        say(f"{stack}: nothing has changed.")
    else:
        for change in described.get("Changes", []):
            entry = change["ResourceChange"]
            outcome["changed"][entry["LogicalResourceId"]] = entry["Action"]
        since = _last_event(cloudformation, stack)
        cloudformation.execute_change_set(
            StackName=stack, ChangeSetName=change_set, **({"DisableRollback": True} if settings.disable_rollback else {})
        )
        status, reason = _await_end(cloudformation, stack, since, say)
        outcome["succeeded"] = status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        outcome["reason"] = reason
        if not outcome["succeeded"]:
            click.secho(f"{stack}: {status}. {reason}{_advice(reason)}", fg="red", err=True)
    stacks = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outcome["outputs"] = {output["OutputKey"]: local_url(output["OutputValue"], connection) for output in stacks[0].get("Outputs", [])}
    outcome["warnings"] = _warnings(connection, stack, outcome["changed"]) if outcome["succeeded"] else {}
    for logical_id, warning in outcome["warnings"].items():
        say(f"  {click.style('warning', fg='yellow')} {logical_id}: {warning}")
    outcome["seconds"] = round(time.monotonic() - began, 3)
    if outcome["succeeded"]:
        count = len(outcome["changed"])
        if count:
            say(
                click.style(f"{stack} is deployed", fg="green", bold=True)
                + f" in {outcome['seconds']:.2f} s ({count} resource{'' if count == 1 else 's'} changed)"
            )
        if waits:
            say(f"  {click.style('debug', fg='yellow')} {waits}")
        width = max((len(key) for key in outcome["outputs"]), default=0)
        for key, value in sorted(outcome["outputs"].items()):
            if shown.get(key) == value:
                continue
            shown[key] = value
            say(f"  {key:<{width}}  {value}")
            if reachable := by_path(value, connection):
                say(f"  {'':<{width}}  {reachable}" + click.style("   where names below localhost do not resolve, as here", dim=True))
    return outcome


def _of_stack(settings: samconfig.Settings) -> dict[str, Any]:
    """What a change set is given of the stack itself."""
    wanted: dict[str, Any] = {"RoleARN": settings.role_arn} if settings.role_arn else {}
    if settings.tags:
        wanted["Tags"] = [{"Key": key, "Value": value} for key, value in settings.tags.items()]
    return wanted


def _advice(reason: str) -> str:
    """What AWS's sentence does not say of this server."""
    if "Unrecognized resource types" in reason:
        return "\nGroundcloud has no such type yet: nothing was made. docs/coverage.md lists those it has."
    if missing := _MISSING.search(reason):
        return "\nGive them: ground deploy " + " ".join(f"-p {name}=VALUE" for name in re.split(r", ?", missing[1]))
    if "bucket you tried to delete is not empty" in reason:
        return "\n--empty-buckets empties the stack's buckets first."
    layer = _LAYER.search(reason)
    if layer:
        return (
            f"\nThe layer {layer[2]} is of account {layer[1]}, which has none on this server. Give the template a layer of its own in its place, "
            f"or publish it there: aws lambda publish-layer-version with the access key {layer[1]}."
        )
    return ""


def _warnings(connection: Connection, stack: str, changed: dict[str, str]) -> dict[str, str]:
    """What the server says of the changed functions' runtimes, by logical id."""
    if not changed:
        return {}
    client = connection.client("lambda")
    found = {}
    for resource in connection.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]:
        logical_id = resource["LogicalResourceId"]
        if resource["ResourceType"] == "AWS::Lambda::Function" and changed.get(logical_id, "Remove") != "Remove":
            config = client.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
            error = (config.get("RuntimeVersionConfig") or {}).get("Error")
            if error:
                found[logical_id] = error["Message"]
    return found


def delete(connection: Connection, stack: str, empty_buckets: bool, as_json: bool) -> None:
    connection.check()
    cloudformation = connection.client("cloudformation")
    with connection.in_words():
        if _status(cloudformation, stack) is None:
            raise click.ClickException(f"There is no stack {stack!r}; there are: {', '.join(_stacks(cloudformation)) or 'none'}.")
        if empty_buckets:
            for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
                if resource["ResourceType"] == "AWS::S3::Bucket" and resource.get("PhysicalResourceId"):
                    _empty(connection.client("s3"), resource["PhysicalResourceId"])
        stack_id = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        since = _last_event(cloudformation, stack_id)
        cloudformation.delete_stack(StackName=stack)
        status, reason = _await_end(cloudformation, stack_id, since, (lambda *_: None) if as_json else click.echo)
    if as_json:
        click.echo(json.dumps({"stack": stack, "status": status, "reason": reason}))
    if status != "DELETE_COMPLETE":
        raise click.ClickException(f"{stack}: {status}. {reason}{_advice(reason)}")
    if not as_json:
        click.echo(f"{stack} is deleted.")


def _find(template: Path | None) -> Path:
    if template is None or template.is_dir():
        folder = template or Path(".")
        found = next((folder / name for name in TEMPLATES if (folder / name).exists()), None)
        if found is None:
            raise click.ClickException(f"There is no {' or '.join(TEMPLATES)} in {folder.resolve()}; name one: ground deploy PATH")
        return found.resolve()
    if not template.exists():
        raise click.ClickException(f"{template} does not exist.")
    return template.resolve()


def _stacks(cloudformation: Any) -> list[str]:
    return [stack["StackName"] for page in cloudformation.get_paginator("describe_stacks").paginate() for stack in page["Stacks"]]


def _stack_name(template: Path) -> str:
    """The folder's name, as far as a stack may have it: it begins with a letter."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", template.parent.name).strip("-")
    return (name if name[:1].isalpha() else f"app-{name}".rstrip("-"))[:STACK_NAME_MAX].rstrip("-")


def _parameters(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.ClickException(f"A parameter is NAME=VALUE, not {text!r}.")
        found[key] = value
    return found


def _upload(connection: Connection, bucket: str, built: Package) -> None:
    """What is not there yet; the key is the content's hash."""
    from botocore.exceptions import ClientError

    if not built.objects:
        return
    s3 = connection.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        place = {} if connection.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": connection.region}}
        s3.create_bucket(Bucket=bucket, **place)
    for key, content in built.objects.items():
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            s3.put_object(Bucket=bucket, Key=key, Body=content)


def _status(cloudformation: Any, stack: str) -> str | None:
    from botocore.exceptions import ClientError

    try:
        return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _await_change_set(cloudformation: Any, stack: str, change_set: str) -> dict[str, Any]:
    while True:
        described: dict[str, Any] = cloudformation.describe_change_set(StackName=stack, ChangeSetName=change_set)
        if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
            changes = described.get("Changes", [])
            while token := described.get("NextToken"):
                described = cloudformation.describe_change_set(StackName=stack, ChangeSetName=change_set, NextToken=token)
                changes += described.get("Changes", [])
            return {**described, "Changes": changes}
        time.sleep(POLL_S)


def _last_event(cloudformation: Any, stack: str) -> str | None:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return events[0]["EventId"] if events else None


def _await_end(cloudformation: Any, stack: str, since: str | None, say: Any) -> tuple[str, str]:
    """Prints events until the stack rests; its status and the first failure's reason."""
    from botocore.exceptions import ClientError

    seen: set[str] = {since} if since else set()
    first_failure = ""
    while True:
        try:
            state = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            fresh = []
            for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
                if event["EventId"] in seen:
                    break
                fresh.append(event)
        except ClientError as error:
            if "does not exist" in str(error):
                return "DELETE_COMPLETE", ""
            raise
        for event in reversed(fresh):
            seen.add(event["EventId"])
            status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
            if status.endswith("_FAILED") and not first_failure and "cancelled" not in reason:
                first_failure = f"{event['LogicalResourceId']}: {reason}"
            if not status.endswith("_IN_PROGRESS") or "ROLLBACK" in status:
                say(_line(event, status, reason))
        status = state["StackStatus"]
        if status.endswith(DONE) and not status.endswith("CLEANUP_IN_PROGRESS"):
            return status, first_failure or state.get("StackStatusReason", "")
        time.sleep(POLL_S)


def _line(event: dict[str, Any], status: str, reason: str) -> str:
    colour = "red" if "FAILED" in status else "yellow" if "ROLLBACK" in status else "green"
    text = f"  {click.style(f'{status:<24}', fg=colour)} {event['LogicalResourceId']}  {click.style(event['ResourceType'], dim=True)}"
    return f"{text}\n      {reason}" if reason and "FAILED" in status else text


def _empty(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]} for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, [])
        ]
        if entries:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": entries, "Quiet": True})


def _watch(
    connection: Connection,
    template: Path,
    stack: str,
    parameters: dict[str, str],
    shown: dict[str, str],
    no_build: bool,
    debug: str | None,
    settings: samconfig.Settings,
) -> None:
    """Deploys again on every save, until Ctrl-C; an error is shown and the watch goes on. A save during a deployment is the next one's."""
    from watchfiles import watch

    changes: Iterator[set[tuple[Any, str]]] = iter(())
    watched: set[Path] = set()
    stale = True
    try:
        while True:
            sources = _sources(template, watched)
            if stale or sources != watched:
                stale, watched, changes = False, sources, watch(*sources, debounce=60, step=20, raise_interrupt=True)
            click.echo(click.style("watching; Ctrl-C stops", dim=True))
            found = next(changes, None)
            if found is None:
                return
            click.echo(_saved(found))
            if any(Path(path) in watched for _, path in found):
                stale = True  # an editor that saves by renaming puts another file there, which a watch of the old one does not see
            try:
                with connection.in_words():
                    deploy(
                        connection, template, stack, parameters, shown, install=not no_build, quiet=False, debug=debug, settings=settings
                    )
            except click.ClickException as error:
                click.secho(error.format_message(), fg="red", err=True)
    except KeyboardInterrupt:
        return


def _sources(template: Path, before: set[Path]) -> set[Path]:
    """What is watched: the template and what it names; while it cannot be read, what it named, and where that should be."""
    try:
        return package(template, "watched", install=False).sources
    except click.ClickException:
        return {template, *(path if path.exists() else template.parent for path in before)}


def _saved(changes: set[tuple[Any, str]]) -> str:
    there = sorted({Path(path).name for _, path in changes if Path(path).exists()})
    gone = sorted({Path(path).name for _, path in changes} - set(there))
    words = "saved" if there else "removed"
    names = there or gone
    more = f" and {len(names) - SAVED_SHOWN_MAX} more" if len(names) > SAVED_SHOWN_MAX else ""
    return f"  {words} {', '.join(names[:SAVED_SHOWN_MAX])}{more}"
