"""Grants: who may do what with a key beside its policy, and under which constraints. AWS: "Grants in AWS KMS"."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from groundcloud.auth.principals import Principal
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call
from groundcloud.services.kms import specs
from groundcloud.services.kms.state import GRANTED, GRANTS, Grant, Key

if TYPE_CHECKING:
    from groundcloud.services.kms.names import Place

_ALWAYS = frozenset(["CreateGrant", "DescribeKey", "RetireGrant"])
_WITH_CONTEXT = frozenset(
    [
        "Encrypt",
        "Decrypt",
        "ReEncryptFrom",
        "ReEncryptTo",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
    ]
)
"""Operations of symmetric keys, which are those with an encryption context: on others a constraint of it says nothing."""

_OF_USAGE = {
    specs.ENCRYPT_DECRYPT: frozenset(["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"]),
    specs.SIGN_VERIFY: frozenset(["Sign", "Verify", "GetPublicKey"]),
    specs.GENERATE_VERIFY_MAC: frozenset(["GenerateMac", "VerifyMac"]),
    specs.KEY_AGREEMENT: frozenset(["DeriveSharedSecret", "GetPublicKey"]),
    specs.ENCAPSULATE_DECAPSULATE: frozenset(["Encapsulate", "Decapsulate", "GetPublicKey"]),
}


def operations_of(key: Key) -> frozenset[str]:
    """What a grant on this key may permit. AWS: "Grant operations"."""
    if key.spec == specs.SYMMETRIC:
        return _ALWAYS | _WITH_CONTEXT
    return _ALWAYS | _OF_USAGE[key.usage]


def allow(call: Call, named: Place, action: str, request: dict[str, Any], context: dict[str, str] | None, facts: dict[str, Any]) -> bool:
    """Whether some grant on the key lets the caller do `action`. Asked when the policies have not allowed it, and none denies it."""
    key = named.key
    if key is None or not key.grant_count:
        return False
    operation = action.partition(":")[2]
    for grant in of_caller(named, call.principal):
        if operation not in grant.operations or not holds(call, grant, operation, context or {}):
            continue
        if operation == "CreateGrant" and not covers(grant, request):
            continue
        # Weighed as a key policy's statement would be, by boundary and session policies too; a grant needs no policy of another account's caller.
        decision = authorization.decide(call, action, named.arn, facts, _as_policy(grant, action), call.principal.account)
        if decision is None or decision.allowed:
            return True
    return False


def of_caller(named: Place, principal: Principal) -> Iterator[Grant]:
    """The key's grants whose grantee is the caller, the role of its session, or its account."""
    root = f"arn:aws:iam::{principal.account}:root" if principal.account else ""
    for text in {principal.arn, principal.role_arn, root} - {""}:
        for key_id, _, grant_id in GRANTED.keys(named.tx, named.key_id, text):
            grant = GRANTS.get(named.tx, key_id, grant_id)
            if grant is not None:
                yield grant


def _as_policy(grant: Grant, action: str) -> Callable[[Call, str], str]:
    principal = {"AWS": grant.grantee} if grant.grantee else {"Service": grant.grantee_service}
    statement = {"Sid": f"grant {grant.grant_id}", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return lambda _call, _arn: document


def is_grantee(principal: Principal, grant: Grant) -> bool:
    return means(grant.grantee, principal) or means(grant.grantee_service, principal)


def means(text: str, principal: Principal) -> bool:
    """Whether a principal of a grant is this caller: itself, the role of its session, or its account."""
    if not text or principal.kind == "anonymous":
        return False
    if text in (principal.arn, principal.role_arn):
        return True
    return principal.account != "" and text == f"arn:aws:iam::{principal.account}:root"


def holds(call: Call, grant: Grant, operation: str, context: dict[str, str]) -> bool:
    """The grant's constraints."""
    if grant.source_arn and operation != "RetireGrant" and call.source_arn != grant.source_arn:
        return False
    if operation not in _WITH_CONTEXT:
        return True
    if grant.equals is not None and context != grant.equals:
        return False
    return grant.subset is None or grant.subset.items() <= context.items()


def covers(grant: Grant, request: dict[str, Any]) -> bool:
    """Whether a grant that permits CreateGrant lets its grantee make this one: no more operations, and constraints at least as strict."""
    if not set(request["Operations"]) <= set(grant.operations):
        return False
    constraints = request.get("Constraints") or {}
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if grant.equals is not None and equals != grant.equals:
        return False
    if grant.subset is None:
        return True
    return any(wanted is not None and grant.subset.items() <= wanted.items() for wanted in (equals, subset))
