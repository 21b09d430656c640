"""What every compiled filter pattern is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError


class PatternError(AwsError):
    """A pattern that does not parse, in AWS's words."""

    def __init__(self, sentence: str) -> None:
        super().__init__("InvalidParameterException", sentence)


def invalid_characters(term: str) -> PatternError:
    return PatternError(f"Invalid character(s) in term '{term}'")


class Pattern:
    """`matches(message)`; `extract(message)` gives the named values of a message that matches, and `value(message, selector)` one of them, for metrics."""

    __slots__ = ("extract", "matches", "value")

    def __init__(
        self,
        matches: Callable[[str], bool],
        extract: Callable[[str], dict[str, str]] | None = None,
        value: Callable[[str, str], Any] | None = None,
    ) -> None:
        self.matches = matches
        self.extract = extract or _nothing
        self.value = value
        """None where the pattern has no fields to name."""


def _nothing(message: str) -> dict[str, str]:
    return {}
