"""Temporary credentials, made and as STS answers them."""

from __future__ import annotations

from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.services.sts import errors, limits


def issue(
    call: Call,
    request: dict[str, Any],
    principal: Principal,
    duration_s: int,
    *,
    policies: tuple[tuple[str, str], ...] | None = None,
    tags: dict[str, str] | None = None,
    source_identity: str = "",
    context: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Credentials and the members about their token, for an answer. Raises PackedPolicyTooLarge if the token would not fit into a header."""
    issued = call.ground.identities.issue(
        call.random,
        principal,
        call.now_s,
        duration_s,
        policies=policies,
        tags=tags,
        source_identity=source_identity,
        context=context,
    )
    size = len(issued.session_token)
    if size > limits.TOKEN_HEADER_BYTES_MAX:
        raise errors.packed_policy_too_large(size * 100 // limits.TOKEN_HEADER_BYTES_MAX)
    if request.get("MinimumSessionTokenSize", 0) > size:
        raise not_implemented("MinimumSessionTokenSize beyond the token's own size")
    return {
        "Credentials": {
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": issued.expires_s,
        },
        "SessionTokenSize": size,
        "SessionTokenUtilization": min(100, -(-size * 100 // limits.TOKEN_BYTES_MAX)),
    }


def role_session(role_arn: str, unique_id: str, session_name: str) -> Principal:
    account, name = role_arn.split(":", 5)[4], role_arn.rsplit("/", 1)[-1]
    arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
    return Principal("role-session", arn, account, role_arn, f"{unique_id}:{session_name}")


def assumed(principal: Principal) -> dict[str, str]:
    """AssumedRoleUser."""
    return {"AssumedRoleId": principal.unique_id, "Arn": principal.arn}
