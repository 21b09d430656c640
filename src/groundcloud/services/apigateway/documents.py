"""Records to documents of the API and back: `created_date` is `createdDate` for REST APIs and `CreatedDate` for HTTP APIs.

A record's `aws` names the fields that are spelled otherwise ("" for a field that no document shows).
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from groundcloud.store import Record

R = TypeVar("R", bound=Record)
_LOWER_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789"
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@lru_cache(maxsize=64)
def _names(kind: type[Record], pascal: bool) -> tuple[tuple[str, str], ...]:
    exceptions: dict[str, str] = kind.aws  # type: ignore[attr-defined]
    found = []
    for field in msgspec.structs.fields(kind):
        name = exceptions.get(field.name)
        if name is None:
            words = field.name.split("_")
            name = "".join(word.title() for word in words)
            if not pascal:
                name = words[0] + name[len(words[0]) :]
        if name:
            found.append((field.name, name))
    return tuple(found)


def rest_document(record: Record) -> dict[str, Any]:
    """In camelCase; what is None or empty is left out, as AWS does."""
    return {name: value for field, name in _names(type(record), False) if (value := getattr(record, field)) not in (None, {}, [])}


def http_document(record: Record) -> dict[str, Any]:
    """In PascalCase; an empty map of tags, variables or settings is shown."""
    return {name: value for field, name in _names(type(record), True) if (value := getattr(record, field)) is not None and value != []}


def rest_fields(kind: type[Record], document: dict[str, Any]) -> dict[str, Any]:
    """The record's fields that a camelCase document sets."""
    return {field: document[name] for field, name in _names(kind, False) if document.get(name) is not None}


def http_fields(kind: type[Record], document: dict[str, Any]) -> dict[str, Any]:
    return {field: document[name] for field, name in _names(kind, True) if document.get(name) is not None}


def restored(record: R, document: dict[str, Any]) -> R:
    """The record with a changed camelCase document of it: what the document lacks returns to its default."""
    changes = {}
    for field in msgspec.structs.fields(type(record)):
        name = dict(_names(type(record), False)).get(field.name)
        if name is None:
            continue
        if name in document:
            changes[field.name] = document[name]
        elif field.default is not msgspec.NODEFAULT:
            changes[field.name] = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            changes[field.name] = field.default_factory()
    return record.replace(**changes)


def short_id(source: random.Random, length: int = 10) -> str:
    """Ids of APIs (10), resources and deployments (6), routes and integrations (7)."""
    return "".join(source.choices(_LOWER_ALPHANUMERIC, k=length))


def key_value(source: random.Random) -> str:
    """The value of an API key: 40 letters and digits."""
    return "".join(source.choices(_ALPHANUMERIC, k=40))


def page(
    items: list[dict[str, Any]], position: str | None, limit: int | None, maximum: int = 500, default: int = 25
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a listing and the position of the next. Positions are offsets in hex; a bad one begins anew."""
    try:
        start = int(position, 16) if position else 0
    except ValueError:
        start = 0
    stop = start + min(limit or default, maximum)
    return items[start:stop], f"{stop:x}" if stop < len(items) else None
