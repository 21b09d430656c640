"""Managed policies on users, groups and roles."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import directory, errors, identities, managed, names, pages
from groundcloud.services.iam.conditions import policy_arn
from groundcloud.services.iam.limits import POLICIES_PER_IDENTITY
from groundcloud.services.iam.state import ATTACHED, ATTACHMENTS, POLICIES

_QUOTAS = {"user": "PoliciesPerUser", "group": "PoliciesPerGroup", "role": "PoliciesPerRole"}


@operation(resource=names.USER, context=policy_arn)
def attach_user_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _attach(call, "user", request)


@operation(resource=names.GROUP, context=policy_arn)
def attach_group_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _attach(call, "group", request)


@operation(resource=names.ROLE, context=policy_arn)
def attach_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _attach(call, "role", request)


@operation(resource=names.USER, context=policy_arn)
def detach_user_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _detach(call, "user", request)


@operation(resource=names.GROUP, context=policy_arn)
def detach_group_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _detach(call, "group", request)


@operation(resource=names.ROLE, context=policy_arn)
def detach_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _detach(call, "role", request)


@operation(resource=names.USER)
def list_attached_user_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list(call, "user", request)


@operation(resource=names.GROUP)
def list_attached_group_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list(call, "group", request)


@operation(resource=names.ROLE)
def list_attached_role_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list(call, "role", request)


def _attach(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    """Attaching what is attached changes nothing."""
    tx, arn = call.tx, request["PolicyArn"]
    identity = identities.load(tx, kind, request[names.MEMBERS[kind]])
    if getattr(identity, "linked_service", ""):
        raise errors.protected_role(identity.name)
    if not arn.startswith("arn:"):
        raise errors.invalid_input(f"ARN {arn} is not valid.")
    if directory.document_of(tx, arn) is None:
        raise errors.policy_not_attachable(arn)
    if ATTACHED.has(tx, kind, identity.key, arn):
        return {}
    if sum(1 for _ in ATTACHED.keys(tx, kind, identity.key)) >= POLICIES_PER_IDENTITY:
        raise errors.quota_exceeded(_QUOTAS[kind], POLICIES_PER_IDENTITY)
    ATTACHED.put(tx, kind, identity.key, arn)
    ATTACHMENTS.put(tx, arn, "policy", kind, identity.key)
    return {}


def _detach(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    tx, arn = call.tx, request["PolicyArn"]
    identity = identities.load(tx, kind, request[names.MEMBERS[kind]])
    if getattr(identity, "linked_service", ""):
        raise errors.protected_role(identity.name)
    if not ATTACHED.has(tx, kind, identity.key, arn):
        raise errors.policy_not_found(arn)
    ATTACHED.delete(tx, kind, identity.key, arn)
    ATTACHMENTS.delete(tx, arn, "policy", kind, identity.key)
    return {}


def _list(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    identity = identities.load(call.tx, kind, request[names.MEMBERS[kind]])
    prefix = request.get("PathPrefix", "/")
    arns = (parts[2] for parts in ATTACHED.keys(call.tx, kind, identity.key, after=pages.after(request)))
    arns = (arn for arn in arns if ("/" + arn.partition(":policy/")[2]).startswith(prefix))
    return pages.page(request, "AttachedPolicies", arns, str, lambda arn: attached(call, arn))


def attached(call: Call, policy_arn: str) -> dict[str, str]:
    found = managed.POLICIES.get(policy_arn) or POLICIES.get(call.tx, names.key_of_arn(policy_arn))
    return {"PolicyName": found.name if found is not None else policy_arn.rsplit("/", 1)[-1], "PolicyArn": policy_arn}
