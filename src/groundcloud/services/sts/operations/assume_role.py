"""AssumeRole: a role's session for a user, another role's session, an account's root or a service."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.identity import Role
from groundcloud.kernel.service import operation
from groundcloud.services.sts import errors, limits, session_policies, session_tags, trust
from groundcloud.services.sts.credentials import assumed, issue, role_session

ACTION = "sts:AssumeRole"


@operation(access=lambda call, request: [])
async def assume_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role_arn, session_name = request["RoleArn"], request["RoleSessionName"]
    call.resource = role_arn
    if "ProvidedContexts" in request:
        raise not_implemented("AssumeRole with ProvidedContexts")
    role = find(call, role_arn)
    if role is None:
        raise trust.unknown_role(call, ACTION, role_arn)
    tags = session_tags.of_request(request, call.session)
    source_identity = _authorize(call, role, request, tags)
    duration_s = request.get("DurationSeconds", limits.SESSION_DURATION_S)
    if call.principal.kind == "role-session" and duration_s > limits.CHAINED_DURATION_S_MAX:
        raise errors.duration_beyond_chain()
    if duration_s > role.max_session_s:
        raise errors.duration_beyond_role()
    principal = role_session(role.arn, role.unique_id, session_name)
    passed = await session_policies.of_request(call, request, principal.account, tags.given)
    answer = issue(
        call,
        request,
        principal,
        duration_s,
        policies=passed.policies,
        tags=tags.tags,
        source_identity=source_identity,
        context=tags.context,
    )
    return {
        **answer,
        "AssumedRoleUser": assumed(principal),
        "PackedPolicySize": passed.packed_percent,
        "SourceIdentity": source_identity or None,
    }


def find(call: Call, role_arn: str) -> Role | None:
    """None if there is no such role. Raises ValidationError if that is no role's ARN."""
    if not role_arn.startswith("arn:"):
        raise errors.validation(f"{role_arn} is invalid")
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or len(parts[4]) != 12 or not parts[5].startswith("role/"):
        raise errors.validation("Request ARN is invalid")
    return call.ground.directory.role(call.reading(), role_arn)


def _authorize(call: Call, role: Role, request: dict[str, Any], tags: session_tags.SessionTags) -> str:
    """The session's source identity, once everything that the request wants is allowed. Raises AccessDenied."""
    if "SerialNumber" in request or "TokenCode" in request:
        # There are no MFA devices, so no code is right.
        raise errors.access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    inherited = call.session.source_identity if call.session is not None else ""
    source_identity: str = request.get("SourceIdentity") or inherited
    context: dict[str, Any] = {"sts:RoleSessionName": request["RoleSessionName"], **tags.conditions}
    if "ExternalId" in request:
        context["sts:ExternalId"] = request["ExternalId"]
    if source_identity:
        context["sts:SourceIdentity"] = source_identity
    trust.require(call, role, ACTION, context)
    if tags.tags:
        trust.require(call, role, "sts:TagSession", context)
    if source_identity:
        trust.require(call, role, "sts:SetSourceIdentity", context)
        if inherited and source_identity != inherited:
            raise errors.access_denied("The source identity of a session cannot be changed once it is set.")
    return source_identity
