"""The operations of DynamoDB Streams: which streams there are, their shards, iterators, records.

An iterator is a place in a shard, good for 15 minutes. It says which stream, shard and sequence number, so the server keeps nothing for it.
Source: the DynamoDB Streams API reference.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import changes, descriptions, errors, shapes
from groundcloud.services.dynamodb.changes import CHANGES, SHARDS, STREAMS, Shard, Stream

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

ITERATOR_LIFE_MS = 15 * 60 * 1000
STREAMS_MAX = 100
SHARDS_MAX = 100
RECORDS_MAX = 1000
RECORDS_BYTES_MAX = 1024 * 1024
SEQUENCE_MAX = 1 << 62

_decode_change = msgspec.json.Decoder(tuple[int, msgspec.Raw]).decode


class Iterator(msgspec.Struct, frozen=True, array_like=True):
    """What a ShardIterator says: the first sequence number to read."""

    stream_arn: str
    shard_id: str
    sequence: int
    issued_ms: int


_decode_iterator = msgspec.msgpack.Decoder(Iterator).decode


def _stream_of_request(call: Call, request: Request) -> str:
    found = request.get("StreamArn")
    return found if isinstance(found, str) and arns.is_arn(found) else "*"


def _stream_of_iterator(call: Call, request: Request) -> str:
    shapes.check_streams("GetRecords", request)
    stream_arn = _read_iterator(request["ShardIterator"]).stream_arn
    return stream_arn if arns.is_arn(stream_arn) else "*"


@operation(raw=True)
def list_streams(call: Call, request: Request) -> dict[str, Any]:
    shapes.check_streams("ListStreams", request)
    _check_limit(request, STREAMS_MAX)
    table_name = request.get("TableName")
    if table_name is not None and table_name.startswith("arn:"):
        table_name = table_name.partition("/")[2]
    after: tuple[str, ...] | None = None
    if "ExclusiveStartStreamArn" in request:
        after = _place(call, request["ExclusiveStartStreamArn"])[1:]
        if table_name is not None:
            after = after[1:]
    limit = request.get("Limit", STREAMS_MAX)
    prefix = () if table_name is None else (table_name,)
    found = [
        {"StreamArn": changes.stream_arn(call.tx, s.table_name, s.label), "StreamLabel": s.label, "TableName": s.table_name}
        for s in STREAMS.scan(call.tx, *prefix, after=after, limit=limit + 1)
    ]
    answer: dict[str, Any] = {"Streams": found[:limit]}
    if len(found) > limit:
        answer["LastEvaluatedStreamArn"] = found[limit - 1]["StreamArn"]
    return answer


@operation(raw=True, resource=_stream_of_request)
def describe_stream(call: Call, request: Request) -> dict[str, Any]:
    shapes.check_streams("DescribeStream", request)
    _check_limit(request, SHARDS_MAX)
    tx, stream = _load(call, request["StreamArn"])
    shards = list(SHARDS.scan(tx, stream.stream_number))
    wanted = request.get("ShardFilter")
    if wanted is not None:
        shards = [shard for shard in shards if shard.parent_id == wanted.get("ShardId")]
    if "ExclusiveStartShardId" in request:
        start = next((at for at, shard in enumerate(shards) if shard.shard_id == request["ExclusiveStartShardId"]), None)
        if start is None:
            raise _no_such_shard(request["ExclusiveStartShardId"])
        shards = shards[start + 1 :]
    limit = request.get("Limit", SHARDS_MAX)
    known = {shard.shard_id for shard in SHARDS.scan(tx, stream.stream_number)}
    description: dict[str, Any] = {
        "StreamArn": request["StreamArn"],
        "StreamLabel": stream.label,
        "StreamStatus": "DISABLED" if stream.disabled_ms else "ENABLED",
        "StreamViewType": stream.view,
        "CreationRequestDateTime": stream.created_ms / 1000,
        "TableName": stream.table_name,
        "KeySchema": descriptions.key_schema(stream.key[:1], stream.key[1:]),
        "Shards": [_describe_shard(shard, known) for shard in shards[:limit]],
    }
    if len(shards) > limit:
        description["LastEvaluatedShardId"] = shards[limit - 1].shard_id
    return {"StreamDescription": description}


@operation(raw=True, resource=_stream_of_request)
def get_shard_iterator(call: Call, request: Request) -> dict[str, Any]:
    shapes.check_streams("GetShardIterator", request)
    tx, stream = _load(call, request["StreamArn"])
    shard = next((shard for shard in SHARDS.scan(tx, stream.stream_number) if shard.shard_id == request["ShardId"]), None)
    if shard is None:
        raise _no_such_shard(request["ShardId"])
    kind = request["ShardIteratorType"]
    text = request.get("SequenceNumber")
    if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        if text is None:
            raise errors.validation(f"ShardIteratorType {kind} requires SequenceNumber")
        if not text.isdecimal() or changes.sequence_of(text) >= SEQUENCE_MAX:
            raise errors.validation("Invalid SequenceNumber")
        sequence = changes.sequence_of(text)
        if sequence < shard.first:
            raise AwsError("TrimmedDataAccessException", "The operation attempted to read past the oldest stream record in a shard.")
        if kind == "AFTER_SEQUENCE_NUMBER":
            sequence += 1
    elif text is not None:
        raise errors.validation(f"SequenceNumber may not be specified with ShardIteratorType {kind}")
    elif kind == "TRIM_HORIZON":
        sequence = shard.first
    elif kind == "AT_TIMESTAMP":
        if "Timestamp" not in request:
            raise errors.validation("ShardIteratorType AT_TIMESTAMP requires Timestamp")
        sequence = _sequence_at(tx, shard, int(request["Timestamp"] * 1000))
    else:
        sequence = _next_sequence(tx, shard)
    return {"ShardIterator": _write_iterator(Iterator(request["StreamArn"], shard.shard_id, sequence, call.now_ms))}


@operation(raw=True, resource=_stream_of_iterator)
def get_records(call: Call, request: Request) -> dict[str, Any]:
    """Records from the iterator on. NextShardIterator is missing once a closed shard is read to its end."""
    _check_limit(request, RECORDS_MAX)
    place = _read_iterator(request["ShardIterator"])
    if call.now_ms - place.issued_ms > ITERATOR_LIFE_MS:
        raise AwsError(
            "ExpiredIteratorException",
            f"Iterator expired. The iterator was created at time {place.issued_ms} while right now it is {call.now_ms} "
            "which is further in the future than the tolerated delay of 900000 milliseconds.",
        )
    tx, stream = _load(call, place.stream_arn)
    shard = next((shard for shard in SHARDS.scan(tx, stream.stream_number) if shard.shard_id == place.shard_id), None)
    if shard is None:
        raise AwsError("TrimmedDataAccessException", "The operation attempted to read past the oldest stream record in a shard.")
    limit = request.get("Limit", RECORDS_MAX)
    oldest_ms = call.now_ms - changes.RECORD_LIFE_MS
    found: list[Any] = []
    size = 0
    sequence = place.sequence
    for key, raw in CHANGES.items(tx, stream.stream_number, shard.shard_index, start=place.sequence):
        if len(found) == limit or size >= RECORDS_BYTES_MAX:
            break
        sequence = key[2] + 1
        made_ms, change = _decode_change(raw)
        if made_ms < oldest_ms:
            continue
        found.append(change if call.http is not None else msgspec.json.decode(change))
        size += len(raw)
    answer: dict[str, Any] = {"Records": found}
    if shard.last is None or sequence <= shard.last:
        answer["NextShardIterator"] = _write_iterator(Iterator(place.stream_arn, shard.shard_id, sequence, call.now_ms))
    return answer


def _describe_shard(shard: Shard, known: set[str]) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": changes.sequence_text(shard.first)}
    if shard.last is not None:
        numbers["EndingSequenceNumber"] = changes.sequence_text(shard.last)
    answer: dict[str, Any] = {"ShardId": shard.shard_id, "SequenceNumberRange": numbers}
    if shard.parent_id in known:
        answer["ParentShardId"] = shard.parent_id
    return answer


def _place(call: Call, stream_arn: str) -> tuple[Any, str, str]:
    """(transaction as seen from the stream's place, table name, label)."""
    try:
        parsed = arns.parse(stream_arn)
        kind, table_name, word, label = parsed.resource.split("/", 3)
    except ValueError:
        raise errors.validation(f"Invalid StreamArn: {stream_arn}") from None
    if (parsed.service, kind, word) != ("dynamodb", "table", "stream"):
        raise errors.validation(f"Invalid StreamArn: {stream_arn}")
    return call.tx.at(parsed.account, parsed.region), table_name, label


def _load(call: Call, stream_arn: str) -> tuple[Any, Stream]:
    tx, table_name, label = _place(call, stream_arn)
    stream = STREAMS.get(tx, table_name, label)
    if stream is None:
        raise AwsError("ResourceNotFoundException", f"Requested resource not found: Stream: {stream_arn} not found")
    return tx, stream


def _next_sequence(tx: Any, shard: Shard) -> int:
    """Above everything written so far."""
    last = next(CHANGES.keys(tx, shard.stream_number, shard.shard_index, reverse=True, limit=1), None)
    return shard.first if last is None else int(last[2]) + 1


def _sequence_at(tx: Any, shard: Shard, at_ms: int) -> int:
    """Of the first record that is not older; above everything where all are. Records of a shard are in the order of their time."""
    low, high = shard.first, _next_sequence(tx, shard)
    while low < high:
        middle = (low + high) // 2
        found = next(CHANGES.items(tx, shard.stream_number, shard.shard_index, start=middle, limit=1), None)
        if found is None or changes.made_ms(found[1]) >= at_ms:
            high = middle
        else:
            low = int(found[0][2]) + 1
    return low


def _check_limit(request: Request, most: int) -> None:
    """The model says this in words alone."""
    limit = request.get("Limit", 1)
    if limit > most:
        raise shapes.complaint(
            [f"Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to {most}"]
        )


def _no_such_shard(shard_id: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Requested resource not found: Shard: {shard_id} does not exist")


def _write_iterator(place: Iterator) -> str:
    return f"{place.stream_arn}|1|{urlsafe_b64encode(msgspec.msgpack.encode(place)).decode()}"


def _read_iterator(text: str) -> Iterator:
    try:
        return _decode_iterator(urlsafe_b64decode(text.rpartition("|")[2]))
    except (ValueError, msgspec.MsgspecError):
        raise errors.validation("Invalid ShardIterator") from None
