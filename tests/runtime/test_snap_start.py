"""Sandboxes that are forked from an initialised process."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _namespaces(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))


SOURCE = """
import os, random, secrets, threading, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
steps = ["init"]
open("/tmp/made", "w").write("by init")
time.sleep(0.3)
register_before_snapshot(steps.append, "before 1")
register_before_snapshot(steps.append, "before 2")
@register_after_restore
def after():
    steps.append("after")
count = 0
def handler(event, context):
    global count
    count += 1
    mine = os.listdir("/tmp")
    if event:
        open("/tmp/" + event, "w").close()
    return {"steps": steps, "count": count, "random": [random.random(), str(uuid.uuid4()), secrets.token_hex(8)], "tmp": mine,
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"], "pid": os.getpid(),
        "seen": sorted(int(p) for p in os.listdir("/proc") if p.isdigit())}
"""


def both(house: Any, spec: Any, *events: Any) -> list[Any]:
    """Runs the events in sandboxes of their own."""
    from tests.runtime.conftest import invocation

    async def run() -> list[Any]:
        taken = [await house.pool.acquire(spec, house.prepare) for _ in events]
        results = [await sandbox.invoke(invocation(event)) for sandbox, event in zip(taken, events, strict=True)]
        for sandbox in taken:
            house.pool.release(sandbox)
        return results

    return list(house.run(run()))


def test_the_initialisation_runs_once_and_each_sandbox_is_its_own(house: Any) -> None:
    spec = house.function(SOURCE, snap_start=True)
    results = both(house, spec, "a", "b")
    one, two = (json.loads(result.payload) for result in results)
    assert one["steps"] == two["steps"] == ["init", "before 2", "before 1", "after"]
    assert (one["count"], two["count"]) == (1, 1)
    assert one["tmp"] == two["tmp"] == ["made"]
    assert not set(one["random"]) & set(two["random"])
    assert one["type"] == "snap-start"
    assert one["stream"] != two["stream"]
    assert one["seen"] == two["seen"] == [1, 3] and one["pid"] == 3
    assert results[0].init_ms < 300 and results[1].init_ms < 150
    assert house.answer(spec)["count"] == 2
    assert house.pool.count(spec.key) == 2


def test_a_fork_that_crashes_or_times_out_leaves_the_others(house: Any) -> None:
    source = "import os, time\ncount = 0\ndef handler(e, c):\n global count\n count += 1\n if e == 'die': os._exit(3)\n while e == 'hang': pass\n return count"
    spec = house.function(source, snap_start=True, timeout_s=0.5)
    results = both(house, spec, 1, "die", "hang")
    assert [result.kind for result in results] == ["ok", "exit", "timeout"]
    assert house.answer(spec) == 2


def test_a_function_whose_initialisation_fails_says_so(house: Any) -> None:
    result = house.invoke(house.function("1 / 0", snap_start=True))
    assert (result.kind, result.error_type) == ("init_error", "ZeroDivisionError")
    hook = "from snapshot_restore_py import register_after_restore\nregister_after_restore(lambda: 1 / 0)\ndef handler(e, c): return 1"
    result = house.invoke(house.function(hook, snap_start=True))
    assert (result.kind, result.error_type) == ("init_error", "Runtime.AfterRestoreError")


def test_retired_templates_end_with_their_last_fork(house: Any) -> None:
    from tests.runtime.conftest import invocation

    spec = house.function("import time\ndef handler(e, c): return time.sleep(0.2) or 1", snap_start=True)

    async def run() -> bytes:
        sandbox = await house.pool.acquire(spec, house.prepare)
        task = house.runner.get_loop().create_task(sandbox.invoke(invocation()))
        await house.until(lambda: sandbox.busy)
        await house.pool.retire(spec.key)
        payload: bytes = (await task).payload
        house.pool.release(sandbox)
        await house.until(lambda: all(one.spec.key != spec.key for one in house.pool._all.values()))
        return payload

    assert house.run(run()) == b"1"


WALLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def handler(path, context):
    refused = []
    for name in (path, "/var/task/x", "/usr/x", "/etc/passwd"):
        try:
            open(name, "w").close()
        except OSError:
            refused.append(name)
    status = open("/proc/self/status").read()
    caps = all(line.split()[1].strip("0") == "" for line in status.splitlines() if line.startswith("Cap"))
    clone = libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x10000000, 0, 0, 0, 0)
    return [len(refused), caps, libc.unshare(0x10000000), libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), clone, "Seccomp:\\t2" in status]
"""


def test_a_fork_has_the_walls_of_every_sandbox(house: Any) -> None:
    spec = house.function(WALLS, snap_start=True)
    assert house.answer(spec, str(house.directory / "x")) == [4, True, -1, -1, -1, True]


def test_connections_of_the_template_are_dead_in_its_forks(house: Any) -> None:
    source = """
    import socket
    ours, theirs = socket.socketpair()
    def handler(event, context):
        try:
            ours.send(b"x")
            return ours.recv(1).decode()
        except OSError as error:
            return type(error).__name__
    """
    assert house.answer(house.function(source, snap_start=True)) == "BrokenPipeError"


def test_what_openssl_draws_differs_between_forks(house: Any) -> None:
    """It finds out by the process id that it was forked."""
    source = "import os, ssl\nearly = ssl.RAND_bytes(8)\ndef handler(e, c): return [early.hex(), ssl.RAND_bytes(8).hex(), os.getpid()]"
    results = both(house, house.function(source, snap_start=True), 1, 2)
    one, two = (json.loads(result.payload) for result in results)
    assert one[0] == two[0] and one[2] == two[2] == 3
    assert one[1] != two[1]


def test_an_old_template_serves_until_the_new_one_is_there(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundcloud.runtime import templates

    source = "import time, uuid\nmade = str(uuid.uuid4())\ntime.sleep(0.3)\ndef handler(e, c): return made"
    spec = house.function(source, snap_start=True)
    (first,) = both(house, spec, 1)
    monkeypatch.setattr(templates, "_AGE_S_MAX", 0.0)
    house.pool._idle.pop(spec.key)[0].kill()
    (second,) = both(house, spec, 1)
    assert first.payload == second.payload and second.init_ms < 250
    monkeypatch.undo()
    house.run(house.until(lambda: not house.pool._templates._renewing))
    house.pool._idle.pop(spec.key)[0].kill()
    (third,) = both(house, spec, 1)
    assert third.payload != first.payload
