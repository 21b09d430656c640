"""The engine's timer: drives one stack's operation until it ends, and again from where it stood after a crash."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.cloudformation import deployment, state


@timer("cloudformation.deploy", background=True)
async def deploy(call: Call, payload: dict[str, Any]) -> None:
    """Settling waits for it through `call.busy()`, except while all it does is wait for a signal or an answer."""
    stack_id = payload["StackId"]
    with call.busy():
        deployer = _deployer(call, stack_id)
        if deployer is not None:
            await deployment.Deployment(call, deployer, stack_id).run()


@timer("cloudformation.forget")
def forget(call: Call, payload: dict[str, Any]) -> None:
    """A deleted stack is known by its id for ninety days."""
    state.forget_stack(call.tx, payload["StackId"])


def _deployer(call: Call, stack_id: str) -> Call | None:
    """A call under the stack's role, or else under the identity that began the operation. None where the role cannot be had."""
    with call.transaction() as tx:
        stack = state.STACKS.get(tx, stack_id)
        operation = state.OPERATIONS.get(tx, stack_id)
        if stack is None or operation is None:
            return None
        if stack.role_arn is None:
            return call
        try:
            principal = call.ground.assume(tx, stack.role_arn, "AWSCloudFormation", "cloudformation.amazonaws.com", stack_id)
        except AwsError as error:
            deployment.Deployment(call, call, stack_id).give_up(
                tx, stack, operation, f"Role {stack.role_arn} is invalid or cannot be assumed. {error.message}"
            )
            return None
    return call.as_principal(principal)
