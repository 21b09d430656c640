"""Whatever a client sends to an API, the answer is one of the gateway's, and the gateway goes on."""

import json
import random
import socket
from urllib.parse import urlsplit

import pytest
from tests.services.apigateway.integrations import forward, lambda_proxy, mock

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
PATHS = (
    "/prod/..",
    "/prod/../../etc/passwd",
    "/prod/%2e%2e/%2e%2e",
    "/prod/%00",
    "/prod/%",
    "/prod/%zz",
    "/prod/%ff%fe",
    "/prod//////",
    "/prod/;a=b",
    "/prod/a?%",
    "/prod/a?&&&==&=",
    "/prod/a?a=%ff",
    "/prod/" + "a/" * 2000,
    "/prod/" + "%41" * 5000,
    "/%70rod/a",
    "/prod%2fa",
    "*",
)


def exchange(ground, raw: bytes, *, break_off: bool = False) -> bytes:
    """What comes back on a socket for these bytes, until the server closes it."""
    with socket.create_connection(("127.0.0.1", urlsplit(ground.endpoint).port), timeout=10) as connection:
        connection.sendall(raw)
        if break_off:
            connection.shutdown(socket.SHUT_WR)
        pieces = []
        while chunk := connection.recv(65536):
            pieces.append(chunk)
    return b"".join(pieces)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:24])
def test_paths_of_every_kind(rest_api, client, ground, echo, path):
    proxy = forward(f"{echo}/{{proxy}}", requestParameters={"integration.request.path.proxy": "method.request.path.proxy"})
    rest_id = rest_api({"ANY /": mock(), "ANY /{proxy+}": proxy})
    http_id = client("apigatewayv2").create_api(Name="a", ProtocolType="HTTP", Target=f"{echo}/x/{{proxy}}")["ApiId"]
    for api_id in (rest_id, http_id):
        head = f"GET {path} HTTP/1.1\r\nHost: {api_id}.execute-api.us-east-1.localhost\r\nConnection: close\r\n\r\n"
        answer = exchange(ground, head.encode())
        status = int(answer[9:12])
        assert status in (200, 400, 403, 404), answer[:200]


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_in_headers_queries_and_bodies(rest_api, function, ground, seed):
    source = random.Random(seed)
    api_id = rest_api({"ANY /{proxy+}": lambda_proxy(function(ECHO))})
    for _ in range(20):
        value = bytes(source.choice([*range(0x21, 0x7F), *range(0x80, 0x100)]) for _ in range(source.randrange(1, 40)))
        query = "".join(source.choice("abc&=%+;?/#0f\\") for _ in range(source.randrange(30))).replace("#", "")
        body = source.randbytes(source.randrange(200))
        head = f"POST /prod/x?{query} HTTP/1.1\r\nHost: {api_id}.execute-api.us-east-1.localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        answer = exchange(ground, head.encode() + b"x-any: " + value + b"\r\n\r\n" + body)
        assert int(answer[9:12]) in (200, 400), (query, value, answer[:300])


def test_a_body_that_breaks_off_harms_nobody(rest_api, send, ground, echo):
    api_id = rest_api({"POST /": forward(echo)})
    host = f"{api_id}.execute-api.us-east-1.localhost"
    exchange(ground, f"POST /prod HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nshort".encode(), break_off=True)
    assert send(api_id, "POST", "/prod", body=b"whole").document["body"] == "whole"


def test_an_endpoint_cannot_be_smuggled_a_second_request(rest_api, send, echo):
    parameters = {"integration.request.header.x-in": "method.request.querystring.value"}
    api_id = rest_api({"GET /": forward(echo, requestParameters=parameters)})
    seen = send(api_id, "GET", "/prod?value=a%0d%0aGET%20/second%20HTTP/1.1%0d%0ahost:%20x").document
    assert seen["headers"]["x-in"] == "a  GET /second HTTP/1.1  host: x"


def test_a_fault_of_ours_is_a_500_that_is_counted(rest_api, send, client, ground, monkeypatch):
    from groundcloud.services.apigateway.gateway import events

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(events, "rest_event", broken)
    monkeypatch.setattr(events, "http_event_2", broken)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    rest_id = rest_api({"GET /": lambda_proxy(arn)})
    reply = send(rest_id, "GET", "/prod")
    assert (reply.status, reply.document) == (500, {"message": "Internal server error"}) and "x-amzn-requestid" in reply.headers
    http_id = client("apigatewayv2").create_api(Name="a", ProtocolType="HTTP", Target=arn)["ApiId"]
    reply = send(http_id, "GET", "/")
    assert (reply.status, reply.document) == (500, {"message": "Internal Server Error"}) and "apigw-requestid" in reply.headers
    records = [each for each in ground.ground.telemetry.recent if each.dimensions.get("ApiId") == http_id]
    assert [each.status for each in records] == [500]


def test_deep_json_in_a_functions_answer_is_malformed(rest_api, send, function):
    code = "def handler(event, context):\n    deep = 'x'\n    for _ in range(300):\n        deep = [deep]\n    return deep\n"
    assert send(rest_api({"GET /": lambda_proxy(function(code))}), "GET", "/prod").status == 502


def test_patterns_of_a_model_cannot_stop_the_server(client):
    from groundcloud.services.apigateway.gateway.validation import problem_of

    nested: dict = {"type": "array"}
    for _ in range(200):
        nested = {"type": "array", "items": nested}
    value: list = []
    for _ in range(100):
        value = [value]
    assert problem_of(value, nested, nested, 0) == ""
    recursive = {"anyOf": [{"$ref": "#"}]}
    assert problem_of(1, recursive, recursive, 0) == ""
    assert json.dumps(value)
