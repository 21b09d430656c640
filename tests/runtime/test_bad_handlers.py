"""Functions that misbehave: each gets AWS's error within bounds, and the pool goes on serving."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import open_house

REQUEST = "11111111-2222-3333-4444-555555555555"

# source, errorType, errorMessage (without the request id's prefix), kind
ENDINGS: dict[str, tuple[str, str, str, str]] = {
    "sys.exit with a status": (
        "import sys\ndef handler(e, c): sys.exit(1)",
        "Runtime.ExitError",
        "Runtime exited with error: exit status 1",
        "exit",
    ),
    "sys.exit without one": (
        "import sys\ndef handler(e, c): sys.exit()",
        "Runtime.ExitError",
        "Runtime exited without providing a reason",
        "exit",
    ),
    "sys.exit with a text": (
        "import sys\ndef handler(e, c): sys.exit('no')",
        "Runtime.ExitError",
        "Runtime exited with error: exit status 1",
        "exit",
    ),
    "os._exit": ("import os\ndef handler(e, c): os._exit(7)", "Runtime.ExitError", "Runtime exited with error: exit status 7", "exit"),
    "kill -9 of itself": (
        "import os\ndef handler(e, c): os.kill(os.getpid(), 9)",
        "Runtime.ExitError",
        "Runtime exited with error: signal: killed",
        "exit",
    ),
    "abort": ("import os\ndef handler(e, c): os.abort()", "Runtime.ExitError", "Runtime exited with error: signal: aborted", "exit"),
    "segmentation fault": (
        "import ctypes\ndef handler(e, c): ctypes.string_at(0)",
        "Runtime.ExitError",
        "Runtime exited with error: signal: segmentation fault",
        "exit",
    ),
    "exit while loading": ("import sys\nsys.exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3", "exit"),
    "kill -9 while loading": (
        "import os\nos.kill(os.getpid(), 9)",
        "Runtime.ExitError",
        "Runtime exited with error: signal: killed",
        "exit",
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_runtime_that_ends_gives_the_platforms_error(house: Any, name: str) -> None:
    source, error_type, message, kind = ENDINGS[name]
    result = house.invoke(house.function(source))
    assert result.kind == kind
    assert json.loads(result.payload) == {"errorType": error_type, "errorMessage": f"RequestId: {REQUEST} Error: {message}"}
    assert result.platform_line == f"RequestId: {REQUEST} Error: {message}\nRuntime.ExitError"
    assert house.still_serves()


def test_a_sandbox_that_crashed_is_not_used_again(house: Any) -> None:
    spec = house.function("import os\ncount = 0\ndef handler(e, c):\n global count\n count += 1\n return os._exit(1) if e else count")
    assert house.answer(spec) == 1
    assert house.answer(spec) == 2
    assert house.invoke(spec, True).kind == "exit"
    assert house.answer(spec) == 1


TIMEOUTS = {
    "a loop": "def handler(e, c):\n while True: pass",
    "a sleep": "import time\ndef handler(e, c): time.sleep(60)",
    "a sleep that ignores signals": "import signal, time\nfor n in (1, 2, 13, 15): signal.signal(n, signal.SIG_IGN)\ndef handler(e, c): time.sleep(60)",
    "closed descriptors": "import os, time\ndef handler(e, c):\n os.closerange(0, 900)\n time.sleep(60)",
    "a child in a session of its own": "import os, time\ndef handler(e, c):\n os.fork() or os.setsid()\n time.sleep(60)",
    "a stopped process": "import os, signal\ndef handler(e, c): os.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("name", TIMEOUTS)
def test_the_time_limit_ends_the_whole_tree(house: Any, name: str) -> None:
    spec = house.function(TIMEOUTS[name], timeout_s=0.3)
    before = time.perf_counter()
    result = house.invoke(spec)
    assert time.perf_counter() - before < 2
    assert result.kind == "timeout"
    assert json.loads(result.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {REQUEST} Error: Task timed out after 0.30 seconds",
    }
    assert result.platform_line == f"2026-01-01T00:00:00.000Z {REQUEST} Task timed out after 0.30 seconds"
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    assert house.still_serves()


@pytest.mark.slow
def test_a_fork_bomb_is_contained(house: Any) -> None:
    spec = house.function(
        "import os\ndef handler(e, c):\n while True:\n  try: os.fork()\n  except OSError: pass", timeout_s=1, memory_mb=256, ephemeral_mb=64
    )
    assert house.invoke(spec).kind in ("timeout", "oom", "exit")
    house.run(house.until(lambda: house.pool.count(spec.key) == 0))
    assert house.still_serves()


@pytest.mark.slow
def test_a_memory_leak_is_ended_at_the_limit(house: Any) -> None:
    spec = house.function("def handler(e, c):\n kept = []\n while True: kept.append(bytearray(1024 * 1024))", timeout_s=20)
    result = house.invoke(spec)
    if result.kind == "error":  # without control groups the allocation itself may fail first
        assert result.error_type == "MemoryError"
    else:
        assert result.kind == "oom"
        assert result.error_type == "Runtime.OutOfMemory"
        assert json.loads(result.payload)["errorMessage"] == f"RequestId: {REQUEST} Error: Runtime exited with error: signal: killed"
        assert result.max_memory_mb == 128
    assert house.still_serves()


def test_writing_to_tmp_is_bounded_and_not_charged_as_memory_of_the_function(house: Any) -> None:
    spec = house.function(
        """
        def handler(event, context):
            with open("/tmp/a", "wb", buffering=0) as file:
                try:
                    for _ in range(300):
                        file.write(bytes(1024 * 1024))
                except OSError as error:
                    return error.strerror
        """,
        ephemeral_mb=200,
        timeout_s=20,
    )
    assert house.answer(spec) == "No space left on device"


def test_a_flood_of_output_without_end_meets_the_time_limit(house: Any) -> None:
    spec = house.function("def handler(e, c):\n while True: print('x' * 1000)", timeout_s=0.5)
    start = len(house.lines)
    result = house.invoke(spec)
    assert result.kind == "timeout"
    assert len(result.log) <= 4096
    logged = sum(len(line) for line, _ in house.lines[start:])
    assert 1000 < logged < 32 * 1024 * 1024
    assert house.still_serves()


def test_a_line_without_end_is_cut_at_the_limit_of_an_event(house: Any) -> None:
    spec = house.function("import sys\ndef handler(e, c): sys.stdout.write('y' * 600_000)", timeout_s=5)
    start = len(house.lines)
    assert house.invoke(spec).kind == "ok"
    assert [len(line) for line, _ in house.lines[start:]] == [262_144, 262_144, 75_712]


GARBAGE = {
    "random bytes": "os.write(fd, os.urandom(4096))",
    "a wrong length": "os.write(fd, bytes([12]) + b'\\xff' * 8)",
    "deep JSON": "os.write(fd, b'\\x0c' + (200000).to_bytes(4, 'big') + bytes(4) + b'[' * 200000)",
    "an answer to another request": "os.write(fd, b'\\x0c' + (18).to_bytes(4, 'big') + bytes(4) + b'{\"request_id\": \"x\"}'[:18])",
    "a JSON text that is no object": "os.write(fd, b'\\x0c' + (2).to_bytes(4, 'big') + bytes(4) + b'[]')",
    "a ready message": "os.write(fd, b'\\x0a' + (2).to_bytes(4, 'big') + bytes(4) + b'{}')",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_in_the_channel_ends_the_sandbox_alone(house: Any, name: str) -> None:
    source = f"""
    import os, stat, time
    def handler(event, context):
        for fd in range(3, 1024):
            try:
                if stat.S_ISSOCK(os.fstat(fd).st_mode):
                    {GARBAGE[name]}
            except OSError:
                pass
        time.sleep(60)
    """
    assert house.invoke(house.function(source, timeout_s=10)).kind == "exit"
    assert house.still_serves()


def test_closing_the_channel_is_the_end(house: Any) -> None:
    spec = house.function("import os, time\ndef handler(e, c):\n os.closerange(3, 1024)\n time.sleep(60)", timeout_s=20)
    assert house.invoke(spec).kind == "exit"
    assert house.still_serves()


def test_a_result_over_six_megabytes_is_refused(house: Any) -> None:
    spec = house.function("def handler(e, c): return 'x' * e")
    result = house.invoke(spec, 10_000_000)
    assert result.kind == "error"
    assert json.loads(result.payload) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert len(house.answer(spec, 6_291_554)) == 6_291_554


def test_a_large_event_reaches_the_function_whole(house: Any) -> None:
    assert house.answer(house.function("def handler(e, c): return len(e)"), "x" * 6_000_000) == 6_000_000


def test_output_that_is_not_utf_8_is_passed_on(house: Any) -> None:
    spec = house.function("import os\ndef handler(e, c): os.write(1, b'\\xff\\xfe\\n')")
    result = house.invoke(spec)
    assert result.kind == "ok"
    assert result.log == b"\xff\xfe\n"


def test_deep_recursion_is_the_functions_error(house: Any) -> None:
    result = house.invoke(house.function("def handler(e, c): return handler(e, c)"))
    assert result.kind == "error"
    assert result.error_type == "RecursionError"
    assert house.still_serves()


def test_a_result_that_refers_to_itself_is_a_marshal_error(house: Any) -> None:
    result = house.invoke(house.function("def handler(e, c):\n a = []\n a.append(a)\n return a"))
    assert json.loads(result.payload)["errorType"] == "Runtime.MarshalError"


def test_threads_left_running_do_not_hold_the_answer_up(house: Any) -> None:
    spec = house.function(
        """
        import threading, time
        def forever():
            while True:
                print("tick")
                time.sleep(0.001)
        def handler(event, context):
            threading.Thread(target=forever).start()
            return 1
        """
    )
    assert house.answer(spec) == 1
    assert house.answer(spec) == 1


def test_standard_output_closed_by_the_function_is_its_own_loss(house: Any) -> None:
    spec = house.function("import sys, os\ndef handler(e, c):\n sys.stdout.close()\n os.close(1)\n os.close(2)\n return 1")
    assert house.answer(spec) == 1
    assert house.still_serves()


def test_an_error_with_a_message_of_many_megabytes_is_cut(house: Any) -> None:
    result = house.invoke(house.function("def handler(e, c): raise ValueError('x' * 8_000_000)"))
    assert result.kind == "error"
    assert len(json.loads(result.payload)["errorMessage"]) == 200_000


def test_an_error_that_cannot_be_printed_is_still_an_error(house: Any) -> None:
    source = "class Bad(Exception):\n def __str__(self): raise RuntimeError\ndef handler(e, c): raise Bad"
    result = house.invoke(house.function(source))
    assert json.loads(result.payload)["errorType"] == "Bad"


SHARED = """
import mmap, time
def handler(event, context):
    if event == "file":
        with open("/tmp/file", "wb") as file:
            file.truncate(300 << 20)
        file = open("/tmp/file", "r+b")
        area = mmap.mmap(file.fileno(), 0)
    else:
        area = mmap.mmap(-1, 300 << 20)
    for at in range(0, 300 << 20, 4096):
        area[at] = 1
    time.sleep(0.5)
    return "alive"
"""


@pytest.mark.slow
@pytest.mark.parametrize("control_groups", [True, False])
def test_memory_that_processes_share_counts_but_for_files_in_tmp(tmp_path: Path, control_groups: bool) -> None:
    for house in open_house(tmp_path, control_groups=control_groups):
        spec = house.function(SHARED, memory_mb=128)
        assert house.answer(spec, "file") == "alive"
        assert house.invoke(house.function(SHARED, memory_mb=128), "shared").kind == "oom"
