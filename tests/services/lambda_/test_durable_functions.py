"""Durable functions written with AWS's own SDK for Python."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundcloud.testing import Process, Threaded

from .durable import Stage, sdk, stage

__all__ = ["sdk", "stage"]

pytestmark = pytest.mark.slow


def test_steps_waits_and_retries_pass_on_the_virtual_clock(stage: Stage, clock: Threaded) -> None:
    name = stage.function("""
        @durable_execution
        def handler(event, context):
            first = context.step(lambda _: note("first"), name="first")
            context.wait(Duration.from_days(3), name="three days")

            def shaky(step):
                note(f"try {step.attempt}")
                if step.attempt < 3:
                    raise ValueError("not yet")
                return step.attempt

            retry = create_retry_strategy(RetryStrategyConfig(
                max_attempts=5, initial_delay=Duration.from_minutes(10), max_delay=Duration.from_hours(1), backoff_rate=2, jitter_strategy=JitterStrategy.NONE))
            tries = context.step(shaky, name="shaky", config=StepConfig(retry_strategy=retry))
            return {"first": first, "tries": tries, "event": event}
    """)
    arn = stage.start(name, {"order": 7})
    clock.settle()
    assert stage.get(arn)["Status"] == "RUNNING"
    assert stage.notes() == ["first"]
    clock.advance("71h")
    assert stage.notes() == []
    clock.advance("1h")
    assert stage.notes() == ["try 1"]
    clock.advance("9m")
    assert stage.notes() == []
    clock.advance("1m")
    assert stage.notes() == ["try 2"]
    clock.advance("20m")
    assert stage.notes() == ["try 3"]
    assert stage.result(arn) == {"first": "first", "tries": 3, "event": {"order": 7}}
    assert [kind for kind in stage.kinds(arn) if kind != "InvocationCompleted"] == [
        "ExecutionStarted",
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "WaitSucceeded",
        "StepStarted",
        "StepFailed",
        "StepStarted",
        "StepFailed",
        "StepStarted",
        "StepSucceeded",
        "ExecutionSucceeded",
    ]


def test_a_condition_is_looked_at_again_until_it_holds(stage: Stage, clock: Threaded) -> None:
    name = stage.function("""
        @durable_execution
        def handler(event, context):
            def look(state, check):
                note(f"look {state}")
                return state + 1

            def decide(state, attempt):
                if state >= 3:
                    return WaitForConditionDecision.stop_polling()
                return WaitForConditionDecision.continue_waiting(Duration.from_hours(1))

            return context.wait_for_condition(look, WaitForConditionConfig(initial_state=0, wait_strategy=decide), name="condition")
    """)
    arn = stage.start(name)
    clock.settle()
    assert stage.notes() == ["look 0"]
    clock.advance("1h")
    assert stage.notes() == ["look 1"]
    clock.advance("1h")
    assert stage.notes() == ["look 2"]
    assert stage.result(arn) == 3


def test_branches_and_items_run_side_by_side_and_are_replayed_as_one(stage: Stage, clock: Threaded) -> None:
    name = stage.function("""
        @durable_execution
        def handler(event, context):
            def branch(word):
                def run(child):
                    first = child.step(lambda _: note(word), name=word)
                    child.wait(Duration.from_hours(2))
                    return child.step(lambda _: note(word + "!"), name=word + " again")
                return run

            both = context.parallel([branch("one"), branch("two")], name="both")
            squares = context.map([1, 2, 3], lambda child, item, index, items: child.step(lambda _: int(note(str(item))) ** 2), name="squares")
            below = context.run_in_child_context(lambda child: child.step(lambda _: note("below")), name="below")
            context.wait(Duration.from_days(1))
            return [both.get_results(), squares.get_results(), below]
    """)
    arn = stage.start(name)
    clock.settle()
    assert sorted(stage.notes()) == ["one", "two"]
    clock.advance("2h")
    assert sorted(stage.notes()) == ["1", "2", "3", "below", "one!", "two!"]
    clock.advance("1d")
    assert stage.result(arn) == [["one!", "two!"], [1, 4, 9], "below"]
    assert stage.notes() == []
    events = stage.history(arn)
    assert [event["SubType"] for event in events if event["EventType"] == "ContextSucceeded"][-1] == "RunInChildContext"
    parents = {event["Id"] for event in events if event["EventType"] == "ContextStarted"}
    assert {event["ParentId"] for event in events if event.get("Name") in ("one", "two", "one again")} <= parents


def test_a_callback_is_answered_from_outside(stage: Stage, clock: Threaded) -> None:
    name = stage.function("""
        @durable_execution
        def handler(event, context):
            return context.wait_for_callback(lambda callback_id, _: note(callback_id), name="approval")
    """)
    arn = stage.start(name)
    clock.settle()
    (callback_id,) = stage.notes()
    assert stage.get(arn)["Status"] == "RUNNING"
    stage.lambda_.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
    stage.lambda_.send_durable_execution_callback_success(CallbackId=callback_id, Result=b'{"approved": true}')
    clock.settle()
    assert json.loads(stage.result(arn)) == {"approved": True}
    assert stage.notes() == []
    with pytest.raises(ClientError) as caught:
        stage.lambda_.send_durable_execution_callback_success(CallbackId=callback_id, Result=b"1")
    assert caught.value.response["Error"]["Code"] == "CallbackTimeoutException"


CALLBACK = """
    @durable_execution
    def handler(event, context):
        callback = context.create_callback(
            config=CallbackConfig(timeout=Duration.from_hours(5), heartbeat_timeout=Duration.from_hours(1)))
        context.step(lambda _: note(callback.callback_id), name="send")
        try:
            return callback.result()
        except CallbackTimeoutError as error:
            return ["timed out", str(error)]
        except CallbackError as error:
            return [type(error).__name__, str(error)]
"""


def test_a_callback_may_fail(stage: Stage, clock: Threaded) -> None:
    arn = stage.start(stage.function(CALLBACK))
    clock.settle()
    (callback_id,) = stage.notes()
    stage.lambda_.send_durable_execution_callback_failure(CallbackId=callback_id, Error={"ErrorMessage": "no", "ErrorType": "Refused"})
    clock.settle()
    assert stage.result(arn) == ["CallbackExternalError", "no"]


def test_a_callback_without_heartbeats_times_out_and_one_with_them_lives_to_its_own_timeout(stage: Stage, clock: Threaded) -> None:
    name = stage.function(CALLBACK)
    silent, alive = stage.start(name), stage.start(name)
    clock.settle()
    stage.notes()
    (callback,) = [event for event in stage.history(alive) if event["EventType"] == "CallbackStarted"]
    details = callback["CallbackStartedDetails"]
    assert (details["Timeout"], details["HeartbeatTimeout"]) == (18_000, 3_600)
    for _ in range(5):
        clock.advance("50m")
        stage.lambda_.send_durable_execution_callback_heartbeat(CallbackId=details["CallbackId"])
    assert stage.result(silent) == ["timed out", "Callback heartbeat timed out"]
    assert stage.get(alive)["Status"] == "RUNNING"
    clock.advance("49m")
    assert stage.get(alive)["Status"] == "RUNNING"
    clock.advance("1m")
    assert stage.result(alive) == ["timed out", "Callback timed out"]


def test_functions_are_chained(stage: Stage, clock: Threaded) -> None:
    plain = stage.function(
        "def handler(event, context):\n    if event.get('fail'): raise KeyError('lost')\n    return event['n'] * 2\n", DurableConfig=None
    )
    durable = stage.function("""
        @durable_execution
        def handler(event, context):
            context.wait(Duration.from_hours(1))
            return event["n"] + 1
    """)
    name = stage.function("""
        @durable_execution
        def handler(event, context):
            plain, durable = event
            double = context.invoke(plain, {"n": 20}, name="double")
            more = context.invoke(durable + ":$LATEST", {"n": double}, name="more")
            refusals = []
            for target, payload in ((plain, {"fail": 1}), ("nobody", {}), (durable, {})):
                try:
                    context.invoke(target, payload)
                except InvokeError as error:
                    refusals.append([error.error_type, str(error)])
            return [more, refusals]
    """)
    arn = stage.start(name, [plain, durable])
    clock.settle()
    assert stage.get(arn)["Status"] == "RUNNING"
    clock.advance("1h")
    more, refusals = stage.result(arn)
    assert more == 41
    assert [kind for kind, _ in refusals] == ["KeyError", "ResourceNotFoundException", "InvalidParameterValueException"]
    started = [event["ChainedInvokeStartedDetails"] for event in stage.history(arn) if event["EventType"] == "ChainedInvokeStarted"]
    assert stage.result(started[1]["DurableExecutionArn"]) == 41
    assert json.loads(started[0]["Input"]["Payload"]) == {"n": 20}


def test_a_synchronous_invocation_waits_for_the_end(stage: Stage, clock: Threaded) -> None:
    config = {"ExecutionTimeout": 900}
    name = stage.function(
        """
        @durable_execution
        def handler(event, context):
            word = context.step(lambda _: note("once"))
            context.wait(Duration.from_seconds(1))
            if event["fail"]:
                raise ValueError("as told")
            return [word, event]
        """,
        DurableConfig=config,
    )

    def invoke(**options: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(stage.lambda_.invoke, FunctionName=name, Qualifier="$LATEST", **options)
            while not answer.done():
                clock.advance("1s")
            return answer.result()

    answer = invoke(Payload=b'{"fail": false}', DurableExecutionName="first")
    assert json.loads(answer["Payload"].read()) == ["once", {"fail": False}]
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "/durable-execution/first/" in answer["DurableExecutionArn"]
    assert stage.notes() == ["once"]

    again = invoke(Payload=b'{"fail": false}', DurableExecutionName="first")
    assert again["DurableExecutionArn"] == answer["DurableExecutionArn"]
    assert json.loads(again["Payload"].read()) == ["once", {"fail": False}]
    assert stage.notes() == []

    failed = invoke(Payload=b'{"fail": true}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.loads(failed["Payload"].read()) == {"errorMessage": "as told", "errorType": "ValueError"}
    assert stage.get(failed["DurableExecutionArn"])["Error"] == {"ErrorMessage": "as told", "ErrorType": "ValueError"}


def test_an_invocation_that_crashes_is_made_again_and_its_finished_steps_are_not(stage: Stage, clock: Threaded) -> None:
    name = stage.function("""
        import time

        @durable_execution
        def handler(event, context):
            context.step(lambda _: note("done"), name="done")

            def crash(_):
                note("crash")
                os._exit(1)

            context.step(crash, name="crash")
    """)
    arn = stage.start(name)
    clock.settle()
    assert stage.notes() == ["done", "crash"]
    clock.advance("1h")
    assert stage.notes() == ["crash"] * 4
    found = stage.get(arn)
    assert (found["Status"], found["Error"]["ErrorType"]) == ("FAILED", "Runtime.ExitError")
    assert [event for event in stage.history(arn) if event["EventType"] == "InvocationCompleted"][-1]["InvocationCompletedDetails"]["Error"]


def test_a_large_state_is_read_in_pages(stage: Stage, clock: Threaded) -> None:
    name = stage.function(
        """
        @durable_execution
        def handler(event, context):
            sizes = [len(context.step(lambda _: "x" * 700_000, name=f"step{n}")) for n in range(8)]
            context.wait(Duration.from_hours(1))
            return sizes
        """,
        MemorySize=512,
    )
    arn = stage.start(name)
    clock.settle()
    clock.advance("1h")
    assert stage.result(arn) == [700_000] * 8


def test_a_killed_server_goes_on_where_it_was(process: Process, sdk: Path) -> None:
    stage = Stage(process, "test", sdk)
    name = stage.function("""
        import time

        @durable_execution
        def handler(event, context):
            context.step(lambda _: note("one"), name="one")

            def slow(_):
                note("two")
                time.sleep(1.5)

            context.step(slow, name="two")
            context.wait(Duration.from_days(2))
            return context.step(lambda _: note("three"), name="three")
    """)
    arn = stage.start(name)
    seen: list[str] = []
    while "two" not in seen:
        answer = stage.sqs.receive_message(QueueUrl=stage.queue_url, WaitTimeSeconds=10)
        for message in answer.get("Messages", []):
            seen.append(message["Body"])
            stage.sqs.delete_message(QueueUrl=stage.queue_url, ReceiptHandle=message["ReceiptHandle"])
    assert seen == ["one", "two"]

    process.restart()
    stage.connect()
    process.settle()
    assert stage.notes() == ["two"]
    assert stage.get(arn)["Status"] == "RUNNING"

    process.restart()
    stage.connect()
    process.advance("48h")
    assert stage.result(arn) == "three"
    assert stage.notes() == ["three"]
    assert [event["Name"] for event in stage.history(arn) if event["EventType"] == "StepSucceeded"] == ["one", "two", "three"]


def test_kills_at_any_moment_repeat_no_step_that_was_checkpointed(process: Process, sdk: Path) -> None:
    stage = Stage(process, "test", sdk)
    name = stage.function("""
        @durable_execution
        def handler(event, context):
            return [context.step(lambda _, n=n: note(str(n)), name=f"step{n}") for n in range(25)]
    """)
    arn = stage.start(name)
    noted: list[str] = []
    kills = 0
    while len(noted) < 20:
        for message in stage.sqs.receive_message(QueueUrl=stage.queue_url, WaitTimeSeconds=10).get("Messages", []):
            noted.append(message["Body"])
            stage.sqs.delete_message(QueueUrl=stage.queue_url, ReceiptHandle=message["ReceiptHandle"])
        if len(noted) >= 3 * (kills + 1):
            process.restart()
            stage.connect()
            kills += 1
    process.advance("1h")
    assert stage.result(arn) == [str(n) for n in range(25)]
    noted += stage.notes()
    assert sorted(set(noted), key=int) == [str(n) for n in range(25)]
    # Whatever ran again had not been checkpointed: at most the one step that was under way at each kill.
    assert len(noted) - 25 <= kills
    assert [event["Name"] for event in stage.history(arn) if event["EventType"] == "StepSucceeded"] == [f"step{n}" for n in range(25)]
