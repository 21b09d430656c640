"""May this call do that? Gathers the policies that apply, asks `auth.policy`, remembers the decision for `ground why`, and words a denial."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcloud.auth import documents, policy
from groundcloud.auth.documents import MalformedPolicy, Policy
from groundcloud.auth.policy import Decision, Policies, Request
from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError
from groundcloud.kernel.identity import Directory, IdentityPolicies
from groundcloud.store import Transaction
from groundcloud.wire import timestamps

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

DECISIONS_KEPT = 4096
PRINCIPALS_CACHED = 4096


@lru_cache(maxsize=4096)
def compiled(document: str, kind: documents.Kind, name: str) -> Policy:
    """Raises MalformedPolicy."""
    return documents.parse(document, kind, name)


class Explanation(NamedTuple):
    """How one permission was decided. `decision` is there for a denial: it can tell the whole evaluation again."""

    action: str
    resource: str
    allowed: bool
    kind: str
    policy: str
    sid: str
    decision: Decision | None

    @property
    def text(self) -> str:
        if self.decision is not None:
            return str(self.decision.trace())
        return f"{self.action} on {self.resource}: allowed by statement {self.sid or '(without Sid)'} of {self.policy or 'no policy: the root of its own account'}"


class Decisions:
    """The latest decisions by request id, for `ground why`. In memory: an explanation, not a record. A denial is kept with its facts, an allowed call in short."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[Explanation]] = OrderedDict()

    def keep(self, request_id: str, decision: Decision) -> None:
        request = decision.request
        full = None
        if not decision.allowed:
            # The facts as they are now, and no reference to the call with its body.
            context = request.context() if callable(request.context) else request.context
            full = decision._replace(request=request._replace(context=context))
        explanation = Explanation(
            request.action, request.resource, decision.allowed, decision.kind, decision.policy_name, decision.sid, full
        )
        found = self._kept.get(request_id)
        if found is not None:
            found.append(explanation)
            return
        self._kept[request_id] = [explanation]
        if len(self._kept) > DECISIONS_KEPT:
            self._kept.popitem(last=False)

    def of(self, request_id: str) -> list[Explanation]:
        return self._kept.get(request_id, [])


class PrincipalPolicies:
    """Compiled policies of principals, cached until their account's generation changes."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._cache: dict[str, tuple[int, tuple[Policy, ...], Policy | None, IdentityPolicies]] = {}

    def of(self, tx: Transaction, principal: Principal) -> tuple[tuple[Policy, ...], Policy | None, IdentityPolicies]:
        # With the unique id: a role made anew under an old name is another one.
        key = (principal.role_arn or principal.arn) + principal.unique_id.partition(":")[0]
        generation = self._directory.generation(tx, principal.account)
        found = self._cache.get(key)
        if found is not None and found[0] == generation:
            return found[1], found[2], found[3]
        raw = self._directory.policies(tx, principal)
        identity = tuple(compiled(document, "identity", name) for name, document in raw.identity)
        boundary = compiled(raw.boundary[1], "boundary", raw.boundary[0]) if raw.boundary else None
        if len(self._cache) >= PRINCIPALS_CACHED:
            self._cache.clear()
        self._cache[key] = (generation, identity, boundary, raw)
        return identity, boundary, raw


def decide(
    call: Call,
    action: str,
    resource: str,
    context: dict[str, Any] | None,
    resource_policy: Callable[[Call, str], str | None] | None,
    owner: str = "",
) -> Decision | None:
    """The decision, remembered; None where the account's root needs no policy and no policy is on the resource.

    `owner`: the account that the resource belongs to, where its ARN does not say (S3).
    """
    principal = call.principal
    tx = call.reading()
    if not owner and resource.startswith("arn:"):
        parts = resource.split(":", 5)
        owner = parts[4] if len(parts) > 4 else ""
    document = resource_policy(call, resource) if resource_policy is not None and resource != "*" else None
    if not owner:
        owner = call.account
    if principal.kind == "root" and document is None and owner == principal.account:
        return None
    attached: Policy | None = None
    if document is not None:
        try:
            attached = compiled(document, "resource", resource)
        except MalformedPolicy:
            attached = None
    session = call.session
    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    raw = IdentityPolicies()
    if principal.kind in ("user", "role-session", "federated"):
        identity, boundary, raw = call.ground.principal_policies.of(tx, principal)
    session_policies = None
    if session is not None and session.policies is not None:
        session_policies = [compiled(text, "session", name) for name, text in session.policies]

    def facts() -> dict[str, Any]:
        return {**global_context(call, raw), **(context or {})}

    request = Request(principal, action, resource, facts, owner)
    required = document is not None and call.room is not None and call.room.resource_policy_required
    decision = policy.evaluate(request, Policies(identity, attached, boundary, session_policies, resource_policy_required=required))
    call.ground.decisions.keep(call.request_id, decision)
    return decision


def authorize(
    call: Call,
    action: str,
    resource: str,
    context: dict[str, Any] | None = None,
    resource_policy: Callable[[Call, str], str | None] | None = None,
) -> None:
    """Returns if it is allowed; raises AWS's denial otherwise."""
    decision = decide(call, action, resource, context, resource_policy)
    if decision is not None and not decision.allowed:
        raise denied(call, policy.sentence(decision))


def denied(call: Call, sentence: str) -> AwsError:
    """AccessDenied as this call's service says it, with the way to the whole evaluation."""
    service = call.room
    protocol = service.model.metadata["protocol"] if service is not None else "json"
    code = service.access_denied if service is not None else None
    if code is None:
        code = "AccessDenied" if protocol in ("query", "rest-xml") else "AccessDeniedException"
    status = 400 if protocol == "json" and code == "AccessDeniedException" else 403
    return AwsError(code, f"{sentence} (ground why {call.request_id})", status=status)


def _secure(call: Call) -> bool:
    """TLS, or a call that never leaves this machine: policies that demand TLS (the SAM CLI's bucket has one) mean wires that can be tapped."""
    http = call.http
    return http is None or http.scheme == "https" or http.source_ip.startswith("127.") or http.source_ip == "::1"


def global_context(call: Call, raw: IdentityPolicies) -> dict[str, Any]:
    """The global condition keys of a call. AWS: "AWS global condition context keys"."""
    principal, session = call.principal, call.session
    context: dict[str, Any] = {
        "aws:CurrentTime": timestamps.iso8601(call.now_s),
        "aws:EpochTime": str(call.now_s),
        "aws:RequestedRegion": call.region,
        "aws:SecureTransport": "true" if _secure(call) else "false",
        "aws:PrincipalAccount": principal.account,
        "aws:ViaAWSService": "true" if call.http is None else "false",
        "aws:PrincipalIsAWSService": "true" if principal.kind == "service" else "false",
    }
    if call.http is not None:
        context["aws:SourceIp"] = call.http.source_ip
        if "user-agent" in call.http.headers:
            context["aws:UserAgent"] = call.http.headers["user-agent"]
        if "referer" in call.http.headers:
            context["aws:Referer"] = call.http.headers["referer"]
    if principal.kind == "service":
        context["aws:PrincipalServiceName"] = principal.arn
        named = ""
        if call.source_arn:
            context["aws:SourceArn"] = call.source_arn
            named = "".join(call.source_arn.split(":", 5)[4:5])
        # A bucket's ARN names no account: then it is the one for which the service acts.
        context["aws:SourceAccount"] = named or call.source_account or call.account
    elif principal.kind != "anonymous":
        # For a session the key holds the role, not the session.
        context["aws:PrincipalArn"] = principal.role_arn if principal.kind == "role-session" else principal.arn
        context["aws:userid"] = principal.unique_id
        context["aws:PrincipalType"] = {"root": "Account", "user": "User", "role-session": "AssumedRole", "federated": "FederatedUser"}.get(
            principal.kind, ""
        )
        if principal.kind == "user":
            context["aws:username"] = principal.arn.rsplit("/", 1)[-1]
    tags = {**raw.tags, **(session.tags if session is not None else {})}
    for name, value in tags.items():
        context[f"aws:PrincipalTag/{name}"] = value
    if session is not None:
        context["aws:TokenIssueTime"] = timestamps.iso8601(session.issued_s)
        context["aws:MultiFactorAuthPresent"] = "true" if session.mfa else "false"
        if session.source_identity:
            context["aws:SourceIdentity"] = session.source_identity
        context.update(session.context)
    return context
