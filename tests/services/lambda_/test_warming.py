"""What starts with a server that has functions, and what does not with one that has none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.services.lambda_.conftest import make_function, make_role

pytestmark = pytest.mark.slow


def children(pid: int) -> list[str]:
    """Command lines of the server's child processes."""
    numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{number}/cmdline").read_text() for number in numbers]


def until_child(pid: int) -> bool:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        if any("_groundcloud.zygote" in line for line in children(pid)):
            return True
        time.sleep(0.02)
    return False


def test_a_server_with_functions_starts_their_runtime_by_itself(process: Any) -> None:
    assert children(process.pid) == []
    client = process.client("lambda")
    name = make_function(client, make_role(process.client("iam"), "warm"), "def handler(event, context): return event")
    process.restart()
    assert until_child(process.pid)
    answer = process.client("lambda").invoke(FunctionName=name, Payload=b"1")
    assert json.loads(answer["Payload"].read()) == 1
    process.client("lambda").delete_function(FunctionName=name)
    process.restart()
    process.client("sts").get_caller_identity()
    assert children(process.pid) == []
