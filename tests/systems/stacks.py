"""Applications on a server, deployed by the command that people use and called over the real socket."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EXAMPLES = Path(__file__).parents[2] / "examples"


def environment(server: Any, account: str = "test", region: str = "us-east-1") -> dict[str, str]:
    """What a command needs to find the server; nothing of this shell's own AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GROUND_"))}
    keys = {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return {**kept, **keys, "AWS_ENDPOINT_URL": server.endpoint, "GROUND_ENDPOINT": server.endpoint}


class Stack:
    """A stack as its user sees it: outputs, functions by logical id, HTTP."""

    def __init__(self, server: Any, name: str, account: str = "test", region: str = "us-east-1") -> None:
        self.server, self.name, self.account, self.region = server, name, account, region
        self.outputs: dict[str, str] = {}

    def deploy(self, template: Path, *arguments: str, **parameters: str) -> dict[str, Any]:
        """`ground deploy`; what it prints with --json."""
        given = [word for name, value in parameters.items() for word in ("--parameter", f"{name}={value}")]
        command = [sys.executable, "-m", "groundcloud", "deploy", str(template), "--stack", self.name, "--json", *given, *arguments]
        done = subprocess.run(command, env=environment(self.server, self.account, self.region), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        self.outputs = outcome["outputs"]
        return outcome

    def client(self, service: str, **options: Any) -> Any:
        return self.server.client(service, self.account, region=self.region, **options)

    def physical_id(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def invoke(self, logical_id: str, event: Any = None, **options: Any) -> Any:
        """The result of a function; raises RuntimeError with its own error."""
        payload = json.dumps(event if event is not None else {}).encode()
        answer = self.client("lambda").invoke(FunctionName=self.physical_id(logical_id), Payload=payload, **options)
        result = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise RuntimeError(result)
        return result

    def http(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, output: str = "Url"
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of a request to the API of an output. Names below localhost need not resolve here."""
        return request(self.server, self.outputs[output].rstrip("/") + path, method, body, headers)


def request(
    server: Any, url: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    parts, port = urlsplit(url), urlsplit(server.endpoint).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path or "/", data, {"host": f"{parts.hostname}:{port}", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
