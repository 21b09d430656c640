"""Access logs: formats, and the lines in the log group."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError
from tests.services.apigateway.integrations import forward, mock

from groundcloud.services.apigateway.gateway.context import Format

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
PUSH = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


@pytest.fixture
def log_group(client, clock, account):
    """`log_group()` -> (ARN, function that gives the lines written)."""
    logs = client("logs")
    logs.create_log_group(logGroupName="access")

    def lines():
        clock.settle()
        return [event["message"] for event in logs.filter_log_events(logGroupName="access")["events"]]

    return f"arn:aws:logs:us-east-1:{account}:log-group:access", lines


def name_role(client):
    role = client("iam").create_role(RoleName="logging", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    client("iam").attach_role_policy(RoleName="logging", PolicyArn=PUSH)
    client("apigateway").update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])


def log_to(client, api_id, arn, form):
    patches = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn},
        {"op": "replace", "path": "/accessLogSettings/format", "value": form},
    ]
    client("apigateway").update_stage(restApiId=api_id, stageName="prod", patchOperations=patches)


def test_a_rest_api_logs_every_request(rest_api, send, client, log_group, account):
    arn, lines = log_group
    api_id = rest_api({"GET /pets/{id}": mock('{"a": 1}')})
    with pytest.raises(ClientError, match="CloudWatch Logs role ARN must be set in account settings to enable logging"):
        log_to(client, api_id, arn, "$context.requestId")
    name_role(client)
    form = (
        '{"id":"$context.requestId","ip":"$context.identity.sourceIp","agent":"$context.identity.userAgent","route":"$context.httpMethod '
        '$context.resourcePath","path":"$context.path","status":$context.status,"bytes":$context.responseLength,"stage":"$context.stage",'
        '"api":"$context.apiId","account":"$context.accountId","integration":"$context.integrationStatus","user":"$context.identity.user",'
        '"error":"$context.error.message","type":"$context.error.responseType","epoch":$context.requestTimeEpoch}'
    )
    log_to(client, api_id, arn, form)
    reply = send(api_id, "GET", "/prod/pets/7", {"user-agent": "test/1"})
    refused = send(api_id, "GET", "/prod/nothing")
    first, second = (json.loads(line) for line in lines())
    assert isinstance(first.pop("epoch"), int)
    assert first == {
        "id": reply.headers["x-amzn-requestid"],
        "ip": "127.0.0.1",
        "agent": "test/1",
        "route": "GET /pets/{id}",
        "path": "/prod/pets/7",
        "status": 200,
        "bytes": 8,
        "stage": "prod",
        "api": api_id,
        "account": account,
        "integration": "200",
        "user": "-",
        "error": "-",
        "type": "-",
    }
    assert (second["id"], second["status"], second["route"]) == (refused.headers["x-amzn-requestid"], 403, "GET -")
    assert (second["error"], second["type"]) == ("Missing Authentication Token", "MISSING_AUTHENTICATION_TOKEN")


def test_a_role_that_may_not_write_keeps_the_log_empty(rest_api, send, client, log_group):
    arn, lines = log_group
    api_id = rest_api({"GET /": mock()})
    name_role(client)
    client("iam").detach_role_policy(RoleName="logging", PolicyArn=PUSH)
    log_to(client, api_id, arn, "$context.requestId")
    assert send(api_id, "GET", "/prod").status == 200
    assert lines() == []


def test_an_http_api_logs_every_request(client, send, log_group, echo):
    arn, lines = log_group
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP", Target=f"{echo}/status/201")["ApiId"]
    form = "$context.requestId $context.routeKey $context.status $context.protocol $context.integrationLatency $context.integration.status"
    gateway.update_stage(ApiId=api_id, StageName="$default", AccessLogSettings={"DestinationArn": arn, "Format": form})
    replies = [send(api_id, "GET", f"/{number}") for number in range(3)]
    found = [line.split(" ") for line in lines()]
    assert [line[0] for line in found] == [reply.headers["apigw-requestid"] for reply in replies]
    assert found[0][1:4] == ["$default", "201", "HTTP/1.1"] and found[0][4].isdigit() and found[0][5] == "201"
    gateway.delete_access_log_settings(ApiId=api_id, StageName="$default")
    send(api_id, "GET", "/")
    assert len(lines()) == 3


def test_an_unreachable_endpoint_is_in_the_log(rest_api, send, client, log_group):
    arn, lines = log_group
    api_id = rest_api({"GET /": forward("http://127.0.0.1:1/")})
    name_role(client)
    log_to(client, api_id, arn, "$context.status $context.integrationErrorMessage")
    send(api_id, "GET", "/prod")
    assert lines()[0].startswith("502 Network error communicating with endpoint: ")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"DestinationArn": "nowhere", "Format": "$context.requestId"}, "Invalid ARN specified in the request"),
        ({"DestinationArn": "arn:aws:s3:::bucket", "Format": "$context.requestId"}, "ARNs must start with"),
        ({"DestinationArn": "arn:aws:logs:us-east-1:123456789012:log-group:g", "Format": "no id"}, r"must contain the context variable \$context.requestId"),
        ({"DestinationArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/amazon-apigateway-x", "Format": "$context.requestId"}, "Firehose"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(client, settings, sentence):
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    with pytest.raises(ClientError, match=sentence):
        gateway.create_stage(ApiId=api_id, StageName="dev", AccessLogSettings=settings)


def test_a_format_without_variables_is_itself():
    assert Format("plain {} $other").render(None) == "plain {} $other"  # type: ignore[arg-type]


def test_execution_logs_tell_the_steps_of_a_request(rest_api, send, client, clock):
    api_id = rest_api({"GET /pets/{id}": mock('{"a": 1}'), "GET /gone": forward("http://127.0.0.1:1/")})
    name_role(client)
    patches = [
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
        {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
        {"op": "replace", "path": "/~1gone/GET/logging/loglevel", "value": "ERROR"},
    ]
    client("apigateway").update_stage(restApiId=api_id, stageName="prod", patchOperations=patches)
    fine = send(api_id, "GET", "/prod/pets/7?x=1", {"authorization": "secret"}).headers["x-amzn-requestid"]
    failed = send(api_id, "GET", "/prod/gone").headers["x-amzn-requestid"]
    clock.settle()
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    lines = [event["message"] for event in client("logs").filter_log_events(logGroupName=group)["events"]]
    mine = [line.removeprefix(f"({fine}) ") for line in lines if fine in line]
    assert mine[1:5] == [
        f"Starting execution for request: {fine}",
        "HTTP Method: GET, Resource Path: /pets/7",
        'Method request path: {"id":"7"}',
        "Method request query string: x=1",
    ]
    assert mine[-2:] == ["Successfully completed execution", "Method completed with status: 200"]
    assert "secret" not in "".join(mine)
    errors = [line.removeprefix(f"({failed}) ") for line in lines if failed in line]
    assert errors[0].startswith("Execution failed: Network error communicating with endpoint: ")
    assert errors[1:] == ["Gateway response type: INTEGRATION_FAILURE with status code: 502"]


@pytest.mark.slow
def test_lines_that_wait_are_written_when_the_server_ends(process):
    client = process.client
    client("logs").create_log_group(logGroupName="access")
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP", Target="http://127.0.0.1:1/")["ApiId"]
    settings = {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:access", "Format": "$context.requestId $context.status"}
    gateway.update_stage(ApiId=api_id, StageName="$default", AccessLogSettings=settings)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{process.endpoint}/_aws/execute-api/{api_id}/$default/")
    process.stop()
    process.start()
    lines = [event["message"] for event in process.client("logs").filter_log_events(logGroupName="access")["events"]]
    assert len(lines) == 1 and lines[0].endswith(" 500")
