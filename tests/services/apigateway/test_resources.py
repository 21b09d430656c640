"""CloudFormation types: stacks that make, change and take away APIs."""

import asyncio
import json
import time

import pytest

TERMINAL = ("COMPLETE", "FAILED")


@pytest.fixture
def stack(client):
    """`stack(template)` creates or updates the stack of this test and gives its outputs; `stack(None)` deletes it."""
    formation = client("cloudformation")
    known: list[str] = []

    def finished(name):
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            found = formation.describe_stacks(StackName=name)["Stacks"][0]
            if found["StackStatus"].endswith(TERMINAL) and "IN_PROGRESS" not in found["StackStatus"]:
                return found
            time.sleep(0.02)
        raise AssertionError("the stack does not settle")

    def apply(template):
        if template is None:
            formation.delete_stack(StackName=known[0])
            assert finished(known[0])["StackStatus"] == "DELETE_COMPLETE"
            return {}
        body = json.dumps(template)
        if known:
            formation.update_stack(StackName=known[0], TemplateBody=body)
        else:
            known.append(formation.create_stack(StackName="apis", TemplateBody=body)["StackId"])
        found = finished(known[0])
        reasons = [
            event.get("ResourceStatusReason")
            for event in formation.describe_stack_events(StackName=known[0])["StackEvents"]
            if event["ResourceStatus"].endswith("FAILED")
        ]
        assert found["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), reasons
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    return apply


def outputs(**values):
    return {name: {"Value": value} for name, value in values.items()}


def ref(name):
    return {"Ref": name}


def rest_template(colour="blue", burst=100, description="first"):
    mock = {
        "Type": "MOCK",
        "RequestTemplates": {"application/json": '{"statusCode": 200}'},
        "IntegrationResponses": [{"StatusCode": 200, "ResponseTemplates": {"application/json": f'"{colour}"'}}],
    }
    method = {
        "RestApiId": ref("Api"),
        "HttpMethod": "GET",
        "AuthorizationType": "NONE",
        "Integration": mock,
        "MethodResponses": [{"StatusCode": 200}],
    }
    return {
        "Resources": {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "pets", "Description": description, "BinaryMediaTypes": ["image/png"]}},
            "Pets": {"Type": "AWS::ApiGateway::Resource", "Properties": {"RestApiId": ref("Api"), "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]}, "PathPart": "pets"}},
            "GetPets": {"Type": "AWS::ApiGateway::Method", "Properties": method | {"ResourceId": ref("Pets"), "ApiKeyRequired": "true"}},
            f"Deployment{colour}": {"Type": "AWS::ApiGateway::Deployment", "DependsOn": "GetPets", "Properties": {"RestApiId": ref("Api")}},
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "RestApiId": ref("Api"),
                    "DeploymentId": ref(f"Deployment{colour}"),
                    "StageName": "live",
                    "Variables": {"colour": colour},
                    "MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingBurstLimit": burst, "ThrottlingRateLimit": "50.5"}],
                },
            },
            "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": "true", "StageKeys": [{"RestApiId": ref("Api"), "StageName": ref("Stage")}]}},
            "Plan": {
                "Type": "AWS::ApiGateway::UsagePlan",
                "Properties": {
                    "ApiStages": [{"ApiId": ref("Api"), "Stage": ref("Stage")}],
                    "Throttle": {"RateLimit": "20", "BurstLimit": burst},
                    "Quota": {"Limit": 10000, "Period": "DAY"},
                },
            },
            "PlanKey": {"Type": "AWS::ApiGateway::UsagePlanKey", "Properties": {"KeyId": ref("Key"), "KeyType": "API_KEY", "UsagePlanId": ref("Plan")}},
            "NotFound": {
                "Type": "AWS::ApiGateway::GatewayResponse",
                "Properties": {"RestApiId": ref("Api"), "ResponseType": "DEFAULT_4XX", "ResponseParameters": {"gatewayresponse.header.x-class": "'4'"}},
            },
            "Model": {"Type": "AWS::ApiGateway::Model", "Properties": {"RestApiId": ref("Api"), "Name": "Pet", "Schema": {"type": "object"}}},
            "Validator": {"Type": "AWS::ApiGateway::RequestValidator", "Properties": {"RestApiId": ref("Api"), "Name": "v", "ValidateRequestBody": True}},
        },
        "Outputs": outputs(Api=ref("Api"), Stage=ref("Stage"), Key=ref("Key"), Plan=ref("Plan")),
    }  # fmt: skip


def test_a_rest_api_piece_by_piece(stack, client, send):
    gateway = client("apigateway")
    made = stack(rest_template())
    api_id = made["Api"]
    assert made["Stage"] == "live"
    value = gateway.get_api_key(apiKey=made["Key"], includeValue=True)["value"]
    assert send(api_id, "GET", "/live/pets").status == 403
    assert send(api_id, "GET", "/live/pets", {"x-api-key": value}).document == "blue"
    assert gateway.get_rest_api(restApiId=api_id)["tags"]["aws:cloudformation:stack-name"] == "apis"
    stage = gateway.get_stage(restApiId=api_id, stageName="live")
    assert stage["methodSettings"] == {"*/*": {"throttlingBurstLimit": 100, "throttlingRateLimit": 50.5}}
    again = stack(rest_template("green", 7, "second"))
    assert again == made
    assert send(api_id, "GET", "/live/pets", {"x-api-key": value}).document == "green"
    assert gateway.get_rest_api(restApiId=api_id)["description"] == "second"
    stage = gateway.get_stage(restApiId=api_id, stageName="live")
    assert (stage["variables"], stage["methodSettings"]["*/*"]["throttlingBurstLimit"]) == ({"colour": "green"}, 7)
    assert gateway.get_usage_plan(usagePlanId=made["Plan"])["throttle"] == {"rateLimit": 20.0, "burstLimit": 7}
    assert len(gateway.get_deployments(restApiId=api_id)["items"]) == 1
    stack(None)
    assert gateway.get_rest_apis()["items"] == [] and gateway.get_api_keys()["items"] == [] and gateway.get_usage_plans()["items"] == []


def body_template(path="/a", title="t"):
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200"}},
    }
    body = {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1"},
        "paths": {path: {"get": {"x-amazon-apigateway-integration": mock, "responses": {}}}},
    }
    name = f"Deployment{path.strip('/')}"
    return {
        "Resources": {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "by-body", "Body": body, "Parameters": {"endpointConfigurationTypes": "REGIONAL"}}},
            name: {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": ref("Api")}},
            "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": ref("Api"), "DeploymentId": ref(name), "StageName": "v1"}},
        },
        "Outputs": outputs(Api=ref("Api")),
    }  # fmt: skip


def test_a_rest_api_by_its_definition(stack, client, send):
    gateway = client("apigateway")
    api_id = stack(body_template())["Api"]
    assert gateway.get_rest_api(restApiId=api_id)["name"] == "by-body"
    assert send(api_id, "GET", "/v1/a").status == 200
    assert stack(body_template("/b"))["Api"] == api_id
    assert (send(api_id, "GET", "/v1/a").status, send(api_id, "GET", "/v1/b").status) == (403, 200)
    assert gateway.get_rest_api(restApiId=api_id)["name"] == "by-body"
    stack(None)
    assert gateway.get_rest_apis()["items"] == []


def http_template(echo, path="/a", burst=10):
    return {
        "Resources": {
            "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "web", "ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": ["*"], "MaxAge": "60"}, "Tags": {"team": "a"}}},
            "Integration": {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": ref("Api"),
                    "IntegrationType": "HTTP_PROXY",
                    "IntegrationMethod": "ANY",
                    "IntegrationUri": echo + path,
                    "PayloadFormatVersion": "1.0",
                    "ResponseParameters": {"200": {"ResponseParameters": [{"Destination": "append:header.x-by", "Source": "stack"}]}},
                },
            },
            "Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"ApiId": ref("Api"), "RouteKey": f"GET {path}", "Target": {"Fn::Sub": "integrations/${Integration}"}}},
            "Stage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": ref("Api"), "StageName": "$default", "AutoDeploy": True, "DefaultRouteSettings": {"ThrottlingBurstLimit": burst, "ThrottlingRateLimit": 10}},
            },
        },
        "Outputs": outputs(Api=ref("Api"), Endpoint={"Fn::GetAtt": ["Api", "ApiEndpoint"]}, Stage=ref("Stage")),
    }  # fmt: skip


def test_an_http_api_piece_by_piece(stack, client, send, echo, ground):
    gateway = client("apigatewayv2")
    made = stack(http_template(echo))
    api_id = made["Api"]
    assert made["Endpoint"] == f"http://{api_id}.execute-api.us-east-1.{ground.endpoint.removeprefix('http://')}"
    assert made["Stage"] == "$default"
    reply = send(api_id, "GET", "/a", {"origin": "http://x"})
    assert (reply.document["path"], reply.headers["x-by"], reply.headers["access-control-allow-origin"]) == ("/a", "stack", "*")
    assert stack(http_template(echo, "/b", 20)) == made
    assert (send(api_id, "GET", "/a").status, send(api_id, "GET", "/b").status) == (404, 200)
    stage = gateway.get_stage(ApiId=api_id, StageName="$default")
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 20
    assert gateway.get_api(ApiId=api_id)["Tags"]["team"] == "a"
    stack(None)
    assert gateway.get_apis()["Items"] == []


def created_again(ground, account, type_name, properties, **more):
    """What the type's create gives when it is called anew after the server ended in the middle of the first time."""
    from groundcloud.auth.principals import Principal
    from groundcloud.kernel.resource import ResourceRequest
    from groundcloud.services.apigateway.state import ATTEMPTS

    kind = ground.ground.resource_types.find(type_name)
    root = Principal("root", f"arn:aws:iam::{account}:root", account, "", account)
    tags = {"aws:cloudformation:stack-id": "stack", "aws:cloudformation:logical-id": "Thing"}
    request = ResourceRequest(
        type_name, "Thing", properties, "apis", "stack", tags=tags, random_suffix="ABCDEFGHIJKL", token=f"token-{account}"
    )

    async def twice():
        call = ground.ground.background_call("cloudformation", "CreateStack", account, "us-east-1", root)
        first = await kind.create(call, request)
        with call.transaction() as tx:
            ATTEMPTS.put(tx, request.token)
        return first, await kind.create(call, request)

    loop = ground._server.servers[0].get_loop()
    return asyncio.run_coroutine_threadsafe(twice(), loop).result(20)


def test_creating_again_what_a_kill_cut_short_leaves_one(ground, account, client, rest_api):
    gateway, http = client("apigateway"), client("apigatewayv2")
    for type_name, listed in (("AWS::ApiGateway::RestApi", lambda: gateway.get_rest_apis()["items"]), ("AWS::ApiGatewayV2::Api", lambda: http.get_apis()["Items"])):  # fmt: skip
        created_again(ground, account, type_name, {"Name": "a"})
        assert len(listed()) == 1
    created_again(ground, account, "AWS::ApiGateway::ApiKey", {"Enabled": True})
    assert len(gateway.get_api_keys()["items"]) == 1
    created_again(ground, account, "AWS::ApiGateway::UsagePlan", {})
    assert len(gateway.get_usage_plans()["items"]) == 1
    api_id = gateway.get_rest_apis()["items"][0]["id"]
    root = gateway.get_rest_api(restApiId=api_id)["rootResourceId"]
    first, second = created_again(ground, account, "AWS::ApiGateway::Resource", {"RestApiId": api_id, "ParentId": root, "PathPart": "x"})
    assert first.physical_id == second.physical_id
    method = {"RestApiId": api_id, "ResourceId": root, "HttpMethod": "GET", "Integration": {"Type": "MOCK"}}
    created_again(ground, account, "AWS::ApiGateway::Method", method)
    route = {"ApiId": http.get_apis()["Items"][0]["ApiId"], "RouteKey": "GET /"}
    created_again(ground, account, "AWS::ApiGatewayV2::Route", route)
    assert len(http.get_routes(ApiId=route["ApiId"])["Items"]) == 1


def test_a_property_that_is_missing_here_fails_its_resource_by_name(client):
    template = {"Resources": {"Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "a", "CloneFrom": "b"}}}}
    formation = client("cloudformation")
    from botocore.exceptions import ClientError

    try:
        formation.create_stack(StackName="apis", TemplateBody=json.dumps(template))
    except ClientError as refused:
        assert "CloneFrom" in str(refused)
        return
    give_up = time.monotonic() + 20
    while "IN_PROGRESS" in formation.describe_stacks(StackName="apis")["Stacks"][0]["StackStatus"] and time.monotonic() < give_up:
        time.sleep(0.02)
    reasons = [event.get("ResourceStatusReason", "") for event in formation.describe_stack_events(StackName="apis")["StackEvents"]]
    assert any("does not support CloneFrom" in reason for reason in reasons)
