"""Proxy events: what a function is given for a request, in payload format 1.0 and 2.0. Pure.

AWS: "Input format of a Lambda function for proxy integration" and "Create AWS Lambda proxy integrations for HTTP APIs".
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from groundcloud.services.apigateway.gateway.exchange import Exchange

_NO_IDENTITY: dict[str, Any] = {
    "cognitoIdentityPoolId": None,
    "accountId": None,
    "cognitoIdentityId": None,
    "caller": None,
    "sourceIp": None,
    "principalOrgId": None,
    "accessKey": None,
    "cognitoAuthenticationType": None,
    "cognitoAuthenticationProvider": None,
    "userArn": None,
    "userAgent": None,
    "user": None,
}
_WELL_KNOWN = {
    "accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers", "access-control-request-method",
    "authorization", "cache-control", "connection", "content-disposition", "content-encoding", "content-language", "content-length",
    "content-md5", "content-type", "cookie", "dnt", "date", "expect", "forwarded", "from", "host", "if-match", "if-modified-since",
    "if-none-match", "if-range", "if-unmodified-since", "max-forwards", "origin", "pragma", "range", "referer", "te", "transfer-encoding",
    "upgrade", "upgrade-insecure-requests", "user-agent", "via", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token",
    "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-requested-with",
}  # fmt: skip
"""Headers whose usual spelling is each word capitalised. REST APIs hand a client's spelling on; the server only knows lower-case names."""
_SPECIAL = {"content-md5": "Content-MD5", "dnt": "DNT", "te": "TE", "x-amz-content-sha256": "X-Amz-Content-Sha256"}


@lru_cache(maxsize=4096)
def client_spelling(name: str) -> str:
    """`content-type` -> `Content-Type`; a name that is not well known stays."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    return "-".join(part.capitalize() for part in name.split("-")) if name in _WELL_KNOWN else name


def headers_of(exchange: Exchange) -> dict[str, str]:
    """The client's headers with those that the gateway adds."""
    headers = dict(exchange.http.headers)
    forwarded = headers.get("x-forwarded-for")
    source_ip = exchange.http.source_ip
    headers["x-forwarded-for"] = f"{forwarded}, {source_ip}" if forwarded else source_ip
    headers.setdefault("x-forwarded-proto", exchange.http.scheme)
    host = exchange.http.host
    headers.setdefault("x-forwarded-port", host.rpartition(":")[2] if ":" in host else ("443" if exchange.http.scheme == "https" else "80"))
    headers["x-amzn-trace-id"] = exchange.trace_id
    return headers


def _both_forms(exchange: Exchange) -> tuple[dict[str, str], dict[str, list[str]]]:
    """`headers`, where the last of a repeated header stands, and `multiValueHeaders`, where each does. AWS: "Input format of a Lambda function for proxy integration"."""
    repeated = exchange.http.repeated
    single, lists = {}, {}
    for name, value in headers_of(exchange).items():
        values = repeated.get(name) if repeated and name != "x-forwarded-for" else None
        spelled = client_spelling(name)
        single[spelled] = values[-1] if values else value
        lists[spelled] = values or [value]
    return single, lists


def rest_event(exchange: Exchange, is_binary: bool) -> dict[str, Any]:
    """Payload 1.0 as a REST API makes it."""
    spelled, lists = _both_forms(exchange)
    query = exchange.http.query if exchange.http.query_string else None
    route, stage = exchange.route, exchange.stage
    body, encoded = body_of(exchange.body, is_binary)
    return {
        "resource": route.path,
        "path": exchange.path,
        "httpMethod": exchange.method,
        "headers": spelled,
        "multiValueHeaders": lists,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": exchange.parameters or None,
        "stageVariables": stage.variables or None,
        "requestContext": rest_context(exchange),
        "body": body,
        "isBase64Encoded": encoded,
    }


def rest_context(exchange: Exchange) -> dict[str, Any]:
    route, stage, call = exchange.route, exchange.stage, exchange.call
    identity = {**_NO_IDENTITY, **exchange.identity}
    identity["sourceIp"] = exchange.http.source_ip
    identity["userAgent"] = exchange.http.headers.get("user-agent")
    if exchange.api_key:
        identity["apiKey"] = exchange.api_key
        identity["apiKeyId"] = exchange.api_key_id
    context: dict[str, Any] = {
        "resourceId": route.resource_id,
        "resourcePath": route.path,
        "httpMethod": exchange.method,
        "extendedRequestId": exchange.extended_request_id,
        "requestTime": exchange.request_time,
        "path": exchange.request_path,
        "accountId": call.account,
        "protocol": "HTTP/1.1",
        "stage": stage.name,
        "domainPrefix": exchange.api_id,
        "requestTimeEpoch": call.now_ms,
        "requestId": exchange.request_id,
        "identity": identity,
        "domainName": exchange.domain_name,
        "deploymentId": stage.deployment_id,
        "apiId": exchange.api_id,
    }
    if exchange.authorizer is not None:
        context["authorizer"] = exchange.authorizer
    return context


def http_event_1(exchange: Exchange, is_binary: bool) -> dict[str, Any]:
    """Payload 1.0 as an HTTP API makes it."""
    headers, lists = _both_forms(exchange)
    headers.setdefault("Content-Length", "0")
    lists.setdefault("Content-Length", ["0"])
    query = exchange.http.query if exchange.http.query_string else None
    body, encoded = body_of(exchange.body, is_binary)
    context = rest_context(exchange)
    context["resourceId"] = exchange.route.key
    context["requestId"] = exchange.extended_request_id
    del context["deploymentId"]
    return {
        "version": "1.0",
        "resource": exchange.route.path,
        "path": exchange.request_path,
        "httpMethod": exchange.method,
        "headers": headers,
        "multiValueHeaders": lists,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": context,
        "pathParameters": exchange.parameters or None,
        "stageVariables": exchange.stage.variables or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def http_event_2(exchange: Exchange, is_binary: bool) -> dict[str, Any]:
    """Payload 2.0: what a request has not is left out."""
    http, stage, call = exchange.http, exchange.stage, exchange.call
    headers = headers_of(exchange)
    headers.setdefault("content-length", "0")
    cookie = headers.pop("cookie", None)
    context: dict[str, Any] = {
        "accountId": call.account,
        "apiId": exchange.api_id,
        "domainName": exchange.domain_name,
        "domainPrefix": exchange.api_id,
        "http": {
            "method": exchange.method,
            "path": exchange.request_path,
            "protocol": "HTTP/1.1",
            "sourceIp": http.source_ip,
            "userAgent": http.headers.get("user-agent", ""),
        },
        "requestId": exchange.extended_request_id,
        "routeKey": exchange.route.key,
        "stage": stage.name,
        "time": exchange.request_time,
        "timeEpoch": call.now_ms,
    }
    if exchange.authorizer is not None:
        context["authorizer"] = exchange.authorizer
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": exchange.route.key,
        "rawPath": exchange.request_path,
        "rawQueryString": http.query_string,
    }
    if cookie:
        event["cookies"] = [each.strip() for each in cookie.split(";") if each.strip()]
    event["headers"] = headers
    if http.query_string:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in http.query.items()}
    event["requestContext"] = context
    if exchange.parameters:
        event["pathParameters"] = exchange.parameters
    if stage.variables:
        event["stageVariables"] = stage.variables
    if exchange.body:
        event["body"], event["isBase64Encoded"] = body_of(exchange.body, is_binary)
    else:
        event["isBase64Encoded"] = False
    return event


def body_of(body: bytes, is_binary: bool) -> tuple[str | None, bool]:
    """The event's `body` and `isBase64Encoded`."""
    if not body:
        return None, False
    if is_binary:
        return b64encode(body).decode(), True
    return body.decode("utf-8", errors="replace"), False


def http_is_binary(headers: dict[str, str], body: bytes) -> bool:
    """Whether an HTTP API hands this body on in base64: all but text, JSON, XML and JavaScript, forms and bodies without a type among them.

    AWS does not document the types; people have observed them.
    """
    if not body:
        return False
    if headers.get("content-encoding", "identity") != "identity":
        return True
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return not (kind.startswith("text/") or kind in ("application/json", "application/xml", "application/javascript"))


def decoded_path(raw_path: str) -> str:
    """An HTTP API decodes a path once before it looks for a route."""
    return unquote(raw_path, errors="replace") if "%" in raw_path else raw_path
