"""Codecs as the chain uses them: every operation of every model, documents raw and whole, bodies that stream."""

import asyncio
from typing import Any

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.codec import Codecs, JsonCodec
from groundcloud.wire.message import Body, HttpRequest

EMPTY_BODIES = {"json": b'{"x": 1}', "rest-json": b'{"x": null}', "rest-xml": b"<a/>", "query": b"Action=x", "smithy-rpc-v2-cbor": b"\xa0"}


@pytest.mark.slow
@pytest.mark.parametrize("service", list(models.index()))
def test_every_operation_of_every_model_parses_checks_and_serialises(service: str) -> None:
    model = models.load(service)
    codecs = Codecs(model)
    for name in model.operation_names:
        for protocol in set(model.protocols) & set(EMPTY_BODIES):
            codec = codecs.get(name, protocol)
            assert codecs.get(name, protocol) is codec
            try:
                codec.check(asyncio.run(codec.parse(HttpRequest("POST", "/", "", {}, EMPTY_BODIES[protocol]), {})))
            except AwsError as error:
                # S3 knows what the root of each of its documents is called.
                assert "Member must" in error.message or "Value null" in error.message or (service, error.code) == ("s3", "MalformedXML")
            if codec.event_stream is None:
                assert 200 <= codec.serialize({}, "an-id").status < 300
            for shape in codec.operation.errors:
                assert codec.error(AwsError(shape, "sentence"), "an-id").status >= 400


def test_an_unknown_operation_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Codecs(models.load("sqs")).get("Nothing", "json")


def json_codec(service: str, operation: str) -> JsonCodec:
    codec = Codecs(models.load(service)).get(operation, "json")
    assert isinstance(codec, JsonCodec)
    return codec


def test_raw_documents_go_through_as_they_are() -> None:
    codec = json_codec("dynamodb", "PutItem")
    assert codec.parse_raw(b'{"Item": {"a": {"N": "1"}}, "Odd": null}') == {"Item": {"a": {"N": "1"}}, "Odd": None}
    assert codec.parse_raw(b"") == {}
    assert codec.serialize_raw({"b": b"\x00"}, "an-id").body == b'{"b":"AA=="}'


def test_nulls_and_unknown_members_are_left_out_of_parameters() -> None:
    codec = json_codec("sqs", "SendMessage")
    body = b'{"QueueUrl": "u", "MessageBody": "null", "DelaySeconds": null, "Unknown": {"a": 1}}'
    assert asyncio.run(codec.parse(HttpRequest("POST", "/", "", {}, body), {})) == {"QueueUrl": "u", "MessageBody": "null"}


def test_none_is_left_out_of_results() -> None:
    assert (
        json_codec("sqs", "SendMessage").serialize({"MessageId": "null", "SequenceNumber": None}, "an-id").body == b'{"MessageId":"null"}'
    )


def test_a_streaming_body_is_handed_over_unread() -> None:
    codec = Codecs(models.load("s3")).get("PutObject", "rest-xml")
    body = Body(None, 3, b"abc")
    http = HttpRequest("PUT", "/b/k", "", {"content-type": "text/plain", "x-amz-meta-Colour".lower(): "red"}, body)
    params = asyncio.run(codec.parse(http, {"Bucket": "b", "Key": "k"}))
    assert params == {"Bucket": "b", "Key": "k", "ContentType": "text/plain", "Metadata": {"colour": "red"}, "Body": body}
    codec.check(params)


@pytest.mark.parametrize(
    ("service", "protocol", "error", "status", "code"),
    [
        ("s3", "rest-xml", AwsError("NoSuchKey", "The specified key does not exist.", status=404, fields={"Key": "k&"}), 404, "NoSuchKey"),
        ("lambda", "rest-json", AwsError("ResourceNotFoundException", "Function not found", fields={"Type": "User"}), 404, "ResourceNotFoundException"),
        ("iam", "query", AwsError("NoSuchEntityException", "not found"), 404, "NoSuchEntity"),
        ("iam", "query", AwsError("NoSuchEntity", "not found"), 404, "NoSuchEntity"),
        ("dynamodb", "json", AwsError("ConditionalCheckFailedException", "The conditional request failed", fields={"Item": {"a": {"S": "1"}}}), 400, "ConditionalCheckFailedException"),
        ("dynamodb", "json", AwsError("InternalServerError", "oops"), 500, "InternalServerError"),
    ],
)  # fmt: skip
def test_an_error_bears_its_code_status_and_fields(service: str, protocol: str, error: AwsError, status: int, code: str) -> None:
    model = models.load(service)
    response = Codecs(model).get(model.operation_names[0], protocol).error(error, "an-id")
    assert isinstance(response.body, bytes)
    assert response.status == status
    assert code.encode() in response.body or dict(response.headers).get("x-amzn-errortype") == code
    for value in error.fields.values():
        shown = {"k&": "k&amp;"}.get(value, value) if isinstance(value, str) else "1"
        assert shown.encode() in response.body


def test_a_condition_whose_date_cannot_be_read_is_ignored() -> None:
    codec = Codecs(models.load("s3")).get("GetObject", "rest-xml")
    http = HttpRequest("GET", "/b/k", "", {"if-modified-since": "soon", "if-unmodified-since": "Tue, 29 Apr 2014 18:30:38 GMT"})
    assert asyncio.run(codec.parse(http, {})) == {"IfUnmodifiedSince": 1398796238}


def body_of(chunks: list[bytes]) -> tuple[Body, list[bytes]]:
    left = list(chunks)

    async def receive() -> bytes | None:
        return left.pop(0) if left else None

    return Body(receive, None), left


def test_a_body_is_read_whole_once_and_kept() -> None:
    async def run() -> list[Any]:
        body, _ = body_of([b"a", b"", b"bc"])
        return [await body.read(), await body.read(), [chunk async for chunk in body]]

    assert asyncio.run(run()) == [b"abc", b"abc", [b"abc"]]


def test_a_body_is_read_no_further_than_the_limit() -> None:
    async def run() -> int:
        body, left = body_of([b"x" * 10] * 100)
        with pytest.raises(AwsError) as caught:
            await body.read(25)
        assert caught.value.status == 413
        return len(left)

    assert asyncio.run(run()) == 97


def test_a_streamed_body_is_read_once() -> None:
    async def run() -> None:
        body, _ = body_of([b"a"])
        assert [chunk async for chunk in body] == [b"a"]
        with pytest.raises(RuntimeError, match="read once"):
            await body.read()

    asyncio.run(run())


class Upper:
    """A transform as the aws-chunked decoder is one."""

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}

    def feed(self, chunk: bytes) -> bytes:
        return chunk.upper()

    def finish(self) -> None:
        self.trailers = {"x-end": "1"}


def test_a_transform_decodes_what_is_read() -> None:
    async def run() -> None:
        body, _ = body_of([b"a", b"b"])
        body.transform = Upper()
        assert await body.read() == b"AB"
        whole = Body(None, 2, b"ab")
        whole.transform = Upper()
        assert [chunk async for chunk in whole] == [b"AB"]
        assert whole.trailers == {"x-end": "1"}

    asyncio.run(run())


def test_names_and_values_of_a_query_string() -> None:
    http = HttpRequest("GET", "/a%20b", "x=1&x=2&flag&y=a+b%2B&=v&", {})
    assert http.query == {"x": ["1", "2"], "flag": [""], "y": ["a b+"], "": ["v"]}
    assert http.path == "/a b"
