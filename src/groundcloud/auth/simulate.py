"""The policy simulator: what SimulatePrincipalPolicy and SimulateCustomPolicy answer, and the context keys that policies ask for.

AWS: API_EvaluationResult. Missing: OrganizationsDecisionDetail, EvalDecisionDetails of cross-account calls; one result per action and
resource, never folded into ResourceSpecificResults.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from json import JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from groundcloud.auth.documents import Policy, Statement
from groundcloud.auth.explain import PolicyTrace
from groundcloud.auth.policy import Context, Policies, Principal, Request, evaluate

_DECISIONS = {"allowed": "allowed", "explicit deny": "explicitDeny", "implicit deny": "implicitDeny"}


def simulate(
    principal: Principal,
    policies: Policies,
    actions: Iterable[str],
    resources: Iterable[str] = ("*",),
    context: Context | None = None,
    resource_account: str = "",
    sources: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """EvaluationResults, one per action and resource.

    `sources`: the policies' texts by their names, for the positions of matched statements. SourcePolicyId is the policy's name.
    """
    known = context or {}
    missing = [key for key in context_keys(_all(policies)) if key.lower() not in {name.lower() for name in known}]
    results: list[dict[str, Any]] = []
    resources = tuple(resources)
    for action in actions:
        for resource in resources:
            decision = evaluate(Request(principal, action, resource, known, resource_account), policies)
            effect = "Deny" if decision.kind == "explicit deny" else "Allow"
            trace = decision.trace()
            result: dict[str, Any] = {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _DECISIONS[decision.kind],
                "MatchedStatements": list(_matched(trace.policies, effect, sources or {})),
                "MissingContextValues": missing,
            }
            if policies.boundary is not None:
                allowed = any(each.matched and each.effect == "Allow" for each in _of_kind(trace.policies, "boundary"))
                denied = any(each.matched and each.effect == "Deny" for each in _of_kind(trace.policies, "boundary"))
                result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed and not denied}
            results.append(result)
    return results


def _of_kind(traces: Iterable[PolicyTrace], kind: str) -> list[Any]:
    return [statement for trace in traces if trace.kind == kind for statement in trace.statements]


def _all(policies: Policies) -> list[Policy]:
    listed = [*policies.identity, *(policies.session or ())]
    listed.extend(each for each in (policies.resource, policies.boundary) if each is not None)
    listed.extend(each for level in policies.service_control for each in level)
    return listed


def _matched(traces: Iterable[PolicyTrace], effect: str, sources: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for trace in traces:
        spans = statement_spans(sources[trace.name]) if trace.name in sources else []
        for statement in trace.statements:
            if not statement.matched or statement.effect != effect:
                continue
            kind = "Resource Policy" if trace.kind in ("resource", "trust") else "IAM Policy"
            matched: dict[str, Any] = {"SourcePolicyId": trace.name, "SourcePolicyType": kind}
            if statement.statement_index < len(spans):
                start, end = spans[statement.statement_index]
                text = sources[trace.name]
                matched["StartPosition"], matched["EndPosition"] = _position(text, start), _position(text, end)
            yield matched


def _position(text: str, offset: int) -> dict[str, int]:
    """Lines and columns count from 1."""
    return {"Line": text.count("\n", 0, offset) + 1, "Column": offset - text.rfind("\n", 0, offset)}


_SPACE = re.compile(r"[ \t\r\n]*")


def statement_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) offsets of each statement of a document that `documents.parse` has taken."""

    def skip(at: int) -> int:
        found = _SPACE.match(text, at)
        return found.end() if found else at

    decode = JSONDecoder().raw_decode
    spans: list[tuple[int, int]] = []
    at = skip(skip(0) + 1)
    while text[at : at + 1] == '"':
        name, at = scanstring(text, at + 1)
        at = skip(skip(at) + 1)
        if name == "Statement" and text[at] == "[":
            at = skip(at + 1)
            while text[at] != "]":
                _, end = decode(text, at)
                spans.append((at, end))
                at = skip(end)
                if text[at] == ",":
                    at = skip(at + 1)
            at += 1
        else:
            start = at
            _, at = decode(text, at)
            if name == "Statement":
                spans.append((start, at))
        at = skip(at)
        if text[at : at + 1] == ",":
            at = skip(at + 1)
    return spans


_VARIABLE = re.compile(r"\$\{\s*([^,\s'{}*?$]+)")


def context_keys(policies: Iterable[Policy]) -> list[str]:
    """The keys that conditions and variables of `policies` name, as written, each once. GetContextKeysForCustomPolicy answers them."""
    keys: dict[str, str] = {}
    for policy in policies:
        for statement in policy.statements:
            for key in _keys_of(statement, policy.version == "2012-10-17"):
                keys.setdefault(key.lower(), key)
    return list(keys.values())


def _keys_of(statement: Statement, variables: bool) -> Iterable[str]:
    for condition in statement.conditions:
        yield condition.key
        if variables:
            for value in condition.values:
                yield from _VARIABLE.findall(value)
    if variables:
        written = statement.document.get("NotResource" if statement.not_resource else "Resource", ())
        texts: Sequence[str] = [written] if isinstance(written, str) else written
        for text in texts:
            yield from _VARIABLE.findall(text)
