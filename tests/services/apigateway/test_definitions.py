"""APIs out of OpenAPI definitions, as SAM and people write them."""

import json

import pytest
from botocore.exceptions import ClientError
from tests.services.apigateway.integrations import invocation_uri

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"


def refusal(call, **params):
    with pytest.raises(ClientError) as refused:
        call(**params)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def sam_rest_body(function_arn):
    """What SAM makes of an Api with Cors, ApiKeyRequired and BinaryMediaTypes."""
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": invocation_uri(function_arn)}
    preflight = {
        "type": "mock",
        "requestTemplates": {"application/json": '{\n  "statusCode" : 200\n}\n'},
        "responses": {
            "default": {
                "statusCode": "200",
                "responseTemplates": {"application/json": "{}\n"},
                "responseParameters": {
                    "method.response.header.Access-Control-Allow-Origin": "'*'",
                    "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
                },
            }
        },
    }
    headers = {"Access-Control-Allow-Origin": {"schema": {"type": "string"}}}
    return {
        "openapi": "3.0.1",
        "info": {"version": "1.0", "title": "partners"},
        "paths": {
            "/products/{product_id}/terms": {
                "get": {"x-amazon-apigateway-integration": proxy, "security": [{"api_key": []}], "responses": {}},
                "options": {"x-amazon-apigateway-integration": preflight, "responses": {"200": {"headers": headers}}},
            },
            "/open": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": proxy, "responses": {}}},
        },
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "x-amazon-apigateway-gateway-responses": {"MISSING_AUTHENTICATION_TOKEN": {"statusCode": 404}},
        "components": {"securitySchemes": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
    }


def test_a_rest_api_as_sam_defines_it(client, send, function):
    gateway = client("apigateway")
    api = gateway.import_rest_api(body=json.dumps(sam_rest_body(function(ECHO))), parameters={"endpointConfigurationTypes": "REGIONAL"})
    assert (api["name"], api["version"], api["binaryMediaTypes"]) == ("partners", "1.0", ["image/png"])
    assert api["endpointConfiguration"]["types"] == ["REGIONAL"]
    resources = {each["path"]: each for each in gateway.get_resources(restApiId=api["id"], embed=["methods"])["items"]}
    assert set(resources) == {"/", "/products", "/products/{product_id}", "/products/{product_id}/terms", "/open"}
    assert set(resources["/products/{product_id}/terms"]["resourceMethods"]) == {"GET", "OPTIONS"}
    assert resources["/products/{product_id}/terms"]["resourceMethods"]["GET"]["apiKeyRequired"] is True
    gateway.create_deployment(restApiId=api["id"], stageName="v1")
    reply = send(api["id"], "OPTIONS", "/v1/products/7/terms")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "*")
    assert reply.headers["access-control-allow-methods"] == "GET,OPTIONS"
    assert send(api["id"], "GET", "/v1/products/7/terms").status == 403
    assert send(api["id"], "PATCH", "/v1/open").document["httpMethod"] == "PATCH"
    assert send(api["id"], "GET", "/v1/else").status == 404


def test_overwriting_takes_away_and_merging_adds(client):
    gateway = client("apigateway")
    mock = {"x-amazon-apigateway-integration": {"type": "mock"}, "responses": {}}

    def body(*paths):
        return json.dumps({"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {path: {"get": mock} for path in paths}})

    def paths():
        return {each["path"] for each in gateway.get_resources(restApiId=api_id)["items"]}

    api_id = gateway.import_rest_api(body=body("/a", "/b"))["id"]
    gateway.put_rest_api(restApiId=api_id, mode="merge", body=body("/c"))
    assert paths() == {"/", "/a", "/b", "/c"}
    gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=body("/d/e"))
    assert paths() == {"/", "/d", "/d/e"}


def test_validators_models_and_iam_come_along(client):
    gateway = client("apigateway")
    document = {
        "openapi": "3.0.0",
        "info": {"title": "t", "version": "1"},
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
        "x-amazon-apigateway-request-validator": "all",
        "components": {
            "schemas": {"Pet": {"type": "object"}},
            "securitySchemes": {"sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}},
        },
        "security": [{"sigv4": []}],
        "paths": {
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True}],
                "put": {
                    "operationId": "putPet",
                    "parameters": [{"name": "dry", "in": "query"}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                    "responses": {"200": {"description": "done"}},
                    "x-amazon-apigateway-integration": {"type": "mock"},
                },
            }
        },
    }  # fmt: skip
    api_id = gateway.import_rest_api(body=json.dumps(document))["id"]
    resource = next(each for each in gateway.get_resources(restApiId=api_id)["items"] if each["path"] == "/pets/{id}")
    method = gateway.get_method(restApiId=api_id, resourceId=resource["id"], httpMethod="PUT")
    validator = gateway.get_request_validators(restApiId=api_id)["items"][0]
    assert (method["requestValidatorId"], method["operationName"], method["authorizationType"]) == (validator["id"], "putPet", "AWS_IAM")
    assert method["requestParameters"] == {"method.request.path.id": True, "method.request.querystring.dry": False}
    assert method["requestModels"] == {"application/json": "Pet"}
    assert set(method["methodResponses"]) == {"200"}
    assert json.loads(gateway.get_model(restApiId=api_id, modelName="Pet")["schema"]) == {"type": "object"}


def test_yaml_is_read_too(client):
    body = """
openapi: "3.0.1"
info: {title: yaml, version: "1"}
paths:
  /a:
    get:
      x-amazon-apigateway-integration:
        type: mock
        responses: {default: {statusCode: 200}}
      responses: {200: {description: fine}}
"""
    api = client("apigateway").import_rest_api(body=body)
    assert api["name"] == "yaml"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "BadRequestException"),
        (b"[]", "BadRequestException"),
        (b'{"info": {}}', "BadRequestException"),
        (b'{"openapi": "9.0", "paths": {}}', "BadRequestException"),
        (b'{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a b": {"get": {}}}}', "BadRequestException"),
        (b'{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a": {"get": {"security": [{"none": []}]}}}}', "BadRequestException"),
        (b'{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "aws"}}}}}', "NotImplementedException"),
        (b'{"swagger":' * 5000, "BadRequestException"),
        (b"a: &a [1]\nb: *c\n", "BadRequestException"),
    ],
)  # fmt: skip
def test_definitions_that_are_refused_leave_nothing_behind(client, body, code):
    gateway = client("apigateway")
    assert refusal(gateway.import_rest_api, body=body)[0] == code
    assert gateway.get_rest_apis()["items"] == []


def sam_http_body(function_arn):
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": invocation_uri(function_arn), "payloadFormatVersion": "2.0"}
    return {
        "openapi": "3.0.1",
        "info": {"version": "1.0", "title": "web"},
        "paths": {
            "/products/{product_id}": {"get": {"x-amazon-apigateway-integration": proxy, "responses": {}}},
            "/all": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": proxy, "responses": {}}},
            "/$default": {
                "x-amazon-apigateway-any-method": {"isDefaultRoute": True, "x-amazon-apigateway-integration": proxy, "responses": {}}
            },
        },
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "allowMethods": ["GET"], "maxAge": 600},
        "tags": [{"name": "httpapi:createdBy", "x-amazon-apigateway-tag-value": "SAM"}],
    }


def test_an_http_api_as_sam_defines_it(client, send, function):
    gateway = client("apigatewayv2")
    api = gateway.import_api(Body=json.dumps(sam_http_body(function(ECHO))))
    api_id = api["ApiId"]
    assert (api["Name"], api["Version"], api["Tags"]) == ("web", "1.0", {"httpapi:createdBy": "SAM"})
    assert api["CorsConfiguration"] == {"AllowOrigins": ["*"], "AllowMethods": ["GET"], "MaxAge": 600}
    routes = gateway.get_routes(ApiId=api_id)["Items"]
    assert {route["RouteKey"] for route in routes} == {"GET /products/{product_id}", "ANY /all", "$default"}
    assert len(gateway.get_integrations(ApiId=api_id)["Items"]) == 1
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert send(api_id, "GET", "/products/7").document["pathParameters"] == {"product_id": "7"}
    assert send(api_id, "PATCH", "/all").document["routeKey"] == "ANY /all"
    assert send(api_id, "GET", "/other").document["routeKey"] == "$default"


@pytest.mark.parametrize("kind", ["DEFAULT_4XX", "DEFAULT_4xx"])
def test_gateway_responses_of_a_definition_are_known_in_either_case(client, send, kind):
    gateway = client("apigateway")
    parameters = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
    body = {
        "swagger": "2.0",
        "info": {"title": "t"},
        "paths": {},
        "x-amazon-apigateway-gateway-responses": {kind: {"responseParameters": parameters}},
    }
    api_id = gateway.import_rest_api(body=json.dumps(body))["id"]
    assert gateway.get_gateway_response(restApiId=api_id, responseType="DEFAULT_4XX")["responseParameters"] == parameters
    gateway.put_method(
        restApiId=api_id,
        resourceId=gateway.get_resources(restApiId=api_id)["items"][0]["id"],
        httpMethod="GET",
        authorizationType="AWS_IAM",
    )
    gateway.put_integration(
        restApiId=api_id, resourceId=gateway.get_resources(restApiId=api_id)["items"][0]["id"], httpMethod="GET", type="MOCK"
    )
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    reply = send(api_id, "GET", "/prod/nowhere")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (403, "*")


@pytest.mark.parametrize(("path", "mark"), [("/$default", {}), ("$default", {}), ("$default", {"isDefaultRoute": True})])
def test_the_default_route_is_written_in_several_ways(client, path, mark):
    gateway = client("apigatewayv2")
    body = sam_http_body("arn:aws:lambda:us-east-1:123456789012:function:f")
    operation = body["paths"].pop("/$default")["x-amazon-apigateway-any-method"] | mark
    body["paths"] = {path: {"x-amazon-apigateway-any-method": operation}}
    routes = gateway.get_routes(ApiId=gateway.import_api(Body=json.dumps(body))["ApiId"])["Items"]
    assert [route["RouteKey"] for route in routes] == ["$default"]


def test_importing_again_replaces_routes_and_deploys(client, send, function):
    gateway = client("apigatewayv2")
    body = sam_http_body(function(ECHO))
    api_id = gateway.import_api(Body=json.dumps(body))["ApiId"]
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    del body["paths"]["/$default"], body["x-amazon-apigateway-cors"]
    body["info"]["title"] = "renamed"
    api = gateway.reimport_api(ApiId=api_id, Body=json.dumps(body))
    assert (api["ApiId"], api["Name"], "CorsConfiguration" in api) == (api_id, "renamed", False)
    assert send(api_id, "GET", "/other").status == 404
    assert send(api_id, "GET", "/all").status == 200


@pytest.mark.parametrize(
    ("kind", "accepts"), [("oas30", "application/json"), ("swagger", "application/json"), ("oas30", "application/yaml")]
)
def test_an_exported_rest_api_is_imported_as_the_same(client, kind, accepts):
    gateway = client("apigateway")
    api_id = gateway.import_rest_api(body=json.dumps(sam_rest_body("arn:aws:lambda:us-east-1:123456789012:function:f")))["id"]
    gateway.create_deployment(restApiId=api_id, stageName="v1")

    def export(each):
        answer = gateway.get_export(
            restApiId=each, stageName="v1", exportType=kind, accepts=accepts, parameters={"extensions": "apigateway"}
        )
        assert answer["contentType"] == accepts
        return answer["body"].read()

    first = export(api_id)
    again = gateway.import_rest_api(body=first)["id"]
    gateway.create_deployment(restApiId=again, stageName="v1")
    assert export(again).replace(again.encode(), b"ID") == first.replace(api_id.encode(), b"ID")
    plain = gateway.get_export(restApiId=api_id, stageName="v1", exportType=kind)["body"].read()
    assert b"x-amazon-apigateway-integration" not in plain and b"/products/{product_id}/terms" in plain
    assert refusal(gateway.get_export, restApiId=api_id, stageName="v1", exportType="wsdl") == (
        "BadRequestException",
        "No API exporter for type 'wsdl'",
    )


def test_an_exported_http_api_is_imported_as_the_same(client):
    gateway = client("apigatewayv2")
    api_id = gateway.import_api(Body=json.dumps(sam_http_body("arn:aws:lambda:us-east-1:123456789012:function:f")))["ApiId"]

    def export(each, **more):
        return json.loads(gateway.export_api(ApiId=each, Specification="OAS30", OutputType="JSON", **more)["body"].read())

    first = export(api_id)
    again = export(gateway.import_api(Body=json.dumps(first))["ApiId"])
    assert (again["paths"], again["x-amazon-apigateway-cors"]) == (first["paths"], first["x-amazon-apigateway-cors"])
    assert first["info"] == {"title": "web", "version": "1.0"}
    gateway.create_stage(ApiId=api_id, StageName="dev", AutoDeploy=True)
    staged = export(api_id, StageName="dev", IncludeExtensions=False)
    assert staged["servers"][0]["url"].endswith("/dev") and "x-amazon" not in json.dumps(staged["paths"]["/products/{product_id}"])
