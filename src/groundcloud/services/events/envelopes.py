"""Events in AWS's envelope: from an entry of PutEvents, from another service, from a schedule.

An event travels twice: as text, which is what targets get, and decoded, which is what patterns look at.
Source: EventBridge user guide, "AWS service event metadata"; API reference, PutEventsRequestEntry.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from groundcloud.base import ids
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.wire import timestamps
from groundcloud.wire.json import check_bounds

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Event(NamedTuple):
    """`document` is the decoded `text`; `at_ms` the event's own time; `trace` the X-Ray header that goes along."""

    event_id: str
    text: str
    document: dict[str, Any]
    at_ms: int
    trace: str = ""
    hops: int = 0


class MalformedDetail(ValueError):
    pass


def from_entry(call: Call, account: str, region: str, entry: dict[str, Any]) -> Event:
    """The event of a checked entry. Raises MalformedDetail unless its Detail is a JSON object."""
    raw = entry["Detail"]
    try:
        check_bounds(raw.encode("utf-8", "surrogatepass"))
        detail = _decode(raw)
        compact = msgspec.json.format(raw, indent=-1) if isinstance(detail, dict) else ""
    except (ValueError, AwsError):
        raise MalformedDetail from None
    if not compact:
        raise MalformedDetail
    at_s = entry.get("Time")
    at_ms = call.now_ms if at_s is None else int(at_s * 1000)
    return _event(
        call,
        entry["DetailType"],
        entry["Source"],
        account,
        region,
        at_ms,
        entry.get("Resources") or [],
        detail,
        compact,
        entry.get("TraceHeader", ""),
    )


def scheduled(call: Call, rule_arn: str) -> Event:
    return _event(call, "Scheduled Event", "aws.events", call.account, call.region, call.now_ms, [rule_arn], {}, "{}")


def from_service(call: Call, raw: bytes, event_id: str, account: str) -> Event:
    """The event that another service delivers: an envelope in which `id`, `account`, `time` and `region` may be left out. Raises ValueError."""
    given = _decode(raw)
    document = {
        "version": "0",
        "id": given.get("id") or event_id,
        "detail-type": given["detail-type"],
        "source": given["source"],
        "account": given.get("account") or account,
        "time": given.get("time") or _moment(call.now_s),
        "region": given.get("region") or call.region,
        "resources": given.get("resources") or [],
        "detail": given.get("detail") or {},
    }
    return Event(document["id"], _encode(document).decode(), document, time_ms(document["time"], call.now_ms))


def from_bus(raw: bytes, now_ms: int) -> Event:
    """An event that comes from another bus, as it is."""
    document = _decode(raw)
    return Event(str(document["id"]), raw.decode(), document, time_ms(document.get("time", ""), now_ms))


def replayed(raw: bytes, replay_name: str, now_ms: int) -> Event:
    """An archived event once more: as it was, with the replay's name."""
    event = from_bus(raw, now_ms)
    document = {**event.document, "replay-name": replay_name}
    return event._replace(text=_encode(document).decode(), document=document)


def time_ms(text: str, otherwise_ms: int) -> int:
    try:
        return int(timestamps.parse(text) * 1000)
    except ValueError:
        return otherwise_ms


@lru_cache(maxsize=64)
def _moment(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


def _event(
    call: Call,
    detail_type: str,
    source: str,
    account: str,
    region: str,
    at_ms: int,
    resources: list[str],
    detail: dict[str, Any],
    detail_text: str,
    trace: str = "",
) -> Event:
    event_id = ids.uuid_text(call.ground.random)
    moment = _moment(at_ms // 1000)
    document = {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": moment,
        "region": region,
        "resources": resources,
        "detail": detail,
    }
    text = (
        f'{{"version":"0","id":"{event_id}","detail-type":{_encode(detail_type).decode()},"source":{_encode(source).decode()},"account":"{account}",'
        f'"time":"{moment}","region":"{region}","resources":{_encode(resources).decode() if resources else "[]"},"detail":{detail_text}}}'
    )
    return Event(event_id, text, document, at_ms, trace)
