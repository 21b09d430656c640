"""GetSessionToken and GetFederationToken: temporary credentials of a user, or for someone whom a user vouches for.

Differs from AWS: a session of GetSessionToken may call IAM without MFA.
"""

from __future__ import annotations

from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.sts import errors, limits, session_policies, session_tags
from groundcloud.services.sts.credentials import issue


@operation(access=lambda call, request: [])
def get_session_token(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """No policy is asked, as on AWS."""
    duration_s = _duration_s(call, request, "GetSessionToken")
    if "SerialNumber" in request or "TokenCode" in request:
        raise errors.access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    return issue(call, request, call.principal, duration_s)


def _federated_arn(call: Call, request: dict[str, Any]) -> str:
    return f"arn:aws:sts::{call.account}:federated-user/{request['Name']}"


def _access(call: Call, request: dict[str, Any]) -> list[Access]:
    arn, context = _federated_arn(call, request), session_tags.of_request(request, None).conditions
    access = [Access("sts:GetFederationToken", arn, context)]
    if request.get("Tags"):
        access.append(Access("sts:TagSession", arn, context))
    return access


@operation(access=_access)
async def get_federation_token(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Without a session policy the federated user may do only what resource policies give to it."""
    duration_s = _duration_s(call, request, "GetFederationToken")
    tags = session_tags.of_request(request, None)
    passed = await session_policies.of_request(call, request, call.account, tags.given)
    federated = Principal("federated", _federated_arn(call, request), call.account, call.principal.arn, f"{call.account}:{request['Name']}")
    return {
        **issue(call, request, federated, duration_s, policies=passed.policies or (), tags=tags.tags),
        "FederatedUser": {"FederatedUserId": federated.unique_id, "Arn": federated.arn},
        "PackedPolicySize": passed.packed_percent,
    }


def _duration_s(call: Call, request: dict[str, Any], operation_name: str) -> int:
    """Raises AccessDenied for callers who hold temporary credentials already."""
    if call.session is not None or call.principal.kind not in ("user", "root"):
        raise errors.access_denied(f"Cannot call {operation_name} with session credentials")
    duration_s: int = request.get("DurationSeconds", limits.TOKEN_DURATION_S)
    return min(duration_s, limits.ROOT_DURATION_S_MAX) if call.principal.kind == "root" else duration_s
