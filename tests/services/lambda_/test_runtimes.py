"""Runtime identifiers: accepted, warned about, refused; the server's settings for them."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from tests.services.lambda_.conftest import RUNTIME, make_function, make_role

from groundcloud.runtime import resolve_runtime
from groundcloud.services.lambda_ import runtimes
from groundcloud.testing import Threaded

IDENTIFIERS = get_session().get_service_model("lambda").shape_for("Runtime").enum
ECHO = "def handler(event, context): return event"
ABSENT = next(name for name in IDENTIFIERS if name.startswith("python") and "is not installed" in (resolve_runtime(name).warning or ""))
"""No machine has all of them."""


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_every_identifier_is_accepted_or_refused_with_what_to_do(identifier: str) -> None:
    refusal = runtimes.refusal(identifier)
    if identifier.startswith(("python", "nodejs", "provided")):
        assert refusal is None
    else:
        assert refusal is not None and identifier in refusal
        assert "provided.al2023" in refusal and "bootstrap" in refusal


@pytest.mark.parametrize(
    ("identifier", "word"), [("java21", "GraalVM"), ("dotnet8", "AOT"), ("ruby3.3", "aws_lambda_ric"), ("go1.x", "aws-lambda-go")]
)
def test_a_language_that_is_missing_is_refused_by_name(function: Callable[..., str], identifier: str, word: str) -> None:
    with pytest.raises(ClientError) as refused:
        function(ECHO, Runtime=identifier)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert f"the runtime {identifier} (" in error["Message"] and word in error["Message"]


def test_a_runtime_that_is_absent_runs_on_another_version_and_says_so(
    lambda_: Any, function: Callable[..., str], answer: Any, client: Callable[..., Any], clock: Any
) -> None:
    warning = resolve_runtime(ABSENT).warning
    assert warning and warning.startswith(f"{ABSENT} is not installed") and "; the function runs on Python 3." in warning
    name = function(ECHO, Runtime=ABSENT)
    config = lambda_.get_function_configuration(FunctionName=name)
    assert config["Runtime"] == ABSENT
    assert config["RuntimeVersionConfig"]["Error"] == {"ErrorCode": "RuntimeVersionNotPresent", "Message": warning}
    assert answer(name, {"a": 1}) == {"a": 1}
    clock.settle()
    events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert any(warning in event["message"] for event in events)


OF_ITS_TIME = """
import boto3

def handler(event, context):
    s3, sqs, table = boto3.client("s3"), boto3.resource("sqs"), boto3.resource("dynamodb").Table(event)
    s3.create_bucket(Bucket=event)
    s3.put_object(Bucket=event, Key="a b", Body=b"text")
    queue = sqs.create_queue(QueueName=event)
    queue.send_message(MessageBody="hello")
    table.meta.client.create_table(
        TableName=event, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    table.wait_until_exists()
    table.put_item(Item={"k": "1", "n": 2})
    return [
        s3.get_object(Bucket=event, Key="a b")["Body"].read().decode(),
        [message.body for message in queue.receive_messages()],
        table.get_item(Key={"k": "1"})["Item"],
        boto3.client("sts").get_caller_identity()["Arn"].split("/")[-1],
    ]
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.8"])
def test_an_old_python_calls_the_platform_with_the_boto3_of_its_time(
    lambda_: Any, client: Callable[..., Any], function: Callable[..., str], account: str, version: str
) -> None:
    if resolve_runtime(f"python{version}").version != version:
        pytest.skip(f"needs Python {version}")
    role = make_role(client("iam"), f"old-{version}", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    name = function(OF_ITS_TIME, Runtime=f"python{version}", Role=role, Timeout=60, MemorySize=256)
    bucket = f"old-{version.replace('.', '-')}-{account}"
    result = lambda_.invoke(FunctionName=name, Payload=json.dumps(bucket))
    payload = json.loads(result["Payload"].read())
    if payload == {"errorMessage": "Unable to import module 'app'"} or "No module named 'boto3'" in str(payload):
        pytest.skip("pip reaches no index")
    assert payload == ["text", ["hello"], {"k": "1", "n": 2.0}, name]


def test_a_runtime_that_is_present_has_no_error(lambda_: Any, function: Callable[..., str]) -> None:
    config = lambda_.get_function_configuration(FunctionName=function(ECHO, Runtime=RUNTIME))
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", config["RuntimeVersionConfig"]["RuntimeVersionArn"])
    assert "Error" not in config["RuntimeVersionConfig"]


@pytest.fixture(scope="module")
def careful() -> Iterator[Threaded]:
    """A server with `--strict-runtimes --function-network isolated`."""
    server = Threaded(strict=True, function_network="isolated")
    yield server
    server.close()


@pytest.mark.slow
def test_strict_runtimes_refuse_another_version(careful: Threaded) -> None:
    role = make_role(careful.client("iam"), "strict")
    with pytest.raises(ClientError, match=rf"Strict runtimes: {ABSENT} is not installed") as refused:
        make_function(careful.client("lambda"), role, ECHO, Runtime=ABSENT)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"


@pytest.mark.slow
def test_an_isolated_function_reaches_the_platform_alone(careful: Threaded) -> None:
    source = """
    import socket, boto3
    def handler(event, context):
        mine = boto3.client("sts").get_caller_identity()["Account"]
        try:
            socket.create_connection(("127.0.0.1", event), timeout=1)
        except OSError as error:
            return [mine, type(error).__name__]
        return [mine, "connected"]
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        role = make_role(careful.client("iam"), "isolated")
        name = make_function(careful.client("lambda"), role, source, MemorySize=256)
        port = other.getsockname()[1]
        answer = careful.client("lambda").invoke(FunctionName=name, Payload=json.dumps(port).encode())
    assert json.loads(answer["Payload"].read()) == [role.split(":")[4], "ConnectionRefusedError"]
