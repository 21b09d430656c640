"""Stack policies: which changes of an update a policy forbids. A policy and changes in, a sentence out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from groundcloud.services.cloudformation import characters, errors

POLICY_BYTES_MAX = 16_384


def check(body: str) -> str:
    """The policy's text, if it is one. Raises ValidationError."""
    characters.refuse_unwritable("StackPolicyBody", body)
    if len(body.encode()) > POLICY_BYTES_MAX:
        raise errors.member_limit("stackPolicyBody", body[:1000], POLICY_BYTES_MAX)
    try:
        document = json.loads(body)
        statements = document["Statement"]
        for statement in _list(statements):
            if statement["Effect"] not in ("Allow", "Deny") or not ("Action" in statement or "NotAction" in statement):
                raise ValueError(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise errors.validation("Error validating stack policy: Invalid stack policy") from None
    return body


def denial(body: str, changes: Sequence[Mapping[str, Any]]) -> str | None:
    """Why the policy forbids one of the changes of an update (as `preview` lists them), or None. What no statement allows is denied."""
    statements = _list(json.loads(body)["Statement"])
    for change in (item["ResourceChange"] for item in changes):
        if change["Action"] == "Add":
            continue
        action = (
            "Update:Delete" if change["Action"] == "Remove" else "Update:Modify" if change["Replacement"] == "False" else "Update:Replace"
        )
        logical_id = change["LogicalResourceId"]
        allowed = False
        for number, statement in enumerate(statements, 1):
            if not _applies(statement, action, logical_id, change["ResourceType"]):
                continue
            if statement["Effect"] == "Deny":
                return f"Action denied by stack policy: Statement [#{number}] does not allow [{action}] for resource [{logical_id}]"
            allowed = True
        if not allowed:
            return f"Action not allowed by stack policy: no statement allows [{action}] for resource [{logical_id}]"
    return None


def _applies(statement: Mapping[str, Any], action: str, logical_id: str, resource_type: str) -> bool:
    if "Action" in statement:
        if not any(fnmatchcase(action, pattern) for pattern in _list(statement["Action"])):
            return False
    elif any(fnmatchcase(action, pattern) for pattern in _list(statement["NotAction"])):
        return False
    name = f"LogicalResourceId/{logical_id}"
    if "Resource" in statement:
        if not any(fnmatchcase(name, pattern) for pattern in _list(statement["Resource"])):
            return False
    elif any(fnmatchcase(name, pattern) for pattern in _list(statement.get("NotResource", []))):
        return False
    for operator, members in statement.get("Condition", {}).items():
        for patterns in members.values():
            if operator == "StringEquals" and resource_type not in _list(patterns):
                return False
            if operator == "StringLike" and not any(fnmatchcase(resource_type, pattern) for pattern in _list(patterns)):
                return False
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
