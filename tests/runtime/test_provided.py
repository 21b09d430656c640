"""Runtimes of the function's own: programs that speak the Runtime API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import invocation

REQUEST = "11111111-2222-3333-4444-555555555555"

# No curl: the shell's own connections.
SHELL = r"""#!/bin/bash
echo "starting $_HANDLER"
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:}
while true; do
  exec 3<>/dev/tcp/$host/$port || exit 9
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n' >&3
  length=0
  while IFS=$'\r' read -r line _ <&3 && [ -n "$line" ]; do
    case "${line,,}" in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  read -r -N "$length" event <&3
  exec 3>&-
  echo "event $event"
  body="{\"got\": $event, \"env\": \"$AWS_LAMBDA_FUNCTION_NAME$AWS_EXECUTION_ENV\", \"cwd\": \"$PWD\"}"
  exec 3<>/dev/tcp/$host/$port
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "$id" "${#body}" "$body" >&3
  cat <&3 >/dev/null
  exec 3>&-
done
"""

C = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int dial(void) {
    char host[64], *colon;
    struct sockaddr_in address = {.sin_family = AF_INET};
    strncpy(host, getenv("AWS_LAMBDA_RUNTIME_API"), 63);
    colon = strchr(host, ':');
    *colon = 0;
    address.sin_port = htons(atoi(colon + 1));
    inet_pton(AF_INET, host, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) exit(9);
    return fd;
}

int main(void) {
    int fd = dial(), count = 0;
    char in[65536], out[65536], id[64];
    for (;;) {
        const char *next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n";
        write(fd, next, strlen(next));
        int n = 0, head = -1, length = 0;
        while (head < 0 || n < head + length) {
            n += read(fd, in + n, sizeof in - 1 - n);
            in[n] = 0;
            char *end = strstr(in, "\r\n\r\n");
            if (head < 0 && end) {
                head = end + 4 - in;
                length = atoi(strstr(in, "Content-Length: ") + 16);
                sscanf(strstr(in, "Lambda-Runtime-Aws-Request-Id: ") + 31, "%63[^\r]", id);
            }
        }
        printf("call %d\n", ++count);
        fflush(stdout);
        if (strstr(in + head, "fail"))
            sprintf(out, "POST /2018-06-01/runtime/invocation/%s/error HTTP/1.1\r\nHost: a\r\nLambda-Runtime-Function-Error-Type: Mine.Bad\r\n"
                "Content-Length: 25\r\n\r\n{\"errorType\": \"Mine.Bad\"}", id);
        else
            sprintf(out, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", id, length, in + head);
        write(fd, out, strlen(out));
        n = read(fd, in, sizeof in);
    }
}
"""

PYTHON = """#!/usr/bin/env python3
import http.client, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
BASE = "/2018-06-01/runtime/"
def call(method, path, body=None, **headers):
    api.request(method, BASE + path, body, headers)
    answer = api.getresponse()
    return answer, answer.read()
"""


def bootstrap(house: Any, text: str | bytes, **options: Any) -> Any:
    options.setdefault("runtime", "provided.al2023")
    spec = house.function("", handler="function.handler", **options)
    path = spec.code_path / "bootstrap"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o755)
    return spec


def python(house: Any, body: str, **options: Any) -> Any:
    return bootstrap(house, PYTHON + textwrap.dedent(body), **options)


def test_sh_is_bash_as_on_amazon_linux(house: Any) -> None:
    spec = bootstrap(house, SHELL.replace("#!/bin/bash", "#!/bin/sh\nset -eo pipefail\nsource /dev/null"))
    assert json.loads(house.invoke(spec, {"a": 1}).payload)["got"] == {"a": 1}


def test_a_shell_script_is_a_runtime(house: Any) -> None:
    spec = bootstrap(house, SHELL, runtime="provided.al2")
    start = len(house.lines)
    for event in ({"a": 1}, [2]):
        answer = house.answer(spec, event)
        assert answer == {"got": event, "env": spec.function_name, "cwd": "/var/task"}
    assert house.lines[start:] == [("starting function.handler", None), ('event {"a": 1}', REQUEST), ("event [2]", REQUEST)]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_program_written_in_c_is_a_runtime_and_is_kept_warm(house: Any, tmp_path: Path) -> None:
    (tmp_path / "b.c").write_text(C)
    subprocess.run(["cc", "-O1", "-w", "-static", "-o", tmp_path / "b", tmp_path / "b.c"], check=True)
    spec = bootstrap(house, (tmp_path / "b").read_bytes(), memory_mb=128)
    start = len(house.lines)
    assert house.answer(spec, {"a": [1, 2]}) == {"a": [1, 2]}
    result = house.invoke(spec, "fail")
    assert (result.kind, result.error_type, json.loads(result.payload)) == ("error", "Mine.Bad", {"errorType": "Mine.Bad"})
    result = house.invoke(spec, 3)
    assert (result.payload, result.log, result.init_ms) == (b"3", b"call 3\n", None)
    assert [line for line, _ in house.lines[start:]] == ["call 1", "call 2", "call 3"]


ENTRY_POINTS = {
    "none": (None, 0, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    "not executable": ("#!/bin/sh\n", 0o644, "fork/exec /var/task/bootstrap: permission denied"),
    "not a program": ("\x7fELF nonsense", 0o755, "fork/exec /var/task/bootstrap: exec format error"),
    "an interpreter that is not there": ("#!/no/such\n", 0o755, "fork/exec /var/task/bootstrap: no such file or directory"),
}


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_point_that_cannot_be_started_is_named(house: Any, name: str) -> None:
    text, mode, message = ENTRY_POINTS[name]
    spec = bootstrap(house, text or "")
    path = spec.code_path / "bootstrap"
    if text is None:
        path.unlink()
    else:
        path.chmod(mode)
    result = house.invoke(spec)
    assert result.kind == "init_error"
    assert json.loads(result.payload) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {REQUEST} Error: {message}",
    }
    assert result.platform_line == f"RequestId: {REQUEST} Error: {message}\nRuntime.InvalidEntrypoint"


def test_a_bootstrap_in_a_layer_is_found(house: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)
    (tmp_path / "bootstrap").write_text(SHELL)
    (tmp_path / "bootstrap").chmod(0o755)
    spec = house.function("", handler="h", runtime="provided.al2023", layers=(tmp_path,))
    assert house.answer(spec, 1)["got"] == 1


def test_a_runtime_that_fails_its_initialisation_says_why(house: Any) -> None:
    spec = python(house, """call("POST", "init/error", b'{"errorType": "No.Luck", "errorMessage": "none today"}')\ntime.sleep(60)""")
    result = house.invoke(spec)
    assert (result.kind, result.error_type) == ("init_error", "No.Luck")
    assert json.loads(result.payload)["errorMessage"] == "none today"


def test_a_runtime_that_exits_gives_the_platforms_error(house: Any) -> None:
    spec = python(house, """call("GET", "invocation/next")\nos._exit(3)""")
    result = house.invoke(spec)
    assert json.loads(result.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {REQUEST} Error: Runtime exited with error: exit status 3",
    }
    before = bootstrap(house, "#!/bin/sh\nexit 4\n")
    assert json.loads(house.invoke(before).payload)["errorMessage"].endswith("exit status 4")
    assert house.still_serves()


def test_the_time_limit_holds_for_programs_too(house: Any) -> None:
    spec = python(house, """call("GET", "invocation/next")\ntime.sleep(60)""", timeout_s=0.3)
    assert house.invoke(spec).kind == "timeout"


def test_the_event_arrives_with_everything_that_belongs_to_it(house: Any) -> None:
    spec = python(
        house,
        """
        import json
        while True:
            answer, body = call("GET", "invocation/next")
            id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            call("POST", f"invocation/{id}/response", json.dumps(dict(answer.headers)))
        """,
    )
    result = house.invoke(spec, 1, function_arn="arn:f", trace_id="Root=1-a", client_context={"custom": {"a": 1}})
    headers = json.loads(result.payload)
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1-a"
    assert json.loads(headers["Lambda-Runtime-Client-Context"]) == {"custom": {"a": 1}}
    assert int(headers["Lambda-Runtime-Deadline-Ms"]) > 0


STREAM = """
while True:
    answer, body = call("GET", "invocation/next")
    id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    api.putrequest("POST", BASE + f"invocation/{id}/response")
    api.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
    api.putheader("Content-Type", "text/x-mine")
    api.putheader("Transfer-Encoding", "chunked")
    api.putheader("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")
    api.endheaders()
    for piece in (b"one,", b"two,", b"three"):
        api.send(b"%x\\r\\n%s\\r\\n" % (len(piece), piece))
        time.sleep(0.02)
    if body == b'"fail"':
        api.send(b"0\\r\\nLambda-Runtime-Function-Error-Type: Late\\r\\nLambda-Runtime-Function-Error-Body: eyJlcnJvclR5cGUiOiJMYXRlIn0=\\r\\n\\r\\n")
    else:
        api.send(b"0\\r\\n\\r\\n")
    answer = api.getresponse()
    answer.read()
"""


def test_a_streamed_response_arrives_in_pieces_or_whole(house: Any) -> None:
    spec = python(house, STREAM)

    async def read(event: str) -> tuple[list[bytes], Any, str]:
        async with house.pool.using(spec, house.prepare) as sandbox:
            stream = sandbox.stream(invocation(event))
            pieces = [piece async for piece in stream]
            return pieces, await stream.result(), stream.content_type

    pieces, result, content_type = house.run(read(""))
    assert (pieces, result.kind, result.payload, content_type) == ([b"one,", b"two,", b"three"], "ok", b"", "text/x-mine")
    pieces, result, _ = house.run(read("fail"))
    assert (pieces, result.kind, result.error_type, result.payload) == (
        [b"one,", b"two,", b"three"],
        "error",
        "Late",
        b'{"errorType":"Late"}',
    )
    assert house.invoke(spec, "").payload == b"one,two,three"


def test_the_runtime_api_answers_its_own_sandbox_alone(house: Any) -> None:
    """Another sandbox knows the address, and so does the host; neither gets an answer."""
    owner = bootstrap(house, SHELL)
    intruder = house.function(
        """
        import http.client
        def handler(event, context):
            api = http.client.HTTPConnection(event, timeout=2)
            try:
                api.request("GET", "/2018-06-01/runtime/invocation/next")
                return api.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                return "refused"
        """
    )

    async def attempt() -> tuple[Any, bytes, bytes]:
        async with house.pool.using(owner, house.prepare) as sandbox:
            assert await sandbox.ready()
            address = sandbox.api.address
            async with house.pool.using(intruder, house.prepare) as other:
                stolen = json.loads((await other.invoke(invocation(address))).payload)
            from_host = await _next_from_host(address)
            return stolen, from_host, (await sandbox.invoke(invocation("mine"))).payload

    stolen, from_host, mine = house.run(attempt())
    assert stolen == "refused"
    assert from_host == b""
    assert json.loads(mine)["got"] == "mine"


def test_without_a_user_of_its_own_a_sandboxs_sockets_are_known_by_its_processes(house: Any) -> None:
    owner = bootstrap(house, SHELL)

    async def attempt() -> tuple[bytes, bytes]:
        async with house.pool.using(owner, house.prepare) as sandbox:
            sandbox.uid = None
            assert await sandbox.ready()
            return await _next_from_host(sandbox.api.address), (await sandbox.invoke(invocation(1))).payload

    from_host, mine = house.run(attempt())
    assert from_host == b""
    assert json.loads(mine)["got"] == 1


async def _next_from_host(address: str) -> bytes:
    import asyncio

    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        return await asyncio.wait_for(reader.read(100), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.slow
def test_awss_own_interface_client_for_python_runs_unmodified(house: Any) -> None:
    spec = bootstrap(
        house,
        "#!/bin/sh\nexport PYTHONPATH=/var/task\nexec /var/lang/bin/python3 -m awslambdaric app.handler\n",
        files={"app.py": "import sys\nprint('loaded')\ndef handler(e, c):\n return [e, c.function_name, c.aws_request_id] if e else 1 / 0"},
    )
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", spec.code_path, "awslambdaric"], capture_output=True, env=os.environ
    )
    if done.returncode:
        pytest.skip("awslambdaric cannot be installed here")
    (spec.code_path / "app.py").chmod(0o644)
    assert house.answer(spec, "x") == ["x", spec.function_name, REQUEST]
    result = house.invoke(spec)
    assert (result.kind, result.error_type) == ("error", "ZeroDivisionError")
