"""Principal elements of resource and trust policies: who is meant, and how directly.

How directly matters: a policy that names a user or a session grants by itself, past boundary and session policy; one that names a
role (or everyone) grants to the role, which boundary and session policy limit; one that names an account only lets that
account's own policies decide. AWS: "Policy evaluation logic", "IAM JSON policy elements: Principal".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

PrincipalKind = Literal["root", "user", "role-session", "federated", "identity-provider", "service", "anonymous"]

NOT_NAMED, BY_ACCOUNT, BY_ROLE, DIRECTLY = range(4)


class Principal(NamedTuple):
    """Who asks. `arn`: of the user, the session (arn:aws:sts::...:assumed-role/...), the account root; for a service principal its name
    (s3.amazonaws.com); for an identity provider (web identity, SAML) its ARN or domain; empty for anonymous.
    `role_arn`: the role of a session; for a federated user the ARN of the user who federated it.
    """

    kind: PrincipalKind
    arn: str
    account: str = ""
    role_arn: str = ""
    unique_id: str = ""  # AIDA..., AROA...; policies name it where the ARN's bearer was deleted
    canonical_user_id: str = ""  # S3's


class PrincipalSet:
    """The compiled element."""

    __slots__ = ("accounts", "arns", "canonical", "everyone", "federated", "services")

    def __init__(self) -> None:
        self.everyone = False
        self.accounts: set[str] = set()
        self.arns: set[str] = set()  # and unique ids
        self.services: set[str] = set()
        self.federated: set[str] = set()
        self.canonical: set[str] = set()

    def names(self, principal: Principal) -> int:
        """NOT_NAMED, BY_ACCOUNT, BY_ROLE or DIRECTLY."""
        kind = principal.kind
        if kind == "service":
            return DIRECTLY if self.everyone or principal.arn in self.services else NOT_NAMED
        if kind == "anonymous":
            return DIRECTLY if self.everyone else NOT_NAMED
        if kind == "identity-provider":
            return DIRECTLY if self.everyone or principal.arn in self.federated else NOT_NAMED
        if principal.arn in self.arns:
            return DIRECTLY
        if kind == "root" and principal.account in self.accounts:
            return DIRECTLY
        if self.arns and principal.role_arn in self.arns:
            return BY_ROLE
        if self.arns and principal.unique_id and principal.unique_id.partition(":")[0] in self.arns:
            return DIRECTLY if kind == "user" else BY_ROLE
        if self.everyone:
            return DIRECTLY if kind == "root" else BY_ROLE
        if principal.account in self.accounts or principal.canonical_user_id in self.canonical:
            return BY_ACCOUNT
        return NOT_NAMED


_ACCOUNT = re.compile(r"[0-9]{12}").fullmatch
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):root").fullmatch
_ARN = re.compile(
    r"arn:aws[a-z-]*:(?:iam::(?:[0-9]{12}|cloudfront):(?:user|role)/[^*]+|sts::[0-9]{12}:(?:assumed-role|federated-user)/[^*]+)"
).fullmatch
_UNIQUE = re.compile(r"(?:AIDA|AROA|AKIA)[A-Z0-9]{12,}").fullmatch


def compile_principals(value: Any) -> PrincipalSet:
    """Raises ValueError with AWS's sentence."""
    compiled = PrincipalSet()
    if value == "*":
        compiled.everyone = True
        return compiled
    if not isinstance(value, Mapping) or not value:
        raise ValueError("Invalid principal in policy.")
    for kind, written in value.items():
        texts = [written] if isinstance(written, str) else written
        if not isinstance(texts, list) or not texts:
            raise ValueError("Invalid principal in policy.")
        for text in texts:
            if not isinstance(text, str) or not _add(compiled, kind, text):
                raise ValueError(f'Invalid principal in policy: "{kind}":"{text}"')
    return compiled


def _add(compiled: PrincipalSet, kind: str, text: str) -> bool:
    if kind == "AWS":
        if text == "*":
            compiled.everyone = True
        elif _ACCOUNT(text):
            compiled.accounts.add(text)
        elif root := _ROOT(text):
            compiled.accounts.add(root.group(1))
        elif _ARN(text) or _UNIQUE(text):
            compiled.arns.add(text)
        else:
            return False
        return True
    if kind == "Service" and text == "*":
        return False
    chosen = {"Service": compiled.services, "Federated": compiled.federated, "CanonicalUser": compiled.canonical}.get(kind)
    if chosen is None or not text:
        return False
    chosen.add(text)
    return True
