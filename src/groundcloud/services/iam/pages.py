"""Marker, MaxItems and IsTruncated. A marker is the key of the last item, in a form that says nothing to the client."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from groundcloud.services.iam import errors
from groundcloud.services.iam.limits import PAGE_ITEMS

T = TypeVar("T")


def after(request: dict[str, Any], *types: type) -> Any:
    """The key to begin after, None for the first page: one `str`, or what `types` say (a tuple if they are several). Raises ValidationError."""
    marker = request.get("Marker")
    if marker is None:
        return None
    try:
        key = msgspec.msgpack.decode(urlsafe_b64decode(marker), strict=True)
    except (ValueError, msgspec.DecodeError):
        raise errors.validation("Invalid Marker.") from None
    parts = key if len(types) > 1 and isinstance(key, list) else [key]
    wanted = types or (str,)
    if len(parts) != len(wanted) or not all(type(part) is kind for part, kind in zip(parts, wanted, strict=True)):
        raise errors.validation("Invalid Marker.")
    if any(isinstance(part, int) and not 0 <= part < 1 << 63 for part in parts):
        raise errors.validation("Invalid Marker.")
    return tuple(parts) if len(types) > 1 else key


def page(request: dict[str, Any], member: str, items: Iterable[T], key: Callable[[T], Any], shown: Callable[[T], Any]) -> dict[str, Any]:
    """The answer with up to MaxItems of `items` (which begin after the marker) under `member`."""
    limit = request.get("MaxItems") or PAGE_ITEMS
    found: list[T] = []
    for item in items:
        if len(found) == limit:
            marker = urlsafe_b64encode(msgspec.msgpack.encode(key(found[-1]))).decode()
            return {member: [shown(each) for each in found], "IsTruncated": True, "Marker": marker}
        found.append(item)
    return {member: [shown(each) for each in found], "IsTruncated": False}
