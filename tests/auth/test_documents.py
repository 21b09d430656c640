"""Policy documents: what is taken, and in which words the rest is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from groundcloud.auth.documents import Kind, MalformedPolicy, parse

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
ROLE = "arn:aws:iam::123456789012:role/r"


def _document(*statements: Any, version: str | None = "2012-10-17", **more: Any) -> dict[str, Any]:
    return ({"Version": version} if version else {}) | {"Statement": list(statements), **more}


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("identity", _document(ALLOW)),
        ("identity", {"Version": "2012-10-17", "Statement": ALLOW}),
        ("identity", _document(ALLOW, Id="x")),
        ("identity", _document({**ALLOW, "Sid": ""}, {**ALLOW, "Sid": ""})),
        ("identity", _document({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "NotResource": "arn:aws:s3:::a"})),
        ("identity", _document({**ALLOW, "Condition": {}})),
        ("identity", _document({**ALLOW, "Condition": {"NumericLessThan": {"s3:max-keys": 10}, "Bool": {"aws:SecureTransport": True}}})),
        ("identity", _document({**ALLOW, "Resource": ["arn:aws:sqs:*:*:q", "arn:aws:s3:::a/*", "arn:aws:iam::*:role/x", "arn:aws:sqs:*"]})),
        ("resource", _document({**ALLOW, "Principal": "*"}, version=None)),
        ("resource", _document({"Effect": "Allow", "Action": "ecr:*", "Principal": {"AWS": "123456789012"}}, version="2008-10-17")),
        ("resource", _document({**ALLOW, "NotPrincipal": {"AWS": [ROLE], "Service": "s3.amazonaws.com"}})),
        ("resource", _document({**ALLOW, "Sid": "with spaces", "Principal": {"CanonicalUser": "a" * 64}})),
        ("trust", _document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}})),
        (
            "trust",
            _document({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "accounts.google.com"}}),
        ),
        ("session", _document(ALLOW, version=None)),
        ("boundary", _document(ALLOW)),
    ],
)
def test_a_good_document_is_taken_as_text_and_as_tree(kind: Kind, document: dict[str, Any]) -> None:
    from_text, from_tree = parse(json.dumps(document), kind, name="n"), parse(document, kind)
    assert (from_text.name, from_text.kind) == ("n", kind)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    assert len(from_text.statements) == len(from_tree.statements) == len(statements)


SYNTAX = "Syntax errors in policy."
PREFIX = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "This policy contains invalid Json"),
        ("{", "This policy contains invalid Json"),
        ("[" * 100_000, "This policy contains invalid Json"),
        ("[]", SYNTAX),
        ('"text"', SYNTAX),
        ("null", SYNTAX),
        ("{}", SYNTAX),
        ('{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}', SYNTAX),
        ({"Version": "2012-10-17"}, SYNTAX),
        (_document(), SYNTAX),
        (_document("text"), SYNTAX),
        (_document(ALLOW, Extra=1), SYNTAX),
        (_document(ALLOW, version="2012-10-18"), SYNTAX),
        (_document({**ALLOW, "Extra": 1}), SYNTAX),
        (_document({**ALLOW, "Effect": "allow"}), SYNTAX),
        (_document({"Action": "s3:*", "Resource": "*"}), SYNTAX),
        (_document({**ALLOW, "NotAction": "s3:*"}), SYNTAX),
        (_document({**ALLOW, "NotResource": "*"}), SYNTAX),
        (_document({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
        (_document({**ALLOW, "Action": []}), "Policy statement must contain actions."),
        (_document({**ALLOW, "Action": 5}), SYNTAX),
        (_document({**ALLOW, "Action": ["s3:*", 5]}), SYNTAX),
        (_document({**ALLOW, "Action": "GetObject"}), PREFIX),
        (_document({**ALLOW, "Action": "s3*:GetObject"}), "Vendor s3* is not valid"),
        (_document({**ALLOW, "Action": "s 3:GetObject"}), "Vendor s 3 is not valid"),
        (_document({**ALLOW, "Action": "s3:Get:Object"}), "Actions/Condition can contain only one colon."),
        (_document({"Effect": "Allow", "Action": "s3:*"}), "Policy statement must contain resources."),
        (_document({**ALLOW, "Resource": []}), "Policy statement must contain resources."),
        (_document({**ALLOW, "Resource": "bucket"}), 'Resource bucket must be in ARN format or "*".'),
        (_document({**ALLOW, "Resource": "arn:avs:s3:::b"}), 'Partition "avs" is not valid for resource "arn:avs:s3:::b".'),
        (_document({**ALLOW, "Resource": "arn:aws:s*:::b"}), "Resource vendor must be fully qualified and cannot contain regexes."),
        (_document({**ALLOW, "Resource": "arn:aws:s3"}), "The policy failed legacy parsing"),
        (_document({**ALLOW, "Resource": "arn:aws:s3::b"}), "The policy failed legacy parsing"),
        (
            _document({**ALLOW, "Resource": "arn:aws:iam:us-east-1:1:role/x"}),
            "IAM resource arn:aws:iam:us-east-1:1:role/x cannot contain region information.",
        ),
        (_document({**ALLOW, "Resource": "arn:aws:s3:::${aws:username"}), SYNTAX),
        (_document({**ALLOW, "Principal": "*"}), "Policy document should not specify a principal."),
        (_document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}), "Statement IDs (SID) in a single policy must be unique."),
        (
            _document({**ALLOW, "Sid": "a b"}),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (_document({**ALLOW, "Sid": 1}), SYNTAX),
        (_document({**ALLOW, "Condition": "x"}), SYNTAX),
        (_document({**ALLOW, "Condition": {"StringEquals": "x"}}), SYNTAX),
        (_document({**ALLOW, "Condition": {"StringIs": {"aws:username": "x"}}}), SYNTAX),
        (_document({**ALLOW, "Condition": {"StringEquals": {"aws:username": {"a": 1}}}}), SYNTAX),
        (
            _document({**ALLOW, "Condition": {"StringEquals": {"username": "x"}}}),
            "Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
    ],
)
def test_a_malformed_identity_policy_is_refused_in_iams_words(document: Any, message: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        parse(document)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("trust", {"Principal": None}, "Missing required field Principal"),
        ("trust", {"Resource": "*"}, "Has prohibited field Resource"),
        ("trust", {"Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ("trust", {"Action": "*"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ("trust", {"Principal": {"AWS": "bob"}}, 'Invalid principal in policy: "AWS":"bob"'),
        ("trust", {"Principal": {"AWS": ROLE + "*"}}, f'Invalid principal in policy: "AWS":"{ROLE}*"'),
        ("trust", {"Principal": {"Services": "x"}}, 'Invalid principal in policy: "Services":"x"'),
        ("trust", {"Principal": {"AWS": 5}}, "Invalid principal in policy."),
        ("trust", {"Principal": {}}, "Invalid principal in policy."),
        ("trust", {"Principal": "bob"}, "Invalid principal in policy."),
        ("trust", {"Principal": {"Service": "*"}}, 'Invalid principal in policy: "Service":"*"'),
        ("resource", {"Principal": None}, "Missing required field Principal"),
    ],
)
def test_a_malformed_principal_or_trust_policy_is_refused(kind: Kind, change: dict[str, Any], message: str) -> None:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"} | change
    with pytest.raises(MalformedPolicy) as caught:
        parse(_document({name: value for name, value in statement.items() if value is not None}), kind)
    assert caught.value.message == message
    assert caught.value.reason in ("principal", "resource", "action")


def test_a_resource_policy_may_have_to_name_resources() -> None:
    document = _document({"Effect": "Allow", "Action": "sqs:*", "Principal": "*"})
    assert parse(document, "resource").statements[0].resources is None
    with pytest.raises(MalformedPolicy, match="must contain resources"):
        parse(document, "resource", resource_required=True)
