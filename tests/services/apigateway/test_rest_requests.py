"""Requests to REST APIs: routing, mocks, forwarding, the gateway's own answers."""

import gzip
from urllib.parse import urlsplit

import pytest
from tests.services.apigateway.integrations import forward, mock


def test_a_mock_answers_with_its_template_and_headers(rest_api, send):
    api_id = rest_api({"GET /pets": mock('{"pets": []}', responseParameters={"method.response.header.X-Kind": "'mock'"})})
    reply = send(api_id, "GET", "/prod/pets")
    assert (reply.status, reply.body) == (200, b'{"pets": []}')
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-kind"] == "mock"
    assert len(reply.headers["x-amzn-requestid"]) == 36
    assert reply.headers["x-amz-apigw-id"].endswith("=")


@pytest.mark.parametrize(
    ("method", "path", "seen"),
    [
        ("GET", "/prod/pets", "exact"),
        ("GET", "/prod/pets/", "exact"),
        ("GET", "/prod//pets", "exact"),
        ("GET", "/prod/pets/7", "variable"),
        ("PUT", "/prod/pets/7", "any"),
        ("GET", "/prod/pets/7/toys/1", "greedy"),
        ("GET", "/prod", "root"),
        ("GET", "/prod/", "root"),
    ],
)
def test_a_path_finds_its_most_specific_resource(rest_api, send, method, path, seen):
    api_id = rest_api(
        {
            "GET /": mock('"root"'),
            "GET /pets": mock('"exact"'),
            "GET /pets/{id}": mock('"variable"'),
            "ANY /pets/{id}": mock('"any"'),
            "ANY /{proxy+}": mock('"greedy"'),
        }
    )
    assert send(api_id, method, path).document == seen


@pytest.mark.parametrize(("method", "path"), [("GET", "/prod/nothing"), ("POST", "/prod/pets"), ("GET", "/prod/pets/1")])
def test_an_unknown_route_is_a_missing_token(rest_api, send, method, path):
    reply = send(rest_api({"GET /pets": mock()}), method, path)
    assert (reply.status, reply.document) == (403, {"message": "Missing Authentication Token"})
    assert reply.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_an_unknown_stage_is_forbidden(rest_api, send):
    api_id = rest_api({"GET /pets": mock()})
    for path in ("/other/pets", "/", "/pets"):
        reply = send(api_id, "GET", path)
        assert (reply.status, reply.document) == (403, {"message": "Forbidden"})
        assert reply.headers["x-amzn-errortype"] == "ForbiddenException"


def test_an_unknown_api_is_forbidden(send):
    assert send("zzzzzzzzzz", "GET", "/prod/x").status == 403


def test_path_forms_for_clients_that_cannot_resolve_names(rest_api, send, ground):
    api_id = rest_api({"GET /pets/{id}": mock('"found"')})
    host = urlsplit(ground.endpoint).netloc
    for path in (f"/restapis/{api_id}/prod/_user_request_/pets/7", f"/_aws/execute-api/{api_id}/prod/pets/7"):
        assert send("", "GET", path, host=host).document == "found"


def test_a_deployment_is_a_snapshot(rest_api, send, client):
    api_id = rest_api({"GET /pets": mock('"before"')})
    gateway = client("apigateway")
    resource = next(each for each in gateway.get_resources(restApiId=api_id)["items"] if each["path"] == "/pets")
    place = {"restApiId": api_id, "resourceId": resource["id"], "httpMethod": "GET"}
    gateway.update_integration_response(
        **place, statusCode="200", patchOperations=[{"op": "replace", "path": "/responseTemplates/application~1json", "value": '"after"'}]
    )
    assert send(api_id, "GET", "/prod/pets").document == "before"
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    assert send(api_id, "GET", "/prod/pets").document == "after"


def test_a_stage_can_go_back_to_an_earlier_deployment(rest_api, send, client):
    api_id = rest_api({"GET /pets": mock('"first"')})
    gateway = client("apigateway")
    first = gateway.get_stage(restApiId=api_id, stageName="prod")["deploymentId"]
    gateway.delete_resource(
        restApiId=api_id,
        resourceId=next(each["id"] for each in gateway.get_resources(restApiId=api_id)["items"] if each["path"] == "/pets"),
    )
    root = gateway.get_rest_api(restApiId=api_id)["rootResourceId"]
    gateway.put_method(restApiId=api_id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api_id, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    assert send(api_id, "GET", "/prod/pets").status == 403
    gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=[{"op": "replace", "path": "/deploymentId", "value": first}])
    assert send(api_id, "GET", "/prod/pets").document == "first"


def test_an_endpoint_gets_the_request_as_the_client_sent_it(rest_api, send, echo):
    api_id = rest_api(
        {
            "ANY /{proxy+}": forward(
                f"{echo}/base/{{proxy}}", requestParameters={"integration.request.path.proxy": "method.request.path.proxy"}
            )
        }
    )
    reply = send(api_id, "POST", "/prod/a/b%20c?x=1&x=2&y=%26", {"content-type": "text/plain", "x-mine": "yes"}, b"hello")
    seen = reply.document
    assert (reply.status, reply.headers["x-backend"]) == (200, "echo")
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/base/a/b%20c?x=1&x=2&y=%26", "hello")
    assert (seen["headers"]["x-mine"], seen["headers"]["content-type"]) == ("yes", "text/plain")
    assert seen["headers"]["host"] == urlsplit(echo).netloc
    assert seen["headers"]["x-amzn-apigateway-api-id"] == api_id


def test_an_integration_adds_parameters_of_its_own(rest_api, send, echo):
    api_id = rest_api(
        {
            "GET /pets/{id}": forward(
                f"{echo}/animals",
                "POST",
                requestParameters={
                    "integration.request.querystring.id": "method.request.path.id",
                    "integration.request.header.x-stage": "context.stage",
                    "integration.request.header.x-fixed": "'fixed'",
                    "integration.request.header.x-absent": "method.request.header.nothing",
                },
            )
        }
    )
    seen = send(api_id, "GET", "/prod/pets/7").document
    assert (seen["method"], seen["path"]) == ("POST", "/animals?id=7")
    assert (seen["headers"]["x-stage"], seen["headers"]["x-fixed"]) == ("prod", "fixed")
    assert "x-absent" not in seen["headers"]


def test_stage_variables_are_put_into_an_endpoints_address(rest_api, send, echo, client):
    api_id = rest_api({"GET /": forward("http://${stageVariables.host}/${stageVariables.path}")}, deploy=False)
    variables = {"host": urlsplit(echo).netloc, "path": "there"}
    client("apigateway").create_deployment(restApiId=api_id, stageName="prod", variables=variables)
    assert send(api_id, "GET", "/prod").document["path"] == "/there"


@pytest.mark.parametrize(("path", "body"), [("/chunked", b"abcde"), ("/until-closed", b"to the end"), ("/binary", b"\x00\xff\x01")])
def test_answers_of_every_framing_come_through(rest_api, send, echo, path, body):
    api_id = rest_api({"GET /": forward(echo + path)})
    assert [send(api_id, "GET", "/prod").body for _ in range(3)] == [body] * 3


@pytest.mark.parametrize("status", [204, 301, 404, 500])
def test_an_endpoints_status_is_the_clients(rest_api, send, echo, status):
    assert send(rest_api({"GET /": forward(f"{echo}/status/{status}")}), "GET", "/prod").status == status


def test_an_endpoint_that_is_not_there_or_not_http_is_502(rest_api, send, echo):
    api_id = rest_api({"GET /gone": forward("http://127.0.0.1:1/"), "GET /broken": forward(f"{echo}/broken")})
    for path in ("/prod/gone", "/prod/broken"):
        reply = send(api_id, "GET", path)
        assert (reply.status, reply.document) == (502, {"message": "Internal server error"})


def test_an_endpoint_that_is_late_is_504(rest_api, send, echo):
    reply = send(rest_api({"GET /": forward(f"{echo}/slow", timeoutInMillis=50)}), "GET", "/prod")
    assert (reply.status, reply.document) == (504, {"message": "Endpoint request timed out"})


def test_a_body_past_ten_megabytes_is_413(rest_api, send, echo):
    api_id = rest_api({"POST /": forward(echo)})
    reply = send(api_id, "POST", "/prod", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (reply.status, reply.document["message"]) == (413, "HTTP content length exceeded 10485760 bytes.")
    assert send(api_id, "POST", "/prod", body=b"x" * 1024).status == 200


def test_a_mock_chooses_its_response_by_status(rest_api, send):
    integration = mock('"teapot"', status="418")
    integration["responses"]["418"]["selectionPattern"] = "4\\d{2}"
    assert send(rest_api({"GET /": integration}), "GET", "/prod").status == 418


@pytest.mark.parametrize("template", ["{statusCode:204}", "{ statusCode: 204 }", "{'statusCode': '204'}", '{"statusCode" : 204}\n'])
def test_a_mocks_template_need_not_be_json(rest_api, send, template):
    integration = mock("", status="204") | {"requestTemplates": {"application/json": template}}
    reply = send(rest_api({"OPTIONS /": integration}), "OPTIONS", "/prod")
    assert (reply.status, reply.body) == (204, b"")


def test_a_mock_without_an_answer_is_a_configuration_error(rest_api, send):
    api_id = rest_api({"GET /": {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}})
    reply = send(api_id, "GET", "/prod")
    assert (reply.status, reply.document) == (500, {"message": "Internal server error"})


def test_gateway_responses_are_customised(rest_api, send, client):
    api_id = rest_api({"GET /": mock()}, deploy=False)
    client("apigateway").put_gateway_response(
        restApiId=api_id,
        responseType="MISSING_AUTHENTICATION_TOKEN",
        statusCode="404",
        responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        responseTemplates={"application/json": '{"error": $context.error.messageString, "stage": "$context.stage"}'},
    )
    client("apigateway").create_deployment(restApiId=api_id, stageName="prod")
    reply = send(api_id, "GET", "/prod/other")
    assert (reply.status, reply.document) == (404, {"error": "Missing Authentication Token", "stage": "prod"})
    assert reply.headers["access-control-allow-origin"] == "*"


def test_a_default_gateway_response_stands_for_all_of_its_class(rest_api, send, client):
    api_id = rest_api({"GET /": mock()}, deploy=False)
    client("apigateway").put_gateway_response(
        restApiId=api_id, responseType="DEFAULT_4XX", responseParameters={"gatewayresponse.header.x-class": "'client'"}
    )
    client("apigateway").create_deployment(restApiId=api_id, stageName="prod")
    reply = send(api_id, "GET", "/prod/other")
    assert (reply.status, reply.headers["x-class"]) == (403, "client")


def test_a_disabled_endpoint_answers_nobody(rest_api, send, client):
    api_id = rest_api({"GET /": mock()})
    patch = [{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}]
    client("apigateway").update_rest_api(restApiId=api_id, patchOperations=patch)
    assert send(api_id, "GET", "/prod").status == 403


def test_method_settings_throttle_each_method(rest_api, send, client, clock):
    api_id = rest_api({"GET /a": mock(), "GET /b": mock()})
    client("apigateway").update_stage(
        restApiId=api_id,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "0.1"},
            {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "2"},
            {"op": "replace", "path": "/~1b/GET/throttling/rateLimit", "value": "1000"},
            {"op": "replace", "path": "/~1b/GET/throttling/burstLimit", "value": "1000"},
        ],
    )
    replies = [send(api_id, "GET", "/prod/a") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].document == {"message": "Too Many Requests"}
    assert replies[2].headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert [send(api_id, "GET", "/prod/b").status for _ in range(3)] == [200] * 3
    clock.advance("10s")
    assert [send(api_id, "GET", "/prod/a").status for _ in range(2)] == [200, 429]


def test_calls_leave_records_for_metrics(rest_api, send, ground, client):
    api_id = rest_api({"GET /pets/{id}": mock()})
    send(api_id, "GET", "/prod/pets/7")
    name = client("apigateway").get_rest_api(restApiId=api_id)["name"]
    records = [each for each in ground.ground.telemetry.recent if each.dimensions.get("ApiName") == name]
    assert [(each.operation, each.status, each.dimensions["Stage"]) for each in records] == [("GET /pets/{id}", 200, "prod")]
    assert records[0].units == {"IntegrationLatency": 0}


def test_validators_check_parameters_and_bodies(rest_api, send, client, echo):
    api_id = rest_api({"POST /pets": forward(echo)}, deploy=False)
    gateway = client("apigateway")
    validator = gateway.create_request_validator(restApiId=api_id, name="all", validateRequestBody=True, validateRequestParameters=True)[
        "id"
    ]
    schema = '{"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}'
    gateway.create_model(restApiId=api_id, name="Pet", contentType="application/json", schema=schema)
    resource = next(each for each in gateway.get_resources(restApiId=api_id)["items"] if each["path"] == "/pets")
    gateway.update_method(
        restApiId=api_id,
        resourceId=resource["id"],
        httpMethod="POST",
        patchOperations=[
            {"op": "replace", "path": "/requestValidatorId", "value": validator},
            {"op": "add", "path": "/requestModels/application~1json", "value": "Pet"},
            {"op": "add", "path": "/requestParameters/method.request.querystring.owner", "value": "true"},
        ],
    )
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    json_type = {"content-type": "application/json"}
    missing = send(api_id, "POST", "/prod/pets", json_type, b'{"name": "rex"}')
    assert (missing.status, missing.document) == (400, {"message": "Missing required request parameters: [owner]"})
    for body in (b'{"name": 7}', b"{}", b"nothing"):
        wrong = send(api_id, "POST", "/prod/pets?owner=me", json_type, body)
        assert (wrong.status, wrong.document) == (400, {"message": "Invalid request body"})
        assert wrong.headers["x-amzn-errortype"] == "BadRequestException"
    assert send(api_id, "POST", "/prod/pets?owner=me", json_type, b'{"name": "rex"}').status == 200


def test_answers_are_compressed_for_clients_that_accept_it(rest_api, send):
    api_id = rest_api({"GET /long": mock('"' + "x" * 500 + '"'), "GET /short": mock('"x"')}, minimumCompressionSize=100)
    reply = send(api_id, "GET", "/prod/long", {"accept-encoding": "br, gzip"})
    assert reply.headers["content-encoding"] == "gzip" and gzip.decompress(reply.body) == b'"' + b"x" * 500 + b'"'
    for path, accepted in (("/prod/short", "gzip"), ("/prod/long", "br"), ("/prod/long", "gzip;q=0")):
        assert "content-encoding" not in send(api_id, "GET", path, {"accept-encoding": accepted}).headers


def test_an_api_that_compresses_unpacks_too(rest_api, send, echo):
    api_id = rest_api({"POST /": forward(echo)}, minimumCompressionSize=100_000)
    seen = send(api_id, "POST", "/prod", {"content-encoding": "gzip"}, gzip.compress(b"hello")).document
    assert seen["body"] == "hello" and "content-encoding" not in seen["headers"]
    assert send(api_id, "POST", "/prod", {"content-encoding": "gzip"}, b"no gzip").status == 400
    bomb = gzip.compress(b"\0" * (11 * 1024 * 1024))
    assert send(api_id, "POST", "/prod", {"content-encoding": "gzip"}, bomb).status == 413


def test_a_query_string_that_is_no_text_is_a_bad_request(rest_api, send, echo):
    reply = send(rest_api({"GET /": forward(echo)}), "GET", "/prod?a=%ff")
    assert (reply.status, reply.document) == (400, {"message": "Bad Request"})


def test_an_integration_may_name_the_host_that_its_endpoint_sees(rest_api, send, echo):
    parameters = {"integration.request.header.Host": "'inner.example'", "integration.request.header.bad name": "'x'"}
    seen = send(rest_api({"GET /": forward(echo, requestParameters=parameters)}), "GET", "/prod").document
    assert seen["headers"]["host"] == "inner.example" and "bad name" not in seen["headers"]
