"""Resource policies as whole documents: the same policies that AddPermission and RemovePermission change by the statement.

AWS: PutResourcePolicy. Differs: nothing here blocks public policies, so that PublicPolicyException is never raised; policies of runtimes are refused.
"""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import errors, names, policies
from groundcloud.services.lambda_.names import LATEST, FunctionName
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.state import POLICIES, Policy
from groundcloud.store import Transaction


def _resource(call: Call, request: dict[str, Any]) -> str:
    return str(request["ResourceArn"])


@operation(resource=_resource)
def put_resource_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    _check_revision(POLICIES.get(tx, name.name, name.qualifier), request)
    head, statements = policies.parsed(request["Policy"], name.qualified_arn)
    policy = Policy(function_name=name.name, qualifier=name.qualifier, revision_id=call.new_id(), statements=statements, head=head)
    text = policies.document(policy)
    if len(text.encode()) > policies.POLICY_BYTES_MAX:
        raise errors.policy_too_long(len(text.encode()), policies.POLICY_BYTES_MAX)
    POLICIES.put(tx, policy)
    return {"Policy": text, "RevisionId": policy.revision_id}


@operation(resource=_resource)
def get_resource_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    policy = _load(tx, name)
    return {"Policy": policies.document(policy), "RevisionId": policy.revision_id}


@operation(resource=_resource)
def delete_resource_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    _check_revision(_load(tx, name), request)
    POLICIES.delete(tx, name.name, name.qualifier)
    return {}


def _place(call: Call, request: dict[str, Any]) -> tuple[FunctionName, Transaction]:
    """The function, version or alias that is named. Raises AwsError."""
    if ":function:" not in request["ResourceArn"]:
        raise errors.invalid_parameter(f"Groundcloud does not implement resource policies of runtimes ({request['ResourceArn']}) yet.")
    name = names.from_arn(request["ResourceArn"])
    if name.region != call.region:
        raise errors.other_region(name.region, call.region)
    if name.qualifier == LATEST:
        raise errors.invalid_parameter("We currently do not support adding policies for $LATEST.")
    functions.load(call, name)
    return name, call.tx.at(name.account, name.region)


def _load(tx: Transaction, name: FunctionName) -> Policy:
    policy = POLICIES.get(tx, name.name, name.qualifier)
    if policy is None:
        raise errors.resource_not_found()
    return policy


def _check_revision(policy: Policy | None, request: dict[str, Any]) -> None:
    wanted = request.get("RevisionId")
    if wanted is not None and (policy is None or policy.revision_id != wanted):
        raise errors.revision_changed("GetResourcePolicy")
