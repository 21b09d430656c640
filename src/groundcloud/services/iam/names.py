"""Names, paths, ARNs and unique ids of what IAM holds, and the resource that each request is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundcloud.base import ids
from groundcloud.kernel.call import Call
from groundcloud.services.iam.state import GROUPS, POLICIES, PROFILES, ROLES, USERS

ID_CHARACTERS = 21
PREFIXES = {"user": "AIDA", "group": "AGPA", "role": "AROA", "policy": "ANPA", "instance-profile": "AIPA"}
TABLES: dict[str, Any] = {"user": USERS, "group": GROUPS, "role": ROLES, "policy": POLICIES, "instance-profile": PROFILES}
MEMBERS = {
    "user": "UserName",
    "group": "GroupName",
    "role": "RoleName",
    "policy": "PolicyName",
    "instance-profile": "InstanceProfileName",
}


def unique_id(call: Call, kind: str) -> str:
    return ids.unique_id(call.random, PREFIXES[kind], ID_CHARACTERS)


def arn(account: str, kind: str, path: str, name: str) -> str:
    """`path` begins and ends with a slash."""
    return f"arn:aws:iam::{account}:{kind}{path}{name}"


def key_of_arn(arn: str) -> str:
    """The name in lower case: `arn:aws:iam::000000000000:role/path/Name` -> `name`."""
    return arn.rsplit("/", 1)[-1].lower()


def existing(kind: str) -> Callable[[Call, dict[str, Any]], str]:
    """The ARN of the one that the request names, with the path it was made with; without one if there is none of that name."""
    table, member = TABLES[kind], MEMBERS[kind]

    def resource(call: Call, request: dict[str, Any]) -> str:
        name = request.get(member, "")
        found = table.get(call.reading(), name.lower())
        return found.arn if found is not None else arn(call.account, kind, "/", name)

    return resource


def new(kind: str) -> Callable[[Call, dict[str, Any]], str]:
    """The ARN of the one that the request would make."""
    member = MEMBERS[kind]

    def resource(call: Call, request: dict[str, Any]) -> str:
        return arn(call.account, kind, request.get("Path") or "/", request[member])

    return resource


def listed(kind: str) -> Callable[[Call, dict[str, Any]], str]:
    """What a list under a path prefix is authorised on: `arn:aws:iam::000000000000:user/path/`."""

    def resource(call: Call, request: dict[str, Any]) -> str:
        return arn(call.account, kind, request.get("PathPrefix") or "/", "")

    return resource


def listed_policies(call: Call, request: dict[str, Any]) -> str:
    """Policies are no ARN's list: AWS names the path."""
    return f"policy path {request.get('PathPrefix') or '/'}"


def policy_of_request(call: Call, request: dict[str, Any]) -> str:
    return str(request["PolicyArn"])


def user_or_caller(call: Call, request: dict[str, Any]) -> str:
    """As `USER` where UserName may be left out: then it is the caller."""
    if "UserName" not in request and call.principal.kind in ("user", "root"):
        return call.principal.arn
    return USER(call, request)


USER, GROUP, ROLE = existing("user"), existing("group"), existing("role")
INSTANCE_PROFILE = existing("instance-profile")
