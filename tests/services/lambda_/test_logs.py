"""What functions and the platform write to CloudWatch Logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.services.lambda_.conftest import RUNTIME, make_function, make_role


class Reader:
    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.logs, self.clock = client("logs"), clock

    def messages(self, group_name: str) -> list[str]:
        self.clock.settle()
        events = self.logs.filter_log_events(logGroupName=group_name)["events"]
        return [event["message"] for event in events]


def test_the_lines_of_an_invocation_are_in_its_stream_in_order(function: Callable[..., str], lambda_: Any, client: Any, clock: Any) -> None:
    source = """
        print("loaded")
        def handler(event, context):
            for number in range(50):
                print("line", number)
    """
    name = function(source)
    request_id = lambda_.invoke(FunctionName=name)["ResponseMetadata"]["RequestId"]
    reader = Reader(client, clock)
    lines = reader.messages(f"/aws/lambda/{name}")
    assert re.fullmatch(
        rf"INIT_START Runtime Version: python:{re.escape(RUNTIME.removeprefix('python'))}\.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:[0-9a-f]{{64}}\n",
        lines[0],
    )
    assert lines[1] == "loaded\n"
    assert lines[2] == f"START RequestId: {request_id} Version: $LATEST\n"
    assert lines[3:53] == [f"line {number}\n" for number in range(50)]
    assert lines[53] == f"END RequestId: {request_id}\n"
    assert lines[54].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    (stream,) = reader.logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])


def test_a_function_knows_the_stream_that_its_lines_are_in(function: Callable[..., str], answer: Any, client: Any, clock: Any) -> None:
    name = function("def handler(event, context): return [context.log_group_name, context.log_stream_name]")
    group_name, stream_name = answer(name)
    Reader(client, clock).messages(group_name)
    assert client("logs").get_log_events(logGroupName=group_name, logStreamName=stream_name)["events"]


def test_json_logs_carry_the_platforms_records(function: Callable[..., str], lambda_: Any, client: Any, clock: Any) -> None:
    source = """
        import logging
        logging.getLogger().setLevel("INFO")
        def handler(event, context): logging.info("hello")
    """
    name = function(source, LoggingConfig={"LogFormat": "JSON", "LogGroup": "custom"})
    request_id = lambda_.invoke(FunctionName=name)["ResponseMetadata"]["RequestId"]
    records = [json.loads(line) for line in Reader(client, clock).messages("custom")]
    kinds = [record.get("type") or record["message"] for record in records]
    assert kinds == ["platform.initStart", "platform.start", "hello", "platform.report"]
    assert records[1]["record"] == {"requestId": request_id, "version": "$LATEST"}
    assert records[3]["record"]["status"] == "success"
    assert records[3]["record"]["metrics"]["memorySizeMB"] == 128
    (stream,) = client("logs").describe_log_streams(logGroupName="custom")["logStreams"]
    assert f"/{name}[$LATEST]" in stream["logStreamName"]


def test_a_role_that_may_not_write_logs_has_none_and_still_runs(client: Any, lambda_: Any, clock: Any) -> None:
    iam = client("iam")
    role_arn = make_role(iam, "silent")
    iam.delete_role_policy(RoleName="silent", PolicyName="own")
    name = make_function(lambda_, role_arn, "def handler(event, context): print('unheard')")
    assert "FunctionError" not in lambda_.invoke(FunctionName=name)
    clock.settle()
    assert client("logs").describe_log_groups()["logGroups"] == []


def test_a_timeout_says_so_in_the_log(function: Callable[..., str], lambda_: Any, client: Any, clock: Any) -> None:
    name = function("import time\ndef handler(event, context): time.sleep(5)", Timeout=1)
    response = lambda_.invoke(FunctionName=name)
    request_id = response["ResponseMetadata"]["RequestId"]
    assert response["FunctionError"] == "Unhandled"
    document = {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds"}
    assert json.loads(response["Payload"].read()) == document
    lines = Reader(client, clock).messages(f"/aws/lambda/{name}")
    assert any(re.fullmatch(rf"\S+Z {request_id} Task timed out after 1\.00 seconds\n\n", line) for line in lines)
    assert lines[-1].endswith("Status: timeout\n")


def test_a_line_of_many_batches_arrives_whole(function: Callable[..., str], lambda_: Any, client: Any, clock: Any) -> None:
    name = function("def handler(event, context): print('y' * 3_000_000)")
    lambda_.invoke(FunctionName=name)
    clock.settle()
    logs, group_name = client("logs"), f"/aws/lambda/{name}"
    (stream,) = logs.describe_log_streams(logGroupName=group_name)["logStreams"]
    token, pieces = None, []
    while True:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(logGroupName=group_name, logStreamName=stream["logStreamName"], startFromHead=True, **more)
        pieces += [event["message"].rstrip("\n") for event in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert "".join(piece for piece in pieces if set(piece) == {"y"}) == "y" * 3_000_000


def test_records_below_the_level_that_is_wanted_are_left_out(function: Callable[..., str], answer: Any, client: Any, clock: Any) -> None:
    source = """
        import json, logging
        logging.getLogger().setLevel("DEBUG")
        def record(level, name, **more):
            print(json.dumps({"level": level, "message": name, "timestamp": "2024-11-02T16:51:31.587199Z", **more}))
        def handler(event, context):
            logging.debug("logged")
            logging.error("logged")
            record("debug", "below")
            record("WARN", "as wanted")
            record("ERROR", "without a time", timestamp="soon")
            record("nonsense", "of no level")
            record("INFO", "metrics", _aws={})
            print("no record")
            print("{no JSON")
    """
    wanted = {"LogFormat": "JSON", "LogGroup": "custom", "ApplicationLogLevel": "WARN", "SystemLogLevel": "WARN"}
    answer(function(source, LoggingConfig=wanted))
    lines = [line.strip() for line in Reader(client, clock).messages("custom")]
    records = [json.loads(line) for line in lines if line.endswith("}")]
    seen = [(record["level"], record["message"]) for record in records if "message" in record]
    assert seen == [("ERROR", "logged"), ("WARN", "as wanted"), ("INFO", "metrics")]
    assert [line for line in lines if not line.endswith("}")] == ["no record", "{no JSON"]
