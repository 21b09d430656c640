"""Resource policies of functions, versions and aliases."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, errors, names, policies
from groundcloud.services.lambda_.names import LATEST, FunctionName
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import POLICIES, Policy
from groundcloud.store import Transaction

_NO_POLICY = "The resource you requested does not exist."


def _given(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """lambda:Principal and lambda:FunctionUrlAuthType of the statement that is asked for."""
    facts: dict[str, Any] = {**conditions.of_function(call, request), "lambda:Principal": request["Principal"]}
    if request.get("FunctionUrlAuthType"):
        facts["lambda:FunctionUrlAuthType"] = request["FunctionUrlAuthType"]
    return facts


def _there(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The same of the statement that is to go."""
    name = names.of(call, request)
    policy = POLICIES.get(call.reading().at(name.account, name.region), name.name, name.qualifier)
    statement = policy.statements.get(request["StatementId"]) if policy is not None else None
    if statement is None:
        return {}
    principal = statement.get("Principal", "*")
    facts: dict[str, Any] = conditions.of_function(call, request)
    facts["lambda:Principal"] = next(iter(principal.values())) if isinstance(principal, dict) else principal
    auth_type = (statement.get("Condition", {}).get("StringEquals") or {}).get("lambda:FunctionUrlAuthType")
    if auth_type:
        facts["lambda:FunctionUrlAuthType"] = auth_type
    return facts


@operation(resource=names.arn_of, context=_given)
def add_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    _check_action(request["Action"])
    if request.get("FunctionUrlAuthType") and request["Action"] != "lambda:InvokeFunctionUrl":
        raise errors.invalid_parameter("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
    if not policies.is_principal(call, request["Principal"]):
        raise errors.invalid_parameter("The provided principal was invalid. Please check the principal and try again.")
    policy = POLICIES.get(tx, name.name, name.qualifier)
    _check_revision(policy, request)
    statements = policy.statements if policy is not None else {}
    sid = request["StatementId"]
    if sid in statements:
        raise errors.conflict(
            f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )
    statement = policies.function_statement(request, name.qualified_arn)
    policy = Policy(function_name=name.name, qualifier=name.qualifier, revision_id=call.new_id(), statements={**statements, sid: statement})
    size = len(policies.document(policy).encode())
    if size > policies.POLICY_BYTES_MAX:
        raise errors.policy_too_long(size, policies.POLICY_BYTES_MAX)
    POLICIES.put(tx, policy)
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


@operation(resource=names.arn_of, context=_there)
def remove_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    policy = POLICIES.get(tx, name.name, name.qualifier)
    if policy is None:
        raise errors.resource_not_found("No policy is associated with the given resource.")
    sid = request["StatementId"]
    if sid not in policy.statements:
        raise errors.resource_not_found(f"Statement {sid} is not found in resource policy.")
    _check_revision(policy, request)
    left = {other: statement for other, statement in policy.statements.items() if other != sid}
    if left:
        POLICIES.put(tx, policy.replace(statements=left, revision_id=call.new_id()))
    else:
        POLICIES.delete(tx, name.name, name.qualifier)
    return {}


@operation(resource=names.arn_of, context=conditions.of_function)
def get_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    policy = POLICIES.get(tx, name.name, name.qualifier)
    if policy is None:
        raise errors.resource_not_found(_NO_POLICY)
    return {"Policy": policies.document(policy), "RevisionId": policy.revision_id}


def _place(call: Call, request: dict[str, Any]) -> tuple[FunctionName, Transaction]:
    """Where the policy is: on the function, or on the version or alias that is named. Raises AwsError."""
    name = names.of(call, request)
    if name.qualifier == LATEST:
        raise errors.invalid_parameter("We currently do not support adding policies for $LATEST.")
    functions.load(call, name)
    return name, call.tx.at(name.account, name.region)


def _check_action(action: str) -> None:
    if action == "*":
        return
    if not action.startswith("lambda:"):
        raise errors.invalid_parameter("The provided action is not valid.")


def _check_revision(policy: Policy | None, request: dict[str, Any]) -> None:
    wanted = request.get("RevisionId")
    if wanted is not None and (policy is None or policy.revision_id != wanted):
        raise errors.revision_changed("GetPolicy")
