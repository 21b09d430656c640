"""Names of durable executions and callbacks: ARNs, callback ids, checkpoint tokens, and what is read from them. Pure but for the call's randomness."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.durable.state import Execution
from groundcloud.services.lambda_.names import NUMBER_MAX

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call


class ExecutionName(NamedTuple):
    """The parts of a durable execution's ARN. `version` is a number or $LATEST."""

    account: str
    region: str
    function_name: str
    version: str
    execution_name: str
    execution_id: str


def arn_of(account: str, region: str, execution: Execution) -> str:
    return (
        f"arn:aws:lambda:{region}:{account}:function:{execution.function_name}:{execution.version}"
        f"/durable-execution/{execution.execution_name}/{execution.execution_id}"
    )


def parse(execution_arn: str) -> ExecutionName:
    """Of an ARN; the model's pattern has let it pass. Raises InvalidParameterValueException."""
    parts = execution_arn.split(":", 7)
    tail = parts[7].split("/") if len(parts) == 8 else []
    if len(tail) != 4 or tail[1] != "durable-execution":
        raise errors.invalid_parameter(f"Invalid durable execution ARN: {execution_arn}")
    return ExecutionName(parts[4], parts[3], parts[6], tail[0], tail[2], tail[3])


def resource(call: Call, request: dict[str, Any]) -> str:
    """What is authorised: the execution, which `function:NAME:*` in a policy covers."""
    return str(request["DurableExecutionArn"])


def new_token(call: Call) -> str:
    """A checkpoint token: base64, as the model's pattern has it."""
    return b64encode(bytes.fromhex(call.token(48))).decode()


def new_callback_id(call: Call, execution_arn: str, sequence: int) -> str:
    """Says where the callback is, and cannot be guessed."""
    return b64encode(f"{execution_arn}#{sequence}#{call.token(24)}".encode()).decode()


def parse_callback(callback_id: str) -> tuple[str, int]:
    """The execution's ARN and the operation's sequence. Raises InvalidParameterValueException."""
    try:
        execution_arn, sequence, _ = b64decode(callback_id, validate=True).decode().split("#")
        parse(execution_arn)
        return execution_arn, min(max(int(sequence), 0), NUMBER_MAX)
    except ValueError:
        raise errors.invalid_parameter(f"Invalid callback id: {callback_id}") from None


def callback_resource(call: Call, request: dict[str, Any]) -> str:
    return parse_callback(request["CallbackId"])[0]
