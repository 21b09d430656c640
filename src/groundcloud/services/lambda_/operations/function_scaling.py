"""How many execution environments a published version on a capacity provider may have."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import capacity, errors, execution, names
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import FUNCTIONS


@operation(resource=names.arn_of)
def put_function_scaling_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, version = _load(call, request)
    config = request.get("FunctionScalingConfig") or {}
    at_least, at_most = config.get("MinExecutionEnvironments"), config.get("MaxExecutionEnvironments")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise errors.invalid_parameter("MinExecutionEnvironments must be less than or equal to MaxExecutionEnvironments.")
    scaling = {text: other for text, other in function.scaling.items() if text != version.text}
    if config:
        scaling[version.text] = config
    FUNCTIONS.put(call.tx.at(name.account, name.region), function.replace(scaling=scaling))
    return {"FunctionState": version.state}


@operation(resource=names.arn_of)
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
