"""Event streams, as botocore's own parser of them reads them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import botocore.session
import pytest
from botocore import parsers
from botocore.eventstream import EventStreamBuffer

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.codec import Codecs


def read(service: str, operation_name: str, result: dict[str, Any], member: str) -> tuple[list[Any], list[Any]]:
    """The raw events and what botocore makes of them."""
    model = models.load(service)
    protocol = model.metadata["protocol"]
    response = Codecs(model).get(operation_name, protocol).serialize(result, "an-id")
    assert dict(response.headers)["content-type"] == "application/vnd.amazon.eventstream"

    async def whole() -> bytes:
        assert not isinstance(response.body, bytes)
        return b"".join([chunk async for chunk in response.body])

    buffer = EventStreamBuffer()
    buffer.add_data(asyncio.run(whole()))
    events = list(buffer)
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation_name).output_shape.members[member]
    parser = parsers.create_parser(protocol)._event_stream_parser
    return events, [
        parser.parse(event.to_response_dict(), shape) for event in events if event.headers.get(":event-type") != "initial-response"
    ]


async def stream(*events: dict[str, Any], error: AwsError | None = None) -> AsyncIterator[dict[str, Any]]:
    for event in events:
        yield event
    if error is not None:
        raise error


def test_blobs_and_structures_of_a_rest_json_stream() -> None:
    events, parsed = read(
        "lambda",
        "InvokeWithResponseStream",
        {
            "EventStream": stream(
                {"PayloadChunk": {"Payload": b"one\x00"}}, {"InvokeComplete": {"ErrorCode": "Unhandled", "LogResult": "bG9n"}}
            )
        },
        "EventStream",
    )
    assert parsed == [{"PayloadChunk": {"Payload": b"one\x00"}}, {"InvokeComplete": {"ErrorCode": "Unhandled", "LogResult": "bG9n"}}]
    assert [event.headers[":content-type"] for event in events] == ["application/octet-stream", "application/json"]


def test_events_of_a_rest_xml_stream() -> None:
    _, parsed = read(
        "s3",
        "SelectObjectContent",
        {
            "Payload": stream(
                {"Records": {"Payload": b"a,b\n"}},
                {"Cont": {}},
                {"Stats": {"Details": {"BytesScanned": 9, "BytesProcessed": 8, "BytesReturned": 7}}},
                {"End": {}},
            )
        },
        "Payload",
    )
    assert parsed == [
        {"Records": {"Payload": b"a,b\n"}},
        {"Cont": {}},
        {"Stats": {"Details": {"BytesScanned": 9, "BytesProcessed": 8, "BytesReturned": 7}}},
        {"End": {}},
    ]


def test_a_json_stream_begins_with_its_initial_response() -> None:
    record = {"Data": b"d", "PartitionKey": "p", "SequenceNumber": "1", "ApproximateArrivalTimestamp": 1_700_000_000}
    events, parsed = read(
        "kinesis",
        "SubscribeToShard",
        {
            "EventStream": stream(
                {"SubscribeToShardEvent": {"Records": [record], "ContinuationSequenceNumber": "2", "MillisBehindLatest": 0}}
            )
        },
        "EventStream",
    )
    assert events[0].headers[":event-type"] == "initial-response"
    (event,) = parsed
    assert event["SubscribeToShardEvent"]["Records"][0]["Data"] == b"d"
    assert event["SubscribeToShardEvent"]["Records"][0]["ApproximateArrivalTimestamp"].timestamp() == 1_700_000_000


@pytest.mark.parametrize(
    ("error", "message_type", "code"),
    [
        (AwsError("ResourceInUseException", "busy"), "exception", "ResourceInUseException"),
        (AwsError("SomethingElse", "odd"), "error", "SomethingElse"),
    ],
)
def test_an_error_ends_the_stream_in_its_own_kind_of_message(error: AwsError, message_type: str, code: str) -> None:
    events, _ = read("kinesis", "SubscribeToShard", {"EventStream": stream(error=error)}, "EventStream")
    headers = events[-1].headers
    assert headers[":message-type"] == message_type
    assert headers.get(":exception-type", headers.get(":error-code")) == code
