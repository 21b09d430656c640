"""The evaluator: AWS's rules as tables, laws that hold for all policies, and agreement with a slow reference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.auth import reference

from groundcloud.auth.documents import parse
from groundcloud.auth.policy import Context, Policies, Policy, Principal, Request, evaluate, sentence

ACCOUNT, OTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/ann"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
ROOT = Principal("root", ROOT_ARN, ACCOUNT)
USER = Principal("user", USER_ARN, ACCOUNT)
SESSION = Principal("role-session", SESSION_ARN, ACCOUNT, ROLE)
SERVICE = Principal("service", "sns.amazonaws.com")
ANONYMOUS = Principal("anonymous", "")
PROVIDER = Principal("identity-provider", "accounts.google.com")
BUCKET = "arn:aws:s3:::b/k"


def policy(*statements: dict[str, Any], kind: Any = "identity", name: str = "p") -> Policy:
    return parse({"Version": "2012-10-17", "Statement": list(statements)}, kind, name=name)


def allow(action: str = "s3:*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str = "s3:*", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def resource(*statements: dict[str, Any]) -> Policy:
    return policy(*statements, kind="resource", name="bucket")


def outcome(principal: Principal, policies: Policies, owner: str = "", context: Context | None = None) -> tuple[str, str]:
    decision = evaluate(Request(principal, "s3:GetObject", BUCKET, context or {}, owner), policies)
    assert decision.allowed is (decision.kind == "allowed")
    return decision.kind, decision.policy_kind


ALL = policy(allow())
NONE = policy(allow("sqs:*"))
TO_USER, TO_ROLE, TO_SESSION, TO_ACCOUNT, TO_ALL, TO_SERVICE = (
    resource(allow(Principal=principal))
    for principal in (
        {"AWS": USER_ARN},
        {"AWS": ROLE},
        {"AWS": SESSION_ARN},
        {"AWS": ACCOUNT},
        "*",
        {"Service": "sns.amazonaws.com"},
    )
)


@pytest.mark.parametrize(
    ("principal", "policies", "owner", "expected"),
    [
        # within one account
        (USER, Policies(), "", ("implicit deny", "identity")),
        (USER, Policies([ALL]), "", ("allowed", "identity")),
        (USER, Policies([NONE, ALL]), "", ("allowed", "identity")),
        (USER, Policies([ALL, policy(deny())]), "", ("explicit deny", "identity")),
        (USER, Policies([], TO_USER), "", ("allowed", "resource")),
        (USER, Policies([], TO_ALL), "", ("allowed", "resource")),
        (USER, Policies([], TO_ACCOUNT), "", ("implicit deny", "identity")),
        (USER, Policies([ALL], TO_ROLE), "", ("allowed", "identity")),
        (USER, Policies([ALL], resource(deny(Principal={"AWS": ACCOUNT}))), "", ("explicit deny", "resource")),
        (USER, Policies([ALL], resource(deny(Principal={"AWS": OTHER}))), "", ("allowed", "identity")),
        (USER, Policies([ALL], resource(deny(NotPrincipal={"AWS": [ROLE, ROOT_ARN]}))), "", ("explicit deny", "resource")),
        (USER, Policies([ALL], resource(deny(NotPrincipal={"AWS": [USER_ARN, ROOT_ARN]}))), "", ("allowed", "identity")),
        (SESSION, Policies([ALL], resource(deny(NotPrincipal={"AWS": [ROLE, ROOT_ARN]}))), "", ("allowed", "identity")),
        # boundary and session policy: past them only who is named directly
        (USER, Policies([ALL], None, NONE), "", ("implicit deny", "boundary")),
        (USER, Policies([ALL], None, ALL), "", ("allowed", "identity")),
        (USER, Policies([], None, ALL), "", ("implicit deny", "identity")),
        (USER, Policies([ALL], None, policy(allow(), deny())), "", ("explicit deny", "boundary")),
        (USER, Policies([], TO_USER, NONE), "", ("allowed", "resource")),
        (USER, Policies([], TO_USER, policy(deny())), "", ("explicit deny", "boundary")),
        (SESSION, Policies([], TO_ROLE), "", ("allowed", "resource")),
        (SESSION, Policies([], TO_ROLE, NONE), "", ("implicit deny", "boundary")),
        (SESSION, Policies([], TO_ROLE, None, [NONE]), "", ("implicit deny", "session")),
        (SESSION, Policies([], TO_ALL, None, [NONE]), "", ("implicit deny", "session")),
        (SESSION, Policies([], TO_SESSION, NONE, [NONE]), "", ("allowed", "resource")),
        (SESSION, Policies([ALL], None, None, [NONE]), "", ("implicit deny", "session")),
        (SESSION, Policies([ALL], None, None, []), "", ("implicit deny", "session")),
        (SESSION, Policies([ALL], None, None, [NONE, ALL]), "", ("allowed", "identity")),
        (SESSION, Policies([ALL], None, None, [ALL, policy(deny())]), "", ("explicit deny", "session")),
        # root
        (ROOT, Policies(), "", ("allowed", "identity")),
        (ROOT, Policies([], resource(deny(Principal="*"))), "", ("explicit deny", "resource")),
        (ROOT, Policies([], TO_ACCOUNT), "", ("allowed", "resource")),
        (ROOT, Policies(), OTHER, ("implicit deny", "resource")),
        (ROOT, Policies([], TO_ACCOUNT), OTHER, ("allowed", "resource")),
        # across accounts
        (USER, Policies([ALL]), OTHER, ("implicit deny", "resource")),
        (USER, Policies([], TO_USER), OTHER, ("implicit deny", "identity")),
        (USER, Policies([ALL], TO_USER), OTHER, ("allowed", "identity")),
        (USER, Policies([ALL], TO_ACCOUNT), OTHER, ("allowed", "identity")),
        (USER, Policies([ALL], TO_USER, NONE), OTHER, ("implicit deny", "boundary")),
        (SESSION, Policies([ALL], TO_SESSION, None, [NONE]), OTHER, ("implicit deny", "session")),
        # those without an account
        (SERVICE, Policies([ALL]), "", ("implicit deny", "resource")),
        (SERVICE, Policies([], TO_SERVICE), "", ("allowed", "resource")),
        (SERVICE, Policies([], TO_SERVICE), OTHER, ("allowed", "resource")),
        (SERVICE, Policies([], TO_ALL), "", ("allowed", "resource")),
        (ANONYMOUS, Policies([], TO_ALL), OTHER, ("allowed", "resource")),
        (ANONYMOUS, Policies([], TO_ACCOUNT), OTHER, ("implicit deny", "resource")),
        (ANONYMOUS, Policies(), OTHER, ("implicit deny", "resource")),
        (PROVIDER, Policies([], resource(allow(Principal={"Federated": "accounts.google.com"}))), OTHER, ("allowed", "resource")),
        (PROVIDER, Policies([], resource(allow(Principal={"Federated": "other.example"}))), OTHER, ("implicit deny", "resource")),
        # the resource policy alone decides
        (USER, Policies([ALL], resource_policy_required=True), "", ("implicit deny", "resource")),
        (USER, Policies([ALL], TO_ACCOUNT, resource_policy_required=True), "", ("allowed", "identity")),
        (USER, Policies([], TO_ACCOUNT, resource_policy_required=True), "", ("implicit deny", "identity")),
        (USER, Policies([], TO_USER, resource_policy_required=True), "", ("allowed", "resource")),
        (ROOT, Policies([], TO_ACCOUNT, resource_policy_required=True), "", ("allowed", "resource")),
        (ROOT, Policies(resource_policy_required=True), "", ("implicit deny", "resource")),
        # service control policies
        (USER, Policies([ALL], service_control=[[ALL]]), "", ("allowed", "identity")),
        (USER, Policies([ALL], service_control=[[ALL], [NONE]]), "", ("implicit deny", "service control")),
        (ROOT, Policies(service_control=[[ALL, policy(deny())]]), "", ("explicit deny", "service control")),
        (SERVICE, Policies([], TO_SERVICE, service_control=[[NONE]]), "", ("allowed", "resource")),
    ],
)
def test_awss_rules(principal: Principal, policies: Policies, owner: str, expected: tuple[str, str]) -> None:
    assert outcome(principal, policies, owner) == expected
    assert str(evaluate(Request(principal, "s3:GetObject", BUCKET, {}, owner), policies).trace())


@pytest.mark.parametrize(
    ("statement", "action", "resource_arn", "expected"),
    [
        (allow("S3:getOBJECT"), "s3:GetObject", BUCKET, True),
        (allow("s3:Get*"), "s3:GetObject", BUCKET, True),
        (allow("s3:Get?bject"), "s3:GetObject", BUCKET, True),
        (allow("*"), "s3:GetObject", BUCKET, True),
        (allow("s3:Put*"), "s3:GetObject", BUCKET, False),
        (allow(resource="arn:aws:s3:::B/k"), "s3:GetObject", BUCKET, False),
        (allow(resource="arn:aws:s3:::b/?"), "s3:GetObject", BUCKET, True),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "s3:GetObject", BUCKET, True),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "iam:GetUser", BUCKET, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}, "s3:GetObject", BUCKET, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "*"}, "s3:GetObject", BUCKET, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::c/*"}, "s3:GetObject", BUCKET, True),
        (allow(resource=BUCKET), "s3:ListAllMyBuckets", "*", False),
    ],
)
def test_actions_and_resources(statement: dict[str, Any], action: str, resource_arn: str, expected: bool) -> None:
    assert evaluate(Request(USER, action, resource_arn), Policies([policy(statement)])).allowed is expected


def test_a_statement_with_conditions_needs_all_of_them() -> None:
    statement = allow(Condition={"StringEquals": {"aws:username": "ann", "s3:prefix": ["a", "b"]}, "Bool": {"aws:SecureTransport": "true"}})
    policies = Policies([policy(statement)])
    whole = {"AWS:Username": "ann", "s3:prefix": "b", "aws:securetransport": "true"}
    assert outcome(USER, policies, context=whole)[0] == "allowed"
    for key in whole:
        assert outcome(USER, policies, context={name: value for name, value in whole.items() if name != key})[0] == "implicit deny"


def test_variables_are_text_in_the_older_version() -> None:
    statement = allow(resource="arn:aws:s3:::b/${aws:username}", Principal="*")
    new = parse({"Version": "2012-10-17", "Statement": statement}, "resource")
    old = parse({"Version": "2008-10-17", "Statement": statement}, "resource")
    request = Request(USER, "s3:GetObject", "arn:aws:s3:::b/ann", {"aws:username": "ann"})
    assert evaluate(request, Policies([], new)).allowed
    assert not evaluate(request, Policies([], old)).allowed
    assert evaluate(request._replace(resource="arn:aws:s3:::b/${aws:username}"), Policies([], old)).allowed


def test_the_context_is_built_only_if_asked_for() -> None:
    asked: list[int] = []

    def context() -> dict[str, str | list[str]]:
        asked.append(1)
        return {"aws:username": "ann"}

    request = Request(USER, "s3:GetObject", BUCKET, context)
    assert evaluate(request, Policies([ALL])).allowed
    assert not asked
    conditional = policy(allow(Condition={"StringEquals": {"aws:username": "ann"}, "StringLike": {"aws:username": "a*"}}))
    assert evaluate(request, Policies([conditional])).allowed
    assert asked == [1]


@pytest.mark.parametrize(
    ("policies", "text"),
    [
        (Policies(), "because no identity-based policy allows the s3:GetObject action"),
        (Policies([policy(deny())]), "with an explicit deny in an identity-based policy"),
        (Policies([ALL], resource(deny(Principal="*"))), "with an explicit deny in a resource-based policy"),
        (Policies([ALL], None, NONE), "because no permissions boundary allows the s3:GetObject action"),
        (Policies([ALL], None, policy(deny())), "with an explicit deny in a permissions boundary"),
        (Policies([ALL], None, None, [NONE]), "because no session policy allows the s3:GetObject action"),
        (Policies([ALL], None, None, [policy(deny())]), "with an explicit deny in a session policy"),
        (Policies([ALL], resource_policy_required=True), "because no resource-based policy allows the s3:GetObject action"),
        (Policies([ALL], service_control=[[NONE]]), "because no service control policy allows the s3:GetObject action"),
        (Policies([ALL], service_control=[[policy(deny())]]), "with an explicit deny in a service control policy"),
    ],
)
def test_a_denial_is_told_in_awss_sentence(policies: Policies, text: str) -> None:
    request = Request(SESSION, "s3:GetObject", BUCKET)
    decision = evaluate(request, policies)
    start = f"User: {SESSION_ARN} is not authorized to perform: s3:GetObject on resource: {BUCKET}"
    assert sentence(decision, request) == f"{start} {text}"
    assert sentence(decision, reason=False) == start


def test_a_role_trust_policy_has_words_of_its_own() -> None:
    trust = parse(
        {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}}, "trust"
    )
    decision = evaluate(Request(USER, "sts:AssumeRole", ROLE), Policies([], trust, resource_policy_required=True))
    assert sentence(decision).endswith(" with an explicit deny in the role trust policy")
    decision = evaluate(Request(SERVICE, "sts:AssumeRole", ROLE), Policies([], trust, resource_policy_required=True))
    assert sentence(decision).endswith(" because no role trust policy allows the sts:AssumeRole action")


def test_the_trace_names_each_statement_and_what_did_not_match() -> None:
    listed = policy(
        allow("sqs:*", Sid="Queues"),
        allow(resource="arn:aws:s3:::other/*"),
        allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        deny(Sid="NoReads"),
        name="arn:aws:iam::aws:policy/Sample",
    )
    decision = evaluate(Request(USER, "s3:GetObject", BUCKET, {"aws:SourceIp": "1.2.3.4"}), Policies([listed], TO_ROLE))
    assert (decision.policy_name, decision.sid, decision.statement_index) == ("arn:aws:iam::aws:policy/Sample", "NoReads", 3)
    first, second = decision.trace().policies
    assert [(each.element, each.matched) for each in first.statements] == [
        ("Action", False),
        ("Resource", False),
        ("Condition", False),
        ("", True),
    ]
    assert first.statements[2].reason == "IpAddress aws:SourceIp 10.0.0.0/8; the request has 1.2.3.4"
    assert second.statements[0].element == "Principal"
    text = str(decision.trace())
    assert "decided by: identity policy arn:aws:iam::aws:policy/Sample, statement 3 (NoReads)" in text
    assert "[0] Queues Allow: Action does not match: s3:GetObject is not among sqs:*" in text


# Laws, over a small world: three actions, a few resources, one condition key.
ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]
RESOURCES = ["arn:aws:s3:::b/k", "arn:aws:s3:::b/x", "arn:aws:sqs:us-east-1:111111111111:q"]
PRINCIPALS = [ROOT, USER, SESSION, SERVICE, ANONYMOUS]


@st.composite
def statements(draw: st.DrawFn, of_resource: bool = False) -> dict[str, Any]:
    some_actions = st.lists(st.sampled_from([*ACTIONS, "s3:*", "*", "S3:get*", "s3:???Object"]), min_size=1, max_size=2)
    some_resources = st.lists(
        st.sampled_from([*RESOURCES, "*", "arn:aws:s3:::b/*", "arn:aws:s3:::?/k", "arn:aws:sqs:*"]), min_size=1, max_size=2
    )
    statement: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    statement[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(some_actions)
    statement[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(some_resources)
    if draw(st.booleans()):
        operator = draw(st.sampled_from(["StringEquals", "StringNotEquals", "StringEqualsIfExists"]))
        statement["Condition"] = {operator: {"my:key": draw(st.sampled_from(["a", "b", ["a", "b"]]))}}
    if of_resource:
        named = [USER_ARN, ROLE, SESSION_ARN, ACCOUNT, ROOT_ARN, OTHER]
        aws = st.lists(st.sampled_from(named), min_size=1, max_size=2).map(lambda chosen: {"AWS": chosen})
        statement["Principal"] = draw(st.one_of(st.just("*"), aws, st.just({"Service": "sns.amazonaws.com"})))
    return statement


DOCUMENTS = st.lists(statements(), min_size=1, max_size=3)
OPTIONAL = st.one_of(st.none(), DOCUMENTS)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Principal, str, str, dict[str, str], str, Any, Any, Any, Any, bool]:
    return (
        draw(st.sampled_from(PRINCIPALS)),
        draw(st.sampled_from(ACTIONS)),
        draw(st.sampled_from(RESOURCES)),
        draw(st.sampled_from([{}, {"my:key": "a"}, {"my:key": "c"}])),
        draw(st.sampled_from([ACCOUNT, ACCOUNT, OTHER])),
        draw(st.lists(DOCUMENTS, max_size=2)),
        draw(st.one_of(st.none(), st.lists(statements(of_resource=True), min_size=1, max_size=3))),
        draw(OPTIONAL),
        draw(OPTIONAL),
        draw(st.booleans()),
    )


def _compiled(world: Any) -> tuple[Request, Policies]:
    principal, action, resource_arn, context, owner, identity, of_resource, boundary, session, required = world
    policies = Policies(
        [policy(*each) for each in identity],
        resource(*of_resource) if of_resource else None,
        policy(*boundary, kind="boundary") if boundary else None,
        [policy(*session, kind="session")] if session else None,
        (),
        required,
    )
    return Request(principal, action, resource_arn, context, owner), policies


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_the_evaluator_agrees_with_the_reference(world: Any) -> None:
    _agrees_with_the_reference(world)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(worlds())
def test_the_evaluator_agrees_with_the_reference_at_length(world: Any) -> None:
    _agrees_with_the_reference(world)


def _agrees_with_the_reference(world: Any) -> None:
    request, policies = _compiled(world)
    who = {
        "kind": request.principal.kind,
        "arn": request.principal.arn,
        "account": request.principal.account,
        "role_arn": request.principal.role_arn,
    }
    expected = reference.decide(who, *world[1:])
    decision = evaluate(request, policies)
    assert decision.kind == expected
    if decision.kind == "explicit deny":
        assert decision.statement is not None and decision.statement.deny
    deciding = [each for traced in decision.trace().policies for each in traced.statements if each.matched and each.effect == "Deny"]
    # Those without an account are under no boundary or session policy, whose statements a trace still lists.
    if request.principal.account:
        assert bool(deciding) is (decision.kind == "explicit deny")


@settings(deadline=None)
@given(worlds(), statements())
def test_one_more_denial_never_allows_and_one_more_allowance_never_denies(world: Any, added: dict[str, Any]) -> None:
    request, policies = _compiled(world)
    before = evaluate(request, policies).allowed
    after = evaluate(request, policies._replace(identity=[*policies.identity, policy(added)])).allowed
    assert after <= before if added["Effect"] == "Deny" else after >= before


@settings(deadline=None)
@given(worlds())
def test_an_explicit_denial_of_everything_wins(world: Any) -> None:
    request, policies = _compiled(world)
    everything = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    refusing = resource(*(world[6] or []), {**everything, "Principal": "*"})
    assert evaluate(request, policies._replace(resource=refusing)).kind == "explicit deny"
    assert evaluate(request, policies._replace(identity=[*policies.identity, policy(everything)])).kind == "explicit deny"


@settings(deadline=None)
@given(worlds(), DOCUMENTS)
def test_a_boundary_or_session_policy_never_widens(world: Any, limiting: Any) -> None:
    request, policies = _compiled(world)
    free = policies._replace(boundary=None, session=None)
    assert evaluate(request, free._replace(boundary=policy(*limiting))).allowed <= evaluate(request, free).allowed
    assert evaluate(request, free._replace(session=[policy(*limiting)])).allowed <= evaluate(request, free).allowed
