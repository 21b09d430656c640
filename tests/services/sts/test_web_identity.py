"""AssumeRoleWithWebIdentity against an identity provider of the test's own, over HTTP."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore import UNSIGNED
from botocore.config import Config


class Issuer:
    """An OpenID Connect issuer: discovery document, keys, tokens."""

    def __init__(self):
        from joserfc.jwk import ECKey

        self.key = ECKey.generate_key("P-256", {"kid": "k1"})
        self.fetches = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.fetches += 1
                if self.path.endswith("openid-configuration"):
                    document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                else:
                    document = {"keys": [5, {"kty": "OKP"}, {"kty": "EC", "crv": "nope"}, issuer.key.as_dict(private=False)]}
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def token(self, key=None, algorithm="ES256", **claims):
        from joserfc import jwt

        key = key or self.key
        now = int(time.time())
        whole = {"iss": self.url, "sub": "repo:me/shop", "aud": "shop", "iat": now, "exp": now + 10**9, **claims}
        return jwt.encode({"alg": algorithm, "kid": key.kid}, {name: value for name, value in whole.items() if value is not None}, key)

    def rotate(self):
        from joserfc.jwk import ECKey

        self.key = ECKey.generate_key("P-256", {"kid": "k2"})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer():
    found = Issuer()
    yield found
    found.close()


@pytest.fixture
def sts(client):
    """Unsigned, as the callers of this operation are."""
    return client("sts", config=Config(signature_version=UNSIGNED))


@pytest.fixture
def assume(iam, sts, issuer, role, account):
    """`assume(token, **request)`: a role that trusts the issuer for the shop's repository."""
    name = issuer.url.partition("://")[2]
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["shop"])["OpenIDConnectProviderArn"]
    arn = role(
        "Deploy",
        "sts:AssumeRoleWithWebIdentity",
        "sts:TagSession",
        principal={"Federated": provider},
        condition={"StringEquals": {f"{name}:aud": "shop"}, "StringLike": {f"{name}:sub": "repo:me/*"}},
    )

    def call(token, **request):
        return sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="ci", WebIdentityToken=token, **request)

    return call


def test_who_holds_a_token_gets_the_role_s_session(assume, issuer, account, session, iam, policy, fails):
    answer = assume(issuer.token())
    name = issuer.url.partition("://")[2]
    assert answer["SubjectFromWebIdentityToken"] == "repo:me/shop"
    assert (answer["Audience"], answer["Provider"]) == ("shop", f"arn:aws:iam::{account}:oidc-provider/{name}")
    own = session(answer["Credentials"])
    assert own("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/Deploy/ci"
    with fails("AccessDenied"):
        own("iam").list_users()
    condition = {"StringEquals": {f"{name}:sub": "repo:me/shop"}}
    iam.put_role_policy(RoleName="Deploy", PolicyName="p", PolicyDocument=policy("iam:ListUsers", condition=condition))
    own("iam").list_users()


def test_conditions_on_the_subject_decide(assume, issuer, fails):
    with fails("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403):
        assume(issuer.token(sub="repo:other/shop"))


def test_tokens_that_are_not_right_are_refused(assume, issuer, fails):
    with fails("InvalidIdentityToken", "Incorrect token audience", 400):
        assume(issuer.token(aud="other"))
    with fails("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"):
        assume("not.a.token")
    with fails("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer.url}/other"):
        assume(issuer.token(iss=f"{issuer.url}/other"))
    with fails("ExpiredTokenException", status=400):
        assume(issuer.token(exp=int(time.time()) - 10))
    with fails("InvalidIdentityToken", "Missing a required claim: sub, exp"):
        assume(issuer.token(sub=None))


def test_a_token_signed_by_another_key_is_refused(assume, issuer, fails):
    from joserfc.jwk import ECKey, OctKey

    not_a_token = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
    assume(issuer.token())
    refusal = "Couldn't retrieve verification key from your identity provider, or the signature is wrong"
    with fails("InvalidIdentityToken", refusal):
        assume(issuer.token(key=ECKey.generate_key("P-256", {"kid": "k1"})))
    with fails("InvalidIdentityToken", not_a_token):
        assume(issuer.token(key=OctKey.import_key("s" * 32, {"kid": "k1"}), algorithm="HS256"))
    header, claims, _ = issuer.token().split(".")
    with fails("InvalidIdentityToken"):
        assume(f"{header}.{claims}.")


def test_keys_are_fetched_once_and_again_when_the_issuer_changes_them(assume, issuer):
    assume(issuer.token())
    assume(issuer.token())
    assert issuer.fetches == 2
    issuer.rotate()
    assume(issuer.token())
    assert issuer.fetches == 4


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": "none"},
        {"alg": ["ES256"]},
        {"alg": "ES256", "crit": 5},
        {"alg": "ES256", "kid": {}},
        {"alg": "ES256", "jwk": {"kty": "EC"}},
    ],
)
def test_a_header_that_is_odd_is_refused(assume, issuer, fails, header):
    from base64 import urlsafe_b64encode

    _, claims, signature = issuer.token().split(".")
    with fails("InvalidIdentityToken", status=400):
        assume(f"{urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip('=')}.{claims}.{signature}")


def test_an_issuer_elsewhere_is_not_asked(iam, sts, role, issuer, fails):
    provider = iam.create_open_id_connect_provider(Url="https://token.example.com", ClientIDList=["shop"])["OpenIDConnectProviderArn"]
    arn = role("Remote", "sts:AssumeRoleWithWebIdentity", principal={"Federated": provider})
    sentence = "Groundcloud asks identity providers on this machine alone for their keys, and https://token.example.com is not on it."
    with fails("IDPCommunicationError", sentence, 400):
        sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="ci", WebIdentityToken=issuer.token(iss="https://token.example.com"))


def test_an_issuer_that_is_down_is_named(assume, issuer, fails):
    token = issuer.token()
    issuer.close()
    with fails("IDPCommunicationError", status=400):
        assume(token)


def test_tags_of_the_token_are_session_tags(assume, issuer, session, iam, policy, fails):
    condition = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    iam.put_role_policy(RoleName="Deploy", PolicyName="p", PolicyDocument=policy("iam:ListUsers", condition=condition))
    claim = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}}
    session(assume(issuer.token(**claim))["Credentials"])("iam").list_users()
    with fails("AccessDenied"):
        session(assume(issuer.token())["Credentials"])("iam").list_users()


def test_a_session_policy_and_a_duration_are_weighed(assume, issuer, session, iam, policy, fails):
    iam.put_role_policy(RoleName="Deploy", PolicyName="p", PolicyDocument=policy("iam:*"))
    own = session(assume(issuer.token(), Policy=policy("iam:ListRoles"))["Credentials"])("iam")
    own.list_roles()
    with fails("AccessDenied"):
        own.list_users()
    with fails("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."):
        assume(issuer.token(), DurationSeconds=7200)


def test_a_role_that_is_not_there_is_not_named(sts, issuer, fails, account):
    with fails("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403):
        sts.assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{account}:role/None", RoleSessionName="ci", WebIdentityToken=issuer.token()
        )
