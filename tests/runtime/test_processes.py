"""Where there are no namespaces, no process descriptors and no sockets of packets, as on macOS: sandboxes are plain processes with limits."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import House, invocation, open_house
from tests.runtime.test_extensions import SUBSCRIBER

from groundcloud.runtime import FunctionSpec, Pool, PoolFull, zygote


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(zygote, "FRAMED", True)
    yield from open_house(tmp_path, plain=True, control_groups=False)


def test_many_start_at_once_with_long_requests(plain: House) -> None:
    source = "import os\ndef handler(event, context): return [event, len(os.environ['LONG'])]"
    specs = [plain.function(source, environment={"LONG": "x" * 100_000}) for _ in range(12)]

    async def once(number: int) -> Any:
        async with plain.pool.using(specs[number], plain.prepare) as sandbox:
            return json.loads((await sandbox.invoke(invocation(number))).payload)

    async def together() -> list[Any]:
        return list(await asyncio.gather(*(once(number) for number in range(len(specs)))))

    assert plain.run(together()) == [[number, 100_000] for number in range(len(specs))]


ENDINGS = [
    ("def handler(e, c):\n while True: pass", "timeout", "Sandbox.Timedout"),
    ("import os\ndef handler(e, c): os._exit(3)", "exit", "Runtime.ExitError"),
    ("import os\ndef handler(e, c): os.abort()", "exit", "Runtime.ExitError"),
    ("def handler(e, c): return len(bytearray(8 << 30))", "error", "MemoryError"),
    ("1 / 0", "init_error", "ZeroDivisionError"),
]


@pytest.mark.parametrize(("source", "kind", "error_type"), ENDINGS)
def test_how_they_end(plain: House, source: str, kind: str, error_type: str) -> None:
    result = plain.invoke(plain.function(source, timeout_s=0.5))
    assert (result.kind, result.error_type) == (kind, error_type)
    assert plain.still_serves()


def test_what_a_function_started_ends_with_it(plain: House) -> None:
    source = """
        import subprocess
        def handler(event, context): return subprocess.Popen(["sleep", "600"]).pid
    """
    spec = plain.function(source)
    pid = plain.answer(spec)
    assert Path(f"/proc/{pid}").exists()
    plain.run(plain.pool.retire(spec.key))
    plain.run(plain.until(lambda: not Path(f"/proc/{pid}/exe").exists()))


def _layer(house: House, name: str, files: dict[str, str]) -> Path:
    root = house.directory / name
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    return root


def test_layers_lie_over_one_another(plain: House) -> None:
    below = _layer(plain, "below", {"python/shared.py": "name = 'below'", "python/low.py": "", "bin/tool": "#!/bin/sh\necho a tool"})
    above = _layer(plain, "above", {"python/shared.py": "name = 'above'"})
    source = """
        import low, shared, subprocess
        def handler(event, context): return [shared.name, subprocess.check_output(["tool"], text=True)]
    """
    for layers, name in (((below, above), "above"), ((above, below), "below"), ((below,), "below")):
        assert plain.answer(plain.function(source, layers=layers)) == [name, "a tool\n"]
    assert (below / "python/shared.py").read_text() == "name = 'below'"


@pytest.mark.parametrize("place", ["/opt", "/var/task"])
def test_a_wrapper_starts_the_runtime(plain: House, place: str) -> None:
    wrapper = '#!/bin/sh\nexport WRAPPED="$#"\nexec "$@"\n'
    layer = _layer(plain, "wrapper", {"wrap": wrapper, "python/inner.py": "here = True"})
    source = "import os, inner\ndef handler(event, context): return [event, os.environ['WRAPPED'], '_GROUND_LAYERS' in os.environ]"
    spec = plain.function(source, layers=(layer,), files={"wrap": wrapper}, environment={"AWS_LAMBDA_EXEC_WRAPPER": f"{place}/wrap"})
    (spec.code_path / "wrap").chmod(0o755)
    assert plain.answer(spec, {"a": 1}) == [{"a": 1}, "2", False]


def test_extensions_run_and_are_told_what_happens(plain: House) -> None:
    teller = SUBSCRIBER.replace('"sandbox.localdomain", 0', '"127.0.0.1", 0')
    layer = _layer(plain, "teller", {"extensions/teller": f"#!{sys.executable}\n{textwrap.dedent(teller)}"})
    spec = plain.function("def handler(e, c): print('hello')", layers=(layer,))
    plain.answer(spec)
    plain.run(plain.pool.retire(spec.key))
    plain.run(plain.until(lambda: plain.pool.count(spec.key) == 0))
    told = json.loads([line for line, _ in plain.lines][-1])
    assert ["function", "hello\n"] in told and "platform.report" in [kind for kind, _ in told]


def test_what_is_missing_is_said(plain: House) -> None:
    capabilities = plain.pool.capabilities()
    assert not capabilities.namespaces and not capabilities.control_groups
    assert {"namespaces", "seccomp", "landlock", "own /proc", "control groups"} <= set(capabilities.missing)


def test_there_are_no_more_sandboxes_than_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (520, 520))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: None)
    source = "def handler(event, context): return event"
    for house in open_house(tmp_path):
        first, second = house.function(source), house.function(source)

        async def two(pool: Pool = house.pool, first: FunctionSpec = first, second: FunctionSpec = second) -> None:
            async with pool.using(first), pool.using(second):
                return

        with pytest.raises(PoolFull):
            house.run(two())
        assert house.pool.capabilities().missing["sandboxes"] == "no more than 1 at once: the limit of open files is 520"
