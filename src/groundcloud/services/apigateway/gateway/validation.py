"""Request validators of REST APIs: required parameters, and the body against its model.

The JSON schema subset (draft 4): type, enum, required, properties, additionalProperties, items, lengths, ranges, pattern, allOf/anyOf/oneOf/not and references
to the API's other models. `format` is not checked.
AWS: "Request validation for REST APIs in API Gateway".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from groundcloud.services.apigateway.definitions import compatible_content
from groundcloud.services.apigateway.gateway.compiled import CompiledRoute
from groundcloud.services.apigateway.gateway.exchange import Exchange, Refusal
from groundcloud.services.apigateway.gateway.http_proxy import mapped_value

DEPTH_MAX = 64
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def check(exchange: Exchange, route: CompiledRoute) -> None:
    """Raises BAD_REQUEST_PARAMETERS or BAD_REQUEST_BODY."""
    validator, method = route.validator, route.method
    assert validator is not None and method is not None
    if validator.validate_request_parameters:
        missing = [name for name, required in method.request_parameters.items() if required and not _present(exchange, name)]
        if missing:
            names = ", ".join(name.split(".", 3)[3] for name in missing)
            raise Refusal("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{names}]")
    if validator.validate_request_body and route.schemas:
        media_type = compatible_content(exchange.http.headers.get("content-type") or "application/json")
        schema = route.schemas.get(media_type)
        if schema is None:
            if media_type in route.schemas or len(route.schemas) == 0 or "application/json" not in route.schemas:
                return
            schema = route.schemas["application/json"]
            if schema is None:
                return
        try:
            value = msgspec.json.decode(exchange.body)
        except (msgspec.DecodeError, RecursionError):
            raise Refusal("BAD_REQUEST_BODY", reason="the body is not JSON") from None
        problem = problem_of(value, _schema(schema), _schema(schema), 0)
        if problem:
            raise Refusal("BAD_REQUEST_BODY", reason=problem)


def problem_of(value: Any, schema: Any, root: Any, depth: int) -> str:
    """Why a value breaks a schema; "" if it does not."""
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return ""
    if "$ref" in schema:
        target = _referred(str(schema["$ref"]), root)
        return problem_of(value, target, root, depth + 1) if target is not None else ""
    kinds = schema.get("type")
    if kinds is not None:
        allowed = kinds if isinstance(kinds, list) else [kinds]
        if not any(_is(value, kind) for kind in allowed):
            return f"instance type ({_name(value)}) does not match any allowed primitive type (allowed: {sorted(allowed)})"
    if "enum" in schema and value not in schema["enum"]:
        return "instance value not found in enum"
    if "const" in schema and value != schema["const"]:
        return "instance is not the constant"
    for check_ in (_object_problem, _array_problem, _scalar_problem):
        problem = check_(value, schema, root, depth)
        if problem:
            return problem
    for each in schema.get("allOf") or []:
        if problem := problem_of(value, each, root, depth + 1):
            return problem
    if "anyOf" in schema and all(problem_of(value, each, root, depth + 1) for each in schema["anyOf"]):
        return "instance failed to match at least one required schema"
    if "oneOf" in schema and sum(not problem_of(value, each, root, depth + 1) for each in schema["oneOf"]) != 1:
        return "instance failed to match exactly one schema"
    if "not" in schema and not problem_of(value, schema["not"], root, depth + 1):
        return "instance matched a schema which it should not have"
    return ""


def _object_problem(value: Any, schema: dict[str, Any], root: Any, depth: int) -> str:
    if not isinstance(value, dict):
        return ""
    missing = [name for name in schema.get("required") or [] if name not in value] if isinstance(schema.get("required"), list) else []
    if missing:
        return f"object has missing required properties ({missing})"
    if len(value) < schema.get("minProperties", 0) or len(value) > schema.get("maxProperties", len(value)):
        return "object has too many or too few properties"
    properties = schema.get("properties") or {}
    patterns = {pattern: each for pattern, each in (schema.get("patternProperties") or {}).items() if _pattern(pattern) is not None}
    extra = schema.get("additionalProperties", True)
    for name, member in value.items():
        schemas = [properties[name]] if name in properties else []
        schemas += [each for pattern, each in patterns.items() if _pattern(pattern).search(name)]  # type: ignore[union-attr]
        if not schemas:
            if extra is False:
                return f"object instance has properties which are not allowed by the schema: [{name}]"
            schemas = [extra]
        for each in schemas:
            if problem := problem_of(member, each, root, depth + 1):
                return f"{name}: {problem}"
    return ""


def _array_problem(value: Any, schema: dict[str, Any], root: Any, depth: int) -> str:
    if not isinstance(value, list):
        return ""
    if len(value) < schema.get("minItems", 0):
        return "array is too short"
    if len(value) > schema.get("maxItems", len(value)):
        return "array is too long"
    if schema.get("uniqueItems") and len({msgspec.json.encode(item, order="sorted") for item in value}) != len(value):
        return "array must not contain duplicate elements"
    items = schema.get("items")
    for index, item in enumerate(value):
        each = items[index] if isinstance(items, list) and index < len(items) else items if isinstance(items, dict) else None
        if each is not None and (problem := problem_of(item, each, root, depth + 1)):
            return f"{index}: {problem}"
    return ""


def _scalar_problem(value: Any, schema: dict[str, Any], root: Any, depth: int) -> str:
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            return "string is too short"
        if len(value) > schema.get("maxLength", len(value)):
            return "string is too long"
        pattern = _pattern(schema["pattern"]) if "pattern" in schema else None
        if pattern is not None and not pattern.search(value):
            return "ECMA 262 regex does not match input string"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and (value < low or (schema.get("exclusiveMinimum") is True and value == low)):
            return "numeric instance is lower than the required minimum"
        if high is not None and (value > high or (schema.get("exclusiveMaximum") is True and value == high)):
            return "numeric instance is greater than the required maximum"
        step = schema.get("multipleOf")
        if step and value % step:
            return "remainder of division is not zero"
    return ""


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    known = _TYPES.get(kind)
    return known is None or isinstance(value, known)


def _name(value: Any) -> str:
    for kind in ("object", "array", "string", "boolean", "null", "integer", "number"):
        if _is(value, kind):
            return kind
    return "unknown"


def _present(exchange: Exchange, name: str) -> bool:
    return bool(mapped_value(exchange, name))


def _referred(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found


@lru_cache(maxsize=1024)
def _schema(text: str) -> Any:
    return msgspec.json.decode(text)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except re.error:
        return None
