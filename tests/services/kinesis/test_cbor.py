"""Kinesis in CBOR, as the Java SDKs speak it: `application/x-amz-cbor-1.1`, blobs as bytes, moments in milliseconds."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.services.kinesis.conftest import Streams

from groundcloud.wire import cbor, model

TYPE = "application/x-amz-cbor-1.1"


@pytest.fixture
def ask(ground: Any, account: str) -> Any:
    """`ask("PutRecord", {...})` -> (status, content type, decoded answer)."""

    def send(operation: str, document: Any) -> tuple[int, str, Any]:
        body = document if isinstance(document, bytes) else cbor2.dumps(document)
        request = AWSRequest("POST", ground.endpoint + "/", {"Content-Type": TYPE, "X-Amz-Target": f"Kinesis_20131202.{operation}"}, body)
        SigV4Auth(Credentials(account, "test"), "kinesis", "us-east-1").add_auth(request)
        sent = urllib.request.Request(request.url, body, dict(request.headers.items()), method="POST")
        try:
            with urllib.request.urlopen(sent, timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], cbor.decode(answer.read(), tags=False)
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], cbor2.loads(error.read())

    return send


def test_records_go_in_and_out_in_cbor(ask: Any, streams: Streams) -> None:
    streams.create()
    status, content_type, put = ask("PutRecord", {"StreamName": "orders", "Data": b"\x00\xff", "PartitionKey": "k"})
    assert (status, content_type, put["ShardId"]) == (200, TYPE, "shardId-000000000000")
    iterator = streams.iterator()
    status, _, answer = ask("GetRecords", {"ShardIterator": iterator, "Limit": 10})
    (record,) = answer["Records"]
    assert (record["Data"], record["SequenceNumber"]) == (b"\x00\xff", put["SequenceNumber"])


def test_moments_are_milliseconds_both_ways(ask: Any, streams: Streams, clock: Any) -> None:
    streams.create()
    streams.put("early")
    clock.advance("10s")
    moment_ms = int(clock.now_s() * 1000)
    clock.advance("10s")
    streams.put("late")
    shard = {"StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP"}
    for moment in (moment_ms, cbor2.CBORTag(1, moment_ms)):
        _, _, answer = ask("GetShardIterator", {**shard, "Timestamp": moment})
        records = streams.kinesis.get_records(ShardIterator=answer["ShardIterator"])["Records"]
        assert [record["Data"] for record in records] == [b"late"]
    _, _, answer = ask("GetRecords", {"ShardIterator": answer["ShardIterator"]})
    assert answer["Records"][0]["ApproximateArrivalTimestamp"] == round(records[0]["ApproximateArrivalTimestamp"].timestamp() * 1000)


def test_an_answer_tags_its_moments_as_milliseconds() -> None:
    encoded = cbor.encode(
        {"Records": [{"Data": b"x", "ApproximateArrivalTimestamp": 1_700_000_000.25}]},
        model.load("kinesis"),
        "GetRecordsOutput",
        milliseconds=True,
    )
    assert b"\xc1\x1b" + (1_700_000_000_250).to_bytes(8, "big") in encoded


def test_an_error_is_a_document_in_cbor(ask: Any, account: str) -> None:
    status, content_type, error = ask("PutRecord", {"StreamName": "nothing", "Data": b"x", "PartitionKey": "k"})
    assert (status, content_type) == (400, TYPE)
    assert error == {"__type": "ResourceNotFoundException", "message": f"Stream nothing under account {account} not found."}


def test_what_is_no_cbor_is_refused(ask: Any) -> None:
    assert ask("PutRecord", b"\x9f\x9f\x9f")[2]["__type"] == "SerializationException"
