"""Which service and operation a request is for, and in which protocol.

Order: RPC v2 path; `X-Amz-Target`; an Action in the form or the query string; else REST, where the service comes from the credential scope or the
host name and the operation from method, path, query names and headers (`wire/router.py`). What cannot be told is S3's, whose clients may be anonymous.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.router import Router, router

__all__ = ["Route", "Router", "identify", "router", "speaks_rest_json", "unknown_operation"]


class Route(NamedTuple):
    """`labels` are the path's, decoded."""

    service: str
    operation: str
    protocol: str
    labels: dict[str, str]


@lru_cache(maxsize=1)
def _targets() -> dict[str, str]:
    return {metadata["targetPrefix"]: service for service, metadata in models.index().items() if "targetPrefix" in metadata}


@lru_cache(maxsize=1)
def _by_signing_name() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for service, metadata in models.index().items():
        for name in {metadata.get("signingName") or metadata["endpointPrefix"], metadata["endpointPrefix"]}:
            found.setdefault(name, []).append(service)
    return found


@lru_cache(maxsize=1)
def _by_host_label() -> dict[str, str]:
    return {metadata["endpointPrefix"].split(".")[0]: service for service, metadata in models.index().items()}


async def identify(request: HttpRequest, signing_name: str | None) -> Route:
    """`signing_name` is the service of the credential scope, None if the request is not signed.

    Raises AwsError UnknownOperationException naming what is missing.
    """
    headers = request.headers
    target = headers.get("x-amz-target")
    if target is not None:
        found = _target(target)
        return found._replace(protocol="json-cbor") if headers.get("content-type", "").startswith("application/x-amz-cbor") else found
    if request.method == "POST":
        if "smithy-protocol" in headers or "/operation/" in request.raw_path:
            route = _rpc_v2(request, signing_name)
            if route is not None:
                return route
        if signing_name != "s3" and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form = await request.form()
            action = form.get("Action")
            if action is not None:
                return _query(action, form.get("Version", ""), signing_name, request.host.split(".", 1)[0])
    if "Action=" in request.query_string and signing_name != "s3" and (actions := request.query.get("Action")):
        version = request.query.get("Version", [""])[0]
        if request.raw_path == "/" or signing_name == "sqs" or version == "2012-11-05":
            return _query(actions[0], version, signing_name, request.host.split(".", 1)[0])
    return _rest(request, signing_name)


def unknown_operation(message: str) -> AwsError:
    return AwsError("UnknownOperationException", message, status=404)


@lru_cache(maxsize=1024)
def _target(text: str) -> Route:
    prefix, _, operation = text.rpartition(".")
    service = _targets().get(prefix)
    if service is None:
        raise unknown_operation(f"No service of this server has the target {text!r}.")
    if "json" not in _protocols(service):
        raise unknown_operation(f"{service} does not speak the JSON protocol.")
    return Route(service, operation, "json", {})


def _rpc_v2(request: HttpRequest, signing_name: str | None) -> Route | None:
    match = re.search(r"/service/([^/]+)/operation/([^/]+)/?$", request.path)
    if match is None:
        if request.headers.get("smithy-protocol") != "rpc-v2-cbor":
            return None
        raise unknown_operation(f"Not a Smithy RPC v2 path: {request.path}")
    candidates = _by_signing_name().get(signing_name or "", [])
    service = _targets().get(match[1]) or (candidates[0] if candidates else None)
    if service is None:
        raise unknown_operation(f"No service of this server is called {match[1]!r}.")
    return Route(service, match[2], "smithy-rpc-v2-cbor", {})


@lru_cache(maxsize=1024)
def _query(action: str, version: str, signing_name: str | None, host_label: str) -> Route:
    candidates = _by_signing_name().get(signing_name, []) if signing_name else []
    if not candidates:
        index = models.index()
        # AWS's own links (SNS: ConfirmSubscription, Unsubscribe) name no version.
        candidates = [service for service in index if "query" in _protocols(service) and version in ("", index[service]["apiVersion"])]
        candidates.sort(key=lambda service: index[service]["endpointPrefix"] != host_label)
        known = [service for service in candidates if action in models.load(service).operation_names]
        candidates = known or (candidates if version else [])
    for service in candidates:
        if "query" in _protocols(service):
            return Route(service, action, "query", {})
    raise unknown_operation(f"No service of this server has the action {action!r} in version {version!r}.")


def _protocols(service: str) -> list[str]:
    if service == "sqs":
        return ["json", "query"]
    metadata = models.index()[service]
    return metadata.get("protocols") or [metadata["protocol"]]


def speaks_rest_json(signing_name: str) -> bool:
    """Whether what a request is signed for answers in JSON, though no operation of it is meant."""
    return any("rest-json" in _protocols(service) for service in _by_signing_name().get(signing_name, ()))


def _rest(request: HttpRequest, signing_name: str | None) -> Route:
    services = _rest_services(signing_name, None if signing_name else request.host.split(".", 1)[0])
    if len(services) > 1 and signing_name == "s3" and "x-amz-account-id" in request.headers and request.raw_path.startswith("/v20180820/"):
        services = services[::-1]
    for service in services:
        rest = router(service)
        found = rest.match(request)
        if found is not None:
            return Route(service, found[0].name, rest.protocol, found[1])
    if services[0] == "s3":
        raise _not_allowed(request)
    raise unknown_operation(f"{services[0]} has no operation at {request.method} {request.path}.")


def _not_allowed(request: HttpRequest) -> AwsError:
    """S3's words for a method that a resource does not have. Source: API Reference, "List of error codes"."""
    bucket_name, _, key = request.raw_path.removeprefix("/").partition("/")
    if request.method == "POST" and bucket_name and not key:
        fields = {"Condition": "Bucket POST must be of the enclosure-type multipart/form-data"}
        sentence = "At least one of the pre-conditions you specified did not hold"
        return AwsError("PreconditionFailed", sentence, status=412, fields=fields)
    fields = {"Method": request.method, "ResourceType": "OBJECT" if key else "BUCKET" if bucket_name else "SERVICE"}
    return AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", status=405, fields=fields)


@lru_cache(maxsize=1024)
def _rest_services(signing_name: str | None, host_label: str | None) -> tuple[str, ...]:
    """The REST services that the request may be for, the likeliest first."""
    if signing_name:
        candidates = _by_signing_name().get(signing_name, [])
        if not candidates:
            raise AwsError("UnknownService", f"Groundcloud has no service that signs as {signing_name!r}.", status=501)
    else:
        named = _by_host_label().get(host_label or "")
        candidates = [named] if named else ["s3"]
    rest = [service for service in candidates if models.index()[service]["protocol"].startswith("rest")]
    if not rest:
        if signing_name:
            raise unknown_operation(f"The request names no operation of {candidates[0]}.")
        rest = ["s3"]
    rest.sort(key=lambda service: service == "s3control")
    return tuple(rest)
