"""Condition keys of IAM's own operations. Source: Service Authorization Reference, "Condition keys for AWS Identity and Access Management"."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.iam.names import MEMBERS, TABLES, key_of_arn
from groundcloud.services.iam.state import POLICIES


def boundary_and_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """iam:PermissionsBoundary (the one asked for, else the one that is there), aws:RequestTag, aws:TagKeys, aws:ResourceTag, iam:ResourceTag."""
    context = dict(resource_tags(call, request))
    for tag in request.get("Tags") or ():
        context[f"aws:RequestTag/{tag['Key']}"] = tag["Value"]
    keys = [tag["Key"] for tag in request.get("Tags") or ()] + list(request.get("TagKeys") or ())
    if keys:
        context["aws:TagKeys"] = keys
    if request.get("PermissionsBoundary"):
        context["iam:PermissionsBoundary"] = request["PermissionsBoundary"]
    return context


def policy_arn(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """iam:PolicyARN of an attachment, and what `boundary_and_tags` gives."""
    return {**boundary_and_tags(call, request), "iam:PolicyARN": request["PolicyArn"]}


def policy_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Tags of the request and of the policy that it names."""
    context = boundary_and_tags(call, request)
    policy_key = key_of_arn(request["PolicyArn"]) if "PolicyArn" in request else ""
    policy = POLICIES.get(call.reading(), policy_key) if policy_key else None
    if policy is not None:
        for key, value in policy.tags.items():
            context[f"aws:ResourceTag/{key}"] = value
            context[f"iam:ResourceTag/{key}"] = value
    return context


def resource_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The tags and the boundary of the user, role or profile that the request names."""
    context: dict[str, Any] = {}
    for kind in ("user", "role", "instance-profile"):
        name = request.get(MEMBERS[kind])
        found = TABLES[kind].get(call.reading(), name.lower()) if name else None
        if found is None:
            continue
        for key, value in found.tags.items():
            context[f"aws:ResourceTag/{key}"] = value
            context[f"iam:ResourceTag/{key}"] = value
        if getattr(found, "boundary_arn", ""):
            context["iam:PermissionsBoundary"] = found.boundary_arn
    return context
