"""AssumeRole."""

from __future__ import annotations

from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.kernel.call import Call
from groundcloud.kernel.identity import Role
from groundcloud.kernel.service import operation
from groundcloud.services.sts import errors, trust
from groundcloud.services.sts.credentials import credentials


@operation(access=lambda call, request: [])
def assume_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role_arn, session_name = request["RoleArn"], request["RoleSessionName"]
    role = call.ground.directory.role(call.reading(), role_arn)
    if role is None:
        raise trust.unknown_role(call, "sts:AssumeRole", role_arn)
    context: dict[str, Any] = {"sts:RoleSessionName": session_name}
    if "ExternalId" in request:
        context["sts:ExternalId"] = request["ExternalId"]
    trust.require(call, role, "sts:AssumeRole", context)
    duration_s = request.get("DurationSeconds", 3600)
    if duration_s > role.max_session_s:
        raise errors.duration_beyond_role()
    principal = session_of(role, session_name)
    issued = call.ground.identities.issue(call.random, principal, call.now_s, duration_s)
    return {"Credentials": credentials(issued), "AssumedRoleUser": assumed(principal)}


def session_of(role: Role, session_name: str) -> Principal:
    account, name = role.arn.split(":", 5)[4], role.arn.rsplit("/", 1)[-1]
    arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
    return Principal("role-session", arn, account, role.arn, f"{role.unique_id}:{session_name}")


def assumed(principal: Principal) -> dict[str, str]:
    return {"AssumedRoleId": principal.unique_id, "Arn": principal.arn}
