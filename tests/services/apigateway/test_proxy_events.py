"""What real functions are given, and what becomes of what they return."""

import json

import pytest
from tests.services.apigateway.integrations import lambda_proxy

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"


@pytest.fixture
def http_api(client):
    """`http_api(function_arn, "GET /pets", version="2.0")` -> an API id."""

    def make(function_arn, key="$default", version="2.0", stage="$default", variables=None):
        gateway = client("apigatewayv2")
        api_id = gateway.create_api(Name="functions", ProtocolType="HTTP")["ApiId"]
        integration = gateway.create_integration(
            ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function_arn, PayloadFormatVersion=version
        )["IntegrationId"]
        gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration}")
        gateway.create_stage(ApiId=api_id, StageName=stage, AutoDeploy=True, StageVariables=variables or {})
        return api_id

    return make


def test_the_event_of_a_rest_api(rest_api, send, function, client, account):
    api_id = rest_api({"ANY /pets/{id}": lambda_proxy(function(ECHO))}, deploy=False)
    deployment = client("apigateway").create_deployment(restApiId=api_id, stageName="prod", variables={"colour": "blue"})
    headers = {"content-type": "application/json", "user-agent": "test/1", "x-mine": "a, b", "x-many": "1", "X-Many": "2"}
    reply = send(api_id, "POST", "/prod/pets/a%2Fb?x=1&x=2&y=%26z", headers, b'{"a": 1}')
    event = reply.document
    context = event.pop("requestContext")
    assert {name: event[name] for name in ("resource", "path", "httpMethod", "body", "isBase64Encoded")} == {
        "resource": "/pets/{id}",
        "path": "/pets/a%2Fb",
        "httpMethod": "POST",
        "body": '{"a": 1}',
        "isBase64Encoded": False,
    }
    assert event["pathParameters"] == {"id": "a%2Fb"}
    assert event["stageVariables"] == {"colour": "blue"}
    assert event["queryStringParameters"] == {"x": "2", "y": "&z"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["&z"]}
    assert (event["headers"]["Content-Type"], event["headers"]["x-mine"]) == ("application/json", "a, b")
    assert event["multiValueHeaders"]["User-Agent"] == ["test/1"]
    assert (event["headers"]["x-many"], event["multiValueHeaders"]["x-many"]) == ("2", ["1", "2"])
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert context["identity"]["sourceIp"] == "127.0.0.1" and context["identity"]["userAgent"] == "test/1"
    assert context["identity"]["accessKey"] is None
    assert {
        name: context[name] for name in ("accountId", "apiId", "stage", "path", "resourcePath", "httpMethod", "protocol", "deploymentId")
    } == {
        "accountId": account,
        "apiId": api_id,
        "stage": "prod",
        "path": "/prod/pets/a%2Fb",
        "resourcePath": "/pets/{id}",
        "httpMethod": "POST",
        "protocol": "HTTP/1.1",
        "deploymentId": deployment["id"],
    }
    assert context["domainName"].startswith(f"{api_id}.execute-api.us-east-1.") and context["domainPrefix"] == api_id
    assert context["requestId"] == reply.headers["x-amzn-requestid"]
    assert context["extendedRequestId"] == reply.headers["x-amz-apigw-id"]
    assert isinstance(context["requestTimeEpoch"], int) and context["requestTime"].endswith(" +0000")


def test_what_a_rest_request_has_not_is_null(rest_api, send, function):
    event = send(rest_api({"GET /": lambda_proxy(function(ECHO))}), "GET", "/prod").document
    names = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
    assert [event[name] for name in names] == [None] * 5
    assert event["isBase64Encoded"] is False
    assert "authorizer" not in event["requestContext"] and "apiKey" not in event["requestContext"]["identity"]


def test_the_event_of_payload_2(http_api, send, function, account):
    api_id = http_api(function(ECHO), "ANY /pets/{id}", stage="dev", variables={"colour": "blue"})
    headers = {"Content-Type": "application/json", "User-Agent": "test/1", "Cookie": "a=1; b=2", "X-Mine": "v"}
    reply = send(api_id, "POST", "/dev/pets/a%20b?x=1&x=2&y=%26", headers, b'{"a": 1}')
    event = reply.document
    context = event.pop("requestContext")
    sent = event.pop("headers")
    assert event == {
        "version": "2.0",
        "routeKey": "ANY /pets/{id}",
        "rawPath": "/dev/pets/a b",
        "rawQueryString": "x=1&x=2&y=%26",
        "cookies": ["a=1", "b=2"],
        "queryStringParameters": {"x": "1,2", "y": "&"},
        "pathParameters": {"id": "a b"},
        "stageVariables": {"colour": "blue"},
        "body": '{"a": 1}',
        "isBase64Encoded": False,
    }
    assert (sent["content-type"], sent["x-mine"], sent["x-forwarded-for"]) == ("application/json", "v", "127.0.0.1")
    assert "cookie" not in sent and sent["x-amzn-trace-id"].startswith("Root=1-")
    assert context["http"] == {
        "method": "POST",
        "path": "/dev/pets/a b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test/1",
    }
    assert {name: context[name] for name in ("accountId", "apiId", "stage", "routeKey", "requestId")} == {
        "accountId": account,
        "apiId": api_id,
        "stage": "dev",
        "routeKey": "ANY /pets/{id}",
        "requestId": reply.headers["apigw-requestid"],
    }


def test_what_a_payload_2_request_has_not_is_left_out(http_api, send, function):
    event = send(http_api(function(ECHO)), "GET", "/").document
    assert set(event) == {"version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded"}
    assert (event["routeKey"], event["rawPath"], event["rawQueryString"]) == ("$default", "/", "")


def test_the_event_of_payload_1(http_api, send, function):
    api_id = http_api(function(ECHO), "GET /pets/{id}", version="1.0")
    event = send(api_id, "GET", "/pets/7?x=1&x=2", {"content-type": "text/plain"}).document
    assert (event["version"], event["resource"], event["path"], event["httpMethod"]) == ("1.0", "/pets/{id}", "/pets/7", "GET")
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]} and event["queryStringParameters"] == {"x": "2"}
    assert event["headers"]["Content-Length"] == "0"
    assert event["requestContext"]["resourceId"] == "GET /pets/{id}"
    assert event["body"] is None


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json", b"{}", False),
        ("text/html; charset=utf-8", b"<p>", False),
        ("application/vnd.api+json", b"{}", True),
        ("", b"plain", True),
        ("application/x-www-form-urlencoded", b"a=b", True),
        ("image/png", b"\x89P", True),
    ],
)
def test_an_http_api_encodes_bodies_that_are_no_text(http_api, send, function, content_type, body, encoded):
    event = send(http_api(function(ECHO)), "POST", "/", {"content-type": content_type}, body).document
    assert event["isBase64Encoded"] is encoded


BINARY = """
import base64
def handler(event, context):
    raw = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    return {"statusCode": 200, "headers": {"content-type": "image/png"}, "isBase64Encoded": True, "body": base64.b64encode(raw[::-1]).decode()}
"""


def test_binary_bodies_go_both_ways_through_a_rest_api(rest_api, send, function):
    api_id = rest_api({"POST /": lambda_proxy(function(BINARY))}, binaryMediaTypes=["image/png"])
    reply = send(api_id, "POST", "/prod", {"content-type": "image/png", "accept": "image/png"}, b"\x00\xff\x01")
    assert (reply.body, reply.headers["content-type"]) == (b"\x01\xff\x00", "image/png")


def test_binary_bodies_go_both_ways_through_an_http_api(http_api, send, function):
    reply = send(http_api(function(BINARY)), "POST", "/", {"content-type": "application/octet-stream"}, b"\x00\xff\x01")
    assert reply.body == b"\x01\xff\x00"


ANSWERS = """
import json
def handler(event, context):
    wish = json.loads(event["body"])
    if wish == "raise":
        raise ValueError("no")
    if wish == "slow":
        import time
        time.sleep(2)
    return wish
"""


@pytest.mark.parametrize(
    ("wish", "rest_status", "http_status"),
    [
        ("raise", 502, 500),
        ({"statusCode": "x"}, 502, 500),
        ({"statusCode": 200, "body": {"not": "text"}}, 502, 200),
        (None, 502, 200),
    ],
)
def test_functions_that_fail_or_answer_nonsense(rest_api, http_api, send, function, wish, rest_status, http_status):
    arn = function(ANSWERS)
    body = json.dumps(wish).encode()
    json_type = {"content-type": "application/json"}
    reply = send(rest_api({"POST /": lambda_proxy(arn)}), "POST", "/prod", json_type, body)
    assert (reply.status, reply.document) == (rest_status, {"message": "Internal server error"})
    assert reply.headers["x-amzn-errortype"] == "InternalServerErrorException"
    reply = send(http_api(arn), "POST", "/", json_type, body)
    assert reply.status == http_status
    if http_status == 500:
        assert reply.document == {"message": "Internal Server Error"}


def test_a_function_that_is_late(rest_api, http_api, send, function, client):
    arn = function(ANSWERS)
    rest_id = rest_api({"POST /": lambda_proxy(arn, timeoutInMillis=400)})
    reply = send(rest_id, "POST", "/prod", {"content-type": "application/json"}, b'"slow"')
    assert (reply.status, reply.document) == (504, {"message": "Endpoint request timed out"})


def test_an_api_without_permission_is_an_internal_error_that_can_be_explained(rest_api, http_api, send, function, ground):
    arn = function(ECHO, permitted=False)
    replies = send(rest_api({"GET /": lambda_proxy(arn)}), "GET", "/prod"), send(http_api(arn), "GET", "/")
    assert (replies[0].status, replies[0].document) == (500, {"message": "Internal server error"})
    assert (replies[1].status, replies[1].document) == (500, {"message": "Internal Server Error"})
    for request_id in (replies[0].headers["x-amzn-requestid"], replies[1].headers["apigw-requestid"]):
        assert "lambda:InvokeFunction" in ground.admin("GET", f"/_ground/why/{request_id}")["text"]


def test_a_permission_may_name_one_method(rest_api, send, function, client, account):
    arn = function(ECHO, permitted=False)
    api_id = rest_api({"GET /pets/{id}": lambda_proxy(arn), "POST /pets/{id}": lambda_proxy(arn)})
    client("lambda").add_permission(
        FunctionName=arn,
        StatementId="one",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{account}:{api_id}/*/GET/pets/*",
    )
    assert send(api_id, "GET", "/prod/pets/7").status == 200
    assert send(api_id, "POST", "/prod/pets/7").status == 500


def test_stage_variables_choose_the_function(rest_api, send, function, client):
    arn = function(ECHO)
    prefix, _, name = arn.rpartition(":")
    api_id = rest_api({"GET /": lambda_proxy(f"{prefix}:${{stageVariables.fn}}")}, deploy=False)
    client("apigateway").create_deployment(restApiId=api_id, stageName="prod", variables={"fn": name})
    assert send(api_id, "GET", "/prod").document["stageVariables"] == {"fn": name}


def test_cookies_and_headers_of_payload_2(http_api, send, function):
    wish = {"statusCode": 201, "headers": {"X-A": "b"}, "cookies": ["a=1; Secure", "b=2"], "body": "done"}
    reply = send(http_api(function(ANSWERS)), "POST", "/", {"content-type": "application/json"}, json.dumps(wish).encode())
    assert (reply.status, reply.body, reply.headers["x-a"]) == (201, b"done", "b")
    assert [value for name, value in reply.pairs if name == "set-cookie"] == ["a=1; Secure", "b=2"]
