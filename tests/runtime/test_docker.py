"""The command lines that Docker is given, by Docker's own client in front of a Podman that speaks Docker's protocol.

What a program ended with is not looked at: that Podman does not tell the client.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import invocation, open_house
from tests.services.lambda_ import images

from groundcloud.runtime import RuntimeNotAvailable, SandboxStart
from groundcloud.runtime.container import ContainerFunctionSpec
from groundcloud.runtime.container_network import program
from groundcloud.runtime.engines import ContainerSpec

PLAIN, EXTENDED = "localhost/groundcloud-docker:plain", "localhost/groundcloud-docker:extended"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[images.Engine]:
    docker, podman = shutil.which("docker"), shutil.which("podman")
    if docker is None or podman is None or os.geteuid() != 0:
        pytest.skip("needs root, Docker's client and Podman")
    directory = tmp_path_factory.mktemp("docker")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GROUND_CONTAINER_ENGINE", "podman")
        images.engine(directory, monkeypatch)  # with a runtime that works here
        socket_path = directory / "socket"
        service = subprocess.Popen([podman, "system", "service", "--time=0", f"unix://{socket_path}"], stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not socket_path.exists() and time.monotonic() < until:
            time.sleep(0.05)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket_path}")
        monkeypatch.setenv("GROUND_CONTAINER_ENGINE", "docker")
        made = images.Engine(docker, directory)
        try:
            made.compiled(PLAIN, "plain")
            made.compiled(EXTENDED, "extended", "one", "two")
            yield made
            made.remove("groundcloud/network:1")
        finally:
            service.terminate()
            service.wait()


@pytest.fixture(scope="module")
def docker(engine: images.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from open_house(tmp_path_factory.mktemp("house"), freeze_after_s=0.05)


def contained(house: Any, reference: str, key: str, **options: Any) -> ContainerFunctionSpec:
    image = house.run(house.pool.containers.image(reference))
    extensions = house.run(house.pool.containers.extensions(image.image_id))
    container = ContainerSpec(image_id=image.image_id, arguments=("/bootstrap", "argument"), extensions=extensions)
    return ContainerFunctionSpec(key=key, runtime="", handler="", code_path=Path("/"), container=container, timeout_s=20, **options)


def left(engine: images.Engine) -> str:
    return engine.run("ps", "--all", "--quiet", "--filter", "name=^ground-container-")


@pytest.mark.parametrize("network", ["host", "isolated"])
@pytest.mark.parametrize("reference", [PLAIN, EXTENDED])
def test_a_function_runs_stands_still_and_goes_on_and_leaves_nothing(
    docker: Any, engine: images.Engine, reference: str, network: str
) -> None:
    spec = contained(docker, reference, f"{reference}{network}", network=network, endpoint_url="http://127.0.0.1:4566")

    def prepare(sandbox_id: str) -> SandboxStart:
        return SandboxStart(environment={"AWS_ACCESS_KEY_ID": "ASIAOFTHECONTAINER"})

    async def live() -> list[Any]:
        results = []
        for number in (1, 2):
            async with docker.pool.using(spec, prepare) as sandbox:
                results.append(await sandbox.invoke(invocation({"n": number}, request_id=str(number))))
            await docker.until(lambda: sandbox.frozen)
            assert "ASIAOFTHECONTAINER" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        if network == "isolated":
            assert os.readlink(f"/proc/{sandbox.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        await docker.pool.retire(spec.key)
        await docker.until(lambda: sandbox.dead)
        return results

    results = docker.run(live())
    assert [result.kind for result in results] == ["ok", "ok"], results
    assert b'"argument": "argument"' in results[0].payload and b"ASIAOFTHECONTAINER" in results[0].payload
    assert b'"root": false' in results[0].payload
    docker.run(docker.until(lambda: not left(engine)))


def test_an_isolated_container_reaches_nothing_of_the_machine(docker: Any, engine: images.Engine) -> None:
    """Its network has one device, and on its port of the platform's nobody answers but the relay."""
    spec = contained(docker, PLAIN, "alone", network="isolated", endpoint_url="http://127.0.0.1:1")

    async def look() -> tuple[list[str], list[str]]:
        async with docker.pool.using(spec) as sandbox:
            assert (await sandbox.invoke(invocation({}))).kind == "ok"
            await docker.until(lambda: sandbox.pid != 0)
            devices = Path(f"/proc/{sandbox.pid}/net/dev").read_text().splitlines()[2:]
            rows = [line.split() for line in Path(f"/proc/{sandbox.pid}/net/tcp").read_text().splitlines()[1:]]
            sandbox.kill()
            await docker.until(lambda: sandbox.dead)
            return [line.split(":")[0].strip() for line in devices], sorted(row[1] for row in rows if row[3] == "0A")

    with socket.create_server(("0.0.0.0", 0)):
        devices, listeners = docker.run(look())
    assert devices == ["lo"]
    assert listeners == ["0100007F:0001", "0100007F:2329"]


def test_a_time_limit_ends_the_container(docker: Any, engine: images.Engine) -> None:
    spec = dataclasses.replace(contained(docker, PLAIN, "late"), timeout_s=0.5)
    assert docker.invoke(spec, "sleep").kind == "timeout"
    docker.run(docker.until(lambda: not left(engine)))


def test_a_server_that_is_not_root_has_no_isolated_containers_with_docker(
    docker: Any, engine: images.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = contained(docker, PLAIN, "refused", network="isolated")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RuntimeNotAvailable, match="needs Podman, or Docker and a server that is root"):
        docker.run(docker.pool.acquire(spec))


def test_the_program_that_waits_is_a_file_for_both_machines() -> None:
    assert program("x86_64")[:20] == b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00"
    assert program("aarch64")[18] == 0xB7
    assert len(program("x86_64")) == 129
