"""Two functions of one server, of which one is after the other: as root and without, on the machine's network and on networks of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.test_provided import SHELL

SERVER = """
import asyncio, json, os, sys
from pathlib import Path
from groundcloud.runtime import *
async def main():
    directory, network = Path(sys.argv[1]), sys.argv[2]
    (directory / "data" / "secret").write_text("of the server")
    os.chmod(directory / "data" / "secret", 0o600)
    pool = Pool()
    common = {"timeout_s": 20, "network": network, "endpoint_url": "http://127.0.0.1:9"}
    victim = await pool.acquire(FunctionSpec(key="victim", code_path=directory / "victim", runtime="provided.al2023", handler="x",
        environment={"SECRET": "of the victim"}, **common), lambda name: SandboxStart(environment={"AWS_SECRET_ACCESS_KEY": "of the victim"}))
    assert (await victim.invoke(Invocation(request_id="1", payload=b"1"))).kind == "ok"
    target = {"api": victim.api.address, "pids": [victim.pid, victim.pid + 1, os.getpid(), os.getppid()],
        "files": [str(directory / "data" / "secret"), str(directory / "victim" / "bootstrap"), "/proc/1/root" + str(directory / "data" / "secret")]}
    climber = await pool.acquire(FunctionSpec(key="climber", code_path=directory / "climber", runtime="python3.11", handler="app.handler", **common))
    climbed = await climber.invoke(Invocation(request_id="2", payload=json.dumps(target).encode()))
    assert climbed.kind == "ok", climbed
    # The victim has noticed nothing, and nobody has taken its next event.
    assert (await victim.invoke(Invocation(request_id="3", payload=b'"still"'))).payload.startswith(b'{"got": "still"')
    print(climbed.payload.decode())
    await pool.close()
asyncio.run(main())
"""

CLIMBER = """
import ctypes, glob, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action):
    try:
        return repr(action())
    except OSError as error:
        return type(error).__name__
def ask(address):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=3) as connection:
        connection.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        return connection.recv(100)
def handler(event, context):
    found = {"api": attempt(lambda: ask(event["api"]))}
    found["files"] = [attempt(lambda: open(path).read()) for path in event["files"]]
    for pid in event["pids"]:
        if pid > 3:  # the first ones are its own here
            found[f"signal {pid}"] = attempt(lambda: os.kill(pid, 0))
            found[f"environment {pid}"] = attempt(lambda: open(f"/proc/{pid}/environ").read())
            found[f"memory {pid}"] = attempt(lambda: open(f"/proc/{pid}/mem", "rb"))
    own = [open(path, errors="replace").read() for path in glob.glob("/proc/[0-9]*/environ")]
    found["credentials"] = any("of the victim" in text for text in own)
    found["settings"] = [attempt(lambda: open(f"/proc/sys/{name}", "w").write("1"))
        for name in ("kernel/core_pattern", "kernel/shmall", "fs/mqueue/queues_max", "net/ipv4/ip_forward", "vm/drop_caches", "kernel/hostname")]
    found["writes"] = [path for path in ("/x", "/var/task/x", "/usr/x", "/etc/hosts", "/var/lang/x", "/opt/x") if attempt(lambda: open(path, "w")) == "x"]
    found["shared memory"] = libc.shmget(0x1234, 0, 0)
    return found
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", ["host", "isolated"])
@pytest.mark.parametrize("privileged", [True, False], ids=["root", "without root"])
def test_a_function_reaches_nothing_of_its_neighbour_nor_of_the_server(network: str, privileged: bool) -> None:
    python, setpriv = Path("/usr/bin/python3.11"), shutil.which("setpriv")
    if sys.platform != "linux" or os.geteuid() != 0 or not python.exists() or setpriv is None:
        pytest.skip("needs root, setpriv and a Python that everyone can read")
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        for name, file, text in (("victim", "bootstrap", SHELL), ("climber", "app.py", CLIMBER)):
            (directory / name).mkdir()
            (directory / name / file).write_text(text)
            (directory / name / file).chmod(0o755)
            (directory / name).chmod(0o755)
        (directory / "data").mkdir(mode=0o700)
        directory.chmod(0o755)
        words: list[Any] = [python, "-c", textwrap.dedent(SERVER), directory, network]
        if not privileged:
            os.chown(directory / "data", 65534, 65534)
            words = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", *words]
        source = Path(__file__).parents[2] / "src"
        environment = {"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin", "HOME": str(directory)}
        out = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, cwd="/")
    finally:
        shutil.rmtree(directory)
    if "functions run here without namespaces" in out.stderr:
        pytest.skip(out.stderr)
    found = json.loads(out.stdout or "null")
    assert found is not None, out.stderr
    # On a network of its own the climber finds its own interface at that address, which has no events for a runtime of ours.
    refused = ("b''", "ConnectionResetError") if network == "host" else ("b'HTTP/1.1 404 Not Found",)
    assert found.pop("api").startswith(refused)
    assert found.pop("files") == ["FileNotFoundError"] * 3
    assert found.pop("credentials") is False
    assert set(found.pop("settings")) <= {"PermissionError", "OSError", "FileNotFoundError"}
    assert found.pop("writes") == []
    assert found.pop("shared memory") == -1
    assert len(found) >= 6
    assert set(found.values()) <= {"ProcessLookupError", "FileNotFoundError", "PermissionError"}, found
