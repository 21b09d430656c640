"""IAM's evaluation once more, slow and plain, for documents of a small grammar. Written from AWS's pages, sharing nothing with the real one."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def wild(pattern: str, value: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def principal_strength(statement: dict[str, Any], who: dict[str, str]) -> str:
    """ "", "account", "role" or "direct"."""
    if statement["Principal"] == "*":
        return "direct" if who["kind"] in ("service", "anonymous", "root") else "role"
    named = listed(statement["Principal"].get("AWS", []))
    if who["kind"] == "service":
        return "direct" if who["arn"] in listed(statement["Principal"].get("Service", [])) else ""
    if who["kind"] == "anonymous":
        return ""
    if who["arn"] in named:
        return "direct"
    if who.get("role_arn") and who["role_arn"] in named:
        return "role"
    root = f"arn:aws:iam::{who['account']}:root"
    if who["account"] in named or root in named:
        return "direct" if who["kind"] == "root" else "account"
    return ""


def applies(statement: dict[str, Any], action: str, resource: str, context: dict[str, str]) -> bool:
    if "Action" in statement:
        if not any(wild(each.lower(), action.lower()) for each in listed(statement["Action"])):
            return False
    elif any(wild(each.lower(), action.lower()) for each in listed(statement["NotAction"])):
        return False
    if "Resource" in statement:
        if not any(wild(each, resource) for each in listed(statement["Resource"])):
            return False
    elif any(wild(each, resource) for each in listed(statement["NotResource"])):
        return False
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            equal = context.get(key) in listed(values)
            if operator == "StringEquals" and not equal:
                return False
            if operator == "StringNotEquals" and equal:
                return False
            if operator == "StringEqualsIfExists" and key in context and not equal:
                return False
    return True


def decide(
    who: dict[str, str],
    action: str,
    resource: str,
    context: dict[str, str],
    owner: str,
    identity: list[list[dict[str, Any]]],
    resource_policy: list[dict[str, Any]] | None,
    boundary: list[dict[str, Any]] | None,
    session: list[dict[str, Any]] | None,
    required: bool,
) -> str:
    """ "allowed", "explicit deny" or "implicit deny"."""
    theirs = who["kind"] not in ("service", "anonymous")
    limits = [boundary, session] if theirs else []

    def some(statements: list[dict[str, Any]] | None, effect: str) -> bool:
        return any(each["Effect"] == effect and applies(each, action, resource, context) for each in statements or [])

    strengths = {
        (each["Effect"], principal_strength(each, who)) for each in resource_policy or [] if applies(each, action, resource, context)
    }
    if any(effect == "Deny" and strength for effect, strength in strengths):
        return "explicit deny"
    if any(some(each, "Deny") for each in [*identity, *limits]):
        return "explicit deny"
    given = {strength for effect, strength in strengths if effect == "Allow" and strength}
    within_limits = all(each is None or some(each, "Allow") for each in limits)
    by_identity = who["kind"] == "root" or any(some(each, "Allow") for each in identity)
    if not theirs:
        allowed = bool(given)
    elif owner != who["account"]:
        allowed = bool(given) and by_identity and within_limits
    elif "direct" in given:
        allowed = True
    elif "role" in given:
        allowed = within_limits
    elif required:
        allowed = "account" in given and by_identity and within_limits
    else:
        allowed = by_identity and within_limits
    return "allowed" if allowed else "implicit deny"
