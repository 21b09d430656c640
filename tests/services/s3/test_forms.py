"""Policies of POST forms, as documents: what S3 says of each that is wrong, and what it lets through."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from groundcloud.base.clock import Clock
from groundcloud.services.s3 import forms
from groundcloud.services.s3.errors import S3Error

CLOCK = Clock(lambda: 1_700_000_000 * 10**9)
LATER = "2030-01-01T00:00:00Z"
KEY = ["starts-with", "$key", ""]
BUCKET = {"bucket": "bucket"}
SIMPLE = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."


def check(policy: Any, **fields: str) -> tuple[int, int] | None:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    given = {"key": "k", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return forms.check_policy(b64encode(text.encode()).decode(), given, "bucket", CLOCK)


def policy(*conditions: Any, expiration: Any = LATER) -> dict[str, Any]:
    return {"expiration": expiration, "conditions": [BUCKET, KEY, *conditions]}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("no json", "Invalid JSON."),
        ("[]", "Invalid JSON."),
        ({"conditions": []}, "Policy missing expiration."),
        ({"EXPIRATION": LATER, "conditions": []}, "Policy missing expiration."),
        ({"expiration": LATER}, "Policy missing conditions."),
        ({"expiration": LATER, "CONDITIONS": []}, "Policy missing conditions."),
        ({"expiration": LATER, "conditions": {}}, "Invalid 'conditions' value: must be a List."),
        (policy(expiration="soon"), "Invalid 'expiration' value: 'soon'"),
        (policy(expiration="2030-01-01 00:00:00+00:00"), "Invalid 'expiration' value: '2030-01-01 00:00:00+00:00'"),
        (policy(expiration=1), "Invalid 'expiration' value: '1'"),
        (policy({}), SIMPLE),
        (policy({"bucket": "bucket", "key": "k"}), SIMPLE),
        (policy(1), SIMPLE),
        (policy(["content-length-range", 0]), SIMPLE),
        (policy(["content-length-range", -1, 0]), 'Invalid content-length-range: ["content-length-range", -1, 0]'),
        (policy(["content-length-range", "a", 0]), 'Invalid content-length-range: ["content-length-range", "a", 0]'),
        (policy(["ends-with", "$key", ""]), "Invalid Condition operator: ends-with"),
        (policy(["eq", "key", "k"]), "Invalid Condition: the name of a form's field begins with '$': key"),
    ],
)
def test_a_policy_that_is_none(document: Any, sentence: str) -> None:
    with pytest.raises(S3Error) as caught:
        check(document)
    assert (caught.value.code, caught.value.status, caught.value.message) == ("InvalidPolicyDocument", 400, f"Invalid Policy: {sentence}")


@pytest.mark.parametrize(
    ("document", "fields", "sentence"),
    [
        (policy(expiration="2020-01-01T00:00:00Z"), {}, "Policy expired."),
        (policy({"bucket": "other"}), {}, 'Policy Condition failed: ["eq", "$bucket", "other"]'),
        (policy(["eq", "$key", "K"]), {}, 'Policy Condition failed: ["eq", "$key", "K"]'),
        (policy(["eq", "$x-amz-meta-a", ""]), {"x_amz_meta_a": "1"}, 'Policy Condition failed: ["eq", "$x-amz-meta-a", ""]'),
        (policy(["starts-with", "$content-type", "text/"]), {}, 'Policy Condition failed: ["starts-with", "$content-type", "text/"]'),
        (policy(["starts-with", "$content-type", "text/"]), {"content_type": "text/a,image/b"}, None),
        (policy(), {"acl": "private"}, "Extra input fields: acl"),
        ({"expiration": LATER, "conditions": [KEY]}, {}, "Extra input fields: bucket"),
        ({"expiration": LATER, "conditions": [BUCKET]}, {}, "Extra input fields: key"),
    ],
)
def test_a_form_that_its_policy_does_not_let_in(document: Any, fields: dict[str, str], sentence: str | None) -> None:
    with pytest.raises(S3Error) as caught:
        check(document, **fields)
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)
    if sentence is not None:
        assert caught.value.message == f"Invalid according to Policy: {sentence}"


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([], {}),
        ([{"bucket": "bucket"}], {}),
        ([["starts-with", "$Content-Type", "image/"]], {"content_type": "image/a,image/b"}),
        ([["starts-with", "$x-amz-meta-a", ""]], {"x_amz_meta_a": "anything"}),
        ([], {"x_ignore_me": "1", "file": "f"}),
        ([["EQ", "$key", "k"]], {}),
    ],
)
def test_a_form_that_its_policy_lets_in(conditions: list[Any], fields: dict[str, str]) -> None:
    assert check(policy(*conditions), **fields) is None


def test_a_range_of_sizes_is_given_back() -> None:
    assert check(policy(["content-length-range", "1", 1024])) == (1, 1024)
