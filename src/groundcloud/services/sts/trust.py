"""May the caller assume this role? The trust policy decides, and across accounts the caller's own policies too."""

from __future__ import annotations

from typing import Any

from groundcloud.auth import policy
from groundcloud.auth.policy import Decision, Policies, Request
from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError
from groundcloud.kernel import authorization
from groundcloud.kernel.authorization import compiled
from groundcloud.kernel.call import Call
from groundcloud.kernel.identity import IdentityPolicies, Role

_WITHOUT_POLICIES = frozenset(["root", "service", "identity-provider", "anonymous"])


def decide(call: Call, role: Role, principal: Principal, action: str, context: dict[str, Any]) -> Decision:
    """The decision on `action` (sts:AssumeRole, sts:TagSession ...), kept for `ground why`."""
    raw = IdentityPolicies()
    identity: tuple[policy.Policy, ...] = ()
    boundary: policy.Policy | None = None
    session: list[policy.Policy] | None = None
    if principal.kind not in _WITHOUT_POLICIES:
        identity, boundary, raw = call.ground.principal_policies.of(call.reading(), principal)
    if call.session is not None and call.session.policies is not None:
        session = [compiled(text, "session", name) for name, text in call.session.policies]

    def facts() -> dict[str, Any]:
        return {**authorization.global_context(call, raw), **context}

    request = Request(principal, action, role.arn, facts, role.arn.split(":", 5)[4])
    trust = compiled(role.trust_policy, "trust", role.arn)
    decision = policy.evaluate(request, Policies(identity, trust, boundary, session, resource_policy_required=True))
    call.ground.decisions.keep(call.request_id, decision)
    return decision


def require(call: Call, role: Role, action: str, context: dict[str, Any]) -> None:
    """Raises AccessDenied."""
    decision = decide(call, role, call.principal, action, context)
    if not decision.allowed:
        raise authorization.denied(call, policy.sentence(decision, reason=decision.kind == "explicit deny"))


def unknown_role(call: Call, action: str, role_arn: str) -> AwsError:
    """The same words as for a role that does not trust the caller: who may not, does not learn what there is."""
    return authorization.denied(call, f"User: {call.principal.arn} is not authorized to perform: {action} on resource: {role_arn}")
