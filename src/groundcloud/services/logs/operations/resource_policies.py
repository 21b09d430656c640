"""Resource policies of the account in a region."""

from __future__ import annotations

from typing import Any

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy
from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.logs import errors, policies
from groundcloud.services.logs.names import parts_of_token, token
from groundcloud.services.logs.state import RESOURCE_POLICIES, ResourcePolicy

POLICIES_MAX = 10  # AWS: PutResourcePolicy
DESCRIBED_MAX = 50

Request = dict[str, Any]


@operation()
def put_resource_policy(call: Call, request: Request) -> Request:
    _refuse_scope(request)
    name, document = request.get("policyName"), request.get("policyDocument")
    if not name:
        raise errors.invalid_parameter("policyName must be specified.")
    if not document:
        raise errors.invalid_parameter("policyDocument must be specified.")
    try:
        documents.parse(document, "resource", name)
    except MalformedPolicy as malformed:
        raise errors.invalid_parameter(f"Invalid policy document: {malformed.message}") from None
    if not RESOURCE_POLICIES.has(call.tx, name) and sum(1 for _ in RESOURCE_POLICIES.keys(call.tx)) >= POLICIES_MAX:
        raise errors.limit_exceeded()
    policy = ResourcePolicy(policy_name=name, document=document, updated_ms=call.now_ms)
    RESOURCE_POLICIES.put(call.tx, policy)
    policies.changed(call)
    return {"resourcePolicy": _shown(policy)}


@operation()
def describe_resource_policies(call: Call, request: Request) -> Request:
    _refuse_scope(request)
    limit = request.get("limit", DESCRIBED_MAX)
    last = parts_of_token(request["nextToken"], str)[0] if "nextToken" in request else None
    found = list(RESOURCE_POLICIES.scan(call.tx, after=last, limit=limit + 1))
    answer: Request = {"resourcePolicies": [_shown(policy) for policy in found[:limit]]}
    if len(found) > limit:
        answer["nextToken"] = token(found[limit - 1].policy_name)
    return answer


@operation()
def delete_resource_policy(call: Call, request: Request) -> Request:
    _refuse_scope(request)
    name = request.get("policyName")
    if not name:
        raise errors.invalid_parameter("policyName must be specified.")
    if not RESOURCE_POLICIES.has(call.tx, name):
        raise errors.policy_does_not_exist(name)
    RESOURCE_POLICIES.delete(call.tx, name)
    policies.changed(call)
    return {}


def _refuse_scope(request: Request) -> None:
    if request.get("resourceArn") or request.get("policyScope") == "RESOURCE":
        raise not_implemented("resource policies of single log groups (resourceArn)")


def _shown(policy: ResourcePolicy) -> Request:
    return {
        "policyName": policy.policy_name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated_ms,
        "policyScope": "ACCOUNT",
    }
