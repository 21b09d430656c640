"""Bodies made to hurt: each is an AwsError (or harmless), in little time and memory."""

import asyncio
import gzip
import time
import tracemalloc
from typing import Any

import cbor2
import pytest

from groundcloud.base.errors import AwsError
from groundcloud.base.limits import BODY_BYTES_MAX
from groundcloud.wire import message, model
from groundcloud.wire.codec import Codecs, JsonCodec
from groundcloud.wire.message import HttpRequest

SECONDS_MAX = 1.5
MEMORY_BYTES_MAX = 150 * 1024 * 1024


def parse(service: str, operation: str, protocol: str, body: bytes, headers: dict[str, str] | None = None, query_string: str = "") -> Any:
    codec = Codecs(model.load(service)).get(operation, protocol)
    http = HttpRequest("POST", "/", query_string, headers or {}, body)
    return asyncio.run(codec.parse(http, {}))


def parse_raw(body: bytes) -> Any:
    codec = Codecs(model.load("dynamodb")).get("PutItem", "json")
    assert isinstance(codec, JsonCodec)
    return codec.parse_raw(body)


NESTED_XML = b"<Delete>" + b"<Object>" * 200 + b"</Object>" * 200 + b"</Delete>"
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]><Delete>&j;</Delete>"
)
SHARED = b"\xd8\x1c\x82" * 20 + b"\x00" * 21
GROWING = b"\xd8\x1c\x81\x00"
for _ in range(30):
    GROWING = b"\x82" + GROWING + b"\xd8\x1d\x00"

HOSTILE: list[tuple[str, Any, str]] = [
    ("deep JSON", lambda: parse("sqs", "SendMessage", "json", b'{"MessageBody":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "SerializationException"),
    ("deep JSON, unclosed", lambda: parse("sqs", "SendMessage", "json", b"[" * 1_000_000), "SerializationException"),
    ("deep raw JSON", lambda: parse_raw(b'{"a":' * 129 + b"1" + b"}" * 129), "SerializationException"),
    ("deep document", lambda: parse("stepfunctions", "StartExecution", "json", b'{"x":' * 500 + b"1" + b"}" * 500), "SerializationException"),
    ("deep JSON of a shape that holds itself", lambda: parse("dynamodb", "PutItem", "json", b'{"Item":{"a":' + b'{"L":[' * 400 + b"]}" * 400 + b"}}"), "SerializationException"),
    ("brackets in strings hide the depth", lambda: parse_raw(b'{"a":"]]]]\\"' + b"]" * 900 + b'","b":' + b"[" * 200 + b"]" * 200 + b"}"), "SerializationException"),
    ("a JSON list of too many lists", lambda: parse_raw(b'{"a":[' + b"[]," * 3_000_000 + b"[]]}"), "SerializationException"),
    ("JSON cut short", lambda: parse("sqs", "SendMessage", "json", b'{"MessageBody": "a'), "SerializationException"),
    ("JSON that is not UTF-8", lambda: parse("sqs", "SendMessage", "json", b'{"MessageBody": "\xff\xfe"}'), "SerializationException"),
    ("half of a surrogate pair", lambda: parse("sqs", "SendMessage", "json", rb'{"MessageBody": "\ud800"}'), "SerializationException"),
    ("a JSON list for a structure", lambda: parse("sqs", "SendMessage", "json", b"[]"), "SerializationException"),
    ("a JSON list, raw", lambda: parse_raw(b"[]"), "SerializationException"),
    ("text for a number", lambda: parse("sqs", "SendMessage", "json", b'{"DelaySeconds": "x"}'), "SerializationException"),
    ("a number past 64 bits", lambda: parse("sqs", "SendMessage", "json", b'{"DelaySeconds": 1e999}'), "SerializationException"),
    ("a moment that is none", lambda: parse("logs", "PutResourcePolicy", "json", b'{"policyName": 1}'), "SerializationException"),
    ("NUL as JSON", lambda: parse("sqs", "SendMessage", "json", b"\x00" * 1000), "SerializationException"),
    ("bad base64", lambda: parse("kinesis", "PutRecord", "json", b'{"Data": "!!!"}'), "SerializationException"),
    ("deep CBOR", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\x81" * 100_000 + b"\x00"), "SerializationException"),
    ("deep CBOR, indefinite", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\x9f" * 100_000), "SerializationException"),
    ("a CBOR list that claims 2**60 items", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\x9b" + b"\x10" + b"\x00" * 7), "SerializationException"),
    ("a CBOR string that claims 2**60 bytes", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\x7b" + b"\x10" + b"\x00" * 7), "SerializationException"),
    ("too many CBOR items", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\xa1aa\x9a\x00\x40\x00\x00" + b"\x80" * (1 << 22)), "SerializationException"),
    ("CBOR with shared references", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", SHARED), "SerializationException"),
    ("CBOR that doubles", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", GROWING), "SerializationException"),
    ("a CBOR decimal of a huge exponent", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\xa1aa\xc4\x82\x1b" + b"\x0f" * 8 + b"\x01"), "SerializationException"),
    ("a CBOR moment beyond time", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\xa1aa" + cbor2.dumps(cbor2.CBORTag(1, 1e300))), "SerializationException"),
    ("CBOR that is a list", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\x80"), "SerializationException"),
    ("CBOR cut short", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\xa1iNames"), "SerializationException"),
    ("CBOR noise", lambda: parse("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor", b"\xff\x1c\x3d"), "SerializationException"),
    ("an XML entity bomb", lambda: parse("s3", "DeleteObjects", "rest-xml", LAUGHS), "MalformedXML"),
    ("an XML external entity", lambda: parse("s3", "DeleteObjects", "rest-xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>'), "MalformedXML"),
    ("an XML entity far into the body", lambda: parse("s3", "DeleteObjects", "rest-xml", b" " * 5000 + b'<!DOCTYPE a [<!ENTITY x "y">]><Delete>&x;</Delete>'), "MalformedXML"),
    ("a DTD in UTF-16", lambda: parse("s3", "DeleteObjects", "rest-xml", '<!DOCTYPE a [<!ENTITY x "y">]><Delete>&x;</Delete>'.encode("utf-16")), "MalformedXML"),
    ("deep XML", lambda: parse("s3", "DeleteObjects", "rest-xml", NESTED_XML), "MalformedXML"),
    ("very deep XML", lambda: parse("s3", "DeleteObjects", "rest-xml", b"<a>" * 1_000_000), "MalformedXML"),
    ("XML cut short", lambda: parse("s3", "DeleteObjects", "rest-xml", b"<Delete><Object>"), "MalformedXML"),
    ("XML that is not UTF-8", lambda: parse("s3", "DeleteObjects", "rest-xml", b"<Delete>\xff\xfe</Delete>"), "MalformedXML"),
    ("NUL in XML", lambda: parse("s3", "DeleteObjects", "rest-xml", b"<Delete>\x00</Delete>"), "MalformedXML"),
    ("words for a number in XML", lambda: parse("s3", "PutBucketLifecycleConfiguration", "rest-xml", b"<L><Rule><Expiration><Days>x</Days></Expiration></Rule></L>"), "MalformedXML"),
    ("a moment before time", lambda: parse("logs", "PutLogEvents", "json", b'{"logEvents": 5}'), "SerializationException"),
    ("a moment that cannot be, in JSON", lambda: parse("cloudwatch", "GetMetricData", "json", b'{"StartTime": 1e300}'), "SerializationException"),
    ("words for a moment, in JSON", lambda: parse("cloudwatch", "GetMetricData", "json", b'{"StartTime": "soon"}'), "SerializationException"),
    ("words for a moment, in a header", lambda: parse("s3", "PutObject", "rest-xml", b"", {"x-amz-object-lock-retain-until-date": "soon"}), "InvalidArgument"),
    ("a moment that overflows, in a form", lambda: parse("cloudwatch", "GetMetricStatistics", "query", b"StartTime=0001-01-01T00:00:00%2B99:99"), "MalformedInput"),
    ("too many fields in a form", lambda: parse("iam", "CreateUser", "query", b"a&" * 20_000), "MalformedQueryString"),
    ("a form that is not UTF-8", lambda: parse("iam", "CreateUser", "query", b"UserName=%ff%fe"), "MalformedQueryString"),
    ("a form nested past all shapes", lambda: parse("iam", "CreateUser", "query", b"a" + b".a" * 100_000 + b"=1"), "MalformedQueryString"),
    ("words for a number in a form", lambda: parse("iam", "ListUsers", "query", b"MaxItems=lots"), "MalformedInput"),
    ("a number of a million digits", lambda: parse("iam", "ListUsers", "query", b"MaxItems=" + b"9" * 1_000_000), "MalformedInput"),
    ("a gzip bomb", lambda: parse("sqs", "SendMessage", "json", gzip.compress(b" " * (BODY_BYTES_MAX + 1)), {"content-encoding": "gzip"}), "RequestEntityTooLargeException"),
    ("gzip cut short", lambda: parse("sqs", "SendMessage", "json", gzip.compress(b"{}")[:-9], {"content-encoding": "gzip"}), "SerializationException"),
    ("gzip that is none", lambda: parse("sqs", "SendMessage", "json", b"\x1f\x8b{}", {"content-encoding": "gzip"}), "SerializationException"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "code"), [(attack, code) for _, attack, code in HOSTILE], ids=[name for name, _, _ in HOSTILE])
def test_a_hostile_body_is_refused_in_bounds(attack: Any, code: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(AwsError) as caught:
            attack()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == code
    assert time.process_time() - began < SECONDS_MAX * 4  # tracemalloc slows
    assert peak < MEMORY_BYTES_MAX


def test_huge_numbers_in_a_form_s_lists_cost_what_is_there() -> None:
    assert parse("iam", "GetContextKeysForCustomPolicy", "query", b"PolicyInputList.member.999999999=b&PolicyInputList.member.3=a") == {
        "PolicyInputList": ["a", "b"]
    }


def test_nul_and_odd_characters_in_text_go_through_whole() -> None:
    assert parse("sqs", "SendMessage", "json", rb'{"MessageBody": "a\u0000b\uffff"}') == {"MessageBody": "a\x00b\uffff"}


def test_depth_is_counted_outside_strings_only() -> None:
    text = "[{" * 300
    assert parse_raw(b'{"a": "' + text.encode() + b'"}') == {"a": text}
    assert parse_raw(b'{"a":[' + b'{"S":"]]"},' * 300 + b"1]}")["a"][-1] == 1


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "aws-chunked, gzip"])
def test_a_body_that_the_client_compressed_is_read(encoding: str) -> None:
    packed = gzip.compress(b'{"QueueUrl": "u", "MessageBody": "hello"}')
    assert parse("sqs", "SendMessage", "json", packed, {"content-encoding": encoding}) == {"QueueUrl": "u", "MessageBody": "hello"}


def test_a_compressed_form_is_read() -> None:
    packed = gzip.compress(b"Action=PutMetricData&Namespace=n")
    assert parse("cloudwatch", "PutMetricData", "query", packed, {"content-encoding": "gzip"}) == {"Namespace": "n"}


def test_a_body_past_the_limit_is_refused() -> None:
    async def read() -> bytes:
        return await message.content_of(HttpRequest("POST", "/", "", {}, b"x" * 11), 10)

    with pytest.raises(AwsError) as caught:
        asyncio.run(read())
    assert (caught.value.code, caught.value.status) == ("RequestEntityTooLargeException", 413)
