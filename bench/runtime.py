"""Times of the sandbox, each as a ratio to fork+exec of the bare interpreter in the same run.

    python bench/runtime.py [--rounds 200] [--sandboxes 1000]

Cold: from nothing to an answer through Pool.acquire and Sandbox.invoke, all walls up; of Node.js with a worker waiting, and against its own
floor, a new node process; of SnapStart once the template is there. Memory: of an idle sandbox, both its processes.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

from groundcloud.runtime import FunctionSpec, Invocation, Pool, PoolSettings, Sandbox, python_sdk
from groundcloud.runtime.interpreters import node_installations, resolve_runtime

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
SOURCES = {
    "trivial": "def handler(event, context): return event",
    "slow": "import time\ntime.sleep(3)\ndef handler(event, context): return event",
    "client": "import boto3\nclient = boto3.client('dynamodb')\ndef handler(event, context): return 1",
}
EVENT = Invocation(request_id="00000000-0000-0000-0000-000000000000", payload=b'{"a": 1}')


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def timed(rounds: int, action: Callable[[], Awaitable[object]], after: Callable[[], Awaitable[object]] | None = None) -> list[float]:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        await action()
        times.append((time.perf_counter() - begin) * 1000)
        if after is not None:
            await after()
    return times


async def measure(rounds: int, sandboxes: int, directory: Path) -> None:
    interpreter = str(resolve_runtime(RUNTIME).path)
    specs = {}
    for name, source in SOURCES.items():
        code = directory / name
        code.mkdir()
        (code / "app.py").write_text(source)
        (code / "index.js").write_text("exports.handler = async (event) => event")
        environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        specs[name] = FunctionSpec(
            key=name, runtime=RUNTIME, handler="app.handler", code_path=code, environment=environment, endpoint_url="http://127.0.0.1:9"
        )

    async def bare() -> None:
        subprocess.run([interpreter, "-S", "-E", "-c", "pass"], check=True)

    async def bare_sdk() -> None:
        subprocess.run([sys.executable, "-c", "import boto3"], check=True)

    floor = percentile(await timed(max(10, rounds // 4), bare), 0.5)
    with_sdk = percentile(await timed(10, bare_sdk), 0.5)
    pool = Pool(PoolSettings(sandboxes_max=sandboxes + 10, freeze_after_s=0.05))
    begin = time.perf_counter()
    await pool.prewarm(RUNTIME)
    ready_ms = (time.perf_counter() - begin) * 1000
    print(f"fork+exec of the bare interpreter       p50 {floor:7.2f} ms   1.00")
    print(f"the same, importing boto3               p50 {with_sdk:7.2f} ms {with_sdk / floor:6.2f}")
    print(f"zygote ready, boto3 imported and warmed     {ready_ms:7.2f} ms {ready_ms / floor:6.2f}")

    last: list[Sandbox] = []

    def cold(spec: FunctionSpec) -> Callable[[], Awaitable[object]]:
        async def once() -> None:
            sandbox = await pool.acquire(spec)
            last.append(sandbox)
            assert (await sandbox.invoke(EVENT)).kind == "ok"

        return once

    async def end() -> None:
        await end_of(pool, last.pop())

    for name in ("trivial", "client"):
        spec = specs[name]
        times = await timed(rounds, cold(spec), end)
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        print(f"cold, {name:8s}                          p50 {p50:7.2f} ms {p50 / floor:6.2f}   p99 {p99:7.2f} ms {p99 / floor:6.2f}")

    for name, packages in (("trivial", list), ("client", python_sdk.own_packages)):
        times = await timed(max(5, rounds // 20), partial(without_zygote, specs[name], packages))
        p50 = percentile(times, 0.5)
        print(f"the same without a zygote, {name:8s}     p50 {p50:7.2f} ms {p50 / floor:6.2f}")

    sandbox = await pool.acquire(specs["trivial"])
    await sandbox.invoke(EVENT)
    times = await timed(rounds * 10, lambda: sandbox.invoke(EVENT))
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    print(f"warm                                    p50 {p50:7.3f} ms {p50 / floor:6.3f}   p99 {p99:7.3f} ms {p99 / floor:6.3f}")
    pool.release(sandbox)

    snap = replace(specs["slow"], snap_start=True)
    begin = time.perf_counter()
    await cold(snap)()
    template_ms = (time.perf_counter() - begin) * 1000
    await end_of(pool, last.pop())
    times = await timed(rounds, cold(snap), lambda: end_of(pool, last.pop()))
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    print(f"SnapStart, init of 3 s: the template        {template_ms:7.0f} ms {template_ms / floor:6.0f}")
    print(f"SnapStart, cold from it                 p50 {p50:7.2f} ms {p50 / floor:6.2f}   p99 {p99:7.2f} ms {p99 / floor:6.2f}")
    await pool.retire(snap.key)

    if nodes := node_installations():
        major, path = max(nodes.items())
        node_floor = percentile(await timed(10, lambda: run([str(path), "-e", "0"])), 0.5)
        node = replace(specs["trivial"], key="node", runtime=f"nodejs{major}.x", handler="index.handler")
        await pool.prewarm(node.runtime)
        await asyncio.sleep(1)

        async def settle() -> None:
            await end_of(pool, last.pop())
            await asyncio.sleep(0.25)  # for another worker

        times = await timed(max(10, rounds // 10), cold(node), settle)
        p50 = percentile(times, 0.5)
        print(f"fork+exec of node                       p50 {node_floor:7.2f} ms {node_floor / floor:6.2f}")
        print(f"Node.js, cold                           p50 {p50:7.2f} ms {p50 / floor:6.2f}   of node's own start {p50 / node_floor:.2f}")
        await cold(node)()
        times = await timed(rounds * 5, lambda: last[-1].invoke(EVENT))
        p50 = percentile(times, 0.5)
        print(f"Node.js, warm                           p50 {p50:7.3f} ms {p50 / floor:6.3f}")
        await end_of(pool, last.pop())

    slots = asyncio.Semaphore(16)
    held: list[Sandbox] = []

    async def fill() -> None:
        async with slots:
            one = await pool.acquire(specs["trivial"])
            held.append(one)
            await one.invoke(EVENT)

    await asyncio.sleep(0.5)
    before_mb = available_mb()
    begin = time.perf_counter()
    await asyncio.gather(*(fill() for _ in range(sandboxes)))
    each_ms = (time.perf_counter() - begin) * 1000 / sandboxes
    for one in held:
        pool.release(one)
    await asyncio.sleep(0.5)
    used_mb = (before_mb - available_mb()) / sandboxes
    private_kb = sum(private(one.pid) for one in held[:20]) / min(20, len(held))
    print(f"{sandboxes} started at once                       each {each_ms:7.2f} ms {each_ms / floor:6.2f}")
    print(f"private memory of an idle sandbox           {private_kb / 1024:7.2f} MB")
    print(f"{sandboxes} alive: memory of the machine, each      {used_mb:7.2f} MB")
    again = await pool.acquire(specs["trivial"])
    times = await timed(1, lambda: again.invoke(EVENT))
    print(f"warm, out of the freezer                    {times[0]:7.2f} ms {times[0] / floor:6.2f}")
    pool.release(again)
    print(f"missing on this machine: {pool.capabilities().missing or 'nothing'}")
    await pool.close()


async def without_zygote(spec: FunctionSpec, packages: Callable[[], list[str]]) -> None:
    """A sandbox for which everything is started: the interpreter, with these packages imported, and the root that it sees."""
    with mock.patch.object(python_sdk, "own_packages", packages):
        pool = Pool(PoolSettings())
        sandbox = await pool.acquire(spec)
        assert (await sandbox.invoke(EVENT)).kind == "ok"
        pool.release(sandbox)
        await pool.close()


async def end_of(pool: Pool, sandbox: Sandbox) -> None:
    sandbox.kill()
    pool.release(sandbox)
    while not sandbox.dead:
        await asyncio.sleep(0.002)


async def run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def available_mb() -> float:
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(row[1]) for row in rows if row[0] == "MemAvailable:") / 1024


def private(init: int) -> int:
    """Kilobytes that only this sandbox's processes hold."""
    total = 0
    for pid in (str(init), *Path(f"/proc/{init}/task/{init}/children").read_text().split()):
        rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        total += sum(int(row[1]) for row in rows if row[0].startswith("Private_"))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--sandboxes", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        import uvloop

        uvloop.run(measure(options.rounds, options.sandboxes, Path(directory)))


if __name__ == "__main__":
    main()
