"""Access logs: lines gathered while requests go on, written to their log group in the background.

A line is an observation: a crash may lose those of the last moment, never state. REST APIs write under the role that their account names; HTTP APIs as
their account, since AWS checked the right to deliver logs when the setting was made.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from groundcloud.auth.principals import Principal
from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.services.apigateway.gateway.compiled import CompiledStage

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

GATHER_S = 0.05
WAITING_MAX = 50_000
BATCH_MAX = 5_000
"""Events of one PutLogEvents; AWS allows 10,000 and 1 MB."""
LINE_BYTES_MAX = 1024 * 1024
"""AWS: "The maximum size of an access log event is 1 MB"."""

_Destination = tuple[str, str, str | None]


class AccessLogs:
    def __init__(self) -> None:
        self._waiting: dict[_Destination, list[dict[str, Any]]] = {}
        self._count = 0
        self._streams: set[_Destination] = set()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def add(self, call: Call, stage: CompiledStage, line: str) -> None:
        """Takes a line; `call` is the API's own."""
        if self._count >= WAITING_MAX:
            self.dropped += 1
            return
        stream = hashlib.md5(f"{stage.api_id}/{stage.name}".encode(), usedforsecurity=False).hexdigest()
        destination = (stage.log_destination, stream, stage.log_role)
        self._waiting.setdefault(destination, []).append({"timestamp": call.now_ms, "message": line[:LINE_BYTES_MAX]})
        self._count += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write(call))

    async def aclose(self) -> None:
        if self._task is not None and not self._task.done():
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
                            call.log.warning("access log of %s not written: %s", destination[0], error)
                        except Exception:
                            call.log.exception("access log of %s not written", destination[0])

    async def _put(self, call: Call, destination: _Destination, events: list[dict[str, Any]]) -> None:
        group_arn, stream, role = destination
        arn = arns.parse(group_arn)
        group = arn.resource.removeprefix("log-group:").removesuffix(":*")
        writer = call.as_principal(
            Principal("root", f"arn:aws:iam::{arn.account}:root", arn.account, "", arn.account), account=arn.account, region=arn.region
        )
        request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "logEvents": sorted(events, key=_timestamp)}
        if destination not in self._streams:
            try:
                await writer.request(
                    "logs", "CreateLogStream", {"logGroupName": group, "logStreamName": stream}, as_=role, region=arn.region
                )
            except AwsError as error:
                if error.code != "ResourceAlreadyExistsException":
                    raise
            self._streams.add(destination)
        try:
            await writer.request("logs", "PutLogEvents", request, as_=role, region=arn.region)
        except AwsError as error:
            self._streams.discard(destination)
            if error.code != "ResourceNotFoundException":
                raise
            await writer.request("logs", "CreateLogStream", {"logGroupName": group, "logStreamName": stream}, as_=role, region=arn.region)
            await writer.request("logs", "PutLogEvents", request, as_=role, region=arn.region)


def _timestamp(event: dict[str, Any]) -> int:
    return int(event["timestamp"])
