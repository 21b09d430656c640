"""Grants: who may do what with a key beside its policy, and under which constraints. AWS: "Grants in AWS KMS"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.auth.principals import Principal
from groundcloud.kernel.call import Call
from groundcloud.services.kms.state import GRANTS, Grant

if TYPE_CHECKING:
    from groundcloud.services.kms.names import Place

WITHOUT_CONTEXT = frozenset(["DescribeKey", "RetireGrant", "CreateGrant", "GetPublicKey", "Sign", "Verify", "GenerateMac", "VerifyMac"])
"""Operations that have no encryption context, for which its constraints say nothing."""


def allow(call: Call, named: Place, action: str, context: dict[str, str] | None) -> bool:
    """Whether some grant on the key lets the caller do `action`. Read when the policies have not allowed it."""
    assert named.key is not None
    if not named.key.grant_count:
        return False
    operation = action.partition(":")[2]
    return any(
        operation in grant.operations and is_grantee(call.principal, grant) and holds(call, grant, operation, context or {})
        for grant in GRANTS.scan(named.tx, named.key.key_id)
    )


def is_grantee(principal: Principal, grant: Grant) -> bool:
    return means(grant.grantee, principal) or bool(grant.grantee_service and grant.grantee_service == principal.arn)


def means(text: str, principal: Principal) -> bool:
    """Whether a principal of a grant is this caller: itself, the role of its session, or its account."""
    if not text or principal.kind == "anonymous":
        return False
    if text in (principal.arn, principal.role_arn):
        return True
    return principal.account != "" and text in (principal.account, f"arn:aws:iam::{principal.account}:root")


def holds(call: Call, grant: Grant, operation: str, context: dict[str, str]) -> bool:
    """The grant's constraints."""
    if grant.source_arn and operation != "RetireGrant" and call.source_arn != grant.source_arn:
        return False
    if operation in WITHOUT_CONTEXT:
        return True
    if grant.equals is not None and context != grant.equals:
        return False
    return grant.subset is None or grant.subset.items() <= context.items()
