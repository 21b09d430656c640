"""Events put, and patterns tried."""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.base.errors import not_implemented
from groundcloud.base.event_patterns import Pattern
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.events import buses, envelopes, errors, routing
from groundcloud.services.events.buses import Request

ENTRIES_BYTES_MAX = 1_048_576
"""AWS: PutEvents: "the total entry size must be less than 1MB"."""

TIME_BYTES = 14
"""AWS: "Calculating PutEvents event entry size": a Time counts as 14 bytes."""

MANDATORY = ("id", "account", "source", "time", "region", "resources", "detail-type")
_REQUIRED = ("Source", "DetailType", "Detail")


def _access(call: Call, request: Request) -> list[Access]:
    """PutEvents on every bus, with every kind of event that goes there."""
    wanted: dict[tuple[str, str, str], Access] = {}
    for entry in request["Entries"]:
        source, detail_type = entry.get("Source", ""), entry.get("DetailType", "")
        bus_arn = buses.named_bus(call, entry)
        key = (bus_arn, source, detail_type)
        if key not in wanted:
            context = {"events:source": source, "events:detail-type": detail_type, "events:eventBusInvocation": "false"}
            wanted[key] = Access("events:PutEvents", bus_arn, context)
    return list(wanted.values())


@operation(access=_access)
def put_events(call: Call, request: Request) -> Request:
    """Each entry is taken or refused by itself. An event for a bus that does not exist is taken and lost, as on AWS."""
    if request.get("EndpointId"):
        raise not_implemented("global endpoints of EventBridge (EndpointId)")
    entries = request["Entries"]
    if sum(_size(entry) for entry in entries) > ENTRIES_BYTES_MAX:
        raise errors.validation("Total size of the entries in the request is over the limit.")
    results = [_put(call, entry) for entry in entries]
    call.units["Events"] = len(entries)
    return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}


def _put(call: Call, entry: Request) -> Request:
    for name in _REQUIRED:
        if not entry.get(name):
            return _refused("InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument.")
    if entry["Source"].startswith("aws."):
        return _refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    account, region, bus_name = buses.place(call, entry.get("EventBusName"))
    try:
        event = envelopes.from_entry(call, call.account, region, entry)
    except envelopes.MalformedDetail:
        return _refused("MalformedDetail", "Detail is malformed.")
    tx = call.tx if (account, region) == (call.account, call.region) else call.tx.at(account, region)
    routing.publish(call, tx, bus_name, event)
    return {"EventId": event.event_id}


def _refused(code: str, sentence: str) -> Request:
    return {"ErrorCode": code, "ErrorMessage": sentence}


def _size(entry: Request) -> int:
    size = TIME_BYTES if "Time" in entry else 0
    for name in _REQUIRED:
        text = entry.get(name, "")
        size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return size + sum(len(resource.encode("utf-8", "surrogatepass")) for resource in entry.get("Resources", ()))


@operation()
def test_event_pattern(call: Call, request: Request) -> Request:
    pattern = pattern_of(request["EventPattern"])
    try:
        event: Any = msgspec.json.decode(request["Event"])
    except (ValueError, RecursionError):
        raise errors.not_valid("Event") from None
    missing = [name for name in MANDATORY if name not in event] if isinstance(event, dict) else list(MANDATORY)
    if missing:
        raise errors.not_valid("Event", f"{missing[0]} is a required argument.")
    return {"Result": pattern.matches(event)}


def pattern_of(text: str) -> Pattern:
    """Raises InvalidEventPatternException."""
    try:
        return Pattern(text)
    except ValueError as error:
        raise errors.invalid_pattern(str(error)) from None
