"""Who may call: signatures, resource policies, functions and tokens that decide."""

import http.server
import json
import threading
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.services.apigateway.integrations import invocation_uri, lambda_proxy, mock

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
SIGNED = mock('"in"') | {"method": {"authorizationType": "AWS_IAM"}}


@pytest.fixture
def signed(send, ground):
    """`signed(api_id, path, key_id, secret)`: a request with a SigV4 header."""

    def request(api_id, path, key_id, secret, method="GET"):
        host = f"{api_id}.execute-api.us-east-1.localhost:{ground.endpoint.rpartition(':')[2]}"
        ask = AWSRequest(method, f"http://{host}{path}", headers={"Host": host})
        SigV4Auth(Credentials(key_id, secret), "execute-api", "us-east-1").add_auth(ask)
        return send(api_id, method, path, dict(ask.headers.items()))

    return request


def user_key(client, name, statement):
    iam = client("iam")
    iam.create_user(UserName=name)
    if statement:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_a_rest_method_with_iam_asks_for_a_signature_and_a_permission(rest_api, send, signed, client, account):
    api_id = rest_api({"GET /pets/{id}": SIGNED})
    reply = send(api_id, "GET", "/prod/pets/7")
    assert (reply.status, reply.document) == (403, {"message": "Missing Authentication Token"})
    allow = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:us-east-1:{account}:{api_id}/prod/GET/pets/*",
    }
    may, may_not = user_key(client, "may", allow), user_key(client, "may-not", None)
    assert signed(api_id, "/prod/pets/7", *may).document == "in"
    assert signed(api_id, "/prod/pets/7", account, "test").document == "in"
    reply = signed(api_id, "/prod/pets/7", *may_not)
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    resource = f"arn:aws:execute-api:us-east-1:********{account[-4:]}:{api_id}/prod/GET/pets/7"
    assert reply.document["Message"].startswith(f"User: arn:aws:iam::********{account[-4:]}:user/may-not is not authorized to perform: ")
    assert resource in reply.document["Message"]
    reply = signed(api_id, "/prod/pets/7", may[0], "wrong")
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    reply = signed(api_id, "/prod/pets/7", "AKIAUNKNOWNUNKNOWNUN", "x")
    assert reply.document == {"message": "The security token included in the request is invalid."}


def test_a_function_is_told_who_signed(rest_api, signed, function, account):
    api_id = rest_api({"GET /": lambda_proxy(function(ECHO)) | {"method": {"authorizationType": "AWS_IAM"}}})
    identity = signed(api_id, "/prod", account, "test").document["requestContext"]["identity"]
    assert (identity["userArn"], identity["accountId"], identity["accessKey"]) == (f"arn:aws:iam::{account}:root", account, account)


def test_a_function_under_the_credentials_of_who_signed(rest_api, send, signed, client, function, account):
    function_arn = function(ECHO, permitted=False)
    asks_who = lambda_proxy(function_arn, credentials="arn:aws:iam::*:user/*")
    api_id = rest_api({"GET /": asks_who | {"method": {"authorizationType": "AWS_IAM"}}, "GET /open": asks_who})
    assert signed(api_id, "/prod", account, "test").status == 200
    may_call = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    may_all = {"Effect": "Allow", "Action": ["execute-api:Invoke", "lambda:InvokeFunction"], "Resource": ["*", function_arn]}
    caller, both = user_key(client, "caller", may_call), user_key(client, "both", may_all)
    assert signed(api_id, "/prod", *both).document["requestContext"]["identity"]["userArn"].endswith(":user/both")
    reply = signed(api_id, "/prod", *caller)
    assert (reply.status, reply.document) == (500, {"message": "Internal server error"})
    assert send(api_id, "GET", "/prod/open").status == 500


def test_an_http_route_with_iam(client, send, signed, account, echo):
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP", Target=echo)["ApiId"]
    route = gateway.get_routes(ApiId=api_id)["Items"][0]
    gateway.update_route(ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    reply = send(api_id, "GET", "/x")
    assert (reply.status, reply.document) == (403, {"message": "Forbidden"})
    assert signed(api_id, "/x", account, "test").status == 200
    assert signed(api_id, "/x", *user_key(client, "nobody", None)).status == 403


def test_a_resource_policy_decides_for_everyone(rest_api, send, client):
    api_id = rest_api({"GET /open": mock(), "GET /shut": mock()}, deploy=False)
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/GET/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/GET/shut"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    gateway = client("apigateway")
    gateway.update_rest_api(restApiId=api_id, patchOperations=[{"op": "replace", "path": "/policy", "value": policy}])
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    assert send(api_id, "GET", "/prod/open").status == 200
    reply = send(api_id, "GET", "/prod/shut")
    assert reply.status == 403
    assert reply.document["Message"].startswith("User: anonymous is not authorized to perform: execute-api:Invoke on resource: ")
    assert reply.document["Message"].endswith(" with an explicit deny")


TOKEN_AUTHORIZER = """
def handler(event, context):
    token = event.get("authorizationToken") or event["headers"].get("x-token")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "broken":
        return {"nonsense": True}
    if token == "failing":
        raise ValueError("oh")
    return {
        "principalId": "someone",
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow" if token.startswith("good") else "Deny", "Resource": event["methodArn"]}]},
        "context": {"level": 7, "admin": True, "name": token},
        "usageIdentifierKey": token,
    }
"""


@pytest.fixture
def guarded(rest_api, function, client):
    """A REST API whose GET / asks a function; what it echoes is the event."""

    def make(kind, **settings):
        api_id = rest_api({"GET /": lambda_proxy(function(ECHO))}, deploy=False)
        gateway = client("apigateway")
        authorizer = gateway.create_authorizer(
            restApiId=api_id, name="guard", type=kind, authorizerUri=invocation_uri(function(TOKEN_AUTHORIZER)), **settings
        )
        root = gateway.get_rest_api(restApiId=api_id)["rootResourceId"]
        patches = [
            {"op": "replace", "path": "/authorizationType", "value": "CUSTOM"},
            {"op": "replace", "path": "/authorizerId", "value": authorizer["id"]},
        ]
        gateway.update_method(restApiId=api_id, resourceId=root, httpMethod="GET", patchOperations=patches)
        gateway.create_deployment(restApiId=api_id, stageName="prod")
        return api_id

    return make


def test_a_token_authorizer(guarded, send):
    api_id = guarded("TOKEN", identitySource="method.request.header.x-token", identityValidationExpression="[a-z0-9]+")
    reply = send(api_id, "GET", "/prod", {"x-token": "good1"})
    found = reply.document["requestContext"]["authorizer"]
    assert {name: found[name] for name in ("principalId", "level", "admin", "name")} == {
        "principalId": "someone",
        "level": "7",
        "admin": "true",
        "name": "good1",
    }
    for headers, status, document in (
        ({}, 401, {"message": "Unauthorized"}),
        ({"x-token": "NOT VALID"}, 401, {"message": "Unauthorized"}),
        ({"x-token": "unauthorized"}, 401, {"message": "Unauthorized"}),
        ({"x-token": "bad"}, 403, {"message": "User is not authorized to access this resource with an explicit deny"}),
        ({"x-token": "broken"}, 500, {"message": None}),
        ({"x-token": "failing"}, 500, {"message": None}),
    ):
        reply = send(api_id, "GET", "/prod", headers)
        assert (reply.status, reply.document) == (status, document), headers


def test_a_request_authorizer_and_its_cache(guarded, send, clock, ground, client):
    api_id = guarded("REQUEST", identitySource="method.request.header.x-token", authorizerResultTtlInSeconds=60)

    def invokes():
        return sum(each.service == "lambda" and each.operation == "Invoke" for each in ground.ground.telemetry.recent)

    ground.ground.telemetry.recent.clear()  # it keeps so many; a full one would count the same before and after
    before = invokes()
    assert [send(api_id, "GET", "/prod", {"x-token": "good2"}).status for _ in range(3)] == [200] * 3
    assert invokes() - before == 4  # three of the function, one of the authorizer
    clock.advance("61s")
    assert send(api_id, "GET", "/prod", {"x-token": "good2"}).status == 200
    assert invokes() - before == 6
    client("apigateway").flush_stage_authorizers_cache(restApiId=api_id, stageName="prod")
    assert send(api_id, "GET", "/prod", {"x-token": "good2"}).status == 200
    assert invokes() - before == 8
    assert send(api_id, "GET", "/prod").status == 401


def test_an_authorizer_may_name_the_callers_key(guarded, send, client):
    api_id = guarded("TOKEN", identitySource="method.request.header.x-token")
    gateway = client("apigateway")
    gateway.update_rest_api(restApiId=api_id, patchOperations=[{"op": "replace", "path": "/apiKeySource", "value": "AUTHORIZER"}])
    root = gateway.get_rest_api(restApiId=api_id)["rootResourceId"]
    patch = [{"op": "replace", "path": "/apiKeyRequired", "value": "true"}]
    gateway.update_method(restApiId=api_id, resourceId=root, httpMethod="GET", patchOperations=patch)
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    value = "good-key-of-the-partner"
    key = gateway.create_api_key(value=value, enabled=True)["id"]
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api_id, "stage": "prod"}])["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    context = send(api_id, "GET", "/prod", {"x-token": value}).document["requestContext"]
    assert (context["identity"]["apiKey"], context["identity"]["apiKeyId"]) == (value, key)
    assert "usageIdentifierKey" not in context["authorizer"]
    assert send(api_id, "GET", "/prod", {"x-token": "good-but-unknown", "x-api-key": value}).status == 403


SIMPLE = """
def handler(event, context):
    token = event["identitySource"][0]
    return {"isAuthorized": token == "good", "context": {"who": token, "version": event["version"], "route": event["routeKey"]}}
"""


def test_a_simple_authorizer_of_an_http_api(client, send, function):
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP", Target=function(ECHO))["ApiId"]
    authorizer = gateway.create_authorizer(
        ApiId=api_id,
        Name="guard",
        AuthorizerType="REQUEST",
        AuthorizerUri=invocation_uri(function(SIMPLE)),
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        IdentitySource=["$request.header.x-token"],
    )["AuthorizerId"]
    route = gateway.get_routes(ApiId=api_id)["Items"][0]
    gateway.update_route(ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    found = send(api_id, "GET", "/x", {"x-token": "good"}).document["requestContext"]["authorizer"]
    assert found == {"lambda": {"who": "good", "version": "2.0", "route": "$default"}}
    reply = send(api_id, "GET", "/x", {"x-token": "bad"})
    assert (reply.status, reply.document) == (403, {"message": "Forbidden"})
    reply = send(api_id, "GET", "/x")
    assert (reply.status, reply.document) == (401, {"message": "Unauthorized"})


@pytest.fixture
def issuer(clock):
    """An OpenID issuer: (URL, function that makes a token of claims)."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256"})

    class Issuer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            url = f"http://127.0.0.1:{self.server.server_port}"
            document = {"jwks_uri": f"{url}/keys"} if self.path.endswith("configuration") else {"keys": [key.as_dict(private=False)]}
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def token(signed_by=key, **claims):
        base = {"iss": url, "aud": "web", "sub": "someone", "exp": int(clock.now_s()) + 3600, "scope": "read write"}
        return jwt.encode({"alg": "RS256", "kid": "k1"}, base | claims, signed_by)

    yield url, token
    server.shutdown()
    server.server_close()


def test_a_jwt_authorizer(client, send, function, issuer):
    url, token = issuer
    gateway = client("apigatewayv2")
    api_id = gateway.create_api(Name="web", ProtocolType="HTTP", Target=function(ECHO))["ApiId"]
    authorizer = gateway.create_authorizer(
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": url, "Audience": ["web"]},
    )["AuthorizerId"]
    route = gateway.get_routes(ApiId=api_id)["Items"][0]["RouteId"]
    gateway.update_route(ApiId=api_id, RouteId=route, AuthorizationType="JWT", AuthorizerId=authorizer, AuthorizationScopes=["read"])

    def ask(value):
        return send(api_id, "GET", "/x", {"authorization": value})

    found = ask(f"Bearer {token(groups=['a', 'b'])}").document["requestContext"]["authorizer"]["jwt"]
    assert (found["claims"]["sub"], found["claims"]["groups"], found["scopes"]) == ("someone", "[a b]", ["read"])
    assert ask(token()).status == 200
    from joserfc.jwk import RSAKey

    stranger = RSAKey.generate_key(2048, {"kid": "k1"})
    for bad in (
        "Bearer nonsense",
        f"Bearer {token(aud='other')}",
        f"Bearer {token(iss='http://other')}",
        f"Bearer {token(exp=1)}",
        f"Bearer {token(nbf=int(time.time()) + 100 * 365 * 86400)}",
        f"Bearer {token(stranger)}",
    ):
        reply = ask(bad)
        assert (reply.status, reply.document) == (401, {"message": "Unauthorized"})
        assert reply.headers["www-authenticate"].startswith('Bearer scope="" error="invalid_token"')
    assert send(api_id, "GET", "/x").status == 401
    reply = ask(f"Bearer {token(scope='write')}")
    assert (reply.status, reply.document) == (403, {"message": "Forbidden"})


def test_cognito_is_refused_by_name(client):
    from botocore.exceptions import ClientError

    gateway = client("apigateway")
    api_id = gateway.create_rest_api(name="a")["id"]
    with pytest.raises(ClientError, match="Cognito authorizers"):
        gateway.create_authorizer(
            restApiId=api_id, name="c", type="COGNITO_USER_POOLS", providerARNs=["arn:aws:cognito-idp:us-east-1:1:userpool/x"]
        )
