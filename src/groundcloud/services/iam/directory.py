"""What the kernel asks about identities: see kernel.identity.Directory. Read on every call of a user or a role."""

from __future__ import annotations

from groundcloud.auth.principals import Principal
from groundcloud.kernel.identity import IdentityPolicies, KeyOwner
from groundcloud.kernel.identity import Role as KernelRole
from groundcloud.services.iam import managed
from groundcloud.services.iam.names import key_of_arn
from groundcloud.services.iam.state import (
    ACCESS_KEYS,
    ATTACHED,
    GROUPS_OF_USER,
    INLINE,
    POLICIES,
    POLICY_VERSIONS,
    ROLES,
    USERS,
    access_key_key,
    generation_key,
)
from groundcloud.store import Transaction

_ROOT_POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


OWNERS_CACHED_MAX = 4096


class IamDirectory:
    def __init__(self) -> None:
        self._owners: dict[str, tuple[bytes, int, KeyOwner]] = {}

    def generation(self, tx: Transaction, account: str) -> int:
        raw = tx.get(generation_key(account))
        return int.from_bytes(raw, "big") if raw is not None else 0

    def access_key(self, tx: Transaction, access_key_id: str) -> KeyOwner | None:
        """Two reads where the key is known: its record and the generation of its account say whether what is known still holds."""
        raw = tx.get(access_key_key(access_key_id))
        if raw is None:
            return None
        known = self._owners.get(access_key_id)
        if known is not None and known[0] == raw and known[1] == self.generation(tx, known[2].principal.account):
            return known[2]
        key = ACCESS_KEYS.get(tx, access_key_id)
        assert key is not None
        if key.user_key:
            user = USERS.get(tx.at(key.account, ""), key.user_key)
            if user is None:
                return None
            principal = Principal("user", user.arn, key.account, "", user.unique_id)
        else:
            principal = Principal("root", f"arn:aws:iam::{key.account}:root", key.account, "", key.account)
        owner = KeyOwner(principal, key.sealed_secret, key.active)
        if len(self._owners) >= OWNERS_CACHED_MAX:
            self._owners.clear()
        self._owners[access_key_id] = (raw, self.generation(tx, key.account), owner)
        return owner

    def policies(self, tx: Transaction, principal: Principal) -> IdentityPolicies:
        tx = tx.at(principal.account, "")
        arn = principal.role_arn or principal.arn
        key = key_of_arn(arn)
        if ":role/" in arn:
            role = ROLES.get(tx, key)
            if role is None or not _is(role.unique_id, principal):
                return IdentityPolicies()
            return IdentityPolicies(tuple(policies_of(tx, "role", key)), _boundary(tx, role.boundary_arn), role.tags)
        if arn.endswith(":root"):
            return IdentityPolicies((("the account's root", _ROOT_POLICY),))
        user = USERS.get(tx, key)
        if user is None or not _is(user.unique_id, principal):
            return IdentityPolicies()
        found = policies_of(tx, "user", key)
        for _, group_key in GROUPS_OF_USER.keys(tx, key):
            found += policies_of(tx, "group", group_key)
        return IdentityPolicies(tuple(found), _boundary(tx, user.boundary_arn), user.tags)

    def role(self, tx: Transaction, role_arn: str) -> KernelRole | None:
        role = ROLES.get(tx.at(role_arn.split(":", 5)[4], ""), key_of_arn(role_arn)) if role_arn.count(":") >= 5 else None
        if role is None or role.arn != role_arn:
            return None
        return KernelRole(role.arn, role.unique_id, role.trust_policy, role.max_session_s)


def document_of(tx: Transaction, policy_arn: str) -> str | None:
    """The default version's document of a managed policy, of AWS or of the account that `tx` sees."""
    if (given := managed.POLICIES.get(policy_arn)) is not None:
        return given.document
    policy = POLICIES.get(tx, key_of_arn(policy_arn))
    if policy is None or policy.arn != policy_arn:
        return None
    version = POLICY_VERSIONS.get(tx, policy.key, policy.default_version)
    return version.document if version is not None else None


def policies_of(tx: Transaction, kind: str, key: str) -> list[tuple[str, str]]:
    found = [(parts[2], document) for parts, document in INLINE.items(tx, kind, key)]
    for _, _, policy_arn in ATTACHED.keys(tx, kind, key):
        document = document_of(tx, policy_arn)
        if document is not None:
            found.append((policy_arn, document))
    return found


def _is(unique_id: str, principal: Principal) -> bool:
    """Not so for a session of a role or user that was deleted, where another was made under its name."""
    return principal.kind == "federated" or not principal.unique_id or principal.unique_id.partition(":")[0] == unique_id


def _boundary(tx: Transaction, policy_arn: str) -> tuple[str, str] | None:
    if not policy_arn:
        return None
    document = document_of(tx, policy_arn)
    # A boundary that is gone allows nothing.
    return (policy_arn, document) if document is not None else (policy_arn, _NOTHING)


_NOTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'

DIRECTORY = IamDirectory()
