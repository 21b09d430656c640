"""Why a decision fell: the evaluation once more, statement by statement. Nothing here is on the way of a request that is allowed.

`ground why REQUEST_ID` prints `str(decision.trace())`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from groundcloud.auth.conditions import Condition
from groundcloud.auth.documents import Kind, Policy, Statement
from groundcloud.auth.policy import RequestFacts, names, sentence

if TYPE_CHECKING:
    from groundcloud.auth.policy import Decision, Request

_LISTED_MAX = 5  # values shown of a long list


class StatementTrace(NamedTuple):
    """`element` that did not match: Action, Principal, Resource, Condition; empty where all did."""

    statement_index: int
    sid: str
    effect: str
    matched: bool
    element: str
    reason: str


class PolicyTrace(NamedTuple):
    kind: Kind
    name: str
    statements: tuple[StatementTrace, ...]


class Trace(NamedTuple):
    decision: Decision
    policies: tuple[PolicyTrace, ...]

    def __str__(self) -> str:
        decision, request = self.decision, self.decision.request
        lines = [
            f"{decision.kind}: {sentence(decision)}" if not decision.allowed else f"allowed: {request.action} on {request.resource}",
            f"principal: {request.principal.kind} {request.principal.arn}".rstrip(),
            f"decided by: {_decider(decision)}",
        ]
        for policy in self.policies:
            lines.append(f"{policy.kind} policy {policy.name or '(no name)'}")
            for statement in policy.statements:
                label = f"  [{statement.statement_index}]{' ' + statement.sid if statement.sid else ''} {statement.effect}: "
                lines.append(label + ("matches" if statement.matched else f"{statement.element} does not match: {statement.reason}"))
        if not self.policies:
            lines.append("no policy applies")
        return "\n".join(lines)


def explain(decision: Decision) -> Trace:
    """Every policy in the order of evaluation, none left out after a decision is clear."""
    request, policies = decision.request, decision.policies
    facts = RequestFacts(request.context)
    listed: list[tuple[Kind, Policy]] = [("identity", policy) for policy in policies.identity]
    if policies.resource is not None:
        listed.append((policies.resource.kind, policies.resource))
    if policies.boundary is not None:
        listed.append(("boundary", policies.boundary))
    listed.extend(("session", policy) for policy in policies.session or ())
    listed.extend(("service control", policy) for level in policies.service_control for policy in level)
    return Trace(decision, tuple(_policy(kind, policy, request, facts) for kind, policy in listed))


def _policy(kind: Kind, policy: Policy, request: Request, facts: RequestFacts) -> PolicyTrace:
    return PolicyTrace(kind, policy.name, tuple(_statement(statement, request, facts) for statement in policy.statements))


def _statement(statement: Statement, request: Request, facts: RequestFacts) -> StatementTrace:
    element, reason = _obstacle(statement, request, facts)
    return StatementTrace(statement.index, statement.sid, "Deny" if statement.deny else "Allow", not element, element, reason)


def _obstacle(statement: Statement, request: Request, facts: RequestFacts) -> tuple[str, str]:
    """The first element that does not match, in the order that the evaluator looks at them, and why."""
    document = statement.document
    if statement.actions.matches(request.action.lower(), facts) is statement.not_action:
        name = "NotAction" if statement.not_action else "Action"
        return name, f"{request.action} is {'' if statement.not_action else 'not '}among {_listed(document.get(name))}"
    if statement.principals is not None and not names(statement, request.principal):
        name = "NotPrincipal" if statement.not_principal else "Principal"
        who = request.principal.arn or request.principal.kind
        return name, f"{who} is {'' if statement.not_principal else 'not '}among {document.get(name)}"
    if statement.resources is not None and statement.resources.matches(request.resource, facts) is statement.not_resource:
        name = "NotResource" if statement.not_resource else "Resource"
        return name, f"{request.resource} is {'' if statement.not_resource else 'not '}among {_listed(document.get(name))}"
    for condition in statement.conditions:
        if not condition.holds(facts):
            return "Condition", _condition(condition, facts)
    return "", ""


def _condition(condition: Condition, facts: RequestFacts) -> str:
    actual = facts.get(condition.key.lower())
    has = "the request has none" if actual is None else f"the request has {_listed(actual)}"
    return f"{condition.operator} {condition.key} {_listed(condition.values)}; {has}"


def _listed(value: object) -> str:
    texts: Sequence[object] = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
    shown = ", ".join(str(text) for text in texts[:_LISTED_MAX])
    return shown if len(texts) <= _LISTED_MAX else f"{shown} and {len(texts) - _LISTED_MAX} more"


def _decider(decision: Decision) -> str:
    if decision.policy is None:
        return "the account's root needs no policy" if decision.allowed else f"the absence of an allowing {decision.policy_kind} policy"
    where = f"{decision.policy_kind} policy {decision.policy.name or '(no name)'}"
    if decision.statement is None:
        return where
    sid = f" ({decision.statement.sid})" if decision.statement.sid else ""
    return f"{where}, statement {decision.statement.index}{sid}"
