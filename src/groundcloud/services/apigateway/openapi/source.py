"""A definition's text to a document, JSON or YAML, and what both kinds of API read from one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from groundcloud.base.limits import JSON_DEPTH_MAX
from groundcloud.services.apigateway import errors

DEFINITION_BYTES_MAX = 6 * 1024 * 1024
"""AWS: PutRestApi, "The maximum size of the API definition file is 6MB"."""
ALIASES_MAX = 1_000
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "x-amazon-apigateway-any-method")
ANY_METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"


def parse(text: bytes | str) -> dict[str, Any]:
    """Raises BadRequestException for what is no OpenAPI document."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > DEFINITION_BYTES_MAX:
        raise errors.bad_request("Invalid OpenAPI input. The definition is larger than 6 MB")
    try:
        document = msgspec.json.decode(raw) if raw.lstrip()[:1] == b"{" else _yaml(raw)
    except (msgspec.DecodeError, RecursionError):
        raise errors.bad_request("Unable to parse API definition because of a malformed request body: invalid JSON") from None
    return checked(document)


def checked(document: Any) -> dict[str, Any]:
    """The document, if it is one of a known version. YAML's integer keys (status codes) become text."""
    if not isinstance(document, dict) or not ("swagger" in document or "openapi" in document):
        raise errors.bad_request("Invalid OpenAPI input. Must specify a swagger or openapi version")
    version = str(document.get("swagger") or document.get("openapi"))
    if not version.startswith(("2.", "3.")):
        raise errors.bad_request(f"Invalid OpenAPI input. The version {version} is not supported")
    return _with_text_keys(document, 0)  # type: ignore[no-any-return]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], list[Any]]]:
    """(path, method as in the definition, operation, the path's common parameters)."""
    for path, item in (document.get("paths") or {}).items():
        if not isinstance(item, dict):
            raise errors.bad_request(f"Invalid OpenAPI input. The path {path} is not an object")
        for method in METHODS:
            found = item.get(method)
            if isinstance(found, dict):
                yield path, method, found, item.get("parameters") or []


def resolved(document: dict[str, Any], value: Any) -> Any:
    """`{"$ref": "#/components/..."}` followed once; anything else as it is. Raises BadRequestException for a reference to nothing."""
    if not isinstance(value, dict) or "$ref" not in value:
        return value
    found: Any = document
    for part in str(value["$ref"]).removeprefix("#/").split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or part not in found:
            raise errors.bad_request(f"Invalid OpenAPI input. Cannot resolve reference {value['$ref']}")
        found = found[part]
    return found


def security_schemes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    schemes = (document.get("components") or {}).get("securitySchemes") or document.get("securityDefinitions") or {}
    return {name: resolved(document, scheme) for name, scheme in schemes.items()}


def security(document: dict[str, Any], operation: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """(scheme, scopes) of everything that the operation, or else the document, asks for."""
    asked = operation.get("security")
    if asked is None:
        asked = document.get("security") or []
    return [(name, scopes or []) for requirement in asked if isinstance(requirement, dict) for name, scopes in requirement.items()]


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    return (document.get("components") or {}).get("schemas") or document.get("definitions") or {}


def tags_of(document: dict[str, Any]) -> dict[str, str]:
    """The definition's tags that carry a value for the API."""
    found = {}
    for tag in document.get("tags") or []:
        if isinstance(tag, dict) and "x-amazon-apigateway-tag-value" in tag:
            found[str(tag.get("name", ""))] = str(tag["x-amazon-apigateway-tag-value"])
    return found


def _yaml(raw: bytes) -> Any:
    import yaml

    if raw.count(b"*") > ALIASES_MAX and raw.count(b"&") > ALIASES_MAX:
        raise errors.bad_request("Invalid OpenAPI input. Too many aliases")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(raw, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise errors.bad_request("Unable to parse API definition because of a malformed request body: invalid YAML") from None


def _with_text_keys(value: Any, depth: int) -> Any:
    if depth > JSON_DEPTH_MAX:
        raise errors.bad_request("Invalid OpenAPI input. The definition is nested too deeply")
    if isinstance(value, dict):
        return {str(key): _with_text_keys(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(member, depth + 1) for member in value]
    return value
