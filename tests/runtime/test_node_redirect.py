"""What a Node.js function sends to AWS's host names with its own keys reaches the platform."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.runtime.test_node_functions import node

from groundcloud.runtime.interpreters import node_installations

pytestmark = pytest.mark.skipif(not node_installations(), reason="needs Node.js")

KEY = "ASIAEXAMPLE"
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
QUERY = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"

SOURCE = """
const http = require("http");
const https = require("https");
const agent = new https.Agent({ keepAlive: true });
// A request that is not redirected asks for the address of its host, and is told here that there is none.
const lookup = (name, options, done) => done(new Error(`out to ${name}`));

function send(make) {
  return new Promise((resolve) => {
    const request = make((response) => {
      let text = "";
      response.on("data", (piece) => (text += piece));
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", (error) => resolve(error.message));
  });
}

const ways = {
  options: (o, done) => { const r = https.request({ ...o, agent, lookup }, done); r.end("body"); return r; },
  address: (o, done) => https.get(`https://${o.host}${o.path}`, { headers: o.headers, lookup }, done),
  plain: (o, done) => { const r = http.request(new URL(`http://${o.host}${o.path}`), { headers: o.headers, method: o.method, lookup }); r.on("response", done); r.end(); return r; },
  hostname: (o, done) => https.get({ hostname: o.host, path: o.path, headers: Object.entries(o.headers).flat(), lookup }, done),
};

exports.handler = ({ way, ...options }) => send((done) => ways[way](options, done));
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[str]:
    """Answers with what it was asked."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if self.headers.get("Transfer-Encoding") == "chunked":
                size = int(self.rfile.readline(), 16)
                body = self.rfile.read(size).decode()
            text = json.dumps([self.command, self.headers["Host"], self.path, body]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ask(house: Any, platform: str) -> Any:
    spec = node(house, SOURCE, endpoint_url=platform, environment={"AWS_ACCESS_KEY_ID": KEY})
    return lambda event: house.answer(spec, event)


@pytest.mark.parametrize("way", ["options", "address", "plain", "hostname"])
def test_a_request_signed_with_the_functions_keys_reaches_the_platform(ask: Any, way: str) -> None:
    method = "POST" if way in ("options", "plain") else "GET"
    event = {"way": way, "host": "sqs.us-east-1.amazonaws.com", "path": "/a?b=c", "method": method, "headers": {"authorization": SIGNED}}
    assert ask(event) == [method, "sqs.us-east-1.amazonaws.com", "/a?b=c", "body" if way == "options" else ""]


def test_an_address_that_is_signed_in_its_query_reaches_the_platform(ask: Any) -> None:
    host = "bucket.s3.eu-west-1.amazonaws.com"
    for query in (QUERY, f"AWSAccessKeyId={KEY}&Expires=1&Signature=x"):
        assert ask({"way": "address", "host": host, "path": f"/k?{query}", "headers": {}}) == ["GET", host, f"/k?{query}", ""]


def test_the_host_that_was_signed_stays(ask: Any) -> None:
    headers = {"Host": "other.example", "Authorization": f"AWS {KEY}:signature"}
    event = {"way": "options", "host": "s3.amazonaws.com", "path": "/", "method": "POST", "headers": headers}
    assert ask(event) == ["POST", "other.example", "/", "body"]


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("sqs.us-east-1.amazonaws.com", {}),
        ("sqs.us-east-1.amazonaws.com", {"Authorization": SIGNED.replace(KEY, "AKIAOFSOMEBODY")}),
        ("amazonaws.com.example", {"Authorization": SIGNED}),
        ("notamazonaws.com", {"Authorization": SIGNED}),
    ],
)
def test_what_is_not_the_platforms_goes_where_it_was_sent(ask: Any, host: str, headers: dict[str, str]) -> None:
    for way in ("options", "address"):
        assert ask({"way": way, "host": host, "path": "/", "headers": headers}) == f"out to {host}"


ANSWER = "/?Action=RecordHandlerProgress&BearerToken=x"


@pytest.mark.parametrize("way", ["options", "address", "hostname"])
def test_the_answer_of_a_custom_resource_reaches_the_platform_whatever_its_code_takes_for_granted(ask: Any, way: str) -> None:
    event = {"way": way, "host": "127.0.0.1", "port": 443, "path": ANSWER, "method": "POST", "headers": {"content-type": ""}}
    assert ask(event) == ["POST" if way == "options" else "GET", "127.0.0.1", ANSWER, "body" if way == "options" else ""]
    assert "ECONNREFUSED" in ask({**event, "path": "/?Action=Other"})


def test_without_the_platforms_address_nothing_is_redirected(house: Any) -> None:
    spec = node(house, SOURCE, environment={"AWS_ACCESS_KEY_ID": KEY})
    event = {"way": "options", "host": "sqs.us-east-1.amazonaws.com", "path": "/", "headers": {"Authorization": SIGNED}}
    assert house.answer(spec, event) == "out to sqs.us-east-1.amazonaws.com"


def test_modules_of_the_protocol_are_loaded_only_when_they_are_wanted(house: Any, platform: str) -> None:
    source = "exports.handler = async () => process.moduleLoadList.includes('NativeModule https')"
    assert house.answer(node(house, source, endpoint_url=platform)) is False
