"""Rules that a route, an integration or a CORS configuration of an HTTP API must keep, however it comes. Pure."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.services.apigateway import errors
from groundcloud.services.apigateway.http_state import Integration

TIMEOUT_MS_MAX = 30_000
"""AWS: "Quotas for configuring and running an HTTP API"."""
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "ANY", "TRACE", "CONNECT"}
_FUNCTION = re.compile(
    r"arn:aws[a-z-]*:apigateway:[^:]*:lambda:path/2015-03-31/functions/(.+)/invocations/?|(arn:aws[a-z-]*:lambda:.+:function:.+)"
)
_SEGMENT = re.compile(r"[^{}/]*|\{[^{}/+]+\}|\{[^{}/+]+\+\}")
_STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}|\$default")


def checked_route_key(key: str) -> str:
    """`GET /pets/{id}`, `ANY /{proxy+}` or `$default`. Raises BadRequestException."""
    if key == "$default":
        return key
    method, space, path = key.partition(" ")
    segments = path.split("/")[1:]
    if not space or method not in METHODS or not path.startswith("/") or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise errors.bad_request(
            f'The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default": {key}'
        )
    if any(segment.endswith("+}") for segment in segments[:-1]):
        raise errors.bad_request(f"A greedy path variable must be the last part of the path: {key}")
    names = re.findall(r"\{([^}+]+)\+?\}", path)
    if len(names) != len(set(names)):
        raise errors.bad_request(f"Invalid resource path. Path variables must be unique: {key}")
    return key


def checked_stage_name(name: str) -> str:
    if not _STAGE_NAME.fullmatch(name):
        raise errors.bad_request(
            "Invalid stage name. Stage name can contain only alphanumeric characters, hyphens, and underscores, or be $default."
        )
    return name


def function_of(uri: str) -> str | None:
    """The function's ARN (stage variables unresolved) of an integration's URI."""
    match = _FUNCTION.fullmatch(uri)
    return (match[1] or match[2]) if match else None


def checked_integration(integration: Integration) -> Integration:
    """With its defaults. Raises BadRequestException, or a refusal by name."""
    kind, uri = integration.integration_type, integration.integration_uri or ""
    if kind in ("AWS", "HTTP", "MOCK"):
        raise errors.bad_request("HTTP protocol based APIs only support integrations of type AWS_PROXY or HTTP_PROXY")
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise errors.bad_request(f"Invalid integration type: {kind}")
    if integration.connection_type == "VPC_LINK":
        raise errors.missing("VPC links")
    if kind == "AWS_PROXY":
        if function_of(uri) is None:
            raise errors.bad_request(f"Invalid integration URI: {uri}")
        version = integration.payload_format_version or "1.0"
        if version not in ("1.0", "2.0"):
            raise errors.bad_request(f"Invalid PayloadFormatVersion: {version}")
        integration = integration.replace(payload_format_version=version, integration_method=integration.integration_method or "POST")
    else:
        if not re.match(r"https?://|\$\{stageVariables\.", uri):
            raise errors.bad_request("Invalid HTTP endpoint specified for URI")
        if not integration.integration_method:
            raise errors.bad_request("HttpMethod must be specified")
        if (integration.payload_format_version or "1.0") != "1.0":
            raise errors.bad_request("Payload format version 2.0 is not supported for HTTP_PROXY integrations")
        integration = integration.replace(payload_format_version="1.0")
    for name in integration.request_parameters:
        if not re.fullmatch(r"(append|overwrite|remove):(header|querystring)\.\S+|overwrite:path", name):
            raise errors.bad_request(f"Invalid mapping expression specified: {name}")
    timeout_ms = integration.timeout_in_millis or TIMEOUT_MS_MAX
    if not 50 <= timeout_ms <= TIMEOUT_MS_MAX:
        raise errors.bad_request(f"Timeout should be between 50 ms and {TIMEOUT_MS_MAX} ms")
    return integration.replace(timeout_in_millis=timeout_ms)


def checked_cors(cors: dict[str, Any] | None) -> dict[str, Any] | None:
    """Raises BadRequestException for what a browser would refuse anyway."""
    if not cors:
        return None
    if cors.get("AllowCredentials") and "*" in (cors.get("AllowOrigins") or []):
        raise errors.bad_request("allowCredentials is not supported for origin *")
    for origin in cors.get("AllowOrigins") or []:
        if origin != "*" and not re.fullmatch(r"(https?|[a-z][a-z0-9+.-]*)://[^/]+|https?://\*", origin):
            raise errors.bad_request(f"Invalid format for origin {origin}. Origin should start with valid scheme")
    for method in cors.get("AllowMethods") or []:
        if method != "*" and method not in METHODS - {"ANY"}:
            raise errors.bad_request(f"Invalid method for CORS: {method}")
    return cors
