"""API keys and usage plans, on the control plane and for those who call."""

import time

import pytest
from botocore.exceptions import ClientError
from tests.services.apigateway.integrations import mock

KEYED = mock() | {"method": {"apiKeyRequired": True}}


@pytest.fixture
def plan(client):
    """`plan(api_id, throttle=..., quota=...)` -> (plan id, key id, key value)."""

    def make(api_id, **settings):
        gateway = client("apigateway")
        plan_id = gateway.create_usage_plan(name="partners", apiStages=[{"apiId": api_id, "stage": "prod"}], **settings)["id"]
        key = gateway.create_api_key(name="partner", enabled=True)
        gateway.create_usage_plan_key(usagePlanId=plan_id, keyId=key["id"], keyType="API_KEY")
        return plan_id, key["id"], key["value"]

    return make


def refusal(call, **params):
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_key_opens_the_stages_of_its_plans(rest_api, send, plan):
    api_id = rest_api({"GET /": KEYED})
    for headers in ({}, {"x-api-key": "wrong"}):
        reply = send(api_id, "GET", "/prod", headers)
        assert (reply.status, reply.document, reply.headers["x-amzn-errortype"]) == (403, {"message": "Forbidden"}, "ForbiddenException")
    _, _, value = plan(api_id)
    assert send(api_id, "GET", "/prod", {"x-api-key": value}).status == 200
    other = rest_api({"GET /": KEYED})
    assert send(other, "GET", "/prod", {"x-api-key": value}).status == 403


def test_a_key_that_is_disabled_or_gone_opens_nothing(rest_api, send, plan, client):
    api_id = rest_api({"GET /": KEYED})
    _, key_id, value = plan(api_id)
    gateway = client("apigateway")
    for text, status in (("false", 403), ("true", 200)):
        gateway.update_api_key(apiKey=key_id, patchOperations=[{"op": "replace", "path": "/enabled", "value": text}])
        assert send(api_id, "GET", "/prod", {"x-api-key": value}).status == status
    gateway.delete_api_key(apiKey=key_id)
    assert send(api_id, "GET", "/prod", {"x-api-key": value}).status == 403


def test_a_plan_throttles_each_key(rest_api, send, plan, client, clock):
    api_id = rest_api({"GET /": KEYED})
    plan_id, _, value = plan(api_id, throttle={"rateLimit": 0.1, "burstLimit": 2})
    statuses = [send(api_id, "GET", "/prod", {"x-api-key": value}) for _ in range(3)]
    assert [reply.status for reply in statuses] == [200, 200, 429]
    assert statuses[2].document == {"message": "Too Many Requests"}
    other = client("apigateway").create_api_key(name="other", enabled=True)
    client("apigateway").create_usage_plan_key(usagePlanId=plan_id, keyId=other["id"], keyType="API_KEY")
    assert send(api_id, "GET", "/prod", {"x-api-key": other["value"]}).status == 200
    clock.advance("10s")
    assert send(api_id, "GET", "/prod", {"x-api-key": value}).status == 200


def test_a_plan_throttles_one_method_of_a_stage(rest_api, send, client):
    api_id = rest_api({"GET /a": KEYED, "GET /b": KEYED})
    gateway = client("apigateway")
    stage = {"apiId": api_id, "stage": "prod", "throttle": {"/a/GET": {"rateLimit": 0.1, "burstLimit": 1}}}
    plan_id = gateway.create_usage_plan(name="p", apiStages=[stage], throttle={"rateLimit": 100, "burstLimit": 100})["id"]
    key = gateway.create_api_key(name="k", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan_id, keyId=key["id"], keyType="API_KEY")
    headers = {"x-api-key": key["value"]}
    assert [send(api_id, "GET", "/prod/a", headers).status for _ in range(2)] == [200, 429]
    assert [send(api_id, "GET", "/prod/b", headers).status for _ in range(2)] == [200, 200]


def test_a_quota_lasts_a_day(rest_api, send, plan, client, clock):
    api_id = rest_api({"GET /": KEYED})
    plan_id, key_id, value = plan(api_id, quota={"limit": 2, "period": "DAY"})
    replies = [send(api_id, "GET", "/prod", {"x-api-key": value}) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert (replies[2].document, replies[2].headers["x-amzn-errortype"]) == ({"message": "Limit Exceeded"}, "LimitExceededException")
    gateway = client("apigateway")
    today = time.strftime("%Y-%m-%d", time.gmtime(clock.now_s()))
    assert gateway.get_usage(usagePlanId=plan_id, startDate=today, endDate=today)["items"] == {key_id: [[2, 0]]}
    patch = [{"op": "replace", "path": "/remaining", "value": "1"}]
    gateway.update_usage(usagePlanId=plan_id, keyId=key_id, patchOperations=patch)
    assert [send(api_id, "GET", "/prod", {"x-api-key": value}).status for _ in range(2)] == [200, 429]
    clock.advance("24h")
    assert send(api_id, "GET", "/prod", {"x-api-key": value}).status == 200
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(clock.now_s()))
    usage = gateway.get_usage(usagePlanId=plan_id, keyId=key_id, startDate=today, endDate=tomorrow)
    assert usage["items"][key_id][-1] == [1, 1]


def test_a_key_may_come_from_the_caller(client):
    gateway = client("apigateway")
    value = "a-value-of-twenty-characters"
    key = gateway.create_api_key(name="mine", value=value, description="d", tags={"team": "a"})
    assert (key["value"], key["enabled"], key["tags"]) == (value, False, {"team": "a"})
    assert "value" not in gateway.get_api_key(apiKey=key["id"])
    assert gateway.get_api_key(apiKey=key["id"], includeValue=True)["value"] == value
    assert [each["id"] for each in gateway.get_api_keys(nameQuery="mi")["items"]] == [key["id"]]
    assert gateway.get_api_keys(nameQuery="other")["items"] == []
    assert refusal(gateway.create_api_key, value=value) == ("ConflictException", "API Key already exists")
    assert refusal(gateway.create_api_key, value="short")[1] == "API Key value should be at least 20 characters"


def test_a_key_may_be_in_one_plan_of_a_stage_only(rest_api, plan, client):
    api_id = rest_api({"GET /": KEYED})
    plan_id, key_id, _ = plan(api_id)
    gateway = client("apigateway")
    other = gateway.create_usage_plan(name="other", apiStages=[{"apiId": api_id, "stage": "prod"}])["id"]
    code, message = refusal(gateway.create_usage_plan_key, usagePlanId=other, keyId=key_id, keyType="API_KEY")
    assert code == "ConflictException" and "same API stage" in message
    assert refusal(gateway.create_usage_plan_key, usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")[0] == "ConflictException"


def test_plans_are_listed_changed_and_deleted(rest_api, plan, client):
    api_id = rest_api({"GET /": KEYED})
    plan_id, key_id, value = plan(api_id, throttle={"rateLimit": 5, "burstLimit": 6}, quota={"limit": 10, "period": "MONTH", "offset": 2})
    gateway = client("apigateway")
    assert [each["id"] for each in gateway.get_usage_plans(keyId=key_id)["items"]] == [plan_id]
    found = gateway.update_usage_plan(
        usagePlanId=plan_id,
        patchOperations=[
            {"op": "replace", "path": "/name", "value": "renamed"},
            {"op": "replace", "path": "/throttle/rateLimit", "value": "7.5"},
            {"op": "replace", "path": "/quota/limit", "value": "20"},
            {"op": "add", "path": f"/apiStages/{api_id}:prod/throttle/~1/GET/rateLimit".replace("/~1/GET", "/~1~1GET"), "value": "3"},
        ],
    )
    assert (found["name"], found["throttle"]) == ("renamed", {"rateLimit": 7.5, "burstLimit": 6})
    assert found["quota"] == {"limit": 20, "period": "MONTH", "offset": 2}
    assert found["apiStages"][0]["throttle"] == {"//GET": {"rateLimit": 3.0, "burstLimit": 0}}
    keys = gateway.get_usage_plan_keys(usagePlanId=plan_id)["items"]
    assert [(each["id"], each["type"], each["value"]) for each in keys] == [(key_id, "API_KEY", value)]
    assert refusal(gateway.delete_usage_plan, usagePlanId=plan_id)[0] == "BadRequestException"
    patch = [{"op": "remove", "path": "/apiStages", "value": f"{api_id}:prod"}]
    gateway.update_usage_plan(usagePlanId=plan_id, patchOperations=patch)
    gateway.delete_usage_plan(usagePlanId=plan_id)
    assert refusal(gateway.get_usage_plan, usagePlanId=plan_id) == ("NotFoundException", "Invalid Usage Plan ID specified")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"quota": {"limit": 1, "period": "YEAR"}}, "period"),
        ({"quota": {"limit": 0, "period": "DAY"}}, "quota limit must be greater than 0"),
        ({"quota": {"limit": 1, "period": "DAY", "offset": 1}}, "offset must be zero or more and less than 1 in the DAY period"),
        ({"throttle": {"rateLimit": -1, "burstLimit": 1}}, "must not be negative"),
    ],
)
def test_plans_that_make_no_sense_are_refused(client, settings, sentence):
    code, message = refusal(client("apigateway").create_usage_plan, name="p", **settings)
    assert code == "BadRequestException" and sentence in message


@pytest.mark.slow
def test_quotas_outlive_the_server(process, tmp_path):
    gateway = process.client("apigateway")
    api = gateway.create_rest_api(name="a")
    place = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE", apiKeyRequired=True)
    gateway.put_integration(**place, type="MOCK")
    gateway.create_deployment(restApiId=api["id"], stageName="prod")
    plan_id = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api["id"], "stage": "prod"}], quota={"limit": 5, "period": "WEEK"})[
        "id"
    ]
    key = gateway.create_api_key(enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan_id, keyId=key["id"], keyType="API_KEY")
    call(process, api["id"], key["value"])
    process.settle()
    process.restart()
    gateway = process.client("apigateway")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert gateway.get_usage(usagePlanId=plan_id, startDate=today, endDate=today)["items"] == {key["id"]: [[1, 4]]}
    assert call(process, api["id"], key["value"]) == 500  # the mock has no answer, but the key is good
    assert call(process, api["id"], "another") == 403


def call(process, api_id, key):
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{process.endpoint}/restapis/{api_id}/prod/_user_request_/", headers={"x-api-key": key})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
