"""What browsers ask for: preflights, cross-origin headers, website pages, form uploads."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import urllib.parse
from typing import Any

import pytest
from botocore.config import Config


def ask(
    ground: Any, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body; redirects are not followed."""
    connection = http.client.HTTPConnection(ground.endpoint.partition("//")[2])
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    try:
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    """A bucket that everybody may read and list."""
    s3.delete_public_access_block(Bucket=bucket)
    arn = f"arn:aws:s3:::{bucket}"
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [arn, f"{arn}/*"]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return bucket


# Cross-origin


RULES = {
    "CORSRules": [
        {
            "AllowedOrigins": ["http://*.example"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["x-amz-*", "Content-Type"],
            "ExposeHeaders": ["ETag", "x-amz-id-2"],
            "MaxAgeSeconds": 60,
        },
        {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
    ]
}


def test_a_preflight_is_answered_by_the_first_rule_that_fits(s3: Any, bucket: str, ground: Any) -> None:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    asked = {
        "Origin": "http://a.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type, X-Amz-Date",
    }
    status, headers, _ = ask(ground, "OPTIONS", f"/{bucket}/k", asked)
    assert status == 200
    assert headers["access-control-allow-origin"] == "http://a.example"
    assert headers["access-control-allow-methods"] == "GET, PUT"
    assert headers["access-control-allow-headers"] == "content-type, x-amz-date"
    assert headers["access-control-expose-headers"] == "ETag, x-amz-id-2"
    assert headers["access-control-max-age"] == "60"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
    status, headers, _ = ask(ground, "OPTIONS", "/k", {**asked, "Host": f"{bucket}.s3.localhost"})
    assert (status, headers["access-control-allow-origin"]) == (200, "http://a.example")
    status, headers, _ = ask(ground, "OPTIONS", f"/{bucket}/k", {"Origin": "http://b.other", "Access-Control-Request-Method": "GET"})
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({}, 400, b"Insufficient information. Origin request header needed."),
        ({"Origin": "http://a.example"}, 400, b"Invalid Access-Control-Request-Method: null"),
        ({"Origin": "http://b.other", "Access-Control-Request-Method": "PUT"}, 403, b"CORSResponse: This CORS request is not allowed."),
        (
            {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-other"},
            403,
            b"CORSResponse: This CORS request is not allowed.",
        ),
    ],
)
def test_a_preflight_that_no_rule_fits_is_refused(s3: Any, bucket: str, ground: Any, asked: Any, status: int, sentence: bytes) -> None:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    answered, _, body = ask(ground, "OPTIONS", f"/{bucket}/k", asked)
    assert answered == status
    assert sentence in body


def test_a_preflight_without_rules_is_refused(bucket: str, ground: Any) -> None:
    status, _, body = ask(ground, "OPTIONS", f"/{bucket}/k", {"Origin": "http://x", "Access-Control-Request-Method": "GET"})
    assert status == 403
    assert b"<Code>AccessForbidden</Code><Message>CORSResponse: CORS is not enabled for this bucket.</Message>" in body
    assert b"<Method>GET</Method><ResourceType>OBJECT</ResourceType>" in body


def test_answers_and_errors_carry_cross_origin_headers(s3: Any, shared: str, ground: Any) -> None:
    s3.put_bucket_cors(Bucket=shared, CORSConfiguration=RULES)
    s3.put_object(Bucket=shared, Key="k", Body=b"x")
    status, headers, body = ask(ground, "GET", f"/{shared}/k", {"Origin": "http://a.example"})
    assert (status, body, headers["access-control-allow-origin"]) == (200, b"x", "http://a.example")
    status, headers, _ = ask(ground, "GET", f"/{shared}/none", {"Origin": "http://a.example"})
    assert (status, headers["access-control-allow-origin"]) == (404, "http://a.example")
    _, headers, _ = ask(ground, "GET", f"/{shared}/k")
    assert "access-control-allow-origin" not in headers


# Websites


@pytest.fixture
def site(s3: Any, shared: str) -> dict[str, str]:
    """A website's bucket; gives the headers that lead there."""
    for key in ("index.html", "error.html", "docs/index.html", "new/a", "page"):
        s3.put_object(Bucket=shared, Key=key, Body=key.encode(), ContentType="text/html")
    s3.put_object(Bucket=shared, Key="moved", Body=b"", WebsiteRedirectLocation="/page")
    rules = [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/", "HttpRedirectCode": "302"}},
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "lost/"},
            "Redirect": {"HostName": "elsewhere.example", "Protocol": "https", "ReplaceKeyWith": "found"},
        },
    ]
    s3.put_bucket_website(
        Bucket=shared,
        WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}, "RoutingRules": rules},
    )
    return {"Host": f"{shared}.s3-website.us-east-1.localhost"}


@pytest.mark.parametrize(
    ("path", "status", "content", "location"),
    [
        ("/", 200, b"index.html", None),
        ("/page", 200, b"page", None),
        ("/docs/", 200, b"docs/index.html", None),
        ("/docs", 302, b"", "/docs/"),
        ("/none", 404, b"error.html", None),
        ("/moved", 301, b"", "/page"),
        ("/old/a", 302, b"", "http://{host}/new/a"),
        ("/lost/x", 301, b"", "https://elsewhere.example/found"),
    ],
)
def test_a_website_answers(site: dict[str, str], ground: Any, path: str, status: int, content: bytes, location: str | None) -> None:
    answered, headers, body = ask(ground, "GET", path, site)
    assert (answered, body) == (status, content)
    assert headers.get("location") == (location.format(host=site["Host"]) if location else None)
    if status == 200:
        assert headers["content-type"] == "text/html"
        head, _, empty = ask(ground, "HEAD", path, site)
        assert (head, empty) == (200, b"")


def test_a_website_without_an_error_page_makes_one(s3: Any, shared: str, bucket: str, ground: Any) -> None:
    host = {"Host": f"{shared}.s3-website.us-east-1.localhost"}
    status, headers, body = ask(ground, "GET", "/", host)
    assert status == 404
    assert b"<li>Code: NoSuchWebsiteConfiguration</li>" in body
    s3.put_bucket_website(Bucket=shared, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    status, headers, body = ask(ground, "GET", "/none", host)
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"<h1>404 Not Found</h1>" in body
    assert b"<li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: none</li>" in body
    assert (headers["x-amz-error-code"], headers["x-amz-error-detail-key"]) == ("NoSuchKey", "none")
    assert headers["x-amz-error-message"] == "The specified key does not exist."
    assert ask(ground, "POST", "/none", host)[0] == 405


def test_a_website_shows_nothing_that_is_not_public(s3: Any, bucket: str, ground: Any) -> None:
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"x")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    status, _, body = ask(ground, "GET", "/", {"Host": f"{bucket}.s3-website.us-east-1.localhost"})
    assert status == 403
    assert b"<li>Code: AccessDenied</li>" in body


def test_a_website_may_redirect_everything(s3: Any, bucket: str, ground: Any) -> None:
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "other.example", "Protocol": "https"}})
    status, headers, _ = ask(ground, "GET", "/a?b=c", {"Host": f"{bucket}.s3-website.us-east-1.localhost"})
    assert (status, headers["location"]) == (301, "https://other.example/a?b=c")


@pytest.mark.parametrize(
    ("configuration", "sentence"),
    [
        ({"ErrorDocument": {"Key": "e"}}, "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"),
        ({"IndexDocument": {"Suffix": "a/b"}}, "The IndexDocument Suffix is not well formed"),
    ],
)
def test_a_wrong_website_is_refused(s3: Any, bucket: str, refused: Any, configuration: Any, sentence: str) -> None:
    error = refused("InvalidArgument", 400, s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=configuration)
    assert error["Message"] == sentence


# Forms


def form(fields: dict[str, str], content: bytes, filename: str = "f.txt") -> tuple[dict[str, str], bytes]:
    """Headers and body of a multipart/form-data upload."""
    mark = "----mark"
    body = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ).encode()
    body += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: text/plain\r\n\r\n'.encode()
    body += content + f"\r\n--{mark}--\r\n".encode()
    return {"Content-Type": f"multipart/form-data; boundary={mark}"}, body


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_a_form_uploads(client: Any, s3: Any, bucket: str, ground: Any, version: str, size: int) -> None:
    signer = client("s3", config=Config(signature_version=version))
    content = b"\r\n--x" * (size // 5)
    conditions = [
        ["starts-with", "$key", "in/"],
        {"x-amz-meta-m": "1"},
        ["content-length-range", 0, 1_000_000],
        ["starts-with", "$Content-Type", ""],
    ]
    post = signer.generate_presigned_post(
        bucket, "in/${filename}", Fields={"x-amz-meta-m": "1", "Content-Type": "text/x"}, Conditions=conditions
    )
    status, headers, _ = ask(ground, "POST", urllib.parse.urlsplit(post["url"]).path, *form(post["fields"], content))
    assert (status, headers["location"]) == (204, f"{ground.endpoint}/{bucket}/in/f.txt")
    got = s3.get_object(Bucket=bucket, Key="in/f.txt")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (content, {"m": "1"}, "text/x")
    assert got["ETag"] == headers["etag"]


@pytest.mark.parametrize("kind", ["customer", "kms"])
def test_a_form_says_how_its_file_is_encrypted(client: Any, s3: Any, new_bucket: Any, ground: Any, kind: str) -> None:
    bucket = new_bucket(CustomerKeys=True)
    head = "x-amz-server-side-encryption"
    key = bytes(range(32))
    fields = {head: "aws:kms", f"{head}-bucket-key-enabled": "true"}
    if kind == "customer":
        digest = base64.b64encode(hashlib.md5(key).digest()).decode()
        texts = {"algorithm": "AES256", "key": base64.b64encode(key).decode(), "key-MD5": digest}
        fields = {f"{head}-customer-{name}": text for name, text in texts.items()}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    condition = {"Null": {"s3:" + next(iter(fields)): "true"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement | {"Condition": condition}]}))
    for given, wanted in (({}, 403), (fields, 204)):
        post = s3.generate_presigned_post(bucket, "k", Fields=given, Conditions=[{name: text} for name, text in given.items()])
        status, headers, _ = ask(ground, "POST", f"/{bucket}", *form(post["fields"], b"content"))
        assert status == wanted
    if kind == "customer":
        assert headers[f"{head}-customer-algorithm"] == "AES256"
        assert s3.get_object(Bucket=bucket, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=key)["Body"].read() == b"content"
    else:
        assert (headers[head], headers[f"{head}-bucket-key-enabled"]) == ("aws:kms", "true")
        got = s3.get_object(Bucket=bucket, Key="k")
        assert (got["Body"].read(), got["BucketKeyEnabled"]) == (b"content", True)


@pytest.mark.parametrize(
    ("changes", "content", "status", "said"),
    [
        ({"key": "other/k"}, b"x", 403, b"Policy Condition failed"),
        ({"x-amz-meta-more": "1"}, b"x", 403, b"Extra input fields: x-amz-meta-more"),
        ({"policy": "e30="}, b"x", 403, b"SignatureDoesNotMatch"),
        ({}, b"x" * 101, 400, b"EntityTooLarge"),
        ({}, b"", 400, b"EntityTooSmall"),
    ],
)
def test_a_form_against_its_policy_is_refused(
    s3: Any, bucket: str, ground: Any, changes: dict[str, str], content: bytes, status: int, said: bytes
) -> None:
    post = s3.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", 1, 100]])
    answered, _, body = ask(ground, "POST", f"/{bucket}", *form({**post["fields"], **changes}, content))
    assert answered == status, body
    assert said in body
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_expired_form_is_refused(s3: Any, bucket: str, ground: Any) -> None:
    post = s3.generate_presigned_post(bucket, "k", ExpiresIn=-3600 * 24 * 365)
    status, _, body = ask(ground, "POST", f"/{bucket}", *form(post["fields"], b"x"))
    assert status == 403
    assert b"Invalid according to Policy: Policy expired." in body


def test_a_form_says_what_to_answer(s3: Any, bucket: str, ground: Any) -> None:
    conditions: list[Any] = [["starts-with", "$success_action_status", ""]]
    post = s3.generate_presigned_post(bucket, "k", Fields={"success_action_status": "201"}, Conditions=conditions)
    status, _, body = ask(ground, "POST", f"/{bucket}", *form(post["fields"], b"x"))
    assert status == 201
    assert f"<PostResponse><Location>{ground.endpoint}/{bucket}/k</Location><Bucket>{bucket}</Bucket><Key>k</Key>".encode() in body
    conditions = [["starts-with", "$success_action_redirect", ""]]
    post = s3.generate_presigned_post(bucket, "k", Fields={"success_action_redirect": "http://x.example/ok?a=b"}, Conditions=conditions)
    status, headers, _ = ask(ground, "POST", f"/{bucket}", *form(post["fields"], b"x"))
    assert status == 303
    assert headers["location"].startswith(f"http://x.example/ok?a=b&bucket={bucket}&key=k&etag=%22")


def test_a_form_without_a_policy_is_nobodys(bucket: str, ground: Any) -> None:
    status, _, body = ask(ground, "POST", f"/{bucket}", *form({"key": "k"}, b"x"))
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in body
    status, _, body = ask(ground, "POST", f"/{bucket}", {"Content-Type": "multipart/form-data; boundary=b"}, b"nonsense")
    assert status == 400
    assert b"<Code>MalformedPOSTRequest</Code>" in body


def test_anybody_may_fill_in_a_form_for_a_bucket_that_is_open(s3: Any, new_bucket: Any, ground: Any) -> None:
    bucket = new_bucket(ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    fields = {"key": "k", "acl": "public-read", "Content-Type": "text/plain"}
    status, _, body = ask(ground, "POST", f"/{bucket}", *form(fields, b"content"))
    assert status == 204, body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"
