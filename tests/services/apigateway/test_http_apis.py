"""The control plane of HTTP APIs."""

from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def refusal(call, **params):
    with pytest.raises(ClientError) as refused:
        call(**params)
    response = refused.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def gateway(client):
    return client("apigatewayv2")


def test_an_api_is_created_read_changed_and_deleted(gateway, ground):
    api = gateway.create_api(Name="web", ProtocolType="HTTP", Description="d", Tags={"team": "a"})
    api_id = api["ApiId"]
    assert len(api_id) == 10
    assert api["ApiEndpoint"] == f"http://{api_id}.execute-api.us-east-1.{urlsplit(ground.endpoint).netloc}"
    assert (api["ProtocolType"], api["RouteSelectionExpression"]) == ("HTTP", "$request.method $request.path")
    assert (api["ApiKeySelectionExpression"], api["DisableExecuteApiEndpoint"]) == ("$request.header.x-api-key", False)
    assert api["CreatedDate"].year >= 2026
    changed = gateway.update_api(ApiId=api_id, Name="site", CorsConfiguration={"AllowOrigins": ["*"]})
    assert (changed["Name"], changed["CorsConfiguration"], changed["Description"]) == ("site", {"AllowOrigins": ["*"]}, "d")
    gateway.delete_cors_configuration(ApiId=api_id)
    assert "CorsConfiguration" not in gateway.get_api(ApiId=api_id)
    assert [each["ApiId"] for each in gateway.get_apis()["Items"]] == [api_id]
    gateway.delete_api(ApiId=api_id)
    assert gateway.get_apis()["Items"] == []
    assert refusal(gateway.get_api, ApiId=api_id) == ("NotFoundException", f"Invalid API identifier specified {api_id}", 404)


def test_apis_are_listed_page_by_page(gateway):
    made = {gateway.create_api(Name=f"api-{number}", ProtocolType="HTTP")["ApiId"] for number in range(5)}
    pages = list(gateway.get_paginator("get_apis").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Items"]) for page in pages] == [2, 2, 1]
    assert {each["ApiId"] for page in pages for each in page["Items"]} == made


@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}, "NotImplementedException", "WebSocket"),
        ({"ProtocolType": "HTTP", "RouteSelectionExpression": "$request.body"}, "BadRequestException", "routeSelectionExpression"),
        ({"ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}}, "BadRequestException", "allowCredentials"),
        ({"ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": ["shop"]}}, "BadRequestException", "Invalid format for origin shop"),
        ({"ProtocolType": "HTTP", "RouteKey": "GET /"}, "BadRequestException", "Target"),
        ({"ProtocolType": "HTTP", "Target": "nowhere"}, "BadRequestException", "Invalid HTTP endpoint"),
    ],
)  # fmt: skip
def test_apis_that_are_refused(gateway, params, code, sentence):
    found = refusal(gateway.create_api, Name="web", **params)
    assert found[0] == code and sentence in found[1]
    assert gateway.get_apis()["Items"] == []


def test_quick_create_makes_everything(gateway):
    api_id = gateway.create_api(Name="quick", ProtocolType="HTTP", Target=FUNCTION)["ApiId"]
    integration = gateway.get_integrations(ApiId=api_id)["Items"][0]
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert (integration["ApiGatewayManaged"], integration["TimeoutInMillis"], integration["ConnectionType"]) == (True, 30000, "INTERNET")
    route = gateway.get_routes(ApiId=api_id)["Items"][0]
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration['IntegrationId']}")
    stage = gateway.get_stages(ApiId=api_id)["Items"][0]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["LastDeploymentStatusMessage"] == f"Successfully deployed stage with deployment ID '{stage['DeploymentId']}'"
    changed = gateway.update_api(ApiId=api_id, Target=FUNCTION + "2", RouteKey="GET /x")
    assert changed["ApiId"] == api_id
    assert gateway.get_integrations(ApiId=api_id)["Items"][0]["IntegrationUri"] == FUNCTION + "2"
    assert gateway.get_routes(ApiId=api_id)["Items"][0]["RouteKey"] == "GET /x"


def test_routes(gateway):
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    route = gateway.create_route(ApiId=api_id, RouteKey="GET /pets/{id}")
    assert len(route["RouteId"]) == 7
    assert (route["ApiKeyRequired"], route["AuthorizationType"]) == (False, "NONE")
    assert refusal(gateway.create_route, ApiId=api_id, RouteKey="GET /pets/{id}") == (
        "ConflictException",
        "Route with key GET /pets/{id} already exists for this API",
        409,
    )
    for key in ("pets", "FETCH /pets", "GET pets", "GET /{a+}/b", "GET /{a}/{a}", "GET /x{a}"):
        assert refusal(gateway.create_route, ApiId=api_id, RouteKey=key)[0] == "BadRequestException"
    assert refusal(gateway.create_route, ApiId=api_id, RouteKey="GET /", Target="integrations/none")[0] == "BadRequestException"
    changed = gateway.update_route(ApiId=api_id, RouteId=route["RouteId"], RouteKey="POST /pets", OperationName="add")
    assert (changed["RouteKey"], changed["OperationName"]) == ("POST /pets", "add")
    gateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    expected = ("NotFoundException", f"Invalid Route identifier specified {route['RouteId']}", 404)
    assert refusal(gateway.get_route, ApiId=api_id, RouteId=route["RouteId"]) == expected


def test_integrations(gateway):
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri="https://example.com",
        PayloadFormatVersion="1.0",
        RequestParameters={"append:header.a": "1", "append:header.b": "2"},
    )
    integration_id = integration["IntegrationId"]
    changed = gateway.update_integration(
        ApiId=api_id, IntegrationId=integration_id, TimeoutInMillis=100, RequestParameters={"append:header.a": "", "append:header.c": "3"}
    )
    assert changed["RequestParameters"] == {"append:header.b": "2", "append:header.c": "3"} and changed["TimeoutInMillis"] == 100
    route = gateway.create_route(ApiId=api_id, RouteKey="GET /", Target=f"integrations/{integration_id}")
    assert refusal(gateway.delete_integration, ApiId=api_id, IntegrationId=integration_id)[0] == "ConflictException"
    gateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    gateway.delete_integration(ApiId=api_id, IntegrationId=integration_id)
    assert gateway.get_integrations(ApiId=api_id)["Items"] == []


@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({"IntegrationType": "MOCK"}, "BadRequestException", "HTTP protocol based APIs only support"),
        ({"IntegrationType": "AWS_PROXY", "IntegrationUri": "x"}, "BadRequestException", "Invalid integration URI"),
        ({"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "3.0"}, "BadRequestException", "Invalid PayloadFormatVersion"),
        ({"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage"}, "NotImplementedException", "integrations with AWS services"),
        ({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x"}, "BadRequestException", "HttpMethod must be specified"),
        ({"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": "http://x", "ConnectionType": "VPC_LINK"}, "NotImplementedException", "VPC links"),
        ({"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": "http://x", "RequestParameters": {"what": "x"}}, "BadRequestException", "Invalid mapping expression"),
    ],
)  # fmt: skip
def test_integrations_that_are_refused(gateway, params, code, sentence):
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    found = refusal(gateway.create_integration, ApiId=api_id, **params)
    assert found[0] == code and sentence in found[1]


def test_stages_and_deployments(gateway):
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    assert refusal(gateway.create_deployment, ApiId=api_id)[1].startswith("Unable to create a deployment because no routes exist")
    gateway.create_route(ApiId=api_id, RouteKey="GET /")
    deployment = gateway.create_deployment(ApiId=api_id, Description="first")
    assert (deployment["DeploymentStatus"], deployment["AutoDeployed"]) == ("DEPLOYED", False)
    stage = gateway.create_stage(
        ApiId=api_id, StageName="dev", DeploymentId=deployment["DeploymentId"], StageVariables={"a": "1", "b": "2"}
    )
    assert (stage["AutoDeploy"], stage["DefaultRouteSettings"], stage["RouteSettings"]) == (False, {"DetailedMetricsEnabled": False}, {})
    assert refusal(gateway.create_stage, ApiId=api_id, StageName="dev") == ("ConflictException", "Stage already exists", 409)
    changed = gateway.update_stage(ApiId=api_id, StageName="dev", StageVariables={"a": "", "c": "3"}, Description="d")
    assert (changed["StageVariables"], changed["Description"]) == ({"b": "2", "c": "3"}, "d")
    unknown = refusal(gateway.update_stage, ApiId=api_id, StageName="dev", RouteSettings={"GET /x": {"ThrottlingBurstLimit": 1}})
    assert unknown[1] == "Unable to find Route by key GET /x within the provided RouteSettings"
    gateway.update_stage(ApiId=api_id, StageName="dev", RouteSettings={"GET /": {"ThrottlingBurstLimit": 1}})
    gateway.delete_route_settings(ApiId=api_id, StageName="dev", RouteKey="GET /")
    assert gateway.get_stage(ApiId=api_id, StageName="dev")["RouteSettings"] == {}
    active = refusal(gateway.delete_deployment, ApiId=api_id, DeploymentId=deployment["DeploymentId"])
    assert active[1] == "Active stages pointing to this deployment must be moved or deleted"
    automatic = gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert refusal(gateway.create_deployment, ApiId=api_id, StageName="$default")[0] == "BadRequestException"
    gateway.create_route(ApiId=api_id, RouteKey="GET /b")
    assert gateway.get_stage(ApiId=api_id, StageName="$default")["DeploymentId"] != automatic["DeploymentId"]
    assert len(gateway.get_deployments(ApiId=api_id)["Items"]) == 2
    gateway.delete_stage(ApiId=api_id, StageName="dev")
    gateway.delete_deployment(ApiId=api_id, DeploymentId=deployment["DeploymentId"])
    assert refusal(gateway.get_stage, ApiId=api_id, StageName="dev")[1] == "Invalid Stage identifier specified dev"


def test_tags(gateway):
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP", Tags={"a": "1"})["ApiId"]
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=False, Tags={"s": "1"})
    for path, tags in ((f"apis/{api_id}", {"a": "1"}), (f"apis/{api_id}/stages/$default", {"s": "1"})):
        arn = f"arn:aws:apigateway:us-east-1::/{path}"
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == tags
        gateway.tag_resource(ResourceArn=arn, Tags={"b": "2"})
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == tags | {"b": "2"}
        gateway.untag_resource(ResourceArn=arn, TagKeys=["b"])
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == tags


def test_authorizers(gateway):
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    jwt = {"Issuer": "https://issuer.example", "Audience": ["me"]}
    source = ["$request.header.Authorization"]
    found = gateway.create_authorizer(ApiId=api_id, Name="jwt", AuthorizerType="JWT", IdentitySource=source, JwtConfiguration=jwt)
    assert found["JwtConfiguration"] == jwt
    route = gateway.create_route(ApiId=api_id, RouteKey="GET /", AuthorizationType="JWT", AuthorizerId=found["AuthorizerId"])
    assert refusal(gateway.delete_authorizer, ApiId=api_id, AuthorizerId=found["AuthorizerId"])[0] == "ConflictException"
    gateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    gateway.delete_authorizer(ApiId=api_id, AuthorizerId=found["AuthorizerId"])
    assert gateway.get_authorizers(ApiId=api_id)["Items"] == []
    bad = {"Name": "jwt", "AuthorizerType": "JWT", "IdentitySource": source, "JwtConfiguration": {"Issuer": "https://x"}}
    assert refusal(gateway.create_authorizer, ApiId=api_id, **bad)[0] == "BadRequestException"
    assert refusal(gateway.create_route, ApiId=api_id, RouteKey="GET /", AuthorizationType="JWT")[0] == "BadRequestException"
