"""What the types of users, groups and roles share: their policies, tags and boundaries, applied as the difference of old and new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import ResourceRequest
from groundcloud.services.iam.names import MEMBERS

NO_SUCH_ENTITY = "NoSuchEntityException"
NOUNS = {"user": "User", "group": "Group", "role": "Role"}


@contextmanager
def made(physical_id: str) -> Iterator[None]:
    """Around what follows the making: an error says what is there to be deleted."""
    try:
        yield
    except AwsError as error:
        raise AwsError(
            error.code, error.message, status=error.status, fields={**error.fields, "PhysicalResourceId": physical_id}
        ) from error


async def request(call: Call, operation: str, **params: Any) -> dict[str, Any]:
    """Members that are None are left out."""
    return await call.request("iam", operation, {name: value for name, value in params.items() if value is not None})


async def removed(call: Call, operation: str, **params: Any) -> bool:
    """The same for what may be gone already: False if it is."""
    try:
        await request(call, operation, **params)
    except AwsError as error:
        if error.code != NO_SUCH_ENTITY:
            raise
        return False
    return True


def document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def tags(resource: ResourceRequest) -> dict[str, str]:
    """The resource's over the stack's. IAM takes no tags of aws:."""
    given = {**resource.tags, **{tag["Key"]: str(tag["Value"]) for tag in resource.properties.get("Tags") or ()}}
    return {key: value for key, value in given.items() if not key.lower().startswith("aws:")}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]] | None:
    return [{"Key": key, "Value": value} for key, value in tags.items()] or None


async def apply_policies(call: Call, kind: str, name: str, new: dict[str, Any], old: dict[str, Any]) -> None:
    """ManagedPolicyArns and Policies."""
    noun, member = NOUNS[kind], MEMBERS[kind]
    attached, before = list(new.get("ManagedPolicyArns") or ()), list(old.get("ManagedPolicyArns") or ())
    for policy_arn in before:
        if policy_arn not in attached:
            await removed(call, f"Detach{noun}Policy", **{member: name, "PolicyArn": policy_arn})
    for policy_arn in attached:
        if policy_arn not in before:
            await request(call, f"Attach{noun}Policy", **{member: name, "PolicyArn": policy_arn})
    inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in new.get("Policies") or ()}
    inline_before = {policy["PolicyName"]: policy["PolicyDocument"] for policy in old.get("Policies") or ()}
    for policy_name in inline_before:
        if policy_name not in inline:
            await removed(call, f"Delete{noun}Policy", **{member: name, "PolicyName": policy_name})
    for policy_name, text in inline.items():
        if inline_before.get(policy_name) != text:
            await request(call, f"Put{noun}Policy", **{member: name, "PolicyName": policy_name, "PolicyDocument": document(text)})


async def apply_boundary(call: Call, kind: str, name: str, resource: ResourceRequest) -> None:
    if not resource.changed("PermissionsBoundary"):
        return
    noun, member = NOUNS[kind], MEMBERS[kind]
    if boundary := resource.properties.get("PermissionsBoundary"):
        await request(call, f"Put{noun}PermissionsBoundary", **{member: name, "PermissionsBoundary": boundary})
    else:
        await removed(call, f"Delete{noun}PermissionsBoundary", **{member: name})


async def apply_tags(call: Call, what: str, member: str, name: str, wanted: dict[str, str]) -> None:
    """`what`: User, Role, Policy, OpenIDConnectProvider ..., as in Tag<what>; `member` names it in the requests."""
    plural = f"List{what}Tags"
    have = {tag["Key"]: tag["Value"] for tag in (await request(call, plural, **{member: name}))["Tags"]}
    gone = [key for key in have if key not in wanted]
    if gone:
        await request(call, f"Untag{what}", **{member: name, "TagKeys": gone})
    changed = {key: value for key, value in wanted.items() if have.get(key) != value}
    if changed:
        await request(call, f"Tag{what}", **{member: name, "Tags": tag_list(changed)})


async def strip(call: Call, kind: str, name: str) -> None:
    """Takes every policy from an identity that is about to be deleted, as CloudFormation does."""
    noun, member = NOUNS[kind], MEMBERS[kind]
    try:
        attached = (await request(call, f"ListAttached{noun}Policies", **{member: name}))["AttachedPolicies"]
        inline = (await request(call, f"List{noun}Policies", **{member: name}))["PolicyNames"]
    except AwsError as error:
        if error.code != NO_SUCH_ENTITY:
            raise
        return
    for policy in attached:
        await removed(call, f"Detach{noun}Policy", **{member: name, "PolicyArn": policy["PolicyArn"]})
    for policy_name in inline:
        await removed(call, f"Delete{noun}Policy", **{member: name, "PolicyName": policy_name})
