"""Pages of lists: a limit, and a marker that says after what the next page begins."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from groundcloud.services.kms import errors

T = TypeVar("T")


def after(request: dict[str, Any]) -> str | None:
    """Raises InvalidMarkerException."""
    marker = request.get("Marker")
    if marker is None:
        return None
    try:
        return b64decode(marker.encode("ascii"), b"-_", validate=True).decode()
    except ValueError:
        raise errors.invalid_marker() from None


def limit_of(request: dict[str, Any], default: int, most: int) -> int:
    """Raises ValidationException beyond what this operation gives at once."""
    limit = request.get("Limit", default)
    if limit > most:
        raise errors.constraint("limit", limit, f"Member must have value less than or equal to {most}")
    return int(limit)


def page(member: str, found: Iterable[T], limit: int, place: Callable[[T], str], show: Callable[[T], Any]) -> dict[str, Any]:
    """The answer: up to `limit` of `found`; `place` is what `after` gives for the one that follows."""
    shown = list(islice(found, limit + 1))
    if len(shown) <= limit:
        return {member: [show(each) for each in shown], "Truncated": False}
    marker = urlsafe_b64encode(place(shown[limit - 1]).encode()).decode()
    return {member: [show(each) for each in shown[:limit]], "NextMarker": marker, "Truncated": True}
