"""Rules of composite alarms: `ALARM("a") AND (OK(b) OR NOT INSUFFICIENT_DATA(c)) AND TRUE`.

Source: API reference, PutCompositeAlarm, AlarmRule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

NESTING_MAX = 50
CHILDREN_MAX = 100  # AWS: a rule names at most 100 alarms

_TOKEN = re.compile(
    r"\s*(?:(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s()\"']+))\s*\)|(AND|OR|NOT|TRUE|FALSE)\b|([()]))"
)

States = Callable[[str], str]
"""The state of an alarm by its name."""


class RuleError(Exception):
    """What is wrong with a rule."""


class Rule(NamedTuple):
    holds: Callable[[States], bool]
    children: tuple[str, ...]
    """Names of the alarms that it looks at, in order."""


@lru_cache(maxsize=512)
def parse(text: str) -> Rule:
    """Raises RuleError."""
    tokens = _tokens(text)
    parser = _Parser(tokens)
    holds = parser.either(0)
    if parser.position != len(tokens):
        raise RuleError("Invalid expression")
    if len(parser.children) > CHILDREN_MAX:
        raise RuleError(f"The rule refers to more than {CHILDREN_MAX} alarms")
    return Rule(holds, tuple(parser.children))


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise RuleError("Invalid expression")
        state, *names, word, sign = token.groups()
        if state is not None:
            found.append((state, next(name for name in names if name is not None)))
        else:
            found.append((word or sign, ""))
        position = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0
        self.children: dict[str, None] = {}

    def take(self, word: str) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position][0] == word:
            self.position += 1
            return True
        return False

    def either(self, depth: int) -> Callable[[States], bool]:
        parts = [self.both(depth)]
        while self.take("OR"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else lambda states: any(part(states) for part in parts)

    def both(self, depth: int) -> Callable[[States], bool]:
        parts = [self.one(depth)]
        while self.take("AND"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else lambda states: all(part(states) for part in parts)

    def one(self, depth: int) -> Callable[[States], bool]:
        if depth > NESTING_MAX or self.position >= len(self.tokens):
            raise RuleError("Invalid expression")
        if self.take("NOT"):
            inner = self.one(depth + 1)
            return lambda states: not inner(states)
        if self.take("("):
            inner = self.either(depth + 1)
            if not self.take(")"):
                raise RuleError("Invalid expression")
            return inner
        word, name = self.tokens[self.position]
        self.position += 1
        if word in ("TRUE", "FALSE"):
            return lambda states: word == "TRUE"
        if word not in ("ALARM", "OK", "INSUFFICIENT_DATA"):
            raise RuleError("Invalid expression")
        child = name.rsplit(":alarm:", 1)[-1] if name.startswith("arn:") else name
        self.children[child] = None
        return lambda states: states(child) == word
