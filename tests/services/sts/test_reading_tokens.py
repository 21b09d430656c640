"""What a token says of itself, read before anything about it is known to be true."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.sts import session_tags, web_identity

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["iss", "sub", "exp", "aud", "alg", "kid"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def part(value):
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(AwsError) as error:
        web_identity.read(text)
    assert error.value.code == "InvalidIdentityTokenException"


@given(VALUES, VALUES)
def test_any_header_and_claims_are_read_or_refused(header, claims):
    try:
        found = web_identity.read(f"{part(header)}.{part(claims)}.x")
    except AwsError as error:
        assert error.code == "InvalidIdentityTokenException"
    else:
        assert isinstance(found.issuer, str) and isinstance(found.claims["sub"], str)


def test_times_that_are_no_numbers_are_refused():
    for time in ("NaN", "Infinity", "-Infinity"):
        claims = urlsafe_b64encode(f'{{"iss":"x","sub":"y","exp":{time}}}'.encode()).decode().rstrip("=")
        with pytest.raises(AwsError):
            web_identity.read(f"{part({'alg': 'ES256'})}.{claims}.x")


@given(st.lists(st.tuples(st.sampled_from(["team", "Team", "job", "x y"]), st.text(max_size=5)), max_size=4))
def test_tags_are_kept_as_given_or_refused(pairs):
    keys = [key.lower() for key, _ in pairs]
    if len(keys) != len(set(keys)):
        with pytest.raises(AwsError, match="Duplicate tag keys"):
            session_tags.checked(pairs)
    else:
        assert session_tags.checked(pairs) == dict(pairs)
