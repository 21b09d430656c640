"""Versions of managed policies: five at most, one of them in force."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import documents, errors, names, pages
from groundcloud.services.iam.conditions import policy_tags
from groundcloud.services.iam.limits import VERSIONS_PER_POLICY
from groundcloud.services.iam.managed import ManagedPolicy
from groundcloud.services.iam.operations.policies import load, load_own
from groundcloud.services.iam.state import POLICIES, POLICY_VERSIONS, Policy, PolicyVersion


@operation(resource=names.policy_of_request, context=policy_tags)
def create_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    policy = load_own(tx, request["PolicyArn"])
    documents.check_managed(request["PolicyDocument"])
    if sum(1 for _ in POLICY_VERSIONS.keys(tx, policy.key)) >= VERSIONS_PER_POLICY:
        raise errors.limit_exceeded(
            f"A managed policy can have up to {VERSIONS_PER_POLICY} versions. "
            "Before you create a new version, you must delete an existing version."
        )
    number = policy.latest_version + 1
    version = PolicyVersion(policy_key=policy.key, number=number, document=request["PolicyDocument"], created_s=call.now_s)
    default = number if request.get("SetAsDefault") else policy.default_version
    policy = policy.replace(latest_version=number, default_version=default, updated_s=call.now_s)
    POLICY_VERSIONS.put(tx, version)
    POLICIES.put(tx, policy)
    return {"PolicyVersion": _listed(policy, version)}


@operation(resource=names.policy_of_request)
def get_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load(call.tx, request["PolicyArn"])
    if isinstance(policy, ManagedPolicy):
        if request["VersionId"] != policy.version_id:
            raise errors.policy_version_not_found(policy.arn, request["VersionId"])
        return {"PolicyVersion": {"Document": documents.encoded(policy.document), **_listed_of_aws(policy)}}
    version = _load(call, policy, request["VersionId"])
    return {"PolicyVersion": {"Document": documents.encoded(version.document), **_listed(policy, version)}}


@operation(resource=names.policy_of_request)
def list_policy_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The newest first."""
    policy = load(call.tx, request["PolicyArn"])
    if isinstance(policy, ManagedPolicy):
        return {"Versions": [_listed_of_aws(policy)], "IsTruncated": False}
    versions = POLICY_VERSIONS.scan(call.tx, policy.key, after=pages.after(request, int), reverse=True)
    return pages.page(request, "Versions", versions, lambda version: version.number, lambda version: _listed(policy, version))


@operation(resource=names.policy_of_request, context=policy_tags)
def set_default_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load_own(call.tx, request["PolicyArn"])
    version = _load(call, policy, request["VersionId"])
    POLICIES.put(call.tx, policy.replace(default_version=version.number, updated_s=call.now_s))
    return {}


@operation(resource=names.policy_of_request, context=policy_tags)
def delete_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = load_own(call.tx, request["PolicyArn"])
    version = _load(call, policy, request["VersionId"])
    if version.number == policy.default_version:
        raise errors.delete_conflict("Cannot delete the default version of a policy.")
    POLICY_VERSIONS.delete(call.tx, policy.key, version.number)
    return {}


def details(call: Call, policy: Policy | ManagedPolicy) -> list[dict[str, Any]]:
    """Every version with its document, the newest first."""
    if isinstance(policy, ManagedPolicy):
        return [{"Document": documents.encoded(policy.document), **_listed_of_aws(policy)}]
    versions = POLICY_VERSIONS.scan(call.tx, policy.key, reverse=True)
    return [{"Document": documents.encoded(version.document), **_listed(policy, version)} for version in versions]


def _load(call: Call, policy: Policy, version_id: str) -> PolicyVersion:
    """Raises NoSuchEntity."""
    number = version_id.partition(".")[0][1:]
    version = POLICY_VERSIONS.get(call.tx, policy.key, int(number)) if number.isdecimal() and len(number) < 10 else None
    if version is None or version_id != f"v{version.number}":
        raise errors.policy_version_not_found(policy.arn, version_id)
    return version


def _listed(policy: Policy, version: PolicyVersion) -> dict[str, Any]:
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.number == policy.default_version,
        "CreateDate": version.created_s,
    }


def _listed_of_aws(policy: ManagedPolicy) -> dict[str, Any]:
    return {"VersionId": policy.version_id, "IsDefaultVersion": True, "CreateDate": policy.updated_s}
