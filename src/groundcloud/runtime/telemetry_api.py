"""The Telemetry API and its predecessor, the Logs API: what happens in a sandbox, sent in batches to an extension that listens inside.

AWS: "Lambda Telemetry API" 2022-07-01, "Lambda Logs API" 2020-08-15. A batch goes out when it is old, long or large enough. Events that
nobody takes are kept up to a limit, then the oldest are dropped.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from groundcloud.runtime.api_http import Answer, Request, refusal
from groundcloud.runtime.endings import stamp

TELEMETRY, LOGS = "/2022-07-01/telemetry", "/2020-08-15/logs"
_BODY_BYTES_MAX = 64 * 1024
_KEPT_MAX = 10_000
_KEPT_BYTES_MAX = 8 * 1024 * 1024
_SEND_S = 2.0
_ATTEMPTS = 3
_ACCEPT_S, _LOOK_S = 0.5, 0.005
_TYPES = ("platform", "function", "extension")
# AWS: Telemetry API, buffering: what it is without, and the least and the most it may be.
_BUFFERING = {"maxItems": (10_000, 1_000, 10_000), "maxBytes": (262_144, 262_144, 1_048_576), "timeoutMs": (1_000, 25, 30_000)}
_LOGS_ALONE = frozenset(("platform.end", "platform.fault", "platform.logsSubscription"))
_OF_BOTH = frozenset(("platform.start", "platform.runtimeDone", "platform.report", "platform.extension", "platform.logsDropped"))
_OBJECTS_SINCE = "2022-12-13"
"""AWS: from this version of the schema on, lines in JSON are objects."""
_FALLEN_BEHIND = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."


@dataclass
class _Subscription:
    types: frozenset[str]
    host: str
    port: int
    path: str
    buffering: dict[str, int]
    schema: str
    logs: bool
    over_tcp: bool
    pending: list[dict[str, Any]] = field(default_factory=list)
    size_bytes: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    timer: asyncio.TimerHandle | None = None
    sending: asyncio.Task[None] | None = None


class Telemetry:
    """`belongs` says whether the other end of a connection is a process of the sandbox."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        belongs: Callable[[socket.socket], bool],
        wall_ms: Callable[[], int],
        on_subscription: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._loop, self._belongs, self._wall_ms, self._on_subscription = loop, belongs, wall_ms, on_subscription
        self._subscriptions: dict[str, _Subscription] = {}
        self.closed = False

    @property
    def wanted(self) -> bool:
        return bool(self._subscriptions)

    async def subscribe(self, request: Request, name: str) -> Answer:
        """PUT /telemetry or /logs, by the extension of that name."""
        body = await request.read(_BODY_BYTES_MAX)
        if self.closed:
            return refusal(403, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already")
        try:
            wanted = json.loads(body or b"")
            destination = wanted["destination"]
            protocol = destination["protocol"]
            if protocol not in ("HTTP", "TCP"):
                raise ValueError(f"destination protocol {protocol} is not supported")
            url = urlsplit(destination["URI"]) if protocol == "HTTP" else urlsplit(f"tcp://sandbox:{int(destination['port'])}")
            types = frozenset(wanted["types"])
            if url.hostname not in ("sandbox", "sandbox.localdomain") or not types or not types <= set(_TYPES):
                raise ValueError("the destination must be on sandbox.localdomain, and the types platform, function, extension")
            given = wanted.get("buffering") or {}
            buffering = {key: max(least, min(int(given.get(key, usual)), most)) for key, (usual, least, most) in _BUFFERING.items()}
            port = url.port or 80
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return refusal(400, "ValidationError", f"Invalid subscription: {error}")
        logs = request.path == LOGS
        self._subscriptions[name] = _Subscription(
            types, "127.0.0.1", port, url.path or "/", buffering, str(wanted.get("schemaVersion", "")), logs, protocol == "TCP"
        )
        event = "platform.logsSubscription" if logs else "platform.telemetrySubscription"
        record = {"name": name, "state": "Subscribed", "types": [kind for kind in _TYPES if kind in types]}
        self.emit(event, record)
        self._on_subscription(event, record)
        return Answer(200, b'"OK"', (("Content-Type", "application/json"),))

    def emit(self, event: str, record: Mapping[str, Any] | str) -> None:
        """`event`: "function" with a line, or the platform's."""
        if not self._subscriptions:
            return
        entry = {"time": stamp(self._wall_ms()), "type": event, "record": record}
        size = _size_bytes(record)
        for subscription in self._subscriptions.values():
            kind = event.partition(".")[0]
            if kind not in subscription.types or (kind == "platform" and not _has(subscription, event)):
                continue
            objects = isinstance(record, JsonLine) and not subscription.logs and subscription.schema >= _OBJECTS_SINCE
            subscription.pending.append({**entry, "record": _read(str(record))} if objects else entry)
            subscription.size_bytes += size
            while len(subscription.pending) > _KEPT_MAX or subscription.size_bytes > _KEPT_BYTES_MAX:
                gone = subscription.pending[: len(subscription.pending) // 2 + 1]
                del subscription.pending[: len(gone)]
                subscription.size_bytes -= _drop(subscription, gone)
            limits = subscription.buffering
            if len(subscription.pending) >= limits["maxItems"] or subscription.size_bytes >= limits["maxBytes"]:
                self._flush(subscription)
            elif subscription.timer is None:
                subscription.timer = self._loop.call_later(limits["timeoutMs"] / 1000, self._flush, subscription)

    def flush(self) -> None:
        for subscription in self._subscriptions.values():
            self._flush(subscription)

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            if subscription.timer is not None:
                subscription.timer.cancel()
            if subscription.sending is not None:
                subscription.sending.cancel()
        self._subscriptions.clear()

    def _flush(self, subscription: _Subscription) -> None:
        if subscription.timer is not None:
            subscription.timer.cancel()
            subscription.timer = None
        if subscription.pending and (subscription.sending is None or subscription.sending.done()):
            batch, subscription.pending, subscription.size_bytes = subscription.pending, [], 0
            if subscription.dropped and "platform" in subscription.types:
                batch.append(self._dropped(subscription))
            subscription.sending = self._loop.create_task(self._send(subscription, batch))

    async def _send(self, subscription: _Subscription, batch: list[dict[str, Any]]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                if await asyncio.wait_for(self._post(subscription, batch), _SEND_S):
                    break
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.05 * (attempt + 1))
        else:
            _drop(subscription, batch)
        if subscription.pending and subscription.timer is None:
            subscription.timer = self._loop.call_later(subscription.buffering["timeoutMs"] / 1000, self._flush, subscription)

    def _dropped(self, subscription: _Subscription) -> dict[str, Any]:
        record = {"reason": _FALLEN_BEHIND, "droppedRecords": subscription.dropped, "droppedBytes": subscription.dropped_bytes}
        subscription.dropped = subscription.dropped_bytes = 0
        return {"time": stamp(self._wall_ms()), "type": "platform.logsDropped", "record": record}

    async def _post(self, subscription: _Subscription, batch: list[dict[str, Any]]) -> bool:
        reader, writer = await asyncio.open_connection(subscription.host, subscription.port)
        try:
            connection = writer.get_extra_info("socket")
            if not await self._accepted(connection):
                return False
            if subscription.over_tcp:
                writer.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in batch))
                await writer.drain()
                return True
            body = json.dumps(batch).encode()
            head = (
                f"POST {subscription.path} HTTP/1.1\r\nHost: sandbox.localdomain:{subscription.port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            status = await reader.readline()
            return status.split(b" ")[1:2] == [b"200"] or status.startswith(b"HTTP/1.1 2")
        finally:
            writer.close()

    async def _accepted(self, connection: socket.socket) -> bool:
        """Whether a process of the sandbox took the connection. Until it does, nobody's files show it, which tells where sandboxes share a user."""
        until_s = self._loop.time() + _ACCEPT_S
        while not self._belongs(connection):
            if self._loop.time() >= until_s:
                return False
            await asyncio.sleep(_LOOK_S)
        return True


def _has(subscription: _Subscription, event: str) -> bool:
    """Whether its API knows that event of the platform."""
    return event in _OF_BOTH or (event in _LOGS_ALONE) == subscription.logs


def _drop(subscription: _Subscription, entries: list[dict[str, Any]]) -> int:
    """Counts them, as the next batch tells; answers with their bytes."""
    size = sum(_size_bytes(entry["record"]) for entry in entries)
    subscription.dropped += len(entries)
    subscription.dropped_bytes += size
    return size


def _size_bytes(record: Mapping[str, Any] | str) -> int:
    return len(str(record)) + 80


class JsonLine(str):
    """A line of a function whose log format is JSON: an object to those who take the schema of 2022-12-13."""


def record_of(line: str, source: str, environment: Mapping[str, str]) -> str:
    """What subscribers get of a line of a "function" or an "extension"."""
    text = line + "\n"
    return JsonLine(text) if source == "function" and environment.get("AWS_LAMBDA_LOG_FORMAT") == "JSON" else text


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line
