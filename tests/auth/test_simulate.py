"""The policy simulator's results."""

from __future__ import annotations

import json

import pytest

from groundcloud.auth.documents import parse
from groundcloud.auth.policy import Policies, Principal
from groundcloud.auth.simulate import context_keys, simulate, statement_spans

TEXT = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::${aws:username}/*"},
    {"Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*",
     "Condition": {"StringNotEquals": {"aws:PrincipalTag/team": "a"}}}
  ]
}"""
USER = Principal("user", "arn:aws:iam::111111111111:user/ann", "111111111111")


def test_results_name_decision_statements_positions_and_missing_keys() -> None:
    policies = Policies([parse(TEXT, name="PolicyInputList.1")])
    results = simulate(
        USER,
        policies,
        ["s3:GetObject", "s3:GetObjectAcl", "s3:PutObject"],
        ["arn:aws:s3:::ann/k"],
        {"aws:username": "ann"},
        sources={"PolicyInputList.1": TEXT},
    )
    assert [each["EvalDecision"] for each in results] == ["allowed", "explicitDeny", "implicitDeny"]
    assert results[0]["MatchedStatements"] == [
        {
            "SourcePolicyId": "PolicyInputList.1",
            "SourcePolicyType": "IAM Policy",
            "StartPosition": {"Line": 4, "Column": 5},
            "EndPosition": {"Line": 4, "Column": 106},
        }
    ]
    assert results[1]["MatchedStatements"][0]["StartPosition"] == {"Line": 5, "Column": 5}
    assert results[2]["MatchedStatements"] == []
    assert results[0]["MissingContextValues"] == ["aws:PrincipalTag/team"]
    assert results[0]["EvalResourceName"] == "arn:aws:s3:::ann/k"


def test_a_boundary_is_told_apart() -> None:
    everything = parse({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, name="a")
    boundary = parse({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}, "boundary", name="b")
    results = simulate(USER, Policies([everything], boundary=boundary), ["s3:GetObject", "sqs:SendMessage"])
    assert [each["EvalDecision"] for each in results] == ["allowed", "implicitDeny"]
    assert [each["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for each in results] == [True, False]


def test_context_keys_are_named_once_as_written() -> None:
    assert context_keys([parse(TEXT), parse(TEXT)]) == ["aws:username", "aws:PrincipalTag/team"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("single", [True, False])
def test_spans_cut_out_each_statement(indent: int | None, single: bool) -> None:
    statements = [{"Sid": "a]}", "Action": ["s3:*", '"x"']}, {"Sid": "b"}]
    text = json.dumps({"Id": "Statement", "Statement": statements[0] if single else statements, "Version": "2012-10-17"}, indent=indent)
    cut = [json.loads(text[start:end]) for start, end in statement_spans(text)]
    assert cut == (statements[:1] if single else statements)
