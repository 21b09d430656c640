"""What EventBridge keeps: buses, rules and their targets, archives with their events, replays, connections, API destinations; each key spelled out."""

from __future__ import annotations

from typing import Any

from groundcloud.store import Record, Table, Transaction

DEFAULT_BUS = "default"
ARCHIVE_SERVICE = "prod.vhs.events.aws.internal"
"""AWS: who manages the rules that feed archives."""


class Bus(Record, frozen=True, kw_only=True):
    """The default bus has a row once something about it was set."""

    bus_name: str
    created_ms: int = 0
    modified_ms: int = 0
    policy: str = ""
    tags: dict[str, str] = {}
    description: str = ""
    dead_letter_arn: str = ""
    kms_key: str = ""
    log_config: dict[str, str] = {}


class Rule(Record, frozen=True, kw_only=True):
    """`begun_ms` is when a schedule began to count: the rule's last change or enabling."""

    bus_name: str
    rule_name: str
    pattern: str = ""
    schedule: str = ""
    state: str = "ENABLED"
    description: str = ""
    role_arn: str = ""
    tags: dict[str, str] = {}
    created_by: str = ""
    managed_by: str = ""
    begun_ms: int = 0


class Target(Record, frozen=True, kw_only=True):
    """`document` is the target as PutTargets gave it."""

    bus_name: str
    rule_name: str
    target_id: str
    document: dict[str, Any]


class Archive(Record, frozen=True, kw_only=True):
    """`archive_id` keys the archive's events, so that one of the same name does not find those of an earlier one."""

    archive_name: str
    archive_id: str
    bus_arn: str
    created_ms: int
    description: str = ""
    pattern: str = ""
    retention_days: int = 0
    kms_key: str = ""


class Replay(Record, frozen=True, kw_only=True):
    """`cursor` is the (time, sequence) of the event that was replayed last."""

    replay_name: str
    archive_name: str
    archive_id: str
    bus_arn: str
    state: str
    start_ms: int
    end_ms: int
    begun_ms: int
    ended_ms: int = 0
    description: str = ""
    rule_arns: tuple[str, ...] = ()
    cursor: tuple[int, int] | None = None
    last_ms: int = 0


class Connection(Record, frozen=True, kw_only=True):
    """`sealed` holds AuthParameters as they were given, encrypted; `shown` what DescribeConnection gives of them."""

    connection_name: str
    connection_id: str
    authorization_type: str
    sealed: bytes
    shown: dict[str, Any]
    state: str
    created_ms: int
    modified_ms: int
    authorized_ms: int = 0
    description: str = ""
    reason: str = ""
    secret_arn: str = ""
    kms_key: str = ""


class ApiDestination(Record, frozen=True, kw_only=True):
    destination_name: str
    destination_id: str
    connection_arn: str
    url: str
    http_method: str
    created_ms: int
    modified_ms: int
    rate_per_s: int = 300
    description: str = ""


BUSES = Table("events/buses", Bus, key=("bus_name",))
RULES = Table("events/rules", Rule, key=("bus_name", "rule_name"))
TARGETS = Table("events/targets", Target, key=("bus_name", "rule_name", "target_id"))
RULES_BY_TARGET: Table[None] = Table("events/rules-by-target", None, key=("bus_name", "target_arn", "rule_name", "target_id"))
ARCHIVES = Table("events/archives", Archive, key=("archive_name",))
ARCHIVED: Table[bytes] = Table("events/archived", bytes, key=3)
"""(archive id, the event's time in ms, sequence) -> the event."""

ARCHIVED_DUE: Table[None] = Table("events/archived-due", None, key=("archive_id", "arrived_ms", "event_ms", "sequence"))
"""An archive's events by their arrival, for the end of their retention."""

ARCHIVE_SIZES: Table[list[int]] = Table("events/archive-sizes", list[int], key=1)
"""archive id -> [events, bytes]."""

REPLAYS = Table("events/replays", Replay, key=("replay_name",))
CONNECTIONS = Table("events/connections", Connection, key=("connection_name",))
API_DESTINATIONS = Table("events/api-destinations", ApiDestination, key=("destination_name",))


def put_target(tx: Transaction, target: Target) -> None:
    before = TARGETS.get(tx, target.bus_name, target.rule_name, target.target_id)
    if before is not None:
        delete_target(tx, before)
    TARGETS.put(tx, target)
    RULES_BY_TARGET.put(tx, target.bus_name, target.document["Arn"], target.rule_name, target.target_id)


def delete_target(tx: Transaction, target: Target) -> None:
    TARGETS.delete(tx, target.bus_name, target.rule_name, target.target_id)
    RULES_BY_TARGET.delete(tx, target.bus_name, target.document["Arn"], target.rule_name, target.target_id)


def put_archived(tx: Transaction, archive_id: str, event_ms: int, arrived_ms: int, event: bytes) -> None:
    sequence = tx.sequence("events/archived")
    ARCHIVED.put(tx, archive_id, event_ms, sequence, event)
    ARCHIVED_DUE.put(tx, archive_id, arrived_ms, event_ms, sequence)
    _count(tx, archive_id, 1, len(event))


def delete_archived(tx: Transaction, archive_id: str, arrived_ms: int, event_ms: int, sequence: int) -> None:
    event = ARCHIVED.get(tx, archive_id, event_ms, sequence) or b""
    ARCHIVED.delete(tx, archive_id, event_ms, sequence)
    ARCHIVED_DUE.delete(tx, archive_id, arrived_ms, event_ms, sequence)
    _count(tx, archive_id, -1, -len(event))


def _count(tx: Transaction, archive_id: str, events: int, size: int) -> None:
    have = ARCHIVE_SIZES.get(tx, archive_id) or [0, 0]
    ARCHIVE_SIZES.put(tx, archive_id, [have[0] + events, have[1] + size])
