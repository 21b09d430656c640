"""Event filter patterns of event source mappings: EventBridge's patterns, on records whose body may be JSON in a text.

Source: AWS: "Filter rule syntax" of Lambda.
"""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.event_patterns import Pattern

Record = dict[str, Any]

PATTERNS_MAX = 10
"""AWS: CreateEventSourceMapping: up to five filters, ten on request."""

DEPTH_MAX = 32

_UNREAD = object()


class Filter:
    """One pattern, compiled. Raises ValueError for what is none."""

    def __init__(self, pattern: str) -> None:
        try:
            self.document = json.loads(pattern)
        except (ValueError, RecursionError):
            raise ValueError("not JSON") from None
        # Other than a rule's, a filter's pattern may be empty: it lets everything through.
        self._pattern = Pattern(pattern) if self.document != {} else None
        if _depth(self.document) > DEPTH_MAX:
            raise ValueError("nested too deeply")

    def matches(self, record: Any) -> bool:
        return self._pattern is None or self._pattern.matches(record)


def compile_all(criteria: dict[str, Any] | None) -> list[Filter]:
    """Of a FilterCriteria; empty lets everything through. Raises ValueError."""
    found = [Filter(one.get("Pattern") or "") for one in (criteria or {}).get("Filters") or ()]
    if len(found) > PATTERNS_MAX:
        raise ValueError(f"more than {PATTERNS_MAX} filters")
    return found


def passes(filters: list[Filter], record: Record, body_key: str) -> bool:
    """Whether one of the filters lets a record through. `body_key` holds a text (SQS) that a pattern may look into as JSON."""
    if not filters:
        return True
    decoded: Any = _UNREAD
    for one in filters:
        seen = record
        if isinstance(one.document.get(body_key), dict) and isinstance(record.get(body_key), str):
            if decoded is _UNREAD:
                decoded = _decoded(record[body_key])
            seen = {**record, body_key: decoded}
        if one.matches(seen):
            return True
    return False


def _depth(document: Any) -> int:
    if isinstance(document, dict):
        return 1 + max(map(_depth, document.values()), default=0)
    return 1 + max(map(_depth, document), default=0) if isinstance(document, list) else 0


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
