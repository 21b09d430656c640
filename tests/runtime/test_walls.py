"""Each wall of the sandbox with a function that tries to climb it. Needs namespaces; the plain mode is tested for running at all."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcloud.runtime import Pool

linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
pytestmark = linux


@pytest.fixture(autouse=True)
def _namespaces(house: Any) -> None:
    if not house.pool.capabilities().namespaces:
        pytest.skip(str(house.pool.capabilities().missing))


def test_the_root_directory_holds_nothing_of_the_host(house: Any) -> None:
    secret = house.directory / "secret"
    secret.write_text("of the server")
    spec = house.function(
        """
        import os
        def handler(event, context):
            seen = {}
            for path in (event, "/boot", "/data", "/etc/shadow", "/sys/kernel", "/var/log", "/proc/1/root" + event, "/dev/shm", "/home"):
                try:
                    seen[path] = os.listdir(path) if os.path.isdir(path) else open(path).read()
                except OSError as error:
                    seen[path] = type(error).__name__
            return [seen, sorted(os.listdir("/")), os.path.realpath(__file__)]
        """
    )
    seen, top, code = house.answer(spec, str(secret))
    assert seen.pop("/home") == ["sbx_user1051"]
    assert set(seen.values()) <= {"FileNotFoundError", "PermissionError"}, seen
    assert not set(top) - {
        "bin",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "tmp",
        "usr",
        "var",
        "nix",
        "node_modules",
    }
    assert code == "/var/task/app.py"


def test_only_tmp_can_be_written(house: Any) -> None:
    spec = house.function(
        """
        def handler(event, context):
            refused = []
            for path in ("/x", "/var/task/x", "/var/task/app.py", "/opt/x", "/usr/x", "/etc/passwd", "/var/runtime/x", "/proc/sys/kernel/core_pattern", "/dev/x"):
                try:
                    open(path, "w").close()
                except OSError:
                    refused.append(path)
            open("/tmp/x", "w").close()
            return len(refused)
        """
    )
    assert house.answer(spec) == 9


def test_tmp_is_the_sandboxs_own_and_lives_with_it(house: Any) -> None:
    source = "import os\ndef handler(e, c):\n if e: open('/tmp/' + e, 'w').close()\n return os.listdir('/tmp')"
    first, second = house.function(source), house.function(source)
    assert house.answer(first, "mine") == ["mine"]
    assert house.answer(first) == ["mine"]
    assert house.answer(second) == []


def test_no_process_but_its_own_is_seen_or_reached(house: Any) -> None:
    spec = house.function(
        """
        import os
        def handler(event, context):
            seen = sorted(int(p) for p in os.listdir("/proc") if p.isdigit())
            try:
                os.kill(event, 0)
                reached = True
            except ProcessLookupError:
                reached = False
            return [seen, reached, os.getpid(), os.getppid()]
        """
    )
    assert house.answer(spec, os.getpid()) == [[1, 2], False, 2, 1]


def test_it_has_no_capability_and_cannot_gain_any(house: Any) -> None:
    spec = house.function("def handler(e, c): return open('/proc/self/status').read()")
    status = dict(line.split(":\t", 1) for line in house.answer(spec).splitlines())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert status["Uid"].split() == ["993"] * 4
    assert status["Gid"].split() == ["990"] * 4
    assert status["Groups"].strip() in ("", "65534")


FORBIDDEN = {
    "mount": ("mount(b'none', b'/tmp', b'tmpfs', 0, None)", 1),
    "unmount": ("umount2(b'/proc', 2)", 1),
    "user namespace": ("unshare(0x10000000)", 1),
    "network namespace": ("unshare(0x40000000)", 1),
    "chroot": ("chroot(b'/tmp')", 1),
    "trace": ("ptrace(0, 0, 0, 0)", 1),
    "clone into a namespace": ("syscall(NUMBERS['clone'], 0x10000000 | 17, 0, 0, 0, 0)", 1),
    "clone3": ("syscall(435, 0, 0)", 38),
    "bpf": ("syscall(NUMBERS['bpf'], 0, 0, 0)", 1),
    "io_uring": ("syscall(425, 1, 0)", 1),
    "keys": ("syscall(NUMBERS['keyctl'], 0, 0, 0)", 1),
    "handles": ("syscall(NUMBERS['open_by_handle_at'], 0, 0, 0)", 1),
    "userfaultfd": ("syscall(NUMBERS['userfaultfd'], 0)", 1),
    "perf events": ("syscall(NUMBERS['perf_event_open'], 0, 0, 0, 0, 0)", 1),
    "host name": ("sethostname(b'x', 1)", 1),
    "modules": ("syscall(NUMBERS['finit_module'], 0, 0, 0)", 1),
    "kernel sockets": ("socket(38, 5, 0)", 1),
    "virtual machine sockets": ("socket(40, 1, 0)", 1),
    "raw sockets": ("socket(2, 3, 1)", 1),
    "typing into a terminal": ("ioctl(0, 0x5412, b'x')", 1),
    "entering a namespace": ("syscall(NUMBERS['setns'], 0, 0)", 1),
    "moving a mount": ("syscall(429, -1, b'', -100, b'/tmp', 4)", 1),
    "a tree of mounts": ("syscall(428, -100, b'/', 1)", 1),
    "a new file system": ("syscall(430, b'tmpfs', 0)", 1),
    "attributes of a mount": ("syscall(442, -100, b'/', 0, 0, 0)", 1),
    "memory of another process": ("syscall(NUMBERS['process_vm_readv'], 1, 0, 0, 0, 0, 0)", 1),
    "a descriptor of another process": ("syscall(438, 0, 0, 0)", 1),
    "another kernel": ("syscall(NUMBERS['kexec_load'], 0, 0, 0, 0)", 1),
    "a key": ("syscall(NUMBERS['add_key'], b'user', b'x', b'x', 1, -3)", 1),
    "the kernel's log": ("syscall(NUMBERS['syslog'], 3, 0, 0)", 1),
    "the clock": ("syscall(NUMBERS['clock_settime'], 0, 0)", 1),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_system_call_that_reaches_outside_is_refused(house: Any, name: str) -> None:
    call, expected = FORBIDDEN[name]
    spec = house.function(
        f"""
        import ctypes, platform
        libc = ctypes.CDLL(None, use_errno=True)
        x86 = platform.machine() == "x86_64"
        NUMBERS = {{"clone": 56 if x86 else 220, "bpf": 321 if x86 else 280, "keyctl": 250 if x86 else 219, "open_by_handle_at": 304 if x86 else 265,
            "userfaultfd": 323 if x86 else 282, "perf_event_open": 298 if x86 else 241, "finit_module": 313 if x86 else 273, "setns": 308 if x86 else 268, "process_vm_readv": 310 if x86 else 270,
            "kexec_load": 246 if x86 else 104, "add_key": 248 if x86 else 217, "syslog": 103 if x86 else 116, "clock_settime": 227 if x86 else 112}}
        def handler(event, context):
            return [libc.{call}, ctypes.get_errno()]
        """
    )
    assert house.answer(spec) == [-1, expected]


def test_calls_of_another_architecture_end_the_process(house: Any) -> None:
    """Their numbers mean something else: a filter that looked at numbers alone would be passed by."""
    if platform.machine() != "x86_64":
        pytest.skip("32-bit calls are those of x86-64")
    spec = house.function(
        """
        import ctypes, mmap
        def handler(event, context):
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid of i386); int 0x80; ret
            return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        """
    )
    result = house.invoke(spec)
    assert result.kind == "exit"
    assert house.still_serves()


def test_threads_and_child_processes_work_in_spite_of_the_filter(house: Any) -> None:
    spec = house.function(
        """
        import concurrent.futures, multiprocessing, subprocess, sys, threading
        def work(connection): connection.send(7)
        def handler(event, context):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                threads = sum(pool.map(int, "123"))
            ours, theirs = multiprocessing.Pipe()
            child = multiprocessing.get_context("fork").Process(target=work, args=(theirs,))
            child.start()
            child.join()
            out = subprocess.run([sys.executable, "-c", "import boto3; print(6)"], capture_output=True, text=True)
            return [threads, ours.recv(), out.stdout, out.stderr]
        """,
        memory_mb=512,
        timeout_s=20,
    )
    assert house.answer(spec) == [6, 7, "6\n", ""]


def test_an_abstract_socket_of_the_host_cannot_be_reached(house: Any) -> None:
    if any(name.startswith("landlock") for name in house.pool.capabilities().missing):
        pytest.skip("no Landlock scopes")
    name = f"\0ground-test-{os.getpid()}"
    spec = house.function(
        """
        import socket
        def handler(event, context):
            try:
                socket.socket(socket.AF_UNIX).connect(event)
            except OSError as error:
                return type(error).__name__
        """
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        assert house.answer(spec, name) == "PermissionError"


def test_the_network_is_the_hosts(house: Any) -> None:
    spec = house.function("import socket\ndef handler(e, c): return socket.create_connection(('127.0.0.1', e)).recv(5).decode()")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        async def both() -> Any:
            import asyncio

            async with house.pool.using(spec) as sandbox:
                from tests.runtime.conftest import invocation

                task = asyncio.ensure_future(sandbox.invoke(invocation(listener.getsockname()[1])))
                await asyncio.to_thread(lambda: listener.accept()[0].sendall(b"hello"))
                return await task

        assert house.run(both()).payload == b'"hello"'


def test_credentials_of_another_sandbox_are_out_of_reach(house: Any) -> None:
    other = house.function("def handler(e, c): return 1", environment={"SECRET": "of another function"})
    assert house.answer(other) == 1
    spec = house.function(
        """
        import glob
        def handler(event, context):
            found = []
            for path in glob.glob("/proc/*/environ"):
                try:
                    found.append("of another" in open(path, errors="replace").read())
                except OSError:
                    pass
            return any(found)
        """
    )
    assert house.answer(spec) is False


def test_sandboxes_of_a_root_server_have_users_of_their_own(house: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    spec = house.function("import os\ndef handler(e, c): return open('/proc/self/uid_map').read().split()")
    one, two = house.answer(spec), house.answer(house.function("def handler(e, c): return open('/proc/self/uid_map').read().split()"))
    assert one[0] == two[0] == "993"
    assert one[1] != two[1] and "0" not in (one[1], two[1])


@pytest.mark.slow
def test_more_processes_than_allowed_are_refused(house: Any) -> None:
    spec = house.function(
        """
        import os, time
        def handler(event, context):
            for count in range(3000):
                try:
                    if os.fork() == 0:
                        time.sleep(30)
                except OSError as error:
                    return [count, error.errno]
        """,
        timeout_s=20,
        memory_mb=2048,
    )
    count, code = house.answer(spec)
    assert 900 < count <= 1026
    assert code == 11


SERVER = """
import asyncio, json, sys
from pathlib import Path
from groundcloud.runtime import *
async def main():
    pool = Pool()
    spec = FunctionSpec(key="a", runtime="python3.11", handler="app.handler", code_path=Path(sys.argv[1]), timeout_s=60)
    sandbox = await pool.acquire(spec, lambda i: SandboxStart(on_log=lambda line, request: print(line.decode(), flush=True)))
    await sandbox.invoke(Invocation(request_id="r", payload=json.dumps(sys.argv[2:]).encode()))
    if sys.argv[2:] == ["frozen"]:
        pool.release(sandbox)
        while not sandbox.frozen:
            await asyncio.sleep(0.01)
        print("frozen", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("frozen", [False, True], ids=["busy", "frozen"])
def test_no_sandbox_survives_the_servers_sudden_death(house: Any, frozen: bool) -> None:
    mark = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    spec = house.function(
        f"""
        import subprocess, sys
        def handler(event, context):
            subprocess.Popen(["/bin/sh", "-c", "sleep 60; : {mark}"], start_new_session=True)
            print("running")
            while not {frozen}: pass
        """
    )
    source = Path(__file__).parents[2] / "src"
    server = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), str(spec.code_path), *(["frozen"] if frozen else [])],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"running\n"
    assert not frozen or server.stdout.readline() == b"frozen\n"
    assert _processes_with(mark)
    server.kill()
    server.wait()
    server.stdout.close()
    house.run(house.until(lambda: not _processes_with(mark)))


def _processes_with(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if mark.encode() in (path / "cmdline").read_bytes():
                    found.append(path.name)
            except OSError:
                continue
    return found


def test_without_namespaces_functions_run_and_the_pool_says_what_they_do_without(tmp_path: Path) -> None:
    from tests.runtime.conftest import open_house

    for plain in open_house(tmp_path, plain=True):
        spec = plain.function("import os\nprint('loaded')\ndef handler(e, c):\n return [e, os.environ['LAMBDA_TASK_ROOT'], os.getcwd()]")
        assert plain.answer(spec, 5) == [5, str(spec.code_path), str(spec.code_path)]
        assert plain.invoke(plain.function("def handler(e, c):\n while True: pass", timeout_s=0.2)).kind == "timeout"
        assert plain.invoke(plain.function("import os\ndef handler(e, c): os.kill(os.getpid(), 9)")).kind == "exit"
        assert plain.answer(spec, 6)[0] == 6
        capabilities = plain.pool.capabilities()
        assert not capabilities.namespaces
        assert capabilities.missing["namespaces"] == "switched off"
        plain.run(plain.until(lambda plain=plain: plain.pool.count() == plain.pool.idle_count()))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach, unlike tmp_path."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.slow
def test_an_unprivileged_server_has_the_same_walls(open_directory: Path) -> None:
    python = Path("/usr/bin/python3.11")
    setpriv = "/usr/bin/setpriv"
    if os.geteuid() != 0 or not python.exists() or not Path(setpriv).exists():
        pytest.skip("needs root, setpriv and a Python that everyone can read")
    code = open_directory
    (code / "app.py").write_text(
        "import os\ndef handler(e, c):\n print(os.getuid(), sorted(os.listdir('/proc'))[:2], [os.path.exists(p) for p in e], 'CapEff:\\t0000000000000000' in open('/proc/self/status').read())"
    )
    source = Path(__file__).parents[2] / "src"
    out = subprocess.run(
        [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", str(python), "-c", textwrap.dedent(SERVER), str(code), __file__],
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        cwd="/",
    )
    assert out.stdout == "993 ['1', '2'] [False] True\n", out.stderr


def test_an_unused_pool_starts_no_process(house: Any) -> None:
    async def nothing() -> int:
        pool = Pool()
        await pool.start()
        count = pool.count()
        await pool.close()
        return count

    assert house.run(nothing()) == 0
