"""Function URLs: their configuration, and the requests that come to them. Also answers the addresses of packages that GetFunction gives."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any

from groundcloud.auth import refusals, sigv4
from groundcloud.auth.principals import Principal
from groundcloud.auth.refusals import SignatureError
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import endpoint, operation
from groundcloud.runtime.streaming import ResponseStream
from groundcloud.services.lambda_ import conditions, configuration, errors, execution, names, publishing, url_events
from groundcloud.services.lambda_.durable import starts
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.operations import functions
from groundcloud.services.lambda_.operations.invoke import REQUEST_BYTES_MAX
from groundcloud.services.lambda_.state import PACKAGES, URL_IDS, URLS, Url, UrlPlace
from groundcloud.store import Transaction
from groundcloud.wire.message import HttpRequest, HttpResponse

DENIED = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
PATH_FORM = "/_aws/lambda-url/"
SERVICE = "lambda"
"""What a signature of a request to a URL is scoped to."""
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 32


@operation(resource=names.arn_of, context=conditions.of_url)
def create_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    if URLS.has(tx, name.name, name.qualifier):
        raise errors.conflict(
            f"Failed to create function url config for [functionArn = {name.qualified_arn}]. Error message: FunctionUrlConfig exists for this Lambda function"
        )
    url = Url(
        function_name=name.name,
        qualifier=name.qualifier,
        url_id="".join(call.random.choices(_ID_ALPHABET, k=_ID_LENGTH)),
        auth_type=request["AuthType"],
        created_ms=call.now_ms,
        last_modified_ms=call.now_ms,
        invoke_mode=request.get("InvokeMode") or "BUFFERED",
        cors=request.get("Cors") or None,
    )
    URLS.put(tx, url)
    URL_IDS.put(tx, UrlPlace(url.url_id, name.account, name.region, name.name, name.qualifier))
    document = _document(call, name, url)
    del document["LastModifiedTime"]
    return document


@operation(resource=names.arn_of, context=conditions.of_url)
def get_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request, creating=False)
    return _document(call, name, _load(tx, name))


@operation(resource=names.arn_of, context=conditions.of_url)
def update_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    url = _load(tx, name)
    changes: dict[str, Any] = {"last_modified_ms": call.now_ms}
    if request.get("AuthType"):
        changes["auth_type"] = request["AuthType"]
    if request.get("InvokeMode"):
        changes["invoke_mode"] = request["InvokeMode"]
    if request.get("Cors") is not None:
        changes["cors"] = request["Cors"] or None
    url = url.replace(**changes)
    URLS.put(tx, url)
    return _document(call, name, url)


@operation(resource=names.arn_of, context=conditions.of_url)
def delete_function_url_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request, creating=False)
    url = _load(tx, name)
    URLS.delete(tx, url.function_name, url.qualifier)
    URL_IDS.delete(tx, url.url_id)
    return {}


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
def list_function_url_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _place(call, request)
    limit = min(request.get("MaxItems") or functions.ITEMS_MAX, functions.ITEMS_MAX)
    found = list(URLS.scan(tx, name.name, after=request.get("Marker"), limit=limit + 1))
    marker = found[limit - 1].qualifier if len(found) > limit else None
    documents = [_document(call, name._replace(qualifier=url.qualifier), url) for url in found[:limit]]
    return {"FunctionUrlConfigs": documents, "NextMarker": marker}


def _place(call: Call, request: dict[str, Any], *, creating: bool = True) -> tuple[FunctionName, Transaction]:
    """A URL is a function's or an alias's. `creating`: what AWS says of a missing function differs elsewhere. Raises AwsError."""
    name = names.of(call, request)
    try:
        version = functions.load(call, name).version
    except AwsError as error:
        raise errors.resource_not_found(*(["Function does not exist"] if creating else [])) from error
    if execution.isolates_tenants(version):
        raise errors.invalid_parameter("Function URLs are not supported for functions with tenant isolation.")
    if name.qualifier and not name.is_alias:
        raise errors.validation(
            f"1 validation error detected: Value '{name.qualifier}' at 'qualifier' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)"
        )
    return name, call.tx.at(name.account, name.region)


def _load(tx: Transaction, name: FunctionName) -> Url:
    url = URLS.get(tx, name.name, name.qualifier)
    if url is None:
        raise errors.resource_not_found()
    return url


def _document(call: Call, name: FunctionName, url: Url) -> dict[str, Any]:
    scheme, _, host = call.endpoint.partition("://")
    return {
        "FunctionUrl": f"{scheme}://{_domain(url.url_id, name.region, host)}/",
        "FunctionArn": name.qualified_arn,
        "AuthType": url.auth_type,
        "Cors": url.cors,
        "CreationTime": configuration.last_modified(url.created_ms),
        "LastModifiedTime": configuration.last_modified(url.last_modified_ms),
        "InvokeMode": url.invoke_mode,
    }


def _domain(url_id: str, region: str, host: str) -> str:
    base = host if host.startswith("localhost") else f"localhost:{host.rpartition(':')[2]}"
    return f"{url_id}.lambda-url.{region}.{base}"


# Requests


@endpoint("lambda-url")
async def answer(call: Call, http: HttpRequest) -> HttpResponse | None:
    """A request to a URL's host, or to `/_aws/lambda-url/<id>/...` for clients that cannot resolve it."""
    if http.raw_path.startswith(PATH_FORM):
        url_id, _, rest = http.raw_path[len(PATH_FORM) :].partition("/")
        raw_path = "/" + rest
    else:
        url_id, raw_path = http.host.partition(".")[0], http.raw_path
    if url_id == "code":
        return _package(call, raw_path[1:])
    place = URL_IDS.get(call.reading(), url_id)
    if place is None:
        return url_events.failure(403, "Forbidden")
    name = FunctionName(place.account, place.region, place.function_name, place.qualifier)
    seen = Call(call.ground, call.room, "InvokeFunctionUrl", name.account, name.region, call.principal, http=http)
    url = URLS.get(seen.reading(), name.name, name.qualifier)
    if url is None:
        return url_events.failure(403, "Forbidden")
    cors = url_events.cors_headers(url.cors, http, preflight=http.method == "OPTIONS") if url.cors else []
    if url.cors and http.method == "OPTIONS" and "access-control-request-method" in http.headers:
        return HttpResponse(200, cors)
    response = await _invoke(seen, http, url, name, raw_path)
    if url.cors:
        given = [pair for pair in response.headers if not pair[0].startswith("access-control-")]
        response.headers = given + cors
    return response


async def _invoke(call: Call, http: HttpRequest, url: Url, name: FunctionName, raw_path: str) -> HttpResponse:
    try:
        body = await http.body.read(REQUEST_BYTES_MAX)
    except AwsError:
        return url_events.failure(413, "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
    iam = None
    if url.auth_type == "AWS_IAM":
        try:
            iam = _authenticate(call, http, body)
        except SignatureError as wrong:
            return url_events.failure(403, "Forbidden" if wrong.kind == "missing" else refusals.refusal(wrong, "json").message)
    if not _may_invoke(call, url, name):
        return url_events.failure(403, DENIED)
    domain = _domain(url.url_id, name.region, http.host)
    event = url_events.event_of(http, raw_path, url.url_id, domain, call.request_id, call.now_ms, call.principal.account, iam)
    payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    began_ns = time.perf_counter_ns()
    if url.invoke_mode == "RESPONSE_STREAM":
        return await _stream(call, http, name, payload)
    target, outcome, error = None, None, None
    try:
        target = execution.target(call, name)
        outcome = await starts.run(call, target, payload, call.request_id, trace=http.headers.get("x-amzn-trace-id", ""))
    except AwsError as refused:
        error = refused
    if target is not None:
        execution.record(call, target, began_ns, outcome, error, call.principal.arn)
    if error is not None:
        return url_events.failure(429 if error.code == "TooManyRequestsException" else 502, error.message)
    assert outcome is not None
    if outcome.failed:
        return HttpResponse(502, [("content-type", "application/json"), ("x-amzn-requestid", call.request_id)], b"Internal Server Error")
    response = url_events.response_of(outcome.payload)
    response.headers.append(("x-amzn-requestid", call.request_id))
    return response


def _may_invoke(call: Call, url: Url, name: FunctionName) -> bool:
    """AWS: "Control access to Lambda function URLs": "new function URLs will require both" permissions since October 2025."""
    facts = conditions.of_function(call, {"FunctionName": name.arn})
    by_url = {**facts, "lambda:FunctionUrlAuthType": url.auth_type}
    invoking = {**facts, "lambda:InvokedViaFunctionUrl": "true"}
    return call.allowed("lambda:InvokeFunctionUrl", name.qualified_arn, by_url) and call.allowed(
        "lambda:InvokeFunction", name.qualified_arn, invoking
    )


async def _stream(call: Call, http: HttpRequest, name: FunctionName, payload: bytes) -> HttpResponse:
    try:
        target = execution.target(call, name)
        stream = execution.stream(call, target, payload, call.request_id, trace=http.headers.get("x-amzn-trace-id", ""))
        if not await stream.begin():
            outcome: Any = await stream.result()
            if outcome.failed:
                return HttpResponse(
                    502, [("content-type", "application/json"), ("x-amzn-requestid", call.request_id)], b"Internal Server Error"
                )
    except AwsError as error:
        return url_events.failure(429 if error.code == "TooManyRequestsException" else 502, error.message)
    response = await url_events.streamed_response(stream.content_type or "application/octet-stream", _read(stream))
    response.headers.append(("x-amzn-requestid", call.request_id))
    return response


async def _read(stream: ResponseStream) -> AsyncIterator[bytes]:
    try:
        async for piece in stream:
            yield piece
    finally:
        stream.discard()


def _authenticate(call: Call, http: HttpRequest, body: bytes) -> dict[str, Any]:
    """Makes the signer the call's principal; requestContext.authorizer.iam. Raises SignatureError."""
    signature = sigv4.parse_authorization(http.headers, http.query_string)
    if signature is None:
        raise SignatureError("missing")
    if signature.service != SERVICE:
        raise SignatureError("wrong-service", service=signature.service, expected=SERVICE)
    ground = call.ground
    now_s = call.clock.now_s()
    identity = ground.identities.resolve(
        ground.store.transaction(), ground.directory, signature.access_key_id, signature.session_token, now_s
    )
    computed = hashlib.sha256(body).hexdigest()
    real_s = time.time() if call.clock.offset_ns or call.clock.frozen_ns is not None else float(now_s)
    sigv4.verify(
        signature, identity.secret, http.method, http.raw_path, http.query_string, http.headers, signature.payload_hash or computed, real_s
    )
    if signature.payload_form() == "hash" and signature.payload_hash != computed:
        raise SignatureError("payload-mismatch", client=signature.payload_hash or "", computed=computed)
    principal: Principal = identity.principal
    call.principal, call.session = principal, identity.session
    return {
        "accessKey": signature.access_key_id,
        "accountId": principal.account,
        "callerId": principal.unique_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.unique_id,
    }


def _package(call: Call, sealed: str) -> HttpResponse:
    """The zip file behind an address of `publishing.location`."""
    from cryptography.exceptions import InvalidTag

    try:
        ticket = json.loads(call.ground.identities.open_sealed(urlsafe_b64decode(sealed), publishing.SEAL_PURPOSE))
    except (InvalidTag, ValueError):
        return HttpResponse(403, [("content-type", "text/plain")], b"Forbidden\n")
    package = PACKAGES.get(call.reading(), ticket["digest"])
    if package is None or ticket["expires_s"] < call.now_s:
        return HttpResponse(403, [("content-type", "text/plain")], b"Request has expired\n")
    headers = [("content-type", "application/zip"), ("content-length", str(package.blob.size_bytes))]
    return HttpResponse(200, headers, call.blobs.stream(package.blob))
