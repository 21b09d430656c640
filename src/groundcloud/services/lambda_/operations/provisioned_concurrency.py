"""Provisioned concurrency configurations of versions and aliases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import capacity, concurrency, conditions, configuration, errors, execution, names, provisioning
from groundcloud.services.lambda_.concurrency import ACCOUNT_CONCURRENCY, UNRESERVED_MIN
from groundcloud.services.lambda_.names import LATEST, FunctionName
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import ALIASES, FUNCTIONS, PROVISIONED, Provisioned
from groundcloud.store import Transaction


@operation(resource=names.arn_of, context=conditions.of_function)
def put_provisioned_concurrency_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    if name.qualifier in ("", LATEST):
        raise errors.invalid_parameter("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    _, function, version = functions.load(call, name)
    if capacity.config_of(version) is not None:
        raise errors.invalid_parameter("Provisioned Concurrency is not supported for functions with a capacity provider.")
    if name.is_alias and version.number <= 0:
        raise errors.invalid_parameter("Alias with weights or pointing to $LATEST cannot be used with Provisioned Concurrency")
    _refuse_twin(tx, name, version.number)
    if execution.isolates_tenants(version):
        raise errors.invalid_parameter("Provisioned concurrency is not supported for functions with tenant isolation.")
    if version.snap_start:
        raise errors.invalid_parameter("Provisioned Concurrency is not supported for functions with SnapStart enabled.")
    wanted = request["ProvisionedConcurrentExecutions"]
    if function.reserved_concurrency is not None:
        if wanted + _provisioned_elsewhere(tx, name, [name.name]) > function.reserved_concurrency:
            raise errors.invalid_parameter(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
            )
    else:
        unreserved = (each.function_name for each in FUNCTIONS.scan(tx) if each.reserved_concurrency is None)
        left = ACCOUNT_CONCURRENCY - concurrency.reserved_total(tx) - UNRESERVED_MIN - _provisioned_elsewhere(tx, name, unreserved)
        if wanted > left:
            raise errors.invalid_parameter(
                f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."
            )
    config = Provisioned(
        function_name=name.name, qualifier=name.qualifier, requested=wanted, last_modified_ms=call.now_ms, generation=call.token(16)
    )
    PROVISIONED.put(tx, config)
    key = f"{name.name}:{name.qualifier}"
    call.schedule(call.now_ms, "lambda.provision", [name.name, name.qualifier, config.generation], key=key, tx=tx)
    return {**_document(call, name, config), "AvailableProvisionedConcurrentExecutions": 0, "Status": "IN_PROGRESS"}


@operation(resource=names.arn_of, context=conditions.of_function)
def get_provisioned_concurrency_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    _check_published(name)
    return _document(call, name, _load(tx, name))


@operation(resource=names.arn_of, context=conditions.of_function)
def delete_provisioned_concurrency_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    _check_published(name)
    PROVISIONED.delete(tx, name.name, name.qualifier)
    return {}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def list_provisioned_concurrency_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    limit = min(request.get("MaxItems") or functions.ITEMS_MAX, functions.ITEMS_MAX)
    found = list(PROVISIONED.scan(tx, name.name, after=request.get("Marker"), limit=limit + 1))
    documents = []
    for config in found[:limit]:
        qualified = name._replace(qualifier=config.qualifier)
        documents.append({"FunctionArn": qualified.qualified_arn, **_document(call, qualified, config)})
    return {"ProvisionedConcurrencyConfigs": documents, "NextMarker": found[limit - 1].qualifier if len(found) > limit else None}


def _place(call: Call, request: dict[str, Any]) -> tuple[FunctionName, Transaction]:
    name = names.of(call, request)
    functions.load(call, name)
    return name, call.tx.at(name.account, name.region)


def _check_published(name: FunctionName) -> None:
    if name.qualifier in ("", LATEST):
        raise errors.invalid_parameter("The function resource provided must be an alias or a published version.")


def _refuse_twin(tx: Transaction, name: FunctionName, number: int) -> None:
    """A version has its provisioned concurrency by itself or by one alias. Raises ResourceConflictException."""
    if name.is_alias:
        alias = ALIASES.get(tx, name.name, name.qualifier)
        versions = {str(number), *(alias.weights if alias is not None else ())}
        if any(PROVISIONED.has(tx, name.name, text) for text in versions):
            raise errors.conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
        return
    for alias in ALIASES.scan(tx, name.name):
        points_here = alias.version == number or str(number) in alias.weights
        if points_here and PROVISIONED.has(tx, name.name, alias.alias_name):
            raise errors.conflict("Version is pointed by a Provisioned Concurrency alias")


def _provisioned_elsewhere(tx: Transaction, name: FunctionName, function_names: Iterable[str]) -> int:
    """What those functions have provisioned, but for `name` itself."""
    configs = (config for function_name in function_names for config in PROVISIONED.scan(tx, function_name))
    return sum(config.requested for config in configs if (config.function_name, config.qualifier) != (name.name, name.qualifier))


def _load(tx: Transaction, name: FunctionName) -> Provisioned:
    config = PROVISIONED.get(tx, name.name, name.qualifier)
    if config is None:
        raise errors.not_provisioned()
    return config


def _document(call: Call, name: FunctionName, config: Provisioned) -> dict[str, Any]:
    warm = provisioning.of_server(call)
    available = min(warm.available.get(name, 0), config.requested)
    failure = warm.failures.get(name)
    document: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AllocatedProvisionedConcurrentExecutions": available,
        "AvailableProvisionedConcurrentExecutions": available,
        "Status": "FAILED" if failure else "READY" if available == config.requested else "IN_PROGRESS",
        "LastModified": configuration.last_modified(config.last_modified_ms),
    }
    if failure:
        document["StatusReason"] = failure
    return document
