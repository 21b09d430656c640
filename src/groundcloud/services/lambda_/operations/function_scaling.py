"""How many execution environments a published version on a capacity provider may have."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import capacity, conditions, errors, execution, names
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import FUNCTIONS, SCALED, Provisioned


@operation(resource=names.arn_of, context=conditions.of_function)
def put_function_scaling_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, version = _load(call, request)
    config = request.get("FunctionScalingConfig") or {}
    at_least, at_most = config.get("MinExecutionEnvironments"), config.get("MaxExecutionEnvironments")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise errors.invalid_parameter("MinExecutionEnvironments must be less than or equal to MaxExecutionEnvironments.")
    scaling = {text: other for text, other in function.scaling.items() if text != version.text}
    if config:
        scaling[version.text] = config
    tx = call.tx.at(name.account, name.region)
    FUNCTIONS.put(tx, function.replace(scaling=scaling))
    if at_least:
        kept = Provisioned(
            function_name=name.name, qualifier=version.text, requested=at_least, last_modified_ms=call.now_ms, generation=call.token(16)
        )
        SCALED.put(tx, kept)
        call.schedule(call.now_ms, "lambda.scale", [name.name, version.text, kept.generation], key=f"{name.name}:{version.text}", tx=tx)
    else:
        SCALED.delete(tx, name.name, version.text)
    return {"FunctionState": "Deactivating" if capacity.deactivated(config) else version.state}


@operation(resource=names.arn_of, context=conditions.of_function)
def get_function_scaling_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, version = _load(call, request)
    config = function.scaling.get(version.text)
    return {
        "FunctionArn": name.qualified_arn,
        "AppliedFunctionScalingConfig": config,
        "RequestedFunctionScalingConfig": config,
    }


def _load(call: Call, request: dict[str, Any]) -> execution.Target:
    """Raises AccessDeniedException for a function without a capacity provider."""
    target = functions.load(call, names.of(call, request))
    if capacity.config_of(target.version) is None:
        raise errors.no_capacity_provider()
    return target
