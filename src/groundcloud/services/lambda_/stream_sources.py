"""The streams that event source mappings read, DynamoDB's and Kinesis's: their shards, how one is read, and how a record looks to a function.

A reader gives a shard's records from a position on. The one that asks with GetRecords is woken by a commit of the source's room; the one of a Kinesis consumer is
pushed them by SubscribeToShard. Nothing here knows of batches.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode, b64encode
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import execution
from groundcloud.store import Watch, keys

if TYPE_CHECKING:
    from groundcloud.services.lambda_.pollers import Poller

Document = dict[str, Any]

DAY_MS = 86_400_000
KINESIS_KEPT_MS_MAX = 365 * DAY_MS
"""AWS: IncreaseStreamRetentionPeriod, 8,760 hours."""


class Item(NamedTuple):
    """A record. `document` is what the function is given; `size_bytes` is about what that takes."""

    number: str
    arrived_ms: int
    size_bytes: int
    document: Document


class Shard(NamedTuple):
    """`parents` may be gone."""

    shard_id: str
    parents: tuple[str, ...]
    closed: bool


class Position(NamedTuple):
    """Where a reader begins: LATEST, TRIM_HORIZON, AFTER_SEQUENCE_NUMBER or, of Kinesis, AT_TIMESTAMP."""

    kind: str
    number: str = ""
    moment_s: float = 0


class Reader:
    """One shard from a position on. `ended` once it is closed and read to its end."""

    def __init__(self) -> None:
        self.ended = False

    async def read(self, limit: int, wait_until_ms: int) -> list[Item]:
        """The next records, at most `limit`; none where virtual time reaches `wait_until_ms` first, the mapping changes or the shard ends. Raises AwsError."""
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Source:
    """A stream, read for one mapping."""

    api = ""
    batch_info = ""
    """The member of a failure's record that says where its records are."""
    records_max = 1000
    look_again_ms = 600_000
    """For new shards and for records that no commit told of; less than an iterator's life."""
    grain_ms = 0
    """How much earlier than it arrived a record may seem to have."""
    has_moments = False
    """Whether AT_TIMESTAMP is a position."""
    kept_ms_min = DAY_MS
    """No record leaves the stream earlier."""

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self.arn = poller.mapping.source_arn

    async def shards(self) -> list[Shard]:
        """Every shard that is there. Raises AwsError."""
        raise NotImplementedError

    async def open(self, shard_id: str, position: Position) -> Reader:
        """Raises AwsError."""
        return IteratorReader(self, shard_id, await self._iterator(shard_id, position))

    async def kept_ms(self) -> int:
        """How long a record is in the stream."""
        return self.kept_ms_min

    def item(self, shard_id: str, record: Document) -> Item:
        raise NotImplementedError

    def watch(self, shard_id: str) -> Watch:
        """Of what a commit touches that writes to the shard, or closes it."""
        raise NotImplementedError

    def key(self, item: Item) -> str:
        """Records of one key are processed in their order."""
        raise NotImplementedError

    def seen(self, document: Document) -> Document:
        """A record as filters see it."""
        return document

    def moment(self, at_ms: int) -> str:
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_ms // 1000))}.{at_ms % 1000:03d}Z"

    async def request(self, operation: str, params: Document) -> Document:
        return await self.poller.request(self.api, operation, params)

    async def _iterator(self, shard_id: str, position: Position) -> str:
        raise NotImplementedError


class DynamoDbStream(Source):
    api = "dynamodbstreams"
    batch_info = "DDBStreamBatchInfo"
    grain_ms = 999  # the stream tells seconds

    async def shards(self) -> list[Shard]:
        found: list[Shard] = []
        params: Document = {"StreamArn": self.arn}
        while True:
            description = (await self.request("DescribeStream", params))["StreamDescription"]
            for shard in description["Shards"]:
                parents = (shard["ParentShardId"],) if shard.get("ParentShardId") else ()
                found.append(Shard(shard["ShardId"], parents, "EndingSequenceNumber" in shard["SequenceNumberRange"]))
            if not description.get("LastEvaluatedShardId"):
                return found
            params["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]

    async def _iterator(self, shard_id: str, position: Position) -> str:
        params: Document = {"StreamArn": self.arn, "ShardId": shard_id, "ShardIteratorType": position.kind}
        if position.number:
            params["SequenceNumber"] = position.number
        try:
            answer = await self.request("GetShardIterator", params)
        except AwsError as error:
            if error.code != "TrimmedDataAccessException":
                raise
            trimmed = {"StreamArn": self.arn, "ShardId": shard_id, "ShardIteratorType": "TRIM_HORIZON"}
            answer = await self.request("GetShardIterator", trimmed)
        return str(answer["ShardIterator"])

    def item(self, shard_id: str, record: Document) -> Item:
        document = {**record, "eventSourceARN": self.arn}
        if "userIdentity" in document:
            # Lambda's event has it in lower case, other than the stream's own API.
            user = document["userIdentity"]
            document["userIdentity"] = {"principalId": user["PrincipalId"], "type": user["Type"]}
        change = record["dynamodb"]
        # AWS: SizeBytes is that of the values; their JSON is about twice as long.
        size_bytes = change.get("SizeBytes", 0) * 2 + 1024
        return Item(change["SequenceNumber"], change["ApproximateCreationDateTime"] * 1000, size_bytes, document)

    def watch(self, shard_id: str) -> Watch:
        return self.poller.commits_of("dynamodb")

    def key(self, item: Item) -> str:
        return json.dumps(item.document["dynamodb"]["Keys"], sort_keys=True)

    def moment(self, at_ms: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms // 1000))


class KinesisStream(Source):
    """A stream, or a consumer of one, which has a throughput of its own."""

    api = "kinesis"
    batch_info = "KinesisBatchInfo"
    records_max = 10_000
    look_again_ms = 240_000
    has_moments = True

    def __init__(self, poller: Poller) -> None:
        super().__init__(poller)
        self.stream_arn = stream_of(self.arn)
        self.is_consumer = self.stream_arn != self.arn
        self._role_arn = ""

    async def shards(self) -> list[Shard]:
        self._role_arn = execution.target(self.poller.call, self.poller.name).version.role
        found: list[Shard] = []
        params: Document = {"StreamARN": self.stream_arn}
        while True:
            page = await self.request("ListShards", params)
            for shard in page["Shards"]:
                parents = tuple(shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if shard.get(name))
                found.append(Shard(shard["ShardId"], parents, "EndingSequenceNumber" in shard["SequenceNumberRange"]))
            if not page.get("NextToken"):
                return found
            params = {"NextToken": page["NextToken"]}

    async def kept_ms(self) -> int:
        """As long as there may be where the role may not ask."""
        try:
            summary = await self.request("DescribeStreamSummary", {"StreamARN": self.stream_arn})
        except AwsError:
            return KINESIS_KEPT_MS_MAX
        return int(summary["StreamDescriptionSummary"]["RetentionPeriodHours"]) * 3_600_000

    async def open(self, shard_id: str, position: Position) -> Reader:
        return SubscriptionReader(self, shard_id, position) if self.is_consumer else await super().open(shard_id, position)

    async def _iterator(self, shard_id: str, position: Position) -> str:
        params: Document = {"StreamARN": self.stream_arn, "ShardId": shard_id, "ShardIteratorType": position.kind}
        if position.number:
            params["StartingSequenceNumber"] = position.number
        if position.kind == "AT_TIMESTAMP":
            params["Timestamp"] = position.moment_s
        return str((await self.request("GetShardIterator", params))["ShardIterator"])

    def item(self, shard_id: str, record: Document) -> Item:
        number = record["SequenceNumber"]
        content = b64encode(record["Data"]).decode()
        document = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": number,
                "data": content,
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": self._role_arn,
            "awsRegion": self.poller.source_region,
            "eventSourceARN": self.arn,
        }
        return Item(number, round(record["ApproximateArrivalTimestamp"] * 1000), len(content) + 1024, document)

    def watch(self, shard_id: str) -> Watch:
        """The row that the room writes with every record of a shard and at its end: (stream name, shard number) in kinesis/progress."""
        poller, stream_name = self.poller, self.stream_arn.rpartition("/")[2]
        number = int(shard_id.rpartition("-")[2])
        return Watch(keys.pack((poller.source_account, poller.source_region, "kinesis/progress", stream_name, number)))

    def key(self, item: Item) -> str:
        return str(item.document["kinesis"]["partitionKey"])

    def seen(self, document: Document) -> Document:
        """AWS: a filter's pattern names `data`, decoded, and the other members of `kinesis` without that name before them."""
        kinesis = document["kinesis"]
        return {**document, **kinesis, "data": b64decode(kinesis["data"]).decode(errors="replace")}


class IteratorReader(Reader):
    """Asks with GetRecords, first and then whenever a commit has touched the shard."""

    def __init__(self, source: Source, shard_id: str, iterator: str) -> None:
        super().__init__()
        self._source = source
        self._shard_id = shard_id
        self._iterator: str | None = iterator
        self._watch = source.watch(shard_id)

    async def read(self, limit: int, wait_until_ms: int) -> list[Item]:
        source, poller = self._source, self._source.poller
        call = poller.call
        store = call.ground.store
        while True:
            # Before asking: what is committed meanwhile must not be missed.
            changed = store.watch(self._watch.prefix)
            try:
                params = {"ShardIterator": self._iterator, "Limit": min(limit, source.records_max)}
                answer = await source.request("GetRecords", params)
                self._iterator = answer.get("NextShardIterator")
                self.ended = self._iterator is None
                if answer["Records"] or self.ended or call.clock.now_ms() >= wait_until_ms or not poller.is_current():
                    return [source.item(self._shard_id, record) for record in answer["Records"]]
                if not changed.done():
                    look_again_ms = min(wait_until_ms, call.clock.now_ms() + source.look_again_ms)
                    await call.wait(self._watch, poller.changes(), until_ms=look_again_ms)
            finally:
                store.unwatch(self._watch.prefix, changed)


class SubscriptionReader(Reader):
    """Is pushed a shard's records, and subscribes again whenever five minutes are over."""

    def __init__(self, source: KinesisStream, shard_id: str, position: Position) -> None:
        super().__init__()
        self._source = source
        self._shard_id = shard_id
        self._position = position
        self._events: Any = None
        self._coming: asyncio.Task[Any] | None = None
        self._arrived = ExitStack()
        """Settling waits for an event that has come and is not taken up yet."""
        self._waiting: list[Item] = []
        self._last = False

    async def read(self, limit: int, wait_until_ms: int) -> list[Item]:
        while not self._waiting and not self._last:
            event = await self._next(wait_until_ms)
            if event is None:
                return []
            self._waiting = [self._source.item(self._shard_id, record) for record in event["Records"]]
            number = event.get("ContinuationSequenceNumber")
            self._last = number is None
            if number is not None:
                self._position = Position("AFTER_SEQUENCE_NUMBER", number)
        given, self._waiting = self._waiting[:limit], self._waiting[limit:]
        self.ended = self._last and not self._waiting
        return given

    async def close(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])
            self._coming = None
        self._arrived.close()
        if self._events is not None:
            await self._events.aclose()
            self._events = None

    async def _event(self) -> Any:
        event = await anext(self._events, None)
        self._arrived.enter_context(self._source.poller.call.busy())
        return event

    async def _next(self, wait_until_ms: int) -> Document | None:
        """The next event; None where virtual time reaches `wait_until_ms` first, or the mapping changes."""
        poller = self._source.poller
        loop = asyncio.get_running_loop()
        while True:
            if self._events is None:
                self._events = await self._subscribe()
            if self._coming is None:
                self._coming = loop.create_task(self._event())
            over = loop.create_task(poller.call.wait(poller.changes(), until_ms=wait_until_ms))
            try:
                await asyncio.wait([self._coming, over], return_when=asyncio.FIRST_COMPLETED)
            finally:
                over.cancel()
            if not self._coming.done():
                return None
            coming, self._coming = self._coming, None
            self._arrived.close()
            event = coming.result()
            if event is not None:
                return dict(event["SubscribeToShardEvent"])
            self._events = None  # the five minutes are over
            if poller.call.clock.now_ms() >= wait_until_ms or not poller.is_current():
                return None

    async def _subscribe(self) -> Any:
        starting: Document = {"Type": self._position.kind}
        if self._position.number:
            starting["SequenceNumber"] = self._position.number
        if self._position.kind == "AT_TIMESTAMP":
            starting["Timestamp"] = self._position.moment_s
        params = {"ConsumerARN": self._source.arn, "ShardId": self._shard_id, "StartingPosition": starting}
        return (await self._source.request("SubscribeToShard", params))["EventStream"]


def stream_of(arn: str) -> str:
    """The ARN of a Kinesis stream, of its own or that of a consumer: `...:stream/NAME[/consumer/NAME:SECONDS]`."""
    return "/".join(arn.split("/")[:2])


def source_of(poller: Poller) -> Source:
    return DynamoDbStream(poller) if ":dynamodb:" in poller.mapping.source_arn else KinesisStream(poller)
