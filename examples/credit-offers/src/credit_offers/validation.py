"""Reads the members of a JSON object and collects everything that is wrong with them, so that a caller hears it at once."""

import re
from collections.abc import Mapping
from typing import Any

from credit_offers.errors import Problem


class Fields:
    """Take the members one by one, then call `finish`, which raises a 400 that names each bad, missing or unknown member."""

    def __init__(self, document: Mapping[str, Any]):
        self._document = document
        self._known: set[str] = set()
        self._wrong: dict[str, str] = {}

    def number(self, name: str, allowed: range) -> int:
        """A whole number in `allowed`."""
        return self._checked(name, self._take(name), allowed)

    def number_in_text(self, name: str, allowed: range, *, optional: bool = False) -> int | None:
        """A whole number written in digits, as in a query string."""
        text = self._take(name)
        if text is None and optional:
            return None
        return self._checked(name, int(text) if text and re.fullmatch(r"[0-9]{1,15}", text) else text, allowed)

    def text(self, name: str, pattern: str, described: str) -> str:
        """A text that matches the whole of `pattern`; `described` completes "must be ..."."""
        value = self._take(name)
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        self._wrong[name] = "is required" if value is None else f"must be {described}"
        return ""

    def finish(self) -> None:
        unknown = {str(name): "is not a known field" for name in self._document if name not in self._known}
        if wrong := self._wrong | unknown:
            raise Problem(400, "invalid_request", "Some fields are not as they should be.", fields=wrong)

    def _take(self, name: str) -> Any:
        self._known.add(name)
        return self._document.get(name)

    def _checked(self, name: str, value: Any, allowed: range) -> int:
        if type(value) is int and value in allowed:  # `True` is an int in Python, and is no amount
            return value
        self._wrong[name] = "is required" if value is None else f"must be a whole number from {allowed[0]} to {allowed[-1]}"
        return 0
