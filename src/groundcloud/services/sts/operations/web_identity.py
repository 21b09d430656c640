"""AssumeRoleWithWebIdentity: a role's session for who holds a token of an OpenID Connect provider."""

from __future__ import annotations

from typing import Any

from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError, not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sts import errors, limits, session_policies, session_tags, trust, web_identity
from groundcloud.services.sts.credentials import assumed, issue, role_session
from groundcloud.services.sts.operations.assume_role import find

ACTION = "sts:AssumeRoleWithWebIdentity"
TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"


@operation(public=True)
async def assume_role_with_web_identity(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if "ProviderId" in request:
        raise not_implemented("AssumeRoleWithWebIdentity with ProviderId (OAuth 2.0 access tokens)")
    role_arn, token = request["RoleArn"], request["WebIdentityToken"]
    call.resource = role_arn
    unverified = web_identity.read(token)
    role = find(call, role_arn)
    if role is None:
        raise errors.not_authorized(ACTION)
    account = role.arn.split(":", 5)[4]
    provider_arn, provider = await _provider(call, account, unverified.issuer)
    audience = await web_identity.verify(call, token, unverified, _url(provider, unverified.issuer), provider.get("ClientIDList") or [])
    claims = unverified.claims
    claimed = _claimed_tags(claims)
    tags = session_tags.of_request(claimed, None)
    facts = _facts(provider_arn.partition("oidc-provider/")[2], claims, audience, provider_arn)
    source_identity = str(claims.get(SOURCE_IDENTITY_CLAIM, ""))
    context = {"sts:RoleSessionName": request["RoleSessionName"], **facts, **tags.conditions}
    if source_identity:
        context["sts:SourceIdentity"] = source_identity
    wanted = [ACTION, *(["sts:TagSession"] if tags.given else []), *(["sts:SetSourceIdentity"] if source_identity else [])]
    for action in wanted:
        if not trust.decide(call, role, Principal("identity-provider", provider_arn), action, context).allowed:
            raise errors.not_authorized(action)
    duration_s = request.get("DurationSeconds", limits.SESSION_DURATION_S)
    if duration_s > role.max_session_s:
        raise errors.duration_beyond_role()
    principal = role_session(role.arn, role.unique_id, request["RoleSessionName"])
    passed = await session_policies.of_request(call, request, account, tags.given)
    kept = {key: value for key, value in facts.items() if isinstance(value, str)}
    answer = issue(
        call,
        request,
        principal,
        duration_s,
        policies=passed.policies,
        tags=tags.tags,
        source_identity=source_identity,
        context={**kept, **tags.context},
    )
    return {
        **answer,
        "SubjectFromWebIdentityToken": claims["sub"],
        "AssumedRoleUser": assumed(principal),
        "PackedPolicySize": passed.packed_percent,
        "Provider": provider_arn,
        "Audience": audience,
        "SourceIdentity": source_identity or None,
    }


async def _provider(call: Call, account: str, issuer: str) -> tuple[str, dict[str, Any]]:
    """(ARN, what IAM says of it). Raises InvalidIdentityToken."""
    url = issuer.partition("://")[2].rstrip("/")
    arn = f"arn:aws:iam::{account}:oidc-provider/{url}"
    try:
        request = {"OpenIDConnectProviderArn": arn}
        found = await call.request("iam", "GetOpenIDConnectProvider", request, as_=session_policies.SERVICE_PRINCIPAL, account=account)
    except AwsError:
        raise errors.invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}") from None
    return arn, found


def _url(provider: dict[str, Any], issuer: str) -> str:
    """Where the provider is: its registered scheme, not what the token claims."""
    url = str(provider["Url"])
    registered = url if "://" in url else f"https://{url}"
    if registered != issuer.rstrip("/"):
        raise errors.invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")
    return registered


def _facts(url: str, claims: dict[str, Any], audience: str, provider_arn: str) -> dict[str, Any]:
    """`<issuer>:sub`, `<issuer>:aud` and the other plain claims, and aws:FederatedProvider."""
    facts: dict[str, Any] = {"aws:FederatedProvider": provider_arn}
    for name, value in claims.items():
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            facts[f"{url}:{name}"] = value
    facts[f"{url}:aud"] = audience
    return facts


def _claimed_tags(claims: dict[str, Any]) -> dict[str, Any]:
    """Session tags of a token, as AssumeRole's request would say them. Source: IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity"."""
    claimed = claims.get(TAGS_CLAIM)
    if not isinstance(claimed, dict):
        return {}
    principal_tags = claimed.get("principal_tags") or {}
    try:
        tags = [{"Key": key, "Value": value[0] if isinstance(value, list) else value} for key, value in principal_tags.items()]
        transitive = [str(key) for key in claimed.get("transitive_tag_keys") or ()]
    except (AttributeError, IndexError, TypeError):
        raise errors.invalid_identity_token("The session tags of the token are malformed.") from None
    if not all(isinstance(tag["Value"], str) for tag in tags):
        raise errors.invalid_identity_token("The session tags of the token are malformed.")
    return {"Tags": tags, "TransitiveTagKeys": transitive}
