"""How a durable function is invoked: its execution is started, and awaited by those who want an answer."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from groundcloud.services.lambda_ import errors, execution
from groundcloud.services.lambda_.durable import executions, identifiers, state
from groundcloud.services.lambda_.durable.state import EXECUTIONS, PAYLOADS, Execution
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

SYNCHRONOUS_S_MAX = 900
"""AWS: Invoke: a durable function can be invoked synchronously if its execution timeout is 15 minutes or less."""


async def invoke(call: Call, target: execution.Target, payload: bytes, request: dict[str, Any], trace: str) -> dict[str, Any]:
    """Invoke's answer for a durable function. The log of a synchronous one is in its log group alone: an execution is many invocations."""
    name, _, version = target
    if not name.qualifier:
        raise errors.unqualified_durable()
    synchronous = request.get("InvocationType") != "Event"
    execution.name_call(call, target)
    execution_name = request.get("DurableExecutionName") or ""
    kept = begin(call, target, payload, execution_name=execution_name, synchronous=synchronous, trace=trace)
    answer: dict[str, Any] = {"DurableExecutionArn": identifiers.arn_of(name.account, name.region, kept)}
    if not synchronous:
        return {"StatusCode": 202, **answer}
    kept = await finished(call, name, kept.execution_id)
    result, failed = answer_of(call.ground.store.transaction(name.account, name.region), kept)
    answer |= {"StatusCode": 200, "ExecutedVersion": version.text, "Payload": result}
    if failed:
        answer["FunctionError"] = "Unhandled"
    return answer


def begin(
    call: Call, target: execution.Target, payload: bytes, *, execution_name: str = "", synchronous: bool = False, trace: str = ""
) -> Execution:
    """Starts an execution of the target's version, or finds that of the name. Raises AwsError."""
    name, _, version = target
    config = executions.config_of(version)
    if synchronous and config is not None and config["ExecutionTimeout"] > SYNCHRONOUS_S_MAX:
        raise errors.invalid_parameter(
            "You cannot synchronously invoke a durable function with an executionTimeout greater than 15 minutes."
        )
    with call.transaction() as tx:
        return executions.start(
            call,
            tx.at(name.account, name.region),
            version,
            payload,
            execution_name=execution_name,
            synchronous=synchronous,
            trace=trace,
        )


async def finished(call: Call, name: FunctionName, execution_id: str) -> Execution:
    """Waits for the end of an execution, its timeout at the latest. Raises ResourceNotFoundException if it is forgotten meanwhile."""
    while True:
        tx = call.ground.store.transaction(name.account, name.region)
        kept = EXECUTIONS.get(tx, execution_id)
        if kept is None:
            raise errors.resource_not_found()
        if kept.status in state.ENDED:
            return kept
        await call.wait(EXECUTIONS.watch(tx, execution_id))


def answer_of(tx: Transaction, kept: Execution) -> tuple[bytes, bool]:
    """What a synchronous invocation is answered once the execution has ended: the payload, and whether it failed."""
    if kept.status == state.SUCCEEDED:
        return PAYLOADS.get(tx, kept.execution_id, "result") or b"null", False
    error = kept.error or {}
    document = {
        "errorMessage": error.get("ErrorMessage", ""),
        "errorType": error.get("ErrorType", kept.status),
        "errorData": error.get("ErrorData"),
        "stackTrace": error.get("StackTrace"),
    }
    return json.dumps({member: value for member, value in document.items() if value is not None}).encode(), True


def busy(call: Call, target: execution.Target) -> AbstractContextManager[None]:
    """`call.busy` around `run`; but virtual time must be able to move while an execution is awaited, for that may wait for it."""
    return call.busy() if executions.config_of(target.version) is None else nullcontext()


async def run(call: Call, target: execution.Target, payload: bytes, request_id: str, **options: Any) -> execution.Outcome:
    """`execution.run` for those that may meet a durable function: such a one is started, and its execution's end awaited."""
    if executions.config_of(target.version) is None:
        return await execution.run(call, target, payload, request_id, **options)
    name, version = target.name, target.version
    execution.name_call(call, target)
    kept = begin(call, target, payload, synchronous=True, trace=options.get("trace") or "")
    kept = await finished(call, name, kept.execution_id)
    answer, failed = answer_of(call.ground.store.transaction(name.account, name.region), kept)
    return execution.Outcome(answer, failed, version.text, b"", 0, 0.0, 0.0, None, str((kept.error or {}).get("ErrorType") or ""))
