"""Sandboxes with a network of their own: the platform's endpoint is reached, and nothing else."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.runtime.conftest import open_house
from tests.runtime.test_provided import SHELL, bootstrap

from groundcloud.runtime import RuntimeNotAvailable
from groundcloud.runtime.interpreters import node_installations


@pytest.fixture(autouse=True)
def _namespaces(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))


@pytest.fixture
def platform() -> Iterator[str]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"platform")

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


CLIMBER = """
import os, socket, urllib.request
def attempt(address):
    try:
        socket.create_connection(address, timeout=1).close()
        return "reached"
    except OSError as error:
        return type(error).__name__
def handler(event, context):
    answer = urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"], timeout=5).read().decode()
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
    return [answer, [attempt(tuple(a)) for a in event], attempt((host, int(port))), devices]
"""


def test_only_the_platform_is_reached(house: Any, platform: str) -> None:
    spec = house.function(CLIMBER, network="isolated", endpoint_url=platform)
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        answer, others, own_api, devices = house.answer(spec, [["127.0.0.1", port], ["10.0.0.1", 80], ["1.1.1.1", 53]])
    assert answer == "platform"
    assert others == ["ConnectionRefusedError", "OSError", "OSError"]
    assert own_api == "reached"
    assert devices == ["lo"]
    assert house.answer(spec, [])[0] == "platform"


def test_the_runtime_api_is_the_sandboxs_own(house: Any) -> None:
    spec = bootstrap(house, SHELL, network="isolated")
    assert house.answer(spec, 1)["got"] == 1
    intruder = house.function(CLIMBER.replace('urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"], timeout=5).read().decode()', "''"))
    assert house.answer(intruder, [["127.0.0.1", 9001]])[1] == ["ConnectionRefusedError"]


@pytest.mark.skipif(not node_installations(), reason="needs Node.js")
def test_node_functions_are_isolated_too(house: Any, platform: str) -> None:
    source = "exports.handler = async () => (await fetch(process.env.AWS_ENDPOINT_URL)).text()"
    spec = house.function("", files={"app.js": source}, runtime="nodejs20.x", network="isolated", endpoint_url=platform)
    assert house.answer(spec) == "platform"


def test_without_namespaces_it_is_refused(tmp_path: Any) -> None:
    for plain in open_house(tmp_path, plain=True):
        with pytest.raises(RuntimeNotAvailable, match="needs namespaces"):
            plain.invoke(plain.function("def handler(e, c): return json", network="isolated"), json.dumps(1))
