"""What users, groups and roles have in common: being found, being checked for a name that is taken, boundaries, being shown."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.iam import errors, limits
from groundcloud.services.iam.directory import document_of
from groundcloud.services.iam.names import TABLES, arn
from groundcloud.services.iam.state import ATTACHED, ATTACHMENTS, INLINE
from groundcloud.store import Transaction

IDENTITIES_OF_AN_ACCOUNT = {
    "user": ("UsersPerAccount", limits.USERS_PER_ACCOUNT),
    "group": ("GroupsPerAccount", limits.GROUPS_PER_ACCOUNT),
    "role": ("RolesPerAccount", limits.ROLES_PER_ACCOUNT),
}


def load(tx: Transaction, kind: str, name: str) -> Any:
    """Raises NoSuchEntity."""
    found = TABLES[kind].get(tx, name.lower())
    if found is None:
        raise errors.identity_not_found(kind, name)
    return found


def check_name_free(tx: Transaction, kind: str, name: str) -> None:
    """Raises EntityAlreadyExists, or LimitExceeded if the account has no room for another."""
    table = TABLES[kind]
    if table.has(tx, name.lower()):
        raise errors.identity_exists(kind, name)
    quota, limit = IDENTITIES_OF_AN_ACCOUNT[kind]
    if sum(1 for _ in table.keys(tx, limit=limit)) >= limit:
        raise errors.quota_exceeded(quota, limit)


def check_no_policies(tx: Transaction, kind: str, key: str) -> None:
    """Raises DeleteConflict."""
    if any(True for _ in ATTACHED.keys(tx, kind, key, limit=1)):
        raise errors.delete_conflict("Cannot delete entity, must detach all policies first.")
    if any(True for _ in INLINE.keys(tx, kind, key, limit=1)):
        raise errors.delete_conflict("Cannot delete entity, must delete policies first.")


def check_boundary(call: Call, policy_arn: str) -> None:
    """Raises NoSuchEntity or InvalidInput."""
    if not policy_arn.startswith("arn:"):
        raise errors.invalid_input(f"ARN {policy_arn} is not valid.")
    if document_of(call.tx, policy_arn) is None:
        raise errors.no_such_entity(f"Scope ARN: {policy_arn} does not exist or is not attachable.")


def renamed(tx: Transaction, kind: str, identity: Any, new_name: str, new_path: str) -> Any:
    """The identity under a new name and path, with its policies. Raises EntityAlreadyExists."""
    account = identity.arn.split(":", 5)[4]
    new_key = new_name.lower()
    if new_key != identity.key and TABLES[kind].has(tx, new_key):
        raise errors.identity_exists(kind, new_name)
    changed = identity.replace(key=new_key, name=new_name, path=new_path, arn=arn(account, kind, new_path, new_name))
    if new_key != identity.key:
        old_key = identity.key
        TABLES[kind].delete(tx, old_key)
        for (_, _, policy_name), document in list(INLINE.items(tx, kind, old_key)):
            INLINE.delete(tx, kind, old_key, policy_name)
            INLINE.put(tx, kind, new_key, policy_name, document)
        for _, _, policy_arn in list(ATTACHED.keys(tx, kind, old_key)):
            ATTACHED.delete(tx, kind, old_key, policy_arn)
            ATTACHED.put(tx, kind, new_key, policy_arn)
            ATTACHMENTS.delete(tx, policy_arn, "policy", kind, old_key)
            ATTACHMENTS.put(tx, policy_arn, "policy", kind, new_key)
        if identity.boundary_arn:
            ATTACHMENTS.delete(tx, identity.boundary_arn, "boundary", kind, old_key)
            ATTACHMENTS.put(tx, identity.boundary_arn, "boundary", kind, new_key)
    TABLES[kind].put(tx, changed)
    return changed


def set_boundary(tx: Transaction, kind: str, identity: Any, policy_arn: str) -> Any:
    """The identity under this boundary (none if empty), and the index of what uses a policy."""
    if identity.boundary_arn:
        ATTACHMENTS.delete(tx, identity.boundary_arn, "boundary", kind, identity.key)
    if policy_arn:
        ATTACHMENTS.put(tx, policy_arn, "boundary", kind, identity.key)
    changed = identity.replace(boundary_arn=policy_arn)
    TABLES[kind].put(tx, changed)
    return changed


def shown_boundary(policy_arn: str) -> dict[str, str] | None:
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy_arn} if policy_arn else None


def shown_tags(tags: dict[str, str]) -> list[dict[str, str]] | None:
    """None, which leaves the member out, where there are none: as AWS does in CreateRole, GetRole and the like."""
    return [{"Key": key, "Value": value} for key, value in tags.items()] or None
