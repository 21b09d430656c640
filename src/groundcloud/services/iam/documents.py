"""Policy documents on their way in (checked, measured) and out (URL-encoded, as IAM answers them)."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from groundcloud.auth import documents
from groundcloud.auth.documents import Kind, MalformedPolicy, Policy
from groundcloud.kernel.call import Call
from groundcloud.services.iam import errors
from groundcloud.services.iam.limits import INLINE_POLICY_CHARACTERS, MANAGED_POLICY_CHARACTERS, TRUST_POLICY_CHARACTERS
from groundcloud.services.iam.state import INLINE, ROLES, USERS
from groundcloud.store import Transaction

_WHITE_SPACE = str.maketrans("", "", " \t\r\n")


@lru_cache(maxsize=1024)
def encoded(document: str) -> str:
    """RFC 3986, as AWS answers documents; SDKs decode it."""
    return quote(document, safe="")


def characters(document: str) -> int:
    """The size that IAM's quotas count: without white space."""
    return len(document.translate(_WHITE_SPACE))


def check(document: str, kind: Kind) -> Policy:
    """Raises MalformedPolicyDocument."""
    try:
        return documents.parse(document, kind)
    except MalformedPolicy as fault:
        raise errors.malformed_policy(fault.message) from None


def check_managed(document: str) -> None:
    if characters(document) > MANAGED_POLICY_CHARACTERS:
        raise errors.quota_exceeded("PolicySize", MANAGED_POLICY_CHARACTERS)
    policy = check(document, "identity")
    if policy.version != "2012-10-17":  # AWS asks this of managed policies alone; inline ones may be of 2008
        raise errors.malformed_policy("Policy document must be version 2012-10-17 or greater.")


def check_trust(call: Call, document: str) -> None:
    if characters(document) > TRUST_POLICY_CHARACTERS:
        raise errors.quota_exceeded("ACLSizePerRole", TRUST_POLICY_CHARACTERS)
    policy = check(document, "trust")
    for statement in policy.statements:
        if statement.principals is None:
            continue
        for arn in sorted(statement.principals.arns):
            if not _exists(call.tx, call.account, arn):
                raise errors.malformed_policy(f'Invalid principal in policy: "AWS":"{arn}"')


def _exists(tx: Transaction, account: str, arn: str) -> bool:
    """Whether the role or user is there; those of other accounts, and unique ids, are taken at their word."""
    table = ROLES if arn.startswith(f"arn:aws:iam::{account}:role/") else USERS if arn.startswith(f"arn:aws:iam::{account}:user/") else None
    if table is None:
        return True
    found = table.get(tx, arn.rsplit("/", 1)[-1].lower())
    return found is not None and found.arn == arn  # type: ignore[attr-defined]


def check_inline(tx: Transaction, kind: str, key: str, name: str, policy_name: str, document: str) -> None:
    """`document` as the inline policy of that name beside the identity's other ones. Raises MalformedPolicyDocument, LimitExceeded."""
    check(document, "identity")
    total = characters(document)
    for (_, _, other), text in INLINE.items(tx, kind, key):
        if other != policy_name:
            total += characters(text)
    limit = INLINE_POLICY_CHARACTERS[kind]
    if total > limit:
        raise errors.limit_exceeded(f"Maximum policy size of {limit} bytes exceeded for {kind} {name}")
