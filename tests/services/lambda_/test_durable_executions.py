"""The operations of durable executions, with a function that checkpoints what its event says and reports what it was answered."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from tests.services.lambda_.conftest import RUNTIME

from groundcloud.testing import Threaded

from .conftest import make_function, make_role

# The input is {"<number of operations that the event holds>": {"updates": [[...], ...], "answer": {...}}}.
SCRIPTED = """
    import json, os, boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    durable = boto3.client("lambda", config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    sqs = boto3.client("sqs")

    def handler(event, context):
        operations = event["InitialExecutionState"]["Operations"]
        script = json.loads(operations[0]["ExecutionDetails"]["InputPayload"])
        turn = script.get(str(len(operations)), {})
        token = event["CheckpointToken"]
        report = {"event": event, "answers": []}
        for updates in turn.get("updates", []):
            more = {}
            if isinstance(updates, dict):
                more = {"ClientToken": updates["client_token"]}
                if updates.get("token"):
                    token = event["CheckpointToken"]
                updates = updates["updates"]
            try:
                answer = durable.checkpoint_durable_execution(
                    DurableExecutionArn=event["DurableExecutionArn"], CheckpointToken=token, Updates=updates, **more)
                answer.pop("ResponseMetadata")
                token = answer.get("CheckpointToken")
                report["answers"].append(answer)
            except ClientError as error:
                report["answers"].append([error.response["Error"]["Code"], error.response["Error"]["Message"]])
        body = json.dumps(report, default=str)
        sqs.send_message(QueueUrl=os.environ["REPORTS"], MessageBody=body[:200_000])
        return turn.get("answer", {"Status": "SUCCEEDED", "Result": '"done"'})
"""
DONE = {"Status": "SUCCEEDED", "Result": '"done"'}
PENDING = {"Status": "PENDING"}
CONFIG = {"ExecutionTimeout": 86_400, "RetentionPeriodInDays": 3}


def step(operation_id: str, action: str, **members: Any) -> dict[str, Any]:
    return {"Id": operation_id, "Type": "STEP", "Action": action, **members}


def wait(operation_id: str, seconds: int) -> dict[str, Any]:
    return {"Id": operation_id, "Type": "WAIT", "Action": "START", "WaitOptions": {"WaitSeconds": seconds}}


WAITS = {"1": {"updates": [[wait("w", 3600)]], "answer": PENDING}}
"""Waits an hour and is done."""


_numbers = itertools.count()


class Script:
    """A scripted durable function, and what is asked about it."""

    def __init__(self, client: Callable[..., Any]) -> None:
        self.lambda_ = client("lambda", parameter_validation=False)
        self.sqs = client("sqs")
        self.iam = client("iam")
        self.queue_url = self.sqs.create_queue(QueueName="reports")["QueueUrl"]
        self.role = self.role_with("lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState", "lambda:InvokeFunction")
        self.name = self.function("scripted")

    def role_with(self, *actions: str) -> str:
        statement = {"Effect": "Allow", "Action": ["sqs:SendMessage", *actions], "Resource": "*"}
        return make_role(self.iam, f"role{next(_numbers)}", statement)

    def function(self, name: str, **options: Any) -> str:
        arguments: dict[str, Any] = {
            "FunctionName": name,
            "DurableConfig": CONFIG,
            "Environment": {"Variables": {"REPORTS": self.queue_url}},
            **options,
        }
        return make_function(self.lambda_, arguments.pop("Role", self.role), arguments.pop("source", SCRIPTED), **arguments)

    def start(self, script: Any, function: str = "", **options: Any) -> str:
        response = self.lambda_.invoke(
            FunctionName=f"{function or self.name}:$LATEST", InvocationType="Event", Payload=json.dumps(script).encode(), **options
        )
        return str(response["DurableExecutionArn"])

    def get(self, arn: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.lambda_.get_durable_execution(DurableExecutionArn=arn, **options)
        return found

    def send(self, method: str, arn: str, what: str = "", **members: Any) -> tuple[int, dict[str, Any]]:
        """An operation that the installed botocore may be too old to know, signed by hand: status and document."""
        url = f"{self.lambda_.meta.endpoint_url}/2025-12-01/durable-executions/{quote(arn, safe='')}{what}"
        request = AWSRequest(method, url, data=json.dumps(members) if members else None, headers={"Content-Type": "application/json"})
        SigV4Auth(self.lambda_._request_signer._credentials, "lambda", "us-east-1").add_auth(request)
        answer = URLLib3Session().send(request.prepare())
        return answer.status_code, json.loads(answer.content or b"{}")

    def status(self, arn: str) -> str:
        return str(self.get(arn)["Status"])

    def history(self, arn: str, **options: Any) -> list[dict[str, Any]]:
        pages = self.lambda_.get_paginator("get_durable_execution_history").paginate(DurableExecutionArn=arn, **options)
        return [event for page in pages for event in page["Events"]]

    def listed(self, **options: Any) -> list[str]:
        pages = self.lambda_.get_paginator("list_durable_executions_by_function").paginate(FunctionName=self.name, **options)
        return [execution["DurableExecutionName"] for page in pages for execution in page["DurableExecutions"]]

    def reports(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def script(client: Callable[..., Any]) -> Script:
    return Script(client)


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_eventbridge_hears_of_the_start_and_the_end(script: Script, client: Callable[..., Any], clock: Threaded) -> None:
    events = client("events")
    arn = script.sqs.get_queue_attributes(QueueUrl=script.queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    script.sqs.set_queue_attributes(QueueUrl=script.queue_url, Attributes={"Policy": policy})
    events.put_rule(Name="r", EventPattern='{"source":["aws.lambda"],"detail-type":["Durable Execution Status Change"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": arn, "InputPath": "$.detail"}])
    execution_arn = script.start({})
    clock.settle()
    told = {report["status"]: report for report in script.reports() if "durableExecutionArn" in report}
    assert set(told) == {"RUNNING", "SUCCEEDED"}
    assert all(report["durableExecutionArn"] == execution_arn for report in told.values())
    assert told["SUCCEEDED"]["endTimestamp"] >= told["SUCCEEDED"]["startTimestamp"] and "endTimestamp" not in told["RUNNING"]
    assert told["RUNNING"]["functionArn"].endswith(":function:scripted:$LATEST")


def test_an_execution_is_shown_with_its_input_result_and_configuration(script: Script, clock: Threaded) -> None:
    arn = script.start({}, DurableExecutionName="order-7")
    clock.settle()
    found = script.get(arn)
    assert found["DurableExecutionName"] == "order-7"
    assert found["FunctionArn"].endswith(":function:scripted:$LATEST")
    assert (found["Status"], found["Result"], found["InputPayload"], found["Version"]) == ("SUCCEEDED", '"done"', "{}", "$LATEST")
    assert found["DurableConfig"] == CONFIG
    assert found["EndTimestamp"] >= found["StartTimestamp"]
    bare = script.get(arn, IncludeExecutionData=False)
    assert not {"InputPayload", "Result"} & set(bare)
    assert bare["ExecutionDataIncluded"] is False
    (event,) = [report["event"] for report in script.reports()]
    assert event["DurableExecutionArn"] == arn
    (operation,) = event["InitialExecutionState"]["Operations"]
    assert operation["Id"] == arn.rsplit("/", 1)[1]
    assert (operation["Type"], operation["ExecutionDetails"]) == ("EXECUTION", {"InputPayload": "{}"})


def test_the_configuration_is_shown_and_can_be_changed_but_not_added(script: Script) -> None:
    assert script.lambda_.get_function_configuration(FunctionName=script.name)["DurableConfig"] == CONFIG
    changed = script.lambda_.update_function_configuration(FunctionName=script.name, DurableConfig={"RetentionPeriodInDays": 9})
    assert changed["DurableConfig"] == {**CONFIG, "RetentionPeriodInDays": 9}
    script.function("plain", DurableConfig=None)
    update = script.lambda_.update_function_configuration
    assert refusal(update, FunctionName="plain", DurableConfig=CONFIG)[0] == "InvalidParameterValueException"
    too_long = {"ExecutionTimeout": 31_622_401}
    assert refusal(update, FunctionName=script.name, DurableConfig=too_long)[0] == "ValidationException"


def test_how_a_durable_function_may_be_invoked(script: Script) -> None:
    invoke = script.lambda_.invoke
    assert refusal(invoke, FunctionName=script.name, InvocationType="Event") == (
        "InvalidParameterValueException",
        "You cannot invoke a durable function using an unqualified ARN.",
    )
    code, message = refusal(invoke, FunctionName=script.name, Qualifier="$LATEST")
    assert (code, "greater than 15 minutes" in message) == ("InvalidParameterValueException", True)
    script.function("plain", DurableConfig=None)
    assert refusal(invoke, FunctionName="plain", DurableExecutionName="x")[0] == "InvalidParameterValueException"
    assert refusal(script.lambda_.invoke_with_response_stream, FunctionName=script.name)[0] == "InvalidParameterValueException"
    large = json.dumps("x" * 1_048_576).encode()
    assert refusal(invoke, FunctionName=f"{script.name}:$LATEST", InvocationType="Event", Payload=large)[0] == "RequestTooLargeException"
    assert invoke(FunctionName=f"{script.name}:$LATEST", InvocationType="DryRun")["StatusCode"] == 204


def test_a_name_starts_one_execution_until_that_is_forgotten(script: Script, clock: Threaded) -> None:
    first = script.start({"a": 1}, DurableExecutionName="once")
    assert script.start({"a": 1}, DurableExecutionName="once") == first
    with pytest.raises(ClientError) as caught:
        script.start({"a": 2}, DurableExecutionName="once")
    assert caught.value.response["Error"]["Code"] == "DurableExecutionAlreadyStartedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    clock.advance("71h")
    assert script.start({"a": 1}, DurableExecutionName="once") == first
    assert len(script.reports()) == 1
    clock.advance("2h")
    assert refusal(script.lambda_.get_durable_execution, DurableExecutionArn=first)[0] == "ResourceNotFoundException"
    assert script.listed() == []
    assert script.start({"a": 2}, DurableExecutionName="once") != first


def test_each_checkpoint_spends_its_token(script: Script, clock: Threaded) -> None:
    same = {"client_token": "one", "token": True, "updates": [step("a", "START")]}
    turns = [same, same, {**same, "client_token": "two"}, {"client_token": "one", "updates": [step("a", "SUCCEED", Payload="1")]}]
    arn = script.start({"1": {"updates": turns}})
    clock.settle()
    (report,) = script.reports()
    first, again, stale, _ = report["answers"]
    assert again == first
    assert first["CheckpointToken"] != report["event"]["CheckpointToken"]
    assert [operation["Status"] for operation in first["NewExecutionState"]["Operations"]] == ["STARTED"]
    assert stale[0] == "InvalidParameterValueException"
    assert stale[1].startswith("Invalid checkpoint token")
    checkpoint = script.lambda_.checkpoint_durable_execution
    for token in (first["CheckpointToken"], report["event"]["CheckpointToken"]):
        assert refusal(checkpoint, DurableExecutionArn=arn, CheckpointToken=token)[1].startswith("Invalid checkpoint token")
    state = script.lambda_.get_durable_execution_state
    assert refusal(state, DurableExecutionArn=arn, CheckpointToken="c3RhbGU=")[1].startswith("Invalid checkpoint token")


@pytest.mark.parametrize(
    ("before", "update", "sentence"),
    [
        ([], {"Id": "w", "Type": "WAIT", "Action": "SUCCEED"}, "Invalid WAIT action: SUCCEED."),
        ([step("a", "START")], step("a", "START"), "Cannot start a STEP that already exists: a is STARTED."),
        ([step("a", "SUCCEED", Payload="1")], step("a", "FAIL", Error={}), "Cannot fail STEP a: it is SUCCEEDED."),
        ([step("a", "START")], {"Id": "a", "Type": "CONTEXT", "Action": "SUCCEED"}, "Operation a is of type STEP, not CONTEXT."),
        ([], {"Id": "w", "Type": "WAIT", "Action": "CANCEL"}, "Cannot cancel WAIT w: it does not exist."),
        ([wait("w", 5)], wait("w", 5), "Cannot start a WAIT that already exists: w is STARTED."),
        ([], step("a", "START", ParentId="nobody"), "Invalid parent operation id."),
        ([], step("a", "RETRY", Error={}), "StepOptions with NextAttemptDelaySeconds is required for RETRY action."),
        ([], step("a", "SUCCEED", Error={"ErrorType": "x"}), "Cannot provide an Error for SUCCEED action."),
        ([], step("a", "FAIL", Payload="x"), "Cannot provide a Payload for FAIL action."),
        ([], {"Id": "x", "Type": "EXECUTION", "Action": "RETRY"}, "Invalid EXECUTION action: RETRY."),
        (
            [],
            {"Id": "c", "Type": "CHAINED_INVOKE", "Action": "START"},
            "ChainedInvokeOptions with FunctionName is required for START action.",
        ),
    ],
)
def test_what_a_checkpoint_may_not_do(
    script: Script, clock: Threaded, before: list[dict[str, Any]], update: dict[str, Any], sentence: str
) -> None:
    script.start({"1": {"updates": [before, [step("z", "START"), update], []]}})
    clock.settle()
    (report,) = script.reports()
    _, refused, after = report["answers"]
    assert refused == ["InvalidParameterValueException", sentence]
    # Nothing of the checkpoint was done, and its token is still good.
    assert after["NewExecutionState"]["Operations"] == []


def test_payloads_of_operations_have_a_limit(script: Script, clock: Threaded) -> None:
    big = """
        import boto3, json

        def handler(event, context):
            try:
                boto3.client("lambda").checkpoint_durable_execution(
                    DurableExecutionArn=event["DurableExecutionArn"], CheckpointToken=event["CheckpointToken"],
                    Updates=[{"Id": "a", "Type": "STEP", "Action": "SUCCEED", "Payload": "x" * 1048577}])
            except Exception as error:
                return {"Status": "FAILED", "Error": {"ErrorMessage": str(error)}}
    """
    refused = script.start({}, script.function("big", source=big))
    result = script.start(
        {}, script.function("result", source="def handler(e, c): return {'Status': 'SUCCEEDED', 'Result': 'x' * 1048577}")
    )
    clock.settle()
    assert "STEP output payload size must be less than or equal to 1048576 bytes." in script.get(refused)["Error"]["ErrorMessage"]
    assert script.get(result)["Error"]["ErrorMessage"] == "Result size must be less than or equal to 1048576 bytes."


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("hello", "Invalid Status in invocation output."),
        ({"Status": "DONE"}, "Invalid Status in invocation output."),
        ({"Status": "SUCCEEDED", "Result": {"not": "text"}}, "Result in the invocation output is not a string."),
        (PENDING, "Cannot return PENDING status with no pending operations."),
    ],
)
def test_an_answer_that_is_no_durable_functions_fails_the_execution(script: Script, clock: Threaded, answer: Any, message: str) -> None:
    arn = script.start({"1": {"answer": answer}})
    clock.settle()
    found = script.get(arn)
    assert (found["Status"], found["Error"]["ErrorMessage"]) == ("FAILED", message)


def test_what_ended_meanwhile_is_in_the_next_event(script: Script, clock: Threaded) -> None:
    script.start({"1": {"updates": [[wait("w", 60), wait("v", 120)]], "answer": PENDING}, "3": {"answer": PENDING}})
    clock.settle()
    clock.advance("1m")
    first, second = script.reports()
    assert first["event"]["UpdatedOperationIds"] == []
    assert second["event"]["UpdatedOperationIds"] == ["w"]
    statuses = {operation["Id"]: operation["Status"] for operation in second["event"]["InitialExecutionState"]["Operations"]}
    assert (statuses["w"], statuses["v"]) == ("SUCCEEDED", "STARTED")


def test_the_children_of_a_finished_context_are_left_out_unless_they_are_asked_for(script: Script, clock: Threaded) -> None:
    def context(operation_id: str, **options: Any) -> list[dict[str, Any]]:
        return [
            {"Id": operation_id, "Type": "CONTEXT", "Action": "START"},
            step(f"{operation_id}-child", "SUCCEED", ParentId=operation_id),
            {"Id": operation_id, "Type": "CONTEXT", "Action": "SUCCEED", "Payload": "1", **options},
        ]

    updates = [[*context("done"), *context("again", ContextOptions={"ReplayChildren": True}), wait("w", 60)]]
    script.start({"1": {"updates": updates, "answer": PENDING}})
    clock.settle()
    clock.advance("1m")
    operations = script.reports()[1]["event"]["InitialExecutionState"]["Operations"]
    assert [operation["Id"] for operation in operations[1:]] == ["done", "again", "again-child", "w"]
    assert operations[2]["ContextDetails"]["ReplayChildren"] is True


def test_the_history_is_paged_both_ways_with_or_without_its_payloads(script: Script, clock: Threaded) -> None:
    error = {"ErrorMessage": "no", "ErrorType": "Oops"}
    retry = step("a", "RETRY", Name="first", Error=error, StepOptions={"NextAttemptDelaySeconds": 60})
    arn = script.start(
        {
            "1": {"updates": [[step("a", "START", Name="first", SubType="Step"), retry]], "answer": PENDING},
            "2": {"updates": [[step("a", "START"), step("a", "SUCCEED", Payload="7")]], "answer": DONE},
        }
    )
    clock.settle()
    clock.advance("1m")
    events = script.history(arn, PaginationConfig={"PageSize": 2})
    assert [event["EventId"] for event in events] == list(range(1, len(events) + 1))
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "StepStarted",
        "StepFailed",
        "InvocationCompleted",
        "StepStarted",
        "StepSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]
    assert json.loads(events[0]["ExecutionStartedDetails"]["Input"]["Payload"])["1"]
    assert events[2]["StepFailedDetails"] == {
        "Error": {"Payload": error, "Truncated": False},
        "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 60},
    }
    assert (events[2]["Name"], events[2]["SubType"]) == ("first", "Step")
    assert events[5]["StepSucceededDetails"]["RetryDetails"] == {"CurrentAttempt": 2}
    assert events[7]["ExecutionSucceededDetails"]["Result"]["Payload"] == '"done"'
    assert [event["EventId"] for event in script.history(arn, ReverseOrder=True, PaginationConfig={"PageSize": 3})] == list(
        range(len(events), 0, -1)
    )
    bare = script.history(arn, IncludeExecutionData=False)
    assert bare[0]["ExecutionStartedDetails"]["Input"] == {"Truncated": True}
    assert bare[5]["StepSucceededDetails"]["Result"] == {"Truncated": True}


def test_executions_are_listed_and_filtered(script: Script, clock: Threaded) -> None:
    for number in range(3):
        script.start({} if number else WAITS, DurableExecutionName=f"e{number}")
        clock.advance("1m")
    assert script.listed() == ["e2", "e1", "e0"]
    assert script.listed(ReverseOrder=True) == ["e0", "e1", "e2"]
    assert script.listed(PaginationConfig={"PageSize": 1}) == ["e2", "e1", "e0"]
    assert script.listed(Statuses=["RUNNING"]) == ["e0"]
    assert script.listed(DurableExecutionName="e1") == ["e1"]
    assert script.listed(Qualifier="$LATEST") == ["e2", "e1", "e0"]
    middle = script.lambda_.list_durable_executions_by_function(FunctionName=script.name)["DurableExecutions"][1]["StartTimestamp"]
    assert script.listed(StartedAfter=middle) == ["e2"]
    assert script.listed(StartedBefore=middle) == ["e0"]
    assert refusal(script.lambda_.list_durable_executions_by_function, FunctionName="nobody")[0] == "ResourceNotFoundException"


def test_a_version_keeps_its_executions_to_itself(script: Script, clock: Threaded) -> None:
    script.lambda_.publish_version(FunctionName=script.name)
    script.lambda_.create_alias(FunctionName=script.name, Name="live", FunctionVersion="1")
    response = script.lambda_.invoke(FunctionName=f"{script.name}:live", InvocationType="Event", Payload=b"{}", DurableExecutionName="v")
    clock.settle()
    assert ":function:scripted:1/durable-execution/v/" in response["DurableExecutionArn"]
    assert script.get(response["DurableExecutionArn"])["Version"] == "1"
    assert script.listed(Qualifier="live") == ["v"]
    assert script.listed(Qualifier="$LATEST") == []


def test_a_stopped_execution_stays_stopped(script: Script, clock: Threaded) -> None:
    arn = script.start(WAITS)
    clock.settle()
    stopped = script.lambda_.stop_durable_execution(DurableExecutionArn=arn, Error={"ErrorType": "Tired", "ErrorMessage": "enough"})
    again = script.lambda_.stop_durable_execution(DurableExecutionArn=arn)
    assert stopped["StopTimestamp"] == again["StopTimestamp"]
    clock.advance("2h")
    found = script.get(arn)
    assert (found["Status"], found["Error"]) == ("STOPPED", {"ErrorType": "Tired", "ErrorMessage": "enough"})
    assert len(script.reports()) == 1
    assert script.history(arn)[-1]["ExecutionStoppedDetails"]["Error"]["Payload"]["ErrorType"] == "Tired"
    missing = arn[:-4] + "0000"
    assert refusal(script.lambda_.stop_durable_execution, DurableExecutionArn=missing)[0] == "ResourceNotFoundException"


def test_an_execution_times_out(script: Script, clock: Threaded) -> None:
    arn = script.start({"1": {"updates": [[wait("w", 90_000)]], "answer": PENDING}})
    clock.advance("23h")
    assert script.status(arn) == "RUNNING"
    clock.advance("1h")
    assert script.status(arn) == "TIMED_OUT"
    assert script.history(arn)[-1]["EventType"] == "ExecutionTimedOut"
    clock.advance("2h")
    assert len(script.reports()) == 1


def test_a_paused_execution_does_nothing_until_it_is_resumed(script: Script, clock: Threaded) -> None:
    arn = script.start(WAITS)
    clock.settle()
    assert script.send("POST", arn, "/pause", Reason="lunch", ClientToken="one") == (202, {})
    assert script.send("POST", arn, "/pause", Reason="lunch", ClientToken="one") == (202, {})
    assert script.send("POST", arn, "/pause", ClientToken="two")[0] == 409
    _, found = script.send("GET", arn)
    assert (found["Status"], found["PauseDetails"]["Reason"]) == ("PAUSED", "lunch")
    clock.advance("50h")
    assert (script.status(arn), len(script.reports())) == ("PAUSED", 1)
    assert script.send("POST", arn, "/resume", Reason="back") == (202, {})
    clock.settle()
    assert (script.status(arn), len(script.reports())) == ("SUCCEEDED", 1)
    kinds = [event["EventType"] for event in script.history(arn)]
    assert [kind for kind in kinds if kind.startswith(("ExecutionP", "ExecutionR", "Wait"))] == [
        "WaitStarted",
        "ExecutionPaused",
        "WaitSucceeded",
        "ExecutionResumed",
    ]
    assert script.send("POST", arn, "/resume", ClientToken="three")[0] == 409


def test_a_pause_may_stop_the_execution_timeout_or_not(script: Script, clock: Threaded) -> None:
    long = {"1": {"updates": [[wait("w", 80_000)]], "answer": PENDING}}
    held, running = script.start(long), script.start(long)
    clock.settle()
    script.send("POST", held, "/pause", ClientToken="one")
    script.send("POST", running, "/pause", ClientToken="one", ExecutionTimeoutPaused=False)
    clock.advance("25h")
    assert (script.status(held), script.status(running)) == ("PAUSED", "TIMED_OUT")
    script.send("POST", held, "/resume", ClientToken="two")
    clock.settle()
    assert script.status(held) == "SUCCEEDED"


def test_an_ended_execution_can_be_deleted(script: Script, clock: Threaded) -> None:
    arn = script.start(WAITS)
    clock.settle()
    status, document = script.send("DELETE", arn)
    assert (status, document["message"]) == (409, "Cannot delete a durable execution that is RUNNING.")
    clock.advance("1h")
    status, document = script.send("DELETE", arn)
    assert (status, list(document)) == (202, ["DeletionRequestTimestamp"])
    clock.settle()
    assert refusal(script.lambda_.get_durable_execution, DurableExecutionArn=arn)[0] == "ResourceNotFoundException"
    assert refusal(script.lambda_.get_durable_execution_history, DurableExecutionArn=arn)[0] == "ResourceNotFoundException"
    assert script.listed() == []


def test_the_functions_role_needs_the_permission_to_checkpoint(script: Script, clock: Threaded) -> None:
    name = script.function("unable", Role=script.role_with())
    script.start({"1": {"updates": [[step("a", "START")]]}}, name)
    clock.settle()
    ((code, message),) = script.reports()[0]["answers"]
    assert code == "AccessDeniedException"
    assert "lambda:CheckpointDurableExecution" in message


def test_a_chained_invocation_needs_the_permission_to_invoke(script: Script, clock: Threaded) -> None:
    name = script.function("unable", Role=script.role_with("lambda:CheckpointDurableExecution"))
    chained = {"Id": "c", "Type": "CHAINED_INVOKE", "Action": "START", "ChainedInvokeOptions": {"FunctionName": script.name + ":$LATEST"}}
    script.start({"1": {"updates": [[chained]]}}, name)
    clock.settle()
    (operation,) = script.reports()[0]["answers"][0]["NewExecutionState"]["Operations"]
    assert (operation["Status"], operation["ChainedInvokeDetails"]["Error"]["ErrorType"]) == ("FAILED", "AccessDeniedException")


def test_a_chained_execution_that_is_stopped_ends_so_for_its_parent(script: Script, clock: Threaded) -> None:
    chained = {
        "Id": "c",
        "Type": "CHAINED_INVOKE",
        "Action": "START",
        "Payload": json.dumps(WAITS),
        "ChainedInvokeOptions": {"FunctionName": script.name + ":$LATEST"},
    }
    arn = script.start({"1": {"updates": [[chained]], "answer": PENDING}})
    clock.settle()
    (started,) = [event for event in script.history(arn) if event["EventType"] == "ChainedInvokeStarted"]
    child = started["ChainedInvokeStartedDetails"]["DurableExecutionArn"]
    script.lambda_.stop_durable_execution(DurableExecutionArn=child, Error={"ErrorType": "Tired"})
    clock.settle()
    assert script.status(arn) == "SUCCEEDED"
    (stopped,) = [event for event in script.history(arn) if event["EventType"] == "ChainedInvokeStopped"]
    assert stopped["ChainedInvokeStoppedDetails"]["Error"]["Payload"] == {"ErrorType": "Tired"}


def test_callback_ids_that_are_none(script: Script, clock: Threaded) -> None:
    arn = script.start({"1": {"updates": [[{"Id": "c", "Type": "CALLBACK", "Action": "START"}]], "answer": PENDING}})
    clock.settle()
    (operation,) = script.reports()[0]["answers"][0]["NewExecutionState"]["Operations"]
    callback_id = operation["CallbackDetails"]["CallbackId"]
    send = script.lambda_.send_durable_execution_callback_success
    assert refusal(send, CallbackId="bm9uZQ==")[0] == "InvalidParameterValueException"
    script.lambda_.stop_durable_execution(DurableExecutionArn=arn)
    assert refusal(send, CallbackId=callback_id) == (
        "CallbackTimeoutException",
        "The callback ID token has either expired or the callback associated with the token has already been closed.",
    )


def test_an_execution_with_too_many_operations_fails(script: Script, clock: Threaded) -> None:
    many = """
        import boto3

        def handler(event, context):
            updates = [{"Id": f"s{n}", "Type": "STEP", "Action": "START"} for n in range(3001)]
            answer = boto3.client("lambda").checkpoint_durable_execution(
                DurableExecutionArn=event["DurableExecutionArn"], CheckpointToken=event["CheckpointToken"], Updates=updates)
            assert "CheckpointToken" not in answer
            return {"Status": "PENDING"}
    """
    arn = script.start({}, script.function("many", source=many, Timeout=60))
    clock.settle()
    found = script.get(arn)
    assert (found["Status"], found["Error"]["ErrorType"]) == ("FAILED", "DurableExecutionLimitExceeded")


def test_a_queue_may_start_executions_that_wait(script: Script, clock: Threaded) -> None:
    source = """
        import boto3

        def handler(event, context):
            if not event["UpdatedOperationIds"]:
                boto3.client("lambda").checkpoint_durable_execution(
                    DurableExecutionArn=event["DurableExecutionArn"], CheckpointToken=event["CheckpointToken"],
                    Updates=[{"Id": "w", "Type": "WAIT", "Action": "START", "WaitOptions": {"WaitSeconds": 600}}])
                return {"Status": "PENDING"}
            return {"Status": "SUCCEEDED", "Result": "{}"}
    """
    receive = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "lambda:CheckpointDurableExecution")
    name = script.function("consumer", source=source, DurableConfig={"ExecutionTimeout": 900}, Role=script.role_with(*receive))
    queue_url = script.sqs.create_queue(QueueName="source", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    queue_arn = script.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    script.lambda_.create_event_source_mapping(FunctionName=f"{name}:$LATEST", EventSourceArn=queue_arn)
    script.sqs.send_message(QueueUrl=queue_url, MessageBody="order")

    def execution() -> dict[str, Any]:
        (found,) = script.lambda_.list_durable_executions_by_function(FunctionName=name)["DurableExecutions"]
        return script.get(found["DurableExecutionArn"])

    clock.advance("5s")
    assert execution()["Status"] == "RUNNING"
    clock.advance("10m")
    assert execution()["Status"] == "SUCCEEDED"
    assert [record["body"] for record in json.loads(execution()["InputPayload"])["Records"]] == ["order"]
    clock.advance("2h")
    assert execution()["Status"] == "SUCCEEDED"


def test_a_template_makes_a_durable_function(script: Script, client: Callable[..., Any], clock: Threaded) -> None:
    template = {
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "templated",
                    "Role": script.role,
                    "Runtime": RUNTIME,
                    "Handler": "index.handler",
                    "Code": {"ZipFile": "def handler(e, c): return {'Status': 'SUCCEEDED', 'Result': '1'}"},
                    "DurableConfig": {"ExecutionTimeout": 60, "RetentionPeriodInDays": 1},
                },
            }
        }
    }
    client("cloudformation").create_stack(StackName="durable", TemplateBody=json.dumps(template))
    clock.settle()
    answer = script.lambda_.invoke(FunctionName="templated", Qualifier="$LATEST")
    assert answer["Payload"].read() == b"1"


def test_the_input_of_a_failed_asynchronous_execution_goes_to_the_dead_letter_queue(script: Script, clock: Threaded) -> None:
    queue_url = script.sqs.create_queue(QueueName="letters")["QueueUrl"]
    queue_arn = script.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = script.function("buried", DeadLetterConfig={"TargetArn": queue_arn})
    event = {"1": {"answer": {"Status": "FAILED", "Error": {"ErrorMessage": "no", "ErrorType": "Oops"}}}}
    script.start(event, name)
    script.start({}, name)
    clock.settle()
    (letter,) = script.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
    assert json.loads(letter["Body"]) == event
    assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"


def test_an_execution_whose_function_is_deleted_fails(script: Script, clock: Threaded) -> None:
    name = script.function("gone")
    arn = script.start(WAITS, name)
    clock.settle()
    script.lambda_.delete_function(FunctionName=name)
    assert script.status(arn) == "RUNNING"
    clock.advance("1h")
    assert (script.status(arn), script.get(arn)["Error"]["ErrorType"]) == ("FAILED", "ResourceNotFoundException")


def test_a_throttled_execution_waits_for_its_turn(script: Script, clock: Threaded) -> None:
    script.lambda_.put_function_concurrency(FunctionName=script.name, ReservedConcurrentExecutions=0)
    arn = script.start({})
    clock.advance("10m")
    assert (script.status(arn), script.reports()) == ("RUNNING", [])
    script.lambda_.delete_function_concurrency(FunctionName=script.name)
    clock.advance("5m")
    assert script.status(arn) == "SUCCEEDED"


def test_an_event_of_the_old_operation_starts_an_execution_too(script: Script, clock: Threaded) -> None:
    script.lambda_.invoke_async(FunctionName=script.name, InvokeArgs=b"{}")
    clock.settle()
    assert len(script.listed()) == 1
