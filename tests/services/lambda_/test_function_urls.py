"""Function URLs: who may call, what the function is given, what its answer becomes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import streaming_package

ECHO = "def handler(event, context): return event"


class Door:
    """A function with a URL, and plain requests to it."""

    def __init__(self, lambda_: Any, name: str, ground: Any, auth_type: str = "NONE", **options: Any) -> None:
        self.made = lambda_.create_function_url_config(FunctionName=name, AuthType=auth_type, **options)
        self.url_id = self.made["FunctionUrl"].split("//")[1].split(".")[0]
        self.base = f"{ground.endpoint}/_aws/lambda-url/{self.url_id}"

    def request(self, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = urllib.request.urlopen(urllib.request.Request(self.base + path, data=body, method=method, headers=named))
        except urllib.error.HTTPError as refused:
            answer = refused  # type: ignore[assignment]
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def open_to_all(lambda_: Any, name: str) -> None:
    """The two statements without which nobody may call a URL."""
    everybody = {"FunctionName": name, "Principal": "*"}
    lambda_.add_permission(**everybody, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    lambda_.add_permission(**everybody, StatementId="invoke", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)


@pytest.fixture
def door(lambda_: Any, function: Callable[..., str], ground: Any) -> Callable[..., Door]:
    def make(source: str = ECHO, auth_type: str = "NONE", **options: Any) -> Door:
        name = function(source)
        if auth_type == "NONE":
            open_to_all(lambda_, name)
        return Door(lambda_, name, ground, auth_type, **options)

    return make


def test_a_request_is_an_event_of_payload_version_two(door: Callable[..., Door]) -> None:
    url = door()
    status, headers, body = url.request(
        "/a%20b/c?x=1&x=2&y=", "POST", b'{"n": 1}', Content_Type="application/json", Cookie="a=1; b=2", X_Own="v"
    )
    assert (status, headers["content-type"]) == (200, "application/json")
    event = json.loads(body)
    assert event["version"] == "2.0"
    assert (event["rawPath"], event["rawQueryString"]) == ("/a b/c", "x=1&x=2&y=")
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-own"] == "v"
    assert (event["body"], event["isBase64Encoded"]) == ('{"n": 1}', False)
    context = event["requestContext"]
    assert context["apiId"] == context["domainPrefix"] == url.url_id
    assert context["accountId"] == "anonymous"
    assert context["http"]["method"] == "POST"


def test_a_binary_body_is_base64(door: Callable[..., Door]) -> None:
    event = json.loads(door().request("/", "POST", b"\x00\xff", Content_Type="application/octet-stream")[2])
    assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)


@pytest.mark.parametrize(
    ("answer", "status", "content_type", "body"),
    [
        ({"statusCode": 201, "headers": {"Content-Type": "text/plain"}, "body": "made"}, 201, "text/plain", b"made"),
        ({"statusCode": 200, "body": "AAE=", "isBase64Encoded": True}, 200, "application/json", b"\x00\x01"),
        ({"statusCode": 204}, 204, "application/json", b""),
        ("just text", 200, "application/json", b"just text"),
        ([1, 2], 200, "application/json", b"[1, 2]"),
        ({"statusCode": "many"}, 502, "application/json", b'{"Message": "Internal Server Error"}'),
    ],
)
def test_an_answer_is_a_response(door: Callable[..., Door], answer: Any, status: int, content_type: str, body: bytes) -> None:
    found = door(f"def handler(event, context): return {answer!r}").request()
    assert (found[0], found[1].get("content-type"), found[2]) == (status, content_type, body)


def test_cookies_of_the_answer_are_set(door: Callable[..., Door]) -> None:
    _, headers, _ = door("def handler(e, c): return {'statusCode': 200, 'cookies': ['a=1; Secure']}").request()
    assert headers["set-cookie"] == "a=1; Secure"


def test_a_function_that_fails_is_a_bad_gateway(door: Callable[..., Door]) -> None:
    assert door("def handler(e, c): raise ValueError").request()[0] == 502


def test_without_a_statement_nobody_may_call(lambda_: Any, function: Callable[..., str], ground: Any) -> None:
    assert Door(lambda_, function(ECHO), ground).request()[0] == 403


def test_a_url_needs_both_permissions(lambda_: Any, function: Callable[..., str], ground: Any, client: Callable[..., Any]) -> None:
    name = function(ECHO)
    open_to_all(lambda_, name)
    url = Door(lambda_, name, ground)
    assert url.request()[0] == 200
    lambda_.remove_permission(FunctionName=name, StatementId="invoke")
    assert url.request()[0] == 403
    lambda_.add_permission(FunctionName=name, StatementId="plain", Action="lambda:InvokeFunction", Principal="*")
    assert url.request()[0] == 200
    lambda_.remove_permission(FunctionName=name, StatementId="url")
    assert url.request()[0] == 403


def test_who_may_invoke_by_the_url_may_not_invoke_otherwise(
    door: Callable[..., Door], client: Callable[..., Any], lambda_: Any, account: str
) -> None:
    url = door()
    stranger = client("lambda", account="888888888888")
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.invoke(FunctionName=url.made["FunctionArn"])
    (_, statement) = json.loads(lambda_.get_policy(FunctionName=url.made["FunctionArn"])["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


def test_an_auth_type_is_of_the_url_permission_alone(lambda_: Any, function: Callable[..., str]) -> None:
    with pytest.raises(ClientError, match="FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"):
        lambda_.add_permission(
            FunctionName=function(ECHO), StatementId="s", Action="lambda:InvokeFunction", Principal="*", FunctionUrlAuthType="NONE"
        )


def test_policies_may_ask_for_the_auth_type(lambda_: Any, function: Callable[..., str], client: Callable[..., Any]) -> None:
    name = function(ECHO)
    iam = client("iam")
    iam.create_user(UserName="careful")
    allowed = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    denied = {
        "Effect": "Deny",
        "Action": ["lambda:CreateFunctionUrlConfig", "lambda:UpdateFunctionUrlConfig", "lambda:AddPermission"],
        "Resource": "*",
        "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed, denied]})
    iam.put_user_policy(UserName="careful", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="careful")["AccessKey"]
    own = client("lambda", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    own.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    with pytest.raises(ClientError, match="AccessDenied"):
        own.update_function_url_config(FunctionName=name, AuthType="NONE")
    with pytest.raises(ClientError, match="AccessDenied"):
        open_to_all(own, name)


def test_a_url_with_iam_may_be_open_to_those_of_a_tag(
    lambda_: Any, function: Callable[..., str], ground: Any, client: Callable[..., Any]
) -> None:
    iam = client("iam")
    iam.create_user(UserName="caller")
    tagged = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    statement = {"Effect": "Allow", "Action": ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], "Resource": "*", "Condition": tagged}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="caller", PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName="caller")["AccessKey"]

    def status(team: str) -> int:
        url = Door(lambda_, function(ECHO, Tags={"team": team}), ground, "AWS_IAM")
        request = AWSRequest("GET", url.base + "/")
        SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), "lambda", "us-east-1").add_auth(request)
        return url.request("/", **{name.replace("-", "_"): value for name, value in request.headers.items()})[0]

    assert (status("a"), status("b")) == (200, 403)


def test_a_url_with_iam_wants_a_signature_of_somebody_allowed(door: Callable[..., Door], account: str) -> None:
    url = door(auth_type="AWS_IAM")
    assert url.request()[0] == 403

    def signed(key: str, secret: str, service: str = "lambda") -> tuple[int, bytes]:
        request = AWSRequest(
            "GET", url.base + "/x", headers={"X-Amz-Content-Sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
        )
        SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
        status, _, body = url.request("/x", **{name.replace("-", "_"): value for name, value in request.headers.items()})
        return status, body

    assert signed(account, "test")[0] == 200
    status, body = signed("888888888888", "test")
    assert status == 403 and b"For troubleshooting Function URL authorization issues, see: https://" in body
    for key, secret, service, sentence in (
        (account, "wrong", "lambda", b"The request signature we calculated does not match"),
        (account, "test", "s3", b"Credential should be scoped to correct service: 'lambda'. "),
        ("AKIAIOSFODNN7EXAMPLE", "test", "lambda", b"The security token included in the request is invalid."),
    ):
        status, body = signed(key, secret, service)
        assert status == 403 and sentence in body


def test_cors_answers_a_preflight_and_marks_responses(door: Callable[..., Door]) -> None:
    cors = {
        "AllowOrigins": ["https://shop.example"],
        "AllowMethods": ["GET"],
        "AllowHeaders": ["x-own"],
        "MaxAge": 60,
        "AllowCredentials": True,
    }
    url = door("def handler(e, c): return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'none'}}", Cors=cors)
    asked = {"Origin": "https://shop.example", "Access_Control_Request_Method": "GET"}
    status, headers, _ = url.request("/", "OPTIONS", **asked)
    assert status == 200
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert headers["access-control-allow-methods"] == "GET"
    assert headers["access-control-max-age"] == "60"
    assert url.request(Origin="https://shop.example")[1]["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in url.request(Origin="https://other.example")[1]


def test_a_url_is_kept_changed_and_removed(door: Callable[..., Door], lambda_: Any, account: str) -> None:
    url = door()
    name = url.made["FunctionArn"].rsplit(":", 1)[-1]
    assert lambda_.get_function_url_config(FunctionName=name)["AuthType"] == "NONE"
    assert lambda_.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")["AuthType"] == "AWS_IAM"
    assert url.request()[0] == 403
    assert len(lambda_.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]) == 1
    with pytest.raises(ClientError, match="FunctionUrlConfig exists for this Lambda function"):
        lambda_.create_function_url_config(FunctionName=name, AuthType="NONE")
    lambda_.delete_function_url_config(FunctionName=name)
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        lambda_.get_function_url_config(FunctionName=name)
    assert url.request()[0] == 403


def streaming_door(lambda_: Any, role: str, ground: Any, first: str, content_type: str) -> Door:
    lambda_.create_function(
        FunctionName="streams",
        Role=role,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Code={"ZipFile": streaming_package()},
        Environment={"Variables": {"FIRST": first, "TYPE": content_type}},
        Timeout=10,
    )
    open_to_all(lambda_, "streams")
    return Door(lambda_, "streams", ground, InvokeMode="RESPONSE_STREAM")


def test_a_streamed_answer_is_sent_while_it_is_written(lambda_: Any, role: str, ground: Any) -> None:
    url = streaming_door(lambda_, role, ground, "one", "text/plain")
    with urllib.request.urlopen(url.base) as response:
        assert response.headers["content-type"] == "text/plain"
        assert response.read1(100) == b"one"
        assert response.read() == b"two"


def test_a_stream_may_begin_with_its_status_and_headers(lambda_: Any, role: str, ground: Any) -> None:
    prelude = json.dumps({"statusCode": 201, "headers": {"X-Own": "v", "Content-Type": "text/html"}, "cookies": ["a=1"]})
    first = prelude + "\\0000" * 8 + "one "
    url = streaming_door(lambda_, role, ground, first, "application/vnd.awslambda.http-integration-response")
    status, headers, body = url.request()
    assert (status, headers["x-own"], headers["content-type"], headers["set-cookie"]) == (201, "v", "text/html", "a=1")
    assert body == b"one two"


def test_a_streamed_invocation_comes_in_the_pieces_that_the_function_wrote(lambda_: Any, role: str, ground: Any) -> None:
    streaming_door(lambda_, role, ground, "one", "text/plain")
    response = lambda_.invoke_with_response_stream(FunctionName="streams")
    assert response["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = list(response["EventStream"])
    assert b"".join(event["PayloadChunk"]["Payload"] for event in events[:-1]) == b"onetwo"
    assert len(events) >= 3
    assert events[-1] == {"InvokeComplete": {}}
