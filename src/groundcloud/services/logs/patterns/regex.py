"""`%...%`: AWS's regular expressions, a small part of the usual ones: no groups, so none that takes more than polynomial time."""

from __future__ import annotations

import re

from groundcloud.services.logs.patterns.pattern import invalid_characters

# AWS: "Supported regular expressions (regex) syntax"; the colon is in AWS's own examples of timestamps.
_SYMBOLS = frozenset("_#=@/;,-: ")
_OPERATORS = frozenset("^$?[]{}|*+.")
_CLASSES = frozenset("dDsSwW")
STARS_MAX = 12
"""Unbounded repetitions in one expression: what keeps a search short."""


def regex_from(text: str, position: int) -> tuple[re.Pattern[str], int]:
    """The expression whose opening percent sign is at `position`, and where it ends. Raises PatternError."""
    end = position + 1
    while end < len(text) and text[end] != "%":
        end += 2 if text[end] == "\\" else 1
    if end >= len(text) or end == position + 1:
        raise invalid_characters(text[position:])
    return compiled(text[position + 1 : end]), end + 1


def compiled(expression: str) -> re.Pattern[str]:
    """Raises PatternError."""
    position, stars = 0, 0
    while position < len(expression):
        character = expression[position]
        if character == "\\":
            following = expression[position + 1 : position + 2]
            if not following or (following.isalnum() and following not in _CLASSES and following != "x"):
                raise invalid_characters(f"%{expression}%")
            position += 2
            continue
        if not (character.isascii() and character.isalnum()) and character not in _SYMBOLS and character not in _OPERATORS:
            raise invalid_characters(f"%{expression}%")
        stars += character in "*+{"
        position += 1
    if stars > STARS_MAX:
        raise invalid_characters(f"%{expression}%")
    try:
        return re.compile(expression, re.ASCII)
    except re.error:
        raise invalid_characters(f"%{expression}%") from None
