"""Sandboxes that are containers: their walls, their limits, their end."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import invocation
from tests.services.lambda_ import images

from groundcloud.runtime import SandboxStart
from groundcloud.runtime.container import ContainerFunctionSpec
from groundcloud.runtime.containers import _abandoned, _server_name
from groundcloud.runtime.engines import ContainerSpec, Engine, Image, ImageMissing, _described

IMAGE = "localhost/groundcloud-test:runtime"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[images.Engine]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = images.engine(tmp_path_factory.mktemp("containers"), monkeypatch)
        made.compiled(IMAGE, "runtime")
        yield made
        made.remove()


def contained(house: Any, key: str, **options: Any) -> ContainerFunctionSpec:
    found = house.run(house.pool.containers.image(IMAGE))
    return ContainerFunctionSpec(
        key=key,
        runtime="",
        handler="",
        code_path=Path("/"),
        container=ContainerSpec(image_id=found.image_id, arguments=("/bootstrap",)),
        **options,
    )


def running(engine: images.Engine) -> set[str]:
    return set(engine.run("ps", "--all", "--format", "{{.Names}}").split())


@pytest.mark.slow
def test_an_isolated_container_has_a_runtime_api_of_its_own(house: Any, engine: images.Engine) -> None:
    spec = contained(house, "isolated", network="isolated", endpoint_url="http://127.0.0.1:4566")

    async def once() -> tuple[Any, str, str]:
        async with house.pool.using(spec, house.prepare) as sandbox:
            result = await sandbox.invoke(invocation({"a": 1}))
            return result, sandbox.api.address, os.readlink(f"/proc/{sandbox.pid}/ns/net")

    result, address, network = house.run(once())
    assert (result.kind, address) == ("ok", "127.0.0.1:9001")
    assert network != os.readlink("/proc/self/ns/net")


@pytest.mark.slow
def test_an_engine_that_carries_the_output_itself_brings_it_in_time(house: Any, engine: images.Engine) -> None:
    """As Docker does: the lines of an invocation are there when it ends, and the processes are found by asking."""
    found = house.run(house.pool.containers.engine())
    house.pool.containers._engine = dataclasses.replace(found, name="docker")
    try:
        spec = contained(house, "carried")
        house.lines.clear()

        async def twice() -> list[Any]:
            results = []
            async with house.pool.using(spec, house.prepare) as sandbox:
                for number in (1, 2):
                    results.append(await sandbox.invoke(invocation({"n": number}, request_id=str(number))))
            await house.until(lambda: sandbox.frozen)
            async with house.pool.using(spec, house.prepare) as sandbox:
                results.append(await sandbox.invoke(invocation({"n": 3}, request_id="3")))
            return results

        results = house.run(twice())
    finally:
        house.pool.containers._engine = found
    assert [result.kind for result in results] == ["ok", "ok", "ok"]
    # What the initialisation printed may come once the first invocation has begun.
    assert house.lines[0][0] == "begin"
    assert house.lines[1:] == [('event {"n": 1}', "1"), ('event {"n": 2}', "2"), ('event {"n": 3}', "3")]


@pytest.mark.slow
def test_nobody_else_is_let_into_a_containers_runtime_api(house: Any, engine: images.Engine) -> None:
    spec = contained(house, "walled")

    async def intrude() -> bytes:
        async with house.pool.using(spec, house.prepare) as sandbox:
            assert (await sandbox.invoke(invocation({}))).kind == "ok"
            host, port = sandbox.api.address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                return await asyncio.wait_for(reader.read(100), 5)
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert house.run(intrude()) == b""


@pytest.mark.slow
def test_a_containers_credentials_are_not_for_everyone_to_read(house: Any, engine: images.Engine) -> None:
    spec = contained(house, "secret")

    def prepare(sandbox_id: str) -> SandboxStart:
        return SandboxStart(environment={"AWS_ACCESS_KEY_ID": "ASIAOFTHECONTAINER"})

    async def arguments() -> str:
        async with house.pool.using(spec, prepare) as sandbox:
            result = await sandbox.invoke(invocation({}))
            assert b"ASIAOFTHECONTAINER" in result.payload
            return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout

    assert "ASIAOFTHECONTAINER" not in house.run(arguments())


@pytest.mark.slow
def test_two_containers_share_neither_user_nor_tmp_and_leave_nothing(house: Any, engine: images.Engine) -> None:
    spec = contained(house, "two")
    before = running(engine)

    async def both() -> list[Any]:
        async with house.pool.using(spec, house.prepare) as one, house.pool.using(spec, house.prepare) as other:
            return list(await asyncio.gather(one.invoke(invocation({})), other.invoke(invocation({}))))

    first, second = house.run(both())
    assert b'"kept": "1"' in first.payload and b'"kept": "1"' in second.payload
    users = {result.payload.partition(b'"user": ')[2].partition(b",")[0] for result in (first, second)}
    assert len(users) == 2
    house.run(house.pool.retire("two"))
    house.run(house.until(lambda: house.pool.count("two") == 0))
    house.run(house.until(lambda: running(engine) <= before))


@pytest.mark.slow
def test_an_image_that_is_not_there_is_missing(house: Any, engine: images.Engine) -> None:
    with pytest.raises(ImageMissing):
        house.run(house.pool.containers.image("localhost/groundcloud-test:absent"))


def test_a_container_is_abandoned_once_the_server_that_made_it_is_gone() -> None:
    own = _server_name()
    namespace, pid, started = own.removeprefix("ground-container-").rstrip("-").split("-")
    assert not _abandoned(f"{own}1", own)
    assert not _abandoned(f"ground-container-{namespace}-1-{_started_of_init()}-1", own)
    assert _abandoned(f"ground-container-{namespace}-{pid}-{int(started) + 1}-1", own)
    assert not _abandoned(f"ground-container-1-{pid}-{int(started) + 1}-1", own)  # of another machine's, or another container's
    assert not _abandoned("ground-container-something-else", own)


def _started_of_init() -> str:
    return Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]


ENGINE = {"path": "/usr/bin/engine", "rootless": False, "remote": False, "memory_limits": True, "cpu_limits": True, "process_limits": True}
CONTAINER = ContainerSpec(image_id="abc", arguments=("/entry", "app.handler", "-v"), working_directory="/work")


def command(engine: Engine, variables: dict[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
    return engine.command(
        "name", CONTAINER, variables or {}, network="host", user="1:1", memory_mb=256, ephemeral_mb=512, pid_file=Path("/tmp/pid")
    )


def test_the_engines_command_carries_limits_and_no_values_of_variables() -> None:
    words, environment = command(Engine(name="podman", **ENGINE), {"KEY": "secret", "PATH": "/mine", "https_proxy": "http://a"})
    assert words[:3] == ["/usr/bin/engine", "run", "--rm"]
    assert words[-4:] == ["--entrypoint=/entry", "abc", "app.handler", "-v"]
    limits = {
        "--memory=768m",
        "--memory-swap=768m",
        "--cpu-shares=148",
        "--pids-limit=1024",
        "--read-only",
        "--cap-drop=ALL",
        "--workdir=/work",
    }
    assert limits <= set(words)
    assert {"--log-driver=passthrough", "--pidfile=/tmp/pid"} <= set(words)
    assert environment["KEY"] == "secret" and not any("secret" in word for word in words)
    # What the command itself would heed is given to the container alone.
    assert {"PATH=/mine", "https_proxy=http://a"} <= set(words) and environment["PATH"] != "/mine"


def test_an_engine_without_limits_is_asked_for_none() -> None:
    words, _ = command(
        Engine(name="docker", **{**ENGINE, "rootless": True, "memory_limits": False, "cpu_limits": False, "process_limits": False})
    )
    assert not any(word.startswith(("--memory", "--cpu", "--pids", "--ulimit=nproc", "--pidfile")) for word in words)


def test_an_image_is_described_with_or_without_a_digest_of_its_manifest() -> None:
    docker = b'[{"Id": "sha256:aa", "RepoDigests": [], "Architecture": "arm64", "Config": {"Cmd": ["app.handler"], "Entrypoint": null}}]'
    assert _described(docker) == Image(image_id="sha256:aa", digest="aa", architecture="arm64", command=("app.handler",))
    pushed = b'[{"Id": "sha256:aa", "RepoDigests": ["r/i@sha256:bb"], "Config": {"Entrypoint": ["/e"]}}]'
    assert _described(pushed) == Image(image_id="sha256:aa", digest="bb", architecture="", entry_point=("/e",))
    assert _described(b"[]") is None


ROOTLESS = """
import asyncio, json, sys
from pathlib import Path
from groundcloud.runtime import *
from groundcloud.runtime.container import ContainerFunctionSpec
from groundcloud.runtime.engines import ContainerSpec
from groundcloud.runtime.memory import state
async def main():
    pool = Pool()
    assert (await pool.containers.engine()).rootless
    for name, network in (("plain", "host"), ("extended", "host"), ("plain", "isolated")):
        image = await pool.containers.image(f"localhost/rootless:{name}")
        extensions = await pool.containers.extensions(image.image_id)
        container = ContainerSpec(image_id=image.image_id, arguments=("/bootstrap",), extensions=extensions)
        spec = ContainerFunctionSpec(key=name + network, runtime="", handler="", code_path=Path("/"), timeout_s=20, network=network,
            endpoint_url="http://127.0.0.1:4566", container=container)
        sandbox = await pool.acquire(spec)
        kinds = [(await sandbox.invoke(Invocation(request_id=str(n), payload=b"{}"))).kind for n in (1, 2)]
        users = {line.split()[1] for pid in [sandbox.pid] for line in open(f"/proc/{pid}/status") if line.startswith("Uid")}
        pool.release(sandbox)
        for _ in range(100):
            if stopped := sandbox.frozen and state(sandbox.pid) == "T":
                break
            await asyncio.sleep(0.05)
        sandbox = await pool.acquire(spec)
        kinds.append((await sandbox.invoke(Invocation(request_id="3", payload=b"{}"))).kind)
        late = await sandbox.invoke(Invocation(request_id="4", payload=b'"exit"'))
        print(json.dumps([name, network, len(extensions), kinds, stopped, late.kind, users.isdisjoint({"0", "65534"})]))
        pool.release(sandbox)
    await pool.close()
asyncio.run(main())
"""


@pytest.mark.slow
def test_containers_run_under_a_podman_without_root(engine: images.Engine, tmp_path: Path) -> None:
    """In a mount namespace that gives nobody subordinate users."""
    needed = ("podman", "setpriv", "unshare", "newuidmap", "/usr/bin/python3.11")
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in needed):
        pytest.skip(f"needs root and {needed}")
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        for name, extensions in (("plain", ()), ("extended", ("one", "two"))):
            engine.archived(directory / f"{name}.tar", "runtime", *extensions).chmod(0o644)
        (directory / "server.py").write_text(ROOTLESS)
        (directory / "subordinates").write_text("nobody:200000:65536\n")
        (directory / "containers.conf").write_text(Path(os.environ.get("CONTAINERS_CONF", os.devnull)).read_text())
        for name in ("home", "run"):
            (directory / name).mkdir(mode=0o700)
            os.chown(directory / name, 65534, 65534)
        directory.chmod(0o755)
        script = f"""
        mount --bind {directory}/subordinates /etc/subuid && mount --bind {directory}/subordinates /etc/subgid
        cd {directory} && exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/sbin:/usr/bin:/bin HOME={directory}/home \\
            TMPDIR={directory}/run XDG_RUNTIME_DIR={directory}/run CONTAINERS_CONF={directory}/containers.conf GROUND_CONTAINER_ENGINE=podman \\
            PYTHONPATH={Path(__file__).parents[2] / "src"} sh -c '
            for name in plain extended; do podman import -q $name.tar localhost/rootless:$name || exit 3; done
            /usr/bin/python3.11 server.py; podman ps -aq | wc -l; podman system migrate; podman unshare rm -rf home/.local'
        """
        out = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120)
        if out.returncode == 3:
            pytest.skip(out.stderr)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    answers = [line for line in out.stdout.splitlines() if line.startswith("[") or line.isdecimal()]
    assert answers == [
        '["plain", "host", 0, ["ok", "ok", "ok"], true, "exit", true]',
        '["extended", "host", 2, ["ok", "ok", "ok"], true, "exit", true]',
        '["plain", "isolated", 0, ["ok", "ok", "ok"], true, "exit", true]',
        "0",
    ], out.stderr
