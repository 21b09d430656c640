"""Tumbling windows: stretches of time, none overlapping another, over which a function sums up what it is given. Pure.

Within a window each invocation is given the state that the one before it answered; at the window's end one more, without records, is told that it is the last.
Source: AWS: "Implementing stateful stream processing" (tumbling windows).
"""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from groundcloud.services.lambda_.stream_sources import Item

STATE_BYTES_MAX = 1_048_576
"""AWS: "a window can have a maximum of 1 MB of state"; a window that has more ends early."""

Records = list[dict[str, Any]]


class Window(NamedTuple):
    """From `start_s` to before `end_s`, in seconds since the epoch."""

    start_s: int
    end_s: int
    state: dict[str, Any]
    early: bool = False
    """Its state has grown too large: it is to be ended now."""


def split(items: list[Item], width_s: int) -> list[tuple[int, list[Item]]]:
    """The records by the start of their window, in their order: a window comes twice if its records do not stand together."""
    parts: list[tuple[int, list[Item]]] = []
    for item in items:
        start_s = item.arrived_ms // 1000 // width_s * width_s
        if parts and parts[-1][0] == start_s:
            parts[-1][1].append(item)
        else:
            parts.append((start_s, [item]))
    return parts


def event(window: Window, records: Records, shard_id: str, source_arn: str, *, final: bool) -> dict[str, Any]:
    """What the function is given."""
    return {
        "Records": records,
        "window": {"start": _moment(window.start_s), "end": _moment(window.end_s)},
        "state": window.state,
        "shardId": shard_id,
        "eventSourceARN": source_arn,
        "isFinalInvokeForWindow": final,
        "isWindowTerminatedEarly": window.early,
    }


def after(window: Window, answer: bytes) -> Window:
    """The window with the state of a successful answer; none is an empty state."""
    try:
        document = json.loads(answer)
    except ValueError:
        document = None
    state = document.get("state") if isinstance(document, dict) else None
    if not isinstance(state, dict):
        state = {}
    if len(json.dumps(state)) > STATE_BYTES_MAX:
        return window._replace(early=True)
    return window._replace(state=state)


def _moment(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
