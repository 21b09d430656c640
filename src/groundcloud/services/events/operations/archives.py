"""Archives and replays. An archive shows as a managed rule on its bus, as on AWS."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.events import archives, buses, errors, pages, routing
from groundcloud.services.events.buses import Request
from groundcloud.services.events.operations.events import pattern_of
from groundcloud.services.events.state import (
    ARCHIVE_SERVICE,
    ARCHIVE_SIZES,
    ARCHIVES,
    REPLAYS,
    RULES,
    TARGETS,
    Archive,
    Replay,
    Rule,
    Target,
    delete_target,
    put_target,
)

NOT_REPLAYED = {"replay-name": [{"exists": False}]}
TARGET_ARN = "arn:aws:events:{region}:::"


def _archive_arn(call: Call, request: Request) -> str:
    return call.arn("events", f"archive/{request['ArchiveName']}")


def _replay_arn(call: Call, request: Request) -> str:
    return call.arn("events", f"replay/{request['ReplayName']}")


@operation(resource=_archive_arn)
def create_archive(call: Call, request: Request) -> Request:
    name = request["ArchiveName"]
    account, region, bus_name = buses.place(call, request["EventSourceArn"])
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("KMS keys of archives (KmsKeyIdentifier)")
    if ARCHIVES.get(call.tx, name) is not None:
        raise errors.exists(f"Archive {name} already exists.")
    if ":event-bus/" not in request["EventSourceArn"] or (account, region) != (call.account, call.region):
        raise errors.not_valid("EventSourceArn", "Must contain an event bus ARN of this account and region.")
    buses.load(call, request["EventSourceArn"])
    if request.get("EventPattern"):
        pattern_of(request["EventPattern"])
    archive = Archive(
        archive_name=name,
        archive_id=call.new_id(),
        bus_arn=request["EventSourceArn"],
        created_ms=call.now_ms,
        description=request.get("Description", ""),
        pattern=request.get("EventPattern", ""),
        retention_days=request.get("RetentionDays", 0),
    )
    _save(call, archive, bus_name)
    return _state(call, archive)


@operation(resource=_archive_arn)
def update_archive(call: Call, request: Request) -> Request:
    archive = _load(call, request)
    if request.get("KmsKeyIdentifier"):
        raise not_implemented("KMS keys of archives (KmsKeyIdentifier)")
    if request.get("EventPattern"):
        pattern_of(request["EventPattern"])
    changed = archive.replace(
        description=request.get("Description", archive.description),
        pattern=request.get("EventPattern", archive.pattern),
        retention_days=request.get("RetentionDays", archive.retention_days),
    )
    _save(call, changed, archive.bus_arn.partition("/")[2])
    return _state(call, changed)


@operation(resource=_archive_arn)
def describe_archive(call: Call, request: Request) -> Request:
    archive = _load(call, request)
    shown = _shown(call, archive)
    return {
        **shown,
        "ArchiveArn": _archive_arn(call, request),
        "Description": archive.description or None,
        "EventPattern": archive.pattern or None,
    }


@operation()
def list_archives(call: Call, request: Request) -> Request:
    _one_filter(request, "ListArchives")
    source, state = request.get("EventSourceArn"), request.get("State")

    def keep(archive: Archive) -> bool:
        return (not source or archive.bus_arn == source) and state in (None, "ENABLED")

    found, token = pages.page(call.tx, ARCHIVES, request, prefix=request.get("NamePrefix", ""), keep=keep)
    return {"Archives": [_shown(call, archive) for archive in found], "NextToken": token}


@operation(resource=_archive_arn)
def delete_archive(call: Call, request: Request) -> Request:
    archive = _load(call, request)
    bus_name = archive.bus_arn.partition("/")[2]
    rule_name = _rule_name(archive)
    for target in list(TARGETS.scan(call.tx, bus_name, rule_name)):
        delete_target(call.tx, target)
    RULES.delete(call.tx, bus_name, rule_name)
    ARCHIVES.delete(call.tx, archive.archive_name)
    call.unschedule("events.expire", archive.archive_name)
    call.schedule(call.now_ms, "events.clear", archive.archive_id)
    routing.changed(call, call.tx, bus_name)
    return {}


@operation(resource=_replay_arn)
def start_replay(call: Call, request: Request) -> Request:
    name, source = request["ReplayName"], request["EventSourceArn"]
    start_ms, end_ms = int(request["EventStartTime"] * 1000), int(request["EventEndTime"] * 1000)
    if ":archive/" not in source:
        raise errors.not_valid("EventSourceArn", "Must contain an archive ARN.")
    destination = request["Destination"]
    if ":event-bus/" not in destination["Arn"]:
        raise errors.not_valid("Destination.Arn", "Must contain an event bus ARN.")
    buses.load(call, destination["Arn"])
    archive = ARCHIVES.get(call.tx, source.rpartition("/")[2])
    if archive is None or source != call.arn("events", f"archive/{archive.archive_name}"):
        raise errors.no_archive(source.rpartition("/")[2])
    if archive.bus_arn != destination["Arn"]:
        raise errors.not_valid("Destination.Arn", "Cross event bus replay is not permitted.")
    if start_ms >= end_ms:
        raise errors.not_valid("EventEndTime", "EventStartTime must be before EventEndTime.")
    if REPLAYS.get(call.tx, name) is not None:
        raise errors.exists(f"Replay {name} already exists.")
    replay = Replay(
        replay_name=name,
        archive_name=archive.archive_name,
        archive_id=archive.archive_id,
        bus_arn=archive.bus_arn,
        state="STARTING",
        start_ms=start_ms,
        end_ms=end_ms,
        begun_ms=call.now_ms,
        description=request.get("Description", ""),
        rule_arns=tuple(destination.get("FilterArns") or ()),
    )
    REPLAYS.put(call.tx, replay)
    call.schedule(call.now_ms, "events.replay", name)
    return {"ReplayArn": _replay_arn(call, request), "State": replay.state, "ReplayStartTime": replay.begun_ms / 1000}


@operation(resource=_replay_arn)
def describe_replay(call: Call, request: Request) -> Request:
    replay = REPLAYS.get(call.tx, request["ReplayName"])
    if replay is None:
        raise errors.no_replay(request["ReplayName"])
    destination: Request = {"Arn": replay.bus_arn}
    if replay.rule_arns:
        destination["FilterArns"] = list(replay.rule_arns)
    return {
        **_shown_replay(call, replay),
        "ReplayArn": _replay_arn(call, request),
        "Description": replay.description or None,
        "Destination": destination,
    }


@operation()
def list_replays(call: Call, request: Request) -> Request:
    _one_filter(request, "ListReplays")
    source, state = request.get("EventSourceArn"), request.get("State")

    def keep(replay: Replay) -> bool:
        return (not source or call.arn("events", f"archive/{replay.archive_name}") == source) and (not state or replay.state == state)

    found, token = pages.page(call.tx, REPLAYS, request, prefix=request.get("NamePrefix", ""), keep=keep)
    return {"Replays": [_shown_replay(call, replay) for replay in found], "NextToken": token}


@operation(resource=_replay_arn)
def cancel_replay(call: Call, request: Request) -> Request:
    replay = REPLAYS.get(call.tx, request["ReplayName"])
    if replay is None:
        raise errors.no_replay(request["ReplayName"])
    if replay.state not in ("STARTING", "RUNNING"):
        raise errors.illegal_status(replay.replay_name)
    REPLAYS.put(call.tx, replay.replace(state="CANCELLING"))
    call.schedule(call.now_ms, "events.replay", replay.replay_name)
    return {"ReplayArn": _replay_arn(call, request), "State": "CANCELLING"}


def _load(call: Call, request: Request) -> Archive:
    found = ARCHIVES.get(call.tx, request["ArchiveName"])
    if found is None:
        raise errors.no_archive(request["ArchiveName"])
    return found


def _rule_name(archive: Archive) -> str:
    return f"Events-Archive-{archive.archive_name}"


def _save(call: Call, archive: Archive, bus_name: str) -> None:
    """The archive, its managed rule with the target that stands for it, and the timer of its retention."""
    ARCHIVES.put(call.tx, archive)
    pattern = {**(json.loads(archive.pattern) if archive.pattern else {}), **NOT_REPLAYED}
    rule = Rule(
        bus_name=bus_name,
        rule_name=_rule_name(archive),
        pattern=json.dumps(pattern, separators=(",", ":")),
        created_by=call.account,
        managed_by=ARCHIVE_SERVICE,
    )
    RULES.put(call.tx, rule)
    archive_arn = call.arn("events", f"archive/{archive.archive_name}")
    template = (
        f'{{"archive-arn": "{archive_arn}:{archive.archive_id}", "event": <aws.events.event.json>, '
        '"ingestion-time": <aws.events.event.ingestion-time>}'
    )
    document: dict[str, Any] = {
        "Id": rule.rule_name,
        "Arn": TARGET_ARN.format(region=call.region),
        "InputTransformer": {"InputPathsMap": {}, "InputTemplate": template},
    }
    put_target(call.tx, Target(bus_name=bus_name, rule_name=rule.rule_name, target_id=rule.rule_name, document=document))
    archives.arm(call, call.tx, archive)
    routing.changed(call, call.tx, bus_name)


def _state(call: Call, archive: Archive) -> Request:
    return {
        "ArchiveArn": call.arn("events", f"archive/{archive.archive_name}"),
        "State": "ENABLED",
        "CreationTime": archive.created_ms / 1000,
    }


def _shown(call: Call, archive: Archive) -> Request:
    events, size_bytes = ARCHIVE_SIZES.get(call.tx, archive.archive_id) or [0, 0]
    return {
        "ArchiveName": archive.archive_name,
        "EventSourceArn": archive.bus_arn,
        "State": "ENABLED",
        "RetentionDays": archive.retention_days,
        "SizeBytes": size_bytes,
        "EventCount": events,
        "CreationTime": archive.created_ms / 1000,
    }


def _shown_replay(call: Call, replay: Replay) -> Request:
    return {
        "ReplayName": replay.replay_name,
        "EventSourceArn": call.arn("events", f"archive/{replay.archive_name}"),
        "State": replay.state,
        "EventStartTime": replay.start_ms / 1000,
        "EventEndTime": replay.end_ms / 1000,
        "EventLastReplayedTime": replay.last_ms / 1000 if replay.last_ms else None,
        "ReplayStartTime": replay.begun_ms / 1000,
        "ReplayEndTime": replay.ended_ms / 1000 if replay.ended_ms else None,
    }


def _one_filter(request: Request, operation_name: str) -> None:
    if sum(bool(request.get(name)) for name in ("NamePrefix", "EventSourceArn", "State")) > 1:
        raise errors.validation(f"At most one filter is allowed for {operation_name}. Use either : State, EventSourceArn, or NamePrefix.")
