"""Synchronous invocations: results, errors, logs, what the function finds around it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

ECHO = "def handler(event, context): return event"


def test_the_result_of_the_handler_is_the_answer(function: Callable[..., str], lambda_: Any) -> None:
    response = lambda_.invoke(FunctionName=function(ECHO), Payload=b'{"greeting": "hello", "n": [1, 2.5, null]}')
    assert response["StatusCode"] == 200
    assert response["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in response
    assert json.loads(response["Payload"].read()) == {"greeting": "hello", "n": [1, 2.5, None]}


def test_no_payload_is_an_empty_event(function: Callable[..., str], lambda_: Any) -> None:
    assert lambda_.invoke(FunctionName=function(ECHO))["Payload"].read() == b"{}"


def test_the_log_tail_holds_start_print_end_and_report(function: Callable[..., str], lambda_: Any) -> None:
    name = function("def handler(event, context): print('hello from', context.function_name)")
    response = lambda_.invoke(FunctionName=name, LogType="Tail")
    request_id = response["ResponseMetadata"]["RequestId"]
    lines = base64.b64decode(response["LogResult"]).decode().splitlines()
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[1] == f"hello from {name}"
    assert lines[2] == f"END RequestId: {request_id}"
    report = (
        rf"REPORT RequestId: {request_id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t"
    )
    assert re.fullmatch(report, lines[3])
    warm = base64.b64decode(lambda_.invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()
    assert "Init Duration" not in warm
