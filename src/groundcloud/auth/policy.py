"""May this principal do this? IAM's policy evaluation logic.

    explicit deny anywhere                               -> denied
    a service control policy is there and none allows    -> denied
    resource policy names the caller directly (same account)  -> allowed, past boundary and session policy
    same account:   identity policy or resource policy (naming the role or everyone), then boundary, then session policy
    other account:  resource policy, and identity policy, boundary, session policy
    service, identity provider, anonymous: the resource policy alone
    resource_policy_required (KMS keys, role trust): the resource policy grants, or names the account and the identity policy grants

AWS: "Policy evaluation logic", "Determining whether a request is allowed or denied within an account", "Cross-account policy
evaluation logic". Missing: resource control policies, VPC endpoint policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from groundcloud.auth.documents import Kind, MalformedPolicy, Policy, Statement, parse
from groundcloud.auth.principals import BY_ACCOUNT, BY_ROLE, DIRECTLY, NOT_NAMED, Principal

if TYPE_CHECKING:
    from groundcloud.auth.explain import Trace

__all__ = ["Decision", "MalformedPolicy", "Policies", "Policy", "Principal", "Request", "Statement", "evaluate", "parse", "sentence"]

ContextValue = str | list[str]
Context = Mapping[str, ContextValue]


class Request(NamedTuple):
    """One action on one resource.

    `context`: condition keys, in any case, to their values; or a function that gives them, called at most once and only
    if some statement asks. `resource_account`: the owner's, empty for the principal's own.
    """

    principal: Principal
    action: str
    resource: str = "*"
    context: Context | Callable[[], Context] = {}
    resource_account: str = ""


class Policies(NamedTuple):
    """What applies to a request. `session` None: no session policy limits; the levels of service control policies each must allow."""

    identity: Sequence[Policy] = ()
    resource: Policy | None = None
    boundary: Policy | None = None
    session: Sequence[Policy] | None = None
    service_control: Sequence[Sequence[Policy]] = ()
    resource_policy_required: bool = False


DecisionKind = Literal["allowed", "explicit deny", "implicit deny"]


class Decision(NamedTuple):
    """`policy_kind`: whose word it was; for an implicit deny, what kind of policy would have had to allow. `policy` and `statement` decided;
    None for an implicit deny and for the account's root, who needs no policy."""

    allowed: bool
    kind: DecisionKind
    policy_kind: Kind
    policy: Policy | None
    statement: Statement | None
    request: Request
    policies: Policies

    @property
    def policy_name(self) -> str:
        return self.policy.name if self.policy else ""

    @property
    def sid(self) -> str:
        return self.statement.sid if self.statement else ""

    @property
    def statement_index(self) -> int | None:
        return self.statement.index if self.statement else None

    def trace(self) -> Trace:
        """The evaluation once more, telling for each statement what did not match and why. `str()` of it is for people."""
        from groundcloud.auth.explain import explain

        return explain(self)


class RequestFacts:
    """The request's condition keys in lower case, put together when the first is asked for."""

    __slots__ = ("_context", "_values")

    def __init__(self, context: Context | Callable[[], Context]) -> None:
        self._context = context
        self._values: dict[str, ContextValue] | None = None

    def get(self, key: str) -> ContextValue | None:
        values = self._values
        if values is None:
            context = self._context
            if callable(context):
                context = context()
            values = self._values = {name.lower(): value for name, value in context.items()}
        return values.get(key)


def evaluate(request: Request, policies: Policies) -> Decision:
    """The decision on `request` under `policies`. Never raises; keeps both for `Decision.trace`."""
    principal, action, resource, context, resource_account = request
    identity, resource_policy, boundary, session, service_control, resource_required = policies
    facts = RequestFacts(context)
    kind = principal.kind
    own = kind not in _WITHOUT_ACCOUNT

    identity_allow: tuple[Policy, Statement] | None = None
    for policy in identity:
        denies, allows = policy.candidates(action)
        for statement in denies:
            if _applies(statement, resource, facts):
                return Decision(False, "explicit deny", "identity", policy, statement, request, policies)
        if identity_allow is None:
            for statement in allows:
                if _applies(statement, resource, facts):
                    identity_allow = (policy, statement)
                    break

    named = NOT_NAMED
    resource_statement: Statement | None = None
    if resource_policy is not None:
        denies, allows = resource_policy.candidates(action)
        for statement in denies:
            if names(statement, principal) and _applies(statement, resource, facts):
                return Decision(False, "explicit deny", resource_policy.kind, resource_policy, statement, request, policies)
        for statement in allows:
            strength = names(statement, principal)
            if strength > named and _applies(statement, resource, facts):
                named, resource_statement = strength, statement
                if strength == DIRECTLY:
                    break

    boundary_allow = session_allow = control_allow = True
    if boundary is not None and own:
        denied, boundary_allow = _limits((boundary,), action, resource, facts)
        if denied is not None:
            return Decision(False, "explicit deny", "boundary", *denied, request, policies)
    if session is not None and own:
        denied, session_allow = _limits(session, action, resource, facts)
        if denied is not None:
            return Decision(False, "explicit deny", "session", *denied, request, policies)
    if service_control and own:
        for level in service_control:
            denied, level_allow = _limits(level, action, resource, facts)
            if denied is not None:
                return Decision(False, "explicit deny", "service control", *denied, request, policies)
            control_allow = control_allow and level_allow

    resource_kind: Kind = "resource" if resource_policy is None else resource_policy.kind
    if not control_allow:
        return Decision(False, "implicit deny", "service control", None, None, request, policies)
    if not own:
        if named:
            return Decision(True, "allowed", resource_kind, resource_policy, resource_statement, request, policies)
        return Decision(False, "implicit deny", resource_kind, None, None, request, policies)

    identity_allows = identity_allow is not None or kind == "root"
    if not resource_account or resource_account == principal.account:
        if named == DIRECTLY:
            return Decision(True, "allowed", resource_kind, resource_policy, resource_statement, request, policies)
        if named != BY_ROLE:
            if resource_required and named != BY_ACCOUNT:
                return Decision(False, "implicit deny", resource_kind, None, None, request, policies)
            if not identity_allows:
                return Decision(False, "implicit deny", "identity", None, None, request, policies)
    else:
        if not identity_allows:
            return Decision(False, "implicit deny", "identity", None, None, request, policies)
        if not named:
            return Decision(False, "implicit deny", resource_kind, None, None, request, policies)
    if not boundary_allow:
        return Decision(False, "implicit deny", "boundary", None, None, request, policies)
    if not session_allow:
        return Decision(False, "implicit deny", "session", None, None, request, policies)
    if identity_allow is not None:
        return Decision(True, "allowed", "identity", identity_allow[0], identity_allow[1], request, policies)
    if resource_statement is not None:
        return Decision(True, "allowed", resource_kind, resource_policy, resource_statement, request, policies)
    return Decision(True, "allowed", "identity", None, None, request, policies)


def names(statement: Statement, principal: Principal) -> int:
    """How directly the statement's Principal or NotPrincipal means the caller."""
    principals = statement.principals
    if principals is None:
        return NOT_NAMED
    strength = principals.names(principal)
    if not statement.not_principal:
        # A denial of an account is a denial of everyone in it.
        return strength
    # An account in NotPrincipal stands for its root alone; the excepted users and roles are listed beside it.
    return NOT_NAMED if strength >= BY_ROLE else BY_ROLE if principal.kind not in _WITHOUT_ACCOUNT else DIRECTLY


_WITHOUT_ACCOUNT = frozenset(["service", "identity-provider", "anonymous"])


def _limits(policies: Sequence[Policy], action: str, resource: str, facts: RequestFacts) -> tuple[tuple[Policy, Statement] | None, bool]:
    """(what denies, whether any allows) of policies that only limit."""
    allowed = False
    for policy in policies:
        denies, allows = policy.candidates(action)
        for statement in denies:
            if _applies(statement, resource, facts):
                return (policy, statement), False
        allowed = allowed or any(_applies(statement, resource, facts) for statement in allows)
    return None, allowed


def _applies(statement: Statement, resource: str, facts: RequestFacts) -> bool:
    """Resource and conditions; the action is known to match."""
    resources = statement.resources
    if resources is not None and resources.matches(resource, facts) is statement.not_resource:
        return False
    return not statement.conditions or all(condition.holds(facts) for condition in statement.conditions)


_ALLOWING: dict[Kind, str] = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "service control": "service control policy",
}


def sentence(decision: Decision, request: Request | None = None, reason: bool = True) -> str:
    """AWS's text for a denial, without the service's code. `reason` False leaves out why, as some services do.

    AWS: "Troubleshoot access denied error messages".
    """
    request = request or decision.request
    principal = request.principal
    who = "anonymous" if principal.kind == "anonymous" else principal.arn
    text = f"User: {who} is not authorized to perform: {request.action} on resource: {request.resource}"
    if not reason or decision.allowed:
        return text
    kind = _ALLOWING[decision.policy_kind]
    if decision.kind == "explicit deny":
        article = "the" if decision.policy_kind == "trust" else "an" if kind[0] in "aeiou" else "a"
        return f"{text} with an explicit deny in {article} {kind}"
    return f"{text} because no {kind} allows the {request.action} action"
