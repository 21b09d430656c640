"""Everything that a server without root can do: the same runtimes, behind walls in a user namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path

import pytest
from tests.runtime.test_provided import SHELL

SERVER = """
import asyncio, json, sys
from pathlib import Path
from groundcloud.runtime import *
async def main():
    pool = Pool()
    for name, options in json.loads(sys.argv[2]).items():
        spec = FunctionSpec(key=name, code_path=Path(sys.argv[1]), timeout_s=20, **options)
        try:
            sandbox = await pool.acquire(spec)
        except RuntimeNotAvailable:
            continue
        result = await sandbox.invoke(Invocation(request_id="r", payload=b"1"))
        print(json.dumps([name, sandbox.forked, result.kind, result.payload.decode()]))
        pool.release(sandbox)
    await pool.close()
asyncio.run(main())
"""
FUNCTIONS = {
    "python": {"runtime": "python3.11", "handler": "app.handler"},
    "snap-start": {"runtime": "python3.11", "handler": "app.handler", "snap_start": True},
    "node": {"runtime": "nodejs20.x", "handler": "index.handler"},
    "provided": {"runtime": "provided.al2023", "handler": "x"},
    "isolated": {"runtime": "provided.al2023", "handler": "x", "network": "isolated"},
    "isolated snap-start": {"runtime": "python3.11", "handler": "app.handler", "snap_start": True, "network": "isolated"},
}


@pytest.mark.slow
def test_every_kind_of_function_runs_under_a_server_without_root() -> None:
    python, setpriv = Path("/usr/bin/python3.11"), shutil.which("setpriv")
    if os.geteuid() != 0 or not python.exists() or setpriv is None:
        pytest.skip("needs root, setpriv and a Python that everyone can read")
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        (directory / "app.py").write_text("import os\ndef handler(e, c): return [e, os.getuid()]")
        (directory / "index.js").write_text("exports.handler = async (e) => [e, process.getuid()]")
        (directory / "bootstrap").write_text(SHELL)
        for path in (directory, *directory.iterdir()):
            path.chmod(0o755)
        source = Path(__file__).parents[2] / "src"
        out = subprocess.run(
            [
                setpriv,
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                python,
                "-c",
                textwrap.dedent(SERVER),
                directory,
                json.dumps(FUNCTIONS),
            ],
            env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin", "HOME": str(directory)},
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
        )
    finally:
        shutil.rmtree(directory)
    # To who runs the server: what a user without root does without.
    assert "functions run here without" in out.stderr and "wall to the metadata service (needs root" in out.stderr, out.stderr
    answers = {name: (forked, kind, json.loads(payload)) for name, forked, kind, payload in map(json.loads, out.stdout.splitlines())}
    assert "node" in answers or shutil.which("node") is None
    assert answers.pop("node", (False, "ok", [1, 993])) == (False, "ok", [1, 993])
    shell = (False, "ok", {"got": 1, "env": "function", "cwd": "/var/task"})
    assert answers == {
        "python": (False, "ok", [1, 993]),
        "snap-start": (True, "ok", [1, 993]),
        "provided": shell,
        "isolated": shell,
        "isolated snap-start": (True, "ok", [1, 993]),
    }, out.stderr
