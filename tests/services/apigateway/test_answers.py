"""From a function's payload to the client's response."""

import json
from base64 import b64encode

import pytest

from groundcloud.services.apigateway.gateway.answers import Malformed, http_answer_1, http_answer_2, rest_answer
from groundcloud.services.apigateway.gateway.media_types import BinaryTypes

NONE = BinaryTypes([])


def packed(document) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("document", "status", "headers", "body"),
    [
        ({"statusCode": 201, "body": "x"}, 201, [("content-type", "application/json")], b"x"),
        ({"statusCode": "404"}, 404, [("content-type", "application/json")], b""),
        ({"body": "x"}, 200, [("content-type", "application/json")], b"x"),
        ({}, 200, [("content-type", "application/json")], b""),
        ({"statusCode": 200, "headers": {"Content-Type": "text/plain", "X-N": 5, "X-B": True}}, 200, [("content-type", "text/plain"), ("x-n", "5"), ("x-b", "true")], b""),
        (
            {"statusCode": 200, "headers": {"content-type": "a/b"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}},
            200,
            [("content-type", "a/b"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
            b"",
        ),
        (
            {"statusCode": 200, "headers": {"content-type": "a/b", "X": "1"}, "multiValueHeaders": {"x": ["1", "2"]}},
            200,
            [("content-type", "a/b"), ("x", "1"), ("x", "2")],
            b"",
        ),
        ({"statusCode": 200, "headers": {"content-type": "a/b", "Date": "d", "Server": "s"}}, 200, [("content-type", "a/b"), ("x-amzn-remapped-date", "d"), ("x-amzn-remapped-server", "s")], b""),
        ({"statusCode": 200, "body": "ü"}, 200, [("content-type", "application/json")], "ü".encode()),
    ],
)  # fmt: skip
def test_what_a_rest_api_answers(document, status, headers, body):
    answer = rest_answer(packed(document), NONE, None)
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b'"text"',
        b"[]",
        b"",
        b"{",
        packed({"statusCode": "ok"}),
        packed({"statusCode": 99}),
        packed({"statusCode": 600}),
        packed({"statusCode": True}),
        packed({"statusCode": 200, "body": {"a": 1}}),
        packed({"statusCode": 200, "more": 1}),
        packed({"statusCode": 200, "headers": []}),
        packed({"statusCode": 200, "headers": {"a": {}}}),
        packed({"statusCode": 200, "multiValueHeaders": {"a": "b"}}),
        packed({"statusCode": 200, "headers": {"a b": "c"}}),
        packed({"statusCode": 200, "headers": {"a\r\nb": "c"}}),
        packed({"statusCode": 200, "headers": {"ü": "c"}}),
    ],
)
def test_what_a_rest_api_calls_malformed(payload):
    with pytest.raises(Malformed):
        rest_answer(payload, NONE, None)


@pytest.mark.parametrize(
    ("patterns", "accept", "content_type", "decoded"),
    [
        ([], "image/png", "image/png", False),
        (["*/*"], None, "text/plain", True),
        (["image/png"], "image/png", "text/plain", True),
        (["image/png"], "image/png;q=0.9, text/html", "image/png", True),
        (["image/png"], "text/html, image/png", "image/png", False),
        (["image/*"], "image/webp", "image/webp", True),
        (["image/png"], None, "image/png", True),
        (["image/png"], "*/*", "image/png", False),
    ],
)
def test_base64_is_decoded_where_the_client_accepts_a_binary_type(patterns, accept, content_type, decoded):
    raw = b"\x00\xff"
    text = b64encode(raw).decode()
    payload = packed({"statusCode": 200, "headers": {"content-type": content_type}, "body": text, "isBase64Encoded": True})
    assert rest_answer(payload, BinaryTypes(patterns), accept).body == (raw if decoded else text.encode())


def test_a_body_that_is_no_base64_is_malformed():
    with pytest.raises(Malformed):
        rest_answer(packed({"statusCode": 200, "body": "a", "isBase64Encoded": True}), BinaryTypes(["*/*"]), None)


@pytest.mark.parametrize(
    ("payload", "status", "headers", "body"),
    [
        (packed({"message": "hi"}), 200, [("content-type", "application/json")], b'{"message": "hi"}'),
        (packed("hi"), 200, [("content-type", "application/json")], b"hi"),
        (packed([1]), 200, [("content-type", "application/json")], b"[1]"),
        (b"null", 200, [("content-type", "application/json")], b""),
        (packed({"statusCode": 201}), 201, [("content-type", "text/plain; charset=utf-8")], b""),
        (
            packed({"statusCode": 200, "headers": {"Content-Type": "a/b"}, "cookies": ["a=1; Secure", "b=2"], "body": "x"}),
            200,
            [("content-type", "a/b"), ("set-cookie", "a=1; Secure"), ("set-cookie", "b=2")],
            b"x",
        ),
        (packed({"statusCode": 200, "headers": {"content-type": "a/b"}, "body": {"a": 1}}), 200, [("content-type", "a/b")], b'{"a":1}'),
        (packed({"statusCode": 200, "headers": {"content-type": "a/b"}, "body": "AP8=", "isBase64Encoded": True}), 200, [("content-type", "a/b")], b"\x00\xff"),
        (packed({"statusCode": 200, "headers": {"content-type": "a/b", "Content-Length": "77"}, "body": "x"}), 200, [("content-type", "a/b")], b"x"),
    ],
)  # fmt: skip
def test_what_payload_2_answers(payload, status, headers, body):
    answer = http_answer_2(payload)
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)


def test_payload_1_needs_a_status():
    with pytest.raises(Malformed):
        http_answer_1(packed({"body": "x"}))
    answer = http_answer_1(packed({"statusCode": 202, "multiValueHeaders": {"Set-Cookie": ["a", "b"]}, "body": "x"}))
    assert answer.headers == [("set-cookie", "a"), ("set-cookie", "b"), ("content-type", "text/plain; charset=utf-8")]
