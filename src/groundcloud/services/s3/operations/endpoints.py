"""What browsers ask of S3 without its API: preflights, website pages, form uploads."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from groundcloud.base.errors import AwsError
from groundcloud.http import hosts
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import endpoint
from groundcloud.services.s3 import access_points, cors, errors, website
from groundcloud.services.s3.operations.objects import get_object, head_object
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, OBJECTS
from groundcloud.wire.message import HttpRequest, HttpResponse

_SERVER = ("server", "AmazonS3")
_NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


def fault(call: Call, error: AwsError) -> HttpResponse:
    """An error as S3's API writes it."""
    assert call.room is not None
    return call.room.codecs.get("GetObject", "rest-xml").error(error, call.request_id)


@endpoint("s3-preflight")
async def preflight(call: Call, http: HttpRequest) -> HttpResponse | None:
    bucket_name, _, key = http.path.removeprefix("/").partition("/")
    if not bucket_name:
        return None
    origin, method = http.headers.get("origin"), http.headers.get("access-control-request-method")
    resource_type = "OBJECT" if key else "BUCKET"
    if origin is None:
        return fault(call, errors.S3Error("BadRequest", "Insufficient information. Origin request header needed.", 400))
    if method not in cors.METHODS:
        return fault(call, errors.S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}", 400))
    tx = call.reading()
    if not BUCKETS.has(tx, bucket_name):
        try:
            behind = access_points.bucket_of(tx, bucket_name, call.region)
        except AwsError:
            behind = None
        bucket_name = behind.bucket_name if behind is not None else bucket_name
    document = CONFIGURATIONS.get(tx, bucket_name, "cors", "")
    fields = {"Method": method, "ResourceType": resource_type}
    if document is None:
        return fault(call, errors.S3Error("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.", 403, fields))
    wanted = cors.requested_headers(http.headers.get("access-control-request-headers"))
    rule = cors.rule_for(document, origin, method, wanted)
    if rule is None:
        return fault(call, errors.S3Error("AccessForbidden", _NOT_ALLOWED, 403, fields))
    headers = [_SERVER, ("x-amz-request-id", call.request_id), ("x-amz-id-2", call.request_id), *cors.answer_headers(rule, origin, wanted)]
    return HttpResponse(200, headers)


@endpoint("s3-website")
async def page(call: Call, http: HttpRequest) -> HttpResponse | None:
    """A page of a bucket's website; everybody is anonymous here."""
    bucket_name = hosts.parse(http.host).label
    tx = call.reading()
    bucket = BUCKETS.get(tx, bucket_name)
    key = http.path.removeprefix("/")
    if http.method not in ("GET", "HEAD"):
        return _failed(call, 405, errors.method_not_allowed(http.method, "OBJECT"))
    if bucket is None:
        return _failed(call, 404, errors.no_such_bucket(bucket_name))
    document = CONFIGURATIONS.get(tx, bucket_name, "website", "")
    if document is None:
        sentence = "The specified bucket does not have a website configuration"
        return _failed(call, 404, errors.no_such_configuration("NoSuchWebsiteConfiguration", sentence, bucket_name))
    everything = document.get("RedirectAllRequestsTo")
    if everything is not None:
        query = f"?{http.query_string}" if http.query_string else ""
        return _redirect(call, 301, f"{everything.get('Protocol', http.scheme)}://{everything['HostName']}{http.raw_path}{query}")
    rule = website.rule_for(document, key, None)
    if rule is not None:
        return _redirect(call, *website.location_of(rule, key, http.scheme, http.host))
    suffix = document["IndexDocument"]["Suffix"]
    wanted = f"{key}{suffix}" if not key or key.endswith("/") else key
    try:
        return await _page(call, http, bucket_name, wanted, 200)
    except AwsError as error:
        failure = error
    status = failure.status or 500
    if status == 304:
        return HttpResponse(304, [*getattr(failure, "headers", {}).items()])
    if status in (403, 404) and wanted == key and OBJECTS.has(tx, bucket_name, f"{key}/{suffix}"):
        return _redirect(call, 302, f"{http.raw_path}/")
    rule = website.rule_for(document, key, status)
    if rule is not None:
        return _redirect(call, *website.location_of(rule, key, http.scheme, http.host))
    error_key = (document.get("ErrorDocument") or {}).get("Key")
    if error_key and 400 <= status < 500:
        http.headers.pop("range", None)
        try:
            response = await _page(call, http, bucket_name, error_key, status)
        except AwsError:
            pass
        else:
            response.headers.extend(_error_headers(failure))
            return response
    return _failed(call, status, failure)


async def _page(call: Call, http: HttpRequest, bucket_name: str, key: str, status: int) -> HttpResponse:
    """An object as a page. Raises AwsError."""
    request: dict[str, Any] = {"Bucket": bucket_name, "Key": key}
    if status == 200:
        from groundcloud.wire import timestamps

        for member, header in (("IfMatch", "if-match"), ("IfNoneMatch", "if-none-match"), ("Range", "range")):
            if header in http.headers:
                request[member] = http.headers[header]
        for member, header in (("IfModifiedSince", "if-modified-since"), ("IfUnmodifiedSince", "if-unmodified-since")):
            if header in http.headers:
                try:
                    request[member] = timestamps.parse(http.headers[header])
                except ValueError:
                    continue
    answer = await (head_object if http.method == "HEAD" else get_object)(call, request)
    redirect = answer.get("WebsiteRedirectLocation")
    if redirect and status == 200:
        return _redirect(call, 301, redirect)
    assert call.room is not None
    response = call.room.codecs.get("GetObject", "rest-xml").serialize(answer, call.request_id)
    response.headers.append(_SERVER)
    if status != 200:
        response.status = status
    return response


def _redirect(call: Call, status: int, location: str) -> HttpResponse:
    return HttpResponse(status, [_SERVER, ("location", location), ("x-amz-request-id", call.request_id), ("x-amz-id-2", call.request_id)])


def _failed(call: Call, status: int, error: AwsError) -> HttpResponse:
    body = website.error_page(
        status, HTTPStatus(status).phrase, error.code, error.message.partition(" (ground why")[0], error.fields, call.request_id
    )
    headers = [
        _SERVER,
        ("content-type", "text/html; charset=utf-8"),
        ("x-amz-request-id", call.request_id),
        ("x-amz-id-2", call.request_id),
    ]
    return HttpResponse(status, headers + _error_headers(error), body)


def _error_headers(error: AwsError) -> list[tuple[str, str]]:
    """What a website's answer says of why it is not the page."""
    found = [("x-amz-error-code", error.code), ("x-amz-error-message", error.message.partition(" (ground why")[0])]
    return found + [
        (f"x-amz-error-detail-{name}", quote(str(value), safe="/:*")) for name, value in error.fields.items() if value is not None
    ]
