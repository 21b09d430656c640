"""What a hostile function tries against the server itself, and against the rule that it stands still between invocations."""

from __future__ import annotations

import asyncio
import json
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

from groundcloud.runtime import memory, metadata_wall
from groundcloud.runtime.api_http import Request
from groundcloud.runtime.inside import frames
from groundcloud.runtime.process_tree import ProcessTree
from groundcloud.runtime.telemetry_api import Telemetry


@pytest.fixture(autouse=True)
def _namespaces(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))


@pytest.fixture(params=[True, False], ids=["control groups", "signals"])
def quick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Stops idle sandboxes soon."""
    yield from open_house(tmp_path, freeze_after_s=0.01, control_groups=request.param)


# A process of its own session that a timer of its own wakes with SIGCONT whenever it is stopped.
RESTLESS = """
import ctypes, os, signal, struct, time
libc = ctypes.CDLL(None, use_errno=True)
def wake():
    signal.signal(signal.SIGCONT, lambda *_: None)
    for _ in range(8):  # a stop takes pending ones away, and their timers stand still then
        event = ctypes.create_string_buffer(struct.pack("<Qii", 0, signal.SIGCONT, 0) + bytes(80))
        timer = ctypes.c_void_p()
        assert libc.timer_create(1, event, ctypes.byref(timer)) == 0
        every = ctypes.create_string_buffer(struct.pack("<qqqq", 0, 20_000_000, 0, 20_000_000))
        assert libc.timer_settime(timer, 0, every, None) == 0
        time.sleep(0.002)
def handler(event, context):
    ready, tell = os.pipe()
    if event and os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        wake()
        os.write(tell, b"1")
        while True: pass
    if event:
        os.read(ready, 1)
    return 1
"""


def _worked_ticks(init: int) -> int:
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in memory.tree(init))
    return sum(int(field[11]) + int(field[12]) for field in fields)


@pytest.mark.slow
def test_a_process_that_wakes_itself_does_not_work_between_invocations(quick: Any) -> None:
    spec = quick.function(RESTLESS, memory_mb=512, timeout_s=20)
    frozen_by_kernel = False

    async def watch() -> None:
        nonlocal frozen_by_kernel
        sandbox = await quick.pool.acquire(spec)
        assert (await sandbox.invoke(invocation(True))).kind == "ok"
        quick.pool.release(sandbox)
        await quick.until(lambda: sandbox.frozen)
        frozen_by_kernel = sandbox.group is not None and sandbox.group._frozen
        if not frozen_by_kernel:  # it is ended when it is seen not to stand still
            await quick.until(lambda: sandbox.dead)
            return
        events = sandbox.group.paths["freezer"] / "cgroup.events"
        await quick.until(lambda: "frozen 1" in events.read_text())
        worked = _worked_ticks(sandbox.pid)
        await asyncio.sleep(0.5)
        assert _worked_ticks(sandbox.pid) == worked

    quick.run(watch())
    assert quick.answer(spec) == 1
    if quick.pool.capabilities().control_groups and "control group freezer" not in quick.pool.capabilities().missing:
        assert frozen_by_kernel


def test_a_sandbox_that_is_frozen_by_its_group_can_be_killed_and_its_group_used_again(quick: Any) -> None:
    spec = quick.function("def handler(e, c): return e")
    for number in range(3):
        assert quick.answer(spec, number) == number

        async def frozen() -> Any:
            (sandbox,) = quick.pool._idle[spec.key]
            await quick.until(lambda: sandbox.frozen)
            sandbox.kill()
            await quick.until(lambda: sandbox.dead)

        quick.run(frozen())


@pytest.mark.parametrize(
    "words",
    [b"signal abc", b"extension x", b"signal 3 x", b"exit", b"extension exit 3", b"wait \xff\xff\xff\xff", b"wait A", b"exit 9999999"],
)
def test_what_a_function_writes_in_inits_name_is_not_believed(words: bytes) -> None:
    """Without root the pipe for init's last words is of the sandbox's own user."""

    async def read() -> bytes:
        tree = ProcessTree(asyncio.get_running_loop(), lambda: None, lambda: None)
        with open(tree.open(), "wb", buffering=0) as pipe:
            pipe.write(words)
        tree.close()
        return tree.status

    assert asyncio.run(read()) == b""


LEAKS = {
    "a file without a name": "fd = os.memfd_create('x')\n    for _ in range(300): os.write(fd, bytes(1 << 20))",
    "a child of a thread": "threading.Thread(target=lambda: (subprocess.Popen([sys.executable, '-c', GREEDY]), time.sleep(20))).start()",
    "shared memory that nobody has attached": "area = libc.shmget(0, 300 << 20, 0o1777)\n    if area < 0: return 'refused'\n    at = libc.shmat(area, None, 0)\n    ctypes.memset(at, 1, 300 << 20)\n    libc.shmdt(ctypes.c_void_p(at))",
}


@pytest.mark.slow
@pytest.mark.parametrize("control_groups", [True, False])
@pytest.mark.parametrize("name", LEAKS)
def test_memory_that_no_process_shows_counts(tmp_path: Path, name: str, control_groups: bool) -> None:
    source = f"""
import ctypes, os, subprocess, sys, threading, time
GREEDY = "import time\\nkept = bytearray(300 << 20)\\ntime.sleep(20)"
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
def handler(event, context):
    {LEAKS[name]}
    time.sleep(5)
    return "alive"
"""
    for house in open_house(tmp_path, control_groups=control_groups):
        result = house.invoke(house.function(source, memory_mb=128, timeout_s=20))
        assert result.kind == "oom" or result.payload == b'"refused"'
        assert house.still_serves()


def test_no_core_is_written_nor_piped_to_the_hosts_collector(house: Any) -> None:
    """core(5): a pipe in core_pattern heeds no limit but that of one byte."""
    spec = house.function("import resource\ndef handler(e, c): return resource.getrlimit(resource.RLIMIT_CORE)")
    assert house.answer(spec) == [1, 1]


def test_descriptors_sent_over_the_channel_do_not_fill_the_servers_table(house: Any) -> None:
    """A template of SnapStart passes descriptors on; the function's own code runs there first."""
    spec = house.function(
        """
        import os, socket, time
        channel = socket.socket(fileno=os.dup(1000))
        for _ in range(2000):
            socket.send_fds(channel, [b"\\x00"], [0] * 60)
        def handler(event, context): return 1
        """,
        snap_start=True,
        timeout_s=5,
    )
    before = len(os.listdir("/proc/self/fd"))
    house.invoke(spec)
    house.run(house.pool.retire(spec.key))
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    assert len(os.listdir("/proc/self/fd")) < before + 100
    assert house.still_serves()


def test_a_number_without_end_in_the_channel_ends_the_sandbox(house: Any) -> None:
    spec = house.function(
        """
        import os, struct, time
        def handler(event, context):
            head = b'{"rss_kb": Infinity}'
            os.write(1000, struct.pack("!BII", 12, len(head), 0) + head)
            time.sleep(20)
        """,
        timeout_s=10,
    )
    assert house.invoke(spec).kind == "exit"
    assert house.still_serves()


MISUSE = r"""#!/usr/bin/env python3
import http.client, json, os, socket, sys, threading
base = "/2018-06-01/runtime/invocation/"
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
def call(method, path, body=None, headers={}):
    api = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        api.request(method, path, body, headers)
        answer = api.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, {}, type(error).__name__.encode()
def raw(data, close=True):
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(100).split(b"\r\n")[0].decode()
        except OSError as error:
            return type(error).__name__
while True:
    _, headers, event = call("GET", base + "next")
    me = headers["Lambda-Runtime-Aws-Request-Id"]
    said = {}
    said["of another"] = call("POST", base + "00000000-0000-0000-0000-000000000000/response", "1")[0]
    said["too many headers"] = call("POST", base + me + "/response", "1", {f"h{n}": "x" * 900 for n in range(90)})[0]
    said["a short body"] = raw(f"POST {base}{me}/response HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nshort".encode())
    said["a negative length"] = raw(f"POST {base}{me}/response HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n".encode())
    said["a chunk that lies"] = raw(f"POST {base}{me}/response HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort\r\n0\r\n\r\n".encode())
    said["init after it"] = call("POST", "/2018-06-01/runtime/init/error", "{}")[0]
    # Many begin an answer of six megabytes at once; one is read.
    begun = [socket.create_connection((host, int(port))) for _ in range(40)]
    for one in begun:
        one.sendall(f"POST {base}{me}/response HTTP/1.1\r\nHost: a\r\nContent-Length: 6000000\r\n\r\n".encode())
    refused = 0
    for one in begun:
        one.settimeout(0.2)
        try:
            refused += b"403" in one.recv(100)
        except OSError:
            pass
    said["refused of 40"] = refused
    for one in begun:
        one.close()
    answered = 0
    while answered != 202:
        answered = call("POST", base + me + "/response", json.dumps(said))[0]
    said["twice"] = call("POST", base + me + "/response", "2")[0]
    print(json.dumps(said["twice"]), flush=True)
"""


@pytest.mark.slow
def test_a_runtime_that_misuses_its_api_harms_itself_alone(house: Any) -> None:
    spec = house.function("", files={"bootstrap": MISUSE}, runtime="provided.al2023", timeout_s=20)
    (spec.code_path / "bootstrap").chmod(0o755)
    assert house.answer(spec) == {
        "of another": 400,
        "too many headers": 0,
        "a short body": "",
        "a negative length": "",
        "a chunk that lies": "",
        "init after it": 403,
        "refused of 40": 39,
    }
    house.run(house.until(lambda: ("403", None) in house.lines or ("403", "11111111-2222-3333-4444-555555555555") in house.lines))
    assert house.still_serves()


WORKER = """
import os, time
def handler(event, context):
    os.sched_setaffinity(0, {event["cpu"]})
    while time.time() < event["until"]: pass
    return time.process_time()
"""


@pytest.mark.slow
def test_processor_time_follows_memory(house: Any) -> None:
    """AWS: 1,769 MB are one processor. On one that both want, 128 MB get a fourteenth of what 1,769 get."""
    if any(name in house.pool.capabilities().missing for name in ("control groups", "control group cpu")):
        pytest.skip(str(house.pool.capabilities().missing))
    small, large = (house.function(WORKER, memory_mb=size, timeout_s=20) for size in (128, 1769))

    async def compete() -> list[float]:
        async with house.pool.using(small) as one, house.pool.using(large) as other:
            assert await one.ready() and await other.ready()
            event = {"cpu": max(os.sched_getaffinity(0)), "until": time.time() + 2}
            results = await asyncio.gather(one.invoke(invocation(event)), other.invoke(invocation(event)))
            return [json.loads(result.payload) for result in results]

    little, much = house.run(compete())
    assert 6 < much / little < 30, (little, much)


def test_a_template_of_snap_start_cannot_reach_what_sandboxes_cannot(house: Any) -> None:
    """Its filter lets it clone namespaces and mount, for its forks; the user's initialisation runs there."""
    secret = house.directory / "secret-of-the-server"
    secret.write_text("secret")
    spec = house.function(
        """
        import ctypes, os, platform
        libc = ctypes.CDLL(None, use_errno=True)
        CLONE = 56 if platform.machine() == "x86_64" else 220
        found = []
        def attempt():
            if libc.mount(b"none", b"/proc", b"proc", 0, None) == 0 and len([n for n in os.listdir("/proc") if n.isdigit()]) > 4:
                found.append("processes of others")
            for target in (b"/usr", b"/var/task", b"/"):
                if libc.mount(b"none", target, None, 32 | 4096, None) == 0:
                    try:
                        open(target.decode() + "/written", "w").close()
                        found.append("writes to " + target.decode())
                    except OSError:
                        pass
        reader, writer = os.pipe()
        child = libc.syscall(CLONE, 0x10000000 | 0x20000 | 17, 0, 0, 0, 0)
        if child == 0:
            attempt()
            os.write(writer, repr(found).encode() or b"-")
            os._exit(0)
        os.close(writer)
        seen = os.read(reader, 1000).decode() if child > 0 else "no child"
        def handler(event, context): return [seen, os.path.exists(event)]
        """,
        snap_start=True,
        timeout_s=10,
    )
    assert house.answer(spec, str(secret)) in (["[]", False], ["no child", False])


def test_the_channel_is_the_only_descriptor_of_the_servers(house: Any) -> None:
    spec = house.function(
        """
        import os
        def handler(event, context):
            seen = {}
            for name in os.listdir("/proc/self/fd"):
                try:
                    seen[name] = os.readlink("/proc/self/fd/" + name).partition(":")[0]
                except OSError:  # the listing's own
                    pass
            return seen
        """
    )
    assert house.answer(spec) == {"0": "/dev/null", "1": "pipe", "2": "pipe", "1000": "socket"}


def test_the_server_reads_the_sandboxs_own_socket_alone(house: Any) -> None:
    """A listener of the host that no sandbox made is nobody's Runtime API: its address is not told, and a stranger is cut off."""
    spec = house.function("", files={"bootstrap": MISUSE}, runtime="provided.al2023")
    (spec.code_path / "bootstrap").chmod(0o755)

    async def intrude() -> bytes:
        sandbox = await house.pool.acquire(spec, house.prepare)
        try:
            assert await sandbox.ready()
            host, port = sandbox.api.address.split(":")
            with socket.create_connection((host, int(port))) as stranger:
                stranger.setblocking(False)
                await asyncio.get_running_loop().sock_sendall(
                    stranger, b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n"
                )
                try:
                    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(stranger, 100), 5)
                except ConnectionError:
                    return b""
        finally:
            sandbox.kill()

    assert house.run(intrude()) == b""


def test_the_clouds_metadata_service_hands_a_function_no_credentials_of_the_machine(house: Any) -> None:
    """The machine's own network is the function's, but for that one address."""
    if (reason := house.pool.capabilities().missing.get("wall to the metadata service")) is not None:
        pytest.skip(reason)
    spec = house.function(
        """
        import socket
        def handler(event, context):
            said = []
            for address in event:
                try:
                    socket.create_connection((address, 80), timeout=2).close()
                    said.append("reached")
                except OSError as error:
                    said.append(error.strerror or str(error))
            return said
        """,
        timeout_s=10,
    )
    assert house.answer(spec, ["169.254.169.254", "169.254.170.2"]) == ["Network is unreachable"] * 2


def test_a_server_takes_the_rules_of_the_wall_away_unless_another_needs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_wall, "_LOCK", tmp_path / "lock")
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2")
    first, second = (metadata_wall.MetadataWall(0x7200_0000, 0x7200_0001) for _ in range(2))
    if (reason := first.build() or second.build()) is not None:
        pytest.skip(reason)

    def rules() -> int:
        listed = subprocess.run(["ip", "rule", "list"], capture_output=True, text=True).stdout
        return listed.count("uidrange 1912602624-1912602625")

    assert rules() == 3
    first.take_down()
    assert rules() == 3
    second.take_down()
    assert rules() == 0


REMNANTS = """
def handler(event, context):
    wanted = bytes(number ^ 1 for number in event)  # nowhere as it is but where it was left
    found, at = 0, id(wanted)
    memory = open("/proc/self/mem", "rb", 0)
    for line in open("/proc/self/maps"):
        start, end = (int(number, 16) for number in line.split()[0].split("-"))
        if "r" not in line.split()[1] or "[v" in line:
            continue
        for place in range(start, end, 1 << 22):
            memory.seek(place)
            try:
                text = memory.read(min(end - place, 1 << 22))
            except OSError:
                continue
            here = text.find(wanted)
            while here >= 0:
                found += not at <= place + here < at + 100
                here = text.find(wanted, here + 1)
    return found
"""


@pytest.mark.parametrize("options", [{}, {"snap_start": True}], ids=["zygote", "SnapStart"])
def test_the_memory_that_sandboxes_begin_with_holds_no_others_credentials(house: Any, options: dict[str, Any]) -> None:
    """All are forked from one process: what it was told of one, the next could read."""
    secret = f"secret-of-another-{os.getpid()}"
    other = {f"KEY{number}": secret + "x" * number * 7 for number in range(60)}
    for number in range(3):
        spec = house.function("def handler(e, c): return e", environment=other, memory_mb=256, **options)
        assert house.answer(spec, f"{secret}{number}") == f"{secret}{number}"
    event = [number ^ 1 for number in secret.encode()]
    assert house.answer(house.function(REMNANTS, memory_mb=512, timeout_s=20, environment={"OWN": secret}), event) > 0
    assert house.answer(house.function(REMNANTS, memory_mb=512, timeout_s=20), event) == 0


@pytest.mark.parametrize("options", [{}, {"snap_start": True}], ids=["zygote", "SnapStart"])
def test_init_holds_nothing_that_it_could_be_robbed_of(house: Any, options: dict[str, Any]) -> None:
    """A function may write to its init's memory. From the first line of its code on, init has no descriptor of the zygote's."""
    spec = house.function(
        """
        import os
        def held():
            found = set()
            for name in os.listdir("/proc/1/fd"):
                try:
                    found.add(os.readlink("/proc/1/fd/" + name).partition(":")[0])
                except OSError:
                    pass
            return sorted(found)
        first = held()
        def handler(event, context): return [first, held()]
        """,
        **options,
    )
    first, later = house.answer(spec)
    assert later == ["pipe"]
    assert set(first) <= {"pipe", "socket", "/dev/null"}, first


def test_a_template_that_answers_with_something_else_than_a_process_is_ended(house: Any) -> None:
    """Its channel is open to the function's code, which hands over a file where the server expects a process to put in a control group."""
    spec = house.function(
        """
        import json, os, socket, struct, threading
        channel = socket.socket(fileno=os.dup(1000))
        def lie():
            for number in range(1, 4):
                head = json.dumps({"id": number}).encode()
                socket.send_fds(channel, [struct.pack("!BII", KIND, len(head), 0) + head], [os.open("/dev/null", os.O_RDONLY)])
        def forge():
            request = channel.recv(4, socket.MSG_PEEK)
            lie()
        threading.Thread(target=forge, daemon=True).start()
        def handler(event, context): return 1
        """.replace("KIND", str(frames.FORKED)),
        snap_start=True,
        timeout_s=5,
    )
    before = Path("/proc/self/cgroup").read_text()
    for _ in range(3):
        house.invoke(spec)
    assert Path("/proc/self/cgroup").read_text() == before
    house.run(house.pool.retire(spec.key))
    assert house.still_serves()


def test_a_subscriber_that_takes_nothing_fills_no_memory() -> None:
    async def fill() -> tuple[int, int, Any]:
        telemetry = Telemetry(asyncio.get_running_loop(), lambda connection: False, lambda: 0, lambda event, record: None)
        body = json.dumps(
            {
                "schemaVersion": "2022-12-13",
                "types": ["function"],
                "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:9"},
            }
        ).encode()
        reader = asyncio.StreamReader()
        reader.feed_data(body)
        request = Request("PUT", "/2022-07-01/telemetry", {"content-length": str(len(body))}, reader, None)  # type: ignore[arg-type]
        assert (await telemetry.subscribe(request, "greedy")).status == 200
        (subscription,) = telemetry._subscriptions.values()
        subscription.sending = asyncio.get_running_loop().create_future()  # for ever
        for number in range(2000):
            telemetry.emit("function", f"{number}" + "x" * 100_000)
        held = sum(len(entry["record"]) for entry in subscription.pending)
        return held, subscription.size_bytes, subscription.pending[-1]["record"][:4]

    held, counted, last = asyncio.run(fill())
    assert held <= counted <= 8 * 1024 * 1024
    assert last == "1999"  # the latest are kept
