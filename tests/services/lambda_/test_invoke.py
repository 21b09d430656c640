"""Synchronous invocations: results, errors, logs, what the function finds around it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, zipped

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import concurrency

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


def test_an_exception_is_an_unhandled_error_with_its_trace(function: Callable[..., str], lambda_: Any) -> None:
    response = lambda_.invoke(FunctionName=function("def handler(event, context):\n    raise KeyError('missing')"))
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    document = json.loads(response["Payload"].read())
    assert document["errorType"] == "KeyError"
    assert document["errorMessage"] == "'missing'"
    assert document["requestId"] == response["ResponseMetadata"]["RequestId"]
    assert document["stackTrace"] == ["  File \"/var/task/app.py\", line 2, in handler\n    raise KeyError('missing')\n"]


@pytest.mark.parametrize(
    ("source", "options", "kind", "message"),
    [
        (
            "import nothing_of_that_name",
            {},
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_of_that_name'",
        ),
        ("x = 1", {}, "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("x = 1", {"Handler": "handler"}, "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("def handler(e, c): return {1}", {}, "Runtime.MarshalError", "Unable to marshal response"),
        ("import os\ndef handler(e, c): os._exit(3)", {}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    ],
)
def test_each_way_to_fail_has_its_error_type(
    function: Callable[..., str], lambda_: Any, source: str, options: dict[str, str], kind: str, message: str
) -> None:
    response = lambda_.invoke(FunctionName=function(source, **options))
    document = json.loads(response["Payload"].read())
    assert response["FunctionError"] == "Unhandled"
    assert document["errorType"] == kind
    assert message in document["errorMessage"]


@pytest.mark.parametrize("payload", [b"{", b"nope", b'{"a": 1} x', b"\xff", b"[" * 100_000])
def test_a_payload_that_is_not_json_is_refused(function: Callable[..., str], lambda_: Any, payload: bytes) -> None:
    with pytest.raises(ClientError) as refused:
        lambda_.invoke(FunctionName=function(ECHO), Payload=payload)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidRequestContentException"
    assert error["Message"].startswith("Could not parse request body into json: ")


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", 6_291_456), ("Event", 1_048_576)])
def test_a_payload_over_the_limit_is_refused(function: Callable[..., str], lambda_: Any, kind: str, limit: int) -> None:
    with pytest.raises(ClientError) as refused:
        lambda_.invoke(FunctionName=function(ECHO), InvocationType=kind, Payload=b'"' + b"x" * limit + b'"')
    assert refused.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert refused.value.response["Error"]["Message"] == f"Request must be smaller than {limit} bytes for the InvokeFunction operation"


def test_a_dry_run_checks_and_runs_nothing(function: Callable[..., str], lambda_: Any) -> None:
    assert lambda_.invoke(FunctionName=function("raise SystemExit"), InvocationType="DryRun")["StatusCode"] == 204


def test_the_context_says_what_aws_says(function: Callable[..., str], lambda_: Any, account: str) -> None:
    source = """
        def handler(event, context):
            return {
                "arn": context.invoked_function_arn, "id": context.aws_request_id, "memory": context.memory_limit_in_mb,
                "left": context.get_remaining_time_in_millis(), "client": context.client_context.custom,
            }
    """
    name = function(source)
    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    response = lambda_.invoke(FunctionName=name, ClientContext=context)
    found = json.loads(response["Payload"].read())
    assert found.pop("left") in range(5_000, 10_001)
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{name}"
    assert found == {"arn": arn, "id": response["ResponseMetadata"]["RequestId"], "memory": "128", "client": {"k": "v"}}


def test_a_client_context_that_is_no_json_is_refused(function: Callable[..., str], lambda_: Any) -> None:
    with pytest.raises(ClientError, match="Client context must be a valid Base64-encoded JSON object"):
        lambda_.invoke(FunctionName=function(ECHO), ClientContext="!!")


def test_a_function_calls_the_platform_as_its_role(function: Callable[..., str], answer: Any, account: str) -> None:
    source = """
        import boto3
        def handler(event, context):
            return boto3.client("sts").get_caller_identity()["Arn"]
    """
    name = function(source)
    assert answer(name) == f"arn:aws:sts::{account}:assumed-role/function-role/{name}"


def test_a_function_may_do_what_its_role_may_and_no_more(function: Callable[..., str], lambda_: Any) -> None:
    source = """
        import boto3
        def handler(event, context): return boto3.client("sqs").list_queues()
    """
    response = lambda_.invoke(FunctionName=function(source))
    assert "is not authorized to perform: sqs:listqueues" in json.loads(response["Payload"].read())["errorMessage"].lower()


def test_the_environment_is_that_of_a_lambda_function(function: Callable[..., str], answer: Any) -> None:
    name = function("import os\ndef handler(event, context): return dict(os.environ)", Environment={"Variables": {"STAGE": "x"}})
    found = answer(name)
    assert found["STAGE"] == "x"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert found["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert found["AWS_REGION"] == "us-east-1"
    assert found["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{RUNTIME}"
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert found["AWS_SESSION_TOKEN"]
    assert found["_X_AMZN_TRACE_ID"].startswith("Root=1-")


def test_credentials_are_renewed_before_they_expire(function: Callable[..., str], answer: Any, clock: Any) -> None:
    source = """
        import boto3, os
        sts = boto3.client("sts")
        def handler(event, context):
            sts.get_caller_identity()
            return os.environ["AWS_ACCESS_KEY_ID"]
    """
    name = function(source)
    first = answer(name)
    assert answer(name) == first
    clock.advance("13h")
    assert answer(name) != first


def test_reserved_concurrency_limits_a_function(function: Callable[..., str], lambda_: Any, client: Callable[..., Any]) -> None:
    name = function("import time\ndef handler(event, context): time.sleep(0.5)")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    assert lambda_.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 1
    with ThreadPoolExecutor(2) as both:
        results = [both.submit(client("lambda").invoke, FunctionName=name) for _ in range(2)]
    failed = [result.exception() for result in results if result.exception() is not None]
    (refused,) = failed
    assert isinstance(refused, ClientError)
    assert refused.response["Error"]["Code"] == "TooManyRequestsException"
    assert refused.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded"):
        lambda_.invoke(FunctionName=name)
    lambda_.delete_function_concurrency(FunctionName=name)
    assert lambda_.invoke(FunctionName=name)["StatusCode"] == 200


def test_reserved_concurrency_allows_ten_requests_a_second_for_each_unit(function: Callable[..., str], lambda_: Any, clock: Any) -> None:
    name = function(ECHO)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    clock.advance("1s")
    with pytest.raises(ClientError) as refused:
        for _ in range(1000):
            lambda_.invoke(FunctionName=name)
    assert refused.value.response["Reason"] == "ReservedFunctionInvocationRateLimitExceeded"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    for _ in range(30):
        lambda_.invoke(FunctionName=name, InvocationType="Event")
    clock.advance("1s")
    assert lambda_.invoke(FunctionName=name)["StatusCode"] == 200


def test_a_function_may_start_a_thousand_environments_every_ten_seconds() -> None:
    gate = concurrency.Gate({})
    function, other = (cast(Any, SimpleNamespace(function_name=name)) for name in ("f", "other"))
    for _ in range(1000):
        gate.count_start(function, 5_000)
    with pytest.raises(AwsError, match="Rate Exceeded"):
        gate.count_start(function, 5_000)
    for _ in range(100):
        gate.count_start(function, 6_000)
    with pytest.raises(AwsError, match="Rate Exceeded"):
        gate.count_start(function, 6_000)
    gate.count_start(other, 6_000)


def test_what_is_reserved_leaves_a_hundred_unreserved(function: Callable[..., str], lambda_: Any) -> None:
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        lambda_.put_function_concurrency(FunctionName=function(ECHO), ReservedConcurrentExecutions=901)


def test_a_replaced_function_finishes_what_it_was_doing(function: Callable[..., str], lambda_: Any, client: Callable[..., Any]) -> None:
    name = function("import time\ndef handler(event, context):\n time.sleep(0.4)\n return 'old'")
    with ThreadPoolExecutor(1) as other:
        running = other.submit(client("lambda").invoke, FunctionName=name)
        lambda_.update_function_code(FunctionName=name, ZipFile=zipped("def handler(event, context): return 'new'"))
        assert lambda_.invoke(FunctionName=name)["Payload"].read() == b'"new"'
        assert running.result()["Payload"].read() in (b'"old"', b'"new"')


def test_many_at_once_each_get_their_own_answer(function: Callable[..., str], client: Callable[..., Any]) -> None:
    name = function("import time\ndef handler(event, context):\n time.sleep(0.05)\n return event * 2")
    one = client("lambda")
    with ThreadPoolExecutor(10) as many:
        answers = list(many.map(lambda n: json.loads(one.invoke(FunctionName=name, Payload=str(n).encode())["Payload"].read()), range(40)))
    assert answers == [2 * n for n in range(40)]


_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


@pytest.mark.parametrize(
    ("payload", "reason", "line", "column"),
    [
        (b"Hello World", f"Unrecognized token 'Hello': was expecting {_VALUES}", 1, 6),
        (b"{a: 1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name", 1, 3),
        (b"'a'", f"Unexpected character (''' (code 39)): expected a valid value {_VALUES}", 1, 2),
        (b'{"a": 1\n "b": 2}', "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries", 2, 3),
        (b"[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", 1, 5),
        (b'{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value", 1, 7),
        (b'{"a": ', "Unexpected end-of-input", 1, 7),
        (b"  ", "No content to map due to end-of-input", 1, 1),
        (b'{"a": "\xff"}', "Invalid UTF-8 start byte 0xff", 1, 8),
    ],
)
def test_a_payload_that_is_no_json_is_refused_where_it_stops_being_one(
    function: Callable[..., str], lambda_: Any, payload: bytes, reason: str, line: int, column: int
) -> None:
    with pytest.raises(ClientError) as refused:
        lambda_.invoke(FunctionName=function(ECHO), Payload=payload)
    place = f"[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
    assert refused.value.response["Error"] == {
        "Code": "InvalidRequestContentException",
        "Message": f"Could not parse request body into json: Could not parse payload into json: {reason}\n at {place}",
    }
