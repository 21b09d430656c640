"""How asynchronous invocations of a function, version or alias are retried, and who is told of their end."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, errors, names, publishing
from groundcloud.services.lambda_.names import LATEST, FunctionName
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import INVOKE_CONFIGS, EventInvokeConfig
from groundcloud.store import Transaction

DESTINATION_SERVICES = ("sqs", "sns", "lambda", "events", "s3")


@operation(resource=names.arn_of, context=conditions.of_function)
def put_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx, role_arn = _place(call, request)
    config = EventInvokeConfig(function_name=name.name, qualifier=name.qualifier or LATEST, last_modified_ms=call.now_ms)
    return _keep(call, tx, name, role_arn, config, request)


@operation(resource=names.arn_of, context=conditions.of_function)
def update_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx, role_arn = _place(call, request)
    return _keep(call, tx, name, role_arn, _load(tx, name), request)


@operation(resource=names.arn_of, context=conditions.of_function)
def get_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx, _ = _place(call, request, known=True)
    return _document(name, _load(tx, name))


@operation(resource=names.arn_of, context=conditions.of_function)
def delete_function_event_invoke_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx, _ = _place(call, request, known=True)
    _load(tx, name)
    INVOKE_CONFIGS.delete(tx, name.name, name.qualifier or LATEST)
    return {}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def list_function_event_invoke_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx, _ = _place(call, request)
    limit = min(request.get("MaxItems") or functions.ITEMS_MAX, functions.ITEMS_MAX)
    found = list(INVOKE_CONFIGS.scan(tx, name.name, after=request.get("Marker"), limit=limit + 1))
    marker = found[limit - 1].qualifier if len(found) > limit else None
    return {
        "FunctionEventInvokeConfigs": [_document(name._replace(qualifier=config.qualifier), config) for config in found[:limit]],
        "NextMarker": marker,
    }


def _place(call: Call, request: dict[str, Any], *, known: bool = False) -> tuple[FunctionName, Transaction, str]:
    """`known`: for those who have a configuration, else ask for one. Raises ResourceNotFoundException."""
    name = names.of(call, request)
    try:
        name, _, version = functions.load(call, name)
    except AwsError as error:
        sentence = f"The function {_arn(name)} doesn't have an EventInvokeConfig" if known else "The function doesn't exist."
        raise errors.resource_not_found(sentence) from error
    return name, call.tx.at(name.account, name.region), version.role


def _load(tx: Transaction, name: FunctionName) -> EventInvokeConfig:
    config = INVOKE_CONFIGS.get(tx, name.name, name.qualifier or LATEST)
    if config is None:
        raise errors.resource_not_found(f"The function {_arn(name)} doesn't have an EventInvokeConfig")
    return config


def _arn(name: FunctionName) -> str:
    return f"{name.arn}:{name.qualifier or LATEST}"


def _keep(
    call: Call, tx: Transaction, name: FunctionName, role_arn: str, config: EventInvokeConfig, request: dict[str, Any]
) -> dict[str, Any]:
    changes: dict[str, Any] = {"last_modified_ms": call.now_ms}
    if request.get("MaximumRetryAttempts") is not None:
        changes["retries_max"] = request["MaximumRetryAttempts"]
    if request.get("MaximumEventAgeInSeconds") is not None:
        changes["age_max_s"] = request["MaximumEventAgeInSeconds"]
    destinations = request.get("DestinationConfig")
    if destinations is not None:
        for member, field in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
            if destinations.get(member) is not None:
                arn = destinations[member].get("Destination") or None
                if arn is not None:
                    _check_destination(call, name, role_arn, arn, member)
                changes[field] = arn
    if len(changes) == 1:
        raise errors.invalid_parameter("You must specify at least one of error handling or destination setting.")
    config = config.replace(**changes)
    INVOKE_CONFIGS.put(tx, config)
    return _document(name, config)


def _check_destination(call: Call, name: FunctionName, role_arn: str, destination_arn: str, member: str) -> None:
    service = destination_arn.split(":")[2]
    if service not in DESTINATION_SERVICES or (service == "s3" and member == "OnSuccess"):
        raise errors.invalid_parameter(f"The destination ARN {destination_arn} is invalid.")
    if destination_arn in (name.arn, name.qualified_arn):
        raise errors.invalid_parameter("You can't specify the function as a destination for itself.")
    publishing.check_sender(call, destination_arn, role_arn, naming_it=True)


def _document(name: FunctionName, config: EventInvokeConfig) -> dict[str, Any]:
    document: dict[str, Any] = {
        "LastModified": config.last_modified_ms / 1000,
        "FunctionArn": _arn(name),
        "MaximumRetryAttempts": config.retries_max,
        "MaximumEventAgeInSeconds": config.age_max_s,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    return document
