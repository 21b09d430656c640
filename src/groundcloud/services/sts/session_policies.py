"""Session policies: the inline one and the managed ones that limit what temporary credentials may do, and the size of it all."""

from __future__ import annotations

import json
import zlib
from typing import Any, NamedTuple
from urllib.parse import unquote

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.sts import errors, limits

SERVICE_PRINCIPAL = "sts.amazonaws.com"


class SessionPolicies(NamedTuple):
    """`policies` None: nothing was passed, nothing limits. `packed_percent` None: neither policies nor tags were passed."""

    policies: tuple[tuple[str, str], ...] | None
    packed_percent: int | None


async def of_request(call: Call, request: dict[str, Any], account: str, tags: dict[str, str]) -> SessionPolicies:
    """Raises MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError."""
    inline, arns = request.get("Policy"), [each.get("arn") or "" for each in request.get("PolicyArns") or ()]
    if inline is None and not arns:
        return SessionPolicies(None, _packed_percent("", [], tags) if tags else None)
    if len(arns) > limits.SESSION_POLICY_ARNS_MAX:
        raise errors.validation(f"Member must have length less than or equal to {limits.SESSION_POLICY_ARNS_MAX} at 'policyArns'")
    policies: list[tuple[str, str]] = []
    if inline is not None:
        try:
            documents.parse(inline, "session")
        except MalformedPolicy as fault:
            raise errors.malformed_policy(fault.message) from None
        if len(inline) > limits.SESSION_POLICY_CHARACTERS_MAX:
            raise errors.packed_policy_too_large(len(inline) * 100 // limits.SESSION_POLICY_CHARACTERS_MAX)
        policies.append(("session policy", inline))
    percent = _packed_percent(inline or "", arns, tags)
    for arn in arns:
        policies.append((arn, await _managed(call, account, arn)))
    return SessionPolicies(tuple(policies), percent)


def _packed_percent(inline: str, arns: list[str], tags: dict[str, str]) -> int:
    packed = zlib.compress(json.dumps([inline, arns, sorted(tags.items())]).encode())
    percent = -(-len(packed) * 100 // limits.PACKED_BYTES_MAX)
    if percent > 100:
        raise errors.packed_policy_too_large(percent)
    return percent


async def _managed(call: Call, account: str, arn: str) -> str:
    """The policy in force now, without its white space: the session keeps it as it is today. AWS: in the role's account, or one of its own."""
    owner = arn.split(":", 5)[4] if arn.startswith("arn:aws:iam::") and arn.count(":") >= 5 else ""
    if owner not in (account, "aws"):
        raise errors.validation(f"ARN {arn} is not valid.")
    try:
        found = await call.request("iam", "GetPolicy", {"PolicyArn": arn}, as_=SERVICE_PRINCIPAL, account=account)
        version = await call.request(
            "iam",
            "GetPolicyVersion",
            {"PolicyArn": arn, "VersionId": found["Policy"]["DefaultVersionId"]},
            as_=SERVICE_PRINCIPAL,
            account=account,
        )
    except AwsError as fault:
        raise errors.validation(fault.message) from None
    return json.dumps(json.loads(unquote(version["PolicyVersion"]["Document"])), separators=(",", ":"))
