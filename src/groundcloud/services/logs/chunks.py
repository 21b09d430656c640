"""Events in order: cutting a batch into chunks, and merging chunks that overlap back into one sequence, forward or backward.

A chunk spans at most SPAN_MS, so an event at time t is in a chunk that begins within SPAN_MS before t: a scan knows how far back it must begin, and how long it must
hold an event back until nothing earlier can come. An event's place is (timestamp, sequence of its chunk, position in it); its id says the same in 56 digits.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from groundcloud.services.logs.state import CHUNKS, CHUNKS_BY_STREAM, Chunk
from groundcloud.store import Transaction

SPAN_MS = 2_000
EVENTS_MAX = 500

Place = tuple[int, int, int]
LOWEST: Place = (-1, 0, 0)


class Event(NamedTuple):
    """Compares by its place; no two are at one."""

    timestamp: int
    sequence: int
    position: int
    message: str
    chunk: Chunk


def cut(events: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Chronological events in runs short enough for one chunk."""
    begin, count = 0, len(events)
    while begin < count:
        end = min(begin + EVENTS_MAX, count)
        if events[end - 1][0] - events[begin][0] > SPAN_MS:
            end = bisect_left(events, (events[begin][0] + SPAN_MS + 1,), begin, end)
        yield events[begin:end]
        begin = end


def event_id(place: Place) -> str:
    """As AWS's: 56 digits that grow with time."""
    return str(place[0] << 144 | place[1] << 64 | place[2]).zfill(56)


def place_of(event_id: str) -> Place:
    """Raises ValueError for what is no event id."""
    if not (event_id.isascii() and event_id.isdigit()) or len(event_id) > 60:
        raise ValueError(event_id)
    number = int(event_id)
    place = (number >> 144, number >> 64 & (1 << 80) - 1, number & (1 << 64) - 1)
    if place[0] >= 1 << 60 or place[1] >= 1 << 62:
        raise ValueError(event_id)
    return place


def forward(tx: Transaction, group_number: int, stream_numbers: list[int] | None, start_ms: int, stop_ms: int | None) -> Iterator[Event]:
    """Events with start_ms <= timestamp < stop_ms in order; of all streams where `stream_numbers` is None."""
    low = start_ms - SPAN_MS
    pending: list[Event] = []
    for chunk in _chunks(tx, group_number, stream_numbers, low, stop_ms, False):
        first_ms = chunk.first_ms
        if chunk.events[-1][0] < start_ms:
            continue
        if pending and pending[0][0] < first_ms:
            ready = bisect_left(pending, (first_ms,))
            yield from _within(pending[:ready], start_ms, stop_ms)
            del pending[:ready]
        fresh = _events(chunk)
        if pending:
            pending += fresh
            pending.sort()
        else:
            pending = fresh
    yield from _within(pending, start_ms, stop_ms)


def backward(tx: Transaction, group_number: int, stream_numbers: list[int] | None, start_ms: int, stop_ms: int | None) -> Iterator[Event]:
    """The same events, the last first."""
    low = start_ms - SPAN_MS
    pending: list[Event] = []
    for chunk in _chunks(tx, group_number, stream_numbers, low, stop_ms, True):
        held_ms = chunk.first_ms + SPAN_MS
        if chunk.events[-1][0] < start_ms:
            continue
        if pending and pending[-1][0] > held_ms:
            ready = bisect_left(pending, (held_ms + 1,))
            yield from reversed(_within(pending[ready:], start_ms, stop_ms))
            del pending[ready:]
        fresh = _events(chunk)
        if pending:
            pending += fresh
            pending.sort()
        else:
            pending = fresh
    yield from reversed(_within(pending, start_ms, stop_ms))


def _events(chunk: Chunk) -> list[Event]:
    sequence = chunk.sequence
    return [Event(event[0], sequence, position, event[1], chunk) for position, event in enumerate(chunk.events)]


def _within(events: list[Event], start_ms: int, stop_ms: int | None) -> list[Event]:
    if not events:
        return events
    if events[0][0] < start_ms:
        events = events[bisect_left(events, (start_ms,)) :]
    if stop_ms is not None and events and events[-1][0] >= stop_ms:
        events = events[: bisect_left(events, (stop_ms,))]
    return events


def _chunks(
    tx: Transaction, group_number: int, stream_numbers: list[int] | None, low: int, stop_ms: int | None, reverse: bool
) -> Iterator[Chunk]:
    """Chunks that begin at `low` or later and before `stop_ms`, by their beginning."""
    if stream_numbers is None:
        yield from CHUNKS.scan(tx, group_number, start=low, stop=stop_ms, reverse=reverse)
        return
    keys = [_places(tx, number, low, stop_ms, reverse) for number in stream_numbers]
    for first_ms, sequence in keys[0] if len(keys) == 1 else heapq.merge(*keys, reverse=reverse):
        chunk = CHUNKS.get(tx, group_number, first_ms, sequence)
        if chunk is not None:
            yield chunk


def _places(tx: Transaction, stream_number: int, low: int, stop_ms: int | None, reverse: bool) -> Iterator[tuple[int, int]]:
    for _, first_ms, sequence in CHUNKS_BY_STREAM.keys(tx, stream_number, start=low, stop=stop_ms, reverse=reverse):
        yield first_ms, sequence
