"""Patch operations of REST APIs: `{"op": "replace", "path": "/variables/colour", "value": "blue"}` over a document of the API.

A noun says what may be patched with a table: the first part of a path -> a kind of member. AWS: "Patch Operations" of the API Gateway API reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundcloud.services.apigateway import errors

Kind = Callable[[dict[str, Any], str, list[str], str, str | None], None]
"""(document, member, the path's further parts, op, value): changes the document, or raises KeyError for a path that it has not."""


def apply(document: dict[str, Any], operations: list[dict[str, Any]], members: dict[str, Kind]) -> dict[str, Any]:
    """The changed document. Raises BadRequestException for a path or a value that does not fit."""
    for operation in operations:
        op, path, value = operation.get("op", ""), operation.get("path") or "", operation.get("value")
        if op not in ("add", "remove", "replace"):
            raise errors.bad_request(f"Invalid patch operation specified. Must be one of: [add, remove, replace]: {op}")
        parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
        kind = members.get(parts[0]) if parts else None
        if kind is None:
            raise errors.invalid_patch_path(path, op, [f"/{name}" for name in members])
        try:
            kind(document, parts[0], parts[1:], op, value)
        except KeyError:
            raise errors.invalid_patch_path(path, op, [f"/{name}" for name in members]) from None
    return document


def scalar(convert: Callable[[str, str], Any]) -> Kind:
    """One value; `convert(text, member)` makes it."""

    def patch(document: dict[str, Any], member: str, parts: list[str], op: str, value: str | None) -> None:
        if parts:
            raise KeyError(member)
        if op == "remove" or value is None:
            document.pop(member, None)
        else:
            document[member] = convert(value, member)

    return patch


def _text(value: str, _: str) -> str:
    return value


def _flag(value: str, member: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise errors.bad_request(f"Invalid boolean value specified for {member}: {value}")
    return value.lower() == "true"


def _integer(value: str, member: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise errors.bad_request(f"Invalid integer value specified for {member}: {value}") from None


def _decimal(value: str, member: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise errors.bad_request(f"Invalid number specified for {member}: {value}") from None


text = scalar(_text)
flag = scalar(_flag)
integer = scalar(_integer)
decimal = scalar(_decimal)


def listed(document: dict[str, Any], member: str, parts: list[str], op: str, value: str | None) -> None:
    """A list whose items are named by the path (`/binaryMediaTypes/image~1png`) or, for a whole list, by the value."""
    items = list(document.get(member) or [])
    if op == "remove":
        item = parts[0] if parts else value
        items = [each for each in items if each != item] if item else []
    elif op == "replace" and parts:
        items = [value if each == parts[0] else each for each in items]
    elif op == "replace":
        items = [each.strip() for each in (value or "").split(",") if each.strip()]
    else:
        item = parts[0] if parts else value
        if item and item not in items:
            items.append(item)
    document[member] = items


def mapped(convert: Callable[[str, str], Any] = _text) -> Kind:
    """A map, one entry a path."""

    def patch(document: dict[str, Any], member: str, parts: list[str], op: str, value: str | None) -> None:
        if len(parts) != 1:
            raise KeyError(member)
        entries = dict(document.get(member) or {})
        if op == "remove":
            entries.pop(parts[0], None)
        else:
            entries[parts[0]] = convert(value or "", parts[0])
        document[member] = entries

    return patch


texts = mapped()
flags = mapped(_flag)


def nested(members: dict[str, Kind]) -> Kind:
    """A structure; the path goes on inside. Its whole may be removed."""

    def patch(document: dict[str, Any], member: str, parts: list[str], op: str, value: str | None) -> None:
        if not parts:
            if op != "remove":
                raise KeyError(member)
            document.pop(member, None)
            return
        inner = dict(document.get(member) or {})
        members[parts[0]](inner, parts[0], parts[1:], op, value)
        document[member] = inner

    return patch
