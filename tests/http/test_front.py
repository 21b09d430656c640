"""The front through raw sockets: bodies of every kind, limits, hosts, and clients that behave badly."""

import asyncio
import json
import socket
import time

import pytest

from groundcloud.auth import signing
from groundcloud.http import hosts
from groundcloud.http.front import _send
from groundcloud.wire.message import HttpResponse

JSON = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ListQueues"}


class Wire:
    """One connection, byte by byte."""

    def __init__(self, ground):
        self.host = ground.endpoint.removeprefix("http://")
        self.socket = socket.create_connection(("127.0.0.1", int(self.host.rpartition(":")[2])), timeout=10)

    def send(self, data):
        self.socket.sendall(data)

    def head(self, method="POST", path="/", headers=None, length=None):
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        if length is not None:
            lines.append(f"content-length: {length}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self):
        """(status, headers, body); (0, {}, b"") when the server closed without a word."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                return 0, {}, b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = dict(line.split(": ", 1) for line in lines[1:])
        if status != 100:
            while len(body) < int(headers.get("content-length", 0)):
                body += self.socket.recv(65536)
        return status, headers, body

    def signed(self, headers, body=b"{}"):
        return signing.sign(
            signing.Credentials("test", "test"), "us-east-1", "sqs", "POST", "/", "", {"host": self.host, **headers}, body, time.time()
        )


@pytest.fixture
def wire(ground):
    connection = Wire(ground)
    yield connection
    connection.socket.close()


def test_a_connection_is_kept_for_the_next_request(wire):
    for _ in range(3):
        wire.head(headers=wire.signed(JSON), length=2)
        wire.send(b"{}")
        assert wire.answer()[0] == 200


def test_a_chunked_body_is_read(wire):
    wire.head(headers={**wire.signed(JSON), "transfer-encoding": "chunked"})
    wire.send(b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
    assert wire.answer()[0] == 200


def test_expect_100_continue_is_answered_before_the_body(wire):
    wire.head(headers={**wire.signed(JSON), "expect": "100-continue"}, length=2)
    assert wire.answer()[0] == 100
    wire.send(b"{}")
    assert wire.answer()[0] == 200


def test_headers_past_the_limit_are_refused(wire, ground):
    wire.send(b"POST / HTTP/1.1\r\nhost: x\r\n")
    status = None
    try:
        for _ in range(200):
            wire.send(b"x-filler: " + b"a" * 60_000 + b"\r\n")
    except OSError:
        pass
    try:
        status = wire.answer()[0]
    except OSError:
        status = 0
    assert status in (0, 431)
    assert ground.admin("GET", "/_ground/health")["status"] == "ok"


def test_a_body_cut_short_leaves_nothing_and_the_server_goes_on(wire, ground, caplog):
    wire.head(headers=wire.signed(JSON), length=100)
    wire.send(b"{}")
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.answer()[0] == 0  # the server has noticed
    assert ground.admin("GET", "/_ground/health")["status"] == "ok"
    assert not [record for record in caplog.records if record.name.startswith("groundcloud")]  # no fault of ours


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ],
)
def test_what_is_not_http_is_refused(wire, ground, junk):
    wire.send(junk)
    assert wire.answer()[0] in (0, 400)
    assert ground.admin("GET", "/_ground/health")["status"] == "ok"


def test_a_head_answer_has_no_body(wire):
    wire.head(method="HEAD", path="/bucket/key", headers={"host": wire.host})
    status, _, body = wire.answer()
    assert status >= 400 and body == b""


def test_paths_that_climb_out_find_nothing(wire):
    wire.head(method="GET", path="/_ground/../../etc/passwd", headers={"host": wire.host})
    assert wire.answer()[0] in (400, 404)


def test_health_answers_in_both_spellings(wire):
    for path in ("/_ground/health", "/_localstack/health"):
        wire.head(method="GET", path=path, headers={"host": wire.host})
        status, _, body = wire.answer()
        assert status == 200 and json.loads(body)["services"]["sqs"] == "available"


def test_web_pages_of_other_origins_may_not_use_the_servers_own_api(wire):
    for headers in ({"host": wire.host, "origin": "https://evil.example"}, {"host": "rebound.example"}):
        wire.head(path="/_ground/clock", headers=headers, length=2)
        wire.send(b"{}")
        assert wire.answer()[0] == 400


@pytest.mark.parametrize(
    ("header", "kind", "label", "region"),
    [
        ("localhost:4566", "", "", ""),
        ("127.0.0.1:4566", "", "", ""),
        ("[::1]:4566", "", "", ""),
        ("abc123.execute-api.eu-west-1.localhost:4566", "execute-api", "abc123", "eu-west-1"),
        ("abc123.execute-api.localhost.localstack.cloud:4566", "execute-api", "abc123", ""),
        ("my.bucket.s3.localhost:4566", "s3", "my.bucket", ""),
        ("b.s3.eu-west-1.amazonaws.com", "s3", "b", "eu-west-1"),
        ("b.s3-website.us-east-1.localhost:4566", "s3-website", "b", "us-east-1"),
        ("abc.lambda-url.us-east-1.on.aws", "lambda-url", "abc", "us-east-1"),
        ("sqs.us-east-1.localhost:4566", "localhost", "sqs.us-east-1", ""),
        ("my-bucket.localhost:4566", "localhost", "my-bucket", ""),
    ],
)
def test_a_host_names_a_bucket_an_api_or_nothing(header, kind, label, region):
    assert hosts.parse(header) == hosts.Host(kind, label, region)


def test_a_bucket_may_stand_before_localhost_where_the_request_is_signed_for_s3(wire, client):
    s3 = client("s3")
    s3.create_bucket(Bucket="before-localhost")
    s3.put_object(Bucket="before-localhost", Key="k", Body=b"content")
    host = wire.host.replace("localhost", "before-localhost.localhost")
    credentials = signing.Credentials(s3._request_signer._credentials.access_key, "test")
    headers = signing.sign(credentials, "us-east-1", "s3", "GET", "/k", "", {"host": host}, b"", time.time())
    wire.head(method="GET", path="/k", headers=headers)
    assert wire.answer()[2] == b"content"


def test_head_and_body_of_an_answer_leave_in_one_piece(wire):
    """A server that is killed between the two would leave an answer without its body, and botocore takes that for one without members."""
    for _ in range(3):
        wire.head(headers={"host": wire.host, **JSON}, length=2)
        wire.send(b"{}")
        piece = wire.socket.recv(65536)
        head, _, body = piece.partition(b"\r\n\r\n")
        assert len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) > 0


@pytest.mark.parametrize("name", ["x-a\r\nset-cookie: forged=1", "x a", "x:a", "", "x-ü", "x\0"])
def test_what_is_no_name_of_a_header_does_not_go_out(name):
    """Functions name headers of their answers."""

    async def sent():
        messages = []

        async def send(message):
            messages.append(message)

        await _send(send, HttpResponse(200, [(name, "1"), ("x-Fine_1", "a\r\nb")], b"body"), "GET")
        return messages[0]["headers"]

    assert asyncio.run(sent()) == [(b"x-Fine_1", b"a  b"), (b"content-length", b"4")]
