"""Requests to HTTP APIs: stages, routing, forwarding, CORS, throttles."""

from urllib.parse import urlsplit

import pytest


@pytest.fixture
def http_api(client, echo):
    """`http_api(["GET /pets", ...])` -> the id of an API whose routes forward to the echo at `/{route's number}`."""

    def make(routes, stage="$default", **settings):
        gateway = client("apigatewayv2")
        api_id = gateway.create_api(Name="forward", ProtocolType="HTTP", **settings)["ApiId"]
        for number, key in enumerate(routes):
            integration = gateway.create_integration(
                ApiId=api_id,
                IntegrationType="HTTP_PROXY",
                IntegrationMethod="ANY",
                IntegrationUri=f"{echo}/{number}",
                PayloadFormatVersion="1.0",
            )["IntegrationId"]
            gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration}")
        gateway.create_stage(ApiId=api_id, StageName=stage, AutoDeploy=True)
        return api_id

    return make


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/pets", 0),
        ("GET", "/pets/7", 1),
        ("GET", "/pets/7/toys", 2),
        ("POST", "/pets/7", 3),
        ("GET", "/other", 4),
        ("GET", "/pets/", 4),
        ("GET", "/", 4),
    ],
)
def test_a_request_finds_its_most_specific_route(http_api, send, method, path, route):
    api_id = http_api(["GET /pets", "GET /pets/{id}", "GET /pets/{proxy+}", "ANY /pets/{id}", "$default"])
    assert urlsplit(send(api_id, method, path).document["path"]).path == f"/{route}"


def test_an_unknown_route_is_not_found(http_api, send):
    reply = send(http_api(["GET /pets"]), "GET", "/other")
    assert (reply.status, reply.document) == (404, {"message": "Not Found"})
    assert "apigw-requestid" in reply.headers


def test_a_named_stage_is_the_first_part_of_the_path(http_api, send, client):
    api_id = http_api(["GET /pets"], stage="dev")
    assert send(api_id, "GET", "/dev/pets").status == 200
    assert send(api_id, "GET", "/pets").status == 404
    client("apigatewayv2").create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert send(api_id, "GET", "/pets").status == 200
    assert send(api_id, "GET", "/dev/pets").status == 200


def test_path_forms_for_clients_that_cannot_resolve_names(http_api, send, ground):
    api_id = http_api(["GET /pets"])
    host = urlsplit(ground.endpoint).netloc
    assert send("", "GET", f"/_aws/execute-api/{api_id}/pets", host=host).status == 200
    assert send("", "GET", f"/_aws/execute-api/{api_id}/$default/pets", host=host).status == 200


def test_a_stage_without_auto_deploy_waits_for_a_deployment(http_api, send, client):
    api_id = http_api(["GET /pets"], stage="unused")
    gateway = client("apigatewayv2")
    gateway.create_stage(ApiId=api_id, StageName="manual")
    assert send(api_id, "GET", "/manual/pets").status == 404
    gateway.create_deployment(ApiId=api_id, StageName="manual")
    assert send(api_id, "GET", "/manual/pets").status == 200
    route = gateway.get_routes(ApiId=api_id)["Items"][0]
    gateway.update_route(ApiId=api_id, RouteId=route["RouteId"], RouteKey="GET /animals")
    assert send(api_id, "GET", "/manual/pets").status == 200
    assert send(api_id, "GET", "/unused/pets").status == 404
    assert send(api_id, "GET", "/unused/animals").status == 200


def test_path_variables_go_into_the_endpoints_address(client, send, echo):
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="forward", ProtocolType="HTTP", Target=f"{echo}/base/{{proxy}}", RouteKey="ANY /{proxy+}")["ApiId"]
    seen = send(api_id, "PUT", "/a/b?x=1&x=2", {"x-mine": "yes"}, b"body").document
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/base/a/b?x=1&x=2", "body")
    assert seen["headers"]["x-mine"] == "yes"
    assert seen["headers"]["forwarded"].startswith("for=127.0.0.1;host=")
    assert seen["headers"]["via"] == "HTTP/1.1 AmazonAPIGateway"


def test_parameters_are_mapped_on_the_way_there_and_back(client, send, echo):
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="forward", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri=f"{echo}/status/201",
        PayloadFormatVersion="1.0",
        RequestParameters={
            "append:header.x-trail": "$request.path.id",
            "overwrite:header.x-who": "${context.apiId}-${request.header.x-who}",
            "remove:querystring.secret": "''",
            "append:querystring.stage": "$context.stage",
        },
        ResponseParameters={"201": {"overwrite:statuscode": "202", "append:header.x-was": "$response.header.x-backend"}},
    )["IntegrationId"]
    gateway.create_route(ApiId=api_id, RouteKey="GET /pets/{id}", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    reply = send(api_id, "GET", "/pets/7?secret=1&open=2", {"x-trail": "0", "x-who": "me"})
    seen = reply.document
    assert (reply.status, reply.headers["x-was"]) == (202, "echo")
    assert (seen["headers"]["x-trail"], seen["headers"]["x-who"]) == ("0,7", f"{api_id}-me")
    assert seen["path"] == "/status/201?open=2&stage=%24default"


def test_an_endpoint_that_is_late_is_503(client, send, echo):
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="slow", ProtocolType="HTTP", Target=f"{echo}/slow")["ApiId"]
    integration = gateway.get_integrations(ApiId=api_id)["Items"][0]["IntegrationId"]
    gateway.update_integration(ApiId=api_id, IntegrationId=integration, TimeoutInMillis=50)
    reply = send(api_id, "GET", "/")
    assert (reply.status, reply.document) == (503, {"message": "Service Unavailable"})


CORS = {
    "AllowOrigins": ["https://shop.example", "http://*"],
    "AllowMethods": ["GET", "POST"],
    "AllowHeaders": ["content-type"],
    "ExposeHeaders": ["x-backend"],
    "MaxAge": 600,
    "AllowCredentials": True,
}


def test_preflights_are_answered_by_the_gateway(http_api, send):
    api_id = http_api(["ANY /pets"], CorsConfiguration=CORS)
    ask = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    reply = send(api_id, "OPTIONS", "/pets", ask)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    assert reply.headers["access-control-allow-methods"] == "GET,POST"
    assert reply.headers["access-control-allow-headers"] == "content-type"
    assert reply.headers["access-control-max-age"] == "600"
    assert reply.headers["access-control-allow-credentials"] == "true"
    refused = send(api_id, "OPTIONS", "/pets", ask | {"origin": "https://other.example"})
    assert refused.status == 204 and not any(name.startswith("access-control") for name in refused.headers)
    assert send(api_id, "OPTIONS", "/pets").document["method"] == "OPTIONS"


def test_cors_headers_are_on_every_answer(http_api, send):
    api_id = http_api(["GET /pets"], CorsConfiguration=CORS)
    for path in ("/pets", "/nothing"):
        reply = send(api_id, "GET", path, {"origin": "http://anyone"})
        assert reply.headers["access-control-allow-origin"] == "http://anyone"
        assert reply.headers["access-control-expose-headers"] == "x-backend"
    assert "access-control-allow-origin" not in send(api_id, "GET", "/pets").headers


def test_any_origin_is_answered_with_a_star(http_api, send):
    api_id = http_api(["GET /pets"], CorsConfiguration={"AllowOrigins": ["*"]})
    assert send(api_id, "GET", "/pets", {"origin": "http://a"}).headers["access-control-allow-origin"] == "*"


def test_without_a_configuration_cors_is_the_integrations(http_api, send):
    api_id = http_api(["ANY /pets"])
    reply = send(api_id, "OPTIONS", "/pets", {"origin": "http://a", "access-control-request-method": "GET"})
    assert reply.document["method"] == "OPTIONS" and "access-control-allow-origin" not in reply.headers


def test_routes_are_throttled_by_default_and_by_their_own_settings(http_api, send, client, clock):
    api_id = http_api(["GET /a", "GET /b"])
    client("apigatewayv2").update_stage(
        ApiId=api_id,
        StageName="$default",
        DefaultRouteSettings={"ThrottlingRateLimit": 0.1, "ThrottlingBurstLimit": 1},
        RouteSettings={"GET /b": {"ThrottlingRateLimit": 100.0, "ThrottlingBurstLimit": 100}},
    )
    replies = [send(api_id, "GET", "/a") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert replies[1].document == {"message": "Too Many Requests"}
    assert [send(api_id, "GET", "/b").status for _ in range(3)] == [200] * 3
    clock.advance("10s")
    assert send(api_id, "GET", "/a").status == 200


def test_a_body_past_ten_megabytes_is_413(http_api, send):
    reply = send(http_api(["POST /"]), "POST", "/", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (reply.status, reply.document) == (413, {"message": "Request Entity Too Large"})


def test_a_disabled_endpoint_answers_nobody(http_api, send, client):
    api_id = http_api(["GET /"])
    client("apigatewayv2").update_api(ApiId=api_id, DisableExecuteApiEndpoint=True)
    assert send(api_id, "GET", "/").status == 404


def test_calls_leave_records_for_metrics(http_api, send, ground):
    api_id = http_api(["GET /pets"])
    send(api_id, "GET", "/pets")
    send(api_id, "GET", "/none")
    records = [each for each in ground.ground.telemetry.recent if each.dimensions.get("ApiId") == api_id]
    assert [(each.service, each.operation, each.status) for each in records] == [
        ("execute-api", "GET /pets", 200),
        ("execute-api", "GET /none", 404),
    ]
    assert "IntegrationLatency" in records[0].units and "IntegrationLatency" not in records[1].units
