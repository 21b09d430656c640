"""API destinations and connections: real HTTP calls to a server of the test's own."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def role(client):
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    iam = client("iam")
    arn = iam.create_role(RoleName="caller", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "events:InvokeApiDestination", "Resource": "*"}
    iam.put_role_policy(RoleName="caller", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return arn


@pytest.fixture
def destination(events, endpoint, role):
    def make(kind, parameters, path="/hook", method="POST", **options):
        connection = events.create_connection(Name="c", AuthorizationType=kind, AuthParameters=parameters)["ConnectionArn"]
        arn = events.create_api_destination(
            Name="d", ConnectionArn=connection, InvocationEndpoint=endpoint.url + path, HttpMethod=method, **options
        )["ApiDestinationArn"]
        return arn

    return make


BASIC = {"BasicAuthParameters": {"Username": "u", "Password": "p"}}


def test_an_event_is_posted_with_basic_authorization_and_parameters(endpoint, destination, role, rule, put, clock):
    arn = destination(
        "BASIC",
        {
            **BASIC,
            "InvocationHttpParameters": {
                "HeaderParameters": [{"Key": "X-Both", "Value": "connection", "IsValueSecret": True}],
                "QueryStringParameters": [{"Key": "q", "Value": "1"}],
                "BodyParameters": [{"Key": "extra", "Value": "v"}],
            },
        },
        path="/hook/*/x",
    )
    http = {"PathParameterValues": ["a b"], "HeaderParameters": {"X-Both": "rule", "X-Rule": "r"}, "QueryStringParameters": {"z": "2"}}
    rule("r", {"source": ["app.orders"]}, arn, RoleArn=role, InputPath="$.detail", HttpParameters=http)
    put({"n": 1})
    clock.settle()
    ((method, path, query, headers, body),) = endpoint.seen
    assert (method, path, query) == ("POST", "/hook/a%20b/x", {"q": ["1"], "z": ["2"]})
    assert headers["authorization"] == "Basic dTpw" and headers["x-both"] == "connection" and headers["x-rule"] == "r"
    assert headers["user-agent"] == "Amazon/EventBridge/ApiDestinations" and headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(body) == {"n": 1, "extra": "v"}


def test_an_api_key_is_a_header(endpoint, destination, role, rule, put, clock):
    arn = destination("API_KEY", {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "secret"}})
    rule("r", {"source": ["app.orders"]}, arn, RoleArn=role)
    put({})
    clock.settle()
    assert endpoint.seen[0][3]["x-key"] == "secret"


def test_oauth_tokens_are_fetched_kept_and_renewed(events, endpoint, destination, role, rule, put, clock):
    parameters = {
        "OAuthParameters": {
            "ClientParameters": {"ClientID": "id", "ClientSecret": "hush"},
            "AuthorizationEndpoint": endpoint.url + "/token",
            "HttpMethod": "POST",
            "OAuthHttpParameters": {"BodyParameters": [{"Key": "scope", "Value": "all"}]},
        }
    }
    arn = destination("OAUTH_CLIENT_CREDENTIALS", parameters)
    clock.settle()
    found = events.describe_connection(Name="c")
    assert found["ConnectionState"] == "AUTHORIZED" and "hush" not in str(found)
    rule("r", {"source": ["app.orders"]}, arn, RoleArn=role)
    put({})
    put({})
    clock.settle()
    tokens = endpoint.tokens
    assert endpoint.form == {"grant_type": ["client_credentials"], "client_id": ["id"], "client_secret": ["hush"], "scope": ["all"]}
    assert {seen[3]["authorization"] for seen in endpoint.seen} <= {f"Bearer token-{n}" for n in range(1, tokens + 1)}
    endpoint.answers = [(401, {})]
    put({})
    clock.settle()
    assert endpoint.tokens == tokens + 1 and endpoint.seen[-1][3]["authorization"] == f"Bearer token-{tokens + 1}"


def test_a_refused_token_deauthorizes_the_connection(events, endpoint, destination, clock):
    parameters = {
        "OAuthParameters": {
            "ClientParameters": {"ClientID": "id", "ClientSecret": "hush"},
            "AuthorizationEndpoint": endpoint.url + "/no-token",
            "HttpMethod": "POST",
        }
    }
    destination("OAUTH_CLIENT_CREDENTIALS", parameters)
    clock.settle()
    found = events.describe_connection(Name="c")
    assert found["ConnectionState"] == "DEAUTHORIZED" and "no access token" in found["StateReason"]


def test_no_header_ends_early(endpoint, destination, role, rule, put, clock, queue, arrived):
    dead_url, dead_arn = queue("dead")
    rule("r", {"source": ["app.orders"]}, destination("BASIC", BASIC), RoleArn=role, DeadLetterConfig={"Arn": dead_arn})
    put({}, TraceHeader="Root=1-2-3\r\nx-evil: 1")
    (message,) = arrived(dead_url, raw=True)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "SDK_CLIENT_ERROR" and endpoint.seen == []
    put({}, TraceHeader="Root=1-2-3")
    clock.settle()
    assert endpoint.seen[0][3]["x-amzn-trace-id"] == "Root=1-2-3"


def test_a_failing_endpoint_is_tried_again_and_a_refusing_one_is_not(events, endpoint, destination, role, rule, put, clock, queue, arrived):
    dead_url, dead_arn = queue("dead")
    arn = destination("BASIC", BASIC)
    rule("r", {"source": ["app.orders"]}, arn, RoleArn=role, DeadLetterConfig={"Arn": dead_arn}, RetryPolicy={"MaximumRetryAttempts": 2})
    endpoint.answers = [(503, {}), (429, {"retry-after": "120"})]
    put({"n": 1})
    clock.advance("10s")
    assert len(endpoint.seen) == 2
    clock.advance("100s")
    assert len(endpoint.seen) == 2
    clock.advance("30s")
    assert len(endpoint.seen) == 3 and arrived(dead_url) == []
    endpoint.answers = [(500, {})] * 3
    put({"n": 2})
    clock.advance("1m")
    endpoint.answers = [(404, {})]
    put({"n": 3})
    clock.settle()
    found = [
        {name: value["StringValue"] for name, value in message["MessageAttributes"].items() if name in ("ERROR_CODE", "RETRY_ATTEMPTS", "EXHAUSTED_RETRY_CONDITION")}
        for message in arrived(dead_url, raw=True)
    ]  # fmt: skip
    assert found == [
        {"ERROR_CODE": "ERROR_FROM_TARGET", "RETRY_ATTEMPTS": "2", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"},
        {"ERROR_CODE": "SDK_CLIENT_ERROR", "RETRY_ATTEMPTS": "0"},
    ]


def test_an_old_event_is_given_up(events, endpoint, destination, role, rule, put, clock, queue, arrived):
    dead_url, dead_arn = queue("dead")
    arn = destination("BASIC", BASIC)
    rule(
        "r", {"source": ["app.orders"]}, arn, RoleArn=role, DeadLetterConfig={"Arn": dead_arn}, RetryPolicy={"MaximumEventAgeInSeconds": 60}
    )
    endpoint.answers = [(500, {})] * 50
    put({})
    clock.advance("2m")
    (message,) = arrived(dead_url, raw=True)
    assert message["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"


def test_a_destination_gets_no_more_than_its_rate(events, endpoint, destination, role, rule, put, clock):
    arn = destination("BASIC", BASIC, InvocationRateLimitPerSecond=2)
    rule("r", {"source": ["app.orders"]}, arn, RoleArn=role)
    for _ in range(7):
        put({})
    clock.advance("10s")
    assert len(endpoint.seen) == 7


def test_connections_and_destinations_are_described_changed_and_deleted(events, endpoint, destination, fails):
    arn = destination("BASIC", BASIC)
    connection = events.describe_connection(Name="c")
    assert connection["AuthParameters"] == {"BasicAuthParameters": {"Username": "u"}} and connection["SecretArn"]
    events.update_connection(Name="c", AuthParameters={"BasicAuthParameters": {"Username": "v"}})
    assert events.describe_connection(Name="c")["AuthParameters"] == {"BasicAuthParameters": {"Username": "v"}}
    assert [one["Name"] for one in events.list_connections()["Connections"]] == ["c"]
    found = events.describe_api_destination(Name="d")
    assert found["ApiDestinationArn"] == arn and found["ApiDestinationState"] == "ACTIVE" and found["InvocationRateLimitPerSecond"] == 300
    events.update_api_destination(Name="d", HttpMethod="PUT")
    assert events.list_api_destinations()["ApiDestinations"][0]["HttpMethod"] == "PUT"
    assert events.deauthorize_connection(Name="c")["ConnectionState"] == "DEAUTHORIZING"
    assert events.describe_api_destination(Name="d")["ApiDestinationState"] == "INACTIVE"
    assert events.delete_connection(Name="c")["ConnectionState"] == "DELETING"
    events.delete_api_destination(Name="d")
    assert fails("ResourceNotFoundException", events.describe_connection, Name="c") == "Connection 'c' does not exist."
    assert fails("ResourceNotFoundException", events.describe_api_destination, Name="d") == "An api-destination 'd' does not exist."
    sentence = fails("ValidationException", events.create_connection, Name="x", AuthorizationType="API_KEY", AuthParameters=BASIC)
    assert sentence.startswith("Parameter AuthParameters is not valid.")
