"""The control plane of REST APIs."""

import json

import pytest
from botocore.exceptions import ClientError
from tests.services.apigateway.integrations import forward, lambda_proxy, mock

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def refusal(call, **params):
    with pytest.raises(ClientError) as refused:
        call(**params)
    response = refused.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def gateway(client):
    return client("apigateway")


def test_an_api_is_created_read_changed_and_deleted(gateway):
    api = gateway.create_rest_api(name="pets", description="d", version="1", binaryMediaTypes=["image/png"], tags={"team": "a"})
    assert len(api["id"]) == 10 and len(api["rootResourceId"]) == 10
    assert (api["name"], api["apiKeySource"], api["endpointConfiguration"]) == (
        "pets",
        "HEADER",
        {"types": ["EDGE"], "ipAddressType": "ipv4"},
    )
    assert api["disableExecuteApiEndpoint"] is False
    found = gateway.get_rest_api(restApiId=api["id"])
    assert {name: found[name] for name in api if name != "ResponseMetadata"} == {
        name: api[name] for name in api if name != "ResponseMetadata"
    }
    changed = gateway.update_rest_api(
        restApiId=api["id"],
        patchOperations=[
            {"op": "replace", "path": "/name", "value": "animals"},
            {"op": "remove", "path": "/description"},
            {"op": "add", "path": "/binaryMediaTypes/image~1gif"},
            {"op": "replace", "path": "/minimumCompressionSize", "value": "1024"},
        ],
    )
    assert (changed["name"], changed["binaryMediaTypes"], changed["minimumCompressionSize"]) == (
        "animals",
        ["image/png", "image/gif"],
        1024,
    )
    assert "description" not in changed
    assert [each["id"] for each in gateway.get_rest_apis()["items"]] == [api["id"]]
    gateway.delete_rest_api(restApiId=api["id"])
    assert gateway.get_rest_apis()["items"] == []


def test_an_api_that_is_not_there(gateway, account):
    expected = ("NotFoundException", f"Invalid API identifier specified {account}:nothing", 404)
    assert refusal(gateway.get_rest_api, restApiId="nothing") == expected
    assert refusal(gateway.get_resources, restApiId="nothing") == expected
    assert refusal(gateway.create_deployment, restApiId="nothing") == expected


def test_apis_are_listed_page_by_page(gateway):
    made = {gateway.create_rest_api(name=f"api-{number}")["id"] for number in range(7)}
    pages = list(gateway.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    assert {each["id"] for page in pages for each in page["items"]} == made


def test_resources_make_a_tree(gateway):
    api = gateway.create_rest_api(name="pets")
    place = {"restApiId": api["id"]}
    pets = gateway.create_resource(**place, parentId=api["rootResourceId"], pathPart="pets")
    one = gateway.create_resource(**place, parentId=pets["id"], pathPart="{id}")
    assert (pets["path"], one["path"], one["parentId"]) == ("/pets", "/pets/{id}", pets["id"])
    again = refusal(gateway.create_resource, **place, parentId=api["rootResourceId"], pathPart="pets")
    assert again == ("ConflictException", "Another resource with the same parent already has this name: pets", 409)
    sibling = refusal(gateway.create_resource, **place, parentId=pets["id"], pathPart="{name}")
    assert sibling[0] == "BadRequestException" and sibling[1].startswith(
        "A sibling ({id}) of this resource already has a variable path part"
    )
    greedy = gateway.create_resource(**place, parentId=pets["id"], pathPart="{proxy+}")
    assert refusal(gateway.create_resource, **place, parentId=greedy["id"], pathPart="x")[0] == "BadRequestException"
    assert refusal(gateway.create_resource, **place, parentId=api["rootResourceId"], pathPart="a b")[0] == "BadRequestException"
    moved = gateway.update_resource(
        **place, resourceId=pets["id"], patchOperations=[{"op": "replace", "path": "/pathPart", "value": "animals"}]
    )
    assert moved["path"] == "/animals"
    paths = sorted(each["path"] for each in gateway.get_resources(**place)["items"])
    assert paths == ["/", "/animals", "/animals/{id}", "/animals/{proxy+}"]
    gateway.delete_resource(**place, resourceId=pets["id"])
    assert [each["path"] for each in gateway.get_resources(**place)["items"]] == ["/"]
    assert refusal(gateway.get_resource, **place, resourceId=one["id"]) == (
        "NotFoundException",
        "Invalid Resource identifier specified",
        404,
    )
    assert refusal(gateway.delete_resource, **place, resourceId=api["rootResourceId"])[0] == "BadRequestException"


def test_a_method_with_its_integration_and_responses(gateway):
    api = gateway.create_rest_api(name="pets")
    place = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    assert refusal(gateway.get_method, **place) == ("NotFoundException", "Invalid Method identifier specified", 404)
    method = gateway.put_method(**place, authorizationType="NONE", requestParameters={"method.request.querystring.q": True})
    assert (method["httpMethod"], method["authorizationType"], method["apiKeyRequired"]) == ("GET", "NONE", False)
    assert refusal(gateway.put_method, **place, authorizationType="NONE")[0] == "ConflictException"
    assert refusal(gateway.get_integration, **place)[1] == "Invalid Integration identifier specified"
    integration = gateway.put_integration(**place, **lambda_proxy(FUNCTION))
    assert (integration["type"], integration["httpMethod"], integration["timeoutInMillis"]) == ("AWS_PROXY", "POST", 29000)
    assert (integration["passthroughBehavior"], integration["cacheNamespace"]) == ("WHEN_NO_MATCH", api["rootResourceId"])
    early = {"statusCode": "200", "responseTemplates": {}}
    assert refusal(gateway.put_integration_response, **place, **early)[1] == "Invalid Response status code specified"
    gateway.put_method_response(**place, statusCode="200", responseParameters={"method.response.header.x": False})
    gateway.put_integration_response(**place, statusCode="200", responseParameters={"method.response.header.x": "'1'"})
    whole = gateway.get_method(**place)
    assert whole["methodResponses"]["200"] == {"statusCode": "200", "responseParameters": {"method.response.header.x": False}}
    assert whole["methodIntegration"]["integrationResponses"]["200"]["responseParameters"] == {"method.response.header.x": "'1'"}
    changed = gateway.update_method(**place, patchOperations=[{"op": "replace", "path": "/apiKeyRequired", "value": "true"}])
    assert changed["apiKeyRequired"] is True
    changed = gateway.update_integration(**place, patchOperations=[{"op": "replace", "path": "/timeoutInMillis", "value": "5000"}])
    assert changed["timeoutInMillis"] == 5000
    embedded = gateway.get_resources(restApiId=api["id"], embed=["methods"])["items"][0]["resourceMethods"]["GET"]
    assert embedded["methodIntegration"]["uri"].endswith(f"{FUNCTION}/invocations")
    gateway.delete_integration_response(**place, statusCode="200")
    gateway.delete_method_response(**place, statusCode="200")
    gateway.delete_integration(**place)
    gateway.delete_method(**place)
    assert "resourceMethods" not in gateway.get_resource(restApiId=api["id"], resourceId=api["rootResourceId"])


@pytest.mark.parametrize(
    ("integration", "code", "sentence"),
    [
        ({"type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/x"}, "NotImplementedException", "integration type AWS"),
        ({"type": "HTTP", "integrationHttpMethod": "GET", "uri": "http://x"}, "NotImplementedException", "integration type HTTP"),
        ({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": "arn:aws:lambda:us-east-1:1:function:f"}, "BadRequestException", "currently only supports Lambda function"),
        ({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": "lambda"}, "BadRequestException", "Invalid ARN specified in the request"),
        ({"type": "AWS_PROXY", "uri": "x"}, "BadRequestException", "HttpMethod"),
        ({"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "ftp://x"}, "BadRequestException", "Invalid HTTP endpoint specified for URI"),
        ({"type": "MOCK", "timeoutInMillis": 10}, "BadRequestException", "Timeout should be between 50 ms and 29000 ms"),
        ({"type": "MOCK", "requestTemplates": {"application/json": "#set($x = 1){}"}}, "NotImplementedException", "mapping templates that compute"),
        ({"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://x", "connectionType": "VPC_LINK"}, "NotImplementedException", "VPC links"),
    ],
)  # fmt: skip
def test_integrations_that_are_refused(gateway, integration, code, sentence):
    api = gateway.create_rest_api(name="pets")
    place = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    found = refusal(gateway.put_integration, **place, **integration)
    assert found[0] == code and sentence in found[1]


def test_what_cannot_be_deployed(gateway):
    api = gateway.create_rest_api(name="pets")
    assert refusal(gateway.create_deployment, restApiId=api["id"])[1] == "The REST API doesn't contain any methods"
    gateway.put_method(restApiId=api["id"], resourceId=api["rootResourceId"], httpMethod="GET", authorizationType="NONE")
    assert refusal(gateway.create_deployment, restApiId=api["id"])[1] == "No integration defined for method"


def test_deployments_and_stages(gateway, rest_api):
    api_id = rest_api({"GET /pets": mock()})
    deployment = gateway.create_deployment(restApiId=api_id, description="second")
    whole = gateway.get_deployment(restApiId=api_id, deploymentId=deployment["id"], embed=["apisummary"])
    assert whole["apiSummary"] == {"/pets": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    stage = gateway.create_stage(restApiId=api_id, stageName="beta", deploymentId=deployment["id"], variables={"a": "b"}, tags={"t": "1"})
    assert (stage["stageName"], stage["variables"], stage["cacheClusterEnabled"], stage["tracingEnabled"]) == (
        "beta",
        {"a": "b"},
        False,
        False,
    )
    again = refusal(gateway.create_stage, restApiId=api_id, stageName="beta", deploymentId=deployment["id"])
    assert again == ("ConflictException", "Stage already exists", 409)
    assert (
        refusal(gateway.create_stage, restApiId=api_id, stageName="b c", deploymentId=deployment["id"])[1]
        == "Stage name only allows a-zA-Z0-9_-"
    )
    assert refusal(gateway.create_stage, restApiId=api_id, stageName="x", deploymentId="nothing")[1] == "Deployment id does not exist"
    active = refusal(gateway.delete_deployment, restApiId=api_id, deploymentId=deployment["id"])
    assert active[1] == "Active stages pointing to this deployment must be moved or deleted"
    assert {each["stageName"] for each in gateway.get_stages(restApiId=api_id)["item"]} == {"prod", "beta"}
    assert [each["stageName"] for each in gateway.get_stages(restApiId=api_id, deploymentId=deployment["id"])["item"]] == ["beta"]
    gateway.delete_stage(restApiId=api_id, stageName="beta")
    gateway.delete_deployment(restApiId=api_id, deploymentId=deployment["id"])
    assert refusal(gateway.get_stage, restApiId=api_id, stageName="beta") == (
        "NotFoundException",
        "Invalid stage identifier specified",
        404,
    )
    assert len(gateway.get_deployments(restApiId=api_id)["items"]) == 1


def test_a_stage_is_patched(gateway, rest_api):
    api_id = rest_api({"GET /pets": mock()})
    stage = gateway.update_stage(
        restApiId=api_id,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/description", "value": "live"},
            {"op": "replace", "path": "/variables/colour", "value": "blue"},
            {"op": "replace", "path": "/tracingEnabled", "value": "true"},
            {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
            {"op": "replace", "path": "/~1pets/GET/metrics/enabled", "value": "true"},
            {"op": "replace", "path": "/~1pets/GET/throttling/rateLimit", "value": "5"},
        ],
    )
    assert (stage["description"], stage["variables"], stage["tracingEnabled"]) == ("live", {"colour": "blue"}, True)
    assert stage["methodSettings"]["*/*"] == {"dataTraceEnabled": True}
    assert stage["methodSettings"]["~1pets/GET"] == {"metricsEnabled": True, "throttlingRateLimit": 5.0}
    stage = gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=[{"op": "remove", "path": "/~1pets/GET"}])
    assert set(stage["methodSettings"]) == {"*/*"}
    bad = {"op": "replace", "path": "/variables/a-b", "value": "x"}
    assert refusal(gateway.update_stage, restApiId=api_id, stageName="prod", patchOperations=[bad])[0] == "BadRequestException"
    loud = {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}
    refused = refusal(gateway.update_stage, restApiId=api_id, stageName="prod", patchOperations=[loud])
    assert refused[1] == "CloudWatch Logs role ARN must be set in account settings to enable logging"
    bad = {"op": "replace", "path": "/*/*/nonsense", "value": "x"}
    assert "Invalid patch path" in refusal(gateway.update_stage, restApiId=api_id, stageName="prod", patchOperations=[bad])[1]


def test_canaries_and_caches_are_refused_by_name(gateway, rest_api):
    api_id = rest_api({"GET /": mock()})
    deployment = gateway.get_stage(restApiId=api_id, stageName="prod")["deploymentId"]
    found = refusal(gateway.create_stage, restApiId=api_id, stageName="c", deploymentId=deployment, canarySettings={"percentTraffic": 5.0})
    assert found[0] == "NotImplementedException" and "canary" in found[1]
    found = refusal(gateway.create_stage, restApiId=api_id, stageName="c", deploymentId=deployment, cacheClusterEnabled=True)
    assert found[0] == "NotImplementedException" and "caching" in found[1]


def test_operations_that_are_missing_say_so(gateway):
    assert refusal(gateway.get_vpc_links)[0] == "NotImplementedException"
    assert "apigateway:GetVpcLinks" in refusal(gateway.get_vpc_links)[1]


def test_models_and_validators(gateway):
    api_id = gateway.create_rest_api(name="pets")["id"]
    model = gateway.create_model(restApiId=api_id, name="Pet", contentType="application/json", schema='{"type": "object"}')
    assert gateway.get_model(restApiId=api_id, modelName="Pet")["id"] == model["id"]
    assert (
        refusal(gateway.create_model, restApiId=api_id, name="Bad", contentType="application/json", schema="{")[0] == "BadRequestException"
    )
    assert refusal(gateway.create_model, restApiId=api_id, name="Pet", contentType="application/json")[0] == "ConflictException"
    gateway.update_model(restApiId=api_id, modelName="Pet", patchOperations=[{"op": "replace", "path": "/description", "value": "d"}])
    assert gateway.get_models(restApiId=api_id)["items"][0]["description"] == "d"
    gateway.delete_model(restApiId=api_id, modelName="Pet")
    assert gateway.get_models(restApiId=api_id)["items"] == []
    validator = gateway.create_request_validator(restApiId=api_id, name="v", validateRequestBody=True)
    assert (validator["validateRequestBody"], validator["validateRequestParameters"]) == (True, False)
    patch = [{"op": "replace", "path": "/validateRequestBody", "value": "false"}]
    changed = gateway.update_request_validator(restApiId=api_id, requestValidatorId=validator["id"], patchOperations=patch)
    assert changed["validateRequestBody"] is False
    gateway.delete_request_validator(restApiId=api_id, requestValidatorId=validator["id"])
    assert gateway.get_request_validators(restApiId=api_id)["items"] == []


def test_gateway_responses_have_defaults(gateway):
    api_id = gateway.create_rest_api(name="pets")["id"]
    found = gateway.get_gateway_response(restApiId=api_id, responseType="THROTTLED")
    assert (found["statusCode"], found["defaultResponse"]) == ("429", True)
    assert found["responseTemplates"] == {"application/json": '{"message":$context.error.messageString}'}
    gateway.put_gateway_response(restApiId=api_id, responseType="THROTTLED", statusCode="503")
    assert gateway.get_gateway_response(restApiId=api_id, responseType="THROTTLED")["defaultResponse"] is False
    assert len(gateway.get_gateway_responses(restApiId=api_id)["items"]) == 21
    gateway.delete_gateway_response(restApiId=api_id, responseType="THROTTLED")
    assert refusal(gateway.delete_gateway_response, restApiId=api_id, responseType="THROTTLED")[0] == "NotFoundException"


def test_tags_of_everything_that_has_some(gateway, rest_api):
    api_id = rest_api({"GET /": mock()}, tags={"a": "1"})
    key = gateway.create_api_key(tags={"k": "1"})["id"]
    plan = gateway.create_usage_plan(name="p")["id"]
    for path in (f"restapis/{api_id}", f"restapis/{api_id}/stages/prod", f"apikeys/{key}", f"usageplans/{plan}"):
        arn = f"arn:aws:apigateway:us-east-1::/{path}"
        gateway.tag_resource(resourceArn=arn, tags={"b": "2", "c": "3"})
        gateway.untag_resource(resourceArn=arn, tagKeys=["b"])
        assert gateway.get_tags(resourceArn=arn)["tags"]["c"] == "3"
        assert "b" not in gateway.get_tags(resourceArn=arn)["tags"]
    assert gateway.get_rest_api(restApiId=api_id)["tags"] == {"a": "1", "c": "3"}


def test_the_accounts_role_must_trust_the_gateway(gateway, client):
    account = gateway.get_account()
    assert account["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0} and "cloudwatchRoleArn" not in account

    def role(name, service):
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
        return client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]

    wrong, right = role("wrong", "lambda.amazonaws.com"), role("right", "apigateway.amazonaws.com")
    found = refusal(gateway.update_account, patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": wrong}])
    assert found[0] == "BadRequestException" and found[1].startswith("The role ARN does not have required permissions configured.")
    gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": right}])
    assert gateway.get_account()["cloudwatchRoleArn"] == right


def test_a_caller_needs_the_method_on_the_path(gateway, client, ground, account):
    api_id = gateway.create_rest_api(name="pets")["id"]
    iam = client("iam")
    iam.create_user(UserName="reader")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "apigateway:GET", "Resource": f"arn:aws:apigateway:*::/restapis/{api_id}*"}]}  # fmt: skip
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = ground.client("apigateway", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert reader.get_rest_api(restApiId=api_id)["name"] == "pets"
    code, message, status = refusal(reader.delete_rest_api, restApiId=api_id)
    assert (code, status) == ("AccessDeniedException", 403)
    assert f"apigateway:DELETE on resource: arn:aws:apigateway:us-east-1::/restapis/{api_id}" in message
    assert refusal(reader.create_api_key)[0] == "AccessDeniedException"


@pytest.mark.slow
def test_an_api_is_there_after_a_kill(process):
    gateway = process.client("apigateway")
    api = gateway.create_rest_api(name="pets")
    place = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    gateway.put_integration(**place, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gateway.create_deployment(restApiId=api["id"], stageName="prod")
    process.restart()
    gateway = process.client("apigateway")
    assert gateway.get_stage(restApiId=api["id"], stageName="prod")["stageName"] == "prod"
    assert gateway.get_method(**place)["methodIntegration"]["type"] == "MOCK"


def test_a_method_is_tried_without_a_deployment(gateway, rest_api, client, echo):
    url = forward(f"{echo}/pets/{{id}}", requestParameters={"integration.request.path.id": "method.request.path.id"})
    api_id = rest_api({"POST /pets/{id}": url | {"method": {"apiKeyRequired": True}}}, deploy=False)
    resource = next(each["id"] for each in gateway.get_resources(restApiId=api_id)["items"] if each["path"] == "/pets/{id}")
    place = {"restApiId": api_id, "resourceId": resource, "httpMethod": "POST"}
    answer = gateway.test_invoke_method(**place, pathWithQueryString="/pets/7?x=1", body="hello", headers={"X-Mine": "yes"})
    seen = json.loads(answer["body"])
    assert (answer["status"], seen["path"], seen["body"], seen["headers"]["x-mine"]) == (200, "/pets/7?x=1", "hello", "yes")
    assert answer["headers"]["x-backend"] == "echo" and answer["multiValueHeaders"]["x-backend"] == ["echo"]
    assert "HTTP Method: POST, Resource Path: /pets/7" in answer["log"] and answer["log"].endswith("Method completed with status: 200\n")
    assert answer["latency"] >= 0
    assert refusal(gateway.test_invoke_method, restApiId=api_id, resourceId="none", httpMethod="POST")[0] == "NotFoundException"
