"""Tokens of pages: opaque to the caller, checked when they come back."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from groundcloud.services.cloudwatch import errors


def token(*parts: str | int) -> str:
    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def parts(text: str, *kinds: type) -> list[Any]:
    """Raises InvalidNextToken unless it holds parts of these kinds."""
    try:
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise errors.invalid_token() from None
    if not isinstance(found, list) or [type(part) for part in found] != list(kinds):
        raise errors.invalid_token()
    return found
