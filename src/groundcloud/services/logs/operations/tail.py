"""Live tail: an event stream of what arrives, woken by the commits that write it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.logs import errors, patterns
from groundcloud.services.logs.names import group_arn, name_of_identifier
from groundcloud.services.logs.state import CHUNKS, CHUNKS_BY_ARRIVAL, GROUPS, STREAM_NAMES, Group, load_group

SESSION_MS_MAX = 3 * 3_600_000  # AWS: a session ends after three hours
UPDATE_EVENTS_MAX = 500  # AWS: a second's events; beyond, the session is sampled
UPDATE_EVERY_S = 1.0

Request = dict[str, Any]


class Tailed(NamedTuple):
    group: Group
    arn: str
    after: int
    """Sequence of the last chunk that was there before."""


def _groups(call: Call, request: Request) -> list[str]:
    return [group_arn(call, name_of_identifier(call, identifier)) + ":log-stream:" for identifier in request["logGroupIdentifiers"]]


@operation(resource=_groups)
async def start_live_tail(call: Call, request: Request) -> Request:
    names, prefixes = request.get("logStreamNames"), request.get("logStreamNamePrefixes")
    if names and prefixes:
        raise errors.invalid_parameter("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.")
    if (names or prefixes) and len(request["logGroupIdentifiers"]) > 1:
        raise errors.invalid_parameter("Log stream names or prefixes can be specified for a single log group only.")
    try:
        matches = patterns.compiled(request.get("logEventFilterPattern", "")).matches
    except patterns.PatternError as error:
        raise errors.invalid_parameter(f"Invalid filter pattern: {error.message}") from None
    tx = call.reading()
    tailed = []
    for identifier in request["logGroupIdentifiers"]:
        if not identifier.startswith("arn:"):
            raise errors.invalid_parameter("The log group identifier must be an ARN.")
        group = load_group(tx, name_of_identifier(call, identifier))
        last = next(CHUNKS_BY_ARRIVAL.keys(tx, group.group_number, reverse=True, limit=1), (0, 0))[1]
        tailed.append(Tailed(group, identifier, last))
    return {"responseStream": _session(call, request, tailed, matches, names, prefixes)}


async def _session(
    call: Call, request: Request, tailed: list[Tailed], matches: Any, names: list[str] | None, prefixes: list[str] | None
) -> AsyncIterator[Request]:
    yield {
        "sessionStart": {
            "requestId": call.request_id,
            "sessionId": call.new_id(),
            "logGroupIdentifiers": request["logGroupIdentifiers"],
            "logStreamNames": names or [],
            "logStreamNamePrefixes": prefixes or [],
            "logEventFilterPattern": request.get("logEventFilterPattern", ""),
        }
    }
    ends_ms = call.now_ms + SESSION_MS_MAX
    while True:
        results: list[Request] = []
        for index, one in enumerate(tailed):
            fresh, last = _arrived(call, one, matches, names, prefixes)
            results += fresh
            tailed[index] = one._replace(after=last)
        yield {
            "sessionUpdate": {
                "sessionMetadata": {"sampled": len(results) > UPDATE_EVENTS_MAX},
                "sessionResults": results[:UPDATE_EVENTS_MAX],
            }
        }
        if call.clock.now_ms() >= ends_ms:
            raise AwsError("SessionTimeoutException", "The session has timed out.")
        watches = [CHUNKS_BY_ARRIVAL.watch(call, one.group.group_number) for one in tailed]
        try:
            # AWS sends an update each second, events or not: so a client that is gone is noticed. Real time: nobody's state waits for it.
            async with asyncio.timeout(UPDATE_EVERY_S):
                await call.wait(*watches, until_ms=ends_ms)
        except TimeoutError:
            pass


def _arrived(call: Call, one: Tailed, matches: Any, names: list[str] | None, prefixes: list[str] | None) -> tuple[list[Request], int]:
    """The matching events of a group that came since, and how far that reaches."""
    tx = call.ground.store.transaction(call.account, call.region)
    number, last = one.group.group_number, one.after
    if not GROUPS.has(tx, one.group.group_name):
        raise AwsError("SessionStreamingException", "The specified log group does not exist.")
    results: list[Request] = []
    for (_, sequence), first_ms in CHUNKS_BY_ARRIVAL.items(tx, number, after=one.after):
        last = sequence
        chunk = CHUNKS.get(tx, number, first_ms, sequence)
        name = STREAM_NAMES.get(tx, number, chunk.stream_number) if chunk is not None else None
        if chunk is None or name is None or len(results) > UPDATE_EVENTS_MAX:
            continue
        if (names and name not in names) or (prefixes and not name.startswith(tuple(prefixes))):
            continue
        results += [
            {
                "logStreamName": name,
                "logGroupIdentifier": f"{call.account}:{one.group.group_name}",
                "message": message,
                "timestamp": timestamp,
                "ingestionTime": chunk.ingested_ms,
            }
            for timestamp, message in chunk.events
            if matches(message)
        ]
    return results, last
