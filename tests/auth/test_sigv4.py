"""Signature Version 4 against AWS's public vectors, botocore's signers, awscrt's SigV4a, and tables of bad input."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from groundcloud.auth import signing, sigv4
from groundcloud.auth.canonical import canonical_path, canonical_query, canonical_request
from groundcloud.auth.refusals import Family, Kind, SignatureError, refusal

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "sigv4"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW_S = 1_440_938_160  # 2015-08-30T12:36:00Z
EMPTY = hashlib.sha256(b"").hexdigest()


def _vectors() -> list[Path]:
    return sorted(VECTORS.rglob("*.req")) if VECTORS.is_dir() else []


def _read(path: Path) -> tuple[str, str, str, dict[str, str], bytes]:
    """(method, raw path, raw query, headers as the server sees them, body) of a request file."""
    head, _, body = path.read_text(encoding="utf-8").replace("\r\n", "\n").partition("\n\n")
    first, *rest = head.split("\n")
    method, _, target = first.partition(" ")
    target = target.rpartition(" ")[0]
    raw_path, _, raw_query = target.partition("?")
    headers: dict[str, str] = {}
    name = ""
    for line in rest:
        if line.startswith((" ", "\t")):
            headers[name] += "\n" + line
            continue
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    return method, raw_path, raw_query, headers, body.encode()


@pytest.mark.skipif(not VECTORS.is_dir(), reason="left out: ../shared/vectors/sigv4 is not beside this project")
@pytest.mark.parametrize("path", _vectors(), ids=lambda path: path.stem)
class TestVectors:
    def test_the_canonical_request_is_as_published(self, path: Path) -> None:
        method, raw_path, raw_query, headers, body = _read(path.with_suffix(".sreq"))
        published = path.with_suffix(".creq").read_text(encoding="utf-8").replace("\r\n", "\n")
        names = published.split("\n")[-2].split(";")
        digest = hashlib.sha256(body).hexdigest()
        assert canonical_request(False, method, raw_path, raw_query, headers, names, digest) == published

    def test_the_signed_request_verifies(self, path: Path) -> None:
        method, raw_path, raw_query, headers, body = _read(path.with_suffix(".sreq"))
        # One vector's .sreq (get-vanilla-with-session-token) carries another signature than its .authz, which is the right one.
        headers["authorization"] = path.with_suffix(".authz").read_text(encoding="utf-8").strip()
        signature = sigv4.parse_authorization(headers, raw_query)
        assert signature is not None
        assert (signature.access_key_id, signature.region, signature.service) == ("AKIDEXAMPLE", "us-east-1", "service")
        digest = hashlib.sha256(body).hexdigest()
        sigv4.verify(signature, SECRET, method, raw_path, raw_query, headers, digest, NOW_S)
        with pytest.raises(SignatureError, match="mismatch"):
            sigv4.verify(signature, "another secret", method, raw_path, raw_query, headers, digest, NOW_S)


KEY = signing.Credentials("AKIDEXAMPLE", SECRET)
PATHS = ["/", "/a/b", "/a%20b", "/a//b", "/a/../b", "/a%2Fb", "/caf%C3%A9", "/x%3Ay", "/a+b", "/%7Etilde", "/a/b/", "//"]
QUERIES = ["", "a=b", "b=2&a=1", "a=%20x&a=", "list-type=2&prefix=a%2Fb", "acl", "a=b%3Dc"]


def _send(prepared: object) -> tuple[str, str, dict[str, str]]:
    """(raw path, raw query, headers) as a server sees what botocore would send."""
    url = urlsplit(prepared.url)  # type: ignore[attr-defined]
    headers = {name.lower(): value if isinstance(value, str) else value.decode() for name, value in prepared.headers.items()}  # type: ignore[attr-defined]
    headers.setdefault("host", url.netloc)
    return url.path or "/", url.query, headers


@pytest.mark.parametrize("raw_path", PATHS)
@pytest.mark.parametrize("raw_query", QUERIES)
@pytest.mark.parametrize("service", ["sqs", "s3"])
@pytest.mark.parametrize("presigned", [False, True])
def test_what_botocore_signs_verifies(raw_path: str, raw_query: str, service: str, presigned: bool) -> None:
    token = "token/+=" if "b" in raw_query else None
    credentials = BotocoreCredentials("AKIDEXAMPLE", SECRET, token)
    signers = {("s3", False): S3SigV4Auth, ("s3", True): S3SigV4QueryAuth, ("sqs", False): SigV4Auth, ("sqs", True): SigV4QueryAuth}
    url = f"http://localhost:4566{raw_path}" + (f"?{raw_query}" if raw_query else "")
    body = b"" if presigned else b"the body"
    request = AWSRequest("GET" if presigned else "POST", url, {} if presigned else {"X-Amz-Meta-A": " two  spaces "}, body)
    signers[service, presigned](credentials, service, "eu-west-1").add_auth(request)
    path, query, headers = _send(request.prepare())
    signature = sigv4.parse_authorization(headers, query)
    assert signature is not None
    assert (signature.presigned, signature.region, signature.session_token) == (presigned, "eu-west-1", token)
    digest = signature.payload_hash or hashlib.sha256(body).hexdigest()
    sigv4.verify(signature, SECRET, request.method, path, query, headers, digest, signature.signed_s)
    with pytest.raises(SignatureError, match="mismatch"):
        sigv4.verify(signature, SECRET, "DELETE", path, query, headers, digest, signature.signed_s)
    with pytest.raises(SignatureError, match="mismatch"):
        sigv4.verify(signature, SECRET, request.method, path + "x", query, headers, digest, signature.signed_s)


@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_what_we_sign_verifies(service: str) -> None:
    key = signing.Credentials("AKIDEXAMPLE", SECRET, "a/token+=")
    headers = signing.sign(key, "us-east-1", service, "PUT", "/a%20b", "x=1", {"host": "h", "x-amz-meta-a": "1"}, b"body", NOW_S)
    signature = sigv4.parse_authorization(headers, "x=1")
    assert signature is not None and signature.session_token == "a/token+="
    sigv4.verify(signature, SECRET, "PUT", "/a%20b", "x=1", headers, hashlib.sha256(b"body").hexdigest(), NOW_S)
    query = signing.presign(key, "us-east-1", service, "GET", "/a%20b", "x=1", {"host": "h"}, NOW_S, expires_s=60)
    signature = sigv4.parse_authorization({"host": "h"}, query)
    assert signature is not None and signature.expires_s == 60 and signature.session_token == "a/token+="
    digest = signature.payload_hash or EMPTY
    sigv4.verify(signature, SECRET, "GET", "/a%20b", query, {"host": "h"}, digest, NOW_S + 60)
    with pytest.raises(SignatureError, match="presigned-expired"):
        sigv4.verify(signature, SECRET, "GET", "/a%20b", query, {"host": "h"}, digest, NOW_S + 61)


def test_the_presigned_example_of_awss_page_verifies() -> None:
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    headers = {"host": "examplebucket.s3.amazonaws.com"}
    signature = sigv4.parse_authorization(headers, query)
    assert signature is not None and signature.payload_hash == "UNSIGNED-PAYLOAD"
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    sigv4.verify(signature, secret, "GET", "/test.txt", query, headers, signature.payload_hash, signature.signed_s)


@pytest.mark.parametrize("presigned", [False, True])
def test_what_awscrt_signs_with_sigv4a_verifies(presigned: bool) -> None:
    from awscrt import auth, http

    request = http.HttpRequest("GET", "/a/b?x=1", http.HttpHeaders([("host", "localhost")]))
    kind = auth.AwsSignatureType
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4_ASYMMETRIC,
        signature_type=kind.HTTP_REQUEST_QUERY_PARAMS if presigned else kind.HTTP_REQUEST_HEADERS,
        credentials_provider=auth.AwsCredentialsProvider.new_static("AKIDEXAMPLE", SECRET),
        region="*",
        service="s3",
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        signed_body_value="UNSIGNED-PAYLOAD",
        signed_body_header_type=auth.AwsSignedBodyHeaderType.NONE if presigned else auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        expiration_in_seconds=60 if presigned else None,
    )
    auth.aws_sign_request(request, config).result(10)
    headers = {name.lower(): value for name, value in request.headers}
    query = request.path.partition("?")[2]
    signature = sigv4.parse_authorization(headers, query)
    assert signature is not None
    assert (signature.algorithm, signature.access_key_id, signature.region) == (sigv4.ECDSA, "AKIDEXAMPLE", "*")
    sigv4.verify(signature, SECRET, "GET", "/a/b", query, headers, "UNSIGNED-PAYLOAD", signature.signed_s)
    with pytest.raises(SignatureError, match="mismatch"):
        sigv4.verify(signature, SECRET, "PUT", "/a/b", query, headers, "UNSIGNED-PAYLOAD", signature.signed_s)


def _headers(authorization: str | None = None, **more: str) -> dict[str, str]:
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    default = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    return {"host": "h", "x-amz-date": "20150830T123600Z", "authorization": authorization or default, **more}


SCOPE = "Credential=AK/20150830/us-east-1/s3/aws4_request"


@pytest.mark.parametrize(
    ("authorization", "kind"),
    [
        ("AWS AKIDEXAMPLE:abc=", "sigv2"),
        ("Bearer abc", "unsupported"),
        ("AWS4-HMAC-SHA256", "incomplete"),
        (f"AWS4-HMAC-SHA256 {SCOPE}, Signature=ab", "incomplete"),
        (f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host", "incomplete"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=ab", "incomplete"),
        ("AWS4-HMAC-SHA256 Credential=AK/20150830/s3, SignedHeaders=host, Signature=ab", "malformed-credential"),
        ("AWS4-HMAC-SHA256 Credential=AK/20150830/r/s3/aws4, SignedHeaders=host, Signature=ab", "malformed-credential"),
        ("AWS4-HMAC-SHA256 Credential=/20150830/r/s3/aws4_request, SignedHeaders=host, Signature=ab", "malformed-credential"),
        ("AWS4-HMAC-SHA256 Credential=AK/2015083/r/s3/aws4_request, SignedHeaders=host, Signature=ab", "malformed-header"),
        ("AWS4-HMAC-SHA256 Credential=AK/20150831/r/s3/aws4_request, SignedHeaders=host, Signature=ab", "wrong-date"),
        (f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=x-amz-date, Signature=ab", "host-not-signed"),
        (f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host, Signature={'a' * 9000}", "malformed-header"),
        (f"AWS4-ECDSA-P256-SHA256 {SCOPE}, SignedHeaders=host, Signature=ab", "malformed-header"),
    ],
)
def test_a_bad_authorization_header_is_refused_by_kind(authorization: str, kind: str) -> None:
    headers = {**_headers(), "authorization": authorization}
    with pytest.raises(SignatureError) as caught:
        sigv4.parse_authorization(headers, "")
    assert caught.value.kind == kind
    for family in ("json", "rest-json", "query", "s3"):
        answer = refusal(caught.value, family)  # type: ignore[arg-type]
        assert answer.code and answer.message and 400 <= answer.status <= 403


def test_the_parts_of_the_header_may_stand_in_any_order() -> None:
    mixed = f"AWS4-HMAC-SHA256 Signature={'0' * 64},SignedHeaders=host;x-amz-date,{SCOPE}"
    signature = sigv4.parse_authorization(_headers(mixed), "")
    assert signature is not None
    assert (signature.signature, signature.signed_headers, signature.service) == ("0" * 64, ("host", "x-amz-date"), "s3")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (
            {"X-Amz-Expires": "604801"},
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
        ({"X-Amz-Expires": "-1"}, "X-Amz-Expires must be non-negative"),
        ({"X-Amz-Expires": "soon"}, "X-Amz-Expires should be a number"),
        ({"X-Amz-Expires": "٣"}, "X-Amz-Expires should be a number"),
        ({"X-Amz-Date": "2015-08-30"}, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""),
        ({"X-Amz-Algorithm": "AWS4"}, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"'),
        (
            {"X-Amz-Signature": ""},
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
            "X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ),
        (
            {"X-Amz-Credential": "AK/x/s3"},
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; "
            'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        ),
    ],
)
def test_a_bad_presigned_query_is_refused_in_s3s_words(change: dict[str, str], kind: str) -> None:
    query = dict(pair.split("=", 1) for pair in signing.presign(KEY, "r", "s3", "GET", "/", "", {"host": "h"}, NOW_S).split("&")) | change
    with pytest.raises(SignatureError) as caught:
        sigv4.parse_authorization({"host": "h"}, "&".join(f"{name}={value}" for name, value in query.items() if value))
    assert refusal(caught.value, "s3")[:3] == ("AuthorizationQueryParametersError", kind, 400)


def test_an_unsigned_request_has_no_signature_and_the_older_presigned_form_is_refused() -> None:
    assert sigv4.parse_authorization({"host": "h"}, "") is None
    assert sigv4.parse_authorization({"host": "h"}, "X-Amz-Meta=1&a=b") is None
    with pytest.raises(SignatureError) as caught:
        sigv4.parse_authorization({"host": "h"}, "AWSAccessKeyId=AK&Expires=1&Signature=abc")
    assert refusal(caught.value, "s3").message.endswith("Please use AWS4-HMAC-SHA256.")
    with pytest.raises(SignatureError, match="two-mechanisms"):
        sigv4.parse_authorization(_headers(), "X-Amz-Signature=abc")


@pytest.mark.parametrize(
    ("service", "late_s", "family", "code", "message"),
    [
        ("s3", 901, "s3", "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("s3", -901, "s3", "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        (
            "sqs",
            301,
            "query",
            "SignatureDoesNotMatch",
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)",
        ),
        (
            "sqs",
            -301,
            "json",
            "InvalidSignatureException",
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)",
        ),
    ],
)
def test_a_clock_too_far_off_is_refused(service: str, late_s: int, family: str, code: str, message: str) -> None:
    headers = signing.sign(KEY, "us-east-1", service, "GET", "/", "", {"host": "h"}, b"", NOW_S)
    signature = sigv4.parse_authorization(headers, "")
    assert signature is not None
    with pytest.raises(SignatureError) as caught:
        sigv4.verify(signature, SECRET, "GET", "/", "", headers, EMPTY, NOW_S + late_s)
    assert refusal(caught.value, family)[:2] == (code, message)  # type: ignore[arg-type]
    sigv4.verify(signature, SECRET, "GET", "/", "", headers, EMPTY, NOW_S + late_s - (1 if late_s > 0 else -1))


def test_a_mismatch_shows_what_should_have_been_signed() -> None:
    headers = signing.sign(KEY, "us-east-1", "s3", "GET", "/k", "", {"host": "h"}, b"", NOW_S)
    signature = sigv4.parse_authorization(headers, "")
    assert signature is not None
    with pytest.raises(SignatureError) as caught:
        sigv4.verify(signature, "other", "GET", "/k", "", headers, EMPTY, NOW_S)
    answer = refusal(caught.value, "s3")
    assert (answer.code, answer.status) == ("SignatureDoesNotMatch", 403)
    assert answer.message == (
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )
    assert answer.fields["CanonicalRequest"].startswith("GET\n/k\n\nhost:h\n")
    assert answer.fields["StringToSignBytes"].startswith("41 57 53 34")
    query = refusal(caught.value, "query")
    assert "The Canonical String for this request should have been\n'GET\n/k\n" in query.message
    assert refusal(caught.value, "json").code == "InvalidSignatureException"


def test_s3_refuses_amz_headers_that_nobody_signed() -> None:
    headers = signing.sign(KEY, "us-east-1", "s3", "GET", "/k", "", {"host": "h"}, b"", NOW_S)
    headers["x-amz-acl"] = "public-read"
    signature = sigv4.parse_authorization(headers, "")
    assert signature is not None
    with pytest.raises(SignatureError) as caught:
        sigv4.verify(signature, SECRET, "GET", "/k", "", headers, EMPTY, NOW_S)
    assert refusal(caught.value, "s3").fields == {"HeadersNotSigned": "x-amz-acl"}


def test_the_date_header_stands_in_for_x_amz_date() -> None:
    authorization = f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host, Signature=ab"
    signature = sigv4.parse_authorization({"authorization": authorization, "date": "Sun, 30 Aug 2015 12:36:00 GMT"}, "")
    assert signature is not None and (signature.timestamp, signature.signed_s) == ("20150830T123600Z", NOW_S)
    with pytest.raises(SignatureError, match="missing-date"):
        sigv4.parse_authorization({"authorization": authorization}, "")


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("b=2&a=1", "a=1&b=2"),
        ("a", "a="),
        ("a=%7e", "a=~"),
        ("a=b+c", "a=b%20c"),
        ("a=%c3%a9", "a=%C3%A9"),
        ("&&a=1&", "a=1"),
        ("a=%zz", "a=%25zz"),
    ],
)
def test_a_query_is_decoded_encoded_and_sorted(raw: str, canonical: str) -> None:
    assert canonical_query(raw) == canonical


@pytest.mark.parametrize(
    ("raw", "s3", "other"),
    [
        ("/a//b/../c", "/a//b/../c", "/a/c"),
        ("/a%20b", "/a%20b", "/a%2520b"),
        ("/..", "/..", "/"),
        ("/a:b", "/a%3Ab", "/a%3Ab"),
        ("/a/.", "/a/.", "/a/"),
    ],
)
def test_s3_alone_keeps_the_path_as_it_is(raw: str, s3: str, other: str) -> None:
    assert (canonical_path(raw, True), canonical_path(raw, False)) == (s3, other)


def test_bytes_beyond_ascii_in_a_header_are_signed_as_sent() -> None:
    raw = {"host": "h", "x-amz-meta-a": "caf\u00e9".encode().decode("latin-1")}
    headers = signing.sign(KEY, "us-east-1", "s3", "PUT", "/k", "", raw, b"", NOW_S)
    signature = sigv4.parse_authorization(headers, "")
    assert signature is not None
    sigv4.verify(signature, SECRET, "PUT", "/k", "", headers, EMPTY, NOW_S)
    assert not sigv4.matches(signature, SECRET, "text", "\u00e9" * 64)


@pytest.mark.parametrize(
    ("value", "kind", "code"),
    [
        (None, "payload-hash-missing", "InvalidRequest"),
        ("e3b0", "payload-hash-invalid", "InvalidArgument"),
        ("STREAMING-X", "payload-hash-invalid", "InvalidArgument"),
    ],
)
def test_s3_must_be_told_the_payloads_hash(value: str | None, kind: str, code: str) -> None:
    headers = signing.sign(KEY, "us-east-1", "s3", "GET", "/k", "", {"host": "h"}, b"", NOW_S)
    headers.pop("x-amz-content-sha256")
    if value:
        headers["x-amz-content-sha256"] = value
    signature = sigv4.parse_authorization(headers, "")
    assert signature is not None
    with pytest.raises(SignatureError, match=kind) as caught:
        sigv4.verify(signature, SECRET, "GET", "/k", "", headers, EMPTY, NOW_S)
    assert refusal(caught.value, "s3").code == code


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, "absent"),
        (EMPTY, "hash"),
        ("UNSIGNED-PAYLOAD", "unsigned"),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "chunked"),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "chunked-trailer"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "unsigned-chunked-trailer"),
        (EMPTY.upper(), "invalid"),
    ],
)
def test_payload_forms(value: str | None, form: str) -> None:
    headers = _headers() | ({"x-amz-content-sha256": value} if value else {})
    signature = sigv4.parse_authorization(headers, "")
    assert signature is not None
    assert signature.payload_form() == form
    assert signature.chunked() is ("chunked" in form)


DETAILS = dict.fromkeys(
    [
        "message",
        "credential",
        "authorization",
        "headers",
        "scope_date",
        "timestamp",
        "region",
        "service",
        "expected",
        "limit",
        "now",
        "minutes",
        "expires_s",
        "expires",
        "access_key_id",
        "canonical_request",
        "string_to_sign",
        "signature",
        "value",
        "client",
        "computed",
        "token",
        "reason",
        "bytes",
        "index",
    ],
    "x",
)


@pytest.mark.parametrize("family", ["json", "rest-json", "query", "s3"])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_words_in_every_family(kind: Kind, family: Family) -> None:
    answer = refusal(SignatureError(kind, **DETAILS), family)
    assert answer.code.isalnum() and answer.message and answer.status in (400, 403)


@pytest.mark.parametrize(
    ("kind", "family", "code", "message"),
    [
        ("missing", "query", "MissingAuthenticationToken", "Request is missing Authentication Token"),
        ("missing", "json", "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("missing", "s3", "AccessDenied", "Access Denied"),
        ("unknown-key", "query", "InvalidClientTokenId", "The security token included in the request is invalid."),
        ("unknown-key", "json", "UnrecognizedClientException", "The security token included in the request is invalid."),
        ("unknown-key", "s3", "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        ("expired-token", "query", "ExpiredToken", "The security token included in the request is expired"),
        ("expired-token", "json", "ExpiredTokenException", "The security token included in the request is expired"),
        ("expired-token", "s3", "ExpiredToken", "The provided token has expired."),
        ("presigned-expired", "s3", "AccessDenied", "Request has expired"),
        (
            "wrong-region",
            "s3",
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'x' is wrong; expecting 'x'",
        ),
        ("wrong-service", "json", "InvalidSignatureException", "Credential should be scoped to correct service: 'x'. "),
        (
            "payload-mismatch",
            "s3",
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
    ],
)
def test_awss_words(kind: Kind, family: Family, code: str, message: str) -> None:
    assert refusal(SignatureError(kind, **DETAILS), family)[:2] == (code, message)
