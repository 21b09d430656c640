"""Which service and operation a request is for, and in which protocol.

Order: RPC v2 path; `X-Amz-Target`; an Action in the form or the query string; else REST, where the service comes from the credential scope or the
host name and the operation from method, path, query names and headers. What cannot be told is S3's, whose clients may be anonymous.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.model import Model, Operation


class Route(NamedTuple):
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


@lru_cache(maxsize=1024)
def _target(text: str) -> tuple[str, str] | None:
    prefix, _, operation = text.rpartition(".")
    service = _targets().get(prefix)
    return None if service is None else (service, operation)


async def identify(request: HttpRequest, signing_name: str | None) -> Route:
    """`signing_name` is the service of the credential scope, None if the request is not signed. Raises AwsError UnknownOperationException naming what is missing."""
    headers = request.headers
    target = headers.get("x-amz-target")
    if target is not None:
        known = _target(target)
        if known is None:
            raise unknown_operation(f"No service of this server has the target {target!r}.")
        service, operation = known
        protocol = "json"
        if "json" not in models.index()[service].get("protocols", [models.index()[service]["protocol"]]):
            raise unknown_operation(f"{service} does not speak the JSON protocol.")
        return Route(service, operation, protocol, {})
    if headers.get("smithy-protocol") == "rpc-v2-cbor" or (request.raw_path.startswith("/service/") and "/operation/" in request.raw_path):
        return _rpc_v2(request, signing_name)
    content_type = headers.get("content-type", "")
    if request.method == "POST" and content_type.startswith("application/x-www-form-urlencoded"):
        action = await _action_of_body(request)
        if action is not None:
            return _query(request, action, signing_name)
    if (
        "Action=" in request.query_string
        and (actions := request.query.get("Action"))
        and (request.raw_path == "/" or signing_name == "sqs")
    ):
        return _query(request, (actions[0], request.query.get("Version", [""])[0]), signing_name)
    return _rest(request, signing_name)


def unknown_operation(message: str) -> AwsError:
    return AwsError("UnknownOperationException", message, status=404)


def _rpc_v2(request: HttpRequest, signing_name: str | None) -> Route:
    match = re.search(r"/service/([^/]+)/operation/([^/]+)/?$", request.path)
    if match is None:
        raise unknown_operation(f"Not a Smithy RPC v2 path: {request.path}")
    candidates = _by_signing_name().get(signing_name or "", [])
    service = _targets().get(match[1]) or (candidates[0] if candidates else None)
    if service is None:
        raise unknown_operation(f"No service of this server is called {match[1]!r}.")
    return Route(service, match[2], "smithy-rpc-v2-cbor", {})


async def _action_of_body(request: HttpRequest) -> tuple[str, str] | None:
    from groundcloud.wire.query import form_of

    if request.body.size_bytes is not None and request.body.size_bytes > 1 << 21:
        return None
    body = await request.body.read(1 << 21)
    if b"Action=" not in body:
        return None
    form = form_of(body)
    action = form.get("Action")
    return None if action is None else (action, form.get("Version", ""))


def _query(request: HttpRequest, action: tuple[str, str], signing_name: str | None) -> Route:
    name, version = action
    candidates = _by_signing_name().get(signing_name, []) if signing_name else []
    if not candidates:
        label = request.host.split(".")[0]
        candidates = [
            service for service, metadata in models.index().items() if "query" in _protocols(service) and version == metadata["apiVersion"]
        ]
        candidates.sort(key=lambda service: models.index()[service]["endpointPrefix"] != label)
        candidates = [service for service in candidates if name in models.load(service).operation_names] or candidates
    for service in candidates:
        if "query" in _protocols(service):
            return Route(service, name, "query", {})
    raise unknown_operation(f"No service of this server has the action {name!r} in version {version!r}.")


def _protocols(service: str) -> list[str]:
    if service == "sqs":
        return ["json", "query"]
    metadata = models.index()[service]
    return metadata.get("protocols") or [metadata["protocol"]]


def _rest(request: HttpRequest, signing_name: str | None) -> Route:
    candidates: list[str] = []
    if signing_name:
        candidates = _by_signing_name().get(signing_name, [])
        if not candidates and signing_name != "execute-api":
            raise AwsError("UnknownService", f"Groundcloud has no service that signs as {signing_name!r}.", status=501)
    else:
        label = request.host.split(".")[0]
        named = _by_host_label().get(label)
        candidates = [named] if named else ["s3"]
    rest = [service for service in candidates if models.index()[service]["protocol"].startswith("rest")]
    if not rest:
        if signing_name:
            raise unknown_operation(f"The request names no operation of {candidates[0] if candidates else signing_name}.")
        rest = ["s3"]
    for service in rest:
        found = router(service).match(request)
        if found is not None:
            operation, labels = found
            return Route(service, operation.name, models.index()[service]["protocol"], labels)
    raise unknown_operation(f"{rest[0]} has no operation at {request.method} {request.path}.")


class _Candidate(NamedTuple):
    operation: Operation
    literals: int
    static: tuple[tuple[str, str | None], ...]
    query_names: tuple[str, ...]
    header_names: tuple[str, ...]


class Router:
    """Operations of a REST service by method and path."""

    def __init__(self, model: Model) -> None:
        patterns: dict[tuple[str, str], tuple[re.Pattern[str], list[_Candidate]]] = {}
        for name in model.operation_names:
            operation = model.operation(name)
            path, _, query = operation.request_uri.partition("?")
            regex, literals = _path_regex(path)
            static: list[tuple[str, str | None]] = []
            for part in filter(None, query.split("&")):
                key, equals, value = part.partition("=")
                if key != "x-id":
                    static.append((key, value if equals and value else None))
            shape = model.shapes.get(operation.input_shape or "", {})
            required = set(shape.get("required", ()))
            query_names, header_names = [], []
            for member, reference in shape.get("members", {}).items():
                if member in required and reference.get("location") == "querystring":
                    query_names.append(reference.get("locationName", member))
                elif member in required and reference.get("location") == "header":
                    header_names.append(reference.get("locationName", member).lower())
            candidate = _Candidate(operation, literals, tuple(static), tuple(query_names), tuple(header_names))
            patterns.setdefault((operation.http_method, regex), (re.compile(regex), []))[1].append(candidate)
        self._by_method: dict[str, list[tuple[re.Pattern[str], list[_Candidate]]]] = {}
        for (method, _), (regex_, candidates) in patterns.items():
            candidates.sort(key=lambda c: (len(c.static), len(c.query_names), len(c.header_names)), reverse=True)
            self._by_method.setdefault(method, []).append((regex_, candidates))
        for entries in self._by_method.values():
            entries.sort(
                key=lambda entry: (entry[1][0].literals, "(?P<" not in entry[0].pattern, -entry[0].pattern.count(".+")), reverse=True
            )

    def match(self, request: HttpRequest) -> tuple[Operation, dict[str, str]] | None:
        """The most specific operation whose path, fixed query and required names fit; the path's labels decoded."""
        query = request.query if request.query_string else {}
        for regex, candidates in self._by_method.get(request.method, ()):
            found = regex.fullmatch(request.raw_path)
            if found is None:
                continue
            second = None
            for candidate in candidates:
                if any(name not in query or (value is not None and query[name][0] != value) for name, value in candidate.static):
                    continue
                if all(name in query for name in candidate.query_names) and all(name in request.headers for name in candidate.header_names):
                    return candidate.operation, _labels(found)
                if (
                    (second is None and len(candidates) == 1)
                    or candidate.static
                    or (second is None and not candidate.query_names and not candidate.header_names)
                ):
                    second = candidate
            if second is None:
                fitting = [candidate for candidate in candidates if not candidate.static]
                second = fitting[-1] if fitting else None
            if second is not None:
                return second.operation, _labels(found)
        return None


@cache
def router(service: str) -> Router:
    return Router(models.load(service))


def _labels(found: re.Match[str]) -> dict[str, str]:
    return {_unmangle(name): unquote(value, errors="surrogateescape") for name, value in found.groupdict().items()}


_NAMES: dict[str, str] = {}


def _unmangle(group: str) -> str:
    return _NAMES.get(group, group)


def _path_regex(path: str) -> tuple[str, int]:
    """`/{Bucket}/{Key+}` as a regular expression over the raw path, and how many of its segments are literal."""
    out, literals = [], 0
    for segment in path.strip("/").split("/") if path.strip("/") else []:
        piece = ""
        position = 0
        for label in re.finditer(r"\{([^}+]+)(\+?)\}", segment):
            piece += re.escape(segment[position : label.start()])
            group = re.sub(r"\W", "_", label[1])
            _NAMES[group] = label[1]
            piece += f"(?P<{group}>.+)" if label[2] else f"(?P<{group}>[^/]+)"
            position = label.end()
        piece += re.escape(segment[position:])
        literals += position == 0
        out.append(piece)
    return ("/" + "/".join(out) + ("/?" if out and ".+" not in out[-1] else "")), literals


def scope_service(credential_scope_service: str) -> Any:
    """Services that sign under this name."""
    return _by_signing_name().get(credential_scope_service)
