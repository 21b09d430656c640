"""One record a call; metrics, audit, traces and cost are readers of the stream of records.

Records wait in memory and are handed to the readers together, a few times a second and whenever the server settles. They are observations: a crash
may lose the last of them, never state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

RECORDS_KEPT = 2_000
RECORDS_WAITING_MAX = 200_000
FLUSH_EVERY_S = 0.5


class CallRecord(msgspec.Struct, gc=False):
    """`duration_us` is wall time; `units` are the service's own (capacity units, GB-ms) by name; `dimensions` name the resource for metrics."""

    request_id: str
    at_ms: int
    account: str
    region: str
    service: str
    operation: str
    resource: str
    principal: str
    status: int
    error: str
    duration_us: int
    bytes_in: int = 0
    bytes_out: int = 0
    units: dict[str, float] = {}
    dimensions: dict[str, str] = {}
    trace: str = ""
    source_ip: str = ""
    user_agent: str = ""


Reader = Callable[[list[CallRecord]], Any]


class Telemetry:
    def __init__(self) -> None:
        self.recent: deque[CallRecord] = deque(maxlen=RECORDS_KEPT)
        self._waiting: list[CallRecord] = []
        self._readers: list[Reader] = []
        self.dropped = 0

    def add_reader(self, reader: Reader) -> None:
        self._readers.append(reader)

    def emit(self, record: CallRecord) -> None:
        self.recent.append(record)
        if self._readers:
            if len(self._waiting) < RECORDS_WAITING_MAX:
                self._waiting.append(record)
            else:
                self.dropped += 1

    def flush(self) -> None:
        """Hands what waits to every reader. A reader that fails is the caller's to log: the others are still served."""
        if not self._waiting:
            return
        records, self._waiting = self._waiting, []
        failure: Exception | None = None
        for reader in self._readers:
            try:
                reader(records)
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure
