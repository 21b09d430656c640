"""The account itself: alias, password policy, summary, everything at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import documents, errors, limits, managed, pages, tags
from groundcloud.services.iam.operations import groups, instance_profiles, policies, policy_versions, roles, users
from groundcloud.services.iam.operations.attachments import attached
from groundcloud.services.iam.state import (
    ALIAS_OF_ACCOUNT,
    ALIASES,
    ATTACHED,
    ATTACHMENTS,
    GROUPS,
    GROUPS_OF_USER,
    INLINE,
    KEYS_OF_USER,
    OIDC_PROVIDERS,
    PASSWORD_POLICIES,
    POLICIES,
    POLICY_VERSIONS,
    PROFILES,
    PROFILES_OF_ROLE,
    ROLES,
    SAML_PROVIDERS,
    USERS,
    PasswordPolicy,
)
from groundcloud.store import Table

_NO_PASSWORD_POLICY = "The Password Policy with domain name {} cannot be found."


@operation()
def create_account_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """An account has one alias; another replaces it. No two accounts share one."""
    alias = request["AccountAlias"]
    owner = ALIASES.get(call.tx, alias)
    if owner is not None and owner != call.account:
        raise errors.already_exists(f"The account alias {alias} already exists.")
    _forget_alias(call)
    ALIASES.put(call.tx, alias, call.account)
    ALIAS_OF_ACCOUNT.put(call.tx, alias)
    return {}


@operation()
def delete_account_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if ALIAS_OF_ACCOUNT.get(call.tx) != request["AccountAlias"]:
        raise errors.no_such_entity(f"The account alias {request['AccountAlias']} cannot be found.")
    _forget_alias(call)
    return {}


@operation()
def list_account_aliases(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    alias = ALIAS_OF_ACCOUNT.get(call.tx)
    return {"AccountAliases": [alias] if alias is not None else [], "IsTruncated": False}


def _forget_alias(call: Call) -> None:
    alias = ALIAS_OF_ACCOUNT.get(call.tx)
    if alias is not None:
        ALIASES.delete(call.tx, alias)
        ALIAS_OF_ACCOUNT.delete(call.tx)


@operation()
def update_account_password_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What is not given falls back to its default, as on AWS."""
    members: dict[str, Any] = {
        "MinimumPasswordLength": 6,
        "RequireSymbols": False,
        "RequireNumbers": False,
        "RequireUppercaseCharacters": False,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": False,
        **request,
    }
    PASSWORD_POLICIES.put(call.tx, PasswordPolicy(account=call.account, members=members))
    return {}


@operation()
def get_account_password_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    policy = PASSWORD_POLICIES.get(call.tx, call.account)
    if policy is None:
        raise errors.no_such_entity(_NO_PASSWORD_POLICY.format(call.account))
    return {"PasswordPolicy": {**policy.members, "ExpirePasswords": bool(policy.members.get("MaxPasswordAge"))}}


@operation()
def delete_account_password_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if not PASSWORD_POLICIES.has(call.tx, call.account):
        raise errors.no_such_entity("The account policy with name PasswordPolicy cannot be found.")
    PASSWORD_POLICIES.delete(call.tx, call.account)
    return {}


@operation()
def get_account_summary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    def count(table: Table[Any]) -> int:
        return sum(1 for _ in table.keys(call.tx))

    return {
        "SummaryMap": {
            "Users": count(USERS),
            "UsersQuota": limits.USERS_PER_ACCOUNT,
            "Groups": count(GROUPS),
            "GroupsQuota": limits.GROUPS_PER_ACCOUNT,
            "GroupsPerUserQuota": limits.GROUPS_PER_USER,
            "Roles": count(ROLES),
            "RolesQuota": limits.ROLES_PER_ACCOUNT,
            "Policies": count(POLICIES),
            "PoliciesQuota": limits.POLICIES_PER_ACCOUNT,
            "PolicySizeQuota": limits.MANAGED_POLICY_CHARACTERS,
            "PolicyVersionsInUse": count(POLICY_VERSIONS),
            "PolicyVersionsInUseQuota": 10_000,
            "VersionsPerPolicyQuota": limits.VERSIONS_PER_POLICY,
            "AttachedPoliciesPerUserQuota": limits.POLICIES_PER_IDENTITY,
            "AttachedPoliciesPerGroupQuota": limits.POLICIES_PER_IDENTITY,
            "AttachedPoliciesPerRoleQuota": limits.POLICIES_PER_IDENTITY,
            "UserPolicySizeQuota": limits.INLINE_POLICY_CHARACTERS["user"],
            "GroupPolicySizeQuota": limits.INLINE_POLICY_CHARACTERS["group"],
            "RolePolicySizeQuota": limits.INLINE_POLICY_CHARACTERS["role"],
            "AssumeRolePolicySizeQuota": limits.TRUST_POLICY_CHARACTERS,
            "AccessKeysPerUserQuota": limits.ACCESS_KEYS_PER_USER,
            "AccountAccessKeysPresent": int(any(True for _ in KEYS_OF_USER.keys(call.tx, "", limit=1))),
            "AccountMFAEnabled": 0,
            "AccountPasswordPresent": 1,
            "AccountSigningCertificatesPresent": 0,
            "GlobalEndpointTokenVersion": 1,
            "InstanceProfiles": count(PROFILES),
            "InstanceProfilesQuota": limits.INSTANCE_PROFILES_PER_ACCOUNT,
            "MFADevices": 0,
            "MFADevicesInUse": 0,
            "Providers": count(OIDC_PROVIDERS) + count(SAML_PROVIDERS),
            "ServerCertificates": 0,
            "ServerCertificatesQuota": 20,
            "SigningCertificatesPerUserQuota": 2,
        }
    }


@operation()
def get_account_authorization_details(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Users, groups, roles, then managed policies: one list in pages. Of AWS's policies, those in use."""
    tx = call.tx
    wanted = set(request.get("Filter") or ("User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"))
    marker = pages.after(request, int, str)
    at, after = (marker[0], marker[1]) if marker is not None else (0, None)
    sources: list[tuple[str, str, Callable[[Any], Iterator[Any]], Callable[[Call, Any], dict[str, Any]]]] = [
        ("User", "UserDetailList", lambda key: USERS.scan(tx, after=key), _user_detail),
        ("Group", "GroupDetailList", lambda key: GROUPS.scan(tx, after=key), _group_detail),
        ("Role", "RoleDetailList", lambda key: ROLES.scan(tx, after=key), _role_detail),
        ("LocalManagedPolicy", "Policies", lambda key: POLICIES.scan(tx, after=key), _policy_detail),
        ("AWSManagedPolicy", "Policies", lambda key: _aws_policies_in_use(call, key), _policy_detail),
    ]

    def found() -> Iterator[tuple[tuple[int, str], str, Any]]:
        for position, (name, member, scan, detail) in enumerate(sources):
            if name in wanted and position >= at:
                for record in scan(after if position == at else None):
                    yield (position, getattr(record, "key", record.arn)), member, (detail, record)

    page = pages.page(request, "All", found(), lambda item: item[0], lambda item: item)
    answer: dict[str, Any] = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    for _, member, (detail, record) in page.pop("All"):
        answer[member].append(detail(call, record))
    return {**answer, **page}


def _aws_policies_in_use(call: Call, after: str | None) -> Iterator[managed.ManagedPolicy]:
    last = ""
    for policy_arn, *_ in ATTACHMENTS.keys(call.tx):
        policy = managed.POLICIES.get(policy_arn)
        if policy is not None and policy_arn != last and (after is None or policy_arn > after):
            last = policy_arn
            yield policy


def _inline(call: Call, kind: str, key: str) -> list[dict[str, str]]:
    return [{"PolicyName": parts[2], "PolicyDocument": documents.encoded(document)} for parts, document in INLINE.items(call.tx, kind, key)]


def _attached(call: Call, kind: str, key: str) -> list[dict[str, str]]:
    return [attached(call, policy_arn) for _, _, policy_arn in ATTACHED.keys(call.tx, kind, key)]


def _user_detail(call: Call, user: Any) -> dict[str, Any]:
    in_groups = (GROUPS.get(call.tx, group_key) for _, group_key in GROUPS_OF_USER.keys(call.tx, user.key))
    return {
        **users.shown(user),
        "UserPolicyList": _inline(call, "user", user.key),
        "GroupList": [group.name for group in in_groups if group is not None],
        "AttachedManagedPolicies": _attached(call, "user", user.key),
        "Tags": tags.shown(user.tags),
    }


def _group_detail(call: Call, group: Any) -> dict[str, Any]:
    return {
        **groups.shown(group),
        "GroupPolicyList": _inline(call, "group", group.key),
        "AttachedManagedPolicies": _attached(call, "group", group.key),
    }


def _role_detail(call: Call, role: Any) -> dict[str, Any]:
    found = (PROFILES.get(call.tx, key) for _, key in PROFILES_OF_ROLE.keys(call.tx, role.key))
    return {
        **roles.shown(role),
        "InstanceProfileList": [instance_profiles.listed(call.tx, profile) for profile in found if profile is not None],
        "RolePolicyList": _inline(call, "role", role.key),
        "AttachedManagedPolicies": _attached(call, "role", role.key),
        "Tags": tags.shown(role.tags),
        "RoleLastUsed": {},
    }


def _policy_detail(call: Call, policy: Any) -> dict[str, Any]:
    return {
        **policies.listed(call.tx, policy),
        "Description": policy.description or None,
        "PolicyVersionList": policy_versions.details(call, policy),
    }
