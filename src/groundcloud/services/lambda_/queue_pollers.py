"""Event source mappings of SQS queues: a loop a mapping that long-polls the queue with its public operations, as the function's role.

The loop receives; each batch is handled in a task of its own, a few at once, so that a slow batch does not hold the next. A batch that fails is left in the queue, where its
visibility timeout brings it back: nothing is lost when the server dies.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import batches, filters
from groundcloud.services.lambda_.pollers import PAYLOAD_BYTES_MAX, Poller
from groundcloud.services.lambda_.state import Mapping

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

WAIT_S = 20
RECEIVE_MAX = 10
BATCHES_FIRST = 5
BATCHES_MAX = 100
"""Batches of one mapping at once: five at first, as on AWS, more while all are busy."""

BATCHES_OF_POLLER = 10
"""AWS: "Using provisioned mode": a poller of a queue runs up to ten invocations at once."""

SLOT_WAIT_S = 0.1

EMPTY_POLLS = 3
"""After so many long polls without a message the loop sleeps until something happens in SQS, rather than ask every twenty seconds of (virtual) time."""


_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


class QueuePoller(Poller):
    """Reads one queue."""

    def __init__(self, call: Call, mapping: Mapping) -> None:
        super().__init__(call, mapping)
        self._queue_url = f"{call.settings.endpoint}/{self.source_account}/{mapping.source_arn.rsplit(':', 1)[-1]}"
        self._batch_size: int = mapping.settings.get("BatchSize", 10)
        self._window_ms: int = mapping.settings.get("MaximumBatchingWindowInSeconds", 0) * 1000
        ceiling = (mapping.settings.get("ScalingConfig") or {}).get("MaximumConcurrency")
        provisioned = mapping.settings.get("ProvisionedPollerConfig") or {}
        self._loops: int = provisioned.get("MinimumPollers", 1)
        self._at_once_max = ceiling or provisioned.get("MaximumPollers", 0) * BATCHES_OF_POLLER or BATCHES_MAX
        self._at_once = min(provisioned.get("MinimumPollers", 0) * BATCHES_OF_POLLER or BATCHES_FIRST, self._at_once_max)
        self._running: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._backlog_since = 0.0
        self._empty = 0

    async def run(self) -> None:
        loops = [asyncio.get_running_loop().create_task(self._poll()) for _ in range(self._loops)]
        ending = asyncio.get_running_loop().create_task(self._end_polls())
        if "ProvisionedPollerConfig" in self.mapping.settings:
            self.measure(ProvisionedPollers=self._loops)
        try:
            await asyncio.gather(*loops)
        except asyncio.CancelledError:
            for task in self._running:
                task.cancel()
            raise
        finally:
            ending.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _poll(self) -> None:
        """One poller: a mapping has one, unless more are provisioned."""
        while self.is_current():
            await self._slot()
            try:
                await self._rest()
                messages = await self._collect()
            except AwsError as error:
                await self.problem(error)
                continue
            except asyncio.CancelledError:
                if self.is_current():
                    raise
                return
            self.no_problem()
            if messages:
                with self.call.busy():
                    task = asyncio.get_running_loop().create_task(self._handle(messages))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                    await asyncio.sleep(0)

    async def _end_polls(self) -> None:
        """Breaks off long polls of a mapping that was changed, disabled or deleted: the next message is not this loop's."""
        while self.is_current():
            await self.call.wait(self.changes())
        for task in tuple(self._asking):
            task.cancel()

    async def _slot(self) -> None:
        """Waits until another batch may run; when messages have waited for a place for a while, more may."""
        now = asyncio.get_running_loop().time
        while len(self._running) >= self._at_once:
            left_s = self._backlog_since + SLOT_WAIT_S - now()
            if left_s <= 0 and self._at_once < self._at_once_max:
                self._at_once = min(self._at_once + BATCHES_FIRST, self._at_once_max)
                self._backlog_since = now()
                continue
            await asyncio.wait(self._running, timeout=left_s if left_s > 0 else None, return_when=asyncio.FIRST_COMPLETED)

    async def _rest(self) -> None:
        """Once the queue has long been empty, with nothing in flight or delayed: until a commit in SQS, or a change of the mapping."""
        if self._empty < EMPTY_POLLS:
            return
        self._empty = 0
        store, commits = self.call.ground.store, self.commits_of("sqs")
        # Before asking: what is committed meanwhile must not be missed.
        changed = store.watch(commits.prefix)
        try:
            params = {"QueueUrl": self._queue_url, "AttributeNames": list(_COUNTS)}
            counts = (await self.request("sqs", "GetQueueAttributes", params))["Attributes"]
            if all(counts.get(name) == "0" for name in _COUNTS) and not changed.done() and self.is_current():
                await self.call.wait(commits, self.changes())
        finally:
            store.unwatch(commits.prefix, changed)

    # Receiving

    async def _collect(self) -> list[dict[str, Any]]:
        """The messages of the next batch: what is there at once, or what comes within the batching window."""
        now = asyncio.get_running_loop().time
        began_s = now()
        messages = await self._receive(min(self._batch_size, RECEIVE_MAX), WAIT_S)
        if not messages or now() - began_s > SLOT_WAIT_S or not self._backlog_since:
            self._backlog_since = now()  # there was no backlog
        self._empty = 0 if messages else self._empty + 1
        if not messages or not self._window_ms:
            return messages
        until_ms = self.call.clock.now_ms() + self._window_ms
        while len(messages) < self._batch_size:
            left_ms = until_ms - self.call.clock.now_ms()
            if left_ms <= 0 or sum(len(message["Body"]) for message in messages) > PAYLOAD_BYTES_MAX // 2:
                break
            wait_s = min(WAIT_S, -(-left_ms // 1000))
            try:
                messages += await self._receive(min(self._batch_size - len(messages), RECEIVE_MAX), wait_s)
            except asyncio.CancelledError:
                if self.is_current():
                    raise
                break  # what has been received is handled
        return messages

    async def _receive(self, limit: int, wait_s: int) -> list[dict[str, Any]]:
        params = {
            "QueueUrl": self._queue_url,
            "MaxNumberOfMessages": limit,
            "WaitTimeSeconds": wait_s,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        task = asyncio.current_task()
        assert task is not None
        self._asking.add(task)
        try:
            answer = await self.request("sqs", "ReceiveMessage", params)
        finally:
            self._asking.discard(task)
        return answer.get("Messages") or []

    # Handling

    async def _handle(self, messages: list[dict[str, Any]]) -> None:
        try:
            records = {message["MessageId"]: self._record(message) for message in messages}
            receipts = {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            with self.call.busy():
                if self.filters:
                    for message_id in [one for one, record in records.items() if not filters.passes(self.filters, record, "body")]:
                        del records[message_id]
                    # What no filter wants is deleted, as on AWS.
                    await self._delete([receipts[one] for one in receipts if one not in records])
                self.count(PolledEventCount=len(messages), FilteredOutEventCount=len(messages) - len(records))
                if not records:
                    return
            for part in _parts(list(records.values())):
                await self._run(part, receipts)
        except AwsError as error:
            self.say(f"PROBLEM: {error.message}")
        except Exception:
            self.call.log.exception("event source mapping %s failed on a batch", self.mapping.mapping_id)

    async def _run(self, records: list[dict[str, Any]], receipts: dict[str, str]) -> None:
        payload = json.dumps({"Records": records}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        # When the visibility timeout has passed, the messages are somebody else's.
        give_up_ms = self.call.clock.now_ms() + 1000 * self.mapping.settings.get("VisibilityTimeout", 30)
        # One trace for the batch: that of its first message, as on AWS.
        trace = records[0]["attributes"].get("AWSTraceHeader", "")
        outcome, _ = await self.invoke(payload, give_up_ms, trace)
        self.count(InvokedEventCount=len(records))
        if outcome is None or outcome.failed:
            self.count(FailedInvokeEventCount=len(records))
            return
        done = [record["messageId"] for record in records]
        if self.partial:
            failed = batches.failed_items(outcome.payload, done)
            self.count(FailedInvokeEventCount=len(records if failed is None else failed))
            if failed is None:
                return
            done = [message_id for message_id in done if message_id not in failed]
        with self.call.busy():
            await self._delete([receipts[message_id] for message_id in done])
        self.count(DeletedEventCount=len(done))

    async def _delete(self, receipts: list[str]) -> None:
        for start in range(0, len(receipts), RECEIVE_MAX):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts[start : start + RECEIVE_MAX])
            ]
            await self.request("sqs", "DeleteMessageBatch", {"QueueUrl": self._queue_url, "Entries": entries})

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message as the function sees it. AWS: "Example Amazon SQS message event"."""
        record: dict[str, Any] = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes") or {},
            "messageAttributes": {name: _attribute(value) for name, value in (message.get("MessageAttributes") or {}).items()},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.mapping.source_arn,
            "awsRegion": self.source_region,
        }
        if message.get("MD5OfMessageAttributes"):
            record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
        return record


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {}
    if value.get("StringValue") is not None:
        attribute["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        attribute["binaryValue"] = b64encode(value["BinaryValue"]).decode()
    return {**attribute, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def _parts(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The records in as few batches as the payload's limit allows."""
    parts: list[list[dict[str, Any]]] = [[]]
    size = 0
    for record in records:
        bytes_here = len(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")) if len(record["body"]) > 4096 else 8192
        if parts[-1] and size + bytes_here > PAYLOAD_BYTES_MAX - 1024:
            parts.append([])
            size = 0
        parts[-1].append(record)
        size += bytes_here
    return parts
