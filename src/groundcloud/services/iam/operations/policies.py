"""Managed policies: the account's own, and AWS's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import documents, errors, identities, managed, names, pages, tags
from groundcloud.services.iam.conditions import policy_tags
from groundcloud.services.iam.limits import POLICIES_PER_ACCOUNT
from groundcloud.services.iam.managed import ManagedPolicy
from groundcloud.services.iam.state import ATTACHMENTS, POLICIES, POLICY_VERSIONS, Policy, PolicyVersion
from groundcloud.store import Transaction


@operation(resource=names.new("policy"), context=policy_tags)
def create_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx, name, path = call.tx, request["PolicyName"], request.get("Path") or "/"
    if POLICIES.has(tx, name.lower()):
        raise errors.already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    if sum(1 for _ in POLICIES.keys(tx)) >= POLICIES_PER_ACCOUNT:
        raise errors.quota_exceeded("PoliciesPerAccount", POLICIES_PER_ACCOUNT)
    documents.check_managed(request["PolicyDocument"])
    policy = Policy(
        key=name.lower(),
        name=name,
        path=path,
        unique_id=names.unique_id(call, "policy"),
        arn=names.arn(call.account, "policy", path, name),
        created_s=call.now_s,
        updated_s=call.now_s,
        description=request.get("Description", ""),
        tags=tags.of_request(request),
    )
    POLICIES.put(tx, policy)
    POLICY_VERSIONS.put(tx, PolicyVersion(policy_key=policy.key, number=1, document=request["PolicyDocument"], created_s=call.now_s))
    answer = listed(tx, policy)
    answer["Tags"] = identities.shown_tags(policy.tags)
    return {"Policy": answer}


@operation(resource=names.policy_of_request)
def get_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load(call.tx, request["PolicyArn"])
    return {"Policy": {**listed(call.tx, policy), "Description": policy.description or None, "Tags": tags.shown(_tags(policy))}}


@operation(resource=names.listed_policies)
def list_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    usage = {"PermissionsPolicy": "policy", "PermissionsBoundary": "boundary"}.get(request.get("PolicyUsageFilter", ""))
    prefix = request.get("PathPrefix", "/")

    def chosen() -> Iterator[Policy | ManagedPolicy]:
        for policy in _all(call.tx, request.get("Scope", "All"), pages.after(request, str, str)):
            if not policy.path.startswith(prefix):
                continue
            if usage is not None and not _used(call.tx, policy.arn, usage):
                continue
            if request.get("OnlyAttached") and not _used(call.tx, policy.arn, usage or "policy"):
                continue
            yield policy

    return pages.page(request, "Policies", chosen(), _place, lambda policy: listed(call.tx, policy))


@operation(resource=names.policy_of_request, context=policy_tags)
def delete_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    policy = load_own(tx, request["PolicyArn"])
    if any(True for _ in ATTACHMENTS.keys(tx, policy.arn, limit=1)):
        raise errors.delete_conflict("Cannot delete a policy attached to entities.")
    numbers = [number for _, number in POLICY_VERSIONS.keys(tx, policy.key)]
    if len(numbers) > 1:
        raise errors.delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    for number in numbers:
        POLICY_VERSIONS.delete(tx, policy.key, number)
    POLICIES.delete(tx, policy.key)
    return {}


@operation(resource=names.policy_of_request)
def list_entities_for_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load(call.tx, request["PolicyArn"])
    wanted = {"User": "user", "Role": "role", "Group": "group"}.get(request.get("EntityFilter", ""))
    usage = {"PermissionsPolicy": "policy", "PermissionsBoundary": "boundary"}.get(request.get("PolicyUsageFilter", ""))
    prefix = request.get("PathPrefix", "/")

    def chosen() -> Iterator[tuple[tuple[str, str, str], Any]]:
        for _, found_usage, kind, key in ATTACHMENTS.keys(call.tx, policy.arn, after=pages.after(request, str, str, str)):
            if (wanted is not None and kind != wanted) or (usage is not None and found_usage != usage):
                continue
            identity = names.TABLES[kind].get(call.tx, key)
            if identity is not None and identity.path.startswith(prefix):
                yield (found_usage, kind, key), identity

    page = pages.page(request, "Entities", chosen(), lambda found: found[0], lambda found: found)
    answer: dict[str, Any] = {"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": []}
    for (_, kind, _), identity in page.pop("Entities"):
        noun = errors.NOUNS[kind]
        answer[f"Policy{noun}s"].append({f"{noun}Name": identity.name, f"{noun}Id": identity.unique_id})
    return {**answer, **page}


@operation(resource=names.policy_of_request, context=policy_tags)
def tag_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load_own(call.tx, request["PolicyArn"])
    POLICIES.put(call.tx, policy.replace(tags=tags.merged(policy.tags, request["Tags"])))
    return {}


@operation(resource=names.policy_of_request, context=policy_tags)
def untag_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load_own(call.tx, request["PolicyArn"])
    POLICIES.put(call.tx, policy.replace(tags=tags.without(policy.tags, request["TagKeys"])))
    return {}


@operation(resource=names.policy_of_request)
def list_policy_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return tags.listed(request, _tags(load(call.tx, request["PolicyArn"])))


def load(tx: Transaction, policy_arn: str) -> Policy | ManagedPolicy:
    """Raises NoSuchEntity, InvalidInput."""
    given: ManagedPolicy | None = managed.POLICIES.get(policy_arn)
    return given if given is not None else load_own(tx, policy_arn)


def load_own(tx: Transaction, policy_arn: str) -> Policy:
    """The account's own policy. Raises NoSuchEntity, InvalidInput."""
    if policy_arn.count(":") < 5 or not policy_arn.startswith("arn:"):
        raise errors.invalid_input(f"ARN {policy_arn} is not valid.")
    policy = POLICIES.get(tx, names.key_of_arn(policy_arn))
    if policy is None or policy.arn != policy_arn:
        raise errors.policy_not_found(policy_arn)
    return policy


def version_id(policy: Policy | ManagedPolicy) -> str:
    return policy.version_id if isinstance(policy, ManagedPolicy) else f"v{policy.default_version}"


def listed(tx: Transaction, policy: Policy | ManagedPolicy) -> dict[str, Any]:
    """As in lists: without description and tags."""
    uses = [usage for _, usage, _, _ in ATTACHMENTS.keys(tx, policy.arn)]
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.unique_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": version_id(policy),
        "AttachmentCount": uses.count("policy"),
        "PermissionsBoundaryUsageCount": uses.count("boundary"),
        "IsAttachable": True,
        "CreateDate": policy.created_s,
        "UpdateDate": policy.updated_s,
    }


def _tags(policy: Policy | ManagedPolicy) -> dict[str, str]:
    return policy.tags if isinstance(policy, Policy) else {}


def _used(tx: Transaction, policy_arn: str, usage: str) -> bool:
    return any(True for _ in ATTACHMENTS.keys(tx, policy_arn, usage, limit=1))


def _place(policy: Policy | ManagedPolicy) -> tuple[str, str]:
    return ("aws", policy.arn) if isinstance(policy, ManagedPolicy) else ("local", policy.key)


def _all(tx: Transaction, scope: str, after: Any) -> Iterator[Policy | ManagedPolicy]:
    """The account's own by name, then AWS's by ARN."""
    where: str = after[0] if after is not None else "local"
    key: Any = after[1] if after is not None else None
    if scope != "AWS" and where == "local":
        yield from POLICIES.scan(tx, after=key)
    if scope != "Local":
        for arn in sorted(managed.POLICIES):
            if where != "aws" or arn > key:
                yield managed.POLICIES[arn]
