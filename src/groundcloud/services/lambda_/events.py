"""Asynchronous invocations: a durable queue with AWS's two retries, age limit, dead letter queue and destinations.

An event is a row with a timer ("lambda.event") that is due when it is to be tried. States and transitions:

    accepted --runs, succeeds--> gone (on-success destination)
    accepted --runs, fails, attempts <= retries--> waiting 1 minute, then 2 --> runs again
    accepted --throttled, or the platform cannot run it--> waiting 1 s, 2 s, ... 5 minutes --> tried again
    any --older than its maximum age, or retries spent--> gone (on-failure destination, dead letter queue)

An event that was running when the server died is run again: at least once, as on AWS.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import destinations, execution, metrics
from groundcloud.services.lambda_.durable import executions
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import EVENTS, FUNCTIONS, INVOKE_CONFIGS, Event, EventInvokeConfig

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

RETRIES = 2
RETRY_MS = (60_000, 120_000)
AGE_S_MAX = 21_600
"""AWS: "How Lambda handles errors and retries with asynchronous invocation"."""

THROTTLED_FIRST_MS = 1_000
THROTTLED_MS_MAX = 300_000

RUNNING_MAX = 50
"""Events of one function that run at once; the others wait their turn in order, and in the store."""


def accept(
    call: Call,
    name: FunctionName,
    payload: bytes,
    *,
    client_context: dict[str, Any] | None = None,
    trace: str = "",
    source_arn: str = "",
    tenant_id: str = "",
) -> None:
    """Takes an event; it is kept before the answer leaves. Raises ResourceNotFoundException."""
    execution.check_tenant(execution.target(call, name).version, tenant_id)
    event = Event(
        event_id=call.request_id,
        function_name=name.name,
        qualifier=name.qualifier,
        payload=bytes(payload),
        accepted_ms=call.now_ms,
        client_context=client_context,
        source_arn=source_arn,
        trace=trace,
        tenant_id=tenant_id,
    )
    with call.transaction() as own:
        tx = own.at(name.account, name.region)
        EVENTS.put(tx, event)
        call.schedule(call.now_ms, "lambda.event", event.event_id, tx=tx)
    _measure(call, name, AsyncEventsReceived=1)


class Turns:
    """Lets RUNNING_MAX events of a function run at once."""

    def __init__(self) -> None:
        self._turns: dict[tuple[str, str, str], asyncio.Semaphore] = {}

    def of(self, name: FunctionName) -> asyncio.Semaphore:
        key = name[:3]
        found = self._turns.get(key)
        if found is None:
            found = self._turns[key] = asyncio.Semaphore(RUNNING_MAX)
        return found


async def process(call: Call, event_id: str) -> None:
    """Tries an event once, and decides what becomes of it."""
    event = EVENTS.get(call.reading(), event_id)
    if event is None:
        return
    name = FunctionName(call.account, call.region, event.function_name, event.qualifier)
    async with call.own("turns", Turns).of(name):
        await _try(call, name, event)


async def _try(call: Call, name: FunctionName, event: Event) -> None:
    try:
        target = execution.target(call, name)
    except AwsError:
        # Deleted since: nobody is left to be told.
        with call.transaction() as tx:
            EVENTS.delete(tx, event.event_id)
        return
    if executions.config_of(target.version) is not None:
        with call.transaction() as tx:
            EVENTS.delete(tx, event.event_id)
            executions.start(call, tx, target.version, event.payload, trace=event.trace)
        return
    config = _config(call, name)
    age_ms_max = (config.age_max_s if config is not None and config.age_max_s is not None else AGE_S_MAX) * 1000
    if call.clock.now_ms() - event.accepted_ms > age_ms_max:
        _end(call, target, config, event, None, "EventAgeExceeded")
        return
    began_ns = time.perf_counter_ns()
    outcome: execution.Outcome | None = None
    error: AwsError | None = None
    call.request_id = event.event_id
    _measure(call, name, AsyncEventAge=call.clock.now_ms() - event.accepted_ms)
    try:
        outcome = await execution.run(
            call,
            target,
            event.payload,
            event.event_id,
            client_context=event.client_context,
            trace=event.trace,
            tenant_id=event.tenant_id,
            is_event=True,
        )
    except AwsError as refused:
        error = refused
    execution.record(call, target, began_ns, outcome, error, "lambda.amazonaws.com")
    event = event.replace(tries=event.tries + 1, attempts=event.attempts + (outcome is not None))
    if outcome is None:
        wait_ms = min(THROTTLED_FIRST_MS << min(event.tries - event.attempts - 1, 20), THROTTLED_MS_MAX)
        if function_cannot_ever_run(target):
            _end(call, target, config, event, None, "ZeroReservedConcurrency")
        elif error is not None and error.code == "RecursiveInvocationException":
            _end(call, target, config, event, None, "RetriesExhausted")
        else:
            _again(call, target, config, event, wait_ms, age_ms_max, None)
    elif not outcome.failed:
        _end(call, target, config, event, outcome, "Success")
    else:
        retries = config.retries_max if config is not None and config.retries_max is not None else RETRIES
        if event.attempts > retries:
            _end(call, target, config, event, outcome, "RetriesExhausted")
        else:
            _again(call, target, config, event, RETRY_MS[min(event.attempts, len(RETRY_MS)) - 1], age_ms_max, outcome)


def function_cannot_ever_run(target: execution.Target) -> bool:
    """Reserved concurrency 0 is how a function is switched off: AWS sends its events to the dead letter at once."""
    return target.function.reserved_concurrency == 0


def _config(call: Call, name: FunctionName) -> EventInvokeConfig | None:
    return INVOKE_CONFIGS.get(call.reading(), name.name, name.qualifier or "$LATEST")


def _again(
    call: Call,
    target: execution.Target,
    config: EventInvokeConfig | None,
    event: Event,
    wait_ms: int,
    age_ms_max: int,
    outcome: execution.Outcome | None,
) -> None:
    due_ms = call.clock.now_ms() + wait_ms
    if due_ms - event.accepted_ms > age_ms_max:
        _end(call, target, config, event, outcome, "EventAgeExceeded")
        return
    with call.transaction() as tx:
        EVENTS.put(tx, event)
        call.schedule(due_ms, "lambda.event", event.event_id)


def _end(
    call: Call,
    target: execution.Target,
    config: EventInvokeConfig | None,
    event: Event,
    outcome: execution.Outcome | None,
    condition: str,
) -> None:
    """Forgets the event and tells whoever is to be told, in one transaction."""
    with call.transaction() as tx:
        if EVENTS.get(tx, event.event_id) is None or FUNCTIONS.get(tx, event.function_name) is None:
            return
        EVENTS.delete(tx, event.event_id)
        failed = condition != "Success"
        destination = None if config is None else config.on_failure if failed else config.on_success
        given: dict[str, Any] = {"role_arn": target.version.role, "source_arn": target.name.arn, "folder": f"async/{target.name.name}"}
        if destination:
            record = destination_record(call, target, event, outcome, condition)
            destinations.deliver(call, tx, destination, json.dumps(record), **given)
        if failed and target.version.dead_letter_arn:
            attributes = dead_letter_attributes(event, outcome, condition)
            destinations.deliver(call, tx, target.version.dead_letter_arn, event.payload, attributes=attributes, **given)
    if failed:
        _measure(call, target.name, AsyncEventsDropped=1)


def _measure(call: Call, name: FunctionName, **figures: float) -> None:
    metrics.measure(call, name.account, name.region, {"FunctionName": name.name}, **figures)


def dead_letter_attributes(event: Event, outcome: execution.Outcome | None, condition: str) -> dict[str, str]:
    """AWS: "Dead-letter queues": RequestID, ErrorCode (an HTTP status), ErrorMessage (its first kilobyte)."""
    if outcome is None:
        return {"RequestID": event.event_id, "ErrorCode": "429" if condition != "EventAgeExceeded" else "410", "ErrorMessage": condition}
    message = _document(outcome.payload)
    text = message.get("errorMessage") if isinstance(message, dict) else None
    return {"RequestID": event.event_id, "ErrorCode": "200", "ErrorMessage": str(text or "")[:1024] or "null"}


def destination_record(
    call: Call, target: execution.Target, event: Event, outcome: execution.Outcome | None, condition: str
) -> dict[str, Any]:
    """AWS: "Capturing records of asynchronous invocations", example of an invocation record."""
    now_ms = call.clock.now_ms()
    qualified = target.name.qualified_arn if target.name.qualifier else f"{target.name.arn}:$LATEST"
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ms // 1000)) + f".{now_ms % 1000:03d}Z",
        "requestContext": {
            "requestId": event.event_id,
            "functionArn": qualified,
            "condition": condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": _document(event.payload),
    }
    if outcome is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": outcome.version}
        if outcome.failed:
            context["functionError"] = "Unhandled"
        record["responseContext"] = context
        record["responsePayload"] = _document(outcome.payload)
    return record


def _document(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")
