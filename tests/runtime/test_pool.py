"""Which sandbox an invocation gets, how many there are, and when they end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import invocation, open_house

from groundcloud.runtime import FunctionSpec, PoolFull, RuntimeNotAvailable, Sandbox, ZygoteFailed, resolve_runtime

COUNT = "import os\ncount = 0\ndef handler(e, c):\n global count\n count += 1\n return count"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Any]:
    yield from open_house(tmp_path, sandboxes_max=2, freeze_after_s=0.01)


def test_two_invocations_at_once_get_two_sandboxes_and_later_ones_reuse_them(house: Any) -> None:
    spec = house.function("import time\ndef handler(e, c): time.sleep(0.05)")

    async def two() -> list[Any]:
        async def one() -> str:
            async with house.pool.using(spec) as sandbox:
                await sandbox.invoke(invocation())
                return str(sandbox.id)

        return [await asyncio.gather(one(), one()), await one()]

    (first, second), third = house.run(two())
    assert first != second
    assert third in (first, second)
    assert house.pool.count(spec.key) == 2


def test_functions_do_not_share_sandboxes(house: Any) -> None:
    one, two = house.function(COUNT), house.function(COUNT)
    assert [house.answer(one), house.answer(two), house.answer(one)] == [1, 1, 2]


def test_an_idle_sandbox_ends_after_the_idle_time(house: Any) -> None:
    spec = house.function(COUNT)
    assert house.answer(spec) == 1
    house.now[0] += 299
    house.pool.sweep()
    assert house.answer(spec) == 2
    house.now[0] += 301
    house.pool.sweep()
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    assert house.answer(spec) == 1


def test_a_retired_version_gets_no_further_invocation(house: Any) -> None:
    spec = house.function(COUNT)
    assert house.answer(spec) == 1
    house.run(house.pool.retire(spec.key))
    assert house.answer(spec) == 1


def test_an_invocation_under_way_finishes_after_its_version_is_retired(house: Any) -> None:
    spec = house.function("import time\ndef handler(e, c): time.sleep(0.1)")

    async def retire_meanwhile() -> str:
        async with house.pool.using(spec) as sandbox:
            task = asyncio.ensure_future(sandbox.invoke(invocation()))
            await sandbox.ready()
            await house.pool.retire(spec.key)
            return str((await task).kind)

    assert house.run(retire_meanwhile()) == "ok"
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))


def test_a_full_pool_ends_what_has_been_idle_longest_and_refuses_when_all_are_busy(small: Any) -> None:
    one, two, three = (small.function(COUNT) for _ in range(3))
    small.answer(one)
    small.now[0] += 1
    small.answer(two)
    assert small.answer(three) == 1
    assert small.answer(two) == 2
    small.run(small.until(lambda: small.pool.count(one.key) == 0))

    async def hold_both() -> None:
        held = [await small.pool.acquire(two), await small.pool.acquire(three)]
        with pytest.raises(PoolFull):
            await small.pool.acquire(one)
        for sandbox in held:
            small.pool.release(sandbox)

    small.run(hold_both())


HEAVY = "kept = bytearray(150 << 20)\nkept[::4096] = bytes(len(kept[::4096]))\ndef handler(event, context): return len(kept)"


@pytest.fixture
def budgeted(tmp_path: Path) -> Iterator[Any]:
    """Room for two sandboxes of HEAVY, and not for three."""
    yield from open_house(tmp_path, memory_mb_max=450, freeze_after_s=0.01)


def test_sandboxes_that_hold_more_than_the_budget_are_ended_by_idleness(budgeted: Any) -> None:
    one, two, three = (budgeted.function(HEAVY, memory_mb=512) for _ in range(3))
    for spec in (one, two, three):
        budgeted.now[0] += 1
        budgeted.invoke(spec)
        budgeted.run(budgeted.until(lambda spec=spec: all(s.frozen for s in budgeted.pool._all.values() if s.spec.key == spec.key)))
    budgeted.run(budgeted.until(lambda: budgeted.pool.count(one.key) == 0))
    assert (budgeted.pool.count(two.key), budgeted.pool.count(three.key)) == (1, 1)


def test_what_is_busy_is_never_ended_for_another(budgeted: Any) -> None:
    one, two, three = (budgeted.function(HEAVY, memory_mb=512) for _ in range(3))
    for spec in (one, two, three):
        budgeted.invoke(spec)
        budgeted.run(budgeted.until(lambda spec=spec: all(s.frozen for s in budgeted.pool._all.values() if s.spec.key == spec.key)))

    async def hold_two() -> None:
        held = [await budgeted.pool.acquire(two), await budgeted.pool.acquire(three)]
        with pytest.raises(PoolFull, match="of the 450 MB for functions"):
            await budgeted.pool.acquire(one)
        budgeted.pool.release(held[0])
        await budgeted.pool.acquire(one)
        assert budgeted.pool.idle_count(two.key) == 0

    budgeted.run(hold_two())


def test_an_idle_sandbox_is_frozen_and_thaws_when_it_is_invoked(small: Any) -> None:
    spec = small.function(
        """
        import threading, time
        count = 0
        def work():
            global count
            while True:
                count += 1
                time.sleep(0.001)
        threading.Thread(target=work, daemon=True).start()
        def handler(event, context): return count
        """
    )
    assert small.answer(spec) >= 0

    async def wait_for_the_stop() -> Sandbox:
        sandbox: Sandbox = await small.pool.acquire(spec)
        small.pool.release(sandbox)
        await small.until(lambda: sandbox.frozen and _stands_still(sandbox))
        return sandbox

    sandbox = small.run(wait_for_the_stop())
    assert small.answer(spec) > 0
    assert not sandbox.dead


def _stands_still(sandbox: Sandbox) -> bool:
    if sandbox.group is not None and sandbox.group._frozen:
        return "frozen 1" in (sandbox.group.paths["freezer"] / "cgroup.events").read_text()
    return _states(sandbox.pid) == {"T"}


def _states(init: int) -> set[str]:
    children = Path(f"/proc/{init}/task/{init}/children").read_text().split()
    return {Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0] for child in children}


def test_a_frozen_sandbox_can_be_ended(small: Any) -> None:
    spec = small.function(COUNT)
    small.answer(spec)
    small.run(small.until(lambda: all(s.frozen for s in small.pool._idle[spec.key])))
    small.run(small.pool.retire(spec.key))
    small.run(small.until(lambda: small.pool.count(spec.key) == 0))


def test_a_cancelled_invocation_ends_its_sandbox(house: Any) -> None:
    spec = house.function("import time\ndef handler(e, c): time.sleep(30)", timeout_s=30)

    async def cancel() -> None:
        async with house.pool.using(spec) as sandbox:
            task = asyncio.ensure_future(sandbox.invoke(invocation()))
            await sandbox.ready()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    house.run(cancel())
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))


def test_a_sandbox_can_be_initialised_before_its_first_invocation(house: Any) -> None:
    spec = house.function("def handler(e, c): return 1")

    async def provision() -> tuple[bool, Any]:
        async with house.pool.using(spec) as sandbox:
            ready = await sandbox.ready()
            return ready, await sandbox.invoke(invocation())

    ready, result = house.run(provision())
    assert ready
    assert result.init_ms is not None


def test_a_code_directory_that_is_not_there_fails_the_start_alone(house: Any) -> None:
    spec = FunctionSpec(key="nowhere", runtime="python3.11", handler="app.handler", code_path=Path("/nowhere"))
    result = house.invoke(spec)
    assert result.kind == "exit"
    assert b"No such file or directory" in result.payload
    assert house.still_serves()


def test_the_pool_recovers_when_the_zygote_dies(small: Any) -> None:
    spec = small.function(COUNT)
    assert small.answer(spec) == 1
    [zygote] = small.pool._zygotes.values()
    os.kill(zygote._process.pid, 9)
    small.run(small.until(lambda: not zygote.alive and small.pool.count() == 0))
    assert small.answer(spec) == 1


def test_a_hundred_starts_leave_no_descriptor_behind(house: Any) -> None:
    spec = house.function("def handler(e, c): return 1")
    house.answer(spec)

    async def start_and_end() -> None:
        for _ in range(20):
            sandboxes = [await house.pool.acquire(spec) for _ in range(5)]
            await asyncio.gather(*(sandbox.invoke(invocation()) for sandbox in sandboxes))
            for sandbox in sandboxes:
                sandbox.kill()
                house.pool.release(sandbox)

    house.run(house.pool.retire(spec.key))
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    before = len(os.listdir("/proc/self/fd"))
    house.run(start_and_end())
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_runtime_identifier_is_resolved_to_that_version_or_the_nearest_newer_one() -> None:
    import sys

    own = "python{}.{}".format(*sys.version_info[:2])
    choice = resolve_runtime(own)
    assert choice.own and choice.warning is None
    older = resolve_runtime("python3.1")
    assert older.warning is not None and older.warning.startswith("python3.1 is not installed; the function runs on Python 3.")
    newest = resolve_runtime("python3.19")
    assert newest.warning is not None and "nor anything newer" in newest.warning
    assert tuple(map(int, newest.version.split("."))) >= sys.version_info[:2]
    assert resolve_runtime("provided.al2023").language == "provided"
    with pytest.raises(RuntimeNotAvailable, match=r"java21"):
        resolve_runtime("java21")
    with pytest.raises(
        RuntimeNotAvailable,
        match=r"^Strict runtimes: python3\.1 is not installed\. `pyenv install 3\.1` installs it\.$",
    ):
        resolve_runtime("python3.1", strict=True)
    with pytest.raises(
        RuntimeNotAvailable,
        match=r"^Strict runtimes: python3\.19 is not installed, nor anything newer\. `uv python install 3\.19` installs it\.$",
    ):
        resolve_runtime("python3.19", strict=True)


@pytest.mark.slow
def test_a_python_that_the_servers_sdk_is_too_new_for_has_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = resolve_runtime("python3.9")
    if choice.version != "3.9":
        pytest.skip("needs Python 3.9")
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = "import sys, boto3\ndef handler(event, context): return [boto3.__file__, sys.version_info[1]]"
    for house in open_house(tmp_path):
        spec = house.function(source, runtime="python3.9")
        if house.invoke(spec).kind != "ok" and any(
            "Groundcloud: boto3 is not preinstalled for Python 3.9" in line for line, _ in house.lines
        ):
            pytest.skip("pip reaches no index")
        assert house.answer(spec) == ["/var/runtime/boto3/__init__.py", 9]


@pytest.mark.slow
def test_a_function_without_the_sdk_of_its_python_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if resolve_runtime("python3.9").version != "3.9":
        pytest.skip("needs Python 3.9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("groundcloud.runtime.python_sdk._command", lambda version: ())
    for house in open_house(tmp_path):
        assert house.answer(house.function("def handler(event, context): return 1", runtime="python3.9")) == 1
        said = "Groundcloud: boto3 is not preinstalled for Python 3.9: neither pip nor uv is here to fetch it"
        assert house.lines[0][0] == said


def test_a_closed_pool_starts_nothing(tmp_path: Path) -> None:
    for house in open_house(tmp_path):
        spec = house.function(COUNT)
        house.run(house.pool.close())
        with pytest.raises((RuntimeError, ZygoteFailed)):
            house.answer(spec)


def test_without_control_groups_a_leak_is_ended_and_shared_memory_is_counted_once(tmp_path: Path) -> None:
    for house in open_house(tmp_path, control_groups=False):
        assert house.pool.capabilities().missing["control groups"] == "switched off"
        leak = house.function(
            "import time\nkept = []\ndef handler(e, c):\n while True:\n  kept.append(b'x' * 1_000_000)\n  time.sleep(0.001)", timeout_s=20
        )
        assert house.invoke(leak).kind == "oom"
        forks = house.function(
            "import os, time\ndef handler(e, c):\n for _ in range(8):\n  os.fork() or time.sleep(60)\n time.sleep(0.3)\n return 1"
        )
        assert house.answer(forks) == 1


@pytest.mark.slow
def test_a_sandbox_with_a_debugger_is_not_stopped_between_two_invocations(small: Any) -> None:
    plain = small.function("def handler(event, context): return 1")
    debugged = small.function("def handler(event, context): return 1", environment={"GROUND_DEBUG": "app.handler"})

    async def frozen(spec: FunctionSpec) -> bool:
        async with small.pool.using(spec, small.prepare) as sandbox:
            await sandbox.invoke(invocation())
        await asyncio.sleep(3 * small.pool.settings.freeze_after_s)
        return sandbox.frozen

    assert small.run(frozen(plain))
    assert not small.run(frozen(debugged))
