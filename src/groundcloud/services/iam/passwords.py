"""Passwords: what the account's policy asks of them, and how they rest (scrypt, RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.services.iam.state import PasswordPolicy

SYMBOLS = "!@#$%^&*()_+-=[]{}|'"
LENGTH_MIN_DEFAULT = 8
KINDS_MIN_DEFAULT = 3
"""AWS: without a policy of the account's own, three of upper case, lower case, numbers and symbols."""
_SALT_BYTES = 16


def hashed(password: str) -> bytes:
    """About 40 ms of CPU: not on the event loop."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return salt + _scrypt(password, salt)


def matches(password: str, stored: bytes) -> bool:
    return hmac.compare_digest(_scrypt(password, stored[:_SALT_BYTES]), stored[_SALT_BYTES:])


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1)


def check(password: str, policy: PasswordPolicy | None) -> None:
    """Raises PasswordPolicyViolation."""
    members: dict[str, Any] = policy.members if policy is not None else {}
    length_min = members.get("MinimumPasswordLength", LENGTH_MIN_DEFAULT if policy is None else 6)
    if len(password) < length_min:
        raise _violation(f"Password should have a minimum length of {length_min}")
    kinds = {
        "RequireUppercaseCharacters": ("uppercase letter", any(character.isupper() for character in password)),
        "RequireLowercaseCharacters": ("lowercase letter", any(character.islower() for character in password)),
        "RequireNumbers": ("number", any(character.isdigit() for character in password)),
        "RequireSymbols": ("symbol", any(character in SYMBOLS for character in password)),
    }
    for member, (noun, present) in kinds.items():
        if members.get(member) and not present:
            raise _violation(f"Password should have at least one {noun}")
    if policy is None and sum(present for _, present in kinds.values()) < KINDS_MIN_DEFAULT:
        raise _violation("Password does not conform to the account password policy.")


def _violation(sentence: str) -> AwsError:
    return AwsError("PasswordPolicyViolationException", sentence)
