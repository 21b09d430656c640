"""Reserved concurrency, and what the account may use."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.runtime import UNPACKED_BYTES_MAX
from groundcloud.services.lambda_ import code_storage, concurrency, conditions, errors, names
from groundcloud.services.lambda_.concurrency import ACCOUNT_CONCURRENCY, UNRESERVED_MIN
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.packages import UPLOAD_BYTES_MAX
from groundcloud.services.lambda_.state import FUNCTIONS, PROVISIONED


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def put_function_concurrency(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, _ = functions.load(call, functions.unqualified(names.of(call, request)))
    tx = call.tx.at(name.account, name.region)
    reserved = request["ReservedConcurrentExecutions"]
    others = concurrency.reserved_total(tx) - (function.reserved_concurrency or 0)
    provisioned = sum(config.requested for config in PROVISIONED.scan(tx, name.name))
    if reserved < provisioned:
        raise errors.invalid_parameter(
            f" ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned concurrency [{provisioned}]."
        )
    if ACCOUNT_CONCURRENCY - others - reserved < UNRESERVED_MIN:
        raise errors.invalid_parameter(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of "
            f"[{UNRESERVED_MIN}]."
        )
    FUNCTIONS.put(tx, function.replace(reserved_concurrency=reserved))
    gates = concurrency.of_server(call)
    tx.after_commit(lambda: gates.reservations_changed(call.ground.store.transaction(name.account, name.region)))
    return {"ReservedConcurrentExecutions": reserved}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def get_function_concurrency(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _, function, _ = functions.load(call, functions.unqualified(names.of(call, request)))
    return {"ReservedConcurrentExecutions": function.reserved_concurrency}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def delete_function_concurrency(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, _ = functions.load(call, functions.unqualified(names.of(call, request)))
    tx = call.tx.at(name.account, name.region)
    FUNCTIONS.put(tx, function.replace(reserved_concurrency=None))
    gates = concurrency.of_server(call)
    tx.after_commit(lambda: gates.reservations_changed(call.ground.store.transaction(name.account, name.region)))
    return {}


@operation()
def get_account_settings(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    reserved = concurrency.reserved_total(call.tx)
    return {
        "AccountLimit": {
            "TotalCodeSize": code_storage.CODE_STORAGE_BYTES_MAX,
            "CodeSizeUnzipped": UNPACKED_BYTES_MAX,
            "CodeSizeZipped": UPLOAD_BYTES_MAX,
            "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": code_storage.used_bytes(call.tx),
            "FunctionCount": sum(1 for _ in FUNCTIONS.keys(call.tx)),
        },
    }
