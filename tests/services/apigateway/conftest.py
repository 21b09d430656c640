"""Clients of both control planes, plain HTTP for the data plane, an endpoint to forward to, and real functions."""

from __future__ import annotations

import http.client
import http.server
import io
import itertools
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
REGION = "us-east-1"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    pairs: list[tuple[str, str]]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def send(ground) -> Callable[..., Reply]:
    """`send(api_id, "GET", "/path", headers, body)`: one request over a socket of its own, the API named by the Host header."""
    port = urlsplit(ground.endpoint).port

    def request(api_id: str, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None, host: str = "") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        host = host or f"{api_id}.execute-api.{REGION}.localhost:{port}"
        connection.request(method, path, body=body, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        pairs = [(name.lower(), value) for name, value in answer.getheaders()]
        reply = Reply(answer.status, dict(pairs), pairs, answer.read())
        connection.close()
        return reply

    return request


class _Echo(http.server.BaseHTTPRequestHandler):
    """Says in JSON what it was asked; `/status/418` answers with that status, `/slow` after a while, `/binary` with bytes, `/broken` not in HTTP."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if path == "/broken":
            self.wfile.write(b"what?\r\n\r\n")
            self.close_connection = True
            return
        if path == "/slow":
            threading.Event().wait(0.3)
        if path == "/chunked":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            return
        if path == "/until-closed":
            self.send_response(200)
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(b"to the end")
            self.close_connection = True
            return
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("latin-1"),
        }
        content = b"\x00\xff\x01" if path == "/binary" else json.dumps(seen).encode()
        self.send_response(int(path.removeprefix("/status/")) if path.startswith("/status/") else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-backend", "echo")
        self.end_headers()
        if self.command != "HEAD" and path != "/status/204":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def log_message(self, *_: Any) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A gateway that no longer waits has closed the connection."""


@pytest.fixture(scope="session")
def echo() -> Iterator[str]:
    """The URL of a server that says what it was asked."""
    server = _Server(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def function(client, account) -> Callable[..., str]:
    """`function("def handler(event, context): ...")` -> the ARN of a function that API Gateway may call."""
    role = client("iam").create_role(RoleName="functions", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    client("iam").put_role_policy(
        RoleName="functions",
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}),
    )

    def make(code: str, *, permitted: bool = True) -> str:
        name = f"function-{next(_NUMBERS)}"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code)
        functions = client("lambda")
        arn = functions.create_function(
            FunctionName=name, Runtime="python3.12", Handler="index.handler", Role=role, Code={"ZipFile": packed.getvalue()}
        )["FunctionArn"]
        if permitted:
            functions.add_permission(
                FunctionName=name,
                StatementId="gateway",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=f"arn:aws:execute-api:{REGION}:{account}:*",
            )
        return str(arn)

    return make


@pytest.fixture
def rest_api(client) -> Callable[..., str]:
    """`rest_api({"GET /pets/{id}": integration, ...})` -> the id of a deployed REST API with a stage `prod`.

    An integration is PutIntegration's parameters; `method` in it are PutMethod's.
    """

    def make(methods: dict[str, dict[str, Any]], *, deploy: bool = True, **settings: Any) -> str:
        gateway = client("apigateway")
        api = gateway.create_rest_api(name=f"api-{next(_NUMBERS)}", **settings)
        known = {"/": api["rootResourceId"]}
        for key, integration in methods.items():
            http_method, _, path = key.partition(" ")
            so_far = ""
            parent = known["/"]
            for part in path.strip("/").split("/") if path != "/" else []:
                so_far += f"/{part}"
                if so_far not in known:
                    known[so_far] = gateway.create_resource(restApiId=api["id"], parentId=parent, pathPart=part)["id"]
                parent = known[so_far]
            given = dict(integration)
            method = {"authorizationType": "NONE"} | given.pop("method", {})
            responses = given.pop("responses", {})
            place = {"restApiId": api["id"], "resourceId": known[path], "httpMethod": http_method}
            gateway.put_method(**place, **method)
            gateway.put_integration(**place, **given)
            for code, response in responses.items():
                gateway.put_method_response(**place, statusCode=code)
                gateway.put_integration_response(**place, statusCode=code, **response)
        if deploy:
            gateway.create_deployment(restApiId=api["id"], stageName="prod")
        return str(api["id"])

    return make
