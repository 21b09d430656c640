"""How requests name streams and consumers: by name, by ARN, or by an iterator; and the ARNs of all of them for IAM."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.services.kinesis import errors, sequences, state
from groundcloud.services.kinesis.state import CONSUMERS, Consumer, Stream, stream_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

Request = dict[str, Any]


@lru_cache(maxsize=8192)
def parse(arn: str) -> tuple[str, str, str, str]:
    """(account, region, stream name, rest): the rest is "" for a stream and "consumer/NAME:SECONDS" for a consumer. Raises InvalidArgumentException."""
    try:
        parsed = arns.parse(arn)
    except ValueError:
        raise errors.invalid_argument(f"Invalid ARN: {arn}") from None
    kind, _, name = parsed.resource.partition("/")
    if parsed.service != "kinesis" or kind != "stream" or not name:
        raise errors.invalid_argument(f"Invalid ARN: {arn}")
    stream_name, _, rest = name.partition("/")
    return parsed.account, parsed.region, stream_name, rest


def arn_of_stream(call: Call, request: Request) -> str:
    """For authorisation: the stream that a request names, "*" where it names none."""
    arn = request.get("StreamARN")
    if arn is not None:
        return str(arn)
    if "ShardIterator" in request:
        place = sequences.read_iterator(request["ShardIterator"])
        return f"arn:aws:kinesis:{place.region}:{place.account}:stream/{place.stream_name}"
    if request.get("StreamName") is None and "NextToken" in request:
        return "*"
    return stream_arn(call, request.get("StreamName") or "*")


def arn_of_consumer(call: Call, request: Request) -> str:
    arn = request.get("ConsumerARN")
    if arn is not None:
        return str(arn)
    name = request.get("ConsumerName")
    if not name or "StreamARN" not in request:
        return str(request.get("StreamARN") or "*")
    account, region, stream_name, _ = parse(request["StreamARN"])
    tx = call.reading().at(account, region)
    stream = state.find_stream(tx, stream_name)
    consumer = CONSUMERS.get(tx, stream.stream_number, name) if stream is not None else None
    return consumer.consumer_arn if consumer is not None else f"{request['StreamARN']}/consumer/{name}:*"


def arn_of_resource(call: Call, request: Request) -> str:
    return str(request["ResourceARN"])


def load(call: Call, request: Request) -> tuple[Transaction, Stream]:
    """The stream of a request's StreamARN or StreamName, and the transaction seen from its place. Raises ResourceNotFoundException."""
    tx: Transaction = call.reading()
    arn, stream_name = request.get("StreamARN"), request.get("StreamName")
    if "StreamId" in request:
        raise errors.invalid_argument("Groundcloud does not implement StreamId, which Amazon Kinesis reserves for future use.")
    if arn is not None:
        account, region, named, rest = parse(arn)
        if rest:
            raise errors.invalid_argument(f"Invalid ARN: {arn}")
        if stream_name is not None and stream_name != named:
            raise errors.invalid_argument(f"StreamName {stream_name} and StreamARN {arn} do not name the same stream.")
        stream_name = named
        if account != tx.account or region != tx.region:
            tx = tx.at(account, region)
    elif stream_name is None:
        raise errors.invalid_argument("Either StreamName or StreamARN must be provided.")
    stream = state.find_stream(tx, stream_name)
    if stream is None:
        raise errors.no_stream(tx, stream_name)
    return tx, stream


def load_consumer(call: Call, request: Request) -> tuple[Transaction, Stream, Consumer]:
    """The consumer of a ConsumerARN, or of a StreamARN and a ConsumerName. Raises ResourceNotFoundException."""
    arn, stream_arn_, name = request.get("ConsumerARN"), request.get("StreamARN"), request.get("ConsumerName")
    if arn is None and (stream_arn_ is None or name is None):
        raise errors.invalid_argument("You must specify either a ConsumerARN or both a StreamARN and a ConsumerName.")
    if arn is not None:
        account, region, stream_name, rest = parse(arn)
        found = rest.removeprefix("consumer/").rpartition(":")[0]
        if (name is not None and name != found) or (stream_arn_ is not None and parse(stream_arn_)[2] != stream_name):
            raise errors.invalid_argument("ConsumerARN, StreamARN and ConsumerName do not name the same consumer.")
        name = found
    else:
        account, region, stream_name, _ = parse(str(stream_arn_))
    tx = call.reading().at(account, region)
    stream = state.find_stream(tx, stream_name)
    if stream is None:
        raise errors.no_stream(tx, stream_name)
    consumer = CONSUMERS.get(tx, stream.stream_number, str(name))
    if consumer is None or (arn is not None and consumer.consumer_arn != arn):
        raise errors.no_consumer(tx, str(name))
    return tx, stream, consumer
