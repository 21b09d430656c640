"""Access logs and execution logs: lines gathered while requests go on, written to their log groups in the background.

A line is an observation: a crash may lose those of the last moment, never state. REST APIs write under the role that their account names; HTTP APIs as
their account, since AWS checked the right to deliver logs when the setting was made.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.auth.principals import Principal
from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.services.apigateway.gateway.compiled import CompiledStage

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

GATHER_S = 0.05
CLOSING_S = 1.0
WAITING_MAX = 50_000
BATCH_MAX = 5_000
"""Events of one PutLogEvents; AWS allows 10,000 and 1 MB."""
LINE_BYTES_MAX = 1024 * 1024
"""AWS: "The maximum size of an access log event is 1 MB"."""


class Destination(NamedTuple):
    """`own_group`: the gateway makes the log group where it is not there (execution logs)."""

    group_arn: str
    stream: str
    role: str | None
    own_group: bool = False


class LogLines:
    def __init__(self) -> None:
        self._waiting: dict[Destination, list[dict[str, Any]]] = {}
        self._count = 0
        self._streams: set[Destination] = set()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def add(self, call: Call, destination: Destination, lines: Iterable[str]) -> None:
        """Takes lines of one request; `call` is the API's own."""
        if self._count >= WAITING_MAX:
            self.dropped += 1
            return
        waiting = self._waiting.setdefault(destination, [])
        for line in lines:
            waiting.append({"timestamp": call.now_ms, "message": line[:LINE_BYTES_MAX]})
            self._count += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write(call))

    async def aclose(self) -> None:
        """What waits is written before the store closes, if that does not take long."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=CLOSING_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self, call: Call) -> None:
        with call.busy():
            await asyncio.sleep(GATHER_S)
            while self._waiting:
                waiting, self._waiting, self._count = self._waiting, {}, 0
                for destination, events in waiting.items():
                    for start in range(0, len(events), BATCH_MAX):
                        try:
                            await self._put(call, destination, events[start : start + BATCH_MAX])
                        except AwsError as error:
                            call.log.warning("access log of %s not written: %s", destination.group_arn, error)
                        except Exception:
                            call.log.exception("access log of %s not written", destination.group_arn)

    async def _put(self, call: Call, destination: Destination, events: list[dict[str, Any]]) -> None:
        arn = arns.parse(destination.group_arn)
        place = {"logGroupName": arn.resource.removeprefix("log-group:").removesuffix(":*"), "logStreamName": destination.stream}
        writer = call.as_principal(
            Principal("root", f"arn:aws:iam::{arn.account}:root", arn.account, "", arn.account), account=arn.account, region=arn.region
        )
        request: dict[str, Any] = {**place, "logEvents": sorted(events, key=_timestamp)}
        if destination not in self._streams:
            await _make_stream(writer, destination, place)
            self._streams.add(destination)
        try:
            await writer.request("logs", "PutLogEvents", request, as_=destination.role)
        except AwsError as error:
            self._streams.discard(destination)
            if error.code != "ResourceNotFoundException":
                raise
            await _make_stream(writer, destination, place)
            await writer.request("logs", "PutLogEvents", request, as_=destination.role)


async def _make_stream(writer: Call, destination: Destination, place: dict[str, str]) -> None:
    if destination.own_group:
        await _unless_there(writer.request("logs", "CreateLogGroup", {"logGroupName": place["logGroupName"]}, as_=destination.role))
    await _unless_there(writer.request("logs", "CreateLogStream", place, as_=destination.role))


async def _unless_there(request: Awaitable[dict[str, Any]]) -> None:
    try:
        await request
    except AwsError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise


def access_log_of(stage: CompiledStage) -> Destination:
    return Destination(stage.log_destination, stream_of(stage), stage.log_role)


def stream_of(stage: CompiledStage) -> str:
    return hashlib.md5(f"{stage.api_id}/{stage.name}".encode(), usedforsecurity=False).hexdigest()


def _timestamp(event: dict[str, Any]) -> int:
    return int(event["timestamp"])
