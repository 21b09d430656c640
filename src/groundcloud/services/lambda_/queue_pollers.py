"""Event source mappings of SQS queues: a loop a mapping that long-polls the queue with its public operations, as the function's role.

The loop receives; each batch is handled in a task of its own, a few at once, so that a slow batch does not hold the next. A batch that fails is left in the queue, where its
visibility timeout brings it back: nothing is lost when the server dies. The loop ends when its mapping's generation changes; the update that changed it has started the next.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import batches, execution, filters
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import FUNCTIONS, MAPPINGS, VERSIONS, Mapping

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

WAIT_S = 20
RECEIVE_MAX = 10
BATCHES_FIRST = 5
BATCHES_MAX = 100
"""Batches of one mapping at once: five at first, as on AWS, more while all are busy."""

SLOT_WAIT_S = 0.1
PROBLEM_FIRST_MS = 1_000
PROBLEM_MS_MAX = 60_000
THROTTLED_FIRST_MS = 100
THROTTLED_MS_MAX = 5_000
PAYLOAD_BYTES_MAX = 6_291_456


class QueuePoller:
    """One loop of one generation of a mapping."""

    def __init__(self, call: Call, mapping: Mapping) -> None:
        self._call = call
        self._id = mapping.mapping_id
        self._generation = mapping.generation
        self._mapping = mapping
        self._name = FunctionName(call.account, call.region, mapping.function_name, mapping.qualifier)
        parts = mapping.source_arn.split(":")
        self._region, self._account = parts[3], parts[4]
        self._queue_url = f"{call.settings.endpoint}/{parts[4]}/{parts[5]}"
        self._batch_size: int = mapping.settings.get("BatchSize", 10)
        self._window_ms: int = mapping.settings.get("MaximumBatchingWindowInSeconds", 0) * 1000
        self._partial = "ReportBatchItemFailures" in (mapping.settings.get("FunctionResponseTypes") or ())
        self._filters = filters.compile_all(mapping.settings.get("FilterCriteria"))
        ceiling = (mapping.settings.get("ScalingConfig") or {}).get("MaximumConcurrency")
        self._at_once_max = ceiling or BATCHES_MAX
        self._at_once = min(BATCHES_FIRST, self._at_once_max)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the mapping is changed, switched off or deleted; batches under way are finished."""
        problem_ms = PROBLEM_FIRST_MS
        try:
            while self._is_current():
                await self._slot()
                try:
                    messages = await self._collect()
                except AwsError as error:
                    await self._problem(error, problem_ms)
                    problem_ms = min(problem_ms * 2, PROBLEM_MS_MAX)
                    continue
                problem_ms = PROBLEM_FIRST_MS
                if self._mapping.last_result.startswith("PROBLEM"):
                    self._say("OK")
                if messages:
                    with self._call.busy():
                        task = asyncio.get_running_loop().create_task(self._handle(messages))
                        self._running.add(task)
                        task.add_done_callback(self._running.discard)
                        await asyncio.sleep(0)
        except asyncio.CancelledError:
            for task in self._running:
                task.cancel()
            raise
        if self._running:
            await asyncio.wait(self._running)

    def _is_current(self) -> bool:
        mapping = MAPPINGS.get(self._call.reading(), self._id)
        if mapping is None or mapping.generation != self._generation or not mapping.enabled:
            return False
        self._mapping = mapping
        return True

    async def _slot(self) -> None:
        """Waits until another batch may run; when all have been busy for a while, more may."""
        while len(self._running) >= self._at_once:
            done, _ = await asyncio.wait(self._running, timeout=SLOT_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
            if not done and self._at_once < self._at_once_max:
                self._at_once = min(self._at_once + BATCHES_FIRST, self._at_once_max)

    # Receiving

    async def _collect(self) -> list[dict[str, Any]]:
        """The messages of the next batch: what is there at once, or what comes within the batching window."""
        messages = await self._receive(min(self._batch_size, RECEIVE_MAX), WAIT_S)
        if not messages or not self._window_ms:
            return messages
        until_ms = self._call.clock.now_ms() + self._window_ms
        while len(messages) < self._batch_size:
            left_ms = until_ms - self._call.clock.now_ms()
            if left_ms <= 0 or sum(len(message["Body"]) for message in messages) > PAYLOAD_BYTES_MAX // 2:
                break
            wait_s = min(WAIT_S, -(-left_ms // 1000))
            messages += await self._receive(min(self._batch_size - len(messages), RECEIVE_MAX), wait_s)
        return messages

    async def _receive(self, limit: int, wait_s: int) -> list[dict[str, Any]]:
        params = {
            "QueueUrl": self._queue_url,
            "MaxNumberOfMessages": limit,
            "WaitTimeSeconds": wait_s,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        answer = await self._request("ReceiveMessage", params)
        return answer.get("Messages") or []

    async def _request(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        role_arn = execution.target(self._call, self._name).version.role
        return await self._call.request("sqs", operation, params, as_=role_arn, account=self._account, region=self._region)

    async def _problem(self, error: AwsError, wait_ms: int) -> None:
        """Says what is wrong and waits for a change of mapping or function, or for a while."""
        self._say(f"PROBLEM: {error.message}")
        call = self._call
        watches = (
            MAPPINGS.watch(call, self._id),
            FUNCTIONS.watch(call, self._name.name),
            VERSIONS.watch(call, self._name.name),
        )
        await call.wait(*watches, until_ms=call.clock.now_ms() + wait_ms)

    def _say(self, result: str) -> None:
        with self._call.transaction() as tx:
            mapping = MAPPINGS.get(tx, self._id)
            if mapping is not None and mapping.last_result != result:
                MAPPINGS.put(tx, mapping.replace(last_result=result))

    # Handling

    async def _handle(self, messages: list[dict[str, Any]]) -> None:
        try:
            records = {message["MessageId"]: self._record(message) for message in messages}
            receipts = {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            with self._call.busy():
                if self._filters:
                    for message_id in [one for one, record in records.items() if not filters.passes(self._filters, record, "body")]:
                        del records[message_id]
                    # What no filter wants is deleted, as on AWS.
                    await self._delete([receipts[one] for one in receipts if one not in records])
                if not records:
                    return
            for part in _parts(list(records.values())):
                await self._run(part, receipts)
        except AwsError as error:
            self._say(f"PROBLEM: {error.message}")
        except Exception:
            self._call.log.exception("event source mapping %s failed on a batch", self._id)

    async def _run(self, records: list[dict[str, Any]], receipts: dict[str, str]) -> None:
        payload = json.dumps({"Records": records}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        outcome = await self._invoke(payload)
        if outcome is None or outcome.failed:
            return
        done = [record["messageId"] for record in records]
        if self._partial:
            failed = batches.failed_items(outcome.payload, done)
            if failed is None:
                return
            done = [message_id for message_id in done if message_id not in failed]
        with self._call.busy():
            await self._delete([receipts[message_id] for message_id in done])

    async def _invoke(self, payload: bytes) -> execution.Outcome | None:
        """None where the function could not be run before the messages came back to the queue."""
        wait_ms = THROTTLED_FIRST_MS
        give_up_ms = self._call.clock.now_ms() + 1000 * self._mapping.settings.get("VisibilityTimeout", 30)
        while True:
            call = self._call.as_principal(self._call.principal)
            target = execution.target(call, self._name)
            began_ns = time.perf_counter_ns()
            outcome, error = None, None
            with call.busy():
                try:
                    outcome = await execution.run(call, target, payload, call.request_id)
                except AwsError as refused:
                    error = refused
            execution.record(call, target, began_ns, outcome, error, "lambda.amazonaws.com")
            if error is None:
                return outcome
            if call.clock.now_ms() + wait_ms >= give_up_ms or error.code != "TooManyRequestsException":
                self._say(f"PROBLEM: {error.message}")
                return None
            await call.sleep_until(call.clock.now_ms() + wait_ms)
            wait_ms = min(wait_ms * 2, THROTTLED_MS_MAX)

    async def _delete(self, receipts: list[str]) -> None:
        for start in range(0, len(receipts), RECEIVE_MAX):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts[start : start + RECEIVE_MAX])
            ]
            await self._request("DeleteMessageBatch", {"QueueUrl": self._queue_url, "Entries": entries})

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
            "eventSourceARN": self._mapping.source_arn,
            "awsRegion": self._region,
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
